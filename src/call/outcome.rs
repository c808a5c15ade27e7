//! How a call ended, and which rule says so.
//!
//! Sources: NHS England's "Cloud Based Telephony Data in General Practice", supporting information (May 2026): an
//! answered call is answered by a person in the practice; a missed call is one whose caller expected a person and
//! reached none, voicemail included; the wait starts when the caller joins the queue or the line starts ringing,
//! menu time excluded. The first answer by staff decides; a later voicemail does not undo it.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Call, CallKind, Leg, Outcome, Rule, Site};
use crate::config::{DivertedOutside, StationRole, TrunkRole};
use crate::record::{Direction, Disposition, LegKind, Party, StampKind};

/// How far back an unknown ring time may reach, for the doubt whether a call belongs to the half-hour before.
const RING_ALLOWANCE_S: u32 = 120;

/// How much later a call may have come that was taken for the first pass of the hour that autumn repeats.
const REPEATED_HOUR_S: u32 = 3600;

/// What took a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taker {
    /// A person.
    Staff,
    /// A menu or announcement.
    Menu,
    /// A mailbox.
    Voicemail,
    /// A fax, alarm, lift or door.
    Machine,
    /// Somebody outside, over an exchange line.
    Outside,
    /// Nobody, as far as the leg shows.
    Nobody,
}

/// The station by whose role a leg is judged: the PBX's own port, where the format names one.
pub(super) fn named(leg: &Leg) -> Option<&CompactString> {
    leg.record.port.as_ref().or(leg.record.extension.as_ref())
}

/// What the site, or else the format, says of the station that a leg names.
pub fn role(site: &Site, leg: &Leg) -> StationRole {
    match (named(leg).map(|name| site.station(leg.line.source, name)).unwrap_or_default(), leg.record.party) {
        // What the site says of a port goes before what the format says of its kind.
        (StationRole::Staff, Some(Party::Voicemail)) => StationRole::Voicemail,
        (StationRole::Staff, Some(Party::AutoAttendant)) => StationRole::AutoAttendant,
        (role, _) => role,
    }
}

/// What took a leg.
pub fn took(site: &Site, leg: &Leg) -> Taker {
    let record = &leg.record;
    let answered = record.answered == Some(true) || (record.answered.is_none() && record.talk_s.is_some_and(|s| s > 0));
    if record.direction == Some(Direction::Tandem) {
        // Passed on over a tie line it is still with the practice, and the line's answer is all that this PBX shows.
        let onward = record.onward.as_deref().map(|trunk| site.trunk(leg.line.source, trunk));
        let ours = onward == Some(TrunkRole::Tie) || site.diverted_outside(leg.line.source) == DivertedOutside::Staff;
        return match (ours, answered) {
            (false, _) => Taker::Outside,
            (true, true) => Taker::Staff,
            (true, false) => Taker::Nobody,
        };
    }
    match role(site, leg) {
        StationRole::AutoAttendant if answered => Taker::Menu,
        StationRole::Voicemail if answered => Taker::Voicemail,
        StationRole::Fax | StationRole::Alarm | StationRole::Lift | StationRole::Door => Taker::Machine,
        StationRole::Staff | StationRole::HuntGroup
            if record.answered == Some(true) && !matches!(record.party, Some(Party::Conference | Party::Nobody)) =>
        {
            Taker::Staff
        }
        _ => Taker::Nobody,
    }
}

fn kind(site: &Site, legs: &[Leg]) -> CallKind {
    let external =
        |leg: &Leg| leg.record.trunk.as_deref().map(|trunk| site.trunk(leg.line.source, trunk)).unwrap_or_default();
    let mut seen = CallKind::Unknown;
    for leg in legs {
        let this = match leg.record.direction {
            Some(Direction::Inbound | Direction::Tandem) if external(leg) == TrunkRole::Exchange => CallKind::Inbound,
            Some(Direction::Outbound) if external(leg) == TrunkRole::Exchange => CallKind::Outbound,
            Some(Direction::Inbound | Direction::Outbound | Direction::Tandem) => CallKind::Tie,
            Some(Direction::Internal) => CallKind::Internal,
            None => continue,
        };
        match (seen, this) {
            // How the call began is what it is; only an internal start gives way, since a station may ring a
            // colleague before the call goes outside under the same id.
            (CallKind::Unknown | CallKind::Internal, _) => seen = this,
            _ => return seen,
        }
    }
    seen
}

/// The call that these legs make, in the order of their lines. `legs` is never empty.
pub fn decide(site: &Site, legs: &[Leg], open: bool) -> Call {
    let first = &legs[0];
    let kind = kind(site, legs);
    let party = legs.iter().find_map(|leg| leg.record.cli.as_ref().or(leg.record.dialled.as_ref()));
    let arrival = legs.iter().map(|leg| leg.arrival).min().unwrap_or(first.arrival);
    let leading = legs.iter().min_by_key(|leg| leg.arrival).unwrap_or(first);
    let stamp = leading.record.stamp;
    let mut call = Call {
        id: first.line,
        kind,
        owner: site.owner(legs),
        arrival,
        end: end(legs),
        outcome: None,
        rule: "".into(),
        wait_s: None,
        talk_s: None,
        answered: None,
        not_people: false,
        callback_made: legs.iter().any(|leg| leg.record.disposition == Some(Disposition::CallbackMade)),
        later_s: stamp.map_or(0, |stamp| u32::from(stamp.resolution_s.saturating_sub(1)))
            + if leading.first_pass { REPEATED_HOUR_S } else { 0 },
        earlier_s: if leading.arrival_doubt { RING_ALLOWANCE_S } else { 0 },
        trunk: legs.iter().find_map(|leg| leg.record.trunk.clone()),
        class: party.map(|party| party.class),
        peer: party.and_then(|party| party.peer),
        token: party.and_then(|party| party.token),
        open,
        legs: u32::try_from(legs.len()).unwrap_or(u32::MAX),
    };
    match kind {
        CallKind::Inbound => inbound(site, legs, &mut call),
        CallKind::Outbound => outbound(legs, &mut call),
        CallKind::Internal | CallKind::Tie | CallKind::Unknown => {}
    }
    call
}

/// When the call ended. Where every leg bears the start of the whole call, the legs follow one another and their
/// parts add up; else each leg has an end of its own.
fn end(legs: &[Leg]) -> jiff::Timestamp {
    let latest = legs.iter().map(|leg| leg.end).max().unwrap_or(legs[0].end);
    let shared = legs.len() > 1
        && legs.iter().all(|leg| {
            leg.record.leg != LegKind::Parallel
                && leg.arrival == legs[0].arrival
                && leg.record.stamp.is_some_and(|stamp| stamp.kind == StampKind::Arrival)
        });
    if !shared {
        return latest;
    }
    let total: i64 = legs.iter().map(|leg| leg.end.duration_since(leg.arrival).as_secs()).sum();
    legs[0].arrival.checked_add(jiff::SignedDuration::from_secs(total)).unwrap_or(latest)
}

fn outbound(legs: &[Leg], call: &mut Call) {
    let outward = || legs.iter().filter(|leg| leg.record.direction == Some(Direction::Outbound));
    let answers = outward().map(|leg| leg.record.answered);
    call.answered = answers
        .reduce(|one, other| match (one, other) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        })
        .flatten();
    let talks: Vec<u32> = outward().filter_map(|leg| leg.record.talk_s).collect();
    call.talk_s = if talks.is_empty() { None } else { sum(talks.into_iter().map(Some)) };
    call.rule = Rule::Outgoing.name().into();
}

fn inbound(site: &Site, legs: &[Leg], call: &mut Call) {
    let takers: Vec<Taker> = legs.iter().map(|leg| took(site, leg)).collect();
    let answer = takers.iter().position(|taker| *taker == Taker::Staff);
    if answer.is_none() && takers.contains(&Taker::Machine) {
        call.not_people = true;
        call.rule = Rule::ReachedAMachine.name().into();
        return;
    }
    let has = |taker: Taker| takers.contains(&taker);
    let disposed = |what: Disposition| legs.iter().any(|leg| leg.record.disposition == Some(what));
    // Of stations that rang at once, one that was busy does not make the call busy.
    let rang = |leg: &Leg| leg.record.leg == LegKind::Parallel && leg.record.answered == Some(false);
    let busy = disposed(Disposition::Busy)
        && !legs.iter().any(|leg| rang(leg) && leg.record.disposition != Some(Disposition::Busy));
    let offered = legs.iter().zip(&takers).any(|(leg, taker)| {
        *taker == Taker::Nobody
            && !matches!(role(site, leg), StationRole::AutoAttendant)
            && leg.record.party != Some(Party::Nobody)
    });
    let (outcome, rule) = if let Some(by) = answer.and_then(|position| legs.get(position)) {
        let onward = by.record.onward.as_deref().map(|trunk| site.trunk(by.line.source, trunk));
        let rule = match by.record.direction {
            Some(Direction::Tandem) if onward == Some(TrunkRole::Tie) => Rule::AnsweredOverTie,
            Some(Direction::Tandem) => Rule::AnsweredOutside,
            _ => Rule::AnsweredByStaff,
        };
        (Outcome::Answered, rule)
    } else if disposed(Disposition::CallbackRequested) {
        (Outcome::CallbackRequested, Rule::CallbackBooked)
    } else if has(Taker::Voicemail) {
        (Outcome::MissedVoicemail, Rule::ReachedVoicemail)
    } else if has(Taker::Outside) {
        (Outcome::IvrEnded, Rule::DivertedOutside)
    } else if busy {
        (Outcome::MissedBusy, Rule::StationsBusy)
    } else if has(Taker::Menu) && !offered {
        (Outcome::IvrEnded, Rule::EndedInMenu)
    } else if !has(Taker::Menu) && legs.iter().all(|leg| role(site, leg) == StationRole::AutoAttendant) {
        (Outcome::IvrEnded, Rule::EndedBeforeMenu)
    } else if legs.iter().any(|leg| leg.record.answered == Some(false)) {
        (Outcome::MissedRangOut, Rule::NobodyAnswered)
    } else {
        (Outcome::MissedRangOut, Rule::NoAnswerShown)
    };
    call.outcome = Some(outcome);
    call.rule = rule.name().into();
    if outcome == Outcome::Answered || outcome.is_missed() {
        call.wait_s = wait(site, legs, answer);
    }
    if outcome == Outcome::Answered {
        let talks = legs.iter().zip(&takers).filter(|(_, taker)| **taker == Taker::Staff);
        let talks = talks.filter(|(leg, _)| !leg.record.leg.is_stage());
        // The ring of an answered call may have a leg of its own, before the one with the talk.
        let talks: Vec<_> = talks.map(|(leg, _)| (leg.record.leg, leg.record.talk_s)).collect();
        let told = talks.iter().any(|(_, talk)| talk.is_some());
        let talks = talks.into_iter().filter(|(kind, talk)| !told || *kind != LegKind::Queue || talk.is_some());
        call.talk_s = sum(talks.map(|(_, talk)| talk));
    }
}

/// The sum of all parts; nothing when one is not known, or when they make more than can be.
fn sum(mut parts: impl Iterator<Item = Option<u32>>) -> Option<u32> {
    parts.try_fold(0_u32, |sum, part| sum.checked_add(part?))
}

/// Ring and queue time until the answer, or over all legs of a missed call, menu excluded; nothing when a leg that
/// counts does not give it.
fn wait(site: &Site, legs: &[Leg], answer: Option<usize>) -> Option<u32> {
    let counts = |leg: &&Leg| role(site, leg) != StationRole::AutoAttendant && !leg.record.leg.is_stage();
    let parallel: Vec<&Leg> = legs.iter().filter(counts).filter(|leg| leg.record.leg == LegKind::Parallel).collect();
    let rang = |leg: &Leg| leg.record.leg == LegKind::Queue && leg.record.ring_s.is_some();
    let until = answer.map_or(legs.len(), |position| position + 1);
    let mut waited: Vec<Option<u32>> = legs[..until]
        .iter()
        .enumerate()
        .filter(|(_, leg)| counts(leg) && leg.record.leg != LegKind::Parallel)
        .map(|(at, leg)| match leg.record.ring_s {
            // Its ring is the leg before.
            None if leg.record.leg == LegKind::Talk && legs[..at].iter().any(rang) => Some(0),
            ring => ring,
        })
        .collect();
    if !parallel.is_empty() {
        waited.push(wait_of_parallel(&parallel, answer.map(|position| &legs[position])));
    }
    if waited.is_empty() { None } else { sum(waited.into_iter()) }
}

/// Seconds from the first of these legs until the answer, or until the last of them stopped ringing. Their order on the
/// lines says nothing: a station that gave up is often printed after the one that answered.
fn wait_of_parallel(legs: &[&Leg], answer: Option<&Leg>) -> Option<u32> {
    let rang_until = |leg: &Leg| {
        let ring = jiff::SignedDuration::from_secs(i64::from(leg.record.ring_s?));
        leg.arrival.checked_add(ring).ok()
    };
    let first = legs.iter().map(|leg| leg.arrival).min()?;
    let last = match answer {
        Some(leg) => rang_until(leg)?,
        None => legs.iter().filter_map(|leg| rang_until(leg)).max()?,
    };
    u32::try_from(last.duration_since(first).as_secs()).ok()
}
