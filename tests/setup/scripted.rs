//! Every answer by flag.

use std::os::unix::fs::PermissionsExt as _;

use super::authority::Authority;
use super::feed::{Feed, TOKEN, private_file};
use super::place::{Place, Printing, assert_private, free_port, wait_for};

/// The practice's answers.
pub const SITE: [&str; 10] =
    ["--ods", "A81001", "--own", "01632960100-01632960199", "--access-digits", "9", "--callback", "no", "--menu", "no"];

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_pbx_that_waits_for_us_is_found_and_the_daemon_runs_on_what_was_written() {
    let place = Place::new();
    let authority = Authority::new(place.dir.path(), "authority");
    let identity = authority.identity("localhost");
    std::fs::create_dir(place.path("supplier")).unwrap();
    let feed = Feed::start(&place.path("supplier"), Some(&identity));
    private_file(&place.path("token"), &format!("{TOKEN}\n"));
    let pbx = Printing::listening();
    let connect = format!("127.0.0.1:{}", pbx.port);
    let (url, token) = (feed.https(), place.path("token").display().to_string());
    let ca_file = authority.file.display().to_string();
    let mut flags = vec!["--connect", &connect, "--acceptance", "120", "--detect-seconds", "120"];
    flags.extend(SITE);
    flags.extend(["--hunt-group", "300", "--voicemail", "399", "--tie", "T9009", "--device", "smdrd-riverside"]);
    flags.extend(["--supplier", &url, "--token-file", &token, "--ca-file", &ca_file, "--credential", "plain"]);
    let (code, text) = place.run(&flags);
    assert_eq!(code, Some(0), "{text}");
    for expected in [
        "for certain (avaya-ipoffice",
        "  not answered: seen, with all there is to see",
        "  answered: seen, with all there is to see",
        "  transferred: seen, with all there is to see",
        "The supplier knows this box and the practice; of the last 45 days it holds 0 days",
        "on trunk T9161 at station 4324, not answered, rang 9 s",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    assert_private(&text);

    let config = place.text("etc/smdrd/smdrd.toml");
    assert_private(&config);
    for expected in
        ["ods = \"A81001\"", "port = ", "\"300\" = \"hunt-group\"", "\"T9009\" = \"tie\"", "smdrd-riverside"]
    {
        assert!(config.contains(expected), "{expected:?} in {config}");
    }
    assert!(!config.contains("token-file") && !config.contains(TOKEN), "the drop-in names the token: {config}");
    let (code, said) = place.check();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("good") && !said.contains("warning"), "{said}");

    let credential = place.path("etc/credstore/supplier-token");
    assert_eq!((std::fs::read_to_string(&credential).unwrap().as_str(), mode(&credential)), (TOKEN, 0o600));
    let drop_in = place.text("etc/systemd/system/smdrd.service.d/credential.conf");
    assert!(drop_in.contains("[Service]\nLoadCredential=supplier-token:/etc/credstore/supplier-token\n"), "{drop_in}");

    // Nothing that was heard is anywhere but in what the daemon now stores.
    assert!(!place.path("state").exists());
    let _daemon = place.daemon();
    wait_for("calls", || (place.status()["lines"]["records"].as_u64()? >= 5).then_some(()));
    let status = place.status();
    assert_eq!(status["sources"][0]["name"], "pbx", "{status}");
    assert_eq!(status["lines"]["unparsed"], 0, "{status}");
}

#[test]
fn a_pbx_that_calls_is_let_in_by_its_address() {
    let place = Place::new();
    let port = free_port();
    let _pbx = Printing::connecting(port);
    let listen = format!("127.0.0.1:{port}");
    let mut flags =
        vec!["--listen", &listen, "--acceptance", "120", "--detect-seconds", "120", "--no-supplier", "--json"];
    flags.extend(SITE);
    let output = place.command().args(&flags).stdin(std::process::Stdio::null()).output().unwrap();
    let (text, aside) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{text} {aside}");
    assert_private(&(text.clone() + &aside));
    let done: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((&done["dialect"], &done["well"]), (&"avaya-ipoffice".into(), &true.into()), "{done}");
    let calls = done["test_calls"].as_array().unwrap();
    assert!(calls.len() == 3 && calls.iter().all(|call| call["seen"] == true), "{done}");
    assert!(done.get("supplier").is_none(), "{done}");
    let config = place.text("etc/smdrd/smdrd.toml");
    assert!(config.contains(&format!("address = \"{listen}\"\nallow = [\"127.0.0.1\"]")), "{config}");
    assert!(!place.path("etc/systemd").exists(), "without a supplier there is no credential");
    assert_eq!(place.check().0, Some(0));
    let _daemon = place.daemon();
    wait_for("calls", || (place.status()["lines"]["records"].as_u64()? >= 5).then_some(()));
}

/// A one-time code in the place of a token: the box makes its key, and there is no credential.
#[test]
fn a_code_enrols_the_box_by_what_was_written() {
    let place = Place::new();
    let authority = Authority::new(place.dir.path(), "authority");
    let identity = authority.identity("localhost");
    std::fs::create_dir(place.path("supplier")).unwrap();
    std::fs::create_dir(place.path("state")).unwrap();
    let feed = Feed::start(&place.path("supplier"), Some(&identity));
    let given = std::process::Command::new(env!("CARGO_BIN_EXE_smdr-feed"))
        .args(["enrol", "--ods", "A81001", "--json", "--store"])
        .arg(place.path("supplier/store.db"))
        .output()
        .unwrap();
    let given: serde_json::Value = serde_json::from_slice(&given.stdout).unwrap();
    let (url, ca_file) = (feed.https(), authority.file.display().to_string());
    let code = given["code"].as_str().unwrap();
    let supplier = ["--supplier", url.as_str(), "--ca-file", ca_file.as_str(), "--code", code];
    let (exit, text) = run(&place, &quick(&place), &supplier);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("is enrolled for A81001") && !text.contains(code), "{text}");
    let config = place.text("etc/smdrd/smdrd.toml");
    assert!(config.contains("auth = \"signature\"") && !config.contains("token"), "{config}");
    assert_eq!((place.check().0, mode(&place.path("state/device-key.pem"))), (Some(0), 0o600));
    assert!(!place.path("etc/systemd").exists() && !place.path("etc/credstore").exists());
    // The code is used up: another box is told so, and what to do.
    let other = Place::new();
    std::fs::create_dir(other.path("state")).unwrap();
    let (exit, text) = run(&other, &quick(&other), &supplier);
    assert_eq!(exit, Some(1), "{text}");
    assert!(text.contains("The code was used") && text.contains("sudo smdrd enrol"), "{text}");
}

/// Flags of a set-up that listens to nothing, for what comes after.
pub fn quick(place: &Place) -> Vec<String> {
    let listen = format!("127.0.0.1:{}", free_port());
    let dialects = ["--dialect", "avaya-ipoffice", "--allow", "127.0.0.1", "--acceptance", "skip"];
    let mut flags: Vec<String> = vec!["--listen".to_owned(), listen];
    flags.extend(dialects.iter().chain(&SITE).map(|flag| (*flag).to_owned()));
    let _ = place;
    flags
}

pub fn run(place: &Place, flags: &[String], more: &[&str]) -> (Option<i32>, String) {
    let all: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    place.run(&all)
}

#[test]
fn a_configuration_that_is_there_is_kept() {
    let place = Place::new();
    let flags = quick(&place);
    let config = place.path("etc/smdrd/smdrd.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    // What the package puts there configures nothing, and is no loss; it is kept all the same.
    let packaged = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/smdrd.toml")).unwrap();
    std::fs::write(&config, &packaged).unwrap();
    let (code, text) = run(&place, &flags, &["--no-supplier"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(std::fs::read(place.path("etc/smdrd/smdrd.toml.bak")).unwrap(), packaged);
    let first = place.text("etc/smdrd/smdrd.toml");

    let (code, text) = run(&place, &flags, &["--no-supplier", "--name", "other"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("--force"), "{text}");
    assert_eq!(place.text("etc/smdrd/smdrd.toml"), first);

    let (code, text) = run(&place, &flags, &["--no-supplier", "--name", "other", "--force"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(place.text("etc/smdrd/smdrd.toml.bak2"), first);
    assert!(place.text("etc/smdrd/smdrd.toml").contains("name = \"other\""));
    let left: Vec<_> =
        std::fs::read_dir(config.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

/// A stand-in for `systemd-creds`: the real one would leave its key on this machine. It writes down how it was called.
fn stand_in(place: &Place, script: &str) -> String {
    let folder = place.path("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("systemd-creds");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_token_is_encrypted_where_the_service_manager_can() {
    let place = Place::new();
    let (feed_dir, token) = (place.path("supplier"), place.path("token"));
    std::fs::create_dir(&feed_dir).unwrap();
    let feed = Feed::start(&feed_dir, None);
    private_file(&token, TOKEN);
    let url = feed.url();
    let token = token.display().to_string();
    let supplier = ["--supplier", url.as_str(), "--token-file", token.as_str()];
    let calls = place.path("called");
    let works = format!("echo \"$@\" > '{}'; printf sealed-; tr a-z b-za", calls.display());
    let set_up = |path: &str, more: &[&str]| {
        let mut command = place.command();
        command.args(quick(&place)).args(supplier).args(more).env("PATH", path);
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_private(&text);
        (output.status.code(), text)
    };
    let (code, text) = set_up(&stand_in(&place, &works), &[]);
    assert_eq!(code, Some(0), "{text}");
    let sealed = place.path("etc/credstore.encrypted/supplier-token");
    let content = std::fs::read_to_string(&sealed).unwrap();
    assert!(content.starts_with("sealed-") && !content.contains(TOKEN), "{content}");
    assert_eq!(mode(&sealed), 0o600);
    assert_eq!(place.text("called"), "encrypt --name=supplier-token - -\n");
    let drop_in = place.text("etc/systemd/system/smdrd.service.d/credential.conf");
    let line = "LoadCredentialEncrypted=supplier-token:/etc/credstore.encrypted/supplier-token\n";
    assert!(drop_in.contains(line), "{drop_in}");
    assert!(!place.path("etc/credstore").exists(), "the token lies in clear beside it");

    // One that fails: plain and said so, unless encryption was asked for.
    let fails = stand_in(&place, "echo 'no key here' >&2; exit 1");
    let (code, text) = set_up(&fails, &["--force", "--credential", "encrypted"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("no key here"), "{text}");
    let (code, text) = set_up(&fails, &["--force"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("kept unencrypted, for root only") && text.contains("no key here"), "{text}");
    assert_eq!(mode(&place.path("etc/credstore/supplier-token")), 0o600);
}

#[test]
fn an_older_log_says_what_stations_are_and_nothing_of_it_is_kept() {
    let place = Place::new();
    let zone = jiff::tz::TimeZone::get("Europe/London").unwrap();
    let day = smdrd::simulator::practice_day::practice_day(jiff::civil::date(2026, 11, 20), zone, 3);
    let lines = smdrd::simulator::ipoffice::lines(&day).into_iter().map(|line| line.text + "\r\n").collect::<String>();
    std::fs::write(place.path("old.log"), lines).unwrap();
    let log = place.path("old.log").display().to_string();
    let (code, text) = run(&place, &quick(&place), &["--no-supplier", "--log", &log]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("V9511 is certainly voicemail: "), "{text}");
    assert_private(&text);
    let config = place.text("etc/smdrd/smdrd.toml");
    assert!(config.contains("\"V9511\" = \"voicemail\""), "{config}");
    assert_private(&config);
    // What the installer says goes before.
    let (code, text) =
        run(&place, &quick(&place), &["--no-supplier", "--log", &log, "--voicemail", "V9599", "--force"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(place.text("etc/smdrd/smdrd.toml").contains("\"V9599\" = \"voicemail\""));
    let (code, text) = run(&place, &quick(&place), &["--no-supplier", "--log", "/nowhere", "--force"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--log"), "{text}");
}
