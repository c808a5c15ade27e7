//! `smdrd import`, with a daemon and without: what is counted, what is known again, what may repeat other lines, and what
//! is kept.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;
use smdrd::simulator::practice_day::practice_day;
use smdrd::simulator::{hipath, ipoffice};

use super::lines::Ip;
use super::rig::{Feed, Pbx, ROLES, Rig, SITE, clock, wait_for};

const IP: &str = "avaya-ipoffice";
const HI: &str = "siemens-hipath3000";
pub const NOON: &str = "2026-11-20T12:00:00Z";

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// What a PBX printed on so many days from `from` on.
pub fn days(dialect: &str, from: &str, many: i64) -> Vec<String> {
    let zone = TimeZone::get("Europe/London").unwrap();
    let of_day = |ahead: i64| {
        let printed = practice_day(day(from).checked_add(ahead.days()).unwrap(), zone.clone(), ahead as u64 + 1);
        let lines = if dialect == IP { ipoffice::lines(&printed) } else { hipath::lines(&printed) };
        lines.into_iter().map(move |line| if dialect == IP { another_id(&line.text, ahead) } else { line.text })
    };
    (0..many).flat_map(of_day).collect()
}

/// The simulator counts calls from the same number on each day; a PBX does not.
fn another_id(line: &str, ahead: i64) -> String {
    let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
    fields[9] = (fields[9].parse::<i64>().unwrap() + ahead * 100_000).to_string();
    fields.join(",")
}

pub fn file(rig: &Rig, name: &str, lines: &[String]) -> PathBuf {
    let path = rig.path(name);
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\r\n")).collect::<String>()).unwrap();
    path
}

/// A site with a PBX that is configured and not there.
pub fn site(dialect: &'static str) -> Rig {
    Rig::new(&format!("{SITE}{ROLES}"), &[Pbx::tcp("reception", dialect)])
}

#[track_caller]
pub fn import(rig: &Rig, dialect: &str, more: &[&str], now: &str) -> Value {
    let (code, report) = rig.json(&[&["import", "--dialect", dialect], more].concat(), now);
    assert_eq!(code, 0, "{report}");
    report["files"][0].clone()
}

fn refused(rig: &Rig, arguments: &[&str], now: &str) -> String {
    let output = rig.verb(&[&["import"], arguments].concat(), now);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// All that is stored of calls, but for when it came and by whom. Which peer it is depends on when days are rolled up.
pub fn history(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut all = Vec::new();
    for table in [
        "SELECT source, seq, day, kind, hex(text), reason, col, idle, shape, record, call_seq, repeats,
         repeats_source FROM line",
        "SELECT source, seq, start, class, digits, peer IS NULL, token, own FROM number",
        "SELECT source, seq, ods, site, day, kind, arrival_ms, end_ms, outcome, rule, wait_s, talk_s, answered, not_people,
         callback_made, later_s, earlier_s, trunk, class, peer IS NULL, token, open, legs, repeat FROM call",
        "SELECT * FROM counter WHERE n <> 0",
        "SELECT * FROM line_count WHERE n <> 0",
        "SELECT source, day, from_s, to_s, forgotten_calls, may_repeat FROM source_day WHERE from_s IS NOT NULL",
        "SELECT ods, site, day FROM day",
        "SELECT source, of, options, oldest, lines, hash, head, done FROM import",
        "SELECT id, name, dialect, next_seq, state, wall, record_day, forgotten FROM source
         WHERE id IN (SELECT source FROM import)",
        "SELECT value FROM meta WHERE key = 'kept_from'",
    ] {
        let mut query = db.prepare(table).unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
            all.push(format!("{table}: {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    all
}

#[track_caller]
pub fn assert_same(one: &[String], other: &[String], what: &str) {
    let missing: Vec<_> = one.iter().filter(|row| !other.contains(row)).take(5).collect();
    let more: Vec<_> = other.iter().filter(|row| !one.contains(row)).take(5).collect();
    assert!(one.len() == other.len() && missing.is_empty() && more.is_empty(), "{what}: {missing:#?} {more:#?}");
}

#[test]
fn captures_are_counted_as_parse_reads_them() {
    for (dialect, name, set) in [
        (IP, "avaya-ipoffice/ipo500v2-2017.smdr", ""),
        ("nortel-meridian", "nortel-meridian/meridian-1-variant-1.smdr", ""),
        ("panasonic-kx", "panasonic-kx/panasonic-kx-td1232-p231c.smdr", "date_order=MDY"),
        ("panasonic-kx", "panasonic-kx/panasonic-kx-td816ru.smdr", "date_order=MDY"),
        ("panasonic-kx", "panasonic-kx/panasonic-kx-tda100-b.smdr", ""),
        (HI, "siemens-hipath3000/siemens-hicom-118.smdr", ""),
        (HI, "siemens-hipath3000/siemens-hipath-3750.smdr", ""),
    ] {
        let rig = Rig::new(SITE, &[]);
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
        let path = path.to_str().unwrap();
        let mut verb = vec!["--dialect", dialect, path];
        if !set.is_empty() {
            verb.extend(["--set", set]);
        }
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_smdrd"))
            .args([&["parse", "--json"], &verb[..]].concat())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let read: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let count = |key: &str| read.iter().filter(|object| object.get(key).is_some()).count() as u64;
        let stamp = |object: &Value| {
            ["start", "connected", "end"].iter().find_map(|key| Some(object.get(key)?.as_str()?[..10].to_owned()))
        };
        // The Meridian's stamps are of neither end of a call, and its year is not printed.
        let newest = read.iter().filter_map(stamp).max().unwrap_or_else(|| "2017-01-01".to_owned());
        let now = clock(&format!("{newest}T12:00:00Z"), 1);
        let (code, report) = rig.json(&[&["import"], &verb[..]].concat(), &now);
        let report = &report["files"][0];
        assert_eq!(code, 0, "{name}: {report}");
        let of = |key: &str| report[key].as_u64().unwrap();
        let records = read.len() as u64 - count("ignored") - count("unparsed");
        assert_eq!(of("records") + report["out_of_range"]["records"].as_u64().unwrap(), records, "{name}: {report}");
        assert_eq!(of("unparsed"), count("unparsed"), "{name}: {report}");
        assert_eq!(of("events") + of("headers") + of("noise"), count("ignored"), "{name}: {report}");
        assert!(of("calls") > 0 && of("duplicates") == 0, "{name}: {report}");
        assert_eq!(rig.status()["problems"], serde_json::json!([]), "{name}");
        let difference = rig.rebuild(&now, &["--dry-run"]);
        assert_eq!(difference["figures"], serde_json::json!([]), "{name}: {difference:#}");
        assert_eq!(difference["changed_calls"], 0, "{name}: {difference:#}");
    }
}

#[test]
fn with_a_daemon_and_without_one_the_same_is_stored_and_a_second_time_changes_nothing() {
    let lines = days(HI, "2026-11-10", 8);
    let now = clock(NOON, 1);
    let alone = site(HI);
    let path = file(&alone, "old.log", &lines);
    let report = import(&alone, HI, &[path.to_str().unwrap()], &now);
    assert_eq!(
        (&report["state"], report["lines"].as_u64()),
        (&"imported".into(), Some(lines.len() as u64)),
        "{report}"
    );
    let stored = history(&alone);
    assert!(alone.count("SELECT sum(repeat) FROM call") > 0, "callers of one day are known again");
    assert_eq!(alone.count("SELECT count(*) FROM number WHERE token IS NOT NULL"), 0, "and then forgotten");
    let shared =
        "SELECT count(*) FROM (SELECT peer FROM call WHERE peer IS NOT NULL GROUP BY peer HAVING count(*) > 1)";
    assert_eq!(alone.count(shared), 0, "no peer spans two calls");
    alone.assert_no_difference(&now, "after an import");

    let again = import(&alone, HI, &[path.to_str().unwrap()], &now);
    assert_eq!((&again["state"], again["lines"].as_u64()), (&"unchanged".into(), Some(0)), "{again}");
    assert_same(&stored, &history(&alone), "a second time");

    let with = site(HI);
    let daemon = with.run(&now);
    let path = file(&with, "old.log", &lines);
    let same = import(&with, HI, &[path.to_str().unwrap()], "");
    for key in ["lines", "records", "events", "calls", "days"] {
        assert_eq!(report[key], same[key], "{key}");
    }
    assert_same(&stored, &history(&with), "with a daemon");
    let who = with.count("SELECT count(*) FROM audit WHERE who LIKE 'uid %' AND what LIKE '%reception/import-1%'");
    assert_eq!(who, 2, "who imported what, at its beginning and its end");
    with.assert_no_difference("", "with a daemon");
    // By standard input it is the same file.
    let output = piped(&with, HI, &std::fs::read(&path).unwrap());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["files"][0]["state"], "unchanged", "{said}");
    daemon.stop();
}

fn begin(rig: &Rig, dialect: &str) -> Child {
    let mut command = rig.command(&["import", "--json", "--dialect", dialect, "-"], "");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn piped(rig: &Rig, dialect: &str, bytes: &[u8]) -> Output {
    let mut child = begin(rig, dialect);
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_file_that_has_grown_goes_on_where_it_ended() {
    let now = clock(NOON, 1);
    let lines = days(IP, "2026-11-16", 3);
    let whole = site(IP);
    let all = file(&whole, "all.log", &lines);
    import(&whole, IP, &[all.to_str().unwrap()], &now);
    let bytes = std::fs::read(&all).unwrap();

    // Cut in the middle of a line, and of a date, so that it is not understood.
    let rig = site(IP);
    let path = rig.path("growing.log");
    let half = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(200).unwrap().0 + 6;
    for (length, state, half_line, new) in [
        (half, "imported", true, 201),
        (half, "unchanged", true, 0),
        (bytes.len(), "continued", false, lines.len() as u64 - 201),
        (bytes.len(), "unchanged", false, 0),
    ] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let report = import(&rig, IP, &[path.to_str().unwrap()], &now);
        assert_eq!((&report["state"], &report["half_line"]), (&state.into(), &half_line.into()), "{report}");
        assert_eq!(report["lines"], new, "{report}");
    }
    let sums = "SELECT sum(n) FROM counter WHERE metric NOT IN (14)";
    assert_eq!(rig.count(sums), whole.count(sums));
    assert_eq!(rig.count("SELECT count(*) FROM call"), whole.count("SELECT count(*) FROM call"));
    rig.assert_no_difference(&now, "after it has grown");

    // Few lines, and a last one that nothing ends and that is whole all the same.
    let rig = site(IP);
    let path = rig.path("few.log");
    for (many, state) in [(3, "imported"), (3, "unchanged"), (10, "continued")] {
        std::fs::write(&path, lines[..many].join("\n")).unwrap();
        let report = import(&rig, IP, &[path.to_str().unwrap()], &now);
        assert_eq!(report["state"], state, "{many}: {report}");
    }
    assert_eq!(rig.count("SELECT count(*) FROM line"), 10);

    // The same beginning, and then something else.
    let mut other = lines.clone();
    other[100] = other[101].clone();
    let path = file(&whole, "other.log", &other);
    let said = refused(&whole, &["--dialect", IP, path.to_str().unwrap()], &now);
    assert!(said.contains("other.log") && said.contains("goes on differently"), "{said}");
    let before = whole.count("SELECT sum(n) FROM counter");
    let report = import(&whole, IP, &["--as-new", path.to_str().unwrap()], &now);
    // The line that is there twice may be another call, or not.
    assert_eq!((&report["duplicates"], &report["records"]), (&(lines.len() - 1).into(), &1.into()), "{report}");
    assert_eq!(report["may_repeat"], 1, "{report}");
    assert!(whole.count("SELECT sum(n) FROM counter") > before, "a call is not lost");
    whole.assert_no_difference(&now, "with what may repeat");
}

#[test]
fn a_wrong_dialect_is_seen_before_anything_is_stored() {
    let now = clock(NOON, 1);
    let rig = site(IP);
    let path = file(&rig, "old.log", &days(IP, "2026-11-16", 1));
    let path = path.to_str().unwrap();
    let said = refused(&rig, &["--dialect", "mitel-3300", "--source", "reception", path], &now);
    for part in ["old.log", "mitel-3300 understands none of the first", "line 1:", "nothing was stored", "--force"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert_eq!(rig.count("SELECT count(*) FROM line") + rig.count("SELECT count(*) FROM import"), 0);
    let report = import(&rig, "mitel-3300", &["--force", path], &now);
    assert_eq!((&report["unparsed"], &report["records"]), (&report["lines"], &0.into()), "{report}");
    assert_eq!(report["unparsed_at"][0]["line"], 1);
    // Read rightly afterwards, it is not in the way.
    let report = import(&rig, IP, &[path], &now);
    assert_eq!((&report["records"], &report["duplicates"]), (&report["lines"], &0.into()), "{report}");

    let output = rig.verb(&["import", "--dialect", "avaya-ipofice", path], &now);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("avaya-ipoffice"));
    let output = rig.verb(&["import", "--dialect", IP, "--set", "date_order=DMY", path], &now);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(refused(&rig, &["--dialect", IP, "/nowhere/old.log"], &now).contains("/nowhere/old.log"));
    std::fs::write(rig.path("rubbish"), vec![b'x'; 3 << 20]).unwrap();
    let rubbish = rig.path("rubbish");
    assert!(refused(&rig, &["--dialect", IP, rubbish.to_str().unwrap()], &now).contains("first MiB"));
    // Of a year that is not counted nothing is taken, so that it can be given again with the right one.
    let ancient: Vec<String> = days(IP, "2019-11-16", 1);
    let report = import(&rig, IP, &[file(&rig, "ancient.log", &ancient).to_str().unwrap()], &now);
    assert_eq!((&report["lines"], &report["out_of_range"]["records"]), (&0.into(), &ancient.len().into()), "{report}");
    assert_eq!(rig.count("SELECT count(*) FROM import"), 2);
    std::fs::write(&rubbish, b"").unwrap();
    assert_eq!(import(&rig, IP, &[rubbish.to_str().unwrap()], &now)["lines"], 0);
}

#[test]
fn several_pbxs_want_to_be_told_apart() {
    let now = clock(NOON, 1);
    let site = "[[practice]]\nods = \"A81001\"\nsources = [\"reception\"]\n[[practice]]\nods = \"A81002\"\n\
                sources = [\"surgery\", \"branch\"]\n";
    let rig = Rig::new(site, &[Pbx::tcp("reception", IP), Pbx::tcp("surgery", IP), Pbx::tcp("branch", HI)]);
    let lines = days(IP, "2026-11-16", 1);
    let path = file(&rig, "old.log", &lines);
    let path = path.to_str().unwrap();
    let said = refused(&rig, &["--dialect", IP, path], &now);
    assert!(said.contains("--source") && said.contains("reception, surgery, branch"), "{said}");
    let report = import(&rig, IP, &["--source", "surgery", path], &now);
    assert_eq!((&report["source"], &report["import"]), (&"surgery".into(), &"surgery/import-1".into()));
    assert_eq!(rig.count("SELECT count(*) FROM call WHERE ods <> 'A81002'"), 0, "the file is of the surgery's PBX");
    rig.assert_no_difference(&now, "with a file of one of several");
    let said = refused(&rig, &["--dialect", IP, "--source", "reception", path], &now);
    assert!(said.contains("in already") && said.contains("--source surgery"), "{said}");
    // The same day of another PBX is other calls; the same day of a PBX that nobody knows may be the same.
    let others = file(&rig, "others.log", &days(IP, "2026-11-16", 1)[1..]);
    let report = import(&rig, IP, &["--source", "reception", others.to_str().unwrap()], &now);
    assert_eq!(report["duplicates"], 0, "{report}");
    let unknown = file(&rig, "unknown.log", &lines[2..]);
    let report = import(&rig, IP, &["--source", "recption", unknown.to_str().unwrap()], &now);
    assert_eq!((&report["records"], &report["duplicates"]), (&0.into(), &report["lines"]), "{report}");
}

#[test]
fn what_lies_beyond_retention_is_in_the_figures_only() {
    let now = clock(NOON, 1);
    // 45 days before 20 November is 6 October: 12 days beyond, 3 within.
    let lines = days(IP, "2026-09-24", 15);
    let mut odd = lines.clone();
    odd.insert(3, Ip { at: "2024/10/19 09:00:00", id: 7, ..Ip::default() }.line());
    odd.insert(9, Ip { at: "2027/11/20 09:00:00", id: 8, ..Ip::default() }.line());
    odd.insert(0, "nobody understands this".into());
    odd.push("nor this".into());
    let rig = site(IP);
    let path = file(&rig, "old.log", &odd);
    let report = import(&rig, IP, &[path.to_str().unwrap()], &now);
    assert_eq!(report["records"], lines.len(), "{report}");
    assert_eq!((&report["unparsed"], &report["unparsed_at"][1]["line"]), (&2.into(), &odd.len().into()));
    let out = &report["out_of_range"];
    assert_eq!((&out["records"], &out["first"], &out["last"]), (&2.into(), &"2024-10-19".into(), &"2027-11-20".into()));
    assert_eq!((&out["counted_from"], &report["kept_from"]), (&"2024-10-20".into(), &"2026-10-06".into()));

    // The same file with the same clock but room for all of it gives the same figures.
    let mut roomy = site(IP);
    roomy.site += "[retention]\ncall-days = 400\n";
    let path = file(&roomy, "old.log", &odd);
    let all = import(&roomy, IP, &[path.to_str().unwrap()], &now);
    assert_eq!((&all["days"], &all["calls"]), (&report["days"], &report["calls"]));
    let counters = |rig: &Rig| -> BTreeMap<String, i64> {
        let db = rig.db();
        let mut query = db.prepare("SELECT ods || slot || ' ' || metric, n FROM counter WHERE n <> 0").unwrap();
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(counters(&rig), counters(&roomy));
    assert!(counters(&rig).len() > 1000);

    // Days as the database counts them, from 1970 on.
    let kept = "(SELECT day FROM line_count WHERE day < 20732)";
    for table in ["line", "call"] {
        assert_eq!(rig.count(&format!("SELECT count(*) FROM {table} WHERE day IN {kept}")), 0, "{table}");
        assert!(rig.count(&format!("SELECT count(*) FROM {table}")) > 100, "{table}");
        assert!(roomy.count(&format!("SELECT count(*) FROM {table} WHERE day IN {kept}")) > 1000, "{table}");
    }
    assert_eq!(rig.count("SELECT count(*) FROM number WHERE seq NOT IN (SELECT seq FROM line)"), 0);
    let status = rig.json(&["status"], &now).1;
    assert_eq!(status["lines"]["lines"], odd.len() - 2, "what is counted and kept no more is lines all the same");
    let problems = status["problems"].to_string();
    assert!(!problems.contains("stored") && !problems.contains("bear a date"), "{problems}");
    rig.assert_no_difference(&now, "beyond retention");
    roomy.assert_no_difference(&now, "with room");
    assert_eq!(rig.rebuild(&now, &["--dry-run"])["from"], "2026-10-07", "of whole days only");

    // A role that is put right changes the days that are kept whole, and leaves the others as they are.
    let before = counters(&rig);
    let mut rig = rig;
    rig.site = SITE.to_owned();
    let difference = rig.rebuild(&now, &[]);
    assert_eq!(difference["applied"], true, "{difference}");
    let after = counters(&rig);
    let midnight: i64 = "2026-10-06T23:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    let slot = |key: &String| key[6..].split(' ').next().unwrap().parse::<i64>().unwrap();
    let changed: Vec<i64> =
        before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key)).map(slot).collect();
    assert!(!changed.is_empty() && changed.iter().all(|slot| *slot >= midnight), "{changed:?}");
    rig.assert_no_difference(&now, "once it is put in place");
}

#[test]
fn days_that_came_in_a_file_are_sent_and_say_that_nobody_observed_them() {
    let lines = days(IP, "2026-10-01", 10);
    let mut rig = site(IP);
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    let daemon = rig.run(&clock(NOON, 1));
    let path = file(&rig, "old.log", &lines);
    import(&rig, IP, &[path.to_str().unwrap()], "");
    let (code, sent) = rig.json(&["push"], "");
    let dates: Vec<&str> = sent.as_array().unwrap().iter().map(|sent| sent["date"].as_str().unwrap()).collect();
    // Nothing older than the 45 days that are compared with the supplier's.
    assert_eq!(
        (code, dates),
        (0, vec!["2026-10-06", "2026-10-07", "2026-10-08", "2026-10-09", "2026-10-10"]),
        "{sent}"
    );
    let document: Value = serde_json::from_slice(&feed.held("A81001", "2026-10-08")[0]).unwrap();
    assert!(document["totals"]["inbound"]["calls_seen"].as_u64().unwrap() > 50, "{document:#}");
    let coverage = &document["coverage"];
    assert_eq!((&coverage["observed_s"], &coverage["complete"]), (&0.into(), &false.into()), "{coverage}");
    assert_eq!((&coverage["gaps"][0]["cause"], coverage["gaps"].as_array().unwrap().len()), (&"imported".into(), 1));
    assert!(document["slots"].as_array().unwrap().iter().all(|slot| slot["observed_s"] == 0));
    // Between the file's last day and the first that was heard nothing is known: there is no document.
    assert_eq!(feed.revisions(), 5);
    daemon.stop();
}

#[test]
fn one_import_at_a_time_while_the_lines_of_the_pbx_go_on() {
    let mut pbx = Pbx::tcp("reception", IP);
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let daemon = rig.run(&clock(NOON, 1));
    pbx.connect();
    let lines = days(IP, "2026-11-02", 2);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut first = begin(&rig, IP);
    let (one, two) = text.as_bytes().split_at(text.len() / 2);
    let mut input = first.stdin.take().unwrap();
    input.write_all(one).unwrap();
    let path = file(&rig, "other.log", &days(IP, "2026-10-20", 1));
    let said = wait_for("the first import to begin", || {
        let output = rig.verb(&["import", "--dialect", IP, path.to_str().unwrap()], "");
        (output.status.code() == Some(1)).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    });
    assert!(said.contains("another import is running"), "{said}");
    assert!(pbx.print(&[Ip { at: "2026/11/20 11:59:00", ..Ip::default() }.line()]));
    let live = "SELECT count(*) FROM line JOIN source ON source.id = line.source WHERE name = 'reception'";
    wait_for("a line of the PBX", || (rig.count(live) == 1).then_some(()));
    input.write_all(two).unwrap();
    drop(input);
    let output = first.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["files"][0]["lines"], lines.len(), "{report}");
    rig.assert_no_difference("", "after both");
    daemon.stop();
}
