//! On what a file lies: numbers on a disk of this box are numbers at rest.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The `f_type` of file systems in memory and on other machines (`linux/magic.h`).
const ELSEWHERE: [u64; 7] = [0x0102_1994, 0x8584_58F6, 0x6969, 0x517B, 0xFE53_4D42, 0xFF53_4D42, 0x0102_1997];

/// Whether the file lies on a disk that stays in this box. Not in memory, not on another machine, and not on a stick
/// that is taken away again.
pub fn is_own_disk(file: &File) -> bool {
    let elsewhere = rustix::fs::fstatfs(file).is_ok_and(|stat| ELSEWHERE.contains(&(stat.f_type as u64)));
    let device = file.metadata().map(|about| about.dev()).unwrap_or_default();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    !elsewhere && !is_taken_away(&Path::new("/sys/dev/block").join(format!("{major}:{minor}")))
}

/// Whether a block device, as the kernel shows it, is a stick or a card in a reader.
fn is_taken_away(block: &Path) -> bool {
    let Ok(place) = std::fs::canonicalize(block) else { return false };
    let says_so = |place: &Path| std::fs::read_to_string(place.join("removable")).is_ok_and(|text| text.trim() == "1");
    // A partition lies below its disk.
    says_so(&place)
        || place.parent().is_some_and(says_so)
        || place.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_memory_is_not_at_rest_and_one_on_the_disk_is() {
        let shm = Path::new("/dev/shm");
        if shm.is_dir() {
            assert!(!is_own_disk(&tempfile::tempfile_in(shm).unwrap()));
        }
        let here = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let stat = rustix::fs::fstatfs(&here).unwrap();
        if ELSEWHERE.contains(&(stat.f_type as u64)) {
            eprintln!("SKIPPED LOUDLY: the source tree is not on a disk of this machine");
        } else {
            assert!(is_own_disk(&here));
        }
    }

    #[test]
    fn a_stick_is_known_by_the_bus_or_by_its_disk() {
        let sys = tempfile::tempdir().unwrap();
        let disk = |path: &str, removable: &str| {
            let place = sys.path().join(path);
            std::fs::create_dir_all(place.join("part1")).unwrap();
            std::fs::write(place.join("removable"), removable).unwrap();
            place
        };
        let fixed = disk("pci0/ata1/sda", "0\n");
        let card = disk("pci0/mmc/mmcblk0", "1\n");
        let stick = disk("pci0/usb1/1-1/sdb", "0\n");
        assert!(!is_taken_away(&fixed) && !is_taken_away(&fixed.join("part1")));
        assert!(is_taken_away(&card.join("part1")) && is_taken_away(&stick.join("part1")));
        assert!(!is_taken_away(&sys.path().join("nothing")));
    }
}
