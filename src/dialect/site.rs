//! The files of a site: added to the shipped dialects, or put in their place.

use std::path::{Path, PathBuf};

use super::fault::{FileFault, LibraryError};
use super::library::{Dialect, Library};
use super::shipped;
use crate::framing::Protocol;

/// A site's file that cannot be used. The shipped dialect of the same id is not used in its place: it would read the
/// lines otherwise than the site meant.
#[derive(Debug, Clone)]
pub struct BrokenFile {
    /// Where it is.
    pub path: PathBuf,
    /// The dialect that it means to be, as far as that can be told: its `id`, or else the file's name.
    pub id: String,
    /// What is wrong with it.
    pub faults: Vec<FileFault>,
    /// How the shipped dialect of this id cuts its output into lines, where there is one: the best guess.
    pub protocol: Protocol,
}

impl Library {
    /// The shipped dialects with the site's own `*.toml` of `dir` added or put in their place; each of those must pass
    /// its own examples. A directory that does not exist holds none.
    ///
    /// # Errors
    /// Every fault of every file, or what could not be read.
    pub fn with_site_dir(dir: &Path) -> Result<Library, LibraryError> {
        let library = Library::of_site(dir)?;
        if library.broken.is_empty() {
            return Ok(library);
        }
        Err(LibraryError::Faults(library.broken.into_iter().flat_map(|broken| broken.faults).collect()))
    }

    /// As [`Library::with_site_dir`], but a file that is wrong only takes its own dialect away: see
    /// [`Library::broken`].
    ///
    /// # Errors
    /// The directory cannot be read, so that nobody knows which shipped dialects the site replaces.
    pub fn of_site(dir: &Path) -> Result<Library, LibraryError> {
        let mut library = Library::default();
        let unreadable = |error| LibraryError::Unreadable { path: dir.to_owned(), error };
        let entries = match std::fs::read_dir(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(library),
            entries => entries.map_err(unreadable)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        paths.sort();
        for path in paths {
            library.add(path);
        }
        // Also when the id is one that a good file has: which of the two is meant, nobody knows.
        for broken in &library.broken {
            library.dialects.remove(&broken.id);
        }
        Ok(library)
    }

    fn add(&mut self, path: PathBuf) {
        let name = path.display().to_string();
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|error| (error.to_string(), "Save it as UTF-8")),
            Err(error) => Err((error.to_string(), "Let the service user read it (chmod 0644)")),
        };
        let (text, result) = match text {
            Ok(text) => {
                let read = Dialect::read(&name, &text).and_then(|dialect| {
                    let faults = dialect.check_examples();
                    if faults.is_empty() { Ok(dialect) } else { Err(faults) }
                });
                (text, read)
            }
            Err((reason, remedy)) => {
                let fault = FileFault::at(&name, "", &(0..0), "file".to_owned(), reason, remedy.to_owned());
                (String::new(), Err(vec![fault]))
            }
        };
        match result {
            Ok(mut dialect) => {
                dialect.from_site = true;
                let other = self.dialects.insert(dialect.id.clone(), dialect.clone());
                if let Some(other) = other.filter(|other| other.from_site) {
                    let reason = format!("{} has this id too", other.origin());
                    let key = format!("id {:?}", dialect.id);
                    let fault = FileFault::at(&name, &text, &(0..0), key, reason, "Keep one of the two".to_owned());
                    self.break_off(path, dialect.id, vec![fault]);
                }
            }
            Err(faults) => {
                let id = claimed_id(&text).unwrap_or_else(|| {
                    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
                });
                self.break_off(path, id, faults);
            }
        }
    }

    fn break_off(&mut self, path: PathBuf, id: String, faults: Vec<FileFault>) {
        let protocol = shipped::get(&id).map(Dialect::protocol).unwrap_or_default();
        self.broken.push(BrokenFile { path, id, faults, protocol });
    }

    /// The site's files that cannot be used.
    pub fn broken(&self) -> &[BrokenFile] {
        &self.broken
    }

    /// The site's file that means to be this dialect and cannot be used.
    pub fn broken_file(&self, id: &str) -> Option<&BrokenFile> {
        self.broken.iter().find(|broken| broken.id == id)
    }
}

/// The id that a file claims, also where it is no TOML at all: by the first line that looks like `id = "…"`.
fn claimed_id(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let value = line.trim_start().strip_prefix("id")?.trim_start().strip_prefix('=')?.trim();
        let value = value.trim_start_matches(['"', '\'']);
        let id: String =
            value.chars().take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-').collect();
        (!id.is_empty()).then_some(id)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_broken_file_takes_its_own_dialect_away_and_no_other() {
        let wrong = "name = \"ours\"\n  id = 'nortel-bcm' # theirs\ncolour = = 3\n";
        let folder = folder(&[("a.toml", wrong), ("b.toml", "\u{1F4DE}"), ("c.txt", "nothing")]);
        let library = Library::of_site(folder.path()).unwrap();
        assert!(library.get("nortel-bcm").is_none() && library.get("nortel-meridian").is_some());
        let broken: Vec<&str> = library.broken().iter().map(|broken| broken.id.as_str()).collect();
        assert_eq!(broken, ["nortel-bcm", "b"]);
        let fault = &library.broken_file("nortel-bcm").unwrap().faults[0];
        assert_eq!((fault.line, fault.column), (3, 10), "{fault}");
        let name = folder.path().join("a.toml").display().to_string();
        let cited = fault.cited();
        assert!(cited.starts_with(&format!("{name}:3:10: ")), "{cited}");
        assert!(cited.contains("\n3 | colour = = 3\n  |          ^\n  remedy: "), "{cited}");
        assert_eq!(fault.place(), format!("{name}:3:10"));
        assert!(
            matches!(Library::with_site_dir(folder.path()), Err(LibraryError::Faults(faults)) if faults.len() == 2)
        );
    }

    #[test]
    fn of_two_files_with_one_id_neither_is_taken() {
        let text = "id = \"ours\"\nname = \"Ours\"\ndoc = \"\"\n[[line]]\nkind = \"call\"\nis = \"record\"\n[link]\nby = \"nothing\"\n";
        let folder = folder(&[("a.toml", text), ("b.toml", text)]);
        let library = Library::of_site(folder.path()).unwrap();
        assert!(library.get("ours").is_none());
        let broken = library.broken_file("ours").unwrap();
        assert!(broken.path.ends_with("b.toml") && broken.faults[0].reason.contains("a.toml"), "{broken:?}");
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing_and_one_that_cannot_be_read_is_an_error() {
        let folder = folder(&[("a.toml", "")]);
        assert!(Library::of_site(&folder.path().join("b")).unwrap().broken().is_empty());
        assert!(matches!(Library::of_site(&folder.path().join("a.toml")), Err(LibraryError::Unreadable { .. })));
    }
}
