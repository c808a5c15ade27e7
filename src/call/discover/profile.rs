//! What each station and each trunk was seen to do, counted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::HeardCall;
use crate::call::outcome::named;
use crate::call::{CallKind, Given, Leg, Site};
use crate::number::{Anonymous, Class};
use crate::record::{Direction, LegKind, Party};

/// Digits from which a number is none of the PBX's own numbering.
const OUTSIDE_DIGITS: u8 = 6;

/// A station, as far as it was seen.
#[derive(Debug, Default)]
pub struct Station {
    /// Legs that name it, in whatever part.
    pub legs: usize,
    /// Incoming legs that name it.
    pub rung: usize,
    /// Of these, how many it took, and how many the format says it did not.
    pub took: usize,
    /// Incoming legs that the format says it did not take.
    pub lost: usize,
    /// Calls that it took before anybody else had.
    pub took_first: usize,
    /// Calls that it took and in which another station was named afterwards.
    pub handed_on: usize,
    /// Calls that it was named in, did not take, and others took; and who those were.
    pub others_took: usize,
    /// Who took the calls that it was named in and did not take.
    pub takers: BTreeSet<String>,
    /// Seconds of ring before it took a call, where known.
    pub rings: Vec<u32>,
    /// Seconds of talk, where known.
    pub talks: Vec<u32>,
    /// When it took calls.
    pub took_at: Vec<Timestamp>,
    /// Stretches in which it was rung without taking the call, where the ring is known.
    pub rang: Vec<(Timestamp, Timestamp)>,
    /// Calls that it made to the outside: what was dialled, when, and for how long.
    pub made: Vec<Made>,
    /// Calls that it made to other stations.
    pub made_inside: usize,
    /// Stations that it called.
    pub called: BTreeSet<String>,
    /// Inside calls in which it was called.
    pub called_inside: usize,
    /// Legs with a hold, or of a conference.
    pub held: usize,
    /// Legs on either side of a transfer: a mailbox may be put through to, as a person.
    pub transfers: usize,
    /// Legs of which the format says that a voicemail port took them; then a menu; then a conference or nobody.
    pub said: [usize; 3],
}

/// A call to the outside.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// When it began.
    pub at: Timestamp,
    /// Class and length of the number, where there is one.
    pub number: Option<(Class, u8)>,
    /// The same for the same number on one day; often not kept.
    pub token: Option<u64>,
    /// Seconds of talk.
    pub talk_s: Option<u32>,
}

/// A trunk, as far as it was seen.
#[derive(Debug, Default)]
pub struct Trunk {
    /// Legs that name it.
    pub legs: usize,
    /// Incoming, outgoing and passed on.
    pub ways: [usize; 3],
    /// Legs with a number that only the public network has.
    pub outside: usize,
    /// Legs whose caller withheld the number.
    pub withheld: usize,
    /// Legs whose only numbers are as short as a station's.
    pub inside: usize,
}

/// Everything that was seen.
#[derive(Debug)]
pub struct Profiles {
    /// By source and name.
    pub stations: BTreeMap<(u16, String), Station>,
    /// By source and name.
    pub trunks: BTreeMap<(u16, String), Trunk>,
    /// For each day, when the first and the last call was taken by a station that makes calls and has to
    /// do with others.
    pub open: BTreeMap<Date, (Timestamp, Timestamp)>,
    /// The practice's zone.
    pub zone: TimeZone,
}

impl Profiles {
    /// Counts what the stations and trunks of these calls did.
    pub fn new(calls: &[HeardCall], site: &Site, zone: &TimeZone) -> Profiles {
        let mut profiles =
            Profiles { stations: BTreeMap::new(), trunks: BTreeMap::new(), open: BTreeMap::new(), zone: zone.clone() };
        for call in calls {
            for (place, leg) in call.legs.iter().enumerate() {
                let source = site.pbx(leg.line.source);
                profiles.station(source, call, place, leg);
                profiles.called(source, leg);
                profiles.trunk(source, leg);
            }
        }
        profiles.opening();
        profiles
    }

    /// Whether a line named it.
    pub fn seen(&self, of: Option<u16>, given: Given<'_>) -> bool {
        let is = |(source, name): &(u16, String), wanted: &str| of.is_none_or(|of| of == *source) && name == wanted;
        match given {
            Given::Station(name) => self.stations.keys().any(|key| is(key, name)),
            Given::Trunk(name) => self.trunks.keys().any(|key| is(key, name)),
        }
    }

    fn of(&mut self, source: u16, name: &str) -> &mut Station {
        self.stations.entry((source, name.to_owned())).or_default()
    }

    fn station(&mut self, source: u16, call: &HeardCall, place: usize, leg: &Leg) {
        let Some(name) = named(leg) else { return };
        let record = &leg.record;
        let took = took(leg);
        let before = call.legs.iter().take(place).any(took_by_station);
        let after = call.legs.iter().skip(place + 1);
        let handed_on = took && after.filter_map(named).any(|other| other != name);
        let takers: Vec<String> = call
            .legs
            .iter()
            .filter(|other| took_by_station(other) && named(other) != Some(name))
            .filter_map(|other| named(other).map(ToString::to_string))
            .collect();
        let took_later = call.legs.iter().any(|other| named(other) == Some(name) && took_by_station(other));
        let station = self.of(source, name);
        station.legs += 1;
        station.held += usize::from(record.hold_s.is_some_and(|s| s > 0) || record.conference == Some(true));
        station.transfers += usize::from(record.transferred == Some(true));
        match record.party {
            Some(Party::Voicemail) => station.said[0] += 1,
            Some(Party::AutoAttendant) => station.said[1] += 1,
            Some(Party::Conference | Party::Nobody) => station.said[2] += 1,
            Some(Party::Station) | None => {}
        }
        match record.direction {
            Some(Direction::Outbound) => {
                let number = record.dialled.as_ref();
                station.made.push(Made {
                    at: leg.arrival,
                    number: number.map(|number| (number.class, number.digits)),
                    token: number.and_then(|number| number.token),
                    talk_s: record.talk_s,
                });
            }
            Some(Direction::Internal) => {
                station.made_inside += 1;
                station.called.extend(record.dialled.as_ref().and_then(|to| to.own.as_ref()).map(ToString::to_string));
            }
            Some(Direction::Inbound | Direction::Tandem) if call.call.kind != CallKind::Internal => {
                station.rung += 1;
                station.lost += usize::from(record.answered == Some(false));
                if took {
                    station.took += 1;
                    station.took_first += usize::from(!before);
                    station.handed_on += usize::from(handed_on);
                    station.rings.extend(record.ring_s);
                    station.talks.extend(record.talk_s);
                    station.took_at.push(leg.arrival);
                } else {
                    if !takers.is_empty() && !took_later {
                        station.others_took += 1;
                        station.takers.extend(takers);
                    }
                    let rang = record.ring_s.map(|ring| SignedDuration::from_secs(i64::from(ring)));
                    let until = rang.and_then(|rang| leg.arrival.checked_add(rang).ok());
                    station.rang.extend(until.map(|until| (leg.arrival, until)));
                }
            }
            Some(Direction::Inbound | Direction::Tandem) | None => {}
        }
    }

    /// The other station of an inside call.
    fn called(&mut self, source: u16, leg: &Leg) {
        let record = &leg.record;
        if record.direction != Some(Direction::Internal) {
            return;
        }
        let Some(to) = record.dialled.as_ref().and_then(|to| to.own.clone()) else { return };
        self.of(source, &to).called_inside += 1;
    }

    fn trunk(&mut self, source: u16, leg: &Leg) {
        let record = &leg.record;
        let Some(name) = &record.trunk else { return };
        let trunk = self.trunks.entry((source, name.to_string())).or_default();
        trunk.legs += 1;
        let way = match record.direction {
            Some(Direction::Inbound) => 0,
            Some(Direction::Outbound) => 1,
            Some(Direction::Tandem) => 2,
            Some(Direction::Internal) | None => return,
        };
        trunk.ways[way] += 1;
        // On a call that is passed on, the caller came on this trunk and what was dialled left on another.
        let numbers: Vec<&Anonymous> = match record.direction {
            Some(Direction::Outbound) => record.dialled.iter().collect(),
            _ => record.cli.iter().collect(),
        };
        let public = |number: &&Anonymous| {
            matches!(number.class, Class::Mobile | Class::Geographic | Class::NonGeographic | Class::International)
                || (number.own.is_none() && number.digits >= OUTSIDE_DIGITS)
        };
        trunk.withheld += usize::from(numbers.iter().any(|number| number.class == Class::Withheld));
        trunk.outside += usize::from(numbers.iter().any(public));
        trunk.inside += usize::from(
            !numbers.is_empty() && numbers.iter().all(|number| !public(number) && number.class != Class::Withheld),
        );
    }

    fn opening(&mut self) {
        // Somebody who puts callers through or on hold is no machine.
        let person = |station: &&Station| {
            !(station.made.is_empty() && station.made_inside == 0)
                && station.made_inside + station.held + station.transfers > 0
        };
        for station in self.stations.values().filter(person) {
            for at in &station.took_at {
                let day = self.zone.to_datetime(*at).date();
                let (first, last) = self.open.entry(day).or_insert((*at, *at));
                *first = (*first).min(*at);
                *last = (*last).max(*at);
            }
        }
    }

    /// How many of these moments lie where no such station took any, by more than half an hour.
    pub fn when_nobody_else(&self, moments: &[Timestamp]) -> usize {
        const APART: SignedDuration = SignedDuration::from_mins(30);
        let outside = |at: &&Timestamp| {
            let day = self.zone.to_datetime(**at).date();
            self.open
                .get(&day)
                .is_none_or(|(first, last)| first.duration_since(**at) > APART || at.duration_since(*last) > APART)
        };
        moments.iter().filter(outside).count()
    }
}

/// Whether the leg was taken by what it names, whatever that is.
fn took(leg: &Leg) -> bool {
    let record = &leg.record;
    let said = record.answered == Some(true) || matches!(record.party, Some(Party::Voicemail | Party::AutoAttendant));
    let talks = record.talk_s.is_some_and(|talk| talk > 0);
    // Rows of queues and of mailboxes do not say whether they were answered; that they took time does.
    record.answered != Some(false)
        && (said || (record.answered.is_none() && talks))
        && !matches!(record.leg, LegKind::Offered | LegKind::Queue)
}

fn took_by_station(leg: &Leg) -> bool {
    matches!(leg.record.direction, Some(Direction::Inbound | Direction::Tandem)) && took(leg)
}
