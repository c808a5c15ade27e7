//! Hearing the PBX while calls are made, the way the daemon will: the same sources, log-ins and framing. Nothing is kept.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::acceptance::Heard;
use super::ask::Stop;
use super::write::Draft;
use crate::clock::Clock;
use crate::config;
use crate::dialect::{Line, Plan, Reading, SourceState, What};
use crate::framing::{Ended, Framer, Settings};
use crate::source::{self, Happening, Spec};

/// After this silence what is half read will not be completed.
const PAUSE: Duration = Duration::from_millis(1_500);

/// What is heard.
#[derive(Debug)]
pub(super) enum News {
    /// The link is there.
    Up(String),
    /// It is not, or not any more.
    Down(String),
    /// Lines came.
    Heard(Heard),
}

/// A link that is listened to on a thread of its own, until it is dropped.
#[derive(Debug)]
pub(super) struct Ear {
    news: Option<Receiver<News>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// Opens the source as the draft's configuration has it.
    pub fn open(draft: &Draft, plan: Plan) -> Result<Ear, Stop> {
        let failed = |what: String| Stop::Failed(what);
        let checked = config::inspect_text(Path::new("the answers so far"), &draft.text(), &[])
            .map_err(|error| failed(error.report()))?;
        let source = checked.config.source.first().ok_or_else(|| failed("no source is set up".to_owned()))?;
        let spec = Spec::from_config(0, source).map_err(|error| failed(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let (sender, news) = mpsc::channel();
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || runtime.block_on(hear(spec, plan, sender, stopped)));
        Ok(Ear { news: Some(news), stop, thread: Some(thread) })
    }

    /// What is heard within `wait`; `None` when it is nothing.
    pub fn news(&self, wait: Duration) -> Result<Option<News>, Stop> {
        match self.news.as_ref().map(|news| news.recv_timeout(wait)) {
            Some(Ok(news)) => Ok(Some(news)),
            Some(Err(RecvTimeoutError::Timeout)) => Ok(None),
            _ => Err(Stop::Failed("the link could not be listened to any longer".to_owned())),
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        // Whoever waits to hand something on must not wait for ever.
        self.news = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn hear(spec: Spec, plan: Plan, news: mpsc::Sender<News>, stop: watch::Receiver<bool>) {
    let (sender, mut happenings) = tokio::sync::mpsc::channel(64);
    let sources = tokio::spawn(source::run(vec![spec], Clock::system(), sender, stop));
    let mut lines = Lines { plan, framers: HashMap::new(), state: SourceState::default(), no: 0 };
    loop {
        let mut heard = Heard::default();
        let told = match tokio::time::timeout(PAUSE, happenings.recv()).await {
            Ok(None) => break,
            Err(_) => {
                lines.idle(&mut heard);
                None
            }
            Ok(Some(Happening::Listening { address, .. })) => Some(News::Down(format!("listening on {address}"))),
            Ok(Some(Happening::Up { what, .. })) => Some(News::Up(what)),
            Ok(Some(Happening::Waiting { cause, .. })) => Some(News::Down(cause.to_string())),
            Ok(Some(Happening::Refused { peer, cause, .. })) => Some(News::Down(format!("{peer} {cause}"))),
            Ok(Some(Happening::Down { connection, cause, .. })) => {
                lines.ended(connection, &mut heard);
                Some(News::Down(cause.to_string()))
            }
            Ok(Some(Happening::Bytes { connection, bytes, .. })) => {
                lines.bytes(connection, &bytes, &mut heard);
                None
            }
            // Not receipted: the PBX keeps what was not stored, and the daemon will have it.
            Ok(Some(Happening::Text { connection, bytes, .. })) => {
                lines.bytes(connection, &bytes, &mut heard);
                None
            }
            Ok(Some(_)) => None,
        };
        let something = !heard.records.is_empty() || !heard.offers.is_empty() || heard.unparsed > 0;
        let mut gone = something && news.send(News::Heard(heard)).is_err();
        if let Some(told) = told {
            gone |= news.send(told).is_err();
        }
        if gone {
            break;
        }
    }
    drop(happenings);
    let _ = sources.await;
}

struct Lines {
    plan: Plan,
    framers: HashMap<u64, Framer>,
    state: SourceState,
    no: u64,
}

impl Lines {
    fn bytes(&mut self, connection: u64, bytes: &[u8], heard: &mut Heard) {
        let settings = Settings { protocol: self.plan.protocol(), ..Settings::default() };
        let mut framer = self.framers.remove(&connection).unwrap_or_else(|| Framer::new(settings));
        framer.push(bytes, &mut |line| self.line(&line, heard));
        self.framers.insert(connection, framer);
    }

    fn line(&mut self, line: &crate::framing::Line<'_>, heard: &mut Heard) {
        if line.bytes.is_empty() && line.stripped > 0 {
            return;
        }
        self.no += 1;
        let mut reading = Reading::default();
        let today = jiff::Zoned::now().date();
        self.plan.step(&mut self.state, &Line { no: self.no, bytes: line.bytes, kept: &[], today }, &mut reading);
        take(reading, heard);
    }

    fn idle(&mut self, heard: &mut Heard) {
        let connections: Vec<u64> = self.framers.iter().filter(|(_, f)| f.pending()).map(|(id, _)| *id).collect();
        for connection in connections {
            self.flush(connection, Ended::Idle, heard);
        }
        if self.state.has_open_groups() {
            let mut reading = Reading::default();
            self.plan.idle(&mut self.state, &mut reading);
            take(reading, heard);
        }
    }

    fn ended(&mut self, connection: u64, heard: &mut Heard) {
        self.flush(connection, Ended::EndOfInput, heard);
        self.framers.remove(&connection);
    }

    fn flush(&mut self, connection: u64, ended: Ended, heard: &mut Heard) {
        if let Some(mut framer) = self.framers.remove(&connection) {
            framer.flush(ended, &mut |line| self.line(&line, heard));
            self.framers.insert(connection, framer);
        }
    }
}

fn take(reading: Reading, heard: &mut Heard) {
    for settled in reading.settled {
        match settled.what {
            What::Record(record) => heard.records.push(*record),
            What::Event(Some(offer)) => heard.offers.push(*offer),
            What::Unparsed { .. } => heard.unparsed += 1,
            What::Continuation | What::Event(None) | What::Header | What::Noise => {}
        }
    }
}
