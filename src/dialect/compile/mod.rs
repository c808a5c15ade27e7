//! A dialect file and its chosen options to a [`Plan`]. Everything that serde cannot check is checked here, so that a
//! file that compiles cannot fail while it runs.

mod line;
mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;

use compact_str::CompactString;
use regex::bytes::Regex;
use toml::Spanned;

use super::fault::FileFault;
use super::file::{Becomes, By, DialectFile, GroupFile, Key, Mode, OptionFile, ProtocolName, Type};
use super::plan::{Group, Plan, Row, SequenceRule, StampRule, Telling};
use super::spot;
use super::{LinkKey, Linking, Role};
use crate::framing::Protocol;

/// Where a fault is: the file, and the part of it that is being compiled.
pub(super) struct Place<'a> {
    pub file: &'a str,
    pub text: &'a str,
    pub span: Range<usize>,
    pub path: String,
}

impl Place<'_> {
    pub fn fault(&self, key: &str, reason: impl Into<String>, remedy: impl Into<String>) -> FileFault {
        let Some(span) = spot::of_key(self.text, &self.span, key) else {
            return self.fault_at(&self.span, key, reason, remedy);
        };
        let written = self.text.get(span.clone()).unwrap_or_default();
        // A fault names the value too, where the key alone is given and the value is a short one.
        let plain = !key.contains([' ', '[']) && !key.ends_with(written) && !written.contains(['\n', '=']);
        let key = if plain { format!("{key} = {written}") } else { key.to_owned() };
        self.fault_at(&span, &key, reason, remedy)
    }

    /// The fault of a name that is not among `known`.
    pub fn unknown<'k>(
        &self,
        key: &str,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
        reason: impl Into<String>,
        remedy: &str,
    ) -> FileFault {
        let remedy = spot::meant(name, known).map_or_else(|| remedy.to_owned(), |meant| format!("{meant} {remedy}"));
        self.fault(&format!("{key} {name:?}"), reason, remedy)
    }

    /// A pattern that is none, with the place in it.
    pub fn pattern(&self, pattern: &str, error: &regex::Error) -> FileFault {
        let key = format!("pattern {pattern:?}");
        let remedy = "Correct the pattern (regex crate syntax)";
        let error = error.to_string();
        let inside = spot::of_key(self.text, &self.span, &key)
            .and_then(|value| spot::in_pattern(self.text, &value, pattern, &error));
        match inside {
            Some((span, reason)) => self.fault_at(&span, &key, reason, remedy),
            None => self.fault(&key, error.trim_start_matches("regex parse error:").replace('\n', " "), remedy),
        }
    }

    fn fault_at(
        &self,
        span: &Range<usize>,
        key: &str,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> FileFault {
        let key = if self.path.is_empty() { key.to_owned() } else { format!("{}, {key}", self.path) };
        FileFault::at(self.file, self.text, span, key, reason.into(), remedy.into())
    }

    fn within(&self, span: Range<usize>, path: String) -> Place<'_> {
        Place { file: self.file, text: self.text, span, path }
    }
}

type Chosen = BTreeMap<String, String>;

struct Compiler<'a> {
    file: &'a DialectFile,
    options: &'a Chosen,
    slots: Vec<CompactString>,
    used: BTreeSet<String>,
    /// A field that nothing but the numbering asks for.
    numbering: Option<String>,
    types: BTreeMap<String, Type>,
    regexes: Vec<Regex>,
}

/// Compiles the file with these options, each of which must be known and valid.
pub(super) fn compile(
    file: &DialectFile,
    place: &Place<'_>,
    options: &Chosen,
    assume_year: Option<i16>,
) -> Result<Plan, FileFault> {
    let mut compiler = Compiler {
        file,
        options,
        slots: vec![CompactString::const_new("(moment)")],
        used: BTreeSet::new(),
        numbering: None,
        types: BTreeMap::new(),
        regexes: Vec::new(),
    };
    compiler.plan(place, assume_year)
}

/// Whether a number in this slot is what the outside caller dialled: it is if rules put it nowhere else.
fn number_role(slot: Option<usize>, always: &[(Key, Vec<usize>)], tables: &[Vec<Row>]) -> Role {
    let puts = || always.iter().chain(tables.iter().flatten().flat_map(|row| &row.put));
    let put_to =
        |ddi: bool| puts().any(|(key, slots)| (*key == Key::Ddi) == ddi && slots.iter().any(|put| Some(*put) == slot));
    match (put_to(true), put_to(false)) {
        (true, false) => Role::Ddi,
        (true, true) => Role::PerhapsDdi,
        _ => Role::Plain,
    }
}

impl<'a> Compiler<'a> {
    fn plan(&mut self, place: &Place<'_>, assume_year: Option<i16>) -> Result<Plan, FileFault> {
        self.declare(place)?;
        self.collect_used();
        let always = self.always(place)?;
        let stamp = self.stamp(place)?;
        let sequence = self.sequence(place)?;
        let tables = self.tables(place)?;
        let (mut kinds, kind_names) = self.kinds(place)?;
        for field in kinds.iter_mut().flat_map(|kind| &mut kind.fields) {
            field.number_role = number_role(field.slot, &always, &tables);
        }
        let groups = self.groups(place, &kind_names)?;
        let trunks = self.named(|kind| kind == Type::Trunk);
        Ok(Plan {
            dialect: self.file.id.get_ref().clone(),
            always,
            stamp,
            sequence,
            tables,
            kinds,
            groups,
            trunks,
            linking: linking(self.file),
            restart: self.file.link.restart,
            cannot: self.cannot(),
            told: self.told(&kind_names),
            protocol: protocol(self.file),
            assume_year,
            prefixes: self.prefixes(),
            slots: std::mem::take(&mut self.slots),
            regexes: std::mem::take(&mut self.regexes),
            desks: Mutex::new(Vec::new()),
            unusable: None,
        })
    }

    /// What the format never shows, and what it does not while the options are as chosen.
    fn cannot(&self) -> Vec<String> {
        let mut cannot: Vec<String> = self.file.cannot.iter().map(|word| word.get_ref().clone()).collect();
        for (name, option) in &self.file.options {
            let words = self.options.get(name).and_then(|value| option.get_ref().cannot.get(value));
            for word in words.into_iter().flatten() {
                if !cannot.contains(word) {
                    cannot.push(word.clone());
                }
            }
        }
        cannot
    }

    /// The options that are left to the lines.
    fn told(&self, kinds: &[String]) -> Vec<Telling> {
        let left_to_lines = self.file.options.iter().filter(|(name, option)| {
            let told_by = &option.get_ref().told_by;
            !told_by.is_empty() && self.options.get(*name).is_none_or(|chosen| !told_by.contains_key(chosen))
        });
        let telling = |(name, option): (&String, &toml::Spanned<OptionFile>)| {
            let OptionFile { told_by, cannot, .. } = option.get_ref();
            let places = |names: &[String]| {
                kinds.iter().enumerate().filter(|(_, kind)| names.contains(kind)).map(|(place, _)| place).collect()
            };
            let value = |(value, names): (&String, &Vec<String>)| {
                (value.as_str().into(), places(names), cannot.get(value).cloned().unwrap_or_default())
            };
            Telling { option: name.as_str().into(), values: told_by.iter().map(value).collect() }
        };
        left_to_lines.map(telling).collect()
    }

    /// Every field name, with its type; the same name has the same type on every line.
    fn declare(&mut self, place: &Place<'_>) -> Result<(), FileFault> {
        for line in &self.file.lines {
            for (name, field) in &line.get_ref().fields {
                let kind = field.get_ref().kind;
                let here = place.within(field.span(), format!("line {:?}, field {name:?}", line.get_ref().kind));
                match self.types.get(name) {
                    Some(known) if *known != kind && !(known.is_length() && kind.is_length()) => {
                        return Err(here.fault(
                            &format!("type {:?}", kind.to_string()),
                            format!("another line has a field of this name of type {known}"),
                            "Give one of them another name",
                        ));
                    }
                    _ => {
                        self.types.insert(name.clone(), kind);
                    }
                }
            }
        }
        Ok(())
    }

    /// Which fields a rule asks for; the others are only marked.
    fn collect_used(&mut self) {
        let file = self.file;
        let used = &mut self.used;
        for names in file.record.values() {
            used.extend(names.get_ref().0.iter().cloned());
        }
        if let Some(stamp) = &file.stamp {
            let stamp = stamp.get_ref();
            used.extend([&stamp.field, &stamp.date, &stamp.time, &stamp.year].into_iter().flatten().cloned());
        }
        for row in file.facts.iter().flat_map(|table| &table.get_ref().rows).map(Spanned::get_ref) {
            used.extend(row.when.keys().cloned());
            used.extend(row.put.values().flat_map(|names| names.0.iter().cloned()));
        }
        for group in &file.groups {
            let group = group.get_ref();
            used.extend(group.key.iter().chain(&group.require).chain(&group.lend).cloned());
        }
        for line in &file.lines {
            used.extend(line.get_ref().carry.iter().cloned());
            used.extend(line.get_ref().fields.values().filter_map(|field| field.get_ref().since.clone()));
            let between = line.get_ref().fields.values().filter_map(|field| field.get_ref().between.clone());
            used.extend(between.flat_map(|(from, to)| [from, to]));
            let moments = line.get_ref().fields.iter().filter(|(_, field)| field.get_ref().moment);
            used.extend(moments.map(|(name, _)| name.clone()));
        }
        let numbering = file.sequence.iter().map(|sequence| sequence.get_ref().field.clone());
        self.numbering = numbering.into_iter().find(|field| !used.contains(field));
        used.extend(self.numbering.clone());
        self.slots.extend(used.iter().map(|name| CompactString::from(name.as_str())));
    }

    fn slot(&self, name: &str, place: &Place<'_>, key: &str) -> Result<usize, FileFault> {
        let known = self.types.contains_key(name);
        self.slots.iter().position(|slot| slot == name).filter(|_| known).ok_or_else(|| {
            let fields = self.types.keys().map(String::as_str);
            place.unknown(key, name, fields, "no line has such a field", "Name a field of a [[line]], or add it there")
        })
    }

    fn named(&self, wanted: impl Fn(Type) -> bool) -> Vec<usize> {
        let is = |slot: &CompactString| self.types.get(slot.as_str()).is_some_and(|kind| wanted(*kind));
        self.slots.iter().enumerate().filter(|(_, slot)| is(slot)).map(|(number, _)| number).collect()
    }

    fn prefixes(&self) -> Vec<Vec<String>> {
        let fields = || self.file.lines.iter().flat_map(|line| &line.get_ref().fields);
        let of = |slot: &CompactString| {
            let same = fields().filter(|(name, _)| *name == slot.as_str());
            same.flat_map(|(_, field)| field.get_ref().drop_prefix.0.clone()).collect()
        };
        self.slots.iter().map(of).collect()
    }

    fn puts(&self, key: Key, names: &[String], place: &Place<'_>) -> Result<(Key, Vec<usize>), FileFault> {
        let mut slots = Vec::new();
        for name in names {
            let slot = self.slot(name, place, &key.to_string())?;
            let kind = self.types.get(name).copied().unwrap_or_default();
            let fits = match key {
                Key::Ring | Key::Talk | Key::Hold => kind.is_length(),
                Key::Ddi | Key::Cli | Key::Dialled => kind == Type::Number,
                Key::Account => kind == Type::Account,
                Key::Extension | Key::Port => matches!(kind, Type::Station | Type::Device | Type::Code),
                Key::Trunk | Key::Onward => matches!(kind, Type::Trunk | Type::Device | Type::Code),
                Key::CallId => matches!(kind, Type::CallId | Type::Code),
            };
            if !fits {
                return Err(place.fault(
                    &format!("{key} = {name:?}"),
                    format!("a field of type {kind} cannot go there"),
                    "Give the field the type that its column really has",
                ));
            }
            slots.push(slot);
        }
        Ok((key, slots))
    }

    fn always(&self, place: &Place<'_>) -> Result<Vec<(Key, Vec<usize>)>, FileFault> {
        let each = self.file.record.iter();
        each.map(|(key, names)| self.puts(*key, &names.get_ref().0, &place.within(names.span(), "[record]".into())))
            .collect()
    }

    fn stamp(&self, place: &Place<'_>) -> Result<Option<StampRule>, FileFault> {
        let Some(stamp) = &self.file.stamp else { return Ok(None) };
        let here = place.within(stamp.span(), "[stamp]".into());
        let stamp = stamp.get_ref();
        let (date, time) = match (&stamp.field, &stamp.date, &stamp.time) {
            (Some(field), None, None) => (field, field),
            (None, Some(date), Some(time)) => (date, time),
            _ => {
                return Err(here.fault(
                    "field, date, time",
                    "it is not clear what the stamp is made of",
                    "Write either field, or both date and time",
                ));
            }
        };
        let clock = |name: &String| {
            let slot = self.slot(name, &here, "field")?;
            match self.types.get(name) {
                Some(kind) if kind.is_clock() => Ok(slot),
                _ => Err(here.fault(
                    &format!("field {name:?}"),
                    "it is no date or time",
                    "Name a field of type date, time or datetime",
                )),
            }
        };
        if let Some(zone) = &stamp.zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            return Err(here.fault(&format!("zone {zone:?}"), "there is no such zone", "Write UTC or Area/City"));
        }
        let year = stamp.year.as_ref().map(clock).transpose()?;
        Ok(Some(StampRule { date: clock(date)?, time: clock(time)?, year, kind: stamp.kind, zone: stamp.zone.clone() }))
    }

    fn sequence(&self, place: &Place<'_>) -> Result<Option<SequenceRule>, FileFault> {
        let Some(sequence) = &self.file.sequence else { return Ok(None) };
        let here = place.within(sequence.span(), "[sequence]".into());
        let sequence = sequence.get_ref();
        let slot = self.slot(&sequence.field, &here, "field")?;
        if self.types.get(&sequence.field) != Some(&Type::Counter) {
            return Err(here.fault("field", "it is no counter", "Name a field of type counter"));
        }
        if sequence.last.is_some_and(|last| last < sequence.first.saturating_add(99)) {
            return Err(here.fault(
                "last",
                "so few numbers prove nothing",
                "Write the last number, 99 or more above the first; leave it out where it is not known",
            ));
        }
        Ok(Some(SequenceRule { slot, first: sequence.first, last: sequence.last }))
    }

    /// Whether the chosen options are those asked for.
    fn chosen(&self, wanted: &Chosen, place: &Place<'_>) -> Result<bool, FileFault> {
        let mut holds = true;
        for (option, value) in wanted {
            let known = self.file.options.get(option).filter(|known| known.get_ref().values.contains(value));
            if known.is_none() {
                return Err(place.fault(
                    &format!("option {option} = {value:?}"),
                    "no option takes this value",
                    "Name an option of [options] and one of its values",
                ));
            }
            holds &= self.options.get(option) == Some(value);
        }
        Ok(holds)
    }

    fn groups(&self, place: &Place<'_>, kinds: &[String]) -> Result<Vec<Group>, FileFault> {
        let mut groups = Vec::new();
        for spanned in &self.file.groups {
            let group = spanned.get_ref();
            let here = place.within(spanned.span(), format!("group {:?}", group.name));
            groups.push(self.group(group, &here, kinds)?);
        }
        Ok(groups)
    }

    fn group(&self, group: &GroupFile, place: &Place<'_>, kinds: &[String]) -> Result<Group, FileFault> {
        let key = match (group.mode, &group.key) {
            (Mode::Keyed, Some(key)) => Some(self.slot(key, place, "key")?),
            (Mode::Adjacent, None) => None,
            (Mode::Keyed, None) => return Err(place.fault("key", "a keyed group needs one", "Name a field")),
            (Mode::Adjacent, Some(_)) => {
                return Err(place.fault("key", "an adjacent group has none", "Write mode = \"keyed\""));
            }
        };
        if group.emit == super::file::Emit::Each && group.mode == Mode::Adjacent {
            return Err(place.fault("emit", "only a keyed group emits each line", "Write mode = \"keyed\""));
        }
        // A kind that the options rule out is known all the same; it only never comes.
        let known = |name: &String| self.file.lines.iter().any(|line| line.get_ref().kind == *name);
        let all = |names: &[String]| -> Result<Vec<usize>, FileFault> {
            if let Some(unknown) = names.iter().find(|name| !known(name)) {
                let kinds = self.file.lines.iter().map(|line| line.get_ref().kind.as_str());
                return Err(place.unknown("kind", unknown, kinds, "there is no such line", "Name a [[line]]"));
            }
            Ok(names.iter().filter_map(|name| kinds.iter().position(|kind| kind == name)).collect())
        };
        let slots = |names: &[String], key: &str| -> Result<Vec<usize>, FileFault> {
            names.iter().map(|name| self.slot(name, place, key)).collect()
        };
        Ok(Group {
            name: group.name.as_str().into(),
            key,
            emit: group.emit,
            open: all(&group.open)?,
            continues: all(&group.continues)?,
            close: all(&group.close)?,
            blank_closes: group.blank == super::file::Blank::Close,
            lines: group.lines,
            max_lines: group.max_lines,
            max_open: group.max_open,
            max_age_s: group.max_age_s,
            require: slots(&group.require, "require")?,
            lend: slots(&group.lend, "lend")?,
        })
    }
}

/// Whether a line may carry a record at all.
pub(super) fn has_record(file: &DialectFile) -> bool {
    file.lines.iter().any(|line| line.get_ref().becomes == Becomes::Record)
}

pub(super) fn linking(file: &DialectFile) -> Linking {
    let link = &file.link;
    Linking {
        by: match link.by {
            By::CallId => LinkKey::CallId,
            By::TrunkAndPeer => LinkKey::TrunkAndPeer,
            By::Trunk => LinkKey::Trunk,
            By::Nothing => LinkKey::Nothing,
        },
        window_s: link.window_s,
        slack_s: link.slack_s,
        joins: link.joins.clone(),
        announced: link.announced.clone(),
        opens: link.opens.clone(),
        offer_s: link.offer_s,
        chained: link.chained,
    }
}

pub(super) fn protocol(file: &DialectFile) -> Protocol {
    match file.protocol {
        ProtocolName::Lines => Protocol::Lines,
        ProtocolName::StxEtx => Protocol::StxEtx,
        ProtocolName::LengthLe32 => Protocol::LengthLe32,
        ProtocolName::NecFrame => Protocol::NecFrame,
        ProtocolName::AlcatelOxe => Protocol::AlcatelOxe,
    }
}
