//! A directory with everything that set-up writes, and PBXs for it to find.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

#[path = "../machine/patience.rs"]
mod patience;
#[path = "../machine/ports.rs"]
mod ports;

pub use patience::{WITHIN, wait_for};
pub use ports::free_port;

/// Where set-up writes.
pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        let shm = Path::new("/dev/shm");
        let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
        let place = Place { dir: dir.unwrap() };
        std::fs::create_dir(place.path("run")).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// `smdrd setup` with the places of this test.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdrd"));
        command.arg("setup").arg("--config").arg(self.path("etc/smdrd/smdrd.toml"));
        command.arg("--state-dir").arg(self.path("state")).arg("--runtime-dir").arg(self.path("run"));
        command.arg("--root").arg(self.dir.path()).arg("--dialects").arg(self.path("dialects"));
        command.env_remove("JOURNAL_STREAM").env_remove("SMDRD_LOG");
        command
    }

    /// Runs it to its end, with nobody at the terminal.
    pub fn run(&self, flags: &[&str]) -> (Option<i32>, String) {
        said(self.command().args(flags).stdin(Stdio::null()).output().unwrap())
    }

    fn verb(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdrd"));
        command.arg(verb).arg("--config").arg(self.path("etc/smdrd/smdrd.toml")).stdin(Stdio::null());
        command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM").env_remove("SMDRD_LOG");
        command
    }

    /// What `smdrd check` says of what was written.
    pub fn check(&self) -> (Option<i32>, String) {
        said(self.verb("check").output().unwrap())
    }

    /// Starts the daemon on what was written; the token comes as the service manager hands it in.
    pub fn daemon(&self) -> Daemon {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let mut command = self.verb("run");
        command.env("CREDENTIALS_DIRECTORY", self.path("etc/credstore")).stdout(Stdio::null()).stderr(log);
        let mut daemon = Daemon(command.spawn().unwrap());
        let socket = self.path("run/control.sock");
        wait_for("the daemon", || {
            assert_eq!(daemon.0.try_wait().unwrap(), None, "{}", self.text("log"));
            socket.exists().then_some(())
        });
        daemon
    }

    pub fn status(&self) -> Value {
        let output = self.verb("status").arg("--json").output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output).1))
    }
}

fn said(output: Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

pub struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lines of an IP Office: lost, answered, answered and passed on, and others between. Each goes out again every other second,
/// as on a busy morning.
pub const IP_OFFICE: &str = "\
2026/11/20 09:28:41,00:00:00,9,01632960200,I,300,960100,,0,1000155,0,E4324,Extn4324,T9161,Line 5.1,0,0,,,,,,,,,,,,,\r\n\
2026/11/20 09:29:02,00:00:31,6,07700900123,I,300,960100,,0,1000156,0,E4325,Extn4325,T9162,Line 5.2,0,0,,,,,,,,,,,,,\r\n\
2026/11/20 09:30:57,00:00:13,7,07700900124,I,300,960100,,0,1000160,1,E4326,Extn4326,T9163,Line 5.3,0,0,,,,,,,,,,,,,\r\n\
2026/11/20 09:30:57,00:00:21,0,07700900124,I,300,960100,,0,1000160,0,E4327,Extn4327,T9163,Line 5.3,0,0,,,,,,,,,,,,,\r\n\
2026/11/20 09:33:10,00:00:44,4,4326,O,4327,4327,,1,1000161,0,E4326,Extn4326,E4327,Extn4327,0,0,,,,,,,,,,,,,\r\n";

/// A PBX that prints the same lines over and over, on every link there is.
pub struct Printing {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    pub port: u16,
}

impl Printing {
    /// It listens.
    pub fn listening() -> Printing {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut links: Vec<TcpStream> = Vec::new();
        Printing::start(port, move || {
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(false).unwrap();
                links.push(stream);
            }
            links.retain_mut(|stream| stream.write_all(IP_OFFICE.as_bytes()).is_ok());
        })
    }

    /// It connects to the box at `port`, again and again.
    pub fn connecting(port: u16) -> Printing {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut link: Option<TcpStream> = None;
        Printing::start(port, move || {
            if link.is_none() {
                link = TcpStream::connect(address).ok();
            }
            link = link.take().and_then(|mut stream| stream.write_all(IP_OFFICE.as_bytes()).ok().map(|()| stream));
        })
    }

    fn start(port: u16, mut turn: impl FnMut() + Send + 'static) -> Printing {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                turn();
                std::thread::sleep(Duration::from_millis(1_500));
            }
        });
        Printing { stop, thread: Some(thread), port }
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

/// No caller of [`IP_OFFICE`] and no token stands in `text`.
#[track_caller]
pub fn assert_private(text: &str) {
    for secret in ["01632960200", "07700900123", "07700900124", super::feed::TOKEN] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
