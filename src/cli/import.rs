//! `smdrd import`.

mod show;
mod storage;

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Asking, configured};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::exchange::{Order, SendError, send};
use crate::control::{self, AskError};
use crate::daemon;
use crate::daemon::import::Report;
use show::Ticker;

/// Import files that another logger kept of this PBX
///
/// The lines go through the running daemon, or into the database where none runs, as if the PBX had printed them: masked,
/// counted, and kept for as long as the day of their call allows; older ones are counted only. A file that was cut off
/// is gone on with when the same command is given again, and one that is in already changes nothing. Records that the
/// PBX or another file has given already are found by their position among the others: they are kept and not counted.
///
/// Give files in the order in which they were written. They hold telephone numbers: remove them when it is done.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which PBX wrote the file; `smdrd dialects list` shows the choice.
    #[arg(long, value_name = "ID", required_unless_present = "on_stdin")]
    dialect: Option<String>,
    /// An option of the dialect; may be repeated. Without it: as the source is configured.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = super::parse::assignment)]
    set: Vec<(String, String)>,
    /// The source whose PBX wrote the file; needed where there are several.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The year of the first line, for formats that print none. Without it: the year nearest to today.
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1970..=2200))]
    assume_year: Option<i16>,
    /// Go on although the dialect understands nothing of the beginning.
    #[arg(long)]
    force: bool,
    /// Take the file for another one although its beginning is in already.
    #[arg(long)]
    as_new: bool,
    /// Compare with nothing and count all: only when they cannot be the same calls.
    #[arg(long)]
    count_overlap: bool,
    /// Print what became of the files as one JSON object.
    #[arg(long)]
    json: bool,
    /// The files; `-` is standard input.
    #[arg(value_name = "FILE", required_unless_present = "on_stdin")]
    files: Vec<PathBuf>,
    /// Serve one conversation on standard input: how root hands files to the user that has the database
    #[arg(long, hide = true)]
    on_stdin: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let config = match configured(&arguments.asking.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let clock = arguments.asking.clock.unwrap_or_else(Clock::system);
    if arguments.on_stdin {
        return serve(&config, clock);
    }
    let order = Order {
        dialect: arguments.dialect.clone().unwrap_or_default(),
        set: arguments.set.iter().cloned().collect(),
        source: arguments.source.clone(),
        assume_year: arguments.assume_year,
        force: arguments.force,
        as_new: arguments.as_new,
        overlap: arguments.count_overlap,
    };
    let library = match super::parse::library(Some(config.dialects_dir.clone())) {
        Ok(library) => library,
        Err(code) => return code,
    };
    let Some(dialect) = super::parse::find(&library, &order.dialect) else {
        return ExitCode::from(super::USAGE);
    };
    if let Err(error) = dialect.plan(&order.set, order.assume_year) {
        eprintln!("smdrd import: --set: {error}");
        return ExitCode::from(super::USAGE);
    }
    let mut done: Vec<Value> = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for path in &arguments.files {
        match one(&arguments, &config, clock, &order, path) {
            Ok(report) => {
                if !arguments.json {
                    print!("{}", show::summary(&name(path), &report, &order));
                }
                let mut value = serde_json::to_value(&report).unwrap_or_default();
                value["file"] = json!(name(path));
                done.push(value);
            }
            Err(error) => {
                eprintln!("smdrd import: {}: {error}", name(path));
                done.push(json!({ "file": name(path), "error": error }));
                // What follows a file that is not in would be counted in a wrong order.
                code = ExitCode::from(super::NOT_WELL);
                break;
            }
        }
    }
    if arguments.json {
        println!("{}", json!({ "files": done }));
    }
    code
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn one(arguments: &Arguments, config: &Config, clock: Clock, order: &Order, path: &Path) -> Result<Report, String> {
    let (input, size): (Box<dyn Read + Send>, Option<u64>) = if path == Path::new("-") {
        (Box::new(std::io::stdin()), None)
    } else {
        let file = File::open(path).map_err(|error| format!("{error}; check the path"))?;
        let about = file.metadata().map_err(|error| format!("{error}; check the path"))?;
        if about.is_dir() {
            return Err("it is a directory; name the files in it, oldest first".to_owned());
        }
        if about.is_file() && storage::is_own_disk(&file) {
            eprintln!(
                "smdrd import: {}: telephone numbers at rest on a disk of this box; remove the file when it is done",
                name(path)
            );
        }
        (Box::new(file), about.is_file().then_some(about.len()))
    };
    let mut ticker = Ticker::new(size, std::io::stderr().is_terminal() && !arguments.json);
    let told = |progress: Value| ticker.told(serde_json::from_value(progress).unwrap_or_default());
    let result = match control::connect(&config.runtime_dir) {
        Ok(Some(stream)) => send(stream, order.clone(), input, told),
        Ok(None) => alone(&arguments.asking, config, clock, |stream| send(stream, order.clone(), input, told))?,
        Err(AskError::Broken { path, reason }) => return Err(format!("{}: {reason}", path.display())),
        Err(error) => return Err(error.to_string()),
    };
    ticker.clear();
    let value = result.map_err(|error: SendError| error.to_string())?;
    serde_json::from_value(value).map_err(|error| format!("the answer cannot be read: {error}; use the daemon's smdrd"))
}

/// Where no daemon runs: the other end of the conversation is here, or in a process of the user that has the database,
/// who need not be able to read the file.
fn alone<T>(
    asking: &Asking,
    config: &Config,
    clock: Clock,
    talk: impl FnOnce(UnixStream) -> Result<T, SendError>,
) -> Result<Result<T, SendError>, String> {
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    if let Some(mut command) = super::service_user(config) {
        command.args(["import", "--on-stdin", "--config"]).arg(&asking.config).stdin(OwnedFd::from(theirs));
        if let Some(clock) = clock.to_argument() {
            command.args(["--clock", &clock]);
        }
        let mut child = command.spawn().map_err(|error| format!("cannot become the service's user: {error}"))?;
        // Its end of the conversation is the child's alone.
        drop(command);
        let result = talk(ours);
        let _ = child.wait();
        return Ok(result);
    }
    let config = config.clone();
    let writer = std::thread::spawn(move || daemon::serve_one(&config, clock, theirs));
    let result = talk(ours);
    let _ = writer.join();
    Ok(result)
}

fn serve(config: &Config, clock: Clock) -> ExitCode {
    let Ok(stream) = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else {
        return ExitCode::from(super::USAGE);
    };
    // What goes wrong is told on the stream.
    match daemon::serve_one(config, clock, stream) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(super::NOT_WELL),
    }
}
