//! `smdrd learn`: a capture of a format becomes a dialect file that works, on a terminal and by a file of answers.

#[path = "learn/terminal.rs"]
mod terminal;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use smdrd::simulator::serial::SerialPort;
use terminal::Terminal;

const SMDRD: &str = env!("CARGO_BIN_EXE_smdrd");

fn capture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(path)
}

fn run(arguments: &[&str]) -> (bool, String, String) {
    let out = Command::new(SMDRD).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.success(), text(out.stdout), text(out.stderr))
}

fn records(dialect: &str, dialects: &str, file: &Path) -> Vec<Value> {
    let order: &[&str] = if dialect == "lg-ipecs" { &["--set", "date_order=MDY"] } else { &[] };
    let (well, out, err) =
        run(&[&["parse", "--dialect", dialect, "--dialects", dialects, "--json", file.to_str().unwrap()], order]
            .concat());
    assert!(well, "{err}");
    let objects = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    objects.filter(|object| object.get("ignored").is_none() && object.get("unparsed").is_none()).collect()
}

/// Waits until the serial line is set, after which nothing that comes is dropped: the last setting is to mark errors.
fn until_it_listens(device: &str) {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::termios::{InputModes, tcgetattr};
    let line = open(device, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(240);
    while !tcgetattr(&line).unwrap().input_modes.contains(InputModes::PARMRK) {
        assert!(std::time::Instant::now() < patience, "nobody listens");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The issue's own proof: a PBX on a serial line, an installer at a terminal, and no dialect file that is looked at.
#[test]
fn an_installer_learns_a_fixed_column_format_from_a_serial_line() {
    let file = capture("siemens-hipath4000/siemens-hicom-250.smdr");
    let sent = std::fs::read_to_string(&file).unwrap();
    let lines = sent.lines().filter(|line| !line.trim().is_empty()).count();
    let home = tempfile::tempdir().unwrap();
    let dialects = home.path().join("dialects").to_str().unwrap().to_owned();

    let mut pbx = SerialPort::open().unwrap();
    let device = pbx.path().to_str().unwrap().to_owned();
    let mut command = Command::new(SMDRD);
    command.args(["learn", &device, "--lines", &lines.to_string(), "--seconds", "500", "--dialects", &dialects]);
    let mut terminal = Terminal::run(command);
    until_it_listens(&device);
    assert!(pbx.print(&sent, &std::sync::atomic::AtomicBool::new(false)));

    for (prompt, answer) in [
        ("learn> ", "6 split 50"),
        ("learn> ", "check"),
        ("learn> ", "6 join"),
        ("learn> ", "3 type trunc"),
        ("learn> ", "4 name office"),
        ("learn> ", "done"),
        ("calls (inbound | outbound | unknown)> ", "outwards"),
        ("calls (inbound | outbound | unknown)> ", "outbound"),
        ("zero (unanswered | unknown)> ", "unknown"),
        ("id> ", "site-hicom"),
        ("name> ", "The surgery's Hicom"),
        ("write> ", "yes"),
    ] {
        terminal.answer(prompt, answer);
    }
    let (well, transcript) = terminal.end();
    assert!(well, "{transcript}");

    let transcript = transcript.replace(&dialects, "DIALECTS").replace("\r\n", "\n");
    for number in ["395348", "415053", "82340717814"] {
        assert!(
            sent.contains(number) && !transcript.contains(&number[number.len() - 4..]),
            "a number is on the terminal"
        );
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/learn/hicom-250.transcript");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &transcript).unwrap();
    }
    assert_eq!(transcript, std::fs::read_to_string(&golden).unwrap(), "UPDATE=1 writes it anew");

    let ours = records("site-hicom", &dialects, &file);
    assert_eq!(ours, records("siemens-hipath4000", &dialects, &file), "what the shipped dialect reads");
    assert_eq!(ours.len(), lines);
    works(&dialects, "site-hicom", home.path());
    the_store_takes_it(&dialects, "site-hicom", home.path(), &sent, lines);
    let text = std::fs::read_to_string(Path::new(&dialects).join("site-hicom.toml")).unwrap();
    nobody_is_in(&text, &sent);
}

/// The file is in the library for every verb, and a configuration may name it.
fn works(dialects: &str, id: &str, home: &Path) {
    let (well, out, _) = run(&["dialects", "test", "--dialects", dialects]);
    assert!(well, "{out}");
    let text = std::fs::read_to_string(Path::new(dialects).join(format!("{id}.toml"))).unwrap();
    let file = home.join("lines.smdr");
    let lines = text.split("lines = '''\n").nth(1).unwrap().split("'''").next().unwrap();
    std::fs::write(&file, lines.repeat(4)).unwrap();
    let (_, out, err) = run(&["detect", file.to_str().unwrap(), "--dialects", dialects, "--json"]);
    assert!(out.contains(&format!("{id:?}")), "{out}{err}");
}

/// A configuration names the dialect, and the daemon's own way into the store reads by it.
fn the_store_takes_it(dialects: &str, id: &str, home: &Path, sent: &str, records: usize) {
    let days_ago = |days: i64| {
        let day = jiff::Zoned::now().date().checked_sub(jiff::Span::new().days(days)).unwrap();
        day.strftime("%d/%m/%y").to_string()
    };
    let config = home.join("smdrd.toml");
    let at = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let text = format!(
        "dialects-dir = {dialects:?}\nstate-dir = {:?}\nruntime-dir = {:?}\n\
         [[practice]]\nods = \"A81001\"\n\
         [[source]]\nname = \"pbx\"\ndialect = {id:?}\n\
         [source.tcp-listen]\naddress = \"127.0.0.1:4711\"\nallow = [\"127.0.0.1\"]\n\
         [numbers]\nown = [\"01632960100-01632960199\"]\naccess-digits = [\"9\"]\n",
        at("state"),
        at("run")
    );
    std::fs::write(&config, text).unwrap();
    std::fs::create_dir(home.join("state")).unwrap();
    std::fs::create_dir(home.join("run")).unwrap();
    let (well, out, err) = run(&["check", "--config", config.to_str().unwrap()]);
    assert!(well, "{out}{err}");
    let file = home.join("recent.smdr");
    let recent = sent.replace("21/12/05", &days_ago(4)).replace("22/12/05", &days_ago(3));
    std::fs::write(&file, recent).unwrap();
    let (well, out, err) =
        run(&["import", "--config", config.to_str().unwrap(), "--dialect", id, file.to_str().unwrap()]);
    assert!(well && out.contains(&format!("{records} records + ")) && out.contains("+ 0 not understood"), "{out}{err}");
}

/// No number of the lines is in the text: no run of five digits or more is one of theirs, but for clocks.
fn nobody_is_in(text: &str, lines: &str) {
    let runs = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() >= 5).map(str::to_owned).collect()
    };
    let theirs = runs(lines);
    for run in runs(text) {
        assert!(!theirs.contains(&run), "{run} is a number of the lines\n{text}");
    }
}

#[test]
fn a_file_of_answers_learns_codes_that_say_the_direction() {
    let file = capture("lg-ipecs/lg-gdk-162.smdr");
    let home = tempfile::tempdir().unwrap();
    let dialects = home.path().to_str().unwrap();
    let answers = home.path().join("answers.txt");
    std::fs::write(
        &answers,
        "# I is in, O is out, the small letters are calls that were passed on\n\
         7 name way\n7 value I = inbound\n7 value O = outbound\n7 value t = transfer\n\
         calls unknown\nzero unanswered\nstamp answer\n1 type counter\n\
         id site-lg\nname LG of the surgery\ncannot callback\n",
    )
    .unwrap();
    let arguments = ["learn", file.to_str().unwrap(), "--dialects", dialects, "--answers", answers.to_str().unwrap()];
    let (well, out, err) = run(&arguments);
    assert!(well, "{out}{err}");
    assert!(out.contains("124 records, 0 lines that are no call") && out.contains("0 not understood"), "{out}");
    let (ours, shipped) = (records("site-lg", dialects, &file), records("lg-ipecs", dialects, &file));
    assert_eq!(ours.len(), shipped.len());
    let told = |records: &[Value], key: &str, value: &str| records.iter().filter(|r| r[key] == value).count();
    assert_eq!(told(&ours, "direction", "outbound"), 68);
    assert_eq!(told(&ours, "direction", "inbound"), 37);
    for (one, other) in ours.iter().zip(&shipped) {
        assert_eq!(one["trunk"], other["trunk"]);
        // The shipped dialect knows that EXT is no station.
        assert!(one["extension"] == other["extension"] || one["extension"] == "EXT", "{one} {other}");
    }
    works(dialects, "site-lg", home.path());

    let (well, _, err) = run(&arguments);
    assert!(!well && err.contains("--force"), "it writes over nothing: {err}");
    let (well, _, err) = run(&[&arguments[..], &["--force"]].concat());
    assert!(well, "{err}");
    let (well, _, err) = run(&[&arguments[..], &["--tell", "id lg-ipecs"]].concat());
    assert!(!well && err.contains("lg-ipecs already (shipped)"), "{err}");
}

/// Part of a number that is called a station would be kept for good.
#[test]
fn a_number_cannot_be_torn_into_columns_that_are_kept() {
    let file = capture("siemens-hipath4000/siemens-hicom-250.smdr");
    let home = tempfile::tempdir().unwrap();
    let dialects = home.path().to_str().unwrap();
    let mut arguments = vec!["learn", file.to_str().unwrap(), "--dialects", dialects];
    for command in ["id x", "name X", "calls outbound", "zero unknown", "6 split 50", "7 type station"] {
        arguments.extend(["--tell", command]);
    }
    let (well, out, err) = run(&arguments);
    assert!(!well && err.contains("column 7 begins or ends within a telephone number on"), "{out}{err}");
    assert!(out.contains("03  00000000000") && !out.contains("7814"), "{out}");
    arguments.extend(["--tell", "6 join"]);
    let (well, _, err) = run(&arguments);
    assert!(well, "{err}");
}

#[test]
fn what_is_not_said_is_asked_and_no_file_is_written() {
    let file = capture("panasonic-kx/panasonic-kx-tda100-a.smdr");
    let home = tempfile::tempdir().unwrap();
    let dialects = home.path().to_str().unwrap();
    let (well, out, err) = run(&["learn", file.to_str().unwrap(), "--dialects", dialects]);
    assert!(!well && err.contains("nothing was written"), "{err}");
    for open in ["1 format DD/MM/YY | MM/DD/YY | YY/MM/DD", "stamp arrival", "zero unanswered", "id …"] {
        assert!(out.contains(open), "{open}: {out}");
    }
    assert_eq!(std::fs::read_dir(dialects).unwrap().count(), 0);
    let (well, out, _) = run(&["learn", file.to_str().unwrap(), "--json"]);
    let proposal: Value = serde_json::from_str(&out).unwrap();
    assert!(well && proposal["columns"][0]["sure"] == "guess", "{proposal}");
    let (well, _, err) = run(&["learn", file.to_str().unwrap(), "--tell", "9 type time"]);
    assert!(!well && err.contains("there is no column 9"), "{err}");
}
