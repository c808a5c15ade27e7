//! Line kinds: guards, layouts, cuts and fields.

use compact_str::CompactString;
use toml::Spanned;

use super::{Compiler, Place};
use crate::dialect::fault::FileFault;
use crate::dialect::field::STATION_DIGITS;
use crate::dialect::file::{AtFile, FieldFile, FormatByFile, GuardFile, LineFile, Merge, Type};
use crate::dialect::format::Format;
use crate::dialect::many::Many;
use crate::dialect::plan::{At, Cut, Field, Guard, Kind, Layout, Source};

impl Compiler<'_> {
    fn regex(&mut self, pattern: &str, place: &Place<'_>) -> Result<usize, FileFault> {
        let built = regex::bytes::RegexBuilder::new(pattern).unicode(false).size_limit(1 << 20).build();
        let regex = built.map_err(|error| place.pattern(pattern, &error))?;
        self.regexes.push(regex);
        Ok(self.regexes.len().saturating_sub(1))
    }

    pub(super) fn kinds(&mut self, place: &Place<'_>) -> Result<(Vec<Kind>, Vec<String>), FileFault> {
        let mut kinds = Vec::new();
        let mut names = Vec::new();
        let file = self.file;
        for spanned in &file.lines {
            let line = spanned.get_ref();
            let here = place.within(spanned.span(), format!("line {:?}", line.kind));
            if file.lines.iter().filter(|other| other.get_ref().kind == line.kind).count() > 1 {
                return Err(here.fault(
                    &format!("kind {:?}", line.kind),
                    "another line has the same",
                    "Give each kind a name of its own",
                ));
            }
            let before = file.lines.iter().map(Spanned::get_ref).take_while(|other| other.kind != line.kind);
            if let Some(all) = before.into_iter().find(|other| other.when.0.is_empty() && other.pattern.is_none()) {
                return Err(here.fault(
                    &format!("kind {:?}", line.kind),
                    format!("no line gets here: {:?} has neither when nor pattern and takes all", all.kind),
                    "Put it last, or give it a guard",
                ));
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
                let fields = line.fields.keys().map(String::as_str);
                return Err(place.unknown(
                    "cut.field",
                    &cut.field,
                    fields,
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
            let groups = self.file.groups.iter().map(|group| group.get_ref().name.as_str());
            return Err(place.unknown("when.group", name, groups, "there is no such group", "Name a [[group]]"));
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
        if let Some((from, to)) = &field.between {
            let clock = |name: &String| {
                let slot = self.slot(name, place, "between")?;
                match self.types.get(name) {
                    Some(kind) if kind.is_clock() => Ok(slot),
                    _ => Err(place.fault(
                        "between",
                        format!("{name} is no date or time"),
                        "Name two fields of type datetime or time",
                    )),
                }
            };
            if field.kind != Type::Seconds {
                return wrong("between", "a difference of clocks is of type seconds");
            }
            sources.push(Source::Between(clock(from)?, clock(to)?));
        }
        if field.moment {
            sources.push(Source::Moment);
        }
        match (sources.pop(), sources.is_empty()) {
            (Some(source), true) => Ok(source),
            _ => wrong(
                "at, index, header, capture, tag, value, since, between, moment",
                "exactly one must say where it is",
            ),
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
        if let Some(most) = field.most_digits
            && (most > 7_usize.saturating_add(usize::from(!field.drop_prefix.0.is_empty()))
                || !matches!(field.kind, Type::Station | Type::Device))
        {
            return Err(place.fault(
                &format!("most-digits {most}"),
                "only a station has them, and with more than 7 it may be somebody's number",
                "Write up to 7 on a station or device, or nothing",
            ));
        }
        if matches!(source, Source::Fixed(_)) && field.kind != Type::Code {
            return Err(place.fault("value", "a fixed value is a code", "Add type = \"code\""));
        }
        Ok(Field {
            name: name.to_owned(),
            slot: self.slots.iter().position(|slot| slot == name),
            asked: self.used.contains(name) && self.numbering.as_deref() != Some(name),
            source,
            kind: field.kind,
            formats,
            stops: field.stops.clone(),
            required: field.required,
            lower: field.lower,
            ignore: field.ignore.clone().into_bytes(),
            hidden: field.hidden.clone().into_bytes(),
            lead: field.lead.clone().into_bytes(),
            most_digits: field.most_digits.unwrap_or(STATION_DIGITS),
            merge: field.merge,
            sign: field.sign,
            number_role: crate::dialect::Role::Plain,
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
