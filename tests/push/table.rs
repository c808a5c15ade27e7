//! The whole table of answers, over TLS: where each leaves the day, its practice and the supplier.

use std::time::Duration;

use smdrd::push::client::Deadlines;
use smdrd::store::{Cause, OutboxState};

use super::office::Office;
use super::scripted::{Reply, Seen, Supplier, faithful, http, json_of, problem};

/// A box with one closed day that is not sent yet.
async fn one_day(url: &str) -> Office {
    Office::since("2026-11-20", "2026-11-21T06:00:00Z", url).await
}

/// How a try leaves things.
#[derive(Debug, PartialEq)]
enum Left {
    /// Delivered.
    Receipted,
    /// Waiting, and nothing else is tried until then.
    Open,
    /// Waiting for the supplier's judgement; others are sent.
    Waits,
    /// Parked alone; others are sent.
    Parked(Cause),
    /// Parked with the whole practice.
    Stopped(Cause),
}

async fn left(reply: Reply) -> (Left, String) {
    let mut office = Office::new();
    let supplier = Supplier::start(&office.authority, move |seen: &Seen| {
        if seen.method == "PUT" { reply.clone() } else { problem("404 Not Found", "not-held") }
    });
    office.url = supplier.url.clone();
    office.begun("2026-11-20").await;
    office.at(Some("2026-11-21T06:00:00Z")).await;
    let outcome = office.push().await;
    let (state, cause) = office.only().await;
    let status = office.supplier().await;
    let said = outcome.sent[0].problem.clone().unwrap_or_default();
    assert_eq!(said.is_empty(), state == OutboxState::Receipted, "{said}");
    assert!(!status.next_try.unwrap().is_empty());
    // Whatever was answered, the day and its bytes are still here.
    assert_eq!(office.rows().await.len(), 1);
    let left = match (state, cause) {
        (OutboxState::Receipted, None) => Left::Receipted,
        (OutboxState::Pending, None) if status.failed > 0 => Left::Open,
        (OutboxState::Pending, None) => Left::Waits,
        (OutboxState::Parked, Some(cause)) if status.stopped.is_empty() => Left::Parked(cause),
        (OutboxState::Parked, Some(cause)) => Left::Stopped(cause),
        other => panic!("{other:?}"),
    };
    assert_eq!(left == Left::Open, outcome.broken_off);
    (left, said)
}

#[tokio::test]
async fn every_status_has_its_place_in_the_table() {
    let stopped = [
        (problem("403 Forbidden", "not-participating"), Cause::NotParticipating),
        (http("451 Unavailable For Legal Reasons", "", ""), Cause::NotParticipating),
        (problem("403 Forbidden", "token-scope"), Cause::NotAllowed),
        (http("403 Forbidden", "", ""), Cause::NotAllowed),
        (problem("404 Not Found", "no-such-resource"), Cause::UnknownPractice),
        (http("410 Gone", "", ""), Cause::UnknownPractice),
    ];
    for (reply, cause) in stopped {
        assert_eq!(left(reply.clone()).await.0, Left::Stopped(cause), "{reply:?}");
    }
    for status in ["400 Bad Request", "402 Pay", "413 Too Large", "415 Type", "422 No", "418 Teapot", "424 Failed"] {
        assert_eq!(left(http(status, "", "")).await.0, Left::Parked(Cause::Refused), "{status}");
    }
    for status in ["409 Conflict", "412 Precondition Failed"] {
        assert_eq!(left(problem(status, "stale-revision")).await.0, Left::Parked(Cause::Conflict), "{status}");
    }
    for status in [
        "203 Elsewhere",
        "204 Nothing",
        "206 Partial",
        "301 Moved",
        "302 Found",
        "303 See",
        "304 Same",
        "307 Temporary",
        "308 Permanent",
        "401 Who",
        "405 Method",
        "407 Proxy",
        "408 Slow",
        "411 Length",
        "414 Long",
        "417 Expect",
        "421 Misdirected",
        "425 Early",
        "426 Upgrade",
        "428 Precondition",
        "429 Many",
        "431 Headers",
        "500 Broken",
        "501 Not",
        "502 Bad",
        "503 Busy",
        "504 Late",
        "507 Full",
        "511 Portal",
    ] {
        assert_eq!(left(http(status, "", "")).await.0, Left::Open, "{status}");
    }
    for name in ["body-incomplete", "digest-mismatch", "clock-skew"] {
        assert_eq!(left(problem("400 Bad Request", name)).await.0, Left::Open, "{name}");
    }
    assert_eq!(left(http("202 Accepted", "", "")).await.0, Left::Waits);
}

#[tokio::test]
async fn what_is_no_receipt_and_what_is_no_answer_leave_the_day_in_the_queue() {
    for body in ["", "<html>guest network</html>", "{}", "{\"receipt_id\":"] {
        assert_eq!(left(http("200 OK", "", body)).await.0, Left::Open, "{body}");
    }
    let whole = b"HTTP/1.1 201 Created\r\ncontent-length: 900\r\n\r\n{\"receipt_id\":\"r\"".to_vec();
    for length in [5, 40, whole.len()] {
        assert_eq!(left(Reply::Bytes(whole[..length].to_vec())).await.0, Left::Open, "{length} bytes");
    }
    assert_eq!(left(Reply::Nothing).await.0, Left::Open);
    // The same server, faithful: the rows above are not about something else.
    let mut office = Office::new();
    let supplier = Supplier::start(&office.authority, |seen| {
        let mut receipt = seen.receipt();
        receipt["sha256"] = "0".repeat(64).into();
        json_of("200 OK", &receipt)
    });
    office.url = supplier.url.clone();
    office.begun("2026-11-20").await;
    office.at(Some("2026-11-21T06:00:00Z")).await;
    let said = office.push().await.sent[0].problem.clone().unwrap();
    assert!(said.contains("`sha256` differs"), "{said}");
    assert_eq!(office.only().await.0, OutboxState::Pending);
    supplier.answers(faithful);
    office.push().await;
    assert_eq!(office.only().await, (OutboxState::Receipted, None));
}

#[tokio::test]
async fn a_supplier_that_cannot_be_reached_is_said_to_be_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let office = one_day(&format!("https://localhost:{port}")).await;
    let said = office.push().await.sent[0].problem.clone().unwrap();
    assert!(said.starts_with("no connection to the supplier"), "{said}");
    assert_eq!(office.only().await.0, OutboxState::Pending);

    let mut office = Office::new();
    let silent = Supplier::start(&office.authority, |_| Reply::Silence);
    office.url = silent.url.clone();
    office.deadlines = Deadlines { connect: Duration::from_secs(1), total: Duration::from_secs(2) };
    office.begun("2026-11-20").await;
    office.at(Some("2026-11-21T06:00:00Z")).await;
    let said = office.push().await.sent[0].problem.clone().unwrap();
    assert!(said.contains("did not answer in time"), "{said}");

    // A name that is nobody's (RFC 6761); on the machine's own clock, since a simulated one may not leave the machine.
    let (_folder, token) = super::folder();
    let route = smdrd::push::Route { url: "https://supplier.invalid", ..Default::default() };
    let deadlines = Deadlines { connect: Duration::from_secs(30), total: Duration::from_secs(30) };
    let bearer = super::bearer(&token);
    let made = smdrd::push::Client::with_deadlines(&route, bearer, smdrd::clock::Clock::system(), deadlines);
    match super::why(made.unwrap().deliver(&super::a_parcel()).await) {
        smdrd::push::Why::UnknownName(_) | smdrd::push::Why::TimedOut => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_the_future_speaks_of_the_clock() {
    let mut office = Office::new();
    let supplier = Supplier::with(&office.authority.not_yet_valid("localhost"), faithful);
    office.url = supplier.url.clone();
    office.begun("2026-11-20").await;
    office.at(Some("2026-11-21T06:00:00Z")).await;
    office.push().await;
    // At once, and not after three tries: this does not pass by itself.
    let problems = office.snapshot().await.problems.join("\n");
    assert!(problems.contains("this box's clock is probably wrong"), "{problems}");
    assert!(supplier.seen().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_wrong_clock_is_measured_told_and_shown() {
    let mut office = Office::new();
    let long_ago = "date: Fri, 20 Nov 2020 00:00:00 GMT\r\n";
    let supplier = Supplier::start(&office.authority, move |seen| match seen.method.as_str() {
        "POST" => http("204 No Content", long_ago, ""),
        _ => http("200 OK", long_ago, "[]"),
    });
    office.url = supplier.url.clone();
    office.at(None).await;
    office.round().scheduled().await.unwrap();
    let snapshot = office.snapshot().await;
    let ahead = snapshot.supplier.unwrap().clock_ahead_s.unwrap();
    let expected = jiff::Timestamp::now().duration_since("2020-11-20T00:00:00Z".parse().unwrap()).as_secs();
    assert!((expected - 600..=expected).contains(&ahead), "{ahead} s");
    assert!(snapshot.problems.join("\n").contains("s ahead of the supplier's"), "{:?}", snapshot.problems);
    let told = supplier.seen().last().unwrap().header("x-device-clock-skew");
    assert!(told.is_some_and(|told| told.parse::<i64>().unwrap() > 300_000));

    supplier.answers(|seen| if seen.method == "GET" { http("200 OK", "", "[]") } else { http("204 Ok", "", "") });
    let refused = left(problem("403 Forbidden", "clock-skew")).await;
    assert!(refused.0 == Left::Open && refused.1.contains("timedatectl"), "{refused:?}");
}

#[tokio::test]
async fn what_is_accepted_is_asked_about_until_it_is_judged() {
    let mut office = Office::new();
    let other = Supplier::start(&office.authority, faithful);
    let foreign = format!("location: {}/status/1\r\n", other.url);
    let supplier = Supplier::start(&office.authority, |_| http("202 Accepted", "location: /judged/7?a=b\r\n", ""));
    office.url = supplier.url.clone();
    office.begun("2026-11-20").await;
    office.at(Some("2026-11-21T06:00:00Z")).await;
    office.push().await;
    let put = supplier.seen().remove(0);
    assert_eq!(office.rows().await[0].poll.as_deref(), Some("/judged/7?a=b"));
    assert!(office.rows().await[0].next >= "2026-11-21T19:00:00Z".parse().unwrap(), "not before the evening");

    supplier.answers(|_| http("202 Accepted", "", ""));
    office.push().await;
    let seen = supplier.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str(), seen.len()), ("GET", "/judged/7?a=b", 1));
    assert_eq!(office.rows().await[0].poll.as_deref(), Some("/judged/7?a=b"));

    // Judged, and found good; or the address is gone, or was never the supplier's: then the same bytes go again.
    let receipt = put.receipt();
    supplier.answers(move |seen| match seen.method.as_str() {
        "GET" => json_of("200 OK", &receipt),
        _ => panic!("sent again"),
    });
    office.push().await;
    assert_eq!(office.only().await, (OutboxState::Receipted, None));

    for location in ["location: /gone\r\n".to_owned(), foreign] {
        let mut office = Office::new();
        let supplier = Supplier::start(&office.authority, move |_| http("202 Accepted", &location, ""));
        office.url = supplier.url.clone();
        office.begun("2026-11-20").await;
        office.at(Some("2026-11-21T06:00:00Z")).await;
        office.push().await;
        let first = supplier.seen().remove(0);
        supplier.answers(|seen| if seen.method == "GET" { http("404 Gone", "", "") } else { faithful(seen) });
        office.push().await;
        let again = supplier.seen().into_iter().find(|seen| seen.method == "PUT").unwrap();
        assert_eq!(first.body, again.body);
        assert_eq!(office.only().await, (OutboxState::Receipted, None));
    }
    assert!(other.seen().is_empty(), "token and question stay with the supplier");

    // Judged, and found wanting.
    let mut office = Office::new();
    let supplier = Supplier::start(&office.authority, |_| http("202 Accepted", "location: /judged/8\r\n", ""));
    office.url = supplier.url.clone();
    office.begun("2026-11-20").await;
    office.at(Some("2026-11-21T06:00:00Z")).await;
    office.push().await;
    supplier.answers(|_| problem("422 No", "invalid-document"));
    office.push().await;
    assert_eq!(office.only().await, (OutboxState::Parked, Some(Cause::Refused)));
}
