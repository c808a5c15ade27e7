//! `smdrd approve`.

use std::process::ExitCode;

use jiff::civil::Date;

use super::{Asking, push, table};
use crate::control::Request;
use crate::daemon::sending::Approved;
use crate::store::OutboxState;

/// Release a day that is held for approval, so that it is sent
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The civil day, as 2026-11-20; `smdrd day` shows what would be sent
    date: Date,
    /// Whose day, as ODS code or ODS/site, where there are several practices
    #[arg(long, value_name = "ODS")]
    practice: Option<String>,
    /// Print what became of the document as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let request = Request::Approve { date: arguments.date, practice: arguments.practice };
    let value = match arguments.asking.ask(request) {
        Ok(value) => value,
        Err(code) => return code,
    };
    let approved: Approved = match serde_json::from_value(value.clone()) {
        Ok(approved) => approved,
        Err(error) => {
            eprintln!("smdrd approve: the daemon's answer cannot be read: {error}; is it of the same version?");
            return ExitCode::from(super::NOT_WELL);
        }
    };
    if arguments.json {
        println!("{value}");
    } else {
        println!("{}", if approved.released { "released; it is sent next" } else { "it was not held" });
        print!("{}", table([push::line(&approved.document)]));
    }
    match approved.document.state {
        OutboxState::Pending | OutboxState::Receipted => ExitCode::SUCCESS,
        _ => ExitCode::from(super::NOT_WELL),
    }
}
