//! `smdrd push`.

use std::process::ExitCode;

use jiff::civil::Date;

use super::{Asking, table};
use crate::control::Request;
use crate::daemon::courier::Sent;
use crate::store::OutboxState;

/// Close the days that are over and send what is due to the supplier now
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only this civil day, as 2026-11-20
    date: Option<Date>,
    /// Print what became of each document as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let value = match arguments.asking.ask(Request::Push { date: arguments.date }) {
        Ok(value) => value,
        Err(code) => return code,
    };
    let sent: Vec<Sent> = serde_json::from_value(value.clone()).unwrap_or_default();
    if arguments.json {
        println!("{value}");
    } else if sent.is_empty() {
        println!("nothing is due");
    } else {
        print!(
            "{}",
            table(sent.iter().map(|sent| {
                let outcome = sent.problem.clone().or_else(|| sent.receipt_id.clone()).unwrap_or_default();
                vec![
                    sent.date.clone(),
                    sent.ods.clone(),
                    sent.site.clone(),
                    format!("revision {}", sent.revision),
                    format!("{:?}", sent.state).to_lowercase(),
                    outcome,
                ]
            }))
        );
    }
    if sent.iter().all(|sent| sent.state == OutboxState::Receipted) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(super::NOT_WELL)
    }
}
