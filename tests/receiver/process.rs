//! Starting, stopping, being killed.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use jiff::civil::date;
use rustix::process::Signal;
use serde_json::json;

use super::day::{full_day, parcel};
use super::{Feed, TOKEN, authority, get, json_of, private_file, receiver, send};

#[tokio::test]
async fn what_was_receipted_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let day = parcel(&full_day(date(2026, 11, 20)));
    let feed = Feed::start(folder.path(), None);
    let first = send(&feed, &day).await;
    assert_eq!(first.status(), 201);
    let first = json_of(first).await;
    feed.signal(Signal::KILL);
    assert!(!feed.ended().success());

    let feed = Feed::start(folder.path(), None);
    let held = get(&feed, "/v1/practices/A81001/sites/main/days/2026-11-20").send().await.unwrap();
    assert_eq!(held.bytes().await.unwrap(), day.body);
    let again = json_of(send(&feed, &day).await).await;
    assert_eq!((&again["replayed"], &again["receipt_id"]), (&json!(true), &first["receipt_id"]));
}

#[tokio::test]
async fn it_stops_when_told_to() {
    let (_folder, feed) = receiver();
    send(&feed, &parcel(&full_day(date(2026, 11, 20)))).await;
    feed.signal(Signal::TERM);
    assert_eq!(feed.ended().code(), Some(0));
}

#[tokio::test]
async fn tokens_are_read_again_without_a_restart() {
    let (folder, feed) = receiver();
    let tokens = folder.path().join("tokens");
    let day = parcel(&full_day(date(2026, 11, 20)));
    let until = async |text: &str| {
        for _ in 0..600 {
            if feed.log().contains(text) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{text:?} never came: {}", feed.log());
    };
    private_file(&tokens, "this line is wrong\n");
    feed.signal(Signal::HUP);
    until("stays in force").await;
    assert_eq!(send(&feed, &day).await.status(), 201);
    private_file(&tokens, "another-token A81001\n");
    feed.signal(Signal::HUP);
    until("read again").await;
    assert_eq!(send(&feed, &day).await.status(), 401);
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_smdr-feed")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_is_configured_wrongly_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (store, tokens) = (path("store.db"), path("tokens"));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--store", &store, "--tokens", &tokens];
    let fails = |more: &[&str], says: &str| {
        let (code, out, err) = run(&[&serve[..], more].concat());
        assert_eq!((code, out.as_str()), (Some(78), ""), "{err}");
        assert!(err.contains(says), "{err}");
        assert!(!err.contains(TOKEN));
    };
    fails(&[], "tokens");
    private_file(std::path::Path::new(&tokens), &format!("{TOKEN} A81001\n"));
    std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o644)).unwrap();
    fails(&[], "chmod 600");
    private_file(std::path::Path::new(&tokens), &format!("{TOKEN} A8100\n"));
    std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o600)).unwrap();
    fails(&[], "line 1");
    private_file(std::path::Path::new(&tokens), &format!("{TOKEN} A81001\n"));
    fails(&["--tls-cert", &path("none"), "--tls-key", &path("none")], "--tls-cert");
    let authority = authority::Authority::new(folder.path(), "authority");
    let (one, other) = (authority.identity("one.example"), authority.identity("other.example"));
    let mixed = ["--tls-cert", one.cert.to_str().unwrap(), "--tls-key", other.key.to_str().unwrap()];
    fails(&mixed, "belong together");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run(&["serve", "--listen", &address, "--store", &store, "--tokens", &tokens]);
    assert_eq!(code, Some(78), "{err}");
    assert!(err.contains(&address), "{err}");
    rusqlite::Connection::open(&store).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    fails(&[], "newer");
}

#[test]
fn the_store_is_for_its_owner_only() {
    let (folder, feed) = receiver();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    drop(feed);
}

#[test]
fn help_shows_what_there_is() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(["serve", "build", "compare", "fleet", "template"].iter().all(|verb| out.contains(verb)), "{out}");

    let (_, out, _) = run(&["serve", "--help"]);
    assert!(out.contains("--tokens") && !out.contains("--clock"), "{out}");
    assert_eq!(run(&["build"]).0, Some(2));
    assert_eq!(run(&[]).0, Some(2));
}

#[tokio::test]
async fn a_scaled_clock_is_told_in_receipt_and_date() {
    let folder = tempfile::tempdir().unwrap();
    private_file(&folder.path().join("tokens"), &format!("{TOKEN} A81001\n"));
    let clock = format!("2027-02-03T00:00:00Z@{}@1", jiff::Timestamp::now());
    let feed = Feed::start_with(folder.path(), None, &["--clock", &clock]);
    let response = send(&feed, &parcel(&full_day(date(2026, 11, 20)))).await;
    let shown = response.headers()["date"].to_str().unwrap().to_owned();
    assert!(shown.starts_with("Wed, 03 Feb 2027 00:"), "{shown}");
    let receipt = json_of(response).await;
    assert!(receipt["received_at"].as_str().unwrap().starts_with("2027-02-03T00:"), "{receipt}");
}

#[test]
fn the_box_carries_nothing_of_the_receiver() {
    let holds = |program: &str, text: &str| {
        let bytes = std::fs::read(program).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    for text in ["urn:smdr-feed:problem:", "day_revision_is_never_changed", "pg_advisory_xact_lock", "PGPASSFILE"] {
        assert!(holds(env!("CARGO_BIN_EXE_smdr-feed"), text), "{text}");
        assert!(!holds(env!("CARGO_BIN_EXE_smdrd"), text), "{text}");
    }
}
