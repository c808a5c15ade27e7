//! PBXs that wait for us.

use std::time::Duration;

use smdrd::framing::{Ended, Framer, Settings};
use smdrd::source::{Cause, Happening};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{Running, soon, source};

async fn pbx() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn take(listener: &TcpListener) -> TcpStream {
    soon("a connection", listener.accept()).await.unwrap().0
}

fn connect(id: u16, port: u16) -> smdrd::source::Spec {
    source(id, &format!("tcp-connect = {{ host = '127.0.0.1', port = {port} }}"))
}

#[tokio::test]
async fn lines_come_whole_out_of_single_bytes() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![connect(1, port)]);
    let mut link = take(&listener).await;
    link.set_nodelay(true).unwrap();
    let connection = running.up(1).await;
    let sent = b"2026/11/20 08:00:01,00:00:12\r\n\r\nlast\r\n";
    let writer = tokio::spawn(async move {
        for byte in sent {
            link.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        link
    });
    let (bytes, _) = running.bytes(connection, sent.len()).await;
    let mut framer = Framer::new(Settings::default());
    let mut lines = Vec::new();
    framer.push(&bytes, &mut |line| lines.push(String::from_utf8_lossy(line.bytes).into_owned()));
    framer.flush(Ended::EndOfInput, &mut |_| panic!("nothing is left"));
    assert_eq!(lines, ["2026/11/20 08:00:01,00:00:12", "", "last"]);
    drop(writer.await.unwrap());
}

#[tokio::test]
async fn a_close_and_a_reset_in_a_line_are_told_apart_and_the_link_comes_back() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![connect(7, port)]);

    let mut link = take(&listener).await;
    let first = running.up(7).await;
    link.write_all(b"half a li").await.unwrap();
    running.expect(first, b"half a li").await;
    drop(link);
    assert_eq!(running.down(7).await, "closed-by-peer");

    let mut link = take(&listener).await;
    let second = running.up(7).await;
    link.write_all(b"another ha").await.unwrap();
    running.expect(second, b"another ha").await;
    link.set_zero_linger().unwrap();
    drop(link);
    assert_eq!(running.down(7).await, "reset");

    let mut link = take(&listener).await;
    let third = running.up(7).await;
    link.write_all(b"whole\r\n").await.unwrap();
    running.expect(third, b"whole\r\n").await;
    assert!(first < second && second < third);
}

#[tokio::test]
async fn a_pbx_that_restarts_is_waited_for() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![connect(1, port)]);
    let link = take(&listener).await;
    running.up(1).await;
    drop(listener);
    drop(link);
    assert_eq!(running.down(1).await, "closed-by-peer");
    assert_eq!(running.waiting(1).await, "refused");
    assert_eq!(running.waiting(1).await, "refused");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mut link = take(&listener).await;
    let connection = running.up(1).await;
    link.write_all(b"back\r\n").await.unwrap();
    running.expect(connection, b"back\r\n").await;
}

#[tokio::test]
async fn a_name_without_address_is_said_to_be_one() {
    let spec = source(1, "tcp-connect = { host = 'pbx.invalid', port = 1 }");
    let mut running = Running::start(vec![spec]);
    assert_eq!(running.waiting(1).await, "host-not-found");
}

#[tokio::test]
async fn a_mitel_5000_is_greeted_at_every_connection_before_it_speaks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "12345678\n").unwrap();
    let with_password = format!("password-file = '{}'", file.display());
    let cases: [(&str, &[u8]); 2] = [("", b"\x02\0\0\0\x84\0"), (&with_password, b"\x0A\0\0\0\x8412345678\0")];
    for (setting, greeting) in cases {
        let (listener, port) = pbx().await;
        let text = format!("dialect = 'mitel-5000'\n[tcp-connect]\nhost = '127.0.0.1'\nport = {port}\n{setting}");
        let mut running = Running::start(vec![source(1, &text)]);
        for _ in 0..2 {
            let mut link = take(&listener).await;
            let mut seen = vec![0; greeting.len()];
            soon("the greeting", link.read_exact(&mut seen)).await.unwrap();
            assert_eq!(seen, greeting);
            link.write_all(b"\x05\0\0\0TLC\r\n").await.unwrap();
            let connection = running.up(1).await;
            running.expect(connection, b"\x05\0\0\0TLC\r\n").await;
            // Nothing but the greeting is ever sent.
            link.shutdown().await.unwrap();
            let mut more = Vec::new();
            soon("our close", link.read_to_end(&mut more)).await.unwrap();
            assert_eq!(more, b"");
        }
    }
}

#[tokio::test]
async fn a_slow_reader_holds_the_pbx_back_and_loses_nothing() {
    const TOTAL: usize = 32 * 1024 * 1024;
    let (listener, port) = pbx().await;
    let mut running = Running::with_room(vec![connect(1, port)], 2);
    let mut link = take(&listener).await;
    let connection = running.up(1).await;
    let block: Vec<u8> = (0..=250u8).cycle().take(251 * 256).collect();
    let writer = tokio::spawn(async move {
        let mut left = TOTAL;
        while left > 0 {
            let length = left.min(block.len());
            link.write_all(&block[..length]).await.unwrap();
            left -= length;
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!writer.is_finished(), "32 MiB went somewhere although nobody reads");
    let (bytes, _) = running.bytes(connection, TOTAL).await;
    assert_eq!(bytes.len(), TOTAL);
    assert!(bytes.iter().enumerate().all(|(at, byte)| *byte as usize == at % 251));
    soon("the writer", writer).await.unwrap();
}

#[tokio::test]
async fn what_has_arrived_before_the_stop_is_still_handed_on() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![connect(1, port), source(2, "serial.path = '/nonexistent/port'")]);
    let mut link = take(&listener).await;
    running.up(1).await;
    link.write_all(b"last words\r\n").await.unwrap();
    let rest = running.stop().await;
    let mut said = rest.iter().filter(|happening| !matches!(happening, Happening::Waiting { .. }));
    assert!(matches!(said.next(), Some(Happening::Bytes { bytes, .. }) if bytes == b"last words\r\n"), "{rest:?}");
    assert!(matches!(said.next(), Some(Happening::Down { cause: Cause::Stopping, .. })), "{rest:?}");
    assert!(said.next().is_none());
}

#[tokio::test]
async fn sources_end_when_nobody_reads_them() {
    let (listener, port) = pbx().await;
    let (tx, rx) = tokio::sync::mpsc::channel(4);
    let (_keep, stop) = tokio::sync::watch::channel(false);
    let task = tokio::spawn(smdrd::source::run(vec![connect(1, port)], smdrd::clock::Clock::system(), tx, stop));
    let mut link = take(&listener).await;
    drop(rx);
    link.write_all(b"to nobody\r\n").await.unwrap();
    soon("the end", task).await.unwrap();
}
