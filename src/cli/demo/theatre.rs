//! Everything that runs while the day is played: the receiver, the daemon, and the PBXs' ends of the links.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::children::{self, Child};
use super::error::DemoError;
use super::front::{Front, Try};
use super::programme::{ANNEXE, DATE, Programme, RECEPTION, SURGERY};
use super::show::Progress;
use super::stage::{self, Links, PBX_PASSWORD, Stage};
use super::supplier;
use crate::clock::Clock;
use crate::simulator::panasonic_port::{self, Port};
use crate::simulator::serial::SerialPort;
use crate::simulator::{Played, hipath, ipoffice};

/// How long a verb may take.
const ASKED_WITHIN: Duration = Duration::from_secs(30);
/// How long the daemon may take to note a receipt that it was given.
const NOTED_WITHIN: Duration = Duration::from_secs(20);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// Everything that runs: the two programs, what stands between them, and the PBXs' ends of the links.
pub struct Theatre {
    receiver: Child,
    daemon: Child,
    front: Front,
    line: SerialPort,
    port: Port,
    collector: SocketAddr,
    supplier: String,
    token: String,
    program: PathBuf,
}

/// What each PBX did, by its name in the configuration.
pub type AllPlayed = [(&'static str, Played); 3];

impl Theatre {
    /// Starts the receiver and the daemon and waits until both are ready.
    pub fn open(stage: &Stage, clock: &Clock, stop: &AtomicBool) -> Result<Theatre, DemoError> {
        let program = std::env::current_exe().map_err(DemoError::NoProgram)?;
        let feed = program.with_file_name("smdr-feed");
        if !feed.exists() {
            return Err(DemoError::NoReceiver { path: feed });
        }
        let token = stage::secret(24)?;
        stage.write_tokens(&token)?;
        let argument = clock.to_argument().unwrap_or_default();
        let mut command = Command::new(&feed);
        command.arg("serve").args(["--listen", "127.0.0.1:0"]).arg("--store").arg(stage.supplier_store());
        command.arg("--tokens").arg(stage.tokens()).args(["--clock", &argument]);
        let (receiver, address) = children::start_receiver(&mut command, &stage.log("receiver"), stop)?;
        let front = Front::open(address, *clock)?;
        let mut line = SerialPort::open().map_err(DemoError::NoSerialLine)?;
        let port = Port::open(SocketAddr::from(([127, 0, 0, 1], 0)), PBX_PASSWORD).map_err(DemoError::NoPort)?;
        let collector = stage::free_port()?;
        stage.write_config(&Links {
            reception: collector,
            surgery: line.path(),
            annexe: port.address(),
            supplier: front.address(),
        })?;
        let mut command = Command::new(&program);
        command.arg("run").arg("--config").arg(stage.config()).args(["--clock", &argument]).stdout(Stdio::null());
        let mut daemon = Child::start("the daemon", &mut command, &stage.log("daemon"))?;
        let socket = stage.control_socket();
        daemon.wait_until("open its control socket", stop, || socket.exists())?;
        daemon.wait_until("open the serial line", stop, || line.attended())?;
        let supplier = format!("http://{address}");
        Ok(Theatre { receiver, daemon, front, line, port, collector, supplier, token, program })
    }

    /// Plays all PBXs side by side, the late leg when the day was accepted, until its second revision was too.
    pub fn play(
        &mut self,
        programme: &Programme,
        progress: &mut Progress,
        stop: &AtomicBool,
    ) -> Result<AllPlayed, DemoError> {
        let Programme { day, clock, annexe, late } = programme;
        let (reception, surgery) = (ipoffice::lines(day), hipath::lines(day));
        let (until, outage) = (programme.ends(), programme.outage());
        let (halt, sent, called_back) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicBool::new(false));
        let (line, port, collector, front) = (&mut self.line, &mut self.port, self.collector, &self.front);
        let mut children = [&mut self.receiver, &mut self.daemon];
        let midnight = day.bounds().1;
        let (played, trouble) = std::thread::scope(|scope| {
            let one = scope.spawn(|| ipoffice::play(&reception, clock, collector, &[outage], until, &halt, &sent));
            let other = scope.spawn(|| hipath::play(&surgery, clock, line, until, &halt, &sent));
            let third = scope.spawn(|| {
                let day = panasonic_port::play(annexe, clock, port, midnight, &halt, &sent);
                while !called_back.load(Ordering::Relaxed) && !halt.load(Ordering::Relaxed) {
                    std::thread::sleep(LOOK);
                }
                day.then(panasonic_port::play(late, clock, port, until, &halt, &sent))
            });
            let mut trouble = Ok(());
            while !(one.is_finished() && other.is_finished() && third.is_finished()) {
                let now = clock.now();
                let begun = day.calls.iter().filter(|call| call.arrival <= now).count();
                progress.tick(now, begun, sent.load(Ordering::Relaxed));
                progress.tried(&front.tries());
                called_back.store(front.accepted(1), Ordering::Relaxed);
                trouble = watch(&mut children, clock, until, stop).map_err(|error| match error {
                    DemoError::NotReady { .. } if !front.accepted(1) => {
                        DemoError::NotDelivered { what: "first", tries: front.tries().len() }
                    }
                    other => other,
                });
                if trouble.is_err() || front.accepted(2) {
                    halt.store(true, Ordering::Relaxed);
                }
                std::thread::sleep(LOOK);
            }
            let done = [one, other, third].map(|thread| thread.join().unwrap_or_default());
            (done, trouble)
        });
        trouble?;
        progress.tried(&front.tries());
        progress.clear();
        let [one, other, third] = played;
        let lines = [reception.len(), surgery.len(), annexe.len() + late.len()];
        let played = [(RECEPTION, one), (SURGERY, other), (ANNEXE, third)];
        for ((name, played), lines) in played.iter().zip(lines) {
            let Played { sent, overwritten, unsent, .. } = *played;
            if sent != lines {
                return Err(DemoError::LinesLeft { name, unsent, overwritten });
            }
        }
        Ok(played)
    }

    /// The tries to deliver the day.
    pub fn tries(&self) -> Vec<Try> {
        self.front.tries()
    }

    /// What the daemon says of its days, when it has noted what became of every document.
    pub fn days(&self, stage: &Stage, stop: &AtomicBool) -> Result<Value, DemoError> {
        let deadline = Instant::now() + NOTED_WITHIN;
        loop {
            // Its exit code says whether all is well, which a PBX that has gone home is not.
            let (_, said, words) = self.ask(&["status", "--json"], "`smdrd status`", stage, stop)?;
            let status: Value = serde_json::from_str(&said).unwrap_or_default();
            let days = status.get("days").cloned().ok_or(DemoError::NoStatus { said: said + &words })?;
            if days.get("pending").and_then(Value::as_u64) == Some(0) || Instant::now() > deadline {
                return Ok(days);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Asks the receiver for the document that it holds.
    pub fn held(&self) -> Result<supplier::Held, DemoError> {
        supplier::fetch(&self.supplier, &self.token, DATE)
    }

    /// Has the daemon send the day now, as a person would: for a machine so busy that the box missed its night.
    pub fn push(&self, stage: &Stage, stop: &AtomicBool) -> Result<(), DemoError> {
        let (status, said, words) = self.ask(&["push", &DATE.to_string(), "--json"], "`smdrd push`", stage, stop)?;
        if status.success() { Ok(()) } else { Err(DemoError::NotPushed { status, said: said + &words }) }
    }

    /// Runs a verb; its status, what it printed, and what it had to say beside that.
    fn ask(
        &self,
        verb: &[&str],
        name: &'static str,
        stage: &Stage,
        stop: &AtomicBool,
    ) -> Result<(ExitStatus, String, String), DemoError> {
        let log = stage.log(verb.first().copied().unwrap_or_default());
        let out = log.with_extension("out");
        let file = std::fs::File::create(&out).map_err(|reason| DemoError::NotStarted { name, reason })?;
        let mut command = Command::new(&self.program);
        command.args(verb).arg("--config").arg(stage.config()).stdout(file);
        let status = Child::start(name, &mut command, &log)?.finish(ASKED_WITHIN, stop)?;
        let said = |path: &Path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        Ok((status, said(&out), said(&log)))
    }

    /// Leaves everything running until Enter or Ctrl-C.
    pub fn wait(&mut self, stage: &Stage, stop: &AtomicBool) {
        let config = stage.config();
        eprintln!(
            "\nThe daemon listens on {} and {} and is logged in at {}; the supplier is on {}.",
            self.collector,
            self.line.path().display(),
            self.port.address(),
            self.supplier
        );
        eprintln!("Try: {} status --config {}", self.program.display(), config.display());
        eprintln!("Enter or Ctrl-C ends both.");
        let entered = Arc::new(AtomicBool::new(false));
        if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            let entered = Arc::clone(&entered);
            std::thread::spawn(move || {
                let _ = std::io::stdin().read_line(&mut String::new());
                entered.store(true, Ordering::Relaxed);
            });
        }
        while !stop.load(Ordering::Relaxed) && !entered.load(Ordering::Relaxed) {
            if self.daemon.still_runs().and_then(|()| self.receiver.still_runs()).is_err() {
                break;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends both programs; the daemon first, so that it does not miss its supplier.
    pub fn close(self) -> Result<(), DemoError> {
        self.daemon.end()?;
        self.receiver.end()
    }
}

/// Fails when a process has ended, when the demo was told to stop, or when the players are far behind their time.
fn watch(children: &mut [&mut Child], clock: &Clock, until: Timestamp, stop: &AtomicBool) -> Result<(), DemoError> {
    for child in children {
        child.still_runs()?;
    }
    if stop.load(Ordering::Relaxed) {
        return Err(DemoError::Interrupted);
    }
    let late =
        clock.now() > until && clock.real(clock.now().duration_since(until).unsigned_abs()) > children::READY_WITHIN;
    if late {
        let seconds = children::READY_WITHIN.as_secs();
        return Err(DemoError::NotReady { name: "the daemon", what: "take the PBXs' lines", seconds });
    }
    Ok(())
}
