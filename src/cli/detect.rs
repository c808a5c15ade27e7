//! `smdrd detect`: which PBX is at the other end, and how it is connected.

pub(super) mod live;
mod show;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::config::{self, Config};
use crate::dialect::Library;
use crate::dialect::detect::{Confidence, Detection, Detector};
use live::Live;

/// What is read of a file at most: more would not change the answer.
const MOST_BYTES: u64 = 1 << 20;

/// Find out which PBX prints these lines, and how its line is set.
///
/// SOURCE is a serial device (its speed, data bits and parity are found out), `tcp://HOST:PORT` (listens when HOST is an
/// address of this machine and nobody does yet, else connects), a file, or `-` for standard input. A device or port is
/// listened to until the answer is certain: make a few calls meanwhile. Nothing is stored, and no telephone number is
/// printed. Exit code 0 when the answer is certain.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Device, tcp://HOST:PORT, file, or `-`
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How long to listen to a device or port at most
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Directory of dialect files that add to the shipped ones or replace them. Without it: the one that
    /// /etc/smdrd/smdrd.toml names, or /etc/smdrd/dialects
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
    /// Configuration of the daemon that may be running: a port that it reads is left alone
    #[arg(long, value_name = "FILE", default_value_os_t = Config::default_path().to_owned())]
    config: PathBuf,
}

/// What was found out.
pub(super) struct Found {
    /// How the source is set, as keys of the configuration; nothing for a file.
    pub(super) settings: Vec<(&'static str, String)>,
    /// What is to be said of the link.
    pub(super) remarks: Vec<String>,
    /// The dialect of the PBX that asks for a log-in like this.
    pub(super) asks: Option<&'static str>,
    pub(super) bytes: Vec<u8>,
    pub(super) detection: Detection,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let library = match super::parse::library(arguments.dialects.clone()) {
        Ok(library) => library,
        Err(code) => return code,
    };
    let found = match find(&arguments, &library) {
        Ok(found) => found,
        Err(what) => {
            eprintln!("smdrd detect: {what}");
            return ExitCode::from(super::NOT_WELL);
        }
    };
    if arguments.json {
        println!("{}", show::json(&arguments.source, &found));
    } else {
        print!("{}", show::text(&arguments.source, &found));
    }
    let certain = found.detection.candidates.first().is_some_and(|best| best.confidence == Confidence::High);
    ExitCode::from(if certain { super::DONE } else { super::NOT_WELL })
}

fn find(arguments: &Arguments, library: &Library) -> Result<Found, String> {
    let today = jiff::Zoned::now().date();
    let detector = Detector::new(library);
    let judge = |bytes: &[u8]| detector.detect(bytes, today);
    let live = Live::new(Duration::from_secs(arguments.seconds), &judge);
    hear(&arguments.source, &live, &judge, &runtime_dir(&arguments.config))
}

/// Where the daemon of this configuration has its locks; of one that is not there or wrong, where it would have them.
fn runtime_dir(config: &Path) -> PathBuf {
    let checked = config::inspect(config, &[]).map(|checked| checked.config.runtime_dir);
    checked.unwrap_or_else(|_| "/run/smdrd".into())
}

/// What a source sends, and how its line is set. `judge` says what is found in it.
fn hear(
    source: &str,
    live: &Live<'_>,
    judge: &dyn Fn(&[u8]) -> Detection,
    runtime_dir: &Path,
) -> Result<Found, String> {
    if let Some(address) = source.strip_prefix("tcp://") {
        return live.tcp(address);
    }
    let is_device = || {
        use std::os::unix::fs::FileTypeExt as _;
        std::fs::metadata(source).is_ok_and(|file| file.file_type().is_char_device())
    };
    if source != "-" && is_device() {
        return live.serial(source.into(), runtime_dir);
    }
    let mut bytes = Vec::new();
    let read = if source == "-" {
        std::io::stdin().lock().take(MOST_BYTES).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(source).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("cannot read {source}: {error}; check the path"))?;
    let (bytes, mut remarks) = live::unwrapped(bytes);
    if bytes.is_empty() {
        remarks.push("it is empty".to_owned());
    }
    let detection = judge(&bytes);
    Ok(Found { settings: Vec::new(), remarks, asks: None, bytes, detection })
}

/// What a source sends until `lines` lines have come or `patience` is over, without asking which dialect it is in: the
/// bytes, how the line is set, and what is to be said of the link.
pub(super) fn listen(source: &str, lines: usize, patience: Duration) -> Result<Heard, String> {
    let judge = |bytes: &[u8]| {
        let full = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.trim_ascii().is_empty());
        Detection { lines: full.count(), enough: false, candidates: Vec::new() }
    };
    let found =
        hear(source, &Live::new(patience, &judge).for_lines(lines), &judge, &runtime_dir(Config::default_path()))?;
    Ok(Heard { bytes: found.bytes, settings: found.settings, remarks: found.remarks })
}

/// What [`listen`] heard.
pub(super) struct Heard {
    pub bytes: Vec<u8>,
    pub settings: Vec<(&'static str, String)>,
    pub remarks: Vec<String>,
}
