//! What is wrong with a site, and which is worse.

use std::cmp::Reverse;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::words::{count, percent, since, stretches};
use super::{Member, State, Thresholds};
use crate::push::SKEW_WORTH_TELLING_S;

/// Less than this of the last days observed is too little, of ten thousand: what a month needs to be sent.
const OBSERVED_ENOUGH: u64 = 9_500;
/// More lines than this not understood are too many, of ten thousand.
const UNPARSED_MOST: u64 = 100;
/// Days before the end of a certificate or key at which it is said.
const END_IS_NEAR: i64 = 14;

/// When something came last; of a box of which nothing ever came, when it was enrolled.
fn last_heard(member: &Member) -> Option<Timestamp> {
    let heard = member.last_heartbeat.max(member.last_document.as_ref().map(|last| last.received_at));
    heard.or(member.enrolled_at)
}

/// Whether nothing was heard for so long that it is not listed any more.
pub(super) fn is_forgotten(member: &Member, now: Timestamp, thresholds: Thresholds) -> bool {
    let days = thresholds.forget_days.clamp(1, 100_000);
    last_heard(member).is_none_or(|last| now.duration_since(last) > SignedDuration::from_hours(24 * days))
}

/// The due days at the end that are not here, and those between.
fn late_and_gaps(member: &Member, due: Date) -> (&[Date], &[Date]) {
    let mut first_late = member.missing.len();
    let mut expected = Some(due);
    while let Some(day) = first_late.checked_sub(1).and_then(|at| member.missing.get(at)) {
        if Some(*day) != expected {
            break;
        }
        first_late -= 1;
        expected = day.checked_sub(1.day()).ok();
    }
    let (gaps, late) = member.missing.split_at(first_late);
    (late, gaps)
}

/// Finds what is wrong with it.
pub(super) fn judge(member: &mut Member, now: Timestamp, due: Date, thresholds: Thresholds) {
    let silence = SignedDuration::from_hours(thresholds.silent_h.clamp(0, 100_000));
    let mut found: Vec<(State, String)> = Vec::new();
    let overdue = |at: Option<Timestamp>| at.is_none_or(|at| now.duration_since(at) > silence);
    if let Some(enrolled) = member.enrolled_at {
        let state = if overdue(Some(enrolled)) { State::Silent } else { State::Late };
        found.push((state, format!("enrolled {} ago, and nothing ever came", since(enrolled, now))));
    } else if let Some(last) = last_heard(member).filter(|last| overdue(Some(*last))) {
        found.push((State::Silent, format!("no document and no sign of life for {}", since(last, now))));
    } else if member.last_document.is_some() && overdue(member.last_heartbeat) {
        let of = member.last_heartbeat.map_or("ever".to_owned(), |last| format!("for {}", since(last, now)));
        found.push((State::Unwell, format!("documents come, and no sign of life {of}")));
    }
    let (late, gaps) = late_and_gaps(member, due);
    if !late.is_empty() {
        found.push((State::Late, format!("no document of {}", stretches(late))));
    }
    if member.last_document.is_none() && member.enrolled_at.is_none() {
        found.push((State::Late, "it gives signs of life, and no document ever came".to_owned()));
    }
    if !gaps.is_empty() {
        let days = count(gaps.len() as u64, "day");
        found.push((State::Gappy, format!("{days} missing of the last 45: {}", stretches(gaps))));
    }
    if let Some(week) = member.observed_week_per_10000.filter(|week| *week < OBSERVED_ENOUGH) {
        let said =
            format!("{} of the last 7 days was observed, {} is asked for", percent(week), percent(OBSERVED_ENOUGH));
        found.push((State::Gappy, said));
    }
    found.extend(others(member).into_iter().map(|said| (State::Unwell, said)));
    member.state = found.iter().map(|(state, _)| *state).min().unwrap_or(State::Well);
    found.sort_by_key(|(state, _)| *state);
    member.reasons = found.into_iter().map(|(_, said)| said).collect();
}

/// What else is wrong.
fn others(member: &Member) -> Vec<String> {
    let mut found = Vec::new();
    let off = |seconds: Option<i64>| seconds.filter(|seconds| seconds.unsigned_abs() > SKEW_WORTH_TELLING_S as u64);
    let way =
        |seconds: i64| format!("{} s {}", seconds.unsigned_abs(), if seconds > 0 { "ahead of" } else { "behind" });
    if let Some(seconds) = off(member.said.clock_ahead_s) {
        found.push(format!("the box's clock is {} ours", way(seconds)));
    }
    if let Some(last) = &member.last_document {
        if let Some(seconds) = off(last.pbx_clock_s) {
            found.push(format!("the PBX's clock is {} the box's", way(seconds)));
        }
        if let Some(unparsed) = last.unparsed_per_10000.filter(|unparsed| *unparsed > UNPARSED_MOST) {
            found.push(format!("{} of the lines of {} were not understood", percent(unparsed), last.date));
        }
    }
    if let (Some(up), Some(links)) = (member.said.links_up, member.said.links)
        && up < links
    {
        found.push(format!("{up} of {} to PBXs up at the last sign of life", count(links, "link")));
    }
    // A key that signs is renewed by the box itself, and only said where it was not.
    let (renews, key_days) = (member.said.auth.as_deref() == Some("signature"), member.said.key_days);
    if let Some(days) = key_days.filter(|days| renews && *days < 0) {
        found.push(format!("its key should have been renewed {} ago", count(days.unsigned_abs(), "day")));
    }
    let own = key_days.filter(|_| !renews);
    for (days, what) in [(own, "its own certificate"), (member.said.certificate_days, "our certificate")] {
        match days {
            Some(..=-1) => found.push(format!("{what} has expired")),
            Some(days) if days < END_IS_NEAR => {
                found.push(format!("{what} is good for another {}", count(days.unsigned_abs(), "day")));
            }
            _ => {}
        }
    }
    if let Some(parked) = member.said.days_parked.filter(|parked| *parked > 0) {
        found.push(format!("not delivered, and kept on the box: {}", count(parked, "day")));
    }
    if let Some(held) = member.said.days_held.filter(|held| *held > 0) {
        found.push(format!("waiting for the practice's approval: {}", count(held, "day")));
    }
    if !member.said.alerts.is_empty() {
        let alerts = member.said.alerts.iter().map(|(code, count)| match count {
            1 => code.clone(),
            count => format!("{code} ({count})"),
        });
        found.push(format!("open alerts: {}", alerts.collect::<Vec<_>>().join(", ")));
    }
    found
}

/// What a member stands behind in the list.
pub(super) type Rank = (State, Reverse<i64>, Reverse<usize>, u64, Option<String>, Option<String>, Option<String>);

/// Worst first; among those that stand alike the one that is so for longest, that lacks most, that saw least.
pub(super) fn rank(member: &Member, now: Timestamp, due: Date) -> Rank {
    let (late, _) = late_and_gaps(member, due);
    let worst = match member.state {
        State::Silent => last_heard(member).map_or(i64::MAX, |last| now.duration_since(last).as_secs()),
        State::Late => i64::try_from(late.len()).unwrap_or(i64::MAX),
        State::Unwell => i64::try_from(member.reasons.len()).unwrap_or(i64::MAX),
        State::Gappy | State::Well => 0,
    };
    let observed = member.observed_week_per_10000.unwrap_or(10_000);
    let Member { ods, site, device, .. } = member;
    let missing = if member.state == State::Well { 0 } else { member.missing.len() };
    let observed = if member.state == State::Well { 0 } else { observed };
    (member.state, Reverse(worst), Reverse(missing), observed, ods.clone(), site.clone(), device.clone())
}
