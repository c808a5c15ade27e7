//! A NEC's SMDR port: a record is asked for, and acknowledged only when it is on disk.

use std::time::Duration;

use smdrd::source::{Happening, Receipt, Spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{Running, soon, source};

const NOTHING: &[u8] = b"\x16300003002\0";

async fn pbx() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn take(listener: &TcpListener) -> TcpStream {
    soon("a connection", listener.accept()).await.unwrap().0
}

fn nec(port: u16, parity: &str) -> Spec {
    let options = format!("options = {{ framing = 'tcp60010', parity = '{parity}' }}");
    source(1, &format!("dialect = 'nec-sv8300'\n{options}\n[tcp-connect]\nhost = '127.0.0.1'\nport = {port}\n"))
}

/// A text as the PBX sends it; `parity` is made of the exclusive or of what is checked.
fn text(sequence: u8, record: &str, parity: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut text = format!("\x162{:05}00{}\x02{record}\x03", record.len() + 5, char::from(sequence)).into_bytes();
    let sum = text[1..].iter().fold(0, |sum, byte| sum ^ byte);
    text.push(parity(sum));
    text
}

/// What the client says next, up to the length of what is expected.
async fn hear(link: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    soon("a text", link.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, expected, "{:?}", String::from_utf8_lossy(&heard));
}

const ASK: &[u8] = b"\x1610000200\0";
const ASK_ODD: &[u8] = b"\x1610000200\xfc";

fn acknowledged(sequence: u8) -> Vec<u8> {
    let mut text = b"\x1640000400".to_vec();
    text.extend_from_slice(&[sequence, 6, 0]);
    text
}

async fn record(running: &mut Running) -> (Vec<u8>, Receipt) {
    running
        .until(|happening| match happening {
            Happening::Text { bytes, stored, .. } => Some((bytes.clone(), stored.clone())),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_record_is_acknowledged_when_it_is_on_disk_and_not_before() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![nec(port, "none")]);
    let mut link = take(&listener).await;
    hear(&mut link, ASK).await;
    link.write_all(NOTHING).await.unwrap();
    hear(&mut link, ASK).await;
    let sent = text(b'5', "0!KA1", |_| 0);
    // In two pieces, the second with the beginning of nothing.
    link.write_all(&sent[..9]).await.unwrap();
    link.write_all(&sent[9..]).await.unwrap();
    let (bytes, stored) = record(&mut running).await;
    assert_eq!(bytes, sent);
    let mut early = [0];
    let silence = tokio::time::timeout(Duration::from_millis(300), link.read(&mut early)).await;
    assert!(silence.is_err(), "nothing is said before the record is on disk: {early:?}");
    stored.give();
    hear(&mut link, &acknowledged(b'5')).await;
    hear(&mut link, ASK).await;
    // The acknowledgement was lost: the same text comes again, is no second record, and is acknowledged again.
    link.write_all(&sent).await.unwrap();
    hear(&mut link, &acknowledged(b'5')).await;
    hear(&mut link, ASK).await;
    // The same record with another number is another one.
    link.write_all(&text(b'6', "0!KA1", |_| 0)).await.unwrap();
    let (_, stored) = record(&mut running).await;
    stored.give();
    hear(&mut link, &acknowledged(b'6')).await;
    hear(&mut link, ASK).await;
    let rest = running.stop().await;
    assert!(!rest.iter().any(|happening| matches!(happening, Happening::Text { .. })), "{rest:?}");
    hear(&mut link, b"\x1660000300\x06\0").await;
}

#[tokio::test]
async fn what_comes_again_over_a_new_link_is_known_again() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![nec(port, "none")]);
    let mut link = take(&listener).await;
    hear(&mut link, ASK).await;
    let sent = text(b'7', "0!KE1", |_| 0);
    link.write_all(&sent).await.unwrap();
    let (_, stored) = record(&mut running).await;
    stored.give();
    hear(&mut link, &acknowledged(b'7')).await;
    drop(link);
    let mut link = take(&listener).await;
    hear(&mut link, ASK).await;
    link.write_all(&sent).await.unwrap();
    hear(&mut link, &acknowledged(b'7')).await;
    drop(link);
    assert!(!running.stop().await.iter().any(|happening| matches!(happening, Happening::Text { .. })));
}

#[tokio::test]
async fn a_damaged_record_is_not_acknowledged_and_asked_for_again() {
    let (listener, port) = pbx().await;
    let mut running = Running::start(vec![nec(port, "odd")]);
    let mut link = take(&listener).await;
    hear(&mut link, ASK_ODD).await;
    let mut damaged = text(b'1', "0!KA1", |sum| !sum);
    damaged[13] ^= 1;
    link.write_all(&damaged).await.unwrap();
    let errors = running
        .until(|happening| match happening {
            Happening::Bytes { errors, .. } => Some(errors.parity_or_framing),
            _ => None,
        })
        .await;
    assert_eq!(errors, 1);
    // Unanswered, it asks again after a while.
    hear(&mut link, ASK_ODD).await;
    link.write_all(&text(b'1', "0!KA1", |sum| !sum)).await.unwrap();
    let (_, stored) = record(&mut running).await;
    stored.give();
    hear(&mut link, b"\x1640000400\x31\x06\xc8").await;
    drop(running.stop().await);
}

#[tokio::test]
async fn the_parity_is_learnt_from_the_answer() {
    let (listener, port) = pbx().await;
    let running = Running::start(vec![nec(port, "auto")]);
    let mut link = take(&listener).await;
    hear(&mut link, ASK_ODD).await;
    link.write_all(NOTHING).await.unwrap();
    hear(&mut link, ASK).await;
    drop(running.stop().await);
}

#[tokio::test]
async fn behind_a_terminal_server_nothing_is_asked() {
    let (listener, port) = pbx().await;
    let text = format!("dialect = 'nec-sv8300'\n[tcp-connect]\nhost = '127.0.0.1'\nport = {port}\n");
    let mut running = Running::start(vec![source(1, &text)]);
    let connection = running.up(1).await;
    let mut link = take(&listener).await;
    link.write_all(b"\x020!KA1\x03").await.unwrap();
    running.expect(connection, b"\x020!KA1\x03").await;
    let mut said = [0];
    assert!(tokio::time::timeout(Duration::from_millis(300), link.read(&mut said)).await.is_err(), "{said:?}");
    drop(running.stop().await);
}
