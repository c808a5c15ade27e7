//! `smdrd detect` on serial ports and files.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use super::lines::{Ip, hipath, practice};
use super::rig::{Link, Rig, SITE, clock, wait_for};
use super::uart::{Format, Parity, Pbx};

/// `smdrd detect` with a configuration that is not there.
pub fn command(source: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smdrd"));
    command.args(["detect", source, "--config", "/nonexistent/smdrd.toml", "--dialects", "/nonexistent"]).args(more);
    command.stdin(std::process::Stdio::null());
    command
}

pub fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said)
        .unwrap_or_else(|error| panic!("{error}: {said:?} {}", String::from_utf8_lossy(&output.stderr)))
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn day() -> Vec<String> {
    practice(7).1
}

fn detected(format: Format, pause: Duration) -> Value {
    let pbx = Pbx::start(format, day(), pause);
    let output = command(pbx.path().to_str().unwrap(), &["--json", "--seconds", "300"]).output().unwrap();
    let found = json(&output);
    assert_eq!(output.status.code(), Some(0), "{format:?}: {found:#}");
    let best = &found["candidates"][0];
    assert_eq!((&best["dialect"], &best["confidence"]), (&"siemens-hipath3000".into(), &"high".into()), "{found:#}");
    found["settings"].clone()
}

#[test]
fn every_common_speed_is_found() {
    let speeds = [300, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200];
    let find = |baud| {
        let format = Format { baud, data_bits: 8, parity: Parity::None };
        (baud, detected(format, Duration::from_secs(1)))
    };
    let tries: Vec<_> = speeds.into_iter().map(|baud| std::thread::spawn(move || find(baud))).collect();
    for (baud, settings) in tries.into_iter().map(|tried| tried.join().unwrap()) {
        let wanted = serde_json::json!({"serial.baud": baud, "serial.data-bits": 8, "serial.parity": "none"});
        assert_eq!(settings, wanted);
    }
}

#[test]
fn parity_and_data_bits_are_found() {
    let formats = [
        (9_600, 7, Parity::Even, "even"),
        (1_200, 7, Parity::Even, "even"),
        (9_600, 7, Parity::Odd, "odd"),
        (4_800, 7, Parity::Odd, "odd"),
        (19_200, 7, Parity::Mark, "none"),
    ];
    let find = |(baud, data_bits, parity, name)| {
        let found = detected(Format { baud, data_bits, parity }, Duration::from_secs(1));
        (found, serde_json::json!({"serial.baud": baud, "serial.data-bits": data_bits, "serial.parity": name}))
    };
    let tries: Vec<_> = formats.into_iter().map(|format| std::thread::spawn(move || find(format))).collect();
    for (settings, wanted) in tries.into_iter().map(|tried| tried.join().unwrap()) {
        assert_eq!(settings, wanted);
    }
}

#[test]
fn a_pbx_that_empties_its_buffer_makes_no_pause_and_is_read_all_the_same() {
    let format = Format { baud: 2_400, data_bits: 8, parity: Parity::None };
    assert_eq!(detected(format, Duration::from_millis(20))["serial.baud"], 2_400);
}

#[test]
fn garbage_and_silence_are_named_for_what_they_are() {
    // A speed that is not tried, so that none fits.
    let odd = Format { baud: 31_250, data_bits: 8, parity: Parity::None };
    let pbx = Pbx::start(odd, day(), Duration::from_secs(1));
    let garbage = command(pbx.path().to_str().unwrap(), &["--seconds", "15"]).output().unwrap();
    assert_eq!(garbage.status.code(), Some(1));
    assert!(text(&garbage).contains("at 9600 baud it is no text"), "{}", text(&garbage));
    assert!(!text(&garbage).contains("dialect ="), "{}", text(&garbage));
    let silent = smdrd::simulator::serial::SerialPort::open().unwrap();
    let nothing = command(silent.path().to_str().unwrap(), &["--seconds", "1"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    insta::assert_snapshot!("silent-port", text(&nothing).replace(silent.path().to_str().unwrap(), "/dev/ttyUSB0"));
}

#[test]
fn a_port_that_the_daemon_reads_is_left_to_it() {
    let pbx = super::rig::Pbx::serial("reception", "siemens-hipath3000");
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let daemon = rig.run(&clock("2026-11-20T10:00:00Z", 1));
    let Link::Serial(port) = &pbx.link else { unreachable!() };
    let path = port.path().to_str().unwrap().to_owned();
    wait_for("the lock", || {
        let locks = std::fs::read_dir(rig.path("run")).unwrap();
        locks.flatten().any(|file| file.file_name().to_string_lossy().starts_with("serial-")).then_some(())
    });
    let detect = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdrd"));
        command.args(["detect", &path, "--seconds", "1", "--dialects", "/nonexistent", "--config"]);
        command.arg(rig.write_config()).output().unwrap()
    };
    let refused = detect();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("the running smdrd reads it") && said.contains("smdrd tap"), "{said}");
    daemon.stop();
    let tried = detect();
    assert!(text(&tried).contains("nothing came"), "{tried:?}");
}

fn of_file(name: &str, lines: &[String], more: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, lines.join("\r\n") + "\r\n").unwrap();
    let output = command(path.to_str().unwrap(), more).output().unwrap();
    let said = text(&output).replace(path.to_str().unwrap(), name);
    (output, said)
}

#[test]
fn two_records_are_not_enough() {
    let lines = [
        hipath("20.11.2609:30:00", 1, 201, "00:05", "00:01:00", "07700900123", 1),
        hipath("20.11.2609:31:10", 2, 202, "00:07", "00:00:30", "07700900124", 1),
    ];
    let (output, said) = of_file("two.txt", &lines, &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    insta::assert_snapshot!("two-records", said);
    let found = json(&of_file("two.txt", &lines, &["--json"]).0);
    let mut shown = found.clone();
    shown["source"] = "two.txt".into();
    insta::assert_snapshot!("two-records-json", format!("{shown:#}"));
    assert_eq!((&found["enough"], &found["candidates"][0]["confidence"]), (&false.into(), &"fair".into()), "{found:#}");
}

#[test]
fn a_file_is_told_by_its_lines() {
    let lines: Vec<String> = (0..5).map(|no| Ip { id: 1_000_001 + no, ..Ip::default() }.line()).collect();
    let (output, said) = of_file("ipoffice.csv", &lines, &[]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    insta::assert_snapshot!("ip-office-file", said);
}

#[test]
fn the_order_of_a_date_is_told_by_days_that_cannot_be_and_what_the_format_cannot_show_is_said() {
    let line = |month: u8, day: u8, second: u8| {
        format!(
            "{month:02}/{day:02}/27 09:{second:02}     301 08 <I>01632960902            0'37 00:00'00            NA "
        )
    };
    let days = [(2, 11), (2, 12), (2, 13), (2, 14)];
    let lines: Vec<String> = (1..).zip(days).map(|(second, (month, day))| line(month, day, second)).collect();
    let (_, said) = of_file("panasonic.txt", &lines, &[]);
    insta::assert_snapshot!("date-order", said);
    let (_, open) = of_file("panasonic.txt", &lines[..1], &["--json"]);
    let found: serde_json::Value = serde_json::from_str(&open).unwrap();
    let best = &found["candidates"][0];
    assert_eq!(
        best["decided"].get("date_order"),
        None,
        "one day of 11 February or 2 November decides nothing: {best:#}"
    );
    assert!(best["undecided"].get("date_order").is_some(), "{best:#}");
}
