//! `smdrd dialects reload`.

use std::process::ExitCode;

use super::{Asking, table};
use crate::control::Request;
use crate::daemon::reload::{Change, Reloaded};

/// Runs the verb. 0 when every file is in force, 1 when one is wrong or something could not be stored.
pub fn run(asking: &Asking, as_json: bool) -> ExitCode {
    let value = match asking.ask(Request::ReloadDialects) {
        Ok(value) => value,
        Err(code) => return code,
    };
    let reloaded: Reloaded = match serde_json::from_value(value.clone()) {
        Ok(reloaded) => reloaded,
        Err(error) => {
            eprintln!("smdrd dialects reload: the daemon's answer cannot be read: {error}; is it of the same version?");
            return ExitCode::from(super::NOT_WELL);
        }
    };
    if as_json {
        println!("{value}");
    } else {
        print!("{}", readable(&reloaded));
    }
    ExitCode::from(if reloaded.well { super::DONE } else { super::NOT_WELL })
}

fn readable(reloaded: &Reloaded) -> String {
    let mut text: String = reloaded.faults.iter().map(|fault| format!("{fault}\n")).collect();
    text += &table(reloaded.sources.iter().map(|source| {
        let change = match source.change {
            Change::Unchanged => "as before",
            Change::Replaced => "new rules from the next line on",
            Change::Kept => "the file is wrong; the rules in force stay",
            Change::Unusable => "the file is wrong; no line is understood",
        };
        let version = source.version.clone().unwrap_or_default();
        vec![source.name.clone(), source.dialect.clone(), version, source.origin.clone(), change.to_owned()]
    }));
    for why in reloaded.sources.iter().filter_map(|source| source.why.as_ref()) {
        text += &format!("{why}\n");
    }
    if reloaded.tried > 0 {
        text += &format!("{} held lines tried again, {} understood\n", reloaded.tried, reloaded.understood);
    }
    if let Some(difference) = &reloaded.difference {
        let (lines, calls) = (difference.changed_lines, difference.changed_calls);
        text += &format!("history derived again: {lines} lines and {calls} calls change\n");
        for line in difference.examples.iter().chain(&difference.figures) {
            text += &format!("  {line}\n");
        }
    }
    if let Some(trouble) = &reloaded.trouble {
        text += &format!("{trouble}\n");
    }
    text + "the configuration itself was not read again\n"
}
