//! `smdrd report`.

use std::io::Write as _;
use std::process::ExitCode;

use jiff::civil::Date;

use super::{Asking, configured, outages};
use crate::control::Request;
use crate::daemon::report::Answer;
use crate::report::readable;

/// The figures of a day or a month, the same calls under other definitions, and why they differ
///
/// Shows CBT001 to CBT007, the list of Annex C with its means, what each definition in use makes of the same calls with a
/// sentence for each difference, how much was observed, and when calls were not seen.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Of one civil day
    Day {
        /// The civil day, as 2026-11-20
        date: Date,
        #[command(flatten)]
        more: More,
    },
    /// Of a month
    Month {
        /// The month, as 2026-11
        #[arg(value_name = "YYYY-MM", value_parser = outages::month)]
        month: Date,
        #[command(flatten)]
        more: More,
    },
}

#[derive(Debug, clap::Args)]
struct More {
    /// Whose, as ODS code or ODS/site, where there are several practices
    #[arg(long, value_name = "ODS")]
    practice: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let (from, to, more) = match arguments.what {
        What::Day { date, more } => (date, date, more),
        What::Month { month, more } => (month.first_of_month(), month.last_of_month(), more),
    };
    let config = match configured(&more.asking.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let value = match more.asking.ask(Request::Report { from, to, practice: more.practice }) {
        Ok(value) => value,
        Err(code) => return code,
    };
    let text = if more.json {
        value.to_string() + "\n"
    } else {
        match serde_json::from_value::<Answer>(value) {
            Ok(Answer { report, outages: list }) => {
                format!("{}\nwhen calls were not seen\n{}", readable(&report), outages::readable(&list, &config))
            }
            Err(error) => {
                eprintln!("smdrd report: the daemon's answer cannot be read: {error}; is it of the same version?");
                return ExitCode::from(super::NOT_WELL);
            }
        }
    };
    // Whoever reads may have seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
