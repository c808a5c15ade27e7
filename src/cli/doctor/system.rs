//! The system's own files, below a root that a test may move.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The system around the daemon.
#[derive(Debug)]
pub(super) struct System {
    root: PathBuf,
}

/// Who the daemon runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub uid: u32,
    pub gids: BTreeSet<u32>,
}

/// A program that has a device open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opener {
    pub pid: u32,
    pub name: String,
}

impl System {
    pub fn new(root: &Path) -> System {
        System { root: root.to_owned() }
    }

    /// Whether it is the one that this program runs on.
    pub fn is_this(&self) -> bool {
        self.root == Path::new("/")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    pub fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// The names in a folder, in order.
    pub fn list(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The owner of the database, or the user `smdrd` before there is one, with the groups of the user and `dialout`,
    /// which the service's unit adds.
    pub fn service_account(&self, state_dir: &Path) -> Account {
        let passwd = self.read("/etc/passwd").unwrap_or_default();
        let group = self.read("/etc/group").unwrap_or_default();
        let owner = std::fs::metadata(state_dir).ok().map(|about| about.uid());
        account(&passwd, &group, owner)
    }

    /// Who has the device open, as far as this user may see.
    pub fn openers(&self, device: u64) -> Vec<Opener> {
        let mut openers = Vec::new();
        for process in self.list("/proc") {
            let Ok(pid) = process.parse() else { continue };
            let descriptors = self.list(&format!("/proc/{pid}/fd"));
            let has = |descriptor: &String| {
                let about = std::fs::metadata(self.path(&format!("/proc/{pid}/fd/{descriptor}")));
                use std::os::unix::fs::FileTypeExt as _;
                about.is_ok_and(|about| about.file_type().is_char_device() && about.rdev() == device)
            };
            if descriptors.iter().any(has) {
                let name = self.read(&format!("/proc/{pid}/comm")).unwrap_or_default();
                openers.push(Opener { pid, name: name.trim().to_owned() });
            }
        }
        openers
    }

    /// Whether a program of that name runs.
    pub fn runs(&self, name: &str) -> bool {
        let mut processes = self.list("/proc").into_iter().filter(|process| process.parse::<u32>().is_ok());
        processes.any(|pid| self.read(&format!("/proc/{pid}/comm")).is_some_and(|comm| comm.trim() == name))
    }
}

fn account(passwd: &str, group: &str, owner: Option<u32>) -> Account {
    let users = || passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = |uid: u32| users().find(|user| user.get(2).is_some_and(|of| *of == uid.to_string()));
    let named = || users().find(|user| user.first() == Some(&"smdrd"));
    let Some(uid) = owner.or_else(|| named()?.get(2)?.parse().ok()) else { return Account::default() };
    let user = user(uid);
    let name = user.as_ref().and_then(|user| user.first().copied()).unwrap_or("smdrd");
    let mut gids: BTreeSet<u32> = user.as_ref().and_then(|user| user.get(3)?.parse().ok()).into_iter().collect();
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let member = fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name));
        let service = name == "smdrd" && fields.first() == Some(&"dialout");
        if member || service {
            gids.extend(fields.get(2).and_then(|gid| gid.parse::<u32>().ok()));
        }
    }
    Account { uid, gids }
}

impl Account {
    /// Whether it may read and write what has this owner, group and mode.
    pub fn may_use(&self, uid: u32, gid: u32, mode: u32) -> bool {
        let bits = match () {
            () if self.uid == 0 => return true,
            () if self.uid == uid => mode >> 6,
            () if self.gids.contains(&gid) => mode >> 3,
            () => mode,
        };
        bits & 0o6 == 0o6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nsmdrd:x:990:991::/var/lib/smdrd:/usr/sbin/nologin\nkim:x:1000:1000::/home/kim:/bin/sh\n";
    const GROUP: &str = "root:x:0:\ndialout:x:20:kim\nsmdrd:x:991:\nplugdev:x:46:smdrd,kim\n";

    #[test]
    fn the_service_is_who_owns_the_database_with_the_groups_it_has() {
        let of = |owner| account(PASSWD, GROUP, owner);
        assert_eq!(of(None), Account { uid: 990, gids: [20, 46, 991].into() });
        assert_eq!(of(Some(990)), of(None));
        assert_eq!(of(Some(1000)), Account { uid: 1000, gids: [20, 46, 1000].into() });
        assert_eq!(account("", "", None), Account::default());
    }

    #[test]
    fn a_device_is_open_to_its_owner_its_group_or_all() {
        let service = account(PASSWD, GROUP, None);
        for (uid, gid, mode, may) in [
            (0, 20, 0o660, true),
            (0, 5, 0o660, false),
            (0, 5, 0o666, true),
            (0, 20, 0o640, false),
            (990, 5, 0o600, true),
            (990, 20, 0o060, false),
        ] {
            assert_eq!(service.may_use(uid, gid, mode), may, "{uid}:{gid} {mode:o}");
        }
        assert!(Account::default().may_use(5, 5, 0));
    }
}
