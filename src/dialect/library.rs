//! The dialects there are: the shipped ones, and those a site adds or puts in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use super::Linking;
use super::cannot::CANNOT;
use super::compile::{Place, compile, has_record, linking, protocol};
use super::examples;
use super::fault::{FileFault, OptionError};
use super::file::{DialectFile, OptionFile};
use super::plan::Plan;
use super::shipped;
use super::site::BrokenFile;
use super::spot;
use super::switch::{MISSING, Switch};
use crate::framing::Protocol;
use crate::record::{Record, StampKind};

/// An option of a dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialectOption {
    /// The values it takes.
    pub values: Vec<String>,
    /// The one it has when nothing is said.
    pub default: String,
    /// Whether it takes the site's own words instead, parted by blanks or commas.
    pub words: bool,
    /// By value: what the format never shows while the option has it, words of [`CANNOT`].
    pub cannot: BTreeMap<String, Vec<String>>,
    /// By value: the kinds of lines that only a PBX with it prints; where a value that is not among them is chosen, they tell.
    pub told_by: BTreeMap<String, Vec<String>>,
    /// What it is for.
    pub doc: String,
}

/// Lines that a dialect file gives as an example.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// What they show.
    pub name: &'a str,
    /// The options that they are read with.
    pub options: &'a BTreeMap<String, String>,
    /// The year of the first, where the format prints none.
    pub assume_year: Option<i16>,
    /// The lines.
    pub lines: &'a str,
}

/// One PBX family's call record format.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// Its id, as in `--dialect`.
    pub id: String,
    /// What people call the PBX.
    pub name: String,
    /// The names that stand on its cabinets and in invoices.
    pub models: Vec<String>,
    /// What its writer found out about it.
    pub doc: String,
    /// How its output gets here: ports, settings, log-ins.
    pub transport: String,
    /// What this format never shows: words of [`CANNOT`].
    pub cannot: Vec<String>,
    /// Its options.
    pub options: BTreeMap<String, DialectOption>,
    /// Whether a site's file gave it, rather than a shipped one.
    pub from_site: bool,
    path: String,
    text: String,
    file: DialectFile,
}

impl Dialect {
    /// Reads and checks the text of a dialect file, which faults call `path`; examples are checked by
    /// [`Dialect::check_examples`].
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(path: &str, text: &str) -> Result<Dialect, Vec<FileFault>> {
        let dialect = Dialect::parse(path, text)?;
        dialect.check()?;
        Ok(dialect)
    }

    /// Reads a dialect file; what it says is found out when a plan is made of it.
    pub(super) fn parse(path: &str, text: &str) -> Result<Dialect, Vec<FileFault>> {
        let file: DialectFile = toml::from_str(text)
            .map_err(|error| vec![notation(path, text, &error.span().unwrap_or(0..0), error.message())])?;
        let options = file.options.iter().map(|(name, option)| {
            let option = option.get_ref().clone();
            let OptionFile { values, default, words, cannot, told_by, doc } = option;
            (name.clone(), DialectOption { values, default, words, cannot, told_by, doc })
        });
        Ok(Dialect {
            id: file.id.get_ref().clone(),
            name: file.name.clone(),
            models: file.models.clone(),
            doc: file.doc.trim().to_owned(),
            transport: file.transport.trim().to_owned(),
            cannot: file.cannot.iter().map(|word| word.get_ref().clone()).collect(),
            options: options.collect(),
            from_site: false,
            path: path.to_owned(),
            text: text.to_owned(),
            file,
        })
    }

    fn place(&self, span: std::ops::Range<usize>) -> Place<'_> {
        Place { file: &self.path, text: &self.text, span, path: String::new() }
    }

    fn check(&self) -> Result<(), Vec<FileFault>> {
        let mut faults = Vec::new();
        let id = &self.file.id;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.get_ref().is_empty() || !id.get_ref().bytes().all(plain) {
            let key = format!("id {:?}", id.get_ref());
            faults.push(self.place(id.span()).fault(&key, "an id is lower case, digits and hyphens", "Change it"));
        }
        let mut word = |word: &String, span: &std::ops::Range<usize>, key: &str| {
            if !CANNOT.contains(&word.as_str()) {
                let (key, remedy) = (format!("{key} {word:?}"), format!("Write one of {}", CANNOT.join(", ")));
                faults.push(self.place(span.clone()).fault(&key, "it is not a word that figures know", remedy));
            }
        };
        self.file.cannot.iter().for_each(|said| word(said.get_ref(), &said.span(), "cannot"));
        for (name, option) in &self.file.options {
            let said = option.get_ref().cannot.values().flatten();
            said.for_each(|said| word(said, &option.span(), &format!("options.{name}.cannot")));
        }
        for switch in &self.file.switches {
            let word = &switch.get_ref().when_missing;
            if !MISSING.contains(&word.as_str()) {
                let (key, remedy) = (format!("when-missing {word:?}"), format!("Write one of {}", MISSING.join(", ")));
                faults.push(self.place(switch.span()).fault(&key, "it is nothing that set-up looks for", remedy));
            }
        }
        for (name, option) in &self.file.options {
            let OptionFile { values, default, words, cannot, told_by, doc: _ } = option.get_ref();
            if let Some(unknown) = told_by.keys().find(|key| !values.contains(key)) {
                let key = format!("options.{name}.told-by.{unknown}");
                faults.push(self.place(option.span()).fault(&key, "it is not among the values", "Name one of them"));
            }
            let known = |kind: &&String| self.file.lines.iter().any(|line| line.get_ref().kind == **kind);
            if let Some(unknown) = told_by.values().flatten().find(|kind| !known(kind)) {
                let key = format!("options.{name}.told-by {unknown:?}");
                faults.push(self.place(option.span()).fault(
                    &key,
                    "no line is of that kind",
                    "Name a kind of [[line]]",
                ));
            }
            if let Some(unknown) = cannot.keys().find(|key| !values.contains(key)) {
                let key = format!("options.{name}.cannot.{unknown}");
                faults.push(self.place(option.span()).fault(&key, "it is not among the values", "Name one of them"));
            }
            if *words && !values.is_empty() {
                let key = format!("options.{name}.words");
                faults.push(self.place(option.span()).fault(&key, "it has values, too", "Keep one of them"));
            } else if !*words && !values.contains(default) {
                let key = format!("options.{name}.default {:?}", option.get_ref().default);
                faults.push(self.place(option.span()).fault(&key, "it is not among the values", "Make it one of them"));
            }
        }
        if !has_record(&self.file) {
            faults.push(self.place(0..0).fault("[[line]]", "no line is a record", "Add one with is = \"record\""));
        }
        // Each value of each option once, the others at their defaults: what an option hides is compiled too.
        let defaults = self.defaults();
        let mut tries = vec![defaults.clone()];
        for (name, option) in &self.options {
            for value in &option.values {
                let mut chosen = defaults.clone();
                chosen.insert(name.clone(), value.clone());
                tries.push(chosen);
            }
        }
        for chosen in tries {
            if let Err(fault) = compile(&self.file, &self.place(0..0), &chosen, None)
                && !faults.contains(&fault)
            {
                faults.push(fault);
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn defaults(&self) -> BTreeMap<String, String> {
        self.options.iter().map(|(name, option)| (name.clone(), option.default.clone())).collect()
    }

    /// The dialect compiled with these options, the others at their defaults. `assume_year` is the year of the first
    /// line of a file whose lines print none.
    pub fn plan(&self, options: &BTreeMap<String, String>, assume_year: Option<i16>) -> Result<Plan, OptionError> {
        let mut chosen = self.defaults();
        for (name, value) in options {
            let Some(option) = self.options.get(name) else {
                return Err(OptionError::Unknown {
                    dialect: self.id.clone(),
                    option: name.clone(),
                    known: self.options.keys().cloned().collect(),
                });
            };
            if !option.words && !option.values.contains(value) {
                return Err(OptionError::Value {
                    dialect: self.id.clone(),
                    option: name.clone(),
                    value: value.clone(),
                    known: option.values.clone(),
                });
            }
            chosen.insert(name.clone(), value.clone());
        }
        compile(&self.file, &self.place(0..0), &chosen, assume_year).map_err(OptionError::File)
    }

    /// The kinds of line it knows and the tables of facts it goes by, each with what its writer says about it.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.file.lines.iter().map(|line| (line.get_ref().kind.as_str(), line.get_ref().doc.trim()));
        lines.chain(self.file.facts.iter().map(|table| (table.get_ref().name.as_str(), table.get_ref().doc.trim())))
    }

    /// What is to be switched on at the PBX, by what is missing while it is off.
    pub fn switches(&self) -> impl Iterator<Item = &Switch> {
        self.file.switches.iter().map(toml::Spanned::get_ref)
    }

    /// How the legs of one call find each other.
    pub fn linking(&self) -> Linking {
        linking(&self.file)
    }

    /// How its output is cut into lines.
    pub fn protocol(&self) -> Protocol {
        protocol(&self.file)
    }

    /// Where it comes from: the path of the site's file, or `shipped`.
    pub fn origin(&self) -> &str {
        if self.from_site { &self.path } else { "shipped" }
    }

    /// What tells one state of the file from another: the first 12 digits of the SHA-256 of its text.
    pub fn version(&self) -> String {
        use std::fmt::Write as _;
        Sha256::digest(&self.text).iter().take(6).fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        })
    }

    /// The examples that the file carries, in order.
    pub fn samples(&self) -> impl Iterator<Item = Sample<'_>> {
        self.file.examples.iter().map(|example| {
            let example = example.get_ref();
            Sample {
                name: &example.name,
                options: &example.options,
                assume_year: example.assume_year,
                lines: &example.lines,
            }
        })
    }

    /// The records that such an example gives, with the keys of the canonical record.
    ///
    /// # Errors
    /// The example's options are none of the dialect's.
    pub fn records_of(
        &self,
        sample: &Sample<'_>,
    ) -> Result<Vec<serde_json::Map<String, serde_json::Value>>, OptionError> {
        let plan = self.plan(sample.options, sample.assume_year)?;
        Ok(examples::records(&plan, sample.lines).iter().map(Record::to_json).collect())
    }

    /// What moment its time stamps mean, unless a rule says otherwise; nothing where no stamp is printed.
    pub fn stamp(&self) -> Option<StampKind> {
        self.file.stamp.as_ref().map(|stamp| stamp.get_ref().kind)
    }

    /// What was written by hand for who connects this PBX: a part of `docs/pbx`. A site's own file has none.
    pub fn notes(&self) -> Option<&'static str> {
        if self.from_site { None } else { shipped::notes(&self.id) }
    }

    /// How many examples the file carries.
    pub fn examples(&self) -> usize {
        self.file.examples.len()
    }

    /// Runs the file's own examples, on the lines as written and on the same lines masked; every difference is a fault.
    pub fn check_examples(&self) -> Vec<FileFault> {
        let mut faults = Vec::new();
        for example in &self.file.examples {
            let place = Place { path: format!("example {:?}", example.get_ref().name), ..self.place(example.span()) };
            match self.plan(&example.get_ref().options, example.get_ref().assume_year) {
                Ok(plan) => {
                    for reason in examples::differences(&plan, example.get_ref()) {
                        faults.push(place.fault("records", reason, "Correct the rule or the example"));
                    }
                }
                Err(error) => faults.push(place.fault("options", error.to_string(), "Correct the options")),
            }
        }
        faults
    }
}

/// A fault of the notation, of a key or of a type, in the words of the file.
fn notation(file: &str, text: &str, span: &std::ops::Range<usize>, message: &str) -> FileFault {
    let message = message.trim_end().replace('\n', " ");
    let written = text.get(span.clone()).and_then(|written| written.lines().next()).unwrap_or_default().trim();
    let path = spot::path_at(text, span).filter(|path| !path.is_empty());
    let key = match &path {
        Some(path) if path.ends_with(written) => path.clone(),
        Some(path) => format!("{path} = {written}"),
        None => "not a dialect file".to_owned(),
    };
    let (said, listed) = message.split_once(", expected ").unwrap_or((&message, ""));
    let word = said.strip_prefix("unknown ").and_then(|said| said.split('`').nth(1));
    let known = listed.split('`').skip(1).step_by(2);
    let meant = word.and_then(|word| spot::meant(word, known));
    let general = "Compare with docs/dialects.md; unknown keys are refused";
    let first = match said {
        _ if said.starts_with("missing field") => Some("Add it.".to_owned()),
        _ if said.starts_with("duplicate key") => Some("Keep one of the two.".to_owned()),
        _ if said.contains("string") && listed.contains(['"', '\'']) => Some("Close the quote on its line.".to_owned()),
        _ => meant,
    };
    let remedy = first.map_or_else(|| general.to_owned(), |first| format!("{first} {general}"));
    // What the types of this program are called is nobody's business.
    let message = ["usize", "u16", "u32", "u64", "i16", "u8"]
        .iter()
        .fold(message.clone(), |said, number| said.replace(&format!("expected {number}"), "expected a whole number"))
        .replace("a tuple of size 2", "two of them in brackets");
    let key = if said.starts_with("duplicate key") { written.to_owned() } else { key };
    FileFault::at(file, text, span, key, message, remedy)
}

/// All dialects, by id.
#[derive(Debug, Default)]
pub struct Library {
    /// The site's own; the others are shipped.
    pub(super) dialects: BTreeMap<String, Dialect>,
    /// The site's files that cannot be used.
    pub(super) broken: Vec<BrokenFile>,
}

impl Library {
    /// The shipped dialects.
    pub fn shipped() -> &'static Library {
        static SHIPPED_LIBRARY: LazyLock<Library> = LazyLock::new(Library::default);
        &SHIPPED_LIBRARY
    }

    /// The dialect of this id; a shipped one is read when it is first asked for.
    pub fn get(&self, id: &str) -> Option<&Dialect> {
        let own = self.dialects.get(id);
        // Where the site's file is broken the shipped one is not used in its place.
        own.or_else(|| if self.broken_file(id).is_none() { shipped::get(id) } else { None })
    }

    /// Every id, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let mut ids: BTreeSet<&str> = self.dialects.keys().map(String::as_str).collect();
        for id in shipped::ids().filter(|id| self.broken_file(id).is_none()) {
            ids.insert(id);
        }
        ids.into_iter()
    }

    /// Faults of shipped files, each compiled with every option: a test holds that there are none, so that nobody else
    /// need look.
    pub fn faults(&self) -> Vec<FileFault> {
        shipped::faults()
    }
}
