//! Drop folders, on a real tmpfs. The ledger stands for the database: what the test puts there is stored.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smdrd::source::{Cause, FileMark, Happening, Ledger, Spec, SpecError};

use crate::rig::{Running, source};

/// A folder in memory, and what is stored of its files.
struct Drop {
    folder: tempfile::TempDir,
    stored: Arc<Mutex<Vec<FileMark>>>,
}

impl Drop {
    /// Nothing where the machine has no tmpfs for us.
    fn new() -> Option<Drop> {
        let memory = Path::new("/dev/shm");
        if !smdrd::source::in_memory(memory) {
            eprintln!("SKIPPED LOUDLY: /dev/shm is not a tmpfs here, so no drop folder can be tried");
            return None;
        }
        Some(Drop { folder: tempfile::tempdir_in(memory).unwrap(), stored: Arc::default() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn source(&self) -> Spec {
        let text = format!("[folder]\npath = '{}'\nsettle-seconds = 1", self.folder.path().display());
        let stored = Arc::clone(&self.stored);
        source(1, &text).with_ledger(Ledger::new(move || {
            let marks = stored.lock().unwrap().clone();
            async move { Some(marks) }
        }))
    }

    fn run(&self) -> Running {
        Running::start(vec![self.source()])
    }

    fn store(&self, mark: FileMark) {
        let mut stored = self.stored.lock().unwrap();
        stored.retain(|other| other.file != mark.file);
        stored.push(mark);
    }

    /// Reads the next file, part by part, and stores each; gives its bytes when it was removed.
    async fn next(&self, running: &mut Running) -> Vec<u8> {
        let mut read = Vec::new();
        loop {
            match running.next().await {
                Happening::Part { bytes, mark, .. } => {
                    read.extend_from_slice(&bytes);
                    assert!(self.names().contains(&format!(".smdrd-{}", mark.file)), "removed before it was stored");
                    self.store(mark);
                }
                Happening::Removed { file, .. } => {
                    self.stored.lock().unwrap().retain(|mark| mark.file != file);
                    return read;
                }
                Happening::Up { .. } | Happening::Trouble { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn files_are_read_oldest_first_once_whole_and_removed_when_they_are_stored() {
    let Some(drop) = Drop::new() else { return };
    drop.put("b.csv", "older\r\nhalf a li");
    std::thread::sleep(Duration::from_millis(20));
    drop.put("a.csv", "newer\r\n");
    for name in [".hidden", "upload.part", "c.tmp", "d.filepart", "e~"] {
        drop.put(name, "not for us\r\n");
    }
    fs::create_dir(drop.path("a-folder")).unwrap();
    let mut running = drop.run();
    assert_eq!(drop.next(&mut running).await, b"older\r\nhalf a li");
    assert_eq!(drop.next(&mut running).await, b"newer\r\n");
    assert_eq!(drop.names(), [".hidden", "a-folder", "c.tmp", "d.filepart", "e~", "upload.part"]);
    // Renamed when it is whole, as careful programs do.
    fs::rename(drop.path("upload.part"), drop.path("upload")).unwrap();
    assert_eq!(drop.next(&mut running).await, b"not for us\r\n");
    let rest = running.stop().await;
    assert!(matches!(&rest[..], [Happening::Down { cause: Cause::Stopping, .. }]), "{rest:?}");
    assert_eq!(drop.names().len(), 5);
}

#[tokio::test]
async fn a_file_whose_writer_pauses_longer_than_the_folder_settles_is_read_whole() {
    let Some(drop) = Drop::new() else { return };
    let mut running = drop.run();
    running.up(1).await;
    let mut slow = fs::File::create(drop.path("slow.csv")).unwrap();
    let writer = tokio::task::spawn_blocking(move || {
        for line in ["one\r\n", "two\r\n", "thr"] {
            slow.write_all(line.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(1800));
        }
        slow.write_all(b"ee\r\n").unwrap();
    });
    assert_eq!(drop.next(&mut running).await, b"one\r\ntwo\r\nthree\r\n");
    writer.await.unwrap();
    assert!(drop.names().is_empty());
}

#[tokio::test]
async fn what_is_added_to_a_file_that_was_taken_is_read_too_and_a_name_may_come_again() {
    let Some(drop) = Drop::new() else { return };
    drop.put("day.csv", "one\r\n");
    let mut running = drop.run();
    let (file, mark) = running.until(part).await;
    assert_eq!(file, b"one\r\n");
    // It is ours now; the same name is another file.
    drop.put("day.csv", "another\r\n");
    let taken = drop.path(&format!(".smdrd-{}", mark.file));
    fs::File::options().append(true).open(taken).unwrap().write_all(b"two\r\n").unwrap();
    drop.store(mark.clone());
    let (more, again) = running.until(part).await;
    assert_eq!((more.as_slice(), again.file.as_str(), again.read_to), (&b"two\r\n"[..], mark.file.as_str(), 10));
    drop.store(again);
    running.until(|happening| matches!(happening, Happening::Removed { .. }).then_some(())).await;
    assert_eq!(drop.next(&mut running).await, b"another\r\n");
}

fn part(happening: &Happening) -> Option<(Vec<u8>, FileMark)> {
    match happening {
        Happening::Part { bytes, mark, .. } => Some((bytes.clone(), mark.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn a_run_that_was_cut_short_is_gone_on_with_where_its_lines_are_stored() {
    let Some(drop) = Drop::new() else { return };
    let whole: String = (0..5_000).map(|line| format!("a line of no great length, number {line}\r\n")).collect();
    drop.put("big.csv", &whole);
    let mut running = drop.run();
    // Two parts are stored; what is handed on after them is not.
    let mut stored = Vec::new();
    for _ in 0..2 {
        let (bytes, mark) = running.until(part).await;
        assert!(!mark.whole && bytes.ends_with(b"\r\n"));
        stored.extend_from_slice(&bytes);
        assert_eq!(mark.read_to, stored.len() as u64);
        drop.store(mark);
    }
    let (_, lost) = running.until(part).await;
    std::mem::drop(running);
    let mut running = drop.run();
    stored.extend_from_slice(&drop.next(&mut running).await);
    assert!(stored == whole.as_bytes(), "{} bytes of {}", stored.len(), whole.len());
    assert!(drop.names().is_empty() && lost.read_to > 0);
    std::mem::drop(running);

    // Stored whole and not removed: it is removed, and no line comes again. What is noted of a file that is not there
    // is forgotten.
    let file = "00112233445566778899aabbccddeeff";
    drop.put(&format!(".smdrd-{file}"), "stored\r\n");
    drop.store(FileMark { source: 1, file: file.into(), read_to: 8, whole: true });
    drop.store(FileMark { source: 1, file: "f".repeat(32), read_to: 8, whole: false });
    drop.store(FileMark { source: 2, file: "e".repeat(32), read_to: 8, whole: false });
    let mut running = drop.run();
    let mut removed = Vec::new();
    while removed.len() < 2 {
        match running.next().await {
            Happening::Removed { file, .. } => removed.push(file),
            Happening::Up { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    removed.sort();
    assert_eq!(removed, [file.to_owned(), "f".repeat(32)]);
    assert!(drop.names().is_empty());
}

#[tokio::test]
async fn what_is_no_plain_file_is_named_without_its_digits_and_does_not_stop_others() {
    let Some(drop) = Drop::new() else { return };
    std::os::unix::fs::symlink("/etc/hostname", drop.path("from-01632960123")).unwrap();
    drop.put("good.csv", "good\r\n");
    let mut running = drop.run();
    let trouble = |happening: &Happening| match happening {
        Happening::Trouble { problems, .. } => Some(problems.clone()),
        _ => None,
    };
    let problems = running.until(trouble).await;
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.starts_with("from-99999999999 (") && problem.contains("no plain file"), "{problem}");
    assert_eq!(drop.next(&mut running).await, b"good\r\n");
    fs::remove_file(drop.path("from-01632960123")).unwrap();
    assert_eq!(running.until(trouble).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_folder_that_cannot_be_listed_is_down_and_comes_back_and_one_on_a_disk_is_refused() {
    let Some(drop) = Drop::new() else { return };
    let folder = drop.path("drop");
    let text = format!("[folder]\npath = '{}'\nsettle-seconds = 1", folder.display());
    let spec = || source(1, &text).with_ledger(Ledger::new(async || Some(Vec::new())));
    let mut running = Running::start(vec![spec()]);
    assert_eq!(running.waiting(1).await, "not-found");
    fs::create_dir(&folder).unwrap();
    let Happening::Up { what, .. } = running.until(|h| matches!(h, Happening::Up { .. }).then(|| h.clone())).await
    else {
        unreachable!()
    };
    assert_eq!(what, format!("folder {}", folder.display()));
    fs::remove_dir(&folder).unwrap();
    assert_eq!(running.down(1).await, "not-found");
    fs::write(&folder, "").unwrap();
    running.until(|h| matches!(h, Happening::Waiting { cause: Cause::NotAFolder(_), .. }).then_some(())).await;

    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if smdrd::source::in_memory(disk.path()) {
        eprintln!("SKIPPED LOUDLY: the tests run on a tmpfs, so a folder on a disk cannot be tried");
        return;
    }
    let on_disk = toml::from_str(&format!("name = 'pbx'\ndialect = 'x'\nfolder.path = '{}'", disk.path().display()));
    let error = Spec::from_config(1, &on_disk.unwrap()).unwrap_err();
    assert!(matches!(error, SpecError::Folder { cause: Cause::OnDisk(_), .. }), "{error}");
    assert!(error.to_string().contains("telephone numbers"), "{error}");
    // One that comes to be on a disk while smdrd runs is not read either.
    fs::remove_file(&folder).unwrap();
    fs::write(disk.path().join("a.csv"), "never read\r\n").unwrap();
    std::os::unix::fs::symlink(disk.path(), &folder).unwrap();
    running.until(|h| matches!(h, Happening::Waiting { cause: Cause::OnDisk(_), .. }).then_some(())).await;
    assert!(disk.path().join("a.csv").exists());
}
