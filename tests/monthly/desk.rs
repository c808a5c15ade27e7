//! A supplier's desk: a store with a month of documents, the lists, and the program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jiff::civil::Date;
use serde_json::{Value, json};
use smdrd::aggregate::document::{DayDocument, canonical};
use smdrd::push::parcel::sha256_hex;
use smdrd::supplier::archive::{Archive, Arrival};

use super::day::full_day;

/// October 2026 has the night on which the clocks go back.
pub const MONTH: &str = "2026-10";
/// In the window of October.
pub const NOW: &str = "2026-11-03T09:00:00Z";

pub fn days() -> impl Iterator<Item = Date> {
    (1..=31).map(|day| jiff::civil::date(2026, 10, day))
}

/// By account, date, band, code and bucket.
pub type Rows = BTreeMap<(String, String, String, String, String), u64>;

pub struct Desk {
    place: tempfile::TempDir,
    pub archive: Archive,
}

/// Numbers that look like chance and are the same each time.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A whole day of a practice: every half-hour has something, and the sums add up.
pub fn busy_day(ods: &str, site: &str, date: Date, seed: u64) -> Value {
    let mut chance = Chance(seed);
    let mut day = full_day(date);
    day["practice"] = json!({"ods": ods, "site": site});
    day["device"] = json!(format!("smdrd-{ods}-{site}"));
    day["coverage"] = json!({"observed_s": 0, "complete": true, "gaps": []});
    let mut observed = 0;
    for slot in day["slots"].as_array_mut().unwrap() {
        let answered: Vec<u64> = (0..9).map(|_| chance.below(5)).collect();
        let missed: Vec<u64> = (0..9).map(|_| chance.below(2)).collect();
        let mut talk = answered.clone();
        talk.rotate_left(3);
        let (ivr, callback) = (chance.below(6), chance.below(2));
        let sum = |counts: &[u64]| counts.iter().sum::<u64>();
        let calls = sum(&answered) + sum(&missed) + ivr + callback;
        let inbound = &mut slot["inbound"];
        for (key, value) in [
            ("calls", json!(calls)),
            ("calls_seen", json!(calls)),
            ("ivr_ended", json!(ivr)),
            ("answered", json!(sum(&answered))),
            ("callback_requested", json!(callback)),
            ("missed", json!(sum(&missed))),
            ("missed_voicemail", json!(0)),
            ("answered_wait", json!(answered)),
            ("answered_talk", json!(talk)),
            ("missed_wait", json!(missed)),
        ] {
            inbound[key] = value;
        }
        slot["callbacks_made"] = json!(callback);
        slot["observed_s"] = json!(1800);
        observed += 1800;
    }
    day["coverage"]["observed_s"] = json!(observed);
    with_sums(day)
}

/// The day with totals and metrics that follow from its slots.
pub fn with_sums(mut day: Value) -> Value {
    let slots = day["slots"].as_array().unwrap().clone();
    let pointers: Vec<&str> = vec![
        "calls",
        "calls_seen",
        "ivr_ended",
        "answered",
        "callback_requested",
        "missed",
        "missed_voicemail",
        "answered_wait_unknown",
        "answered_talk_unknown",
        "missed_wait_unknown",
    ];
    for key in pointers {
        let sum: u64 = slots.iter().map(|slot| slot["inbound"][key].as_u64().unwrap()).sum();
        day["totals"]["inbound"][key] = json!(sum);
    }
    for key in ["answered_wait", "answered_talk", "missed_wait"] {
        let sum: Vec<u64> =
            (0..9).map(|at| slots.iter().map(|slot| slot["inbound"][key][at].as_u64().unwrap()).sum()).collect();
        day["totals"]["inbound"][key] = json!(sum);
    }
    let made: u64 = slots.iter().map(|slot| slot["callbacks_made"].as_u64().unwrap()).sum();
    day["totals"]["callbacks_made"] = json!(made);
    for (code, key) in [
        ("CBT001", "calls"),
        ("CBT002", "ivr_ended"),
        ("CBT003", "answered"),
        ("CBT004", "missed"),
        ("CBT005", "callback_requested"),
        ("CBT007", "answered"),
    ] {
        day["cbt"][code] = day["totals"]["inbound"][key].clone();
    }
    day["cbt"]["CBT006"] = json!(made);
    day
}

/// Seed of a practice's day.
pub fn seed(ods: &str, site: &str, date: Date) -> u64 {
    let text = format!("{ods}/{site}/{date}");
    text.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(131).wrapping_add(u64::from(byte)))
}

impl Desk {
    /// A desk with a confirmed template, an acceptance of NHS England's, and these accounts: number, practice, site.
    pub fn new(accounts: &[(&str, &str, &str)]) -> Desk {
        let place = tempfile::tempdir().unwrap();
        let archive = Archive::open(&place.path().join("feed.db")).unwrap();
        let desk = Desk { place, archive };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/feed/templates");
        let mapping = std::fs::read_to_string(shipped.join("aggregated.toml")).unwrap();
        let confirmed =
            "\n[confirmed]\nreference = \"a test\"\ndate = \"2026-10-12\"\nname = \"A Tester\"\n\n[columns]";
        let mapping =
            mapping.replacen("\n[columns]", confirmed, 1).replacen("\"aggregated-sample.csv\"", "\"sample.csv\"", 1);
        desk.write("template.toml", &mapping);
        std::fs::copy(shipped.join("aggregated-sample.csv"), desk.path("sample.csv")).unwrap();
        let rows: String = accounts.iter().map(|(account, ods, site)| format!("{account},{ods},{site}\n")).collect();
        desk.write("accounts.csv", &format!("Account_Number,ODS_Code,Site\n{rows}"));
        let codes: BTreeSet<&str> = accounts.iter().map(|(_, ods, _)| *ods).collect();
        let codes: String = codes.iter().map(|ods| format!("{ods},yes\n")).collect();
        desk.write("participation.csv", &format!("ODS_Code,Agreed\n{codes}"));
        desk.configure("");
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn configure(&self, more: &str) {
        self.write("feed.toml", &format!("{CONFIG}{ACCEPTANCE}{more}"));
    }

    /// Holds a document as the receiver would.
    pub fn hold(&self, day: &Value) {
        let document: DayDocument = serde_json::from_value(day.clone()).unwrap();
        let body = canonical(&document).unwrap();
        let sha256 = sha256_hex(&body);
        let arrival = Arrival {
            ods: document.practice.ods.clone(),
            site: document.practice.site.clone(),
            date: document.date,
            revision: document.revision,
            receipt_id: format!("r-{sha256}"),
            sha256,
            body,
            schema: document.schema.clone(),
            device: document.device.clone(),
            received_at: document.produced_at,
        };
        self.archive.keep(&arrival, |_| Vec::new()).unwrap();
    }

    /// Holds a busy month of a site.
    pub fn hold_month(&self, ods: &str, site: &str) {
        for date in days() {
            self.hold(&busy_day(ods, site, date, seed(ods, site, date)));
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
        command.args(arguments).current_dir(self.place.path()).output().unwrap()
    }

    pub fn build(&self, more: &[&str]) -> Output {
        let clock = format!("{NOW}@{}@1", jiff::Timestamp::now());
        let arguments = [
            "build",
            "--month",
            MONTH,
            "--store",
            "feed.db",
            "--config",
            "feed.toml",
            "--out",
            "out",
            "--clock",
            &clock,
        ];
        self.run(&[&arguments[..], more].concat())
    }

    /// Builds; gives the exit code and the submission record.
    pub fn built(&self, more: &[&str]) -> (i32, Value) {
        let output = self.build(&[&["--json"], more].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), value)
    }

    /// What is said when nothing is built.
    #[track_caller]
    pub fn refused(&self) -> String {
        let output = self.build(&[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}{}", String::from_utf8_lossy(&output.stdout));
        assert!(!self.path(&format!("out/{MONTH}/build-1")).exists(), "nothing is built: {said}");
        said
    }

    /// The rows of a build's aggregated file.
    pub fn rows(&self, build: u32) -> Rows {
        let path = self.path(&format!("out/{MONTH}/build-{build}/cbt-aggregated-{MONTH}.csv"));
        let mut reader = csv::Reader::from_path(path).unwrap();
        let row = |row: csv::StringRecord| {
            assert_eq!(&row[0], "Example, Telephony Ltd");
            let key = [1, 2, 3, 4, 5].map(|at| row[at].to_owned());
            let [account, date, band, code, bucket] = key;
            ((account, date, band, code, bucket), row[6].parse().unwrap())
        };
        let rows: Vec<_> = reader.records().map(|record| row(record.unwrap())).collect();
        let many = rows.len();
        let rows: Rows = rows.into_iter().collect();
        assert_eq!(rows.len(), many, "a row is there twice");
        rows
    }
}

const CONFIG: &str = "supplier-name = \"Example, Telephony Ltd\"\n
[participation]\nfile = \"participation.csv\"\ncolumn = \"ODS_Code\"\n
[accounts]\nfile = \"accounts.csv\"\n
[aggregated]\ntemplate = \"template.toml\"\n";

pub const ACCEPTANCE: &str =
    "\n[legacy-pbx-smdr]\nreference = \"a letter of a test\"\ndate = \"2026-09-30\"\nname = \"A Tester\"\n";
