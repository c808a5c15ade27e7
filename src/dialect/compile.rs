//! A dialect file and its chosen options to a [`Plan`]. Everything that serde cannot check is checked here, so that a
//! file that compiles cannot fail while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;

use compact_str::CompactString;
use regex::bytes::Regex;

use super::fault::FileFault;
use super::file::{
    AtFile, Becomes, By, DialectFile, FieldFile, FormatByFile, GroupFile, GuardFile, Key, LineFile, Many, Merge, Mode,
    ProtocolName, RowFile, TestTable, Type,
};
use super::format::Format;
use super::plan::{At, Cut, Field, Group, Guard, Kind, Layout, Plan, Row, Source, StampRule, Test};
use super::{LinkKey, Linking};
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
        let before = self.text.get(..self.span.start).unwrap_or_default();
        let key = if self.path.is_empty() { key.to_owned() } else { format!("{}, {key}", self.path) };
        FileFault {
            file: self.file.to_owned(),
            line: before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1),
            key,
            reason: reason.into(),
            remedy: remedy.into(),
        }
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
        types: BTreeMap::new(),
        regexes: Vec::new(),
    };
    compiler.plan(place, assume_year)
}

impl<'a> Compiler<'a> {
    fn plan(&mut self, place: &Place<'_>, assume_year: Option<i16>) -> Result<Plan, FileFault> {
        self.declare(place)?;
        self.collect_used();
        let always = self.always(place)?;
        let stamp = self.stamp(place)?;
        let tables = self.tables(place)?;
        let (kinds, kind_names) = self.kinds(place)?;
        let groups = self.groups(place, &kind_names)?;
        let trunks = self.named(|kind| kind == Type::Trunk);
        Ok(Plan {
            dialect: self.file.id.get_ref().clone(),
            always,
            stamp,
            tables,
            kinds,
            groups,
            trunks,
            linking: linking(self.file),
            restart: self.file.link.restart,
            cannot: self.file.cannot.iter().map(|word| word.get_ref().clone()).collect(),
            protocol: protocol(self.file),
            assume_year,
            slots: std::mem::take(&mut self.slots),
            regexes: std::mem::take(&mut self.regexes),
            desks: Mutex::new(Vec::new()),
        })
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
                            &format!("type {kind:?}"),
                            format!("another line has a field of this name of type {known:?}"),
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
            used.extend([&stamp.field, &stamp.date, &stamp.time].into_iter().flatten().cloned());
        }
        for row in file.facts.iter().flat_map(|table| &table.get_ref().rows) {
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
            let moments = line.get_ref().fields.iter().filter(|(_, field)| field.get_ref().moment);
            used.extend(moments.map(|(name, _)| name.clone()));
        }
        self.slots.extend(used.iter().map(|name| CompactString::from(name.as_str())));
    }

    fn slot(&self, name: &str, place: &Place<'_>, key: &str) -> Result<usize, FileFault> {
        let known = self.types.contains_key(name);
        self.slots.iter().position(|slot| slot == name).filter(|_| known).ok_or_else(|| {
            place.fault(key, format!("no line has a field {name:?}"), "Name a field of a [[line]], or add it there")
        })
    }

    fn named(&self, wanted: impl Fn(Type) -> bool) -> Vec<usize> {
        let is = |slot: &CompactString| self.types.get(slot.as_str()).is_some_and(|kind| wanted(*kind));
        self.slots.iter().enumerate().filter(|(_, slot)| is(slot)).map(|(number, _)| number).collect()
    }

    fn puts(&self, key: Key, names: &[String], place: &Place<'_>) -> Result<(Key, Vec<usize>), FileFault> {
        let mut slots = Vec::new();
        for name in names {
            let slot = self.slot(name, place, &format!("{key:?}"))?;
            let kind = self.types.get(name).copied().unwrap_or_default();
            let fits = match key {
                Key::Ring | Key::Talk | Key::Hold => kind.is_length(),
                Key::Ddi | Key::Cli | Key::Dialled => kind == Type::Number,
                Key::Account => kind == Type::Account,
                Key::Extension | Key::Port => matches!(kind, Type::Station | Type::Device | Type::Code),
                Key::Trunk => matches!(kind, Type::Trunk | Type::Device | Type::Code),
                Key::CallId => matches!(kind, Type::CallId | Type::Code),
            };
            if !fits {
                return Err(place.fault(
                    &format!("{key:?} = {name:?}"),
                    format!("a field of type {kind:?} cannot go there"),
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
            let slot = self.slot(name, &here, name)?;
            match self.types.get(name) {
                Some(kind) if kind.is_clock() => Ok(slot),
                _ => Err(here.fault(name, "it is no date or time", "Name a field of type date, time or datetime")),
            }
        };
        Ok(Some(StampRule { date: clock(date)?, time: clock(time)?, kind: stamp.kind }))
    }

    fn tables(&self, place: &Place<'_>) -> Result<Vec<Vec<Row>>, FileFault> {
        let mut tables = Vec::new();
        for table in &self.file.facts {
            let mut rows = Vec::new();
            for (number, row) in table.get_ref().rows.iter().enumerate() {
                let path = format!("facts {:?}, row {}", table.get_ref().name, number.saturating_add(1));
                let here = place.within(table.span(), path);
                let compiled = self.row(row, &here)?;
                if self.chosen(&row.option, &here)? {
                    rows.push(compiled);
                }
            }
            tables.push(rows);
        }
        Ok(tables)
    }

    fn row(&self, row: &RowFile, place: &Place<'_>) -> Result<Row, FileFault> {
        let mut when = Vec::new();
        for (name, test) in &row.when {
            let slot = self.slot(name, place, "when")?;
            let kind = self.types.get(name).copied().unwrap_or_default();
            when.push((slot, test_of(&test.0, kind, name, place)?));
        }
        for kind in &row.kind.0 {
            if !self.file.lines.iter().any(|line| line.get_ref().kind == *kind) {
                return Err(place.fault(
                    &format!("kind {kind:?}"),
                    "there is no such line",
                    "Name the kind of a [[line]]",
                ));
            }
        }
        let put = row.put.iter().map(|(key, names)| self.puts(*key, &names.0, place)).collect::<Result<_, _>>()?;
        Ok(Row {
            when,
            so_far: row.so_far,
            kinds: row.kind.0.iter().map(CompactString::from).collect(),
            set: row.set,
            put,
            drop: row.drop.clone(),
            outcome: row.outcome,
            reason: row.reason.clone().unwrap_or_else(|| "a code that no rule knows".to_owned()),
        })
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

    fn regex(&mut self, pattern: &str, place: &Place<'_>) -> Result<usize, FileFault> {
        let built = regex::bytes::RegexBuilder::new(pattern).unicode(false).size_limit(1 << 20).build();
        let regex = built.map_err(|error| {
            place.fault(&format!("pattern {pattern:?}"), error.to_string(), "Correct the pattern (regex crate syntax)")
        })?;
        self.regexes.push(regex);
        Ok(self.regexes.len().saturating_sub(1))
    }

    fn kinds(&mut self, place: &Place<'_>) -> Result<(Vec<Kind>, Vec<String>), FileFault> {
        let mut kinds = Vec::new();
        let mut names = Vec::new();
        let file = self.file;
        for spanned in &file.lines {
            let line = spanned.get_ref();
            let here = place.within(spanned.span(), format!("line {:?}", line.kind));
            if file.lines.iter().filter(|other| other.get_ref().kind == line.kind).count() > 1 {
                return Err(here.fault("kind", "another line has the same", "Give each kind a name of its own"));
            }
            let mut guards = Vec::new();
            for guard in &line.when.0 {
                let compiled = self.guard(guard, line, &here)?;
                if self.chosen(&guard.option, &here)? {
                    guards.push(compiled);
                }
            }
            let ruled_out = guards.is_empty() && !line.when.0.is_empty();
            let kind = self.kind(line, guards, &here)?;
            if !ruled_out {
                kinds.push(kind);
                names.push(line.kind.clone());
            }
        }
        Ok((kinds, names))
    }

    fn kind(&mut self, line: &LineFile, guards: Vec<Guard>, place: &Place<'_>) -> Result<Kind, FileFault> {
        let layouts = [line.delimiter.is_some(), line.pattern.is_some(), line.tlv.is_some()];
        if layouts.iter().filter(|given| **given).count() > 1 {
            return Err(place.fault(
                "delimiter, pattern, tlv",
                "a line has one layout",
                "Keep one of them, or none for columns",
            ));
        }
        let one_byte = |text: &String, key: &str| match text.as_bytes() {
            [byte] => Ok(*byte),
            _ => Err(place.fault(&format!("{key} {text:?}"), "it is not one ASCII character", "Write one")),
        };
        let layout = if let Some(delimiter) = &line.delimiter {
            let quote = line.quote.as_ref().map(|quote| one_byte(quote, "quote")).transpose()?;
            Layout::Delimited { delimiter: one_byte(delimiter, "delimiter")?, quote }
        } else if let Some(pattern) = &line.pattern {
            Layout::Pattern(self.regex(pattern, place)?)
        } else if let Some(tlv) = line.tlv {
            if tlv.start == 0 || tlv.tag == 0 || tlv.length == 0 {
                return Err(place.fault("tlv", "a width or column of 0", "Columns and widths count from 1"));
            }
            Layout::Tlv { start: tlv.start.saturating_sub(1), tag: tlv.tag, length: tlv.length }
        } else {
            Layout::Columns
        };
        if line.names && !matches!(layout, Layout::Delimited { .. }) {
            return Err(place.fault("names", "only a delimited line has column names", "Give it a delimiter"));
        }
        // In the order in which they are written: the first that is not understood is reported.
        let mut written: Vec<_> = line.fields.iter().collect();
        written.sort_by_key(|(_, field)| field.span().start);
        let mut cuts = Vec::new();
        for cut in &line.cut {
            let Some(field) = written.iter().position(|(name, _)| **name == cut.field) else {
                return Err(place.fault(
                    &format!("cut of {:?}", cut.field),
                    "the line has no such field",
                    "Name a field of this line",
                ));
            };
            cuts.push(Cut { field, pattern: self.regex(&cut.pattern, place)?, required: cut.required });
        }
        let mut fields = Vec::new();
        for (name, field) in written {
            let here = place.within(field.span(), format!("{}, field {name:?}", place.path));
            let source = self.source(field.get_ref(), &layout, &cuts, &here)?;
            fields.push(self.field(name, field.get_ref(), source, &here)?);
        }
        let carry = line.carry.iter().map(|name| self.slot(name, place, "carry")).collect::<Result<_, _>>()?;
        Ok(Kind {
            name: line.kind.as_str().into(),
            becomes: line.becomes,
            guards,
            layout,
            cuts,
            fields,
            names: line.names,
            carry,
            carry_layout: line.carry_layout.as_deref().map(CompactString::from),
        })
    }

    fn guard(&mut self, guard: &GuardFile, line: &LineFile, place: &Place<'_>) -> Result<Guard, FileFault> {
        let at = guard.at.iter().map(|at| at_of(at, place)).collect::<Result<_, _>>()?;
        if guard.fields.is_some() && line.delimiter.is_none() {
            return Err(place.fault("when.fields", "only a delimited line is counted", "Give it a delimiter"));
        }
        if let Some(name) = &guard.group
            && !self.file.groups.iter().any(|group| group.get_ref().name == *name)
        {
            return Err(place.fault(&format!("when.group {name:?}"), "there is no such group", "Name a [[group]]"));
        }
        if let Some(name) = &guard.layout
            && !self.file.lines.iter().any(|line| line.get_ref().carry_layout.as_ref() == Some(name))
        {
            return Err(place.fault(
                &format!("when.layout {name:?}"),
                "no line carries this layout",
                "Name it in carry-layout of the line that announces it",
            ));
        }
        Ok(Guard {
            length: guard.length,
            at,
            pattern: guard.pattern.as_ref().map(|pattern| self.regex(pattern, place)).transpose()?,
            cells: guard.fields,
            layout: guard.layout.as_deref().map(CompactString::from),
            group: guard.group.as_deref().map(CompactString::from),
            line: guard.line,
        })
    }

    fn source(&self, field: &FieldFile, layout: &Layout, cuts: &[Cut], place: &Place<'_>) -> Result<Source, FileFault> {
        let wrong = |key: &str, reason: &str| Err(place.fault(key, reason, "See docs/dialects.md, \"Fields\""));
        let mut sources = Vec::new();
        if let Some((from, to)) = field.at {
            if from == 0 || to < from {
                return wrong("at", "columns count from 1, the first not after the last");
            }
            if !matches!(layout, Layout::Columns) {
                return wrong("at", "only a line in columns has columns");
            }
            sources.push(Source::Columns((from.saturating_sub(1), to)));
        }
        if let Some(index) = field.index {
            if index == 0 || !matches!(layout, Layout::Delimited { .. }) {
                return wrong("index", "fields count from 1 on a delimited line");
            }
            sources.push(Source::Index(index.saturating_sub(1)));
        }
        if let Some(header) = &field.header {
            if !matches!(layout, Layout::Delimited { .. }) || !self.file.lines.iter().any(|line| line.get_ref().names) {
                return wrong("header", "it needs a delimited line, and another line with names = true");
            }
            sources.push(Source::Header(header.clone()));
        }
        if let Some(tag) = &field.tag {
            if !matches!(layout, Layout::Tlv { tag: width, .. } if *width == tag.len()) {
                return wrong("tag", "it needs a tag-length-value line with tags of this width");
            }
            sources.push(Source::Tag(tag.clone().into_bytes()));
        }
        if let Some(name) = &field.capture {
            let whole = match layout {
                Layout::Pattern(pattern) => self.group_of(*pattern, name).map(Source::Capture),
                _ => None,
            };
            let cut: Vec<(usize, usize)> = cuts
                .iter()
                .enumerate()
                .filter_map(|(number, cut)| Some((number, self.group_of(cut.pattern, name)?)))
                .collect();
            let cut = (!cut.is_empty()).then_some(Source::Cut(cut));
            match whole.or(cut) {
                Some(source) => sources.push(source),
                None => return wrong(&format!("capture {name:?}"), "no pattern of the line has a group of this name"),
            }
        }
        if let Some(value) = &field.value {
            sources.push(Source::Fixed(value.as_str().into()));
        }
        if let Some(of) = &field.since {
            self.slot(of, place, "since")?;
            if field.kind != Type::Seconds {
                return wrong("since", "a difference of moments is of type seconds");
            }
            sources.push(Source::Since(of.as_str().into()));
        }
        if field.moment {
            sources.push(Source::Moment);
        }
        match (sources.pop(), sources.is_empty()) {
            (Some(source), true) => Ok(source),
            _ => wrong("at, index, header, capture, tag, value, since, moment", "exactly one must say where it is"),
        }
    }

    fn group_of(&self, pattern: usize, name: &str) -> Option<usize> {
        self.regexes.get(pattern)?.capture_names().position(|group| group == Some(name))
    }

    fn field(&self, name: &str, field: &FieldFile, source: Source, place: &Place<'_>) -> Result<Field, FileFault> {
        let chosen = match &field.format_by {
            Some(by) => self.format_by(by, place)?,
            None => &field.format,
        };
        let needs = field.kind.is_clock() || field.kind == Type::Duration;
        let derived = matches!(source, Source::Since(_) | Source::Moment | Source::Fixed(_));
        if needs && chosen.0.is_empty() && !derived {
            return Err(place.fault("format", "a date, time or duration needs one", "Write how it is printed"));
        }
        let mut formats = Vec::new();
        for text in &chosen.0 {
            let built = if field.kind == Type::Duration { Format::duration(text) } else { Format::clock(text) };
            formats.push(built.map_err(|reason| {
                place.fault(&format!("format {text:?}"), reason, "See docs/dialects.md, \"Formats\"")
            })?);
        }
        if field.sign.is_some() && field.merge != Merge::Sum {
            return Err(place.fault("sign", "only a sum has signs", "Add merge = \"sum\""));
        }
        if matches!(source, Source::Fixed(_)) && field.kind != Type::Code {
            return Err(place.fault("value", "a fixed value is a code", "Add type = \"code\""));
        }
        Ok(Field {
            name: name.to_owned(),
            slot: self.slots.iter().position(|slot| slot == name),
            source,
            kind: field.kind,
            formats,
            stops: field.stops.clone(),
            required: field.required,
            ignore: field.ignore.clone().into_bytes(),
            hidden: field.hidden.clone().into_bytes(),
            drop_prefix: field.drop_prefix.0.clone(),
            merge: field.merge,
            sign: field.sign,
        })
    }

    fn format_by<'f>(&self, by: &'f FormatByFile, place: &Place<'_>) -> Result<&'f Many<String>, FileFault> {
        let option = self.file.options.get(&by.option).ok_or_else(|| {
            place.fault(
                &format!("format-by.option {:?}", by.option),
                "there is no such option",
                "Name an option of [options]",
            )
        })?;
        if let Some(missing) = option.get_ref().values.iter().find(|value| !by.formats.contains_key(*value)) {
            return Err(place.fault(
                "format-by.formats",
                format!("{} can be {missing:?}, which has no format here", by.option),
                "Give a format for each value of the option",
            ));
        }
        let value = self.options.get(&by.option).unwrap_or(&option.get_ref().default);
        by.formats.get(value).ok_or_else(|| place.fault("format-by", "no format for the value", "Add one"))
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
                return Err(place.fault(&format!("kind {unknown:?}"), "there is no such line", "Name a [[line]]"));
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

fn at_of(at: &AtFile, place: &Place<'_>) -> Result<(usize, At), FileFault> {
    if at.column == 0 {
        return Err(place.fault("when.at.column 0", "columns count from 1", "Add one to each column"));
    }
    let column = at.column.saturating_sub(1);
    match (&at.text, at.class) {
        (Some(text), None) => Ok((column, At::Text(text.clone().into_bytes()))),
        (None, Some(class)) => Ok((column, At::Class(class))),
        _ => Err(place.fault("when.at", "either is or class says what stands there", "Write one of them")),
    }
}

/// A test must not look into what is masked at rest, beyond its length and whether it is there: a rule that did would
/// read the stored line differently.
fn test_of(test: &TestTable, kind: Type, name: &str, place: &Place<'_>) -> Result<Test, FileFault> {
    let looks = test.is.is_some()
        || test.not.is_some()
        || test.prefix.is_some()
        || test.word.is_some()
        || test.modulo.is_some();
    if looks && (kind.is_masked() || kind.is_clock() || kind.is_length()) {
        return Err(place.fault(
            &format!("when.{name}"),
            format!("a field of type {kind:?} can only be asked for blank, zero or digits"),
            "Ask for those, or cut the part that is a code out of it",
        ));
    }
    let modulo = match (test.modulo, &test.remainder) {
        (Some(modulo), Some(remainder)) if modulo > 0 => Some((modulo, remainder.clone())),
        (None, None) => None,
        _ => {
            return Err(place.fault(
                &format!("when.{name}.modulo"),
                "modulo (above 0) and remainder belong together",
                "Write both",
            ));
        }
    };
    Ok(Test {
        is: test.is.as_ref().map(|many| many.0.clone()),
        not: test.not.as_ref().map(|many| many.0.clone()).unwrap_or_default(),
        prefix: test.prefix.as_ref().map(|many| many.0.clone()),
        word: test.word.clone(),
        modulo,
        blank: test.blank,
        zero: test.zero,
        digits: test.digits,
    })
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
        chained: link.chained,
    }
}

pub(super) fn protocol(file: &DialectFile) -> Protocol {
    match file.protocol {
        ProtocolName::Lines => Protocol::Lines,
        ProtocolName::StxEtx => Protocol::StxEtx,
        ProtocolName::LengthLe32 => Protocol::LengthLe32,
    }
}
