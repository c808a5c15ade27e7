//! A month of every practice: put straight into the store, and built.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::params;
use smdrd::push::parcel::sha256_hex;
use smdrd::supplier::archive::{Archive, Arrival};
use tokio_postgres::types::{ToSql, Type};

use crate::documents::{Day, ods};
use crate::process;

pub const MONTH: &str = "2026-10";

fn arrival(day: &Day, nth: usize) -> Arrival {
    let body = day.of(nth);
    let sha256 = sha256_hex(&body);
    let device = format!("smdrd-{}", ods(nth));
    Arrival {
        ods: ods(nth),
        site: "main".to_owned(),
        date: day.date,
        revision: 1,
        receipt_id: sha256[..32].to_owned(),
        sha256,
        body,
        schema: smdrd::aggregate::document::SCHEMA.to_owned(),
        device,
        received_at: Timestamp::UNIX_EPOCH,
    }
}

/// Puts days of every practice into a SQLite file, as the receiver would have.
pub fn fill_file(store: &str, days: &[Day], practices: usize) {
    drop(Archive::open(Path::new(store)).expect("the store opens"));
    let mut connection = rusqlite::Connection::open(store).expect("it is there");
    for day in days {
        let transaction = connection.transaction().expect("it can be written to");
        for nth in 0..practices {
            let one = arrival(day, nth);
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO day_revision
                     (ods, site, date, revision, sha256, body, schema, device, receipt_id, received_at, warnings)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, '[]')",
                )
                .expect("the table is there");
            let (date, at) = (one.date.to_string(), one.received_at.to_string());
            insert
                .execute(params![
                    one.ods,
                    one.site,
                    date,
                    1,
                    one.sha256,
                    one.body,
                    one.schema,
                    one.device,
                    one.receipt_id,
                    at
                ])
                .expect("it is kept");
        }
        transaction.commit().expect("it is kept");
    }
}

/// The same into a PostgreSQL database. The first document goes the receiver's way, which makes the month's partition.
pub fn fill_server(store: &str, days: &[Day], practices: usize) {
    let archive = Archive::open(Path::new(store)).expect("the store opens");
    let Some(first) = days.first() else { return };
    archive.keep(&arrival(first, 0), |_| Vec::new()).expect("it is kept");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(store, tokio_postgres::NoTls).await.expect("a server");
        tokio::spawn(connection);
        for day in days {
            let columns = "ods, site, date, revision, sha256, device, receipt_id, received_at, schema, warnings, body";
            let sink = client.copy_in(&format!("COPY day_revision ({columns}) FROM STDIN BINARY")).await;
            let text = Type::TEXT;
            let types = [
                text.clone(),
                text.clone(),
                Type::DATE,
                Type::INT8,
                text.clone(),
                text.clone(),
                text.clone(),
                Type::TIMESTAMPTZ,
                text.clone(),
                text,
                Type::BYTEA,
            ];
            let sink = sink.expect("the table is there");
            let mut copy = pin!(tokio_postgres::binary_copy::BinaryCopyInWriter::new(sink, &types));
            for nth in 0..practices {
                if day.date == first.date && nth == 0 {
                    continue;
                }
                let one = arrival(day, nth);
                let row: [&(dyn ToSql + Sync); 11] = [
                    &one.ods,
                    &one.site,
                    &one.date,
                    &1_i64,
                    &one.sha256,
                    &one.device,
                    &one.receipt_id,
                    &one.received_at,
                    &one.schema,
                    &"[]",
                    &one.body,
                ];
                copy.as_mut().write(&row).await.expect("it is kept");
            }
            copy.finish().await.expect("it is kept");
        }
        // As the server itself does when it finds the time.
        client.batch_execute("ANALYZE day_revision").await.expect("it can be looked at");
    });
}

/// The operator's files, beside which builds go.
pub fn desk(folder: &Path, practices: usize) -> PathBuf {
    let desk = folder.join("desk");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/feed/templates");
    std::fs::create_dir_all(&desk).expect("the folder can be written to");
    for name in ["aggregated.toml", "aggregated-sample.csv"] {
        std::fs::copy(shipped.join(name), desk.join(name)).expect("it is shipped");
    }
    let rows = |row: &dyn Fn(usize, String) -> String| (0..practices).map(|nth| row(nth, ods(nth))).collect::<String>();
    let write = |name: &str, text: String| std::fs::write(desk.join(name), text).expect("it can be written");
    write("accounts.csv", format!("Account_Number,ODS_Code\n{}", rows(&|nth, ods| format!("{nth:06},{ods}\n"))));
    write("participation.csv", format!("ODS_Code\n{}", rows(&|_, ods| format!("{ods}\n"))));
    let config = "supplier-name = \"Example Telephony Ltd\"\n[participation]\nfile = \"participation.csv\"\n\
                  column = \"ODS_Code\"\n[accounts]\nfile = \"accounts.csv\"\n[aggregated]\ntemplate = \"aggregated.toml\"\n";
    write("feed.toml", config.to_owned());
    desk
}

/// What a build took.
pub struct Built {
    pub wall: Duration,
    pub processor: f64,
    pub memory: f64,
    /// The aggregated file.
    pub file: PathBuf,
}

/// Builds the month, as a rehearsal; every practice must be in it.
pub fn build(store: &str, desk: &Path, out: &str, practices: usize) -> Built {
    let out = desk.join(out);
    let clock = format!("2026-11-03T09:00:00Z@{}@1", Timestamp::now());
    let mut command = Command::new(process::smdr_feed());
    command.args(["build", "--rehearsal", "--json", "--month", MONTH, "--store", store, "--clock", &clock]);
    command.arg("--config").arg(desk.join("feed.toml")).arg("--out").arg(&out);
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let (mut processor, mut memory) = (0.0, 0.0);
    let mut stdout = child.stdout.take().expect("it was piped");
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut text).map(|_| text).unwrap_or_default()
    });
    let ended = loop {
        // What Linux tells of a process goes with it.
        (processor, memory) =
            (process::processor(child.id()).max(processor), process::peak_memory(child.id()).max(memory));
        match child.try_wait().expect("it is ours") {
            Some(ended) => break ended,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let wall = began.elapsed();
    let said = said.join().unwrap_or_default();
    let submission: serde_json::Value = serde_json::from_str(&said).expect("the submission record");
    let included = submission["submission"]["included"].as_array().map_or(0, Vec::len);
    assert!(ended.success() && included == practices, "{ended}: {included} of {practices} practices");
    let file = out.join(format!("{MONTH}/rehearsal-1/REHEARSAL-cbt-aggregated-{MONTH}.csv"));
    Built { wall, processor, memory, file }
}
