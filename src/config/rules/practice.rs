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

/// With more than one owner, each says what is its own, and no two say the same.
fn owners(config: &Config, findings: &mut Findings<'_>) {
    let mut taken: HashMap<(&str, String), String> = HashMap::new();
    let practices = config.practice.iter().enumerate().map(|(index, practice)| {
        let name = format!("practice {}, site {}", practice.ods.get_ref(), practice.site.get_ref());
        (format!("practice[{index}]"), name, [&practice.ddis, &practice.trunks, &practice.groups])
    });
    let tenants = config.other_tenant.iter().enumerate().map(|(index, tenant)| {
        let name = format!("tenant {}", tenant.name.get_ref());
        (format!("other-tenant[{index}]"), name, [&tenant.ddis, &tenant.trunks, &tenant.groups])
    });
    for (path, name, lists) in practices.chain(tenants) {
        let alone = path.starts_with("practice") && config.practice.len() == 1;
        if !alone && lists.iter().all(|list| list.is_empty()) {
            let reason = format!("{name} shares the PBX and says of no call that it is its own");
            findings.fault(&path, reason, "add `ddis`, `trunks` or `groups`");
        }
        for (kind, list) in ["ddis", "trunks", "groups"].into_iter().zip(lists) {
            for (index, entry) in list.iter().enumerate() {
                let field = format!("{path}.{kind}[{index}]");
                let plain = entry.replace(' ', "");
                if plain.is_empty() {
                    findings.fault(&field, "empty", "take it out");
                } else if let Some(owner) = taken.insert((kind, plain), name.clone()) {
                    let reason = format!("already among the {kind} of {owner}");
                    findings.fault(&field, reason, "leave it with one of the two");
                }
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
