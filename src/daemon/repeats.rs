//! Lines that a PBX prints a second time, in the books: after a boundary lines are stored at once and counted when it is
//! clear that they are no repetition. The verdict is stored with them; a rebuild reads it. What files gave of the same PBX
//! was printed before, too; which of a file's own lines repeat others is decided before they come here (`import`).

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

use super::books::{Books, MaskedLine, Portion};
use crate::call::LineRef;
use crate::call::history::{Had, join};
use crate::call::replay::{DEPTH, Print, Replay, Verdict, in_place};
use crate::number::Anonymous;
use crate::record::{LineKind, MaskedRecord};
use crate::store::{PrintedLine, Reading, Repeats, StoreError, StoredNumber, Work};

/// How far a stamp lies behind the one before where a PBX may have begun again: within it lines are only out of order.
const BACK: SignedDuration = SignedDuration::from_secs(60);

/// From which line of each source on the day's key is the one in use, by the number of the source. By lines and not by
/// times: where the box's clock was set back over midnight, two keys have had the same day.
const KEY_SINCE: &str = "key_since";
/// The same as earlier versions noted it: since when.
const CALLERS_SINCE: &str = "callers_since_ms";

/// Notes that another key is in use from the next line of each of these sources on.
pub(super) fn note_new_key(work: &Work<'_>, sources: impl Iterator<Item = (u16, u64)>) -> Result<(), StoreError> {
    let since: BTreeMap<u16, u64> = sources.collect();
    work.set_meta(KEY_SINCE, &serde_json::to_string(&since).unwrap_or_default())
}

/// Whether a line was heard under the key in use.
fn is_of_key(read: &Reading<'_>, source: u16) -> Result<impl Fn(&PrintedLine) -> bool, StoreError> {
    let lines = read.meta(KEY_SINCE)?.and_then(|text| serde_json::from_str::<BTreeMap<u16, u64>>(&text).ok());
    let first = lines.as_ref().map(|lines| lines.get(&source).copied().unwrap_or(0));
    let time = read.meta(CALLERS_SINCE)?.and_then(|text| text.parse().ok());
    let time = time.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MIN);
    Ok(move |line: &PrintedLine| first.map_or(line.at >= time, |first| line.line.seq >= first))
}

/// How near to the end of what a PBX printed a file must go along with it, for what it has behind that to be due here.
const NEAR: usize = 32;

/// What one source printed, and its records that wait for a verdict.
#[derive(Debug, Default)]
pub(super) struct Watch {
    replay: Replay,
    /// In the order in which they were read, which is the order in which calls are made of them.
    records: Vec<(u64, MaskedRecord, Timestamp)>,
    /// What was clear of an earlier run's lines when they were read.
    clear: Vec<(u64, Verdict)>,
    last: Option<DateTime>,
    /// The newest stamp so far, and what it was at the last boundary.
    newest: Option<DateTime>,
    at_boundary: Option<DateTime>,
    /// Whether the last line with a stamp was not newer than that.
    old: bool,
    /// Lines that bear no stamp, since the last that does.
    unstamped: usize,
    manner: Manner,
}

/// How a source prints.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// What it prints is acknowledged: what comes first on a link and was the last before is the same again. We had it on disk, and
    /// the acknowledgement did not arrive.
    pub acknowledged: bool,
    /// Its records are of several lines, most of which are like those of other records: lines beside a hole prove nothing.
    pub in_groups: bool,
}

/// A line as the source or a file has it.
struct Line {
    line: PrintedLine,
    print: Print,
    record: Option<MaskedRecord>,
}

impl Books {
    /// Watches a source for repetitions, from what it printed so far and what the `files` of its PBX gave.
    pub(super) fn watch(
        &mut self,
        read: &Reading<'_>,
        source: u16,
        files: &[u16],
        manner: Manner,
    ) -> Result<(), StoreError> {
        let mut watch = Watch { replay: Replay::of(source), manner, ..Watch::default() };
        if manner.acknowledged {
            watch.replay.one_line_proves();
        }
        let mut printed = as_printed(read, source, self.lines(read, source, None)?)?;
        let near: HashSet<LineRef> = printed.iter().rev().take(NEAR).map(|had| had.id).collect();
        let mut trusted = false;
        let since = printed.first().map(|had| had.what.line.day);
        for file in files {
            let lines = self.lines(read, *file, since)?;
            trusted |= lines.iter().any(|had| near.contains(&had.id));
            printed = join(printed, lines);
        }
        let beyond = printed.len().saturating_sub(DEPTH);
        let mut waiting = Vec::new();
        // Where a boundary was is not kept: as far as stamps go, all of it lies before this one.
        let stamps =
            printed.iter().filter(|had| had.what.line.repeats != Some(Repeats::Waits)).filter_map(|had| had.stamp);
        watch.newest = stamps.max();
        watch.at_boundary = watch.newest;
        for Had { id, stamp: had_stamp, what: Line { line, print, record }, .. } in printed.into_iter().skip(beyond) {
            let doubtful = line.repeats == Some(Repeats::Doubtful);
            if line.line.source != source {
                watch.replay.was_printed(id, print.from_file(), doubtful);
            } else if line.repeats == Some(Repeats::Waits) {
                let old = !manner.in_groups && had_stamp.is_none_or(|stamp| Some(stamp) <= watch.newest);
                waiting.push((id.seq, print, record, line.at, old));
            } else {
                // What repeats a file's line stands where the file has that.
                watch.replay.was_printed(id, print, doubtful);
            }
        }
        watch.replay.goes_ahead(trusted);
        if !waiting.is_empty() {
            watch.replay.boundary();
        }
        waiting.sort_unstable_by_key(|(seq, ..)| *seq);
        for (seq, print, record, at, old) in waiting {
            let seen = watch.replay.line(seq, print, at, old);
            let decided = seen.waits || seen.clear.iter().any(|(clear, _)| *clear == seq);
            watch.clear.extend(seen.clear);
            if !decided {
                // What it waited for is kept no more: nobody can say any longer, and a call must not be lost.
                watch.clear.push((seq, Verdict::Doubtful));
            }
            if let Some(record) = record {
                watch.records.push((seq, record, at));
            }
        }
        if let Some(before) = self.watches.remove(&source) {
            (watch.last, watch.unstamped) = (before.last, before.unstamped);
            (watch.newest, watch.at_boundary) = (before.newest.max(watch.newest), before.at_boundary);
        }
        self.watches.insert(source, watch);
        Ok(())
    }

    /// Takes up what a file gave of the same PBX. Where that is `of_now` it is a boundary: what the PBX prints next the file may
    /// have had.
    pub(super) fn printed_elsewhere(
        &mut self,
        read: &Reading<'_>,
        source: u16,
        files: &[u16],
        of_now: bool,
    ) -> Result<(), StoreError> {
        let Some(manner) = self.watches.get(&source).map(|watch| watch.manner) else { return Ok(()) };
        self.watch(read, source, files, manner)?;
        if let Some(watch) = self.watches.get_mut(&source).filter(|watch| of_now && !watch.replay.is_looking()) {
            watch.clear.extend(watch.replay.boundary());
        }
        Ok(())
    }

    /// The last lines of a source, of days from `since` on.
    fn lines(&self, read: &Reading<'_>, source: u16, since: Option<Date>) -> Result<Vec<Had<Line>>, StoreError> {
        let lines = read.printed(source, DEPTH, since)?;
        let (first, last) =
            (lines.first().map_or(1, |line| line.line.seq), lines.last().map_or(0, |line| line.line.seq));
        let mut numbers: HashMap<u64, Vec<StoredNumber>> = HashMap::new();
        for (seq, number) in read.numbers(source, first, last)? {
            numbers.entry(seq).or_default().push(number);
        }
        let is_of_key = is_of_key(read, source)?;
        let had = |mut line: PrintedLine| {
            let own = numbers.get(&line.line.seq).map_or(&[][..], Vec::as_slice);
            let own = if is_of_key(&line) { own } else { &[] };
            let record = line.record.take();
            let print = print(&line.text, own).carrying(record.as_ref());
            line.text = Vec::new();
            let id = match line.repeats {
                Some(Repeats::Line(of)) => of,
                _ => line.line,
            };
            let stamp = record.as_ref().and_then(|record| record.stamp).map(|stamp| stamp.at);
            let waits = line.repeats == Some(Repeats::Waits);
            let record = record.filter(|_| waits).map(|record| linked(record, &line.places, &numbers));
            Had { id, own: id == line.line, stamp, what: Line { line, print, record } }
        };
        Ok(lines.into_iter().map(had).collect())
    }

    /// The PBX may empty its buffer now: its link came up, or it began again.
    pub(super) fn boundary(&mut self, work: &Work<'_>, portion: &mut Portion, source: u16) -> Result<(), StoreError> {
        let Some(watch) = self.watches.get_mut(&source) else { return Ok(()) };
        let mut clear = std::mem::take(&mut watch.clear);
        watch.at_boundary = watch.newest;
        clear.extend(watch.replay.boundary());
        self.clear(work, portion, source, clear)
    }

    /// The next line has the number of the text before: a PBX that was not told that it is stored gives it once more.
    pub(super) fn comes_again(&mut self, source: u16) {
        if let Some(watch) = self.watches.get_mut(&source) {
            watch.replay.comes_again();
        }
    }

    /// The link of a source is down: a buffer that was being emptied was cut off.
    pub(super) fn cut_off(&mut self, work: &Work<'_>, portion: &mut Portion, source: u16) -> Result<(), StoreError> {
        let Some(watch) = self.watches.get_mut(&source) else { return Ok(()) };
        let mut clear = std::mem::take(&mut watch.clear);
        clear.extend(watch.replay.cut_off());
        self.clear(work, portion, source, clear)
    }

    /// The sources whose next lines may be repetitions.
    pub(super) fn looking(&self) -> Vec<u16> {
        let looking = self.watches.iter().filter(|(_, watch)| watch.replay.is_looking());
        looking.map(|(source, _)| *source).collect()
    }

    /// Looks on where it was looked before the books were read from the database again: a boundary is not in it.
    pub(super) fn look_on(&mut self, sources: &[u16]) {
        for source in sources {
            if let Some(watch) = self.watches.get_mut(source).filter(|watch| !watch.replay.is_looking()) {
                let none = watch.replay.boundary();
                debug_assert!(none.is_empty(), "nothing waited");
            }
        }
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
        // Titles are printed at any time, and of what is not understood only the shape is there: both prove nothing.
        let proves = matches!(line.kind, LineKind::Record | LineKind::Continuation | LineKind::Event);
        if let Some(repeats) = self.decided.remove(&LineRef { source, seq: line.seq }) {
            return Ok(Some(repeats));
        }
        let Some(watch) = self.watches.get_mut(&source).filter(|_| proves) else { return Ok(None) };
        let print = print(&line.text, &line.numbers).carrying(line.record.as_ref());
        let before = watch.unstamped;
        watch.unstamped = if line.stamp.is_some() { 0 } else { before + 1 };
        if let Some(stamp) = line.stamp {
            let last = watch.last.replace(stamp);
            watch.old = !watch.manner.in_groups && watch.at_boundary.is_some_and(|newest| stamp <= newest);
            let back = last.is_some_and(|last| last.duration_since(stamp) > BACK);
            if back && !watch.replay.is_looking() && watch.replay.knows(print) {
                // Only stamps speak for it, and long calls are printed late: with holes in it nothing would be proven.
                (watch.at_boundary, watch.old) = (None, false);
                watch.replay.boundary_before(before);
            }
            watch.newest = watch.newest.max(Some(stamp));
        }
        let mut clear = std::mem::take(&mut watch.clear);
        let seen = watch.replay.line(line.seq, print, line.at, watch.old);
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
        let Some((repeats, at)) = work.read().repeats(line)? else { return Ok(None) };
        if repeats == Some(Repeats::Waits)
            && let Some(record) = record
            && let Some(watch) = self.watches.get_mut(&line.source)
        {
            watch.records.push((line.seq, record.clone(), at));
        }
        Ok(repeats)
    }

    /// Forgets the callers of lines so far: another key is in use.
    pub(super) fn forget_callers(&mut self) {
        self.watches.values_mut().for_each(|watch| watch.replay.forget_callers());
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

/// The lines of a source in the order in which its PBX had them: what was lost at first and came with a buffer later stands where
/// the buffer had it.
fn as_printed(read: &Reading<'_>, source: u16, lines: Vec<Had<Line>>) -> Result<Vec<Had<Line>>, StoreError> {
    let Some(first) = lines.first().map(|had| had.what.line.line.seq) else { return Ok(lines) };
    let repeated = read.repeated(source, first)?;
    let own: BTreeMap<u64, u64> =
        repeated.into_iter().filter(|(_, of)| of.source == source).map(|(seq, of)| (seq, of.seq)).collect();
    if own.is_empty() {
        return Ok(lines);
    }
    let stamps: Vec<_> = lines.iter().map(|had| (had.what.line.line.seq, had.stamp)).collect();
    let mut lines: HashMap<u64, Had<Line>> = lines.into_iter().map(|had| (had.what.line.line.seq, had)).collect();
    Ok(in_place(&stamps, &own).into_iter().filter_map(|seq| lines.remove(&seq)).collect())
}

/// The record with what joins calls, which is kept beside the lines only, at these places.
fn linked(
    record: MaskedRecord,
    places: &[Option<(u64, u16)>],
    numbers: &HashMap<u64, Vec<StoredNumber>>,
) -> MaskedRecord {
    let mut places = places.iter();
    record.map_numbers(|number| {
        let beside = places.next().copied().flatten().and_then(|(seq, start)| {
            numbers.get(&seq)?.iter().find(|(other, _)| *other == start).map(|(_, number)| number)
        });
        let (peer, token) = beside.map(|beside| (beside.peer, beside.token)).unwrap_or_default();
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

fn print(text: &[u8], numbers: &[StoredNumber]) -> Print {
    let tokens = numbers.iter().filter_map(|(start, number)| Some((*start, number.token?)));
    Print::of(text, tokens)
}
