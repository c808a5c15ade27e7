//! What is in this process's memory stays there: no core file, no debugger, no panic that quotes what it was reading,
//! and a word on whether the machine swaps to a disk in clear.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// Closes the ways by which memory reaches a file or a log. What the system refuses is said and does not stop the
/// daemon: the service unit forbids core files too.
pub fn seal() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core files cannot be forbidden from here; set LimitCORE=0");
    }
    // Without a core file's right to exist there is none of ptrace either, nor of a core handler's pipe.
    if let Err(error) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process could not be made undumpable");
    }
    // A message may quote what was being read; the place is enough to find the fault.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => tracing::error!(file = place.file(), line = place.line(), "a fault of the program"),
        None => tracing::error!("a fault of the program"),
    }));
}

/// What this process creates from now on is its user's alone, also where no service unit says so.
pub fn keep_files_private() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Whether the machine swaps to a disk in clear: then what is in memory may come to rest, and calls are not linked.
pub fn swaps_in_clear() -> bool {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    areas(&swaps).any(|area| device_of(area).is_none_or(|device| !keeps_secrets(Path::new("/sys"), &device)))
}

/// The swap areas of `/proc/swaps`. Blanks in a path are written `\040`.
fn areas(swaps: &str) -> impl Iterator<Item = &str> {
    swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next())
}

/// Major and minor number of the device that a swap area lies on; nothing when that cannot be told.
fn device_of(area: &str) -> Option<String> {
    let about = fs::metadata(area.replace("\\040", " ")).ok()?;
    let number = if about.file_type().is_block_device() { about.rdev() } else { about.dev() };
    Some(format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number)))
}

/// Whether what is written to this block device is encrypted, or never leaves memory. A volume of the device mapper is
/// if it, or everything below it, is of the kind `CRYPT`; compressed memory (zram) is if nothing backs it.
fn keeps_secrets(sys: &Path, device: &str) -> bool {
    fn of(block: &Path, depth: u8) -> bool {
        let read = |name: &str| fs::read_to_string(block.join(name)).unwrap_or_default();
        let name = fs::canonicalize(block).ok();
        let is_zram = name.and_then(|path| Some(path.file_name()?.to_str()?.starts_with("zram"))).unwrap_or(false);
        if is_zram {
            return matches!(read("backing_dev").trim(), "" | "none");
        }
        if read("dm/uuid").starts_with("CRYPT-") {
            return true;
        }
        let below: Vec<_> = fs::read_dir(block.join("slaves")).into_iter().flatten().flatten().collect();
        depth > 0 && !below.is_empty() && below.iter().all(|below| of(&below.path(), depth - 1))
    }
    of(&sys.join("dev/block").join(device), 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_areas_are_read_from_the_kernels_table() {
        let swaps =
            "Filename\t\t\t\tType\t\tSize\n/dev/dm-1      partition\t976892\t0\t-2\n/swap\\040file file 1 0 -3\n";
        assert_eq!(areas(swaps).collect::<Vec<_>>(), ["/dev/dm-1", "/swap\\040file"]);
        assert_eq!(areas("Filename\n").count(), 0);
    }

    #[test]
    fn a_volume_is_trusted_only_if_it_or_all_below_it_is_encrypted() {
        let folder = tempfile::tempdir().unwrap();
        let sys = folder.path();
        let block = |device: &str, name: &str, uuid: Option<&str>, below: &[&str]| {
            let place = sys.join("devices").join(name);
            fs::create_dir_all(place.join("slaves")).unwrap();
            fs::create_dir_all(sys.join("dev/block")).unwrap();
            std::os::unix::fs::symlink(&place, sys.join("dev/block").join(device)).unwrap();
            if let Some(uuid) = uuid {
                fs::create_dir_all(place.join("dm")).unwrap();
                fs::write(place.join("dm/uuid"), uuid).unwrap();
            }
            for name in below {
                std::os::unix::fs::symlink(sys.join("devices").join(name), place.join("slaves").join(name)).unwrap();
            }
            place
        };
        block("8:2", "sda2", None, &[]);
        block("254:0", "dm-0", Some("CRYPT-LUKS2-0\n"), &["sda2"]);
        block("254:1", "dm-1", Some("LVM-on-it\n"), &["dm-0"]);
        block("254:2", "dm-2", Some("LVM-in-clear\n"), &["sda2"]);
        block("254:3", "dm-3", Some("LVM-on-both\n"), &["dm-0", "sda2"]);
        let memory = block("253:0", "zram0", None, &[]);
        for (device, safe) in [
            ("8:2", false),
            ("254:0", true),
            ("254:1", true),
            ("254:2", false),
            ("254:3", false),
            ("253:0", true),
            ("9:9", false),
        ] {
            assert_eq!(keeps_secrets(sys, device), safe, "{device}");
        }
        fs::write(memory.join("backing_dev"), "/dev/sda3\n").unwrap();
        assert!(!keeps_secrets(sys, "253:0"), "zram that is written out to a disk");
    }
}
