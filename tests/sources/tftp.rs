//! A PBX that puts files by TFTP, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use smdrd::source::{Happening, Receipt, Spec};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::rig::{Running, soon, source};

fn tftp(allow: &str) -> Spec {
    source(1, &format!("tftp = {{ address = '127.0.0.1:0', allow = ['{allow}'] }}"))
}

async fn running(allow: &str) -> (Running, SocketAddr, u64) {
    let mut running = Running::start(vec![tftp(allow)]);
    let address = running.listening(1).await;
    let connection = running.up(1).await;
    (running, address, connection)
}

/// The PBX's end of one transfer.
struct Pbx {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Pbx {
    async fn new(to: SocketAddr) -> Pbx {
        Pbx { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), to }
    }

    async fn say(&self, message: &[u8]) {
        self.socket.send_to(message, self.to).await.unwrap();
    }

    async fn hear(&mut self) -> Vec<u8> {
        let mut packet = [0; 600];
        let (length, from) = soon("an answer", self.socket.recv_from(&mut packet)).await.unwrap();
        self.to = from;
        packet[..length].to_vec()
    }

    async fn ask(&mut self, mode: &str) {
        self.say(&[b"\x00\x02gc0001.txt\x00", mode.as_bytes(), b"\x00"].concat()).await;
        assert_eq!(self.hear().await, [0, 4, 0, 0], "begin");
    }

    async fn block(&self, number: u16, data: &[u8]) {
        self.say(&[&[0, 3], &number.to_be_bytes()[..], data].concat()).await;
    }

    /// Puts a whole file, each block after the answer to the one before.
    async fn put(&mut self, mode: &str, file: &[u8]) {
        self.ask(mode).await;
        let mut blocks: Vec<&[u8]> = file.chunks(512).collect();
        if file.len().is_multiple_of(512) {
            blocks.push(&[]);
        }
        for (number, data) in (1_u16..).zip(blocks) {
            self.block(number, data).await;
            assert_eq!(self.hear().await, [&[0, 4], &number.to_be_bytes()[..]].concat());
        }
    }
}

/// The next file that is handed on, and what says that it is on disk.
async fn file(running: &mut Running) -> (Vec<u8>, Receipt) {
    running
        .until(|happening| match happening {
            Happening::Text { bytes, stored, .. } => Some((bytes.clone(), stored.clone())),
            _ => None,
        })
        .await
}

/// The next file, which is on disk at once.
async fn stored(running: &mut Running) -> Vec<u8> {
    let (bytes, stored) = file(running).await;
    stored.give();
    bytes
}

#[tokio::test]
async fn a_file_comes_whole_whatever_is_said_twice() {
    let (mut running, address, _) = running("127.0.0.1").await;
    let put: Vec<u8> = (0..1_300_u32).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect();
    let mut pbx = Pbx::new(address).await;
    pbx.ask("octet").await;
    pbx.block(1, &put[..512]).await;
    assert_eq!(pbx.hear().await, [0, 4, 0, 1]);
    // Our answer was lost; a block from long ago; one that is not due.
    pbx.block(1, &put[..512]).await;
    assert_eq!(pbx.hear().await, [0, 4, 0, 1]);
    pbx.block(3, b"not due").await;
    // Somebody else's packet does not disturb the file.
    let mut other = Pbx::new(pbx.to).await;
    other.block(2, b"not from the PBX").await;
    assert_eq!(other.hear().await[..4], [0, 5, 0, 5]);
    pbx.block(2, &put[512..1024]).await;
    assert_eq!(pbx.hear().await, [0, 4, 0, 2]);
    pbx.block(3, &put[1024..]).await;
    // It is acknowledged when it is on disk. What stands in the next file does not go on with its last line.
    let (bytes, on_disk) = file(&mut running).await;
    assert_eq!(bytes, [&put[..], b"\r\n"].concat());
    let mut early = [0; 600];
    assert!(timeout(Duration::from_millis(300), pbx.socket.recv_from(&mut early)).await.is_err());
    on_disk.give();
    assert_eq!(pbx.hear().await, [0, 4, 0, 3]);
    // The last answer was lost, too.
    pbx.block(3, &put[1024..]).await;
    assert_eq!(pbx.hear().await, [0, 4, 0, 3]);
    // The next file, a whole number of blocks long, on the same link.
    let mut next = Pbx::new(address).await;
    let text = [b"x".repeat(510), b"\r\n".to_vec()].concat();
    let ((), bytes) = tokio::join!(next.put("netascii", &text), stored(&mut running));
    assert_eq!(bytes, text, "nothing came twice");
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_breaks_off_leaves_nothing_and_is_put_again() {
    let (mut running, address, _) = running("127.0.0.1").await;
    let mut pbx = Pbx::new(address).await;
    pbx.ask("octet").await;
    pbx.block(1, &b"h".repeat(512)).await;
    assert_eq!(pbx.hear().await, [0, 4, 0, 1]);
    pbx.say(b"\x00\x05\x00\x00power\x00").await;
    let mut again = Pbx::new(address).await;
    let ((), bytes) = tokio::join!(again.put("octet", b"whole\r\n"), stored(&mut running));
    assert_eq!(bytes, b"whole\r\n");
    running.stop().await;
}

#[tokio::test]
async fn nothing_is_given_out_and_strangers_are_turned_away() {
    let (running_one, address, _) = running("127.0.0.1").await;
    let mut reader = Pbx::new(address).await;
    reader.say(b"\x00\x01/etc/passwd\x00octet\x00").await;
    assert_eq!(reader.hear().await[..4], [0, 5, 0, 4]);
    running_one.stop().await;

    let (mut running, address, _) = running("192.0.2.1").await;
    let mut stranger = Pbx::new(address).await;
    stranger.say(b"\x00\x02a\x00octet\x00").await;
    assert_eq!(stranger.hear().await[..4], [0, 5, 0, 2]);
    let refused = running
        .until(|happening| match happening {
            Happening::Refused { cause, .. } => Some(cause.code()),
            _ => None,
        })
        .await;
    assert_eq!(refused, "not-allowed");
    // It is told of once, not with every packet.
    stranger.to = address;
    stranger.say(b"\x00\x02a\x00octet\x00").await;
    stranger.hear().await;
    let rest = timeout(Duration::from_secs(60), running.stop()).await.unwrap();
    assert!(!rest.iter().any(|happening| matches!(happening, Happening::Refused { .. })), "{rest:?}");
}
