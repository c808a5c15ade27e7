//! Who has the database locked: another program that has it open for writing, as somebody with `sqlite3` may.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::damage::NAME;

/// Where the kernel lists locks: kind, mode, process, and the file as device and inode.
const LOCKS: &str = "/proc/locks";

/// A program that has the database locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process.
    pub process: u32,
    /// What it is called, where that may be known.
    pub name: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(to, "{name} (process {})", self.process),
            None => write!(to, "process {}", self.process),
        }
    }
}

/// Who else has the database in `directory` locked for writing, as far as the kernel says. Nothing is opened for that: to
/// close a file of the database lets go of our own locks on it.
pub fn held_by(directory: &Path) -> Option<Holder> {
    let inode = |suffix: &str| std::fs::metadata(directory.join(format!("{NAME}{suffix}"))).ok().map(|file| file.ino());
    let files: Vec<u64> = ["-shm", ""].into_iter().filter_map(inode).collect();
    let locks = std::fs::read_to_string(LOCKS).ok()?;
    let process =
        locks.lines().filter_map(|line| writer(line, &files)).find(|process| *process != std::process::id())?;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok();
    Some(Holder { process, name: name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) })
}

/// The process of a line of the list, where it writes one of these files.
fn writer(line: &str, files: &[u64]) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    let (kind, _, mode, process, file) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let inode: u64 = file.rsplit(':').next()?.parse().ok()?;
    let writes = matches!(kind, "POSIX" | "OFDLCK") && mode == "WRITE" && files.contains(&inode);
    // One in another namespace has no number here.
    process.parse().ok().filter(|process| writes && *process > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_found_in_the_list_and_nobody_else() {
        let list = "1: POSIX  ADVISORY  READ  77 08:02:4711 120 120\n\
                    2: FLOCK  ADVISORY  WRITE 78 08:02:4711 0 EOF\n\
                    3: POSIX  ADVISORY  WRITE 79 08:02:4712 120 120\n\
                    4: POSIX  ADVISORY  WRITE -1 08:02:4711 120 120\n\
                    5: POSIX  ADVISORY  WRITE 80 08:02:4711 120 120\n";
        let found: Vec<u32> = list.lines().filter_map(|line| writer(line, &[4711])).collect();
        assert_eq!(found, [80]);
        assert_eq!(Holder { process: 80, name: Some("sqlite3".into()) }.to_string(), "sqlite3 (process 80)");
    }
}
