//! What is stored of the files that were taken.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// How far the lines of a file are stored. Saved in the transaction that stores them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMark {
    /// The source that read it.
    pub source: u16,
    /// The file, by what smdrd called it: 32 hexadecimal digits that were made up for it.
    pub file: String,
    /// How many bytes of it, from its start, are in lines that are stored.
    pub read_to: u64,
    /// Whether its end is: half a line and half a group ended there.
    pub whole: bool,
}

type Answer = Pin<Box<dyn Future<Output = Option<Vec<FileMark>>> + Send>>;

/// The way to the marks that are stored.
#[derive(Clone)]
pub struct Ledger(Arc<dyn Fn() -> Answer + Send + Sync>);

impl Ledger {
    /// `read` gives the marks of all sources, as they are committed; nothing when there is nobody any more to ask.
    pub fn new<F>(read: impl Fn() -> F + Send + Sync + 'static) -> Ledger
    where
        F: Future<Output = Option<Vec<FileMark>>> + Send + 'static,
    {
        Ledger(Arc::new(move || Box::pin(read())))
    }

    pub(super) async fn marks(&self) -> Option<Vec<FileMark>> {
        (self.0)().await
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Ledger")
    }
}
