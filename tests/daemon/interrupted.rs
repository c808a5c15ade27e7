//! An import that is cut off anywhere, and gone on with, ends as one that was not; and no number stays on the way.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::import::{NOON, assert_same, days, file, history, import, site};
use super::rig::{Rig, clock, wait_for};

const HI: &str = "siemens-hipath3000";

/// A caller of the file whose number is looked for.
const CANARY: &str = "07700900753";

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Twenty days beyond retention and ten within, with one caller over and over again.
fn lines() -> Vec<String> {
    let mut lines = days(HI, "2026-09-16", 30);
    for (at, line) in lines.iter_mut().enumerate().filter(|(at, _)| at % 7 == 0) {
        if let Some(number) = line.find("07700900") {
            line.replace_range(number..number + CANARY.len(), CANARY);
        } else if at % 70 == 0 {
            *line = format!("what is this, {CANARY}?");
        }
    }
    assert!(lines.iter().filter(|line| line.contains(CANARY)).count() > 50);
    lines
}

/// How many lines of the file are in.
fn far(rig: &Rig) -> i64 {
    let Ok(db) = rusqlite::Connection::open(rig.path("state/smdrd.db")) else { return 0 };
    db.query_row("SELECT coalesce(max(lines), 0) FROM import", [], |row| row.get(0)).unwrap_or(0)
}

fn no_number_at_rest(rig: &Rig, when: &str) {
    let looked_for = &CANARY[CANARY.len() - 6..];
    for folder in ["state", "run"] {
        for entry in std::fs::read_dir(rig.path(folder)).into_iter().flatten().flatten() {
            let Ok(bytes) = std::fs::read(entry.path()) else { continue };
            let found = bytes.windows(6).any(|window| window == looked_for.as_bytes());
            assert!(!found, "{when}: {} holds {looked_for}", entry.path().display());
        }
    }
    // Each line begins with its time, to the microsecond: six digits that may be any.
    let log = rig.log();
    let said = log.lines().filter_map(|line| line.split_once(' ')).find(|(_, said)| said.contains(looked_for));
    assert_eq!(said, None, "{when}: the log");
}

fn uninterrupted(lines: &[String]) -> Vec<String> {
    let rig = site(HI);
    let path = file(&rig, "old.log", lines);
    let report = import(&rig, HI, &[path.to_str().unwrap()], &clock(NOON, 1));
    assert_eq!(report["lines"], lines.len(), "{report}");
    no_number_at_rest(&rig, "uninterrupted");
    history(&rig)
}

#[test]
fn killed_again_and_again_it_ends_as_if_it_had_not_been() {
    let lines = lines();
    let expected = uninterrupted(&lines);
    let rig = site(HI);
    let path = file(&rig, "old.log", &lines);
    let now = clock(NOON, 1);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut seen, mut cuts) = (0, 0);
    for round in 0..7 {
        let mut command = rig.command(&["import", "--dialect", HI, path.to_str().unwrap()], &now);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if round > 1 {
            // Some lines further than the run before; the first two are killed anywhere.
            wait_for("some lines more", || (far(&rig) > seen || child.try_wait().unwrap().is_some()).then_some(()));
        }
        // Later ones at once: a quick machine must not get to the end before it was cut off in the middle.
        std::thread::sleep(Duration::from_millis(chance.below(if round > 1 { 20 } else { 120 })));
        child.kill().unwrap();
        child.wait().unwrap();
        seen = far(&rig);
        no_number_at_rest(&rig, "in the middle");
        cuts += usize::from(0 < seen && seen < lines.len() as i64);
        if seen == lines.len() as i64 {
            break;
        }
    }
    assert!(cuts > 0, "it was never cut off in the middle, and has {seen} lines");
    import(&rig, HI, &[path.to_str().unwrap()], &now);
    assert_same(&expected, &history(&rig), "after it was killed");
    no_number_at_rest(&rig, "after it was killed");
    rig.assert_no_difference(&now, "after it was killed");
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_goes_on_where_it_stopped() {
    let lines = lines();
    let expected = uninterrupted(&lines);
    let rig = site(HI);
    let path = file(&rig, "old.log", &lines);
    let now = clock(NOON, 1);
    let mut seen = 0;
    for cut in 1..=3 {
        let daemon = rig.run(&now);
        let mut command = rig.command(&["import", "--dialect", HI, path.to_str().unwrap()], "");
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for("some lines more", || (far(&rig) > seen).then_some(()));
        if cut == 2 {
            // Only the verb is killed: the daemon notices, and lets go.
            kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
            child.wait_with_output().unwrap();
            wait_for("a daemon that is free again", || {
                let output = rig.verb(&["import", "--dialect", HI, "/dev/null"], "");
                output.status.success().then_some(())
            });
            daemon.stop();
        } else {
            daemon.kill();
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() || said.contains("run the same command again"), "{said}");
        }
        seen = far(&rig);
        no_number_at_rest(&rig, "in the middle");
    }
    assert!(seen < lines.len() as i64, "it was never cut off");
    assert!(rig.json(&["status"], &now).1["notes"].to_string().contains("reception/import-1"));
    let daemon = rig.run(&now);
    let report = import(&rig, HI, &[path.to_str().unwrap()], "");
    assert_eq!((&report["state"], report["already"].as_i64()), (&"continued".into(), Some(seen)), "{report}");
    daemon.stop();
    // A daemon has been here, so the day has a beginning; all else is the same.
    assert_same(&expected, &history(&rig), "after the daemon was killed");
    rig.assert_no_difference(&now, "after the daemon was killed");
}

#[test]
fn root_hands_a_file_over_that_the_user_of_the_database_may_not_read() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED LOUDLY: only root can become another user");
        return;
    }
    let nobody = 65_534;
    let mut rig = site(HI);
    rig.for_everybody();
    let state = rig.path("state");
    std::fs::create_dir(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(nobody), Some(nobody)).unwrap();
    let lines = days(HI, "2026-11-18", 1);
    let path = file(&rig, "old.log", &lines);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let report = import(&rig, HI, &[path.to_str().unwrap()], &clock(NOON, 1));
    assert_eq!(report["lines"], lines.len(), "{report}");
    for entry in std::fs::read_dir(&state).unwrap() {
        use std::os::unix::fs::MetadataExt as _;
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), nobody, "{}", entry.path().display());
    }
}
