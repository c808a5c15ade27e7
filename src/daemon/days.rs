//! Days: which are over, what document each makes, and what is forgotten of them afterwards.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::keeper::Keeper;
use super::observed;
use crate::aggregate::count::peaks;
use crate::aggregate::coverage::Links;
use crate::aggregate::document::{DayDocument, Features, PracticeSite, canonical};
use crate::aggregate::slots::{bounds, date_of, midnight};
use crate::aggregate::{DayInputs, SourceInput, render};
use crate::call::Owner;
use crate::config::Practice;
use crate::push::Parcel;
use crate::push::standing::When;
use crate::store::{DayRow, OutboxRow, OutboxState, StoreError, Work};

/// How long after local midnight a day is closed, so that a call over midnight is in.
const CLOSING: SignedDuration = SignedDuration::from_mins(10);
/// How long after local midnight the peers of the day before are renumbered: longer than a peer lives.
const RENUMBERING: SignedDuration = SignedDuration::from_mins(4 * 60 + 20);

/// Under which name it is kept up to where peers were renumbered last.
const SETTLED: &str = "peers_settled";

/// The day on which collecting ended before the box was off for longer than [`REACH`].
const LEFT_OPEN: &str = "left_open";

/// For so many days it is known for certain which days are closed.
const KNOWN: i64 = 700;

/// How many days back days are closed and sent: as far as the nightly comparison with the supplier reaches.
const REACH: i64 = 45;

impl Keeper {
    /// The first day that is not to be closed yet.
    pub(super) fn first_open_day(&self, now: Timestamp) -> Date {
        let today = date_of(&self.zone, now);
        if now.duration_since(midnight(&self.zone, today)) >= CLOSING {
            today
        } else {
            today.yesterday().unwrap_or(today)
        }
    }

    /// Whether a day may be closed and sent: it is over.
    pub fn is_over(&self, date: Date) -> bool {
        date < self.judged(self.clock.now()).1
    }

    /// When the day will be closed.
    pub fn closes_at(&self, date: Date) -> Timestamp {
        let next = date.tomorrow().unwrap_or(date);
        self.zone
            .to_ambiguous_zoned(next.to_datetime(Time::midnight()))
            .compatible()
            .map_or(Timestamp::MAX, |zoned| zoned.timestamp() + CLOSING)
    }

    /// Closes the days that are over; with `changed`, renders those again that changed since. Where the time for sending has
    /// come documents are due `at_once`, else at the next instant for it: what is made up for in the morning does not go
    /// over the practice's line in its busiest hour.
    pub fn settle_days(&mut self, now: Timestamp, changed: bool, at_once: bool) -> Result<(), StoreError> {
        let (_, open_day) = self.judged(now);
        let oldest = self.oldest_day(now);
        let busy = self.days_being_imported(now)?;
        let next = if at_once { now } else { self.first_try(now)? };
        for owner in self.practices() {
            for date in self.days_due(&owner, open_day, oldest)? {
                self.progress.worked();
                if !busy.contains(&date) {
                    self.close(&owner, date, now, next)?;
                }
            }
            if changed {
                let days = self.store.read().unsettled_days(&owner, open_day)?;
                let settled = |day: &DayRow| day.closed && day.date >= oldest && !busy.contains(&day.date);
                for day in days.into_iter().filter(settled) {
                    self.progress.worked();
                    self.close(&owner, day.date, now, next)?;
                }
            }
        }
        Ok(())
    }

    /// The oldest day that is closed and sent. What bears an older stamp comes from a PBX whose clock is wrong (many
    /// begin in 1970 or 2000 when their battery is flat) or from beyond what is kept: it is stored and shown, not sent.
    pub fn oldest_day(&self, now: Timestamp) -> Date {
        date_of(&self.zone, now).checked_sub(REACH.days()).unwrap_or(Date::MIN)
    }

    /// The days, first and last, that were collected and left unclosed by a run that ended long ago. A stamp of a PBX whose
    /// clock is wrong makes no such day: while the box runs each day before today is closed.
    fn left_open(&self, owner: &Owner) -> Result<Option<(Date, Date)>, StoreError> {
        let read = self.store.read();
        let date = |key: &str| Ok::<_, StoreError>(read.meta(key)?.and_then(|text| text.parse::<Date>().ok()));
        // What is known of days goes after 25 months.
        let known = self.date(self.clock.now()).saturating_sub(KNOWN.days());
        let (Some(to), Some(began)) = (date(LEFT_OPEN)?.filter(|to| *to > known), date("first_day")?) else {
            return Ok(None);
        };
        let from = read
            .last_closed_by(owner, to)?
            .and_then(|closed| closed.tomorrow().ok())
            .map_or(began, |from| from.max(began));
        Ok((from <= to).then_some((from, to)))
    }

    /// The days before `open_day` that are to be closed: from `oldest` on, and those that were left long ago.
    pub(super) fn days_due(&self, owner: &Owner, open_day: Date, oldest: Date) -> Result<Vec<Date>, StoreError> {
        let left = self.left_open(owner)?;
        let is_due = |date: &Date| *date >= oldest || left.is_some_and(|(from, to)| (from..=to).contains(date));
        Ok(self.days_to_close(owner, open_day)?.into_iter().filter(is_due).collect())
    }

    /// Days before `open_day` that are not closed: those with calls, and every day since collecting began, since a
    /// day without calls is a figure too.
    pub(super) fn days_to_close(&self, owner: &Owner, open_day: Date) -> Result<Vec<Date>, StoreError> {
        let read = self.store.read();
        let mut days: Vec<Date> =
            read.unsettled_days(owner, open_day)?.into_iter().filter(|day| !day.closed).map(|day| day.date).collect();
        let began = read.meta("first_day")?.and_then(|text| text.parse::<Date>().ok());
        if let Some((mut next, to)) = self.left_open(owner)? {
            while next <= to {
                days.extend(read.day(owner, next)?.is_none().then_some(next));
                next = next.tomorrow().unwrap_or(Date::MAX);
            }
        }
        if let Some(began) = began {
            let newest = read.last_closed(owner)?.and_then(|date| date.tomorrow().ok());
            let mut next = newest.map_or(began, |newest| newest.max(began)).max(self.oldest_day(self.clock.now()));
            while next < open_day {
                if read.day(owner, next)?.is_none() {
                    days.push(next);
                }
                next = next.tomorrow().unwrap_or(open_day);
            }
        }
        days.sort();
        days.dedup();
        Ok(days)
    }

    /// When a day that is closed now is sent: at the coming nightly instant or, where that has passed tonight, in the
    /// next window.
    pub(super) fn first_try(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        let (device, now) = (self.device()?, now - SignedDuration::from_mins(5));
        Ok(When { device: &device, zone: &self.zone, now, random: 0 }.retry(1, 1, None))
    }

    /// Closes a day, or renders a changed one again: document, outbox row and the day's state in one transaction.
    fn close(&mut self, owner: &Owner, date: Date, now: Timestamp, next: Timestamp) -> Result<(), StoreError> {
        let newest = self.store.read().newest(owner, date)?;
        let document = self.document(owner, date, now, newest.as_ref())?;
        let send = self.config.supplier.as_ref().is_some_and(|supplier| !supplier.approve);
        let work = self.store.begin()?;
        let differs = newest.as_ref().is_none_or(|row| !same_figures(&row.body, &document));
        if differs {
            let Owner::Practice { ods, site } = owner else { return Ok(()) };
            let body = canonical(&document).map_err(unrendered)?;
            let parcel = Parcel::new(ods, site, date, document.revision, body);
            work.enqueue(&OutboxRow {
                state: if send { OutboxState::Pending } else { OutboxState::Held },
                next,
                ..OutboxRow::new(owner.clone(), date, document.revision, parcel.sha256, parcel.body)
            })?;
            work.audit(now, "smdrd", &format!("closed {date} revision {}", document.revision))?;
        }
        work.close_day(owner, date, now)?;
        for row in self.rows.values() {
            let mut row = row.clone();
            row.state.forget_tokens();
            work.snapshot(&row, date)?;
        }
        work.commit()
    }

    /// The document of a day as it would be sent now: the next revision after `newest`.
    pub fn document(
        &self,
        owner: &Owner,
        date: Date,
        now: Timestamp,
        newest: Option<&OutboxRow>,
    ) -> Result<DayDocument, StoreError> {
        let (start, end) = bounds(&self.zone, date);
        let read = self.store.read();
        let files = self.files_of(date, start)?;
        let mut sources = Vec::new();
        let mut clock_doubt = BTreeMap::new();
        // A site of a practice has its own PBX, or its part of one: what another PBX missed is not its gap.
        let practice = self.config.practice.iter().find(|practice| is_of(practice, owner));
        for plan in &self.plans {
            if practice.is_some_and(|practice| !practice.hears(&plan.name)) {
                continue;
            }
            let Some(id) = self.ids.get(&plan.name).copied() else { continue };
            let clock = read.clock_day(id, date)?;
            self.clock_doubt(owner, id, date, clock, &mut clock_doubt)?;
            let until = end.min(now).max(start);
            let mut links = Links {
                imported: files.iter().filter(|file| file.of == plan.name).map(|file| file.stretch).collect(),
                ..read.links(id, &plan.name, start, until)?
            };
            observed::doubts(&read, id, &mut links, start, until)?;
            sources.push(SourceInput {
                name: plan.name.clone(),
                dialect: plan.dialect.clone(),
                cannot: plan.plan.cannot().to_vec(),
                shows_callback: plan.plan.shows_callback(),
                lines: read.lines_of(id, date)?,
                may_repeat: read.may_repeat(id, date)?,
                clock_offset_s: clock.offset_s,
                clock_corrected_s: clock.corrected_s,
                clock_fault: self.clock_fault(plan, date, clock),
                missing: observed::missing(&read, id, start, end)?,
                links,
            });
        }
        let heard = |of: &str| practice.is_none_or(|practice| practice.hears(of));
        sources.extend(files.into_iter().filter(|file| heard(&file.of)).map(|file| file.input));
        let features = practice.and_then(|practice| practice.features).unwrap_or(self.config.features);
        let counters = read.counters_of(owner, start, end)?;
        // The peak of a day is told from its calls: where they are kept no more, it is what its document says.
        let peaks: BTreeMap<_, _> = match newest.filter(|_| read.kept_from().is_ok_and(|kept| Some(date) <= kept)) {
            Some(row) => peaks_of(&row.body),
            None => peaks(&read.line_use(owner, start, end)?),
        };
        let (ods, site) = owner.key();
        Ok(render(&DayInputs {
            practice: PracticeSite { ods: ods.to_string(), site: site.to_string() },
            device: self.device()?,
            date,
            zone: &self.zone,
            zone_name: self.config.zone.get_ref(),
            revision: newest.map_or(1, |row| row.revision.saturating_add(1)),
            produced_at: Timestamp::from_second(now.as_second()).unwrap_or(now),
            features: Features {
                callback: features.callback,
                auto_attendant: features.auto_attendant,
                diverted_outside_is_staff: self.config.sends_to_mobiles(practice),
            },
            sources: &sources,
            counters: &counters,
            peaks: &peaks,
            clock_doubt: &clock_doubt,
            linked: self.linked,
            audit_head: format!("sha256:{}", read.audit_head()?),
            previous: newest.map(|row| format!("sha256:{}", row.sha256)),
        }))
    }

    /// The exact document that is or will be sent for a day: the queued bytes, unless the day changed since.
    pub fn day(&self, owner: &Owner, date: Date) -> Result<Vec<u8>, StoreError> {
        let now = self.clock.now();
        let newest = self.store.read().newest(owner, date)?;
        let changed = self.store.read().day(owner, date)?.is_none_or(|day| day.changed || !day.closed);
        let document = self.document(owner, date, now, newest.as_ref())?;
        match newest {
            Some(row) if !changed || same_figures(&row.body, &document) => Ok(row.body),
            _ => canonical(&document).map_err(unrendered),
        }
    }

    /// The roll-up of closed days: tokens go at once, peers are renumbered when no leg can join any more. Days that lines
    /// came to after that are renumbered once more the next night, when no leg can join those either.
    pub(super) fn roll_up(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let open_day = self.first_open_day(now);
        let today = date_of(&self.zone, now);
        let over = |after: SignedDuration| now.duration_since(midnight(&self.zone, today)) >= after;
        let settled = if over(RENUMBERING) { open_day } else { open_day.checked_sub(1.day()).unwrap_or(open_day) };
        let tokens = self.store.read().days_to_roll(open_day, 1)?;
        let mut peers = self.store.read().days_to_roll(settled, 2)?;
        let again = self.store.read().meta(SETTLED)?.as_deref() == Some(&settled.to_string());
        if again {
            peers.retain(|date| tokens.contains(date));
        }
        if again && tokens.is_empty() && peers.is_empty() {
            return Ok(());
        }
        let work = self.store.begin()?;
        work.set_meta(SETTLED, &settled.to_string())?;
        if let Some(newest) = tokens.last() {
            work.forget_tokens(*newest)?;
            work.set_rolled(*newest, 1)?;
            for row in self.rows.values_mut() {
                row.state.forget_tokens();
                work.put_source(row)?;
            }
        }
        if !peers.is_empty() {
            // Above every peer that the reading side can have given out in the meantime.
            let given = work.read().largest_peer()?;
            let mut next = work.read().meta("renumbered")?.and_then(|text| text.parse().ok()).unwrap_or(1 << 31);
            next = work.renumber_peers(&peers, next.max(given.max(1 << 31)))?;
            work.set_meta("renumbered", &next.to_string())?;
            work.set_renumbered(&peers)?;
        }
        work.commit()?;
        if tokens.is_empty() && peers.is_empty() {
            return Ok(());
        }
        if let Some(newest) = tokens.last() {
            self.books.rolled(*newest);
        }
        // What was deleted must not stay in a free page or in the log.
        self.store.scrub()
    }
}

/// Notes that collecting ended on this day and began again long after: the days up to then were collected, and are closed
/// however long ago that was.
pub(super) fn note_left_open(work: &Work<'_>, date: Date) -> Result<(), StoreError> {
    work.set_meta(LEFT_OPEN, &date.to_string())
}

fn is_of(practice: &Practice, owner: &Owner) -> bool {
    let (ods, site) = owner.key();
    practice.ods.get_ref().as_str() == ods && practice.site.get_ref().as_str() == site
}

/// The peaks that a document says, by slot.
fn peaks_of(body: &[u8]) -> BTreeMap<Timestamp, u64> {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let slots = document["slots"].as_array().map(Vec::as_slice).unwrap_or_default();
    let peak = |slot: &serde_json::Value| {
        Some((slot["start"].as_str()?.parse().ok()?, slot["trunks"]["peak_concurrent"].as_u64()?))
    };
    slots.iter().filter_map(peak).collect()
}

fn unrendered(error: serde_json::Error) -> StoreError {
    StoreError::Directory { path: "day document".into(), reason: std::io::Error::other(error) }
}

/// Whether a stored document says the same as a newly rendered one, apart from when and in which revision.
pub(super) fn same_figures(body: &[u8], document: &DayDocument) -> bool {
    let Ok(mut old) = serde_json::from_slice::<serde_json::Value>(body) else { return false };
    let Ok(mut new) = serde_json::to_value(document) else { return false };
    for value in [&mut old, &mut new] {
        if let Some(object) = value.as_object_mut() {
            for key in ["revision", "produced_at", "audit_head", "previous"] {
                object.remove(key);
            }
        }
    }
    old == new
}
