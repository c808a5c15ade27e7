//! `smdrd approve`.

use std::process::ExitCode;

use jiff::civil::Date;

use super::export::TemplateFile;
use super::{Asking, outages, push, table};
use crate::control::{CallLevel, Request};
use crate::daemon::export::Exported;
use crate::daemon::sending::Approved;
use crate::store::OutboxState;

/// Release a day that is held for approval, so that it is sent; or approve the call-level export of a month
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The civil day, as 2026-11-20; `smdrd day` shows what would be sent
    #[arg(required_unless_present = "call_level", conflicts_with = "call_level")]
    date: Option<Date>,
    /// Approve that `smdrd export call-level` writes this month, as 2026-10, with this template
    #[arg(long, value_name = "YYYY-MM", value_parser = outages::month)]
    call_level: Option<Date>,
    /// Who approves it for the practice, by name
    #[arg(long, value_name = "NAME", required_unless_present_any = ["date", "withdraw"], requires = "call_level")]
    name: Option<String>,
    #[command(flatten)]
    template: TemplateFile,
    /// Why the month goes out though less than 95 % of its core hours were observed
    #[arg(long, value_name = "REASON", requires = "call_level")]
    accept: Option<String>,
    /// Withdraw the approval of this month's export
    #[arg(long, requires = "call_level", conflicts_with_all = ["name", "accept"])]
    withdraw: bool,
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
    let Some(date) = arguments.date else { return call_level(arguments) };
    let request = Request::Approve { date, practice: arguments.practice };
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

/// Records or withdraws the consent to a month's call-level export.
fn call_level(arguments: Arguments) -> ExitCode {
    let Some(month) = arguments.call_level else { return ExitCode::from(super::USAGE) };
    let template = match arguments.template.read() {
        Ok(template) => template,
        Err(code) => return code,
    };
    let asked = CallLevel { month, practice: arguments.practice, template, unconfirmed: true };
    let request = Request::ApproveCallLevel { asked, name: arguments.name, accept: arguments.accept };
    let value = match arguments.asking.ask(request) {
        Ok(value) => value,
        Err(code) => return code,
    };
    if arguments.json {
        println!("{value}");
        return ExitCode::SUCCESS;
    }
    match serde_json::from_value::<Exported>(value) {
        Ok(Exported { month, rows, columns, .. }) => {
            println!("{month} may be exported: {rows} rows of {}", columns.join(", "));
        }
        Err(_) => println!("{} may not be exported any more", month.strftime("%Y-%m")),
    }
    ExitCode::SUCCESS
}
