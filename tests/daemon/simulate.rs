//! `smdrd simulate` against the daemon, over TCP both ways and over a serial line, and against `smdrd parse`.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::promises::assert_identities;
use super::rig::{ROLES, Rig, SITE, clock, free_port, wait_for};

const DATE: &str = "2026-11-20";
/// The evening of the day that is played.
const EVENING: &str = "2026-11-20T23:00:00Z";

fn simulate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smdrd"));
    command.args(["simulate", "--dialects", "/nowhere"]).args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    simulate(arguments).output().unwrap()
}

/// A simulator that stays until the other end goes.
struct Simulator(Child);

impl Simulator {
    /// Starts it and gives what it says of where it is.
    fn start(arguments: &[&str]) -> (Simulator, String) {
        let child = simulate(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut simulator = Simulator(child);
        let mut said = BufReader::new(simulator.0.stderr.take().unwrap()).lines();
        let place = said.nth(1).unwrap().unwrap();
        // Read on, so that it never waits for a reader.
        std::thread::spawn(move || said.count());
        (simulator, place)
    }

    /// What it printed, when it has ended by itself or was told to.
    fn result(mut self, told: bool) -> Value {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if told {
            kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        }
        let status = wait_for("the simulator's end", || self.0.try_wait().unwrap());
        assert!(status.success(), "{status}");
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The figures that the daemon has of the day are those of what happened.
#[track_caller]
fn assert_counted(rig: &Rig, played: &Value) {
    let status = rig.status();
    assert_identities(&status);
    assert_eq!(status["lines"]["unparsed"], 0, "{status:#}");
    assert_eq!(played["sent"], played["lines"]);
    let (code, day) = rig.json(&["day", DATE], "");
    assert_eq!(code, 0, "{day:#}");
    let (inbound, truth) = (&day["totals"]["inbound"], &played["truth"]["totals"]);
    for figure in ["calls", "answered", "ivr_ended", "missed", "missed_voicemail", "repeat_calls"] {
        assert_eq!(inbound[figure], truth[figure], "{figure}: {truth:#}");
    }
    for (counts, sum) in [
        ("answered_wait", "answered_wait_sum_s"),
        ("answered_talk", "answered_talk_sum_s"),
        ("missed_wait", "missed_wait_sum_s"),
    ] {
        assert_eq!(inbound[counts], truth[counts]["counts"], "{counts}");
        assert_eq!(inbound[sum], truth[counts]["sum_s"], "{sum}");
    }
    assert_eq!(day["totals"]["outbound"]["calls"], truth["outbound"]);
    assert!(truth["calls"].as_u64().unwrap() > 20, "{truth:#}");
}

#[test]
fn an_ip_office_that_calls_the_box_is_counted_right() {
    let port = free_port();
    let mut rig = Rig::new(&format!("{SITE}{ROLES}"), &[]);
    rig.site += &format!(
        "[[source]]\nname = \"reception\"\ndialect = \"avaya-ipoffice\"\n[source.tcp-listen]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n"
    );
    let daemon = rig.run(&clock(EVENING, 1));
    let truth = rig.path("truth.json");
    let to = format!("127.0.0.1:{port}");
    let output = run(&[
        "--dialect",
        "avaya-ipoffice",
        "--connect",
        &to,
        "--date",
        DATE,
        "--calls",
        "120",
        "--seed",
        "9",
        "--rate",
        "2000/s",
        "--json",
        "--truth",
        truth.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let played: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(played["calls"], 120);
    rig.wait_for_lines(played["lines"].as_u64().unwrap() as usize);
    assert_counted(&rig, &played);
    let written = std::fs::read_to_string(truth).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), played["truth"]);
    for number in ["7700900", "7946", "1632960"] {
        assert!(!written.contains(number), "the truth holds no number");
    }
    daemon.stop();
}

#[test]
fn a_hipath_on_a_serial_line_is_counted_right() {
    let mut rig = Rig::new(&format!("{SITE}{ROLES}"), &[]);
    let line = rig.path("pbx");
    let (simulator, place) = Simulator::start(&[
        "--dialect",
        "siemens-hipath3000",
        "--pty",
        line.to_str().unwrap(),
        "--date",
        DATE,
        "--rate",
        "2000",
        "--json",
    ]);
    assert!(place.contains("/dev/pts/"), "{place}");
    rig.site += &format!(
        "[[source]]\nname = \"surgery\"\ndialect = \"siemens-hipath3000\"\n[source.serial]\npath = \"{}\"\nbaud = 9600\n",
        line.display()
    );
    let daemon = rig.run(&clock(EVENING, 1));
    // One line for each line, and one for each offer, which is a line too.
    let lines = run(&["--dialect", "siemens-hipath3000", "--date", DATE, "--count"]).stdout;
    let lines: usize = String::from_utf8_lossy(&lines).trim().parse().unwrap();
    assert!(lines > 200, "{lines} lines");
    rig.wait_for_lines(lines);
    let played = simulator.result(true);
    assert_eq!(played["lines"], lines);
    assert!(!line.exists(), "the link goes with the line");
    assert_counted(&rig, &played);
    daemon.stop();
}

#[test]
fn a_panasonic_lets_the_box_in_and_is_counted_right() {
    let (simulator, place) = Simulator::start(&[
        "--dialect",
        "panasonic-kx",
        "--listen",
        "127.0.0.1:0",
        "--password",
        "sesame",
        "--date",
        DATE,
        "--rate",
        "2000",
        "--json",
    ]);
    let address = place.strip_prefix("listening on ").unwrap().split(',').next().unwrap();
    let port = address.rsplit(':').next().unwrap();
    let mut rig =
        Rig::new(&format!("{SITE}[roles.stations]\n\"301\" = \"hunt-group\"\n\"500\" = \"voicemail\"\n"), &[]);
    super::rig::private_file(&rig.path("pbx-password"), "sesame\n");
    rig.site += &format!(
        "[[source]]\nname = \"annexe\"\ndialect = \"panasonic-kx\"\n[source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {port}\npassword-file = \"{}\"\n",
        rig.path("pbx-password").display()
    );
    let daemon = rig.run(&clock(EVENING, 1));
    let calls = wait_for("the day's calls", || {
        let (_, day) = rig.json(&["day", DATE], "");
        let lines = run(&["--dialect", "panasonic-kx", "--date", DATE, "--count"]).stdout;
        let lines: u64 = String::from_utf8_lossy(&lines).trim().parse().unwrap();
        let source = &day["sources"][0];
        let logs = 14;
        (source["records"].as_u64()? + logs >= lines).then_some(source["records"].as_u64()?)
    });
    assert!(calls > 200, "{calls} records");
    daemon.stop();
    // The box has gone, and so does the PBX.
    let played = simulator.result(false);
    let _daemon = rig.run(&clock(EVENING, 1));
    assert_counted(&rig, &played);
}

#[test]
fn every_other_dialect_plays_its_examples_and_parse_understands_them() {
    let date = "2026-11-20";
    for dialect in ["mitel-3300", "mitel-5000", "nortel-bcm", "nortel-meridian"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap().to_string();
        let collector = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let output = run(&["--dialect", dialect, "--connect", &to, "--date", date, "--rate", "5000", "--json"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{dialect}: {said}");
        assert!(said.contains("of the") && said.contains(&format!("calling {to}")), "{said}");
        let played: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&played["truth"], &played["calls"]), (&Value::Null, &Value::Null), "what happened is not known");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lines");
        std::fs::write(&file, collector.join().unwrap()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdrd"));
        let parsed = command.args(["parse", "--json", "--dialect", dialect]).arg(&file).output().unwrap();
        let parsed = String::from_utf8_lossy(&parsed.stdout).into_owned();
        let records: Vec<Value> = parsed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let stamps = records.iter().flat_map(|record| ["start", "connected", "end"].map(|key| record[key].as_str()));
        let stamps: Vec<&str> = stamps.flatten().collect();
        assert!(!stamps.is_empty() && stamps.iter().all(|stamp| stamp.starts_with(date)), "{dialect}: {stamps:?}");
        assert!(records.iter().all(|record| record.get("unparsed").is_none()), "{dialect}: {parsed}");
        for number in records.iter().flat_map(|record| ["cli", "dialled"].map(|key| record[key].as_str())).flatten() {
            let digits: String = number.chars().filter(char::is_ascii_digit).collect();
            let drama = ["1632960", "2960", "7946", "7700900"].iter().any(|kept| digits.contains(kept));
            assert!(digits.len() < 7 || drama, "{dialect}: {digits} is nobody's to use");
        }
    }
}

#[test]
fn what_cannot_be_played_is_said() {
    let said = |arguments: &[&str]| {
        let output = run(arguments);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, why) = said(&["--dialect", "avaya-ipoffice"]);
    assert!(code == 2 && why.contains("--listen"), "{why}");
    let (code, why) = said(&["--dialect", "nosuch", "--count"]);
    assert!(code == 2 && why.contains("there is no dialect"), "{why}");
    let (code, why) = said(&["--dialect", "nortel-bcm", "--count", "--truth", "/dev/null"]);
    assert!(code == 1 && why.contains("not what happened"), "{why}");
    let (code, why) = said(&["--dialect", "panasonic-kx", "--count", "--set", "date_order=XYZ"]);
    assert!(code == 2 && why.contains("date_order"), "{why}");
    let (code, why) = said(&["--dialect", "avaya-ipoffice", "--device", "/nowhere/tty"]);
    assert!(code == 1 && why.contains("/nowhere/tty"), "{why}");
    let output = run(&["--dialect", "avaya-ipoffice", "--count", "--json", "--calls", "7"]);
    let counted: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&counted["calls"], &counted["sent"]), (&json!(7), &json!(0)));
}
