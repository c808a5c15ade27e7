//! Looking at lines while the daemon takes them.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use smdrd::control::looking::{Look, News, look};

use super::lines::Ip;
use super::rig::{Pbx, ROLES, Rig, SITE, clock, wait_for};
use super::terminal::Terminal;

const NOW: &str = "2026-11-20T10:00:00Z";

fn audit(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut query = db.prepare("SELECT who || ': ' || what FROM audit WHERE what LIKE 'tap%' ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn me() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

#[test]
fn lines_are_shown_with_what_became_of_them_and_who_looked_is_kept() {
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(&format!("{SITE}{ROLES}"), std::slice::from_ref(&pbx));
    let daemon = rig.run(&clock(NOW, 1));
    pbx.connect();
    let mut terminal = Terminal::start(&mut rig.command(&["tap", "reception", "--minutes", "7"], ""));
    terminal.shows(&["Why do you look at them?"]);
    terminal.types("records are missing\n");
    terminal.shows(&["lines with PATIENTS' TELEPHONE NUMBERS of reception for 7 min"]);
    let call = Ip::default().line();
    pbx.print(&[call.as_str(), "THIS IS NOT FROM AN IP OFFICE \x1b[2J 01632960999"]);
    let shown = terminal.shows(&["not understood"]);
    assert!(shown.contains(&format!("reception      1 | {call}")), "as it came: {shown}");
    for part in ["= record: start 2026-11-20T09:00:00", "direction inbound", "ring_s 10", "cli (mobile, 11 digits)"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(shown.contains("THIS IS NOT FROM AN IP OFFICE") && !shown.contains('\x1b'), "{shown}");
    terminal.signal(Signal::INT);
    terminal.ended();
    // The daemon finds out by itself that nobody looks any more.
    let kept = wait_for("the end in the audit", || Some(audit(&rig)).filter(|rows| rows.len() == 2));
    let begun = "tap begun: lines as they come of reception for 420 s; reason: records are missing";
    assert_eq!(kept[0], format!("{}: {begun}", me()));
    assert!(kept[1].starts_with(&format!("{}: tap ended after ", me())), "{kept:?}");
    assert!(kept[1].ends_with(" s: 2 lines shown, 0 left out"), "{kept:?}");
    daemon.stop();
    let mut files: Vec<_> = std::fs::read_dir(rig.path("state")).unwrap().map(|file| file.unwrap().path()).collect();
    files.push(rig.path("log"));
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        for number in ["7700900123", "1632960999"] {
            assert!(!bytes.windows(number.len()).any(|part| part == number.as_bytes()), "{}", file.display());
        }
    }
}

#[test]
fn masked_lines_may_go_anywhere_and_others_to_a_terminal_only() {
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(&format!("{SITE}{ROLES}"), std::slice::from_ref(&pbx));
    let without = rig.verb(&["tap", "--masked"], "");
    assert_eq!(without.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&without.stderr).contains("no daemon is running"), "{without:?}");
    let daemon = rig.run(&clock(NOW, 1));
    pbx.connect();
    let refused = rig.verb(&["tap", "--reason", "to keep them"], "");
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--masked"), "{refused:?}");
    assert_eq!(audit(&rig), Vec::<String>::new(), "it was not even asked");
    let mut child = rig.command(&["tap", "--masked", "--json"], "").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let begun: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!(begun["begun"]["sources"], serde_json::json!(["reception"]), "{begun}");
    pbx.print(&[Ip::default().line(), "NOT A RECORD 07700900123".to_owned()]);
    let text = lines.next().unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["line"]["kind"], &line["line"]["record"]["talk_s"]), (&"record".into(), &60.into()), "{line}");
    rig.wait_for_lines(2);
    let stored = rig.db().query_row("SELECT text FROM line WHERE seq = 1", [], |row| row.get::<_, Vec<u8>>(0));
    assert_eq!(line["line"]["text"], String::from_utf8_lossy(&stored.unwrap()).into_owned(), "as it is stored");
    let shape: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!(shape["line"]["kind"], "unparsed", "{shape}");
    assert_eq!(shape["line"]["text"], "AAA A AAAAAA 99999999999", "{shape}");
    assert!(!text.contains("7700900123"), "{text}");
    drop(lines);
    // It has nowhere to write any more, and ends with the next line.
    pbx.print(&[Ip { id: 1_000_002, ..Ip::default() }.line()]);
    assert!(child.wait().unwrap().success());
    wait_for("the end in the audit", || (audit(&rig).len() == 2).then_some(()));
    daemon.stop();
}

#[test]
fn who_does_not_read_holds_nothing_back() {
    const LINES: u32 = 2500;
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(&format!("{SITE}{ROLES}"), std::slice::from_ref(&pbx));
    let daemon = rig.run(&clock(NOW, 1));
    pbx.connect();
    let mut child = rig.command(&["tap", "--masked", "--json"], "").stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut begun = String::new();
    out.read_line(&mut begun).unwrap();
    assert!(begun.contains("begun"), "{begun}");
    for id in 0..LINES {
        assert!(pbx.print(&[Ip { id: 2_000_000 + id, ..Ip::default() }.line()]));
    }
    rig.wait_for_lines(LINES as usize);
    // All are stored while nobody has read. Now somebody does, and is told what is lacking.
    let (mut shown, mut left_out) = (0, 0);
    while shown + left_out < u64::from(LINES) {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        match serde_json::from_str(&line).unwrap() {
            News::Line(_) => shown += 1,
            News::LeftOut(more) => left_out += more,
            News::Begun { .. } => panic!("twice begun"),
        }
    }
    assert_eq!(shown + left_out, u64::from(LINES));
    assert!(left_out > 0, "{shown} lines were shown: too few came to fill what holds them");
    child.kill().unwrap();
    child.wait().unwrap();
    daemon.stop();
}

#[test]
fn it_ends_with_its_time_and_with_the_daemon_and_what_is_refused_is_kept_too() {
    let mut pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(&format!("{SITE}{ROLES}"), std::slice::from_ref(&pbx));
    let daemon = rig.run(&clock(NOW, 1));
    pbx.connect();
    let ask = |wanted: Look| {
        let stream = std::os::unix::net::UnixStream::connect(rig.path("run/control.sock")).unwrap();
        look(stream, wanted, |_| true).map(Option::unwrap).map_err(|error| error.to_string())
    };
    let masked = Look { seconds: 1, masked: true, ..Look::default() };
    let ended = ask(masked.clone()).unwrap();
    assert_eq!((&ended["lines"], &ended["left_out"]), (&0.into(), &0.into()), "{ended}");
    assert!(ended["seconds"].as_u64().unwrap() >= 1, "{ended}");
    for (wanted, why) in [
        (Look { seconds: 3601, ..masked.clone() }, "1 to 60 minutes"),
        (Look { source: Some("07700900123".into()), ..masked.clone() }, "known are: reception"),
        (Look { masked: false, ..masked.clone() }, "no reason is given"),
        (Look { masked: false, reason: Some("07700 900123 rang".into()), ..masked.clone() }, "without numbers"),
    ] {
        let said = ask(wanted).unwrap_err();
        assert!(said.contains(why), "{said}");
    }
    let kept = audit(&rig);
    assert_eq!(kept.iter().filter(|row| row.contains("tap refused")).count(), 4, "{kept:?}");
    assert!(!format!("{kept:?}").contains("900123"), "{kept:?}");
    let mut child =
        rig.command(&["tap", "--masked"], "").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut begun = String::new();
    out.read_line(&mut begun).unwrap();
    daemon.stop();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("the daemon stopped"), "{said}");
}
