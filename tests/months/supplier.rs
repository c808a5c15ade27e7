//! The supplier's side: the receiver as it is delivered, and the desk at which the month's files are built.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use smdrd::push::parcel::sha256_hex;

use crate::diary::Span;
use crate::practice::{Fate, Practices};
use crate::rig::private_file;
use crate::truth::Cells;

pub const SUPPLIER: &str = "Example, Telephony Ltd";

/// A receiver with its store.
pub struct Supplier {
    place: tempfile::TempDir,
    /// What `--store` says.
    store: String,
    receiver: Child,
    pub url: String,
    span: Span,
}

impl Supplier {
    /// With a store of this name, or in a file of its own; it takes the documents of these practices.
    pub fn new(practices: &Practices, store: Option<String>) -> Supplier {
        let place = tempfile::tempdir().unwrap();
        let store = store.unwrap_or_else(|| place.path().join("feed.db").display().to_string());
        let tokens: String = practices.sites.iter().map(|site| format!("{} {}\n", site.token(), site.ods)).collect();
        private_file(&place.path().join("tokens"), &tokens);
        let span = practices.span.clone();
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", &store, "--clock", &clock(&span)]);
        command.arg("--tokens").arg(place.path().join("tokens"));
        let log = std::fs::File::create(place.path().join("log")).unwrap();
        let mut receiver = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(receiver.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("said {line:?}"));
        let url = format!("http://{address}");
        let supplier = Supplier { place, store, receiver, url, span };
        supplier.lay_out(practices);
        supplier
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The operator's files: lists, map, acceptances, a template that writes every cell, NHS England's acceptance.
    fn lay_out(&self, practices: &Practices) {
        let write = |name: &str, text: &str| std::fs::write(self.path(name), text).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/feed/templates");
        let mapping = std::fs::read_to_string(shipped.join("aggregated.toml")).unwrap();
        let confirmed =
            "\n[confirmed]\nreference = \"a test\"\ndate = \"2026-09-12\"\nname = \"A Tester\"\n\n[columns]";
        let mapping =
            mapping.replacen("\n[columns]", confirmed, 1).replacen("zero-rows = false", "zero-rows = true", 1);
        write("template.toml", &mapping);
        std::fs::copy(shipped.join("aggregated-sample.csv"), self.path("aggregated-sample.csv")).unwrap();
        let rows = practices.sites.iter().map(|site| format!("{},{},{}\n", site.account, site.ods, site.site));
        write("accounts.csv", &format!("Account_Number,ODS_Code,Site\n{}", rows.collect::<String>()));
        let accepted = practices.accounts.iter().filter(|(_, fate)| *fate == Fate::Accepted);
        let rows = accepted.map(|(account, _)| format!("{account},{},the line was dug up\n", self.span.name()));
        write("accept.csv", &format!("Account_Number,Month,Reason\n{}", rows.collect::<String>()));
        self.take_part(practices.sites.iter().map(|site| site.ods.as_str()));
        write(
            "feed.toml",
            &format!(
                "supplier-name = \"{SUPPLIER}\"\n[participation]\nfile = \"participation.csv\"\ncolumn = \"ODS_Code\"\n\
                 [accounts]\nfile = \"accounts.csv\"\n[accepted]\nfile = \"accept.csv\"\n\
                 [aggregated]\ntemplate = \"template.toml\"\n\
                 [legacy-pbx-smdr]\nreference = \"a letter of a test\"\ndate = \"2026-09-30\"\nname = \"A Tester\"\n"
            ),
        );
    }

    /// The participation list.
    pub fn take_part<'a>(&self, practices: impl Iterator<Item = &'a str>) {
        let mut codes: Vec<&str> = practices.collect();
        codes.dedup();
        let rows: String = codes.iter().map(|ods| format!("{ods},yes\n")).collect();
        std::fs::write(self.path("participation.csv"), format!("ODS_Code,Agreed\n{rows}")).unwrap();
    }

    /// Builds the month; gives the exit code and what is said of it.
    pub fn build(&self) -> (i32, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
        command.args(["build", "--json", "--month", &self.span.name(), "--store", &self.store]);
        command.args(["--config", "feed.toml", "--out", "out", "--clock", &clock(&self.span)]);
        let output = command.current_dir(self.place.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), value)
    }

    /// The newest document of each day of a practice, from a store that is a file.
    pub fn documents(&self, ods: &str) -> BTreeMap<String, Value> {
        let database = rusqlite::Connection::open(&self.store).unwrap();
        let mut query =
            database.prepare("SELECT date, body FROM day_revision WHERE ods = ?1 ORDER BY date, revision").unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?));
        let rows = query.query_map([ods], row).unwrap().map(Result::unwrap);
        rows.map(|(date, body)| (date, serde_json::from_slice(&body).unwrap())).collect()
    }

    /// A file of a build.
    pub fn file(&self, build: u32, name: &str) -> Vec<u8> {
        let path = self.path(&format!("out/{}/build-{build}/{name}", self.span.name()));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// What a build wrote, by name: the bytes in hexadecimal digits of their SHA-256.
    pub fn files(&self, build: u32) -> BTreeMap<String, String> {
        let folder = self.path(&format!("out/{}/build-{build}", self.span.name()));
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        files.map(|name| (name.clone(), sha256_hex(&self.file(build, &name)))).collect()
    }

    /// The cells of a build's aggregated file. None is there twice.
    pub fn cells(&self, build: u32) -> Cells {
        let bytes = self.file(build, &format!("cbt-aggregated-{}.csv", self.span.name()));
        let mut cells = Cells::new();
        for row in csv::Reader::from_reader(bytes.as_slice()).records() {
            let row = row.unwrap();
            assert_eq!(&row[0], SUPPLIER);
            let twice = cells.insert([1, 2, 3, 4, 5].map(|at| row[at].to_owned()), row[6].parse().unwrap());
            assert_eq!(twice, None, "{row:?}");
        }
        cells
    }
}

/// The third day of the window.
fn clock(span: &Span) -> String {
    let now = span.at(span.last(), 86_400 * 3 + 36_000);
    format!("{now}@{}@1", jiff::Timestamp::now())
}

impl Drop for Supplier {
    fn drop(&mut self) {
        let _ = self.receiver.kill();
        let _ = self.receiver.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
            eprintln!("the receiver said: {}", log.lines().rev().take(20).collect::<Vec<_>>().join("\n"));
        }
    }
}
