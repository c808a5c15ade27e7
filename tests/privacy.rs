//! G4: no patient's telephone number is ever at rest on the box, nor in anything sent.
//!
//! The daemon as it is delivered, with a source of every family on real TCP connections and a real pty, a receiver
//! behind a recording proxy, and everything logged that can be logged. It is killed at random moments, in the middle of
//! lines and groups; at the end every file that is left is searched for every number that went in, in every form.

#![cfg(feature = "supplier")]

#[path = "privacy/canary.rs"]
mod canary;
#[path = "privacy/lines.rs"]
mod lines;
#[path = "privacy/stage.rs"]
mod stage;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use canary::CANARIES;
use rustix::process::Signal;
use smdrd::dialect::Library;
use stage::{Chance, Stage};

/// How often the daemon is killed.
const ROUNDS: usize = 6;

#[test]
fn the_search_finds_what_is_there() {
    canary::prove_the_search(tempfile::tempdir().unwrap().path());
    let tails: std::collections::BTreeSet<String> =
        CANARIES.iter().flat_map(|one| canary::parts(one)).filter(|part| part.len() == 6).collect();
    assert_eq!(tails.len(), CANARIES.len(), "two canaries end alike");
}

#[test]
fn no_number_is_at_rest_or_sent_after_the_daemon_was_killed_again_and_again() {
    let seed = std::env::var("SMDRD_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()));
    eprintln!("SMDRD_TEST_SEED={seed}");
    let mut chance = Chance(seed | 1);
    let known: Vec<String> = Library::shipped().ids().map(|id| id.to_string()).collect();
    let mut stage = Stage::set(&known);
    let mut printed = 0;
    for round in 0..ROUNDS {
        let mut daemon = stage.start_daemon();
        let last = round + 1 == ROUNDS;
        let mut streams = stage.streams(&known, printed, stage::RECORDS);
        printed += stage::RECORDS;
        // Bytes as they come: lines cut anywhere.
        let total: usize = streams.iter().map(Vec::len).sum();
        let kill_at = if last { total } else { total / 4 + chance.below(total * 3 / 4) };
        let mut sent = 0;
        while sent < kill_at && streams.iter().any(|stream| !stream.is_empty()) {
            let of = chance.below(streams.len());
            let size = (1 + chance.below(700)).min(streams[of].len()).min(kill_at - sent);
            let chunk: Vec<u8> = streams[of].drain(..size).collect();
            stage.send(of, &chunk);
            sent += size;
            if chance.below(8) == 0 {
                std::thread::sleep(Duration::from_millis(chance.below(30) as u64));
            }
        }
        if last {
            stage.finish(daemon, &known);
            break;
        }
        if round == 2 {
            // While it runs it is asked, and answers without numbers.
            stage.ask(&["status", "--json"]);
        }
        // One end that would leave a core file where core files are allowed.
        let signal = if round == 1 { Signal::ABORT } else { Signal::KILL };
        daemon.signal(signal);
        stage.hang_up();
    }
    let finds = canary::search(&stage.places());
    assert!(
        finds.is_empty(),
        "SMDRD_TEST_SEED={seed}: {} finds, such as {:#?}",
        finds.len(),
        finds.iter().take(20).collect::<Vec<_>>()
    );
    stage.no_core_file();
    stage.was_not_for_nothing(&known);
}

#[test]
fn without_linkage_the_document_says_that_repeat_calls_are_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "state-dir = {:?}\nruntime-dir = {:?}\n[[practice]]\nods = \"A81001\"\nsite = \"main\"\n[privacy]\nlinkage = \"none\"\n",
        at("state"),
        at("run")
    );
    std::fs::write(at("smdrd.toml"), text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_smdrd"))
        .args(["day", "2026-11-20", "--json", "--config", &at("smdrd.toml")])
        .output()
        .unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert!(
        document["cbt"]["absent"]["repeat_calls"].as_str().is_some_and(|why| why.contains("not linked")),
        "{document}"
    );
    assert_eq!(document["totals"]["inbound"]["repeat_calls"], serde_json::Value::Null);
}
