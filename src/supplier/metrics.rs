//! What the receiver counts, in Prometheus' text format (version 0.0.4). No practice, site or box is in a label.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::contract::Operation;
use super::limits::Limited;
use super::problem::Kind;

/// The media type of what [`Metrics::exposition`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper edges of the store's histogram, in seconds.
const EDGES_S: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What became of a document that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// The day was not held before.
    First,
    /// It took the place of a lower revision.
    Replaced,
    /// The same bytes were held already.
    Replayed,
}

impl Taken {
    fn word(self) -> &'static str {
        match self {
            Taken::First => "first",
            Taken::Replaced => "replaced",
            Taken::Replayed => "replayed",
        }
    }
}

/// What is counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<(&'static str, &'static str, u16), u64>,
    taken: BTreeMap<Taken, u64>,
    refused: BTreeMap<&'static str, u64>,
    bytes: u64,
    limited: BTreeMap<Limited, u64>,
    store: [u64; EDGES_S.len() + 1],
    store_s: f64,
    last_document: Option<Timestamp>,
}

/// What is looked at when it is asked for.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Gauges {
    /// Connections that are open, and that found no seat since the start.
    pub connections: (usize, u64),
    /// Practices on the participation list, where there is one.
    pub practices: Option<usize>,
    /// Seconds since that list was written.
    pub list_age_s: Option<i64>,
    /// Seconds for which the TLS certificate is still good.
    pub certificate_s: Option<i64>,
    /// Whether the store answers.
    pub store_answers: bool,
}

impl Metrics {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was answered; nothing stands for what is no operation of the contract.
    pub fn answered(&self, operation: Option<&'static Operation>, status: u16) {
        let (method, path) = operation.map_or(("", ""), |operation| (operation.method, operation.path));
        *self.counts().requests.entry((method, path, status)).or_default() += 1;
    }

    /// A document of so many bytes was taken.
    pub fn taken(&self, taken: Taken, bytes: usize, now: Timestamp) {
        let mut counts = self.counts();
        *counts.taken.entry(taken).or_default() += 1;
        counts.bytes += bytes as u64;
        counts.last_document = Some(now);
    }

    /// A document was refused.
    pub fn refused(&self, kind: Kind) {
        *self.counts().refused.entry(kind.name()).or_default() += 1;
    }

    /// Someone ran into a limit.
    pub fn limited(&self, by: Limited) {
        *self.counts().limited.entry(by).or_default() += 1;
    }

    /// A step on the store took so long.
    pub fn stored(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = EDGES_S.iter().position(|edge| seconds <= *edge).unwrap_or(EDGES_S.len());
        let mut counts = self.counts();
        if let Some(count) = counts.store.get_mut(bucket) {
            *count += 1;
        }
        counts.store_s += seconds;
    }

    /// When a document was taken last, since the start.
    pub fn last_document(&self) -> Option<Timestamp> {
        self.counts().last_document
    }

    /// All of it as text.
    pub fn exposition(&self, gauges: &Gauges) -> String {
        let counts = self.counts();
        let mut page = Page::default();
        page.family("requests_total", "counter", "Requests answered, by operation of the contract and status.");
        for ((method, path, status), count) in &counts.requests {
            let operation = format!("{} {path}", method.to_ascii_uppercase());
            page.value("requests_total", &[("operation", operation.trim()), ("status", &status.to_string())], count);
        }
        page.family(
            "documents_total",
            "counter",
            "Documents taken: first of their day, replacing a lower revision, or replayed.",
        );
        for taken in [Taken::First, Taken::Replaced, Taken::Replayed] {
            let count = counts.taken.get(&taken).copied().unwrap_or_default();
            page.value("documents_total", &[("result", taken.word())], count);
        }
        page.family("documents_refused_total", "counter", "Documents refused, by the name of the problem.");
        for (reason, count) in &counts.refused {
            page.value("documents_refused_total", &[("reason", reason)], count);
        }
        page.one("document_bytes_total", "counter", "Bytes of documents taken.", counts.bytes);
        page.family("rate_limited_total", "counter", "Requests answered with 429, by whose bucket was empty.");
        for by in [Limited::Address, Limited::Box] {
            let count = counts.limited.get(&by).copied().unwrap_or_default();
            page.value("rate_limited_total", &[("by", by.word())], count);
        }
        page.family("store_seconds", "histogram", "How long steps on the store took.");
        let mut below = 0;
        for (edge, count) in EDGES_S.iter().zip(counts.store) {
            below += count;
            page.value("store_seconds_bucket", &[("le", &edge.to_string())], below);
        }
        let all: u64 = counts.store.iter().sum();
        page.value("store_seconds_bucket", &[("le", "+Inf")], all);
        page.value("store_seconds_sum", &[], counts.store_s);
        page.value("store_seconds_count", &[], all);
        let last = counts.last_document.map(Timestamp::as_second);
        page.maybe("last_document_timestamp_seconds", "When a document was taken last, since the start.", last);
        drop(counts);

        page.one("store_up", "gauge", "Whether the store answers.", u8::from(gauges.store_answers));
        page.one("connections", "gauge", "Connections that are open.", gauges.connections.0);
        page.one("connections_refused_total", "counter", "Connections that found no seat.", gauges.connections.1);
        page.maybe("participation_practices", "Practices on the participation list.", gauges.practices);
        page.maybe(
            "participation_list_age_seconds",
            "Time since the participation list was written.",
            gauges.list_age_s,
        );
        page.maybe(
            "certificate_remaining_seconds",
            "Time for which the TLS certificate is still good.",
            gauges.certificate_s,
        );
        page.family("build_info", "gauge", "Always 1; the label says which version runs.");
        page.value("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.text
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP smdr_feed_{name} {help}\n# TYPE smdr_feed_{name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "smdr_feed_{name}");
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.value(name, &[], value);
    }

    /// What is not known is left out: a 0 would say something.
    fn maybe(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.one(name, "gauge", help, value);
        }
    }
}
