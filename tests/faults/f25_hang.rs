//! F25: the writer hangs. The watchdog is fed by progress, so the service manager comes to know; what only waits for a disk, or
//! for another program's lock, is no hang.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::evidence::{figures, tries};
use super::lines::Ip;
use super::loudly::say_loudly;
use super::manager::Manager;
use super::process::{Tracer, there_is};
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};
use super::small_disk::SmallDisk;

/// Another process that has the database's write lock: this test program, started again.
struct Holder(Child);

const HOLDS: &str = "SMDRD_TEST_HOLDS";

#[test]
fn holds_the_lock_when_it_is_the_child() {
    let Some(path) = std::env::var_os(HOLDS) else { return };
    let db = rusqlite::Connection::open(path).unwrap();
    db.busy_timeout(Duration::from_secs(60)).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The runner catches what `println!` says.
    std::io::stderr().write_all(b"held\n").unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

impl Holder {
    fn of(database: &Path) -> Holder {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "f25_hang::holds_the_lock_when_it_is_the_child", "--nocapture"]);
        command.env(HOLDS, database).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut holder = Holder(command.spawn().unwrap());
        let lines = BufReader::new(holder.0.stderr.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "held"), "the lock could not be taken");
        holder
    }

    fn release(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Pets so far.
fn pets(manager: &Manager) -> usize {
    manager.said("WATCHDOG").len()
}

/// Waits until it is petted again, several times.
fn is_petted(manager: &Manager) {
    let before = pets(manager);
    wait_for("the watchdog's petting", || (pets(manager) > before + 3).then_some(()));
}

/// A box with a PBX that has said one line, under a watchdog that is petted every 0.2 s; a line may wait 0.3 s. The unit has a
/// hundred times as much.
fn watched() -> (Rig, Manager, Pbx) {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let mut manager = Manager::new(&rig, &clock("2026-11-20T15:00:00Z", 1));
    manager.environment.insert("WATCHDOG_USEC", "600000".to_owned());
    manager.start(&rig);
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    is_petted(&manager);
    (rig, manager, ip)
}

#[test]
fn a_writer_that_hangs_is_not_petted_and_goes_on_when_it_is_let_go() {
    if !there_is("strace", "a writer that hangs (F25)") {
        return;
    }
    let (rig, mut manager, mut ip) = watched();
    let hang = Duration::from_secs(tries(6, 40).into());
    let options = [
        "-etrace=fdatasync,fsync".to_owned(),
        format!("-einject=fdatasync,fsync:delay_enter={}:when=1", hang.as_micros()),
    ];
    let tracer = Tracer::attach(manager.process(), &rig.path("trace"), &options);
    assert!(ip.print(&[Ip { id: 2, ..Ip::default() }.line()]));
    // Until the writer is in the call it is well. From then on nothing pets.
    let mut last = pets(&manager);
    wait_for("the watchdog's silence", || {
        std::thread::sleep(Duration::from_millis(1500));
        (std::mem::replace(&mut last, pets(&manager)) == last).then_some(())
    });
    assert!(rig.log().contains("the watchdog is not petted"), "{}", rig.log());
    is_petted(&manager);
    rig.wait_for_lines(2);
    drop(tracer);
    assert_kept(&rig, "", "after a hang");
    manager.stop();
    let tried = format!("{} s in one call of the system", hang.as_secs());
    figures("F25 hang", &tried, "not petted; went on when it was let go, 0 lost");
}

#[test]
fn a_lock_of_somebody_else_is_named_and_waited_for() {
    let (rig, mut manager, mut ip) = watched();
    let holder = Holder::of(&rig.path("state/smdrd.db"));
    let process = holder.0.id();
    assert!(ip.print(&[Ip { id: 2, ..Ip::default() }.line()]));
    // SQLite waits for 10 s in one call; from then on the writer tries again and again, and the service manager has no
    // reason to end what waits in memory.
    wait_for("the trouble", || rig.log().contains("nothing could be stored").then_some(()));
    is_petted(&manager);
    assert!(ip.print(&[Ip { id: 3, ..Ip::default() }.line()]));
    let status = wait_for("both lines", || Some(rig.status()).filter(|status| status["waiting"]["lines"] == 2));
    let problems = status["problems"].to_string();
    assert!(problems.contains(&format!("(process {process}) has the database locked")), "{status:#}");
    assert_eq!(status["events"][0]["cause"], "database-locked", "{status:#}");
    let last = pets(&manager);
    std::thread::sleep(Duration::from_secs(tries(1, 100).into()));
    assert!(pets(&manager) > last, "it was not petted while it waited");
    holder.release();
    rig.wait_for_lines(3);
    is_petted(&manager);
    let (_, list) = rig.json(&["outages", "--month", "2026-11"], "");
    let listed = list["outages"].as_array().unwrap().iter().find(|outage| outage["cause"] == "database-locked");
    let listed = listed.unwrap_or_else(|| panic!("{list:#}"));
    assert!(listed["words"].as_str().unwrap().contains(&format!("process {process}")), "{listed}");
    assert!(!listed["end"].is_null(), "{listed}");
    assert!(!rig.status()["events"].to_string().contains("database-locked"));
    assert_kept(&rig, "", "after a lock");
    manager.stop();
    let tried = "another program's lock on the database, waited for";
    figures("F25 lock", tried, "petted, named with its process; 0 lost");
}

#[test]
fn a_full_disk_is_no_hang_however_long_it_lasts() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let Some(disk) = SmallDisk::in_memory(&rig.path("state"), 2) else {
        return say_loudly("F25: a small file system cannot be mounted, so a watchdog on a full disk is not tried");
    };
    let mut manager = Manager::new(&rig, &clock("2026-11-20T15:00:00Z", 1));
    manager.environment.insert("WATCHDOG_USEC", "600000".to_owned());
    manager.start(&rig);
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    let filler = disk.fill();
    let mut id = 1;
    wait_for("the trouble", || {
        id += 1;
        assert!(ip.print(&[Ip { id, ..Ip::default() }.line()]));
        rig.log().contains("nothing could be stored").then_some(())
    });
    // Far beyond what a line may wait otherwise.
    std::thread::sleep(Duration::from_secs(1));
    is_petted(&manager);
    std::fs::remove_file(&filler).unwrap();
    rig.wait_for_lines(id as usize);
    is_petted(&manager);
    assert_kept(&rig, "", "after a full disk under a watchdog");
    manager.stop();
    figures("F25 full disk", "1 disk, full for seconds under a watchdog of 0.6 s", "petted throughout, 0 lost");
}
