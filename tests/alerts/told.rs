//! What the daemon tells of itself, and when.

use std::time::Duration;

use serde_json::json;

use super::box_office::BoxOffice;
use super::hook::{Answer, Hook};
use super::lines::Ip;
use super::post_office::{Manner, PostOffice};
use super::rig::{Pbx, clock, wait_for};

/// Waits until so many messages were taken by both.
fn both_took(hook: &Hook, post: &PostOffice, count: usize) {
    wait_for(&format!("{count} posts"), || (hook.taken().len() >= count).then_some(()));
    let mails = || post.letters().iter().filter(|letter| letter.taken).count();
    wait_for(&format!("{count} mails"), || (mails() >= count).then_some(()));
}

/// Over half a minute of the box's time passes, in which nothing more is told.
fn nothing_more(hook: &Hook, post: &PostOffice, count: usize) {
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(hook.taken().len(), count, "{:?}", hook.taken());
    assert_eq!(post.letters().iter().filter(|letter| letter.taken).count(), count);
}

#[test]
fn a_link_that_is_down_is_told_once_over_each_channel_and_once_when_it_is_back() {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut site = BoxOffice::new(std::slice::from_ref(&ip));
    site.alerts();
    let (hook, post) = (site.hook(), site.post_office());
    // Half a second is a minute.
    let at = clock("2026-11-20T15:00:00Z", 120);
    let daemon = site.rig.run(&at);
    let status = wait_for("the problem", || {
        let status = site.rig.status();
        (status["alerts"] != json!([])).then_some(status)
    });
    assert_eq!(status["alerts"][0]["code"], "link-down", "{status:#}");
    assert_eq!(status["alerts"][0]["severity"], "critical");
    assert_eq!(status["problems"].as_array().unwrap().len(), 1);
    both_took(&hook, &post, 1);
    let (code, open) = site.rig.json(&["alerts"], "");
    assert_eq!((code, &open["alerts"][0]["code"]), (1, &json!("link-down")), "{open:#}");
    assert!(open["alerts"][0]["raised"].is_string() && open["channels"][1]["channel"] == "mail", "{open:#}");
    let shown = String::from_utf8(site.rig.verb(&["alerts"], "").stdout).unwrap();
    assert!(shown.starts_with("told    link-down: reception: no link since the start"), "{shown}");
    assert!(shown.contains(&format!("https://localhost:{}  0 waiting", site.ports.0)), "{shown}");

    let sent = &hook.posts()[0];
    let head = sent.head.to_ascii_lowercase();
    assert!(head.starts_with("post /practice/smdrd http/1.1"), "{head}");
    assert!(head.contains("authorization: bearer token-of-the-hook"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let keys: Vec<&str> = sent.body.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "at",
        "code",
        "device",
        "event",
        "id",
        "practices",
        "remedy",
        "schema",
        "severity",
        "since",
        "subject",
        "what",
    ];
    assert_eq!(keys, expected);
    for (key, value) in [
        ("schema", json!("smdrd.alert/1")),
        ("event", json!("raised")),
        ("code", json!("link-down")),
        ("severity", json!("critical")),
        ("subject", json!("reception")),
        ("device", json!("smdrd-test")),
        ("practices", json!(["A81001/main"])),
        ("what", json!("no link to the PBX: calls are not observed")),
    ] {
        assert_eq!(sent.body[key], value, "{:#}", sent.body);
    }
    let instant = |key: &str| sent.body[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let held = instant("at").duration_since(instant("since"));
    assert!(held >= jiff::SignedDuration::from_mins(5), "told after {held}");

    let letter = &post.letters()[0];
    assert_eq!(letter.to, ["reception@practice.example", "help@supplier.example"]);
    assert_eq!(letter.who.as_deref(), Some("smdrd:correct-horse"));
    assert_eq!(letter.header("Subject"), "[smdrd smdrd-test] reception: no link to the PBX: calls are not observed");
    assert_eq!(letter.header("Message-ID"), format!("<{}@practice.example>", sent.body["id"].as_str().unwrap()));
    assert!(letter.text.contains("A81001/main") && letter.text.contains("link-down"), "{}", letter.text);
    // What could tell of somebody is said over TLS only.
    let clear = post.in_the_clear().join("\n");
    assert!(!clear.contains("AUTH") && !clear.contains("MAIL"), "{clear}");

    // A restart does not tell it again.
    daemon.stop();
    let daemon = site.rig.run(&at);
    wait_for("a look", || site.rig.status()["alerts"][0]["raised"].is_string().then_some(()));
    nothing_more(&hook, &post, 1);

    // Back, with calls: it is over after as long as it had to hold.
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    both_took(&hook, &post, 2);
    let kinds = [("raised", "link-down"), ("cleared", "link-down")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(hook.taken(), kinds);
    assert!(post.letters()[1].header("Subject").contains("over: reception"), "{:?}", post.letters()[1]);
    nothing_more(&hook, &post, 2);
    assert_eq!(site.rig.status()["alerts"], json!([]));

    // The journal has each once.
    let log = site.rig.log();
    for (word, times) in [("alert raised", 1), ("alert cleared", 1)] {
        assert_eq!(log.matches(word).count(), times, "{log}");
    }
    // Neither number nor secret is anywhere.
    let said = format!("{:?}{:?}{log}", hook.posts().iter().map(|post| &post.body).collect::<Vec<_>>(), post.letters());
    for number in ["07700900123", "01632960100"] {
        assert!(!said.contains(number), "{number}");
    }
    assert!(!log.contains("correct-horse") && !log.contains("token-of-the-hook"), "{log}");
    daemon.stop();
}

#[test]
fn what_cannot_be_delivered_is_tried_again_and_an_outage_over_a_restart_loses_nothing() {
    let ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut site = BoxOffice::new(std::slice::from_ref(&ip));
    site.alerts();
    let at = clock("2026-11-20T15:00:00Z", 120);
    // Nobody is there to take it.
    let daemon = site.rig.run(&at);
    let channel = |of: usize| site.rig.status()["channels"][of].clone();
    wait_for("tries in vain", || {
        (0..2).all(|of| channel(of)["failed"].as_u64().unwrap() > 0 && channel(of)["waiting"] != 0).then_some(())
    });
    assert!(channel(0)["problem"].as_str().unwrap().starts_with("https://localhost"), "{}", channel(0));
    daemon.stop();

    // After the restart both are there, and misbehave.
    let (hook, post) = (site.hook(), site.post_office());
    hook.answers(&[Answer::Status(503), Answer::Break]);
    // What is slow to greet is waited for.
    post.behaves(&[Manner::GreetsLate(Duration::from_secs(2))]);
    let daemon = site.rig.run(&at);
    both_took(&hook, &post, 1);
    wait_for("an empty queue", || (0..2).all(|of| channel(of)["waiting"] == 0).then_some(()));
    assert!((0..2).all(|of| channel(of)["failed"] == 0 && channel(of)["sent"].is_string()));
    // The same message each time: whoever gets it twice can tell. (That the other channel failed for a while may be told
    // too.)
    let posts = hook.posts();
    assert!(posts.len() >= 3 && posts[..3].iter().all(|post| post.body == posts[0].body), "{posts:?}");
    assert_eq!(posts[0].body["code"], "link-down");
    let mut taken: Vec<&str> =
        posts.iter().filter(|post| post.taken).map(|post| post.body["id"].as_str().unwrap()).collect();
    let all = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), all, "one was told twice: {posts:?}");
    assert_eq!(posts.iter().filter(|post| post.taken && post.body["code"] == "link-down").count(), 1, "{posts:?}");
    daemon.stop();
}

#[test]
fn a_mail_server_that_misbehaves_gets_the_mail_all_the_same() {
    let ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut site = BoxOffice::new(std::slice::from_ref(&ip));
    site.alerts();
    let (hook, post) = (site.hook(), site.post_office());
    post.behaves(&[Manner::Greylists, Manner::HasNoTls, Manner::DropsAfterData, Manner::Greylists]);
    let daemon = site.rig.run(&clock("2026-11-20T15:00:00Z", 120));
    let taken = || post.letters().into_iter().filter(|letter| letter.taken).collect::<Vec<_>>();
    // The webhook does not wait for it. That the mail fails is a problem of its own, told over the webhook.
    wait_for("the webhook", || (!hook.taken().is_empty()).then_some(()));
    wait_for("the mail", || (!taken().is_empty()).then_some(()));
    assert_eq!(post.greylisted(), 2);
    let letters = post.letters();
    let first = &letters[0];
    assert!(!first.taken, "the one that was dropped: {first:?}");
    assert_eq!(first.header("Message-ID"), letters[1].header("Message-ID"));
    // A way without TLS is not taken, whatever the server offers.
    let clear = post.in_the_clear().join("\n");
    assert!(!clear.contains("AUTH") && !clear.contains("MAIL") && !clear.contains("c21kcmQ"), "{clear}");
    daemon.stop();
}
