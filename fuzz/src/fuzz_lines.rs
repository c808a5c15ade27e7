//! Lines through the engine: any bytes, and real lines with their fields changed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use jiff::civil::{Date, date};

use crate::dialect::detect::Detector;
use crate::dialect::{Library, Line, Mark, Plan, Reading, SourceState, What};
use crate::framing::{Ended, Framer, Settings};
use crate::number::{Anonymous, Class, Number};
use crate::record::Record;

/// Real lines in one dialect.
pub struct Seed {
    pub dialect: String,
    pub plan: Plan,
    pub lines: Vec<Vec<u8>>,
    marks: Vec<Vec<Mark>>,
}

/// Every sample and capture of the repository.
pub static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    let mut seeds = Vec::new();
    for id in Library::shipped().ids() {
        for path in
            ["dialects", "captures"].iter().flat_map(|folder| files(&root().join("tests").join(folder).join(id)))
        {
            let options = options(&path);
            let plan = Library::shipped().get(id).unwrap().plan(&options, Some(2024)).unwrap();
            let lines = framed(&plan, &std::fs::read(&path).unwrap());
            let mut state = SourceState::default();
            let marks = (1..).zip(&lines).map(|(no, bytes)| {
                let mut reading = Reading::default();
                plan.step(&mut state, &Line { no, bytes, kept: &[], today: date(2024, 6, 1) }, &mut reading);
                reading.marks
            });
            let marks: Vec<Vec<Mark>> = marks.collect();
            if !lines.is_empty() {
                seeds.push(Seed { dialect: id.to_owned(), marks, plan, lines });
            }
        }
    }
    assert!(seeds.len() > 100, "no samples: run it from the repository");
    seeds
});

pub fn root() -> &'static Path {
    Path::new(crate::REPOSITORY)
}

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == "smdr"));
    files.sort();
    files
}

fn options(path: &Path) -> BTreeMap<String, String> {
    let Ok(text) = std::fs::read(path.with_extension("json")) else { return BTreeMap::new() };
    let pair: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let options = pair["options"].as_object().cloned().unwrap_or_default();
    let word = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    options.iter().map(|(key, value)| (key.clone(), word(value))).collect()
}

/// The lines of `bytes`, as the dialect cuts them.
pub fn framed(plan: &Plan, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(Settings { protocol: plan.protocol(), ..Settings::default() });
    let mut lines = Vec::new();
    let mut take = |line: crate::framing::Line<'_>| {
        if !(line.bytes.is_empty() && line.stripped > 0) {
            lines.push(line.bytes.to_vec());
        }
    };
    framer.push(bytes, &mut take);
    framer.flush(Ended::EndOfInput, &mut take);
    lines
}

/// The seeds of the dialects whose file says one of `words` of its layout.
pub fn saying(words: &[&str]) -> Vec<&'static Seed> {
    let says = |id: &str| {
        let text = std::fs::read_to_string(root().join(format!("config/dialects/{id}.toml"))).unwrap();
        words.iter().any(|word| text.lines().any(|line| line.contains(word)))
    };
    let mut known: HashMap<&str, bool> = HashMap::new();
    let seeds = SEEDS.iter().filter(|seed| *known.entry(&seed.dialect).or_insert_with(|| says(&seed.dialect)));
    let seeds: Vec<&Seed> = seeds.collect();
    assert!(!seeds.is_empty(), "no dialect says {words:?}");
    seeds
}

/// A change to lines.
#[derive(Debug, Arbitrary)]
enum Edit {
    /// In the place of a field.
    Into(u8, u8, Text),
    /// Over what stands from a field's begin on.
    Over(u8, u8, Text),
    At(u8, u16, Text),
    /// Another digit.
    Digit(u8, u16, u8),
    Byte(u8, u16, u8),
    Delete(u8, u16, u8),
    Cut(u8, u16),
    /// The line again.
    Twice(u8),
    Gone(u8),
    Swap(u8, u8),
    /// Two fields change places.
    Fields(u8, u8, u8),
    /// The head of one line and the tail of another.
    Splice(u8, u8, u16),
    /// A line of another file of any dialect.
    Foreign(u8, u16, u16),
    /// The same piece very often.
    Long(u8, u16, u8, u16),
}

/// What is put in.
#[derive(Debug, Arbitrary)]
enum Text {
    Number(u8, u64),
    Digits(u8, u64),
    Clock(u8, u8, u8),
    Date(u8, u8, u8),
    Word(u8),
    Bytes([u8; 6], u8),
}

const WORDS: [&str; 16] = [
    "ABANDONED",
    "<I>0",
    "T001",
    "A001",
    "****",
    "------",
    "\"",
    "\"\"",
    ",,,,",
    "UNKNOWN",
    "I",
    "O",
    "VM",
    "@",
    "DN",
    " ",
];

impl Text {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Text::Number(way, value) => {
                let lead = ["07700900", "01632960", "0207946", "+447700900", "9079", "00337", "999", "*21*"];
                format!("{}{:03}", lead[usize::from(way % 8)], value % 1000).into_bytes()
            }
            Text::Digits(width, value) => format!("{value:0width$}", width = usize::from(width % 24)).into_bytes(),
            Text::Clock(one, two, three) => format!("{:02}:{:02}:{:02}", one % 60, two % 60, three % 64).into_bytes(),
            Text::Date(one, two, three) => format!("{:02}/{:02}/{:02}", one % 33, two % 33, three % 100).into_bytes(),
            Text::Word(which) => WORDS[usize::from(which % 16)].as_bytes().to_vec(),
            Text::Bytes(bytes, count) => bytes[..usize::from(count % 7)].to_vec(),
        }
    }
}

/// Lines for one plan: any bytes, or real lines changed.
pub fn case<'a>(seeds: &[&'a Seed], data: &[u8]) -> Option<(&'a Seed, Vec<Vec<u8>>, Date)> {
    let (&[way, pick, more, day], rest) = data.split_first_chunk::<4>()?;
    let seed = *seeds.get((usize::from(pick) << 4 | usize::from(more & 15)) % seeds.len())?;
    let today = date(2024, 1, 1).saturating_add(jiff::Span::new().days(i32::from(day) * 3));
    if way & 1 == 0 {
        return Some((seed, framed(&seed.plan, rest), today));
    }
    let mut from = Unstructured::new(rest);
    let begin = usize::from(from.arbitrary::<u16>().ok()?) % seed.lines.len();
    let count = usize::from(way >> 1) % 8 + 1;
    let mut lines: Vec<Vec<u8>> = seed.lines.iter().skip(begin).take(count).cloned().collect();
    let marks: Vec<&Vec<Mark>> = seed.marks.iter().skip(begin).take(count).collect();
    for _ in 0..12 {
        if from.is_empty() {
            break;
        }
        let Ok(edit) = from.arbitrary::<Edit>() else { break };
        apply(&edit, &mut lines, &marks);
    }
    for line in &mut lines {
        line.truncate(4096);
    }
    Some((seed, lines, today))
}

fn apply(edit: &Edit, lines: &mut Vec<Vec<u8>>, marks: &[&Vec<Mark>]) {
    if lines.is_empty() {
        return;
    }
    let count = lines.len();
    let place = |line: &u8| usize::from(*line) % count;
    let field = |lines: &[Vec<u8>], line: &u8, mark: &u8| {
        let (line, marks) = (place(line), marks.get(place(line))?);
        let mark = marks.get(usize::from(*mark) % marks.len().max(1))?;
        (usize::from(mark.end) <= lines[line].len()).then_some((line, usize::from(mark.start)..usize::from(mark.end)))
    };
    match edit {
        Edit::Into(line, mark, text) => {
            if let Some((line, span)) = field(lines, line, mark) {
                lines[line].splice(span, text.bytes());
            }
        }
        Edit::Over(line, mark, text) => {
            if let Some((line, span)) = field(lines, line, mark) {
                let (line, text) = (&mut lines[line], text.bytes());
                line.resize(line.len().max(span.start + text.len()), b' ');
                line[span.start..span.start + text.len()].copy_from_slice(&text);
            }
        }
        Edit::At(line, at, text) => {
            let line = &mut lines[place(line)];
            let at = usize::from(*at) % (line.len() + 1);
            line.splice(at..at, text.bytes());
        }
        Edit::Digit(line, at, digit) => {
            let line = &mut lines[place(line)];
            let digits: Vec<usize> = (0..line.len()).filter(|at| line[*at].is_ascii_digit()).collect();
            if !digits.is_empty() {
                line[digits[usize::from(*at) % digits.len()]] = b'0' + digit % 10;
            }
        }
        Edit::Byte(line, at, byte) => {
            let line = &mut lines[place(line)];
            if !line.is_empty() {
                let at = usize::from(*at) % line.len();
                line[at] = *byte;
            }
        }
        Edit::Delete(line, at, many) => {
            let line = &mut lines[place(line)];
            let at = usize::from(*at) % (line.len() + 1);
            line.drain(at..(at + usize::from(*many) % 16).min(line.len()));
        }
        Edit::Cut(line, at) => {
            let line = &mut lines[place(line)];
            line.truncate(usize::from(*at) % (line.len() + 1));
        }
        Edit::Twice(line) => {
            if count < 64 {
                lines.insert(place(line), lines[place(line)].clone());
            }
        }
        Edit::Gone(line) => {
            if count > 1 {
                lines.remove(place(line));
            }
        }
        Edit::Swap(one, other) => lines.swap(place(one), place(other)),
        Edit::Fields(line, one, other) => {
            let (one, other) = (field(lines, line, one), field(lines, line, other));
            if let (Some((line, one)), Some((_, other))) = (one, other)
                && one.end <= other.start
            {
                let line = &mut lines[line];
                let (first, second) = (line[one.clone()].to_vec(), line[other.clone()].to_vec());
                line.splice(other, first);
                line.splice(one, second);
            }
        }
        Edit::Splice(one, other, at) => {
            let tail = lines[place(other)].clone();
            let line = &mut lines[place(one)];
            let at = usize::from(*at) % (line.len() + 1);
            line.truncate(at);
            line.extend_from_slice(tail.get(at..).unwrap_or_default());
        }
        Edit::Foreign(at, seed, line) => {
            if count < 64 {
                let seed = &SEEDS[usize::from(*seed) % SEEDS.len()];
                lines.insert(place(at), seed.lines[usize::from(*line) % seed.lines.len()].clone());
            }
        }
        Edit::Long(line, at, many, times) => {
            let line = &mut lines[place(line)];
            let at = usize::from(*at) % (line.len() + 1);
            let piece = line[at..(at + usize::from(*many) % 16).min(line.len())].to_vec();
            let most = 4096 / piece.len().max(1);
            let longer = piece.repeat(usize::from(*times) % (most + 1));
            line.splice(at..at, longer);
        }
    }
    for line in lines.iter_mut() {
        line.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0x0c));
    }
}

/// What must hold of everything that the engine says of lines.
#[derive(Default)]
pub struct Books {
    what: BTreeMap<u64, What>,
    /// All that came, in digits and letters only.
    said: Vec<u8>,
    /// The dialect is made up, and may put into a record what is in no line.
    lenient: bool,
}

fn squeezed(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().filter(|byte| byte.is_ascii_alphanumeric() || b"+*#".contains(byte)).copied()
}

impl Books {
    pub fn lenient() -> Books {
        Books { lenient: true, ..Books::default() }
    }

    /// Takes up what a step, or a silence after line `no`, came to.
    pub fn take(&mut self, no: u64, line: Option<&[u8]>, reading: &Reading) {
        if let Some(line) = line {
            self.said.extend(squeezed(line));
            let own = reading.settled.last().expect("a line that came to nothing");
            assert_eq!(own.no, no, "the line itself is the last one");
            for mark in &reading.marks {
                assert!(mark.start <= mark.end && usize::from(mark.end) <= line.len(), "{mark:?} outside the line");
            }
            assert!(reading.marks.is_sorted_by_key(|mark| mark.start));
            if let What::Unparsed { reason, column } = &own.what {
                assert!(!reason.is_empty());
                let inside = column.is_none_or(|column| (1..=line.len() + 1).contains(&usize::from(column)));
                assert!(inside, "column {column:?} of {} bytes: {reason}", line.len());
                assert!(reading.marks.is_empty() || column.is_none(), "marks of a line that is not understood");
            }
        }
        for settled in &reading.settled {
            match self.what.get(&settled.no) {
                None => assert_eq!(settled.no, no, "a line is settled that did not come"),
                Some(What::Continuation) => {}
                Some(before) => panic!("line {} was {before:?} and is now {:?}", settled.no, settled.what),
            }
            if let What::Record(record) | What::Event(Some(record)) = &settled.what
                && !self.lenient
            {
                self.record(record);
            }
            self.what.insert(settled.no, settled.what.clone());
        }
    }

    /// A record holds nothing that did not come.
    fn record(&self, record: &Record) {
        let came = |text: &str| {
            let text: Vec<u8> = squeezed(text.as_bytes()).collect();
            text.is_empty() || self.said.windows(text.len()).any(|said| said.eq_ignore_ascii_case(&text))
        };
        for number in [&record.cli, &record.ddi, &record.dialled, &record.account].into_iter().flatten() {
            let digits = number.reveal();
            // What stands between digits is left out, and letters that the field says to ignore.
            let only = |bytes: &[u8]| bytes.iter().copied().filter(u8::is_ascii_digit).collect::<Vec<u8>>();
            let (said, digit) = (only(&self.said), only(digits.as_bytes()));
            let came = digit.is_empty() || said.windows(digit.len()).any(|part| part == digit);
            assert!(came || digits.bytes().all(|byte| b"0*".contains(&byte)), "{digits} did not come");
        }
        for text in [&record.extension, &record.trunk, &record.call_id].into_iter().flatten() {
            let blanked = text.bytes().filter(u8::is_ascii_digit).all(|digit| digit == b'0');
            assert!(blanked || came(text), "{text} did not come");
        }
        if let Some(stamp) = &record.stamp {
            assert!(matches!(stamp.resolution_s, 1 | 60), "{stamp:?}");
        }
    }
}

/// As the daemon does between two lines.
pub fn forget(state: &mut SourceState) {
    let kept = |number: &Number| Anonymous {
        class: Class::Other,
        digits: u8::try_from(number.digits()).unwrap_or(u8::MAX),
        peer: None,
        token: None,
        own: None,
    };
    state.forget_numbers(|number, _| number.kept().cloned().unwrap_or_else(|| kept(number)));
}

/// The engine on lines of these dialects.
pub fn lines(seeds: &[&Seed], data: &[u8]) {
    let Some((seed, lines, today)) = case(seeds, data) else { return };
    let mut state = SourceState::default();
    let mut reading = Reading::default();
    let mut books = Books::default();
    let silent = data.first().is_some_and(|way| way & 0x80 != 0);
    for (no, bytes) in (1..).zip(&lines) {
        seed.plan.step(&mut state, &Line { no, bytes, kept: &[], today }, &mut reading);
        books.take(no, Some(bytes), &reading);
        forget(&mut state);
        if silent && no % 3 == 0 {
            seed.plan.idle(&mut state, &mut reading);
            books.take(no, None, &reading);
            forget(&mut state);
        }
        if no % 5 == 0 {
            let saved = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<SourceState>(&saved).unwrap(), state, "it is not what was saved");
        }
    }
    let last = lines.len() as u64;
    seed.plan.idle(&mut state, &mut reading);
    books.take(last, None, &reading);
    assert_eq!(books.what.len(), lines.len(), "a line came to nothing");
}

/// Which dialect it is, asked of any bytes and of real lines changed.
pub fn detect(data: &[u8]) {
    // A few dialects at a time: which, the first byte says. All of them at each execution would be a day's work.
    const GROUPS: usize = 9;
    static DETECTORS: LazyLock<Vec<Detector<'static>>> = LazyLock::new(|| {
        let library = Library::shipped();
        let of_group = |group: usize| Detector::among(library, library.ids().skip(group).step_by(GROUPS));
        (0..GROUPS).map(of_group).collect()
    });
    static ALL: LazyLock<Vec<&Seed>> = LazyLock::new(|| SEEDS.iter().collect());
    let Some((group, rest)) = data.split_first() else { return };
    let Some((_, lines, today)) = case(&ALL, rest) else { return };
    let bytes: Vec<u8> = lines.iter().take(2).flat_map(|line| [line.as_slice(), b"\r\n"].concat()).take(200).collect();
    let found = DETECTORS[usize::from(*group) % GROUPS].detect(&bytes, today);
    for candidate in &found.candidates {
        assert!(candidate.fit.is_finite() && (0.0..=1.0).contains(&candidate.fit), "{}", candidate.fit);
        assert!(candidate.records > 0 && candidate.records <= found.lines.max(candidate.records));
    }
    assert!(found.candidates.is_sorted_by(|one, other| one.fit >= other.fit));
}
