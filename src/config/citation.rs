//! Faults on a terminal: the place, the line, a caret run under the value, the remedy. No secret is ever cited.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::{Fault, Severity};

/// Longest stretch of a line that is shown, in characters.
const SHOWN: usize = 160;

/// Every fault with its citation, one after the other.
pub fn report(path: &Path, text: &str, faults: &[Fault]) -> String {
    faults.iter().map(|fault| cite(path, text, fault)).collect::<Vec<_>>().join("\n")
}

/// One fault with its citation. `text` has been through [`without_secrets`].
fn cite(path: &Path, text: &str, fault: &Fault) -> String {
    let path = path.display();
    let place = if fault.line == 0 { format!("{path}") } else { format!("{path}:{}:{}", fault.line, fault.column) };
    let kind = if fault.severity == Severity::Warning { "warning: " } else { "" };
    let field = if fault.field.is_empty() { String::new() } else { format!("{}: ", fault.field) };
    let mut cited = format!("{place}: {kind}{field}{}\n", fault.reason);
    if let Some(line) = fault.line.checked_sub(1).and_then(|index| text.lines().nth(index)) {
        // A line is cut on the left when the fault stands far out, so that the caret run is always in view.
        let before = fault.column.saturating_sub(1);
        let from = before.saturating_sub(SHOWN / 2);
        let shown: String = line.chars().skip(from).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let room = shown.chars().count().saturating_sub(before - from);
        let carets = "^".repeat(fault.length.clamp(1, room.max(1)));
        let number = fault.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(before - from);
        cited.push_str(&format!("{margin} |\n{number} | {shown}\n{margin} | {indent}{carets}\n"));
    }
    cited.push_str(&format!("  remedy: {}\n", fault.remedy));
    cited
}

/// The first fault and how many more there are: for a log, where a citation has no place.
pub fn in_one_line(path: &Path, faults: &[Fault]) -> String {
    let mut wrong = faults.iter().filter(|fault| fault.severity == Severity::Fault);
    let Some(first) = wrong.next() else { return format!("{}: faulty", path.display()) };
    let more = match wrong.count() {
        0 => String::new(),
        more => format!(" (and {more} more; `smdrd check` shows all)"),
    };
    let Fault { line, column, field, value, reason, remedy, .. } = first;
    let field = match (field.is_empty(), value.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!("{field}: "),
        (false, false) => format!("{field} = {value}: "),
    };
    let place = if *line == 0 { String::new() } else { format!(":{line}:{column}") };
    format!("{}{place}: {field}{reason}; {remedy}{more}", path.display())
}

/// A key that is named like a secret, and its value on the same line.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"["']?([A-Za-z0-9_-]*(?i-u:token|passw|passphrase|secret|bearer|authorization|api-?_?key|private-?_?key)[A-Za-z0-9_-]*)["']?[ \t]*=[ \t]*("""[^\r\n]*|'''[^\r\n]*|"[^"\r\n]*"?|'[^'\r\n]*'?|[^,}\s#][^,}\r\n#]*)"#,
    )
    .expect("the pattern is constant")
});

/// A name and password in a URL.
static IN_URL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"://([^/@\s"']+)@"#).expect("the pattern is constant"));

/// The text with everything that looks like a secret starred out, character for character, so that places still hold.
/// Names of files (`token-file = "/…"`) stay. The file is meant to hold no secret; this is for when it does.
pub fn without_secrets(text: &str) -> String {
    let names_a_file = |key: &str, value: &str| {
        key.to_ascii_lowercase().ends_with("file") && value.trim_start_matches(['"', '\'']).starts_with('/')
    };
    let mut spans: Vec<_> = IN_URL.captures_iter(text).filter_map(|found| Some(found.get(1)?.range())).collect();
    for found in SECRET.captures_iter(text) {
        if let (Some(key), Some(value)) = (found.get(1), found.get(2))
            && !names_a_file(key.as_str(), value.as_str())
        {
            spans.push(value.range());
        }
    }
    text.char_indices()
        .map(|(at, c)| {
            let hidden = !matches!(c, '"' | '\'' | '\n' | '\r') && spans.iter().any(|span| span.contains(&at));
            if hidden { '*' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_starred_out_and_places_hold() {
        for (text, shown) in [
            ("token = \"hunter2\"", "token = \"*******\""),
            ("url = \"https://box:hunter2@feed.example\"", "url = \"https://***********@feed.example\""),
            ("supplier = { token = hunter2, url = 'x' }", "supplier = { token = *******, url = 'x' }"),
            ("token-file = \"/etc/smdrd/token\"", "token-file = \"/etc/smdrd/token\""),
            ("token-file = \"hunter2\"", "token-file = \"*******\""),
            ("\"api_key\" = 'hunter2' # mine", "\"api_key\" = '*******' # mine"),
            ("password = \"hunter2", "password = \"*******"),
            ("token = \"/hunter2\"", "token = \"********\""),
            ("token = 12345 # five", "token = ****** # five"),
        ] {
            let hidden = without_secrets(text);
            assert_eq!(hidden.chars().count(), text.chars().count());
            assert!(!hidden.contains("hunter2"), "{hidden}");
            // Blanks before a comment may be starred too; only what is shown matters.
            assert_eq!(hidden.replace("* #", "#").replace('*', ""), shown.replace("* #", "#").replace('*', ""));
        }
    }
}
