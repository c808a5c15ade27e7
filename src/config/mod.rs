//! The configuration: one TOML file, read into types, then checked as a whole.
//!
//! [`read`] gives a [`Config`] or every fault found, each naming file, line, field, value, reason and remedy. Unknown
//! keys are refused. Nothing here opens a port, a database or a connection.

mod alerts;
mod check;
mod citation;
mod correction;
mod document;
mod error;
mod folder;
pub mod keys;
mod parse;
mod relay;
mod roles;
mod rules;
mod supplier;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use serde::Deserialize;
use toml::Spanned;

pub use alerts::{Alerts, Mail, MailSecurity};
pub use check::{Checked, inspect, inspect_text, read, read_with};
pub use correction::ClockCorrection;
pub use error::{ConfigError, Fault, Severity};
pub use folder::Folder;
pub use relay::{Relay, RelayConnect, is_on_site};
pub use roles::{DivertedOutside, Roles, StationRole, TrunkRole};
pub use supplier::{Supplier, SupplierAuth};

/// Everything a site says about itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where the database is kept. Default `/var/lib/smdrd`.
    #[serde(default = "default_state_dir")]
    pub state_dir: PathBuf,
    /// Where keys, the lock and the control socket are; must be in memory (tmpfs). Default `/run/smdrd`.
    #[serde(default = "default_runtime_dir")]
    pub runtime_dir: PathBuf,
    /// Where the site's own dialect files are. Default `/etc/smdrd/dialects`.
    #[serde(default = "default_dialects_dir")]
    pub dialects_dir: PathBuf,
    /// The civil time zone of the practice. Default `Europe/London`.
    #[serde(default = "default_zone")]
    pub zone: Spanned<String>,
    /// Name of this box towards the supplier; made up at first start when absent.
    pub device: Option<Spanned<String>>,
    /// The practices this PBX serves.
    #[serde(default)]
    pub practice: Vec<Practice>,
    /// Others on the same PBX: counted here, never sent.
    #[serde(default)]
    pub other_tenant: Vec<OtherTenant>,
    /// Which features the site has at all.
    #[serde(default)]
    pub features: Features,
    /// Where lines come from.
    #[serde(default)]
    pub source: Vec<Source>,
    /// Stations and trunks that are not what they look like.
    #[serde(default)]
    pub roles: Roles,
    /// What is the practice's own in the numbering plan.
    #[serde(default)]
    pub numbers: Numbers,
    /// How calls may be linked within a day.
    #[serde(default)]
    pub privacy: Privacy,
    /// Where day documents go.
    pub supplier: Option<Supplier>,
    /// How long things are kept.
    #[serde(default)]
    pub retention: Retention,
    /// Whom alerts go to, beside the journal.
    pub alerts: Option<Spanned<Alerts>>,
    /// How much room the database may take.
    #[serde(default)]
    pub disk: Disk,
}

fn default_state_dir() -> PathBuf {
    "/var/lib/smdrd".into()
}

fn default_runtime_dir() -> PathBuf {
    "/run/smdrd".into()
}

fn default_dialects_dir() -> PathBuf {
    Config::default_dialects_dir().into()
}

fn default_zone() -> Spanned<String> {
    Spanned::new(0..0, "Europe/London".to_owned())
}

/// A practice served by the PBX.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Practice {
    /// ODS code, a letter and five digits.
    pub ods: Spanned<String>,
    /// Which of the practice's sites. Default `main`.
    #[serde(default = "default_site")]
    pub site: Spanned<String>,
    /// DDIs that belong to it; needed when there is more than one practice.
    #[serde(default)]
    pub ddis: Vec<String>,
    /// Trunks that belong to it.
    #[serde(default)]
    pub trunks: Vec<String>,
    /// Hunt groups and stations that belong to it.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Names of the sources that carry its calls, and that its lists speak of. Empty: all of them.
    #[serde(default)]
    pub sources: Vec<Spanned<String>>,
    /// Whether calls that are on nobody's list are its own.
    #[serde(default)]
    pub unmatched: bool,
    /// What it has of its own, where practices that share a PBX differ.
    #[serde(default)]
    pub features: Option<Features>,
}

impl Practice {
    /// Its three lists: DDIs, trunks, groups.
    pub fn lists(&self) -> [&[String]; 3] {
        [&self.ddis, &self.trunks, &self.groups]
    }

    /// Whether this source carries its calls.
    pub fn hears(&self, source: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|name| name.get_ref() == source)
    }
}

fn default_site() -> Spanned<String> {
    Spanned::new(0..0, "main".to_owned())
}

/// Another tenant of the same PBX.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtherTenant {
    /// A name for the site's own use.
    pub name: Spanned<String>,
    /// DDIs that belong to it.
    #[serde(default)]
    pub ddis: Vec<String>,
    /// Trunks that belong to it.
    #[serde(default)]
    pub trunks: Vec<String>,
    /// Hunt groups and stations that belong to it.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Names of the sources that its lists speak of. Empty: all of them.
    #[serde(default)]
    pub sources: Vec<Spanned<String>>,
    /// Whether calls that are on nobody's list are its own.
    #[serde(default)]
    pub unmatched: bool,
}

impl OtherTenant {
    /// Its three lists: DDIs, trunks, groups.
    pub fn lists(&self) -> [&[String]; 3] {
        [&self.ddis, &self.trunks, &self.groups]
    }
}

/// Which features exist at the site at all: what does not exist counts 0, what exists but is not shown counts null.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Features {
    /// Callers can book a call back in the queue.
    #[serde(default)]
    pub callback: bool,
    /// Callers hear a menu before they reach a person.
    #[serde(default)]
    pub auto_attendant: bool,
}

/// One PBX port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// A name for it, used in reports and in the day document.
    pub name: Spanned<String>,
    /// Which dialect its lines are in.
    pub dialect: Spanned<String>,
    /// Options of the dialect.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// A serial port.
    pub serial: Option<Spanned<Serial>>,
    /// A PBX that waits for us.
    pub tcp_connect: Option<Spanned<TcpConnect>>,
    /// A PBX that calls us.
    pub tcp_listen: Option<Spanned<TcpListen>>,
    /// A PBX that puts files to us by TFTP.
    pub tftp: Option<Spanned<TcpListen>>,
    /// A folder into which files are put.
    pub folder: Option<Spanned<Folder>>,
    /// An older call logger that goes on hearing the PBX.
    pub relay: Option<Spanned<Relay>>,
    /// Zone of the PBX's own wall clock, when it is not the practice's.
    pub zone: Option<Spanned<String>>,
    /// Whether its stamps are corrected by what its clock is off. Default no.
    pub clock_correction: Option<Spanned<ClockCorrection>>,
    /// Minutes of silence in core hours that are too many while it is not learnt what is normal. Default 60; 0: its
    /// silence is never judged.
    #[serde(default = "default_silence")]
    pub silence_minutes: Spanned<u32>,
    /// What its stations and trunks are, where two PBXs use one number for two things. Goes before `[roles]`.
    #[serde(default)]
    pub roles: Roles,
}

fn default_silence() -> Spanned<u32> {
    Spanned::new(0..0, 60)
}

impl Source {
    /// How long it may be silent in core hours while it is not learnt what is normal; zero: for ever.
    pub fn silence(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(*self.silence_minutes.get_ref()))
    }
}

/// A serial port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Serial {
    /// Path of the device; best one under `/dev/serial/by-id`.
    pub path: PathBuf,
    /// Bits per second. Default 9600.
    #[serde(default = "default_baud")]
    pub baud: Spanned<u32>,
    /// 5 to 8. Default 8.
    #[serde(default = "default_data_bits")]
    pub data_bits: Spanned<u8>,
    /// Default none.
    #[serde(default)]
    pub parity: Parity,
    /// 1 or 2. Default 1.
    #[serde(default = "default_stop_bits")]
    pub stop_bits: Spanned<u8>,
    /// Default none.
    #[serde(default)]
    pub flow: Flow,
    /// Whether to assert DTR; left alone when absent.
    pub dtr: Option<bool>,
    /// Whether to assert RTS; left alone when absent.
    pub rts: Option<bool>,
}

fn default_baud() -> Spanned<u32> {
    Spanned::new(0..0, 9600)
}

fn default_data_bits() -> Spanned<u8> {
    Spanned::new(0..0, 8)
}

fn default_stop_bits() -> Spanned<u8> {
    Spanned::new(0..0, 1)
}

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parity {
    /// No parity bit.
    #[default]
    None,
    /// Even parity.
    Even,
    /// Odd parity.
    Odd,
}

/// Flow control of a serial line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// None.
    #[default]
    None,
    /// XON and XOFF in the data.
    Software,
    /// RTS and CTS.
    Hardware,
}

/// A PBX that waits for us to connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TcpConnect {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Where the PBX answers when it does not at `host`: the second CPU of a pair.
    pub standby_host: Option<String>,
    /// File that holds the log-in password, where the PBX wants one.
    pub password_file: Option<PathBuf>,
}

/// A PBX that connects to us. Several sources may share an address when their allow-lists do not overlap.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TcpListen {
    /// Address and port to listen on.
    pub address: SocketAddr,
    /// Who may connect. Empty: refused by `check`.
    pub allow: Vec<IpAddr>,
}

/// What is the practice's own in the numbering plan.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Numbers {
    /// The practice's own numbers: single (`01632960100`) or ranges (`01632960100-01632960199`).
    #[serde(default)]
    pub own: Vec<Spanned<String>>,
    /// Digits that seize an outside line.
    #[serde(default)]
    pub access_digits: Vec<Spanned<String>>,
    /// Short codes that are nobody's number.
    #[serde(default)]
    pub short_codes: Vec<String>,
}

/// How calls may be linked within a day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Privacy {
    /// `none`, or `day` (the default). `window:N` needs a key bound to a TPM and is refused without one.
    #[serde(default = "default_linkage")]
    pub linkage: Spanned<String>,
    /// Whether lines that no rule understands are held as they came, in locked memory, for at most 24 hours, so that a
    /// dialect that is put right can read them again. Default yes.
    #[serde(default = "default_hold_unparsed")]
    pub hold_unparsed: bool,
}

impl Default for Privacy {
    fn default() -> Self {
        Privacy { linkage: default_linkage(), hold_unparsed: default_hold_unparsed() }
    }
}

fn default_hold_unparsed() -> bool {
    true
}

fn default_linkage() -> Spanned<String> {
    Spanned::new(0..0, "day".to_owned())
}

/// How long things are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retention {
    /// Lines and calls, in days by call date: 8 to 400. Default 45.
    #[serde(default = "default_call_days")]
    pub call_days: Spanned<u16>,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { call_days: default_call_days() }
    }
}

fn default_call_days() -> Spanned<u16> {
    Spanned::new(0..0, 45)
}

/// How much room the database may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Disk {
    /// MiB that the database may take before lines are taken away early: 64 to 1048576. Default 1024.
    #[serde(default = "default_budget_mib")]
    pub budget_mib: Spanned<u32>,
    /// MiB that are kept for the moment when the disk is full; 0 keeps none. At most 1024. Default 16.
    #[serde(default = "default_reserve_mib")]
    pub reserve_mib: Spanned<u32>,
}

impl Default for Disk {
    fn default() -> Self {
        Disk { budget_mib: default_budget_mib(), reserve_mib: default_reserve_mib() }
    }
}

fn default_budget_mib() -> Spanned<u32> {
    Spanned::new(0..0, 1024)
}

fn default_reserve_mib() -> Spanned<u32> {
    Spanned::new(0..0, 16)
}

impl Config {
    /// Whether calls that some PBX of a practice passes on outside are taken by its own people; without a practice, of
    /// any.
    pub fn sends_to_mobiles(&self, practice: Option<&Practice>) -> bool {
        let heard = |source: &&Source| practice.is_none_or(|practice| practice.hears(source.name.get_ref()));
        self.source.iter().filter(heard).any(|source| {
            let said = source.roles.diverted_outside.or(self.roles.diverted_outside);
            said.unwrap_or_default() == DivertedOutside::Staff
        })
    }

    /// The practice's numbering plan, for `privacy`.
    pub fn number_plan(&self) -> crate::number::NumberPlan {
        let range = |text: &str| {
            let plain = text.replace([' ', '+'], "");
            match plain.split_once('-') {
                Some((first, last)) => (first.into(), last.into()),
                None => (plain.as_str().into(), plain.as_str().into()),
            }
        };
        crate::number::NumberPlan {
            own: self.numbers.own.iter().map(|text| range(text.get_ref())).collect(),
            access: self.numbers.access_digits.iter().map(|text| text.get_ref().as_str().into()).collect(),
            short_codes: self.numbers.short_codes.iter().map(|code| code.as_str().into()).collect(),
            ddis: self
                .practice
                .iter()
                .flat_map(|practice| &practice.ddis)
                .chain(self.other_tenant.iter().flat_map(|tenant| &tenant.ddis))
                .map(|ddi| ddi.as_str().into())
                .collect(),
        }
    }

    /// The zone of the practice. `check` has made sure that it exists.
    pub fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(self.zone.get_ref()).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    /// The default path of the configuration.
    pub fn default_path() -> &'static Path {
        Path::new("/etc/smdrd/smdrd.toml")
    }

    /// Where a site's own dialect files are unless the configuration says otherwise.
    pub fn default_dialects_dir() -> &'static Path {
        Path::new("/etc/smdrd/dialects")
    }
}
