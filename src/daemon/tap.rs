//! Looking on: lines as they come, shown to whoever may see them, for a while, and stored nowhere.
//!
//! The reading side never waits for who looks: what does not fit into a small queue is left out and counted. That
//! somebody looks, and for how long, is in the audit before the first line is shown; that somebody may not, too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::answers::{audit, gone, stored};
use super::books::Entry;
use super::desk::Desk;
use crate::control::exchange::Exchange;
use crate::control::looking::{Listener, Look, News, Seen, Teller, Text};
use crate::control::{Peer, Refusal};
use crate::number::{Anonymous, Class};
use crate::record::{LineKind, MaskedRecord, StampKind};

/// The longest that anybody looks without asking again, in seconds.
pub const LONGEST: u32 = 3600;
/// How many may look at a time.
const MOST: usize = 4;
/// Lines that wait for one of them.
const QUEUE: usize = 256;
/// Digits in a reason from which on it may hold a telephone number.
const NUMBER_LIKE: usize = 5;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 200;

/// Who looks at lines as they come. Every copy is the same.
#[derive(Debug, Clone, Default)]
pub struct Taps(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether anybody does, so that nobody's lines cost nothing.
    any: AtomicBool,
    open: Mutex<Vec<Open>>,
}

#[derive(Debug)]
struct Open {
    source: Option<u16>,
    masked: bool,
    sender: mpsc::Sender<Shown>,
    left_out: Arc<AtomicU64>,
}

/// A line on its way to somebody's terminal.
#[derive(Clone)]
struct Shown {
    source: u16,
    line: u64,
    at: Timestamp,
    text: Option<Text>,
    kind: LineKind,
    reason: Option<String>,
    column: Option<u16>,
    record: Option<Map<String, Value>>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("source", &self.source).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Taps {
    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what became of lines of a source; `raw` is the last of them as it came. Never waits.
    pub fn show(&self, source: u16, raw: Option<&[u8]>, entries: &[Entry]) {
        if !self.0.any.load(Ordering::Relaxed) || entries.is_empty() {
            return;
        }
        let mut open = self.open();
        open.retain(|tap| !tap.sender.is_closed());
        self.0.any.store(!open.is_empty(), Ordering::Relaxed);
        for tap in open.iter().filter(|tap| tap.source.is_none_or(|wanted| wanted == source)) {
            for shown in entries.iter().filter_map(|entry| shown(source, entry, raw.filter(|_| !tap.masked))) {
                if tap.sender.try_send(shown).is_err() {
                    tap.left_out.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn join(&self, source: Option<u16>, masked: bool) -> Option<(mpsc::Receiver<Shown>, Arc<AtomicU64>)> {
        let mut open = self.open();
        open.retain(|tap| !tap.sender.is_closed());
        if open.len() >= MOST {
            return None;
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let left_out = Arc::new(AtomicU64::new(0));
        open.push(Open { source, masked, sender, left_out: left_out.clone() });
        self.0.any.store(true, Ordering::Relaxed);
        Some((receiver, left_out))
    }
}

fn shown(source: u16, entry: &Entry, raw: Option<&[u8]>) -> Option<Shown> {
    match entry {
        Entry::Line(line) => Some(Shown {
            source,
            line: line.seq,
            at: line.at,
            text: Some(Text::printable(raw.unwrap_or(&line.text))),
            kind: line.kind,
            reason: line.reason.clone(),
            column: line.column,
            record: line.record.as_ref().map(told),
        }),
        Entry::Settled { seq, kind, reason, record, at } => Some(Shown {
            source,
            line: *seq,
            at: *at,
            text: None,
            kind: *kind,
            reason: reason.clone(),
            column: None,
            record: record.as_ref().map(told),
        }),
        Entry::Idle(_) => None,
    }
}

/// The record as `smdrd parse` names it, with what is kept of numbers in their place.
fn told(record: &MaskedRecord) -> Map<String, Value> {
    let mut keys = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            keys.insert(key.to_owned(), value);
        }
    };
    if let Some(stamp) = record.stamp {
        let at = stamp.at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        match stamp.kind {
            StampKind::Arrival => put("start", Some(at.into())),
            StampKind::Answer => put("connected", Some(at.into())),
            StampKind::End => put("end", Some(at.into())),
            StampKind::Event | StampKind::Unknown => put("stamp", Some(at.into())),
        }
    }
    put("direction", record.direction.and_then(|value| serde_json::to_value(value).ok()));
    put("answered", record.answered.map(Into::into));
    put("ring_s", record.ring_s.map(Into::into));
    put("talk_s", record.talk_s.map(Into::into));
    put("hold_s", record.hold_s.map(Into::into));
    put("extension", record.extension.as_deref().map(Into::into));
    put("trunk", record.trunk.as_deref().map(Into::into));
    put("ddi", record.ddi.as_ref().map(kept));
    put("cli", record.cli.as_ref().map(kept));
    put("dialled", record.dialled.as_ref().map(kept));
    put("transferred", record.transferred.map(Into::into));
    put("conference", record.conference.map(Into::into));
    put("continuation", record.continuation.map(Into::into));
    put("call_id", record.call_id.as_deref().map(Into::into));
    keys
}

/// What is kept of a number: itself, where it is the practice's own or public, else its class and length.
fn kept(number: &Anonymous) -> Value {
    let class = || serde_json::to_value(number.class).ok().and_then(|class| Some(class.as_str()?.to_owned()));
    match &number.own {
        Some(own) => own.as_str().into(),
        None if number.class == Class::Withheld => "withheld".into(),
        None => format!("({}, {} digits)", class().unwrap_or_default(), number.digits).into(),
    }
}

/// Whether lines as they come may be shown to `peer`: root, the service's own user, and who acts as the service's group.
/// The kernel vouches for these two numbers and no more, so a group that somebody belongs to beside is not enough.
fn may_see_numbers(peer: Option<Peer>, own: Peer) -> bool {
    let group = |peer: Peer| own.gid != 0 && peer.gid == own.gid;
    peer.is_some_and(|peer| peer.uid == 0 || peer.uid == own.uid || group(peer))
}

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Lines shown, and later news of lines.
    pub lines: u64,
    /// Lines left out, since they came faster than they could be shown.
    pub left_out: u64,
    /// Seconds that it took.
    pub seconds: u64,
}

/// Shows lines to whoever asks, until the time is over or they are gone.
pub async fn serve(desk: &Desk, taps: &Taps, who: &str, look: Look, exchange: Exchange) -> Result<Value, Refusal> {
    let own = Peer { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
    let wanted = look.source.clone();
    let known = desk.with(move |keeper| {
        let names: BTreeMap<u16, String> = keeper.ids.iter().map(|(name, id)| (*id, name.clone())).collect();
        (names, keeper.zone.clone())
    });
    let (names, zone) = known.await.ok_or_else(gone)?;
    let source = wanted.as_ref().and_then(|wanted| Some(*names.iter().find(|(_, name)| *name == wanted)?.0));
    let allowed = match (&wanted, source) {
        (Some(_), None) => {
            let known = names.values().cloned().collect::<Vec<_>>().join(", ");
            Err(Refusal::new("there is no such source", &format!("known are: {known}")))
        }
        _ => admitted(&look, exchange.peer(), own),
    };
    let what = described(&look, source.and_then(|source| names.get(&source)));
    if let Err(refusal) = allowed {
        note(desk, who, format!("tap refused ({}): {what}", refusal.what)).await?;
        return Err(refusal);
    }
    let Some((receiver, left_out)) = taps.join(source, look.masked) else {
        return Err(Refusal::new(format!("{MOST} are looking already"), "wait until one of them has ended"));
    };
    // Without a row in the audit nothing is shown.
    note(desk, who, format!("tap begun: {what}")).await?;
    let sources =
        names.iter().filter(|(id, _)| source.is_none_or(|source| source == **id)).map(|(_, name)| name.clone());
    let begun = News::Begun { sources: sources.collect(), seconds: look.seconds };
    let began = Instant::now();
    let (listener, teller) = exchange.apart();
    let mut tap = Tap { receiver, left_out, told_out: 0, lines: 0, names, zone, teller };
    let time = Duration::from_secs(look.seconds.into());
    if tap.run(begun, listener, time).await == Over::InTheMiddle {
        tap.teller.break_off().await;
    }
    let looked =
        Looked { lines: tap.lines, left_out: tap.left_out.load(Ordering::Relaxed), seconds: began.elapsed().as_secs() };
    let ended =
        format!("tap ended after {} s: {} lines shown, {} left out", looked.seconds, looked.lines, looked.left_out);
    note(desk, who, ended).await?;
    serde_json::to_value(looked).map_err(|error| Refusal::new(error, "report this"))
}

/// Whether it may begin, as it is asked for.
fn admitted(look: &Look, peer: Option<Peer>, own: Peer) -> Result<(), Refusal> {
    if look.seconds == 0 || look.seconds > LONGEST {
        return Err(Refusal::new(format!("{} s is no time to look for", look.seconds), "ask for 1 to 60 minutes"));
    }
    let reason = look.reason.as_deref().unwrap_or_default().trim();
    if reason.chars().filter(char::is_ascii_digit).count() >= NUMBER_LIKE || reason.chars().any(char::is_control) {
        return Err(Refusal::new("the reason may hold a telephone number, and is kept", "say it without numbers"));
    }
    if reason.chars().count() > LONGEST_REASON {
        return Err(Refusal::new("the reason is too long", &format!("say it in {LONGEST_REASON} characters")));
    }
    if look.masked {
        return Ok(());
    }
    if !may_see_numbers(peer, own) {
        return Err(Refusal::new(
            "lines as they come hold patients' telephone numbers, and this user may not see them",
            "look at masked lines (--masked), or as root or the service's group (sg smdrd)",
        ));
    }
    if reason.is_empty() {
        return Err(Refusal::new(
            "lines as they come hold patients' telephone numbers, and no reason is given to look at them",
            "say why with --reason; it is kept in the audit",
        ));
    }
    Ok(())
}

/// What the audit says of it. A name or reason that is refused may hold anything, and is not in it.
fn described(look: &Look, source: Option<&String>) -> String {
    let of = match (source, &look.source) {
        (Some(name), _) => name.as_str(),
        (None, None) => "all sources",
        (None, Some(_)) => "an unknown source",
    };
    let lines = if look.masked { "masked lines" } else { "lines as they come" };
    let reason = look.reason.as_deref().unwrap_or_default().trim();
    let plain = reason.chars().filter(char::is_ascii_digit).count() < NUMBER_LIKE
        && reason.chars().count() <= LONGEST_REASON
        && !reason.chars().any(char::is_control);
    let reason = if reason.is_empty() || !plain { String::new() } else { format!("; reason: {reason}") };
    format!("{lines} of {of} for {} s{reason}", look.seconds)
}

async fn note(desk: &Desk, who: &str, what: String) -> Result<(), Refusal> {
    let who = who.to_owned();
    desk.with(move |keeper| audit(keeper, &who, &what)).await.ok_or_else(gone)?.map_err(stored)
}

#[derive(Debug, PartialEq, Eq)]
enum Over {
    /// Between two lines, or nobody is there any more.
    Orderly,
    /// Somebody is there, and does not read.
    InTheMiddle,
}

/// One that looks.
struct Tap {
    receiver: mpsc::Receiver<Shown>,
    left_out: Arc<AtomicU64>,
    /// How many of those left out have been told of.
    told_out: u64,
    lines: u64,
    names: BTreeMap<u16, String>,
    zone: TimeZone,
    teller: Teller,
}

impl Tap {
    async fn run(&mut self, begun: News, mut listener: Listener, time: Duration) -> Over {
        let until = tokio::time::Instant::now() + time;
        let mut news = Some(begun);
        loop {
            if let Some(news) = news.take() {
                tokio::select! {
                    told = self.teller.tell(&news) => if told.is_err() { return Over::Orderly },
                    () = listener.gone() => return Over::Orderly,
                    () = tokio::time::sleep_until(until) => return Over::InTheMiddle,
                }
            }
            let left_out = self.left_out.load(Ordering::Relaxed);
            if left_out > self.told_out && self.receiver.is_empty() {
                news = Some(News::LeftOut(left_out - self.told_out));
                self.told_out = left_out;
                continue;
            }
            tokio::select! {
                shown = self.receiver.recv() => match shown {
                    Some(shown) => news = Some(self.seen(shown)),
                    None => return Over::Orderly,
                },
                () = listener.gone() => return Over::Orderly,
                () = tokio::time::sleep_until(until) => return Over::Orderly,
            }
        }
    }

    fn seen(&mut self, shown: Shown) -> News {
        self.lines += 1;
        News::Line(Seen {
            at: self.zone.to_datetime(shown.at).strftime("%H:%M:%S").to_string(),
            source: self.names.get(&shown.source).cloned().unwrap_or_default(),
            line: shown.line,
            text: shown.text,
            kind: shown.kind,
            reason: shown.reason,
            column: shown.column,
            record: shown.record,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(masked: bool, reason: Option<&str>) -> Look {
        Look { source: None, seconds: 300, masked, reason: reason.map(str::to_owned) }
    }

    #[test]
    fn numbers_are_shown_to_root_the_service_and_its_group_with_a_reason() {
        let own = Peer { uid: 990, gid: 991 };
        for (uid, gid, sees) in [(0, 0, true), (990, 5, true), (1000, 991, true), (1000, 1000, false)] {
            let peer = Some(Peer { uid, gid });
            assert_eq!(admitted(&look(false, Some("no records come")), peer, own).is_ok(), sees, "{uid}:{gid}");
            assert!(admitted(&look(true, None), peer, own).is_ok());
            assert!(admitted(&look(false, None), peer, own).is_err(), "no reason");
        }
        assert!(admitted(&look(false, Some("why")), None, own).is_err(), "the kernel does not say who it is");
        // A service that is run by root shares its group with whatever else is.
        assert!(!may_see_numbers(Some(Peer { uid: 1000, gid: 0 }), Peer { uid: 0, gid: 0 }));
    }

    #[test]
    fn no_number_reaches_the_audit_in_a_reason() {
        let own = Peer { uid: 990, gid: 991 };
        let root = Some(Peer { uid: 0, gid: 0 });
        for reason in ["07700 900123 rings", "a\nb", "1 2 3 4 5", &"x".repeat(201)] {
            let look = look(false, Some(reason));
            assert!(admitted(&look, root, own).is_err(), "{reason:?}");
            assert_eq!(described(&look, None), "lines as they come of all sources for 300 s");
        }
        assert_eq!(
            described(&look(false, Some("calls of 999 lack")), Some(&"pbx".to_owned())),
            "lines as they come of pbx for 300 s; reason: calls of 999 lack"
        );
    }

    #[test]
    fn a_line_cannot_command_the_terminal() {
        assert_eq!(Text::printable(b"a\x1b[2J\xff\r~").as_str(), "a\\x1B[2J\\xFF\\x0D~");
    }

    #[test]
    fn who_does_not_read_is_told_how_much_was_left_out_and_holds_nothing_back() {
        let taps = Taps::default();
        let entry =
            |seq| Entry::Settled { seq, kind: LineKind::Record, reason: None, record: None, at: Timestamp::UNIX_EPOCH };
        taps.show(1, None, &[entry(0)]);
        let (mut receiver, left_out) = taps.join(Some(1), true).unwrap();
        for seq in 0..1000 {
            taps.show(1, None, &[entry(seq)]);
            taps.show(2, None, &[entry(seq)]);
        }
        assert_eq!(left_out.load(Ordering::Relaxed), 1000 - QUEUE as u64);
        let mut seen = Vec::new();
        while let Ok(shown) = receiver.try_recv() {
            seen.push((shown.source, shown.line));
        }
        assert_eq!(seen, (0..QUEUE as u64).map(|line| (1, line)).collect::<Vec<_>>());
        drop(receiver);
        taps.show(1, None, &[entry(0)]);
        assert!(!taps.0.any.load(Ordering::Relaxed), "nobody looks any more");
        let all: Vec<_> = (0..MOST).map(|_| taps.join(None, true).unwrap()).collect();
        assert!(taps.join(None, true).is_none(), "{} look", all.len());
    }
}
