//! Calls written down by hand, to compare what a printer makes of them with its manual's examples.

use jiff::tz::TimeZone;
use smdrd::simulator::scenario::{Call, Day, Parties, Pbx, Step, site};

/// A day in London, of which each call stands on 2026-11-20 until [`on`] moves it.
pub fn on(date: &str, mut calls: Vec<Call>) -> Day {
    let zone = TimeZone::get("Europe/London").unwrap();
    let date: jiff::civil::Date = date.parse().unwrap();
    for call in &mut calls {
        let time = call.arrival.to_zoned(zone.clone()).time();
        call.arrival = date.to_datetime(time).to_zoned(zone.clone()).unwrap().timestamp();
    }
    calls.sort_by_key(|call| call.arrival);
    Day { date, zone, calls }
}

fn call(time: &str, line: Option<u8>, parties: Parties, steps: Vec<Step>) -> Call {
    let time: jiff::civil::Time = time.parse().unwrap();
    let wall = jiff::civil::date(2026, 11, 20).to_datetime(time);
    let arrival = wall.to_zoned(TimeZone::get("Europe/London").unwrap()).unwrap().timestamp();
    Call { pbx: Pbx::Surgery, arrival, line, parties, steps }
}

pub fn inbound(time: &str, line: u8, caller: Option<&str>, steps: &[Step]) -> Call {
    let parties = Parties::Inbound { caller: caller.map(str::to_owned), ddi: site::SURGERY_DDI.to_owned() };
    call(time, Some(line), parties, steps.to_vec())
}

/// An outgoing call that was answered at once.
pub fn outbound(time: &str, line: u8, station: u16, number: &str, seconds: u32) -> Call {
    let parties = Parties::Outbound { station, number: number.to_owned() };
    call(time, Some(line), parties, vec![talk(station, seconds, 0)])
}

pub fn internal(time: &str, from: u16, to: u16, rang: u32, seconds: u32) -> Call {
    call(time, None, Parties::Internal { from, to }, vec![ring(to, rang), talk(to, seconds, 0)])
}

pub fn ring(station: u16, seconds: u32) -> Step {
    Step::Ring { station, seconds }
}

pub fn talk(station: u16, seconds: u32, hold: u32) -> Step {
    Step::Talk { station, seconds, hold }
}
