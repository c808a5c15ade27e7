//! Which legs make one call.

use std::collections::{BTreeMap, HashMap};

use compact_str::CompactString;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::gauge::{Heard, Reading};
use super::places::{Places, Standing};
use super::{Call, Leg, LineRef, Site, Wall, decide};
use crate::dialect::{LinkKey, Linking};
use crate::record::{Direction, LegKind, MaskedRecord};

/// How long a call that announced another leg may stay uncounted once its source's clock has moved on.
const OPEN_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// How the legs of one source find each other.
#[derive(Debug, Clone)]
pub struct Rules {
    /// From the dialect.
    pub linking: Linking,
    /// Zone of the PBX's wall clock.
    pub zone: TimeZone,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Id(u16, u32, CompactString),
    TrunkAndPeer(u16, CompactString, Option<u32>),
    Trunk(u16, CompactString),
}

impl Key {
    fn source(&self) -> u16 {
        let (Key::Id(source, ..) | Key::TrunkAndPeer(source, ..) | Key::Trunk(source, _)) = self;
        *source
    }
}

/// The key of a leg, and a second one for a leg that finds nobody under the first.
type Keys = [Option<Key>; 2];

#[derive(Debug)]
struct Joined {
    keys: Keys,
    legs: Vec<Leg>,
    /// What a later leg that looks for its call asks of it.
    standing: Standing,
    /// Counted although more were announced: its time had passed, or its day was closed.
    sealed: bool,
}

impl Joined {
    fn add(&mut self, leg: Leg) {
        self.standing.add(&leg);
        self.sealed &= leg.record.leg == LegKind::Taken || !self.standing.announced;
        self.legs.push(leg);
    }

    fn open(&self) -> bool {
        !self.sealed && self.standing.waits()
    }
}

/// Joins legs into calls, for all sources of the box.
#[derive(Debug)]
pub struct Assembler {
    site: Site,
    rules: HashMap<u16, Rules>,
    walls: BTreeMap<u16, Wall>,
    calls: BTreeMap<LineRef, Joined>,
    by_key: HashMap<Key, Places>,
}

impl Assembler {
    /// For this site; sources are added with [`Assembler::source`].
    pub fn new(site: Site) -> Assembler {
        Assembler {
            site,
            rules: HashMap::new(),
            walls: BTreeMap::new(),
            calls: BTreeMap::new(),
            by_key: HashMap::new(),
        }
    }

    /// Adds a source, or changes its rules, with where its wall clock stood.
    pub fn source(&mut self, source: u16, rules: Rules, wall: Wall) {
        self.rules.insert(source, rules);
        self.walls.insert(source, wall);
    }

    /// Says that `file` holds what the PBX of `source` printed.
    pub fn stands_for(&mut self, file: u16, source: u16) {
        self.site.stands_for(file, source);
    }

    /// The zone of a source's wall clock.
    pub fn zone(&self, source: u16) -> Option<&TimeZone> {
        self.rules.get(&source).map(|rules| &rules.zone)
    }

    /// Whether it has this source.
    pub fn has(&self, source: u16) -> bool {
        self.rules.contains_key(&source)
    }

    /// When the earliest call of a source arrived that a later leg may still join.
    pub fn earliest(&self, source: u16) -> Option<Timestamp> {
        let of_source = self.calls.iter().filter(|(id, _)| id.source == source);
        of_source.flat_map(|(_, joined)| joined.legs.iter().map(|leg| leg.arrival)).min()
    }

    /// Lets go of a source and of its calls.
    pub fn leave(&mut self, source: u16) {
        self.rules.remove(&source);
        self.walls.remove(&source);
        self.calls.retain(|id, _| id.source != source);
        self.by_key.retain(|key, _| key.source() != source);
    }

    /// Where a source's wall clock stands, to be saved.
    pub fn wall(&self, source: u16) -> Wall {
        self.walls.get(&source).cloned().unwrap_or_default()
    }

    /// The same, to look at.
    pub fn wall_of(&self, source: u16) -> Option<&Wall> {
        self.walls.get(&source)
    }

    /// Takes a reading of a source's wall clock against the box's.
    pub fn hear(&mut self, source: u16, reading: Reading) -> Option<Heard> {
        self.walls.entry(source).or_default().gauge.hear(reading)
    }

    /// The box's own clock was set: what was read against it says nothing any more.
    pub fn forget_readings(&mut self) {
        self.walls.values_mut().for_each(|wall| wall.gauge.forget());
    }

    /// Sets where a source's wall clock stands.
    pub fn set_wall(&mut self, source: u16, wall: Wall) {
        self.walls.insert(source, wall);
    }

    /// Whether a later leg may still join this call.
    pub fn knows(&self, id: LineRef) -> bool {
        self.calls.contains_key(&id)
    }

    /// Drops the day's tokens from the legs of these calls: their day is rolled up.
    pub fn forget_tokens(&mut self, of: impl Fn(LineRef) -> bool) {
        for (_, joined) in self.calls.iter_mut().filter(|(id, _)| of(**id)) {
            for leg in &mut joined.legs {
                let record = &mut leg.record;
                for number in [&mut record.cli, &mut record.dialled, &mut record.ddi].into_iter().flatten() {
                    number.token = None;
                }
            }
        }
    }

    /// Takes up the record that a line carries. Answers with the call it belongs to, as it now stands; nothing when
    /// the record has no time stamp and therefore no place in any day.
    pub fn accept(&mut self, line: LineRef, record: MaskedRecord) -> Option<Call> {
        let rules = self.rules.get(&line.source)?.clone();
        let leg = self.walls.entry(line.source).or_default().place(&rules.zone, line, record)?;
        let keys = keys(&rules.linking, &leg);
        let id = self.find(&rules.linking, &keys, &leg).unwrap_or(line);
        self.put(id, keys, leg);
        self.call(id)
    }

    /// Puts back a call that was stored, with its legs in order, so that later legs can still join it.
    pub fn restore(&mut self, id: LineRef, records: Vec<(LineRef, MaskedRecord)>, stored: &Call) {
        let Some(rules) = self.rules.get(&id.source).cloned() else { return };
        let mut wall = Wall::standing_at(stored.arrival);
        for (line, mut record) in records {
            for number in [&mut record.cli, &mut record.dialled].into_iter().flatten() {
                number.peer = stored.peer;
                number.token = stored.token;
            }
            if let Some(leg) = wall.place(&rules.zone, line, record) {
                let keys = keys(&rules.linking, &leg);
                self.put(id, keys, leg);
            }
        }
        if let Some(joined) = self.calls.get_mut(&id) {
            joined.sealed = !stored.open;
        }
    }

    fn put(&mut self, id: LineRef, keys: Keys, leg: Leg) {
        let before = match self.calls.get_mut(&id) {
            Some(joined) => {
                let before = joined.standing;
                joined.add(leg);
                Some(before)
            }
            None => {
                let standing = Standing::of(&leg);
                self.calls.insert(id, Joined { keys, legs: vec![leg], standing, sealed: false });
                None
            }
        };
        let Some(joined) = self.calls.get(&id).filter(|joined| before != Some(joined.standing)) else { return };
        for key in joined.keys.iter().flatten() {
            let places = self.by_key.entry(key.clone()).or_default();
            if let Some(before) = &before {
                places.remove(before, id);
            }
            places.insert(joined.standing, id);
        }
    }

    /// The call that the leg joins: of those with its key, the one it follows most closely.
    fn find(&self, linking: &Linking, keys: &Keys, leg: &Leg) -> Option<LineRef> {
        let [first, second] = keys;
        let among = |key: &Option<Key>| self.find_among(linking, key.as_ref()?, leg);
        // A line carries one call at a time: what follows a transfer belongs to the call that ended there just now,
        // also when the format shows no number on it, or when a reboot between the two gave its number a new peer.
        among(first).or_else(|| if leg.record.leg == LegKind::Transfer { among(second) } else { None })
    }

    fn find_among(&self, linking: &Linking, key: &Key, leg: &Leg) -> Option<LineRef> {
        let places = self.by_key.get(key)?;
        let window = SignedDuration::from_secs(i64::from(linking.window_s));
        let slack = SignedDuration::from_secs(i64::from(linking.slack_s));
        if linking.opens.contains(&leg.record.leg) {
            return None;
        }
        let outward = leg.record.direction == Some(Direction::Outbound);
        let taken = leg.record.leg == LegKind::Taken;
        let may_join = taken || linking.joins.is_empty() || linking.joins.contains(&leg.record.leg);
        places
            .each()
            .filter_map(|(standing, id)| {
                let (only_offered, waits) = (standing.only_offered, standing.waits());
                if !(may_join || only_offered) || (linking.announced.contains(&leg.record.leg) && !waits) {
                    return None;
                }
                let apart = leg.end.duration_since(standing.end).abs();
                let gap = standing.gap(leg);
                let late = linking.offer_s.is_some_and(|most| gap > SignedDuration::from_secs(i64::from(most)));
                // Whoever dials out on the line has not taken the caller who rang on it before.
                if only_offered && (late || (outward && standing.came)) {
                    return None;
                }
                if apart > window || (linking.chained && gap > slack && !only_offered) {
                    return None;
                }
                // Where a leg that was put through bears the start of the whole call, that says which call it is.
                let other_start = !linking.chained && !standing.began_as(leg);
                // Who took a call took one that waits, if there is one; else it is said after the fact.
                Some((taken && !waits, other_start, if linking.chained { gap } else { apart }, id))
            })
            .min()
            .map(|(_, _, _, id)| id)
    }

    /// The call as it stands.
    pub fn call(&self, id: LineRef) -> Option<Call> {
        let joined = self.calls.get(&id)?;
        Some(decide(&self.site, &joined.legs, joined.open()))
    }

    /// The lines of a call, in order.
    pub fn lines(&self, id: LineRef) -> Vec<LineRef> {
        self.calls.get(&id).map(|joined| joined.legs.iter().map(|leg| leg.line).collect()).unwrap_or_default()
    }

    /// Seals the calls whose time has passed, on their source's clock or the box's, and those that `closed` says
    /// belong to a closed day; answers with them as they now stand. Forgets what no later leg can join.
    pub fn tick(&mut self, now: Timestamp, closed: impl Fn(&Call) -> bool) -> Vec<Call> {
        let mut sealed = Vec::new();
        let mut gone = Vec::new();
        for (id, joined) in &mut self.calls {
            let latest = self.walls.get(&id.source).and_then(Wall::reached).unwrap_or(Timestamp::MIN);
            let end = joined.standing.end;
            let passed = latest.max(now).duration_since(end);
            if joined.open() {
                let call = decide(&self.site, &joined.legs, false);
                if passed > OPEN_LIFE || closed(&call) {
                    joined.sealed = true;
                    sealed.push(call);
                }
            }
            let window = self.rules.get(&id.source).map_or(0, |rules| i64::from(rules.linking.window_s));
            // Measured on the source's own clock: a replayed month passes in seconds of the box's.
            if !joined.open() && latest.duration_since(end) > SignedDuration::from_secs(window) + OPEN_LIFE {
                gone.push(*id);
            }
        }
        for id in gone {
            let Some(Joined { keys, standing, .. }) = self.calls.remove(&id) else { continue };
            for key in keys.into_iter().flatten() {
                if let Some(places) = self.by_key.get_mut(&key) {
                    places.remove(&standing, id);
                    if places.is_empty() {
                        self.by_key.remove(&key);
                    }
                }
            }
        }
        sealed
    }

    /// How many calls are open, that is, stored and not yet counted.
    pub fn open(&self) -> usize {
        self.calls.values().filter(|joined| joined.open()).count()
    }

    /// From which end on the calls of `source` can still be joined, given where its clock stands.
    pub fn horizon(&self, source: u16) -> Option<Timestamp> {
        let window = self.rules.get(&source).map_or(0, |rules| i64::from(rules.linking.window_s));
        let latest = self.walls.get(&source)?.reached()?;
        latest.checked_sub(SignedDuration::from_secs(window) + OPEN_LIFE).ok()
    }
}

fn keys(linking: &Linking, leg: &Leg) -> Keys {
    let source = leg.line.source;
    let record = &leg.record;
    // The same trunk may be printed with the letter of a supervised and of an unsupervised call (Meridian).
    let trunk = record.trunk.as_deref().map(|trunk| CompactString::from(trunk.trim_start_matches(['A', 'T'])));
    match linking.by {
        LinkKey::CallId => [record.call_id.clone().map(|id| Key::Id(source, record.epoch, id)), None],
        LinkKey::TrunkAndPeer => {
            let peer = record.cli.as_ref().or(record.dialled.as_ref()).and_then(|number| number.peer);
            let by_peer = trunk.clone().map(|trunk| Key::TrunkAndPeer(source, trunk, peer));
            [by_peer, trunk.filter(|_| linking.chained).map(|trunk| Key::Trunk(source, trunk))]
        }
        LinkKey::Trunk => [trunk.map(|trunk| Key::Trunk(source, trunk)), None],
        LinkKey::Nothing => [None, None],
    }
}
