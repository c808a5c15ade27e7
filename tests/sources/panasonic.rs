//! The log-in of a Panasonic KX, against PBXs that do not behave.

use std::time::Duration;

use smdrd::framing::{Ended, Framer, Settings};
use smdrd::source::Spec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{Running, soon, source};

async fn pbx() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn take(listener: &TcpListener) -> TcpStream {
    let link = soon("a connection", listener.accept()).await.unwrap().0;
    link.set_nodelay(true).unwrap();
    link
}

fn panasonic(port: u16, setting: &str) -> Spec {
    source(1, &format!("dialect = 'panasonic-kx'\n[tcp-connect]\nhost = '127.0.0.1'\nport = {port}\n{setting}"))
}

async fn hear(link: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    soon("an answer", link.read_exact(&mut heard)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(expected));
}

/// Byte by byte, so that every prompt and every Telnet command comes in pieces.
async fn say(link: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes {
        link.write_all(&[*byte]).await.unwrap();
        link.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let mut framer = Framer::new(Settings::default());
    let mut lines = Vec::new();
    framer.push(bytes, &mut |line| lines.push(String::from_utf8_lossy(line.bytes).into_owned()));
    framer.flush(Ended::EndOfInput, &mut |line| lines.push(String::from_utf8_lossy(line.bytes).into_owned()));
    lines
}

const CALL: &[u8] = b"21/10/24 09:14AM   201 03 <I>01632960151          0'22 01:04'10               \r\n";

#[tokio::test]
async fn prompts_in_pieces_and_telnet_commands_are_answered_and_all_that_is_text_is_read() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![panasonic(port, "")]);
    let mut link = take(&listener).await;
    say(&mut link, b"\xff\xfb\x01\xff\xfd\x18-").await;
    hear(&mut link, b"\xff\xfd\x01\xff\xfc\x18SMDR\r\n").await;
    say(&mut link, b"smdr\r\rEnter Pass").await;
    say(&mut link, b"\xff\xf1word:").await;
    hear(&mut link, b"PCCSMDR\r\n").await;
    say(&mut link, b"*******\r\n  Date     Time    Ext CO\r\n").await;
    say(&mut link, CALL).await;
    let connection = running.up(1).await;
    let dialogue = b"-smdr\r\rEnter Password:*******\r\n  Date     Time    Ext CO\r\n";
    let (bytes, _) = running.bytes(connection, dialogue.len() + CALL.len()).await;
    assert_eq!(
        lines(&bytes),
        [
            "-smdr",
            "",
            "Enter Password:*******",
            "  Date     Time    Ext CO",
            std::str::from_utf8(CALL).unwrap().trim_end_matches(['\r', '\n'])
        ]
    );
    // What looks like a prompt later on is not answered.
    say(&mut link, b"Enter Password:\r\n-").await;
    link.shutdown().await.unwrap();
    let mut more = Vec::new();
    soon("our close", link.read_to_end(&mut more)).await.unwrap();
    assert_eq!(more, b"");
    assert_eq!(running.down(1).await, "closed-by-peer");
}

#[tokio::test]
async fn the_password_of_the_file_is_said_and_a_refusal_is_not_hammered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "12345\n").unwrap();
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![panasonic(port, &format!("password-file = '{}'", file.display()))]);
    let mut link = take(&listener).await;
    link.write_all(b"Login:").await.unwrap();
    hear(&mut link, b"SMDR\r\n").await;
    link.write_all(b"SMDR\r\nPassword:").await.unwrap();
    hear(&mut link, b"12345\r\n").await;
    link.write_all(b"*****\r\nEnter Password:").await.unwrap();
    let mut more = Vec::new();
    soon("our close", link.read_to_end(&mut more)).await.unwrap();
    assert_eq!(more, b"", "the password is said once");
    assert_eq!(running.down(1).await, "not-let-in");
    // A link that merely failed is tried again within 0.2 s; this one not for 30 s at least.
    assert!(tokio::time::timeout(Duration::from_secs(4), listener.accept()).await.is_err(), "knocked again at once");
    let rest = running.stop().await;
    assert!(!format!("{rest:?}").contains("12345"));
}

#[tokio::test]
async fn a_link_closed_upon_the_password_is_a_refusal() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![panasonic(port, "")]);
    let mut link = take(&listener).await;
    link.write_all(b"-").await.unwrap();
    hear(&mut link, b"SMDR\r\n").await;
    link.write_all(b"Enter Password:").await.unwrap();
    hear(&mut link, b"PCCSMDR\r\n").await;
    drop(link);
    assert_eq!(running.down(1).await, "not-let-in");
}

#[tokio::test]
async fn a_link_that_breaks_before_the_password_is_tried_again_soon() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![panasonic(port, "")]);
    for _ in 0..2 {
        let mut link = take(&listener).await;
        link.write_all(b"-").await.unwrap();
        hear(&mut link, b"SMDR\r\n").await;
        drop(link);
        assert_eq!(running.down(1).await, "closed-by-peer");
    }
}

#[tokio::test]
async fn into_a_silent_pbx_the_log_in_is_said_unasked_and_the_link_stays() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![panasonic(port, "")]);
    let mut link = take(&listener).await;
    let connection = running.up(1).await;
    hear(&mut link, b"SMDR\r\nPCCSMDR\r\n").await;
    link.write_all(CALL).await.unwrap();
    running.expect(connection, CALL).await;
}

#[tokio::test]
async fn a_pbx_that_wants_no_log_in_is_only_listened_to() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![panasonic(port, "")]);
    let mut link = take(&listener).await;
    let connection = running.up(1).await;
    link.write_all(CALL).await.unwrap();
    running.expect(connection, CALL).await;
    link.shutdown().await.unwrap();
    let mut more = Vec::new();
    soon("our close", link.read_to_end(&mut more)).await.unwrap();
    assert_eq!(more, b"");
}
