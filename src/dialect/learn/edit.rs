//! What an installer says of a draft: one command a line, the same on the terminal, in a file of answers and as flags.

use super::kinds::{self, Values};
use super::{Column, Draft, KEYS, Kind, Layout, MEANINGS, Place, Role, Sure, clocks, write};
use crate::dialect::CANNOT;
use crate::record::StampKind;

/// A command that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no such command.
    #[error("{0:?} is no command; help lists them")]
    Unknown(String),
    /// There is no such column.
    #[error("there is no column {0}; they are 1 to {1}")]
    NoColumn(String, usize),
    /// A word is not one of those known there.
    #[error("{word:?} is not {what}: write one of {known}")]
    Word {
        /// The word.
        word: String,
        /// What it should be.
        what: &'static str,
        /// What may stand there.
        known: String,
    },
    /// The column's values are not what they are said to be.
    #[error("column {column}: {reason}")]
    Unfit {
        /// The column, from 1.
        column: usize,
        /// Why.
        reason: String,
    },
    /// The text may not stand in a dialect file.
    #[error("{0}")]
    Text(&'static str),
}

/// The moments that a stamp may mean.
const STAMPS: [(&str, StampKind); 4] = [
    ("arrival", StampKind::Arrival),
    ("answer", StampKind::Answer),
    ("end", StampKind::End),
    ("unknown", StampKind::Unknown),
];

fn word<T>(word: &str, what: &'static str, known: &[&str], found: Option<T>) -> Result<T, EditError> {
    found.ok_or_else(|| EditError::Word { word: word.to_owned(), what, known: known.join(", ") })
}

impl Draft {
    /// Does what one line says: `N COMMAND …` for a column, or a setting of the whole. Blank lines and what follows `#`
    /// at a line's start do nothing.
    ///
    /// # Errors
    /// Why it cannot be done; nothing is changed then.
    pub fn tell(&mut self, line: &str) -> Result<(), EditError> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        if first.bytes().all(|byte| byte.is_ascii_digit()) {
            let known = self.columns.len();
            let no: usize = first.parse().unwrap_or(0);
            let at = no.checked_sub(1).filter(|at| *at < known);
            let at = at.ok_or_else(|| EditError::NoColumn(first.to_owned(), known))?;
            self.column(at, rest)?;
        } else {
            self.setting(first, rest)?;
        }
        self.prove_stamp();
        Ok(())
    }

    fn setting(&mut self, first: &str, rest: &str) -> Result<(), EditError> {
        match first {
            "id" => {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                if rest.is_empty() || !rest.bytes().all(plain) || !write::may_stand(rest) {
                    return Err(EditError::Text("an id is lower case, digits (under five) and hyphens"));
                }
                self.id = Some(rest.to_owned());
            }
            "name" => {
                if rest.is_empty() || !write::may_stand(rest) || rest.contains(['"', '\\']) {
                    return Err(EditError::Text("a name is a text without quotes, backslashes and telephone numbers"));
                }
                self.name = Some(rest.to_owned());
            }
            "zone" => {
                if jiff::tz::TimeZone::get(rest).is_err() {
                    return Err(EditError::Text("there is no such zone: write UTC or Area/City"));
                }
                self.zone = Some(rest.to_owned());
            }
            "stamp" => {
                let kind = STAMPS.iter().find(|(known, _)| *known == rest).map(|(_, kind)| *kind);
                let kind = word(rest, "what a stamp means", &STAMPS.map(|(known, _)| known), kind)?;
                (self.stamp.kind, self.stamp.evidence, self.stamp_said) =
                    (Some(kind), "the installer says so".into(), true);
            }
            "calls" => {
                let known = ["inbound", "outbound", "internal", "unknown"];
                let found = known.into_iter().find(|known| *known == rest);
                self.calls = Some(word(rest, "a direction", &known, found)?);
            }
            "zero" => {
                let known = [("unanswered", true), ("unknown", false)];
                let found = known.into_iter().find(|(known, _)| *known == rest).map(|(_, value)| value);
                self.zero_unanswered =
                    Some(word(rest, "what a duration of 0 says", &["unanswered", "unknown"], found)?);
            }
            "cannot" => {
                for said in rest.split_whitespace() {
                    let bare = said.trim_start_matches(['+', '-']);
                    word(
                        bare,
                        "a word of what a format cannot show",
                        &CANNOT,
                        CANNOT.iter().find(|known| **known == bare),
                    )?;
                    let (into, out_of) = if said.starts_with('-') {
                        (&mut self.can, &mut self.cannot)
                    } else {
                        (&mut self.cannot, &mut self.can)
                    };
                    out_of.remove(bare);
                    into.insert(bare.to_owned());
                }
            }
            "page" => {
                let no: usize = rest.parse().unwrap_or(0);
                let odd = self.rows.odd.iter().position(|at| at.checked_add(1) == Some(no));
                let odd = odd.ok_or(EditError::Text("page N: N is the number of a line that is not understood"))?;
                let at = self.rows.odd.remove(odd);
                self.rows.furniture.push(at);
            }
            _ => return Err(EditError::Unknown(first.to_owned())),
        }
        Ok(())
    }

    fn column(&mut self, at: usize, line: &str) -> Result<(), EditError> {
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match verb {
            "type" => self.retype(at, rest),
            "format" => self.reformat(at, rest),
            "split" => self.split(at, rest),
            "join" => self.join(at),
            "name" => self.rename(at, rest),
            "value" => self.mean(at, rest),
            "is" => {
                let mut known = KEYS.to_vec();
                known.extend(["other-party", "nothing"]);
                let role = word(rest, "what a column may be to a record", &known, Role::of(rest))?;
                // One column gives a key; what gave it before gives nothing any more.
                for column in self.columns.iter_mut().filter(|column| role != Role::Nothing && column.role == role) {
                    column.role = Role::Nothing;
                }
                self.change(at, |column| column.role = role);
                Ok(())
            }
            "drop" | "keep" => {
                self.change(at, |column| column.dropped = verb == "drop");
                Ok(())
            }
            _ => Err(EditError::Unknown(verb.to_owned())),
        }
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut Column)) {
        if let Some(column) = self.columns.get_mut(at) {
            change(column);
        }
    }

    fn unfit(at: usize, reason: impl Into<String>) -> EditError {
        EditError::Unfit { column: at.saturating_add(1), reason: reason.into() }
    }

    fn retype(&mut self, at: usize, rest: &str) -> Result<(), EditError> {
        let (wanted, format) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let words: Vec<&str> = Kind::ALL.iter().map(|(_, word)| *word).collect();
        let kind = word(wanted, "a type", &words, Kind::of(wanted))?;
        let Some(place) = self.columns.get(at).map(|column| column.place) else { return Ok(()) };
        let records = self.records();
        let values = Values::of(&records, self.layout, place);
        let fit = match kind {
            Kind::Date => clocks::date(&values.texts, false, self.today),
            Kind::Datetime => clocks::date(&values.texts, true, self.today),
            Kind::Time => clocks::time(&values.texts),
            Kind::Duration => clocks::duration(&values.texts),
            _ => None,
        };
        let timed = kind.is_clock() || kind == Kind::Duration;
        if timed && fit.is_none() && format.is_empty() {
            return Err(Draft::unfit(
                at,
                "its values are in no format known: say the format behind the type (docs/dialects.md)",
            ));
        }
        let words = if kind == Kind::Code { kinds::words(&values, |_| true) } else { Vec::new() };
        let role = match kind {
            Kind::Station => Role::Key("extension"),
            Kind::Trunk => Role::Key("trunk"),
            Kind::Number => Role::OtherParty,
            Kind::CallId => Role::Key("call-id"),
            Kind::Account => Role::Key("account"),
            _ => Role::Nothing,
        };
        let taken = self.with_role(role).is_some() && role != Role::Nothing;
        self.change(at, |column| {
            let had_place = column.kind == kind
                || (matches!(kind, Kind::Duration | Kind::Seconds)
                    && matches!(column.role, Role::Key("ring" | "talk" | "hold")));
            column.kind = kind;
            if !had_place {
                column.role = if taken { Role::Nothing } else { role };
            }
            (column.sure, column.values) =
                (Sure::Certain, if kind == Kind::Number { column.values.clone() } else { words });
            column.evidence.push("the installer says so".to_owned());
            let open = fit.as_ref().filter(|fit| fit.sure == Sure::Guess);
            if open.is_some() {
                column.sure = Sure::Guess;
            }
            (column.format, column.other_formats) =
                fit.map_or((None, Vec::new()), |fit| (Some(fit.format), fit.others));
        });
        if timed && !format.is_empty() {
            return self.reformat(at, format);
        }
        Ok(())
    }

    fn reformat(&mut self, at: usize, format: &str) -> Result<(), EditError> {
        use super::super::format::Format;
        let Some(kind) = self.columns.get(at).map(|column| column.kind) else { return Ok(()) };
        if kind == Kind::Duration && format == "seconds" {
            self.change(at, |column| (column.kind, column.format, column.sure) = (Kind::Seconds, None, Sure::Certain));
            return Ok(());
        }
        let read = match kind {
            Kind::Date | Kind::Time | Kind::Datetime => Format::clock(format),
            Kind::Duration => Format::duration(format),
            _ => return Err(Draft::unfit(at, "only dates, times and durations have a format")),
        };
        let read = read.map_err(|reason| Draft::unfit(at, format!("{format:?}: {reason}")))?;
        if let Some(place) = self.columns.get(at).map(|column| column.place) {
            let records = self.records();
            let values = Values::of(&records, self.layout, place);
            let (all, fitting) = (values.texts.len(), clocks::reads(&values.texts, &read, kind == Kind::Duration));
            if fitting.saturating_mul(2) < all {
                return Err(Draft::unfit(at, format!("{format} fits {fitting} of {all} values")));
            }
        }
        self.change(at, |column| {
            (column.format, column.other_formats, column.sure) = (Some(format.to_owned()), Vec::new(), Sure::Certain);
        });
        Ok(())
    }

    fn split(&mut self, at: usize, rest: &str) -> Result<(), EditError> {
        let Some(Place::Span(from, to)) = self.columns.get(at).map(|column| column.place) else {
            return Err(Draft::unfit(at, "only fixed columns can be split"));
        };
        let cut = rest.parse::<usize>().ok().and_then(|column| column.checked_sub(1));
        let cut = cut.filter(|cut| *cut > from && *cut < to).ok_or_else(|| {
            let (first, last) = (from.saturating_add(2), to);
            Draft::unfit(at, format!("say the column at which the second part begins: {first} to {last}"))
        })?;
        let parts = [self.propose_one(Place::Span(from, cut)), self.propose_one(Place::Span(cut, to))];
        self.columns.splice(at..=at, parts);
        self.unique_names();
        Ok(())
    }

    fn join(&mut self, at: usize) -> Result<(), EditError> {
        let next = at.saturating_add(1);
        let place = |at| self.columns.get(at).map(|column: &Column| column.place);
        let (Some(Place::Span(from, _)), Some(Place::Span(_, to))) = (place(at), place(next)) else {
            return Err(Draft::unfit(at, "only a fixed column that another one follows can be joined"));
        };
        let whole = self.propose_one(Place::Span(from, to));
        self.columns.splice(at..=next, [whole]);
        self.unique_names();
        Ok(())
    }

    fn propose_one(&self, place: Place) -> Column {
        let mut column = kinds::one(&self.records(), self.layout, place, None, self.today);
        column.name = column.kind.word().replace('-', "_");
        column
    }

    fn unique_names(&mut self) {
        let mut used: Vec<String> = Vec::new();
        for column in &mut self.columns {
            let base = column.name.clone();
            let mut no: usize = 1;
            while used.contains(&column.name) {
                no = no.saturating_add(1);
                column.name = format!("{base}_{no}");
            }
            used.push(column.name.clone());
        }
    }

    fn rename(&mut self, at: usize, name: &str) -> Result<(), EditError> {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !plain || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !write::may_stand(name) {
            return Err(EditError::Text("a column's name is lower case, digits (under five) and underscores"));
        }
        if (0..).zip(&self.columns).any(|(other, column)| other != at && column.name == name) {
            return Err(EditError::Text("another column has this name"));
        }
        self.change(at, |column| name.clone_into(&mut column.name));
        Ok(())
    }

    /// `VALUE = MEANING…`; `VALUE*` is every value that begins so.
    fn mean(&mut self, at: usize, rest: &str) -> Result<(), EditError> {
        let Some((value, meanings)) = rest.rsplit_once(" = ") else {
            return Err(EditError::Text("write N value VALUE = MEANING, such as 5 value I = inbound"));
        };
        let (value, meanings) = (value.trim(), meanings.trim());
        let Some(column) = self.columns.get(at) else { return Ok(()) };
        if !matches!(column.kind, Kind::Code | Kind::Number) {
            return Err(Draft::unfit(at, "only values of a code, and words in a number's place, have a meaning"));
        }
        let known: Vec<&str> = column.values.iter().map(|(value, _)| value.as_str()).chain(["blank"]).collect();
        // One that did not occur among the lines may be said too, as long as no number can be meant.
        if value.is_empty() || !write::may_stand(value) || value.contains(['\'', '"', '\\']) {
            return word(value, "a value of this column", &known, None);
        }
        let mut said = Vec::new();
        for meaning in meanings.split_whitespace().filter(|meaning| *meaning != "nothing") {
            said.push(word(meaning, "a meaning", &MEANINGS, MEANINGS.into_iter().find(|known| *known == meaning))?);
        }
        self.change(at, |column| {
            column.meanings.remove(value);
            if !said.is_empty() {
                column.meanings.insert(value.to_owned(), said);
                column.sure = Sure::Certain;
            }
        });
        Ok(())
    }

    /// Whether the records are cut at fixed columns.
    pub fn is_fixed(&self) -> bool {
        self.layout == Layout::Columns
    }
}
