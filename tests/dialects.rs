//! The dialect engine on real input: sample pairs, captures of real PBXs, and properties over both and over what a bad
//! line makes of them.

#[path = "dialects/cli.rs"]
mod cli;
#[path = "dialects/corpus.rs"]
mod corpus;
#[path = "dialects/damaged.rs"]
mod damaged;
#[path = "dialects/masked.rs"]
mod masked;
#[path = "dialects/saved.rs"]
mod saved;

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use smdrd::dialect::{Library, Line, Reading, SourceState, What};
use smdrd::record::Record;

use corpus::{DIALECTS, TODAY, files, framed, options_of, plan, plan_for, run, under};

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

#[test]
fn numbers_that_pbxs_give_their_records_show_no_false_loss_in_whole_logs() {
    use smdrd::aggregate::sequence::{Numbers, Sequence};
    let mut numbered = 0;
    for (name, plan, lines) in corpus::corpus() {
        // Most pairs are excerpts.
        let whole = name.contains("/captures/") || name.ends_with("001-new-format-three-line-records.smdr");
        let Some((first, last)) = plan.sequence().filter(|_| whole) else { continue };
        let (mut sequence, mut state, mut reading) = (Sequence::default(), SourceState::default(), Reading::default());
        let mut missing = Vec::new();
        for (no, line) in (1..).zip(&lines) {
            if line.noise {
                continue;
            }
            plan.step(&mut state, &Line { no, bytes: &line.bytes, kept: &[], today: TODAY }, &mut reading);
            let at = jiff::Timestamp::from_second(1_800_000_000 + no as i64).unwrap();
            match reading.sequence {
                Some(number) => {
                    numbered += 1;
                    missing.extend(sequence.number(Numbers { first, last }, number, at));
                }
                None if matches!(reading.settled.last().unwrap().what, What::Unparsed { .. }) => sequence.unknown(),
                None => {}
            }
        }
        missing.extend(sequence.settled(jiff::Timestamp::from_second(1_900_000_000).unwrap()));
        let records: u64 = missing.iter().map(|missing| missing.records).sum();
        assert_eq!(records, 0, "{name}: {missing:?}");
    }
    assert!(numbered > 540, "{numbered}");
}
