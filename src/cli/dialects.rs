//! `smdrd dialects`: what is known, and whether it holds.

mod guide;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Asking;
use super::parse::{self, Outcome};
use crate::dialect::cannot::sentences;
use crate::dialect::{Dialect, Library, LinkKey};

/// List, show and test the dialects.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Directory of dialect files that add to the shipped ones or replace them. Without it: the one that
    /// /etc/smdrd/smdrd.toml names, or /etc/smdrd/dialects.
    #[arg(long, value_name = "DIR", global = true)]
    dialects: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Every dialect with its name, or those for a PBX.
    List {
        /// What stands on the PBX, or a part of it: officeserv, "option 11", BP250.
        model: Option<String>,
    },
    /// One dialect with its documentation, options and what its format never shows.
    Show {
        /// The dialect's id.
        id: String,
    },
    /// How to connect a PBX: what to switch on, the cable, the configuration, what the format never shows. Markdown, as
    /// in docs/pbx; without an id, the list of all PBXs by the names on their cabinets.
    Guide {
        /// The dialect's id.
        id: Option<String>,
    },
    /// Check the dialects' own examples, or a directory of sample pairs (NNN-name.smdr and .json).
    Test {
        /// The directory, searched to its depths.
        dir: Option<PathBuf>,
    },
    /// Have the daemon read the site's dialect files again. Links stay up; lines that were not understood and are still
    /// held are tried again. The configuration itself is not read again: for that, restart the daemon.
    Reload(Box<Asking>),
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    if let Verb::Reload(asking) = &arguments.verb {
        return super::reload::run(asking, arguments.json);
    }
    let library = match parse::library(arguments.dialects) {
        Ok(library) => library,
        Err(code) => return code,
    };
    match arguments.verb {
        Verb::List { model } => list(&library, model.as_deref(), arguments.json),
        Verb::Guide { id } => guide(&library, id.as_deref(), arguments.json),
        Verb::Show { id } => match parse::find(&library, &id) {
            Some(dialect) => show(dialect, arguments.json),
            None => ExitCode::from(super::USAGE),
        },
        Verb::Reload(_) => ExitCode::from(super::DONE),
        Verb::Test { dir: None } => examples(&library, arguments.json),
        Verb::Test { dir: Some(dir) } => pairs(&library, &dir, arguments.json),
    }
}

fn list(library: &Library, model: Option<&str>, as_json: bool) -> ExitCode {
    let dialects = || library.ids().filter_map(|id| library.get(id));
    let found: Vec<(&Dialect, Vec<&str>)> = match model {
        None => dialects().map(|dialect| (dialect, Vec::new())).collect(),
        Some(model) => {
            let by = |named: fn(&str, &str) -> bool| {
                dialects().filter_map(|dialect| Some((dialect, badges(dialect, model, named)?))).collect::<Vec<_>>()
            };
            let by_words = by(has_words);
            // Only then, since IP Office Server is not an OfficeServ.
            if by_words.is_empty() { by(has_letters) } else { by_words }
        }
    };
    for (dialect, badges) in &found {
        if as_json {
            let from = if dialect.from_site { "site" } else { "shipped" };
            let (id, name, version) = (&dialect.id, &dialect.name, dialect.version());
            println!(
                "{}",
                json!({"id": id, "name": name, "models": dialect.models, "from": from, "file": file(dialect),
                       "version": version})
            );
        } else {
            let origin = file(dialect).map(|file| format!("  (site: {file})")).unwrap_or_default();
            println!("{:<20} {}{origin}", dialect.id, dialect.name);
            if !badges.is_empty() {
                println!("{:<20} {}", "", badges.join(", "));
            }
        }
    }
    let Some(model) = model.filter(|_| found.is_empty()) else { return ExitCode::from(super::DONE) };
    eprintln!(
        "smdrd dialects: no dialect names {model:?}. Try a part of the name; a PBX may be sold under several. `smdrd \
         detect` goes by what the PBX prints, not by its name."
    );
    ExitCode::from(super::NOT_WELL)
}

/// The names on cabinets that a search finds, or nothing where it does not find the dialect at all.
fn badges<'a>(dialect: &'a Dialect, model: &str, named: fn(&str, &str) -> bool) -> Option<Vec<&'a str>> {
    let badges: Vec<&str> = dialect.models.iter().map(String::as_str).filter(|name| named(name, model)).collect();
    (!badges.is_empty() || named(&dialect.id, model) || named(&dialect.name, model)).then_some(badges)
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

/// Whether each word that is sought is within a word of the name.
fn has_words(name: &str, sought: &str) -> bool {
    let words: Vec<String> = name.split_whitespace().map(letters).collect();
    let mut sought = sought.split_whitespace().map(letters).peekable();
    sought.peek().is_some() && sought.all(|part| words.iter().any(|word| word.contains(&part)))
}

/// The same without regard to blanks and hyphens: people write iDCS-100, idcs 100 and iDCS100.
fn has_letters(name: &str, sought: &str) -> bool {
    let sought = letters(sought);
    !sought.is_empty() && letters(name).contains(&sought)
}

fn guide(library: &Library, id: Option<&str>, as_json: bool) -> ExitCode {
    let text = match id {
        None => guide::index(library),
        Some(id) => match parse::find(library, id) {
            Some(dialect) => guide::page(dialect),
            None => return ExitCode::from(super::USAGE),
        },
    };
    if as_json {
        println!("{}", json!({"id": id, "markdown": text}));
    } else {
        print!("{text}");
    }
    ExitCode::from(super::DONE)
}

/// The site's file that it comes from.
fn file(dialect: &Dialect) -> Option<&str> {
    dialect.from_site.then(|| dialect.origin())
}

fn show(dialect: &Dialect, as_json: bool) -> ExitCode {
    let linking = dialect.linking();
    if as_json {
        let options: Map<String, Value> = dialect
            .options
            .iter()
            .map(|(name, option)| {
                let values = if option.words { Value::from("words") } else { option.values.clone().into() };
                (name.clone(), json!({"values": values, "default": option.default, "doc": option.doc}))
            })
            .collect();
        let rules: Vec<Value> = dialect.rules().map(|(name, doc)| json!({"name": name, "doc": doc})).collect();
        let shown = json!({
            "id": dialect.id, "name": dialect.name, "models": dialect.models, "doc": dialect.doc, "transport": dialect.transport,
            "cannot": dialect.cannot, "options": options, "rules": rules, "examples": dialect.examples(),
            "from": if dialect.from_site { "site" } else { "shipped" }, "file": file(dialect),
            "version": dialect.version(),
            "link": {"by": words(linking.by), "window_s": linking.window_s, "slack_s": linking.slack_s,
                     "chained": linking.chained},
        });
        println!("{shown}");
        return ExitCode::from(super::DONE);
    }
    println!("{}: {}\n{}, version {}\n", dialect.id, dialect.name, dialect.origin(), dialect.version());
    println!("{}\n\nTransport\n{}", dialect.doc, indented(&dialect.transport));
    println!("\nOptions");
    for (name, option) in &dialect.options {
        let takes = if option.words { "WORD, WORD ...".to_owned() } else { option.values.join(" | ") };
        let default = if option.default.is_empty() { "none" } else { option.default.as_str() };
        println!("  {name} = {takes} (default {default})\n{}", indented(&option.doc));
    }
    if dialect.options.is_empty() {
        println!("  none");
    }
    println!("\nNever shown by this format");
    for (word, sentence) in dialect.cannot.iter().zip(sentences(dialect.cannot.iter().map(String::as_str))) {
        println!("  {word}: {sentence}");
    }
    if dialect.cannot.is_empty() {
        println!("  nothing");
    }
    match linking.by {
        LinkKey::Nothing => println!("\nEvery record is a call"),
        by => println!("\nLegs of a call are joined by {} within {} s", words(by), linking.window_s),
    }
    println!("\nRules");
    for (name, doc) in dialect.rules() {
        println!("  {name}");
        if !doc.is_empty() {
            println!("{}", indented(&indented(doc)));
        }
    }
    println!("\n{} examples are checked when it is loaded", dialect.examples());
    ExitCode::from(super::DONE)
}

fn words(by: LinkKey) -> &'static str {
    match by {
        LinkKey::CallId => "call-id",
        LinkKey::TrunkAndPeer => "trunk-and-peer",
        LinkKey::Trunk => "trunk",
        LinkKey::Nothing => "nothing",
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn examples(library: &Library, as_json: bool) -> ExitCode {
    let mut faults: Vec<String> = library.faults().iter().map(ToString::to_string).collect();
    let mut count = 0;
    for dialect in library.ids().filter_map(|id| library.get(id)) {
        count += dialect.examples();
        faults.extend(dialect.check_examples().iter().map(ToString::to_string));
    }
    if as_json {
        println!("{}", json!({"examples": count, "faults": faults}));
    } else {
        for fault in &faults {
            println!("{fault}");
        }
        println!("{count} examples, {} faults", faults.len());
    }
    ExitCode::from(if faults.is_empty() { super::DONE } else { super::NOT_WELL })
}

/// A sample pair's `.json`.
#[derive(Debug, Deserialize)]
struct Pair {
    dialect: String,
    #[serde(default)]
    options: BTreeMap<String, Value>,
    #[serde(default)]
    assume_year: Option<i16>,
    records: Vec<Map<String, Value>>,
}

fn pairs(library: &Library, dir: &Path, as_json: bool) -> ExitCode {
    let mut files = Vec::new();
    if let Err(error) = find_pairs(dir, &mut files) {
        eprintln!("smdrd dialects test: cannot read {}: {error}. Check the path.", dir.display());
        return ExitCode::from(super::NOT_WELL);
    }
    files.sort();
    let (mut held, mut failed) = (0, 0);
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for file in &files {
        let name = file.strip_prefix(dir).unwrap_or(file).display().to_string();
        let differences = match pair(library, file) {
            Ok(Checked::Unknown(dialect)) => {
                *skipped.entry(dialect).or_default() += 1;
                continue;
            }
            Ok(Checked::Differences(dialect, differences)) => {
                known.insert(dialect);
                differences
            }
            Err(error) => vec![error],
        };
        if differences.is_empty() {
            held += 1;
        } else {
            failed += 1;
        }
        if as_json {
            println!("{}", json!({"pair": name, "holds": differences.is_empty(), "differences": differences}));
        } else if !differences.is_empty() {
            println!("{name}");
            for difference in differences {
                println!("  {difference}");
            }
        }
    }
    let unknown: usize = skipped.values().sum();
    if as_json {
        println!("{}", json!({"pairs": files.len(), "held": held, "failed": failed, "skipped": skipped}));
    } else {
        println!(
            "{} pairs of {} dialects: {held} hold, {failed} do not, {unknown} skipped",
            files.len(),
            known.len() + skipped.len()
        );
        if unknown > 0 {
            let list: Vec<String> = skipped.iter().map(|(dialect, count)| format!("{dialect} ({count})")).collect();
            println!("skipped, no such dialect here: {}", list.join(", "));
        }
    }
    let nothing = held == 0 && failed == 0;
    if nothing && !as_json {
        println!("no pair was tested");
    }
    ExitCode::from(if failed == 0 && !nothing { super::DONE } else { super::NOT_WELL })
}

fn find_pairs(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            find_pairs(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") && path.with_extension("smdr").is_file()
        {
            files.push(path);
        }
    }
    Ok(())
}

enum Checked {
    Unknown(String),
    Differences(String, Vec<String>),
}

fn pair(library: &Library, file: &Path) -> Result<Checked, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    let pair: Pair = serde_json::from_slice(&text).map_err(|error| format!("not a sample: {error}"))?;
    let Some(dialect) = library.get(&pair.dialect) else { return Ok(Checked::Unknown(pair.dialect)) };
    let options = pair.options.iter().map(|(key, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (key.clone(), value)
    });
    let plan = dialect.plan(&options.collect(), pair.assume_year).map_err(|error| error.to_string())?;
    let input = fs::File::open(file.with_extension("smdr")).map_err(|error| error.to_string())?;
    let mut records = Vec::new();
    let mut unparsed = Vec::new();
    parse::each(&plan, input, |outcome| {
        match &outcome {
            Outcome::Record(record) => records.push(record.to_json()),
            Outcome::Ignored => {}
            Outcome::Unparsed { reason, .. } => unparsed.push((*reason).to_owned()),
        }
        Ok(())
    })
    .map_err(|error| error.to_string())?;
    let mut differences = differences(&pair.records, &records);
    if !differences.is_empty() {
        differences.extend(unparsed.into_iter().map(|reason| format!("not understood: {reason}")));
    }
    Ok(Checked::Differences(pair.dialect, differences))
}

/// A pair holds when, without what is ignored or not understood, the records are as many and in the same order, and
/// every key of an expected record is ours.
fn differences(expected: &[Map<String, Value>], records: &[Map<String, Value>]) -> Vec<String> {
    let expected: Vec<_> =
        expected.iter().filter(|record| !record.contains_key("ignored") && !record.contains_key("unparsed")).collect();
    let mut differences = Vec::new();
    if expected.len() != records.len() {
        differences.push(format!("{} records expected, {} found", expected.len(), records.len()));
    }
    for (number, (expected, record)) in expected.iter().zip(records).enumerate() {
        for (key, value) in *expected {
            let actual = record.get(key).unwrap_or(&Value::Null);
            if actual != value {
                let shown = if actual.is_null() { "absent".to_owned() } else { actual.to_string() };
                differences.push(format!("record {}: {key} should be {value}, is {shown}", number + 1));
            }
        }
    }
    differences
}
