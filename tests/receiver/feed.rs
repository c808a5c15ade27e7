//! The real `smdr-feed serve`, in a folder of its own.
// Two test programs share this file; neither uses all of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use super::authority::Identity;

pub const TOKEN: &str = "token-of-the-first-box";

pub struct Feed {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub address: String,
    pub folder: PathBuf,
}

/// A file that only its owner can read.
pub fn private_file(path: &Path, text: &str) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

impl Feed {
    /// Starts one, with the first box's token for A81001; what an earlier one kept in the folder is found again.
    pub fn start(folder: &Path, identity: Option<&Identity>) -> Feed {
        Feed::start_with(folder, identity, &[])
    }

    pub fn start_with(folder: &Path, identity: Option<&Identity>, more: &[&str]) -> Feed {
        Feed::start_on(folder.join("store.db").to_str().unwrap(), folder, identity, more)
    }

    /// Starts one on a store that need not be in its folder.
    pub fn start_on(store: &str, folder: &Path, identity: Option<&Identity>, more: &[&str]) -> Feed {
        let tokens = folder.join("tokens");
        if !tokens.exists() {
            private_file(&tokens, &format!("{TOKEN} A81001\n"));
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", store]);
        command.arg("--tokens").arg(tokens).args(more).env_remove("RUST_LOG");
        if let Some(Identity { cert, key }) = identity {
            command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("said {line:?}")).to_owned();
        Feed { child, stdout, address, folder: folder.to_owned() }
    }

    /// The address that is told on the second line, where it was asked for.
    pub fn metrics_address(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim().strip_prefix("metrics on ").unwrap_or_else(|| panic!("said {line:?}")).to_owned()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL for TLS, by name, since certificates bear names.
    pub fn https(&self) -> String {
        format!("https://localhost:{}", self.address.rsplit(':').next().unwrap())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// A reading connection to its store.
    pub fn store(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.join("store.db")).unwrap()
    }

    pub fn revisions(&self) -> u32 {
        self.store().query_row("SELECT count(*) FROM day_revision", [], |row| row.get(0)).unwrap()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let store = self.folder.join("store.db");
        if store.exists() && !std::thread::panicking() {
            super::schema::assert_all_valid(&rusqlite::Connection::open(store).unwrap());
        }
    }
}
