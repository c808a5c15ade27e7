//! Lines that a PBX prints a second time, in the books: after a boundary lines are stored at once and counted when it is
//! clear that they are no repetition. The verdict is stored with them; a rebuild reads it.

use std::collections::HashSet;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

use super::books::{Books, MaskedLine, Portion};
use super::keeper::KEYED;
use crate::aggregate::slots::date_of;
use crate::call::LineRef;
use crate::call::replay::{DEPTH, Print, Replay, Verdict};
use crate::number::Anonymous;
use crate::record::{LineKind, MaskedRecord};
use crate::store::{Reading, Repeats, StoreError, StoredNumber, Work};

/// How far a stamp lies behind the one before where a PBX may have begun again: within it lines are only out of order.
const BACK: SignedDuration = SignedDuration::from_secs(60);

/// What one source printed, and its records that wait for a verdict.
#[derive(Debug, Default)]
pub(super) struct Watch {
    replay: Replay,
    /// In the order in which they were read, which is the order in which calls are made of them.
    records: Vec<(u64, MaskedRecord, Timestamp)>,
    /// What was clear of an earlier run's lines when they were read.
    clear: Vec<(u64, Verdict)>,
    last: Option<DateTime>,
    /// Lines that bear no stamp, since the last that does.
    unstamped: usize,
}

impl Books {
    /// Watches a source for repetitions, from what it printed so far. Where it is `acknowledged`, what comes first on a link and
    /// was the last before is the same again: we had it on disk, and the acknowledgement did not arrive.
    pub(super) fn watch(&mut self, read: &Reading<'_>, source: u16, acknowledged: bool) -> Result<(), StoreError> {
        let mut watch = Watch::default();
        if acknowledged {
            watch.replay.one_line_proves();
        }
        let keyed = read.meta(KEYED)?.and_then(|text| text.parse().ok()).unwrap_or(i64::MIN);
        let lines = read.printed(source, DEPTH)?;
        let (first, last) = (lines.first().map_or(1, |line| line.seq), lines.last().map_or(0, |line| line.seq));
        let mut numbers = read.numbers(source, first, last)?.into_iter().peekable();
        for line in lines {
            let mut own = Vec::new();
            while numbers.next_if(|(seq, _)| *seq < line.seq).is_some() {}
            while let Some((_, number)) = numbers.next_if(|(seq, _)| *seq == line.seq) {
                own.push(number);
            }
            let under_this_key = line.at.as_millisecond() >= keyed;
            let print = print(&line.text, if under_this_key { &own } else { &[] }, date_of(self.zone(), line.at));
            match line.repeats {
                Some(Repeats::Waits) => {
                    if watch.records.is_empty() && !watch.replay.is_looking() {
                        watch.replay.boundary();
                    }
                    let seen = watch.replay.line(line.seq, print, line.at);
                    let decided = seen.waits || seen.clear.iter().any(|(seq, _)| *seq == line.seq);
                    watch.clear.extend(seen.clear);
                    if !decided {
                        // What it waited for is kept no more: nobody can say any longer, and a call must not be lost.
                        watch.clear.push((line.seq, Verdict::Doubtful));
                    }
                    if let Some(record) = line.record {
                        watch.records.push((line.seq, linked(record, &own), line.at));
                    }
                }
                Some(Repeats::Line(_)) => {}
                Some(Repeats::Doubtful) => watch.replay.was_printed(line.seq, print, true),
                None => watch.replay.was_printed(line.seq, print, false),
            }
        }
        self.watches.insert(source, watch);
        Ok(())
    }

    /// The PBX may empty its buffer now: its link came up, or it began again.
    pub(super) fn boundary(&mut self, work: &Work<'_>, portion: &mut Portion, source: u16) -> Result<(), StoreError> {
        let Some(watch) = self.watches.get_mut(&source) else { return Ok(()) };
        let mut clear = std::mem::take(&mut watch.clear);
        clear.extend(watch.replay.boundary());
        self.clear(work, portion, source, clear)
    }

    /// The link of a source is down: a buffer that was being emptied was cut off.
    pub(super) fn cut_off(&mut self, work: &Work<'_>, portion: &mut Portion, source: u16) -> Result<(), StoreError> {
        let Some(watch) = self.watches.get_mut(&source) else { return Ok(()) };
        let mut clear = std::mem::take(&mut watch.clear);
        clear.extend(watch.replay.cut_off());
        self.clear(work, portion, source, clear)
    }

    /// Whether the verdict on a line is still to come.
    pub(super) fn waits(&self) -> bool {
        self.watches.values().any(|watch| watch.replay.waits() || !watch.clear.is_empty())
    }

    /// Decides where nothing more has come for a while by `now`.
    pub(super) fn quiet(&mut self, work: &Work<'_>, portion: &mut Portion, now: Timestamp) -> Result<(), StoreError> {
        let sources: Vec<u16> = self.watches.keys().copied().collect();
        for source in sources {
            let Some(watch) = self.watches.get_mut(&source) else { continue };
            let mut clear = std::mem::take(&mut watch.clear);
            clear.extend(watch.replay.quiet(now));
            self.clear(work, portion, source, clear)?;
        }
        Ok(())
    }

    /// Looks at a new line. Says what is to be stored of it, after what is clear now of those before it has been.
    pub(super) fn look(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        source: u16,
        line: &MaskedLine,
    ) -> Result<Option<Repeats>, StoreError> {
        let heard = date_of(self.zone(), line.at);
        // Titles are printed at any time, and of what is not understood only the shape is there: both prove nothing.
        let proves = matches!(line.kind, LineKind::Record | LineKind::Continuation | LineKind::Event);
        let Some(watch) = self.watches.get_mut(&source).filter(|_| proves) else { return Ok(None) };
        let print = print(&line.text, &line.numbers, heard);
        let before = watch.unstamped;
        watch.unstamped = if line.stamp.is_some() { 0 } else { before + 1 };
        if let Some(stamp) = line.stamp {
            let last = watch.last.replace(stamp);
            let back = last.is_some_and(|last| last.duration_since(stamp) > BACK);
            if back && !watch.replay.is_looking() && watch.replay.knows(print) {
                watch.replay.boundary_before(before);
            }
        }
        let mut clear = std::mem::take(&mut watch.clear);
        let seen = watch.replay.line(line.seq, print, line.at);
        clear.extend(seen.clear);
        let own = match clear.iter().position(|(seq, _)| *seq == line.seq) {
            Some(at) => stored(clear.remove(at).1),
            None => seen.waits.then_some(Repeats::Waits),
        };
        if own == Some(Repeats::Waits)
            && let Some(record) = &line.record
        {
            watch.records.push((line.seq, record.clone(), line.at));
        }
        self.clear(work, portion, source, clear)?;
        Ok(own)
    }

    /// What is known of an earlier line that turns out to be something now. A record of a line that waits is made a call
    /// when it is clear that it is no repetition.
    pub(super) fn settles(
        &mut self,
        work: &Work<'_>,
        line: LineRef,
        record: Option<&MaskedRecord>,
    ) -> Result<Option<Repeats>, StoreError> {
        let Some(watch) = self.watches.get_mut(&line.source) else { return Ok(None) };
        let Some((repeats, at)) = work.read().repeats(line)? else { return Ok(None) };
        if repeats == Some(Repeats::Waits)
            && let Some(record) = record
        {
            watch.records.push((line.seq, record.clone(), at));
        }
        Ok(repeats)
    }

    /// Forgets callers of lines heard up to `date`.
    pub(super) fn forget_callers(&mut self, date: Date) {
        self.watches.values_mut().for_each(|watch| watch.replay.forget_callers(date));
    }

    fn clear(
        &mut self,
        work: &Work<'_>,
        portion: &mut Portion,
        source: u16,
        clear: Vec<(u64, Verdict)>,
    ) -> Result<(), StoreError> {
        if clear.is_empty() {
            return Ok(());
        }
        let mut counted = HashSet::new();
        for (seq, verdict) in &clear {
            let line = LineRef { source, seq: *seq };
            if let Some((kind, day)) = work.put_repeats(line, stored(*verdict))? {
                if let Verdict::Repeats(_) = verdict {
                    portion.count(source, day, kind, -1);
                    portion.count(source, day, LineKind::Duplicate, 1);
                } else {
                    counted.insert(*seq);
                    if *verdict == Verdict::Doubtful {
                        work.add_doubt(source, day, 1)?;
                    }
                }
            }
        }
        let Some(watch) = self.watches.get_mut(&source) else { return Ok(()) };
        let decided: HashSet<u64> = clear.iter().map(|(seq, _)| *seq).collect();
        let (now, later) = std::mem::take(&mut watch.records).into_iter().partition(|(seq, ..)| decided.contains(seq));
        watch.records = later;
        let now: Vec<(u64, MaskedRecord, Timestamp)> = now;
        for (seq, record, at) in now.into_iter().filter(|(seq, ..)| counted.contains(seq)) {
            self.count_record(work, portion, LineRef { source, seq }, record, at)?;
        }
        Ok(())
    }
}

/// The record with what joins calls, which is kept beside its line only.
fn linked(record: MaskedRecord, numbers: &[StoredNumber]) -> MaskedRecord {
    record.map_numbers(|number| {
        let alike = |(_, other): &&StoredNumber| {
            (other.class, other.digits, &other.own) == (number.class, number.digits, &number.own)
        };
        let mut links = numbers.iter().filter(alike).map(|(_, number)| (number.peer, number.token));
        let (peer, token) = links.next().filter(|link| links.all(|other| other == *link)).unwrap_or_default();
        Some(Anonymous { peer, token, ..number })
    })
}

fn stored(verdict: Verdict) -> Option<Repeats> {
    match verdict {
        Verdict::New => None,
        Verdict::Repeats(of) => Some(Repeats::Line(of)),
        Verdict::Doubtful => Some(Repeats::Doubtful),
    }
}

fn print(text: &[u8], numbers: &[StoredNumber], heard: Date) -> Print {
    let tokens = numbers.iter().filter_map(|(start, number)| Some((*start, number.token?)));
    Print::of(text, tokens, heard)
}
