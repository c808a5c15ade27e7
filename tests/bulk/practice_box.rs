//! The daemon as it is delivered, on a box of its own: a directory, a PBX that listens, and a way to look into the
//! database from outside.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// How long anything may take before the test fails. Generous: the machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A box at a practice, with one source.
pub struct PracticeBox {
    place: tempfile::TempDir,
    pbx: TcpListener,
    daemon: Option<Child>,
    program: PathBuf,
    clock: String,
}

impl PracticeBox {
    /// With a PBX of this dialect, and a clock that shows `now`.
    pub fn new(program: &str, dialect: &str, now: &str) -> PracticeBox {
        PracticeBox::in_directory(tempfile::tempdir().unwrap(), program, dialect, now)
    }

    /// The same, in this directory.
    pub fn in_directory(place: tempfile::TempDir, program: &str, dialect: &str, now: &str) -> PracticeBox {
        let pbx = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = pbx.local_addr().unwrap().port();
        let root = place.path().display();
        let config = format!(
            "state-dir = \"{root}/state\"\nruntime-dir = \"{root}/run\"\ndevice = \"box\"\n\
             [[practice]]\nods = \"A81001\"\nsite = \"main\"\n\
             [features]\ncallback = false\nauto-attendant = true\n\
             [[source]]\nname = \"pbx\"\ndialect = \"{dialect}\"\n\
             [source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {port}\n\
             [roles.stations]\n\"V9501\" = \"auto-attendant\"\n\"V9502\" = \"auto-attendant\"\n\
             [numbers]\nown = [\"01632960100-01632960199\"]\naccess-digits = [\"9\"]\n"
        );
        for folder in ["state", "run"] {
            std::fs::create_dir(place.path().join(folder)).unwrap();
        }
        std::fs::write(place.path().join("smdrd.toml"), config).unwrap();
        let began = jiff::Timestamp::now();
        PracticeBox { place, pbx, daemon: None, program: program.into(), clock: format!("{now}@{began}@1") }
    }

    /// The directory of everything.
    pub fn root(&self) -> &Path {
        self.place.path()
    }

    fn command(&self, verb: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(verb).arg("--config").arg(self.root().join("smdrd.toml")).args(["--clock", &self.clock]);
        command.stdin(Stdio::null());
        command
    }

    /// Starts the daemon and takes its call: the link on which the PBX prints.
    pub fn start(&mut self) -> TcpStream {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(self.root().join("log")).unwrap();
        self.daemon = Some(self.command(&["run"]).stderr(log).stdout(Stdio::null()).spawn().unwrap());
        let (link, _) = self.pbx.accept().unwrap();
        link.set_nodelay(true).unwrap();
        link
    }

    /// Process number of the daemon.
    #[allow(dead_code, reason = "for the benchmark")]
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().map_or(0, Child::id)
    }

    /// kill -9, and nothing before it.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Ends the daemon in order.
    pub fn stop(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&daemon), rustix::process::Signal::TERM)
            .unwrap();
        let status = daemon.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// What the daemon said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root().join("log")).unwrap_or_default()
    }

    /// What a verb answers as JSON, asked of the running daemon.
    pub fn ask(&self, verb: &[&str]) -> Value {
        let output = self.command(&[verb, &["--json"]].concat()).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|reason| {
            panic!("{verb:?}: {reason}\n{}\n{}", String::from_utf8_lossy(&output.stderr), self.log())
        })
    }

    /// The database, for reading.
    pub fn database(&self) -> Connection {
        let path = self.root().join("state/smdrd.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(path, flags).unwrap();
        database.busy_timeout(Duration::from_secs(30)).unwrap();
        database
    }

    /// How many lines are committed.
    pub fn committed(&self) -> usize {
        self.number("SELECT coalesce(max(seq), 0) FROM line") as usize
    }

    /// Looks at every stored line after the first `known`: they must be the printed ones in order, each once, apart from
    /// what is masked. Answers with how many lines are stored.
    pub fn match_lines(&self, known: usize, printed: &[String]) -> usize {
        let database = self.database();
        let mut query = database.prepare("SELECT seq, text FROM line WHERE seq > ?1 ORDER BY seq").unwrap();
        let mut rows = query.query([known as i64]).unwrap();
        let mut count = known;
        while let Some(row) = rows.next().unwrap() {
            let text: Vec<u8> = row.get(1).unwrap();
            let line = printed[count].as_bytes();
            count += 1;
            assert_eq!(row.get::<_, i64>(0).unwrap(), count as i64, "a gap or a double");
            let masked = |(kept, byte): (&u8, &u8)| {
                kept == byte || *kept == b'A' || (byte.is_ascii_digit() && matches!(kept, b'0' | b'9'))
            };
            let same = text.len() == line.len() && text.iter().zip(line).all(masked);
            assert!(same, "line {count} is {:?}, not {:?}", String::from_utf8_lossy(&text), printed[count - 1]);
        }
        count
    }

    /// One number from the database.
    pub fn number(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Waits until so many lines are committed.
    pub fn wait_for(&mut self, lines: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let committed = self.committed();
            if committed >= lines {
                return;
            }
            let ended = self.daemon.as_mut().is_some_and(|daemon| daemon.try_wait().unwrap().is_some());
            assert!(!ended, "the daemon has ended\n{}", self.log());
            assert!(Instant::now() < deadline, "{committed} of {lines} lines after {PATIENCE:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for PracticeBox {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Prints lines on a link as fast as it takes them; answers with how many went out whole before it broke.
pub fn print(mut link: &TcpStream, lines: &[String]) -> usize {
    for (place, portion) in lines.chunks(256).enumerate() {
        let bytes: String = portion.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
        if link.write_all(bytes.as_bytes()).is_err() {
            return place * 256;
        }
    }
    lines.len()
}
