//! What a column of a file can hold.

use super::template::Bucket;

/// One of the collection's seven metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Inbound calls.
    Cbt001,
    /// Ended in the menu.
    Cbt002,
    /// Answered by a person, by wait.
    Cbt003,
    /// Missed, by wait.
    Cbt004,
    /// Calls back requested.
    Cbt005,
    /// Calls back made.
    Cbt006,
    /// Answered by a person, by time with staff.
    Cbt007,
}

impl Code {
    /// All seven.
    pub const ALL: [Code; 7] =
        [Code::Cbt001, Code::Cbt002, Code::Cbt003, Code::Cbt004, Code::Cbt005, Code::Cbt006, Code::Cbt007];

    /// As the collection writes it.
    pub fn word(self) -> &'static str {
        ["CBT001", "CBT002", "CBT003", "CBT004", "CBT005", "CBT006", "CBT007"][self as usize]
    }

    /// Whether it is sent by bucket of wait or duration.
    pub fn has_buckets(self) -> bool {
        self.waits() || self.talks()
    }

    /// Whether its buckets are of the wait.
    pub fn waits(self) -> bool {
        matches!(self, Code::Cbt003 | Code::Cbt004)
    }

    /// Whether its buckets are of the time with staff.
    pub fn talks(self) -> bool {
        self == Code::Cbt007
    }
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The supplier's name.
    Supplier,
    /// The account's number.
    Account,
    /// The civil day.
    Date,
    /// The band of the day in which the call arrived.
    Band,
    /// The metric's code, in a long file.
    Code,
    /// The bucket of wait or duration.
    Bucket,
    /// The bucket of the wait, where it has a column of its own.
    Wait,
    /// The bucket of the time with staff, where it has a column of its own.
    Talk,
    /// The count, in a long file.
    Value,
    /// One count, in a wide file: a metric, and which of its buckets.
    Count(Code, Option<usize>),
    /// Nothing ever.
    Empty,
}

impl Field {
    /// The words of a mapping.
    pub const WORDS: [&str; 12] = [
        "supplier",
        "account",
        "date",
        "band",
        "code",
        "bucket",
        "wait",
        "talk",
        "value",
        "CBT001",
        "CBT003/BUCKET",
        "empty",
    ];

    /// Reads the word of a mapping, or says what is wrong with it.
    pub fn parse(word: &str, buckets: &[Bucket]) -> Result<Field, String> {
        let plain = match word {
            "supplier" => Some(Field::Supplier),
            "account" => Some(Field::Account),
            "date" => Some(Field::Date),
            "band" => Some(Field::Band),
            "code" => Some(Field::Code),
            "bucket" => Some(Field::Bucket),
            "wait" => Some(Field::Wait),
            "talk" => Some(Field::Talk),
            "value" => Some(Field::Value),
            "empty" => Some(Field::Empty),
            _ => None,
        };
        if let Some(field) = plain {
            return Ok(field);
        }
        let (code, label) = word.split_once('/').map_or((word, None), |(code, label)| (code, Some(label)));
        let Some(code) = Code::ALL.into_iter().find(|known| known.word() == code) else {
            return Err(format!("{word:?} is nothing that can be written; it may be {}", Field::WORDS.join(", ")));
        };
        match (code.has_buckets(), label) {
            (false, None) => Ok(Field::Count(code, None)),
            (false, Some(_)) => Err(format!("{word:?}: {} has no buckets", code.word())),
            (true, None) => Err(format!("{word:?}: {} is sent by bucket; write {}/LABEL", code.word(), code.word())),
            (true, Some(label)) => match buckets.iter().position(|bucket| bucket.label == label) {
                Some(at) => Ok(Field::Count(code, Some(at))),
                None => {
                    let known: Vec<&str> = buckets.iter().map(|bucket| bucket.label.as_str()).collect();
                    Err(format!("{word:?}: no bucket is called {label:?}; there are {}", known.join(", ")))
                }
            },
        }
    }

    /// The word of a mapping for it.
    pub fn word(self, buckets: &[Bucket]) -> String {
        match self {
            Field::Count(code, None) => code.word().to_owned(),
            Field::Count(code, Some(at)) => {
                format!("{}/{}", code.word(), buckets.get(at).map_or("?", |bucket| bucket.label.as_str()))
            }
            Field::Supplier => "supplier".to_owned(),
            Field::Account => "account".to_owned(),
            Field::Date => "date".to_owned(),
            Field::Band => "band".to_owned(),
            Field::Code => "code".to_owned(),
            Field::Bucket => "bucket".to_owned(),
            Field::Wait => "wait".to_owned(),
            Field::Talk => "talk".to_owned(),
            Field::Value => "value".to_owned(),
            Field::Empty => "empty".to_owned(),
        }
    }
}
