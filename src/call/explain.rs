//! What was made of a leg, and of a stamp, in words.

use super::outcome::{Taker, named, role, took};
use super::{Leg, Site};
use crate::config::StationRole;
use crate::record::{Direction, LegKind, Party, StampKind};

/// What the leg was taken for, and why.
pub fn taken_in_words(site: &Site, leg: &Leg) -> String {
    let record = &leg.record;
    let who = named(leg).map_or_else(|| "no station".to_owned(), |name| format!("station {name}"));
    let role = match role(site, leg) {
        StationRole::Staff => "staff",
        StationRole::HuntGroup => "a hunt group",
        StationRole::AutoAttendant => "a menu",
        StationRole::Voicemail => "voicemail",
        StationRole::Fax => "a fax",
        StationRole::Alarm => "an alarm",
        StationRole::Lift => "a lift",
        StationRole::Door => "a door",
    };
    let configured = named(leg).map(|name| site.station(leg.line.source, name)) != Some(StationRole::Staff);
    let why = match (record.party, configured) {
        (Some(Party::Voicemail | Party::AutoAttendant), false) => ", as the PBX itself says",
        (_, false) if named(leg).is_some() => ", unless the configuration says otherwise",
        (_, false) => "",
        (_, true) if named(leg).is_some() => ", as the configuration says",
        (_, true) => "",
    };
    let station = match named(leg) {
        Some(_) => format!("{who} is {role}{why}"),
        None => who,
    };
    if record.direction == Some(Direction::Outbound) {
        let answered = match record.answered {
            Some(true) => "answered at the far end",
            Some(false) => "not answered",
            None => "whether it was answered is not shown",
        };
        return format!("an outgoing part; {answered}");
    }
    if record.direction == Some(Direction::Internal) {
        return format!("a part between stations; {station}");
    }
    let taken = match took(site, leg) {
        Taker::Staff if record.direction == Some(Direction::Tandem) => {
            return "passed on over a tie line and answered there: taken for a person of the practice".to_owned();
        }
        Taker::Staff => "a person took it",
        Taker::Menu => "the menu took it",
        Taker::Voicemail => "voicemail took it",
        Taker::Machine => "it reached a machine",
        Taker::Outside => return "passed on over an outside line: it left the practice".to_owned(),
        Taker::Nobody => match (record.party, record.leg, record.answered) {
            (Some(Party::Conference), ..) => "a conference bridge, which is nobody",
            (Some(Party::Nobody), ..) => "a tone or nothing, which is nobody",
            (_, LegKind::Offered, _) => "it was only rung",
            (_, _, Some(false)) => "the record says that nobody took it",
            (..) => "the record does not say that anybody took it",
        },
    };
    format!("{taken}; {station}")
}

/// When the call arrived by this leg, how that follows from the stamp, and what is in doubt.
pub fn arrival_in_words(leg: &Leg) -> Vec<String> {
    let record = &leg.record;
    let Some(stamp) = record.stamp else { return Vec::new() };
    let given = |what: &str, seconds: Option<u32>| match seconds {
        Some(seconds) => format!("{seconds} s of {what}"),
        None => format!("{what}, which is not given and counts 0"),
    };
    let at = stamp.at.strftime("%H:%M:%S");
    let mut words = vec![match stamp.kind {
        StampKind::Arrival => format!("the stamp {at} is the arrival itself"),
        StampKind::Answer => format!("the stamp {at} is the answer; before it lie {}", given("ring", record.ring_s)),
        StampKind::End if record.answered == Some(false) && record.talk_s.is_none() => {
            format!("the stamp {at} is the end of a lost call; before it lie {}", given("ring", record.ring_s))
        }
        StampKind::End => format!(
            "the stamp {at} is the end; before it lie {} and {}{}",
            given("ring", record.ring_s),
            given("talk", record.talk_s),
            record.hold_s.map(|hold| format!(" and {hold} s of hold")).unwrap_or_default(),
        ),
        StampKind::Event if record.leg == LegKind::Offered => {
            format!("the stamp {at} is when the station was rung: taken for the arrival")
        }
        StampKind::Event => format!("the stamp {at} is something that happened during the call: it came before that"),
        StampKind::Unknown => {
            format!("the format does not say what the stamp {at} means: the call came then, or a ring before")
        }
    }];
    if stamp.resolution_s > 1 {
        words.push(format!("it is printed to {} s, so the arrival may be later by less than that", stamp.resolution_s));
    }
    if stamp.ahead_s != 0 {
        let way = if stamp.ahead_s > 0 { "ahead" } else { "behind" };
        let size = stamp.ahead_s.unsigned_abs();
        words.push(format!("the PBX's clock is taken to be {size} s {way}, so that is put right by as much"));
    }
    if leg.first_pass {
        words.push("autumn repeats that hour: taken for the first time, it may be an hour later".to_owned());
    }
    if leg.arrival_doubt {
        let missing = if stamp.kind == StampKind::Unknown { "" } else { "a part is missing: " };
        words.push(format!("{missing}the arrival may be up to two minutes earlier"));
    }
    words
}
