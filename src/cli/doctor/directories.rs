//! Where the database, the keys and the token lie: on what, whose, and open to whom.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::finding::Finding;
use super::system::Account;
use crate::config::{Config, SupplierAuth};
use crate::daemon::disk::Disk;
use crate::source::in_memory;

/// What a directory lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Disk,
    Memory,
    /// A share of another machine, or a program that acts as a disk.
    Elsewhere,
    /// A file system without owners and modes.
    Careless,
}

/// What is found of a directory or file.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub uid: u32,
    pub mode: u32,
    pub medium: Medium,
}

/// By the magic numbers of statfs(2).
fn medium(kind: u64) -> Medium {
    match kind {
        0x0102_1994 | 0x8584_58f6 => Medium::Memory,
        // NFS, SMB, CIFS, SMB2, 9p, FUSE, Ceph, AFS.
        0x6969 | 0x517B | 0xFF53_4D42 | 0xFE53_4D42 | 0x0102_1997 | 0x6573_5546 | 0x00C3_6400 | 0x5346_414F => {
            Medium::Elsewhere
        }
        // FAT, exFAT, NTFS.
        0x4d44 | 0x2011_BAB0 | 0x5346_544e | 0x7366_746e => Medium::Careless,
        _ => Medium::Disk,
    }
}

fn gather(path: &Path) -> Option<About> {
    let about = std::fs::metadata(path).ok()?;
    let kind = rustix::fs::statfs(path).ok()?.f_type;
    // The type of the number is the platform's own; the magic numbers are 32 bits.
    let medium = medium((kind as u64) & 0xFFFF_FFFF);
    Some(About { uid: about.uid(), mode: about.mode() & 0o7777, medium })
}

pub(super) fn look(config: &Config, account: &Account) -> Vec<Finding> {
    let mut findings = vec![state_dir(&config.state_dir, gather(&config.state_dir), account)];
    let disk = Disk::under(config);
    findings.extend(gather(&config.state_dir).map(|_| match disk.problem(&config.state_dir) {
        Some(problem) => Finding::fault(
            "disk",
            problem.text(),
            "what cannot be stored waits in memory, and is lost at a power cut",
            "make room, or move state-dir to a larger disk",
        ),
        None => Finding::ok("disk", format!("{} MiB are free", disk.free.unwrap_or_default() >> 20)),
    }));
    // Before the service has made it, what it will be made in.
    let there = config.runtime_dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    findings.push(runtime_dir(&config.runtime_dir, in_memory(there)));
    if let Some(supplier) = &config.supplier {
        let secret = match supplier.auth() {
            SupplierAuth::Bearer => supplier.token_file.clone(),
            SupplierAuth::Signature => Some(config.device_key()),
            SupplierAuth::Mtls => supplier.client_key.clone(),
        };
        findings.extend(secret.map(|path| secret_file(&path, gather(&path), account, supplier.auth())));
    }
    findings
}

fn state_dir(path: &Path, about: Option<About>, account: &Account) -> Finding {
    let place = path.display();
    let Some(about) = about else {
        return Finding::warning(
            "state-dir",
            format!("there is no {place}, or it may not be looked at"),
            "the database has no place yet",
            "start the service once, or run smdrd doctor as root",
        );
    };
    let fault =
        |what: &str, why: &str, remedy: &str| Finding::fault("state-dir", format!("{place} {what}"), why, remedy);
    match about.medium {
        Medium::Memory => {
            return fault(
                "is in memory",
                "everything is gone at a power cut",
                "name a directory on a disk as state-dir",
            );
        }
        Medium::Elsewhere => {
            return fault(
                "is not on a disk of this box",
                "what was said to be stored may not be, and the lock may not hold",
                "name a directory on the box's own disk as state-dir",
            );
        }
        Medium::Careless => {
            return fault(
                "is on a file system without owners and modes",
                "everybody on the box can read the database",
                "name a directory on ext4, xfs or btrfs as state-dir",
            );
        }
        Medium::Disk => {}
    }
    if about.mode & 0o077 != 0 {
        return fault(
            &format!("is open to others (mode {:03o})", about.mode & 0o777),
            "the database is for the service's user alone",
            &format!("chmod 0700 {place}"),
        );
    }
    if about.uid != account.uid {
        return fault(
            &format!("belongs to user {}, not to the service's {}", about.uid, account.uid),
            "the service cannot write there",
            &format!("chown -R smdrd:smdrd {place}"),
        );
    }
    Finding::ok("state-dir", format!("{place} is on a disk, and the service's user alone has it"))
}

fn runtime_dir(path: &Path, memory: bool) -> Finding {
    match memory {
        true => Finding::ok("keys", format!("{} is in memory: keys are gone at a power cut", path.display())),
        false => Finding::fault(
            "keys",
            format!("{} is not in memory (tmpfs)", path.display()),
            "the day's key would be at rest on a disk, and calls could be joined by it",
            "name a directory below /run as runtime-dir",
        ),
    }
}

/// The one file by which the box is known to the supplier: a token or a key.
fn secret_file(path: &Path, about: Option<About>, account: &Account, auth: SupplierAuth) -> Finding {
    let place = path.display();
    let (check, missing) = match auth {
        SupplierAuth::Bearer => ("token", "put the supplier's token there, owned by the service's user, mode 0600"),
        SupplierAuth::Signature => ("key", "ask the supplier for a one-time code, and run smdrd enrol"),
        SupplierAuth::Mtls => {
            ("certificate", "put the certificate's key there, owned by the service's user, mode 0600")
        }
    };
    match about {
        None => Finding::fault(
            check,
            format!("{place}: there is no such file, or it may not be looked at"),
            "no day is sent",
            missing,
        ),
        Some(about) if about.mode & 0o077 != 0 => Finding::fault(
            check,
            format!("{place}: others may read it (mode {:03o})", about.mode & 0o777),
            "whoever has it can send days in the practice's name",
            format!("chmod 0600 {place}"),
        ),
        Some(about) if about.uid != account.uid && account.uid != 0 => Finding::fault(
            check,
            format!("{place}: belongs to user {}, and the service's is {}", about.uid, account.uid),
            "the service cannot read it, and no day is sent",
            format!("chown smdrd {place}"),
        ),
        Some(_) => Finding::ok(check, format!("{place}: the service's user alone may read it")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn directories_are_judged_by_what_they_lie_on_and_who_may_see_them() {
        let service = Account { uid: 990, gids: [991].into() };
        let good = About { uid: 990, mode: 0o700, medium: Medium::Disk };
        let path = Path::new("/var/lib/smdrd");
        for (about, state, says) in [
            (Some(good), State::Ok, "alone"),
            (None, State::Warning, "there is no"),
            (Some(About { mode: 0o755, ..good }), State::Fault, "open to others (mode 755)"),
            (Some(About { uid: 0, ..good }), State::Fault, "belongs to user 0"),
            (Some(About { medium: Medium::Memory, ..good }), State::Fault, "in memory"),
            (Some(About { medium: Medium::Elsewhere, ..good }), State::Fault, "not on a disk of this box"),
            (Some(About { medium: Medium::Careless, ..good }), State::Fault, "without owners"),
        ] {
            let found = state_dir(path, about, &service);
            assert!(found.state == state && found.what.contains(says), "{says}: {found:?}");
        }
        for (about, state) in [
            (Some(good), State::Ok),
            (None, State::Fault),
            (Some(About { mode: 0o640, ..good }), State::Fault),
            (Some(About { uid: 0, mode: 0o600, ..good }), State::Fault),
        ] {
            assert_eq!(secret_file(path, about, &service, SupplierAuth::Bearer).state, state);
        }
        assert_eq!(runtime_dir(path, false).state, State::Fault);
        let kinds = [0xEF53, 0x0102_1994, 0x6969, 0xFF53_4D42, 0x4d44, 0x9123_683E].map(medium);
        let expected =
            [Medium::Disk, Medium::Memory, Medium::Elsewhere, Medium::Elsewhere, Medium::Careless, Medium::Disk];
        assert_eq!(kinds, expected);
    }
}
