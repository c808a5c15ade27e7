//! F20: a supplier that is broken, busy, absent, or somebody else: a night with each. What an answer means for a document
//! is tested in `tests/push`; here is what the box does with it all night long.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use smdrd::push::schedule::nightly;

use super::authority::Authority;
use super::evidence::{figures, is_left_to_a_run_in_full, tries};
use super::lines::Ip;
use super::loudly::say_loudly;
use super::promises::{assert_identities, assert_kept};
use super::rig::{Pbx, Rig, SITE, TOKEN, clock, free_port, private_file, wait_for};
use super::scripted::{Reply, Seen, Supplier, faithful, http};

/// A box whose night begins soon after midnight, so that much of it is left before the window at 05:30.
fn device() -> (String, Timestamp) {
    let zone = jiff::tz::TimeZone::get("Europe/London").unwrap();
    let midnight: Timestamp = "2026-11-21T00:11:00Z".parse().unwrap();
    let early = midnight + SignedDuration::from_mins(15);
    let names = (0_u32..).map(|number| format!("smdrd-{number}"));
    names
        .map(|name| (nightly(&name, &zone, midnight), name))
        .find(|(night, _)| *night < early)
        .map(|(n, d)| (d, n))
        .unwrap()
}

/// A site with one call on 20 November 2026, a day that is closed and to be sent tonight.
fn site_with_a_day(device: &str) -> (Rig, String) {
    let site = SITE.replace("smdrd-test", device);
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(&site, std::slice::from_ref(&ip));
    rig.with_supplier("127.0.0.1:9", "");
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    daemon.stop();
    let daemon = rig.run(&clock("2026-11-21T00:11:00Z", 1));
    wait_for("the day's end", || (rig.count("SELECT count(*) FROM outbox") == 1).then_some(()));
    daemon.stop();
    (rig, site)
}

/// Another box in the same state.
fn copy(rig: &Rig, site: &str) -> Rig {
    let other = Rig::new(site, &[Pbx::tcp("reception", "avaya-ipoffice")]);
    std::fs::create_dir(other.path("state")).unwrap();
    for entry in std::fs::read_dir(rig.path("state")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), other.path("state").join(entry.file_name())).unwrap();
    }
    other
}

pub fn sends_to(rig: &mut Rig, url: &str, ca_file: &Path) {
    private_file(&rig.path("token"), &format!("{TOKEN}\n"));
    let token = rig.path("token");
    rig.supplier = format!("[supplier]\nurl = {url:?}\ntoken-file = {token:?}\nca-file = {ca_file:?}\n");
}

/// What is wrong with the supplier.
enum Wrong {
    Answers(Reply),
    Expired,
    Stranger,
    Elsewhere,
    Nobody,
}

struct Situation {
    name: &'static str,
    wrong: Wrong,
    /// So many tries at least, and at most, before the window at 05:30; none where the question for its list was refused.
    tries: (u32, u32),
    /// What the status says, with what to do.
    says: &'static str,
    /// For how long the supplier asked not to be asked.
    pause: Duration,
}

fn situations() -> Vec<Situation> {
    let wrong = |name, wrong, tries, says| Situation { name, wrong, tries, says, pause: Duration::ZERO };
    let page = "<html>Welcome to the guest network</html>";
    let asks = http("429 Too Many", "retry-after: 3600\r\n", "");
    vec![
        wrong("500", Wrong::Answers(http("500 Broken", "", "")), (3, 3), "the supplier does not take it now: 500"),
        wrong("503", Wrong::Answers(http("503 Busy", "", "")), (3, 12), "the supplier does not take it now: 503"),
        Situation {
            pause: Duration::from_secs(3600),
            ..wrong("429 with Retry-After", Wrong::Answers(asks), (3, 12), "the supplier does not take it now: 429")
        },
        wrong("dropped", Wrong::Answers(Reply::Nothing), (3, 12), "the document may have arrived"),
        wrong("captive portal", Wrong::Answers(http("200 OK", "", page)), (3, 3), "something may stand between"),
        wrong(
            "redirect",
            Wrong::Answers(http("302 Found", "location: http://portal.example/\r\n", "")),
            (3, 3),
            "a captive portal or proxy may stand in the way",
        ),
        wrong("expired certificate", Wrong::Expired, (3, 12), "the supplier must renew it"),
        wrong("wrong authority", Wrong::Stranger, (3, 12), "`ca-file` is not the supplier's"),
        wrong("wrong name", Wrong::Elsewhere, (3, 12), "another name than the one in the supplier's URL"),
        wrong("nobody there", Wrong::Nobody, (3, 12), "look at the network, the name and the firewall"),
        wrong("401", Wrong::Answers(http("401 Who", "", "")), (0, 1), "the supplier refuses the token"),
    ]
}

/// When each request came, with its key.
type Requests = Arc<Mutex<Vec<(Instant, String)>>>;

/// A night with a supplier of which something is wrong. Answers with how often it was tried.
fn night(mut rig: Rig, situation: Situation, factor: u32) -> u32 {
    let Situation { name, wrong, tries: (least, most), says, pause } = situation;
    let (_, night) = device();
    let folder = tempfile::tempdir().unwrap();
    let sub = |name: &str| {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        folder.path().join(name)
    };
    let ours = Authority::new(&sub("ours"), "ours");
    let theirs = Authority::new(&sub("theirs"), "theirs");
    let identity = match wrong {
        Wrong::Expired => ours.expired("localhost"),
        Wrong::Stranger => theirs.identity("localhost"),
        Wrong::Elsewhere => ours.identity("elsewhere.example"),
        Wrong::Answers(_) | Wrong::Nobody => ours.identity("localhost"),
    };
    let requests = Requests::default();
    let noted = requests.clone();
    let reply = if let Wrong::Answers(reply) = &wrong { Some(reply.clone()) } else { None };
    let supplier = Supplier::with(&identity, move |seen: &Seen| {
        let key = seen.header("idempotency-key").unwrap_or_default();
        noted.lock().unwrap().push((Instant::now(), key));
        reply.clone().unwrap_or_else(|| faithful(seen))
    });
    let url = match wrong {
        Wrong::Nobody => format!("https://localhost:{}", free_port()),
        _ => supplier.url.clone(),
    };
    sends_to(&mut rig, &url, &ours.file);
    let begin = night - SignedDuration::from_mins(9);
    // From 05:10 on time passes as it does here: however busy this machine is, the window at 05:30 does not come.
    let slow: Timestamp = "2026-11-21T05:10:00Z".parse().unwrap();
    let daemon = rig.run(&format!("{}@{slow}@1", clock(&begin.to_string(), factor)));
    // In the minutes before the night's own instant the list of days is asked for; that instant begins the count anew.
    let begins = jiff::tz::TimeZone::get("Europe/London").unwrap().to_datetime(night);
    let begins = begins.strftime("%Y-%m-%d %H:%M:%S").to_string();
    wait_for("the night's instant", || (rig.status()["now"].as_str()? >= begins.as_str()).then_some(()));
    let early = requests.lock().unwrap().len();
    std::thread::sleep(Duration::try_from(slow.duration_since(begin)).unwrap() / factor);
    wait_for("the end of the night", || (rig.status()["now"].as_str()? >= "2026-11-21 05:10:00").then_some(()));
    let attempts = || rig.count("SELECT coalesce(max(attempts), 0) FROM outbox") as u32;
    wait_for(name, || (attempts() >= least).then_some(()));
    let puts = || requests.lock().unwrap().iter().filter(|(_, key)| !key.is_empty()).count() as u32;
    let asked = matches!(wrong, Wrong::Answers(_));
    let tried = wait_for("every try to be noted", || Some(attempts()).filter(|tried| !asked || *tried == puts()));
    let seen = requests.lock().unwrap().clone();
    let status = rig.status();
    daemon.stop();
    assert!(tried <= most, "{name}: {tried} tries");
    if asked {
        let keys: Vec<&str> = seen.iter().map(|(_, key)| key.as_str()).filter(|key| !key.is_empty()).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "{name}: the same document");
        // Each try sends the document, or asks for the list of days first and comes no further.
        let lists = seen[early..].iter().filter(|(_, key)| key.is_empty()).count() as u32;
        assert!(lists <= most, "{name}: the list was asked for {lists} times");
    } else {
        assert!(seen.is_empty(), "{name}: nothing was sent");
    }
    for pair in seen.windows(2) {
        let apart = pair[1].0.duration_since(pair[0].0) * factor;
        assert!(apart >= pause, "{name}: {apart:?} apart");
    }
    // Nothing left the outbox, and one line says what is wrong and what to do.
    assert_eq!((&status["days"]["closed"], &status["days"]["pending"]), (&1.into(), &1.into()), "{name}: {status:#}");
    let problems = status["problems"].as_array().unwrap();
    let of_it: Vec<&str> =
        problems.iter().filter_map(|line| line.as_str()).filter(|line| line.starts_with("supplier: ")).collect();
    assert_eq!(of_it.len(), 1, "{name}: {problems:#?}");
    assert!(of_it[0].contains(says) && of_it[0].contains("next 2026-11-21 0"), "{name}: {}", of_it[0]);
    let (sha256, body): (String, Vec<u8>) =
        rig.db().query_row("SELECT sha256, body FROM outbox", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(smdrd::push::parcel::sha256_hex(&body), sha256, "{name}");

    // Put right, in the evening: the day arrives, the same to the byte.
    let mended = Supplier::start(&ours, faithful);
    supplier.answers(faithful);
    if !asked {
        sends_to(&mut rig, &mended.url, &ours.file);
    }
    let evening = clock("2026-11-21T20:55:00Z", 1);
    let daemon = rig.run(&evening);
    wait_for("the delivery", || (rig.status()["days"]["receipted"] == 1).then_some(()));
    assert_kept(&rig, "", name);
    daemon.stop();
    tried
}

#[test]
fn a_night_with_a_supplier_that_cannot() {
    let factor = tries(1800, 300);
    let (device, _) = device();
    let (day, site) = site_with_a_day(&device);
    let situations = situations();
    let many = situations.len();
    let told: Vec<String> = std::thread::scope(|scope| {
        let nights: Vec<_> = situations
            .into_iter()
            .map(|situation| {
                let (rig, name) = (copy(&day, &site), situation.name);
                (name, scope.spawn(move || night(rig, situation, factor)))
            })
            .collect();
        nights.into_iter().map(|(name, night)| format!("{name}: {}", night.join().unwrap())).collect()
    });
    let came = format!("0 documents gone; tries before 05:30 (12 at most): {}", told.join(", "));
    figures("F20 supplier fails", &format!("{many} kinds, a night with each"), &came);
}

#[test]
fn a_supplier_that_is_silent_or_has_no_name() {
    // On the machine's own clock, since a simulated day may not leave the machine.
    let mut rig = Rig::new(SITE, &[]);
    let authority = Authority::new(rig.dir.path(), "authority");
    // A name that is nobody's (RFC 6761).
    sends_to(&mut rig, "https://supplier.invalid", &authority.file);
    rig.verb(&["push"], "");
    let (_, status) = rig.json(&["status"], "");
    let said = status["supplier"]["last_problem"].as_str().unwrap();
    let known = ["name cannot be found", "did not answer in time", "no connection to the supplier"];
    assert!(known.iter().any(|words| said.contains(words)), "{said}");
    assert_identities(&status);
    if is_left_to_a_run_in_full("F20: a supplier that accepts and says nothing, for a night") {
        return;
    }
    let (device, night_begins) = device();
    let (mut rig, _) = site_with_a_day(&device);
    let authority = Authority::new(rig.dir.path(), "authority");
    let supplier = Supplier::start(&authority, |_| Reply::Silence);
    sends_to(&mut rig, &supplier.url, &authority.file);
    let daemon = rig.run(&clock(&(night_begins + SignedDuration::from_mins(1)).to_string(), 60));
    let said = wait_for("the deadline", || rig.status()["supplier"]["last_problem"].as_str().map(str::to_owned));
    assert!(said.contains("did not answer in time"), "{said}");
    assert_eq!(rig.status()["days"]["pending"], 1);
    assert_kept(&rig, "", "with a supplier that is silent");
    daemon.stop();
    if supplier.seen().is_empty() {
        say_loudly("a supplier that is silent: nothing was sent to it");
    }
}
