//! A PBX that puts files to us by TFTP (RFC 1350), as HiPath 3000 does in LAN mode 2: a file of what its buffer holds, every
//! few minutes or when the buffer is nearly full, each time under another name.
//!
//! A file is gathered in memory and handed on when it is whole; when it is on disk its last block is acknowledged. So the PBX
//! keeps what did not arrive whole and puts it again, and nothing of it is counted twice. Names are of no account, and nothing is
//! written or given out. Options (RFC 2347) are not taken up, which leaves blocks of 512 bytes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;
use zeroize::Zeroize as _;

use super::backoff::Backoff;
use super::listen::Refusals;
use super::reporter::{Gone, Reporter};
use super::{Cause, Receipt};
use crate::config::TcpListen;

const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACKNOWLEDGED: u16 = 4;
const ERROR: u16 = 5;
/// Error codes of RFC 1350.
const ACCESS: u16 = 2;
const FULL: u16 = 3;
const ILLEGAL: u16 = 4;
const WRONG_ID: u16 = 5;

const BLOCK: usize = 512;
/// The longest packet: a block and its head.
const PACKET: usize = BLOCK + 4;
/// The longest file. The largest buffer of the family, full, is a fraction of it.
const LONGEST: usize = 8 << 20;
/// How long to wait for the next block before saying again what we have, and how often.
const PATIENCE: Duration = Duration::from_secs(3);
const TRIES: u32 = 5;
/// Files at a time. A PBX puts one; more are transfers that broke off.
const FILES: usize = 8;

/// Takes files until the order to stop.
pub(super) async fn run(settings: TcpListen, mut reporter: Reporter) {
    // Nobody reads the happenings any more: there is nothing left to do.
    let _: Result<(), Gone> = serve(&settings, &mut reporter).await;
}

async fn serve(settings: &TcpListen, reporter: &mut Reporter) -> Result<(), Gone> {
    let Some(socket) = open(settings.address, reporter).await? else { return Ok(()) };
    let address = socket.local_addr().unwrap_or(settings.address);
    reporter.listening(address).await?;
    let connection = reporter.up(format!("files by TFTP on {address}")).await?;
    let allow: Vec<IpAddr> = settings.allow.iter().map(IpAddr::to_canonical).collect();
    let mut refusals = Refusals::default();
    let mut files = JoinSet::new();
    let mut packet = [0; PACKET];
    loop {
        let received = tokio::select! {
            biased;
            () = reporter.stopped() => break,
            Some(_) = files.join_next() => continue,
            received = socket.recv_from(&mut packet) => received,
        };
        let (length, peer) = match received {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%address, %error, "a TFTP request could not be read");
                if !reporter.pause(PATIENCE).await {
                    break;
                }
                continue;
            }
        };
        let request = packet.get(..length).unwrap_or_default();
        let ip = peer.ip().to_canonical();
        let refused = if !allow.contains(&ip) {
            Some(Cause::NotAllowed)
        } else if files.len() >= FILES {
            Some(Cause::TooManyConnections)
        } else {
            None
        };
        if let Some(cause) = refused {
            send(&socket, &error(ACCESS, "not taken from here"), peer).await;
            if let Some(times) = refusals.count(ip, &cause, Instant::now()) {
                reporter.refused(ip, address, cause, times).await?;
            }
        } else if let Some(netascii) = write_request(request) {
            files.spawn(take(SocketAddr::new(address.ip(), 0), peer, netascii, connection, reporter.clone()));
        } else if opcode(request) != ERROR {
            send(&socket, &error(ILLEGAL, "only files that are put are taken"), peer).await;
        }
    }
    // A file that is not whole now is put again to the next run; one that is whole is acknowledged still.
    while files.join_next().await.is_some() {}
    reporter.down(connection, Cause::Stopping).await
}

/// Opens the socket, trying again until it can; nothing when the order to stop came first.
async fn open(address: SocketAddr, reporter: &mut Reporter) -> Result<Option<UdpSocket>, Gone> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let mut attempt = 0u32;
    loop {
        match UdpSocket::bind(address).await {
            Ok(socket) => return Ok(Some(socket)),
            Err(error) => {
                attempt = attempt.saturating_add(1);
                reporter.waiting(Cause::of_listening(&error), attempt).await?;
            }
        }
        if !reporter.pause(backoff.delay()).await {
            return Ok(None);
        }
    }
}

/// Takes one file. Its own port tells its packets from those of others.
async fn take(from: SocketAddr, peer: SocketAddr, netascii: bool, connection: u64, mut reporter: Reporter) {
    let socket = match UdpSocket::bind(from).await {
        Ok(socket) => Arc::new(socket),
        Err(error) => return tracing::warn!(%peer, %error, "no port for a file by TFTP"),
    };
    let mut file = File::default();
    let whole = tokio::select! {
        biased;
        () = reporter.stopped() => return,
        whole = gather(&socket, peer, &mut file) => whole,
    };
    match whole {
        Ok(true) => {
            let mut bytes = if netascii { plain(&file.bytes) } else { file.bytes.clone() };
            let length = bytes.len();
            // The next file does not go on with the last line of this one.
            if bytes.last().is_some_and(|last| !matches!(last, b'\r' | b'\n' | 0x0C)) {
                bytes.extend_from_slice(b"\r\n");
            }
            if length > 0 {
                let Ok(stored) = reporter.text(connection, bytes, None).await else { return };
                if !on_disk(&socket, peer, file.last, &stored, &mut reporter).await {
                    return tracing::warn!(%peer, "a file by TFTP is not on disk yet and is not acknowledged");
                }
            }
            tracing::info!(%peer, bytes = length, "a file by TFTP");
            linger(&socket, peer, file.last, &mut reporter).await;
        }
        Ok(false) => tracing::warn!(%peer, "a file by TFTP broke off; the PBX puts it again"),
        Err(error) => tracing::warn!(%peer, %error, "a file by TFTP failed"),
    }
}

/// What has come of a file.
#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    /// Number of the last block that came in order.
    last: u16,
}

impl Drop for File {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Gathers blocks until the short one that ends the file; that one is not acknowledged yet. False when it broke off.
async fn gather(socket: &UdpSocket, peer: SocketAddr, file: &mut File) -> io::Result<bool> {
    let mut packet = [0; PACKET];
    let mut tries = 0;
    send(socket, &acknowledged(file.last), peer).await;
    loop {
        let Ok(received) = timeout(PATIENCE, socket.recv_from(&mut packet)).await else {
            tries += 1;
            if tries > TRIES {
                return Ok(false);
            }
            send(socket, &acknowledged(file.last), peer).await;
            continue;
        };
        let (length, sender) = received?;
        let message = packet.get(..length).unwrap_or_default();
        if sender != peer {
            send(socket, &error(WRONG_ID, "another file's port"), sender).await;
            continue;
        }
        match (opcode(message), number(message, 2), message.get(4..)) {
            (DATA, Some(block), Some(data)) if block == file.last.wrapping_add(1) => {
                if file.bytes.len() + data.len() > LONGEST {
                    send(socket, &error(FULL, "longer than any buffer"), peer).await;
                    return Ok(false);
                }
                file.bytes.extend_from_slice(data);
                file.last = block;
                tries = 0;
                if data.len() < BLOCK {
                    packet.zeroize();
                    return Ok(true);
                }
                send(socket, &acknowledged(block), peer).await;
            }
            // Our word was lost on the way.
            (DATA, Some(block), _) if block == file.last => send(socket, &acknowledged(block), peer).await,
            (ERROR, ..) => return Ok(false),
            _ => {}
        }
    }
}

/// Waits until the file is on disk; at the order to stop no longer than a PBX waits. While the disk takes its time the
/// block before the last is acknowledged once more, so that the PBX goes on asking.
async fn on_disk(socket: &UdpSocket, peer: SocketAddr, last: u16, stored: &Receipt, reporter: &mut Reporter) -> bool {
    let given = stored.given();
    tokio::pin!(given);
    loop {
        tokio::select! {
            biased;
            () = &mut given => return true,
            () = reporter.stopped() => return timeout(PATIENCE, given).await.is_ok(),
            () = tokio::time::sleep(PATIENCE) => send(socket, &acknowledged(last.wrapping_sub(1)), peer).await,
        }
    }
}

/// The file is on disk: says so, and again while the PBX asks again and nobody wants us to stop.
async fn linger(socket: &UdpSocket, peer: SocketAddr, last: u16, reporter: &mut Reporter) {
    let mut packet = [0; PACKET];
    for _ in 0..=TRIES {
        send(socket, &acknowledged(last), peer).await;
        let next = tokio::select! {
            biased;
            () = reporter.stopped() => return,
            next = timeout(PATIENCE, socket.recv_from(&mut packet)) => next,
        };
        match next {
            Ok(Ok((_, sender))) if sender == peer => {}
            _ => return,
        }
    }
}

async fn send(socket: &UdpSocket, message: &[u8], to: SocketAddr) {
    // A datagram may be lost anywhere; the other end asks again.
    if let Err(error) = socket.send_to(message, to).await {
        tracing::debug!(%to, %error, "a TFTP answer could not be sent");
    }
}

/// Whether the file will come as netascii; nothing when this does not ask to put a file.
fn write_request(message: &[u8]) -> Option<bool> {
    let mut words = message.get(2..)?.split(|byte| *byte == 0);
    let name = words.next()?;
    let mode = words.next()?.to_ascii_lowercase();
    let known = matches!(mode.as_slice(), b"netascii" | b"octet");
    (opcode(message) == WRITE && !name.is_empty() && known).then_some(mode == b"netascii")
}

/// Netascii writes CR as CR NUL; line ends are CR LF, as the framing takes them.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut before = 0;
    for &byte in bytes {
        if (before, byte) != (b'\r', 0) {
            plain.push(byte);
        }
        before = byte;
    }
    plain
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]))
}

fn opcode(message: &[u8]) -> u16 {
    number(message, 0).unwrap_or(0)
}

fn acknowledged(block: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (ACKNOWLEDGED.to_be_bytes(), block.to_be_bytes());
    [a, b, c, d]
}

fn error(code: u16, reason: &str) -> Vec<u8> {
    [&ERROR.to_be_bytes()[..], &code.to_be_bytes(), reason.as_bytes(), &[0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_to_put_a_file_is_one() {
        assert_eq!(write_request(b"\x00\x02gc001.txt\x00octet\x00"), Some(false));
        assert_eq!(write_request(b"\x00\x02gc001.txt\x00NetASCII\x00blksize\x001428\x00"), Some(true));
        for other in [
            &b"\x00\x01gc001.txt\x00octet\x00"[..],
            b"\x00\x02\x00octet\x00",
            b"\x00\x02a\x00mail\x00",
            b"\x00\x02",
            b"",
        ] {
            assert_eq!(write_request(other), None, "{other:?}");
        }
    }

    #[test]
    fn netascii_is_read_plain() {
        assert_eq!(plain(b"one\r\ntwo\r\x00three\x00"), b"one\r\ntwo\rthree\x00");
    }
}
