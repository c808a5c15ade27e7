//! From the code that is read out to the day that is held, with the real programs.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use smdrd::push::auth::code::OneTimeCode;

use super::authority::{Authority, Identity};
use super::boxes::{code, enrol, kind, new_key, pushed, sender, smdr_feed, told, unknown_code, with_a_day};
use super::feed::{Feed, private_file};
use super::rig::{Rig, clock};

/// Noon of the day after, for box and receiver alike.
fn noon() -> String {
    clock("2026-11-21T12:00:00Z", 1)
}

fn signature(url: &str) -> String {
    format!("url = {url:?}\nauth = \"signature\"\n")
}

fn enrolled(rig: &Rig, url: &str, code: &str, noon: &str) -> (Option<i32>, String, String) {
    let output = rig.verb(&["enrol", "--url", url, "--code", code], noon);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_box_enrols_signs_and_goes_on_after_its_key_was_turned_away() {
    let (folder, noon) = (tempfile::tempdir().unwrap(), noon());
    let feed = Feed::start_with(folder.path(), None, &["--clock", &noon]);
    let url = feed.url();
    let rig = with_a_day(&signature(&url));
    // Before it is enrolled nothing is lost, and what to do is said.
    let (_, _, said) = {
        let output = rig.verb(&["push"], &noon);
        (output.status.code(), output.stdout.clone(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(said.contains("smdrd enrol"), "{said}");

    let first = code(folder.path(), &["--clock", &noon]);
    let mistyped = {
        let mut typed: Vec<char> = first.chars().collect();
        typed.swap(0, 1);
        let swapped: String = typed.iter().collect();
        if swapped == first { first.replacen('-', "-0", 1) } else { swapped }
    };
    let (status, _, said) = enrolled(&rig, &url, &mistyped, &noon);
    assert_eq!(status, Some(2), "told before anybody is asked: {said}");
    let (status, _, said) = enrolled(&rig, &url, &unknown_code(), &noon);
    assert!(status == Some(1) && said.contains("Nobody was given this code"), "{said}");
    let (status, shown, said) = enrolled(&rig, &url, &first.to_lowercase(), &noon);
    assert_eq!(status, Some(0), "{said}");
    assert!(shown.contains("smdrd-test is enrolled for A81001") && !shown.contains("[supplier]"), "{shown}");
    let key = rig.path("state/device-key.pem");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let lying: Vec<_> = std::fs::read_dir(rig.path("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(lying.iter().filter(|name| name.to_string_lossy().starts_with("device-key")).count(), 1, "{lying:?}");
    // The answer might have been lost: the same again is the same.
    let (status, again, said) = enrolled(&rig, &url, &first, &noon);
    assert_eq!((status, &again), (Some(0), &shown), "{said}");
    // And the code is no other box's.
    let other = with_a_day(&signature(&url));
    let (status, _, said) = enrolled(&other, &url, &first, &noon);
    assert!(status == Some(1) && said.contains("The code was used"), "{said}");

    let (doctor, found) = rig.json(&["doctor"], "");
    assert!(found.to_string().contains("device-key.pem"), "{doctor} {found:#}");
    assert!(found.to_string().contains("it takes the signature of this box's key"), "{found:#}");
    assert_eq!(pushed(&rig, &noon), ("receipted".into(), String::new()));
    let who = sender(&feed);
    let listed = told(folder.path(), &["devices", "list"]);
    assert_eq!((&who["by"], &who["device"]), (&json!("signature"), &json!("smdrd-test")), "{who}");
    assert_eq!(who["key"], listed[0]["keys"][0]["keyid"]);
    assert!(who["signature_input"].as_str().unwrap().contains("\"content-digest\""), "{who}");
    assert!(listed[0]["keys"][0]["used_at"].is_string(), "{listed}");
    let (_, status) = rig.json(&["status"], &noon);
    assert_eq!(status["supplier"]["credentials"]["keyid"], who["key"], "{:#}", status["supplier"]);

    // Turned away: the day after waits, and the status says what to do.
    let revoked = smdr_feed(folder.path(), &["devices", "revoke", "smdrd-test", "--clock", &noon]);
    assert!(revoked.status.success());
    drop(feed);
    let next = clock("2026-11-22T12:00:00Z", 1);
    let feed = Feed::start_with(folder.path(), None, &["--clock", &next]);
    let url = feed.url();
    let mut rig = rig;
    rig.supplier = format!("[supplier]\n{}", signature(&url));
    let (_, sent) = rig.json(&["push"], &next);
    let last = sent.as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["state"], "pending", "{sent:#}");
    let problem = last["problem"].as_str().unwrap();
    assert!(problem.contains("refuses the device key") && problem.contains("run smdrd enrol"), "{problem}");
    let (_, status) = rig.json(&["status"], &next);
    assert!(status["problems"].to_string().contains("run smdrd enrol"), "{:#}", status["problems"]);
    let second = code(folder.path(), &["--clock", &next, "--device", "smdrd-test"]);
    let before = std::fs::read(&key).unwrap();
    let (status, _, said) = enrolled(&rig, &url, &second, &next);
    assert_eq!(status, Some(0), "{said}");
    assert_ne!(std::fs::read(&key).unwrap(), before, "a key that was turned away is not brought again");
    let (_, sent) = rig.json(&["push"], &next);
    assert!(sent.as_array().unwrap().iter().all(|day| day["state"] == "receipted"), "{sent:#}");
    for log in [feed.log(), rig.log()] {
        assert!(!log.contains(&second) && !log.contains("PRIVATE KEY"), "{log}");
    }
}

#[tokio::test]
async fn a_code_is_good_for_fifteen_minutes_one_box_and_what_it_was_given_for() {
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start(folder.path(), None);
    let (url, key) = (feed.url(), new_key("x"));
    let past = |minutes: i64| {
        let start = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
        format!("{start}@{}@1", jiff::Timestamp::now())
    };
    let late = code(folder.path(), &["--clock", &past(16)]);
    assert_eq!(kind(&enrol(&url, &late, &key, "smdrd-one").await.unwrap_err()), "code-expired");
    let in_time = code(folder.path(), &["--clock", &past(5), "--site", "main"]);
    let mine = enrol(&url, &in_time, &key, "smdrd-one").await.unwrap();
    assert_eq!((mine.device.as_str(), mine.site.as_deref(), mine.replayed), ("smdrd-one", Some("main"), false));
    assert!(enrol(&url, &in_time, &key, "smdrd-one").await.unwrap().replayed);
    assert_eq!(kind(&enrol(&url, &in_time, &new_key("x"), "smdrd-one").await.unwrap_err()), "code-used");
    assert_eq!(kind(&enrol(&url, &unknown_code(), &key, "smdrd-one").await.unwrap_err()), "code-unknown");
    let mistyped =
        in_time.replacen(in_time.chars().next().unwrap(), if in_time.starts_with('7') { "8" } else { "7" }, 1);
    assert_eq!(kind(&enrol(&url, &mistyped, &key, "smdrd-one").await.unwrap_err()), "code-mistyped");

    // Bound to a box, whatever it calls itself; and no code takes over a box of other practices.
    let bound = code(folder.path(), &["--device", "smdrd-two"]);
    assert_eq!(enrol(&url, &bound, &new_key("x"), "smdrd-other").await.unwrap().device, "smdrd-two");
    let elsewhere = told(folder.path(), &["enrol", "--ods", "B82003"])["code"].as_str().unwrap().to_owned();
    assert_eq!(kind(&enrol(&url, &elsewhere, &new_key("x"), "smdrd-two").await.unwrap_err()), "device-known");
    assert_eq!(kind(&enrol(&url, &elsewhere, &key, "smdrd-three").await.unwrap_err()), "key-known");
    // A refusal uses nothing up.
    assert_eq!(enrol(&url, &elsewhere, &new_key("x"), "smdrd-three").await.unwrap().ods, ["B82003"]);

    // The store holds digests, not codes.
    let kept: String =
        feed.store().query_row("SELECT group_concat(digest) FROM enrolment_code", [], |row| row.get(0)).unwrap();
    assert!(kept.contains(&OneTimeCode::parse(&bound).unwrap().digest()) && !kept.contains(&bound.replace('-', "")));
    let mut turned_off = false;
    for _ in 0..40 {
        let refused = enrol(&url, &unknown_code(), &key, "smdrd-one").await.unwrap_err();
        turned_off |= refused.said().is_some_and(|said| said.contains("too-many-tries"));
    }
    assert!(turned_off, "whoever tries codes is told to wait");
}

#[test]
fn a_day_gets_there_by_token_by_signature_and_by_certificate() {
    let noon = noon();
    for way in ["bearer", "signature", "mtls"] {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "authority");
        let identity = authority.identity("localhost");
        let ca = authority.file.display().to_string();
        let feed = Feed::start_with(folder.path(), Some(&identity), &["--client-ca", &ca, "--clock", &noon]);
        let url = feed.https();
        let common = format!("url = {url:?}\nca-file = {ca:?}\nauth = {way:?}\n");
        let mut rig = with_a_day(&common);
        match way {
            "bearer" => {
                private_file(&rig.path("token"), super::feed::TOKEN);
                rig.supplier += &format!("token-file = {:?}\n", rig.path("token").display().to_string());
            }
            "signature" => {
                let code = code(folder.path(), &["--clock", &noon]);
                let (status, _, said) = enrolled(&rig, &url, &code, &noon);
                assert_eq!(status, Some(0), "{said}");
            }
            _ => {
                let added = smdr_feed(folder.path(), &["devices", "add", "smdrd-test", "--ods", "A81001"]);
                assert!(added.status.success());
                rig.supplier += &shows(&authority.client("smdrd-test", 2099));
            }
        }
        assert_eq!(pushed(&rig, &noon), ("receipted".into(), String::new()), "{way}");
        let who = sender(&feed);
        assert_eq!(who["by"], way);
        assert_eq!(who["device"], if way == "bearer" { json!(null) } else { json!("smdrd-test") }, "{who}");
    }
}

fn shows(identity: &Identity) -> String {
    let Identity { cert, key } = identity;
    format!("client-cert = {:?}\nclient-key = {:?}\n", cert.display().to_string(), key.display().to_string())
}

#[test]
fn a_certificate_must_be_of_the_authority_in_force_and_of_a_box_that_is_known() {
    let (noon, folder) = (noon(), tempfile::tempdir().unwrap());
    let (authority, other) = (Authority::new(folder.path(), "authority"), Authority::new(folder.path(), "other"));
    let ca = authority.file.display().to_string();
    let identity = authority.identity("localhost");
    let feed = Feed::start_with(folder.path(), Some(&identity), &["--client-ca", &ca, "--clock", &noon]);
    let added = smdr_feed(folder.path(), &["devices", "add", "smdrd-test", "--ods", "A81001"]);
    assert!(added.status.success());
    let url = feed.https();
    let common = format!("[supplier]\nurl = {url:?}\nca-file = {ca:?}\nauth = \"mtls\"\n");
    let mut rig = with_a_day("");
    for (shown, says) in [
        (other.client("smdrd-test", 2099), "does not take this box's certificate"),
        (authority.client("smdrd-test", 2021), "does not take this box's certificate"),
        (authority.client("smdrd-nobody", 2099), "refuses the client certificate"),
    ] {
        rig.supplier = format!("{common}{}", shows(&shown));
        let (state, problem) = pushed(&rig, &noon);
        assert!(state == "pending" && problem.contains(says), "{state}: {problem}");
    }
    // One that has ended says so on the box before anything else does; nothing is lost by any of it.
    rig.supplier = format!("{common}{}", shows(&authority.client("smdrd-test", 2021)));
    let (_, status) = rig.json(&["status"], &noon);
    assert!(status["problems"].to_string().contains("ended 2021-12-31"), "{:#}", status["problems"]);
    assert_eq!(without_certificate(&ca, &format!("{url}/v1/practices/A81001/sites/main/days")), 401);
    rig.supplier = format!("{common}{}", shows(&authority.client("smdrd-test", 2099)));
    assert_eq!(pushed(&rig, &noon), ("receipted".into(), String::new()));
    let revoked = smdr_feed(folder.path(), &["devices", "revoke", "smdrd-test"]);
    assert!(revoked.status.success());
    let (_, found) = rig.json(&["push", "2026-11-20"], &noon);
    assert_eq!(found[0]["state"], "receipted", "what was sent stays: {found}");
}

/// The status of an answer to who shows nothing.
fn without_certificate(ca: &str, url: &str) -> u16 {
    let trusted = reqwest::Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.get(url).send()).unwrap().status().as_u16()
}
