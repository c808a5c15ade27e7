//! Making the acceptance calls with the installer.

use std::time::{Duration, Instant};

use super::acceptance::{Format, Heard, Trial, Verdict, in_words, judge};
use super::ask::{Ask, Stop};
use super::listen::{Ear, News};

/// How long after a call's end its lines are waited for: PBXs print within seconds, and some buffer.
const GRACE: Duration = Duration::from_secs(20);
/// How long after the call was seen a further line of it is waited for, such as the part after a transfer.
const SETTLE: Duration = Duration::from_secs(4);
const TURN: Duration = Duration::from_millis(100);

/// Makes the three calls, one after the other. A call that was skipped has no verdict.
pub(super) fn one_by_one(ask: &Ask, ear: &Ear, format: Format<'_>) -> Result<Vec<Verdict>, Stop> {
    let mut verdicts = Vec::new();
    ask.say("Press Enter when a call is over; type s and Enter to skip it.");
    for (number, trial) in (1..).zip(Trial::ALL) {
        loop {
            ask.say(&format!("\nCall {number} of 3: {}.", trial.what_to_do()));
            let Some(heard) = during(ask, ear, trial, format)? else {
                ask.say("  skipped");
                break;
            };
            let verdict = judge(trial, &heard, format);
            ask.say(&shown(&verdict));
            if verdict.complete() {
                verdicts.push(verdict);
                break;
            }
            let again = ask.yes("Make this call again", "--acceptance", None, Some(false))?;
            if !again {
                verdicts.push(verdict);
                break;
            }
        }
    }
    Ok(verdicts)
}

/// Listens for so long, and looks for all three calls in what came.
pub(super) fn all_at_once(ask: &Ask, ear: &Ear, format: Format<'_>, seconds: u64) -> Result<Vec<Verdict>, Stop> {
    ask.say(&format!("Listening for {seconds} s: make the three calls now."));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut heard = Heard::default();
    loop {
        let verdicts: Vec<Verdict> = Trial::ALL.iter().map(|trial| judge(*trial, &heard, format)).collect();
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || verdicts.iter().all(|verdict| verdict.passed) {
            verdicts.iter().for_each(|verdict| ask.say(&shown(verdict)));
            return Ok(verdicts);
        }
        if let Some(news) = ear.news(left.min(Duration::from_secs(1)))? {
            note(ask, news, &mut heard);
        }
    }
}

/// What comes while a call is made; nothing when it is skipped.
fn during(ask: &Ask, ear: &Ear, trial: Trial, format: Format<'_>) -> Result<Option<Heard>, Stop> {
    let mut heard = Heard::default();
    let mut until: Option<Instant> = None;
    let mut seen = false;
    loop {
        while let Some(news) = ear.news(TURN)? {
            seen |= note(ask, news, &mut heard);
        }
        if seen && judge(trial, &heard, format).passed {
            seen = false;
            let settled = Instant::now() + SETTLE;
            until = Some(until.map_or(settled, |until| until.min(settled)));
        }
        if let Some(line) = ask.typed(Duration::ZERO)? {
            if line.trim().eq_ignore_ascii_case("s") {
                return Ok(None);
            }
            if until.is_none() {
                ask.say(&format!("  waiting {} s for its lines", GRACE.as_secs()));
                until = Some(Instant::now() + GRACE);
            } else if line.trim().is_empty() && !judge(trial, &heard, format).passed {
                // Pressed twice: nobody expects more.
                return Ok(Some(heard));
            }
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok(Some(heard));
        }
    }
}

/// Shows what came and keeps it; whether it was a record.
fn note(ask: &Ask, news: News, heard: &mut Heard) -> bool {
    match news {
        News::Up(what) => ask.say(&format!("  connected: {what}")),
        News::Down(what) => ask.say(&format!("  no link: {what}")),
        News::Heard(new) => {
            new.records.iter().for_each(|record| ask.say(&format!("  > {}", in_words(record))));
            let any = !new.records.is_empty();
            heard.records.extend(new.records);
            heard.offers.extend(new.offers);
            heard.unparsed += new.unparsed;
            return any;
        }
    }
    false
}

/// A verdict for a person.
pub(super) fn shown(verdict: &Verdict) -> String {
    let result = match (verdict.passed, verdict.missing.is_empty()) {
        (true, true) => "seen, with all there is to see",
        (true, false) => "seen, and something is missing",
        (false, _) => "NOT seen",
    };
    let mut text = format!("  {}: {result}", verdict.trial.name());
    for saw in &verdict.saw {
        text += &format!("\n    saw      {saw}");
    }
    for missing in &verdict.missing {
        text += &format!("\n    missing  {}\n             {}", missing.what, missing.remedy);
    }
    text
}
