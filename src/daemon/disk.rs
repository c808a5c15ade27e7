//! How much room there is where the database is.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::alert::{Code, Problem};

/// Free space below which the disk is not well, in bytes: a few weeks of a busy practice's lines, and room to tidy up.
const LITTLE: u64 = 256 << 20;

/// The disk under the database, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// What the database takes, with its log.
    pub used: u64,
    /// What is still free for the service.
    pub free: Option<u64>,
}

impl Disk {
    /// As it is now. What cannot be found out is not said.
    pub fn under(state_dir: &Path) -> Disk {
        let sizes = ["smdrd.db", "smdrd.db-wal", "smdrd.db-shm"]
            .map(|name| std::fs::metadata(state_dir.join(name)).map_or(0, |file| file.len()));
        let free = rustix::fs::statvfs(state_dir).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        Disk { used: sizes.iter().sum(), free }
    }

    /// What is wrong with it.
    pub fn problem(self, state_dir: &Path) -> Option<Problem> {
        let free = self.free.filter(|free| *free < LITTLE)?;
        let what = format!("{}: {} MiB are free", state_dir.display(), free >> 20);
        let remedy = "make room, or lines will have to wait in memory and be lost at a power cut";
        Some(Problem::new(Code::DiskLow, what).remedy(remedy))
    }
}
