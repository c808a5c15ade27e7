//! Serial ports: whether they are there, may be used, and are nobody else's.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::system::{Account, Opener, System};
use crate::config::Config;
use crate::source;

/// What is found of a port.
#[derive(Debug, Default)]
pub(super) struct Port {
    pub source: String,
    pub path: PathBuf,
    /// Owner, group and mode; nothing where there is no such device.
    pub owner: Option<(u32, u32, u32)>,
    pub is_terminal: bool,
    /// Who has it open, but for the daemon.
    pub openers: Vec<Opener>,
    /// A source holds it under its lock; nothing where that cannot be told.
    pub locked: Option<bool>,
    /// A daemon runs, whose lock it may be.
    pub daemon: bool,
    /// Whether this user may see what other users' programs have open.
    pub sees_all: bool,
}

pub(super) fn look(system: &System, config: &Config, account: &Account, daemon: bool) -> Vec<Finding> {
    let ports = config.source.iter().filter_map(|source| {
        let serial = source.serial.as_ref()?.get_ref();
        Some(gather(system, config, source.name.get_ref(), &serial.path, daemon))
    });
    ports.flat_map(|port| judge(&port, account)).collect()
}

fn gather(system: &System, config: &Config, source: &str, path: &Path, daemon: bool) -> Port {
    let about = std::fs::metadata(path).ok();
    let own = std::fs::read_to_string(config.state_dir.join("smdrd.lock")).unwrap_or_default();
    let own: Option<u32> = own.trim().parse().ok().filter(|_| daemon);
    // Opening it would raise the line's DTR: what kind of device it is tells its number.
    let number = about.as_ref().map(|about| about.rdev());
    let mut openers = number.filter(|number| *number != 0).map(|number| system.openers(number)).unwrap_or_default();
    openers.retain(|opener| Some(opener.pid) != own);
    Port {
        source: source.to_owned(),
        path: path.to_owned(),
        owner: about.as_ref().map(|about| (about.uid(), about.gid(), about.mode() & 0o777)),
        is_terminal: about.as_ref().is_some_and(is_serial),
        openers,
        locked: source::is_locked(&config.runtime_dir, path).ok(),
        daemon,
        sees_all: rustix::process::geteuid().is_root(),
    }
}

/// Whether it is a character device of a kind that serial ports are: everything but memory, null and their like.
fn is_serial(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    about.file_type().is_char_device() && rustix::fs::major(about.rdev()) != 1
}

fn judge(port: &Port, account: &Account) -> Vec<Finding> {
    let named = format!("{}: {}", port.source, port.path.display());
    let Some((uid, gid, mode)) = port.owner else {
        return vec![Finding::fault(
            "port",
            format!("{named}: there is no such device"),
            "nothing is heard from the PBX",
            "plug the adapter in, or look for its name in /dev/serial/by-id",
        )];
    };
    if !port.is_terminal {
        return vec![Finding::fault(
            "port",
            format!("{named}: is not a serial port"),
            "nothing is heard from the PBX",
            "correct serial.path; ports that last have a name in /dev/serial/by-id",
        )];
    }
    let mut findings = Vec::new();
    if !account.may_use(uid, gid, mode) {
        findings.push(Finding::fault(
            "port",
            format!("{named}: the service's user may not open it (owner {uid}, group {gid}, mode {mode:03o})"),
            "nothing is heard from the PBX",
            "usermod -a -G dialout smdrd, or give the device the group dialout with a udev rule",
        ));
    }
    for Opener { pid, name } in &port.openers {
        let remedy = match name.as_str() {
            getty if getty.contains("getty") => {
                let port = port.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                format!(
                    "systemctl disable --now serial-getty@{port}; take console={port} off the kernel's command line"
                )
            }
            "ModemManager" => "systemctl disable --now ModemManager".to_owned(),
            _ => format!("end {name}, or let smdrd repeat the lines to it (docs/sources.md, relay)"),
        };
        findings.push(Finding::fault(
            "port",
            format!("{named}: {name} (process {pid}) has it open too"),
            "each byte goes to one of the two: lines come torn, and none of them is whole",
            remedy,
        ));
    }
    if port.locked == Some(true) && !port.daemon {
        findings.push(Finding::warning(
            "port",
            format!("{named}: another smdrd holds it"),
            "the daemon will not get it",
            "end what looks at it (smdrd detect, learn or setup)",
        ));
    }
    if port.locked == Some(false) && port.daemon {
        findings.push(Finding::warning(
            "port",
            format!("{named}: the daemon runs and does not hold it"),
            "nothing is heard from the PBX",
            "smdrd status says why; a changed configuration is read at the next systemctl restart smdrd",
        ));
    }
    if findings.is_empty() {
        let held = match (port.locked, port.sees_all) {
            (Some(true), _) => ", held by the daemon",
            (_, true) => "",
            (_, false) => "; as this user one cannot see who else has it open",
        };
        findings.push(Finding::ok("port", format!("{named}: there, and the service's user may open it{held}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn a_port_is_judged_by_its_facts() {
        let service = Account { uid: 990, gids: [20, 991].into() };
        let good = || Port {
            source: "pbx".into(),
            path: "/dev/ttyS0".into(),
            owner: Some((0, 20, 0o660)),
            is_terminal: true,
            openers: Vec::new(),
            locked: Some(true),
            daemon: true,
            sees_all: true,
        };
        let by = |name: &str| vec![Opener { pid: 7, name: name.into() }];
        for (port, state, says) in [
            (good(), State::Ok, "held by the daemon"),
            (Port { owner: None, ..good() }, State::Fault, "no such device"),
            (Port { is_terminal: false, ..good() }, State::Fault, "not a serial port"),
            (Port { owner: Some((0, 5, 0o660)), ..good() }, State::Fault, "may not open it"),
            (Port { openers: by("minicom"), ..good() }, State::Fault, "minicom (process 7)"),
            (Port { openers: by("agetty"), ..good() }, State::Fault, "agetty"),
            (Port { daemon: false, ..good() }, State::Warning, "another smdrd"),
            (Port { locked: Some(false), ..good() }, State::Warning, "does not hold it"),
            (Port { locked: None, ..good() }, State::Ok, "may open it"),
            (Port { locked: None, sees_all: false, ..good() }, State::Ok, "cannot see who else"),
        ] {
            let found = judge(&port, &service);
            assert_eq!((found.len(), found[0].state), (1, state), "{found:?}");
            assert!(found[0].what.contains(says), "{says}: {found:?}");
        }
        let getty = judge(&Port { openers: by("agetty"), ..good() }, &service);
        assert!(getty[0].remedy.contains("serial-getty@ttyS0"), "{getty:?}");
    }
}
