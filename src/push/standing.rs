//! How things stand with the supplier: when it may be asked again, what went wrong last, which practices it does not
//! take. Pure: every result of a try goes in, and the next instant comes out. Kept as JSON beside the queue.
//!
//! One failure that concerns the supplier opens the circuit: nothing is sent until the wait is over, then one document
//! is the probe, and the others follow only if it got through.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::manifest::Difference;
use super::schedule::{FailedTry, nightly, retry_at};
use super::{Delivery, Why};
use crate::store::Cause;

/// How many nights a day is sent again because the supplier's list lacks it, though each time it gave a receipt.
pub const NIGHTS_OF_REPAIR: u32 = 3;

/// How things stand with one supplier.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The supplier's URL; another one begins anew.
    pub url: String,
    /// When it last took something.
    pub last_success: Option<Timestamp>,
    /// What went wrong last, cleared up since or not.
    pub trouble: Option<Trouble>,
    /// Failures that concern the supplier since the last success, or since the last nightly instant. 0: none is open.
    pub failed: u32,
    /// Nothing is sent before this.
    pub next: Option<Timestamp>,
    /// How far the box's clock is ahead of the supplier's.
    pub skew: Option<Skew>,
    /// When the supplier last noted a heartbeat.
    pub heartbeat: Option<Timestamp>,
    /// When it was last given one, noted or not.
    pub heartbeat_tried: Option<Timestamp>,
    /// When the box last tried to renew its key.
    pub key_tried: Option<Timestamp>,
    /// Why it could not be renewed then.
    pub key_not_renewed: Option<String>,
    /// Each practice and site, as `ODS/site`.
    pub practices: BTreeMap<String, PracticeStanding>,
}

/// Nothing is put off for longer than this ([`super::schedule::retry_at`]).
const NEVER_AHEAD: SignedDuration = SignedDuration::from_hours(49);

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// What, with what to do.
    pub what: String,
    /// Whether a person is needed: it does not pass by itself.
    pub grave: bool,
    /// Whether it lies on this box: the supplier could not even be asked.
    #[serde(default)]
    pub set_up: bool,
    /// Whether a document was not taken from this sender: that other questions are answered does not clear it up.
    #[serde(default)]
    pub refused: bool,
}

/// A measure of the box's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    /// Seconds by which it is ahead of the supplier's.
    pub seconds: i64,
    /// When that was measured, on the box's clock.
    pub at: Timestamp,
}

/// How a practice stands with the supplier.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PracticeStanding {
    /// Nothing is sent for it, but one probe when the time has come.
    pub stopped: Option<Stopped>,
    /// When its days were last compared with the supplier's, or that was tried in vain.
    pub compared: Option<Timestamp>,
    /// Why they could not be compared then.
    pub not_compared: Option<String>,
    /// Days that the supplier holds and this box does not know.
    pub unknown: BTreeSet<Date>,
    /// Days sent again because they were lacking, and in how many nights.
    pub repaired: BTreeMap<Date, u32>,
}

/// A practice that the supplier does not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Why, in a word.
    pub cause: Cause,
    /// Why, as the supplier says it.
    pub problem: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is asked again.
    pub ask: Timestamp,
}

/// When a result came, and what the next instant depends on.
#[derive(Debug, Clone, Copy)]
pub struct When<'a> {
    /// Name of the box.
    pub device: &'a str,
    /// Zone of the practice.
    pub zone: &'a TimeZone,
    /// The time.
    pub now: Timestamp,
    /// 64 random bits.
    pub random: u64,
}

impl When<'_> {
    /// Whether the nightly instant has come since `last`, or there was no last.
    pub fn is_nightly_due(&self, last: Option<Timestamp>) -> bool {
        // What was done in a future that never came is not done.
        let ahead = |last: Timestamp| last.duration_since(self.now) > NEVER_AHEAD;
        last.is_none_or(|last| ahead(last) || nightly(self.device, self.zone, last) <= self.now)
    }

    /// When to try again after `failed` failures since the last nightly instant.
    pub fn retry(&self, failed: u32, budget: u32, retry_after: Option<Duration>) -> Timestamp {
        let When { device, zone, now: at, random } = *self;
        retry_at(zone, &FailedTry { device, at, failed, budget, random, retry_after })
    }
}

impl Standing {
    /// Reads what was kept; that of another supplier, or what cannot be read, is none.
    pub fn read(kept: Option<&str>, url: &str) -> Standing {
        let kept: Option<Standing> = kept.and_then(|text| serde_json::from_str(text).ok());
        kept.filter(|kept| kept.url == url).unwrap_or_else(|| Standing { url: url.to_owned(), ..Standing::default() })
    }

    /// Whether something may be sent.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// Brings forward what is put off further than is ever done: a clock that was wrong had put it off. Says whether there
    /// was any.
    pub fn not_ahead_of(&mut self, now: Timestamp) -> bool {
        let before = self.clone();
        let far = |at: &Timestamp| at.duration_since(now) > NEVER_AHEAD;
        self.next.take_if(|next| far(next));
        for stopped in self.practices.values_mut().filter_map(|practice| practice.stopped.as_mut()) {
            if far(&stopped.ask) {
                stopped.ask = now;
            }
        }
        *self != before
    }

    /// What went wrong last and is not cleared up.
    pub fn open_trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|_| self.failed > 0)
    }

    /// The supplier took something.
    pub fn succeeded(&mut self, now: Timestamp) {
        self.last_success = Some(now);
        self.answered();
    }

    /// The supplier took a sign of life, or said what it holds. With `waits`, documents are still to be sent: if they were refused
    /// for who sends them, that is not over yet, for such a supplier may well answer everything else.
    pub fn reached(&mut self, now: Timestamp, waits: bool) {
        self.last_success = Some(now);
        if !(waits && self.trouble.as_ref().is_some_and(|trouble| trouble.refused)) {
            self.answered();
        }
    }

    /// The supplier answered as it should, with a yes or a no.
    pub fn answered(&mut self) {
        self.failed = 0;
        self.next = None;
    }

    /// A try failed in a way that concerns the supplier: the circuit is open until the instant that is returned.
    pub fn failed(&mut self, delivery: &Delivery, when: &When<'_>) -> Timestamp {
        let last = self.trouble.as_ref().map(|trouble| trouble.at);
        if when.is_nightly_due(last) {
            self.failed = 0;
        }
        self.failed = self.failed.saturating_add(1);
        let retry_after = match delivery {
            Delivery::Transient { retry_after, .. } => *retry_after,
            _ => None,
        };
        let next = when.retry(self.failed, delivery.tries_a_night(), retry_after);
        self.next = Some(next);
        let grave = match delivery {
            Delivery::Transient { why, .. } => {
                why.is_clock() || matches!(why, Why::ExpiredCertificate | Why::WrongName | Why::CertificateRefused(_))
            }
            Delivery::Unauthorised { .. } => true,
            _ => false,
        };
        let what = delivery.said().unwrap_or_default();
        self.trouble = Some(Trouble { at: when.now, what, grave, set_up: false, refused: false });
        next
    }

    /// The same, of a document.
    pub fn failed_with_document(&mut self, delivery: &Delivery, when: &When<'_>) -> Timestamp {
        let next = self.failed(delivery, when);
        let refused = matches!(delivery, Delivery::Unauthorised { .. });
        self.trouble.iter_mut().for_each(|trouble| trouble.refused = refused);
        next
    }

    /// Whether the supplier can be asked at all, or why not: a file that is missing, or not what it should be.
    pub fn set_up(&mut self, fault: Option<&str>, now: Timestamp) {
        match fault {
            Some(what) => {
                self.failed = self.failed.max(1);
                self.trouble =
                    Some(Trouble { at: now, what: what.to_owned(), grave: true, set_up: true, refused: false });
            }
            None if self.trouble.as_ref().is_some_and(|trouble| trouble.set_up) => self.answered(),
            None => {}
        }
    }

    /// The box's clock was measured.
    pub fn measured(&mut self, skew_s: Option<i64>, now: Timestamp) {
        if let Some(seconds) = skew_s {
            self.skew = Some(Skew { seconds, at: now });
        }
    }

    /// How a practice stands.
    pub fn practice(&mut self, practice: &str) -> &mut PracticeStanding {
        self.practices.entry(practice.to_owned()).or_default()
    }

    /// Why nothing is sent for a practice.
    pub fn stopped(&self, practice: &str) -> Option<&Stopped> {
        self.practices.get(practice)?.stopped.as_ref()
    }
}

impl PracticeStanding {
    /// The supplier does not take the practice: from now on only a probe is sent, daily for one that takes no part and
    /// in the next window otherwise.
    pub fn stop(&mut self, cause: Cause, delivery: &Delivery, when: &When<'_>) {
        let since = self.stopped.as_ref().filter(|stopped| stopped.cause == cause).map_or(when.now, |s| s.since);
        let ask = match cause {
            Cause::NotParticipating => nightly(when.device, when.zone, when.now),
            _ => when.retry(1, 1, None),
        };
        self.stopped = Some(Stopped { cause, problem: delivery.said().unwrap_or_default(), since, ask });
    }

    /// Which days are to be sent again, once its days have been compared with the supplier's.
    pub fn compared(&mut self, difference: &Difference, now: Timestamp) -> Vec<Date> {
        self.compared = Some(now);
        self.not_compared = None;
        self.unknown = difference.unknown.iter().copied().collect();
        self.repaired.retain(|date, _| difference.lost.contains(date));
        let mut again = difference.unclear.clone();
        for date in &difference.lost {
            let nights = self.repaired.entry(*date).or_insert(0);
            *nights = nights.saturating_add(1);
            if *nights <= NIGHTS_OF_REPAIR {
                again.push(*date);
            }
        }
        again.sort();
        again
    }

    /// Its days could not be compared with the supplier's.
    pub fn not_compared(&mut self, why: String, now: Timestamp) {
        self.compared = Some(now);
        self.not_compared = Some(why);
    }

    /// Days for which the supplier gave receipt after receipt and that its list lacks all the same.
    pub fn beyond_repair(&self) -> impl Iterator<Item = Date> + '_ {
        self.repaired.iter().filter(|(_, nights)| **nights > NIGHTS_OF_REPAIR).map(|(date, _)| *date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use jiff::civil::date;

    fn zone() -> TimeZone {
        TimeZone::get("Europe/London").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn when(zone: &TimeZone, now: Timestamp) -> When<'_> {
        When { device: "smdrd-0f6c1f0e", zone, now, random: u64::MAX }
    }

    fn down() -> Delivery {
        Delivery::Transient { why: Why::TimedOut, retry_after: None, status: None }
    }

    #[test]
    fn a_night_has_twelve_tries_and_the_next_night_twelve_again() {
        let zone = zone();
        let mut standing = Standing::read(None, "https://feed.example");
        let mut tries = Vec::new();
        let mut now = nightly("smdrd-0f6c1f0e", &zone, at("2026-11-20T00:00:00Z"));
        let (first, end) = (now, now + SignedDuration::from_hours(48));
        while now < end {
            assert!(standing.is_open(now));
            tries.push(now);
            let next = standing.failed(&down(), &when(&zone, now));
            assert!(next > now && !standing.is_open(now));
            now = next;
        }
        let of = |day: i64| {
            let from = first + SignedDuration::from_hours(24 * day);
            tries.iter().filter(|instant| (from..from + SignedDuration::from_hours(24)).contains(*instant)).count()
        };
        // Twelve by back-off, then the windows of the morning (if the night was not longer) and of the evening.
        assert!((17..=18).contains(&of(0)), "{} tries", of(0));
        assert_eq!(of(0), of(1), "{tries:?}");
        standing.succeeded(now);
        assert_eq!((standing.failed, standing.next, standing.open_trouble()), (0, None, None));
        assert!(standing.trouble.is_some(), "the last problem is still known");
    }

    #[test]
    fn a_refused_token_waits_for_a_window_and_a_person() {
        let zone = zone();
        let mut standing = Standing::default();
        let problem = super::super::Problem { status: 401, kind: None, title: None, detail: None };
        let refused = Delivery::Unauthorised {
            problem,
            credentials: Some("token file gone".to_owned()),
            proof: crate::push::Proof::Token,
        };
        let next = standing.failed(&refused, &when(&zone, at("2026-11-20T02:00:00Z")));
        assert!(next >= at("2026-11-20T05:00:00Z"), "{next}");
        let trouble = standing.open_trouble().unwrap();
        assert!(trouble.grave && trouble.what.contains("token file gone"), "{trouble:?}");
    }

    #[test]
    fn a_refused_sender_is_not_cleared_up_by_a_sign_of_life() {
        let zone = zone();
        let now = at("2026-11-20T02:00:00Z");
        let problem = super::super::Problem { status: 401, kind: None, title: None, detail: None };
        let refused = Delivery::Unauthorised { problem, credentials: None, proof: crate::push::Proof::Token };
        let mut standing = Standing::default();
        let next = standing.failed_with_document(&refused, &when(&zone, now));
        standing.reached(now, true);
        assert_eq!((standing.failed, standing.next, standing.last_success), (1, Some(next), Some(now)));
        assert!(standing.open_trouble().is_some());
        standing.reached(now, false);
        assert!(standing.open_trouble().is_none(), "nothing waits any more");
        standing.failed_with_document(&refused, &when(&zone, now));
        standing.succeeded(now);
        assert!(standing.open_trouble().is_none(), "a document got through");
        // A document that gets no answer may be the only one; a supplier that cannot be reached is there again.
        standing.failed_with_document(&down(), &when(&zone, now));
        standing.reached(now, true);
        assert!(standing.open_trouble().is_none());
    }

    #[test]
    fn a_practice_that_takes_no_part_is_asked_about_each_night() {
        let zone = zone();
        let mut standing = Standing::default();
        let problem = super::super::Problem { status: 403, kind: None, title: None, detail: None };
        let refused = Delivery::NotParticipating { problem };
        let mut now = at("2026-11-20T02:00:00Z");
        for _ in 0..3 {
            standing.practice("A81001/main").stop(Cause::NotParticipating, &refused, &when(&zone, now));
            let stopped = standing.stopped("A81001/main").unwrap();
            assert_eq!(stopped.since, at("2026-11-20T02:00:00Z"));
            let hours = stopped.ask.duration_since(now).as_hours();
            assert!(hours <= 25, "{hours} h");
            now = stopped.ask;
        }
        assert!(now > at("2026-11-22T00:00:00Z"), "three nights later");
        assert!(standing.is_open(now), "others are sent for");
    }

    #[test]
    fn a_list_that_lacks_what_it_took_is_believed_three_times() {
        let mut practice = PracticeStanding::default();
        let lost = Difference { lost: vec![date(2026, 11, 20)], ..Difference::default() };
        let now = at("2026-11-21T02:00:00Z");
        let again: Vec<usize> = (0..5).map(|_| practice.compared(&lost, now).len()).collect();
        assert_eq!(again, [1, 1, 1, 0, 0]);
        assert_eq!(practice.beyond_repair().collect::<Vec<_>>(), [date(2026, 11, 20)]);
        practice.compared(&Difference { same: vec![date(2026, 11, 20)], ..Difference::default() }, now);
        assert_eq!(practice.beyond_repair().count(), 0);
        assert_eq!(practice.compared(&lost, now).len(), 1, "once it was there, it may be lost again");
    }

    #[test]
    fn another_supplier_begins_anew() {
        let zone = zone();
        let mut standing = Standing::read(None, "https://one.example");
        standing.failed(&down(), &when(&zone, at("2026-11-20T02:00:00Z")));
        let kept = serde_json::to_string(&standing).unwrap();
        assert_eq!(Standing::read(Some(&kept), "https://one.example"), standing);
        assert_eq!(Standing::read(Some(&kept), "https://two.example").failed, 0);
        assert_eq!(Standing::read(Some("{broken"), "https://one.example").failed, 0);
    }
}
