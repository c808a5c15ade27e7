//! The box, the PBXs, the supplier and the recorder between them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use jiff::ToSpan as _;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde_json::Value;
use smdrd::simulator::serial::SerialPort;

use super::lines;

/// Printings of each PBX in one round.
pub const RECORDS: usize = 24;
/// Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);
/// The family that is connected by a serial line, with a relay to an older logger.
const SERIAL: &str = "nortel-meridian";
/// The family that comes in files.
const FILES: &str = "nortel-bcm";

pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

pub struct Stage {
    root: tempfile::TempDir,
    /// In memory, so that the daemon keeps keys and peers there.
    run: tempfile::TempDir,
    /// In memory too, and not searched: here numbers may be.
    _drop: tempfile::TempDir,
    links: Vec<Link>,
    feed: Running,
    starts: usize,
    day: jiff::civil::Date,
}

enum Link {
    Tcp { address: SocketAddr, stream: Option<TcpStream> },
    Serial(SerialPort),
    Files(Files),
}

/// A PBX that uploads files, of a few pieces each.
struct Files {
    folder: PathBuf,
    made: usize,
    open: Option<(File, usize)>,
}

impl Files {
    fn add(&mut self, bytes: &[u8]) {
        let (mut file, pieces) = self.open.take().unwrap_or_else(|| {
            self.made += 1;
            // Named after a caller, as files should not be.
            let name = format!("{}-{:04}.txt", super::canary::CANARIES[4], self.made);
            (File::options().append(true).create(true).open(self.folder.join(name)).unwrap(), 0)
        });
        file.write_all(bytes).unwrap();
        self.open = (pieces < 5).then_some((file, pieces + 1));
    }
}

/// A process that does not outlive the test.
pub struct Running(Child);

impl Running {
    pub fn signal(&mut self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.0), signal).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn private(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

impl Stage {
    pub fn set(dialects: &[String]) -> Stage {
        // If core files can be had, the daemon must be what forbids them.
        let limit = rustix::process::getrlimit(Resource::Core);
        let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current: limit.maximum, maximum: limit.maximum });
        if limit.maximum == Some(0) {
            eprintln!(
                "SKIPPED LOUDLY: core files are forbidden here by a hard limit; that there is none proves nothing"
            );
        }
        let root = tempfile::tempdir().unwrap();
        let memory = Path::new("/dev/shm");
        let run = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let drop = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let by_file = smdrd::source::in_memory(drop.path());
        if !by_file {
            eprintln!("SKIPPED LOUDLY: there is no tmpfs here, so {FILES} comes over TCP and not in files");
        }
        // A file that cannot be taken is named in status and log: its name holds a number.
        std::os::unix::fs::symlink("/nowhere", drop.path().join(super::canary::CANARIES[6])).unwrap();
        for part in ["state", "log", "cwd", "said"] {
            std::fs::create_dir(root.path().join(part)).unwrap();
        }
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let at = |name: &str| root.path().join(name);
        private(&at("token"), "a-token-for-the-canary-test\n");
        private(&at("tokens"), "a-token-for-the-canary-test A81001\n");
        let log = File::create(at("log/feed.log")).unwrap();
        let feed = Command::new(env!("CARGO_BIN_EXE_smdr-feed"))
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(at("supplier.db"))
            .arg("--tokens")
            .arg(at("tokens"))
            .env("SMDRD_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(File::create(at("log/feed.out")).unwrap())
            .stderr(log)
            .current_dir(at("cwd"))
            .spawn()
            .unwrap();
        let feed = Running(feed);
        let supplier = wait_for("the receiver", || {
            let said =
                ["log/feed.log", "log/feed.out"].map(|name| std::fs::read_to_string(at(name)).unwrap_or_default());
            let pattern = regex::Regex::new(r"127\.0\.0\.1:[1-9]\d*").unwrap();
            said.iter().find_map(|text| Some(pattern.find(text)?.as_str().parse::<SocketAddr>().unwrap()))
        });
        let proxy = record(supplier, at("said"));
        let mut sources = String::new();
        let mut links = Vec::new();
        for dialect in dialects {
            sources += &format!("\n[[source]]\nname = \"{dialect}\"\ndialect = \"{dialect}\"\n");
            if dialect == SERIAL {
                let port = SerialPort::open().unwrap();
                let (path, logger) = (port.path().display(), logger());
                sources += &format!("[source.serial]\npath = \"{path}\"\nbaud = 9600\n");
                sources += &format!("[source.relay.tcp-connect]\nhost = \"127.0.0.1\"\nport = {}\n", logger.port());
                links.push(Link::Serial(port));
            } else if dialect == FILES && by_file {
                let folder = drop.path().to_owned();
                sources += &format!("[source.folder]\npath = \"{}\"\nsettle-seconds = 1\n", folder.display());
                links.push(Link::Files(Files { folder, made: 0, open: None }));
            } else {
                let address = free_address();
                sources += &format!("[source.tcp-listen]\naddress = \"{address}\"\nallow = [\"127.0.0.1\"]\n");
                links.push(Link::Tcp { address, stream: None });
            }
        }
        let config = format!(
            "state-dir = \"{state}\"\nruntime-dir = \"{run}\"\ndevice = \"canary\"\n\n[[practice]]\nods = \"A81001\"\nsite = \"main\"\n\n[numbers]\nown = [\"01632960100-01632960199\"]\naccess-digits = [\"9\"]\n\n[supplier]\nurl = \"http://{proxy}\"\ntoken-file = \"{token}\"\n{sources}",
            state = at("state").display(),
            run = run.path().display(),
            token = at("token").display(),
        );
        std::fs::write(at("smdrd.toml"), config).unwrap();
        // Yesterday: a day that is over can be sent.
        let zone = jiff::tz::TimeZone::get("Europe/London").unwrap();
        let day = zone.to_datetime(jiff::Timestamp::now()).date() - 1.day();
        Stage { root, run, _drop: drop, links, feed, starts: 0, day }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn smdrd(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdrd"));
        command
            .env("SMDRD_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .current_dir(self.at("cwd"))
            .stdin(Stdio::null());
        command
    }

    pub fn start_daemon(&mut self) -> Running {
        self.starts += 1;
        let log = File::create(self.at(&format!("log/smdrd-{}.log", self.starts))).unwrap();
        let mut command = self.smdrd();
        command.args(["run", "--config"]).arg(self.at("smdrd.toml")).stdout(Stdio::null()).stderr(log);
        let mut daemon = Running(command.spawn().unwrap());
        let socket = self.run.path().join("control.sock");
        let log = self.at(&format!("log/smdrd-{}.log", self.starts));
        wait_for("the daemon", || {
            let ended = daemon.0.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
            UnixStream::connect(&socket).ok()
        });
        for link in &mut self.links {
            match link {
                Link::Tcp { address, stream } => {
                    *stream = Some(wait_for("a listening source", || TcpStream::connect(*address).ok()))
                }
                Link::Serial(port) => wait_for("the serial source", || port.attended().then_some(())),
                Link::Files(_) => {}
            }
        }
        daemon
    }

    /// What each PBX prints in a round.
    pub fn streams(&self, dialects: &[String], from: usize, records: usize) -> Vec<Vec<u8>> {
        let day = (self.day.year(), self.day.month(), self.day.day());
        let all = |dialect: &String| {
            let lines = (from..from + records).flat_map(|number| lines::print(dialect, number, day));
            lines.flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect()
        };
        dialects.iter().map(all).collect()
    }

    pub fn send(&mut self, of: usize, bytes: &[u8]) {
        match &mut self.links[of] {
            Link::Tcp { stream, .. } => stream.as_mut().unwrap().write_all(bytes).unwrap(),
            Link::Serial(port) => {
                let text = std::str::from_utf8(bytes).unwrap();
                assert!(port.print(text, &AtomicBool::new(false)), "the serial line broke");
            }
            Link::Files(files) => files.add(bytes),
        }
    }

    pub fn hang_up(&mut self) {
        for link in &mut self.links {
            match link {
                Link::Tcp { stream, .. } => *stream = None,
                // What the killed daemon had not read is not there for the next one.
                Link::Serial(port) => drop(port.attended()),
                Link::Files(files) => files.open = None,
            }
        }
    }

    /// Runs a verb; what it says is searched as well.
    pub fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.smdrd().args(arguments).arg("--config").arg(self.at("smdrd.toml")).output().unwrap();
        let name = format!("said/{}-{}", arguments[0], self.starts);
        std::fs::write(self.at(&format!("{name}.out")), &output.stdout).unwrap();
        std::fs::write(self.at(&format!("{name}.err")), &output.stderr).unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{arguments:?}: {error}: {text} {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// The last round: everything is read, asked for and sent; then the daemon is killed in the middle of a line.
    pub fn finish(&mut self, mut daemon: Running, dialects: &[String]) {
        let expected = RECORDS * lines::print(&dialects[0], 0, (2026, 1, 1)).len();
        let lines = |status: &Value| status["lines"]["lines"].as_u64().unwrap();
        let mut before = 0;
        wait_for("the last lines", || {
            std::thread::sleep(Duration::from_millis(1_500));
            let now = lines(&self.ask(&["status", "--json"]));
            let settled = now == before && now as usize > expected;
            before = now;
            settled.then_some(())
        });
        let day = self.day.to_string();
        self.ask(&["push", &day, "--json"]);
        self.ask(&["day", &day, "--json"]);
        self.ask(&["rebuild", "--json"]);
        let half = b"2026/11/20 09:00:00,00:00:13,7,01632960753,I,07700900775 CALLING NUMBER 02079460764";
        for of in 0..self.links.len() {
            self.send(of, half);
        }
        std::thread::sleep(Duration::from_millis(200));
        daemon.signal(Signal::KILL);
        self.feed.signal(Signal::KILL);
    }

    /// Everything that is left.
    pub fn places(&self) -> [&Path; 2] {
        [self.root.path(), self.run.path()]
    }

    pub fn no_core_file(&self) {
        for folder in ["cwd", "state"] {
            for entry in std::fs::read_dir(self.at(folder)).unwrap() {
                let name = entry.unwrap().file_name();
                assert!(!name.to_string_lossy().starts_with("core"), "a core file was left: {name:?}");
            }
        }
    }

    /// That what was searched is what the promise is about: lines of each source as records, shapes too, keys in
    /// memory, and a document that reached the supplier.
    pub fn was_not_for_nothing(&self, dialects: &[String]) {
        let db = rusqlite::Connection::open(self.at("state/smdrd.db")).unwrap();
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        for dialect in dialects {
            let of = |condition: &str| {
                count(&format!(
                    "SELECT count(*) FROM line JOIN source ON source.id = line.source WHERE source.name = '{dialect}' AND {condition}"
                ))
            };
            assert!(of("record IS NOT NULL") > 20, "{dialect}: {} records", of("record IS NOT NULL"));
            assert!(of("shape") > 10, "{dialect}: {} shapes", of("shape"));
        }
        assert!(count("SELECT count(*) FROM number WHERE peer IS NOT NULL") > 300);
        assert!(count("SELECT count(*) FROM outbox WHERE receipt IS NOT NULL") > 0, "nothing reached the supplier");
        let recorded = std::fs::read(self.at("said/to-supplier")).unwrap();
        assert!(recorded.windows(4).any(|window| window == b"PUT "), "nothing was recorded");
        if Path::new("/dev/shm").is_dir() {
            assert!(self.run.path().join("link.key").exists() && self.run.path().join("peers").exists());
        }
        for start in 1..=self.starts {
            let log = std::fs::read_to_string(self.at(&format!("log/smdrd-{start}.log"))).unwrap();
            assert!(log.contains("ready"), "run {start}: {log}");
            // The last run talked to the supplier, of which everything there is to trace is traced.
            assert!(start < self.starts || log.contains("TRACE"), "too little was logged to be worth a search: {log}");
            assert!(!log.contains("a fault of the program"), "run {start}: {log}");
        }
    }
}

/// An older call logger, which keeps what it hears to itself.
fn logger() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(1..) = stream.read(&mut bytes) {}
            });
        }
    });
    address
}

/// A proxy before the supplier that keeps what passes both ways.
fn record(supplier: SocketAddr, folder: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(supplier) else { continue };
            let ways = [("to-supplier", &client, &server), ("from-supplier", &server, &client)];
            for (name, from, to) in ways {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let path = folder.join(name);
                std::thread::spawn(move || {
                    let mut bytes = [0; 16 * 1024];
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        let mut kept = File::options().append(true).create(true).open(&path).unwrap();
                        kept.write_all(&bytes[..count]).unwrap();
                        if to.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    address
}
