//! Relays: one way out, to a logger on the site, by a port that nothing else uses.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::config::check::Findings;
use crate::config::rules::source::{host_and_port, listens, serial_line};
use crate::config::{Config, Relay, RelayConnect, TcpListen, is_on_site};

pub fn check(config: &Config, findings: &mut Findings<'_>) {
    for (index, source) in config.source.iter().enumerate() {
        let Some(relay) = source.relay.as_ref().map(|relay| relay.get_ref()) else { continue };
        let path = format!("source[{index}].relay");
        if source.folder.is_some() || source.tftp.is_some() {
            let remedy = "take it out; let whatever writes the files write them to the logger too";
            findings.fault(&path, "a relay repeats a line as it comes, and a folder or TFTP has none", remedy);
        }
        one_way(&path, relay, findings);
        if let Some(connect) = &relay.tcp_connect {
            connects(config, &format!("{path}.tcp-connect"), connect.get_ref(), relay.off_site, findings);
        }
        if let Some(listen) = &relay.tcp_listen {
            let path = format!("{path}.tcp-listen");
            listens(&path, listen.get_ref(), findings);
            peers(&path, listen.get_ref(), relay.off_site, findings);
            if let Some(other) = listener_on(config, index, listen.get_ref().address) {
                let reason = format!("{other} listens on this port too");
                findings.fault(&format!("{path}.address"), reason, "give the relay a port of its own");
            }
        }
        if let Some(serial) = &relay.serial {
            let path = format!("{path}.serial");
            serial_line(&path, serial.get_ref(), findings);
            if let Some(other) = holder_of(config, index, &serial.get_ref().path) {
                let reason = format!("{other} has this port");
                findings.fault(&format!("{path}.path"), reason, "the logger needs a second port; name that");
            }
        }
    }
}

/// Exactly one way out.
fn one_way(path: &str, relay: &Relay, findings: &mut Findings<'_>) {
    let ways = [
        ("tcp-connect", relay.tcp_connect.is_some()),
        ("tcp-listen", relay.tcp_listen.is_some()),
        ("serial", relay.serial.is_some()),
    ];
    let given: Vec<&str> = ways.iter().filter(|(_, given)| *given).map(|(way, _)| *way).collect();
    if given.is_empty() {
        let remedy = "add [source.relay.tcp-connect] (the logger waits for its PBX), [source.relay.tcp-listen] (the logger \
                      connects to its PBX) or [source.relay.serial] (a second cable) below it";
        findings.fault(path, "it is not said how the logger is reached", remedy);
    }
    if let [_, second, ..] = given[..] {
        let reason = format!("one relay, and {} ways out: {}", given.len(), given.join(" and "));
        findings.fault(&format!("{path}.{second}"), reason, "keep one of them");
    }
}

/// Off the site, patients' numbers would go where this box's promises do not reach.
const OFF_SITE: &str = "not an address of this site: patients' numbers would leave it";
const KEEP_ON_SITE: &str = "name a logger on the site's own network; only where the practice, who answers for it, wants \
                            them sent away, write `off-site = true` under the relay";

fn connects(config: &Config, path: &str, connect: &RelayConnect, off_site: bool, findings: &mut Findings<'_>) {
    host_and_port(path, "host", &connect.host, connect.port, findings);
    let address = match connect.host.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) if connect.host.eq_ignore_ascii_case("localhost") => IpAddr::from([127, 0, 0, 1]),
        // Where a name leads is looked at each time before it is connected to.
        Err(_) => return,
    };
    if !off_site && !is_on_site(address) {
        findings.fault(&format!("{path}.host"), OFF_SITE, KEEP_ON_SITE);
    }
    let ours = |listen: &TcpListen| listen.address.port() == connect.port && address.is_loopback();
    let own = config.source.iter().filter_map(|source| source.tcp_listen.as_ref());
    if own.into_iter().any(|listen| ours(listen.get_ref())) {
        let reason = "a source of this box listens there: it would count every call a second time";
        findings.fault(&format!("{path}.port"), reason, "write the logger's port");
    }
}

fn peers(path: &str, listen: &TcpListen, off_site: bool, findings: &mut Findings<'_>) {
    for (index, peer) in listen.allow.iter().enumerate() {
        if !off_site && !peer.is_unspecified() && !peer.is_multicast() && !is_on_site(*peer) {
            findings.fault(&format!("{path}.allow[{index}]"), OFF_SITE, KEEP_ON_SITE);
        }
    }
}

/// Which other part of the configuration listens on the port of `address`, where that is in the way.
fn listener_on(config: &Config, index: usize, address: SocketAddr) -> Option<String> {
    let in_the_way = |other: SocketAddr| {
        let same = other.ip() == address.ip() || other.ip().is_unspecified() || address.ip().is_unspecified();
        address.port() != 0 && other.port() == address.port() && same
    };
    config.source.iter().enumerate().find_map(|(at, source)| {
        let relay = source.relay.as_ref().filter(|_| at < index);
        let relay = relay.and_then(|relay| relay.get_ref().tcp_listen.as_ref());
        if source.tcp_listen.as_ref().is_some_and(|listen| in_the_way(listen.get_ref().address)) {
            Some(format!("source[{at}]"))
        } else {
            relay.filter(|listen| in_the_way(listen.get_ref().address)).map(|_| format!("the relay of source[{at}]"))
        }
    })
}

/// Which other part of the configuration has the serial port.
fn holder_of(config: &Config, index: usize, port: &Path) -> Option<String> {
    config.source.iter().enumerate().find_map(|(at, source)| {
        let relay = source.relay.as_ref().filter(|_| at < index);
        let relay = relay.and_then(|relay| relay.get_ref().serial.as_ref());
        if source.serial.as_ref().is_some_and(|serial| serial.get_ref().path == port) {
            Some(format!("source[{at}]"))
        } else {
            relay.filter(|serial| serial.get_ref().path == port).map(|_| format!("the relay of source[{at}]"))
        }
    })
}
