//! The log of a session with everything in it that must not get into a log.

use jiff::civil::date;
use serde_json::{Value, json};

use super::day::{full_day, parcel};
use super::{Feed, TOKEN, day_url, private_file, put, send};

const NUMBER: &str = "01632960123";
const STRANGER: &str = "stranger-token-8c1d";

async fn session(feed: &Feed) {
    let client = reqwest::Client::new();
    let day = parcel(&full_day(date(2026, 11, 20)));
    assert_eq!(send(feed, &day).await.status(), 201);
    let url = day_url(feed, "2026-11-20");
    // A payload that is not right, with a number where a figure should be, and one that is no JSON.
    let mut wrong = full_day(date(2026, 11, 20));
    wrong["slots"][17]["inbound"]["answered"] = json!(NUMBER);
    wrong["device"] = json!("payload-of-a-box");
    put(&url, serde_json::to_vec(&wrong).unwrap()).send().await.unwrap();
    put(&url, format!("{{\"payload-of-a-box\":\"{NUMBER}").into_bytes()).send().await.unwrap();
    // Paths that a stranger chose: numbers, line breaks, terminal sequences, very long ones; practices that are none.
    for path in [
        format!("/{NUMBER}"),
        format!("/v1/practices/{NUMBER}/sites/main/days/2026-11-20"),
        "/v1/practices/A81001%0alevel=error%20forged/sites/main/days/2026-11-20".to_owned(),
        "/v1/practices/%1b[2J/sites/main/days".to_owned(),
        format!("/v1/practices/{}/sites/main/days", "P".repeat(6_000)),
        format!("/v1/devices/{NUMBER}{}/heartbeat", "x".repeat(3_000)),
    ] {
        let to = format!("{}{path}", feed.url());
        for request in [client.put(&to), client.get(&to), client.post(&to)] {
            request.bearer_auth(STRANGER).body(format!("payload-of-a-box {NUMBER}")).send().await.unwrap();
        }
    }
    let odd = reqwest::Method::from_bytes(b"PAYLOAD").unwrap();
    client.request(odd, &url).bearer_auth(TOKEN).send().await.unwrap();
    client.get(&url).basic_auth(TOKEN, Some(STRANGER)).header("cookie", STRANGER).send().await.unwrap();
    client.get(format!("{url}?revision=payload-of-a-box")).bearer_auth(TOKEN).send().await.unwrap();
    let beat = format!("{}/v1/devices/smdrd-box/heartbeat", feed.url());
    let said = json!({"schema": "smdrd.heartbeat/1", "version": "payload-of-a-box", "alerts": {NUMBER: 1}});
    assert_eq!(client.post(beat).bearer_auth(TOKEN).json(&said).send().await.unwrap().status(), 204);
    // A tokens file that is wrong, with a token in it.
    private_file(&feed.folder.join("tokens"), &format!("{TOKEN} A8100\n"));
    feed.signal(rustix::process::Signal::HUP);
    for _ in 0..2_400 {
        if feed.log().contains("stays in force") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{}", feed.log());
}

#[tokio::test]
async fn no_log_of_either_form_holds_a_secret_or_a_payload() {
    for format in ["text", "json"] {
        let folder = tempfile::tempdir().unwrap();
        let feed = Feed::start_with(folder.path(), None, &["--log", format]);
        session(&feed).await;
        let log = feed.log();
        for secret in [TOKEN, STRANGER, NUMBER, "payload-of-a-box", "edges_s", "reception-pbx", "answered_wait"] {
            assert!(!log.contains(secret), "{format}: {secret} in {log}");
        }
        assert!(log.lines().count() > 25 && log.contains("invalid-document") && log.contains("unauthorised"), "{log}");
        for line in log.lines() {
            assert!(line.chars().count() < 2_500, "{format}: a line of {}: {line}", line.chars().count());
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(!line.trim_start().starts_with("level="), "a forged line: {line}");
        }
        if format == "json" {
            let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
            let answered = lines.iter().find(|line| line["message"] == "answered").unwrap();
            assert_eq!(
                (&answered["status"], &answered["method"], &answered["from"]),
                (&json!(201), &json!("PUT"), &json!("127.0.0.1"))
            );
            assert!(answered["ms"].is_u64() && answered["level"] == "INFO", "{answered}");
            for line in &lines {
                let time: jiff::Timestamp = line["time"].as_str().unwrap().parse().unwrap();
                assert!(jiff::Timestamp::now().duration_since(time).as_secs() < 600);
            }
        }
    }
}
