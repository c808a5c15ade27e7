//! Each kind of refusal, asked for over the wire.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use jiff::civil::date;
use reqwest::RequestBuilder;
use smdrd::push::MEDIA_TYPE;
use smdrd::push::parcel::content_digest;
use smdrd::supplier::contract::{ELSEWHERE, OPERATIONS};
use smdrd::supplier::problem::Kind;

use super::day::{full_day, parcel};
use super::{Feed, TOKEN, day_url, get, put, receiver, refused};

/// What is right in all but one thing.
fn requests(feed: &Feed) -> Vec<(&'static str, RequestBuilder)> {
    let client = reqwest::Client::new;
    let body = parcel(&full_day(date(2026, 11, 20))).body;
    let url = day_url(feed, "2026-11-20");
    let digest = content_digest(&body);
    // A request of which one header is to be left out or changed begins here.
    let bare = || client().put(&url).body(body.clone());
    let typed = || bare().bearer_auth(TOKEN).header("content-type", MEDIA_TYPE);
    let digested = || bare().bearer_auth(TOKEN).header("content-digest", &digest);
    let path = |path: &str| put(&format!("{}{path}", feed.url()), body.clone());
    let beat = |id: &str| client().post(format!("{}/v1/devices/{id}/heartbeat", feed.url()));
    let half = String::from_utf8(body.clone()).unwrap().replace(":41,", ":4").into_bytes();
    vec![
        ("unauthorised", bare().header("content-type", MEDIA_TYPE).header("content-digest", &digest)),
        ("unauthorised", get(feed, "/v1/practices/A81001/sites/main/days").header("authorization", "Bearer other")),
        ("unauthorised", client().get(&url).basic_auth(TOKEN, Some(TOKEN))),
        ("unauthorised", client().put(&url).bearer_auth("token-of-nobody").header("content-type", MEDIA_TYPE)),
        ("unauthorised", client().get(&url)),
        ("unauthorised", client().get(format!("{}/v1/practices/A81001/sites/main/days", feed.url()))),
        ("unauthorised", beat("box")),
        ("not-participating", path("/v1/practices/A81002/sites/main/days/2026-11-20")),
        ("not-participating", get(feed, "/v1/practices/A81002/sites/main/days/2026-11-20")),
        ("not-participating", get(feed, "/v1/practices/A81002/sites/main/days")),
        ("bad-address", path("/v1/practices/a81001/sites/main/days/2026-11-20")),
        ("bad-address", path("/v1/practices/A8100/sites/main/days/2026-11-20")),
        ("bad-address", path("/v1/practices/A81001/sites/a%20b/days/2026-11-20")),
        ("bad-address", path("/v1/practices/A81001/sites/%FF/days/2026-11-20")),
        ("bad-address", path("/v1/practices/A81001/sites/main/days/2026-02-30")),
        ("bad-address", path("/v1/practices/A81001/sites/main/days/20261120")),
        ("bad-address", get(feed, "/v1/practices/A81001/sites/main/days/today")),
        ("bad-address", get(feed, "/v1/practices/A/sites/main/days")),
        ("bad-address", beat("a%20box").bearer_auth(TOKEN)),
        ("bad-query", get(feed, "/v1/practices/A81001/sites/main/days?from=soon")),
        ("bad-query", get(feed, "/v1/practices/A81001/sites/main/days?from=2026-11-02&to=2026-11-01")),
        ("bad-query", get(feed, "/v1/practices/A81001/sites/main/days/2026-11-20?revision=last")),
        ("media-type", digested()),
        ("media-type", digested().header("content-type", "application/json")),
        ("media-type", digested().header("content-type", "application/vnd.smdrd.day+json")),
        ("media-type", digested().header("content-type", "application/vnd.smdrd.day+json;v=2")),
        ("media-type", put(&url, body.clone()).header("content-encoding", "gzip")),
        ("digest-missing", typed()),
        ("digest-missing", typed().header("content-digest", "sha-512=:AAAA:")),
        ("digest-mismatch", typed().header("content-digest", content_digest(b"other"))),
        ("digest-mismatch", typed().header("content-digest", "sha-256=:!:")),
        ("not-json", put(&url, half)),
        ("not-json", put(&url, b"\xff\xfe".to_vec())),
        ("not-json", put(&url, Vec::new())),
        ("too-large", put(&url, vec![b' '; 1024 * 1024 + 1])),
        ("too-large", beat("box").bearer_auth(TOKEN).body(vec![b' '; 16 * 1024 + 1])),
        ("not-held", get(feed, "/v1/practices/A81001/sites/main/days/2026-11-20")),
        ("no-such-resource", get(feed, "/")),
        ("no-such-resource", get(feed, "/v1/practices/A81001/days/2026-11-20")),
        ("method-not-allowed", client().delete(&url).bearer_auth(TOKEN)),
        ("method-not-allowed", client().post(format!("{}/healthz", feed.url()))),
    ]
}

#[tokio::test]
async fn each_refusal_has_its_status_and_its_type() {
    let (_folder, feed) = receiver();
    for (expected, request) in requests(&feed) {
        let shown = format!("{request:?}");
        let (kind, problem) = refused(request.send().await.unwrap()).await;
        assert_eq!(kind, expected, "{problem} for {shown}");
        let listed = Kind::ALL.into_iter().find(|listed| listed.name() == kind).unwrap();
        assert_eq!(problem["status"], listed.status().as_u16());
    }
    assert_eq!(feed.revisions(), 0);
    // The receiver is still well, and takes the right request; so it was each change that was refused.
    let right = put(&day_url(&feed, "2026-11-20"), parcel(&full_day(date(2026, 11, 20))).body);
    assert_eq!(right.send().await.unwrap().status(), 201);
    let (kind, _) =
        refused(get(&feed, "/v1/practices/A81001/sites/main/days/2026-11-20?revision=2").send().await.unwrap()).await;
    assert_eq!(kind, "not-held");
}

#[tokio::test]
async fn a_refusal_for_credentials_says_which_and_a_wrong_method_which_is_right() {
    let (_folder, feed) = receiver();
    let url = day_url(&feed, "2026-11-20");
    let refused = reqwest::Client::new().get(&url).send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    let refused = reqwest::Client::new().delete(&url).send().await.unwrap();
    let allow = refused.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allow.contains("PUT") && allow.contains("GET"), "{allow}");
}

#[test]
fn a_body_that_breaks_is_said_to() {
    let (_folder, feed) = receiver();
    let body = parcel(&full_day(date(2026, 11, 20))).body;
    let head = format!(
        "PUT /v1/practices/A81001/sites/main/days/2026-11-20 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: {MEDIA_TYPE}\r\ncontent-digest: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        content_digest(&body),
    );
    let mut stream = std::net::TcpStream::connect(&feed.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"10\r\n{\"audit_head\":\"s\r\nno length\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("urn:smdr-feed:problem:body-incomplete"), "{answer}");
    assert_eq!(feed.revisions(), 0);
}

#[tokio::test]
async fn a_store_that_fails_is_said_to_and_is_tried_again_later() {
    let (_folder, feed) = receiver();
    feed.store().execute_batch("ALTER TABLE day_revision RENAME TO gone").unwrap();
    let url = day_url(&feed, "2026-11-20");
    let body = parcel(&full_day(date(2026, 11, 20))).body;
    let response = put(&url, body.clone()).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "60");
    assert_eq!(refused(response).await.0, "unavailable");
    feed.store().execute_batch("ALTER TABLE gone RENAME TO day_revision").unwrap();
    assert_eq!(put(&url, body).send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn every_kind_is_asked_for_somewhere() {
    let (_folder, feed) = receiver();
    let asked: BTreeSet<&str> = requests(&feed).into_iter().map(|(kind, _)| kind).collect();
    // These have tests of their own, here, in `documents` and in `gate`; the deadline of a body is too long for a test.
    let apart = [
        Kind::BodyIncomplete,
        Kind::Unavailable,
        Kind::StaleRevision,
        Kind::UnknownSchema,
        Kind::AddressMismatch,
        Kind::InvalidDocument,
        Kind::TooSlow,
        // Of signatures, codes and keys: in `tests/auth.rs`.
        Kind::ClockSkew,
        Kind::CodeMistyped,
        Kind::CodeUnknown,
        Kind::CodeUsed,
        Kind::CodeExpired,
        Kind::TooManyTries,
        Kind::DeviceKnown,
        Kind::KeyKnown,
        Kind::KeySuperseded,
        Kind::AnotherDevice,
        Kind::TooMany,
    ];
    for kind in Kind::ALL {
        assert!(asked.contains(kind.name()) != apart.contains(&kind), "{kind:?}");
        let documented = OPERATIONS.iter().any(|operation| operation.problems.contains(&kind));
        assert!(documented != ELSEWHERE.contains(&kind), "{kind:?}");
    }
}
