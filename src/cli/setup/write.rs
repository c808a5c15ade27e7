//! The configuration as text, and files put in place: whole or not at all, with what was there kept beside them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Line, Way};
use crate::config;

/// The answers.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub state_dir: Option<PathBuf>,
    pub runtime_dir: Option<PathBuf>,
    pub device: Option<String>,
    pub ods: String,
    pub site: String,
    pub callback: bool,
    pub menu: bool,
    pub source: String,
    pub dialect: String,
    /// What people call the PBX.
    pub pbx: String,
    pub options: BTreeMap<String, String>,
    pub way: Way,
    /// Station and role.
    pub stations: BTreeMap<String, &'static str>,
    /// Trunk and role.
    pub trunks: BTreeMap<String, &'static str>,
    pub own: Vec<String>,
    pub access: Vec<String>,
    pub supplier: Option<Supplier>,
}

/// Where days go.
#[derive(Debug, Clone, Default)]
pub(super) struct Supplier {
    pub url: String,
    pub ca_file: Option<PathBuf>,
    pub proxy: Option<String>,
    pub approve: bool,
    /// The box signs with a key of its own; else it has a token.
    pub signs: bool,
}

impl Draft {
    /// A draft that is good as it is, for looking at one answer at a time.
    pub fn example() -> Draft {
        Draft {
            state_dir: None,
            runtime_dir: None,
            device: None,
            ods: "A81001".to_owned(),
            site: "main".to_owned(),
            callback: false,
            menu: false,
            source: "pbx".to_owned(),
            dialect: "avaya-ipoffice".to_owned(),
            pbx: String::new(),
            options: BTreeMap::new(),
            way: Way::Serial { path: "/dev/serial/by-id/adapter".into(), line: None },
            stations: BTreeMap::new(),
            trunks: BTreeMap::new(),
            own: vec!["01632960100".to_owned()],
            access: Vec::new(),
            supplier: None,
        }
    }

    /// What is wrong with the field at `path`, by the configuration's own rules.
    pub fn fault(&self, path: &str) -> Option<String> {
        let error = config::inspect_text(Path::new("smdrd.toml"), &self.text(), &[]).err()?;
        let fault = error.faults().iter().find(|fault| {
            fault.severity == config::Severity::Fault
                && (fault.field == path || fault.field.starts_with(&format!("{path}[")))
        })?;
        Some(format!("{}; {}", fault.reason, fault.remedy))
    }

    /// The file.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "# Written by `smdrd setup`. Every key: /usr/share/doc/smdrd/reference.toml; after a change: `smdrd check`, then\n\
             # `systemctl restart smdrd`. No secret belongs here.\n",
        );
        let mut line = |what: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{what}");
        };
        for (key, path) in [("state-dir", &self.state_dir), ("runtime-dir", &self.runtime_dir)] {
            if let Some(path) = path {
                line(format_args!("{key} = {}", quoted(&path.display().to_string())));
            }
        }
        match &self.device {
            Some(device) => {
                line(format_args!("\n# The name of this box towards the supplier.\ndevice = {}", quoted(device)))
            }
            None => line(format_args!("\n# The name of this box towards the supplier is made up at the first start.")),
        }
        line(format_args!("\n# Whose calls they are.\n[[practice]]"));
        line(format_args!("ods = {}\nsite = {}", quoted(&self.ods), quoted(&self.site)));
        line(format_args!(
            "\n# What exists at the site and the PBX cannot show is unknown in the figures, and not 0.\n[features]"
        ));
        line(format_args!("callback = {}\nauto-attendant = {}", self.callback, self.menu));
        line(format_args!("\n# {}\n[[source]]", if self.pbx.is_empty() { "The PBX." } else { &self.pbx }));
        line(format_args!("name = {}\ndialect = {}", quoted(&self.source), quoted(&self.dialect)));
        if !self.options.is_empty() {
            line(format_args!("[source.options]"));
        }
        for (name, value) in &self.options {
            line(format_args!("{} = {}", key(name), quoted(value)));
        }
        line(format_args!("{}", self.way.table()));
        for (title, table, roles) in [
            ("Stations that are no person's telephone.", "stations", &self.stations),
            ("Trunks that are no exchange lines.", "trunks", &self.trunks),
        ] {
            if !roles.is_empty() {
                line(format_args!("\n# {title}\n[roles.{table}]"));
            }
            for (name, role) in roles {
                line(format_args!("{} = {}", quoted(name), quoted(role)));
            }
        }
        line(format_args!("\n# The practice's own numbers, kept in clear: nobody else's belong here.\n[numbers]"));
        line(format_args!("own = {}", list(&self.own)));
        if !self.access.is_empty() {
            line(format_args!("access-digits = {}", list(&self.access)));
        }
        match &self.supplier {
            Some(supplier) => {
                let proof = match supplier.signs {
                    true => "This box signs with a key of its own (smdrd enrol).",
                    false => "The token is the credential supplier-token of the service.",
                };
                line(format_args!("\n# Where a closed day is sent. {proof}"));
                line(format_args!("[supplier]\nurl = {}", quoted(&supplier.url)));
                if supplier.signs {
                    line(format_args!("auth = \"signature\""));
                }
                if let Some(path) = &supplier.ca_file {
                    line(format_args!("ca-file = {}", quoted(&path.display().to_string())));
                }
                if let Some(proxy) = &supplier.proxy {
                    line(format_args!("proxy = {}", quoted(proxy)));
                }
                if supplier.approve {
                    line(format_args!("approve = true"));
                }
            }
            None => line(format_args!("\n# No [supplier]: days are kept and not sent.")),
        }
        text
    }
}

impl Way {
    fn table(&self) -> String {
        match self {
            Way::Serial { path, line } => {
                let path = quoted(&path.display().to_string());
                let Line { baud, data_bits, parity } = line.clone().unwrap_or_default();
                let parity = quoted(&parity);
                format!("[source.serial]\npath = {path}\nbaud = {baud}\ndata-bits = {data_bits}\nparity = {parity}")
            }
            Way::Listen { address, allow } => {
                let allow: Vec<String> = allow.iter().map(ToString::to_string).collect();
                let address = quoted(&address.to_string());
                format!("[source.tcp-listen]\naddress = {address}\nallow = {}", list(&allow))
            }
            Way::Connect { host, port, password_file } => {
                let mut text = format!("[source.tcp-connect]\nhost = {}\nport = {port}", quoted(host));
                if let Some(path) = password_file {
                    text += &format!("\npassword-file = {}", quoted(&path.display().to_string()));
                }
                text
            }
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { name.to_owned() } else { quoted(name) }
}

fn list(values: &[String]) -> String {
    toml::Value::Array(values.iter().cloned().map(toml::Value::String).collect()).to_string()
}

/// Puts `text` at `path`, whole or not at all. What was there is kept beside it under the name that is given back; a file
/// that says the same already stays as it is.
pub(super) fn put(path: &Path, text: &[u8], mode: u32) -> std::io::Result<Option<PathBuf>> {
    replace(path, text, mode, keep)
}

/// The same for a secret: of an earlier one no copy stays.
pub(super) fn put_secret(path: &Path, text: &[u8]) -> std::io::Result<()> {
    replace(path, text, 0o600, |_| Ok(None)).map(drop)
}

fn replace(
    path: &Path,
    text: &[u8],
    mode: u32,
    keep: impl Fn(&Path) -> std::io::Result<Option<PathBuf>>,
) -> std::io::Result<Option<PathBuf>> {
    if std::fs::read(path).is_ok_and(|old| old == text) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        return Ok(None);
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let new = beside(path, ".new");
    let _ = std::fs::remove_file(&new);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    // The mode that was asked for, whatever the umask takes off.
    let written = std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode))
        .and_then(|()| file.write_all(text))
        .and_then(|()| file.sync_all())
        .and_then(|()| keep(path))
        .and_then(|kept| std::fs::rename(&new, path).map(|()| kept));
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    let kept = written?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(kept)
}

/// A second name for what is at `path`, so that it is there when the first name goes over to the new file.
fn keep(path: &Path) -> std::io::Result<Option<PathBuf>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let names = std::iter::once(".bak".to_owned()).chain((2..100).map(|number| format!(".bak{number}")));
    for name in names {
        let kept = beside(path, &name);
        match std::fs::hard_link(path, &kept) {
            Ok(()) => return Ok(Some(kept)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("there are 99 copies of earlier files beside it; remove some"))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_the_answers_and_passes_the_check() {
        let mut draft = Draft {
            device: Some("smdrd-riverside".to_owned()),
            site: "branch".to_owned(),
            menu: true,
            options: [("date_order".to_owned(), "DMY".to_owned())].into(),
            stations: [("300".to_owned(), "hunt-group"), ("V9501".to_owned(), "auto-attendant")].into(),
            trunks: [("9005".to_owned(), "tie")].into(),
            access: vec!["9".to_owned()],
            ..Draft::example()
        };
        let read = |draft: &Draft| {
            let text = draft.text();
            config::inspect_text(Path::new("x"), &text, &[])
                .unwrap_or_else(|error| panic!("{}\n{text}", error.report()))
        };
        let checked = read(&draft);
        assert!(checked.warnings.is_empty(), "{:?}", checked.warnings);
        let config = checked.config;
        assert_eq!(config.device.unwrap().get_ref(), "smdrd-riverside");
        assert_eq!(
            (config.practice[0].ods.get_ref().as_str(), config.practice[0].site.get_ref().as_str()),
            ("A81001", "branch")
        );
        assert_eq!((config.features.callback, config.features.auto_attendant), (false, true));
        assert_eq!(config.source[0].options["date_order"], "DMY");
        assert_eq!(config.roles.stations["300"], config::StationRole::HuntGroup);
        assert_eq!(config.roles.trunks["9005"], config::TrunkRole::Tie);
        assert_eq!(config.source[0].serial.as_ref().unwrap().get_ref().baud.get_ref(), &9600);

        draft.way =
            Way::Listen { address: "0.0.0.0:8808".parse().unwrap(), allow: vec!["192.0.2.10".parse().unwrap()] };
        draft.supplier =
            Some(Supplier { url: "https://feed.supplier.example".to_owned(), approve: true, ..Supplier::default() });
        let config = read(&draft).config;
        assert_eq!(config.source[0].tcp_listen.as_ref().unwrap().get_ref().allow.len(), 1);
        assert!(config.supplier.unwrap().approve);
        draft.way = Way::Connect { host: "pbx.example".to_owned(), port: 1752, password_file: Some("/etc/x".into()) };
        assert_eq!(read(&draft).config.source[0].tcp_connect.as_ref().unwrap().get_ref().port, 1752);
    }

    #[test]
    fn an_answer_is_judged_by_the_rules_of_the_configuration() {
        let fault = |draft: Draft, path: &str| draft.fault(path);
        assert_eq!(fault(Draft::example(), "practice[0].ods"), None);
        let said = fault(Draft { ods: "a8100l".to_owned(), ..Draft::example() }, "practice[0].ods").unwrap();
        assert!(said.contains("ODS"), "{said}");
        let said = fault(Draft { ods: "a81001".to_owned(), ..Draft::example() }, "practice[0].ods").unwrap();
        assert!(said.contains("write \"A81001\""), "{said}");
        let said = fault(Draft { own: vec!["0163296".to_owned()], ..Draft::example() }, "numbers.own").unwrap();
        assert!(said.contains("digits"), "{said}");
        // Another answer's fault is not this one's.
        assert_eq!(fault(Draft { own: vec!["x".to_owned()], ..Draft::example() }, "practice[0].ods"), None);
    }

    #[test]
    fn what_was_there_is_kept_and_nothing_half_is_left() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/smdrd.toml");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(put(&path, b"one", 0o644).unwrap(), None);
        assert_eq!(put(&path, b"one", 0o600).unwrap(), None, "the same is not kept twice");
        assert_eq!(mode(&path), 0o600);
        let first = put(&path, b"two", 0o644).unwrap().unwrap();
        let second = put(&path, b"three", 0o644).unwrap().unwrap();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!((read(&path), read(&first), read(&second)), ("three".into(), "one".into(), "two".into()));
        assert_eq!(mode(&path), 0o644);
        assert_eq!(
            (first.file_name().unwrap(), second.file_name().unwrap()),
            ("smdrd.toml.bak".as_ref(), "smdrd.toml.bak2".as_ref())
        );
        // A folder is in the way: nothing is left behind.
        let blocked = place.path().join("folder");
        std::fs::create_dir(&blocked).unwrap();
        assert!(put(&blocked, b"x", 0o644).is_err());
        let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
    }
}
