//! The suppliers' kit in `docs/supplier`: its documents are what the program makes and takes, its script passes our receiver, and
//! fails one that does anything else.
#![cfg(feature = "supplier")]

#[path = "receiver/authority.rs"]
mod authority;
#[path = "kit/bent.rs"]
mod bent;
#[path = "kit/faults.rs"]
mod faults;
#[path = "receiver/feed.rs"]
mod feed;
#[path = "kit/golden.rs"]
mod golden;
#[path = "machine/loudly.rs"]
mod loudly;
mod schema;
#[path = "kit/signed.rs"]
mod signed;

use std::path::{Path, PathBuf};
use std::process::Command;

use authority::{Authority, Identity};
use feed::{Feed, TOKEN, private_file};
use loudly::say_loudly;
use serde_json::Value;

fn kit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/supplier").join(name)
}

/// Whether what a supplier needs for the script is here; `packaging/kit-tools` installs it.
fn tools() -> bool {
    let there = |name: &str| Command::new(name).arg("--help").output().is_ok();
    let there = there("python3") && there("openssl");
    if !there {
        say_loudly("the suppliers' kit: python3 or openssl is not here; packaging/kit-tools installs them");
    }
    there
}

/// Runs the script with the first box's token; its exit code and what it says.
fn conform(url: &str, folder: &Path, more: &[&str]) -> (i32, Value) {
    let token = folder.join("token");
    if !token.exists() {
        private_file(&token, TOKEN);
    }
    run(&[&["--url", url, "--token-file", token.to_str().unwrap()], more].concat())
}

/// Runs the script with the kit's test key.
fn conform_signed(url: &str, more: &[&str]) -> (i32, Value) {
    let key = kit("golden/test-key.pem");
    run(&[&["--url", url, "--device-key", key.to_str().unwrap()], more].concat())
}

fn run(arguments: &[&str]) -> (i32, Value) {
    // A script that was run must not leave compiled files beside the sources.
    let output = Command::new("python3").arg("-B").arg(kit("conform")).arg("--json").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said} {complaint}"));
    (output.status.code().unwrap(), report)
}

/// Our receiver, which asks nobody to wait: the script asks more in a minute than a box may.
fn receiver(folder: &Path, identity: Option<&Identity>) -> Feed {
    let command = smdrd::supplier::command();
    let serve = command.find_subcommand("serve").unwrap();
    let limited = serve.get_arguments().any(|argument| argument.get_long() == Some("box-rate"));
    Feed::start_with(folder, identity, if limited { &["--box-rate", "0"] } else { &[] })
}

/// Names of the cases that came out so.
fn cases<'a>(report: &'a Value, result: &str) -> Vec<&'a str> {
    let cases = report["cases"].as_array().unwrap().iter().filter(|case| case["result"] == result);
    cases.map(|case| case["case"].as_str().unwrap()).collect()
}

/// With a bearer token there is no signature to be tried.
const SIGNED: [&str; 3] = ["auth-other-body", "auth-other-day", "auth-old"];

#[test]
fn our_receiver_passes() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let feed = receiver(folder.path(), None);
    let (code, report) = conform(&feed.url(), folder.path(), &[]);
    assert_eq!((cases(&report, "failed"), code), (vec![], 0), "{report:#}");
    assert_eq!(cases(&report, "skipped"), [&["enrol"], &SIGNED[..], &["tls"]].concat());
    assert!(cases(&report, "ok").len() > 60);
    // What the script sent is held, and what was refused is not: the receiver's end holds all of it to the schema.
    assert!(feed.revisions() > 80, "{}", feed.revisions());
}

#[test]
fn our_receiver_passes_over_tls() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let feed = receiver(folder.path(), Some(&authority.identity("localhost")));
    let ca = authority.file.to_str().unwrap();
    let (code, report) = conform(&feed.https(), folder.path(), &["--ca-file", ca]);
    assert_eq!((cases(&report, "failed"), code), (vec![], 0), "{report:#}");
    assert_eq!(cases(&report, "skipped"), [&["enrol"], &SIGNED[..]].concat());

    // A certificate that nobody trusts is found, and http to what is not this machine.
    let (code, report) = conform(&feed.https(), folder.path(), &["--only", "tls"]);
    assert_eq!((cases(&report, "failed"), code), (vec!["tls"], 1), "{report:#}");
    let elsewhere = "http://supplier.invalid:8443";
    let (code, report) = conform(elsewhere, folder.path(), &["--only", "tls"]);
    assert_eq!((cases(&report, "failed"), code), (vec!["tls"], 1), "{report:#}");
}

#[test]
fn a_receiver_that_is_not_there_fails_and_a_wrong_command_line_is_another_matter() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Port 1 needs a right that nobody uses: nothing listens there.
    let (code, report) = conform("http://127.0.0.1:1", folder.path(), &["--only", "first", "--only", "backfill"]);
    assert_eq!((cases(&report, "failed"), code), (vec!["first", "backfill"], 1), "{report:#}");
    let run = |arguments: &[&str]| {
        let output = Command::new("python3").arg("-B").arg(kit("conform")).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    for wrong in [&[][..], &["--url", "http://127.0.0.1:1"], &["--only", "no-such-case", "--list"]] {
        assert_eq!(run(wrong).0, 2, "{wrong:?}");
    }
    let (code, list) = run(&["--list"]);
    assert_eq!(code, 0);
    // One line a case: its name, and why it matters.
    assert!(list.lines().count() > 65 && list.lines().all(|line| line.split_whitespace().count() > 5), "{list}");
}
