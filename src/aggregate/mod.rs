//! Calls to figures: half-hour slots, the metrics CBT001 to CBT007, coverage, and the day document.

pub mod calendar;
pub mod count;
pub mod coverage;
pub mod definitions;
pub mod document;
mod render;
pub mod repeat;
pub mod sequence;
pub mod side_by_side;
pub mod silence;
pub mod slots;

pub use render::{Capability, DayInputs, SourceInput, render};
