//! Drop folders. That one is in memory is for the caller to see: nothing is opened here.

use crate::config::Folder;
use crate::config::check::Findings;

/// Seconds for which a file must not have changed.
const SETTLE: std::ops::RangeInclusive<u16> = 1..=3600;

pub fn check(path: &str, folder: &Folder, findings: &mut Findings<'_>) {
    if !folder.path.is_absolute() {
        let remedy = "write the folder in full, such as \"/run/smdrd/drop\"";
        findings.fault(&format!("{path}.path"), "not an absolute path", remedy);
    }
    if !SETTLE.contains(folder.settle_seconds.get_ref()) {
        let remedy = "write 10, or more where the PBX pauses in the middle of a file";
        findings.fault(&format!("{path}.settle-seconds"), "not 1 to 3600 seconds", remedy);
    }
}
