//! A practice that leaves the participation list and comes back to it: the box notices both by itself.

use rustix::process::Signal;
use serde_json::json;

use super::lines::Ip;
use super::rig::{Feed, Pbx, ROLES, Rig, SITE, clock, free_port, wait_for};

#[test]
fn a_practice_off_the_list_is_paused_and_when_it_is_back_its_days_follow() {
    let port = free_port();
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(&format!("{SITE}{ROLES}"), std::slice::from_ref(&ip));
    rig.with_supplier(&format!("127.0.0.1:{port}"), "");
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    daemon.stop();

    let list = rig.path("participation.csv");
    std::fs::write(&list, "ODS Code\nA81002\n").unwrap();
    let gate = ["--participation", list.to_str().unwrap(), "--participation-column", "ODS Code"];
    let feed = Feed::start_with(&rig, port, &gate);
    // A civil day in twelve seconds.
    let daemon = rig.run(&clock("2026-11-20T23:50:00Z", 7_200));
    wait_for("the day is parked", || {
        (rig.count("SELECT count(*) FROM outbox WHERE state = 'parked'") >= 1).then_some(())
    });
    let status = rig.status();
    assert_eq!(status["supplier"]["stopped"][0]["cause"], json!("not-participating"), "{status:#}");
    assert_eq!((feed.revisions(), rig.count("SELECT count(*) FROM outbox WHERE state = 'receipted'")), (0, 0));

    std::fs::write(&list, "ODS Code\nA81001\nA81002\n").unwrap();
    feed.signal(Signal::HUP);
    // Nobody touches the box: the next night's question is answered otherwise, and what was kept follows.
    wait_for("the day is there", || (!feed.held("A81001", "2026-11-20").is_empty()).then_some(()));
    wait_for("nothing is parked", || {
        (rig.count("SELECT count(*) FROM outbox WHERE state = 'parked'") == 0).then_some(())
    });
    daemon.stop();
    let status = rig.status();
    assert_eq!(status["supplier"]["stopped"], json!([]), "{status:#}");
    assert_eq!(feed.held("A81001", "2026-11-20").len(), 1, "once");
}
