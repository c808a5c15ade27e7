//! What the disk and SQLite allow: the rows that the daemon wrote, written again by a loop that does nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Lines in one transaction.
const BATCH: usize = 1_000;

/// The tables that a line leads to, each with what orders its rows by line.
const TABLES: [(&str, &str); 3] = [("line", "seq"), ("number", "seq"), ("call", "seq")];

/// Reads lines, numbers and calls from `from` and writes them to a new database of the same schema with the same
/// pragmas, in order, [`BATCH`] lines to a transaction; answers with how long the writing took and the processor's seconds in it. A call is written once,
/// as it stands at the end, with its first line; the daemon writes it with every leg.
pub fn again(from: &Path, disk: &Path) -> (Duration, f64) {
    let source = Connection::open(from).expect("the daemon's database can be read");
    let tables = TABLES.map(|(table, order)| {
        let sql = format!("SELECT {order}, * FROM {table} ORDER BY {order}");
        let mut query = source.prepare(&sql).expect("the table is there");
        let columns = query.column_count() - 1;
        let mut rows: Vec<(i64, Vec<Value>)> = Vec::new();
        let mut found = query.query([]).expect("it can be read");
        while let Some(row) = found.next().expect("it can be read") {
            let values = (0..columns).map(|column| row.get(column + 1).expect("any value"));
            rows.push((row.get(0).expect("a number"), values.collect()));
        }
        let marks = vec!["?"; columns].join(", ");
        (format!("INSERT INTO {table} VALUES ({marks})"), rows)
    });
    let place = tempfile::tempdir_in(disk).expect("the disk can be written to");
    let mut bare = Connection::open(place.path().join("bare.db")).expect("a new database");
    for (pragma, value) in [
        ("auto_vacuum", "2"),
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("secure_delete", "1"),
        ("wal_autocheckpoint", "4000"),
    ] {
        bare.pragma_update(None, pragma, value).expect("it takes the pragma");
    }
    let mut schema = source
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'")
        .expect("a schema");
    let mut found = schema.query([]).expect("a schema");
    while let Some(row) = found.next().expect("a schema") {
        bare.execute_batch(&row.get::<_, String>(0).expect("a statement")).expect("the same schema");
    }
    let last = tables[0].1.len();
    let mut next = [0; 3];
    let (began, used) = (Instant::now(), crate::processor(std::process::id()));
    for first in (0..last).step_by(BATCH) {
        let until = (first + BATCH) as i64;
        let work = bare.transaction().expect("a transaction");
        for ((insert, rows), next) in tables.iter().zip(&mut next) {
            let mut insert = work.prepare_cached(insert).expect("a statement");
            while let Some((seq, values)) = rows.get(*next).filter(|(seq, _)| *seq <= until) {
                debug_assert!(*seq > first as i64);
                insert.execute(params_from_iter(values)).expect("a row");
                *next += 1;
            }
        }
        work.commit().expect("a commit");
    }
    let took = (began.elapsed(), crate::processor(std::process::id()) - used);
    assert_eq!(next, [0, 1, 2].map(|table| tables[table].1.len()), "every row was written");
    took
}
