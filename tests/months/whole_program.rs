//! The box in this process is the product: the program as it is delivered, which hears the same lines over a real link on a
//! clock that hurries, delivers the same documents, but for what says when and in which revision.

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use smdrd::clock::Clock;

use crate::diary::Span;
use crate::pbx;
use crate::practice::{Fate, Practices, Site};
use crate::practice_box::play;
use crate::rig::{Rig, clock, private_file};
use crate::stage::{Kind, Printed};
use crate::supplier::Supplier;
use crate::whole_month::in_full;

const FACTOR: f64 = 20_000.0;

/// Two days and a half of one PBX: from Tuesday noon to Friday morning.
fn practices(make: usize) -> Practices {
    let span = Span::of(date(2026, 10, 1));
    let site = Site {
        account: "1".to_owned(),
        ods: "A81001".to_owned(),
        site: "main".to_owned(),
        make: pbx::WHOLE[make](),
        busy: 40,
        seed: 500 + make as u64,
        outages: Vec::new(),
        begins: span.at(date(2026, 10, 6), 43_200),
        ends: span.at(date(2026, 10, 9), 25_200),
        // A machine that is busy for a moment is a silence of an hour on this clock.
        keys: "silence-minutes = 0\n",
    };
    Practices { span, sites: vec![site], accounts: vec![("1".to_owned(), Fate::In)] }
}

/// Plays the lines to the program. False when the machine was so busy that something came on a later day than it should: on
/// this clock three hours pass in half a second.
fn play_to_program(site: &Site, lines: &[Printed], supplier: &Supplier) -> bool {
    let mut link = (site.make.family.link)();
    let mut rig = Rig::new(&site.config(&link.table()), &[]);
    let token = rig.path("token");
    private_file(&token, &format!("{}\n", site.token()));
    rig.supplier = format!("[supplier]\nurl = \"{}\"\ntoken-file = \"{}\"\n", supplier.url, token.display());
    let ends = site.ends;
    let time = Clock::scaled(site.begins, Timestamp::now() + SignedDuration::from_millis(800), FACTOR).then(ends, 1.0);
    let daemon = rig.run(&time.to_argument().unwrap());
    link.connect();
    for record in lines.chunk_by(|line, next| line.kind == Kind::Continuation && line.at == next.at) {
        std::thread::sleep(time.until(record[0].at));
        link.send_record(record);
    }
    link.finish();
    std::thread::sleep(time.until(ends));
    rig.wait_for_lines(lines.len());
    daemon.stop();
    let zone = TimeZone::get("Europe/London").unwrap();
    let day = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let heard = rig.times("SELECT at_ms FROM line ORDER BY seq");
    let up = rig.times("SELECT min(from_ms) FROM link");
    if heard.iter().zip(lines).any(|(heard, line)| day(*heard) != day(line.at)) || day(up[0]) != day(site.begins) {
        return false;
    }
    // The days are over; what was not delivered on the way is now.
    let daemon = rig.run(&clock(&ends.to_string(), 1));
    let (code, sent) = rig.json(&["push"], "");
    assert_eq!(code, 0, "{sent:#}");
    daemon.stop();
    true
}

trait Times {
    fn times(&self, sql: &str) -> Vec<Timestamp>;
}

impl Times for Rig {
    fn times(&self, sql: &str) -> Vec<Timestamp> {
        let database = self.db();
        let mut query = database.prepare(sql).unwrap();
        let rows = query.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        rows.map(|ms| Timestamp::from_millisecond(ms.unwrap()).unwrap()).collect()
    }
}

/// What a document says, but for when it was made and as which of how many.
fn said(mut document: Value) -> Value {
    let object = document.as_object_mut().unwrap();
    for key in ["revision", "produced_at", "audit_head", "previous"] {
        object.remove(key);
    }
    for source in object["sources"].as_array_mut().unwrap() {
        // On a clock that hurries that of the PBX is not measured.
        source.as_object_mut().unwrap().retain(|key, _| !key.starts_with("clock"));
    }
    document
}

fn prove(make: usize) {
    let practices = practices(make);
    let site = &practices.sites[0];
    let mut day = site.calls(&practices.span);
    // Not so late that a machine that is busy for a moment has them on the next day.
    day.calls.retain(|call| (6..19).contains(&call.arrival.to_zoned(day.zone.clone()).hour()));
    let (lines, _) = site.lines(&day);
    assert!(lines.len() > 100);
    let shortcut = Supplier::new(&practices, None);
    play(site, &practices.span, &day, &shortcut.url, &[]);
    let program = (0..8).find_map(|_| {
        let program = Supplier::new(&practices, None);
        play_to_program(site, &lines, &program).then_some(program)
    });
    let program = program.expect("the machine is not too busy eight times");
    let (ours, theirs) = (shortcut.documents(&site.ods), program.documents(&site.ods));
    // On the first day the link is up a little later.
    for date in ["2026-10-07", "2026-10-08"] {
        let of = |documents: &std::collections::BTreeMap<String, Value>| {
            said(documents.get(date).unwrap_or_else(|| panic!("{date}: {:?}", documents.keys())).clone())
        };
        let (ours, theirs) = (of(&ours), of(&theirs));
        assert!(ours["totals"]["inbound"]["calls"].as_u64().unwrap() > 30, "{ours:#}");
        let bytes = |document: &Value| serde_json::to_string_pretty(document).unwrap();
        assert_eq!(bytes(&ours), bytes(&theirs), "{} on {date}", site.make.family.name);
    }
}

#[test]
fn the_program_delivers_what_the_shortcut_does() {
    // One on a serial line and one on TCP; in full all.
    let makes = if in_full() { vec![0, 1, 2, 3, 4, 5] } else { vec![0, 1] };
    std::thread::scope(|scope| {
        for make in makes {
            scope.spawn(move || prove(make));
        }
    });
}
