//! Who is let in: practices on the participation list, and nobody too often.

use jiff::civil::date;
use reqwest::Response;
use rustix::process::Signal;
use serde_json::Value;

use super::day::{full_day, parcel};
use super::{Feed, TOKEN, day_url, get, json_of, private_file, put, refused, send};

const LIST: &str = "Practice Name,ODS Code\nThe Surgery,a81001 \n";

/// A receiver with a participation list, and what else is given.
fn gated(folder: &std::path::Path, list: &str, more: &[&str]) -> Feed {
    let path = folder.join("participation.csv");
    std::fs::write(&path, list).unwrap();
    let gate = ["--participation", path.to_str().unwrap(), "--participation-column", "ODS Code"];
    Feed::start_with(folder, None, &[&gate[..], more].concat())
}

async fn until_logged(feed: &Feed, text: &str, times: usize) {
    for _ in 0..2_400 {
        if feed.log().matches(text).count() >= times {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{text:?} never came: {}", feed.log());
}

#[tokio::test]
async fn a_practice_that_is_not_on_the_list_is_not_taken_and_nothing_of_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    private_file(&folder.path().join("tokens"), &format!("{TOKEN} A81001,A81002\n"));
    let feed = gated(folder.path(), LIST, &[]);
    let day = parcel(&full_day(date(2026, 11, 20)));
    assert_eq!(send(&feed, &day).await.status(), 201);

    // The token is good for this one; the list is not. Nobody else learns what the list says.
    let url = day_url(&feed, "2026-11-20").replace("A81001", "A81002");
    let (kind, problem) = refused(put(&url, day.body.clone()).send().await.unwrap()).await;
    assert_eq!(kind, "not-participating");
    assert!(problem["detail"].as_str().unwrap().contains("participation list"), "{problem}");
    let stranger =
        reqwest::Client::new().put(&url).bearer_auth("stranger").body(day.body.clone()).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    assert_eq!(feed.revisions(), 1);

    // A bad list is told with its line, and the one before stays in force.
    let list = folder.path().join("participation.csv");
    std::fs::write(&list, "Practice Name,ODS Code\nBranch,A81002\nOdd,81003\n").unwrap();
    feed.signal(Signal::HUP);
    until_logged(&feed, "participation list not read again", 1).await;
    assert!(feed.log().contains("line 3"), "{}", feed.log());
    let first = send(&feed, &parcel(&full_day(date(2026, 11, 19)))).await;
    assert_eq!(first.status(), 201);
    assert_eq!(refused(put(&url, day.body.clone()).send().await.unwrap()).await.0, "not-participating");

    // Withdrawn, and back: what is held can be read all the while.
    std::fs::write(&list, "Practice Name,ODS Code\nBranch,A81002\n").unwrap();
    feed.signal(Signal::HUP);
    until_logged(&feed, "participation list read again", 1).await;
    let third = parcel(&full_day(date(2026, 11, 18)));
    assert_eq!(refused(send(&feed, &third).await).await.0, "not-participating");
    let held = get(&feed, "/v1/practices/A81001/sites/main/days").send().await.unwrap();
    assert_eq!(json_of(held).await.as_array().unwrap().len(), 2);
    std::fs::write(&list, LIST).unwrap();
    feed.signal(Signal::HUP);
    until_logged(&feed, "participation list read again", 2).await;
    assert_eq!(send(&feed, &third).await.status(), 201);

    let health = json_of(reqwest::get(format!("{}/v1/health", feed.url())).await.unwrap()).await;
    assert_eq!(health["participation"]["practices"], 1, "{health}");
    assert!(health["participation"]["age_s"].as_i64().is_some_and(|age| (0..600).contains(&age)), "{health}");
    assert!(health["last_document"].is_string() && health.get("certificate_days").is_none(), "{health}");
}

#[test]
fn a_list_that_cannot_be_used_ends_the_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    private_file(&folder.path().join("tokens"), &format!("{TOKEN} A81001\n"));
    let list = folder.path().join("list.csv");
    let start = |column: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_smdr-feed"))
            .args(["serve", "--listen", "127.0.0.1:0", "--participation-column", column, "--participation"])
            .arg(&list)
            .args(["--store".as_ref(), folder.path().join("store.db").as_os_str()])
            .args(["--tokens".as_ref(), folder.path().join("tokens").as_os_str()])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (text, says) in
        [("ODS Code\n", "no row"), ("Code\nA81001\n", "no column"), ("ODS Code\nA81001\nA8100\n", "line 3")]
    {
        std::fs::write(&list, text).unwrap();
        let (code, error) = start("ODS Code");
        assert_eq!(code, Some(78), "{error}");
        assert!(error.contains(says) && error.contains("list.csv"), "{error}");
    }
}

async fn refusal(response: Response) -> (String, u64, Value) {
    assert_eq!(response.status(), 429);
    let wait = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let (kind, problem) = refused(response).await;
    (kind, wait, problem)
}

#[tokio::test]
async fn a_box_that_asks_too_often_is_told_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    private_file(&folder.path().join("tokens"), &format!("{TOKEN} A81001\nanother-token-of-a-box A81001\n"));
    let feed = Feed::start_with(folder.path(), None, &["--box-rate", "1"]);
    let day = parcel(&full_day(date(2026, 11, 20)));
    assert_eq!(send(&feed, &day).await.status(), 201);
    let (kind, wait, problem) = refusal(send(&feed, &parcel(&full_day(date(2026, 11, 19)))).await).await;
    assert_eq!(kind, "too-many-requests");
    assert!((1..=60).contains(&wait), "{wait}: {problem}");
    assert_eq!(feed.revisions(), 1, "nothing of it is kept");
    // Another box is another matter, and so is a stranger with the first one's name.
    let url = day_url(&feed, "2026-11-20");
    let with = async |token: &str| reqwest::Client::new().get(&url).bearer_auth(token).send().await.unwrap().status();
    assert_eq!(with("another-token-of-a-box").await, 200);
    assert_eq!(with("stranger").await, 401);
    assert_eq!(reqwest::get(format!("{}/v1/health", feed.url())).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start_with(folder.path(), None, &["--address-rate", "2", "--trusted-proxy", "127.0.0.1"]);
    let from = async |address: &str| {
        get(&feed, "/v1/practices/A81001/sites/main/days").header("x-forwarded-for", address).send().await.unwrap()
    };
    assert_eq!(from("203.0.113.5").await.status(), 200);
    assert_eq!(from("198.51.100.7, 203.0.113.5").await.status(), 200, "the last one counts");
    let (kind, wait, _) = refusal(from("203.0.113.5").await).await;
    assert_eq!((kind.as_str(), (1..=30).contains(&wait)), ("too-many-requests", true));
    assert_eq!(from("203.0.113.6").await.status(), 200);
    assert!(feed.log().contains("from=203.0.113.5"), "{}", feed.log());

    // Without a proxy that is trusted the header is nobody's word.
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start(folder.path(), None);
    get(&feed, "/v1/practices/A81001/sites/main/days").header("x-forwarded-for", "203.0.113.5").send().await.unwrap();
    assert!(feed.log().contains("from=127.0.0.1") && !feed.log().contains("203.0.113"), "{}", feed.log());
}

#[tokio::test]
async fn the_longest_document_is_the_operators_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start_with(folder.path(), None, &["--longest-document", "2000"]);
    let day = parcel(&full_day(date(2026, 11, 20)));
    let (kind, problem) = refused(send(&feed, &day).await).await;
    assert_eq!(kind, "too-large");
    assert!(problem["detail"].as_str().unwrap().contains("2000"), "{problem}");
}
