//! What is proposed, as TOML to be pasted into the configuration.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::{Discovery, Proposal, Standing, Sure};

/// What the configuration lacks. What is not certain stands behind `#`; what it says differently is left to a person.
pub fn snippet(found: &Discovery) -> String {
    let mut text = String::new();
    let sources: BTreeSet<&String> =
        found.stations.iter().map(|p| &p.source).chain(found.trunks.iter().map(|p| &p.source)).collect();
    let several = sources.len() > 1;
    for source in sources {
        let head = |kind: &str| {
            if several {
                format!("[source.roles.{kind}] # below the [[source]] named {source:?}\n")
            } else {
                format!("[roles.{kind}]\n")
            }
        };
        table(&mut text, &head("stations"), found.stations.iter().filter(|p| p.source == *source));
        table(&mut text, &head("trunks"), found.trunks.iter().filter(|p| p.source == *source));
    }
    text
}

fn table<'a, R: Serialize + 'a>(text: &mut String, head: &str, proposals: impl Iterator<Item = &'a Proposal<R>>) {
    let mut rows = String::new();
    for proposal in proposals {
        let Some(role) = &proposal.role else { continue };
        if proposal.standing == Some(Standing::Agrees) {
            continue;
        }
        let comment =
            if proposal.sure == Sure::Certain && proposal.standing == Some(Standing::Missing) { "" } else { "# " };
        let word = |value: &R| serde_json::to_string(value).unwrap_or_default();
        let why = match (proposal.sure, proposal.standing) {
            (_, Some(Standing::Differs)) => format!("now {}: look", word(&proposal.configured).trim_matches('"')),
            (sure, _) => serde_json::to_string(&sure).unwrap_or_default().trim_matches('"').to_owned(),
        };
        let name = toml::Value::String(proposal.name.clone());
        let _ = writeln!(rows, "{comment}{name} = {} # {why}", word(role));
    }
    if !rows.is_empty() {
        text.push_str(head);
        text.push_str(&rows);
    }
}
