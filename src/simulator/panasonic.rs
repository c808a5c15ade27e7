//! A Panasonic KX that prints SMDR in pattern C: 120 columns, one line a leg, stamped with the minute in which it
//! ended. Offers (RC) and answers (AN) are printed too, as is each station of the ring group that logs in or out.
//!
//! Sources: Panasonic, KX-TDA600 Feature Guide, 1.25.1 (columns, CD codes, pages); KX-TD816 manual (RC, AN, NA). What a
//! ring group, a transfer and the voicemail print, leg by leg, is from field captures. Where its port asks for a log-in:
//! [`super::panasonic_port`].

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Line;
use super::scenario::{Call, Day, Parties, Pbx, Step, site};

/// Characters of a record.
pub const WIDTH: usize = 120;
/// What stands at the top of a page.
pub const TITLE: &str = "  Date   Time      Ext CO   Dial Number                                        Ring Duration    Cost     Acc code   CD";
/// Seconds of the day at which the ring group's stations log in, and out again: 08:00 and 18:30.
const SHIFT: [(i64, &str); 2] = [(28_800, "LOG IN"), (66_600, "LOG OUT")];

/// Everything the Panasonic prints on `day` but its pages' tops, in the order in which it prints.
pub fn lines(day: &Day) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    if day.calls.iter().any(|call| call.pbx == Pbx::Annexe) {
        for (second, what) in SHIFT {
            let on = |station: &u16| Row { number: what, ..Row::of(day.at(second), *station) }.print(&day.zone);
            lines.extend(site::ANNEXE_STATIONS.iter().map(on));
        }
    }
    lines.extend(day.calls.iter().filter(|call| call.pbx == Pbx::Annexe).flat_map(|call| records(call, &day.zone)));
    lines.sort_by_key(|line| line.at);
    lines
}

/// Whether a line only says that somebody logged in or out.
pub fn is_log(line: &Line) -> bool {
    line.text.get(28..32) == Some("LOG ")
}

/// The columns that a practice's Panasonic fills; the others are blank.
struct Row<'a> {
    at: Timestamp,
    station: u16,
    line: Option<u8>,
    number: &'a str,
    ring: Option<u32>,
    duration: Option<u32>,
    code: &'a str,
}

impl<'a> Row<'a> {
    fn of(at: Timestamp, station: u16) -> Row<'a> {
        Row { at, station, line: None, number: "", ring: None, duration: None, code: "" }
    }

    fn print(&self, zone: &TimeZone) -> Line {
        let stamp = self.at.to_zoned(zone.clone());
        let ring = self.ring.map(|s| s.min(599)).map(|s| format!("{}'{:02}", s / 60, s % 60)).unwrap_or_default();
        let duration = self.duration.map(|s| format!("{:02}:{:02}'{:02}", s / 3600, s / 60 % 60, s % 60));
        // Date, time, extension, trunk, number, ring, duration, cost, account code, condition.
        let text = format!(
            "{:9}{:8}{:>5} {:4} {:50} {ring:4} {:8} {:11} {:10} {:4}",
            stamp.strftime("%d/%m/%y").to_string(),
            stamp.strftime("%H:%M").to_string(),
            self.station,
            self.line.map(|line| format!("{line:04}")).unwrap_or_default(),
            self.number,
            duration.unwrap_or_default(),
            "",
            "",
            self.code,
        );
        Line { at: self.at, text }
    }
}

fn records(call: &Call, zone: &TimeZone) -> Vec<Line> {
    let rows = match &call.parties {
        Parties::Inbound { caller, ddi } => {
            let number = format!("<D>{ddi}<I>{}", caller.as_deref().unwrap_or_default());
            return inbound(call, &number, zone);
        }
        // Counted from the answer; nothing shows how long it rang.
        Parties::Outbound { station, number } => {
            Row { line: call.line, number, duration: Some(call.talk()), ..Row::of(call.end(), *station) }.print(zone)
        }
        Parties::Internal { from, to } => {
            let number = format!("EXT{to}");
            Row { number: &number, duration: Some(call.talk()), ..Row::of(call.end(), *from) }.print(zone)
        }
        Parties::MailboxCheck { .. } => return Vec::new(),
    };
    vec![rows]
}

fn inbound(call: &Call, number: &str, zone: &TimeZone) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = call.arrival;
    let mut row = |row: Row<'_>| lines.push(Row { line: call.line, number, ..row }.print(zone));
    // The station or group that rings, and for how long: until a leg shows it.
    let mut rings: Option<(u16, u32)> = None;
    let mut taken = false;
    for step in &call.steps {
        let begins = at;
        at += SignedDuration::from_secs(i64::from(step.seconds()));
        let (station, duration) = match *step {
            Step::Ring { station, seconds } => {
                row(Row { code: "RC", ..Row::of(begins, station) });
                rings = Some((station, seconds));
                continue;
            }
            Step::Talk { station, seconds, .. } => (station, seconds),
            Step::Mailbox { seconds } | Step::Menu { seconds } => (site::ANNEXE_MAILBOX, seconds),
        };
        let code = if taken { "TR" } else { "" };
        if !taken {
            row(Row { code: "AN", ..Row::of(begins, station) });
        }
        let ring = match rings.take() {
            Some((rang, ring)) if rang == station => ring,
            // Another one rang than answered: a group, or a station that the voicemail stands in for. It prints a leg
            // of its own, with the ring and without talk.
            Some((rang, ring)) => {
                row(Row { ring: Some(ring), duration: Some(0), ..Row::of(begins, rang) });
                0
            }
            None => 0,
        };
        row(Row { ring: Some(ring), duration: Some(duration), code, ..Row::of(at, station) });
        taken = true;
    }
    if let Some((rang, ring)) = rings {
        row(Row { ring: Some(ring), duration: Some(0), code: "NA", ..Row::of(at, rang) });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(parties: Parties, line: Option<u8>, steps: Vec<Step>) -> Vec<String> {
        let zone = TimeZone::get("Europe/London").unwrap();
        let mut day = Day { date: jiff::civil::date(2026, 11, 20), zone, calls: Vec::new() };
        day.calls.push(Call { pbx: Pbx::Annexe, arrival: day.at(32_430), line, parties, steps });
        let lines = lines(&day).into_iter();
        assert!(lines.clone().all(|line| line.text.len() == WIDTH), "{lines:?}");
        lines.filter(|line| !is_log(line)).map(|line| line.text.trim_end().to_owned()).collect()
    }

    fn inbound(caller: Option<&str>) -> Parties {
        Parties::Inbound { caller: caller.map(str::to_owned), ddi: site::ANNEXE_DDIS[0].to_owned() }
    }

    /// Columns as the Feature Guide counts them, from 0.
    fn columns(record: &str) -> [&str; 8] {
        [(0, 8), (9, 7), (17, 5), (23, 4), (28, 50), (79, 4), (84, 8), (116, 3)]
            .map(|(from, length)| record.get(from..record.len().min(from + length)).unwrap_or_default().trim())
    }

    #[test]
    fn a_ring_group_prints_its_wait_and_whoever_answered_the_talk() {
        let steps = vec![
            Step::Ring { station: site::ANNEXE_GROUP, seconds: 65 },
            Step::Talk { station: 122, seconds: 41, hold: 0 },
            Step::Talk { station: 125, seconds: 3_725, hold: 0 },
        ];
        let records = printed(inbound(Some("07700900118")), Some(3), steps);
        let number = "<D>01632960160<I>07700900118";
        let shown: Vec<[&str; 8]> = records.iter().map(|record| columns(record)).collect();
        assert_eq!(
            shown,
            [
                ["20/11/26", "09:00", "301", "0003", number, "", "", "RC"],
                ["20/11/26", "09:01", "122", "0003", number, "", "", "AN"],
                ["20/11/26", "09:01", "301", "0003", number, "1'05", "00:00'00", ""],
                ["20/11/26", "09:02", "122", "0003", number, "0'00", "00:00'41", ""],
                ["20/11/26", "10:04", "125", "0003", number, "0'00", "01:02'05", "TR"],
            ]
        );
    }

    #[test]
    fn a_station_of_its_own_shows_ring_and_talk_on_one_line_and_na_when_nobody_answers() {
        let ring = Step::Ring { station: 124, seconds: 22 };
        let records = printed(inbound(None), Some(1), vec![ring, Step::Talk { station: 124, seconds: 60, hold: 0 }]);
        assert_eq!(records.len(), 3);
        assert_eq!(columns(&records[2])[2..], ["124", "0001", "<D>01632960160<I>", "0'22", "00:01'00", ""]);
        let records = printed(inbound(None), Some(1), vec![ring]);
        assert_eq!(columns(&records[1])[1..], ["09:00", "124", "0001", "<D>01632960160<I>", "0'22", "00:00'00", "NA"]);
    }

    #[test]
    fn calls_out_and_calls_inside_show_no_ring() {
        let out = Parties::Outbound { station: 126, number: "07700900222".to_owned() };
        let records = printed(out, Some(2), vec![Step::Talk { station: 126, seconds: 130, hold: 0 }]);
        assert_eq!(columns(&records[0])[1..], ["09:02", "126", "0002", "07700900222", "", "00:02'10", ""]);
        let inside = Parties::Internal { from: 121, to: 127 };
        let steps = vec![Step::Ring { station: 127, seconds: 5 }, Step::Talk { station: 127, seconds: 25, hold: 0 }];
        assert_eq!(columns(&printed(inside, None, steps)[0])[1..], ["09:01", "121", "", "EXT127", "", "00:00'25", ""]);
    }

    #[test]
    fn the_titles_stand_over_their_columns() {
        assert_eq!(columns(TITLE)[5..], ["Ring", "Duration", "CD"]);
        let log = Row { number: "LOG IN", ..Row::of(Timestamp::UNIX_EPOCH, 121) }.print(&TimeZone::UTC);
        assert!(is_log(&log), "{log:?}");
    }
}
