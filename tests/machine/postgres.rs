//! A PostgreSQL server of a test's own: in a folder that goes with it, on a socket and a port of its own, and as a user who may
//! do nothing, since PostgreSQL does not run as root.
// Several test programs share this file; none uses all of it.
#![allow(dead_code)]

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Who owns the databases, and with what password over TCP.
pub const ROLE: &str = "feed";
pub const PASSWORD: &str = "geheim-wie-nie";
/// The rig's own role, over the socket.
const ADMIN: &str = "rig";
/// `nobody` on every Linux.
const NOBODY: u32 = 65_534;

pub struct Server {
    place: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    settings: Vec<String>,
    child: Child,
}

/// The folder with `initdb` and `postgres`, the newest where there are several.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/local/bin".into()]).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    let number = |path: &PathBuf| path.iter().nth_back(1).and_then(|name| name.to_str()?.parse::<u32>().ok());
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    folders.append(&mut versions);
    folders.into_iter().find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).exists()))
}

/// A server, or nothing where none is installed, which is said loudly.
pub fn server(port: u16) -> Option<Server> {
    server_with(port, &[])
}

/// The same with settings of its own.
pub fn server_with(port: u16, settings: &[&str]) -> Option<Server> {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    let Some(programs) = programs() else {
        crate::loudly::say_loudly(
            "the store on PostgreSQL: there is no PostgreSQL server; packaging/test-postgres installs one",
        );
        return None;
    };
    let place = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
    if rustix::process::geteuid().is_root() {
        chown(place.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let mut initdb = as_nobody(&programs.join("initdb"), place.path());
    initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth-local=trust", "--username", ADMIN, "-D"]);
    let output = initdb.arg(place.path().join("data")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let hba = place.path().join("data/pg_hba.conf");
    std::fs::write(&hba, "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n").unwrap();
    let child = start(&programs, place.path(), port, &settings);
    let server = Server { place, programs, port, settings, child };
    server.wait();
    server.sql("postgres", &format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'"));
    Some(server)
}

fn as_nobody(program: &Path, place: &Path) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        let mut command = Command::new("setpriv");
        command.args([&user, &group, "--clear-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(place).stdin(Stdio::null());
    command
}

fn start(programs: &Path, place: &Path, port: u16, settings: &[String]) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(place.join("log")).unwrap();
    let mut command = as_nobody(&programs.join("postgres"), place);
    command.arg("-D").arg(place.join("data")).arg("-k").arg(place).args(["-p", &port.to_string()]);
    // A test's database need not outlive a power cut.
    for setting in ["listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "max_connections=80"] {
        command.args(["-c", setting]);
    }
    for setting in settings {
        command.args(["-c", setting]);
    }
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

impl Server {
    /// A new database, and its address over the socket.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
        self.store(name)
    }

    /// The address of a database over the socket.
    pub fn store(&self, name: &str) -> String {
        format!("postgres://{ROLE}@/{name}?host={}&port={}", self.place.path().display(), self.port)
    }

    /// The same over TCP, where the password is asked for.
    pub fn over_tcp(&self, host: &str, name: &str) -> String {
        format!("postgres://{ROLE}@{host}:{}/{name}", self.port)
    }

    /// Rows of a statement as text; a statement that fails is a failed test.
    #[track_caller]
    pub fn sql(&self, database: &str, statement: &str) -> Vec<Vec<String>> {
        self.try_sql(ADMIN, database, statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// Rows of a statement as a role, or what the server says against it.
    pub fn try_sql(&self, role: &str, database: &str, statement: &str) -> Result<Vec<Vec<String>>, String> {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.place.path()).port(self.port).user(role).dbname(database);
        let said = |error: tokio_postgres::Error| {
            error.as_db_error().map_or_else(|| error.to_string(), |refusal| refusal.message().to_owned())
        };
        let asked = async || {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(said)?;
            tokio::spawn(connection);
            let messages = client.simple_query(statement).await.map_err(said)?;
            let rows = messages.iter().filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let text = |row: &tokio_postgres::SimpleQueryRow, column| row.get(column).unwrap_or_default().to_owned();
            Ok(rows.map(|row| (0..row.len()).map(|column| text(row, column)).collect()).collect())
        };
        // On a thread of its own, for it is asked in the middle of things that have a runtime.
        std::thread::scope(|scope| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            scope.spawn(move || runtime.block_on(asked())).join().unwrap()
        })
    }

    /// Ends the server: `INT` lets nobody finish, `QUIT` is as good as a crash.
    pub fn stop(&mut self, how: Signal) {
        kill_process(Pid::from_child(&self.child), how).unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again.
    pub fn start(&mut self) {
        self.child = start(&self.programs, self.place.path(), self.port, &self.settings);
        self.wait();
    }

    /// Has it speak TLS with a certificate from its next start on.
    pub fn encrypt(&mut self, certificate: &Path, key: &Path) {
        for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = self.place.path().join("data").join(to);
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
            if rustix::process::geteuid().is_root() {
                chown(&to, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        self.settings.push("ssl=on".to_owned());
    }

    /// The process that all of its others are children of: as nobody, it is what was started, which became it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait(&self) {
        let ready = || self.try_sql(ADMIN, "postgres", "SELECT 1").ok();
        let log = || std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default();
        for _ in 0..2_400 {
            if ready().is_some() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the server does not answer: {}", log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::QUIT);
        let _ = self.child.wait();
    }
}
