//! Calls, and the counters that they add up to.

use std::collections::{BTreeMap, HashMap};

use compact_str::CompactString;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::Row;

use super::{Reading, StoreError, Work, day_date, day_number, instant};
use crate::aggregate::count::Metric;
use crate::call::{Call, CallKind, LineRef, Outcome, Owner};
use crate::number::Class;

/// A call as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCall {
    /// The call.
    pub call: Call,
    /// The civil day of its arrival.
    pub day: Date,
    /// Whether its number had called before on that day.
    pub repeat: bool,
}

/// By how much counters change.
pub type Deltas = HashMap<(Owner, Timestamp, Metric), i64>;

impl Work<'_> {
    /// Stores a call in place of what was stored of it.
    pub fn put_call(&self, stored: &StoredCall) -> Result<(), StoreError> {
        let StoredCall { call, day, repeat } = stored;
        let (ods, site) = call.owner.key();
        let kind = CallKind::ALL.iter().position(|kind| *kind == call.kind);
        let outcome = call.outcome.and_then(|it| Outcome::ALL.iter().position(|outcome| *outcome == it));
        let mut insert = self.tx.prepare_cached(
            "INSERT OR REPLACE INTO call VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
             ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
        )?;
        insert.execute(rusqlite::params![
            call.id.source,
            call.id.seq as i64,
            ods.as_str(),
            site.as_str(),
            day_number(*day),
            kind.map(|kind| kind as i64),
            call.arrival.as_millisecond(),
            call.end.as_millisecond(),
            outcome.map(|outcome| outcome as i64),
            call.rule.as_str(),
            call.wait_s,
            call.talk_s,
            call.answered,
            call.not_people,
            call.callback_made,
            call.later_s,
            call.earlier_s,
            call.trunk.as_deref(),
            call.class.map(Class::code),
            call.peer,
            call.token.map(|token| token as i64),
            call.open,
            call.legs,
            repeat,
        ])?;
        Ok(())
    }

    /// Says whether a stored call's number had called before.
    pub fn set_repeat(&self, id: LineRef, repeat: bool) -> Result<(), StoreError> {
        self.tx.prepare_cached("UPDATE call SET repeat = ?3 WHERE source = ?1 AND seq = ?2")?.execute((
            id.source,
            id.seq as i64,
            repeat,
        ))?;
        Ok(())
    }

    /// Adds to the counters.
    pub fn add(&self, deltas: &Deltas) -> Result<(), StoreError> {
        let mut add = self.tx.prepare_cached(
            "INSERT INTO counter VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET n = n + excluded.n",
        )?;
        for ((owner, slot, metric), by) in deltas.iter().filter(|(_, by)| **by != 0) {
            let (ods, site) = owner.key();
            add.execute((ods.as_str(), site.as_str(), slot.as_second(), metric.code(), by))?;
        }
        Ok(())
    }

    /// Puts derived history in place of what is stored from `from` on, which begins at `midnight`: every call, counter,
    /// line verdict and line count.
    pub fn replace_history(
        &self,
        derived: &Reading<'_>,
        from: Option<Date>,
        midnight: Timestamp,
    ) -> Result<(), StoreError> {
        let from = from.unwrap_or(Date::MIN);
        let day = day_number(from);
        self.tx.execute("DELETE FROM call WHERE day >= ?1", [day])?;
        self.tx.execute("DELETE FROM counter WHERE slot >= ?1", [midnight.as_second()])?;
        self.tx.execute("DELETE FROM line_count WHERE day >= ?1", [day])?;
        for call in derived.calls()?.iter().filter(|call| call.day >= from) {
            self.put_call(call)?;
        }
        let mut add = self.tx.prepare("INSERT INTO counter VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for ((ods, site, slot, metric), n) in derived.counters()? {
            if slot >= midnight.as_second() {
                add.execute((ods, site, slot, metric, n))?;
            }
        }
        let mut count = self.tx.prepare("INSERT INTO line_count VALUES (?1, ?2, ?3, ?4)")?;
        for ((source, of, kind), n) in derived.line_counts()? {
            if of >= day {
                count.execute((source, of, kind, n))?;
            }
        }
        self.widen_stretches(derived)?;
        let mut verdicts = derived
            .db
            .prepare("SELECT source, seq, day, kind, reason, col, record, call_seq FROM line WHERE day >= ?1")?;
        let mut update = self.tx.prepare(
            "UPDATE line SET day = ?3, kind = ?4, reason = ?5, col = ?6, record = ?7, call_seq = ?8
             WHERE source = ?1 AND seq = ?2",
        )?;
        let mut rows = verdicts.query([day])?;
        while let Some(row) = rows.next()? {
            update.execute((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, i64>(3)?,
                row.get::<_, Option<String>>(4)?,
                row.get::<_, Option<i64>>(5)?,
                row.get::<_, Option<String>>(6)?,
                row.get::<_, Option<i64>>(7)?,
            ))?;
        }
        Ok(())
    }

    /// Forgets the tokens of a day: the first half of its roll-up. The counts that needed them stand on the calls.
    pub fn forget_tokens(&self, day: Date) -> Result<usize, StoreError> {
        let day = day_number(day);
        let numbers = self.tx.execute(
            "UPDATE number SET token = NULL WHERE token IS NOT NULL AND (source, seq) IN
             (SELECT source, seq FROM line WHERE day <= ?1)",
            [day],
        )?;
        self.tx.execute("UPDATE call SET token = NULL WHERE day <= ?1 AND token IS NOT NULL", [day])?;
        Ok(numbers)
    }

    /// Gives each call of these days a peer of its own, so that none spans two calls: the second half of their
    /// roll-up. Answers with the last one given; `next` is the last one given before.
    pub fn renumber_peers(&self, days: &[Date], mut next: u32) -> Result<u32, StoreError> {
        let mut of_day =
            self.tx.prepare("SELECT source, seq FROM call WHERE day = ?1 AND peer IS NOT NULL ORDER BY source, seq")?;
        let mut calls: BTreeMap<u16, HashMap<i64, u32>> = BTreeMap::new();
        for day in days {
            let mut rows = of_day.query([day_number(*day)])?;
            while let Some(row) = rows.next()? {
                next = next.saturating_add(1);
                calls.entry(row.get(0)?).or_default().insert(row.get(1)?, next);
            }
        }
        // One pass over the lines from the first call on: there is no index from a call to its lines, since nothing
        // else asks for them.
        let mut lines = self.tx.prepare(
            "SELECT seq, call_seq FROM line WHERE source = ?1 AND seq >= ?2 AND call_seq IS NOT NULL ORDER BY seq",
        )?;
        let mut number =
            self.tx.prepare("UPDATE number SET peer = ?3 WHERE source = ?1 AND seq = ?2 AND peer IS NOT NULL")?;
        let mut call = self.tx.prepare("UPDATE call SET peer = ?3 WHERE source = ?1 AND seq = ?2")?;
        if let Some(newest) = days.iter().max() {
            drop_unused_peers(&self.tx, *newest)?;
        }
        for (source, calls) in &calls {
            let first = calls.keys().min().copied().unwrap_or(0);
            let mut own: Vec<(i64, u32)> = Vec::new();
            let mut rows = lines.query((source, first))?;
            while let Some(row) = rows.next()? {
                if let Some(peer) = calls.get(&row.get::<_, i64>(1)?) {
                    own.push((row.get(0)?, *peer));
                }
            }
            for (line, peer) in own {
                number.execute((source, line, peer))?;
            }
            for (seq, peer) in calls {
                call.execute((source, seq, peer))?;
            }
        }
        Ok(next)
    }
}

/// Lines that carry no call, such as offers, need no peer once the day is rolled up.
fn drop_unused_peers(tx: &rusqlite::Transaction<'_>, until: Date) -> Result<usize, StoreError> {
    Ok(tx.execute(
        "UPDATE number SET peer = NULL WHERE peer IS NOT NULL AND (source, seq) IN
         (SELECT source, seq FROM line WHERE day <= ?1 AND call_seq IS NULL)",
        [day_number(until)],
    )?)
}

type CounterKey = (String, String, i64, u16);

impl Reading<'_> {
    /// How many calls of a source came in since a day, and how many of them were missed.
    pub fn inbound_since(&self, source: u16, day: Date) -> Result<(u64, u64), StoreError> {
        let missed = Outcome::ALL.iter().enumerate().filter(|(_, outcome)| outcome.is_missed());
        let missed: Vec<String> = missed.map(|(index, _)| index.to_string()).collect();
        let sql = format!(
            "SELECT count(*), coalesce(sum(outcome IN ({})), 0) FROM call WHERE day >= ?2 AND source = ?1 AND kind = ?3",
            missed.join(", ")
        );
        let inbound = CallKind::ALL.iter().position(|kind| *kind == CallKind::Inbound).unwrap_or_default();
        let mut query = self.db.prepare_cached(&sql)?;
        let counts = query.query_row((source, day_number(day), inbound as i64), |row| {
            Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
        });
        Ok(counts?)
    }

    /// Every call that is stored, in order.
    pub fn calls(&self) -> Result<Vec<StoredCall>, StoreError> {
        let mut query = self.db.prepare("SELECT * FROM call ORDER BY source, seq")?;
        Ok(query.query_map([], stored)?.collect::<Result<_, _>>()?)
    }

    /// The calls of a source that a later leg may still join: those that ended after `horizon`, and open ones.
    pub fn joinable_calls(&self, source: u16, horizon: Timestamp) -> Result<Vec<StoredCall>, StoreError> {
        let mut query = self
            .db
            .prepare("SELECT * FROM call WHERE source = ?1 AND day >= ?2 AND (end_ms >= ?3 OR open) ORDER BY seq")?;
        let day = day_number(jiff::tz::TimeZone::UTC.to_datetime(horizon).date()) - 2;
        let rows = query.query_map((source, day, horizon.as_millisecond()), stored)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The calls of one owner on one day.
    pub fn calls_of(&self, owner: &Owner, day: Date) -> Result<Vec<StoredCall>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self
            .db
            .prepare_cached("SELECT * FROM call WHERE day = ?1 AND ods = ?2 AND site = ?3 ORDER BY arrival_ms")?;
        let rows = query.query_map((day_number(day), ods.as_str(), site.as_str()), stored)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The stored call of this name.
    pub fn stored_call(&self, id: LineRef) -> Result<Option<StoredCall>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT * FROM call WHERE source = ?1 AND seq = ?2")?;
        Ok(query.query_map((id.source, id.seq as i64), stored)?.next().transpose()?)
    }

    /// The calls that arrived from `from` to before `to`, whoever's they are, by arrival.
    pub fn calls_between(&self, from: Timestamp, to: Timestamp) -> Result<Vec<StoredCall>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT * FROM call WHERE day BETWEEN ?1 AND ?2 AND arrival_ms >= ?3 AND arrival_ms < ?4
             ORDER BY arrival_ms, source, seq",
        )?;
        let day = |instant: Timestamp| day_number(jiff::tz::TimeZone::UTC.to_datetime(instant).date());
        let rows = query.query_map((day(from) - 1, day(to) + 1, from.as_millisecond(), to.as_millisecond()), stored)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Inbound calls of people that a source printed of a day: when they came, and by how many seconds they may have come
    /// earlier and later.
    pub fn inbound_arrivals(
        &self,
        owner: &Owner,
        source: u16,
        date: Date,
    ) -> Result<Vec<(Timestamp, u32, u32)>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self.db.prepare_cached(
            "SELECT arrival_ms, earlier_s, later_s FROM call WHERE day = ?1 AND ods = ?2 AND site = ?3 AND source = ?4
             AND kind = 0 AND NOT not_people AND NOT open",
        )?;
        let rows = query.query_map((day_number(date), ods.as_str(), site.as_str(), source), |row| {
            Ok((instant(row.get(0)?), row.get(1)?, row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// External calls that touch the stretch from `from` to `to`, as arrival and end.
    pub fn line_use(
        &self,
        owner: &Owner,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self.db.prepare_cached(
            "SELECT arrival_ms, end_ms FROM call WHERE ods = ?1 AND site = ?2 AND day BETWEEN ?3 AND ?4
             AND end_ms > ?5 AND arrival_ms < ?6 AND kind IN (0, 1) AND NOT open",
        )?;
        let day = |instant: Timestamp| day_number(jiff::tz::TimeZone::UTC.to_datetime(instant).date());
        let rows = query.query_map(
            (ods.as_str(), site.as_str(), day(from) - 1, day(to) + 1, from.as_millisecond(), to.as_millisecond()),
            |row| Ok((instant(row.get(0)?), instant(row.get(1)?))),
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many calls are stored, and how many of them are open.
    pub fn call_counts(&self) -> Result<(u64, u64), StoreError> {
        Ok(self.db.query_row("SELECT count(*), coalesce(sum(open), 0) FROM call", [], |row| {
            Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
        })?)
    }

    /// The counters of one owner from `from` to `to`, by slot.
    pub fn counters_of(
        &self,
        owner: &Owner,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<Timestamp, BTreeMap<Metric, i64>>, StoreError> {
        let (ods, site) = owner.key();
        let mut query = self.db.prepare_cached(
            "SELECT slot, metric, n FROM counter WHERE ods = ?1 AND site = ?2 AND slot >= ?3 AND slot < ?4",
        )?;
        let mut rows = query.query((ods.as_str(), site.as_str(), from.as_second(), to.as_second()))?;
        let mut counters: BTreeMap<Timestamp, BTreeMap<Metric, i64>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            if let (Ok(slot), Some(metric)) = (Timestamp::from_second(row.get(0)?), Metric::from_code(row.get(1)?)) {
                counters.entry(slot).or_default().insert(metric, row.get(2)?);
            }
        }
        Ok(counters)
    }

    /// Every counter that is not zero, for comparison.
    pub fn counters(&self) -> Result<BTreeMap<CounterKey, i64>, StoreError> {
        let mut query = self.db.prepare("SELECT ods, site, slot, metric, n FROM counter WHERE n <> 0")?;
        let rows =
            query.query_map([], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredCall> {
    let text = |column: usize| row.get::<_, Option<String>>(column).map(|text| text.map(CompactString::from));
    let call = Call {
        id: LineRef { source: row.get(0)?, seq: row.get::<_, i64>(1)? as u64 },
        owner: Owner::from_key(&row.get::<_, String>(2)?, &row.get::<_, String>(3)?),
        kind: CallKind::ALL.get(row.get::<_, u8>(5)? as usize).copied().unwrap_or(CallKind::Unknown),
        arrival: instant(row.get(6)?),
        end: instant(row.get(7)?),
        outcome: row.get::<_, Option<u8>>(8)?.and_then(|index| Outcome::ALL.get(usize::from(index)).copied()),
        rule: text(9)?.unwrap_or_default(),
        wait_s: row.get(10)?,
        talk_s: row.get(11)?,
        answered: row.get(12)?,
        not_people: row.get(13)?,
        callback_made: row.get(14)?,
        later_s: row.get(15)?,
        earlier_s: row.get(16)?,
        trunk: text(17)?,
        class: row.get::<_, Option<u8>>(18)?.and_then(Class::from_code),
        peer: row.get(19)?,
        token: row.get::<_, Option<i64>>(20)?.map(|token| token as u64),
        open: row.get(21)?,
        legs: row.get(22)?,
    };
    Ok(StoredCall { call, day: day_date(row.get(4)?), repeat: row.get(23)? })
}
