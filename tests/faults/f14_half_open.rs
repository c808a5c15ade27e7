//! F14: the other end of a TCP link is gone, and nobody says so.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::evidence::{figures, in_full, is_left_to_a_run_in_full};
use super::loudly::say_loudly;
use super::network::Network;
use super::promises::assert_kept;
use super::rig::{Daemon, Rig, SITE, clock, free_port, wait_for};
use super::wires::{all, numbers, reasons, stored};

const CLOCK: &str = "2026-11-20T15:00:00Z";
/// A dead link is found within a minute; the machine may be busy.
const FOUND: Duration = Duration::from_secs(75);

fn network(number: u8, what: &str) -> Option<Network> {
    let network = Network::new(number);
    if network.is_none() {
        say_loudly(&format!("{what}: no network namespace can be made here (root and `ip` are needed)"));
    }
    network
}

fn run(rig: &Rig, network: &Network) -> Daemon {
    rig.run_with(&clock(CLOCK, 1), |command| {
        network.around(command);
        command
    })
}

/// A box in the network that its PBX calls, and where.
fn called_by(network: &Network) -> (Rig, Daemon, SocketAddr) {
    let (port, pbx) = (free_port(), network.pbx);
    let source = format!(
        "[[source]]\nname = \"reception\"\ndialect = \"avaya-ipoffice\"\n\
         [source.tcp-listen]\naddress = \"0.0.0.0:{port}\"\nallow = [\"{pbx}\"]\n"
    );
    let rig = Rig::new(&format!("{SITE}{source}"), &[]);
    let daemon = run(&rig, network);
    (rig, daemon, SocketAddr::from((network.inside, port)))
}

fn ended(rig: &Rig, causes: &str) -> i64 {
    rig.count(&format!("SELECT count(*) FROM link WHERE cause IN ({causes})"))
}

/// As a PBX that loses its power: its end of the link is forgotten, and nothing of that goes out.
fn power_off(network: &Network, link: TcpStream) {
    network.plugged(false);
    rustix::net::sockopt::set_socket_linger(&link, Some(Duration::ZERO)).unwrap();
    drop(link);
    network.plugged(true);
}

#[test]
fn a_pbx_that_starts_again_and_calls_anew_takes_the_place_of_its_dead_link() {
    let Some(network) = network(1, "F14 a PBX that calls anew") else { return };
    let (rig, daemon, to) = called_by(&network);
    let call = || wait_for("the listener", || TcpStream::connect_timeout(&to, Duration::from_secs(5)).ok());
    let (mut next, mut lines, mut slowest) = (1, 0, Duration::ZERO);
    let rounds = if in_full() { 20 } else { 2 };
    let mut link = call();
    // Another of its links, which lives and says nothing.
    let idle = call();
    let half = b"2026/11/20 09:00:00,00:01:00,10,07700";
    for round in 1..=rounds {
        link.write_all(all(next, next + 5).as_bytes()).unwrap();
        link.write_all(half).unwrap();
        (next, lines) = (next + 5, lines + 5);
        stored(&rig, lines);
        power_off(&network, link);
        link = call();
        let since = Instant::now();
        link.write_all(all(next, next + 5).as_bytes()).unwrap();
        // What the dead link had begun is given up as soon as the PBX has been asked for it.
        (next, lines) = (next + 5, lines + 6);
        stored(&rig, lines);
        wait_for("the end of the dead link", || (reasons(&rig).len() == round as usize).then_some(()));
        slowest = slowest.max(since.elapsed());
    }
    assert!(slowest < Duration::from_secs(30), "{slowest:?}: it waited until the link was asked as a matter of course");
    assert!(
        reasons(&rig).iter().all(|why| why == "cut off: the link ended in the line (reset)"),
        "{:?}",
        reasons(&rig)
    );
    assert_eq!(numbers(&rig, "reception"), (1..next).collect::<Vec<_>>());
    // The link that lives was asked too, and goes on.
    std::thread::sleep(Duration::from_millis(500));
    (&idle).write_all(all(next, next + 1).as_bytes()).unwrap();
    stored(&rig, lines + 1);
    assert_kept(&rig, "", "after the PBX started again");
    daemon.stop();
    figures(
        "F14 a PBX starts again and calls anew",
        &format!("{rounds} times, in a line"),
        &format!("its dead link ended {:.1} s after it called, at most; no line lost", slowest.as_secs_f64()),
    );
}

#[test]
fn a_pbx_that_is_called_and_starts_again_is_called_again() {
    let Some(network) = network(2, "F14 a PBX that is called") else { return };
    let there = TcpListener::bind((network.pbx, 0)).unwrap();
    let source = format!(
        "[[source]]\nname = \"reception\"\ndialect = \"avaya-ipoffice\"\n\
         [source.tcp-connect]\nhost = \"{}\"\nport = {}\n",
        network.pbx,
        there.local_addr().unwrap().port()
    );
    let rig = Rig::new(&format!("{SITE}{source}"), &[]);
    let daemon = run(&rig, &network);
    // How the link dies: the PBX starts again; the cable is pulled; everything is lost on the way.
    let deaths = if in_full() { ["power", "cable", "loss"].as_slice() } else { &["power"] };
    let mut found = Vec::new();
    let (mut next, mut ends) = (1, 0);
    for death in deaths {
        let mut link = there.accept().unwrap().0;
        link.write_all(all(next, next + 5).as_bytes()).unwrap();
        next += 5;
        stored(&rig, i64::from(next) - 1);
        let since = Instant::now();
        match *death {
            "power" => power_off(&network, link),
            "cable" => {
                network.plugged(false);
                std::mem::forget(link);
            }
            _ => {
                if !network.loses(true) {
                    say_loudly("F14 a link that loses everything: there is no tc with netem here");
                    break;
                }
                std::mem::forget(link);
            }
        }
        ends += 1;
        // The PBX says nothing, so the link itself must be asked.
        let within = Instant::now() + FOUND;
        while ended(&rig, "'reset', 'timed-out', 'unreachable'") < ends {
            assert!(Instant::now() < within, "{death}: not found within {FOUND:?}: {}", rig.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        found.push(format!("{death} {:.0} s", since.elapsed().as_secs_f64()));
        network.plugged(true);
        if *death == "loss" {
            assert!(network.loses(false));
        }
    }
    let mut link = there.accept().unwrap().0;
    link.write_all(all(next, next + 1).as_bytes()).unwrap();
    stored(&rig, i64::from(next));
    assert_eq!(numbers(&rig, "reception"), (1..=next).collect::<Vec<_>>());
    assert_kept(&rig, "", "after dead links");
    daemon.stop();
    figures("F14 dead links that we made", &found.join(", "), "found, a gap, and called again; no line lost");
}

/// The same from the other side: a link that the PBX made, of which nothing comes any more.
#[test]
fn a_link_that_is_dead_both_ways_is_found_within_a_minute() {
    // It takes the minute that is measured; the one above finds a dead link sooner.
    if is_left_to_a_run_in_full("F14: a link that is dead both ways for a minute") {
        return;
    }
    let Some(network) = network(3, "F14 dead both ways") else { return };
    let (rig, daemon, to) = called_by(&network);
    let mut link = wait_for("the listener", || TcpStream::connect_timeout(&to, Duration::from_secs(5)).ok());
    link.write_all(all(1, 6).as_bytes()).unwrap();
    stored(&rig, 5);
    network.plugged(false);
    let since = Instant::now();
    while ended(&rig, "'timed-out', 'unreachable'") < 1 {
        assert!(since.elapsed() < FOUND, "not found within {FOUND:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let found = since.elapsed();
    network.plugged(true);
    let mut link = wait_for("the listener", || TcpStream::connect_timeout(&to, Duration::from_secs(5)).ok());
    link.write_all(all(6, 11).as_bytes()).unwrap();
    stored(&rig, 10);
    assert_kept(&rig, "", "after a dead link");
    daemon.stop();
    figures(
        "F14 a dead link that the PBX made",
        "1 cable pulled",
        &format!("found after {:.0} s", found.as_secs_f64()),
    );
}
