//! A box in a directory of its own: configuration, the real `smdrd run`, PBXs on real sockets and ptys, and the real
//! `smdr-feed serve`.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::AtomicBool;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use smdrd::simulator::serial::SerialPort;

#[path = "../machine/patience.rs"]
mod patience;
#[path = "../machine/ports.rs"]
mod ports;

pub use patience::wait_for;
pub use ports::free_port;

pub const TOKEN: &str = "token-of-the-test-box";

/// A clock that shows `start` now and runs `factor` times as fast as ours.
pub fn clock(start: &str, factor: u32) -> String {
    format!("{start}@{}@{factor}", jiff::Timestamp::now())
}

pub fn private_file(path: &Path, text: &str) {
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

/// Which way a PBX talks to the box.
pub enum Link {
    Tcp(u16),
    Serial(SerialPort),
}

/// A PBX's end of its link.
pub struct Pbx {
    pub name: &'static str,
    dialect: &'static str,
    pub link: Link,
    stream: Option<TcpStream>,
}

impl Pbx {
    pub fn tcp(name: &'static str, dialect: &'static str) -> Pbx {
        Pbx { name, dialect, link: Link::Tcp(free_port()), stream: None }
    }

    pub fn serial(name: &'static str, dialect: &'static str) -> Pbx {
        Pbx { name, dialect, link: Link::Serial(SerialPort::open().unwrap()), stream: None }
    }

    fn table(&self) -> String {
        self.table_with("")
    }

    /// Its table with more keys in it, before the tables of the ways in.
    fn table_with(&self, keys: &str) -> String {
        let head = format!("[[source]]\nname = \"{}\"\ndialect = \"{}\"\n{keys}", self.name, self.dialect);
        head + &match &self.link {
            Link::Tcp(port) => {
                format!("[source.tcp-listen]\naddress = \"127.0.0.1:{port}\"\nallow = [\"127.0.0.1\"]\n")
            }
            Link::Serial(port) => format!("[source.serial]\npath = \"{}\"\nbaud = 9600\n", port.path().display()),
        }
    }

    /// Waits until the box is at the other end.
    pub fn connect(&mut self) {
        self.stream = None;
        match &mut self.link {
            Link::Tcp(port) => {
                let address = SocketAddr::from(([127, 0, 0, 1], *port));
                self.stream = Some(wait_for("the listener", || TcpStream::connect(address).ok()));
            }
            Link::Serial(port) => wait_for("the serial line", || port.attended().then_some(())),
        }
    }

    /// Prints lines; the terminator is added. False when the link broke.
    pub fn print(&mut self, lines: &[impl AsRef<str>]) -> bool {
        let text: String = lines.iter().map(|line| format!("{}\r\n", line.as_ref())).collect();
        match (&mut self.link, &mut self.stream) {
            (Link::Serial(port), _) => port.print(&text, &AtomicBool::new(false)),
            (Link::Tcp(_), Some(stream)) => stream.write_all(text.as_bytes()).is_ok(),
            (Link::Tcp(_), None) => panic!("{} is not connected", self.name),
        }
    }

    pub fn hang_up(&mut self) {
        self.stream = None;
    }
}

/// A box.
pub struct Rig {
    pub dir: tempfile::TempDir,
    /// Everything of the configuration but the sources and the supplier.
    pub site: String,
    pub supplier: String,
    sources: String,
    /// The program, where it is not to run from where it was built.
    program: Option<tempfile::TempDir>,
}

/// The site that the simulated day is played at.
pub const SITE: &str = r#"device = "smdrd-test"
[[practice]]
ods = "A81001"
[features]
auto-attendant = true
[numbers]
own = ["01632960100-01632960199"]
access-digits = ["9"]
"#;
pub const ROLES: &str = r#"[roles.stations]
"V9501" = "auto-attendant"
"V9511" = "voicemail"
"199" = "voicemail"
"#;

impl Rig {
    pub fn new(site: &str, pbxs: &[Pbx]) -> Rig {
        // In memory where that is possible: there keys and peers outlive a restart of the daemon, as under /run.
        let shm = Path::new("/dev/shm");
        let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
        let sources = pbxs.iter().map(Pbx::table).collect();
        Rig { dir: dir.unwrap(), site: site.to_owned(), supplier: String::new(), sources, program: None }
    }

    /// Has the program where every user may run it: it may have been built in somebody's own folder.
    pub fn for_everybody(&mut self) {
        // Not beside the rest: where that is in memory, programs may be forbidden.
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("smdrd");
        std::fs::copy(env!("CARGO_BIN_EXE_smdrd"), &program).unwrap();
        for path in [self.dir.path(), folder.path(), &program] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.program = Some(folder);
    }

    /// Adds PBXs, each with more keys of its source's table.
    pub fn add_sources(&mut self, pbxs: &[&Pbx], more: &[&str]) {
        for (pbx, more) in pbxs.iter().zip(more) {
            self.sources += &(pbx.table() + more);
        }
    }

    /// Adds a PBX with more keys in its source's own table.
    pub fn add_source_keys(&mut self, pbx: &Pbx, keys: &str) {
        self.sources += &pbx.table_with(keys);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn with_supplier(&mut self, address: &str, more: &str) {
        private_file(&self.path("token"), &format!("{TOKEN}\n"));
        let token = self.path("token");
        self.supplier = format!("[supplier]\nurl = \"http://{address}\"\ntoken-file = \"{}\"\n{more}", token.display());
    }

    pub fn write_config(&self) -> PathBuf {
        let path = self.path("smdrd.toml");
        let (state, run) = (self.path("state"), self.path("run"));
        let text = format!(
            "state-dir = \"{}\"\nruntime-dir = \"{}\"\n{}{}{}",
            state.display(),
            run.display(),
            self.site,
            self.sources,
            self.supplier
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self, verb: &[&str], clock: &str) -> Command {
        let built = Path::new(env!("CARGO_BIN_EXE_smdrd"));
        let elsewhere = self.program.as_ref().map(|folder| folder.path().join("smdrd"));
        let mut command = Command::new(elsewhere.as_deref().unwrap_or(built));
        command.args(verb).arg("--config").arg(self.write_config()).stdin(Stdio::null());
        command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM").env_remove("SMDRD_LOG");
        if !clock.is_empty() {
            command.args(["--clock", clock]);
        }
        command
    }

    /// Starts the daemon and waits until it can be asked.
    pub fn run(&self, clock: &str) -> Daemon {
        self.run_with(clock, |command| command)
    }

    pub fn run_with(&self, clock: &str, prepare: impl FnOnce(&mut Command) -> &mut Command) -> Daemon {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let socket = self.path("run/control.sock");
        let _ = std::fs::remove_file(&socket);
        let mut command = self.command(&["run"], clock);
        let child = prepare(&mut command).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut daemon = Daemon { child };
        wait_for("the control socket", || {
            assert_eq!(daemon.child.try_wait().unwrap(), None, "{}", self.log());
            socket.exists().then_some(())
        });
        daemon
    }

    /// Runs a verb.
    pub fn verb(&self, verb: &[&str], clock: &str) -> Output {
        self.command(verb, clock).output().unwrap()
    }

    /// Runs a verb with `--json`, and gives its exit code and what it printed.
    pub fn json(&self, verb: &[&str], clock: &str) -> (i32, Value) {
        let output = self.verb(&[verb, &["--json"]].concat(), clock);
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{verb:?}: {error}: {text:?} {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), value)
    }

    pub fn status(&self) -> Value {
        self.json(&["status"], "").1
    }

    /// Waits until this many lines are stored.
    pub fn wait_for_lines(&self, lines: usize) {
        let mut seen = 0;
        wait_for(&format!("{lines} lines"), || {
            seen = self.status()["lines"]["lines"].as_u64().unwrap();
            assert!(seen <= lines as u64, "{seen} lines are stored of {lines}");
            (seen == lines as u64).then_some(())
        });
    }

    /// What a rebuild says would change.
    pub fn rebuild(&self, clock: &str, more: &[&str]) -> Value {
        let (code, difference) = self.json(&[&["rebuild"], more].concat(), clock);
        assert_eq!(code, 0, "{difference}");
        difference
    }

    #[track_caller]
    pub fn assert_no_difference(&self, clock: &str, when: &str) {
        let difference = self.rebuild(clock, &["--dry-run"]);
        for key in ["changed_lines", "changed_calls"] {
            assert_eq!(difference[key], 0, "{when}: {difference:#}");
        }
        assert_eq!(difference["figures"], serde_json::json!([]), "{when}: {difference:#}");
        assert!(difference["lines"].as_u64().unwrap() > 0, "{when}: nothing was read again: {difference:#}");
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The database, for reading.
    pub fn db(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("state/smdrd.db")).unwrap()
    }

    pub fn count(&self, sql: &str) -> i64 {
        self.db().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

/// A running daemon.
pub struct Daemon {
    pub child: Child,
}

impl Daemon {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn ended(mut self) -> ExitStatus {
        wait_for("the daemon's end", || self.child.try_wait().unwrap())
    }

    /// Stops it as the service manager does.
    #[track_caller]
    pub fn stop(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ended().code(), Some(0));
    }

    pub fn kill(self) {
        self.signal(Signal::KILL);
        self.ended();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The supplier's receiver.
pub struct Feed {
    child: Child,
    pub address: String,
    store: PathBuf,
}

impl Feed {
    pub fn start(rig: &Rig, port: u16) -> Feed {
        Feed::start_with(rig, port, &[])
    }

    pub fn start_with(rig: &Rig, port: u16, more: &[&str]) -> Feed {
        let (store, tokens) = (rig.path("feed.db"), rig.path("tokens"));
        private_file(&tokens, &format!("{TOKEN} A81001,A81002,A81003\n"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
        command.arg("serve").args(["--listen", &format!("127.0.0.1:{port}")]).arg("--store").arg(&store);
        command.arg("--tokens").arg(tokens).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("said {line:?}")).to_owned();
        Feed { child, address, store }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn db(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.store).unwrap()
    }

    /// The bodies that it holds of a day, oldest revision first.
    pub fn held(&self, ods: &str, date: &str) -> Vec<Vec<u8>> {
        let db = self.db();
        let mut query =
            db.prepare("SELECT body FROM day_revision WHERE ods = ?1 AND date = ?2 ORDER BY revision").unwrap();
        query.query_map([ods, date], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    pub fn revisions(&self) -> i64 {
        self.db().query_row("SELECT count(*) FROM day_revision", [], |row| row.get(0)).unwrap()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.store.exists() && !std::thread::panicking() {
            super::schema::assert_all_valid(&self.db());
        }
    }
}
