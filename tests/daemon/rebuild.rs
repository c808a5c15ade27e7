//! Calls are a pure function of stored lines: a rebuild finds no difference, whatever happened to the process and to
//! the keys, until a role or a dialect is put right.

use super::lines::{Ip, MERIDIAN, NORSTAR, hipath, practice};
use super::rig::{Feed, Pbx, ROLES, Rig, SITE, clock};

/// Prints `lines` of each PBX in portions, so that the sources are mixed as they are on a real box.
fn mixed(pbxs: &mut [&mut Pbx], lines: &[&[String]]) {
    let rounds = 20;
    for round in 0..rounds {
        for (pbx, lines) in pbxs.iter_mut().zip(lines) {
            let share = |round: usize| lines.len() * round / rounds;
            assert!(pbx.print(&lines[share(round)..share(round + 1)]));
        }
    }
}

#[test]
fn a_rebuild_finds_no_difference_on_the_day_after_roll_up_after_a_restart_and_after_a_reboot() {
    let (reception, surgery) = practice(7);
    let meridian: Vec<String> = MERIDIAN.map(str::to_owned).to_vec();
    let norstar: Vec<String> = NORSTAR.map(str::to_owned).to_vec();
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut hi = Pbx::serial("surgery", "siemens-hipath3000");
    let mut m1 = Pbx::tcp("branch", "nortel-meridian");
    let mut ns = Pbx::tcp("annexe", "nortel-bcm");
    let site = format!("{SITE}{ROLES}");
    let rig = {
        let pbxs = [ip, hi, m1, ns];
        let rig = Rig::new(&site, &pbxs);
        [ip, hi, m1, ns] = pbxs;
        rig
    };
    let half = |lines: &[String]| lines.len() / 2;

    let noon = clock("2026-11-20T15:00:00Z", 1);
    let daemon = rig.run(&noon);
    for pbx in [&mut ip, &mut hi, &mut m1, &mut ns] {
        pbx.connect();
    }
    let (first, second): (Vec<&[String]>, Vec<&[String]>) =
        [&reception, &surgery].map(|lines| lines.split_at(half(lines))).into_iter().unzip();
    mixed(&mut [&mut ip, &mut hi, &mut m1, &mut ns], &[first[0], first[1], &meridian, &norstar]);
    let mut lines = first[0].len() + first[1].len() + meridian.len() + norstar.len();
    rig.wait_for_lines(lines);
    // Half a group waits for silence.
    super::rig::wait_for("the last group", || {
        (rig.count("SELECT count(*) FROM line WHERE idle = 1") > 0).then_some(())
    });
    rig.assert_no_difference("", "the same day");
    let before = rig.rebuild("", &["--dry-run"]);
    assert!(before["shapes"].as_u64().unwrap() >= 1, "the line that no rule understands: {before}");
    assert!(before["calls"].as_u64().unwrap() > 100, "{before}");
    daemon.stop();

    // A restart of the daemon, then killed in the middle: the keys go on.
    let daemon = rig.run(&clock("2026-11-20T15:10:00Z", 1));
    rig.assert_no_difference("", "after a restart");
    ip.connect();
    hi.connect();
    let (a, b) = (second[0].split_at(half(second[0])), second[1].split_at(half(second[1])));
    mixed(&mut [&mut ip, &mut hi], &[a.0, b.0]);
    lines += a.0.len() + b.0.len();
    rig.wait_for_lines(lines);
    daemon.kill();

    // A reboot: memory is gone, and with it every key. The call that it cuts is a HiPath one: its first segment is
    // printed before, the one after the transfer behind.
    let daemon = rig.run(&clock("2026-11-20T15:20:00Z", 1));
    hi.connect();
    assert!(hi.print(&[hipath("20.11.2615:19:00", 30, 101, "00:05", "00:00:20", "07700900456", 1)]));
    rig.wait_for_lines(lines + 1);
    daemon.kill();
    std::fs::remove_dir_all(rig.path("run")).unwrap();
    let daemon = rig.run(&clock("2026-11-20T15:30:00Z", 1));
    rig.assert_no_difference("", "after a reboot");
    ip.connect();
    hi.connect();
    assert!(hi.print(&[hipath("20.11.2615:19:40", 30, 102, "", "00:00:40", "07700900456", 35)]));
    mixed(&mut [&mut ip, &mut hi], &[a.1, b.1]);
    lines += 2 + a.1.len() + b.1.len();
    rig.wait_for_lines(lines);
    let cut = "SELECT count(*) FROM call WHERE trunk = '30'";
    assert_eq!(rig.count(cut), 1, "the two halves are one call");
    assert_eq!(rig.count("SELECT talk_s FROM call WHERE trunk = '30'"), 60);
    rig.assert_no_difference("", "with lines of both boots");
    daemon.stop();

    let offered =
        "SELECT count(*) FROM number JOIN line USING (source, seq) WHERE call_seq IS NULL AND peer IS NOT NULL";
    assert!(rig.count(offered) > 0, "the HiPath prints offers");
    // The day is closed and its tokens go; at 04:20 its peers are renumbered.
    assert!(rig.count("SELECT count(*) FROM number WHERE token IS NOT NULL") > 0);
    let daemon = rig.run(&clock("2026-11-21T00:12:00Z", 1));
    super::rig::wait_for("the day's end", || (rig.status()["days"]["closed"] == 1).then_some(()));
    super::rig::wait_for("the roll-up", || {
        (rig.count("SELECT count(*) FROM number WHERE token IS NOT NULL") == 0).then_some(())
    });
    assert_eq!(rig.count("SELECT count(*) FROM call WHERE token IS NOT NULL"), 0);
    assert!(rig.count("SELECT sum(repeat) FROM call") > 0, "what tokens were for stands on the calls");
    rig.assert_no_difference("", "without tokens");
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-21T04:30:00Z", 1));
    super::rig::wait_for("the renumbering", || {
        (rig.count("SELECT count(*) FROM day WHERE rolled = 2") == 1).then_some(())
    });
    assert_eq!(rig.count(offered), 0, "an offer is no call");
    let shared =
        "SELECT count(*) FROM (SELECT peer FROM call WHERE peer IS NOT NULL GROUP BY source, peer HAVING count(*) > 1)";
    assert_eq!(rig.count(shared), 0, "no peer spans two calls");
    rig.assert_no_difference("", "after roll-up");
    daemon.stop();
    rig.assert_no_difference(&clock("2026-11-21T05:00:00Z", 1), "without a daemon");
    // Applied, it changes nothing either.
    let daemon = rig.run(&clock("2026-11-21T05:10:00Z", 1));
    assert_eq!(rig.rebuild("", &[])["applied"], false);
    let (_, day) = rig.json(&["day", "2026-11-20"], "");
    // The Meridian's lines are in both of its formats, and the old one has no unanswered calls.
    assert_eq!(
        (&day["totals"]["inbound"]["calls"], &day["totals"]["inbound"]["missed"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    let sum = |metrics: &str| {
        rig.count(&format!("SELECT sum(n) FROM counter WHERE ods = 'A81001' AND metric IN ({metrics})"))
    };
    assert_eq!(day["totals"]["inbound"]["calls_seen"], sum("0"));
    assert_eq!(sum("0"), sum("1, 2, 3, 4"), "each call has one outcome");
    drop(daemon);
}

#[test]
fn a_role_that_is_put_right_changes_history_and_the_day_goes_out_again() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    let taken = |id: u32, party: &str| Ip { id, party, ..Ip::default() }.line();
    assert!(ip.print(&[taken(1_000_001, "E201"), taken(1_000_002, "E299"), taken(1_000_003, "E299")]));
    assert!(ip.print(&["what is this, 01632960777?"]));
    rig.wait_for_lines(4);
    daemon.stop();

    let daemon = rig.run(&clock("2026-11-21T06:00:00Z", 1));
    let (code, sent) = rig.json(&["push", "2026-11-20"], "");
    assert_eq!((code, &sent[0]["state"], &sent[0]["revision"]), (0, &"receipted".into(), &1.into()), "{sent}");
    daemon.stop();

    rig.site += "[roles.stations]\n\"299\" = \"voicemail\"\n";
    let daemon = rig.run(&clock("2026-11-21T06:10:00Z", 1));
    let difference = rig.rebuild("", &["--dry-run"]);
    assert_eq!((&difference["changed_calls"], &difference["applied"]), (&2.into(), &false.into()), "{difference:#}");
    assert_eq!((&difference["changed_lines"], &difference["shapes"]), (&0.into(), &1.into()));
    let figures = difference["figures"].to_string();
    for figure in ["2026-11-20 09:00 Answered 3 → 1", "09:00 Missed 0 → 2", "MissedVoicemail 0 → 2"] {
        assert!(figures.contains(figure), "{figure} is not in {figures}");
    }
    assert!(difference["examples"][0].as_str().unwrap().contains("reached-voicemail"), "{difference:#}");
    assert_eq!(rig.rebuild("", &[])["applied"], true);
    rig.assert_no_difference("", "once it is put in place");
    let (code, sent) = rig.json(&["push"], "");
    assert_eq!((code, sent.as_array().unwrap().len(), &sent[0]["revision"]), (0, 1, &2.into()), "{sent}");
    let held = feed.held("A81001", "2026-11-20");
    let document: serde_json::Value = serde_json::from_slice(&held[1]).unwrap();
    assert_eq!(document["cbt"]["CBT003"], 1);
    assert_eq!(document["totals"]["inbound"]["missed_voicemail"], 2);
    // Two more rebuilds make no further revision.
    for _ in 0..2 {
        rig.rebuild("", &[]);
        assert_eq!(rig.json(&["push"], ""), (0, serde_json::json!([])));
    }
    assert_eq!(feed.revisions(), 2);
    daemon.stop();

    // There and back again: the day was touched, and says the same as before.
    let right = rig.site.clone();
    for site in [SITE, &right] {
        rig.site = site.to_owned();
        let daemon = rig.run(&clock("2026-11-21T06:20:00Z", 1));
        assert_eq!(rig.rebuild("", &[])["applied"], true);
        daemon.stop();
    }
    let daemon = rig.run(&clock("2026-11-21T06:30:00Z", 1));
    assert_eq!(rig.count("SELECT changed FROM day"), 1);
    assert_eq!(rig.json(&["push"], ""), (0, serde_json::json!([])));
    assert_eq!((rig.count("SELECT changed FROM day"), feed.revisions()), (0, 2));
    daemon.stop();
}

#[test]
fn a_source_that_is_configured_no_more_keeps_its_history() {
    let mut pbxs = [Pbx::tcp("reception", "avaya-ipoffice"), Pbx::serial("surgery", "siemens-hipath3000")];
    let rig = Rig::new(SITE, &pbxs);
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    pbxs.iter_mut().for_each(Pbx::connect);
    assert!(pbxs[0].print(&[Ip::default().line()]));
    assert!(pbxs[1].print(&[hipath("20.11.2615:00:00", 3, 101, "00:05", "00:00:20", "07700900456", 1)]));
    rig.wait_for_lines(2);
    daemon.stop();
    let fewer = Rig::new(SITE, &pbxs[..1]);
    std::fs::rename(rig.path("state"), fewer.path("state")).unwrap();
    let later = clock("2026-11-20T15:10:00Z", 1);
    fewer.assert_no_difference(&later, "with one source less");
    fewer.rebuild(&later, &[]);
    assert_eq!(fewer.count("SELECT count(*) FROM call"), 2);
}
