//! Requests that look nearly right.

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Request};
use smdrd::clock::Clock;
use smdrd::push::auth::DeviceKey;
use smdrd::push::parcel::content_digest;
use smdrd::push::{Auth as _, Client, Delivery, MEDIA_TYPE, Route, Signed};

use super::boxes::{again, client, code, enrol, new_key};
use super::day::{full_day, parcel};
use super::feed::{Feed, TOKEN};

/// A delivery, signed at `at`.
fn delivery(url: &str, key: &DeviceKey, at: Timestamp) -> Request {
    let body = parcel(&full_day(date(2026, 11, 20))).body;
    let url = format!("{url}/v1/practices/A81001/sites/main/days/2026-11-20");
    let mut request = reqwest::Client::new()
        .put(url)
        .header("content-type", MEDIA_TYPE)
        .header("content-digest", content_digest(&body))
        .body(body)
        .build()
        .unwrap();
    Signed::with(again(key)).apply(&mut request, at);
    request
}

async fn answered(request: Request) -> (u16, String, String) {
    let response = reqwest::Client::new().execute(request).await.unwrap();
    let status = response.status().as_u16();
    let told: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    (status, text("type").rsplit(':').next().unwrap().to_owned(), text("detail"))
}

#[tokio::test]
async fn what_was_changed_repeated_elsewhere_or_signed_by_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start(folder.path(), None);
    let (url, key, now) = (feed.url(), new_key("smdrd-test"), Timestamp::now());
    enrol(&url, &code(folder.path(), &[]), &key, "smdrd-test").await.unwrap();
    let change = |how: &dyn Fn(&mut Request)| {
        let mut request = delivery(&url, &key, Timestamp::now());
        how(&mut request);
        request
    };
    let header = |request: &mut Request, name: &'static str, value: &str| {
        request.headers_mut().insert(name, value.parse().unwrap());
    };
    let cases: Vec<(&str, Request, &str)> = vec![
        (
            "another body, another digest",
            change(&|request| {
                header(request, "content-digest", &content_digest(b"{}"));
                *request.body_mut() = Some(b"{}".to_vec().into());
            }),
            "unauthorised",
        ),
        (
            "another body under the digest",
            change(&|request| *request.body_mut() = Some(b"{}".to_vec().into())),
            "digest-mismatch",
        ),
        ("without the digest", change(&|request| drop(request.headers_mut().remove("content-digest"))), "unauthorised"),
        ("another type", change(&|request| header(request, "content-type", "application/json")), "unauthorised"),
        (
            "another path",
            change(&|request| request.url_mut().set_path("/v1/practices/A81001/sites/main/days/2026-11-19")),
            "unauthorised",
        ),
        ("a query", change(&|request| request.url_mut().set_query(Some("x=1"))), "unauthorised"),
        ("another method", change(&|request| *request.method_mut() = Method::GET), "unauthorised"),
        ("another host", change(&|request| header(request, "host", "feed.example")), "unauthorised"),
        ("no signature", change(&|request| drop(request.headers_mut().remove("signature"))), "unauthorised"),
        ("an unknown key", delivery(&url, &new_key("smdrd-test"), now), "unauthorised"),
        (
            "a good token beside a bad signature",
            change(&|request| {
                header(request, "authorization", &format!("Bearer {TOKEN}"));
                header(request, "content-type", "text/plain");
            }),
            "unauthorised",
        ),
        ("an old one", delivery(&url, &key, now - SignedDuration::from_secs(330)), "clock-skew"),
        ("one of later", delivery(&url, &key, now + SignedDuration::from_secs(4_000)), "clock-skew"),
    ];
    for (what, request, expected) in cases {
        let (status, kind, detail) = answered(request).await;
        assert_eq!(
            (kind.as_str(), status),
            (expected, if expected == "digest-mismatch" { 400 } else { 401 }),
            "{what}: {detail}"
        );
        if expected == "clock-skew" {
            assert!(detail.contains("the box's clock is off"), "{detail}");
        }
    }
    assert_eq!(feed.revisions(), 0);
    assert_eq!(answered(delivery(&url, &key, Timestamp::now())).await.0, 201);

    // The key is for A81001 and for its own heartbeat.
    let own = || client(&url, again(&key));
    let day = date(2026, 11, 20);
    assert!(matches!(own().manifest("A81002", "main", day, day).await, Err(Delivery::NotParticipating { .. })));
    assert_eq!(own().manifest("A81001", "main", day, day).await.unwrap().len(), 1);
    let elsewhere = reqwest::Client::new().post(format!("{url}/v1/devices/smdrd-other/heartbeat")).body("{}");
    let mut elsewhere = elsewhere
        .header("content-type", "application/json")
        .header("content-digest", content_digest(b"{}"))
        .build()
        .unwrap();
    Signed::with(again(&key)).apply(&mut elsewhere, Timestamp::now());
    assert_eq!(answered(elsewhere).await.1, "another-device");
}

/// A box whose clock is two hours off is told so, signs by the receiver's time from then on, and says how wrong it is.
#[tokio::test]
async fn a_wrong_clock_is_made_good_by_the_date_of_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let ahead = Timestamp::now() + SignedDuration::from_hours(2);
    let theirs = format!("{ahead}@{}@1", Timestamp::now());
    let feed = Feed::start_with(folder.path(), None, &["--clock", &theirs]);
    let (url, key) = (feed.url(), new_key("smdrd-test"));
    enrol(&url, &code(folder.path(), &["--clock", &theirs]), &key, "smdrd-test").await.unwrap();
    let route = Route { url: &url, ..Route::default() };
    let client = Client::new(&route, std::sync::Arc::new(Signed::with(again(&key))), Clock::system()).unwrap();
    let day = date(2026, 11, 20);
    assert!(client.manifest("A81001", "main", day, day).await.unwrap().is_empty());
    let skew = client.skew_s().unwrap();
    assert!((-7230..=-7170).contains(&skew), "{skew}");
    assert!(client.manifest("A81001", "main", day, day).await.is_ok());
    let refused = feed.log().matches("clock-skew").count();
    assert_eq!(refused, 2, "once for the enrolment, once for the first question: {}", feed.log());
}

/// Behind a proxy that ends TLS and shows the receiver another host and path.
#[tokio::test]
async fn behind_a_proxy_the_public_url_is_what_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start_with(folder.path(), None, &["--public-url", "https://feed.example/smdr"]);
    let (url, key) = (feed.url(), new_key("smdrd-test"));
    // As the proxy does: what the box wrote to feed.example/smdr arrives here without the prefix.
    let through = async |request: &mut Request, path: &str| {
        Signed::with(again(&key)).apply(request, Timestamp::now());
        let port = feed.address.rsplit(':').next().unwrap().parse().unwrap();
        request.url_mut().set_scheme("http").unwrap();
        request.url_mut().set_host(Some("127.0.0.1")).unwrap();
        request.url_mut().set_port(Some(port)).unwrap();
        request.url_mut().set_path(path);
        answered(request.try_clone().unwrap()).await
    };
    let asked =
        serde_json::json!({"code": code(folder.path(), &[]), "key": key.key.public().jwk(), "device": "smdrd-test"})
            .to_string();
    let enrol =
        reqwest::Client::new().post("https://feed.example/smdr/v1/enrol").header("content-type", "application/json");
    let mut enrol = enrol.header("content-digest", content_digest(asked.as_bytes())).body(asked).build().unwrap();
    assert_eq!(through(&mut enrol, "/v1/enrol").await.0, 201);
    let days = "/v1/practices/A81001/sites/main/days";
    let mut get = reqwest::Client::new().get(format!("https://feed.example/smdr{days}")).build().unwrap();
    assert_eq!(through(&mut get, days).await.0, 200);
    let mut direct = reqwest::Client::new().get(format!("{url}{days}")).build().unwrap();
    Signed::with(again(&key)).apply(&mut direct, Timestamp::now());
    assert_eq!(answered(direct).await.0, 401);
}
