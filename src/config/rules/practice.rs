//! Whose calls they are.

use std::collections::HashMap;

use crate::config::Config;
use crate::config::check::Findings;
use crate::config::rules::{is_slug, slug_remedy};

pub fn check(config: &Config, findings: &mut Findings<'_>) {
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for (index, practice) in config.practice.iter().enumerate() {
        let path = format!("practice[{index}]");
        let (code, site) = (practice.ods.get_ref(), practice.site.get_ref());
        ods(&format!("{path}.ods"), code, findings);
        if !is_slug(site) {
            let reason = "not a name that may stand in a URL";
            findings.fault(&format!("{path}.site"), reason, slug_remedy("site", site));
        }
        if let Some(first) = seen.insert((code.clone(), site.clone()), index) {
            let reason = format!("practice {code}, site {site} is already practice[{first}]");
            findings.fault(&format!("{path}.ods"), reason, "give each site of a practice a `site` of its own");
        }
    }
    if config.practice.is_empty() && !config.source.is_empty() {
        let remedy = "add `[[practice]]` with `ods = \"A81001\"` (the practice's own code)";
        findings.fault("practice", "there is a source and no practice: its calls would be nobody's", remedy);
    }
    owners(config, findings);
}

/// An ODS code of a GP practice is a letter and five digits.
fn ods(path: &str, code: &str, findings: &mut Findings<'_>) {
    if is_ods(code) {
        return;
    }
    let plain: String = code.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_uppercase();
    // The slip most often made, a letter O for a nought, is only repaired where that gives a code.
    let repaired: String = plain.char_indices().map(|(at, c)| if at > 0 && c == 'O' { '0' } else { c }).collect();
    let (reason, remedy) = if is_ods(&plain) {
        let slip = if code.chars().any(|c| c.is_ascii_lowercase()) { "lower case" } else { "blanks or signs" };
        (format!("an ODS code is written without {slip}"), format!("write \"{plain}\""))
    } else if is_ods(&repaired) {
        ("a letter O where an ODS code has a nought".to_owned(), format!("write \"{repaired}\""))
    } else {
        let remedy = "look the practice up in the ODS portal; it looks like \"A81001\"".to_owned();
        ("not the ODS code of a GP practice: a letter and five digits".to_owned(), remedy)
    };
    findings.fault(path, reason, remedy);
}

fn is_ods(code: &str) -> bool {
    let bytes = code.as_bytes();
    bytes.len() == 6 && bytes[0].is_ascii_uppercase() && bytes[1..].iter().all(u8::is_ascii_digit)
}

/// What one owner says.
struct Share<'a> {
    path: String,
    name: String,
    sources: &'a [toml::Spanned<String>],
    unmatched: bool,
    lists: [&'a [String]; 3],
}

impl Share<'_> {
    /// Whether there is a source of which both speak.
    fn meets(&self, other: &Share<'_>) -> bool {
        let named = |source: &toml::Spanned<String>| other.sources.iter().any(|s| s.get_ref() == source.get_ref());
        self.sources.is_empty() || other.sources.is_empty() || self.sources.iter().any(named)
    }
}

/// With more than one owner, each says what is its own, and no two say the same.
fn owners(config: &Config, findings: &mut Findings<'_>) {
    let practices = config.practice.iter().enumerate().map(|(index, practice)| Share {
        path: format!("practice[{index}]"),
        name: format!("practice {}, site {}", practice.ods.get_ref(), practice.site.get_ref()),
        sources: &practice.sources,
        unmatched: practice.unmatched,
        lists: practice.lists(),
    });
    let tenants = config.other_tenant.iter().enumerate().map(|(index, tenant)| Share {
        path: format!("other-tenant[{index}]"),
        name: format!("tenant {}", tenant.name.get_ref()),
        sources: &tenant.sources,
        unmatched: tenant.unmatched,
        lists: tenant.lists(),
    });
    let shares: Vec<Share<'_>> = practices.chain(tenants).collect();
    let names: Vec<&str> = config.source.iter().map(|source| source.name.get_ref().as_str()).collect();
    let mut listed: HashMap<(&str, String), Vec<&Share<'_>>> = HashMap::new();
    for (index, share) in shares.iter().enumerate() {
        let path = &share.path;
        for (at, source) in share.sources.iter().enumerate() {
            if !names.contains(&source.get_ref().as_str()) {
                let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                findings.fault(
                    &format!("{path}.sources[{at}]"),
                    "no source has this name",
                    format!("write the name of a [[source]]; there are: {known}"),
                );
            }
        }
        let silent = share.lists.iter().all(|list| list.is_empty());
        if shares.len() > 1 && silent && !share.unmatched && share.sources.is_empty() {
            let reason = format!("{} shares the PBX and says of no call that it is its own", share.name);
            let remedy = "add `ddis`, `trunks` or `groups`, or `sources` for a PBX of its own, or `unmatched = true`";
            findings.fault(path, reason, remedy);
        }
        let rest = |share: &Share<'_>| {
            share.unmatched || (!share.sources.is_empty() && share.lists.iter().all(|list| list.is_empty()))
        };
        let earlier = shares.iter().take(index).find(|other| rest(other) && other.meets(share));
        if let Some(other) = earlier.filter(|_| rest(share)) {
            let field = if share.unmatched { format!("{path}.unmatched") } else { format!("{path}.sources") };
            let reason = format!("{} already owns what is on nobody's list there", other.name);
            findings.fault(&field, reason, "leave it with one of the two");
        }
        for (kind, list) in ["ddis", "trunks", "groups"].into_iter().zip(share.lists) {
            for (index, entry) in list.iter().enumerate() {
                let field = format!("{path}.{kind}[{index}]");
                let plain = entry.replace(' ', "");
                if plain.is_empty() {
                    findings.fault(&field, "empty", "take it out");
                    continue;
                }
                let others = listed.entry((kind, plain)).or_default();
                if let Some(owner) = others.iter().find(|other| other.meets(share)) {
                    let reason = format!("already among the {kind} of {}", owner.name);
                    findings.fault(&field, reason, "leave it with one of the two");
                }
                others.push(share);
            }
        }
    }
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (index, tenant) in config.other_tenant.iter().enumerate() {
        let name = tenant.name.get_ref().as_str();
        if let Some(first) = names.insert(name, index) {
            let path = format!("other-tenant[{index}].name");
            findings.fault(&path, format!("other-tenant[{first}] has this name too"), "give each its own name");
        }
    }
}
