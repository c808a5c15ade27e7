//! What is needed of Structured Field Values (RFC 8941): dictionaries of inner lists of strings, and of byte sequences.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest field that is looked at, in bytes.
const LONGEST: usize = 4096;

/// A bare item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bare {
    /// Integer.
    Integer(i64),
    /// String.
    Text(String),
    /// Token.
    Token(String),
    /// Byte sequence.
    Bytes(Vec<u8>),
    /// Boolean.
    Truth(bool),
}

/// Parameters, in order.
pub type Parameters = Vec<(String, Bare)>;

/// An inner list of strings, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerList {
    /// Its members; each with its own parameters.
    pub members: Vec<(String, Parameters)>,
    /// Its parameters.
    pub parameters: Parameters,
}

/// What a member of a dictionary holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// An inner list of strings.
    List(InnerList),
    /// A single item.
    Item(Bare),
}

impl InnerList {
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&Bare> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// As it stands in a field (RFC 8941, section 4.1.1.1).
    pub fn serialised(&self) -> String {
        let members: Vec<String> =
            self.members.iter().map(|(name, own)| format!("{}{}", quoted(name), parameters(own))).collect();
        format!("({}){}", members.join(" "), parameters(&self.parameters))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn parameters(parameters: &Parameters) -> String {
    parameters.iter().fold(String::new(), |text, (key, value)| match value {
        Bare::Truth(true) => format!("{text};{key}"),
        value => format!("{text};{key}={}", bare(value)),
    })
}

/// A bare item as it stands in a field.
pub fn bare(value: &Bare) -> String {
    match value {
        Bare::Integer(number) => number.to_string(),
        Bare::Text(text) => quoted(text),
        Bare::Token(token) => token.clone(),
        Bare::Bytes(bytes) => format!(":{}:", STANDARD.encode(bytes)),
        Bare::Truth(truth) => format!("?{}", u8::from(*truth)),
    }
}

/// Reads a dictionary whose members are inner lists of strings, or items. A name that stands there twice is a fault, though
/// the standard lets the last one win: who would write such a thing into a signature.
pub fn dictionary(text: &str) -> Option<Vec<(String, Member)>> {
    if text.len() > LONGEST || !text.is_ascii() {
        return None;
    }
    let mut reader = Reader { rest: text.trim_matches(' ').as_bytes() };
    let mut members: Vec<(String, Member)> = Vec::new();
    while !reader.rest.is_empty() {
        let name = reader.key()?;
        let member = if reader.takes(b'=') {
            if reader.rest.first() == Some(&b'(') {
                Member::List(reader.inner_list()?)
            } else {
                let item = reader.bare()?;
                reader.parameters()?;
                Member::Item(item)
            }
        } else {
            reader.parameters()?;
            Member::Item(Bare::Truth(true))
        };
        if members.iter().any(|(known, _)| *known == name) {
            return None;
        }
        members.push((name, member));
        reader.blanks();
        if reader.rest.is_empty() {
            break;
        }
        if !reader.takes(b',') {
            return None;
        }
        reader.blanks();
        if reader.rest.is_empty() {
            return None;
        }
    }
    Some(members)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn takes(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn while_(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !wanted(*byte)).unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at(end);
        self.rest = rest;
        found
    }

    fn blanks(&mut self) {
        self.while_(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn key(&mut self) -> Option<String> {
        if !self.rest.first().is_some_and(|first| first.is_ascii_lowercase() || *first == b'*') {
            return None;
        }
        let key = self.while_(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
        });
        String::from_utf8(key.to_vec()).ok()
    }

    fn inner_list(&mut self) -> Option<InnerList> {
        let mut members = Vec::new();
        if !self.takes(b'(') {
            return None;
        }
        loop {
            self.while_(|byte| byte == b' ');
            if self.takes(b')') {
                break;
            }
            let Bare::Text(name) = self.bare()? else { return None };
            members.push((name, self.parameters()?));
            if !matches!(self.rest.first(), Some(b' ' | b')')) {
                return None;
            }
        }
        Some(InnerList { members, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Option<Parameters> {
        let mut found: Parameters = Vec::new();
        while self.takes(b';') {
            self.while_(|byte| byte == b' ');
            let key = self.key()?;
            let value = if self.takes(b'=') { self.bare()? } else { Bare::Truth(true) };
            if found.iter().any(|(known, _)| *known == key) {
                return None;
            }
            found.push((key, value));
        }
        Some(found)
    }

    fn bare(&mut self) -> Option<Bare> {
        match self.rest.first()? {
            b'"' => self.text(),
            b':' => {
                self.next();
                let encoded = self.while_(|byte| byte != b':');
                self.takes(b':').then(|| STANDARD.decode(encoded).ok().map(Bare::Bytes)).flatten()
            }
            b'?' => {
                self.next();
                match self.next()? {
                    b'0' => Some(Bare::Truth(false)),
                    b'1' => Some(Bare::Truth(true)),
                    _ => None,
                }
            }
            b'-' | b'0'..=b'9' => {
                let sign = if self.takes(b'-') { "-" } else { "" };
                let digits = std::str::from_utf8(self.while_(|byte| byte.is_ascii_digit() || byte == b'.')).ok()?;
                // Fifteen digits at most; no decimal has a place in a signature.
                (digits.len() <= 15).then(|| format!("{sign}{digits}").parse().ok().map(Bare::Integer)).flatten()
            }
            first if first.is_ascii_alphabetic() || *first == b'*' => {
                let token = self.while_(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte));
                String::from_utf8(token.to_vec()).ok().map(Bare::Token)
            }
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Bare> {
        if !self.takes(b'"') {
            return None;
        }
        let mut text = String::new();
        loop {
            match self.next()? {
                b'"' => return Some(Bare::Text(text)),
                b'\\' => match self.next()? {
                    byte @ (b'"' | b'\\') => text.push(char::from(byte)),
                    _ => return None,
                },
                byte @ 0x20..=0x7e => text.push(char::from(byte)),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dictionary_is_read_and_written() {
        let given = r#"sig1=("@method" "content-digest";req);created=1618884473;keyid="a\"b";flag, b=:AAE=:;x=1"#;
        let read = dictionary(given).unwrap();
        let (Member::List(list), Member::Item(bytes)) = (&read[0].1, &read[1].1) else { panic!("{read:?}") };
        assert_eq!(list.serialised(), given.strip_prefix("sig1=").unwrap().split(", b=").next().unwrap());
        assert_eq!((list.parameter("created"), bytes), (Some(&Bare::Integer(1_618_884_473)), &Bare::Bytes(vec![0, 1])));
        // A list is asked for by who reads it; by itself it is a truth.
        assert!(matches!(dictionary("sig1").unwrap()[0].1, Member::Item(Bare::Truth(true))));
        for wrong in [
            "Sig=()",
            "a=",
            "a=(\"x\"",
            "a=(\"x\"\"y\")",
            "a=(x)",
            "a=:AA:",
            "a=1,",
            "a=1 b=2",
            "a=1, a=2",
            "a=\"\\x\"",
            "a=();b=1;b=2",
            "a=1.5",
            "a=1234567890123456",
            "a=?2",
            "é=1",
        ] {
            assert_eq!(dictionary(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_breaks_the_reading_and_what_is_read_is_stable(text in "[a-c\"();=: ,?0-9\\\\.-]{0,60}") {
            for (_, member) in dictionary(&text).unwrap_or_default() {
                if let Member::List(list) = member {
                    let written = format!("x={}", list.serialised());
                    prop_assert_eq!(dictionary(&written).unwrap(), vec![("x".to_owned(), Member::List(list))]);
                }
            }
        }
    }
}
