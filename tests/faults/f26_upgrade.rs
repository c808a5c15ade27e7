//! F26: databases of earlier versions, and of later ones.

use std::path::Path;
use std::process::Stdio;

use super::evidence::{figures, tries};
use super::promises::assert_kept;
use super::rig::{Rig, SITE, clock};

const AT: &str = "2026-11-20T14:00:00Z";

fn previous() -> Vec<(String, std::path::PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/previous");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "db"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// A box with that database, as it was left.
fn with(file: &Path) -> Rig {
    let source = super::rig::Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&source));
    std::fs::create_dir_all(rig.path("state")).unwrap();
    std::fs::copy(file, rig.path("state/smdrd.db")).unwrap();
    rig
}

/// Everything that a figure rests on.
fn content(db: &rusqlite::Connection) -> Vec<String> {
    let queries = [
        "SELECT source || '/' || seq || hex(text) || coalesce(record, '') || kind || day FROM line ORDER BY 1",
        "SELECT source || '/' || seq || ods || day || kind || arrival_ms || rule || coalesce(talk_s, '') FROM call ORDER BY 1",
        "SELECT ods || site || slot || '/' || metric || '=' || n FROM counter WHERE n <> 0 ORDER BY 1",
        "SELECT source || '/' || day || kind || '=' || n FROM line_count WHERE n <> 0 ORDER BY 1",
        "SELECT ods || day || '/' || revision || sha256 || hex(body) || state FROM outbox ORDER BY 1",
        "SELECT hash FROM audit ORDER BY id LIMIT 3",
    ];
    let rows = |sql: &&str| -> Vec<String> {
        let mut query = db.prepare(sql).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    queries.iter().flat_map(rows).collect()
}

#[test]
fn a_database_of_an_earlier_version_keeps_every_figure() {
    let mut seen = Vec::new();
    for (name, file) in previous() {
        let rig = with(&file);
        let before = content(&rig.db());
        assert!(before.len() > 100, "{name} has too little in it to show anything");
        let daemon = rig.run(&clock(AT, 1));
        assert_eq!(content(&rig.db()), before, "{name}");
        assert_kept(&rig, "", &name);
        daemon.stop();
        let copies = std::fs::read_dir(rig.path("state")).unwrap();
        let copies = copies.filter(|entry| {
            entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with("smdrd.db.before-schema-")
        });
        assert_eq!(copies.count(), 1, "{name}: a copy was made before it was changed");
        seen.push(name);
    }
    figures("F26 upgrade", &seen.join(", "), "every line, call, counter and document as before");
}

#[test]
fn a_migration_that_is_killed_begins_again() {
    let (_, file) = previous().remove(0);
    let rounds = tries(6, 60);
    let before = content(&rusqlite::Connection::open(&file).unwrap());
    for round in 0..rounds {
        let rig = with(&file);
        let mut command = rig.command(&["run"], &clock(AT, 1));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(u64::from(round * 211 % 200)));
        let _ = child.kill();
        let _ = child.wait();
        let daemon = rig.run(&clock(AT, 1));
        assert_eq!(content(&rig.db()), before, "round {round}");
        assert_kept(&rig, "", "after a killed migration");
        daemon.stop();
    }
    figures("F26 killed while migrating", &format!("{rounds} kills within 200 ms of the start"), "0 lost, 0 changed");
}

#[test]
fn an_older_program_refuses_a_newer_database_politely() {
    let (_, file) = previous().remove(0);
    let rig = with(&file);
    rig.db().pragma_update(None, "user_version", 500).unwrap();
    let before = std::fs::read(rig.path("state/smdrd.db")).unwrap();
    let refused = rig.verb(&["run"], &clock(AT, 1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("schema 500") && said.contains("install the newer smdrd"), "{said}");
    assert_eq!(std::fs::read(rig.path("state/smdrd.db")).unwrap(), before, "nothing is changed");
    figures("F26 downgrade", "a database of schema 500", "refused, unchanged");
}
