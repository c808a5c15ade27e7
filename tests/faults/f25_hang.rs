//! F25: the writer hangs. The watchdog is fed by progress, so the service manager comes to know; what only waits for a disk
//! is no hang.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::evidence::{figures, tries};
use super::lines::Ip;
use super::loudly::say_loudly;
use super::manager::Manager;
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};

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

#[test]
fn a_writer_that_hangs_is_not_petted_and_goes_on_when_it_is_let_go() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let mut manager = Manager::new(&rig, &clock("2026-11-20T15:00:00Z", 1));
    // Petted every 0.2 s; a line may wait 0.3 s. The unit has a hundred times as much.
    manager.environment.insert("WATCHDOG_USEC", "600000".to_owned());
    manager.start(&rig);
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    is_petted(&manager);

    let holder = Holder::of(&rig.path("state/smdrd.db"));
    assert!(ip.print(&[Ip { id: 2, ..Ip::default() }.line()]));
    // Until the writer meets the lock it is well. From then on nothing pets, however long it takes: neither inside
    // SQLite's own wait (10 s) nor between its tries.
    let mut last = pets(&manager);
    wait_for("the watchdog's silence", || {
        std::thread::sleep(Duration::from_secs(2));
        (std::mem::replace(&mut last, pets(&manager)) == last).then_some(())
    });
    let failures = tries(1, 4) as usize;
    wait_for("the end of SQLite's own wait", || {
        (rig.log().matches("nothing could be stored").count() >= failures).then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(pets(&manager), last, "it was petted while it hung");
    assert!(rig.log().contains("the watchdog is not petted"), "{}", rig.log());

    holder.release();
    is_petted(&manager);
    rig.wait_for_lines(2);
    assert_kept(&rig, "", "after a hang");
    manager.stop();
    figures("F25 hang", "the write lock held for more than 10 s", "not petted; went on when it was let go, 0 lost");
}

/// A file system of 2 MB, gone with this.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "smdrd-test"]).arg(at);
        mount.output().ok().filter(|output| output.status.success()).map(|_| SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_is_no_hang_however_long_it_lasts() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let Some(_disk) = SmallDisk::mount(&rig.path("state")) else {
        return say_loudly("F25: a small file system cannot be mounted, so a watchdog on a full disk is not tried");
    };
    let mut manager = Manager::new(&rig, &clock("2026-11-20T15:00:00Z", 1));
    manager.environment.insert("WATCHDOG_USEC", "600000".to_owned());
    manager.start(&rig);
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    let filler = rig.path("state/filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let mut id = 1;
    wait_for("the trouble", || {
        id += 1;
        assert!(ip.print(&[Ip { id, ..Ip::default() }.line()]));
        rig.log().contains("nothing could be stored").then_some(())
    });
    // Far beyond what a line may wait otherwise.
    std::thread::sleep(Duration::from_secs(1));
    is_petted(&manager);
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    rig.wait_for_lines(id as usize);
    is_petted(&manager);
    assert_kept(&rig, "", "after a full disk under a watchdog");
    manager.stop();
    figures("F25 full disk", "1 disk, full for seconds under a watchdog of 0.6 s", "petted throughout, 0 lost");
}
