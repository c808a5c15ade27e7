//! The lines that cost most: the longest that are kept, full of what a rule may look at again and again; records of
//! several lines with as many open as there may be; call ids in disorder; a PBX whose clock stands still.

use std::time::{Duration, Instant};

use jiff::civil::date;
use jiff::tz::TimeZone;
use smdrd::call::{Assembler, LineRef, Rules, Site, Wall};
use smdrd::dialect::{Library, Line, Plan, Reading, SourceState};
use smdrd::number::NumberPlan;
use smdrd::privacy::{Keys, Peers, Privacy};
use smdrd::record::{Direction, LegKind, MaskedRecord, Record, Stamp, StampKind};

/// The longest line that the daemon keeps.
const LONGEST: usize = 4096;

/// A line read and masked again and again.
pub struct Cost {
    pub dialect: String,
    pub what: String,
    pub each: Duration,
}

/// Reads and masks `lines` once and answers with the time of the slowest of `rounds` rounds' quickest, a line.
fn cost(plan: &Plan, lines: &[Vec<u8>], rounds: usize) -> Duration {
    let keys = Keys::new([1; 32], [2; 32]);
    let mut quickest = Duration::MAX;
    for _ in 0..rounds {
        let mut privacy = Privacy::new(NumberPlan::default(), true, Peers::new(1));
        let (mut state, mut reading) = (SourceState::default(), Reading::default());
        let began = Instant::now();
        for (no, bytes) in (1..).zip(lines) {
            plan.step(&mut state, &Line { no, bytes, kept: &[], today: date(2026, 6, 1) }, &mut reading);
            let at = jiff::Timestamp::UNIX_EPOCH;
            std::hint::black_box(privacy.pass(&keys, 1, bytes, &reading, at));
            state.forget_numbers(|number, trunk| privacy.anonymous(&keys, 1, trunk, number, at));
        }
        quickest = quickest.min(began.elapsed());
    }
    quickest / u32::try_from(lines.len()).expect("not that many")
}

/// What each dialect's dearest lines cost, made out of `samples` of it: the dearest of all shapes.
pub fn dearest(dialect: &str, samples: &[Vec<u8>], rounds: usize) -> Cost {
    let plan =
        Library::shipped().get(dialect).expect("it is shipped").plan(&Default::default(), Some(2024)).expect("it is");
    let mut worst = Cost { dialect: dialect.to_owned(), what: String::new(), each: Duration::ZERO };
    let mut lengths: Vec<&Vec<u8>> = samples.iter().collect();
    lengths.sort_by_key(|line| std::cmp::Reverse(line.len()));
    for sample in lengths.into_iter().take(3) {
        for filling in [" ", "0", "A", "\"", ",", "|", "\",\"", "<I>0", "07700 900123 ", "a@", "\u{f6}", ":", "1/2/3 "]
        {
            let mut line = sample.clone();
            while line.len() < LONGEST {
                line.extend_from_slice(filling.as_bytes());
            }
            line.truncate(LONGEST);
            // In front of it, behind it, and instead of it.
            let mut front: Vec<u8> = filling.bytes().cycle().take(LONGEST - sample.len().min(LONGEST)).collect();
            front.extend_from_slice(sample);
            let only: Vec<u8> = filling.bytes().cycle().take(LONGEST).collect();
            for (place, line) in [("behind a record", line), ("before one", front), ("alone", only)] {
                let each = cost(&plan, &vec![line; 4], rounds);
                if each > worst.each {
                    worst.each = each;
                    worst.what = format!("4,096 bytes, {filling:?} {place}");
                }
            }
        }
    }
    let again: Vec<Vec<u8>> = samples.iter().cycle().take(3_000).cloned().collect();
    let each = cost(&plan, &again, 1);
    if each > worst.each {
        worst.each = each;
        worst.what = "its samples, 3,000 lines".to_owned();
    }
    worst
}

/// As many records of several lines open at once as there may be: Norstar in Real Time, one a line of the PBX.
pub fn open_groups(lines: usize) -> Duration {
    let plan = Library::shipped()
        .get("nortel-bcm")
        .expect("it is shipped")
        .plan(&Default::default(), Some(2024))
        .expect("it is");
    let made =
        |number: usize| format!("-------- 04/04/99 12:00:01 LINE = {:04} STN = 226", number % 9_999).into_bytes();
    cost(&plan, &(0..lines).map(made).collect::<Vec<_>>(), 1)
}

/// Legs at one instant on one line from one caller, joined to calls; with how many calls they made.
pub fn standing_clock(legs: u64, leg: impl Fn(u64) -> LegKind) -> (Duration, usize) {
    let plan =
        Library::shipped().get("lg-ipecs").expect("it is shipped").plan(&Default::default(), None).expect("it is");
    let config: smdrd::config::Config = toml::from_str("[[practice]]\nods = \"A81001\"\n").expect("a configuration");
    let mut assembler = Assembler::new(Site::new(&config, &[("pbx".to_owned(), 1)].into()));
    assembler.source(1, Rules { linking: plan.linking().clone(), zone: TimeZone::UTC }, Wall::default());
    let mut ids = std::collections::BTreeSet::new();
    let began = Instant::now();
    for seq in 1..=legs {
        let record: Record = Record {
            stamp: Some(Stamp {
                kind: StampKind::Arrival,
                at: date(2026, 6, 1).at(9, 0, 0, 0),
                resolution_s: 1,
                ahead_s: 0,
            }),
            direction: Some(Direction::Inbound),
            answered: Some(true),
            talk_s: Some(10),
            trunk: Some("001".into()),
            leg: leg(seq),
            ..Record::default()
        };
        let record: MaskedRecord = record.map_numbers(|_| None);
        ids.extend(assembler.accept(LineRef { source: 1, seq }, record).map(|call| call.id));
    }
    (began.elapsed() / u32::try_from(legs).expect("not that many"), ids.len())
}
