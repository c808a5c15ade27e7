//! OmniPCX Enterprise over real sockets: Ethernet accounting, port 2533.

use smdrd::framing::{Ended, Framer, Protocol, Settings};
use smdrd::source::Spec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{Running, soon, source};

const HELLO: &[u8] = b"\x00\x01S";
const MAIN: &[u8] = b"\x00\x01P";
const STANDBY: &[u8] = b"\x00\x01S";
const START: &[u8] = b"\x00\x02\x00\x00";

fn oxe(port: u16, more: &str) -> Spec {
    source(1, &format!("dialect = 'alcatel-oxe'\ntcp-connect = {{ host = '127.0.0.1', port = {port}{more} }}"))
}

async fn take(listener: &TcpListener) -> TcpStream {
    soon("a connection", listener.accept()).await.unwrap().0
}

async fn hear(link: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    soon("what smdrd says", link.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, expected);
}

fn message(kind: u8, text: &str) -> Vec<u8> {
    let mut message = vec![3, 4, 1, 0, kind, 0];
    message.extend_from_slice(text.as_bytes());
    message.resize(2 + 772, 0);
    message
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let mut framer = Framer::new(Settings { protocol: Protocol::AlcatelOxe, ..Settings::default() });
    let mut lines = Vec::new();
    framer.push(bytes, &mut |line| lines.push(String::from_utf8_lossy(line.bytes).into_owned()));
    framer.flush(Ended::EndOfInput, &mut |_| panic!("nothing is left"));
    lines
}

#[tokio::test]
async fn tickets_are_asked_for_and_tests_answered_however_the_stream_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut running = Running::start(vec![oxe(listener.local_addr().unwrap().port(), "")]);
    let mut link = take(&listener).await;
    link.set_nodelay(true).unwrap();
    let connection = running.up(1).await;
    hear(&mut link, HELLO).await;
    link.write_all(MAIN).await.unwrap();
    hear(&mut link, START).await;
    let stream = [
        message(2, "ED5.2 one\n"),
        b"\x00\x08TEST_REQ".to_vec(),
        message(1, ""),
        message(2, "ED5.2 two \x00\x08TEST_REQ in it asks nothing\n"),
        b"\x00\x08TEST_REQ".to_vec(),
        message(2, "ED5.2 three\n"),
    ]
    .concat();
    // One byte, then two, then three: no bound of a message is a bound of a packet.
    let mut rest = stream.as_slice();
    for length in (1..40).cycle() {
        if rest.is_empty() {
            break;
        }
        let (part, after) = rest.split_at(rest.len().min(length));
        link.write_all(part).await.unwrap();
        tokio::task::yield_now().await;
        rest = after;
    }
    hear(&mut link, b"\x00\x08TEST_RSP\x00\x08TEST_RSP").await;
    let (bytes, _) = running.bytes(connection, MAIN.len() + stream.len()).await;
    assert_eq!(lines(&bytes), ["ED5.2 one", "ED5.2 two ", "ED5.2 three"]);
    running.stop().await;
    let mut more = Vec::new();
    soon("our close", link.read_to_end(&mut more)).await.unwrap();
    assert_eq!(more, b"", "nothing but the answers is said");
}

#[tokio::test]
async fn the_standby_cpu_is_left_for_the_main_one() {
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let mut running = Running::start(vec![oxe(port, ", standby-host = '127.0.0.2'")]);
    let mut standby = take(&first).await;
    hear(&mut standby, HELLO).await;
    standby.write_all(STANDBY).await.unwrap();
    let mut more = Vec::new();
    soon("our close", standby.read_to_end(&mut more)).await.unwrap();
    assert_eq!(more, b"", "a CPU that is not the main one is asked for nothing");
    assert_eq!(running.down(1).await, "not-main");

    let mut main = take(&second).await;
    hear(&mut main, HELLO).await;
    let connection = running.up(1).await;
    main.write_all(&[MAIN, &message(2, "ED5.2 one\n")].concat()).await.unwrap();
    hear(&mut main, START).await;
    let (bytes, _) = running.bytes(connection, 3 + 774).await;
    assert_eq!(lines(&bytes), ["ED5.2 one"]);

    // The pair changes over: the main CPU breaks off and listens no more.
    drop(second);
    drop(main);
    assert_eq!(running.down(1).await, "closed-by-peer");
    let mut again = take(&first).await;
    hear(&mut again, HELLO).await;
    running.stop().await;
}
