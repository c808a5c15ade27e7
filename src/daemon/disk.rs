//! Room for the database: how much there is, how much it may take, and what is kept back for the moment when there is none.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use jiff::ToSpan as _;
use jiff::civil::Date;
use rustix::fs::FallocateFlags;
use serde::{Deserialize, Serialize};

use super::keeper::Keeper;
use super::prune::FEWEST;
use crate::alert::{Code, Problem};
use crate::config::Config;
use crate::store::StoreError;

/// Free space below which the disk is not well, in bytes: a few weeks of a busy practice's lines, and room to tidy up.
const LITTLE: u64 = 256 << 20;
/// At how many hundredths of the budget lines are taken away early.
const NEAR: u64 = 90;
/// The reserve is made where so many times its size is free.
const PLENTY: u64 = 4;
/// Until when lines were taken away before their time.
const EARLY: &str = "kept_from_by_budget";

/// The disk under the database, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// What the database takes, with its log.
    pub used: u64,
    /// What is still free for the service.
    pub free: Option<u64>,
    /// What the database may take.
    #[serde(default)]
    pub budget: u64,
    /// What is kept back for a full disk, at present.
    #[serde(default)]
    pub reserve: u64,
    /// The first day whose lines are kept, where older ones were taken away before their time.
    #[serde(default)]
    pub kept_from: Option<String>,
}

impl Disk {
    /// As it is now. What cannot be found out is not said.
    pub fn under(config: &Config) -> Disk {
        let directory = &config.state_dir;
        let size = |name: &str| fs::metadata(directory.join(name)).map_or(0, |file| file.len());
        Disk {
            used: ["smdrd.db", "smdrd.db-wal", "smdrd.db-shm"].map(size).iter().sum(),
            free: free(directory),
            budget: mib(*config.disk.budget_mib.get_ref()),
            reserve: size(RESERVE),
            kept_from: None,
        }
    }

    /// With what the database says.
    pub fn of(keeper: &Keeper) -> Result<Disk, StoreError> {
        let early = keeper.store.read().meta(EARLY)?;
        let by_age = keeper.by_age();
        // Where age alone would have taken them by now, nothing is to be said any more.
        let early = early.filter(|date| date.parse::<Date>().is_ok_and(|date| date > by_age));
        Ok(Disk { kept_from: early, ..Disk::under(&keeper.config) })
    }

    /// What is wrong with it.
    pub fn problem(&self, state_dir: &Path) -> Option<Problem> {
        let free = self.free.filter(|free| *free < LITTLE)?;
        let what = format!("{}: {} MiB are free", state_dir.display(), free >> 20);
        let remedy = "make room, or lines will have to wait in memory and be lost at a power cut";
        Some(Problem::new(Code::DiskLow, what).remedy(remedy))
    }
}

/// What the database takes of what it may.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    live: u64,
    limit: u64,
}

impl Budget {
    /// As it stands. Pages that hold nothing are not counted: they are used again, or given back.
    pub fn of(keeper: &Keeper) -> Result<Budget, StoreError> {
        let (free, all) = keeper.store.read().free_pages()?;
        let limit = mib(*keeper.config.disk.budget_mib.get_ref()) / 100 * NEAR;
        Ok(Budget { live: (all.saturating_sub(free)) * keeper.store.page_size()?, limit })
    }

    /// The first day whose lines are to be kept so that the database stays within its budget; nothing when it does, or when
    /// no more may go.
    pub fn keep_from(self, keeper: &Keeper) -> Result<Option<Date>, StoreError> {
        if self.live <= self.limit {
            return Ok(None);
        }
        let today = keeper.date(keeper.clock.now());
        let last = today.checked_sub(FEWEST.days()).unwrap_or(Date::MIN);
        let read = keeper.store.read();
        let mut oldest = last;
        for (source, ..) in read.sources()? {
            if let Some(first) = read.lines(source, 1, 1)?.pop() {
                oldest = oldest.min(first.day);
            }
        }
        let oldest = read.kept_from()?.unwrap_or(oldest).max(keeper.by_age());
        // A tenth of what is kept, so that it is not a day at a time, night after night.
        let days = i64::from(today.since(oldest).map_or(0, |span| span.get_days()));
        let next = oldest.checked_add((days / 10).max(1).days()).unwrap_or(last).min(last);
        Ok((next > oldest).then_some(next))
    }

    /// What is wrong: the fewest days are kept, and it does not do.
    pub fn problem(self, keeper: &Keeper) -> Result<Option<String>, StoreError> {
        if self.live <= self.limit || self.keep_from(keeper)?.is_some() {
            return Ok(None);
        }
        Ok(Some(format!(
            "the database takes {} of its {} MiB and only {FEWEST} days of lines are kept; raise disk.budget-mib",
            self.live >> 20,
            keeper.config.disk.budget_mib.get_ref()
        )))
    }
}

/// Notes that lines before `date` go before their time.
pub fn note_early(work: &crate::store::Work<'_>, date: Date) -> Result<(), StoreError> {
    work.set_meta(EARLY, &date.to_string())
}

const RESERVE: &str = "smdrd.reserve";

/// Room on the disk that is given up when it is full, so that the books can go on while somebody makes room.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    size: u64,
}

impl Reserve {
    /// The reserve that the configuration wants.
    pub fn of(config: &Config) -> Reserve {
        Reserve { path: config.state_dir.join(RESERVE), size: mib(*config.disk.reserve_mib.get_ref()) }
    }

    /// Makes it, where it is not there and there is plenty of room. What cannot be made is tried again another time.
    pub fn make(&self) {
        let there = fs::metadata(&self.path).map_or(0, |file| file.len());
        let plenty = self.path.parent().and_then(free).is_some_and(|free| free > self.size.saturating_mul(PLENTY));
        if there == self.size && self.size > 0 || there == 0 && (self.size == 0 || !plenty) {
            return;
        }
        if self.size == 0 || (there > 0 && there != self.size) {
            let _ = fs::remove_file(&self.path);
        }
        if self.size == 0 || !plenty {
            return;
        }
        let made = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path).and_then(|file| {
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.size)?;
            file.sync_all()
        });
        match made {
            Ok(()) => tracing::info!(mib = self.size >> 20, "room is kept back for a full disk"),
            Err(error) => {
                tracing::warn!(%error, "no room could be kept back for a full disk");
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    /// Gives it up. Whether there was any.
    pub fn give_up(&self) -> bool {
        let given = fs::metadata(&self.path).is_ok_and(|file| file.len() > 0) && fs::remove_file(&self.path).is_ok();
        if given {
            tracing::error!(mib = self.size >> 20, "the disk is full: the room kept back for that is given up");
        }
        given
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        let missing = self.size > 0 && !self.path.exists();
        missing.then(|| {
            format!(
                "no room is kept back for a full disk ({} MiB, disk.reserve-mib); make room in {}: it is taken again then",
                self.size >> 20,
                self.path.parent().unwrap_or(&self.path).display()
            )
        })
    }
}

fn free(directory: &Path) -> Option<u64> {
    rustix::fs::statvfs(directory).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn mib(mib: u32) -> u64 {
    u64::from(mib) << 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_takes_its_room_gives_it_up_and_takes_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = |size| Reserve { path: folder.path().join(RESERVE), size };
        let taken = || {
            use std::os::unix::fs::MetadataExt as _;
            fs::metadata(folder.path().join(RESERVE)).map_or(0, |file| file.blocks() * 512)
        };
        reserve(1 << 20).make();
        assert!(taken() >= 1 << 20, "a file with holes keeps nothing");
        assert!(reserve(1 << 20).give_up());
        assert!(!reserve(1 << 20).give_up() && taken() == 0);
        assert!(reserve(1 << 20).problem().is_some());
        reserve(1 << 20).make();
        reserve(2 << 20).make();
        assert!(taken() >= 2 << 20, "another size is another reserve");
        reserve(0).make();
        assert!(taken() == 0 && reserve(0).problem().is_none());
        reserve(u64::MAX / PLENTY).make();
        assert_eq!(taken(), 0, "where there is not plenty nothing is taken");
    }
}
