//! Which ports there are, and who has them open.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use super::Way;
use super::ask::{Ask, Question, Stop};
use crate::control::{self, Request};
use crate::source;

/// A serial port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    /// The name that stays the same when it is plugged in again, where it has one.
    pub path: PathBuf,
    /// The device it is.
    pub device: PathBuf,
}

/// A program that has a port open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub pid: u32,
    pub name: String,
}

/// The serial ports under `dev`, named ones first. `sys` tells which of the ttyS are more than a name.
pub(super) fn serial_ports(dev: &Path, sys: &Path) -> Vec<Port> {
    let list = |folder: PathBuf| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let mut ports: BTreeMap<PathBuf, Port> = BTreeMap::new();
    for path in list(dev.join("serial/by-id")) {
        if let Ok(device) = path.canonicalize() {
            ports.entry(device.clone()).or_insert(Port { path, device });
        }
    }
    for path in list(dev.to_owned()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let usual = ["ttyUSB", "ttyACM", "ttyAMA"].iter().any(|prefix| name.starts_with(prefix));
        // The kernel names 32 ttyS whatever the machine has; those that are there have a type.
        let built_in = name.starts_with("ttyS")
            && std::fs::read_to_string(sys.join("class/tty").join(&name).join("type"))
                .is_ok_and(|kind| kind.trim() != "0");
        if usual || built_in {
            ports.entry(path.clone()).or_insert(Port { path: path.clone(), device: path });
        }
    }
    let mut ports: Vec<Port> = ports.into_values().collect();
    ports.sort_by_key(|port| (port.path == port.device, port.path.clone()));
    ports
}

/// Who has `device` open, as far as this user may see: root sees all.
pub(super) fn holders(proc: &Path, device: &Path) -> Vec<Holder> {
    let Ok(device) = device.canonicalize() else { return Vec::new() };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let descriptors = std::fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
        if pid != std::process::id()
            && descriptors.map(|fd| std::fs::read_link(fd.path())).any(|to| to.is_ok_and(|to| to == device))
        {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default().trim().to_owned();
            found.push(Holder { pid, name });
        }
    }
    found.sort_by_key(|holder| holder.pid);
    found
}

/// What is in the way of `way`, and what to do; nothing when it is free.
pub(super) fn in_the_way(way: &Way, runtime_dir: &Path) -> Option<String> {
    let runs = has_sources(runtime_dir);
    let stop = "stop it with `systemctl stop smdrd`, and start it when set-up is done";
    match way {
        Way::Serial { path, .. } => {
            let holders = holders(Path::new("/proc"), path);
            let smdrd = holders.iter().find(|holder| holder.name == "smdrd");
            let locked = source::is_locked(runtime_dir, path).unwrap_or_default();
            if smdrd.is_some() || locked {
                let pid = smdrd.map(|holder| format!(" (process {})", holder.pid)).unwrap_or_default();
                return Some(format!("{}: the daemon smdrd{pid} reads it; {stop}", path.display()));
            }
            if let Some(Holder { pid, name }) = holders.first() {
                return Some(format!(
                    "{}: {name} (process {pid}) has it open and would take part of the lines; end it (a getty: \
                     `systemctl stop serial-getty@{}`; ModemManager: `systemctl stop ModemManager`)",
                    path.display(),
                    path.file_name().unwrap_or_default().to_string_lossy()
                ));
            }
            match source::may_be_opened(path) {
                Err(cause) => Some(cause.to_string()),
                Ok(()) => None,
            }
        }
        Way::Listen { address, .. } => match TcpListener::bind(address) {
            Ok(_) => None,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && runs => {
                Some(format!("{address}: something listens there, and the daemon smdrd runs; {stop}"))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Some(format!(
                "{address}: another program listens there; `ss -ltnp` names it; stop it or take another port"
            )),
            Err(error) => Some(format!("{address}: {error}; take an address of this machine and a port above 1023")),
        },
        Way::Connect { host, port, .. } => {
            let place = format!("{host}:{port}");
            match (host.as_str(), *port).to_socket_addrs().map(Vec::from_iter) {
                Err(error) => Some(format!("{place}: {error}; correct the name or write the PBX's address")),
                // Else what connects would find this machine and listen for the PBX instead.
                Ok(addresses) if TcpListener::bind(&addresses[..]).is_ok() => {
                    Some(format!("{place}: this is an address of this machine, and nobody listens there; correct it"))
                }
                // A second link would take the records from the daemon, or be refused.
                Ok(_) if runs => Some(format!("{place}: the daemon smdrd runs and may be connected there; {stop}")),
                Ok(_) => None,
            }
        }
    }
}

/// Whether a daemon runs that reads any PBX: the one of a fresh package has no source, and is in nobody's way.
fn has_sources(runtime_dir: &Path) -> bool {
    match control::ask(runtime_dir, &Request::Status) {
        Ok(Some(status)) => status["sources"].as_array().is_none_or(|sources| !sources.is_empty()),
        Ok(None) => false,
        Err(_) => true,
    }
}

/// `HOST:PORT`, taken apart.
pub(super) fn connect(text: &str) -> Result<Way, String> {
    let (host, port) = text.rsplit_once(':').ok_or("write it as HOST:PORT, such as 192.0.2.10:1752")?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or("the port is a number from 1 to 65535")?;
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err("write it as HOST:PORT, such as 192.0.2.10:1752".to_owned());
    }
    Ok(Way::Connect { host: host.trim_matches(['[', ']']).to_owned(), port, password_file: None })
}

/// `ADDRESS:PORT` to listen on; a port alone is all interfaces.
pub(super) fn listen(text: &str) -> Result<Way, String> {
    let full = if text.contains(':') { text.to_owned() } else { format!("0.0.0.0:{text}") };
    let address: SocketAddr =
        full.parse().map_err(|_| "write it as ADDRESS:PORT, such as 0.0.0.0:8808, or as a port alone".to_owned())?;
    if address.port() == 0 {
        return Err("the port is a number from 1 to 65535, as the PBX is set".to_owned());
    }
    Ok(Way::Listen { address, allow: Vec::new() })
}

/// Asks for the port among those there are.
pub(super) fn choose(ask: &Ask) -> Result<Way, Stop> {
    if !ask.is_attended() {
        return Err(Stop::Missing { what: "where the PBX is".to_owned(), flag: "--port, --listen or --connect" });
    }
    let ports = serial_ports(Path::new("/dev"), Path::new("/sys"));
    if ports.is_empty() {
        ask.say("No serial port is here; an adapter shows a second after it is plugged in.");
    }
    for (number, Port { path, device }) in (1..).zip(&ports) {
        let held =
            holders(Path::new("/proc"), device).first().map(|Holder { pid, name }| format!("  open: {name}, {pid}"));
        ask.say(&format!("  {number}  {}{}", path.display(), held.unwrap_or_default()));
    }
    ask.say("  l  the PBX connects to this box (TCP)\n  c  this box connects to the PBX (TCP)");
    let question = Question { what: "Number, path of a device, l or c", flag: "--port", default: None };
    let chosen: Chosen = ask.question(question, None, |text| match text {
        "l" => Ok(Chosen::Listen),
        "c" => Ok(Chosen::Connect),
        path if path.starts_with('/') => Ok(Chosen::Serial(path.into())),
        number => {
            let port = number.parse::<usize>().ok().and_then(|number| ports.get(number.checked_sub(1)?));
            port.map(|port| Chosen::Serial(port.path.clone())).ok_or_else(|| "that is not on the list".to_owned())
        }
    })?;
    match chosen {
        Chosen::Serial(path) => Ok(Way::Serial { path, line: None }),
        Chosen::Listen => {
            let what = "Port to listen on, as it is set in the PBX";
            ask.question(Question { what, flag: "--listen", default: None }, None, listen)
        }
        Chosen::Connect => {
            let what = "Address and port of the PBX (HOST:PORT)";
            ask.question(Question { what, flag: "--connect", default: None }, None, connect)
        }
    }
}

enum Chosen {
    Serial(PathBuf),
    Listen,
    Connect,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_port_is_listed_once_by_the_name_that_stays() {
        let place = tempfile::tempdir().unwrap();
        let (dev, sys) = (place.path().join("dev"), place.path().join("sys"));
        std::fs::create_dir_all(dev.join("serial/by-id")).unwrap();
        for name in ["ttyUSB0", "ttyUSB1", "ttyS0", "ttyS1", "tty1", "ptmx"] {
            std::fs::write(dev.join(name), "").unwrap();
        }
        symlink("../../ttyUSB0", dev.join("serial/by-id/usb-adapter-port0")).unwrap();
        for (name, kind) in [("ttyS0", "4\n"), ("ttyS1", "0\n")] {
            std::fs::create_dir_all(sys.join("class/tty").join(name)).unwrap();
            std::fs::write(sys.join("class/tty").join(name).join("type"), kind).unwrap();
        }
        let dev = dev.canonicalize().unwrap();
        let ports = serial_ports(&dev, &sys);
        let paths: Vec<_> = ports.iter().map(|port| port.path.strip_prefix(&dev).unwrap().to_str().unwrap()).collect();
        assert_eq!(paths, ["serial/by-id/usb-adapter-port0", "ttyS0", "ttyUSB1"]);
        assert_eq!(ports[0].device, dev.join("ttyUSB0"));
    }

    #[test]
    fn who_has_a_device_open_is_named() {
        let place = tempfile::tempdir().unwrap();
        let device = place.path().canonicalize().unwrap().join("ttyUSB0");
        std::fs::write(&device, "").unwrap();
        let proc = place.path().join("proc");
        for (pid, name, opens) in [("70", "smdrd", &device), ("8", "cat", &device), ("9", "sh", &proc)] {
            std::fs::create_dir_all(proc.join(pid).join("fd")).unwrap();
            std::fs::write(proc.join(pid).join("comm"), format!("{name}\n")).unwrap();
            symlink(opens, proc.join(pid).join("fd/5")).unwrap();
        }
        let named: Vec<_> = holders(&proc, &device).into_iter().map(|holder| (holder.pid, holder.name)).collect();
        assert_eq!(named, [(8, "cat".to_owned()), (70, "smdrd".to_owned())]);
    }

    #[test]
    fn addresses_are_read_or_refused() {
        assert!(matches!(listen("8808"), Ok(Way::Listen { address, .. }) if address.to_string() == "0.0.0.0:8808"));
        assert!(matches!(listen("[::]:8808"), Ok(Way::Listen { .. })));
        for bad in ["", "pbx:8808", "0", "0.0.0.0:0", "70000"] {
            assert!(listen(bad).is_err(), "{bad}");
        }
        assert!(
            matches!(connect("pbx.example:1752"), Ok(Way::Connect { host, port: 1752, .. }) if host == "pbx.example")
        );
        assert!(matches!(connect("[2001:db8::1]:23"), Ok(Way::Connect { host, .. }) if host == "2001:db8::1"));
        for bad in ["", "pbx", ":1752", "pbx:0", "pbx:x", "a pbx:1"] {
            assert!(connect(bad).is_err(), "{bad}");
        }
    }
}
