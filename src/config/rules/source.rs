//! Where lines come from.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::config::check::Findings;
use crate::config::keys::nearest;
use crate::config::rules::place::zone;
use crate::config::rules::{folder, relay};
use crate::config::{ClockCorrection, Config, Flow, Parity, Serial, Source, TcpConnect, TcpListen};

/// Speeds that PBXs and the boxes on their ports are set to.
const BAUDS: [u32; 12] = [110, 150, 300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115_200];

pub fn check(config: &Config, dialects: &[&str], findings: &mut Findings<'_>) {
    if config.source.is_empty() {
        let remedy = "add `[[source]]`, or copy one of the examples in config/examples";
        findings.warn("source", "no source: smdrd will run and hear nothing", remedy);
    }
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut ports: HashMap<String, usize> = HashMap::new();
    for (index, source) in config.source.iter().enumerate() {
        let path = format!("source[{index}]");
        let name = source.name.get_ref().as_str();
        if name.trim().is_empty() || name.chars().any(char::is_control) || name.chars().count() > 63 {
            let remedy = "give it a name of 1 to 63 characters that the practice will recognise";
            findings.fault(&format!("{path}.name"), "not a name", remedy);
        } else if let Some(first) = names.insert(name, index) {
            let reason = format!("source[{first}] has this name too");
            findings.fault(&format!("{path}.name"), reason, "give each source its own name");
        }
        dialect(&path, source.dialect.get_ref(), dialects, findings);
        if let Some(name) = &source.zone {
            zone(&format!("{path}.zone"), name.get_ref(), findings);
        }
        let late = source.folder.is_some() || source.tftp.is_some();
        if let Some(correction) = source.clock_correction.as_ref().filter(|_| late)
            && *correction.get_ref() == ClockCorrection::Measured
        {
            let remedy = "write what it is ahead or behind, such as clock-correction = \"+00:07:00\"";
            findings.fault(
                &format!("{path}.clock-correction"),
                "files come late: no clock is measured by them",
                remedy,
            );
        }
        let silence = *source.silence_minutes.get_ref();
        if silence > 600 {
            let remedy = "write up to 600, or 0 where its silence says nothing";
            findings.fault(&format!("{path}.silence-minutes"), "longer than core hours are", remedy);
        }
        transport(&path, source, findings);
        if let Some(port) = port_of(source)
            && let Some(first) = ports.insert(port.clone(), index)
        {
            let reason = format!("source[{first}] reads {port} too: each call would be counted twice");
            findings.fault(&path, reason, "take one of the two out");
        }
    }
    listeners(config, findings);
    relay::check(config, findings);
}

fn dialect(path: &str, id: &str, dialects: &[&str], findings: &mut Findings<'_>) {
    let field = format!("{path}.dialect");
    if id.trim().is_empty() {
        findings.fault(&field, "empty", "name a dialect; `smdrd dialects list` shows them");
    } else if !dialects.is_empty() && !dialects.contains(&id) {
        let remedy = match nearest(id, dialects.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("`smdrd dialects list` shows them: {}", dialects.join(", ")),
        };
        findings.fault(&field, "there is no such dialect", remedy);
    }
}

/// Exactly one way in.
fn transport(path: &str, source: &Source, findings: &mut Findings<'_>) {
    let ways = [
        ("serial", source.serial.is_some()),
        ("tcp-connect", source.tcp_connect.is_some()),
        ("tcp-listen", source.tcp_listen.is_some()),
        ("tftp", source.tftp.is_some()),
        ("folder", source.folder.is_some()),
    ];
    let given: Vec<&str> = ways.iter().filter(|(_, given)| *given).map(|(way, _)| *way).collect();
    if given.is_empty() {
        let remedy = "add [source.serial] (a cable), [source.tcp-connect] (the PBX waits for us), [source.tcp-listen] (the \
                      PBX calls us) or [source.folder] (files are put there) below it";
        findings.fault(path, "it is not said how its lines come in", remedy);
    }
    if let [_, second, ..] = given[..] {
        let remedy = "keep one of them; a second PBX port is a second [[source]]";
        let reason = format!("one source, and {} ways in: {}", given.len(), given.join(" and "));
        findings.fault(&format!("{path}.{second}"), reason, remedy);
    }
    if let Some(serial) = &source.serial {
        serial_line(&format!("{path}.serial"), serial.get_ref(), findings);
    }
    if let Some(connect) = &source.tcp_connect {
        connects(&format!("{path}.tcp-connect"), connect.get_ref(), findings);
    }
    if let Some(listen) = &source.tcp_listen {
        listens(&format!("{path}.tcp-listen"), listen.get_ref(), findings);
    }
    if let Some(tftp) = &source.tftp {
        listens(&format!("{path}.tftp"), tftp.get_ref(), findings);
    }
    if let Some(folder) = &source.folder {
        folder::check(&format!("{path}.folder"), folder.get_ref(), findings);
    }
}

pub(super) fn serial_line(path: &str, serial: &Serial, findings: &mut Findings<'_>) {
    if !serial.path.is_absolute() {
        let remedy = "write the device in full; `ls -l /dev/serial/by-id` shows the adapters that are plugged in";
        findings.fault(&format!("{path}.path"), "not an absolute path", remedy);
    } else if serial.path.to_string_lossy().starts_with("/dev/ttyUSB")
        || serial.path.to_string_lossy().starts_with("/dev/ttyACM")
    {
        let reason = "this name may change when the adapter is plugged in again";
        findings.warn(&format!("{path}.path"), reason, "use its name under /dev/serial/by-id");
    }
    let baud = *serial.baud.get_ref();
    if !BAUDS.contains(&baud) {
        let usual = BAUDS.map(|baud| baud.to_string()).join(", ");
        let nearest = BAUDS.into_iter().min_by_key(|usual| usual.abs_diff(baud)).unwrap_or(9600);
        let remedy = format!("write what the PBX is set to, perhaps {nearest}; usual are {usual}");
        findings.fault(&format!("{path}.baud"), "not a speed that PBXs use", remedy);
    }
    let bits = *serial.data_bits.get_ref();
    if !(5..=8).contains(&bits) {
        findings.fault(&format!("{path}.data-bits"), "not 5 to 8", "write 8, or 7 with even or odd parity");
    } else if bits == 7 && serial.parity == Parity::None {
        let remedy = "7 bits nearly always go with `parity = \"even\"`; without parity write 8";
        findings.warn(&format!("{path}.data-bits"), "7 data bits and no parity", remedy);
    }
    if !(1..=2).contains(serial.stop_bits.get_ref()) {
        findings.fault(&format!("{path}.stop-bits"), "neither 1 nor 2", "write 1");
    }
    if serial.flow == Flow::Hardware && serial.rts.is_some() {
        let reason = "`rts` is set by hand and by hardware flow control at once";
        findings.warn(&format!("{path}.rts"), reason, "take `rts` out, or `flow = \"hardware\"`");
    }
}

fn connects(path: &str, connect: &TcpConnect, findings: &mut Findings<'_>) {
    host_and_port(path, "host", &connect.host, connect.port, findings);
    if let Some(host) = &connect.standby_host {
        host_and_port(path, "standby-host", host, connect.port, findings);
    }
    if connect.password_file.as_ref().is_some_and(|file| !file.is_absolute()) {
        let remedy = "name the file by its full path; the password itself does not belong here";
        findings.fault(&format!("{path}.password-file"), "not an absolute path", remedy);
    }
}

pub(super) fn host_and_port(path: &str, key: &str, host: &str, port: u16, findings: &mut Findings<'_>) {
    let field = format!("{path}.{key}");
    if let Ok(address) = host.parse::<SocketAddr>() {
        let remedy = format!("write `{key} = \"{}\"` and `port = {}`", address.ip(), address.port());
        findings.fault(&field, "an address with a port", remedy);
    } else if host.parse::<IpAddr>().is_err()
        && (host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')))
    {
        let remedy = "write the name or address alone, such as \"192.0.2.10\"; the port goes to `port`";
        findings.fault(&field, "not a host name or address", remedy);
    }
    if port == 0 {
        findings.fault(&format!("{path}.port"), "0 is no port", "write the port that is set at the other end");
    }
}

pub(super) fn listens(path: &str, listen: &TcpListen, findings: &mut Findings<'_>) {
    let address = format!("{path}.address");
    match listen.address.port() {
        0 => findings.fault(&address, "0 is no port", "write the port that the PBX is set to call"),
        1..1024 => {
            let remedy = "set the PBX to a port from 1024 on; smdrd has no right to open lower ones under its service";
            findings.warn(&address, "a port below 1024", remedy);
        }
        _ => {}
    }
    let allow = format!("{path}.allow");
    if listen.allow.is_empty() {
        let remedy = "write the PBX's address, such as `allow = [\"192.0.2.10\"]`";
        findings.fault(&allow, "nobody may connect", remedy);
    }
    for (index, peer) in listen.allow.iter().enumerate() {
        let field = format!("{allow}[{index}]");
        if peer.is_unspecified() || peer.is_multicast() {
            findings.fault(&field, "no PBX has this address", "write the PBX's own address");
        } else if listen.allow[..index].iter().any(|other| other.to_canonical() == peer.to_canonical()) {
            findings.warn(&field, "already in the list", "take it out");
        }
    }
}

/// What a source reads, where two of the same would count each call twice.
fn port_of(source: &Source) -> Option<String> {
    let serial = source.serial.as_ref().map(|serial| serial.get_ref().path.display().to_string());
    let connect = source.tcp_connect.as_ref().map(|connect| connect.get_ref());
    let connect = connect.map(|connect| format!("{}:{}", connect.host.to_lowercase(), connect.port));
    let folder = source.folder.as_ref().map(|folder| folder.get_ref().path.components().collect::<PathBuf>());
    let tftp = source.tftp.as_ref().map(|tftp| format!("udp {}", tftp.get_ref().address));
    serial.or(connect).or(folder.map(|folder| folder.display().to_string())).or(tftp)
}

/// Several sources may share an address when it is clear from the caller's address which is meant.
fn listeners(config: &Config, findings: &mut Findings<'_>) {
    let listens: Vec<(usize, &TcpListen)> = (config.source.iter().enumerate())
        .filter_map(|(index, source)| Some((index, source.tcp_listen.as_ref()?.get_ref())))
        .collect();
    for (at, (index, listen)) in listens.iter().enumerate() {
        for (first, other) in &listens[..at] {
            let (here, there) = (listen.address, other.address);
            if here.port() != there.port() || here.port() == 0 {
                continue;
            }
            let path = format!("source[{index}].tcp-listen");
            if here == there {
                let both = |peer: &&IpAddr| other.allow.iter().any(|seen| seen.to_canonical() == peer.to_canonical());
                if let Some(peer) = listen.allow.iter().find(both) {
                    let reason = format!("{peer} may also connect to source[{first}] on {here}: whose lines are they?");
                    let remedy = "allow each PBX in one source, or give this one a port of its own";
                    findings.fault(&format!("{path}.allow"), reason, remedy);
                }
            } else if here.ip().is_unspecified() || there.ip().is_unspecified() {
                let reason = format!("source[{first}] listens on {there}, which takes this address in");
                findings.fault(&format!("{path}.address"), reason, "write the same address in both, or another port");
            }
        }
    }
}
