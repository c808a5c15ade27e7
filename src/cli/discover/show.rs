//! What was found, as a person reads it.

use std::fmt::Write as _;

use serde::Serialize;

use crate::call::discover::{Discovery, Proposal, Standing, Sure};
use crate::cli::table;

/// The whole answer.
pub fn text(found: &Discovery) -> String {
    let mut text = String::new();
    let (Some(first), Some(last)) = (found.first, found.last) else {
        return "no calls yet: there is nothing to tell from\n".to_owned();
    };
    let _ = writeln!(
        text,
        "{} calls ({} inbound, {} legs) on {} days, {} to {}",
        found.calls,
        found.inbound,
        found.legs,
        found.days,
        first.strftime("%Y-%m-%d %H:%M"),
        last.strftime("%Y-%m-%d %H:%M")
    );
    proposals(&mut text, "stations", &found.stations);
    proposals(&mut text, "trunks", &found.trunks);
    if !found.ddis.is_empty() || found.unlisted_ddi_calls > 0 {
        text += "\nnumbers called\n";
        let rows = found.ddis.iter().map(|ddi| {
            let answered = if ddi.answered_by.is_empty() {
                "answered by nobody".to_owned()
            } else {
                format!("answered by {}", ddi.answered_by.join(", "))
            };
            vec![
                format!("  {}", ddi.ddi),
                format!("{} calls", ddi.calls),
                answered,
                format!("counted for {}", ddi.counted_for.join(", ")),
            ]
        });
        text += &table(rows);
        if found.unlisted_ddi_calls > 0 {
            let _ = writeln!(
                text,
                "  {} calls dialled a number that the configuration does not know: set own in [numbers] to see it",
                found.unlisted_ddi_calls
            );
        }
    }
    if !found.busiest.is_empty() {
        text += "\nbusiest half-hours for inbound calls\n";
        for half_hour in &found.busiest {
            let _ = writeln!(text, "  {:02}:{:02}  {} calls", half_hour.hour, half_hour.minute, half_hour.calls);
        }
    }
    if !found.never_seen.is_empty() {
        let _ = writeln!(text, "\nin the configuration and never seen: {}", found.never_seen.join(", "));
    }
    if found.snippet.is_empty() {
        text += "\nnothing to add to the configuration\n";
    } else {
        text += "\nfor the configuration; look at what stands behind # before you take it\n\n";
        text += &found.snippet;
    }
    text
}

fn proposals<R: Serialize>(text: &mut String, title: &str, proposals: &[Proposal<R>]) {
    if proposals.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    let mut source = "";
    for proposal in proposals {
        if proposal.source != source {
            source = &proposal.source;
            let _ = writeln!(text, "{source}");
        }
        let role = proposal.role.as_ref().map_or_else(|| "open".to_owned(), word);
        let sure = match proposal.sure {
            Sure::Certain => "certain",
            Sure::Likely => "likely",
            Sure::Open => "not enough yet",
        };
        let standing = match proposal.standing {
            Some(Standing::Differs) => format!("; the configuration says {}", word(&proposal.configured)),
            Some(Standing::Missing) => "; not in the configuration".to_owned(),
            Some(Standing::Agrees) | None => String::new(),
        };
        let head = format!("  {:<8} {role}", proposal.name);
        let _ =
            if proposal.role.is_some() { writeln!(text, "{head}, {sure}{standing}") } else { writeln!(text, "{head}") };
        for sentence in &proposal.evidence {
            let _ = writeln!(text, "             {sentence}");
        }
    }
}

fn word<T: Serialize>(value: &T) -> String {
    let word = serde_json::to_value(value).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}
