//! What leaves the box.

use jiff::Timestamp;
use serde::Serialize;

use super::{Code, Event, Notice, Severity};

/// The schema that this crate writes.
pub const SCHEMA: &str = "smdrd.alert/1";

/// One message. Constant words, names from the configuration, and times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Its own name, the same however often it is tried.
    pub id: String,
    /// What happened.
    pub event: Event,
    /// When.
    pub at: Timestamp,
    /// Name of the box.
    pub device: String,
    /// The practices that it serves, as `ODS/site`.
    pub practices: Vec<String>,
    /// What it is about, by name.
    pub code: Code,
    /// How bad that is.
    pub severity: Severity,
    /// Whom it is about: a source, a practice, a channel; null where it is the box as a whole.
    pub subject: Option<String>,
    /// Since when it is wrong; null where nothing is.
    pub since: Option<Timestamp>,
    /// What is wrong.
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Message {
    /// What is said of a notice.
    pub fn new(notice: &Notice, device: &str, practices: &[String]) -> Message {
        let code = notice.code;
        let seconds = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        Message {
            schema: SCHEMA,
            id: format!("{device}-{}-{}", notice.at.as_millisecond(), notice.number),
            event: notice.event,
            at: seconds(notice.at),
            device: device.to_owned(),
            practices: practices.to_vec(),
            code,
            severity: code.severity(),
            subject: notice.subject.clone(),
            since: notice.since.map(seconds),
            what: code.headline(),
            remedy: code.remedy(),
        }
    }

    /// The first line of a mail.
    pub fn subject_line(&self) -> String {
        let about = self.subject.as_deref().map(|subject| format!("{subject}: ")).unwrap_or_default();
        let event = match self.event {
            Event::Raised => "",
            Event::Reminder => "still: ",
            Event::Cleared => "over: ",
            Event::Test => "test: ",
        };
        format!("[smdrd {}] {event}{about}{}", self.device, self.what)
    }

    /// A mail's text. `local` writes an instant in the practice's civil time.
    pub fn letter(&self, local: impl Fn(Timestamp) -> String) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| text += &format!("{name:<10}{value}\n");
        line("What", self.what);
        if let Some(subject) = &self.subject {
            line("Where", subject);
        }
        let event = match self.event {
            Event::Raised => "it began",
            Event::Reminder => "it still is (a reminder, once a day)",
            Event::Cleared => "it is over",
            Event::Test => "somebody asked for this test",
        };
        line("Event", &format!("{event}, {}", local(self.at)));
        if let Some(since) = self.since {
            line("Since", &local(since));
        }
        if matches!(self.event, Event::Raised | Event::Reminder) {
            line("To do", self.remedy);
        }
        line("Box", &self.device);
        if !self.practices.is_empty() {
            line("Practice", &self.practices.join(", "));
        }
        line("Code", self.code.word());
        line("Id", &self.id);
        text + "\nsmdrd status on the box says more. This message holds no telephone number and no figure of a call.\n"
    }
}
