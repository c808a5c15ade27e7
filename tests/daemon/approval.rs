//! What the verbs say of sending: looked at first, released by somebody, refused, reached through nothing but the way
//! that is configured.

use std::process::Command;

use serde_json::{Value, json};

use super::lines::Ip;
use super::rig::{Feed, Pbx, Rig, SITE, TOKEN, clock, private_file, wait_for};

const NIGHT: &str = "2026-11-21T06:00:00Z";

/// A box that has one call, on 20 November.
fn with_a_call(supplier: &str, more: &str) -> Rig {
    let mut ip = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&ip));
    rig.with_supplier(supplier, more);
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    ip.connect();
    assert!(ip.print(&[Ip::default().line()]));
    rig.wait_for_lines(1);
    daemon.stop();
    rig
}

fn audit(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut query = db.prepare("SELECT who || ': ' || what FROM audit ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_held_day_is_looked_at_released_and_sent() {
    let rig = with_a_call("127.0.0.1:9", "approve = true\n");
    let feed = Feed::start(&rig, 0);
    let mut rig = rig;
    rig.with_supplier(&feed.address, "approve = true\n");
    let daemon = rig.run(&clock(NIGHT, 1));
    wait_for("the day's end", || (rig.status()["days"]["held"] == 1).then_some(()));
    let (code, preview) = rig.json(&["push", "2026-11-20", "--dry-run"], "");
    assert_eq!((code, &preview[0]["sends"]), (0, &json!(false)), "{preview:#}");
    assert!(preview[0]["because"].as_str().unwrap().contains("smdrd approve 2026-11-20"));
    assert_eq!(rig.json(&["push"], ""), (0, json!([])));
    assert_eq!(feed.revisions(), 0);

    let shown = rig.verb(&["day", "2026-11-20", "--json"], "").stdout;
    let (code, approved) = rig.json(&["approve", "2026-11-20"], "");
    assert_eq!((code, &approved["released"], &approved["state"]), (0, &json!(true), &json!("pending")));
    let uid = rustix::process::getuid().as_raw();
    let sha256 = approved["sha256"].as_str().unwrap();
    let noted = format!("uid {uid}: approved 2026-11-20 of A81001/main revision 1 sha256:{sha256}");
    assert!(audit(&rig).contains(&noted), "{:?}", audit(&rig));
    daemon.stop();

    // A release outlives a restart, and what was released is what was shown.
    let daemon = rig.run(&clock("2026-11-21T12:00:00Z", 1));
    wait_for("the delivery", || (feed.revisions() == 1).then_some(()));
    assert_eq!(feed.held("A81001", "2026-11-20")[0], shown.strip_suffix(b"\n").unwrap());
    wait_for("the receipt", || (rig.status()["days"]["receipted"] == 1).then_some(()));
    let (code, again) = rig.json(&["approve", "2026-11-20"], "");
    assert_eq!((code, &again["released"], &again["state"]), (0, &json!(false), &json!("receipted")));
    assert_eq!(audit(&rig).iter().filter(|what| what.contains("approved")).count(), 1);
    for (arguments, says) in [
        (&["approve", "2026-11-21"][..], "is not over"),
        (&["approve", "2026-11-02"], "there is no document of 2026-11-02"),
        (&["approve", "2026-11-20", "--practice", "A81002"], "no such practice"),
    ] {
        let output = rig.verb(arguments, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.contains(says)), (Some(1), true), "{arguments:?}: {said}");
    }
    daemon.stop();
}

#[test]
fn what_was_queued_before_approval_was_asked_for_waits_for_it() {
    let mut rig = with_a_call("127.0.0.1:9", "");
    let daemon = rig.run(&clock(NIGHT, 1));
    wait_for("the day's end", || (rig.status()["days"]["pending"] == 1).then_some(()));
    daemon.stop();
    rig.with_supplier("127.0.0.1:9", "approve = true\n");
    let daemon = rig.run(&clock(NIGHT, 1));
    let days = rig.status()["days"].clone();
    assert_eq!((&days["held"], &days["pending"]), (&json!(1), &json!(0)));
    daemon.stop();
    rig.supplier.clear();
    let said = rig.verb(&["approve", "2026-11-20"], &clock(NIGHT, 1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("no supplier is configured"));
}

#[test]
fn a_dry_run_shows_the_request_and_does_nothing() {
    let mut rig = with_a_call("127.0.0.1:9", "");
    let feed = Feed::start(&rig, 0);
    rig.with_supplier(&feed.address, "");
    let night = clock(NIGHT, 1);
    let before = rig.db().query_row("SELECT count(*) FROM audit", [], |row| row.get::<_, i64>(0)).unwrap();
    // Without a daemon the day is not even closed yet.
    let (code, preview) = rig.json(&["push", "--dry-run"], &night);
    assert_eq!((code, preview.as_array().unwrap().len()), (0, 1), "{preview:#}");
    let preview = &preview[0];
    assert_eq!(
        (&preview["sends"], &preview["provisional"], &preview["revision"]),
        (&json!(true), &json!(true), &json!(1))
    );
    assert_eq!(preview["method"], "PUT");
    let url = format!("http://{}/v1/practices/A81001/sites/main/days/2026-11-20", feed.address);
    assert_eq!(preview["url"], url.as_str());
    let headers: Vec<(String, String)> = serde_json::from_value(preview["headers"].clone()).unwrap();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["authorization", "content-digest", "content-type", "idempotency-key", "user-agent"]);
    assert_eq!(headers[0].1, "(not shown)");
    let text = String::from_utf8(rig.verb(&["push", "--dry-run"], &night).stdout).unwrap();
    assert!(text.contains(&url) && text.contains("1 document(s) would be sent") && !text.contains(TOKEN), "{text}");
    assert_eq!(feed.revisions(), 0);
    assert_eq!(rig.count("SELECT count(*) FROM outbox") + rig.count("SELECT count(*) FROM day WHERE closed_ms > 0"), 0);
    assert_eq!(rig.count("SELECT count(*) FROM audit"), before);

    // Closed and queued, what is shown is what is sent.
    let daemon = rig.run(&night);
    wait_for("the day's end", || (rig.status()["days"]["closed"] == 1).then_some(()));
    let (_, preview) = rig.json(&["push", "2026-11-20", "--dry-run"], "");
    assert_eq!((&preview[0]["provisional"], &preview[0]["sends"]), (&json!(false), &json!(true)));
    let (_, sent) = rig.json(&["push"], "");
    assert_eq!((&sent[0]["sha256"], &sent[0]["state"]), (&preview[0]["sha256"], &json!("receipted")));
    let held = feed.held("A81001", "2026-11-20");
    assert_eq!(preview[0]["bytes"], held[0].len());
    assert_eq!(rig.json(&["push", "--dry-run"], ""), (0, json!([])));
    let (_, preview) = rig.json(&["push", "2026-11-20", "--dry-run"], "");
    assert_eq!((&preview[0]["sends"], &preview[0]["because"]), (&json!(false), &json!("the supplier has it")));
    daemon.stop();
}

#[test]
fn status_says_how_things_stand_with_the_supplier() {
    let mut rig = with_a_call("127.0.0.1:9", "");
    let feed = Feed::start(&rig, 0);
    let port: u16 = feed.address.rsplit(':').next().unwrap().parse().unwrap();
    rig.with_supplier(&feed.address, "");
    drop(feed);
    let night = clock(NIGHT, 1);
    let (code, sent) = rig.json(&["push"], &night);
    assert_eq!((code, &sent[0]["state"]), (1, &json!("pending")), "{sent}");
    let (_, status) = rig.json(&["status"], &night);
    let supplier = &status["supplier"];
    assert_eq!((&supplier["queued"], &supplier["last_success"]), (&json!(1), &Value::Null), "{supplier:#}");
    assert!(supplier["last_problem"].as_str().unwrap().contains("no connection"), "{supplier:#}");
    assert!(supplier["failed"].as_u64().unwrap() >= 1);
    let feed = Feed::start(&rig, port);
    let daemon = rig.run(&clock("2026-11-21T12:00:00Z", 1));
    wait_for("a heartbeat", || rig.status()["supplier"]["heartbeat"].is_string().then_some(()));
    assert_eq!(
        feed.db().query_row("SELECT device FROM heartbeat", [], |row| row.get::<_, String>(0)).unwrap(),
        "smdrd-test"
    );
    assert_eq!(rig.json(&["push"], "").0, 0);
    let status = rig.status();
    let supplier = &status["supplier"];
    assert_eq!((&supplier["queued"], &supplier["failed"], &supplier["parked"]), (&json!(0), &json!(0), &json!(0)));
    assert!(supplier["last_success"].is_string() && supplier["next_try"].is_string(), "{supplier:#}");
    let text = String::from_utf8(rig.verb(&["status"], "").stdout).unwrap();
    assert!(text.contains("last success 2026-11-21") && text.contains("cleared up since"), "{text}");
    assert!(!text.contains(TOKEN));
    daemon.stop();
    // A token that is gone is a problem at once.
    rig.supplier = rig.supplier.replace("/token\"", "/no-token\"");
    let daemon = rig.run(&clock("2026-11-21T12:30:00Z", 60));
    wait_for("the missing token", || {
        rig.status()["problems"].to_string().contains("put the supplier's token there").then_some(())
    });
    private_file(&rig.path("no-token"), TOKEN);
    wait_for("the token", || {
        (!rig.status()["problems"].to_string().contains("put the supplier's token there")).then_some(())
    });
    daemon.stop();
}

#[test]
fn the_environment_does_not_say_where_figures_go() {
    let mut rig = with_a_call("127.0.0.1:9", "");
    let folder = rig.path("tls");
    std::fs::create_dir(&folder).unwrap();
    let authority = super::authority::Authority::new(&folder, "authority");
    let identity = authority.identity("localhost");
    let tls = [identity.cert.to_str().unwrap(), identity.key.to_str().unwrap()].map(str::to_owned);
    let feed = Feed::start_with(&rig, 0, &["--tls-cert", &tls[0], "--tls-key", &tls[1]]);
    let port = feed.address.rsplit(':').next().unwrap();
    private_file(&rig.path("token"), TOKEN);
    rig.supplier =
        format!("[supplier]\nurl = \"https://localhost:{port}\"\ntoken-file = \"{}\"\n", rig.path("token").display());
    let push = |prepare: &dyn Fn(&mut Command)| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdrd"));
        command.args(["push", "--json", "--clock", &clock(NIGHT, 1), "--config"]).arg(rig.write_config());
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            // Nobody listens there.
            command.env(name, "http://127.0.0.1:9");
        }
        prepare(&mut command);
        let output = command.output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    };
    // Neither does it say whom to trust, unless the system's own store is put elsewhere.
    let refused = push(&|_| {});
    let said = refused[0]["problem"].as_str().unwrap();
    assert!(said.contains("signed by no authority trusted here"), "{said}");
    let sent = push(&|command| {
        command.env("SSL_CERT_FILE", &authority.file);
    });
    assert_eq!(sent[0]["state"], "receipted", "{sent:#}");
    assert_eq!(feed.revisions(), 1);
}
