//! A relay: whom the bytes of a source are repeated to, and which addresses are on the site.

use std::net::{IpAddr, Ipv6Addr};

use serde::Deserialize;
use toml::Spanned;

use super::{Serial, TcpListen};

/// Repeats what a source receives to a call logger that was there before. Exactly one of the three ways.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Relay {
    /// A logger that waits for its PBX to connect.
    pub tcp_connect: Option<Spanned<RelayConnect>>,
    /// A logger that connects to its PBX, which is this box then.
    pub tcp_listen: Option<Spanned<TcpListen>>,
    /// A logger on a serial port of this box.
    pub serial: Option<Spanned<Serial>>,
    /// The logger may be off the site: patients' numbers then leave it. Default false.
    #[serde(default)]
    pub off_site: bool,
}

/// A call logger that waits for its PBX to connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RelayConnect {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Whether an address can only be on this machine or on its site's own networks: loopback, private (RFC 1918, RFC 4193)
/// and link-local addresses. Shared address space (RFC 6598) is the carrier's, not the site's.
pub fn is_on_site(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address == Ipv6Addr::LOCALHOST || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_private_and_link_local_addresses_are_on_the_site() {
        let on = |text: &str| is_on_site(text.parse().unwrap());
        for address in
            ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.42.20", "169.254.7.7", "::1", "fd00::7", "fe80::1"]
        {
            assert!(on(address), "{address}");
        }
        for address in
            ["192.0.2.10", "172.32.0.1", "100.64.0.1", "8.8.8.8", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0"]
        {
            assert!(!on(address), "{address}");
        }
        assert!(on("::ffff:10.0.0.1"));
    }
}
