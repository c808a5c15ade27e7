//! The daemon as a process that something is done to.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::rig::{Daemon, Rig, wait_for};

/// Starts the daemon, and does not wait.
pub fn launch(rig: &Rig, clock: &str) -> Daemon {
    launch_as(rig, clock, |command| command)
}

/// Starts what `become` makes of the daemon's command, and does not wait.
pub fn launch_as(rig: &Rig, clock: &str, becomes: impl FnOnce(Command) -> Command) -> Daemon {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(rig.path("log")).unwrap();
    let _ = std::fs::remove_file(rig.path("run/control.sock"));
    let mut command = becomes(rig.command(&["run"], clock));
    Daemon { child: command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap() }
}

/// Waits until it can be asked, or has ended: then how.
pub fn ready_or_ended(rig: &Rig, daemon: &mut Daemon) -> Option<ExitStatus> {
    let socket = rig.path("run/control.sock");
    wait_for("the control socket", || match daemon.child.try_wait().unwrap() {
        Some(status) => Some(Some(status)),
        None => socket.exists().then_some(None),
    })
}

#[track_caller]
pub fn wait_until_ready(rig: &Rig, daemon: &mut Daemon) {
    assert_eq!(ready_or_ended(rig, daemon), None, "{}", rig.log());
}

/// Seconds of the processor that a process has used.
pub fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name may hold anything; what follows it does not.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Whether a tool is there; where not, what is not tested for it is said.
pub fn there_is(tool: &str, what: &str) -> bool {
    let found = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].iter().any(|folder| Path::new(folder).join(tool).exists());
    if !found {
        super::loudly::say_loudly(&format!("{what}: there is no {tool} here"));
    }
    found
}

/// The daemon's command under strace, which does something to its system calls and notes those in `trace`. The daemon
/// stays our child.
pub fn traced(command: &Command, trace: &Path, options: &[String]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-q", "-o"]).arg(trace).args(options).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(key, value),
            None => strace.env_remove(key),
        };
    }
    strace
}

/// A strace that does something to a running daemon, until this is dropped.
pub struct Tracer(Child);

impl Tracer {
    pub fn attach(process: u32, trace: &Path, options: &[String]) -> Tracer {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-o"]).arg(trace).args(options).args(["-p", &process.to_string()]);
        let child = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let tracer = Tracer(child);
        wait_for("strace", || {
            let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
            let traced = |task: std::fs::DirEntry| {
                let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
                !status.contains("TracerPid:\t0\n")
            };
            tasks.flatten().all(traced).then_some(())
        });
        tracer
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Asked politely it lets go of the daemon.
        let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
        let _ = self.0.wait();
    }
}
