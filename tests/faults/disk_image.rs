//! A disk whose power can be cut: ext4 in a file. What the file holds at an instant is what the disk would hold, and
//! nothing of the kernel's page cache.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Larger than the log may grow before a checkpoint.
const SIZE: u64 = 96 << 20;

pub struct DiskImage {
    /// Not in memory: a loop device over a tmpfs is another thing.
    folder: tempfile::TempDir,
    at: PathBuf,
    mounted: bool,
}

fn ran(command: &mut Command) -> bool {
    let output = command.output().unwrap();
    if !output.status.success() {
        eprintln!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

impl DiskImage {
    /// Makes an empty disk and mounts it; nothing where that cannot be done.
    pub fn mount(at: &Path) -> Option<DiskImage> {
        std::fs::create_dir_all(at).unwrap();
        let disk = DiskImage { folder: tempfile::tempdir().unwrap(), at: at.to_owned(), mounted: false };
        let image = std::fs::File::create(disk.image()).unwrap();
        image.set_len(SIZE).unwrap();
        drop(image);
        let made = ran(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(disk.image()));
        disk.remount().filter(|_| made)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// The timer that would write everything every five seconds is put off: only what is asked for is written.
    fn remount(mut self) -> Option<DiskImage> {
        let mut mount = Command::new("mount");
        self.mounted = ran(mount.args(["-o", "loop,commit=300"]).arg(self.image()).arg(&self.at));
        self.mounted.then_some(self)
    }

    /// What the disk holds now, beside it. Nobody may be writing.
    pub fn picture(&self) {
        let mut copy = Command::new("cp");
        assert!(ran(copy.arg("--sparse=always").arg(self.image()).arg(self.folder.path().join("picture"))));
    }

    /// Puts the disk back to what the last picture shows, and mounts it: ext4 replays its journal. Nobody may have a file of
    /// it open.
    #[must_use]
    pub fn wake_up(mut self) -> DiskImage {
        assert!(ran(Command::new("umount").arg(&self.at)));
        self.mounted = false;
        std::fs::rename(self.folder.path().join("picture"), self.image()).unwrap();
        self.remount().expect("the disk is mounted again")
    }
}

impl Drop for DiskImage {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.at).output();
        }
    }
}
