//! `smdrd export`.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::civil::Date;

use super::{Asking, outages};
use crate::control::{CallLevel, Request};
use crate::daemon::export::Exported;
use crate::report::call_level::Template;

/// Write a month's calls for a supplier, a row a call, without anything that names anybody
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A row a call: day, band, outcome, buckets of wait and duration, as the template says
    ///
    /// For a supplier that sends NHS England's call-level file. The practice approves each month with `smdrd approve
    /// --call-level`; who asked, how many rows there were and the file's SHA-256 stand in the audit.
    CallLevel(Box<Order>),
}

#[derive(Debug, clap::Args)]
struct Order {
    /// The month, as 2026-10; it must be over
    #[arg(long, value_name = "YYYY-MM", value_parser = outages::month)]
    month: Date,
    #[command(flatten)]
    template: TemplateFile,
    /// Where to write it; a file that is there is not written over [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only show the columns and the first ten rows; needs no approval
    #[arg(long, conflicts_with = "out")]
    dry_run: bool,
    /// Export with a template that nobody compared with NHS England's sample
    #[arg(long)]
    unconfirmed: bool,
    /// Whose, as ODS code or ODS/site, where there are several practices
    #[arg(long, value_name = "ODS")]
    practice: Option<String>,
    /// Print what was exported as JSON; the file itself goes to --out
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// The template of a call-level file.
#[derive(Debug, clap::Args)]
pub struct TemplateFile {
    /// Template of the file; it names NHS England's sample, beside it [default: the shipped reconstruction, which is not
    /// confirmed]
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
}

impl TemplateFile {
    /// The text of the template and of its sample. What is wrong has been said when this fails.
    pub fn read(&self) -> Result<Option<(String, String)>, ExitCode> {
        let Some(path) = &self.template else { return Ok(None) };
        let refused = |what: String| {
            eprintln!("smdrd: {what}");
            ExitCode::from(super::USAGE)
        };
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|error| refused(format!("{}: {error}", path.display())))
        };
        let text = read(path)?;
        let named: toml::Table =
            toml::from_str(&text).map_err(|error| refused(format!("{}: {error}", path.display())))?;
        let sample = named.get("sample").and_then(toml::Value::as_str);
        let sample = sample.ok_or_else(|| refused(format!("{}: it names no sample", path.display())))?;
        let sample = read(&path.parent().unwrap_or(Path::new("")).join(sample))?;
        // Only its first line is asked for; the rest may be long.
        let sample = sample.split_inclusive('\n').next().unwrap_or_default().to_owned();
        Template::read(&text, &sample).map_err(|error| refused(format!("{}: {error}", path.display())))?;
        Ok(Some((text, sample)))
    }
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let What::CallLevel(order) = arguments.what;
    if order.json && order.out.is_none() && !order.dry_run {
        eprintln!("smdrd export: --json tells of the file; say with --out where the file itself goes");
        return ExitCode::from(super::USAGE);
    }
    if let Some(out) = order.out.as_deref().filter(|out| out.exists()) {
        eprintln!("smdrd export: {} is there already; name another file", out.display());
        return ExitCode::from(super::USAGE);
    }
    let template = match order.template.read() {
        Ok(template) => template,
        Err(code) => return code,
    };
    let asked = CallLevel { month: order.month, practice: order.practice, template, unconfirmed: order.unconfirmed };
    let value = match order.asking.ask(Request::ExportCallLevel { asked, look: order.dry_run }) {
        Ok(value) => value,
        Err(code) => return code,
    };
    let mut exported: Exported = match serde_json::from_value(value) {
        Ok(exported) => exported,
        Err(error) => {
            eprintln!("smdrd export: the daemon's answer cannot be read: {error}; is it of the same version?");
            return ExitCode::from(super::NOT_WELL);
        }
    };
    let text = std::mem::take(&mut exported.text);
    if let Some(out) = &order.out
        && let Err(error) = write(out, &text)
    {
        eprintln!("smdrd export: {}: {error}", out.display());
        return ExitCode::from(super::NOT_WELL);
    }
    if !exported.confirmed {
        eprintln!("UNCONFIRMED: nobody has compared the header with NHS England's sample");
    }
    if order.json {
        let mut said = serde_json::to_value(&exported).unwrap_or_default();
        if order.dry_run {
            said["text"] = text.into();
        }
        println!("{said}");
        return ExitCode::SUCCESS;
    }
    if order.out.is_none() {
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
    let Exported { rows, sha256, month, .. } = &exported;
    if order.dry_run {
        eprintln!("{month}: {rows} rows would be written; nothing was exported");
    } else {
        eprintln!("{month}: {rows} rows, sha256:{sha256}");
    }
    ExitCode::SUCCESS
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
