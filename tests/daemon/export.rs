//! A month's report and its call-level file: made of real lines by the real program, and what is in neither.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use smdrd::aggregate::document::{DayDocument, PracticeSite};
use smdrd::supplier::monthly::call_level::{Files, Layout, Whose, rows_of};
use smdrd::supplier::monthly::figures::counts;
use smdrd::supplier::monthly::lists::Accounts;

use super::lines::Ip;
use super::rig::{Pbx, ROLES, Rig, SITE, clock, wait_for};

const OCTOBER: &str = "2026-10-30T15:00:00Z";
const NOVEMBER: &str = "2026-11-02T06:00:00Z";

/// What the month's callers dialled from, whom they reached and on what.
const CALLERS: [&str; 8] = [
    "07700900101",
    "07700900202",
    "01632960303",
    "02079460404",
    "07700900505",
    "01632960606",
    "07700900707",
    "01632960808",
];
const DDIS: [&str; 2] = ["01632960117", "01632960155"];

/// A box that heard October: each working day a call of every sort.
fn october() -> (Rig, usize) {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(&format!("{SITE}{ROLES}\"200\" = \"hunt-group\"\n"), std::slice::from_ref(&ip));
    let mut lines = Vec::new();
    let mut id = 100;
    for day in (1..=30).filter(|day| ![3, 4, 10, 11, 17, 18, 24, 25].contains(day)) {
        let sorts: [(&str, u32, u32, &str); 8] = [
            ("08:00:10", 12, 95, "E201"),
            ("08:29:50", 61, 301, "E317"),
            ("10:15:00", 0, 30, "E201"),
            ("11:00:00", 21, 0, "E201"),
            ("12:40:00", 45, 0, "E418"),
            ("14:00:00", 20, 30, "V9511"),
            ("18:29:59", 1, 15, "V9501"),
            ("18:30:00", 300, 60, "E201"),
        ];
        for (at, (time, ring, talk, party)) in sorts.into_iter().enumerate() {
            id += 1;
            let stamp = format!("2026/10/{day:02} {time}");
            // One redial, on the day that is not over: a buffer's earlier days are closed as they come, and forget callers.
            let caller = if day == 30 && at == 7 { 0 } else { at };
            let (cli, ddi) = (CALLERS[caller], DDIS[at % 2]);
            lines.push(Ip { at: &stamp, ring, talk, cli, ddi, id, party, trunk: "T9014", ..Ip::default() }.line());
        }
    }
    let daemon = rig.run(&clock(OCTOBER, 1));
    ip.connect();
    assert!(ip.print(&lines));
    rig.wait_for_lines(lines.len());
    daemon.stop();
    (rig, lines.len())
}

fn said(rig: &Rig, verb: &[&str], clock: &str) -> (i32, String, String) {
    let output = rig.verb(verb, clock);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn audit(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut query = db.prepare("SELECT what FROM audit ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

const BANDS: [(&str, &str); 9] = [
    ("00:00 - 05:59", "06:00"),
    ("06:00 - 07:59", "08:00"),
    ("08:00 - 09:59", "10:00"),
    ("10:00 - 11:59", "12:00"),
    ("12:00 - 13:59", "14:00"),
    ("14:00 - 15:59", "16:00"),
    ("16:00 - 17:59", "18:00"),
    ("18:00 - 18:29", "18:30"),
    ("18:30 - 23:59", "24:00"),
];

/// The newest documents of the month.
fn documents(rig: &Rig) -> Vec<Value> {
    let db = rig.db();
    let newest = "SELECT body FROM outbox AS one WHERE revision = (SELECT max(revision) FROM outbox AS other
                  WHERE other.day = one.day AND other.ods = one.ods AND other.site = one.site)";
    let mut query = db.prepare(newest).unwrap();
    let bodies: Vec<Vec<u8>> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(bodies.len() >= 22, "{}", bodies.len());
    let documents = bodies.iter().map(|body| serde_json::from_slice::<Value>(body).unwrap());
    documents.filter(|document| document["date"].as_str().unwrap().starts_with("2026-10-")).collect()
}

/// What they count, by day, band and outcome.
fn counted(rig: &Rig) -> BTreeMap<(String, String, &'static str), u64> {
    let mut all = BTreeMap::new();
    for document in documents(rig) {
        let date = document["date"].as_str().unwrap().to_owned();
        for slot in document["slots"].as_array().unwrap() {
            let local = slot["local"].as_str().unwrap();
            let band = BANDS.iter().find(|(_, to)| local < *to).unwrap().0;
            for (figure, outcome) in [
                ("answered", "Answered"),
                ("ivr_ended", "Ended during IVR"),
                ("missed", "Missed"),
                ("callback_requested", "Callback requested"),
            ] {
                let calls = slot["inbound"][figure].as_u64().unwrap();
                if calls > 0 {
                    *all.entry((date.clone(), band.to_owned(), outcome)).or_default() += calls;
                }
            }
        }
    }
    all
}

/// What the supplier's side makes of an exported file beside the documents that the box delivers: how many rows, or why not.
fn at_the_supplier(rig: &Rig, file: &std::path::Path) -> Result<usize, String> {
    let template = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/export/call-level.toml");
    let (accounts, list) = (rig.path("accounts.csv"), rig.path("files.csv"));
    std::fs::write(&accounts, "Account_Number,ODS_Code\n0042,A81001\n").unwrap();
    std::fs::write(&list, format!("ODS_Code,File\nA81001,{}\n", file.display())).unwrap();
    let files = Files::read(&list, &Accounts::read(&accounts).unwrap()).unwrap();
    let days = documents(rig).into_iter().map(|document| {
        let document: DayDocument = serde_json::from_value(document).unwrap();
        (document.date, counts(&document).unwrap())
    });
    let site = PracticeSite { ods: "A81001".to_owned(), site: "main".to_owned() };
    let whose = Whose { supplier: "Example Telephony Ltd", account: "0042", month: "2026-10".parse().unwrap() };
    let rows = rows_of(&Layout::read(&template).unwrap(), &files, whose, &BTreeMap::from([(site, days.collect())]));
    rows.map(|found| found.rows.len()).map_err(|left| left[0].to_string())
}

#[test]
fn a_month_is_exported_when_the_practice_agreed_and_names_nobody() {
    let (rig, calls) = october();
    let export = ["export", "call-level", "--month", "2026-10"];
    let unconfirmed = [&export[..], &["--unconfirmed"]].concat();
    // Not over.
    let (code, _, why) = said(&rig, &unconfirmed, &clock(OCTOBER, 1));
    assert!(code == 1 && why.contains("2026-10 is not over"), "{code} {why}");
    let night = clock(NOVEMBER, 1);
    // Not approved; looking needs no approval.
    let (code, _, why) = said(&rig, &unconfirmed, &night);
    assert!(code == 1 && why.contains("has not approved"), "{code} {why}");
    let (code, shown, _) = said(&rig, &[&export[..], &["--dry-run"]].concat(), &night);
    assert_eq!((code, shown.lines().count()), (0, 11), "{shown}");
    // Not observed: the box heard the month from a buffer.
    let approve = ["approve", "--call-level", "2026-10", "--name", "Dr A Shah, partner"];
    let (code, _, why) = said(&rig, &approve, &night);
    assert!(code == 1 && why.contains("less than 95 %"), "{code} {why}");
    let (code, _, why) = said(&rig, &["approve", "--call-level", "2026-10", "--name", "07700 900123"], &night);
    assert!(code == 1 && why.contains("digits"), "{code} {why}");
    let accepted = [&approve[..], &["--accept", "the box was put in late; the PBX kept the month"]].concat();
    assert_eq!(said(&rig, &accepted, &night).0, 0);
    // Not confirmed.
    let (code, _, why) = said(&rig, &export, &night);
    assert!(code == 1 && why.contains("a reconstruction"), "{code} {why}");
    // Another template than the approved one.
    let folder = rig.path("template");
    std::fs::create_dir(&folder).unwrap();
    let shipped = |name: &str| {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/export").join(name))
            .unwrap()
    };
    let own = shipped("call-level.toml").replace("account = \"\"", "account = \"0042\"");
    std::fs::write(folder.join("own.toml"), own).unwrap();
    std::fs::write(folder.join("call-level-sample.csv"), shipped("call-level-sample.csv")).unwrap();
    let own = folder.join("own.toml");
    let with = ["--template", own.to_str().unwrap()];
    let (code, _, why) = said(&rig, &[&unconfirmed[..], &with].concat(), &night);
    assert!(code == 1 && why.contains("another template"), "{code} {why}");

    let out = rig.path("october.csv");
    let to = ["--out", out.to_str().unwrap()];
    let (code, exported) = rig.json(&[&unconfirmed[..], &to].concat(), &night);
    assert_eq!((code, &exported["rows"], &exported["confirmed"]), (0, &json!(calls), &json!(false)), "{exported}");
    let text = std::fs::read_to_string(&out).unwrap();
    let (code, printed, note) = said(&rig, &unconfirmed, &night);
    assert!(code == 0 && note.contains("UNCONFIRMED"), "{note}");
    assert_eq!(printed, text, "the same month makes the same bytes");
    let (code, _, why) = said(&rig, &[&unconfirmed[..], &to].concat(), &night);
    assert!(code == 2 && why.contains("is there already"), "{code} {why}");

    // Nothing but what the template names, and no number in any of it.
    let mut rows: BTreeMap<(String, String, &'static str), u64> = BTreeMap::new();
    let buckets = ["", "0", "1_30", "31_60", "61_120", "121_180", "181_240", "241_300", ">300"];
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some("CBT_System_Supplier_Name,Account_Number,Date,Time_Category,Outcome,Wait_Time,Duration")
    );
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let [supplier, account, date, band, outcome, wait, talk] = cells[..] else { panic!("{line}") };
        assert_eq!((supplier, account), ("", ""));
        assert!(date.parse::<jiff::civil::Date>().is_ok() && date.len() == 10, "{line}");
        assert!(BANDS.iter().any(|(known, _)| *known == band), "{line}");
        assert!(buckets.contains(&wait) && buckets.contains(&talk), "{line}");
        let outcome = ["Answered", "Ended during IVR", "Missed"].into_iter().find(|known| *known == outcome).unwrap();
        *rows.entry((date.to_owned(), band.to_owned(), outcome)).or_default() += 1;
    }
    assert_eq!(rows, counted(&rig));
    let digits: String = text.chars().filter(|letter| letter.is_ascii_digit() || *letter == '\n').collect();
    for number in CALLERS.into_iter().chain(DDIS) {
        assert!(!text.contains(number) && !text.contains(&number[1..]) && !digits.contains(number), "{number}");
    }
    let rows_only = text.split_once('\n').unwrap().1;
    for name in ["E201", "E317", "E418", "V9511", "V9501", "T9014", "Name", "reception", "avaya"] {
        assert!(!rows_only.contains(name), "{name}");
    }

    // The supplier takes it: its rows count what the documents count, to the bucket.
    assert_eq!(at_the_supplier(&rig, &out), Ok(calls));
    let other = rig.path("other.csv");
    std::fs::write(&other, text.replacen(",Missed,31_60,", ",Missed,0,", 1)).unwrap();
    assert!(at_the_supplier(&rig, &other).unwrap_err().contains("CBT004 0: 1 in the file, 0 in the documents"));

    // Who did what.
    let noted = audit(&rig);
    let sha256 = exported["sha256"].as_str().unwrap();
    let has = |what: &str| assert!(noted.iter().any(|row| row.contains(what)), "{what}: {noted:#?}");
    has(&format!("exported call-level 2026-10 of A81001/main: {calls} rows sha256:{sha256}"));
    has("approved call-level 2026-10 of A81001/main for Dr A Shah, partner");
    has("accepted: the box was put in late");
    has("looked at call-level 2026-10");
    has(", refused");
    assert!(!noted.iter().any(|row| row.contains("07700")), "{noted:#?}");

    // Taken back.
    assert_eq!(said(&rig, &["approve", "--call-level", "2026-10", "--withdraw"], &night).0, 0);
    let (code, _, why) = said(&rig, &unconfirmed, &night);
    assert!(code == 1 && why.contains("has not approved"), "{code} {why}");
}

#[test]
fn a_month_that_is_not_all_kept_or_not_all_shown_is_refused() {
    let (mut rig, _) = october();
    rig.site += "[retention]\ncall-days = 8\n";
    let late = clock("2026-11-20T06:00:00Z", 1);
    let daemon = rig.run(&late);
    wait_for("old lines to go", || (rig.count("SELECT count(*) FROM line") == 0).then_some(()));
    daemon.stop();
    let (code, _, why) = said(&rig, &["export", "call-level", "--month", "2026-10", "--dry-run"], &late);
    assert!(code == 1 && why.contains("they are kept from 2026-11-"), "{code} {why}");
    let (code, report) = rig.json(&["report", "month", "2026-10"], &late);
    assert_eq!(code, 0);
    assert_eq!(report["report"]["definitions"], Value::Null);
    assert!(report["report"]["definitions_absent"].as_str().unwrap().contains("kept from 2026-11-"), "{report}");
    assert_eq!(report["report"]["cbt"]["CBT001"]["value"], 176, "the figures are kept longer");
    // The site has call backs, and no record shows one.
    rig.site = rig.site.replace("auto-attendant = true", "auto-attendant = true\ncallback = true");
    let (code, _, why) = said(&rig, &["export", "call-level", "--month", "2026-10", "--dry-run"], &late);
    assert_eq!(code, 1, "{why}");
}

#[test]
fn a_months_report_says_why_its_figures_differ_from_others() {
    let (rig, calls) = october();
    let night = clock(NOVEMBER, 1);
    let (code, answer) = rig.json(&["report", "month", "2026-10"], &night);
    assert_eq!(code, 0);
    let report = &answer["report"];
    assert_eq!(report["cbt"]["CBT001"]["value"], calls);
    // 22 days: 66 rang out or were missed in voicemail, 88 answered, 22 in the menu.
    for (code, value) in [("CBT002", 22), ("CBT003", 88), ("CBT004", 66), ("CBT005", 0), ("CBT007", 88)] {
        assert_eq!(report["cbt"][code]["value"], value, "{code}");
    }
    for beside in report["definitions"].as_array().unwrap() {
        for difference in beside["differences"].as_array().unwrap() {
            let sum = |parts: &str| -> i64 {
                difference[parts].as_array().unwrap().iter().map(|part| part["calls"].as_i64().unwrap()).sum()
            };
            let net = difference["nhse"].as_i64().unwrap() - difference["other"].as_i64().unwrap();
            assert_eq!(net, sum("more") + sum("not_said") - sum("less"), "{difference:#}");
        }
    }
    let (code, text, _) = said(&rig, &["report", "month", "2026-10"], &night);
    assert_eq!(code, 0);
    for sentence in [
        "22 more calls missed than a report in which voicemail answers counts: 22 voicemail",
        "44 more calls missed than 30 seconds in queue counts as abandoned: 22 hung up in under 30 s; 22 voicemail",
        "as many calls missed as a cloud supplier's reports counts: 66",
        "1 more calls answered than a report that leaves redials out counts: 1 from a number that had called before",
    ] {
        assert!(text.contains(sentence), "{sentence}: {text}");
    }
    // What stands in it but for when calls were not seen, which the test's own pace decides.
    let (figures, outages) = text.split_once("\nwhen calls were not seen\n").unwrap();
    assert!(outages.contains("of core hours not seen"), "{outages}");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/daemon/report-month.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, figures).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(figures, expected, "look at the change, then UPDATE=1");
    let (code, day, _) = said(&rig, &["report", "day", "2026-10-12"], &night);
    assert!(code == 0 && day.contains("CBT001 inbound calls          8"), "{day}");
    for number in CALLERS.into_iter().chain(DDIS) {
        assert!(!text.contains(number) && !answer.to_string().contains(number));
    }
}
