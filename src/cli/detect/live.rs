//! Listening to a device or port until the answer is certain.

use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use toml::Spanned;

use super::Found;
use crate::clock::Clock;
use crate::config::{Flow, Parity, Serial, TcpConnect};
use crate::dialect::detect::{Confidence, Detection};
use crate::source::wire::{self, Looks};
use crate::source::{self, Happening, How, Login, Spec};

/// Speeds, the most usual first.
const BAUDS: [u32; 9] = [9_600, 1_200, 2_400, 19_200, 4_800, 38_400, 115_200, 57_600, 300];
/// The port of SMDR on a NEC; it cannot be changed, and says nothing unasked.
const NEC_PORT: u16 = 60010;
/// How long a burst may pause before what came is looked at.
const PAUSE: Duration = Duration::from_millis(700);
/// After how long a burst without a pause is looked at all the same: a PBX that empties its buffer makes none.
const LOOK: Duration = Duration::from_secs(2);
/// What is kept of a source at most.
const MOST_BYTES: usize = 1 << 20;

pub(in crate::cli) struct Live<'a> {
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

    /// Tries the settings of a serial port, reading eight bits without parity, which shows all others. A port that the
    /// daemon reads is left alone: half of what came would go astray for it.
    pub fn serial(&self, path: PathBuf, runtime_dir: &Path) -> Result<Found, String> {
        let locks = locks(&path, runtime_dir)?;
        let runtime = runtime()?;
        let mut remarks = Vec::new();
        let mut tried = 0;
        let mut setting = Setting { baud: BAUDS[0], parity: Parity::None };
        let mut kept: Vec<u8> = Vec::new();
        while Instant::now() < self.until {
            self.say(&format!("listening at {} baud; make a call and end it", setting.baud));
            let heard = runtime.block_on(self.hear(&path, setting, locks.clone()))?;
            let bytes = match heard.looks {
                Looks::TooFew => {
                    kept = heard.bytes;
                    break;
                }
                Looks::Garbage => {
                    tried += 1;
                    let remark = format!("at {} baud it is no text", setting.baud);
                    if !remarks.contains(&remark) {
                        remarks.push(remark);
                    }
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
            return Ok(Found { settings, remarks, asks: None, detection: (self.judge)(&bytes), bytes });
        }
        remarks.push(match (kept.is_empty(), tried) {
            (true, 0) => {
                "nothing came: is SMDR switched on, is the cable a null-modem one, and was a call made and ended?"
                    .into()
            }
            (true, _) => "then nothing more came: make calls until a speed fits".into(),
            (false, _) => {
                format!("{} bytes came at {} baud: too few to tell a right speed", kept.len(), setting.baud)
            }
        });
        Ok(Found { settings: Vec::new(), remarks, asks: None, detection: (self.judge)(&kept), bytes: kept })
    }

    /// Listens at one setting until what comes is certain, or is not what the setting makes of text.
    async fn hear(&self, path: &Path, setting: Setting, locks: Option<PathBuf>) -> Result<Heard, String> {
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
        let spec = Spec { id: 0, name: "detect".into(), how, login: None, locks, ledger: None, relay: None };
        let (sender, mut happenings) = mpsc::channel(64);
        let (stop, stopped) = watch::channel(false);
        let sources = tokio::spawn(source::run(vec![spec], Clock::system(), sender, stopped));
        let mut heard = Heard { bytes: Vec::new(), looks: Looks::TooFew };
        let mut errors = 0;
        let mut fresh = false;
        let mut looked = Instant::now();
        let result = loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let wait = if fresh { left.min(PAUSE) } else { left };
            match tokio::time::timeout(wait, happenings.recv()).await {
                Ok(Some(Happening::Bytes { bytes, errors: new, .. })) => {
                    heard.bytes.extend(bytes);
                    errors += new.parity_or_framing + new.breaks;
                    fresh = true;
                    if heard.bytes.len() < MOST_BYTES && looked.elapsed() < LOOK {
                        continue;
                    }
                }
                Ok(Some(Happening::Waiting { cause, .. })) => break Err(cause.to_string()),
                Ok(Some(_)) => continue,
                Ok(None) => break Ok(heard),
                Err(_) => {}
            }
            fresh = false;
            looked = Instant::now();
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
                asks: None,
                bytes: Vec::new(),
                detection: (self.judge)(&[]),
            }),
        }
    }

    async fn call(&self, name: &str, addresses: &[SocketAddr]) -> Result<Found, String> {
        self.say(&format!("connecting to {name}"));
        let (host, port) = name.rsplit_once(':').unwrap_or((name, ""));
        let settings = vec![("tcp-connect.host", format!("{host:?}")), ("tcp-connect.port", port.to_owned())];
        if addresses.iter().all(|address| address.port() == NEC_PORT) {
            return Ok(Found { settings, ..self.ask_nec(host).await? });
        }
        let stream = TcpStream::connect(addresses)
            .await
            .map_err(|error| format!("{name}: {error}; is it the PBX's address, and is its SMDR port on?"))?;
        Ok(Found { settings, ..self.read(stream).await? })
    }

    /// Asks a NEC for the record that is next. It is not acknowledged, so the PBX keeps it.
    async fn ask_nec(&self, host: &str) -> Result<Found, String> {
        let to = TcpConnect { host: host.to_owned(), port: NEC_PORT, standby_host: None, password_file: None };
        let how = How::Connect(to);
        let login = Some(Login::Nec { check: None });
        let spec = Spec { id: 0, name: "detect".into(), how, login, locks: None, ledger: None, relay: None };
        let (sender, mut happenings) = mpsc::channel(64);
        let (stop, stopped) = watch::channel(false);
        let sources = tokio::spawn(source::run(vec![spec], Clock::system(), sender, stopped));
        self.say("asking as a NEC wants to be asked; make a call and end it");
        let until = tokio::time::Instant::from_std(self.until);
        let heard = loop {
            match tokio::time::timeout_at(until, happenings.recv()).await {
                Ok(Some(Happening::Text { bytes, .. })) => break Ok(bytes),
                Ok(Some(Happening::Waiting { cause, .. })) => break Err(cause.to_string()),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break Ok(Vec::new()),
            }
        };
        let _ = stop.send(true);
        drop(happenings);
        let _ = sources.await;
        let bytes = heard?;
        let remark = if bytes.is_empty() {
            "asked as a NEC wants to be asked, it gave no record: was a call made and ended?"
        } else {
            "it answers as a NEC does: one record at a time, and the next when that one is acknowledged; detect \
             acknowledges none, so no more than one is seen"
        };
        let detection = (self.judge)(&bytes);
        Ok(Found { settings: Vec::new(), remarks: vec![remark.to_owned()], asks: None, detection, bytes })
    }

    async fn read(&self, mut stream: TcpStream) -> Result<Found, String> {
        let mut bytes = Vec::new();
        let mut remarks = Vec::new();
        let mut asks = None;
        let mut buffer = vec![0; 16 * 1024];
        let mut fresh = false;
        let mut looked = Instant::now();
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
                    if bytes.len() < MOST_BYTES && looked.elapsed() < LOOK {
                        continue;
                    }
                }
                Ok(Err(error)) => {
                    remarks.push(format!("the connection broke: {error}"));
                    break;
                }
                Err(_) => {}
            }
            if fresh && let Some((remark, dialect)) = prompt(&bytes) {
                remarks.push(remark.to_owned());
                asks = dialect;
                break;
            }
            fresh = false;
            looked = Instant::now();
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
        Ok(Found { settings: Vec::new(), remarks, asks, detection: (self.judge)(&bytes), bytes })
    }
}

/// Where to lock the port while it is tried; nothing where no daemon could have it.
fn locks(path: &Path, runtime_dir: &Path) -> Result<Option<PathBuf>, String> {
    let busy = || {
        format!(
            "{}: the running smdrd reads it; look at its lines with smdrd tap, or stop it first (systemctl stop smdrd)",
            path.display()
        )
    };
    match source::is_locked(runtime_dir, path) {
        Ok(true) => return Err(busy()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            // The lock is the daemon's and this user may not look at it: it matters only while there is a daemon.
            let daemon = std::os::unix::net::UnixStream::connect(crate::control::path(runtime_dir));
            if daemon.map_or_else(|error| error.kind() == std::io::ErrorKind::PermissionDenied, |_| true) {
                return Err(busy());
            }
        }
        _ => {}
    }
    let may_lock = rustix::fs::access(runtime_dir, rustix::fs::Access::WRITE_OK).is_ok();
    Ok(may_lock.then(|| runtime_dir.to_owned()))
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

/// What a PBX asks that wants a log-in before it sends records, and the dialect of the one that asks so.
fn prompt(bytes: &[u8]) -> Option<(&'static str, Option<&'static str>)> {
    // Telnet negotiation comes first from some.
    let negotiation = |byte: &u8| *byte == 0xFF || (0xFB..=0xFE).contains(byte);
    let text: String = bytes.iter().filter(|byte| !negotiation(byte)).map(|byte| char::from(*byte)).collect();
    let last = text.trim_end_matches([' ', '\0']).rsplit(['\r', '\n']).next().unwrap_or_default();
    let last = last.trim_matches(|sign: char| sign.is_control() || sign == ' ');
    let lower = last.to_ascii_lowercase();
    match () {
        () if last == "-" => Some((
            "it asks for a log-in as a Panasonic KX does; smdrd gives it, with tcp-connect.password-file where the \
             password is not the delivered one",
            Some("panasonic-kx"),
        )),
        () if lower.ends_with("login:") || lower.ends_with("username:") || lower.ends_with("user:") => Some((
            "it asks for a user name: this is a terminal or Telnet port, mostly not the one that prints call records",
            None,
        )),
        () if lower.ends_with("password:") => Some(("it asks for a password before it sends records", None)),
        () => None,
    }
}
