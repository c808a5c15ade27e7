//! The box: its clock, zone, swap, and whether it forwards between networks.

use super::finding::Finding;
use super::system::System;
use crate::config::Config;
use crate::daemon::memory;

/// What is found of the box.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Whether its clock is kept right by the network; nothing where that cannot be told.
    pub synchronised: Option<bool>,
    pub forwards: bool,
    /// Networks it is in.
    pub interfaces: Vec<String>,
    pub swaps_in_clear: bool,
    /// A modem manager runs, and no rule keeps it off serial adapters.
    pub modem_manager: bool,
    pub modem_rule: bool,
}

pub(super) fn look(system: &System, config: Option<&Config>) -> Vec<Finding> {
    let mut findings = judge(&gather(system), config);
    findings.extend(config.map(|config| zone(config.zone.get_ref())));
    findings.extend(config.and_then(|config| own_numbers(config.numbers.own.len(), config.source.len())));
    findings
}

fn gather(system: &System) -> Machine {
    let interfaces = system.list("/sys/class/net").into_iter().filter(|name| name != "lo").collect();
    let rules = [
        "/etc/udev/rules.d/60-smdrd.rules",
        "/usr/lib/udev/rules.d/60-smdrd.rules",
        "/lib/udev/rules.d/60-smdrd.rules",
    ];
    Machine {
        synchronised: synchronised(system),
        forwards: system.read("/proc/sys/net/ipv4/ip_forward").is_some_and(|text| text.trim() == "1"),
        interfaces,
        swaps_in_clear: memory::swaps_in_clear(),
        modem_manager: system.runs("ModemManager"),
        modem_rule: rules.iter().any(|rule| system.has(rule)),
    }
}

/// As the service manager tells it, else by the mark that systemd-timesyncd leaves.
fn synchronised(system: &System) -> Option<bool> {
    let mark = system.has("/run/systemd/timesync/synchronized").then_some(true);
    if !system.is_this() {
        return mark;
    }
    let mut command = std::process::Command::new("timedatectl");
    let output = command.args(["show", "--property=NTPSynchronized", "--value"]).output().ok()?;
    match String::from_utf8_lossy(&output.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(mark.is_some()),
        _ => mark,
    }
}

fn judge(machine: &Machine, config: Option<&Config>) -> Vec<Finding> {
    let mut findings = vec![match machine.synchronised {
        Some(true) => Finding::ok("clock", "the clock is kept right by the network"),
        Some(false) => Finding::warning(
            "clock",
            "the clock is not kept right by the network",
            "days close at the box's midnight, and the supplier refuses a clock that is far off",
            "timedatectl set-ntp true; where NTP is blocked, name the practice's own server in timesyncd.conf",
        ),
        None => Finding::warning(
            "clock",
            "whether the clock is kept right cannot be told here",
            "days close at the box's midnight, and the supplier refuses a clock that is far off",
            "look at timedatectl; the supplier's clock, below, is a second opinion",
        ),
    }];
    if machine.forwards {
        let between = machine.interfaces.join(", ");
        let why = "a box in the practice's telephone network must not be a bridge into it";
        let remedy = "sysctl net.ipv4.ip_forward=0, and see what had set it";
        findings.push(match machine.interfaces.len() {
            0 | 1 => Finding::warning("forwarding", "the box forwards between networks", why, remedy),
            _ => {
                Finding::fault("forwarding", format!("the box forwards between its networks ({between})"), why, remedy)
            }
        });
    }
    let links = config.is_some_and(|config| config.privacy.linkage.get_ref() != "none");
    findings.push(match (machine.swaps_in_clear, links) {
        (false, _) => Finding::ok("swap", "no swap, or none in clear"),
        (true, true) => Finding::warning(
            "swap",
            "the box swaps to a disk in clear",
            "keys and numbers could come to rest there: calls are not linked (linkage falls to none), and repeat calls \
             are not counted",
            "swapoff -a, or encrypt the swap",
        ),
        (true, false) => Finding::warning(
            "swap",
            "the box swaps to a disk in clear",
            "what is being read could come to rest there",
            "swapoff -a, or encrypt the swap",
        ),
    });
    let serial = config.is_some_and(|config| config.source.iter().any(|source| source.serial.is_some()));
    if machine.modem_manager && serial && !machine.modem_rule {
        findings.push(Finding::warning(
            "modem-manager",
            "ModemManager runs, and no rule keeps it off serial adapters",
            "it sends modem commands to a port that is plugged in, and the PBX hears them",
            "systemctl disable --now ModemManager, or install packaging/udev/60-smdrd.rules",
        ));
    }
    findings
}

fn zone(zone: &str) -> Finding {
    match zone {
        "Europe/London" => Finding::ok("zone", "Europe/London"),
        other => Finding::warning(
            "zone",
            format!("the practice's zone is {other}"),
            "half hours and days are those of this zone; NHS England's are those of Europe/London",
            "zone = \"Europe/London\", unless the practice is elsewhere",
        ),
    }
}

fn own_numbers(numbers: usize, sources: usize) -> Option<Finding> {
    (sources > 0).then(|| match numbers {
        0 => Finding::warning(
            "own-numbers",
            "numbers.own is not set: DDIs of more than 6 digits are masked",
            "nobody can tell a DDI of the practice from a patient's number, so calls cannot be told by DDI",
            "numbers.own = [\"first-last\"] with the practice's ranges",
        ),
        _ => Finding::ok("own-numbers", "the practice's own numbers are set"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn state(machine: Machine, check: &str) -> Option<State> {
        judge(&machine, None).iter().find(|finding| finding.check == check).map(|finding| finding.state)
    }

    #[test]
    fn the_box_is_judged_by_its_facts() {
        for (synchronised, expected) in [(Some(true), State::Ok), (Some(false), State::Warning), (None, State::Warning)]
        {
            assert_eq!(state(Machine { synchronised, ..Machine::default() }, "clock"), Some(expected));
        }
        let nets = |count: usize| ["eth0", "eth1"].iter().take(count).map(|name| (*name).to_owned()).collect();
        for (forwards, count, expected) in
            [(false, 2, None), (true, 1, Some(State::Warning)), (true, 2, Some(State::Fault))]
        {
            let machine = Machine { forwards, interfaces: nets(count), ..Machine::default() };
            assert_eq!(state(machine, "forwarding"), expected, "{forwards} {count}");
        }
        assert_eq!(state(Machine::default(), "swap"), Some(State::Ok));
        assert_eq!(state(Machine { swaps_in_clear: true, ..Machine::default() }, "swap"), Some(State::Warning));
        assert_eq!(zone("Europe/London").state, State::Ok);
        assert_eq!(zone("Europe/Berlin").state, State::Warning);
        assert_eq!(own_numbers(0, 1).unwrap().state, State::Warning);
        assert_eq!(own_numbers(0, 0), None);
    }
}
