//! Plays a family's day to the real daemon and compares what comes of it.

use jiff::Timestamp;
use serde_json::Value;
use smdrd::clock::Clock;
use smdrd::simulator::scenario::{Call, Day};

use crate::day::{self, Has};
use crate::figures::{Comparison, Expected, Shown};
use crate::link::Link;
use crate::rig::{Rig, clock, wait_for};

/// What a line is to whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Carries a record of a call.
    Record,
    /// Part of a record that another line carries.
    Continuation,
    /// Says something that is no call.
    Event,
    /// The top of a page, or blank.
    Header,
}

/// A line that a PBX prints, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// When.
    pub at: Timestamp,
    /// The characters.
    pub text: String,
    /// What it is.
    pub kind: Kind,
}

impl Printed {
    /// A line that carries a record.
    pub fn record(at: Timestamp, text: String) -> Printed {
        Printed { at, text, kind: Kind::Record }
    }

    /// The same line as another kind.
    pub fn of(at: Timestamp, kind: Kind, text: impl Into<String>) -> Printed {
        Printed { at, text: text.into(), kind }
    }
}

/// A family of PBXs, as its format's description has it.
pub struct Family {
    /// Its name, with the layout where it has several.
    pub name: &'static str,
    /// Dialect that the configuration names.
    pub dialect: &'static str,
    /// Options of the dialect, as TOML: `layout = "gdk", date-order = "DMY"`.
    pub options: &'static str,
    /// The transport in words.
    pub transport: &'static str,
    /// The transport.
    pub link: fn() -> Box<dyn Link>,
    /// What happens at the PBX.
    pub has: Has,
    /// What this format never shows, in the words of the day document's `cannot`.
    pub cannot: &'static [&'static str],
    /// Roles of stations, as TOML, one a line: `"230" = "voicemail"`.
    pub roles: &'static str,
    /// What it prints of a day, in the order in which it prints.
    pub print: fn(&Day) -> Vec<Printed>,
    /// What its records show of a call; nothing when it makes none.
    pub shows: fn(&Call) -> Option<Shown>,
    /// What the records leave open, for people: no more than a sentence or two.
    pub remark: &'static str,
}

/// Which day is played.
const SEED: u64 = 20;
/// The clock hurries from 07:50 to 19:30, then keeps our pace, so that a slow machine is never past midnight.
const HURRIES: (i64, i64) = (28_200, 70_200);
const FACTOR: f64 = 21_000.0;

impl Family {
    /// Its day.
    pub fn day(&self) -> Day {
        day::day(self.has, SEED)
    }

    /// What the day document must say.
    pub fn expected(&self, day: &Day) -> Expected {
        Expected::of(day, self.shows, self.cannot)
    }

    /// The comparison of a document with what was played.
    pub fn compare(&self, day: &Day, lines: &[Printed], document: &Value) -> Comparison {
        let mut comparison = self.expected(day).compare(document);
        let source = document.pointer("/sources/0").unwrap_or(&Value::Null);
        let of = |kind: Kind| lines.iter().filter(|line| line.kind == kind).count();
        // What pads the last line of all (NUL, mostly) belongs to no other, and is noise when the link ends.
        let padding = source.get("noise").and_then(Value::as_u64).filter(|noise| *noise == 1).map_or(0, |_| 1);
        for (key, count) in [
            ("lines", lines.len() + padding),
            ("records", of(Kind::Record)),
            ("continuations", of(Kind::Continuation)),
            ("events", of(Kind::Event)),
            ("headers", of(Kind::Header)),
            ("noise", padding),
            ("unparsed", 0),
            ("duplicates", 0),
        ] {
            comparison.exactly("source", key, source.get(key), count);
        }
        comparison.exactly("document", "dialect", source.get("dialect"), self.dialect);
        comparison.exactly("document", "date", document.get("date"), day.date.to_string());
        comparison
    }

    fn site(&self, table: &str) -> String {
        format!(
            "device = \"smdrd-test\"\n[[practice]]\nods = \"A81001\"\n[features]\nauto-attendant = {menu}\n\
             [numbers]\nown = [\"01632960100-01632960199\"]\naccess-digits = [\"9\"]\n[roles.stations]\n{roles}\n\
             [[source]]\nname = \"pbx\"\ndialect = \"{dialect}\"\noptions = {{ {options} }}\n{table}",
            menu = self.has.menu,
            roles = self.roles,
            dialect = self.dialect,
            options = self.options,
        )
    }
}

/// Plays the family's day and asserts that every figure is what was played.
pub fn prove(family: &Family) {
    let day = family.day();
    let lines = (family.print)(&day);
    assert!(lines.windows(2).all(|pair| pair[0].at <= pair[1].at), "{}: not in order of time", family.name);
    let mut link = (family.link)();
    let rig = Rig::new(&family.site(&link.table()), &[]);
    if let Some(to) = std::env::var_os("FAMILIES_DUMP") {
        let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        std::fs::write(std::path::Path::new(&to).join(format!("{}.txt", family.dialect)), text).unwrap();
    }
    let (begins, ends) = HURRIES;
    let lead = jiff::SignedDuration::from_millis(800);
    let time = Clock::scaled(day.at(begins), Timestamp::now() + lead, FACTOR).then(day.at(ends), 1.0);
    let daemon = rig.run(&time.to_argument().unwrap());
    link.connect();
    for record in lines.chunk_by(|line, next| line.kind == Kind::Continuation && line.at == next.at) {
        std::thread::sleep(time.until(record[0].at));
        link.send_record(record);
    }
    link.finish();
    rig.wait_for_lines(lines.len());
    // A record of several lines may end only by the silence after it.
    let records = lines.iter().filter(|line| line.kind == Kind::Record).count();
    let silence = std::time::Instant::now() + std::time::Duration::from_secs(15);
    while rig.status()["lines"]["records"] != records && std::time::Instant::now() < silence {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    rig.assert_no_difference("", "the same day");
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-21T06:00:00Z", 1));
    wait_for("the day's end", || (rig.status()["days"]["closed"] == 1).then_some(()));
    let (code, document) = rig.json(&["day", &day.date.to_string()], "");
    assert_eq!(code, 0, "{document:#}");
    let comparison = family.compare(&day, &lines, &document);
    assert!(
        comparison.differences.is_empty(),
        "{}: {} of {} figures differ:\n{}\n{}",
        family.name,
        comparison.differences.len(),
        comparison.figures,
        comparison.differences.join("\n"),
        calls(&rig),
    );
    rig.assert_no_difference("", "the day after");
    daemon.stop();
}

/// The calls as the box has them, for whoever looks for the reason.
fn calls(rig: &Rig) -> String {
    if std::env::var_os("FAMILIES_DUMP").is_none() {
        return "Set FAMILIES_DUMP to a folder to see the lines and the calls.".to_owned();
    }
    let db = rig.db();
    let mut query = db.prepare("SELECT * FROM call ORDER BY arrival_ms").unwrap();
    let names: Vec<String> = query.column_names().map(str::to_owned).collect();
    let mut rows = query.query([]).unwrap();
    let mut text = String::new();
    while let Some(row) = rows.next().unwrap() {
        for (at, name) in names.iter().enumerate() {
            match row.get::<_, rusqlite::types::Value>(at).unwrap() {
                rusqlite::types::Value::Null => {}
                rusqlite::types::Value::Integer(number) => text += &format!("{name}={number} "),
                rusqlite::types::Value::Text(word) => text += &format!("{name}={word} "),
                other => text += &format!("{name}={other:?} "),
            }
        }
        text.push('\n');
    }
    text
}
