//! `smdrd alerts test` says what came of each channel.

use super::authority::Authority;
use super::box_office::BoxOffice;
use super::hook::{Answer, Hook};
use super::post_office::{Manner, PostOffice};
use super::rig::{Pbx, clock};
use super::tunnel::proxy;

#[test]
fn the_test_tries_every_channel_and_says_what_came_of_it() {
    let ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut site = BoxOffice::new(std::slice::from_ref(&ip));
    let (code, tried) = site.rig.json(&["alerts", "test"], "");
    assert_eq!((code, tried.as_array().unwrap().len()), (0, 1), "the journal only: {tried}");

    site.alerts();
    let (hook, post) = (site.hook(), site.post_office());
    let daemon = site.rig.run(&clock("2026-11-20T15:00:00Z", 1));
    let test = || site.rig.json(&["alerts", "test"], "");
    let (code, tried) = test();
    assert_eq!(code, 0, "{tried:#}");
    let channels: Vec<&str> =
        tried.as_array().unwrap().iter().map(|tried| tried["channel"].as_str().unwrap()).collect();
    assert_eq!(channels, ["journal", "webhook", "mail"]);
    assert_eq!(tried[1]["to"], format!("https://localhost:{}", site.ports.0), "not the path");
    let event = |of: usize| hook.posts()[of].body["event"].clone();
    assert_eq!((hook.posts().len(), event(0)), (1, "test".into()));
    assert_eq!(post.letters().len(), 1);
    assert!(site.rig.log().contains("a test of alerts"));

    hook.answers(&[Answer::Status(401)]);
    post.behaves(&[Manner::Greylists]);
    let (code, tried) = test();
    let problem = |of: usize| tried[of]["problem"].as_str().unwrap_or_default();
    assert_eq!(code, 1, "{tried:#}");
    assert!(problem(1).contains("401") && problem(1).contains("check the token"), "{tried:#}");
    assert!(problem(2).contains("greylisted"), "{tried:#}");

    post.behaves(&[Manner::HasNoTls]);
    let (code, tried) = test();
    assert_eq!((code, &tried[1]["problem"]), (1, &serde_json::Value::Null), "{tried:#}");
    daemon.stop();

    // Without a daemon the verb does it itself. A test is told nobody else, and nothing is open.
    let said = site.rig.verb(&["alerts", "test"], "");
    let text = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(0), "{text}");
    assert!(text.lines().count() == 3 && text.lines().all(|line| line.ends_with("taken")), "{text}");
}

#[test]
fn a_server_that_does_not_prove_its_name_gets_nothing() {
    let ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut site = BoxOffice::new(std::slice::from_ref(&ip));
    site.alerts();
    let other = Authority::new(site.rig.dir.path(), "other");
    let hook = Hook::open(site.ports.0, &other.identity("localhost"));
    let post = PostOffice::open(site.ports.1, &site.authority.identity("elsewhere.example"));
    let (code, tried) = site.rig.json(&["alerts", "test"], "");
    assert_eq!(code, 1, "{tried:#}");
    for of in 1..3 {
        assert!(tried[of]["problem"].as_str().unwrap().to_lowercase().contains("certificate"), "{tried:#}");
    }
    assert!(hook.posts().is_empty() && post.letters().is_empty());

    // The system's authorities know neither.
    let ours = site.authority.file.display().to_string();
    site.rig.supplier = site.rig.supplier.replace(&format!("ca-file = {ours:?}\n"), "");
    let (code, tried) = site.rig.json(&["alerts", "test"], "");
    assert!(code == 1 && (1..3).all(|of| tried[of]["problem"].is_string()), "{tried:#}");
    assert!(hook.posts().is_empty() && post.letters().is_empty());
}

#[test]
fn the_webhook_is_reached_as_the_supplier_is_through_the_proxy() {
    let mut site = BoxOffice::new(&[]);
    site.alerts();
    let (url, asked) = proxy(None, "");
    site.rig.supplier += &format!(
        "[supplier]\nurl = \"https://supplier.example\"\ntoken-file = {:?}\nproxy = {url:?}\n",
        site.rig.path("hook-token").display().to_string()
    );
    let (hook, _post) = (site.hook(), site.post_office());
    let (_, tried) = site.rig.json(&["alerts", "test"], "");
    assert_eq!(hook.taken(), [("test".to_owned(), "test".to_owned())], "{tried:#}");
    let asked = asked.lock().unwrap().join("\n");
    assert!(asked.starts_with(&format!("CONNECT localhost:{}", site.ports.0)), "{asked}");
    assert!(!asked.contains("token-of-the-hook") && !asked.contains("/practice"), "{asked}");
}
