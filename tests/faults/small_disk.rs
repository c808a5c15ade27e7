//! File systems that are too small, and go away with the test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system mounted over a directory.
pub struct SmallDisk(pub PathBuf);

fn mounted(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

impl SmallDisk {
    /// Of so many MiB, in memory.
    pub fn in_memory(at: &Path, mib: u32) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={mib}m");
        mounted(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "smdrd-test"]).arg(at))
            .then(|| SmallDisk(at.to_owned()))
    }

    /// A file with an ext4 of its own.
    pub fn of_file(at: &Path, image: &Path, mib: u64) -> Option<SmallDisk> {
        std::fs::File::create(image).unwrap().set_len(mib << 20).unwrap();
        let made = Command::new("mkfs.ext4").arg("-q").arg(image).output();
        made.ok().filter(|output| output.status.success())?;
        SmallDisk::mount(at, image)
    }

    /// Mounts a file that has an ext4 already.
    pub fn mount(at: &Path, image: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        mounted(Command::new("mount").args(["-o", "loop"]).arg(image).arg(at)).then(|| SmallDisk(at.to_owned()))
    }

    /// Fills what is left; the file is in the way until it is removed.
    pub fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        while std::io::Write::write_all(&mut file, &[0_u8; 4096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
