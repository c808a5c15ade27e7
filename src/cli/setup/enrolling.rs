//! Enrols the box by the configuration that was just written: `smdrd enrol` does it, as the service's user.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ask::{Ask, Stop};
use super::supplier::Answer;
use crate::push::auth::code::OneTimeCode;

/// Runs `smdrd enrol`. The code goes through a pipe, and stands in no list of processes.
pub(super) fn enrol(ask: &Ask, config: &Path, code: &OneTimeCode) -> Result<Answer, Stop> {
    let failed = |error: std::io::Error| Stop::Failed(format!("smdrd enrol cannot be run: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .args(["enrol", "--config"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut input = child.stdin.take();
    if let Some(input) = &mut input {
        // One that does not read it says why.
        let _ = writeln!(input, "{}", *code.shown());
    }
    drop(input);
    let output = child.wait_with_output().map_err(failed)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        text(&output.stdout).lines().for_each(|line| ask.say(line));
        return Ok(Answer::Enrolled);
    }
    let said = text(&output.stderr);
    let what = said.strip_prefix("smdrd: ").unwrap_or(&said).to_owned();
    ask.say(&format!("It does not work: {what}"));
    ask.say("Ask the supplier for a new code, and run: sudo smdrd enrol");
    Ok(Answer::Bad(what))
}
