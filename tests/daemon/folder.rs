//! A drop folder under the daemon: files become days, a kill doubles nothing, and no number comes to rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::lines::{Ip, MERIDIAN, NORSTAR};
use super::rig::{Rig, SITE, clock, wait_for};

const NOW: &str = "2026-11-20T15:00:00Z";

/// A box with a drop folder; nothing where there is no tmpfs for it.
fn a_box(dialect: &str) -> Option<(Rig, PathBuf)> {
    let memory = Path::new("/dev/shm");
    if !smdrd::source::in_memory(memory) {
        eprintln!("SKIPPED LOUDLY: /dev/shm is not a tmpfs here, so no drop folder can be tried");
        return None;
    }
    // The rig's own directory is in memory too, beside it.
    let mut rig = Rig::new(SITE, &[]);
    let folder = rig.path("drop");
    fs::create_dir(&folder).unwrap();
    rig.site += &format!(
        "[[source]]\nname = \"files\"\ndialect = \"{dialect}\"\n[source.folder]\npath = \"{}\"\nsettle-seconds = 1\n",
        folder.display()
    );
    Some((rig, folder))
}

fn call(id: u32) -> String {
    Ip { id, cli: "07700900775", ..Ip::default() }.line() + "\r\n"
}

fn ids(rig: &Rig) -> Vec<u32> {
    let db = rig.db();
    let mut query =
        db.prepare("SELECT CAST(json_extract(record, '$.call_id') AS INTEGER) FROM line ORDER BY seq").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn files_become_calls_and_no_number_of_them_comes_to_rest() {
    let Some((rig, folder)) = a_box("avaya-ipoffice") else { return };
    let daemon = rig.run_with(&clock(NOW, 1), |command| command.env("SMDRD_LOG", "trace"));
    fs::write(
        folder.join("07700900775.csv"),
        (1..=3).map(call).collect::<String>() + "2026/11/20 09:00:00,half 07700900775",
    )
    .unwrap();
    // A file that nobody can read in: the journal names it, and not its digits.
    std::os::unix::fs::symlink("/nowhere", folder.join("07700900775")).unwrap();
    rig.wait_for_lines(4);
    wait_for("the removal", || (fs::read_dir(&folder).unwrap().count() == 1).then_some(()));
    wait_for("the trouble", || rig.status()["problems"].to_string().contains("no plain file").then_some(()));
    let status = rig.status();
    assert_eq!((&status["sources"][0]["up"], &status["lines"]["records"]), (&true.into(), &3.into()), "{status:#}");
    assert_eq!(status["well"], false);
    fs::remove_file(folder.join("07700900775")).unwrap();
    wait_for("an empty folder", || (rig.status()["problems"] == serde_json::json!([])).then_some(()));
    wait_for("the forgetting", || (rig.count("SELECT count(*) FROM dropped_file") == 0).then_some(()));
    // A file says nothing of how the PBX's clock stands to ours.
    assert_eq!(rig.count("SELECT count(*) FROM source_day WHERE clock_offset_s IS NOT NULL"), 0);
    rig.assert_no_difference("", "after files");
    daemon.stop();
    let log = rig.log();
    assert!(log.contains("99999999999 (") && log.contains("ready"), "{log}");
    let places = ["state", "run", "log"].map(|name| rig.path(name));
    let mut files: Vec<PathBuf> = vec![places[2].clone()];
    for place in &places[..2] {
        files.extend(fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
    }
    let mut searched = 0;
    for file in files.iter().filter(|file| file.is_file()) {
        let bytes = fs::read(file).unwrap();
        searched += 1;
        for number in ["7700900775", "900775"] {
            let found = bytes.windows(number.len()).any(|window| window == number.as_bytes());
            assert!(!found, "{number} in {}", file.display());
        }
    }
    assert!(searched > 4, "{searched} files");
}

#[test]
fn the_end_of_a_file_ends_half_a_group() {
    let Some((rig, folder)) = a_box("nortel-bcm") else { return };
    let daemon = rig.run(&clock(NOW, 1));
    // The last report has no blank line behind it, and the silence of 3 seconds is not what ends it.
    fs::write(folder.join("norstar.txt"), NORSTAR.join("\r\n") + "\r\n").unwrap();
    rig.wait_for_lines(NORSTAR.len());
    assert_eq!(rig.status()["lines"]["records"], 4);
    rig.assert_no_difference("", "after a file");
    daemon.stop();
}

#[test]
fn killed_between_commit_and_removal_a_file_is_not_read_again() {
    let Some((rig, folder)) = a_box("avaya-ipoffice") else { return };
    let daemon = rig.run(&clock(NOW, 1));
    let text: String = (1..=20).map(call).collect();
    fs::write(folder.join("calls.csv"), &text).unwrap();
    rig.wait_for_lines(20);
    wait_for("the removal", || is_empty(&folder).then_some(()));
    wait_for("the forgetting", || (rig.count("SELECT count(*) FROM dropped_file") == 0).then_some(()));
    daemon.kill();
    // What a kill in that moment leaves: the lines, the mark of the same transaction, and the file.
    let [whole, half] = ["0".repeat(32), "1".repeat(32)];
    fs::write(folder.join(format!(".smdrd-{whole}")), &text).unwrap();
    // And a kill in the middle of a file: its first ten lines are stored.
    let (stored, rest): (String, String) = ((11..=20).map(call).collect(), (21..=30).map(call).collect());
    fs::write(folder.join(format!(".smdrd-{half}")), format!("{stored}{rest}")).unwrap();
    for (file, read_to, whole) in [(&whole, text.len(), true), (&half, stored.len(), false)] {
        rig.db()
            .execute(
                "INSERT INTO dropped_file (file, source, read_to, whole) VALUES (?1, 1, ?2, ?3)",
                (file, read_to as i64, whole),
            )
            .unwrap();
    }
    let daemon = rig.run(&clock(NOW, 1));
    rig.wait_for_lines(30);
    wait_for("the removal", || is_empty(&folder).then_some(()));
    wait_for("the forgetting", || (rig.count("SELECT count(*) FROM dropped_file") == 0).then_some(()));
    assert_eq!(ids(&rig), (1..=30).collect::<Vec<_>>());
    rig.assert_no_difference("", "after the kill");
    daemon.stop();
}

#[test]
fn killed_in_the_middle_of_files_no_line_is_lost_or_doubled() {
    const CALLS: u32 = 2000;
    let Some((rig, folder)) = a_box("avaya-ipoffice") else { return };
    let (mut next, mut cut) = (1, 0);
    for round in 0..6 {
        // Of many parts, and whole at once under its final name.
        fs::write(folder.join("upload.part"), (next..next + CALLS).map(call).collect::<String>()).unwrap();
        fs::rename(folder.join("upload.part"), folder.join(format!("{round}.csv"))).unwrap();
        next += CALLS;
        let daemon = rig.run(&clock(NOW, 1));
        let db = rig.db();
        let marks = |whole: bool| -> i64 {
            let mut query = db.prepare_cached("SELECT count(*) FROM dropped_file WHERE whole = ?1").unwrap();
            query.query_row([whole], |row| row.get(0)).unwrap()
        };
        // Now and then behind the last part, if that moment is not missed.
        let deadline = Instant::now() + Duration::from_secs(60);
        while marks(round % 3 == 2) == 0 && !is_empty(&folder) {
            assert!(Instant::now() < deadline, "the file is not read: {}", rig.log());
            std::thread::sleep(Duration::from_millis(1));
        }
        daemon.kill();
        cut += marks(false);
    }
    assert!(cut > 0, "no kill came in the middle of a file");
    let daemon = rig.run(&clock(NOW, 1));
    wait_for("an empty folder", || is_empty(&folder).then_some(()));
    rig.wait_for_lines(next as usize - 1);
    let mut ids = ids(&rig);
    ids.sort_unstable();
    assert!(ids == (1..next).collect::<Vec<_>>(), "{} lines", ids.len());
    daemon.stop();
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_does_not_stop_others() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED LOUDLY: only root can run the daemon as somebody who may not read a file");
        return;
    }
    let Some((mut rig, folder)) = a_box("avaya-ipoffice") else { return };
    rig.for_everybody();
    for name in ["state", "run"] {
        fs::create_dir(rig.path(name)).unwrap();
        chown(rig.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::write(folder.join("secret.csv"), call(1)).unwrap();
    fs::set_permissions(folder.join("secret.csv"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.join("open.csv"), call(2)).unwrap();
    let daemon = rig.run_with(&clock(NOW, 1), |command| command.uid(NOBODY).gid(NOBODY));
    wait_for("the other file", || (!folder.join("open.csv").exists()).then_some(()));
    rig.wait_for_lines(1);
    wait_for("the trouble", || {
        let problems = rig.status()["problems"].to_string();
        (problems.contains("secret.csv") && problems.contains("may not be read")).then_some(())
    });
    assert!(folder.join("secret.csv").exists());
    assert_eq!(ids(&rig), [2]);
    daemon.stop();
}

#[test]
fn a_folder_on_a_disk_is_refused_by_check_and_at_the_start() {
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if smdrd::source::in_memory(disk.path()) {
        eprintln!("SKIPPED LOUDLY: the tests run on a tmpfs, so a folder on a disk cannot be tried");
        return;
    }
    let folder = |path: &Path| {
        let mut rig = Rig::new(SITE, &[]);
        rig.site += &format!(
            "[[source]]\nname = \"files\"\ndialect = \"avaya-ipoffice\"\n[source.folder]\npath = \"{}\"\n",
            path.display()
        );
        rig
    };
    let rig = folder(disk.path());
    for verb in ["check", "run"] {
        let output = rig.verb(&[verb], "");
        assert_eq!(output.status.code(), Some(78), "{verb}");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        for word in ["source[0].folder.path", "tmpfs", "telephone numbers", "/run/smdrd/drop"] {
            assert!(said.contains(word), "{verb} does not say {word}: {said}");
        }
    }
    // One that is not there yet may come, in memory or not: then it is looked at again.
    let output = folder(&disk.path().join("not-there")).verb(&["check"], "");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no such folder yet"), "{output:?}");
}

#[test]
fn half_a_record_ends_with_its_file_whatever_the_next_begins_with() {
    let Some((rig, folder)) = a_box("nortel-meridian") else { return };
    let daemon = rig.run(&clock(NOW, 1));
    // Records of three lines; the file ends behind the first of the second.
    fs::write(folder.join("a.txt"), MERIDIAN[..4].join("\r\n") + "\r\n").unwrap();
    rig.wait_for_lines(4);
    fs::write(folder.join("b.txt"), MERIDIAN[4..6].join("\r\n") + "\r\n").unwrap();
    rig.wait_for_lines(6);
    let status = rig.status();
    // Its first line says enough for a record; what the next file begins with belongs to nothing.
    let lines = &status["lines"];
    assert_eq!(lines["records"], 2, "{status:#}");
    assert_eq!((&lines["continuations"], &lines["unparsed"]), (&2.into(), &2.into()), "{status:#}");
    rig.assert_no_difference("", "after half a group");
    daemon.stop();
}
