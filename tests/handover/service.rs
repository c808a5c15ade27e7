//! What a service manager is told, and what a service leaves on the disk.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use crate::lines::Ip;
use crate::manager::Manager;
use crate::rig::{Link, Pbx, Rig, SITE, clock, free_port, wait_for};

#[test]
fn the_watchdog_is_petted_well_before_its_time_and_the_status_is_one_line() {
    let port = free_port();
    let source = format!(
        "[[source]]\nname = \"reception\"\ndialect = \"avaya-ipoffice\"\n\
         [source.tcp-listen]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n"
    );
    let rig = Rig::new(&format!("{SITE}{source}"), &[]);
    let mut manager = Manager::new(&rig, &clock("2026-11-20T15:00:00Z", 1));
    // Far less than the minute in which the daemon looks at the time.
    manager.environment.insert("WATCHDOG_USEC", "600000".to_owned());
    manager.start(&rig);
    wait_for("the watchdog", || (manager.said("WATCHDOG").len() > 5).then_some(()));
    assert_eq!(manager.said("STATUS")[0], "ready: reception");
    manager.stop();
}

#[test]
fn the_status_line_says_how_it_is_and_changes_with_it() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let Link::Tcp(port) = ip.link else { panic!("not over TCP") };
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let mut manager = Manager::new(&rig, &clock("2026-11-20T15:00:00Z", 120));
    manager.start(&rig);
    // Ready means that the sources are started: who calls is heard at once.
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let line = |manager: &Manager, begins: &str| {
        wait_for(begins, || manager.said("STATUS").iter().any(|said| said.starts_with(begins)).then_some(()));
    };
    line(&manager, "not well: reception: link down since ");
    ip.connect();
    line(&manager, "well: 1 source up, 0 calls in today, no line yet; no supplier: days are kept");
    assert!(ip.print(&[Ip::default().line()]));
    line(&manager, "well: 1 source up, 1 call in today, last line ");
    // Once a minute at most, and no line twice in a row.
    let said = manager.said("STATUS");
    assert!(said.windows(2).all(|pair| pair[0] != pair[1]), "{said:?}");
    manager.stop();
}

#[test]
fn a_box_without_a_source_is_ready_idle_and_petted() {
    let rig = Rig::new(SITE, &[]);
    let mut manager = Manager::new(&rig, &clock("2026-11-20T15:00:00Z", 120));
    manager.environment.insert("WATCHDOG_USEC", "600000".to_owned());
    manager.start(&rig);
    // Ready means that the database is there, with its schema.
    assert!(rig.count("PRAGMA user_version") > 0);
    wait_for("the watchdog", || (manager.said("WATCHDOG").len() > 12).then_some(()));
    assert_eq!(manager.said("STATUS"), ["ready, idle: no source is configured; run smdrd setup"]);
    manager.stop();
}

#[test]
fn what_is_written_is_the_services_own_also_when_it_is_run_by_hand() {
    let rig = Rig::new(SITE, &[]);
    let daemon = rig.run("");
    let (code, _) = rig.json(&["status"], "");
    assert_eq!(code, 0);
    daemon.stop();
    let mut seen = 0;
    for folder in ["state", "run"] {
        for entry in std::fs::read_dir(rig.path(folder)).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}: {mode:o}", entry.path().display());
            seen += 1;
        }
        let mode = std::fs::metadata(rig.path(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{folder}: {mode:o}");
    }
    assert!(seen >= 3, "only {seen} files");
}
