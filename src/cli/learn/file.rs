//! Where a learnt dialect goes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::show;
use crate::config::Config;
use crate::dialect::Library;
use crate::dialect::learn::Draft;

/// Where the installer wants the file.
pub(super) struct Place {
    pub out: Option<PathBuf>,
    pub dialects: Option<PathBuf>,
    pub force: bool,
}

impl Place {
    /// The directory of the site's dialects.
    fn folder(&self) -> PathBuf {
        self.dialects.clone().unwrap_or_else(|| crate::cli::check::site_dialects(Config::default_path()))
    }

    /// The file that a dialect of this id is written to.
    pub fn of(&self, id: &str) -> PathBuf {
        let name = format!("{id}.toml");
        match &self.out {
            Some(out) if out.is_dir() => out.join(name),
            Some(out) => out.clone(),
            None => self.folder().join(name),
        }
    }

    /// Writes the dialect file, and says what it makes of the lines.
    pub fn write(&self, draft: &Draft) -> Result<String, String> {
        let id = draft.id().ok_or("the dialect has no id: say id NAME")?;
        let written = draft.write().map_err(|what| format!("nothing was written: {what}"))?;
        let check = &written.check;
        if check.records <= check.unread.len() {
            return Err(format!("fewer lines are understood than not; nothing was written\n{}", show::check(check)));
        }
        let path = self.of(id);
        self.may_write(id, &path)?;
        let failed =
            |error: std::io::Error| format!("cannot write {}: {error}; say another place with --out", path.display());
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // Whole or not at all: the daemon may be told to read the folder at any time.
        let part = path.with_extension("toml.part");
        let put = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&part)?;
            file.write_all(written.text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&part, &path)
        };
        put().map_err(failed)?;
        let mut said = String::new();
        let _ = writeln!(said, "\nWritten to {}. Its example, with other numbers:", path.display());
        for (line, record) in &written.example {
            let _ = writeln!(said, "  {line}\n    {record}");
        }
        let _ = write!(
            said,
            "\nTry it: smdrd parse --dialect {id} FILE, smdrd dialects test. Then dialect = \"{id}\" in the source's section of \
             the\nconfiguration, and a restart of the daemon.\n"
        );
        Ok(said)
    }

    fn may_write(&self, id: &str, path: &Path) -> Result<(), String> {
        if self.force {
            return Ok(());
        }
        if path.exists() {
            return Err(format!("{} is there already: say another id or --out, or --force", path.display()));
        }
        let library = Library::of_site(&self.folder()).map_err(|error| error.to_string())?;
        match library.get(id) {
            Some(known) => {
                Err(format!("there is a dialect {id} already ({}): say another id, or --force", known.origin()))
            }
            None => Ok(()),
        }
    }
}
