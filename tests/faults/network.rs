//! A network of its own for the box: a namespace, and a cable of the kernel's between it and ours, that can be pulled and
//! made to lose what goes through it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};

/// The box's network, gone with this.
pub struct Network {
    space: String,
    /// Our end of the cable.
    ours: String,
    /// The box's.
    theirs: String,
    /// The PBX's address, on this side.
    pub pbx: Ipv4Addr,
    /// The box's.
    pub inside: Ipv4Addr,
}

fn ip(arguments: &[&str]) -> Option<Output> {
    Command::new("ip").args(arguments).output().ok()
}

fn done(arguments: &[&str]) -> bool {
    ip(arguments).is_some_and(|output| output.status.success())
}

impl Network {
    /// Nothing where this process may not make one, or `ip` is not there. `number` tells those of one test run apart.
    pub fn new(number: u8) -> Option<Network> {
        let id = std::process::id();
        let space = format!("smdrd-{id}-{number}");
        let (ours, theirs) = (format!("sm{id}o{number}"), format!("sm{id}i{number}"));
        // From the block for tests of networks (RFC 2544), by process.
        let block = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (id.wrapping_mul(8) + u32::from(number)) % 32_768 * 4;
        let (pbx, inside) = (Ipv4Addr::from(block + 1), Ipv4Addr::from(block + 2));
        if !done(&["netns", "add", &space]) {
            return None;
        }
        let network = Network { space, ours, theirs, pbx, inside };
        let Network { space, ours, theirs, .. } = &network;
        let made = done(&["link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", space])
            && done(&["addr", "add", &format!("{pbx}/30"), "dev", ours])
            && done(&["link", "set", ours, "up"])
            && done(&["-n", space, "addr", "add", &format!("{inside}/30"), "dev", theirs])
            && done(&["-n", space, "link", "set", theirs, "up"])
            && done(&["-n", space, "link", "set", "lo", "up"]);
        made.then_some(network)
    }

    /// Has `command` run in it.
    pub fn around(&self, command: &mut Command) {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.space]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(key, value),
                None => inside.env_remove(key),
            };
        }
        *command = inside;
    }

    /// Pulls the cable, or puts it back. Neither end is told: what is sent is gone.
    pub fn plugged(&self, plugged: bool) {
        // At the PBX's end, so that the box's kernel still has its address and its routes.
        let up = if plugged { "up" } else { "down" };
        assert!(done(&["link", "set", &self.ours, up]));
    }

    /// Loses everything that goes through the cable, or nothing any more. Each end takes the other for a card that is not there, so that
    /// what it sends is taken by nobody, and neither is told.
    pub fn loses(&self, everything: bool) {
        const NOBODY: &str = "02:00:00:00:00:99";
        let ends = [(None, &self.ours, self.inside), (Some(&self.space), &self.theirs, self.pbx)];
        for (space, device, other) in ends {
            let other = other.to_string();
            let mut arguments = space.map_or(vec![], |space| vec!["-n", space.as_str()]);
            if everything {
                arguments.extend(["neigh", "replace", &other, "lladdr", NOBODY, "nud", "permanent", "dev", device]);
            } else {
                arguments.extend(["neigh", "del", &other, "dev", device]);
            }
            assert!(done(&arguments), "{arguments:?}");
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = ip(&["link", "del", &self.ours]);
        let _ = ip(&["netns", "del", &self.space]);
        debug_assert!(!Path::new("/run/netns").join(&self.space).exists());
    }
}
