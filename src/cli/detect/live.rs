//! Listening to a device or port until the answer is certain.

use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use toml::Spanned;

use super::Found;
use crate::clock::Clock;
use crate::config::{Flow, Parity, Serial};
use crate::dialect::detect::{Confidence, Detection};
use crate::source::wire::{self, Looks};
use crate::source::{self, Happening, How, Spec};

/// Speeds, the most usual first.
const BAUDS: [u32; 9] = [9_600, 1_200, 2_400, 19_200, 4_800, 38_400, 115_200, 57_600, 300];
/// How long a burst may pause before what came is looked at.
const PAUSE: Duration = Duration::from_millis(700);
/// What is kept of a source at most.
const MOST_BYTES: usize = 1 << 20;

pub(super) struct Live<'a> {
    until: Instant,
    judge: &'a dyn Fn(&[u8]) -> Detection,
    speaks: bool,
    /// For `learn`: lines after which enough was heard, whatever dialect they may be in.
    lines: Option<usize>,
}

/// Takes the parity bit off a file that was taken down without knowing of it.
pub(super) fn unwrapped(bytes: Vec<u8>) -> (Vec<u8>, Vec<String>) {
    match wire::look(&bytes, 0) {
        Looks::Seven(_) | Looks::SevenMark => {
            let remark = "each byte has a parity bit on top: set the port to 7 data bits".to_owned();
            (wire::seven(&bytes), vec![remark])
        }
        _ => (bytes, Vec::new()),
    }
}

/// What is tried of a serial line.
#[derive(Debug, Clone, Copy)]
struct Setting {
    baud: u32,
    parity: Parity,
}

impl<'a> Live<'a> {
    pub fn new(patience: Duration, judge: &'a dyn Fn(&[u8]) -> Detection) -> Live<'a> {
        Live { until: Instant::now() + patience, judge, speaks: std::io::stderr().is_terminal(), lines: None }
    }

    /// Listens until so many lines have come that are not blank.
    pub fn for_lines(self, lines: usize) -> Live<'a> {
        Live { lines: Some(lines), ..self }
    }

    fn say(&self, what: &str) {
        if self.speaks {
            let _ = writeln!(std::io::stderr(), "{what}");
        }
    }

    fn certain(&self, bytes: &[u8]) -> Option<Detection> {
        let detection = (self.judge)(bytes);
        if let Some(enough) = self.lines {
            self.say(&format!("{} lines of {enough}", detection.lines));
            return (detection.lines >= enough).then_some(detection);
        }
        let best = detection.candidates.first()?;
        self.say(&format!("{} lines, {} records: perhaps {}", detection.lines, best.records, best.name));
        (best.confidence == Confidence::High).then_some(detection)
    }

    /// Tries the settings of a serial port, reading eight bits without parity, which shows all others.
    pub fn serial(&self, path: PathBuf) -> Result<Found, String> {
        let runtime = runtime()?;
        let mut remarks = Vec::new();
        let mut tried = 0;
        let mut setting = Setting { baud: BAUDS[0], parity: Parity::None };
        let mut kept: Vec<u8> = Vec::new();
        while Instant::now() < self.until {
            self.say(&format!("listening at {} baud; make a call and end it", setting.baud));
            let heard = runtime.block_on(self.hear(&path, setting))?;
            let bytes = match heard.looks {
                Looks::TooFew => {
                    kept = heard.bytes;
                    break;
                }
                Looks::Garbage => {
                    tried += 1;
                    remarks.push(format!("at {} baud it is no text", setting.baud));
                    setting = Setting { baud: BAUDS[tried % BAUDS.len()], parity: Parity::None };
                    continue;
                }
                Looks::EightWithParity => {
                    let parity = if setting.parity == Parity::Even { Parity::Odd } else { Parity::Even };
                    setting = Setting { parity, ..setting };
                    continue;
                }
                Looks::Text => heard.bytes,
                Looks::Seven(_) | Looks::SevenMark => wire::seven(&heard.bytes),
            };
            let (data_bits, parity) = match heard.looks {
                Looks::Seven(parity) => (7, parity),
                Looks::SevenMark => (7, Parity::None),
                _ => (8, setting.parity),
            };
            let settings = settings(setting.baud, data_bits, parity);
            return Ok(Found { settings, remarks, detection: (self.judge)(&bytes), bytes });
        }
        if kept.is_empty() && tried == 0 {
            remarks.push(
                "nothing came: is SMDR switched on, is the cable a null-modem one, and was a call made and ended?"
                    .into(),
            );
        }
        Ok(Found { settings: Vec::new(), remarks, detection: (self.judge)(&kept), bytes: kept })
    }

    /// Listens at one setting until what comes is certain, or is not what the setting makes of text.
    async fn hear(&self, path: &std::path::Path, setting: Setting) -> Result<Heard, String> {
        let plain = |value| Spanned::new(0..0, value);
        let serial = Serial {
            path: path.to_owned(),
            baud: Spanned::new(0..0, setting.baud),
            data_bits: plain(8),
            parity: setting.parity,
            stop_bits: plain(1),
            flow: Flow::None,
            dtr: Some(true),
            rts: Some(true),
        };
        let how = How::Serial(serial);
        let spec = Spec { id: 0, name: "detect".into(), how, login: None, locks: None, ledger: None, relay: None };
        let (sender, mut happenings) = mpsc::channel(64);
        let (stop, stopped) = watch::channel(false);
        let sources = tokio::spawn(source::run(vec![spec], Clock::system(), sender, stopped));
        let mut heard = Heard { bytes: Vec::new(), looks: Looks::TooFew };
        let mut errors = 0;
        let mut fresh = false;
        let result = loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let wait = if fresh { left.min(PAUSE) } else { left };
            match tokio::time::timeout(wait, happenings.recv()).await {
                Ok(Some(Happening::Bytes { bytes, errors: new, .. })) => {
                    heard.bytes.extend(bytes);
                    errors += new.parity_or_framing;
                    fresh = true;
                    if heard.bytes.len() < MOST_BYTES {
                        continue;
                    }
                }
                Ok(Some(Happening::Waiting { cause, .. })) => break Err(cause.to_string()),
                Ok(Some(_)) => continue,
                Ok(None) => break Ok(heard),
                Err(_) => {}
            }
            fresh = false;
            heard.looks = wire::look(&heard.bytes, errors);
            let over = Instant::now() >= self.until || heard.bytes.len() >= MOST_BYTES;
            let text = match heard.looks {
                Looks::TooFew => None,
                Looks::Garbage | Looks::EightWithParity => break Ok(heard),
                Looks::Text => self.certain(&heard.bytes),
                Looks::Seven(_) | Looks::SevenMark => self.certain(&wire::seven(&heard.bytes)),
            };
            if over || text.is_some() {
                break Ok(heard);
            }
        };
        let _ = stop.send(true);
        drop(happenings);
        let _ = sources.await;
        result
    }

    /// Listens when the address is this machine's and free, connects otherwise.
    pub fn tcp(&self, address: &str) -> Result<Found, String> {
        let remedy = "write tcp://HOST:PORT, such as tcp://192.0.2.10:8808";
        let addresses: Vec<SocketAddr> =
            address.to_socket_addrs().map_err(|error| format!("{address}: {error}; {remedy}"))?.collect();
        runtime()?.block_on(async {
            match TcpListener::bind(&addresses[..]).await {
                Ok(listener) => self.await_call(listener).await,
                Err(_) => self.call(address, &addresses).await,
            }
        })
    }

    async fn await_call(&self, listener: TcpListener) -> Result<Found, String> {
        let own = listener.local_addr().map_err(|error| error.to_string())?;
        self.say(&format!("listening on {own}; set the PBX to send to it, and make a call"));
        let left = self.until.saturating_duration_since(Instant::now());
        let settings = |peer: Option<SocketAddr>| {
            let mut settings = vec![("tcp-listen.address", format!("{:?}", own.to_string()))];
            settings.extend(peer.map(|peer| ("tcp-listen.allow", format!("[{:?}]", peer.ip().to_string()))));
            settings
        };
        match tokio::time::timeout(left, listener.accept()).await {
            Ok(Ok((stream, peer))) => {
                let mut found = self.read(stream).await?;
                found.settings = settings(Some(peer));
                Ok(found)
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Ok(Found {
                settings: settings(None),
                remarks: vec![format!(
                    "nobody connected to {own}: is the PBX set to send to this box, and to this port?"
                )],
                bytes: Vec::new(),
                detection: (self.judge)(&[]),
            }),
        }
    }

    async fn call(&self, name: &str, addresses: &[SocketAddr]) -> Result<Found, String> {
        self.say(&format!("connecting to {name}"));
        let stream = TcpStream::connect(addresses)
            .await
            .map_err(|error| format!("{name}: {error}; is it the PBX's address, and is its SMDR port on?"))?;
        let mut found = self.read(stream).await?;
        let (host, port) = name.rsplit_once(':').unwrap_or((name, ""));
        found.settings = vec![("tcp-connect.host", format!("{host:?}")), ("tcp-connect.port", port.to_owned())];
        Ok(found)
    }

    async fn read(&self, mut stream: TcpStream) -> Result<Found, String> {
        let mut bytes = Vec::new();
        let mut remarks = Vec::new();
        let mut buffer = vec![0; 16 * 1024];
        let mut fresh = false;
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(if fresh { left.min(PAUSE) } else { left }, stream.read(&mut buffer)).await {
                Ok(Ok(0)) => {
                    remarks.push("the other end closed the connection".to_owned());
                    break;
                }
                Ok(Ok(count)) => {
                    bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    fresh = true;
                    if bytes.len() < MOST_BYTES {
                        continue;
                    }
                }
                Ok(Err(error)) => {
                    remarks.push(format!("the connection broke: {error}"));
                    break;
                }
                Err(_) => {}
            }
            if fresh && let Some(prompt) = prompt(&bytes) {
                remarks.push(prompt.to_owned());
                break;
            }
            fresh = false;
            let over = Instant::now() >= self.until || bytes.len() >= MOST_BYTES;
            if over || (!bytes.is_empty() && self.certain(&bytes).is_some()) {
                break;
            }
        }
        if bytes.is_empty() {
            remarks.push(
                "it said nothing: a Mitel 5000 or Inter-Tel wants a log-in first (dialect mitel-5000); others want a call"
                    .to_owned(),
            );
        }
        Ok(Found { settings: Vec::new(), remarks, detection: (self.judge)(&bytes), bytes })
    }
}

struct Heard {
    bytes: Vec<u8>,
    looks: Looks,
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())
}

fn settings(baud: u32, data_bits: u8, parity: Parity) -> Vec<(&'static str, String)> {
    let parity = match parity {
        Parity::None => "none",
        Parity::Even => "even",
        Parity::Odd => "odd",
    };
    vec![
        ("serial.baud", baud.to_string()),
        ("serial.data-bits", data_bits.to_string()),
        ("serial.parity", format!("{parity:?}")),
    ]
}

/// What a PBX asks that wants a log-in before it sends records.
fn prompt(bytes: &[u8]) -> Option<&'static str> {
    // Telnet negotiation comes first from some.
    let negotiation = |byte: &u8| *byte == 0xFF || (0xFB..=0xFE).contains(byte);
    let text: String = bytes.iter().filter(|byte| !negotiation(byte)).map(|byte| char::from(*byte)).collect();
    let last = text.trim_end_matches([' ', '\0']).rsplit(['\r', '\n']).next().unwrap_or_default().trim();
    let lower = last.to_ascii_lowercase();
    match () {
        () if last == "-" => Some(
            "it asks for a log-in as a Panasonic KX does: dialect panasonic-kx, tcp-connect.password-file when the \
             password is not the delivered one",
        ),
        () if lower.ends_with("login:") || lower.ends_with("username:") || lower.ends_with("user:") => Some(
            "it asks for a user name: this is a terminal or Telnet port, mostly not the one that prints call records",
        ),
        () if lower.ends_with("password:") => Some("it asks for a password before it sends records"),
        () => None,
    }
}
