//! `smdrd learn`: a dialect file for a PBX whose layout nobody has, out of lines that it prints.

mod file;
mod show;
mod talk;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::dialect::learn::Draft;
use crate::framing::{Ended, Framer, Settings};

/// Make a dialect file for a PBX that no dialect fits, from lines that it prints.
///
/// SOURCE is as for `smdrd detect`: a serial device, `tcp://HOST:PORT`, a file, or `-` for standard input. Which lines are
/// records, where the columns are and what they hold is proposed with the evidence for it; on a terminal each proposal
/// can be changed until it is right, and what the lines do not prove is asked. The file is written when it understands
/// the lines it was learnt from, with an example of its own in which every telephone number is one of Ofcom's drama
/// numbers. Lines are shown masked, and nothing else is stored. Without a terminal everything is said with --answers or
/// --tell; docs/learn.md has the commands.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Device, tcp://HOST:PORT, file, or `-`
    #[arg(value_name = "SOURCE")]
    source: String,
    /// A command, as it would be typed; may be repeated
    #[arg(long, value_name = "COMMAND")]
    tell: Vec<String>,
    /// File of commands, one a line; done before those of --tell
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Where to write the dialect file: a file, or a directory. Without it: the dialects directory
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Write over a file that is there, or take the place of a shipped dialect
    #[arg(long)]
    force: bool,
    /// Print the proposal as JSON, and write nothing
    #[arg(long)]
    json: bool,
    /// Lines to wait for on a device or port
    #[arg(long, value_name = "LINES", default_value = "40", value_parser = clap::value_parser!(u32).range(3..=10_000))]
    lines: u32,
    /// How long to listen to a device or port at most
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Directory of dialect files. Without it: the one that /etc/smdrd/smdrd.toml names, or /etc/smdrd/dialects
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let complain = |what: &str, code: u8| {
        eprintln!("smdrd learn: {what}");
        ExitCode::from(code)
    };
    let commands = match commands(&arguments) {
        Ok(commands) => commands,
        Err(what) => return complain(&what, super::USAGE),
    };
    let lines = usize::try_from(arguments.lines).unwrap_or(usize::MAX);
    let heard = match super::detect::listen(&arguments.source, lines, Duration::from_secs(arguments.seconds)) {
        Ok(heard) => heard,
        Err(what) => return complain(&what, super::NOT_WELL),
    };
    for remark in &heard.remarks {
        eprintln!("{remark}");
    }
    let mut draft = match Draft::new(framed(&heard.bytes), jiff::Zoned::now().date()) {
        Ok(draft) => draft,
        Err(what) => return complain(&what.to_string(), super::NOT_WELL),
    };
    for (place, command) in commands {
        if let Err(what) = draft.tell(&command) {
            return complain(&format!("{place}: {command}: {what}"), super::USAGE);
        }
    }
    if arguments.json {
        println!("{}", show::json(&draft, &heard.settings));
        return ExitCode::from(super::DONE);
    }
    print!("{}", show::proposal(&draft, &heard.settings));
    let talks = std::io::stdin().is_terminal() && arguments.source != "-";
    let place = file::Place { out: arguments.out, dialects: arguments.dialects, force: arguments.force };
    if talks {
        return ExitCode::from(if talk::until_written(&mut draft, &place) { super::DONE } else { super::NOT_WELL });
    }
    let open = show::open(&draft);
    if !open.is_empty() {
        print!("{open}");
        return complain("not everything is said: nothing was written", super::NOT_WELL);
    }
    print!("\n{}", talk::checked(&draft));
    match place.write(&draft) {
        Ok(said) => {
            print!("{said}");
            ExitCode::from(super::DONE)
        }
        Err(what) => complain(&what, super::NOT_WELL),
    }
}

/// What is said on the command line, each with where.
fn commands(arguments: &Arguments) -> Result<Vec<(String, String)>, String> {
    let mut commands = Vec::new();
    if let Some(path) = &arguments.answers {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}; check the path", path.display()))?;
        let numbered = (1..).zip(text.lines());
        commands.extend(numbered.map(|(no, line)| (format!("{}:{no}", path.display()), line.to_owned())));
    }
    commands.extend(arguments.tell.iter().map(|line| ("--tell".to_owned(), line.clone())));
    Ok(commands)
}

/// The lines, as the daemon would cut them.
fn framed(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(Settings::default());
    let mut lines = Vec::new();
    let mut take = |line: crate::framing::Line<'_>| {
        if !(line.bytes.is_empty() && line.stripped > 0) {
            lines.push(line.bytes.to_vec());
        }
    };
    framer.push(bytes, &mut take);
    framer.flush(Ended::EndOfInput, &mut take);
    lines
}
