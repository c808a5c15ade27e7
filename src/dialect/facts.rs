//! Facts from codes: ordered tables, the first row that matches says what it sets.

use compact_str::CompactString;

use super::file::{FactFile, Key, Outcome};
use super::plan::{Plan, Row, Test};
use super::stamp::seconds_between;
use super::state::{Ids, Value};
use crate::number::Number;
use crate::record::{Record, Stamp, StampKind};

/// What the tables made of the values.
pub(super) enum Verdict {
    Record(Box<Record>),
    Event,
    Offer(Box<Record>),
    Unparsed(String),
}

struct Found<'a> {
    facts: FactFile,
    puts: [Option<&'a [usize]>; Key::COUNT],
    outcome: Outcome,
    reason: &'a str,
}

impl Plan {
    /// Runs the tables over `values` and builds the record.
    pub(super) fn verdict(&self, kind: &str, values: &[Value], ids: &mut Ids) -> Verdict {
        let found = self.found(kind, values);
        match found.outcome {
            Outcome::Event => Verdict::Event,
            Outcome::Unparsed => Verdict::Unparsed(found.reason.to_owned()),
            Outcome::Offer => Verdict::Offer(Box::new(self.record(&found, values, ids))),
            Outcome::Record => Verdict::Record(Box::new(self.record(&found, values, ids))),
        }
    }

    /// The trunk that `values` speak of, as far as it is known.
    pub(super) fn trunk(&self, kind: &str, values: &[Value]) -> Option<CompactString> {
        if let Some(text) = self.trunks.iter().find_map(|slot| values.get(*slot).and_then(Value::text)) {
            return Some(text.into());
        }
        let found = self.found(kind, values);
        found.text(Key::Trunk, values).map(CompactString::from)
    }

    fn found<'a>(&'a self, kind: &str, values: &[Value]) -> Found<'a> {
        let mut found =
            Found { facts: FactFile::default(), puts: [None; Key::COUNT], outcome: Outcome::Record, reason: "" };
        for (key, slots) in &self.always {
            found.put(*key, Some(slots));
        }
        for table in &self.tables {
            let Some(row) = table.iter().find(|row| row.matches(kind, values, &found.facts)) else { continue };
            found.facts.take(&row.set);
            for key in &row.drop {
                found.put(*key, None);
            }
            for (key, slots) in &row.put {
                found.put(*key, Some(slots));
            }
            if let Some(outcome) = row.outcome {
                found.outcome = outcome;
                found.reason = &row.reason;
            }
        }
        found
    }

    fn record(&self, found: &Found<'_>, values: &[Value], ids: &mut Ids) -> Record {
        let facts = &found.facts;
        let moment = match values.first() {
            Some(Value::Moment(at, resolution)) => Some((*at, *resolution)),
            _ => None,
        };
        let kind = facts.stamp.or(self.stamp.as_ref().map(|rule| rule.kind)).unwrap_or(StampKind::Unknown);
        let call_id = found.text(Key::CallId, values).map(CompactString::from);
        let epoch = call_id.as_deref().map_or(0, |id| self.epoch(id, moment.map(|(at, _)| at), ids));
        let station = found.slot(Key::Extension, values).map(|slot| self.station(slot, values));
        Record {
            stamp: moment.map(|(at, resolution_s)| Stamp { kind, at, resolution_s, ahead_s: 0 }),
            direction: facts.direction,
            answered: facts.answered,
            ring_s: found.seconds(Key::Ring, values),
            talk_s: found.seconds(Key::Talk, values),
            hold_s: found.seconds(Key::Hold, values),
            extension: station.flatten(),
            trunk: found.text(Key::Trunk, values).map(CompactString::from),
            ddi: found.number(Key::Ddi, values),
            cli: found.number(Key::Cli, values),
            dialled: found.number(Key::Dialled, values),
            account: found.number(Key::Account, values),
            transferred: facts.transferred,
            conference: facts.conference,
            continuation: facts.continuation,
            call_id,
            epoch,
            leg: facts.leg.unwrap_or_default(),
            party: facts.party,
            port: found.text(Key::Port, values).map(CompactString::from),
            onward: found.text(Key::Onward, values).map(CompactString::from),
            disposition: facts.disposition,
        }
    }

    fn station(&self, slot: usize, values: &[Value]) -> Option<CompactString> {
        let text = values.get(slot)?.text()?;
        let prefixes = self.prefixes.get(slot)?;
        let bare = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix.as_str())).unwrap_or(text).trim();
        (!bare.is_empty()).then(|| bare.into())
    }

    /// Call ids start again at a restart of the PBX. A call that lasted long comes with an id a little older than the
    /// newest; a restarted counter is far below it, or near its floor and later than everything seen.
    fn epoch(&self, id: &str, at: Option<jiff::civil::DateTime>, ids: &mut Ids) -> u32 {
        let (Some(restart), Ok(id)) = (self.restart, id.parse::<u64>()) else { return ids.epoch };
        let highest = ids.highest.unwrap_or(id);
        let quiet = at.zip(ids.latest).and_then(|(at, latest)| seconds_between(latest, at));
        let far = id.saturating_add(restart.far) < highest;
        let near = id < restart.floor.saturating_add(restart.near) && id < highest;
        if far || (near && quiet.is_some_and(|quiet| quiet > restart.quiet_s)) {
            *ids = Ids { epoch: ids.epoch.saturating_add(1), highest: Some(id), latest: at };
        } else {
            ids.highest = Some(highest.max(id));
            ids.latest = ids.latest.max(at);
        }
        ids.epoch
    }
}

impl<'a> Found<'a> {
    fn put(&mut self, key: Key, slots: Option<&'a [usize]>) {
        if let Some(put) = self.puts.get_mut(key as usize) {
            *put = slots;
        }
    }

    fn slots(&self, key: Key) -> &'a [usize] {
        self.puts.get(key as usize).copied().flatten().unwrap_or_default()
    }

    /// The first of the fields put there that is not blank.
    fn slot(&self, key: Key, values: &[Value]) -> Option<usize> {
        self.slots(key).iter().copied().find(|slot| values.get(*slot).is_some_and(|value| !value.is_blank()))
    }

    fn text<'v>(&self, key: Key, values: &'v [Value]) -> Option<&'v str> {
        values.get(self.slot(key, values)?)?.text()
    }

    fn number(&self, key: Key, values: &[Value]) -> Option<Number> {
        match values.get(self.slot(key, values)?)? {
            Value::Number(held) | Value::Account(held) => held.number(),
            _ => None,
        }
    }

    /// The sum of the fields put there; nothing when one of them stopped counting or none says anything.
    fn seconds(&self, key: Key, values: &[Value]) -> Option<u32> {
        let mut total: Option<u32> = None;
        for slot in self.slots(key) {
            let part = match values.get(*slot) {
                Some(Value::Seconds(seconds)) => *seconds,
                Some(Value::Sum(sum)) => sum.seconds()?,
                Some(Value::AtLeast) => return None,
                _ => continue,
            };
            total = Some(total.unwrap_or(0).saturating_add(part));
        }
        total
    }
}

impl Row {
    fn matches(&self, kind: &str, values: &[Value], so_far: &FactFile) -> bool {
        (self.kinds.is_empty() || self.kinds.iter().any(|name| name == kind))
            && self.so_far.holds_in(so_far)
            && self.when.iter().all(|(slot, test)| values.get(*slot).is_some_and(|value| test.holds(value)))
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        if self.blank.is_some_and(|blank| blank != value.is_blank()) {
            return false;
        }
        if let Some(zero) = self.zero {
            let is = match value {
                Value::Seconds(seconds) => *seconds == 0,
                Value::Sum(sum) => sum.seconds() == Some(0),
                Value::AtLeast => false,
                Value::Text(text) => text.bytes().all(|byte| byte == b'0'),
                _ => return false,
            };
            if is != zero {
                return false;
            }
        }
        if let Some((least, most)) = self.digits {
            let count = match value {
                Value::Number(held) => held.number().map_or(0, |number| number.digits()),
                _ => return false,
            };
            if !(least..=most).contains(&count) {
                return false;
            }
        }
        let text = value.text();
        if let Some(is) = &self.is
            && !text.is_some_and(|text| is.iter().any(|one| one == text))
        {
            return false;
        }
        if text.is_some_and(|text| self.not.iter().any(|one| one == text)) {
            return false;
        }
        if let Some(prefixes) = &self.prefix
            && !text.is_some_and(|text| prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())))
        {
            return false;
        }
        if let Some(word) = &self.word
            && !text.is_some_and(|text| text.split_ascii_whitespace().any(|one| one == word))
        {
            return false;
        }
        if let Some(words) = &self.listed
            && !text.is_some_and(|text| words.iter().any(|word| word == text))
        {
            return false;
        }
        if let Some((modulo, remainders)) = &self.modulo {
            let left = text.and_then(|text| text.parse::<u64>().ok()).and_then(|number| number.checked_rem(*modulo));
            if !left.is_some_and(|left| remainders.contains(&left)) {
                return false;
            }
        }
        true
    }
}

impl FactFile {
    /// Whether all that is asked here is so in `known`.
    fn holds_in(&self, known: &FactFile) -> bool {
        fn same<T: PartialEq>(asked: &Option<T>, known: &Option<T>) -> bool {
            asked.is_none() || asked == known
        }
        same(&self.direction, &known.direction)
            && same(&self.answered, &known.answered)
            && same(&self.transferred, &known.transferred)
            && same(&self.conference, &known.conference)
            && same(&self.continuation, &known.continuation)
            && same(&self.leg, &known.leg)
            && same(&self.party, &known.party)
            && same(&self.disposition, &known.disposition)
            && same(&self.stamp, &known.stamp)
    }

    fn take(&mut self, set: &FactFile) {
        self.direction = set.direction.or(self.direction);
        self.answered = set.answered.or(self.answered);
        self.transferred = set.transferred.or(self.transferred);
        self.conference = set.conference.or(self.conference);
        self.continuation = set.continuation.or(self.continuation);
        self.leg = set.leg.or(self.leg);
        self.party = set.party.or(self.party);
        self.disposition = set.disposition.or(self.disposition);
        self.stamp = set.stamp.or(self.stamp);
    }
}
