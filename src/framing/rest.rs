//! What a framer holds between two chunks, as plain data: so that a restart may fall between them.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use super::framer::Edge;
use super::mark::Mark;
use super::nec::Texts;
use super::oxe::Tickets;

/// Half a line, and where in the grammar it stands. It holds what the PBX printed, telephone numbers too: it may be
/// handed on through memory and nowhere else.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rest {
    #[serde(default)]
    pub(super) line: Vec<u8>,
    #[serde(default)]
    pub(super) stripped: u32,
    #[serde(default)]
    pub(super) dropped: u64,
    #[serde(default)]
    pub(super) edge: Edge,
    #[serde(default)]
    pub(super) mark: Mark,
    #[serde(default)]
    pub(super) frame_left: usize,
    #[serde(default)]
    pub(super) texts: Texts,
    #[serde(default)]
    pub(super) tickets: Tickets,
}

impl Rest {
    /// How many bytes of a line there are.
    pub fn text(&self) -> u64 {
        u64::try_from(self.line.len()).unwrap_or(u64::MAX).saturating_add(self.dropped)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.line.zeroize();
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} bytes of a line, {:?}", self.line.len(), self.edge)
    }
}
