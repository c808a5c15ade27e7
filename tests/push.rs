//! Delivery over real HTTP and real TLS: to the real receiver, and to servers that misbehave.
#![cfg(feature = "supplier")]

#[path = "receiver/authority.rs"]
mod authority;
#[path = "receiver/day.rs"]
mod day;
#[path = "receiver/feed.rs"]
mod feed;
#[path = "push/misbehaving.rs"]
mod misbehaving;
#[path = "push/night.rs"]
mod night;
#[path = "push/office.rs"]
mod office;
#[path = "push/proxy.rs"]
mod proxy;
#[path = "push/raw.rs"]
mod raw;
#[path = "push/repair.rs"]
mod repair;
mod schema;
#[path = "push/scripted.rs"]
mod scripted;
#[path = "push/table.rs"]
mod table;
#[path = "push/tunnel.rs"]
mod tunnel;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use authority::Authority;
use day::{full_day, parcel, revision};
use feed::{Feed, TOKEN, private_file};
use jiff::civil::date;
use smdrd::clock::Clock;
use smdrd::push::client::Deadlines;
use smdrd::push::{Bearer, Client, Delivery, MEDIA_TYPE, Parcel, Receipt, Route, SetUpError, Why};
use wiremock::matchers::{header, header_exists, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A folder with the box's token.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("supplier-token");
    private_file(&token, TOKEN);
    (folder, token)
}

fn bearer(token: &Path) -> Arc<Bearer> {
    Arc::new(Bearer::from_file(token).unwrap())
}

fn client(url: &str, token: &Path, ca_file: Option<&Path>) -> Client {
    let deadlines = Deadlines { connect: Duration::from_secs(20), total: Duration::from_secs(60) };
    let route = Route { url, ca_file, ..Route::default() };
    Client::with_deadlines(&route, bearer(token), Clock::system(), deadlines).unwrap()
}

fn a_parcel() -> Parcel {
    parcel(&full_day(date(2026, 11, 20)))
}

fn receipt(delivery: Delivery) -> Receipt {
    match delivery {
        Delivery::Receipted(receipt) => receipt,
        other => panic!("no receipt: {other:?}"),
    }
}

fn why(delivery: Delivery) -> Why {
    match delivery {
        Delivery::Transient { why, .. } => why,
        other => panic!("not transient: {other:?}"),
    }
}

/// What a faithful receiver answers.
fn receipt_json(parcel: &Parcel) -> serde_json::Value {
    serde_json::json!({
        "receipt_id": "r-1", "ods": parcel.ods, "site": parcel.site, "date": parcel.date, "revision": parcel.revision,
        "sha256": parcel.sha256, "received_at": "2026-11-21T00:41:09Z", "server_schema": "smdrd.day/1",
        "status": "accepted", "warnings": [],
    })
}

#[tokio::test]
async fn a_day_goes_to_the_receiver_over_tls_and_is_known_again() {
    let (folder, token) = folder();
    let authority = Authority::new(folder.path(), "authority");
    let feed = Feed::start(folder.path(), Some(&authority.identity("localhost")));
    let client = client(&feed.https(), &token, Some(&authority.file));
    let first = a_parcel();

    let given = receipt(client.deliver(&first).await);
    assert_eq!((given.sha256.as_str(), given.replayed), (first.sha256.as_str(), false));
    // On a machine whose clock stands before that day, the receiver remarks on it.
    assert!(given.warnings.iter().all(|text| text.starts_with("clock: produced_at")), "{:?}", given.warnings);

    let again = receipt(client.deliver(&first).await);
    assert_eq!(again, Receipt { replayed: true, ..given.clone() });
    assert_eq!(feed.revisions(), 1);

    let mut changed = revision(full_day(date(2026, 11, 20)), 2, Some(&first.sha256));
    changed["audit_head"] = "sha256:other".into();
    let second = parcel(&changed);
    assert_eq!(receipt(client.deliver(&second).await).revision, 2);

    let stale = parcel(&revision(changed, 1, None));
    match client.deliver(&stale).await {
        Delivery::Stale { held_revision, held_sha256, problem } => {
            assert_eq!((held_revision, held_sha256), (Some(2), Some(second.sha256)));
            assert_eq!(problem.kind.as_deref(), Some("urn:smdr-feed:problem:stale-revision"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(feed.revisions(), 2);
    let shown = format!("{client:?} {}", feed.log());
    assert!(!shown.contains(TOKEN), "the token is shown: {shown}");
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_the_day_once() {
    let (folder, token) = folder();
    // A port that nobody listens on: bound, then let go.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let down = client(&format!("http://127.0.0.1:{port}"), &token, None);
    assert!(matches!(why(down.deliver(&a_parcel()).await), Why::NoConnection(_)));

    let feed = Feed::start(folder.path(), None);
    let up = client(&feed.url(), &token, None);
    assert!(!receipt(up.deliver(&a_parcel()).await).replayed);
    assert_eq!(feed.revisions(), 1);
}

#[tokio::test]
async fn a_lost_answer_costs_nothing() {
    let (folder, token) = folder();
    let feed = Feed::start(folder.path(), None);
    let proxy = raw::resets_the_first_answer(&feed.address);
    let client = client(&format!("http://{proxy}"), &token, None);
    let parcel = a_parcel();

    match client.deliver(&parcel).await {
        Delivery::Transient { why: Why::Broken(_), status: None, .. } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(feed.revisions(), 1, "it had arrived");
    let second = receipt(client.deliver(&parcel).await);
    assert!(second.replayed);
    assert_eq!(second.sha256, parcel.sha256);
    assert_eq!(feed.revisions(), 1);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_is_named() {
    let (folder, token) = folder();
    let sub = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let ours = Authority::new(&sub("ours"), "ours");
    let theirs = Authority::new(&sub("theirs"), "theirs");
    let cases = [
        ("foreign", theirs.identity("localhost"), Why::UntrustedAuthority),
        ("expired", ours.expired("localhost"), Why::ExpiredCertificate),
        ("misnamed", ours.identity("elsewhere.example"), Why::WrongName),
    ];
    for (name, identity, expected) in cases {
        let feed = Feed::start(&sub(name), Some(&identity));
        let client = client(&feed.https(), &token, Some(&ours.file));
        assert_eq!(why(client.deliver(&a_parcel()).await), expected, "{name}");
        assert_eq!(feed.revisions(), 0);
    }

    // Without a ca-file the system's authorities are trusted, and ours is not among them.
    let feed = Feed::start(&sub("system"), Some(&ours.identity("localhost")));
    let url = feed.https();
    match Client::new(&Route { url: &url, ..Route::default() }, bearer(&token), Clock::system()) {
        Ok(client) => assert_eq!(why(client.deliver(&a_parcel()).await), Why::UntrustedAuthority),
        Err(error) => assert!(matches!(error, SetUpError::Tls(_)), "{error}"),
    }
}

#[test]
fn what_cannot_be_set_up_is_refused_before_anything_is_sent() {
    let (folder, token) = folder();
    let set_up = |url: &str, ca_file: Option<&Path>| {
        Client::new(&Route { url, ca_file, ..Route::default() }, bearer(&token), Clock::system()).unwrap_err()
    };
    let plain = set_up("http://feed.example", None);
    assert!(matches!(plain, SetUpError::NotEncrypted { .. }));
    assert!(plain.to_string().contains("http://feed.example"), "{plain}");
    let missing = folder.path().join("none.pem");
    assert!(matches!(set_up("https://feed.example", Some(&missing)), SetUpError::CaFile { .. }));
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").unwrap();
    assert!(matches!(set_up("https://feed.example", Some(&empty)), SetUpError::CaFile { .. }));
}

#[tokio::test]
async fn the_request_is_as_the_contract_says() {
    let (_folder, token) = folder();
    let server = MockServer::start().await;
    let parcel = a_parcel();
    Mock::given(method("PUT"))
        .and(path("/base/v1/practices/A81001/sites/main/days/2026-11-20"))
        .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
        .and(header("user-agent", concat!("smdrd/", env!("CARGO_PKG_VERSION"))))
        .and(header_exists("content-digest"))
        .respond_with(ResponseTemplate::new(201).set_body_json(receipt_json(&parcel)))
        .expect(1)
        .mount(&server)
        .await;
    receipt(client(&format!("{}/base/", server.uri()), &token, None).deliver(&parcel).await);

    let request = &server.received_requests().await.unwrap()[0];
    let header = |name: &str| request.headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(request.body, parcel.body);
    assert_eq!(header("content-type"), MEDIA_TYPE);
    assert_eq!(header("idempotency-key"), format!("\"A81001/2026-11-20/{}\"", parcel.sha256));
    let digest = header("content-digest").strip_prefix("sha-256=:").unwrap().strip_suffix(':').unwrap().to_owned();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, digest).unwrap();
    assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), parcel.sha256);
    assert!(request.headers.get("x-device-clock-skew").is_none());
}

#[tokio::test]
async fn a_name_in_the_path_cannot_leave_its_place() {
    let (_folder, token) = folder();
    let server = MockServer::start().await;
    let odd = Parcel { site: "../x y/é".to_owned(), ..a_parcel() };
    client(&server.uri(), &token, None).deliver(&odd).await;
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.url.path(), "/v1/practices/A81001/sites/..%2Fx%20y%2F%C3%A9/days/2026-11-20");
}

#[tokio::test]
async fn a_refused_token_is_read_again_once() {
    let (_folder, token) = folder();
    let server = MockServer::start().await;
    let parcel = a_parcel();
    Mock::given(header("authorization", "Bearer renewed"))
        .respond_with(ResponseTemplate::new(201).set_body_json(receipt_json(&parcel)))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(401)).with_priority(2).mount(&server).await;
    let client = client(&server.uri(), &token, None);

    assert!(matches!(client.deliver(&parcel).await, Delivery::Unauthorised { credentials: None, .. }));
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "the same token is not tried twice");

    private_file(&token, "renewed");
    receipt(client.deliver(&parcel).await);
    assert_eq!(server.received_requests().await.unwrap().len(), 3);

    server.reset().await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(401)).mount(&server).await;
    std::fs::remove_file(&token).unwrap();
    match client.deliver(&parcel).await {
        Delivery::Unauthorised { credentials: Some(text), .. } => assert!(text.contains("supplier-token"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wrong_clock_is_measured_and_told() {
    let (_folder, token) = folder();
    let server = MockServer::start().await;
    let an_hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let shown = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&an_hour_ago).unwrap();
    let parcel = a_parcel();
    let template =
        ResponseTemplate::new(200).set_body_json(receipt_json(&parcel)).insert_header("date", shown.as_str());
    Mock::given(method("PUT")).respond_with(template).mount(&server).await;
    let client = client(&server.uri(), &token, None);
    assert_eq!(client.skew_s(), None);
    receipt(client.deliver(&parcel).await);
    receipt(client.deliver(&parcel).await);

    let measured = client.skew_s().unwrap();
    assert!((3_600..4_200).contains(&measured), "{measured} s");
    let requests = server.received_requests().await.unwrap();
    assert!(requests[0].headers.get("x-device-clock-skew").is_none());
    assert_eq!(requests[0].body, requests[1].body, "a resend is the same to the byte");
    let told: i64 = requests[1].headers.get("x-device-clock-skew").unwrap().to_str().unwrap().parse().unwrap();
    assert!((3_600..4_200).contains(&told), "{told} s");
}

#[tokio::test]
async fn a_changed_body_is_never_sent() {
    let (_folder, token) = folder();
    let server = MockServer::start().await;
    let mut parcel = a_parcel();
    parcel.body[10] ^= 1;
    assert!(matches!(client(&server.uri(), &token, None).deliver(&parcel).await, Delivery::Parked { .. }));
    assert!(server.received_requests().await.unwrap().is_empty());
}
