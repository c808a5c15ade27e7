//! The way to the supplier leads through a proxy.

use std::net::TcpListener;

use smdrd::store::OutboxState;

use super::feed::private_file;
use super::office::Office;
use super::scripted::{Supplier, faithful};
use super::tunnel::proxy;

/// What a box with one closed day makes of a proxy.
async fn through(proxy: &str, credentials: Option<&str>) -> (OutboxState, String, usize) {
    let mut office = Office::new();
    let supplier = Supplier::start(&office.authority, faithful);
    office.url = supplier.url.clone();
    office.more = format!("proxy = {proxy:?}\n");
    if let Some(credentials) = credentials {
        private_file(&office.path("proxy"), credentials);
        office.more += &format!("proxy-credentials-file = {:?}\n", office.path("proxy").display().to_string());
    }
    office.begun("2026-11-20").await;
    office.at(Some("2026-11-21T06:00:00Z")).await;
    let outcome = office.push().await;
    let said = outcome.sent[0].problem.clone().unwrap_or_default();
    (office.only().await.0, said, supplier.seen().len())
}

#[tokio::test]
async fn a_proxy_connects_and_sees_neither_figures_nor_token() {
    let (url, asked) = proxy(None, "");
    assert_eq!(through(&url, None).await, (OutboxState::Receipted, String::new(), 1));
    let asked = asked.lock().unwrap().join("\n");
    assert!(asked.starts_with("CONNECT localhost:"), "{asked}");
    for secret in [super::TOKEN, "A81001", "authorization", "2026-11-20"] {
        assert!(!asked.to_lowercase().contains(&secret.to_lowercase()), "{asked}");
    }
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_gets_it_and_one_that_refuses_is_named() {
    // box:pass:word
    let (url, _) = proxy(Some("Ym94OnBhc3M6d29yZA=="), "");
    assert_eq!(through(&url, Some("box:pass:word\n")).await.0, OutboxState::Receipted);
    for (credentials, says) in [(None, "proxy authorization required"), (Some("box:wrong"), "proxy authorization")] {
        let (state, said, reached) = through(&url, credentials).await;
        assert_eq!((state, reached), (OutboxState::Pending, 0));
        assert!(said.contains(says) && said.contains("supplier.proxy") && !said.contains("wrong"), "{said}");
    }
    for refusal in ["403 Forbidden", "502 Bad Gateway", "200 but no"] {
        let (url, _) = proxy(None, refusal);
        let (state, said, reached) = through(&url, None).await;
        assert_eq!((state, reached), (OutboxState::Pending, 0), "{refusal}");
        assert!(!said.is_empty(), "{refusal}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (state, said, _) = through(&format!("http://{nobody}"), None).await;
    assert!(state == OutboxState::Pending && said.contains("proxy"), "{said}");
}
