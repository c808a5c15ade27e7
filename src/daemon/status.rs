//! How the daemon is: one snapshot for the command line and everybody else who asks.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};

use super::alerting;
use super::clocks::ClockStatus;
use super::courier::practice_of;
use super::disk::{Budget, Disk, Reserve};
use super::garbled;
use super::keeper::Keeper;
use super::loss;
use super::memory;
use super::observed::missing;
use super::outages::{in_words, remedy};
use super::outlook::outlook;
use super::relays::RelayStatus;
use super::reload::Change;
use super::turned_away::TurnedAway;
use crate::aggregate::count::Metric;
use crate::aggregate::document::{Gap, SCHEMA};
use crate::aggregate::slots::bounds;
use crate::alert::{Code, Problem, Standing};
use crate::call::Owner;
use crate::dialect::cannot::sentences;
use crate::store::{Event, EventCause, StoreError};

pub use super::outlook::{Comparison, ParkedDay, StoppedPractice, SupplierStatus};
pub use super::snapshot::{
    CallCounts, ChannelStatus, DayCounts, LineCounts, OpenEvent, Snapshot, SourceStatus, Today, Unseen, Versions,
};

/// Share of lines not understood above which a source is not well, in percent, and from how many lines on.
const UNPARSED: (u64, u64) = (1, 200);
/// For how long a record that was lost for certain is a problem.
const MISSING: SignedDuration = SignedDuration::from_hours(24);
/// So many calls in a week of which none was missed: a practice that misses none at all is rarer than a PBX that does not
/// print them.
const TOO_GOOD: u64 = 100;

fn channels(keeper: &Keeper, local: impl Fn(jiff::Timestamp) -> String) -> Vec<ChannelStatus> {
    let status = |(channel, to)| {
        let Standing { sent, failed, problem, dropped } = keeper.alerts.standing(channel);
        let (waiting, sent) = (keeper.alerts.waiting(channel) as u64, sent.map(&local));
        ChannelStatus { channel, to, waiting, failed, sent, problem, dropped }
    };
    alerting::channels(&keeper.config).into_iter().map(status).collect()
}

/// Takes the snapshot.
pub fn snapshot(keeper: &Keeper, running: bool) -> Result<Snapshot, StoreError> {
    let read = keeper.store.read();
    let now = keeper.clock.now();
    let today = keeper.date(now);
    let zone = keeper.config.time_zone();
    let local = |instant: jiff::Timestamp| zone.to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut problems: Vec<Problem> = Vec::new();
    problems.extend(keeper.trouble.as_ref().map(|trouble| Problem::new(Code::CannotStore, trouble)));
    problems.extend(keeper.clock_is_doubted(now).map(|what| Problem::new(Code::ClockOff, what)));
    if let Some(why) = &keeper.damage {
        let what = format!("the database is damaged ({why}) and no new one can be begun; nothing is stored");
        problems.push(Problem::new(Code::CannotStore, what));
    }
    if let Some(waiting) = &keeper.waiting {
        let what = format!(
            "{} lines wait in memory since {}{}; a power cut loses them",
            waiting.lines,
            local(waiting.since),
            match waiting.full {
                Some(full) => format!(", there is no room for more since {}, and the PBXs are held back", local(full)),
                None => String::new(),
            }
        );
        problems.push(Problem::new(Code::CannotStore, what));
    }
    let mut sources = Vec::new();
    let (start, end) = bounds(&zone, today);
    for plan in &keeper.plans {
        let Some(row) = keeper.row(&plan.name) else { continue };
        let link = read.link_now(row.id)?;
        let up = running && link.as_ref().is_some_and(|(up, _, _)| *up);
        let counts = LineCounts::of(read.lines_of(row.id, today)?);
        let since = [SignedDuration::from_mins(1), SignedDuration::from_hours(1)].map(|back| now - back);
        let [last_minute, last_hour] = read.lines_since(row.id, since)?;
        let last = read.lines(row.id, row.next_seq.saturating_sub(1).max(1), 1)?.pop();
        if !up {
            let problem = match (&link, running) {
                (_, false) => {
                    Problem::new(Code::NotRunning, "no daemon is running").remedy("start it with systemctl start smdrd")
                }
                (None, true) => {
                    Problem::new(Code::LinkDown, "no link since the start").remedy("check cable, address and log")
                }
                (Some((_, since, cause)), true) => {
                    let cause = cause.as_deref().unwrap_or("unknown");
                    Problem::new(Code::LinkDown, format!("link down since {} ({cause})", local(*since))).since(*since)
                }
            };
            problems.push(problem.of_source(&plan.name));
        }
        if let Some(why) = plan.plan.why_unusable() {
            let problem = Problem::new(Code::DialectUnusable, format!("no line is understood: {why}"));
            problems.push(problem.remedy("put it right, then smdrd dialects reload").of_source(&plan.name));
        }
        if is_too_many(counts.lines, counts.unparsed) {
            let what = format!("{} of {} lines today are not understood", counts.unparsed, counts.lines);
            let problem = Problem::new(Code::NotUnderstood, what).remedy("check the dialect and its options");
            problems.push(problem.of_source(&plan.name));
        }
        problems.extend(garbled::problem(keeper, plan, row)?);
        let lately = missing(&read, row.id, now - MISSING, now + SignedDuration::from_secs(1))?;
        if lately > 0 {
            let what = format!("{lately} record(s) that the PBX numbered never came, in the last 24 hours");
            problems.push(Problem::new(Code::LinesMissing, what).of_source(&plan.name));
        }
        sources.push(SourceStatus {
            name: plan.name.clone(),
            dialect: plan.dialect.clone(),
            dialect_from: plan.origin.clone(),
            dialect_version: plan.version.clone(),
            up,
            since: link.as_ref().map(|(_, since, _)| local(*since)),
            cause: link.and_then(|(_, _, cause)| cause).filter(|_| !up),
            today: counts,
            may_repeat: read.may_repeat(row.id, today)?,
            missing: missing(&read, row.id, start, end)?,
            learned: keeper.learned(row.id),
            wire: read.wire(row.id, today)?,
            last_line: last.as_ref().map(|line| String::from_utf8_lossy(&line.text).trim_end().to_owned()),
            last_line_at: last.map(|line| local(line.at)),
            relay: keeper.relays.get(&row.id).cloned(),
            clock: keeper.clock_status(plan)?,
            last_minute,
            last_hour,
        });
        let clock = sources.last().and_then(|source: &SourceStatus| source.clock.as_ref());
        if let Some(ClockStatus { says: Some(says), grave: true, .. }) = clock {
            problems.push(Problem::new(Code::PbxClockOff, says).of_source(&plan.name));
        }
        if let Some(RelayStatus { to, up: false, cause, .. }) = keeper.relays.get(&row.id) {
            let cause = cause.as_deref().unwrap_or("not connected yet");
            let what = format!("the relay has no logger at {to} ({cause})");
            problems.push(Problem::new(Code::RelayDown, what).of_source(&plan.name));
        }
        let files = keeper.files_in_the_way.get(&row.id).into_iter().flatten();
        problems.extend(files.map(|file| Problem::new(Code::FileInTheWay, file).of_source(&plan.name)));
    }
    for source in keeper.reloaded.iter().flat_map(|reloaded| &reloaded.sources) {
        if let (Change::Kept, Some(why)) = (source.change, &source.why) {
            let what = format!("{why}; the rules that were in force before still are");
            problems.push(Problem::new(Code::DialectKept, what).of_source(&source.name));
        }
    }
    let trouble = keeper.reloaded.as_ref().and_then(|reloaded| reloaded.trouble.as_ref());
    problems.extend(trouble.map(|trouble| Problem::new(Code::DialectKept, trouble)));
    let (lines, rows) = read.line_totals()?;
    let lines = LineCounts::of(lines);
    let forgotten = read.forgotten_lines()?;
    if lines.lines != rows + forgotten {
        let what = format!("{} lines are or were stored and {} are counted", rows + forgotten, lines.lines);
        problems.push(Problem::new(Code::BooksDiffer, what).remedy("run smdrd rebuild").of("lines"));
    }
    let (stored, open) = read.call_counts()?;
    let ([receipted, pending, parked, held], closed) = read.outbox_counts()?;
    if closed != receipted + pending + parked + held {
        let accounted = receipted + pending + parked + held;
        let what = format!("{closed} days are closed and {accounted} are accounted for");
        problems.push(Problem::new(Code::BooksDiffer, what).of("days"));
    }
    let mut notes = notes(keeper)?;
    let turned_away = keeper.turned_away.all(local);
    notes.extend(turned_away.iter().map(TurnedAway::note));
    for source in &sources {
        let Some(clock) = &source.clock else { continue };
        let slight = clock.says.iter().filter(|_| !clock.grave).cloned();
        let steps = clock.steps.iter().map(|step| format!("its clock {step}"));
        notes.extend(slight.chain(steps).map(|words| format!("{}: {words}", source.name)));
    }
    let supplier = outlook(keeper, &mut problems, &mut notes)?;
    let (oldest, newest) = (keeper.oldest_day(now), today.tomorrow().unwrap_or(today));
    for owner in keeper.practices() {
        let outside = read.calls_outside(&owner, oldest, newest)?;
        if outside > 0 {
            let (ods, _) = owner.key();
            let what = format!(
                "{ods}: {outside} call(s) bear a date before {oldest} or after {newest} and are in no day that is sent"
            );
            let problem = Problem::new(Code::DatesOff, what).remedy("set the PBX's clock");
            problems.push(problem.of(practice_of(&owner)));
        }
    }
    let mut practices = Vec::new();
    for owner in keeper.practices() {
        let document = keeper.document(&owner, today, now, None)?;
        practices.push(Today {
            ods: document.practice.ods,
            site: document.practice.site,
            inbound_seen: document.totals.inbound.calls_seen,
            answered: document.totals.inbound.answered,
            missed: document.totals.inbound.missed,
            observed_s: document.coverage.observed_s,
            gaps: document.coverage.gaps.iter().map(|gap| unseen(gap, &zone)).collect(),
        });
    }
    let unowned = read.counters_of(&Owner::Nobody, start, end)?;
    let unowned: i64 = unowned.values().filter_map(|slot| slot.get(&Metric::Seen)).sum();
    let unowned = unowned.max(0) as u64;
    if unowned > 0 {
        let what = format!("{unowned} call(s) today are on no practice's list and in no document");
        problems.push(Problem::new(Code::CallsUnowned, what).remedy(
            "add their DDI, group or trunk to a [[practice]] or [[other-tenant]], or say unmatched = true for one of them",
        ));
    }
    let events = open_events(keeper)?;
    for event in events.iter().filter(|event| is_told(event.cause)) {
        let what = format!("{}, since {}", event.words, event.since);
        let problem = Problem::new(code_of(event.cause), what).remedy(&event.remedy);
        problems.push(match &event.source {
            Some(source) => problem.of_source(source),
            None => problem,
        });
    }
    let lost = loss::losses(&keeper.store)?;
    problems.extend(
        lost.iter()
            .filter(|loss| loss.settled.is_none())
            .map(|loss| Problem::new(Code::DatabaseSetAside, loss.problem(&zone))),
    );
    let disk = Disk::of(keeper)?;
    problems.extend(disk.problem(&keeper.config.state_dir));
    problems.extend(Budget::of(keeper)?.problem(keeper)?.map(|what| Problem::new(Code::DiskLow, what)));
    if running {
        problems.extend(Reserve::of(&keeper.config).problem().map(|what| Problem::new(Code::DiskLow, what)));
    }
    if let Some(date) = &disk.kept_from {
        notes.push(format!(
            "lines and calls are kept from {date} on only: older ones went before their time, so that the database keeps \
             to its budget (disk.budget-mib)"
        ));
    }
    problems.extend(keeper.alerts.problems());
    keeper.alerts.complete(&mut problems);
    Ok(Snapshot {
        version: env!("CARGO_PKG_VERSION").into(),
        device: keeper.device()?,
        running,
        now: local(now),
        well: problems.is_empty(),
        problems: problems.iter().map(Problem::text).collect(),
        alerts: problems,
        channels: channels(keeper, local),
        notes,
        sources,
        events,
        lines,
        calls: CallCounts { stored, counted: stored - open, open },
        days: DayCounts { closed, receipted, pending, parked, held },
        held: keeper.hold.get().held(),
        reloaded: keeper.reloaded.clone(),
        supplier,
        today: practices,
        unowned,
        waiting: keeper.waiting.clone(),
        disk,
        versions: Versions {
            sqlite: read.sqlite_version()?,
            schema: read.schema_version()?,
            document: SCHEMA.to_owned(),
        },
        turned_away,
    })
}

/// What is not seen, or not rightly, at present.
fn open_events(keeper: &Keeper) -> Result<Vec<OpenEvent>, StoreError> {
    let (read, zone) = (keeper.store.read(), keeper.config.time_zone());
    let names = read.names_by_id()?;
    let open = |event: Event| OpenEvent {
        source: event.source.map(|id| names.get(&id).cloned().unwrap_or_else(|| format!("source {id}"))),
        cause: event.cause,
        since: zone.to_datetime(event.from).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        words: in_words(&event),
        remedy: remedy(event.cause).to_owned(),
    };
    Ok(read.open_events()?.into_iter().chain(keeper.unstored_events()).map(open).collect())
}

/// Whether nothing else says so: links, lines, clocks and the disk are looked at for themselves.
fn is_told(cause: EventCause) -> bool {
    use EventCause::{DatabaseLost, LineErrors, SequenceGap, Silence};
    matches!(cause, Silence | LineErrors | SequenceGap | DatabaseLost)
}

/// Whether of so many lines too many are not understood.
pub(super) fn is_too_many(lines: u64, unparsed: u64) -> bool {
    lines >= UNPARSED.1 && unparsed * 100 > lines * UNPARSED.0
}

/// What an event is as a problem.
fn code_of(cause: EventCause) -> Code {
    match cause {
        EventCause::LinkDown | EventCause::NeverConnected => Code::LinkDown,
        EventCause::NotRunning => Code::NotRunning,
        EventCause::Silence => Code::Silent,
        EventCause::LineErrors => Code::Garbled,
        EventCause::Unparsed => Code::NotUnderstood,
        EventCause::SequenceGap => Code::LinesMissing,
        EventCause::ClockDoubt => Code::PbxClockOff,
        EventCause::DiskFull | EventCause::DatabaseLocked => Code::CannotStore,
        EventCause::DatabaseLost => Code::DatabaseSetAside,
    }
}

fn unseen(gap: &Gap, zone: &TimeZone) -> Unseen {
    let local = |instant| zone.to_datetime(instant).strftime("%H:%M:%S").to_string();
    Unseen { from: local(gap.start), to: local(gap.end), source: gap.source.clone(), cause: gap.cause.clone() }
}

fn notes(keeper: &Keeper) -> Result<Vec<String>, StoreError> {
    let mut notes = Vec::new();
    if keeper.plans.is_empty() {
        notes.push("no source is configured".to_owned());
    }
    if keeper.config.numbers.own.is_empty() {
        notes.push("numbers.own is not set: DDIs of more than 6 digits are masked".to_owned());
    }
    if !keeper.linked && keeper.config.privacy.linkage.get_ref() != "none" {
        notes.push("swap is in clear, so calls are not linked and repeat calls are not counted".to_owned());
    }
    let held = keeper.hold.get().held();
    if let Some(off) = held.off.filter(|_| keeper.config.privacy.hold_unparsed && keeper.collecting) {
        notes.push(format!("lines that are not understood are not held: {off}"));
    }
    if keeper.plans.iter().any(|plan| !plan.live) && memory::swaps_in_clear() {
        let note = "swap is in clear, so files in the drop folder may reach a disk; encrypt the swap or switch it off";
        notes.push(note.to_owned());
    }
    for plan in keeper.plans.iter().filter(|plan| !plan.plan.cannot().is_empty() && plan.version.is_some()) {
        let words = plan.plan.cannot().iter().map(String::as_str);
        notes.extend(sentences(words).map(|sentence| format!("{}: {sentence}", plan.name)));
    }
    let since = keeper.date(keeper.clock.now()).saturating_sub(7.days());
    for plan in &keeper.plans {
        let Some(id) =
            keeper.ids.get(&plan.name).filter(|_| !plan.plan.cannot().iter().any(|word| word == "unanswered"))
        else {
            continue;
        };
        let (inbound, missed) = keeper.store.read().inbound_since(*id, since)?;
        if inbound >= TOO_GOOD && missed == 0 {
            notes.push(format!(
                "{}: {inbound} calls came in since {since} and none was missed: is the printing of unanswered calls switched \
                 on at the PBX? `smdrd dialects guide {}` says where",
                plan.name, plan.dialect
            ));
        }
    }
    for import in keeper.store.read().imports()?.iter().filter(|import| !import.done) {
        notes.push(format!(
            "{}: {} lines of the file are in; if it is not running, run the same command again to go on",
            import.name, import.lines
        ));
    }
    Ok(notes)
}
