//! The lines of a call, read again from where it is known how their source stood.

use jiff::Timestamp;

use super::Field;
use crate::aggregate::slots::date_of;
use crate::call::LineRef;
use crate::control::Refusal;
use crate::daemon::answers::{gone, stored};
use crate::daemon::desk::Desk;
use crate::daemon::setup::SourcePlan;
use crate::dialect::{self, Reading, SourceState};
use crate::number::Anonymous;
use crate::record::{LineKind, MaskedRecord};
use crate::store::{StoredCall, StoredLine};

/// Lines read at a time: between two portions the writer stores what has come.
const PORTION: u32 = 1_000;
/// How many lines after its first a call's last leg may stand.
const REACH: u64 = 100_000;
/// The most lines of one record that are shown.
const OF_A_RECORD: usize = 16;

/// A line of the call.
pub struct Line {
    /// Which line.
    pub line: LineRef,
    /// When the box received it.
    pub at: Timestamp,
    /// As it is kept, one character a byte.
    pub text: String,
    /// Its kind in the dialect file.
    pub kind: Option<String>,
    /// Its fields.
    pub fields: Vec<Field>,
    /// The record it carries.
    pub record: Option<MaskedRecord>,
}

/// What was found.
#[derive(Default)]
pub struct Replayed {
    /// The lines, in order.
    pub lines: Vec<Line>,
}

/// Reads the lines of a call, and those before them that say how they are laid out.
pub async fn replay(desk: &Desk, plan: &SourcePlan, call: &StoredCall) -> Result<Replayed, Refusal> {
    let id = call.call.id;
    let begin = desk.with(move |keeper| keeper.store.read().stood_before(id.source, id.seq)).await.ok_or_else(gone)?;
    let (mut next, mut state) = match begin.map_err(stored)? {
        Some((seq, state)) => (seq, serde_json::from_str(&state).unwrap_or_default()),
        None => (1, SourceState::default()),
    };
    let mut found = Replayed::default();
    let mut group: Vec<Line> = Vec::new();
    let mut legs = 0;
    while next <= id.seq + REACH {
        let portion = desk.with(move |keeper| {
            let read = keeper.store.read();
            let lines = read.lines(id.source, next, PORTION)?;
            let last = lines.last().map_or(next, |line| line.line.seq);
            Ok::<_, crate::store::StoreError>((lines, read.numbers(id.source, next, last)?))
        });
        let (lines, numbers) = portion.await.ok_or_else(gone)?.map_err(stored)?;
        let Some(last) = lines.last() else { break };
        next = last.line.seq + 1;
        for line in lines {
            let kept: Vec<(u16, Anonymous)> =
                numbers.iter().filter(|(seq, _)| *seq == line.line.seq).map(|(_, number)| number.clone()).collect();
            let mine = line.call == Some(id.seq) && line.record.is_some();
            let continues = line.kind == LineKind::Continuation;
            let taken_apart = (mine || continues).then(|| taken_apart(plan, &state, &line, &kept));
            step(plan, &mut state, &line, &kept);
            match taken_apart {
                Some(line) if mine => {
                    found.lines.append(&mut group);
                    found.lines.push(line);
                    legs += 1;
                }
                Some(line) if group.len() < OF_A_RECORD => group.push(line),
                Some(_) => {}
                // Another record, or none: what went before was not ours.
                None => group.clear(),
            }
        }
        if legs >= call.call.legs && next > id.seq {
            break;
        }
    }
    Ok(found)
}

/// The line goes the way it went when it came; what it came to is stored.
fn step(plan: &SourcePlan, state: &mut SourceState, line: &StoredLine, kept: &[(u16, Anonymous)]) {
    let mut reading = Reading::default();
    if !line.shape && line.kind != LineKind::Noise {
        plan.plan.step(state, &input(plan, line, kept), &mut reading);
    }
    if line.idle {
        plan.plan.idle(state, &mut reading);
    }
}

fn input<'a>(plan: &SourcePlan, line: &'a StoredLine, kept: &'a [(u16, Anonymous)]) -> dialect::Line<'a> {
    dialect::Line { no: line.line.seq, bytes: &line.text, kept, today: date_of(&plan.zone, line.at) }
}

fn taken_apart(plan: &SourcePlan, state: &SourceState, line: &StoredLine, kept: &[(u16, Anonymous)]) -> Line {
    let parts = plan.plan.fields_of(state, &input(plan, line, kept));
    let (kind, fields) = parts.map(|parts| (Some(parts.kind), parts.fields)).unwrap_or_default();
    let field = |field: dialect::FieldSpan| Field {
        name: field.name,
        holds: field.holds.to_owned(),
        from: field.start + 1,
        to: field.end,
    };
    let printed = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    Line {
        line: line.line,
        at: line.at,
        text: line.text.iter().map(printed).collect(),
        kind,
        fields: fields.into_iter().map(field).collect(),
        record: line.record.clone(),
    }
}
