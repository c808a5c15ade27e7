//! A practice day that was really played: who called, what happened leg by leg, and what two PBXs print of it.
//!
//! The PBXs here are written by hand from what their makers publish about the records, one small file a family. They
//! read no dialect and use nothing of the flow but the clock, because they are the other half of the proof: what the
//! daemon makes of the lines is compared with [`truth`], which is counted from the [`scenario`] and never from a line.

pub mod chance;
pub mod hipath;
pub mod ipoffice;
pub mod occupancy;
pub mod practice_day;
pub mod scenario;
pub mod serial;
pub mod truth;

use jiff::Timestamp;

/// What a PBX prints at one moment, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When the PBX prints it.
    pub at: Timestamp,
    /// The characters.
    pub text: String,
}

/// What a player did with the lines it had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Played {
    /// Lines handed to the link.
    pub sent: usize,
    /// Lines that the PBX lost because its buffer was full while the link was down.
    pub overwritten: usize,
    /// Lines still in the buffer when the player was stopped.
    pub unsent: usize,
    /// How often the link was made.
    pub connects: usize,
}
