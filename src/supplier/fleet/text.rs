//! The fleet on a terminal: what is not well, worst first, each with its reasons below it.

use std::fmt::Write;

use super::words::{count, first_of, percent, since};
use super::{Fleet, Member, State};

/// What is not well, or all of it, and a line that sums up.
pub fn text(fleet: &Fleet, all: bool) -> String {
    let mut text = String::new();
    for member in fleet.members.iter().filter(|member| all || member.state != State::Well) {
        let _ = writeln!(text, "{:<7}{}", member.state.word(), line(member, fleet.at));
        for reason in &member.reasons {
            let _ = writeln!(text, "       {reason}");
        }
    }
    let counts: Vec<String> = State::ALL
        .iter()
        .map(|state| format!("{} {}", fleet.counts.get(state.word()).copied().unwrap_or_default(), state.word()))
        .collect();
    let _ = writeln!(text, "{}: {}", count(fleet.members.len() as u64, "site"), counts.join(", "));
    if fleet.forgotten > 0 {
        let days = count(fleet.thresholds.forget_days.unsigned_abs(), "day");
        let _ =
            writeln!(text, "{} not heard of for more than {days}: not listed", count(fleet.forgotten as u64, "site"));
    }
    text
}

fn line(member: &Member, at: jiff::Timestamp) -> String {
    let mut parts = Vec::new();
    let device = member.device.as_deref().unwrap_or("?");
    match (&member.ods, &member.site) {
        (Some(ods), Some(site)) => parts.push(format!("{ods} {site} ({device})")),
        _ => parts.push(format!("{device} (may send for {})", first_of(&member.may_send_for))),
    }
    match &member.last_document {
        Some(last) => parts.push(format!("newest day {} rev. {}", last.date, last.revision)),
        None => parts.push("no day".to_owned()),
    }
    let heard = member.last_heartbeat.map_or("not known".to_owned(), |last| format!("{} ago", since(last, at)));
    parts.push(format!("sign of life {heard}"));
    parts.push(format!("observed {}", member.observed_week_per_10000.map_or("not known".to_owned(), percent)));
    parts.extend(member.said.version.clone());
    parts.join(", ")
}
