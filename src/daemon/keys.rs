//! Where the keys are: in memory, and only there. On a runtime directory that is itself memory they outlive a restart
//! of the daemon; they never outlive the box being switched off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use zeroize::Zeroize as _;

use crate::privacy::{Keys, PEER_LIFE_MS, PeerEntry, Peers};
use crate::source::in_memory;

/// Keeps the keys, and the peers seen so far.
#[derive(Debug)]
pub struct KeyRing {
    directory: Option<PathBuf>,
    keys: Keys,
    day: Date,
    is_new: bool,
    peers: Option<PeerFile>,
}

impl KeyRing {
    /// Takes up the keys of an earlier run from `runtime`, if that is memory, or makes new ones. Answers with the
    /// peers seen so far too; new ones are counted from `next_peer`.
    pub fn open(runtime: &Path, day: Date, next_peer: u32) -> io::Result<(KeyRing, Peers)> {
        fs::create_dir_all(runtime)?;
        let directory = in_memory(runtime).then(|| runtime.to_owned());
        let link = key(directory.as_deref(), "link.key")?;
        let is_new = !directory.as_deref().is_some_and(|directory| directory.join(day_file(day)).is_file());
        let today = key(directory.as_deref(), &day_file(day))?;
        let mut peers = Peers::new(next_peer);
        let file = match &directory {
            Some(directory) => {
                let (file, entries) = PeerFile::open(directory.join("peers"))?;
                entries.into_iter().for_each(|entry| peers.restore(entry));
                Some(file)
            }
            None => None,
        };
        let ring = KeyRing { directory, keys: Keys::new(link, today), day, is_new, peers: file };
        ring.remove_old_days();
        Ok((ring, peers))
    }

    /// Keys that nobody else has and that live as long as this value: those of an import.
    pub fn of_its_own(day: Date) -> io::Result<KeyRing> {
        Ok(KeyRing { directory: None, keys: Keys::new(key(None, "")?, key(None, "")?), day, is_new: true, peers: None })
    }

    /// Whether the day's key is another than the one of an earlier run: the box was off, or keeps no keys.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether the keys outlive a restart of the daemon.
    pub fn outlives_restart(&self) -> bool {
        self.directory.is_some()
    }

    /// Whether `day` is another than the key's, so that [`Self::turn`] replaces it.
    pub fn turns(&self, day: Date) -> bool {
        day != self.day
    }

    /// Replaces the day's key when `day` is a new one, and says whether it was. The old key is gone for good, also
    /// when the new one cannot be kept for a restart.
    pub fn turn(&mut self, day: Date) -> io::Result<bool> {
        if day == self.day {
            return Ok(false);
        }
        self.day = day;
        self.remove_old_days();
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh).map_err(io::Error::other)?;
        self.keys.new_day(fresh);
        if let Some(directory) = &self.directory {
            keep_key(&directory.join(day_file(day)), &fresh)?;
        }
        fresh.zeroize();
        Ok(true)
    }

    /// Keeps peers for a restart of the daemon.
    pub fn keep(&mut self, fresh: &[PeerEntry]) -> io::Result<()> {
        match &mut self.peers {
            Some(file) => file.add(fresh),
            None => Ok(()),
        }
    }

    fn remove_old_days(&self) {
        let Some(directory) = &self.directory else { return };
        let current = day_file(self.day);
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("day-") && name.ends_with(".key") && *name != current {
                let _ = fs::write(entry.path(), [0; 32]).and_then(|()| fs::remove_file(entry.path()));
            }
        }
    }
}

/// Peers in a file that is memory: entries are added at its end, and now and then only the live ones are kept.
#[derive(Debug)]
struct PeerFile {
    path: PathBuf,
    file: File,
    entries: usize,
}

impl PeerFile {
    fn open(path: PathBuf) -> io::Result<(PeerFile, Vec<PeerEntry>)> {
        let live = live(&fs::read(&path).unwrap_or_default());
        // Rewritten as a whole: a kill may have left half an entry, and what is added behind it would be garbled.
        let file = PeerFile::write(&path, &live)?;
        Ok((PeerFile { path, file, entries: live.len() }, live))
    }

    fn write(path: &Path, entries: &[PeerEntry]) -> io::Result<File> {
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&entries.iter().flat_map(bytes).collect::<Vec<u8>>())?;
        fs::rename(beside, path)?;
        Ok(file)
    }

    fn add(&mut self, fresh: &[PeerEntry]) -> io::Result<()> {
        self.file.write_all(&fresh.iter().flat_map(bytes).collect::<Vec<u8>>())?;
        self.entries += fresh.len();
        if self.entries > MAX_ENTRIES {
            let live = live(&fs::read(&self.path)?);
            self.file = PeerFile::write(&self.path, &live)?;
            // Counted anew from here, so that a busy site does not rewrite its file at every line.
            self.entries = 0;
        }
        Ok(())
    }
}

/// Entries that are added before the file is written anew.
const MAX_ENTRIES: usize = 8192;

const ENTRY: usize = 16 + 4 + 8;

fn bytes(entry: &PeerEntry) -> [u8; ENTRY] {
    let mut out = [0; ENTRY];
    out[..16].copy_from_slice(&entry.digest);
    out[16..20].copy_from_slice(&entry.peer.to_le_bytes());
    out[20..].copy_from_slice(&entry.last_ms.to_le_bytes());
    out
}

/// The newest entry of each number whose time is not over, by the newest of all.
fn live(file: &[u8]) -> Vec<PeerEntry> {
    let newest = entries(file).map(|entry| entry.last_ms).max().unwrap_or_default();
    let mut by_digest = std::collections::BTreeMap::new();
    for entry in entries(file) {
        by_digest.insert(entry.digest, entry);
    }
    by_digest.into_values().filter(|entry| newest.saturating_sub(entry.last_ms) <= PEER_LIFE_MS).collect()
}

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
        keep_key(&path, &key)?;
    }
    Ok(key)
}

fn keep_key(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(key)
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
    fn at_midnight_the_running_daemons_key_is_replaced_once() {
        let Some(directory) = memory() else { return };
        let today: Date = "2026-11-20".parse().unwrap();
        let (mut ring, peers) = KeyRing::open(directory.path(), today, 1).unwrap();
        let mut privacy = crate::privacy::Privacy::new(crate::number::NumberPlan::default(), true, peers);
        let number = crate::number::Number::parse(b"07700900123").unwrap();
        let at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let mut token = |ring: &KeyRing| privacy.anonymous(ring.keys(), 1, None, &number, at).token;
        let first = token(&ring);
        assert!(!ring.turn(today).unwrap());
        assert_eq!(token(&ring), first);
        let tomorrow = today.tomorrow().unwrap();
        assert!(ring.turn(tomorrow).unwrap());
        assert_ne!(token(&ring), first);
        assert!(!directory.path().join(day_file(today)).exists() && directory.path().join(day_file(tomorrow)).exists());
        // And back, as a clock that is set right may do: still no old key.
        assert!(ring.turn(today).unwrap());
        assert_ne!(token(&ring), first);
    }

    #[test]
    fn only_live_peers_are_kept_and_half_an_entry_does_no_harm() {
        let Some(directory) = memory() else { return };
        let path = directory.path().join("peers");
        let entry = |digest: u8, peer: u32, last_ms: i64| PeerEntry { digest: [digest; 16], peer, last_ms };
        let (mut file, none) = PeerFile::open(path.clone()).unwrap();
        assert!(none.is_empty());
        file.add(&[entry(1, 1, 0), entry(2, 2, 0), entry(1, 3, PEER_LIFE_MS + 1)]).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], &[7; 9]].concat()).unwrap();
        let (mut file, live) = PeerFile::open(path.clone()).unwrap();
        assert_eq!(live, [entry(1, 3, PEER_LIFE_MS + 1)]);
        for round in 0..3 {
            file.add(&vec![entry(4, 4, PEER_LIFE_MS + round); MAX_ENTRIES]).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() < (2 * MAX_ENTRIES * ENTRY) as u64);
        let (_, live) = PeerFile::open(path).unwrap();
        assert_eq!(live, [entry(1, 3, PEER_LIFE_MS + 1), entry(4, 4, PEER_LIFE_MS + 2)]);
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
