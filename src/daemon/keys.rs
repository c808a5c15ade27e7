//! Where the keys are: in memory, and only there. On a runtime directory that is itself memory they outlive a restart
//! of the daemon; they never outlive the box being switched off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::privacy::{Keys, PeerEntry, Peers};

/// The `f_type` of a tmpfs (`linux/magic.h`).
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Keeps the keys, and the peers seen so far.
#[derive(Debug)]
pub struct KeyRing {
    directory: Option<PathBuf>,
    keys: Keys,
    day: Date,
    peers: Option<File>,
}

impl KeyRing {
    /// Takes up the keys of an earlier run from `runtime`, if that is memory, or makes new ones. Answers with the
    /// peers seen so far too; new ones are counted from `next_peer`.
    pub fn open(runtime: &Path, day: Date, next_peer: u32) -> io::Result<(KeyRing, Peers)> {
        fs::create_dir_all(runtime)?;
        let directory = in_memory(runtime).then(|| runtime.to_owned());
        let link = key(directory.as_deref(), "link.key")?;
        let today = key(directory.as_deref(), &day_file(day))?;
        let mut peers = Peers::new(next_peer);
        let file = match &directory {
            Some(directory) => {
                let path = directory.join("peers");
                for entry in entries(&fs::read(&path).unwrap_or_default()) {
                    peers.restore(entry);
                }
                Some(OpenOptions::new().append(true).create(true).mode(0o600).open(path)?)
            }
            None => None,
        };
        let ring = KeyRing { directory, keys: Keys::new(link, today), day, peers: file };
        ring.remove_old_days();
        Ok((ring, peers))
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether the keys outlive a restart of the daemon.
    pub fn outlives_restart(&self) -> bool {
        self.directory.is_some()
    }

    /// Replaces the day's key when `day` is a new one. The old key is gone for good.
    pub fn turn(&mut self, day: Date) -> io::Result<()> {
        if day != self.day {
            self.day = day;
            self.keys.new_day(key(self.directory.as_deref(), &day_file(day))?);
            self.remove_old_days();
        }
        Ok(())
    }

    /// Keeps peers for a restart of the daemon.
    pub fn keep(&mut self, fresh: &[PeerEntry]) -> io::Result<()> {
        let Some(file) = &mut self.peers else { return Ok(()) };
        let mut bytes = Vec::with_capacity(fresh.len() * ENTRY);
        for entry in fresh {
            bytes.extend_from_slice(&entry.digest);
            bytes.extend_from_slice(&entry.peer.to_le_bytes());
            bytes.extend_from_slice(&entry.last_ms.to_le_bytes());
        }
        file.write_all(&bytes)
    }

    fn remove_old_days(&self) {
        let Some(directory) = &self.directory else { return };
        let current = day_file(self.day);
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("day-") && name.ends_with(".key") && *name != current {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

const ENTRY: usize = 16 + 4 + 8;

fn entries(bytes: &[u8]) -> impl Iterator<Item = PeerEntry> + '_ {
    bytes.chunks_exact(ENTRY).filter_map(|chunk| {
        Some(PeerEntry {
            digest: chunk.get(..16)?.try_into().ok()?,
            peer: u32::from_le_bytes(chunk.get(16..20)?.try_into().ok()?),
            last_ms: i64::from_le_bytes(chunk.get(20..)?.try_into().ok()?),
        })
    })
}

fn day_file(day: Date) -> String {
    format!("day-{day}.key")
}

fn key(directory: Option<&Path>, name: &str) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    let path = directory.map(|directory| directory.join(name));
    if let Some(path) = &path
        && let Ok(mut file) = File::open(path)
        && file.read_exact(&mut key).is_ok()
    {
        return Ok(key);
    }
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    if let Some(path) = path {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(&key)?;
    }
    Ok(key)
}

fn in_memory(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| matches!(stat.f_type as u64, TMPFS | RAMFS))
}

/// Whether the machine swaps to a disk in clear: then what is in memory may come to rest, and calls are not linked.
pub fn swaps_in_clear() -> bool {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    swaps
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        // zram is memory; a device mapper volume is taken to be encrypted.
        .any(|device| !device.starts_with("/dev/zram") && !device.starts_with("/dev/dm-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Option<tempfile::TempDir> {
        let shm = Path::new("/dev/shm");
        if !in_memory(shm) {
            eprintln!("SKIPPED LOUDLY: /dev/shm is not a tmpfs here");
            return None;
        }
        tempfile::tempdir_in(shm).ok()
    }

    #[test]
    fn keys_and_peers_outlive_a_restart_and_the_days_key_does_not_outlive_the_day() {
        let Some(directory) = memory() else { return };
        let today: Date = "2026-11-20".parse().unwrap();
        let number = crate::number::Number::parse(b"07700900123").unwrap();
        let at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let run = |day: Date| {
            let (mut ring, peers) = KeyRing::open(directory.path(), day, 1).unwrap();
            let mut privacy = crate::privacy::Privacy::new(crate::number::NumberPlan::default(), true, peers);
            let kept = privacy.anonymous(ring.keys(), 1, Some("1"), &number, at);
            ring.keep(&privacy.peers_mut().take_fresh()).unwrap();
            (kept.peer, kept.token)
        };
        let first = run(today);
        assert_eq!(run(today), first);
        let tomorrow = run(today.tomorrow().unwrap());
        assert_eq!(tomorrow.0, first.0, "the link key goes on");
        assert_ne!(tomorrow.1, first.1);
        assert!(!directory.path().join(day_file(today)).exists());
    }

    #[test]
    fn on_a_disk_nothing_is_written() {
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        if in_memory(directory.path()) {
            eprintln!("SKIPPED LOUDLY: the source tree is on a tmpfs here");
            return;
        }
        let (ring, _) = KeyRing::open(directory.path(), "2026-11-20".parse().unwrap(), 1).unwrap();
        assert!(!ring.outlives_restart());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
