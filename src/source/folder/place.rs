//! The folder itself: is it memory, what is in it, and a file's way from the name it came under to none.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat, StatFs};
use rustix::io::Errno;

use super::names;
use crate::source::Cause;

/// The `f_type` of a tmpfs, and of a ramfs (`linux/magic.h`).
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Whether what is under `path` is memory, which is gone when the box is switched off. Not so where it cannot be told.
pub fn in_memory(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| is_memory(&stat))
}

fn is_memory(stat: &StatFs) -> bool {
    matches!(stat.f_type as u64, TMPFS | RAMFS)
}

/// An open folder in memory.
pub(super) struct Place {
    path: PathBuf,
    folder: OwnedFd,
    identity: (u64, u64),
}

/// What is in the folder.
#[derive(Default)]
pub(super) struct Listed {
    /// Files that were taken, by what they are called.
    pub(super) taken: Vec<String>,
    /// What may be taken.
    pub(super) files: Vec<Listing>,
}

/// A file of the folder.
pub(super) struct Listing {
    pub(super) name: CString,
    pub(super) is_file: bool,
    pub(super) state: State,
}

/// What of a file changes when it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// Seconds and nanoseconds of the last change.
    pub(super) changed: (i64, i64),
    pub(super) size: u64,
    pub(super) number: u64,
}

impl Place {
    pub(super) fn open(path: &Path) -> Result<Place, Cause> {
        let failed = |errno| of(path, errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        if !is_memory(&rustix::fs::fstatfs(&folder).map_err(failed)?) {
            return Err(Cause::OnDisk(path.to_owned()));
        }
        rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).map_err(failed)?;
        let identity = identity(&rustix::fs::fstat(&folder).map_err(failed)?);
        Ok(Place { path: path.to_owned(), folder, identity })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Everything in the folder but folders and what is left alone.
    pub(super) fn list(&self) -> Result<Listed, Cause> {
        let failed = |errno| of(&self.path, errno);
        if identity(&rustix::fs::stat(&self.path).map_err(failed)?) != self.identity {
            return Err(Cause::NoFolder(self.path.clone()));
        }
        let mut listed = Listed::default();
        for entry in Dir::read_from(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_owned();
            if let Some(file) = names::file_of(&name) {
                listed.taken.push(file);
            } else if !names::left_alone(&name) {
                // Who is gone meanwhile is not in the folder.
                let Ok(about) = rustix::fs::statat(&self.folder, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                let kind = FileType::from_raw_mode(about.st_mode);
                if kind != FileType::Directory {
                    listed.files.push(Listing { name, is_file: kind == FileType::RegularFile, state: state(&about) });
                }
            }
        }
        listed.taken.sort();
        Ok(listed)
    }

    /// Gives the file the hidden name under which it is ours; answers with what it is called now, or with what is in the
    /// way.
    pub(super) fn take(&self, name: &CStr) -> Result<String, String> {
        // What cannot be read is left under its own name, for whoever has to see to it.
        open(&self.folder, name).map_err(unreadable)?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| format!("cannot be taken ({error})"))?;
        let file: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let (folder, to) = (&self.folder, names::taken(&file));
        rustix::fs::renameat_with(folder, name, folder, to, RenameFlags::NOREPLACE).map_err(|errno| match errno {
            Errno::ACCESS | Errno::PERM => "cannot be taken; let the service's user remove files of others in the \
                                            folder (it must own the folder, or the folder must not be sticky)"
                .to_owned(),
            errno => format!("cannot be taken ({errno})"),
        })?;
        Ok(file)
    }

    pub(super) fn open_taken(&self, file: &str) -> Result<File, String> {
        let name = CString::new(names::taken(file)).unwrap_or_default();
        open(&self.folder, &name).map(File::from).map_err(unreadable)
    }

    pub(super) fn remove(&self, file: &str) -> Result<(), String> {
        match rustix::fs::unlinkat(&self.folder, names::taken(file), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(format!("is stored and cannot be removed ({errno}); remove it by hand")),
        }
    }
}

fn open(folder: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

fn unreadable(errno: Errno) -> String {
    match errno {
        Errno::ACCESS | Errno::PERM => {
            "may not be read; let whoever writes it make it readable for the service's user".to_owned()
        }
        errno => format!("cannot be read ({errno})"),
    }
}

fn identity(about: &Stat) -> (u64, u64) {
    (about.st_dev, about.st_ino)
}

fn state(about: &Stat) -> State {
    State {
        changed: (about.st_mtime, about.st_mtime_nsec as i64),
        size: u64::try_from(about.st_size).unwrap_or(0),
        number: about.st_ino,
    }
}

fn of(path: &Path, errno: Errno) -> Cause {
    let path = path.to_owned();
    match errno {
        Errno::NOENT => Cause::NoFolder(path),
        Errno::NOTDIR => Cause::NotAFolder(path),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Cause::FolderPermission(path),
        errno => Cause::Other(format!("{}: {errno}", path.display())),
    }
}
