//! How far the numbering has come, in a small file of its own beside the database: where the database is lost, or an older
//! one is put in its place, numbers go on and nobody's line gets another's, and that lines are missing is noticed.
//!
//! Two places are written in turn, each with a digest, so that a power cut leaves one whole. They are written after each
//! commit and brought to the disk each minute and at the end: after a power cut they may be behind the database, never
//! ahead of it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::store::hex;

const NAME: &str = "smdrd.marks";
/// Bytes from the first place to the second.
const PLACE: u64 = 64 * 1024;

/// How far it has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// How often they were written.
    pub times: u64,
    /// Name of the box.
    pub device: String,
    /// When something was last stored, in milliseconds since 1970.
    pub alive_ms: i64,
    /// Head of the audit chain then.
    pub audit_head: String,
    /// The sources, by name.
    pub sources: BTreeMap<String, Mark>,
}

/// One source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its number.
    pub id: u16,
    /// The number that its next line gets.
    pub next_seq: u64,
}

/// The file.
#[derive(Debug)]
pub struct MarksFile {
    file: Option<File>,
    /// What was written last.
    pub marks: Marks,
    synced: bool,
}

impl MarksFile {
    /// Opens it and reads what is in it. A file that cannot be written keeps nobody from collecting.
    pub fn open(state_dir: &Path) -> MarksFile {
        let path = state_dir.join(NAME);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = match opened {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "how far the numbering has come cannot be noted");
                None
            }
        };
        let places = file.iter().flat_map(|file| [0, PLACE].into_iter().filter_map(|at| place(file, at)));
        let marks = places.max_by_key(|marks| marks.times).unwrap_or_default();
        MarksFile { file, marks, synced: true }
    }

    /// Writes them, where they differ from what was written.
    pub fn note(&mut self, marks: Marks) {
        let same = (&self.marks.sources, &self.marks.device) == (&marks.sources, &marks.device);
        if same && !self.marks.sources.is_empty() {
            return;
        }
        let marks = Marks { times: self.marks.times + 1, ..marks };
        let (Some(file), Ok(text)) = (&self.file, serde_json::to_string(&marks)) else { return };
        let line = format!("{} {text}\n", hex(&Sha256::digest(&text)));
        let at = if marks.times.is_multiple_of(2) { 0 } else { PLACE };
        if line.len() as u64 <= PLACE && file.write_all_at(line.as_bytes(), at).is_ok() {
            self.marks = marks;
            self.synced = false;
        }
    }

    /// Brings them to the disk.
    pub fn sync(&mut self) {
        if let Some(file) = self.file.as_ref().filter(|_| !self.synced) {
            self.synced = file.sync_data().is_ok();
        }
    }
}

/// What is written at a place, if all of it is.
fn place(file: &File, at: u64) -> Option<Marks> {
    let mut bytes = vec![0; PLACE as usize];
    let mut read = 0;
    while let Ok(more @ 1..) = file.read_at(bytes.get_mut(read..)?, at + read as u64) {
        read += more;
    }
    let line = bytes.get(..read)?.split(|byte| *byte == b'\n').next()?;
    let (digest, text) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    (hex(&Sha256::digest(text)) == digest).then(|| serde_json::from_str(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(next_seq: u64) -> Marks {
        let sources = BTreeMap::from([("reception".to_owned(), Mark { id: 3, next_seq })]);
        Marks { device: "box".into(), sources, ..Marks::default() }
    }

    #[test]
    fn the_newest_that_is_whole_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let next = || MarksFile::open(folder.path()).marks.sources.get("reception").map(|mark| mark.next_seq);
        assert_eq!(next(), None);
        let mut file = MarksFile::open(folder.path());
        for seq in [7, 700_000, 8] {
            file.note(marks(seq));
            assert_eq!(next(), Some(seq));
        }
        file.sync();
        // The newest is written half only: the one before counts.
        let at = if file.marks.times.is_multiple_of(2) { 0 } else { PLACE };
        file.file.as_ref().unwrap().write_all_at(b"????????????", at + 70).unwrap();
        assert_eq!(next(), Some(700_000));
        std::fs::write(folder.path().join(NAME), b"rubbish").unwrap();
        assert_eq!(next(), None);
    }
}
