//! `smdrd parse`: a file of call records to one object a record, without a daemon.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::Config;
use crate::dialect::{Dialect, FileFault, Library, Line, Plan, Reading, Settled, SourceState, What};
use crate::framing::{Ended, Framer, Settings};
use crate::record::Record;

/// Parse a file of call records; nothing is stored.
///
/// Prints one object or row for each record, ignored line and line not understood, in order. Telephone numbers are
/// printed: mind where the output goes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which PBX wrote the file; `smdrd dialects list` shows the choice.
    #[arg(long, value_name = "ID")]
    dialect: String,
    /// An option of the dialect; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// The year of the first line, for formats that print none. Without it: the year nearest to today.
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1970..=2200))]
    assume_year: Option<i16>,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
    /// Directory of dialect files that add to the shipped ones or replace them. Without it: the one that
    /// /etc/smdrd/smdrd.toml names, or /etc/smdrd/dialects.
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
    /// The file; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// `KEY=VALUE`, taken apart.
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What a line came to, as `parse` prints it; continuation lines come to nothing.
pub(super) enum Outcome<'a> {
    Record(&'a Record),
    Ignored,
    Unparsed { reason: &'a str, column: Option<u16>, line: Option<&'a [u8]> },
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let library = match library(arguments.dialects) {
        Ok(library) => library,
        Err(code) => return code,
    };
    let Some(dialect) = find(&library, &arguments.dialect) else { return ExitCode::from(super::USAGE) };
    let options: BTreeMap<String, String> = arguments.set.into_iter().collect();
    let plan = match dialect.plan(&options, arguments.assume_year) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("smdrd parse: --set: {error}");
            return ExitCode::from(super::USAGE);
        }
    };
    let input: Box<dyn Read> = if arguments.file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        match File::open(&arguments.file) {
            Ok(file) => Box::new(file),
            Err(error) => {
                eprintln!("smdrd parse: cannot open {}: {error}. Check the path.", arguments.file.display());
                return ExitCode::from(super::NOT_WELL);
            }
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let written = if arguments.json {
        each(&plan, input, |outcome| json(&mut out, &outcome))
    } else {
        heading(&mut out).and_then(|()| each(&plan, input, |outcome| row(&mut out, &outcome)))
    };
    match written.and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(super::DONE),
        // Whoever reads us has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(super::DONE),
        Err(error) => {
            eprintln!("smdrd parse: {}: {error}. The output ends here.", arguments.file.display());
            ExitCode::from(super::NOT_WELL)
        }
    }
}

/// The shipped dialects with those of `dir`, or of the folder that the daemon reads; the exit code after saying what is
/// wrong with it.
pub(super) fn library(dir: Option<PathBuf>) -> Result<Library, ExitCode> {
    let dir = dir.unwrap_or_else(|| super::check::site_dialects(Config::default_path()));
    let (faults, library) = match Library::of_site(&dir) {
        Ok(library) => (library.broken().iter().flat_map(|b| &b.faults).map(FileFault::cited).collect(), Some(library)),
        Err(error) => (vec![error.to_string()], None),
    };
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    library.filter(|_| faults.is_empty()).ok_or(ExitCode::from(super::CONFIGURATION))
}

/// The dialect, or nothing after saying which there are.
pub(super) fn find<'a>(library: &'a Library, id: &str) -> Option<&'a Dialect> {
    let dialect = library.get(id);
    if dialect.is_none() {
        let known: Vec<&str> = library.ids().collect();
        eprintln!("smdrd: there is no dialect {id:?}; known are {}", known.join(", "));
    }
    dialect
}

/// Reads `input` to its end and hands over what each line came to.
pub(super) fn each(
    plan: &Plan,
    mut input: impl Read,
    mut take: impl FnMut(Outcome<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let today = jiff::Zoned::now().date();
    let mut framer = Framer::new(Settings { protocol: plan.protocol(), ..Settings::default() });
    let mut state = SourceState::default();
    let mut reading = Reading::default();
    let mut no = 0;
    let mut result = Ok(());
    let mut line = |bytes: &[u8], stripped: u32, ended: Ended, result: &mut io::Result<()>| {
        if result.is_err() {
            return;
        }
        if bytes.is_empty() && stripped > 0 && ended != Ended::PageBreak {
            // Nothing but control bytes: noise, which the engine is not asked about.
            *result = take(Outcome::Ignored);
            return;
        }
        no += 1;
        plan.step(&mut state, &Line { no, bytes, kept: &[], today }, &mut reading);
        *result = settled(&reading, Some((no, bytes)), &mut take);
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        framer.push(&buffer[..read], &mut |framed| line(framed.bytes, framed.stripped, framed.ended, &mut result));
        result = Ok(result?);
    }
    framer.flush(Ended::EndOfInput, &mut |framed| line(framed.bytes, framed.stripped, framed.ended, &mut result));
    result?;
    plan.idle(&mut state, &mut reading);
    settled(&reading, None, &mut take)
}

fn settled(
    reading: &Reading,
    line: Option<(u64, &[u8])>,
    take: &mut impl FnMut(Outcome<'_>) -> io::Result<()>,
) -> io::Result<()> {
    for Settled { no, what } in &reading.settled {
        match what {
            What::Record(record) => take(Outcome::Record(record))?,
            What::Continuation => {}
            What::Event(_) | What::Header | What::Noise => take(Outcome::Ignored)?,
            What::Unparsed { reason, column } => {
                let line = line.filter(|(of, _)| of == no).map(|(_, bytes)| bytes);
                take(Outcome::Unparsed { reason, column: *column, line })?;
            }
        }
    }
    Ok(())
}

/// The object that stands for an outcome.
pub(super) fn object(outcome: &Outcome<'_>) -> serde_json::Map<String, serde_json::Value> {
    let mut object = serde_json::Map::new();
    match outcome {
        Outcome::Record(record) => return record.to_json(),
        Outcome::Ignored => {
            object.insert("ignored".to_owned(), true.into());
        }
        Outcome::Unparsed { reason, column, .. } => {
            object.insert("unparsed".to_owned(), (*reason).into());
            if let Some(column) = column {
                object.insert("column".to_owned(), (*column).into());
            }
        }
    }
    object
}

fn json(out: &mut impl Write, outcome: &Outcome<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &object(outcome))?;
    out.write_all(b"\n")
}

fn heading(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<20} {:<8} {:<4} {:>5} {:>6} {:>5} {:<8} {:<8} {:<16} {:<16} OTHER",
        "TIME", "WAY", "ANSW", "RING", "TALK", "HOLD", "EXT", "TRUNK", "CALLER", "CALLED"
    )
}

fn row(out: &mut impl Write, outcome: &Outcome<'_>) -> io::Result<()> {
    let keys = object(outcome);
    if let Outcome::Unparsed { reason, column, line } = outcome {
        writeln!(out, "not understood: {reason}")?;
        if let Some(line) = line {
            writeln!(out, "  {}", String::from_utf8_lossy(line))?;
            if let Some(column) = column {
                writeln!(out, "  {:>width$}", "^", width = usize::from(*column))?;
            }
        }
        return Ok(());
    }
    if matches!(outcome, Outcome::Ignored) {
        return Ok(());
    }
    let text = |key: &str| match keys.get(key) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (time, sign) = [("start", ' '), ("connected", '>'), ("end", '|')]
        .into_iter()
        .find(|(key, _)| keys.contains_key(*key))
        .map_or((String::new(), ' '), |(key, sign)| (text(key), sign));
    let answered = match keys.get("answered") {
        Some(serde_json::Value::Bool(true)) => "yes",
        Some(_) => "no",
        None => "",
    };
    let called = if keys.contains_key("ddi") { text("ddi") } else { text("dialled") };
    let mut other: Vec<String> =
        ["transferred", "conference"].into_iter().filter(|key| text(key) == "true").map(str::to_owned).collect();
    if text("continuation") == "true" {
        other.push("more follows".to_owned());
    }
    for key in ["call_id", "account"] {
        if keys.contains_key(key) {
            other.push(format!("{} {}", key.replace('_', " "), text(key)));
        }
    }
    let line = format!(
        "{time:<19}{sign} {:<8} {answered:<4} {:>5} {:>6} {:>5} {:<8} {:<8} {:<16} {called:<16} {}",
        text("direction"),
        text("ring_s"),
        text("talk_s"),
        text("hold_s"),
        text("extension"),
        text("trunk"),
        text("cli"),
        other.join(", ")
    );
    writeln!(out, "{}", line.trim_end())
}
