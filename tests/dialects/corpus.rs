//! The samples and captures of every family, framed, and the engine run over them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, date};
use serde_json::{Map, Value};
use smdrd::dialect::{Library, Line, Mark, Plan, Reading, SourceState, What};
use smdrd::framing::{Ended, Framer, Settings};
use smdrd::record::Record;

pub const DIALECTS: [&str; 28] = [
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
pub const TODAY: Date = date(2026, 6, 1);

pub fn under(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder)
}

pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// Captures whose lines cannot say it themselves: how the PBX was programmed.
pub const PROGRAMMED: [(&str, &str, &str); 3] = [
    ("lg-gdk-162.smdr", "date_order", "MDY"),
    ("panasonic-kx-td1232-p231c.smdr", "date_order", "MDY"),
    ("panasonic-kx-td816ru.smdr", "date_order", "MDY"),
];

pub fn plan(dialect: &str) -> Plan {
    plan_with(dialect, &BTreeMap::new())
}

pub fn plan_with(dialect: &str, options: &BTreeMap<String, String>) -> Plan {
    Library::shipped().get(dialect).unwrap().plan(options, Some(2024)).unwrap()
}

/// The plan with the options that the file needs: those of its pair, or those of its capture.
pub fn plan_for(dialect: &str, path: &Path) -> Plan {
    let name = path.file_name().unwrap();
    let programmed = PROGRAMMED.iter().filter(|(file, ..)| name == *file);
    let mut options: BTreeMap<String, String> =
        programmed.map(|(_, option, value)| ((*option).to_owned(), (*value).to_owned())).collect();
    if let Ok(text) = fs::read(path.with_extension("json")) {
        options.extend(options_of(&serde_json::from_slice(&text).unwrap()));
    }
    plan_with(dialect, &options)
}

pub fn options_of(sample: &Map<String, Value>) -> BTreeMap<String, String> {
    let options = sample.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
    options
        .into_iter()
        .map(|(key, value)| (key, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

/// A framed line; one of nothing but control bytes is noise and none of the engine's business.
#[derive(Clone)]
pub struct Framed {
    pub bytes: Vec<u8>,
    pub noise: bool,
}

pub fn framed(plan: &Plan, bytes: &[u8]) -> Vec<Framed> {
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
pub struct Run {
    /// In the order in which they were settled.
    pub settled: Vec<(u64, What)>,
    pub marks: Vec<Vec<Mark>>,
}

impl Run {
    pub fn records(&self) -> Vec<&Record> {
        self.settled
            .iter()
            .filter_map(|(_, what)| match what {
                What::Record(record) => Some(record.as_ref()),
                _ => None,
            })
            .collect()
    }
}

pub fn run(plan: &Plan, lines: &[Framed]) -> Run {
    let mut state = SourceState::default();
    run_from(plan, lines, &mut state, |_| {})
}

pub fn run_from(
    plan: &Plan,
    lines: &[Framed],
    state: &mut SourceState,
    mut between: impl FnMut(&mut SourceState),
) -> Run {
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
pub fn corpus() -> Vec<(String, Plan, Vec<Framed>)> {
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
