//! `smdrd doctor`: a box that is well, and boxes that are not, each in one way. The system's own files are those of a
//! folder; ports, sockets, programs, the daemon and the supplier are real.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::authority::Authority;
use super::rig::{Daemon, Feed, Link, Pbx, Rig, SITE, free_port, private_file, wait_for};

/// A box on which nothing is wrong: the database on a disk, keys in memory, a service, a clock that is kept right.
struct Site {
    rig: Rig,
    root: PathBuf,
    _disk: tempfile::TempDir,
}

fn site(pbxs: &[Pbx], more: &str) -> Site {
    let rig = Rig::new(&format!("{SITE}{more}"), pbxs);
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::set_permissions(disk.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(disk.path(), rig.path("state")).unwrap();
    let root = rig.path("root");
    let site = Site { rig, root, _disk: disk };
    site.file("run/systemd/timesync/synchronized", "");
    site.file("usr/lib/systemd/system/smdrd.service", include_str!("../../systemd/smdrd.service"));
    site.file("etc/systemd/system/multi-user.target.wants/smdrd.service", "");
    site.file("proc/sys/net/ipv4/ip_forward", "0\n");
    site.file("sys/class/net/eth0/operstate", "up\n");
    site
}

impl Site {
    fn file(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn doctor(&self) -> (i32, Value) {
        let root = self.root.display().to_string();
        self.rig.json(&["doctor", "--root", &root], "")
    }

    /// What it says of a check that is not well, and that it says all that belongs to it.
    #[track_caller]
    fn finds(&self, check: &str, state: &str, says: &str) {
        let (code, report) = self.doctor();
        let checks = report["checks"].as_array().unwrap();
        let found = checks.iter().find(|found| {
            found["check"] == check && found["state"] == state && found["what"].as_str().unwrap().contains(says)
        });
        let found = found.unwrap_or_else(|| panic!("{check} {state} {says:?} is not in {report:#}"));
        for part in ["why", "remedy"] {
            assert!(!found[part].as_str().unwrap_or_default().is_empty(), "{found:#}");
        }
        assert_eq!(code, i32::from(report["faults"] != 0), "{report:#}");
        assert!(state != "fault" || code == 1, "{report:#}");
    }

    fn run(&self) -> Daemon {
        self.rig.run("")
    }
}

#[test]
fn a_box_that_is_well() {
    let mut pbxs = [Pbx::tcp("reception", "avaya-ipoffice"), Pbx::serial("branch", "siemens-hipath3000")];
    let mut site = site(&pbxs, "");
    let feed = Feed::start(&site.rig, 0);
    site.rig.with_supplier(&feed.address, "");
    let daemon = site.run();
    pbxs.iter_mut().for_each(Pbx::connect);
    let (code, report) = wait_for("both links", || {
        let (code, report) = site.doctor();
        let checks = report["checks"].as_array().unwrap();
        let up = checks.iter().filter(|found| found["check"] == "link" && found["state"] == "ok").count();
        (up == 2).then_some((code, report))
    });
    assert_eq!((code, &report["faults"]), (0, &0.into()), "{report:#}");
    let state = |check: &str| {
        let checks = report["checks"].as_array().unwrap();
        let states: Vec<_> =
            checks.iter().filter(|found| found["check"] == check).map(|f| f["state"].clone()).collect();
        assert!(!states.is_empty(), "{check} is not in {report:#}");
        states
    };
    let well = ["program", "configuration", "daemon", "service", "state-dir", "keys", "token", "clock", "zone"];
    for check in well.iter().chain(&["own-numbers", "supplier", "skew", "port", "dialect"]) {
        assert!(state(check).iter().all(|state| state == "ok"), "{check}: {report:#}");
    }
    // What the formats cannot show is said of each source.
    let said = report.to_string();
    assert!(said.contains("branch: siemens-hipath3000 cannot show internal, outbound-answer, hold"), "{report:#}");
    let text = site.rig.verb(&["doctor", "--root", site.root.to_str().unwrap()], "");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("ok       zone           Europe/London\n") && text.contains(": 0 faults, "), "{text}");
    daemon.stop();
}

#[test]
fn a_configuration_that_is_wrong() {
    let mut site = site(&[], "");
    site.rig.site = "[[practice]]\nods = \"a81001\"\n".into();
    site.finds("configuration", "fault", "smdrd.toml");
}

#[test]
fn a_dialect_file_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.toml"), "id = \"own\"\nname = 7\n").unwrap();
    let mut site = site(&[], "");
    site.rig.site = format!("dialects-dir = \"{}\"\n{SITE}", folder.path().display());
    site.finds("dialect", "fault", "own.toml");
}

fn serial(path: &str) -> String {
    format!("[[source]]\nname = \"pbx\"\ndialect = \"siemens-hipath3000\"\n[source.serial]\npath = \"{path}\"\n")
}

#[test]
fn ports_that_are_not_there_are_none_or_are_somebody_elses() {
    site(&[], &serial("/dev/ttyUSB-none")).finds("port", "fault", "there is no such device");
    site(&[], &serial("/dev/null")).finds("port", "fault", "is not a serial port");
    let pbx = Pbx::serial("pbx", "siemens-hipath3000");
    let Link::Serial(port) = &pbx.link else { unreachable!() };
    let site = site(std::slice::from_ref(&pbx), "");
    // The programs that are looked at are the real ones.
    std::fs::remove_dir_all(site.root.join("proc")).unwrap();
    std::os::unix::fs::symlink("/proc", site.root.join("proc")).unwrap();
    let other = std::fs::File::options().read(true).open(port.path()).unwrap();
    site.finds("port", "fault", &format!("(process {}) has it open too", std::process::id()));
    drop(other);
    let daemon = site.run();
    let held = || site.doctor().1.to_string();
    wait_for("the port", || held().contains("may open it, held by the daemon").then_some(()));
    daemon.stop();
}

#[test]
fn an_address_that_is_used_by_another_program() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let source = format!(
        "[[source]]\nname = \"pbx\"\ndialect = \"3cx\"\n[source.tcp-listen]\naddress = \"{address}\"\nallow = [\"127.0.0.1\"]\n"
    );
    site(&[], &source).finds("address", "fault", "is used by another program");
}

#[test]
fn directories_in_the_wrong_place_or_open_to_others() {
    let open = site(&[], "");
    std::fs::set_permissions(open.rig.path("state"), std::fs::Permissions::from_mode(0o755)).unwrap();
    open.finds("state-dir", "fault", "is open to others (mode 755)");
    let memory = Path::new("/dev/shm");
    if smdrd::source::in_memory(memory) {
        let site = site(&[], "");
        std::fs::remove_file(site.rig.path("state")).unwrap();
        std::fs::create_dir(site.rig.path("state")).unwrap();
        site.finds("state-dir", "fault", "is in memory");
    }
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if !smdrd::source::in_memory(disk.path()) {
        let site = site(&[], "");
        std::os::unix::fs::symlink(disk.path(), site.rig.path("run")).unwrap();
        site.finds("keys", "fault", "is not in memory");
        let drop = disk.path().join("drop");
        std::fs::create_dir(&drop).unwrap();
        let source =
            format!("[[source]]\nname = \"pbx\"\ndialect = \"3cx\"\n[source.folder]\npath = \"{}\"\n", drop.display());
        super::doctor::site(&[], &source).finds("folder", "fault", "is not in memory");
    }
}

#[test]
fn a_supplier_that_is_not_there_does_not_take_the_token_or_is_not_trusted() {
    let mut gone = site(&[], "");
    gone.rig.with_supplier(&format!("127.0.0.1:{}", free_port()), "");
    gone.finds("supplier", "fault", "no connection to the supplier");

    let mut site = site(&[], "");
    let feed = Feed::start(&site.rig, 0);
    site.rig.with_supplier(&feed.address, "");
    private_file(&site.rig.path("token"), "another-token\n");
    site.finds("supplier", "fault", "refuses the token");
    std::fs::set_permissions(site.rig.path("token"), std::fs::Permissions::from_mode(0o644)).unwrap();
    site.finds("token", "fault", "others may read it (mode 644)");
    private_file(&site.rig.path("token"), super::rig::TOKEN);
    site.rig.site = site.rig.site.replace("A81001", "B81001");
    site.finds("supplier", "fault", "practice");

    drop(feed);
    // The same receiver behind a certificate of an authority that the box does not know.
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (Authority::new(folder.path(), "theirs"), Authority::new(folder.path(), "ours"));
    let identity = theirs.identity("localhost");
    let (cert, key) = (identity.cert.to_str().unwrap().to_owned(), identity.key.to_str().unwrap().to_owned());
    let feed = Feed::start_with(&site.rig, 0, &["--tls-cert", &cert, "--tls-key", &key]);
    let (port, token) = (feed.address.rsplit_once(':').unwrap().1.to_owned(), site.rig.path("token"));
    site.rig.supplier = format!(
        "[supplier]\nurl = \"https://localhost:{port}\"\ntoken-file = \"{}\"\nca-file = \"{}\"\n",
        token.display(),
        ours.file.display()
    );
    site.finds("supplier", "fault", "signed by no authority trusted here");
}

#[test]
fn a_clock_that_is_far_from_the_suppliers() {
    let mut site = site(&[], "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    site.rig.with_supplier(&listener.local_addr().unwrap().to_string(), "");
    let server = std::thread::spawn(move || {
        let (mut link, _) = listener.accept().unwrap();
        let mut request = BufReader::new(link.try_clone().unwrap()).lines();
        while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        link.write_all(b"HTTP/1.1 503 Busy\r\nDate: Sat, 01 Jan 2022 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let _ = link.read(&mut [0; 1]);
    });
    site.finds("skew", "fault", "s ahead of the supplier's");
    server.join().unwrap();
}

#[test]
fn a_service_that_is_not_enabled_or_is_changed_where_it_keeps_promises() {
    let site = site(&[], "");
    site.file("etc/systemd/system/smdrd.service.d/debug.conf", "[Service]\nLimitCORE=infinity\n");
    site.finds("overrides", "warning", "changes LimitCORE");
    std::fs::remove_file(site.root.join("etc/systemd/system/multi-user.target.wants/smdrd.service")).unwrap();
    site.finds("service", "fault", "not enabled");
    std::fs::remove_file(site.root.join("usr/lib/systemd/system/smdrd.service")).unwrap();
    site.finds("service", "warning", "not installed");
}

#[test]
fn a_box_that_is_a_bridge_or_does_not_know_the_time() {
    let mut site = site(&[], "");
    site.file("proc/sys/net/ipv4/ip_forward", "1\n");
    site.finds("forwarding", "warning", "forwards");
    site.file("sys/class/net/eth1/operstate", "up\n");
    site.finds("forwarding", "fault", "between its networks (eth0, eth1)");
    std::fs::remove_file(site.root.join("run/systemd/timesync/synchronized")).unwrap();
    site.finds("clock", "warning", "cannot be told");
    site.rig.site = format!("zone = \"Europe/Berlin\"\n{}", site.rig.site);
    site.finds("zone", "warning", "Europe/Berlin");
    site.rig.site = format!("[[practice]]\nods = \"A81001\"\n{}", serial("/dev/null"));
    site.finds("own-numbers", "warning", "numbers.own is not set");
}

#[test]
fn a_daemon_of_another_version() {
    let site = site(&[], "");
    site.finds("daemon", "warning", "no daemon is running");
    let daemon = site.run();
    let mut status = site.rig.status();
    daemon.stop();
    status["version"] = "0.0.1".into();
    let listener = UnixListener::bind(site.rig.path("run/control.sock")).unwrap();
    let answer = serde_json::json!({ "ok": status }).to_string() + "\n";
    std::thread::spawn(move || {
        for link in listener.incoming() {
            let mut link = link.unwrap();
            let mut asked = String::new();
            BufReader::new(link.try_clone().unwrap()).read_line(&mut asked).unwrap();
            let _ = link.write_all(answer.as_bytes());
        }
    });
    site.finds("daemon", "fault", "smdrd 0.0.1 is running");
}
