//! A proxy that is asked to connect (RFC 9110, 9.3.6), on a real socket.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use smdrd::store::OutboxState;

use super::feed::private_file;
use super::office::Office;
use super::scripted::{Supplier, faithful};

/// What was asked of the proxy.
type Asked = Arc<Mutex<Vec<String>>>;

/// Connects whoever names `credentials` (base64), or anybody when there are none; others get `refusal`.
fn proxy(credentials: Option<&'static str>, refusal: &'static str) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let noted = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let noted = noted.clone();
            std::thread::spawn(move || tunnel(stream, credentials, refusal, &noted));
        }
    });
    (url, asked)
}

fn tunnel(mut stream: TcpStream, credentials: Option<&str>, refusal: &str, noted: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    noted.lock().unwrap().push(head.clone());
    let allowed = credentials.is_none_or(|credentials| {
        head.lines().any(|line| line.eq_ignore_ascii_case(&format!("proxy-authorization: Basic {credentials}")))
    });
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let onward = target.filter(|_| allowed && refusal.is_empty()).and_then(|target| TcpStream::connect(target).ok());
    let Some(onward) = onward else {
        let refusal = if allowed { refusal } else { "407 Proxy Authentication Required" };
        let _ = write!(stream, "HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n");
        return;
    };
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let (mut from, mut to) = (stream.try_clone().unwrap(), onward.try_clone().unwrap());
    let there = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (onward, stream);
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = there.join();
}

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
