//! Where the demo plays: a directory with everything in it, and the configuration that both sides read.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::DemoError;
use super::programme::{ANNEXE, DEVICE, RECEPTION, SURGERY};
use crate::simulator::scenario::site;

/// Whose day it is.
pub const ODS: &str = "A81001";
/// Which of the practice's sites.
pub const SITE: &str = "main";
/// The longest path that a Unix socket can have on Linux, its end mark left out.
const SOCKET_PATH: usize = 107;

/// What the Panasonic wants to hear, other than as delivered.
pub const PBX_PASSWORD: &str = "ANNEXE26";

/// Where the daemon finds its PBXs and its supplier.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    /// Where it listens for the IP Office.
    pub reception: SocketAddr,
    /// The serial line of the HiPath.
    pub surgery: &'a Path,
    /// Where the Panasonic listens.
    pub annexe: SocketAddr,
    /// Where the supplier is.
    pub supplier: SocketAddr,
}

/// The directory of a demo.
pub struct Stage {
    root: PathBuf,
    temporary: bool,
    keep: bool,
}

impl Stage {
    /// Makes the directory: `wanted`, which must be empty or new, or a new one among the temporary files.
    pub fn set(wanted: Option<PathBuf>) -> Result<Stage, DemoError> {
        let temporary = wanted.is_none();
        let root = match wanted {
            Some(path) => path,
            None => std::env::temp_dir().join(format!("smdrd-demo-{}", secret(6)?)),
        };
        let failed = |path: &Path, reason| DemoError::Directory { path: path.to_owned(), reason };
        let make = |path: &Path| {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|reason| failed(path, reason))
        };
        make(&root)?;
        let root = root.canonicalize().map_err(|reason| failed(&root, reason))?;
        let mut entries = std::fs::read_dir(&root).map_err(|reason| failed(&root, reason))?;
        if entries.next().is_some() {
            return Err(DemoError::Occupied { path: root });
        }
        let stage = Stage { root, temporary, keep: false };
        let socket = stage.control_socket();
        if socket.as_os_str().len() > SOCKET_PATH {
            return Err(DemoError::PathTooLong { path: socket, most: SOCKET_PATH });
        }
        for part in ["state", "run", "log"] {
            make(&stage.root.join(part))?;
        }
        Ok(stage)
    }

    /// Says that the directory stays, whatever its kind.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it will still be there when the demo is over.
    pub fn stays(&self) -> bool {
        self.keep || !self.temporary
    }

    /// Where the messages of a process go.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("log").join(format!("{name}.log"))
    }

    /// The directory of all messages.
    pub fn logs(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The configuration of the daemon.
    pub fn config(&self) -> PathBuf {
        self.root.join("smdrd.toml")
    }

    /// The daemon's control socket, which is there when it is ready.
    pub fn control_socket(&self) -> PathBuf {
        self.root.join("run").join("control.sock")
    }

    /// The receiver's database.
    pub fn supplier_store(&self) -> PathBuf {
        self.root.join("supplier.db")
    }

    /// The receiver's list of tokens.
    pub fn tokens(&self) -> PathBuf {
        self.root.join("tokens")
    }

    /// Writes the two files that let the daemon in at the receiver: its token, and the receiver's list of tokens.
    pub fn write_tokens(&self, token: &str) -> Result<(), DemoError> {
        self.write("token", &format!("{token}\n"))?;
        self.write("tokens", &token_list(token))
    }

    /// Writes the configuration of the daemon, and the file with the password that the Panasonic wants.
    pub fn write_config(&self, links: &Links<'_>) -> Result<(), DemoError> {
        let Links { reception, surgery, annexe, supplier } = links;
        self.write("pbx-password", &format!("{PBX_PASSWORD}\n"))?;
        let quoted = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned()).to_string();
        let text = format!(
            r#"# Written by `smdrd demo`.
state-dir = {state}
runtime-dir = {run}
dialects-dir = {dialects}
device = "{DEVICE}"

[[practice]]
ods = "{ODS}"
site = "{SITE}"

[features]
callback = false
auto-attendant = true

[[source]]
name = "{RECEPTION}"
dialect = "avaya-ipoffice"
# Nobody calls before the day that is played.
silence-minutes = 0
[source.tcp-listen]
address = "{reception}"
allow = ["127.0.0.1"]

[[source]]
name = "{SURGERY}"
dialect = "siemens-hipath3000"
silence-minutes = 0
[source.serial]
path = {surgery}
baud = 9600

[[source]]
name = "{ANNEXE}"
dialect = "panasonic-kx"
silence-minutes = 0
[source.tcp-connect]
host = "{host}"
port = {port}
password-file = {password}

[roles.stations]
"V{menu}" = "auto-attendant"
"V{mailbox}" = "voicemail"
"{surgery_mailbox}" = "voicemail"
"{group}" = "hunt-group"
"{annexe_mailbox}" = "voicemail"

[numbers]
own = ["01632960100-01632960199"]
access-digits = ["{access}"]

[supplier]
url = "http://{supplier}"
token-file = {token}
"#,
            state = quoted(&self.root.join("state")),
            run = quoted(&self.root.join("run")),
            dialects = quoted(&self.root.join("dialects")),
            surgery = quoted(surgery),
            menu = site::MENU_PORT,
            mailbox = site::MAILBOX_PORT,
            surgery_mailbox = site::SURGERY_MAILBOX,
            group = site::ANNEXE_GROUP,
            annexe_mailbox = site::ANNEXE_MAILBOX,
            host = annexe.ip(),
            port = annexe.port(),
            password = quoted(&self.root.join("pbx-password")),
            access = site::ACCESS_DIGIT,
            token = quoted(&self.root.join("token")),
        );
        self.write("smdrd.toml", &text)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), DemoError> {
        let path = self.root.join(name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|reason| DemoError::Directory { path, reason })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.stays() {
            let _ = std::fs::remove_dir_all(&self.root);
        }
    }
}

/// The receiver's list of tokens, one line a device: its token and the practices it may send for.
fn token_list(token: &str) -> String {
    format!("{token} {ODS}\n")
}

/// Chance from the operating system, as hexadecimal digits.
pub fn secret(bytes: usize) -> Result<String, DemoError> {
    let mut chance = vec![0; bytes];
    getrandom::fill(&mut chance).map_err(DemoError::NoChance)?;
    Ok(chance.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A port of this machine that nobody uses at the moment.
pub fn free_port() -> Result<SocketAddr, DemoError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(DemoError::NoPort)?;
    listener.local_addr().map_err(DemoError::NoPort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_configuration_is_one_that_the_crate_can_read() {
        let mut stage = Stage::set(None).unwrap();
        let address: SocketAddr = "127.0.0.1:40123".parse().unwrap();
        let links = Links { reception: address, surgery: Path::new("/dev/pts/7"), annexe: address, supplier: address };
        stage.write_config(&links).unwrap();
        stage.write_tokens("abc").unwrap();
        let text = std::fs::read_to_string(stage.config()).unwrap();
        let config: crate::config::Config = toml::from_str(&text).unwrap();
        assert_eq!(config.source.len(), 3);
        assert_eq!(config.roles.stations.len(), 5);
        assert_eq!(config.source[0].tcp_listen.as_ref().unwrap().get_ref().address, address);
        assert_eq!(config.source[2].tcp_connect.as_ref().unwrap().get_ref().port, 40123);
        let mode = std::fs::metadata(stage.tokens()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let root = stage.root().to_owned();
        stage.keep();
        drop(stage);
        assert!(root.exists());
        assert!(matches!(Stage::set(Some(root.clone())), Err(DemoError::Occupied { .. })));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_temporary_directory_goes_and_a_named_one_stays() {
        let stage = Stage::set(None).unwrap();
        let root = stage.root().to_owned();
        drop(stage);
        assert!(!root.exists());
        let named = std::env::temp_dir().join(format!("smdrd-demo-test-{}", secret(6).unwrap()));
        drop(Stage::set(Some(named.clone())).unwrap());
        assert!(named.join("log").exists());
        std::fs::remove_dir_all(&named).unwrap();
        let deep = named.join("d".repeat(100));
        assert!(matches!(Stage::set(Some(deep)), Err(DemoError::PathTooLong { .. })));
        std::fs::remove_dir_all(named).unwrap();
    }
}
