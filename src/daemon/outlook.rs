//! How things stand with the supplier, for `smdrd status`: what was delivered last, what went wrong last, what comes
//! next.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::courier::practice_of;
use super::credentials::{self, CredentialsStatus};
use super::keeper::Keeper;
use crate::alert::{Code, Problem};
use crate::push::SKEW_WORTH_TELLING_S;
use crate::push::schedule::{nightly, quiet};
use crate::store::{Cause, StoreError};

/// Failed tries from which on a supplier that cannot be reached is a problem, and not the weather.
const WORTH_TELLING: u32 = 3;
/// Days named one by one; more are counted.
const NAMED: usize = 5;

/// How things stand with the supplier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SupplierStatus {
    /// Its address.
    pub url: String,
    /// When it last took something: a day, a heartbeat, or the question what it holds.
    pub last_success: Option<String>,
    /// What went wrong last, and when; cleared up since when `failed` is 0.
    pub last_problem: Option<String>,
    /// When that was.
    pub last_problem_at: Option<String>,
    /// Failed tries since the last success, or since the night began.
    pub failed: u32,
    /// When something is sent next.
    pub next_try: Option<String>,
    /// Days on their way.
    pub queued: u64,
    /// Days that are refused or for a practice that the supplier does not take.
    pub parked: u64,
    /// Days that await approval.
    pub held: u64,
    /// Seconds by which the box's clock is ahead of the supplier's; unknown until it has answered.
    pub clock_ahead_s: Option<i64>,
    /// When it last noted a heartbeat.
    pub heartbeat: Option<String>,
    /// How the credentials do.
    #[serde(default)]
    pub credentials: CredentialsStatus,
    /// Practices that it does not take.
    pub stopped: Vec<StoppedPractice>,
    /// Days that are parked, each with what to do.
    pub parked_days: Vec<ParkedDay>,
    /// How the practices' days compare with those that it holds.
    pub compared: Vec<Comparison>,
}

/// A practice that the supplier does not take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoppedPractice {
    /// `ODS/site`.
    pub practice: String,
    /// Why, in a word.
    pub cause: Cause,
    /// Why, as the supplier says it.
    pub problem: String,
    /// Since when.
    pub since: String,
    /// When it is asked again.
    pub asks_again: String,
}

/// A day that is parked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParkedDay {
    /// `ODS/site`.
    pub practice: String,
    /// The civil day.
    pub date: String,
    /// Revision.
    pub revision: u32,
    /// Why, in a word.
    pub cause: Option<Cause>,
    /// Why, as the supplier says it.
    pub problem: Option<String>,
    /// What to do.
    pub remedy: String,
}

/// A comparison of a practice's days with those that the supplier holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// `ODS/site`.
    pub practice: String,
    /// When it was made, or tried in vain.
    pub at: Option<String>,
    /// Why it could not be made.
    pub problem: Option<String>,
    /// Days that the supplier holds and this box does not know.
    pub not_here: Vec<String>,
    /// Days sent again, since it lacked them.
    pub sent_again: Vec<String>,
}

/// What to do about a parked day.
fn remedy(cause: Option<Cause>, date: &str) -> String {
    match cause {
        Some(Cause::Conflict) => {
            format!("see that one box alone sends for the site, then `smdrd push {date}` puts ours in its place")
        }
        Some(Cause::NotParticipating) => {
            "nothing is sent for the practice until the supplier takes it again; it is asked each night".to_owned()
        }
        Some(Cause::NotAllowed) => "ask the supplier for a token that is good for the practice".to_owned(),
        Some(Cause::UnknownPractice) => {
            "compare the ODS code, the site and supplier.url with what the supplier gave".to_owned()
        }
        Some(Cause::Refused) | None => {
            format!("show the supplier `smdrd day {date} --json`; an update may mend it, then `smdrd push {date}`")
        }
    }
}

/// How things stand, and what of it is a problem or worth a note.
pub fn outlook(
    keeper: &Keeper,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<String>,
) -> Result<Option<SupplierStatus>, StoreError> {
    let Some(supplier) = &keeper.config.supplier else { return Ok(None) };
    let (zone, now, device) = (keeper.config.time_zone(), keeper.clock.now(), keeper.device()?);
    let local = |instant: Timestamp| zone.to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let read = keeper.store.read();
    let ([_, queued, parked, held], _) = read.outbox_counts()?;
    let standing = keeper.standing()?;
    let pending = read.pending()?;

    let due = pending.iter().map(|row| row.next).min();
    let night = nightly(&device, &zone, now);
    let next = due.map_or(night, |due| due.min(night)).max(standing.next.unwrap_or(now)).max(now);
    let next = quiet(&zone, next).unwrap_or(next);

    // The count begins anew each night; what has waited for longer is told with the first try.
    let waits = pending.iter().any(|row| row.attempts > 0 && row.date < keeper.last_night());
    let worth_telling = waits || standing.failed >= WORTH_TELLING;
    if let Some(trouble) = standing.open_trouble().filter(|trouble| trouble.grave || worth_telling) {
        let tries = standing.failed;
        let what = format!("supplier: {} ({tries} tries, next {})", trouble.what, local(next));
        problems.push(Problem::new(Code::SupplierUnreachable, what));
    }
    // One document that fails alone, while others get through.
    for row in pending.iter().filter(|row| row.failed >= WORTH_TELLING && standing.failed == 0) {
        let problem = row.problem.as_deref().unwrap_or("no answer");
        let what = format!("{} is not delivered after {} tries: {problem}", row.date, row.attempts);
        problems.push(Problem::new(Code::DayNotDelivered, what).of(practice_of(&row.owner)));
    }
    let clock_ahead_s = standing.skew.map(|skew| skew.seconds);
    if let Some(seconds) = clock_ahead_s.filter(|seconds| seconds.abs() > SKEW_WORTH_TELLING_S) {
        let side = if seconds > 0 { "ahead of" } else { "behind" };
        let what = format!("this box's clock is {} s {side} the supplier's", seconds.abs());
        let remedy = "set it (timedatectl), or calls are counted in the wrong half hour";
        problems.push(Problem::new(Code::ClockOff, what).remedy(remedy));
    }
    let credentials = credentials::look(keeper, problems)?;
    let mut stopped_practices = Vec::new();
    for owner in keeper.practices() {
        let practice = practice_of(&owner);
        let Some(stopped) = standing.stopped(&practice) else { continue };
        let what = format!("{practice}: nothing is sent since {}: {}", local(stopped.since), stopped.problem);
        let remedy = format!("{}, next {}", remedy(Some(stopped.cause), ""), local(stopped.ask));
        let problem = Problem::new(Code::PracticeStopped, what).remedy(remedy);
        problems.push(problem.of(practice.as_str()).since(stopped.since));
        stopped_practices.push(StoppedPractice {
            practice,
            cause: stopped.cause,
            problem: stopped.problem.clone(),
            since: local(stopped.since),
            asks_again: local(stopped.ask),
        });
    }
    let mut parked_days = Vec::new();
    for row in read.parked()? {
        let date = row.date.to_string();
        let remedy = remedy(row.cause, &date);
        parked_days.push(ParkedDay {
            practice: practice_of(&row.owner),
            date,
            revision: row.revision,
            cause: row.cause,
            problem: row.problem,
            remedy,
        });
    }
    let alone: Vec<&ParkedDay> =
        parked_days.iter().filter(|day| !day.cause.is_some_and(Cause::is_of_practice)).collect();
    for day in alone.iter().take(NAMED) {
        let problem = day.problem.as_deref().unwrap_or("refused by the supplier");
        let what = format!("{} {} is parked: {problem}", day.date, day.practice);
        problems.push(Problem::new(Code::DayParked, what).remedy(day.remedy.as_str()).of(day.practice.as_str()));
    }
    if let Some(day) = alone.get(NAMED) {
        let what = format!("{} more days are parked", alone.len() - NAMED);
        let remedy = "smdrd status --json has them all";
        problems.push(Problem::new(Code::DayParked, what).remedy(remedy).of(day.practice.as_str()));
    }
    let mut comparisons = Vec::new();
    for (practice, known) in &standing.practices {
        let days = |days: &mut dyn Iterator<Item = jiff::civil::Date>| days.map(|date| date.to_string()).collect();
        let not_here: Vec<String> = days(&mut known.unknown.iter().copied());
        let hopeless: Vec<String> = days(&mut known.beyond_repair());
        if !not_here.is_empty() {
            let (count, first) = (not_here.len(), not_here.first().cloned().unwrap_or_default());
            notes.push(format!(
                "{practice}: the supplier holds {count} day(s) that are not on this box, from {first} on"
            ));
        }
        if !hopeless.is_empty() {
            let days = hopeless.join(", ");
            let what = format!("{practice}: the supplier gave receipts for {days} and does not list them");
            let problem = Problem::new(Code::ReceiptsLost, what).remedy("ask it what became of them");
            problems.push(problem.of(practice.as_str()));
        }
        if let Some(problem) = &known.not_compared {
            notes.push(format!("{practice}: days could not be compared with the supplier's: {problem}"));
        }
        comparisons.push(Comparison {
            practice: practice.clone(),
            at: known.compared.map(local),
            problem: known.not_compared.clone(),
            not_here,
            sent_again: days(&mut known.repaired.keys().copied()),
        });
    }
    Ok(Some(SupplierStatus {
        url: supplier.url.get_ref().clone(),
        last_success: standing.last_success.map(local),
        last_problem: standing.trouble.as_ref().map(|trouble| trouble.what.clone()),
        last_problem_at: standing.trouble.as_ref().map(|trouble| local(trouble.at)),
        failed: standing.failed,
        next_try: keeper.collecting().then(|| local(next)),
        queued,
        parked,
        held,
        clock_ahead_s,
        heartbeat: standing.heartbeat.map(local),
        credentials,
        stopped: stopped_practices,
        parked_days,
        compared: comparisons,
    }))
}
