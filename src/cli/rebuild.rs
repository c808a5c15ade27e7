//! `smdrd rebuild`.

use std::process::ExitCode;

use super::Asking;
use crate::control::Request;
use crate::daemon::rebuild::Difference;

/// Derive history again from the stored lines, print what changes, and put it in place
///
/// Calls are a pure function of the stored lines: after a dialect or a role was put right, history follows. Changed
/// days are sent again with the next revision.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Print the difference as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let value = match arguments.asking.ask(Request::Rebuild { apply: !arguments.dry_run }) {
        Ok(value) => value,
        Err(code) => return code,
    };
    if arguments.json {
        println!("{value}");
        return ExitCode::SUCCESS;
    }
    let difference: Difference = serde_json::from_value(value).unwrap_or_default();
    println!(
        "{} lines read from {} on, {} calls; {} lines are kept as shapes only and stay as they are",
        difference.lines,
        difference.from.as_deref().unwrap_or("the beginning"),
        difference.calls,
        difference.shapes,
    );
    if difference.is_none() {
        println!("no difference");
        return ExitCode::SUCCESS;
    }
    println!("{} lines and {} calls change:", difference.changed_lines, difference.changed_calls);
    for line in difference.examples.iter().chain(&difference.figures) {
        println!("  {line}");
    }
    println!("{}", if difference.applied { "put in place" } else { "nothing was changed (--dry-run)" });
    ExitCode::SUCCESS
}
