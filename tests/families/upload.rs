//! A PBX that uploads files into the box's folder.

use std::path::PathBuf;

use crate::link::{Link, Wrap};
use crate::stage::{Kind, Printed};

/// Lines that it gathers before it uploads.
const GATHERED: usize = 40;

/// What it has gathered, and where it puts it. The folder is in memory: the box reads no other.
pub struct Folder {
    folder: tempfile::TempDir,
    kept: Vec<u8>,
    lines: usize,
    files: usize,
    /// Whether the last line ended a record.
    whole: bool,
    /// Whether a line is the first of a file.
    head: fn(&str) -> bool,
    wrap: Wrap,
}

impl Folder {
    /// Files of some forty lines.
    pub fn boxed(wrap: Wrap) -> Box<dyn Link> {
        Folder::with_head(|_| false, wrap)
    }

    /// Files that begin where a line is the `head` of one.
    pub fn with_head(head: fn(&str) -> bool, wrap: Wrap) -> Box<dyn Link> {
        let folder = tempfile::tempdir_in("/dev/shm").expect("/dev/shm is there, and is a tmpfs");
        Box::new(Folder { folder, kept: Vec::new(), lines: 0, files: 0, whole: true, head, wrap })
    }

    fn upload(&mut self) {
        self.files += 1;
        let name = |end: &str| -> PathBuf { self.folder.path().join(format!("cdr_{:03}{end}", self.files)) };
        std::fs::write(name(".part"), &self.kept).unwrap();
        std::fs::rename(name(".part"), name(".csv")).unwrap();
        self.kept.clear();
        self.lines = 0;
    }
}

impl Link for Folder {
    fn table(&self) -> String {
        format!("[source.folder]\npath = \"{}\"\nsettle-seconds = 1\n", self.folder.path().display())
    }

    fn connect(&mut self) {}

    fn send(&mut self, line: &Printed) {
        // Never between the lines of one record.
        if (self.lines >= GATHERED && self.whole) || ((self.head)(&line.text) && self.lines > 0) {
            self.upload();
        }
        self.kept.extend((self.wrap)(&line.text));
        self.lines += 1;
        self.whole = line.kind != Kind::Continuation;
    }

    fn finish(&mut self) {
        if self.lines > 0 {
            self.upload();
        }
    }
}
