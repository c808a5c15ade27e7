//! The reading side: bytes to masked lines. Here numbers end; what leaves is free of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::books::{Batch, Entry, MaskedLine};
use super::garbled;
use super::hold::SharedHold;
use super::import::Trace;
use super::keys::KeyRing;
use super::tap::Taps;
use crate::aggregate::slots::date_of;
use crate::dialect::{Line, Plan, Reading, Settled, SourceState, What};
use crate::framing::{Ended, Framer, Rest, Settings};
use crate::number::{Anonymous, Class, Number};
use crate::privacy::{Privacy, shape};
use crate::record::LineKind;
use crate::source::{Cause, FileMark, LineErrors};
use crate::store::Wire;

/// The longest line that is kept; what is beyond is cut and counted.
pub const MAX_LINE: usize = 4096;

/// What takes numbers out, shared by all sources.
#[derive(Debug)]
pub struct Gate {
    /// Masks, classes, peers and tokens.
    pub privacy: Privacy,
    /// The keys for them.
    pub ring: KeyRing,
}

/// One source's way from bytes to masked lines.
#[derive(Debug)]
pub struct Reader {
    source: u16,
    plan: Arc<Plan>,
    zone: TimeZone,
    state: SourceState,
    next_seq: u64,
    framers: HashMap<u64, Framer>,
    reading: Reading,
    /// What was wrong on the wire since the last batch.
    wire: Wire,
    /// Where lines that are not understood are held as they came.
    hold: Option<SharedHold>,
    /// Connections whose lines are cut as another dialect's, until the line that has begun is over.
    reframe: HashSet<u64>,
    /// What an import notes of each line.
    trace: Option<Trace>,
    /// Who looks at lines as they come.
    taps: Option<Taps>,
    /// The link that is being ended, for what is left of a line on it.
    ending: Option<Ending>,
}

/// How a link ended, in one word, and whether it broke: then what is left of a line is a piece of one, also where it
/// reads like a whole one. A peer that ends the link itself has said all that it had.
#[derive(Debug, Clone, Copy)]
struct Ending {
    cause: &'static str,
    broken: bool,
}

impl Reader {
    /// Goes on where the source stood: with this state, and this number for the next line.
    pub fn new(source: u16, plan: Arc<Plan>, zone: TimeZone, state: SourceState, next_seq: u64) -> Reader {
        Reader {
            source,
            plan,
            zone,
            state,
            next_seq,
            framers: HashMap::new(),
            reading: Reading::default(),
            wire: Wire::default(),
            hold: None,
            reframe: HashSet::new(),
            trace: None,
            taps: None,
            ending: None,
        }
    }

    /// Holds lines that are not understood as they came.
    pub fn holding(self, hold: SharedHold) -> Reader {
        Reader { hold: Some(hold), ..self }
    }

    /// Shows lines to whoever looks.
    pub fn tapped(self, taps: Taps) -> Reader {
        Reader { taps: Some(taps), ..self }
    }

    fn show(&self, raw: Option<&[u8]>, entries: &[Entry]) {
        if let Some(taps) = &self.taps {
            taps.show(self.source, raw, entries);
        }
    }

    /// Reads by another plan from the next line on. A record of several lines that it does not know ends here.
    pub fn adopt(&mut self, plan: Arc<Plan>, at: Timestamp) -> Option<Batch> {
        if plan.protocol() != self.plan.protocol() {
            self.reframe.extend(self.framers.keys());
        }
        let mut reading = Reading::default();
        plan.take_over(&self.plan, &mut self.state, &mut reading);
        self.plan = plan;
        let mut entries = Vec::new();
        self.settle(reading.settled, None, at, &mut entries);
        self.show(None, &entries);
        self.batch(entries, at)
    }

    /// Goes on from this state: earlier lines were read again.
    pub fn resume(&mut self, mut state: SourceState) {
        state.sequence = self.state.sequence;
        self.state = state;
    }

    /// Reads a file rather than a link.
    pub fn with_trace(self, trace: Trace) -> Reader {
        Reader { trace: Some(trace), ..self }
    }

    /// What was noted of the lines of a file.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// Takes bytes of one connection.
    pub fn bytes(&mut self, gate: &mut Gate, connection: u64, bytes: &[u8], at: Timestamp) -> Option<Batch> {
        self.run(gate, connection, at, |framer, sink| framer.push(bytes, &mut |line| sink(line)))
    }

    /// Takes a text whose sender keeps it until it is acknowledged, with the number that the sender gave it, if it does.
    pub fn text(
        &mut self,
        gate: &mut Gate,
        connection: u64,
        bytes: &[u8],
        at: Timestamp,
        sequence: Option<u32>,
    ) -> Option<Batch> {
        let numbered = sequence.is_some();
        self.state.sequence = sequence.or(self.state.sequence);
        self.bytes(gate, connection, bytes, at).map(|batch| Batch { numbered, ..batch })
    }

    /// Takes a part of a file; its mark goes with its lines. At the file's end half a line and half a group end.
    pub fn part(&mut self, gate: &mut Gate, connection: u64, bytes: &[u8], at: Timestamp, mark: FileMark) -> Batch {
        let mut batch = self.bytes(gate, connection, bytes, at);
        if mark.whole
            && let Some(rest) = self.ended(gate, connection, at, false)
        {
            batch = Some(join(batch, rest));
        }
        let (source, state) = (self.source, self.state.clone());
        let batch =
            batch.unwrap_or(Batch { source, entries: Vec::new(), state, wire: None, mark: None, numbered: false });
        Batch { mark: Some(Box::new(mark)), ..batch }
    }

    /// Notes bytes that came in error.
    pub fn noise(&mut self, errors: LineErrors) {
        self.wire.line_errors += u64::from(errors.parity_or_framing) + u64::from(errors.breaks);
    }

    /// Nothing came on any connection for a while: what is half a line or half a group will not be completed.
    pub fn idle(&mut self, gate: &mut Gate, at: Timestamp) -> Option<Batch> {
        let mut all: Option<Batch> = None;
        let connections: Vec<u64> = self.framers.iter().filter(|(_, f)| f.pending()).map(|(id, _)| *id).collect();
        for connection in connections {
            if let Some(batch) =
                self.run(gate, connection, at, |framer, sink| framer.flush(Ended::Idle, &mut |line| sink(line)))
            {
                all = Some(join(all, batch));
            }
        }
        match self.close_groups(at) {
            Some(batch) => Some(join(all, batch)),
            None => all,
        }
    }

    /// The connection ended. Half a group is not completed then, unless the source `goes_on`: the state keeps it.
    pub fn ended(&mut self, gate: &mut Gate, connection: u64, at: Timestamp, goes_on: bool) -> Option<Batch> {
        let batch =
            self.run(gate, connection, at, |framer, sink| framer.flush(Ended::EndOfInput, &mut |line| sink(line)));
        self.framers.remove(&connection);
        self.reframe.remove(&connection);
        if goes_on {
            return batch;
        }
        match self.close_groups(at) {
            Some(closed) => Some(join(batch, closed)),
            None => batch,
        }
    }

    /// The link ended, with this cause. What is left of a line on it is not taken for a record where the link broke, and
    /// its reason says so where it is not understood.
    pub fn link_ended(&mut self, gate: &mut Gate, connection: u64, at: Timestamp, cause: &Cause) -> Option<Batch> {
        self.ending = Some(Ending { cause: cause.code(), broken: *cause != Cause::ClosedByPeer });
        // A record that is half printed when the daemon stops goes on after the restart.
        let batch = self.ended(gate, connection, at, *cause == Cause::Stopping);
        self.ending = None;
        batch
    }

    /// The connection is left to the next run: gives what is half read of it. Open groups go on with the state.
    pub fn park(&mut self, connection: u64) -> Rest {
        self.framers.remove(&connection).map(|framer| framer.rest()).unwrap_or_default()
    }

    /// Goes on with a connection of the run before.
    pub fn go_on(&mut self, connection: u64, rest: &Rest) {
        self.framers.insert(connection, Framer::go_on(self.framing(), rest));
    }

    fn framing(&self) -> Settings {
        Settings { protocol: self.plan.protocol(), max_line: MAX_LINE }
    }

    /// The day is over: what joined its calls is dropped.
    pub fn new_day(&mut self) {
        self.state.forget_tokens();
    }

    /// Whether something waits for more bytes.
    pub fn waits(&self) -> bool {
        self.state.has_open_groups() || self.framers.values().any(Framer::pending)
    }

    fn run(
        &mut self,
        gate: &mut Gate,
        connection: u64,
        at: Timestamp,
        feed: impl FnOnce(&mut Framer, &mut dyn FnMut(crate::framing::Line<'_>)),
    ) -> Option<Batch> {
        let settings = self.framing();
        let mut framer = self.framers.remove(&connection).unwrap_or_else(|| Framer::new(settings));
        if !framer.pending() && self.reframe.remove(&connection) {
            framer = Framer::new(settings);
        }
        let mut entries = Vec::new();
        feed(&mut framer, &mut |line| {
            let before = entries.len();
            self.line(gate, &line, at, &mut entries);
            self.show(Some(line.bytes), entries.get(before..).unwrap_or_default());
        });
        self.framers.insert(connection, framer);
        self.batch(entries, at)
    }

    fn batch(&mut self, entries: Vec<Entry>, at: Timestamp) -> Option<Batch> {
        let wire = std::mem::take(&mut self.wire);
        let noisy = wire != Wire::default();
        (!entries.is_empty() || noisy).then(|| Batch {
            source: self.source,
            entries,
            state: self.state.clone(),
            wire: noisy.then_some((at, wire)),
            mark: None,
            numbered: false,
        })
    }

    fn line(&mut self, gate: &mut Gate, line: &crate::framing::Line<'_>, at: Timestamp, entries: &mut Vec<Entry>) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.wire.stripped += u64::from(line.stripped);
        self.wire.cut += line.dropped;
        if line.bytes.is_empty() && line.stripped > 0 {
            if let Some(trace) = &mut self.trace {
                trace.noise();
            }
            entries.push(Entry::Line(plain(seq, at, LineKind::Noise)));
            return;
        }
        if let Some(why) = self.plan.why_unusable() {
            let mut masked = plain(seq, at, LineKind::Unparsed);
            masked.reason = Some(why.to_owned());
            self.hold(line.bytes, &mut masked);
            entries.push(Entry::Line(masked));
            return;
        }
        let ending = self.ending.filter(|_| line.ended == Ended::EndOfInput);
        if let Some(ending) = ending.filter(|ending| ending.broken) {
            let mut masked = plain(seq, at, LineKind::Unparsed);
            masked.reason = Some(ending.reason());
            keep_shape(line.bytes, &mut masked);
            entries.push(Entry::Line(masked));
            return;
        }
        let today = date_of(&self.zone, at);
        // Read as it came, on a state that is thrown away: only what `privacy` lets through of it goes further.
        let mut reading = std::mem::take(&mut self.reading);
        let input = Line { no: seq, bytes: line.bytes, kept: &[], today };
        self.plan.step(&mut self.state.clone(), &input, &mut reading);
        let heard = self.trace.as_mut().map_or(at, |trace| trace.line(line, &reading));
        let mut masked = plain(seq, at, LineKind::Unparsed);
        if is_unparsed(&reading) {
            self.shape(&mut reading, line.bytes, &mut masked);
            if let Some(reason) = ending.map(Ending::reason).or_else(|| garbled::reason(line.bytes, line.stripped)) {
                (masked.reason, masked.column) = (Some(reason), None);
            }
        } else {
            let passed = gate.privacy.pass(gate.ring.keys(), self.source, line.bytes, &reading, heard);
            (masked.text, masked.numbers) = (passed.text, passed.numbers);
            if let Some(trace) = &mut self.trace {
                trace.tokens(&mut masked.numbers);
            }
            // Read again as it is stored, which is how a rebuild will read it.
            let before = self.state.clone();
            let input = Line { no: seq, bytes: &masked.text, kept: &masked.numbers, today };
            self.plan.step(&mut self.state, &input, &mut reading);
            if is_unparsed(&reading) {
                tracing::error!(
                    source = self.source,
                    seq,
                    "masked, the line is not understood: a fault of the dialect"
                );
                self.state = before;
                self.shape(&mut reading, line.bytes, &mut masked);
            } else if let Some(own) = reading.settled.last() {
                (masked.kind, masked.sequence) = (kind(&own.what), reading.sequence);
                if let Some(trace) = &mut self.trace {
                    if trace.leaves_out(seq, &reading.settled) {
                        // As if it had not come: a rebuild will not find it either.
                        self.state = before;
                        reading.settled.clear();
                        self.reading = reading;
                        return;
                    }
                    trace.stood(seq, &reading.settled, before);
                }
            }
        }
        self.settle(std::mem::take(&mut reading.settled), Some(masked), at, entries);
        self.forget();
        self.reading = reading;
    }

    /// Of a line that is not understood only the shape is kept, and a rebuild cannot read it again: so it changes
    /// nothing here either. What it would have closed is closed by the next line, or by silence.
    fn shape(&self, reading: &mut Reading, line: &[u8], masked: &mut MaskedLine) {
        if let Some(Settled { what: What::Unparsed { reason, column }, .. }) = reading.settled.pop() {
            (masked.reason, masked.column) = (Some(reason), column);
        }
        reading.settled.clear();
        self.hold(line, masked);
    }

    /// Keeps the shape, and the line itself in memory, to be read again by other rules.
    fn hold(&self, line: &[u8], masked: &mut MaskedLine) {
        keep_shape(line, masked);
        if let Some(hold) = &self.hold {
            hold.get().keep(self.source, masked.seq, line, Instant::now());
        }
    }

    fn close_groups(&mut self, at: Timestamp) -> Option<Batch> {
        if !self.state.has_open_groups() || self.plan.why_unusable().is_some() {
            return None;
        }
        let mut reading = Reading::default();
        self.plan.idle(&mut self.state, &mut reading);
        let mut entries = vec![Entry::Idle(self.next_seq.saturating_sub(1))];
        self.settle(reading.settled, None, at, &mut entries);
        self.show(None, &entries);
        self.forget();
        self.batch(entries, at)
    }

    /// Turns what was settled into entries; `own` is the line itself, which is settled last.
    fn settle(
        &self,
        settled: smallvec::SmallVec<[Settled; 2]>,
        mut own: Option<MaskedLine>,
        at: Timestamp,
        entries: &mut Vec<Entry>,
    ) {
        for Settled { no, what } in settled {
            let kind = kind(&what);
            let stamp = match &what {
                What::Record(record) | What::Event(Some(record)) => record.stamp.map(|stamp| stamp.at),
                _ => None,
            };
            let (record, reason) = match what {
                What::Record(record) => (Some(record.map_numbers(|number| number.kept().cloned())), None),
                What::Unparsed { reason, .. } => (None, Some(reason)),
                _ => (None, None),
            };
            match own.take_if(|own| own.seq == no) {
                Some(mut line) => {
                    (line.record, line.stamp) = (record, stamp);
                    entries.push(Entry::Line(line));
                }
                None => entries.push(Entry::Settled { seq: no, kind, reason, record, at }),
            }
        }
        if let Some(line) = own {
            entries.push(Entry::Line(line));
        }
    }

    /// Nothing but what was kept is in the state already; this drops the zeros that stand for the digits.
    fn forget(&mut self) {
        let unknown = |number: &Number| Anonymous {
            class: Class::Other,
            digits: u8::try_from(number.digits()).unwrap_or(u8::MAX),
            peer: None,
            token: None,
            own: None,
        };
        self.state.forget_numbers(|number, _| number.kept().cloned().unwrap_or_else(|| unknown(number)));
    }
}

impl Ending {
    fn reason(self) -> String {
        format!("cut off: the link ended in the line ({})", self.cause)
    }
}

fn keep_shape(line: &[u8], masked: &mut MaskedLine) {
    masked.text = shape(line).into_bytes();
    masked.numbers = Vec::new();
    masked.shape = true;
}

/// Whether the line itself was not understood.
pub(super) fn is_unparsed(reading: &Reading) -> bool {
    matches!(reading.settled.last(), Some(Settled { what: What::Unparsed { .. }, .. }))
}

fn plain(seq: u64, at: Timestamp, kind: LineKind) -> MaskedLine {
    MaskedLine {
        seq,
        at,
        kind,
        text: Vec::new(),
        reason: None,
        column: None,
        numbers: Vec::new(),
        record: None,
        stamp: None,
        idle: false,
        shape: false,
        sequence: None,
    }
}

/// The kind that a verdict is counted as.
pub fn kind(what: &What) -> LineKind {
    match what {
        What::Record(_) => LineKind::Record,
        What::Continuation => LineKind::Continuation,
        What::Event(_) => LineKind::Event,
        What::Header => LineKind::Header,
        What::Noise => LineKind::Noise,
        What::Unparsed { .. } => LineKind::Unparsed,
    }
}

fn join(first: Option<Batch>, second: Batch) -> Batch {
    match first {
        None => second,
        Some(mut first) => {
            first.entries.extend(second.entries);
            first.state = second.state;
            first.wire = match (first.wire, second.wire) {
                (Some((at, one)), Some((_, other))) => Some((at, one.and(other))),
                (one, other) => one.or(other),
            };
            first
        }
    }
}
