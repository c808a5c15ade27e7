//! F5: the file system becomes read-only, as ext4 does when the disk fails it.

use std::process::Command;

use super::evidence::figures;
use super::lines::Ip;
use super::loudly::say_loudly;
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock, wait_for};
use super::small_disk::SmallDisk;

#[test]
fn a_file_system_that_takes_nothing_any_more_is_named_and_what_was_stored_is_whole() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let (state, folder) = (rig.path("state"), tempfile::tempdir().unwrap());
    let image = folder.path().join("image");
    let Some(disk) = SmallDisk::of_file(&state, &image, 32) else {
        return say_loudly("F5: an ext4 in a file cannot be mounted here, so a read-only disk cannot be tried");
    };
    let mut daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    let call = |id: u32| Ip { id, ..Ip::default() }.line();
    assert!(ip.print(&(1..=20).map(call).collect::<Vec<_>>()));
    rig.wait_for_lines(20);
    let abort = Command::new("mount").args(["-o", "remount,abort"]).arg(&state).output().unwrap();
    if !abort.status.success() {
        return say_loudly("F5: this kernel cannot make a mounted ext4 fail");
    }
    assert!(ip.print(&(21..=40).map(call).collect::<Vec<_>>()));
    let waiting = wait_for("the cause", || {
        let (code, status) = rig.json(&["status"], "");
        assert!(code == 1 || status["waiting"].is_null(), "{status:#}");
        (status["waiting"]["lines"].as_u64() == Some(20)).then(|| status["waiting"].clone())
    });
    let cause = waiting["cause"].as_str().unwrap();
    assert!(cause.contains("readonly") || cause.contains("read-only") || cause.contains("I/O"), "{cause}");
    assert_eq!(daemon.child.try_wait().unwrap(), None, "{}", rig.log());
    // Nothing helps such a disk but to be mounted anew.
    daemon.signal(rustix::process::Signal::TERM);
    daemon.ended();
    assert!(rig.log().contains("they are lost"), "what could not be stored is said: {}", rig.log());
    drop(disk);
    wait_for("the disk to be free", || {
        let check = Command::new("e2fsck").args(["-fy"]).arg(&image).output().unwrap();
        (check.status.code().unwrap_or(8) < 4).then_some(())
    });
    let Some(_disk) = SmallDisk::mount(&state, &image) else {
        return say_loudly("F5: the mended file system cannot be mounted again");
    };
    let daemon = rig.run(&clock("2026-11-20T15:10:00Z", 1));
    ip.connect();
    assert!(ip.print(&[call(41)]));
    rig.wait_for_lines(21);
    assert_kept(&rig, "", "after a read-only disk");
    daemon.stop();
    figures("F5 read-only disk", "20 lines before, 20 while it took nothing", "20 kept, 20 said to be lost, whole");
}
