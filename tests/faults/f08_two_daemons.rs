//! F8: somebody starts a second daemon.

use super::evidence::figures;
use super::lines::Ip;
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock};

#[test]
fn a_second_daemon_refuses_and_the_first_goes_on() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let at = clock("2026-11-20T15:00:00Z", 1);
    let daemon = rig.run(&at);
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    let second = rig.verb(&["run"], &at);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&daemon.child.id().to_string()), "whose lock it is is said: {said}");
    assert!(said.contains(rig.path("state").to_str().unwrap()), "{said}");
    assert!(ip.print(&[Ip { id: 2, ..Ip::default() }.line()]));
    rig.wait_for_lines(2);
    assert_kept(&rig, "", "with a second daemon beside it");
    daemon.stop();
    figures("F8 two daemons", "1 second start", "refused by process and path; the first went on");
}
