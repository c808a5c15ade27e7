//! A running set of sources, and the two kinds of PBX that can be put before it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use smdrd::clock::Clock;
use smdrd::source::{self, Happening, LineErrors, Spec};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

#[path = "../machine/ports.rs"]
mod ports;

pub use ports::free_port;

/// Longer than anything here takes on the slowest machine; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// A source from a configuration's text.
pub fn source(id: u16, text: &str) -> Spec {
    let text = if text.contains("dialect") { text.to_owned() } else { format!("dialect = 'any'\n{text}") };
    let source = toml::from_str(&format!("name = 'pbx-{id}'\n{text}")).expect("a source");
    Spec::from_config(id, &source).expect("a source that can run")
}

pub struct Running {
    happenings: mpsc::Receiver<Happening>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    pub fn start(specs: Vec<Spec>) -> Running {
        Running::with_room(specs, 64)
    }

    pub fn with_room(specs: Vec<Spec>, room: usize) -> Running {
        let (tx, happenings) = mpsc::channel(room);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(source::run(specs, Clock::system(), tx, stopped));
        Running { happenings, stop, task }
    }

    pub async fn next(&mut self) -> Happening {
        soon("the next happening", self.happenings.recv()).await.expect("sources still run")
    }

    /// Drops what comes before the happening that `pick` takes something from.
    pub async fn until<T>(&mut self, mut pick: impl FnMut(&Happening) -> Option<T>) -> T {
        loop {
            if let Some(picked) = pick(&self.next().await) {
                return picked;
            }
        }
    }

    /// The number of the next link of `source` that opens.
    pub async fn up(&mut self, source: u16) -> u64 {
        self.until(|happening| match happening {
            Happening::Up { source: of, connection, .. } if *of == source => Some(*connection),
            _ => None,
        })
        .await
    }

    /// The code with which the next link of `source` ends.
    pub async fn down(&mut self, source: u16) -> &'static str {
        self.until(|happening| match happening {
            Happening::Down { source: of, cause, .. } if *of == source => Some(cause.code()),
            _ => None,
        })
        .await
    }

    /// The code of the next failed attempt of `source`.
    pub async fn waiting(&mut self, source: u16) -> &'static str {
        self.until(|happening| match happening {
            Happening::Waiting { source: of, cause, .. } if *of == source => Some(cause.code()),
            _ => None,
        })
        .await
    }

    pub async fn listening(&mut self, source: u16) -> SocketAddr {
        self.until(|happening| match happening {
            Happening::Listening { source: of, address, .. } if *of == source => Some(*address),
            _ => None,
        })
        .await
    }

    /// Gathers the next `length` bytes of `connection`, and what went wrong with them.
    pub async fn bytes(&mut self, connection: u64, length: usize) -> (Vec<u8>, LineErrors) {
        let (mut gathered, mut sum) = (Vec::new(), LineErrors::default());
        while gathered.len() < length {
            match self.next().await {
                Happening::Bytes { connection: of, bytes, errors, .. } if of == connection => {
                    gathered.extend_from_slice(&bytes);
                    sum.parity_or_framing += errors.parity_or_framing;
                    sum.breaks += errors.breaks;
                }
                Happening::Down { connection: of, cause, .. } if of == connection => {
                    panic!("down ({cause}) after {} of {length} bytes", gathered.len())
                }
                _ => {}
            }
        }
        (gathered, sum)
    }

    pub async fn expect(&mut self, connection: u64, expected: &[u8]) {
        let (bytes, errors) = self.bytes(connection, expected.len()).await;
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(expected));
        assert_eq!(errors, LineErrors::default());
    }

    /// Orders the stop and gives what is still said, to the end.
    pub async fn stop(mut self) -> Vec<Happening> {
        self.stop.send(true).expect("sources still run");
        let mut rest = Vec::new();
        while let Some(happening) = soon("the end", self.happenings.recv()).await {
            rest.push(happening);
        }
        soon("the task's end", self.task).await.expect("no panic");
        rest
    }
}

/// A pseudo-terminal: what is written to `master` arrives at the serial port `path`.
pub struct Pty {
    pub master: OwnedFd,
    pub path: PathBuf,
}

impl Pty {
    pub fn new() -> Pty {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let path = ptsname(&master, Vec::new()).expect("ptsname").into_string().expect("a plain path").into();
        Pty { master, path }
    }

    pub fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let written = rustix::io::write(&self.master, bytes).expect("write to the pty");
            bytes = &bytes[written..];
        }
    }
}

/// A connection from a given address of this machine.
pub async fn call_from(peer: &str, to: SocketAddr) -> TcpStream {
    let peer: IpAddr = peer.parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((peer, 0).into()).expect("a loopback address");
    let stream = soon("connecting", socket.connect(to)).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    stream
}
