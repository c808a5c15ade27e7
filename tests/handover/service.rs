//! What a service manager is told, and what a service leaves on the disk.

use std::os::unix::fs::PermissionsExt as _;

use crate::manager::Manager;
use crate::rig::{Rig, SITE, clock, free_port, wait_for};

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
    assert_eq!(manager.said("STATUS"), ["ready: reception"]);
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
