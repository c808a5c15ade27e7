//! A key follows another, whatever is cut off on the way.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use smdrd::push::auth::{DeviceKey, KeyFiles, NotYet, Rotated, rotate};

use super::boxes::{client, code, enrol, kind, new_key, told, with_a_day};
use super::feed::Feed;
use super::lossy::{Lossy, Way};
use super::rig::{clock, wait_for};

/// Longer than a key is used.
const AGE: SignedDuration = SignedDuration::from_hours(200 * 24);

fn aged(key: DeviceKey) -> DeviceKey {
    DeviceKey { device: Some("smdrd-test".into()), since: Some(Timestamp::now() - AGE), ..key }
}

async fn is_taken(url: &str, path: &Path) -> bool {
    let today = jiff::Zoned::now().date();
    client(url, DeviceKey::read(path).unwrap()).manifest("A81001", "main", today, today).await.is_ok()
}

async fn renew(files: &KeyFiles, url: &str) -> Rotated {
    let current = client(url, DeviceKey::read(&files.key).unwrap());
    rotate(files, &current, |key| Some(client(url, key)), Timestamp::now()).await
}

/// Every order of three mishaps, then a night in which all goes well. `Crash`: the answer was read, and then the power failed
/// before the key was taken up.
#[tokio::test]
async fn no_mishap_locks_a_box_out() {
    #[derive(Debug, Clone, Copy)]
    enum Mishap {
        NoRequest,
        NoAnswer,
        Crash,
    }
    let all = [Mishap::NoRequest, Mishap::NoAnswer, Mishap::Crash];
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start(folder.path(), None);
    let way = Lossy::to(&feed.address);
    for number in 0..27 {
        let mishaps = [all[number % 3], all[number / 3 % 3], all[number / 9]];
        let device = format!("smdrd-{number}");
        let key = new_key(&device);
        let given = code(folder.path(), &["--device", &device]);
        enrol(&feed.url(), &given, &key, &device).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let files = KeyFiles::at(&home.path().join("device-key.pem"));
        KeyFiles::keep(&files.key, &DeviceKey { device: Some(device.clone()), ..aged(key) }).unwrap();
        let mut next = None;
        for mishap in mishaps {
            let before = std::fs::read(&files.key).unwrap();
            way.is(match mishap {
                Mishap::NoRequest => Way::NoRequest,
                Mishap::NoAnswer => Way::NoAnswer,
                Mishap::Crash => Way::Whole,
            });
            let outcome = renew(&files, &way.url).await;
            way.is(Way::Whole);
            match mishap {
                Mishap::Crash => {
                    assert!(matches!(outcome, Rotated::Renewed { .. }), "{mishaps:?}: {outcome:?}");
                    std::fs::rename(&files.key, files.next()).unwrap();
                    std::fs::write(&files.key, &before).unwrap();
                }
                _ => assert!(matches!(outcome, Rotated::NotYet(NotYet::Supplier(_))), "{mishaps:?}: {outcome:?}"),
            }
            let pending = std::fs::read(files.next()).unwrap();
            assert_eq!(*next.get_or_insert_with(|| pending.clone()), pending, "one key follows, not one a try");
            assert!(is_taken(&way.url, &files.key).await, "{mishaps:?}: the key in use is good at every moment");
        }
        let outcome = renew(&files, &way.url).await;
        assert!(matches!(outcome, Rotated::Renewed { .. }), "{mishaps:?}: {outcome:?}");
        assert_eq!(Some(std::fs::read(&files.key).unwrap()), next);
        assert!(is_taken(&way.url, &files.key).await && !files.next().exists());
        assert!(matches!(renew(&files, &way.url).await, Rotated::NotDue));
        let listed = told(folder.path(), &["devices", "list"]);
        let mine = listed.as_array().unwrap().iter().find(|listed| listed["device"] == device.as_str()).unwrap();
        assert_eq!(mine["keys"].as_array().unwrap().len(), 2, "{mishaps:?}: {mine:#}");
    }
}

/// The box was off for longer than the old key is taken, after the supplier had learnt the new one and before the box knew it.
#[tokio::test]
async fn a_key_that_ended_before_its_successor_was_known_to_be_taken_is_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start(folder.path(), None);
    let (way, key) = (Lossy::to(&feed.address), new_key("smdrd-test"));
    enrol(&feed.url(), &code(folder.path(), &[]), &key, "smdrd-test").await.unwrap();
    let files = KeyFiles::at(&folder.path().join("device-key.pem"));
    KeyFiles::keep(&files.key, &aged(key)).unwrap();
    way.is(Way::NoAnswer);
    assert!(matches!(renew(&files, &way.url).await, Rotated::NotYet(_)));
    way.is(Way::Whole);
    let store = feed.store();
    let ended = (Timestamp::now() - SignedDuration::from_secs(1)).to_string();
    assert_eq!(store.execute("UPDATE device_key SET until = ?1 WHERE until IS NOT NULL", [ended]).unwrap(), 1);
    assert!(!is_taken(&way.url, &files.key).await);
    assert!(matches!(renew(&files, &way.url).await, Rotated::Renewed { .. }));
    assert!(is_taken(&way.url, &files.key).await);
}

#[tokio::test]
async fn an_old_key_that_somebody_found_brings_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start(folder.path(), None);
    let (url, old) = (feed.url(), new_key("smdrd-test"));
    enrol(&url, &code(folder.path(), &[]), &old, "smdrd-test").await.unwrap();
    let files = KeyFiles::at(&folder.path().join("device-key.pem"));
    KeyFiles::keep(&files.key, &aged(old)).unwrap();
    let found = DeviceKey::read(&files.key).unwrap();
    assert!(matches!(renew(&files, &url).await, Rotated::Renewed { .. }));
    let bring = async |key: &DeviceKey| {
        let asked =
            smdrd::push::auth::enrolment::NewKey::of(&new_key("x").key, "smdrd-test", &key.key.public().keyid());
        client(&url, super::boxes::again(key)).add_key("smdrd-test", &asked).await
    };
    // As long as the new key was never used, the old one may: the new one may have been lost.
    let lost = bring(&found).await.unwrap();
    assert!(lost.previous_until.is_some());
    assert!(!is_taken(&url, &files.key).await, "a box has two good keys and no more");
    // Another folder, another box, whose new key is in use.
    let in_use = new_key("smdrd-two");
    enrol(&url, &code(folder.path(), &["--device", "smdrd-two"]), &in_use, "smdrd-two").await.unwrap();
    let follows = new_key("smdrd-two");
    let asked = smdrd::push::auth::enrolment::NewKey::of(&follows.key, "smdrd-two", &in_use.key.public().keyid());
    client(&url, super::boxes::again(&in_use)).add_key("smdrd-two", &asked).await.unwrap();
    let today = jiff::Zoned::now().date();
    client(&url, super::boxes::again(&follows)).manifest("A81001", "main", today, today).await.unwrap();
    let third = smdrd::push::auth::enrolment::NewKey::of(&new_key("x").key, "smdrd-two", &in_use.key.public().keyid());
    let refused = client(&url, super::boxes::again(&in_use)).add_key("smdrd-two", &third).await.unwrap_err();
    assert_eq!(kind(&refused), "key-superseded");
    // Nor does a key speak for another box, or bring a key that it has not.
    let refused = client(&url, super::boxes::again(&follows)).add_key("smdrd-test", &third).await.unwrap_err();
    assert_eq!(kind(&refused), "another-device");
    let refused = client(&url, super::boxes::again(&follows)).add_key("smdrd-two", &third).await.unwrap_err();
    assert_eq!(kind(&refused), "invalid-document", "the proof is over the key that signs");
}

#[test]
fn the_daemon_renews_an_old_key_and_both_are_taken_until_the_overlap_ends() {
    let folder = tempfile::tempdir().unwrap();
    let evening = clock("2026-11-21T20:00:00Z", 1);
    let feed = Feed::start_with(folder.path(), None, &["--clock", &evening]);
    let rig = with_a_day(&format!("url = {:?}\nauth = \"signature\"\n", feed.url()));
    let given = code(folder.path(), &["--clock", &evening]);
    let url = feed.url();
    let output = rig.verb(&["enrol", "--url", &url, "--code", &given], &evening);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = rig.path("state/device-key.pem");
    let old = DeviceKey::read(&path).unwrap();
    let old_id = old.key.public().keyid();
    let text = std::fs::read_to_string(&path).unwrap().replace("since: 2026-11-21", "since: 2026-05-01");
    super::feed::private_file(&path, &text);

    let daemon = rig.run(&evening);
    wait_for("a new key", || (DeviceKey::read(&path).ok()?.key.public().keyid() != old_id).then_some(()));
    daemon.stop();
    // Another process has it too, and what it sends is signed with it.
    let new_id = DeviceKey::read(&path).unwrap().key.public().keyid();
    assert_eq!(super::boxes::pushed(&rig, &evening), ("receipted".into(), String::new()));
    assert_eq!(super::boxes::sender(&feed)["key"], new_id.as_str());
    let listed = told(folder.path(), &["devices", "list"]);
    let end = |id: &str| {
        let keys = listed[0]["keys"].as_array().unwrap();
        keys.iter().find(|key| key["keyid"] == id).unwrap()["until"].clone()
    };
    assert!(end(&old_id).as_str().unwrap().starts_with("2026-12-21"), "{listed:#}");
    assert!(end(&new_id).is_null(), "{listed:#}");
    let audit: i64 = rig.count("SELECT count(*) FROM audit WHERE what LIKE '%key towards the supplier was renewed%'");
    assert_eq!(audit, 1);

    drop(feed);
    for (when, old_taken) in [("2026-12-20T12:00:00Z", true), ("2026-12-22T12:00:00Z", false)] {
        let later = clock(when, 1);
        let feed = Feed::start_with(folder.path(), None, &["--clock", &later]);
        for (key, expected) in [(&path, true), (&kept_at(folder.path(), &old), old_taken)] {
            assert_eq!(signs(&feed.url(), key, &later), expected, "{when}");
        }
    }
}

fn kept_at(folder: &Path, key: &DeviceKey) -> std::path::PathBuf {
    let path = folder.join("old-key.pem");
    KeyFiles::keep(&path, key).unwrap();
    path
}

/// Whether a question signed with the key in this file is answered.
fn signs(url: &str, key: &Path, clock: &str) -> bool {
    let signed = std::sync::Arc::new(smdrd::push::Signed::from_file(key).unwrap());
    let route = smdrd::push::Route { url, ..Default::default() };
    let clock = smdrd::clock::Clock::from_argument(clock).unwrap();
    let client = smdrd::push::Client::new(&route, signed, clock).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let day = jiff::civil::date(2026, 11, 20);
    runtime.block_on(client.manifest("A81001", "main", day, day)).is_ok()
}
