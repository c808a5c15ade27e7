//! The relay: what the PBX says reaches an older logger byte for byte, and no logger can hold anything back.

use std::io::Read as _;

use smdrd::source::{Cause, Happening, RelayNews};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{Pty, Running, call_from, free_port, soon, source};

async fn listening() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn take(listener: &TcpListener) -> TcpStream {
    soon("a connection", listener.accept()).await.unwrap().0
}

async fn hear(link: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    soon("what is repeated", link.read_exact(&mut heard)).await.unwrap();
    assert!(heard == expected, "{:?}", String::from_utf8_lossy(&heard));
}

async fn news(running: &mut Running, mut wanted: impl FnMut(&RelayNews) -> bool) -> RelayNews {
    running
        .until(|happening| match happening {
            Happening::Relay { source: 1, news, .. } if wanted(news) => Some(news.clone()),
            _ => None,
        })
        .await
}

async fn up(running: &mut Running) {
    news(running, |news| matches!(news, RelayNews::Up { .. })).await;
}

/// Every byte there is, in lines of all lengths and with every kind of end.
fn every_byte() -> Vec<u8> {
    let ends: [&[u8]; 5] = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\x0c"];
    let mut bytes = Vec::new();
    for line in 0..200_usize {
        bytes.extend((0..line).map(|at| (line * 7 + at * 13) as u8));
        bytes.extend_from_slice(ends[line % ends.len()]);
    }
    bytes.extend(0..=255);
    bytes
}

#[tokio::test]
async fn a_logger_that_waits_gets_what_a_pbx_on_tcp_sends_byte_for_byte() {
    let (logger, port) = listening().await;
    let address = ([127, 0, 0, 1], free_port()).into();
    let text = format!(
        "tcp-listen = {{ address = '{address}', allow = ['127.0.0.1'] }}\n[relay.tcp-connect]\nhost = '127.0.0.1'\nport = {port}"
    );
    let mut running = Running::start(vec![source(1, &text)]);
    let began = news(&mut running, |news| matches!(news, RelayNews::Began { .. })).await;
    assert_eq!(began, RelayNews::Began { to: format!("127.0.0.1:{port}") });
    let mut logger = take(&logger).await;
    let mut pbx = call_from("127.0.0.1", address).await;
    let connection = running.up(1).await;
    let bytes = every_byte();
    for chunk in bytes.chunks(97) {
        pbx.write_all(chunk).await.unwrap();
        tokio::task::yield_now().await;
    }
    running.expect(connection, &bytes).await;
    hear(&mut logger, &bytes).await;
    // Half a line goes on at once: nothing waits for its end.
    pbx.write_all(b"half a li").await.unwrap();
    hear(&mut logger, b"half a li").await;
    // What the logger says reaches nobody.
    logger.write_all(b"ACK\x06SMDR\r\nPCCSMDR\r\n").await.unwrap();
    pbx.write_all(b"ne\r\n").await.unwrap();
    hear(&mut logger, b"ne\r\n").await;
    running.expect(connection, b"half a line\r\n").await;
    assert_eq!(pbx.try_read(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_logger_that_connects_gets_what_a_pbx_on_a_cable_prints_byte_for_byte() {
    let pty = Pty::new();
    let port = free_port();
    let text = format!(
        "[serial]\npath = '{}'\n[relay.tcp-listen]\naddress = '127.0.0.1:{port}'\nallow = ['127.0.0.1', '127.0.0.2']",
        pty.path.display()
    );
    let mut running = Running::start(vec![source(1, &text)]);
    let connection = running.up(1).await;
    let address = ([127, 0, 0, 1], port).into();
    let mut logger = call_from("127.0.0.1", address).await;
    up(&mut running).await;
    // A pty holds some 4 KiB.
    for part in every_byte().chunks(2000) {
        pty.write(part);
        running.expect_bytes(connection, part).await;
        hear(&mut logger, part).await;
    }
    // Who may not is turned away; who may takes the place of the connection before.
    drop(call_from("127.0.0.3", address).await);
    running.until(|happening| matches!(happening, Happening::Refused { .. }).then_some(())).await;
    let mut second = call_from("127.0.0.2", address).await;
    let down = news(&mut running, |news| matches!(news, RelayNews::Down { .. })).await;
    assert_eq!(down, RelayNews::Down { cause: Cause::Replaced });
    up(&mut running).await;
    pty.write(b"to the second\r\n");
    hear(&mut second, b"to the second\r\n").await;
    assert_eq!(soon("the end", logger.read(&mut [0; 8])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_logger_on_a_cable_gets_what_a_pbx_on_a_cable_prints_and_gets_it_again_after_a_replug() {
    let (pbx, first, second) = (Pty::new(), Pty::new(), Pty::new());
    let folder = tempfile::tempdir().unwrap();
    let by_id = folder.path().join("to-logger");
    std::os::unix::fs::symlink(&first.path, &by_id).unwrap();
    let text = format!("[serial]\npath = '{}'\n[relay.serial]\npath = '{}'", pbx.path.display(), by_id.display());
    let mut running = Running::start(vec![source(1, &text)]);
    up(&mut running).await;
    let text: Vec<u8> = (0..100).flat_map(|line| format!("line {line} \u{e9}\r\n").into_bytes()).collect();
    for part in text.chunks(500) {
        pbx.write(part);
        assert_eq!(first.read(part.len()).await, part);
    }
    std::fs::remove_file(&by_id).unwrap();
    drop(first);
    let down = news(&mut running, |news| matches!(news, RelayNews::Down { .. })).await;
    assert_eq!(down, RelayNews::Down { cause: Cause::Unplugged });
    pbx.write(b"while it was away\r\n");
    std::os::unix::fs::symlink(&second.path, &by_id).unwrap();
    up(&mut running).await;
    pbx.write(b"and after\r\n");
    assert_eq!(second.read(30).await, b"while it was away\r\nand after\r\n");
}

#[tokio::test]
async fn a_logger_that_never_reads_holds_nothing_back_and_what_it_misses_is_counted() {
    let (logger, port) = listening().await;
    let (pbx, pbx_port) = listening().await;
    let text = format!(
        "tcp-connect = {{ host = '127.0.0.1', port = {pbx_port} }}\n[relay.tcp-connect]\nhost = '127.0.0.1'\nport = {port}"
    );
    let mut running = Running::start(vec![source(1, &text)]);
    let mut pbx = take(&pbx).await;
    let mut logger = take(&logger).await;
    let connection = running.up(1).await;
    let lines: Vec<u8> =
        (0..200_000).flat_map(|line| format!("line number {line:06} of many\r\n").into_bytes()).collect();
    let (sent, total) = (lines.clone(), lines.len());
    let writer = tokio::spawn(async move {
        pbx.write_all(&sent).await.unwrap();
        pbx
    });
    let (mut got, mut missed) = (Vec::with_capacity(total), 0);
    while got.len() < total || missed == 0 {
        match running.next().await {
            Happening::Bytes { connection: of, bytes, .. } if of == connection => got.extend_from_slice(&bytes),
            Happening::Relay { news: RelayNews::Dropped { bytes }, .. } => missed += bytes,
            Happening::Down { cause, .. } => panic!("{cause}"),
            _ => {}
        }
    }
    assert!(got == lines, "the source itself got something else");
    let pbx = soon("the PBX", writer).await.unwrap();
    // The logger wakes up: it gets whole lines, in order, and with what is counted they are all there were.
    drop(pbx);
    let reader = tokio::spawn(async move {
        let mut heard = Vec::new();
        let _ = logger.read_to_end(&mut heard).await;
        heard
    });
    // What still waited is sent at the stop, and the rest is told.
    for happening in running.stop().await {
        if let Happening::Relay { news: RelayNews::Dropped { bytes }, .. } = happening {
            missed += bytes;
        }
    }
    let heard = soon("the logger", reader).await.unwrap();
    assert_eq!(heard.len() as u64 + missed, total as u64);
    let numbers: Vec<u32> = String::from_utf8(heard)
        .unwrap()
        .split_terminator("\r\n")
        .map(|line| {
            let number = line.strip_prefix("line number ").and_then(|rest| rest.strip_suffix(" of many"));
            number.unwrap_or_else(|| panic!("a torn line: {line:?}")).parse().unwrap()
        })
        .collect();
    assert!(numbers.is_sorted() && numbers.len() > 100, "{} lines", numbers.len());
    assert_eq!(numbers.last(), Some(&199_999), "the newest are kept");
}

#[tokio::test]
async fn a_logger_that_comes_back_gets_what_it_missed_for_a_little_while() {
    let (listener, port) = listening().await;
    let pty = Pty::new();
    let text =
        format!("[serial]\npath = '{}'\n[relay.tcp-connect]\nhost = '127.0.0.1'\nport = {port}", pty.path.display());
    let mut running = Running::start(vec![source(1, &text)]);
    let connection = running.up(1).await;
    let mut logger = take(&listener).await;
    pty.write(b"one\r\n");
    hear(&mut logger, b"one\r\n").await;
    drop((logger, listener));
    let down = news(&mut running, |news| matches!(news, RelayNews::Down { .. })).await;
    assert!(matches!(down, RelayNews::Down { cause: Cause::ClosedByPeer | Cause::Reset }), "{down:?}");
    news(&mut running, |news| matches!(news, RelayNews::Waiting { cause: Cause::Refused })).await;
    // Nobody there: the source does not notice.
    pty.write(b"two\r\nthree\r\n");
    running.expect(connection, b"two\r\nthree\r\n").await;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mut logger = take(&listener).await;
    hear(&mut logger, b"two\r\nthree\r\n").await;
    pty.write(b"four\r\n");
    hear(&mut logger, b"four\r\n").await;
    // A stop says good-bye.
    running.stop().await;
    assert_eq!(soon("the end", logger.read(&mut [0; 8])).await.unwrap(), 0);
}

#[tokio::test]
async fn the_log_in_is_not_repeated_and_everything_from_the_title_on_is() {
    let (pbx, pbx_port) = listening().await;
    let (logger, port) = listening().await;
    let text = format!(
        "dialect = 'panasonic-kx'\ntcp-connect = {{ host = '127.0.0.1', port = {pbx_port} }}\n[relay.tcp-connect]\nhost = '127.0.0.1'\nport = {port}"
    );
    let mut running = Running::start(vec![source(1, &text)]);
    let records = b"  Date     Time    Ext CO\r\n21/10/24 09:14AM   201 03 <I>01632960151\r\nEnter Password:\r\n-";
    let mut logger = take(&logger).await;
    // Byte by byte, and then all in one piece with the end of the log-in.
    for whole in [false, true] {
        let mut link = take(&pbx).await;
        link.set_nodelay(true).unwrap();
        link.write_all(b"\xff\xfb\x01-").await.unwrap();
        hear(&mut link, b"\xff\xfd\x01SMDR\r\n").await;
        // A PBX that echoes the password in clear.
        link.write_all(b"SMDR\r\nEnter Password:").await.unwrap();
        hear(&mut link, b"PCCSMDR\r\n").await;
        let said = [b"PCCSMDR\r\n\r\n", &records[..]].concat();
        if whole {
            link.write_all(&said).await.unwrap();
        } else {
            for byte in said {
                link.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        hear(&mut logger, records).await;
        drop(link);
        assert_eq!(running.down(1).await, "closed-by-peer");
    }
}

#[tokio::test]
async fn a_logger_off_the_site_is_not_connected_to() {
    let pty = Pty::new();
    let text =
        format!("[serial]\npath = '{}'\n[relay.tcp-connect]\nhost = '192.0.2.77'\nport = 4000", pty.path.display());
    let mut running = Running::start(vec![source(1, &text)]);
    let waiting = news(&mut running, |news| matches!(news, RelayNews::Waiting { .. })).await;
    assert_eq!(waiting, RelayNews::Waiting { cause: Cause::OffSite("192.0.2.77".into()) });
}

impl Pty {
    /// What comes out at the other end of the line.
    async fn read(&self, length: usize) -> Vec<u8> {
        let mut file = std::fs::File::from(self.master.try_clone().unwrap());
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact(&mut bytes).unwrap();
            bytes
        });
        soon("what goes out of the port", read).await.unwrap()
    }
}

impl Running {
    /// As `expect`, for bytes that are no text.
    async fn expect_bytes(&mut self, connection: u64, expected: &[u8]) {
        let (bytes, _) = self.bytes(connection, expected.len()).await;
        assert!(bytes == expected);
    }
}
