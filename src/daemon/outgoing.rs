//! What the writer knows of documents on their way: what would be sent, what is released, what takes the place of what.

use jiff::Timestamp;
use jiff::civil::Date;

use super::courier::practice_of;
use super::credentials;
use super::days::same_figures;
use super::keeper::Keeper;
use super::status::LineCounts;
use crate::aggregate::document::canonical;
use crate::call::Owner;
use crate::push::heartbeat::{self, Days, Dialect, Heartbeat, Links, Yesterday};
use crate::push::{Parcel, Standing};
use crate::store::{OutboxRow, OutboxState, StoreError, Work};

/// The name under which the standing with the supplier is kept.
const STANDING: &str = "supplier";

impl Keeper {
    /// How things stand with the configured supplier.
    pub fn standing(&self) -> Result<Standing, StoreError> {
        let url = self.config.supplier.as_ref().map(|supplier| supplier.url.get_ref().as_str()).unwrap_or_default();
        Ok(Standing::read(self.store.read().meta(STANDING)?.as_deref(), url))
    }

    /// Keeps how things stand.
    pub(super) fn keep_standing(work: &Work<'_>, standing: &Standing) -> Result<(), StoreError> {
        work.set_meta(STANDING, &serde_json::to_string(standing).unwrap_or_default())
    }

    /// The days that are compared with the supplier's: the oldest that is ever sent, and the newest that is over.
    pub fn span(&self) -> (Date, Date) {
        let now = self.clock.now();
        (self.oldest_day(now), self.last_night())
    }

    /// The newest day that is over.
    pub(super) fn last_night(&self) -> Date {
        let open = self.first_open_day(self.clock.now());
        open.yesterday().unwrap_or(open)
    }

    /// What the box says of itself once a day.
    pub(super) fn heartbeat(&self, certificate_until: Option<Timestamp>) -> Result<Heartbeat, StoreError> {
        let read = self.store.read();
        let ([receipted, pending, parked, held], closed) = read.outbox_counts()?;
        let mut up = 0;
        for row in self.plans.iter().filter_map(|plan| self.row(&plan.name)) {
            up += u64::from(read.link_now(row.id)?.is_some_and(|(up, _, _)| up));
        }
        let now = self.clock.now();
        Ok(Heartbeat {
            schema: heartbeat::SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            at: Timestamp::from_second(now.as_second()).unwrap_or(now),
            days: Days { closed, receipted, pending, parked, held },
            links: Links { configured: self.plans.len() as u64, up },
            yesterday: self.yesterday(now)?,
            clock_ahead_s: self.standing()?.skew.map(|skew| skew.seconds),
            dialects: self.dialects(),
            alerts: self.alerts.open().into_iter().map(|(code, count)| (code.word(), count)).collect(),
            certificate_days: certificate_until.map(|until| until.duration_since(now).as_hours().div_euclid(24)),
            auth: self.config.supplier.as_ref().map_or("", |supplier| supplier.auth().word()),
            key_days: credentials::days_left(&self.config, now),
        })
    }

    /// What was observed of yesterday; nothing where no practice is configured, or none was collected for yet.
    fn yesterday(&self, now: Timestamp) -> Result<Option<Yesterday>, StoreError> {
        let Ok(date) = self.date(now).yesterday() else { return Ok(None) };
        let read = self.store.read();
        let first = read.meta("first_day")?.and_then(|text| text.parse::<Date>().ok());
        if first.is_none_or(|first| date < first) {
            return Ok(None);
        }
        let mut observed: Option<(u64, u64)> = None;
        for owner in self.practices() {
            let document = self.document(&owner, date, now, None)?;
            let length = document.day.end.duration_since(document.day.start).as_secs().unsigned_abs();
            let its = (document.coverage.observed_s, length);
            observed = Some(observed.map_or(its, |least| least.min(its)));
        }
        let (mut lines, mut unparsed) = (0, 0);
        for row in self.plans.iter().filter_map(|plan| self.row(&plan.name)) {
            let counts = LineCounts::of(read.lines_of(row.id, date)?);
            (lines, unparsed) = (lines + counts.lines, unparsed + counts.unparsed);
        }
        let unparsed_per_10000 = (unparsed * 10_000).checked_div(lines);
        Ok(observed.map(|(observed_s, length_s)| Yesterday { date, observed_s, length_s, unparsed_per_10000 }))
    }

    fn dialects(&self) -> Vec<Dialect> {
        let mut dialects: Vec<Dialect> = (self.plans.iter())
            .map(|plan| Dialect {
                id: plan.dialect.clone(),
                site: plan.version.clone().filter(|_| plan.origin != "shipped"),
            })
            .collect();
        dialects.sort();
        dialects.dedup();
        dialects
    }

    /// Makes the same document of a day once more, to take the place of revision `revision` that the supplier holds.
    /// Nothing when something newer was made in the meantime.
    pub fn renew(&mut self, row: &OutboxRow, revision: u32, sha256: &str) -> Result<Option<OutboxRow>, StoreError> {
        let newest = self.store.read().newest(&row.owner, row.date)?;
        let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(&row.body) else { return Ok(None) };
        let next = revision.max(row.revision).checked_add(1);
        let (Some(next), Owner::Practice { ods, site }) = (next, &row.owner) else { return Ok(None) };
        if newest.is_none_or(|newest| newest.revision != row.revision) {
            return Ok(None);
        }
        let now = self.clock.now();
        let produced_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        document["revision"] = next.into();
        document["previous"] = format!("sha256:{sha256}").into();
        document["produced_at"] = produced_at.to_string().into();
        let Ok(body) = canonical(&document) else { return Ok(None) };
        let parcel = Parcel::new(ods, site, row.date, next, body);
        let renewed = OutboxRow {
            next: now,
            approved: row.approved,
            ..OutboxRow::new(row.owner.clone(), row.date, next, parcel.sha256, parcel.body)
        };
        let work = self.store.begin()?;
        work.enqueue(&renewed)?;
        let practice = practice_of(&row.owner);
        work.audit(now, "smdrd", &format!("made {} of {practice} revision {next}: {revision} is held", row.date))?;
        work.commit()?;
        Ok(Some(renewed))
    }

    /// Lets go the newest document of a day, when it is held. Answers with it as it now stands.
    pub fn approve(&mut self, owner: &Owner, date: Date, who: &str) -> Result<Option<OutboxRow>, StoreError> {
        let Some(row) = self.store.read().newest(owner, date)? else { return Ok(None) };
        if row.state == OutboxState::Held {
            let now = self.clock.now();
            let work = self.store.begin()?;
            work.approve(&row, now)?;
            let practice = practice_of(owner);
            let what = format!("approved {date} of {practice} revision {} sha256:{}", row.revision, row.sha256);
            work.audit(now, who, &what)?;
            work.commit()?;
        }
        self.store.read().newest(owner, date)
    }

    /// What a push would send, as it stands, and what closing the days that are over would add to it: for those nothing
    /// is stored, and `true` stands beside them.
    pub fn would_send(&self, date: Option<Date>) -> Result<Vec<(OutboxRow, bool)>, StoreError> {
        let now = self.clock.now();
        let (open_day, oldest) = (self.first_open_day(now), self.oldest_day(now));
        let read = self.store.read();
        let wanted = |of: Date| date.is_none_or(|date| date == of);
        let sends = self.config.supplier.as_ref().is_some_and(|supplier| !supplier.approve);
        let mut made: Vec<(OutboxRow, bool)> = Vec::new();
        for owner in self.practices() {
            let Owner::Practice { ods, site } = &owner else { continue };
            let changed = read.unsettled_days(&owner, open_day)?.into_iter().filter(|day| day.closed);
            let mut days: Vec<Date> = changed.map(|day| day.date).collect();
            days.extend(self.days_to_close(&owner, open_day)?);
            days.retain(|date| *date >= oldest && wanted(*date));
            days.sort();
            days.dedup();
            for day in days {
                let newest = read.newest(&owner, day)?;
                let document = self.document(&owner, day, now, newest.as_ref())?;
                if newest.is_none_or(|row| !same_figures(&row.body, &document)) {
                    let Ok(body) = canonical(&document) else { continue };
                    let parcel = Parcel::new(ods, site, day, document.revision, body);
                    let state = if sends { OutboxState::Pending } else { OutboxState::Held };
                    let row = OutboxRow::new(owner.clone(), day, parcel.revision, parcel.sha256, parcel.body);
                    made.push((OutboxRow { state, next: now, ..row }, true));
                }
            }
        }
        let mut stored = read.pending()?;
        stored.retain(|row| wanted(row.date));
        if let Some(date) = date.filter(|_| stored.is_empty()) {
            for owner in self.practices() {
                stored.extend(read.newest(&owner, date)?);
            }
        }
        stored.retain(|row| made.iter().all(|(new, _)| (&new.owner, new.date) != (&row.owner, row.date)));
        let mut rows: Vec<(OutboxRow, bool)> = stored.into_iter().map(|row| (row, false)).chain(made).collect();
        rows.sort_by_key(|(row, _)| (row.date, row.owner.key()));
        Ok(rows)
    }
}
