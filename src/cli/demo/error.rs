//! Why a demo could not be played to its end.

use std::path::PathBuf;
use std::process::ExitStatus;

use super::programme::DATE;

/// The demo could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The directory, or a file in it, cannot be made.
    #[error("{path} cannot be made: {reason}; name another directory with --dir")]
    Directory { path: PathBuf, reason: std::io::Error },
    /// The directory holds something.
    #[error("{path} is not empty, and figures of an earlier day would mix with this one; name a new directory")]
    Occupied { path: PathBuf },
    /// The control socket would have too long a path.
    #[error("{path} is longer than the {most} characters a Unix socket may have; name a directory with a shorter path")]
    PathTooLong { path: PathBuf, most: usize },
    /// The operating system gave no chance for a token.
    #[error("the operating system gives no random numbers: {0}")]
    NoChance(getrandom::Error),
    /// No port.
    #[error("no free port on 127.0.0.1: {0}")]
    NoPort(std::io::Error),
    /// No serial line.
    #[error("no pseudo-terminal for the serial PBX: {0}; /dev/pts must be mounted")]
    NoSerialLine(std::io::Error),
    /// The programs are not where they should be.
    #[error("{path} is not there; build it too: cargo build --bins (it needs the feature `supplier`, on by default)")]
    NoReceiver { path: PathBuf },
    /// This program's own path is unknown.
    #[error("the path of this program is not known: {0}")]
    NoProgram(std::io::Error),
    /// A process could not be started.
    #[error("{name} cannot be started: {reason}")]
    NotStarted { name: &'static str, reason: std::io::Error },
    /// A process ended though it should run.
    #[error("{name} ended too early ({status}); its messages say why")]
    EndedEarly { name: &'static str, status: ExitStatus },
    /// A process did not do what it must within its time.
    #[error("{name} did not {what} within {seconds} s; its messages may say why")]
    NotReady { name: &'static str, what: &'static str, seconds: u64 },
    /// A process ended badly when told to end.
    #[error("{name} was told to end and did so badly ({status}); its messages say why")]
    EndedBadly { name: &'static str, status: ExitStatus },
    /// A process did not end when told to.
    #[error("{name} was told to end, had not done so after {seconds} s, and was killed")]
    WouldNotEnd { name: &'static str, seconds: u64 },
    /// The day was not delivered in its time.
    #[error(
        "the supplier has accepted no {what} document of {DATE} after {tries} tries; what the daemon and the receiver said may say why"
    )]
    NotDelivered { what: &'static str, tries: usize },
    /// The daemon does not say how it is.
    #[error("`smdrd status --json` said {said:?}")]
    NoStatus { said: String },
    /// Lines were left over.
    #[error("{name} could not send its day: {unsent} lines left over, {overwritten} overwritten in its buffer")]
    LinesLeft { name: &'static str, unsent: usize, overwritten: usize },
    /// `smdrd push` did not end well.
    #[error("`smdrd push {DATE}` ended with {status}: {said}")]
    NotPushed { status: ExitStatus, said: String },
    /// The supplier does not give the document.
    #[error("the supplier does not give {url}: {reason}")]
    NotHeld { url: String, reason: String },
    /// Ctrl-C, or a request to end.
    #[error("stopped before the day was done")]
    Interrupted,
}
