//! `smdrd outages`.

use std::io::Write as _;
use std::process::ExitCode;

use jiff::civil::Date;

use super::{Asking, configured, table};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::Request;
use crate::daemon::outages::{Outage, Outages};

/// List when calls were not seen, or not rightly, and why; this month, unless days are named
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The month, as 2026-11
    #[arg(long, value_name = "YYYY-MM", value_parser = month, conflicts_with_all = ["from", "to"])]
    month: Option<Date>,
    /// The first civil day, as 2026-11-20
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// The last civil day
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// Print the list as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the list as CSV
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    asking: Asking,
}

/// The first day of a month that is written as 2026-11.
pub(super) fn month(text: &str) -> Result<Date, String> {
    format!("{text}-01").parse().ok().filter(|_| text.len() == 7).ok_or_else(|| "write it as 2026-11".to_owned())
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let config = match configured(&arguments.asking.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let now = arguments.asking.clock.unwrap_or_else(Clock::system).now();
    let today = config.time_zone().to_datetime(now).date();
    let (from, to) = match (arguments.month, arguments.from, arguments.to) {
        (Some(month), ..) => (month, month.last_of_month()),
        (None, None, None) => (today.first_of_month(), today),
        (None, Some(from), to) => (from, to.unwrap_or(from.max(today))),
        (None, None, Some(to)) => (to.first_of_month(), to),
    };
    if from > to {
        eprintln!("smdrd outages: --from {from} is after --to {to}; name the earlier day first");
        return ExitCode::from(super::USAGE);
    }
    let value = match arguments.asking.ask(Request::Outages { from, to }) {
        Ok(value) => value,
        Err(code) => return code,
    };
    let text = if arguments.json {
        value.to_string() + "\n"
    } else {
        match serde_json::from_value::<Outages>(value) {
            Ok(outages) if arguments.csv => csv(&outages),
            Ok(outages) => readable(&outages, &config),
            Err(error) => {
                eprintln!("smdrd outages: the daemon's answer cannot be read: {error}; is it of the same version?");
                return ExitCode::from(super::NOT_WELL);
            }
        }
    };
    // Whoever reads may have seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn csv(outages: &Outages) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = ["start", "end", "duration_s", "source", "cause", "core_hours_s", "records", "words"];
    // Into memory nothing can fail.
    let _ = writer.write_record(head);
    for outage in &outages.outages {
        let _ = writer.write_record([
            outage.start.to_string(),
            outage.end.map(|end| end.to_string()).unwrap_or_default(),
            outage.duration_s.to_string(),
            outage.source.clone().unwrap_or_default(),
            outage.cause.word().to_owned(),
            outage.core_hours_s.to_string(),
            outage.records.map(|records| records.to_string()).unwrap_or_default(),
            outage.words.clone(),
        ]);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// The list as a person reads it.
pub(super) fn readable(outages: &Outages, config: &Config) -> String {
    let zone = config.time_zone();
    let local = |instant| zone.to_datetime(instant).strftime("%a %Y-%m-%d %H:%M:%S").to_string();
    let row = |outage: &Outage| {
        vec![
            local(outage.start),
            outage.end.map_or_else(|| "still".to_owned(), local),
            length(outage.duration_s),
            outage.source.clone().unwrap_or_else(|| "the box".to_owned()),
            match outage.core_hours_s {
                0 => "no core hours".to_owned(),
                seconds => format!("{} of core hours", length(seconds)),
            },
            outage.words.clone(),
        ]
    };
    let mut text = table(outages.outages.iter().map(row));
    if outages.outages.is_empty() {
        text += "nothing was missed\n";
    }
    text += &format!(
        "{} to {}: {} of {} of core hours not seen\n",
        outages.from,
        outages.to,
        length(outages.core_hours_lost_s),
        length(outages.core_hours_s)
    );
    text
}

/// A stretch for a person.
fn length(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}
