//! What the PBXs of the tests print.

use jiff::tz::TimeZone;
use smdrd::simulator::practice_day::practice_day;
use smdrd::simulator::{hipath, ipoffice};

/// A practice day on an IP Office and a HiPath, 20 November 2026.
pub fn practice(seed: u64) -> (Vec<String>, Vec<String>) {
    let zone = TimeZone::get("Europe/London").unwrap();
    let day = practice_day(jiff::civil::date(2026, 11, 20), zone, seed);
    let texts = |lines: Vec<smdrd::simulator::Line>| lines.into_iter().map(|line| line.text).collect();
    (texts(ipoffice::lines(&day)), texts(hipath::lines(&day)))
}

/// An IP Office record of an external inbound call, or of a part of one.
pub struct Ip<'a> {
    pub at: &'a str,
    pub ring: u32,
    pub talk: u32,
    pub cli: &'a str,
    pub ddi: &'a str,
    pub id: u32,
    pub more: bool,
    pub party: &'a str,
    pub trunk: &'a str,
}

impl Default for Ip<'_> {
    fn default() -> Self {
        let (at, cli, ddi) = ("2026/11/20 09:00:00", "07700900123", "01632960100");
        Ip { at, ring: 10, talk: 60, cli, ddi, id: 1_000_001, more: false, party: "E201", trunk: "T9001" }
    }
}

impl Ip<'_> {
    pub fn line(&self) -> String {
        let Ip { at, ring, talk, cli, ddi, id, more, party, trunk } = self;
        let (minutes, seconds) = (talk / 60, talk % 60);
        format!(
            "{at},00:{minutes:02}:{seconds:02},{ring},{cli},I,200,{ddi},,0,{id},{},{party},Name,{trunk},Line 1.1,0,0,,,,,,,,,,,,,",
            u8::from(*more)
        )
    }
}

/// A HiPath 3000 record, compressed: stamped at its end.
pub fn hipath(at: &str, trunk: u8, station: u16, ring: &str, talk: &str, number: &str, code: u8) -> String {
    format!("{at}{trunk:>3}{station:>6}{ring:5}{talk:8}{number:25}{:>11}{code:>2}", "")
}

/// Meridian 1: a call that was answered, one that was not, one that was transferred in the old format, and a line that
/// no rule understands.
pub const MERIDIAN: [&str; 9] = [
    "N 060 00 A001026 1031    11/20 13:07:40 00:00:04.0",
    " &1632960961",
    " &00:10                                000 00 0 02",
    "B 062 00 T001020 1004    11/20 13:10:23",
    " &1632960181",
    " &00:10                                    00 0 02",
    "S 025 00 T010016 6101    11/20 13:47 00:00:20 1632960147",
    "E 028 00 T010016 2463    11/20 13:48 00:00:52 1632960147",
    "THIS IS NOTHING THAT A MERIDIAN SAYS 01632960999",
];

/// Norstar reports: answered, busy, transferred; the last group is closed by silence.
pub const NORSTAR: [&str; 16] = [
    "-------- 11/20/26 14:00:01 LINE = 0083 STN = 7726",
    "CALLING NUMBER /1632960100x",
    "NAME John Doe",
    "00:00:00 INCOMING CALL RINGING 0:32",
    "00:02:47 CALL RELEASED",
    "",
    "-------- 11/20/26 14:01:20 LINE = 0001",
    "CALLING NUMBER UNKNOWN",
    "00:00:00 BUSY",
    "",
    "-------- 11/20/26 14:02:00 LINE = 0002 STN = 221",
    "00:00:00 INCOMING CALL RINGING 0:14",
    "00:01:00 TRANSFERRED",
    "",
    "-------- 11/20/26 14:03:00 LINE = 0002 STN = 222",
    "00:00:00 FROM TRANSFER",
];
