//! Which PBX it is: found out from its lines, or said by the installer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::acceptance::in_words;
use super::ask::{Ask, Question, Stop};
use super::{Arguments, Line, Way};
use zeroize::Zeroizing;

use crate::cli::detect::Found;
use crate::cli::detect::live::Live;
use crate::dialect::detect::{Candidate, Confidence, Detector};
use crate::dialect::{Dialect, Library, What};

/// What is known of the PBX now.
pub(super) struct Known {
    pub dialect: Dialect,
    pub options: BTreeMap<String, String>,
    pub way: Way,
    /// Stations and ports that records named, as the PBX prints them.
    pub stations: BTreeSet<String>,
    /// What came while it was found out; gone when set-up ends.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// How many records are shown.
const SHOWN: usize = 3;

/// Finds the dialect out, unless a flag says it.
pub(super) fn find(ask: &Ask, arguments: &Arguments, way: Way, runtime_dir: &Path) -> Result<Known, Stop> {
    let dir = arguments.dialects.clone();
    let library = crate::cli::parse::library(dir)
        .map_err(|_| Stop::Failed("the site's dialect files cannot be used: put them right first".to_owned()))?;
    let given: BTreeMap<String, String> = arguments.set.iter().cloned().collect();
    if let Some(id) = &arguments.dialect {
        let dialect =
            named(&library, id).map_err(|reason| Stop::Wrong { flag: "--dialect", value: id.clone(), reason })?;
        fitting(&dialect, &given)?;
        let way = allowed(ask, way)?;
        return Ok(Known {
            dialect,
            options: given,
            way: lined(ask, way)?,
            stations: BTreeSet::new(),
            bytes: Zeroizing::default(),
        });
    }
    let detector = Detector::new(&library);
    let judge = |bytes: &[u8]| detector.detect(bytes, jiff::Zoned::now().date());
    let live = Live::new(Duration::from_secs(arguments.detect_seconds), &judge);
    ask.say(&format!("Listening for at most {} s. Make a few calls, and end them.", arguments.detect_seconds));
    let found = match &way {
        Way::Serial { path, .. } => live.serial(path.clone(), runtime_dir),
        Way::Listen { address, .. } => live.tcp(&address.to_string()),
        Way::Connect { host, port, .. } if host.contains(':') => live.tcp(&format!("[{host}]:{port}")),
        Way::Connect { host, port, .. } => live.tcp(&format!("{host}:{port}")),
    };
    let found = found.map_err(Stop::Failed)?;
    found.remarks.iter().for_each(|remark| ask.say(&format!("  {remark}")));
    let way = with_settings(way, &found);
    ask.forget_typed();
    let best = found.detection.candidates.first();
    let mut stations = BTreeSet::new();
    let dialect = chosen(ask, &library, best)?;
    let mut options = BTreeMap::new();
    if let Some(best) = best.filter(|best| best.dialect == dialect.id) {
        options = decided(ask, best, &given)?;
        show(ask, best);
        stations = stations_of(best);
    }
    options.extend(given);
    fitting(&dialect, &options)?;
    let bytes = Zeroizing::new(found.bytes);
    Ok(Known { dialect, options, way: lined(ask, allowed(ask, way)?)?, stations, bytes })
}

fn named(library: &Library, id: &str) -> Result<Dialect, String> {
    library.get(id).cloned().ok_or_else(|| {
        format!("there is no such dialect; `smdrd dialects list` shows them: {}", {
            library.ids().collect::<Vec<_>>().join(", ")
        })
    })
}

fn fitting(dialect: &Dialect, options: &BTreeMap<String, String>) -> Result<(), Stop> {
    let shown = || options.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ");
    match dialect.plan(options, None) {
        Ok(_) => Ok(()),
        Err(error) => Err(Stop::Wrong { flag: "--set", value: shown(), reason: error.to_string() }),
    }
}

/// The dialect that fits, when that is certain or the installer says so.
fn chosen(ask: &Ask, library: &Library, best: Option<&Candidate>) -> Result<Dialect, Stop> {
    let look = "smdrd detect on the same source shows why; --dialect names it";
    let Some(best) = best else {
        let what = "no dialect reads any of what came, or nothing came";
        if !ask.is_attended() {
            return Err(Stop::Failed(format!("{what}; {look}")));
        }
        ask.say(&format!("{what}. `smdrd dialects list` shows what is known."));
        return ask
            .question(Question { what: "Dialect", flag: "--dialect", default: None }, None, |id| named(library, id));
    };
    let lines = format!("{} records, {} lines not understood", best.records, best.unparsed);
    if best.confidence == Confidence::High {
        ask.say(&format!("This is {}, for certain ({}; {lines}).", best.name, best.dialect));
        return named(library, &best.dialect).map_err(Stop::Failed);
    }
    let what = format!("this may be {} ({}; {lines}), and it is not certain", best.name, best.dialect);
    if !ask.is_attended() {
        return Err(Stop::Failed(format!("{what}: more calls say more; {look}")));
    }
    ask.say(&format!("{what}."));
    best.against.iter().for_each(|why| ask.say(&format!("  {why}")));
    let question = Question { what: "Dialect", flag: "--dialect", default: Some(&best.dialect) };
    ask.question(question, None, |id| named(library, id))
}

/// The options that fit; those that the lines do not decide are asked for.
fn decided(ask: &Ask, best: &Candidate, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Stop> {
    let mut options = best.options.clone();
    for (name, others) in &best.undecided {
        if given.contains_key(name) {
            continue;
        }
        let others = others.join(", ");
        if !ask.is_attended() {
            ask.say(&format!("  {name}: these lines do not tell it from {others}; --set {name}=… says it"));
            continue;
        }
        let what = format!("{name}: these lines do not tell it from {others} (empty: leave it)");
        let value = ask.question(Question { what: &what, flag: "--set", default: Some("") }, None, |value| {
            let known = value.is_empty() || others.split(", ").any(|other| other == value);
            if known { Ok(value.to_owned()) } else { Err(format!("write one of {others}, or nothing")) }
        })?;
        if !value.is_empty() {
            options.insert(name.clone(), value);
        }
    }
    Ok(options)
}

/// The last records, without their numbers.
fn show(ask: &Ask, best: &Candidate) {
    let records: Vec<String> = best
        .evidence
        .iter()
        .filter_map(|line| match &line.what {
            What::Record(record) => Some(format!("  > {}", in_words(record))),
            _ => None,
        })
        .collect();
    records.iter().skip(records.len().saturating_sub(SHOWN)).for_each(|record| ask.say(record));
}

/// The way with what was found out of it.
fn with_settings(way: Way, found: &Found) -> Way {
    let setting = |name: &str| found.settings.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let plain = |text: &str| text.trim_matches(['"', '[', ']']).to_owned();
    match way {
        Way::Serial { path, line } => {
            let found = || {
                Some(Line {
                    baud: setting("serial.baud")?.parse().ok()?,
                    data_bits: setting("serial.data-bits")?.parse().ok()?,
                    parity: plain(setting("serial.parity")?),
                })
            };
            Way::Serial { path, line: found().or(line) }
        }
        Way::Listen { address, allow } if allow.is_empty() => {
            let peer = setting("tcp-listen.allow").and_then(|peer| plain(peer).parse().ok());
            Way::Listen { address, allow: peer.into_iter().collect() }
        }
        other => other,
    }
}

fn stations_of(best: &Candidate) -> BTreeSet<String> {
    let records = best.evidence.iter().filter_map(|line| match &line.what {
        What::Record(record) | What::Event(Some(record)) => Some(record),
        _ => None,
    });
    records.flat_map(|record| [&record.extension, &record.port]).flatten().map(ToString::to_string).collect()
}

/// A serial line whose settings are known.
fn lined(ask: &Ask, way: Way) -> Result<Way, Stop> {
    match way {
        Way::Serial { path, line: None } => {
            let question = Question { what: "How the line is set, as 9600-8N1", flag: "--line", default: None };
            let line = ask.question(question, None, super::arguments::line)?;
            Ok(Way::Serial { path, line: Some(line) })
        }
        way => Ok(way),
    }
}

/// A listener with at least one that may connect.
fn allowed(ask: &Ask, way: Way) -> Result<Way, Stop> {
    let Way::Listen { address, allow } = &way else { return Ok(way) };
    if !allow.is_empty() {
        return Ok(way);
    }
    let question = Question { what: "Address of the PBX, which may connect", flag: "--allow", default: None };
    let peer = ask.question(question, None, |text| text.parse().map_err(|_| "write it as 192.0.2.10".to_owned()))?;
    Ok(Way::Listen { address: *address, allow: vec![peer] })
}
