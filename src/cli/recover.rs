//! `smdrd recover`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Asking;
use crate::control::Request;
use crate::daemon::recover::Report;

/// Put back what can be read of a database that was damaged and set aside
///
/// Lines come back under the numbers they have, with their records; day documents, receipts and the audit with them. What
/// is there is not put in twice. The days are derived again and, where they change, sent again. The file itself is never
/// changed or removed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The files; all that were set aside and nobody has seen to, when none is named
    files: Vec<PathBuf>,
    /// Only say what could be put back
    #[arg(long)]
    dry_run: bool,
    /// Say that what was lost is not wanted; nothing is put back
    #[arg(long, conflicts_with_all = ["files", "dry_run"])]
    dismiss: bool,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { files, dry_run, dismiss, json, asking } = arguments;
    // The daemon stands elsewhere; a bare name is one in its state directory.
    let absolute = |path: PathBuf| if path.exists() { std::path::absolute(&path).unwrap_or(path) } else { path };
    let files = files.into_iter().map(absolute).collect();
    let value = match asking.ask(Request::Recover { files, dry_run, dismiss }) {
        Ok(value) => value,
        Err(code) => return code,
    };
    let report: Report = serde_json::from_value(value.clone()).unwrap_or_default();
    let unreadable = report.files.iter().any(|file| file.unreadable.is_some());
    if json {
        println!("{value}");
    } else {
        say(&report, dismiss);
    }
    if unreadable { ExitCode::from(super::NOT_WELL) } else { ExitCode::SUCCESS }
}

fn say(report: &Report, dismiss: bool) {
    if dismiss {
        println!("{} loss(es) dismissed; the files stay where they are", report.dismissed);
        return;
    }
    for file in &report.files {
        println!("{}", file.said());
    }
    match &report.rebuilt {
        Some(difference) => println!(
            "the days were derived again from {} on: {} calls; changed days are sent again",
            difference.from.as_deref().unwrap_or("the beginning"),
            difference.calls
        ),
        None if !report.applied => println!("nothing was changed (--dry-run)"),
        None => println!("nothing was to be put back"),
    }
}
