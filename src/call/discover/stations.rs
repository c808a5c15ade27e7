//! What a station is taken for, and why.

use std::collections::BTreeMap;

use super::profile::{Made, Profiles, Station};
use super::{Proposal, Sure, count, source_name, standing};
use crate::call::Site;
use crate::config::StationRole;

/// Calls from which something can be said at all.
const ENOUGH: usize = 5;
/// Calls from which what nothing contradicts counts as proven.
const MANY: usize = 20;
/// Holds, transfers and inside calls from which a person is at the station for certain.
const ACTS: usize = 3;
/// The ring after which a mailbox is usual, and a person is not so for every call.
const LONG_RING_S: u32 = 8;
/// Calls to the outside from which one who answers after any time is likely a person, and seconds between the shortest
/// and the longest of these times.
const MADE: usize = 3;
const SPREAD_S: u32 = 15;
/// The longest ring of a menu, which answers at once.
const AT_ONCE_S: u32 = 2;
/// The longest call of a machine that sends a signal.
const SIGNAL_S: u32 = 180;

/// What is found, in words.
struct Found {
    role: Option<StationRole>,
    sure: Sure,
    evidence: Vec<String>,
}

impl Found {
    fn new(role: StationRole, sure: Sure, evidence: Vec<String>) -> Found {
        Found { role: Some(role), sure, evidence }
    }
}

/// A proposal for each station that was seen.
pub fn propose(profiles: &Profiles, site: &Site, sources: &BTreeMap<u16, String>) -> Vec<Proposal<StationRole>> {
    let each = profiles.stations.iter();
    each.map(|((source, name), station)| {
        let Found { role, sure, evidence } = judge(profiles, station);
        let configured = site.station(*source, name);
        Proposal {
            source: source_name(sources, *source),
            name: name.clone(),
            standing: standing(role.as_ref(), &configured),
            role,
            sure,
            evidence,
            configured,
            seen: (station.legs + station.called_inside) as u64,
        }
    })
    .collect()
}

fn judge(profiles: &Profiles, station: &Station) -> Found {
    let rules = [menu, mailbox, person, alarm, group, fax, door, answering_person];
    rules.iter().find_map(|rule| rule(profiles, station)).unwrap_or_else(|| open(station))
}

/// Neither makes calls nor holds nor transfers any: no sign of a person.
fn never_acts(station: &Station) -> bool {
    station.made.is_empty() && station.made_inside == 0 && station.held == 0
}

fn never_makes() -> String {
    "it never makes a call".to_owned()
}

fn menu(_: &Profiles, station: &Station) -> Option<Found> {
    use StationRole::AutoAttendant;
    let [mailbox, menu, _] = station.said;
    if menu > 0 {
        let said =
            format!("the PBX itself calls it a menu or announcement on {} of {}", menu, count(station.legs, "leg"));
        return Some(Found::new(AutoAttendant, Sure::Certain, vec![said]));
    }
    if !never_acts(station) || station.took < 2 * ENOUGH || station.handed_on * 10 < station.took * 3 {
        return None;
    }
    let first = station.took_first * 100 >= station.took * 95;
    let known = station.rings.len();
    let at_once = station.rings.iter().filter(|ring| **ring <= AT_ONCE_S).count();
    // A mailbox port that the PBX names itself is a menu when its callers go on to people.
    let prompt = known >= ENOUGH && at_once * 100 >= known * 95;
    if !first || !(prompt || mailbox == station.legs) {
        return None;
    }
    let mut evidence = vec![
        format!("{} of {} it took went on to another station", station.handed_on, count(station.took, "call")),
        format!("it was the first to take {} of them", station.took_first),
        never_makes(),
    ];
    if known > 0 {
        evidence.insert(1, format!("it answered {at_once} of {known} within {AT_ONCE_S} s"));
    }
    if mailbox == station.legs {
        evidence.push("the PBX itself calls it a port of its voice system".to_owned());
    }
    let sure = if station.took >= MANY { Sure::Certain } else { Sure::Likely };
    Some(Found::new(AutoAttendant, sure, evidence))
}

fn mailbox(profiles: &Profiles, station: &Station) -> Option<Found> {
    use StationRole::Voicemail;
    if !never_acts(station) || station.took < ENOUGH || station.handed_on > 0 {
        return None;
    }
    let last = format!("it ends every one of the {} it took: nobody comes after it", count(station.took, "call"));
    let mailbox = station.said[0];
    if mailbox > 0 && mailbox == station.legs {
        let said = format!("the PBX itself calls it a voicemail port on {}", count(mailbox, "leg"));
        // A menu that nobody gets past looks the same until somebody does.
        let sure =
            if station.took >= MANY || station.took_first * 2 <= station.took { Sure::Certain } else { Sure::Likely };
        return Some(Found::new(Voicemail, sure, vec![said, last, never_makes()]));
    }
    let mut evidence = vec![last, never_makes()];
    let (least, most) = (station.rings.iter().min()?, station.rings.iter().max()?);
    let late = *least >= LONG_RING_S && station.rings.len() >= ENOUGH;
    let fixed = late && most.abs_diff(*least) <= 2;
    let alone = profiles.when_nobody_else(&station.took_at);
    if late {
        evidence.push(format!("it never answered before {least} s of ringing"));
    }
    if fixed {
        evidence.push(format!("its ring is always {least} to {most} s"));
    }
    if alone >= ENOUGH {
        evidence.push(format!("{alone} of them came when nobody else takes calls"));
    }
    let many = station.took >= MANY;
    match (fixed, late, alone >= ENOUGH) {
        (true, _, true) if many => Some(Found::new(Voicemail, Sure::Certain, evidence)),
        (true, ..) | (_, true, true) => Some(Found::new(Voicemail, Sure::Likely, evidence)),
        _ => None,
    }
}

fn person(_: &Profiles, station: &Station) -> Option<Found> {
    let outside = station.made.len();
    let acts = station.held + station.transfers + station.made_inside;
    let all = outside + station.made_inside + station.took;
    // A fax or an alarm dials outside; it puts nobody on hold, calls no colleague and transfers nothing.
    if acts == 0 || outside + station.made_inside == 0 || all < ENOUGH {
        return None;
    }
    let both_ways = station.made_inside >= ENOUGH && station.called_inside >= ENOUGH;
    if outside == 0 && station.took == 0 && !both_ways {
        return None;
    }
    let mut evidence = Vec::new();
    if outside > 0 {
        evidence.push(format!("it made {} to the outside", count(outside, "call")));
    }
    if station.took > 0 {
        evidence.push(format!("it took {} from the outside", count(station.took, "call")));
    }
    if station.made_inside > 0 {
        evidence.push(format!("it called other stations {}", times(station.made_inside)));
    }
    if station.held > 0 {
        evidence.push(format!("it held or conferred on {}", count(station.held, "leg")));
    }
    if station.transfers > 0 {
        evidence.push(format!("it had a part in a transfer on {}", count(station.transfers, "leg")));
    }
    if station.called_inside > 0 {
        evidence.push(format!("other stations called it {}", times(station.called_inside)));
    }
    // Somebody may once have put a caller through to a fax.
    let two_ways = outside > 0 && (station.took > 0 || station.called_inside > 0);
    let sure = if two_ways && acts >= ACTS { Sure::Certain } else { Sure::Likely };
    Some(Found::new(StationRole::Staff, sure, evidence))
}

/// Makes calls, and takes them after this ring and that: a machine takes them after the same each time.
fn answering_person(_: &Profiles, station: &Station) -> Option<Found> {
    let (least, most) = (station.rings.iter().min()?, station.rings.iter().max()?);
    if station.made.len() < MADE || station.rings.len() < ENOUGH || most - least < SPREAD_S {
        return None;
    }
    let evidence = vec![
        format!("it made {} to the outside", count(station.made.len(), "call")),
        format!(
            "it took {}, after {least} to {most} s: a machine answers after the same time",
            count(station.took, "call")
        ),
    ];
    Some(Found::new(StationRole::Staff, Sure::Likely, evidence))
}

fn times(number: usize) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

fn group(_: &Profiles, station: &Station) -> Option<Found> {
    use StationRole::HuntGroup;
    if !never_acts(station) || station.took > 0 || station.transfers > 0 || station.rung < ENOUGH {
        return None;
    }
    let mut evidence = vec![format!("it was rung {} times and never took a call itself", station.rung), never_makes()];
    if station.takers.len() >= 2 {
        let takers: Vec<&str> = station.takers.iter().take(5).map(String::as_str).collect();
        evidence.push(format!(
            "{} of these calls were taken by others: {}{}",
            station.others_took,
            takers.join(", "),
            if station.takers.len() > takers.len() { " and more" } else { "" }
        ));
    }
    let twice = overlaps(&station.rang);
    if twice > 0 {
        evidence.push(format!("{twice} times two calls rang there at once, which one telephone does not"));
    }
    let proven = station.rung >= MANY && twice >= 2 && station.takers.len() >= 2;
    if proven {
        return Some(Found::new(HuntGroup, Sure::Certain, evidence));
    }
    if station.rung < 2 * ENOUGH || (station.takers.len() < 2 && station.rung < MANY && twice == 0) {
        return None;
    }
    evidence.push("a telephone that nobody answers would look the same".to_owned());
    Some(Found::new(HuntGroup, Sure::Likely, evidence))
}

/// How often a call rang while another did.
fn overlaps(rang: &[(jiff::Timestamp, jiff::Timestamp)]) -> usize {
    let mut rang = rang.to_vec();
    rang.sort_unstable();
    rang.windows(2).filter(|pair| pair[1].0 < pair[0].1).count()
}

fn alarm(_: &Profiles, station: &Station) -> Option<Found> {
    let made = &station.made;
    if made.len() < ENOUGH
        || station.rung > 0
        || station.made_inside > 0
        || station.called_inside > 0
        || station.held + station.transfers > 0
    {
        return None;
    }
    let number = made.first()?.number?;
    let tokens: std::collections::BTreeSet<u64> = made.iter().filter_map(|made| made.token).collect();
    let one_number = made.iter().all(|made| made.number == Some(number)) && tokens.len() <= 1;
    let short = made.iter().all(|made| made.talk_s.is_some_and(|talk| talk <= SIGNAL_S));
    let period = period(made)?;
    if !one_number || !short {
        return None;
    }
    let hours = f64::from(u32::try_from(period).ok()?) / 3600.0;
    let to = match tokens.len() {
        0 => "to numbers of one kind and length, which is all that is kept of them",
        _ => "to one number",
    };
    let evidence = vec![
        format!("it made {}, all {to}, and none of them longer than {SIGNAL_S} s", count(made.len(), "call")),
        format!("they come every {hours:.1} h"),
        "it is never called".to_owned(),
        "a lift's emergency telephone that tests itself looks the same: say which it is".to_owned(),
    ];
    Some(Found::new(StationRole::Alarm, Sure::Likely, evidence))
}

/// The seconds from each of these calls to the next, where those are the same give or take a twentieth.
fn period(made: &[Made]) -> Option<i64> {
    let mut at: Vec<i64> = made.iter().map(|made| made.at.as_second()).collect();
    at.sort_unstable();
    let mut apart: Vec<i64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    apart.sort_unstable();
    let (least, most, middle) = (*apart.first()?, *apart.last()?, *apart.get(apart.len() / 2)?);
    (middle >= 600 && most - least <= (middle / 10).max(120)).then_some(middle)
}

fn fax(profiles: &Profiles, station: &Station) -> Option<Found> {
    let inside = station.made_inside + station.called_inside + station.held + station.transfers + station.handed_on;
    if inside > 0 || station.took < ENOUGH || station.lost > 0 || station.took < station.rung {
        return None;
    }
    let (least, most) = (station.rings.iter().min()?, station.rings.iter().max()?);
    let alone = profiles.when_nobody_else(&station.took_at);
    let same = station.rings.len() >= ENOUGH && most.abs_diff(*least) <= 3;
    if !same || alone == 0 || station.took + station.made.len() < 2 * ENOUGH {
        return None;
    }
    let evidence = vec![
        format!("it took every one of its {}, always after {least} to {most} s", count(station.took, "call")),
        format!("{alone} of them came when nobody else takes calls"),
        format!(
            "it made {} to the outside, and had nothing to do with any other station",
            count(station.made.len(), "call")
        ),
    ];
    Some(Found::new(StationRole::Fax, Sure::Likely, evidence))
}

fn door(_: &Profiles, station: &Station) -> Option<Found> {
    let outside = station.made.len() + station.rung + station.held + station.transfers + station.called_inside;
    if outside > 0 || station.made_inside < 2 * ENOUGH || station.called.len() > 1 {
        return None;
    }
    let to = station.called.first().map_or_else(String::new, |to| format!(", all to {to}"));
    let evidence = vec![
        format!("it called inside {} times{to}", station.made_inside),
        "it is never called, and never to or from the outside".to_owned(),
        "a telephone in a waiting room looks the same".to_owned(),
    ];
    Some(Found::new(StationRole::Door, Sure::Likely, evidence))
}

fn open(station: &Station) -> Found {
    let mut seen = Vec::new();
    for (number, what) in [
        (station.took, "taken"),
        (station.rung - station.took, "rung and not shown as taken"),
        (station.made.len(), "made to the outside"),
        (station.made_inside, "made inside"),
        (station.called_inside, "received from inside"),
    ] {
        if number > 0 {
            seen.push(format!("{number} {what}"));
        }
    }
    let seen = if seen.is_empty() { "nothing but its name".to_owned() } else { format!("calls {}", seen.join(", ")) };
    let mut evidence = vec![format!("not enough yet to tell: {seen}")];
    if station.took >= ENOUGH
        && let (Some(least), Some(most)) = (station.rings.iter().min(), station.rings.iter().max())
    {
        evidence.push(format!("it takes calls after {least} to {most} s of ringing"));
    }
    if station.handed_on > 0 {
        evidence.push(format!("{} went on to another station", count(station.handed_on, "call")));
    }
    Found { role: None, sure: Sure::Open, evidence }
}
