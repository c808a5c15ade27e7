//! The dialect engine on real input: sample pairs, captures of real PBXs, and properties over both and over what a bad
//! line makes of them.

#[path = "dialects/cli.rs"]
mod cli;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, date};
use proptest::prelude::*;
use serde_json::{Map, Value};
use smdrd::dialect::{Holds, Library, Line, Mark, Plan, Reading, SourceState, What};
use smdrd::framing::{Ended, Framer, Settings};
use smdrd::number::{Anonymous, Class, Number};
use smdrd::record::{MaskedRecord, Record};

const DIALECTS: [&str; 28] = [
    "3cx",
    "aastra-400",
    "alcatel-oxe",
    "alcatel-oxo",
    "asterisk-csv",
    "avaya-cm",
    "avaya-ipoffice",
    "bt-versatility",
    "cisco-cme",
    "cisco-cucm",
    "ericsson-bp",
    "esi-ivx",
    "freeswitch-csv",
    "grandstream-ucm",
    "lg-ipecs",
    "mitel-3300",
    "mitel-5000",
    "mitel-sx200",
    "nec-sl-sv8100",
    "nec-sv8300",
    "nortel-bcm",
    "nortel-meridian",
    "panasonic-kx",
    "panasonic-tes",
    "samsung-officeserv",
    "siemens-hipath3000",
    "siemens-hipath4000",
    "toshiba-strata",
];
const TODAY: Date = date(2026, 6, 1);

fn under(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// Captures whose lines cannot say it themselves: how the PBX was programmed.
const PROGRAMMED: [(&str, &str, &str); 3] = [
    ("lg-gdk-162.smdr", "date_order", "MDY"),
    ("panasonic-kx-td1232-p231c.smdr", "date_order", "MDY"),
    ("panasonic-kx-td816ru.smdr", "date_order", "MDY"),
];

fn plan(dialect: &str) -> Plan {
    plan_with(dialect, &BTreeMap::new())
}

fn plan_with(dialect: &str, options: &BTreeMap<String, String>) -> Plan {
    Library::shipped().get(dialect).unwrap().plan(options, Some(2024)).unwrap()
}

/// The plan with the options that the file needs: those of its pair, or those of its capture.
fn plan_for(dialect: &str, path: &Path) -> Plan {
    let name = path.file_name().unwrap();
    let programmed = PROGRAMMED.iter().filter(|(file, ..)| name == *file);
    let mut options: BTreeMap<String, String> =
        programmed.map(|(_, option, value)| ((*option).to_owned(), (*value).to_owned())).collect();
    if let Ok(text) = fs::read(path.with_extension("json")) {
        options.extend(options_of(&serde_json::from_slice(&text).unwrap()));
    }
    plan_with(dialect, &options)
}

fn options_of(sample: &Map<String, Value>) -> BTreeMap<String, String> {
    let options = sample.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
    options
        .into_iter()
        .map(|(key, value)| (key, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

/// A framed line; one of nothing but control bytes is noise and none of the engine's business.
#[derive(Clone)]
struct Framed {
    bytes: Vec<u8>,
    noise: bool,
}

fn framed(plan: &Plan, bytes: &[u8]) -> Vec<Framed> {
    let mut framer = Framer::new(Settings { protocol: plan.protocol(), ..Settings::default() });
    let mut lines = Vec::new();
    let mut take = |line: smdrd::framing::Line<'_>| {
        let noise = line.bytes.is_empty() && line.stripped > 0 && line.ended != Ended::PageBreak;
        lines.push(Framed { bytes: line.bytes.to_vec(), noise });
    };
    framer.push(bytes, &mut take);
    framer.flush(Ended::EndOfInput, &mut take);
    lines
}

#[derive(Default)]
struct Run {
    /// In the order in which they were settled.
    settled: Vec<(u64, What)>,
    marks: Vec<Vec<Mark>>,
}

impl Run {
    fn records(&self) -> Vec<&Record> {
        self.settled
            .iter()
            .filter_map(|(_, what)| match what {
                What::Record(record) => Some(record.as_ref()),
                _ => None,
            })
            .collect()
    }
}

fn run(plan: &Plan, lines: &[Framed]) -> Run {
    let mut state = SourceState::default();
    run_from(plan, lines, &mut state, |_| {})
}

fn run_from(plan: &Plan, lines: &[Framed], state: &mut SourceState, mut between: impl FnMut(&mut SourceState)) -> Run {
    let mut run = Run::default();
    let mut reading = Reading::default();
    for (no, line) in (1..).zip(lines) {
        if line.noise {
            run.settled.push((no, What::Noise));
            run.marks.push(Vec::new());
            continue;
        }
        plan.step(state, &Line { no, bytes: &line.bytes, kept: &[], today: TODAY }, &mut reading);
        assert_eq!(reading.settled.last().map(|settled| settled.no), Some(no), "the line itself is settled last");
        run.settled.extend(reading.settled.drain(..).map(|settled| (settled.no, settled.what)));
        run.marks.push(std::mem::take(&mut reading.marks));
        between(state);
    }
    plan.idle(state, &mut reading);
    run.settled.extend(reading.settled.drain(..).map(|settled| (settled.no, settled.what)));
    run
}

/// Every sample and capture of every family, framed.
fn corpus() -> Vec<(String, Plan, Vec<Framed>)> {
    let mut all = Vec::new();
    for dialect in DIALECTS {
        let mut paths = files(&under("dialects").join(dialect), "smdr");
        if under("captures").join(dialect).is_dir() {
            paths.extend(files(&under("captures").join(dialect), "smdr"));
        }
        for path in paths {
            let plan = plan_for(dialect, &path);
            let lines = framed(&plan, &fs::read(&path).unwrap());
            all.push((path.display().to_string(), plan, lines));
        }
    }
    all
}

#[test]
fn shipped_files_are_sound_and_their_examples_hold() {
    let library = Library::shipped();
    assert_eq!(library.faults(), [], "faults in shipped files");
    assert_eq!(library.ids().collect::<Vec<_>>(), DIALECTS);
    for id in library.ids() {
        let dialect = library.get(id).unwrap();
        assert!(dialect.examples() > 0, "{id} carries no example");
        assert_eq!(dialect.check_examples(), [], "{id}");
    }
}

#[test]
fn every_sample_pair_holds() {
    let mut pairs = 0;
    for dialect in DIALECTS {
        for path in files(&under("dialects").join(dialect), "json") {
            let sample: Map<String, Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let options = options_of(&sample);
            let year = sample.get("assume_year").and_then(Value::as_i64).map(|year| i16::try_from(year).unwrap());
            let plan = Library::shipped().get(dialect).unwrap().plan(&options, year).unwrap();
            let run = run(&plan, &framed(&plan, &fs::read(path.with_extension("smdr")).unwrap()));
            let records: Vec<_> = run.records().into_iter().map(Record::to_json).collect();
            let expected: Vec<&Map<String, Value>> = sample["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|record| record.as_object().unwrap())
                .filter(|record| !record.contains_key("ignored") && !record.contains_key("unparsed"))
                .collect();
            assert_eq!(records.len(), expected.len(), "{}: records", path.display());
            for (number, (record, expected)) in records.iter().zip(expected).enumerate() {
                for (key, value) in expected {
                    assert_eq!(record.get(key), Some(value), "{}: record {}, {key}", path.display(), number + 1);
                }
            }
            pairs += 1;
        }
    }
    assert!(pairs >= 63, "only {pairs} pairs were found");
}

/// The table of docs/captures.md is what the engine makes of the captures, and no more than one line in a hundred is not
/// understood.
#[test]
fn captures_give_the_documented_counts() {
    let doc = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/captures.md")).unwrap();
    let mut documented = 0;
    for dialect in DIALECTS {
        let folder = under("captures").join(dialect);
        if !folder.is_dir() {
            continue;
        }
        for path in files(&folder, "smdr") {
            let plan = plan_for(dialect, &path);
            let lines = framed(&plan, &fs::read(&path).unwrap());
            let mut counts = [0_usize; 6];
            for (_, what) in run(&plan, &lines).settled {
                let place = match what {
                    What::Record(_) => 0,
                    What::Continuation => 1,
                    What::Event(_) => 2,
                    What::Header => 3,
                    What::Noise => 4,
                    What::Unparsed { .. } => 5,
                };
                counts[place] += 1;
            }
            // A line settled twice was a continuation until its group was over.
            counts[1] -= counts.iter().sum::<usize>() - lines.len();
            let name = path.file_name().unwrap().to_string_lossy();
            let cells: Vec<String> = counts.iter().map(ToString::to_string).collect();
            let row = format!("| {dialect} | {name} | {} | {} |", lines.len(), cells.join(" | "));
            assert!(doc.contains(&row), "docs/captures.md should have the row\n{row}");
            assert!(counts[5] * 100 <= lines.len(), "{name}: {} of {} not understood", counts[5], lines.len());
            documented += 1;
        }
    }
    assert!(documented >= 12, "only {documented} captures were found");
}

/// Masks as strictly as may be: every digit of a number but its class prefix is 0, every letter of a name or account A.
fn masked(line: &Framed, marks: &[Mark]) -> Framed {
    let mut bytes = line.bytes.clone();
    for mark in marks {
        let part = &mut bytes[usize::from(mark.start)..usize::from(mark.end)];
        match &mark.holds {
            Holds::Number(number) => {
                let prefix = ["+44", "00", "07", "0"].into_iter().find(|prefix| number.reveal().starts_with(prefix));
                let mut left = prefix.map_or(0, |prefix| prefix.bytes().filter(u8::is_ascii_digit).count());
                for byte in part.iter_mut().filter(|byte| byte.is_ascii_digit()) {
                    if left > 0 {
                        left -= 1;
                    } else {
                        *byte = b'0';
                    }
                }
            }
            Holds::Name | Holds::Account => {
                for byte in part {
                    *byte = match *byte {
                        b'0'..=b'9' => b'9',
                        b'A'..=b'Z' | b'a'..=b'z' => b'A',
                        other => other,
                    };
                }
            }
            Holds::Typed | Holds::Text => {}
        }
    }
    mask_untyped_runs(&mut bytes, marks);
    Framed { bytes, noise: line.noise }
}

/// In text, and in bytes without a mark, five digits or more are a number, blanks and hyphens between them left out.
fn mask_untyped_runs(bytes: &mut [u8], marks: &[Mark]) {
    let typed = |at: usize| {
        marks.iter().any(|mark| {
            (usize::from(mark.start)..usize::from(mark.end)).contains(&at) && !matches!(mark.holds, Holds::Text)
        })
    };
    let mut run: Vec<usize> = Vec::new();
    for at in 0..=bytes.len() {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_digit() && !typed(at) => run.push(at),
            Some(b' ' | b'-') if !run.is_empty() && !typed(at) => {}
            _ => {
                if run.len() >= 5 {
                    run.iter().for_each(|at| bytes[*at] = b'0');
                }
                run.clear();
            }
        }
    }
}

/// What a line came to, without the values of numbers, names and accounts.
fn bare(what: &What) -> What {
    let nothing = |record: &Record| {
        let mut record = record.clone();
        for number in [&mut record.cli, &mut record.ddi, &mut record.dialled].into_iter().flatten() {
            let zeros = "0".repeat(number.digits().max(1));
            *number = Number::parse(zeros.as_bytes()).unwrap();
        }
        record.account = None;
        Box::new(record)
    };
    match what {
        What::Record(record) => What::Record(nothing(record)),
        What::Event(Some(record)) => What::Event(Some(nothing(record))),
        other => other.clone(),
    }
}

fn assert_mask_holds(name: &str, plan: &Plan, lines: &[Framed]) {
    let first = run(plan, lines);
    // A line that is not understood is kept as a shape, not masked; it does not come back as a line.
    let unparsed = |no: u64| first.settled.iter().any(|(of, what)| *of == no && matches!(what, What::Unparsed { .. }));
    let kept: Vec<(Framed, &[Mark])> = (1..)
        .zip(lines.iter().zip(&first.marks))
        .filter(|(no, _)| !unparsed(*no))
        .map(|(_, (line, marks))| (line.clone(), marks.as_slice()))
        .collect();
    let plain: Vec<Framed> = kept.iter().map(|(line, _)| line.clone()).collect();
    let hidden: Vec<Framed> = kept.iter().map(|(line, marks)| masked(line, marks)).collect();
    let plain = run(plan, &plain);
    let hidden = run(plan, &hidden);
    let bare_all = |run: &Run| run.settled.iter().map(|(no, what)| (*no, bare(what))).collect::<Vec<_>>();
    for (ours, theirs) in bare_all(&plain).iter().zip(&bare_all(&hidden)) {
        assert_eq!(ours, theirs, "{name}");
    }
    assert_eq!(plain.settled.len(), hidden.settled.len(), "{name}");
}

#[test]
fn a_masked_line_reads_as_the_line_did() {
    for (name, plan, lines) in corpus() {
        assert_mask_holds(&name, &plan, &lines);
    }
}

#[test]
fn every_number_of_a_record_is_marked_on_a_line() {
    for (name, plan, lines) in corpus() {
        let run = run(&plan, &lines);
        let marked: Vec<&Number> = run
            .marks
            .iter()
            .flatten()
            .filter_map(|mark| match &mark.holds {
                Holds::Number(number) => Some(number),
                _ => None,
            })
            .collect();
        for record in run.records() {
            for number in [&record.cli, &record.ddi, &record.dialled].into_iter().flatten() {
                assert!(marked.contains(&number), "{name}: a number of {} digits has no mark", number.digits());
            }
        }
    }
}

/// What `privacy` would keep: good enough to see that nothing else is needed.
fn keep(number: &Number, _trunk: Option<&str>) -> Anonymous {
    let digits = u8::try_from(number.digits()).unwrap();
    Anonymous { class: Class::Other, digits, peer: Some(7), token: None, own: None }
}

fn kept(what: &What) -> Option<(bool, MaskedRecord)> {
    let mask = |record: &Record| {
        record.clone().map_numbers(|number| Some(number.kept().cloned().unwrap_or_else(|| keep(&number, None))))
    };
    match what {
        What::Record(record) => Some((true, mask(record))),
        What::Event(Some(record)) => Some((false, mask(record))),
        _ => None,
    }
}

#[test]
fn state_saved_and_restored_between_any_two_lines_changes_nothing() {
    for (name, plan, lines) in corpus() {
        let plain = run_from(&plan, &lines, &mut SourceState::default(), |state| state.forget_numbers(keep));
        let restored = run_from(&plan, &lines, &mut SourceState::default(), |state| {
            state.forget_numbers(keep);
            let text = serde_json::to_string(state).unwrap();
            let back: SourceState = serde_json::from_str(&text).unwrap();
            assert_eq!(back, *state, "{name}");
            *state = back;
        });
        assert_eq!(plain.settled.len(), restored.settled.len(), "{name}");
        for ((no, ours), (_, theirs)) in plain.settled.iter().zip(&restored.settled) {
            assert_eq!(kept(ours), kept(theirs), "{name}, line {no}");
            if kept(ours).is_none() {
                assert_eq!(ours, theirs, "{name}, line {no}");
            }
        }
    }
}

#[test]
fn saved_state_holds_no_live_number() {
    let plan = plan("nortel-bcm");
    let mut state = SourceState::default();
    let mut reading = Reading::default();
    let lines = [
        "*030198 154615 0019 01632960114 John Doe U G",
        "-------- 04/04/99 12:00:01 LINE = 0083 STN = 7726",
        "CALLING NUMBER 07700900123",
    ];
    for (no, line) in (1..).zip(lines) {
        plan.step(&mut state, &Line { no, bytes: line.as_bytes(), kept: &[], today: TODAY }, &mut reading);
    }
    assert!(state.has_open_groups());
    // Not even when nobody asked it to forget.
    let text = serde_json::to_string(&state).unwrap();
    assert!(!text.contains("960114") && !text.contains("900123"), "{text}");
    state.forget_numbers(|number, trunk| {
        assert!(matches!(trunk, Some("0019" | "0083")), "the trunk goes with the number");
        keep(number, trunk)
    });
    let text = serde_json::to_string(&state).unwrap();
    assert!(text.contains("peer") && !text.contains("960114") && !text.contains("900123"), "{text}");
    assert!(!format!("{state:?}").contains("900123"));
    for (no, line) in (4..).zip(["00:00:00 NO ANSWER RINGING 0:02", ""]) {
        plan.step(&mut state, &Line { no, bytes: line.as_bytes(), kept: &[], today: TODAY }, &mut reading);
    }
    let What::Record(record) = &reading.settled[0].what else { panic!("{reading:?}") };
    let caller = record.cli.as_ref().unwrap();
    assert_eq!((caller.kept().and_then(|kept| kept.peer), caller.reveal()), (Some(7), "00000000000"));
}

#[test]
fn a_stored_line_gives_its_numbers_with_what_was_kept() {
    let plan = plan("siemens-hipath3000");
    let line = b"22.12.06|16:11:32|4|1917|00:19|00:02:22|00000000000||1|||||";
    let anonymous = Anonymous { class: Class::Mobile, digits: 11, peer: Some(42), token: None, own: None };
    let mut reading = Reading::default();
    let at = u16::try_from(line.iter().position(|byte| *byte == b'0').map_or(0, |_| 40)).unwrap();
    let stored = [(at, anonymous.clone())];
    plan.step(&mut SourceState::default(), &Line { no: 1, bytes: line, kept: &stored, today: TODAY }, &mut reading);
    let What::Record(record) = &reading.settled[0].what else { panic!("{reading:?}") };
    assert_eq!(record.cli.as_ref().unwrap().kept(), Some(&anonymous));
    assert!(reading.marks.iter().any(|mark| mark.start == at && matches!(mark.holds, Holds::Number(_))));
}

#[test]
fn reasons_name_the_column_and_never_a_number() {
    for (dialect, line, column, words) in [
        ("avaya-ipoffice", "2008/06/28 09:28:41,00:00:00,9,01632960200,I,43", 48, "missing second_party (field 15)"),
        ("avaya-ipoffice", "2008/06/28 09:28:41,1:2:3:4,9,01632960200,I,43,43,,0,1,0,,,,,,", 21, "talk \"9:9:9:9\""),
        ("siemens-hipath3000", "31.01.2116:23:12  9   250     00:00:1501632960123", 50, "info (columns 75 to 76)"),
        ("siemens-hipath3000", "dfdfdfsdfxcvnbdfsdf01632960123", 1, "looks like"),
        ("nortel-meridian", "N 058 00 1217    A001026 13/40 13:02:06 00:03:06.0 A901632960123", 26, "date"),
    ] {
        let plan = plan(dialect);
        let mut reading = Reading::default();
        let mut state = SourceState::default();
        plan.step(&mut state, &Line { no: 1, bytes: line.as_bytes(), kept: &[], today: TODAY }, &mut reading);
        let What::Unparsed { reason, column: found } = &reading.settled[0].what else { panic!("{line}: {reading:?}") };
        assert!(!reason.contains("1632960"), "{reason}");
        assert!(reason.contains(words), "{line}: {reason}");
        assert_eq!(*found, Some(column), "{line}: {reason}");
        assert!(reading.marks.is_empty());
    }
}

fn any_dialect() -> impl Strategy<Value = &'static str> {
    prop::sample::select(DIALECTS.to_vec())
}

/// Lines of the corpus with bytes replaced, cut, doubled or in another order.
fn mutated() -> impl Strategy<Value = (&'static str, Vec<Vec<u8>>)> {
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..6, any::<u8>());
    (any_dialect(), any::<prop::sample::Index>(), prop::collection::vec(edit, 0..6)).prop_map(
        |(dialect, file, edits)| {
            let paths = files(&under("dialects").join(dialect), "smdr");
            let plan = plan(dialect);
            let framed = framed(&plan, &fs::read(&paths[file.index(paths.len())]).unwrap());
            let mut lines: Vec<Vec<u8>> = framed.into_iter().map(|line| line.bytes).collect();
            // A text that only says that there is nothing gives no line.
            if lines.is_empty() {
                lines.push(Vec::new());
            }
            for (line, at, what, byte) in edits {
                let place = line.index(lines.len());
                let chosen = &mut lines[place];
                let at = at.index(chosen.len() + 1);
                match what {
                    0 if at < chosen.len() => chosen[at] = byte.clamp(0x20, 0x7e),
                    1 => chosen.truncate(at),
                    2 => chosen.insert(at, b'0' + byte % 10),
                    3 if at < chosen.len() => {
                        chosen.remove(at);
                    }
                    4 => {
                        let copy = chosen.clone();
                        lines.insert(place, copy);
                    }
                    _ => {
                        let last = lines.len() - 1;
                        lines.swap(place, last);
                    }
                }
            }
            (dialect, lines)
        },
    )
}

fn as_framed(lines: Vec<Vec<u8>>) -> Vec<Framed> {
    lines.into_iter().map(|bytes| Framed { bytes, noise: false }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_engine_panic(dialect in any_dialect(), lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12)) {
        let settled = run(&plan(dialect), &as_framed(lines.clone())).settled;
        prop_assert!(settled.len() >= lines.len());
    }

    #[test]
    fn every_line_of_a_damaged_file_is_settled_and_ends_as_one_thing((dialect, lines) in mutated()) {
        let count = lines.len();
        let settled = run(&plan(dialect), &as_framed(lines)).settled;
        let mut last: BTreeMap<u64, Vec<&What>> = BTreeMap::new();
        for (no, what) in &settled {
            last.entry(*no).or_default().push(what);
        }
        prop_assert_eq!(last.len(), count);
        for whats in last.values() {
            // Settled again only where it had waited as a continuation.
            prop_assert!(whats[..whats.len() - 1].iter().all(|what| **what == What::Continuation), "{:?}", whats);
            prop_assert!(whats.len() <= 2);
        }
    }

    #[test]
    fn a_damaged_line_masked_reads_as_it_did((dialect, lines) in mutated()) {
        assert_mask_holds(dialect, &plan(dialect), &as_framed(lines));
    }
}
