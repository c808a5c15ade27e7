//! Everything that runs while the day is played: the receiver, the daemon, and the PBXs' ends of the links.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::children::{self, Child};
use super::error::DemoError;
use super::show::Progress;
use super::stage::{self, Stage};
use super::supplier::{self, Receipt};
use super::{DATE, ENDS, OUTAGE, RECEPTION, SURGERY};
use crate::clock::Clock;
use crate::simulator::scenario::Day;
use crate::simulator::serial::SerialPort;
use crate::simulator::{Line, Played, hipath, ipoffice};

/// How long `smdrd push` may take.
const PUSHED_WITHIN: Duration = Duration::from_secs(30);

/// Everything that runs: the two programs, and the PBXs' ends of the links.
pub struct Theatre {
    receiver: Child,
    daemon: Child,
    port: SerialPort,
    collector: SocketAddr,
    supplier: String,
    token: String,
    program: PathBuf,
}

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
        let clock = clock.to_argument().unwrap_or_default();
        let mut command = Command::new(&feed);
        command.arg("serve").args(["--listen", "127.0.0.1:0"]).arg("--store").arg(stage.supplier_store());
        command.arg("--tokens").arg(stage.tokens()).args(["--clock", &clock]);
        let (receiver, address) = children::start_receiver(&mut command, &stage.log("receiver"), stop)?;
        let mut port = SerialPort::open().map_err(DemoError::NoSerialLine)?;
        let collector = stage::free_port()?;
        stage.write_config(collector, port.path(), address)?;
        let mut command = Command::new(&program);
        command.arg("run").arg("--config").arg(stage.config()).args(["--clock", &clock]).stdout(Stdio::null());
        let mut daemon = Child::start("the daemon", &mut command, &stage.log("daemon"))?;
        let socket = stage.control_socket();
        daemon.wait_until("open its control socket", stop, || socket.exists())?;
        daemon.wait_until("open the serial line", stop, || port.attended())?;
        Ok(Theatre { receiver, daemon, port, collector, supplier: format!("http://{address}"), token, program })
    }

    /// Plays both PBXs side by side and gives the number of lines of each.
    pub fn play(
        &mut self,
        day: &Day,
        clock: &Clock,
        progress: &mut Progress,
        stop: &AtomicBool,
    ) -> Result<Vec<(&'static str, usize)>, DemoError> {
        let (reception, surgery) = (ipoffice::lines(day), hipath::lines(day));
        let (until, outage) = (day.at(ENDS), day.at(OUTAGE.start)..day.at(OUTAGE.end));
        let (halt, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (port, collector) = (&mut self.port, self.collector);
        let mut children = [&mut self.receiver, &mut self.daemon];
        let (at_reception, at_surgery, trouble) = std::thread::scope(|scope| {
            let one = scope.spawn(|| ipoffice::play(&reception, clock, collector, &[outage], until, &halt, &sent));
            let other = scope.spawn(|| hipath::play(&surgery, clock, port, until, &halt, &sent));
            let mut trouble = Ok(());
            while !(one.is_finished() && other.is_finished()) {
                let now = clock.now();
                let begun = day.calls.iter().filter(|call| call.arrival <= now).count();
                progress.tick(now, begun, sent.load(Ordering::Relaxed));
                trouble = watch(&mut children, clock, until, stop);
                if trouble.is_err() {
                    halt.store(true, Ordering::Relaxed);
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            (one.join().unwrap_or_default(), other.join().unwrap_or_default(), trouble)
        });
        trouble?;
        progress.clear();
        [(RECEPTION, at_reception, &reception), (SURGERY, at_surgery, &surgery)].into_iter().map(all_sent).collect()
    }

    /// Asks the receiver for the document that it holds.
    pub fn held(&self) -> Result<supplier::Held, DemoError> {
        supplier::fetch(&self.supplier, &self.token, DATE)
    }

    /// Has the daemon close and send the day, as a person would.
    pub fn push(&self, stage: &Stage, stop: &AtomicBool) -> Result<Receipt, DemoError> {
        let out = stage.log("push").with_extension("out");
        let file =
            std::fs::File::create(&out).map_err(|reason| DemoError::NotStarted { name: "`smdrd push`", reason })?;
        let mut command = Command::new(&self.program);
        command.args(["push", &DATE.to_string(), "--json", "--config"]).arg(stage.config()).stdout(file);
        let log = stage.log("push");
        let mut child = Child::start("`smdrd push`", &mut command, &log)?;
        let status = child.finish(PUSHED_WITHIN, stop)?;
        let said = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        if !status.success() {
            let said = format!("{} {}", said(&out).trim(), said(&log).trim()).trim().to_owned();
            return Err(DemoError::NotPushed { status, said });
        }
        Ok(supplier::receipt(&said(&out)))
    }

    /// Leaves everything running until Enter or Ctrl-C.
    pub fn wait(&mut self, stage: &Stage, stop: &AtomicBool) {
        let config = stage.config();
        eprintln!(
            "\nThe daemon listens on {} and {}, the supplier on {}.",
            self.collector,
            self.port.path().display(),
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
            std::thread::sleep(Duration::from_millis(50));
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

fn all_sent((name, played, lines): (&'static str, Played, &Vec<Line>)) -> Result<(&'static str, usize), DemoError> {
    let Played { sent, overwritten, unsent, .. } = played;
    if sent != lines.len() {
        return Err(DemoError::LinesLeft { name, unsent, overwritten });
    }
    Ok((name, sent))
}
