//! Alerts beside the main loop: looks what is wrong, tells the journal and the service manager's status line, and takes
//! letters to the channels.
//!
//! A letter is kept in the transaction that notes the alert, and forgotten in one after the channel has taken it. So a
//! restart or a long outage loses none; a crash between the two sends one twice, with the same id. While nothing can be
//! stored, letters go out all the same: that nothing can be stored is what they tell.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::courier::random;
use super::desk::Desk;
use super::keeper::Keeper;
use super::run::TICK;
use super::status::{Snapshot, snapshot};
use crate::alert::mail::Mail;
use crate::alert::webhook::Webhook;
use crate::alert::{Book, Channel, Code, Event, Message, Notice, Problem, Severity, Undelivered};
use crate::clock::Clock;
use crate::config::Config;
use crate::notify;
use crate::push::backoff;
use crate::store::StoreError;

/// The name under which alerts are kept.
const KEPT: &str = "alerts";
/// How long after the start what is wrong is looked at first: links need a moment.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// A way to people, ready for use.
#[derive(Debug)]
enum Way {
    Webhook(Webhook),
    Mail(Mail),
}

impl Way {
    fn new(config: &Config, channel: Channel) -> Option<Result<Way, Undelivered>> {
        let alerts = config.alerts.as_ref()?.get_ref();
        match channel {
            Channel::Webhook => Webhook::new(alerts, config.supplier.as_ref()).map(|made| made.map(Way::Webhook)),
            Channel::Mail => Mail::new(alerts, config.time_zone()).map(|made| made.map(Way::Mail)),
        }
    }

    async fn send(&self, message: &Message) -> Result<(), Undelivered> {
        match self {
            Way::Webhook(webhook) => webhook.send(message).await,
            Way::Mail(mail) => mail.send(message).await,
        }
    }
}

/// The channels that are configured, each with its server.
pub(super) fn channels(config: &Config) -> Vec<(Channel, String)> {
    let Some(alerts) = config.alerts.as_ref().map(|alerts| alerts.get_ref()) else { return Vec::new() };
    let mut channels = Vec::new();
    if let Some(written) = &alerts.webhook {
        // The path may be a secret of the receiver's.
        let server = written.get_ref().splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        channels.push((Channel::Webhook, server));
    }
    if let Some(mail) = alerts.mail.as_ref().map(|mail| mail.get_ref()) {
        channels.push((Channel::Mail, format!("{}:{}", mail.server.get_ref(), mail.port())));
    }
    channels
}

impl Keeper {
    /// Takes up where the run before left off.
    pub(super) fn load_alerts(&mut self) -> Result<(), StoreError> {
        let kept = self.store.read().meta(KEPT)?;
        self.alerts = Book::read(kept.as_deref());
        self.kept_alerts = kept.unwrap_or_default();
        Ok(())
    }

    /// Keeps alerts, where that can be done: while it cannot they are in memory, and it is tried at the next look.
    fn keep_alerts(&mut self) {
        let text = serde_json::to_string(&self.alerts).unwrap_or_default();
        if text == self.kept_alerts {
            return;
        }
        let kept = self.store.begin().and_then(|work| {
            work.set_meta(KEPT, &text)?;
            work.commit()
        });
        match kept {
            Ok(()) => self.kept_alerts = text,
            Err(error) => tracing::debug!(%error, "alerts are in memory only"),
        }
    }

    /// Looks what is wrong, tells the journal, and writes letters. Answers with one line for the service manager.
    pub(super) fn look_out(&mut self) -> String {
        let now = self.clock.now();
        let taken = snapshot(self, true);
        let (problems, line) = match &taken {
            Ok(snapshot) => (snapshot.alerts.clone(), headline(snapshot, self.last_line(), now)),
            Err(error) => {
                let mut problems = self.alerts.still();
                problems.push(Problem::new(Code::CannotRead, error.to_string()));
                (problems, format!("not well: {error}"))
            }
        };
        let channels: Vec<Channel> = channels(&self.config).into_iter().map(|(channel, _)| channel).collect();
        for notice in self.alerts.look(&problems, now, &channels) {
            journal(&notice, &problems);
        }
        self.keep_alerts();
        line
    }

    /// When the last line came, over any source.
    fn last_line(&self) -> Option<Timestamp> {
        let read = self.store.read();
        let rows = self.plans.iter().filter_map(|plan| self.row(&plan.name));
        let last = |row: &crate::store::SourceRow| {
            read.lines(row.id, row.next_seq.saturating_sub(1).max(1), 1).ok()?.pop().map(|line| line.at)
        };
        rows.filter_map(last).max()
    }

    /// What is said of a notice.
    fn message(&self, notice: &Notice) -> Message {
        let practices: Vec<String> = self.practices().iter().map(super::courier::practice_of).collect();
        Message::new(notice, &self.device().unwrap_or_default(), &practices)
    }
}

/// Tells the journal. `alert` is the code (`journalctl F_ALERT=link-down`).
fn journal(notice: &Notice, problems: &[Problem]) {
    let (alert, subject) = (notice.code.word(), notice.subject.as_deref().unwrap_or_default());
    let key = (notice.code, notice.subject.as_deref());
    let what = problems.iter().find(|problem| problem.key() == key).map(Problem::text).unwrap_or_default();
    match (notice.event, notice.code.severity()) {
        (Event::Raised, Severity::Critical) => tracing::error!(alert, subject, what, "alert raised"),
        (Event::Raised, _) => tracing::warn!(alert, subject, what, "alert raised"),
        (Event::Cleared, _) => tracing::info!(alert, subject, "alert cleared"),
        (Event::Reminder | Event::Test, _) => {}
    }
}

/// How it is, in one line.
fn headline(snapshot: &Snapshot, last_line: Option<Timestamp>, now: Timestamp) -> String {
    if let Some(first) = snapshot.problems.first() {
        return match snapshot.problems.len() - 1 {
            0 => format!("not well: {first}"),
            more => format!("not well: {first} (and {more} more: smdrd status)"),
        };
    }
    if snapshot.sources.is_empty() {
        return idle();
    }
    let count = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let sources = count(snapshot.sources.len() as u64, "source");
    let calls = count(snapshot.today.iter().map(|today| today.inbound_seen).sum(), "call");
    let last = last_line.map_or_else(
        || "no line yet".to_owned(),
        |at| match now.duration_since(at).as_mins() {
            ..1 => "last line just now".to_owned(),
            minutes @ 1..120 => format!("last line {minutes} min ago"),
            minutes => format!("last line {} h ago", minutes / 60),
        },
    );
    let (days, supplier) = (&snapshot.days, snapshot.supplier.is_some());
    let sent = match (supplier, days.pending, days.held) {
        (false, ..) => "no supplier: days are kept".to_owned(),
        (true, 0, 0) => "supplier: all delivered".to_owned(),
        (true, 0, held) => format!("supplier: {} to approve", count(held, "day")),
        (true, pending, _) => format!("supplier: {} to send", count(pending, "day")),
    };
    format!("well: {sources} up, {calls} in today, {last}; {sent}")
}

/// The line of a box that has nothing to do yet.
pub(super) fn idle() -> String {
    "ready, idle: no source is configured; run smdrd setup".to_owned()
}

/// Looks what is wrong, for as long as the daemon runs.
pub(super) async fn watch(desk: Desk, config: Config, clock: Clock) {
    let tick = clock.real(TICK.0).max(TICK.1);
    let start = tokio::time::Instant::now() + clock.real(FIRST_LOOK).max(TICK.1);
    let mut tick = tokio::time::interval_at(start, tick);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ways = tokio::task::JoinSet::new();
    let bells: Vec<Arc<Notify>> = channels(&config)
        .into_iter()
        .map(|(channel, _)| {
            let bell = Arc::new(Notify::new());
            ways.spawn(deliver(desk.clone(), config.clone(), clock, channel, Arc::clone(&bell)));
            bell
        })
        .collect();
    loop {
        tick.tick().await;
        let Some(line) = desk.with(Keeper::look_out).await else { return };
        notify::status(&line);
        bells.iter().for_each(|bell| bell.notify_one());
    }
}

/// Takes letters to one channel, one after another, for as long as the daemon runs. A failed try is repeated after a
/// back-off; what waits behind it keeps its order.
async fn deliver(desk: Desk, config: Config, clock: Clock, channel: Channel, bell: Arc<Notify>) {
    let mut failed = 0;
    loop {
        let next = desk.with(move |keeper| {
            let notice = keeper.alerts.next(channel)?.clone();
            Some((notice.number, keeper.message(&notice)))
        });
        let Some(next) = next.await else { return };
        let Some((number, message)) = next else {
            bell.notified().await;
            continue;
        };
        // Set up at each try: a file that is put right is taken up at once.
        let outcome = match Way::new(&config, channel) {
            Some(Ok(way)) => way.send(&message).await,
            Some(Err(error)) => Err(error),
            None => return,
        };
        match outcome {
            Ok(()) => {
                failed = 0;
                let noted = desk.with(move |keeper| {
                    let now = keeper.clock.now();
                    keeper.alerts.sent(channel, number, now);
                    keeper.keep_alerts();
                });
                if noted.await.is_none() {
                    return;
                }
            }
            Err(error) => {
                failed += 1;
                // Once in a row of failures: what follows is in `smdrd status`.
                if failed == 1 {
                    tracing::warn!(channel = channel.word(), %error, "an alert could not be delivered; it is tried again");
                }
                let why = error.to_string();
                let noted = desk.with(move |keeper| {
                    keeper.alerts.failed(channel, why);
                    keeper.keep_alerts();
                });
                if noted.await.is_none() {
                    return;
                }
                tokio::time::sleep(clock.real(backoff(failed, random()))).await;
            }
        }
    }
}

/// What came of a test message on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Which: `journal`, `webhook` or `mail`.
    pub channel: String,
    /// The server.
    pub to: Option<String>,
    /// Why it was not taken.
    pub problem: Option<String>,
}

/// Sends a test message over every channel, now, and says what came of each.
pub(super) async fn test(desk: &Desk, config: &Config) -> Option<Vec<Tried>> {
    let message = desk.with(|keeper| {
        let notice = keeper.alerts.test(keeper.clock.now());
        keeper.keep_alerts();
        keeper.message(&notice)
    });
    let message = message.await?;
    tracing::info!(alert = Code::Test.word(), id = message.id, "a test of alerts");
    let mut tried = vec![Tried { channel: "journal".to_owned(), to: None, problem: None }];
    for (channel, to) in channels(config) {
        let outcome = match Way::new(config, channel) {
            Some(Ok(way)) => way.send(&message).await,
            Some(Err(error)) => Err(error),
            None => continue,
        };
        let problem = outcome.err().map(|error| error.to_string());
        tried.push(Tried { channel: channel.word().to_owned(), to: Some(to), problem });
    }
    Some(tried)
}
