//! `smdrd explain`: why a call was counted as it was.

mod show;

use std::process::ExitCode;

use jiff::civil::{Date, DateTime, Time};

use super::Asking;
use crate::control::Request;
use crate::daemon::explain::Answer;

/// Say why a call was counted as it was
///
/// CALL is a call's name as `smdrd rebuild` prints it: SOURCE/LINE, the source by name or number; any line of the call
/// stands for it. Or give the date and the time of its arrival on the practice's clock, to the minute or the second:
/// where several calls fit, they are listed. Shows the call's lines as they are kept (numbers masked) with their fields,
/// what each part was taken for, the rule that decided, the half-hour, and the same call under other definitions in use.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// SOURCE/LINE, or the date of the call, as 2026-11-20
    #[arg(value_name = "CALL|DATE")]
    call: String,
    /// The time of its arrival, as 08:02 or 08:02:11
    #[arg(value_name = "TIME")]
    time: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let request = match request(&arguments.call, arguments.time.as_deref()) {
        Ok(request) => request,
        Err(what) => {
            eprintln!("smdrd explain: {what}");
            return ExitCode::from(super::USAGE);
        }
    };
    let value = match arguments.asking.ask(request) {
        Ok(value) => value,
        Err(code) => return code,
    };
    let answer = match serde_json::from_value::<Answer>(value.clone()) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("smdrd explain: the answer cannot be read: {error}; use the smdrd that belongs to this daemon");
            return ExitCode::from(super::NOT_WELL);
        }
    };
    if arguments.json {
        println!("{value}");
    } else {
        print!("{}", show::text(&answer));
    }
    // A list is a question back.
    ExitCode::from(if matches!(answer, Answer::Call(_)) { super::DONE } else { super::NOT_WELL })
}

fn request(call: &str, time: Option<&str>) -> Result<Request, String> {
    let Some(time) = time else {
        if call.parse::<DateTime>().is_ok() {
            return Err(format!("{call}: give the time of the call as well, as 08:02"));
        }
        return Ok(Request::Explain { call: Some(call.to_owned()), at: None, minute: false });
    };
    let date: Date = call.parse().map_err(|error| format!("{call}: {error}; write the date as 2026-11-20"))?;
    let clock: Time = time.parse().map_err(|error| format!("{time}: {error}; write the time as 08:02 or 08:02:11"))?;
    let minute = time.matches(':').count() < 2;
    Ok(Request::Explain { call: None, at: Some(date.to_datetime(clock)), minute })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_or_its_minute_or_second_is() {
        let at = |time| match request("2026-11-20", Some(time)) {
            Ok(Request::Explain { call: None, at: Some(at), minute }) => (at.to_string(), minute),
            other => panic!("{other:?}"),
        };
        assert_eq!(at("08:02"), ("2026-11-20T08:02:00".to_owned(), true));
        assert_eq!(at("08:02:00"), ("2026-11-20T08:02:00".to_owned(), false));
        assert!(matches!(request("pbx/42", None), Ok(Request::Explain { call: Some(_), at: None, .. })));
        for (call, time) in [("2026-11-20", None), ("20.11.2026", Some("08:02")), ("2026-11-20", Some("soon"))] {
            assert!(request(call, time).is_err(), "{call} {time:?}");
        }
    }
}
