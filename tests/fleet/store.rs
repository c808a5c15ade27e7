//! A store in a folder of its own, filled as the receiver fills it.

use std::path::PathBuf;
use std::process::Command;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use smdrd::push::parcel::sha256_hex;
use smdrd::supplier::archive::{Archive, Arrival, Heard};

use super::day::full_day;

/// A day of November 2026.
pub fn day(day: i8) -> Date {
    date(2026, 11, day)
}

pub struct Store {
    pub folder: tempfile::TempDir,
    archive: Archive,
}

impl Store {
    pub fn new() -> Store {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("store.db")).unwrap();
        Store { folder, archive }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// Keeps a day of the example that nothing is wrong with, changed; it came in the night after it.
    pub fn keep(&self, ods: &str, site: &str, day: Date, change: impl FnOnce(&mut Value)) {
        let mut document = full_day(day);
        document["sources"][0]["unparsed"] = json!(0);
        document["coverage"]["observed_s"] = json!(86_400);
        change(&mut document);
        let revision = document["revision"].as_u64().unwrap() as u32;
        self.arrives(ods, site, day, revision, serde_json::to_vec(&document).unwrap());
    }

    /// Keeps bytes that are no document, as an archive of another time may have.
    pub fn raw(&self, ods: &str, day: &str, body: &[u8]) {
        self.arrives(ods, "main", day.parse().unwrap(), 1, body.to_vec());
    }

    fn arrives(&self, ods: &str, site: &str, day: Date, revision: u32, body: Vec<u8>) {
        let arrival = Arrival {
            ods: ods.to_owned(),
            site: site.to_owned(),
            date: day,
            revision,
            sha256: sha256_hex(&body),
            body,
            schema: "smdrd.day/1".to_owned(),
            device: format!("box-{ods}"),
            received_at: format!("{}T02:00:00Z", day.tomorrow().unwrap()).parse().unwrap(),
            receipt_id: format!("{ods}-{site}-{day}-{revision}"),
        };
        self.archive.keep(&arrival, |_| Vec::new()).unwrap();
    }

    /// Notes a sign of life of a practice's box.
    pub fn heard(&self, ods: &str, at: &str, said: Value) {
        let received_at: Timestamp = at.parse().unwrap();
        let (device, practices) = (format!("box-{ods}"), vec![ods.to_owned()]);
        self.archive.heartbeat(&Heard { device, practices, skew_s: None, received_at, said: Some(said) }).unwrap();
    }

    /// Notes a box that was enrolled, or turned away since.
    pub fn enrolled(&self, device: &str, ods: &str, at: &str, revoked: Option<&str>) {
        let database = rusqlite::Connection::open(self.path()).unwrap();
        let row = rusqlite::params![device, ods, at, revoked];
        database.execute("INSERT INTO device VALUES (?1, ?2, NULL, ?3, ?4)", row).unwrap();
    }

    /// Exit code, output and errors of the verb at a time.
    pub fn fleet(&self, now: &str, more: &[&str]) -> (i32, String, String) {
        self.fleet_of("store.db", now, more)
    }

    pub fn fleet_of(&self, store: &str, now: &str, more: &[&str]) -> (i32, String, String) {
        let clock = format!("{now}@{}@1", Timestamp::now());
        let output = Command::new(env!("CARGO_BIN_EXE_smdr-feed"))
            .args(["fleet", "--clock", &clock, "--store"])
            .arg(self.folder.path().join(store))
            .args(more)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    pub fn json(&self, now: &str, more: &[&str]) -> (i32, Value) {
        let (code, out, error) = self.fleet(now, &[&["--json"], more].concat());
        (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}")))
    }
}
