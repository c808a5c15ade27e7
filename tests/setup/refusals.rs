//! What is wrong is said with the flag it concerns and what to do; and nothing is written.

use std::net::TcpListener;
use std::process::Stdio;

use smdrd::simulator::serial::SerialPort;

use super::authority::Authority;
use super::feed::{Feed, TOKEN, private_file};
use super::place::{Place, assert_private, free_port};
use super::scripted::{SITE, quick, run};

#[test]
fn a_missing_answer_is_named_by_its_flag() {
    let place = Place::new();
    let (code, text) = place.run(&["--port", "/dev/none", "--dialect", "avaya-ipoffice", "--acceptance", "skip"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--line"), "{text}");
    private_file(&place.path("token"), TOKEN);
    let token = place.path("token").display().to_string();
    let mut all = quick(&place);
    all.extend(["--supplier", "https://feed.supplier.invalid", "--token-file", &token].map(str::to_owned));
    for (flag, named) in [
        ("--listen", "--port, --listen or --connect"),
        ("--allow", "--allow"),
        ("--acceptance", "--acceptance"),
        ("--ods", "--ods"),
        ("--own", "--own"),
        ("--callback", "--callback"),
        ("--menu", "--menu"),
        ("--supplier", "--supplier or --no-supplier"),
        ("--token-file", "--token-file"),
    ] {
        let at = all.iter().position(|given| given == flag).unwrap();
        let mut flags = all.clone();
        flags.drain(at..at + 2);
        if flag == "--listen" {
            let allow = flags.iter().position(|given| given == "--allow").unwrap();
            flags.drain(allow..allow + 2);
        }
        let (code, text) = run(&place, &flags, &[]);
        assert_eq!(code, Some(2), "without {flag}: {text}");
        assert!(text.contains(named), "without {flag}: {text}");
        assert!(!place.path("etc").exists(), "without {flag} something was written");
    }
}

#[test]
fn a_wrong_answer_is_refused_with_its_flag_and_a_remedy() {
    let place = Place::new();
    private_file(&place.path("empty"), "\n");
    let empty = place.path("empty").display().to_string();
    let all = quick(&place);
    for (flag, value, says) in [
        ("--ods", "a81001", "write \"A81001\""),
        ("--ods", "RIVERSIDE", "a letter and five digits"),
        ("--site", "Main Site", "--site"),
        ("--name", "", "--name"),
        ("--device", "My Box!", "--device"),
        ("--own", "960100", "--own"),
        ("--own", "01632960100-01632990199", "kept in clear"),
        ("--access-digits", "12345", "one to three digits"),
        ("--voicemail", "300", "300 is hunt-group already"),
        ("--supplier", "http://feed.supplier.example", "https"),
        ("--dialect", "meridian-11", "smdrd dialects list"),
        ("--set", "order=DMY", "order"),
        ("--listen", "pbx:8808", "0.0.0.0:8808"),
        ("--token-file", &empty, "is empty"),
        ("--token-file", "/nowhere/token", "/nowhere/token"),
    ] {
        let mut flags = all.clone();
        if let Some(at) = flags.iter().position(|given| given == flag) {
            flags.drain(at..at + 2);
        }
        let mut more = vec![flag, value];
        match flag {
            "--supplier" => more.extend(["--token-file", "/nowhere/token"]),
            "--token-file" => more.extend(["--supplier", "https://feed.supplier.invalid"]),
            "--voicemail" => more.extend(["--hunt-group", "300", "--no-supplier"]),
            _ => more.push("--no-supplier"),
        }
        let (code, text) = run(&place, &flags, &more);
        assert_eq!(code, Some(2), "{flag} {value}: {text}");
        assert!(text.contains(says) && text.contains(flag), "{flag} {value}: {text}");
        assert!(!place.path("etc/smdrd/smdrd.toml").exists(), "{flag} {value}: something was written");
    }
}

#[test]
fn a_port_that_somebody_has_is_said_to_be_his() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let rest = |way: [&str; 2]| {
        let mut flags: Vec<String> = way.map(str::to_owned).to_vec();
        if way[0] == "--port" {
            flags.extend(["--line", "1200-7E1"].map(str::to_owned));
        }
        flags.extend(["--dialect", "avaya-ipoffice", "--acceptance", "skip", "--no-supplier"].map(str::to_owned));
        flags.extend(SITE.map(str::to_owned));
        flags
    };
    let mut flags = rest(["--listen", &listen]);
    flags.extend(["--allow", "127.0.0.1"].map(str::to_owned));
    let (code, text) = run(&place, &flags, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("another program listens there"), "{text}");

    let nobody = format!("127.0.0.1:{}", free_port());
    let (code, text) = run(&place, &rest(["--connect", &nobody]), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("nobody listens there"), "{text}");

    let (code, text) = run(&place, &rest(["--port", "/dev/serial/by-id/none"]), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("no such device"), "{text}");
    let file = place.path("file").display().to_string();
    std::fs::write(&file, "").unwrap();
    let (code, text) = run(&place, &rest(["--port", &file]), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("is not a serial port"), "{text}");

    // The daemon reads the port: the first set-up is run, and the second says how to stop it.
    let port = SerialPort::open().unwrap();
    let device = port.path().display().to_string();
    let (code, text) = run(&place, &rest(["--port", &device]), &[]);
    assert_eq!(code, Some(0), "{text}");
    let config = place.text("etc/smdrd/smdrd.toml");
    assert!(config.contains("baud = 1200\ndata-bits = 7\nparity = \"even\""), "{config}");
    let daemon = place.daemon();
    super::place::wait_for("the port", || (place.status()["sources"][0]["up"] == true).then_some(()));
    let (code, text) = run(&place, &rest(["--port", &device]), &["--force"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the daemon smdrd") && text.contains("systemctl stop smdrd"), "{text}");
    // A second link to a PBX would take records from the daemon.
    let pbx = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = pbx.local_addr().unwrap().to_string();
    let (code, text) = run(&place, &rest(["--connect", &connect]), &["--force"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("may be connected there") && text.contains("systemctl stop smdrd"), "{text}");
    drop(daemon);
    let (code, text) = run(&place, &rest(["--port", &device]), &["--force"]);
    assert_eq!(code, Some(0), "{text}");

    // The daemon of a fresh package reads nothing and is not in the way.
    let bare = format!("state-dir = {:?}\nruntime-dir = {:?}\n", place.path("state"), place.path("run"));
    std::fs::write(place.path("etc/smdrd/smdrd.toml"), bare).unwrap();
    std::fs::remove_file(place.path("run/control.sock")).unwrap();
    let _daemon = place.daemon();
    let (code, text) = run(&place, &rest(["--connect", &connect]), &["--force"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_supplier_that_does_not_take_it_is_said_with_its_remedy() {
    let place = Place::new();
    std::fs::create_dir(place.path("supplier")).unwrap();
    let authority = Authority::new(place.dir.path(), "authority");
    let other = Authority::new(place.dir.path(), "other");
    let feed = Feed::start(&place.path("supplier"), Some(&authority.identity("localhost")));
    std::fs::create_dir(place.path("expired")).unwrap();
    let expired = Feed::start(&place.path("expired"), Some(&authority.expired("localhost")));
    private_file(&place.path("good"), TOKEN);
    private_file(&place.path("wrong"), "a-token-of-somebody-else");
    let (ca, other_ca) = (authority.file.display().to_string(), other.file.display().to_string());
    let (https, closed) = (feed.https(), format!("https://localhost:{}", free_port()));
    let by_address = https.replace("localhost", "127.0.0.1");
    for (url, token, ca, ods, says) in [
        (https.as_str(), "wrong", &ca, "A81001", "refuses the token"),
        (&https, "good", &ca, "A81002", "look at the ODS code"),
        (&https, "good", &other_ca, "A81001", "`ca-file` is not the supplier's"),
        (&by_address, "good", &ca, "A81001", "another name"),
        (&expired.https(), "good", &ca, "A81001", "has expired"),
        (&closed, "good", &ca, "A81001", "look at the network"),
        ("https://nowhere.invalid", "good", &ca, "A81001", "cannot be found"),
    ] {
        let token = place.path(token).display().to_string();
        let mut flags = quick(&place);
        let at = flags.iter().position(|flag| flag == "--ods").unwrap();
        flags[at + 1] = ods.to_owned();
        let more = ["--supplier", url, "--token-file", &token, "--ca-file", ca, "--credential", "plain", "--force"];
        let (code, text) = run(&place, &flags, &more);
        assert_eq!(code, Some(1), "{url}: {text}");
        assert!(text.contains("It does not work") && text.contains(says), "{url} {says:?}: {text}");
        assert_private(&text);
        // It is written all the same: the supplier is put right later, and the calls of today are not lost.
        assert_eq!(place.check().0, Some(0));
    }
    let log = feed.log();
    assert!(!log.contains(TOKEN), "{log}");
}

#[test]
fn without_leave_to_write_it_ends_before_anything_is_listened_to() {
    let place = Place::new();
    std::fs::write(place.path("file"), "").unwrap();
    // A file where a directory would have to be.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_smdrd"));
    command.args(["setup", "--force", "--config"]).arg(place.path("file/smdrd.toml")).args(["--port", "/dev/none"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(0), "{text}");
    assert_eq!(std::fs::read_to_string(place.path("file")).unwrap(), "");
}
