//! Answers that are not receipts. Whatever comes, the parcel is kept and the situation has its name.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use smdrd::clock::Clock;
use smdrd::push::client::{Deadlines, LONGEST_ANSWER};
use smdrd::push::{Client, Delivery, Route, Why};

use super::raw::{answer, server};
use super::{a_parcel, bearer, client, folder, receipt_json, why};

/// What the client makes of `bytes` as the whole answer.
async fn answered(bytes: impl Into<Vec<u8>>) -> Delivery {
    let (_folder, token) = folder();
    let bytes = bytes.into();
    let address = server(move |stream| answer(stream, &bytes));
    client(&format!("http://{address}"), &token, None).deliver(&a_parcel()).await
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

#[tokio::test]
async fn a_server_in_trouble_is_tried_again() {
    for (status, tries) in [("500 Broken", 3), ("501 No", 3), ("502 Bad", 12), ("504 Late", 12), ("429 Slowly", 12)] {
        let delivery = answered(http(status, "", "")).await;
        assert_eq!(delivery.tries_a_night(), tries, "{status}");
        let Delivery::Transient { why: Why::Refused(problem), retry_after: None, status: Some(number) } = delivery
        else {
            panic!("{status}")
        };
        assert_eq!(problem.status, number);
        assert!(status.starts_with(&number.to_string()));
    }
}

#[tokio::test]
async fn a_pause_is_kept_in_both_forms() {
    let pause = async |headers: &str| match answered(http("503 Busy", headers, "")).await {
        Delivery::Transient { retry_after, status: Some(503), .. } => retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(pause("retry-after: 120\r\n").await, Some(Duration::from_secs(120)));
    let dates = "date: Sat, 21 Nov 2026 00:41:07 GMT\r\nretry-after: Sat, 21 Nov 2026 00:42:37 GMT\r\n";
    assert_eq!(pause(dates).await, Some(Duration::from_secs(90)));
    assert_eq!(pause("retry-after: later\r\n").await, None);
}

#[tokio::test]
async fn success_without_a_matching_receipt_is_no_success() {
    for body in ["", "<html>Welcome to the guest network</html>", "{}", "[]", "{\"receipt_id\":\"r\"", "null"] {
        let delivery = answered(http("200 OK", "content-type: text/html\r\n", body)).await;
        assert!(matches!(why(delivery), Why::NotAReceipt(_)), "{body}");
    }
    let parcel = a_parcel();
    for (field, value) in [
        ("sha256", serde_json::json!("0".repeat(64))),
        ("ods", "A81002".into()),
        ("site", "branch".into()),
        ("date", "2026-11-21".into()),
        ("revision", 2.into()),
    ] {
        let mut receipt = receipt_json(&parcel);
        receipt[field] = value;
        let delivery = answered(http("201 Created", "", &receipt.to_string())).await;
        assert_eq!(why(delivery), Why::ReceiptDiffers { field });
    }
    let mut receipt = receipt_json(&parcel);
    receipt["status"] = "rejected".into();
    assert!(matches!(why(answered(http("200 OK", "", &receipt.to_string())).await), Why::NotAReceipt(_)));
    // The same server with a receipt that is right in every field: the table above is not about something else.
    let right = answered(http("200 OK", "", &receipt_json(&parcel).to_string())).await;
    assert!(matches!(right, Delivery::Receipted(_)), "{right:?}");
    let accepted = answered(http("202 Accepted", "location: /status/1\r\n", "")).await;
    assert_eq!(accepted, Delivery::Accepted { poll: Some("/status/1".to_owned()), retry_after: None });
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (_folder, token) = folder();
    let seen = Arc::new(AtomicU32::new(0));
    let count = seen.clone();
    let portal = server(move |stream| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(stream, http("200 OK", "", "Welcome").as_bytes());
    });
    let location = format!("location: http://{portal}/login\r\n");
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let reply = http(status, &location, "");
        let address = server(move |stream| answer(stream, reply.as_bytes()));
        let delivery = client(&format!("http://{address}"), &token, None).deliver(&a_parcel()).await;
        let Why::Redirected(Some(to)) = why(delivery) else { panic!("{status}") };
        assert!(to.ends_with("/login"), "{to}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0, "figures and token did not go there");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let whole = http("201 Created", "", &receipt_json(&a_parcel()).to_string());
    for length in [0, 10, 60, whole.len() - 1] {
        let delivery = answered(&whole.as_bytes()[..length]).await;
        assert!(matches!(why(delivery), Why::Broken(_)), "{length} of {} bytes", whole.len());
    }
    let nonsense = answered("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    assert!(matches!(why(nonsense), Why::Broken(_)));
}

#[tokio::test]
async fn a_server_that_says_nothing_runs_into_the_deadline() {
    let (_folder, token) = folder();
    let silent = server(|_| std::thread::sleep(Duration::from_secs(60)));
    let slow = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 400\r\n\r\n{");
        std::thread::sleep(Duration::from_secs(60));
    });
    for address in [silent, slow] {
        let deadlines = Deadlines { connect: Duration::from_secs(1), total: Duration::from_secs(2) };
        let url = format!("http://{address}");
        let route = Route { url: &url, ..Route::default() };
        let client = Client::with_deadlines(&route, bearer(&token), Clock::system(), deadlines).unwrap();
        assert_eq!(why(client.deliver(&a_parcel()).await), Why::TimedOut);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let (_folder, token) = folder();
    let endless = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    });
    let delivery = client(&format!("http://{endless}"), &token, None).deliver(&a_parcel()).await;
    assert_eq!(why(delivery), Why::Oversized { limit: LONGEST_ANSWER });
    let padded = format!("{}{}", receipt_json(&a_parcel()), " ".repeat(LONGEST_ANSWER));
    assert_eq!(why(answered(http("200 OK", "", &padded)).await), Why::Oversized { limit: LONGEST_ANSWER });
}

#[tokio::test]
async fn a_refusal_keeps_the_parcel_and_hides_what_could_be_a_number() {
    let body = r#"{"type":"urn:x:problem:bad","title":"Bad","detail":"saw 07700 900123","held_revision":"x"}"#;
    for status in ["400 Bad Request", "413 Too Large", "415 Type", "422 No"] {
        let delivery = answered(http(status, "content-type: application/problem+json\r\n", body)).await;
        let Delivery::Parked { problem } = delivery else { panic!("{status}: {delivery:?}") };
        assert_eq!(problem.kind.as_deref(), Some("urn:x:problem:bad"));
        assert_eq!(problem.detail.as_deref(), Some("saw 00000 000000"));
    }
    assert!(matches!(answered(http("404 Not Found", "", "")).await, Delivery::Gone { .. }));
    assert!(matches!(answered(http("410 Gone", "", "")).await, Delivery::Gone { .. }));
    let body = r#"{"type":"urn:smdr-feed:problem:not-participating"}"#;
    let refused = answered(http("403 No", "content-type: application/problem+json\r\n", body)).await;
    assert!(matches!(refused, Delivery::NotParticipating { .. }));
}
