//! What the five PBXs print, with a canary in every place where a number can come to stand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::civil::date;
use smdrd::dialect::{Holds, Library, Line, Mark, Plan, Reading, Role, SourceState};

use super::canary::CANARIES;

/// One printing of each kind of record, with `canary` in it; the dates are of `day` (year, month, day).
pub fn print(dialect: &str, number: usize, day: (i16, i8, i8)) -> Vec<String> {
    let pick = |shift: usize| CANARIES[(number + shift) % CANARIES.len()];
    let (c, d, e) = (pick(0), pick(5), pick(7));
    let bare: String = c.chars().filter(char::is_ascii_digit).collect();
    // More digits than a station has.
    let long = format!("2{}", &bare[bare.len() - 6..]);
    let (year, month, date) = day;
    let short = year % 100;
    let minute = number % 60;
    let hour = 8 + (number / 60) % 10;
    match dialect {
        "avaya-ipoffice" => {
            let stamp = format!("{year}/{month:02}/{date:02} {hour:02}:{minute:02}:07");
            let id = 1_000_000 + number;
            vec![
                format!(
                    "{stamp},00:00:13,7,{c},I,{d},{d},{e},0,{id},0,E475,Smith {c},T9002,Line 1 {d},11,0,,{c},{d},,,,,,,U,Ext {e},{c},,,,,"
                ),
                format!(
                    "{stamp},00:01:13,3,217,O,{c},{c},,0,{},0,E217,{c},T9003,,0,0,,,,,,,,,,U,,{d},,,,,",
                    id + 2_000
                ),
                format!(
                    "{stamp},00:00:00,3,217,O,{bare},{bare},,1,{},0,E217,,E{bare}77,,0,0,,,,,,,,,,,,,,,,,",
                    id + 4_000
                ),
                format!(
                    "{stamp},00:00:13,7,{bare}@{bare}.example,I,150,150,{c} {d},0,{},0,E475,,T9002,,0,0,,,,,,,,,,,,,,,,,",
                    id + 6_000
                ),
                format!("Call Start,Connected Time,Ring Time,{c},{d}"),
                format!("{stamp},00:00:13,7,{c},I,{d}"),
                format!("%% {c} // {d}"),
            ]
        }
        "siemens-hipath3000" => {
            let stamp = format!("{date:02}.{month:02}.{short:02}{hour:02}:{minute:02}:09");
            let row = |number: &str, info: u8, account: &str, msn: &str| {
                format!("{stamp}  9   25000:0500:00:07{number:<25}{:<11}{info:>2}{account:<11.11}{msn:<11.11}", "")
            };
            vec![
                row(c, 1, e, d),
                row(c, 2, c, c),
                row(&format!("{bare:0>25}"), 0, "", &bare),
                format!(
                    "{date:02}.{month:02}.{short:02}|{hour:02}:{minute:02}:32|4|250|00:19|00:02:22|{c}||1|{d}|{e}|||"
                ),
                format!(
                    "{date:02}.{month:02}.{short:02}|{hour:02}:{minute:02}:32|4|{bare}1|00:19|00:02:22|{c}||1|{d}|{e}|||"
                ),
                format!("{stamp}  9   250             {c}"),
                format!("?? Konto {c} {d}"),
            ]
        }
        "mitel-5000" => vec![
            format!("Station Message Detailed Recording {c:<24} {hour:02}:{minute:02}:04 {month:02}-{date:02}-{year}"),
            format!("    *{:4} 94129 RG {c:<16.16}{:>9.9} {hour:02}:{minute:02}      S=5", "****", bare),
            format!("IN  110   94129 {c:<17.17}{:>11.11} {hour:02}:{minute:02}     S=21 $00.00 {d:<12.12}", bare),
            format!("DID 181   94129 {bare:<28.28} {hour:02}:{minute:02}     S=80 $00.00 {e:<12.12}"),
            format!("TLC 11202 94003 {c:<28.28} {hour:02}:{minute:02} 00:00:03 $00.00 {c:<12.12}"),
            format!("TYP EXT#  {c} {d}"),
            format!("no such line: {c}, {d}"),
        ],
        "nortel-bcm" => {
            let head = format!("-------- {month:02}/{date:02}/{short:02} {hour:02}:{minute:02}:01");
            let event = format!("*{month:02}{date:02}{short:02} {hour:02}{minute:02}05 0003");
            vec![
                format!("{head} LINE = 0083 STN = 226"),
                format!("CALLING NUMBER {c}"),
                format!("NAME John {d}"),
                format!("DNIS NUMBER {bare}"),
                "00:00:00 INCOMING CALL RINGING 0:32".into(),
                format!("00:00:20 ACCOUNT CODE {e}"),
                "00:02:47 CALL RELEASED".into(),
                String::new(),
                format!("{head} LINE = 0023 STN = 223"),
                "00:00:00 OUTGOING CALL".into(),
                format!("DIGITS DIALED {c}!{d}"),
                "00:01:35 CALL RELEASED".into(),
                String::new(),
                format!("{event} {:.14} Smith {d} U G", bare),
                format!("{event} {:.14} {:.12} U D", bare, e.replace(['-', ' ', '+'], "")),
                format!("{event} 344 {:.14} Smith {d} U A", bare),
                format!("{event} {long} 344 U R"),
                format!("{head} {c} no header"),
            ]
        }
        "nortel-meridian" => {
            let stamp = format!("{month:02}/{date:02} {hour:02}:{minute:02}:06");
            vec![
                format!("N {:03} 00 1217    A001026 {stamp} 00:03:06.0 A{c}", number % 1000),
                " &".into(),
                format!(" &                                     {c}      01"),
                format!("N {:03} 00 T001020 1031    {stamp} 00:00:04.0 A {c} {d}", number % 1000),
                format!(" &{bare:X<16}"),
                format!(" &00:10                                {bare} 02"),
                format!(
                    "S {:03} 00 T010016 6101    {month:02}/{date:02} {hour:02}:{minute:02} 00:00:20 {c}",
                    number % 1000
                ),
                format!(" &       {bare:.4}    {bare:.4}{c}"),
                format!("ERR020 {c} {d}"),
                format!("garbage {c}: {d}"),
            ]
        }
        other => sampled(other, number, c, d),
    }
}

/// A sample of another family, with canaries over its numbers, names and accounts as far as they fit there, and a line
/// that nobody understands.
fn sampled(dialect: &str, number: usize, c: &str, d: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects").join(dialect);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "smdr"));
    paths.sort();
    let text = std::fs::read(&paths[number % paths.len()]).unwrap();
    // Compiled once: it takes a while.
    static PLANS: Mutex<BTreeMap<String, Arc<Plan>>> = Mutex::new(BTreeMap::new());
    let compiled = || Arc::new(Library::shipped().get(dialect).unwrap().plan(&BTreeMap::new(), Some(2024)).unwrap());
    let plan = PLANS.lock().unwrap().entry(dialect.to_owned()).or_insert_with(compiled).clone();
    let (mut state, mut reading) = (SourceState::default(), Reading::default());
    let mut lines = Vec::new();
    for (no, line) in (1..).zip(String::from_utf8_lossy(&text).lines().take(20)) {
        let mut bytes: Vec<u8> = line.bytes().filter(|byte| (0x20..0x7f).contains(byte)).collect();
        plan.step(&mut state, &Line { no, bytes: &bytes, kept: &[], today: date(2026, 6, 1) }, &mut reading);
        // Six digits in the place of a long station would be a station.
        let open = |mark: &Mark| !matches!(mark.holds, Holds::Typed) && mark.role != Role::Station;
        for (place, mark) in reading.marks.iter().enumerate().filter(|(_, mark)| open(mark)) {
            let span = usize::from(mark.start)..usize::from(mark.end);
            let fitting = (0..CANARIES.len()).map(|shift| CANARIES[(number + place + shift) % CANARIES.len()]);
            if let Some(canary) = fitting.into_iter().find(|canary| canary.len() <= span.len()) {
                bytes[span.clone()].fill(b' ');
                bytes[span.start..span.start + canary.len()].copy_from_slice(canary.as_bytes());
            }
        }
        lines.push(String::from_utf8(bytes).unwrap());
    }
    lines.push(format!("%% {c} // {d}"));
    lines
}
