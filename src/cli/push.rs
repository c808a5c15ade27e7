//! `smdrd push`.

use std::process::ExitCode;

use jiff::civil::Date;

use super::{Asking, table};
use crate::control::Request;
use crate::daemon::courier::Sent;
use crate::daemon::sending::Preview;
use crate::store::OutboxState;

/// Close the days that are over and send what is due to the supplier now
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only this civil day, as 2026-11-20; also one that was refused
    date: Option<Date>,
    /// Show what would be sent, and where to; send, close and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Print what became of each document as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let request = Request::Push { date: arguments.date, dry_run: arguments.dry_run };
    let value = match arguments.asking.ask(request) {
        Ok(value) => value,
        Err(code) => return code,
    };
    if arguments.json {
        println!("{value}");
    }
    if arguments.dry_run {
        let previews: Vec<Preview> = serde_json::from_value(value).unwrap_or_default();
        if !arguments.json {
            print!("{}", readable(&previews));
        }
        return ExitCode::SUCCESS;
    }
    let sent: Vec<Sent> = serde_json::from_value(value).unwrap_or_default();
    if arguments.json {
    } else if sent.is_empty() {
        println!("nothing is due");
    } else {
        print!("{}", table(sent.iter().map(line)));
    }
    if sent.iter().all(|sent| sent.state == OutboxState::Receipted) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(super::NOT_WELL)
    }
}

/// A document and where it stands, as the cells of a table.
pub(super) fn line(sent: &Sent) -> Vec<String> {
    let outcome = sent.problem.clone().or_else(|| sent.receipt_id.clone()).unwrap_or_default();
    vec![
        sent.date.clone(),
        sent.ods.clone(),
        sent.site.clone(),
        format!("revision {}", sent.revision),
        format!("{:?}", sent.state).to_lowercase(),
        outcome,
    ]
}

fn readable(previews: &[Preview]) -> String {
    let sends = previews.iter().filter(|preview| preview.sends).count();
    let mut text = String::new();
    for preview in previews {
        text += &format!("{} {} {} revision {}\n", preview.date, preview.ods, preview.site, preview.revision);
        if let Some(because) = &preview.because {
            text += &format!("  not sent: {because}\n");
        }
        text += &format!("  {} {}\n", preview.method, preview.url);
        if let Some(proxy) = &preview.proxy {
            text += &format!("  through {proxy}\n");
        }
        text += &preview.headers.iter().map(|(name, value)| format!("  {name}: {value}\n")).collect::<String>();
        text += &format!("  {} bytes, sha256 {}\n", preview.bytes, preview.sha256);
        if preview.provisional {
            text += "  as of now: the day is still to be closed, which gives another time and digest\n";
        }
    }
    text + &format!("{sends} document(s) would be sent; smdrd day DATE --json shows what is in one\n")
}
