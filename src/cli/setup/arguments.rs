//! The command line of `smdrd setup`.

use std::net::IpAddr;
use std::path::PathBuf;

use super::credential::Kept;
use super::{Acceptance, Line};
use crate::config::Config;

/// Set this box up: find the PBX, make the test calls, write the configuration, try the supplier.
///
/// On a terminal each step asks what no flag says. Without one, or with --non-interactive, an answer that is missing ends
/// it with exit code 2 and the name of the flag. Calls that are heard are not stored, and of numbers only their length is
/// shown. Exit code 0 when the configuration is written and supplier and test calls are well, 1 when something is not.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the configuration is written
    #[arg(long, value_name = "FILE", default_value_os_t = Config::default_path().to_owned())]
    pub(super) config: PathBuf,
    /// Ask nothing: every answer is a flag
    #[arg(long)]
    pub(super) non_interactive: bool,
    /// Print one JSON object at the end, and what is said meanwhile to standard error; asks nothing
    #[arg(long)]
    pub(super) json: bool,
    /// Replace a configuration that is there; the old one stays beside it as FILE.bak
    #[arg(long)]
    pub(super) force: bool,

    /// The PBX is on this serial device
    #[arg(long, value_name = "DEVICE", help_heading = "The PBX", conflicts_with_all = ["listen", "connect"])]
    pub(super) port: Option<PathBuf>,
    /// The PBX connects to this address and port of this box
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "The PBX", conflicts_with = "connect")]
    pub(super) listen: Option<String>,
    /// This box connects to the PBX
    #[arg(long, value_name = "HOST:PORT", help_heading = "The PBX")]
    pub(super) connect: Option<String>,
    /// With --listen: the PBX's address; may be repeated. Without it: who connects while the dialect is found out
    #[arg(long, value_name = "IP", help_heading = "The PBX", requires = "listen")]
    pub(super) allow: Vec<IpAddr>,
    /// With --connect: file with the password that the PBX wants
    #[arg(long, value_name = "FILE", help_heading = "The PBX", requires = "connect")]
    pub(super) pbx_password_file: Option<PathBuf>,
    /// The dialect; without it, it is found out from the lines
    #[arg(long, value_name = "ID", help_heading = "The PBX")]
    pub(super) dialect: Option<String>,
    /// An option of the dialect; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = crate::cli::parse::assignment, help_heading = "The PBX")]
    pub(super) set: Vec<(String, String)>,
    /// With --port and --dialect: how the line is set, as 9600-8N1
    #[arg(long, value_name = "SPEED-FRAME", value_parser = line, help_heading = "The PBX", requires = "port")]
    pub(super) line: Option<Line>,
    /// How long to listen for the dialect at most
    #[arg(long, value_name = "SECONDS", default_value = "600", help_heading = "The PBX",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) detect_seconds: u64,
    /// A name for the PBX that the practice recognises
    #[arg(long, value_name = "NAME", help_heading = "The PBX")]
    pub(super) name: Option<String>,
    /// Directory of dialect files that add to the shipped ones or replace them
    #[arg(long, value_name = "DIR", help_heading = "The PBX", hide = true)]
    pub(super) dialects: Option<PathBuf>,
    /// The three test calls: `skip`, or how many seconds to listen for them. On a terminal they are made one by one
    #[arg(long, value_name = "SECONDS", value_parser = acceptance_of, help_heading = "The PBX")]
    pub(super) acceptance: Option<Acceptance>,

    #[command(flatten)]
    pub(super) site: super::site::Practice,

    /// Where days are sent
    #[arg(long, value_name = "URL", help_heading = "The supplier", conflicts_with = "no_supplier")]
    pub(super) supplier: Option<String>,
    /// There is no supplier: days are kept and not sent
    #[arg(long, help_heading = "The supplier")]
    pub(super) no_supplier: bool,
    /// File with the supplier's token, on one line
    #[arg(long, value_name = "FILE", help_heading = "The supplier")]
    pub(super) token_file: Option<PathBuf>,
    /// One-time code that the supplier gave, instead of a token: the box makes a key of its own and enrols it
    #[arg(long, value_name = "CODE", help_heading = "The supplier", conflicts_with = "token_file")]
    pub(super) code: Option<String>,
    /// Certificate authority of the supplier, and then no other
    #[arg(long, value_name = "FILE", help_heading = "The supplier")]
    pub(super) ca_file: Option<PathBuf>,
    /// Proxy on the way to the supplier
    #[arg(long, value_name = "URL", help_heading = "The supplier")]
    pub(super) proxy: Option<String>,
    /// Hold each day until somebody at the practice releases it
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no, help_heading = "The supplier")]
    pub(super) approve: Option<bool>,
    /// How the token is kept for the service
    #[arg(long, value_enum, default_value = "auto", help_heading = "The supplier")]
    pub(super) credential: Kept,

    /// A log of this PBX that an older logger wrote: what stations are is proposed from it. Nothing of it is stored
    #[arg(long, value_name = "FILE", help_heading = "The practice")]
    pub(super) log: Option<PathBuf>,
    /// Where the database goes, when not /var/lib/smdrd
    #[arg(long, value_name = "DIR", help_heading = "This box")]
    pub(super) state_dir: Option<PathBuf>,
    /// Where keys and the control socket go, when not /run/smdrd
    #[arg(long, value_name = "DIR", help_heading = "This box")]
    pub(super) runtime_dir: Option<PathBuf>,
    /// Put credential and drop-in below this directory, as in an image
    #[arg(long, value_name = "DIR", default_value = "/", help_heading = "This box")]
    pub(super) root: PathBuf,
}

pub(super) fn line(text: &str) -> Result<Line, String> {
    let wrong = || "write it as 9600-8N1: speed, data bits, N, E or O, stop bits".to_owned();
    let (baud, frame) = text.split_once('-').ok_or_else(wrong)?;
    let (data_bits, parity) = match frame.to_ascii_uppercase().as_str() {
        "8N1" => (8, "none"),
        "8E1" => (8, "even"),
        "8O1" => (8, "odd"),
        "7E1" => (7, "even"),
        "7O1" => (7, "odd"),
        "7N1" => (7, "none"),
        _ => return Err(wrong()),
    };
    Ok(Line { baud: baud.parse().map_err(|_| wrong())?, data_bits, parity: parity.to_owned() })
}

pub(super) fn acceptance_of(text: &str) -> Result<Acceptance, String> {
    match text {
        "skip" => Ok(Acceptance::Skip),
        seconds => match seconds.parse() {
            Ok(seconds @ 1..=86_400) => Ok(Acceptance::Listen(seconds)),
            _ => Err("write `skip`, or seconds from 1 to 86400".to_owned()),
        },
    }
}

pub(super) fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}
