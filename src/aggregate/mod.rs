//! Calls to figures: half-hour slots, the metrics CBT001 to CBT007, coverage, and the day document.

pub mod document;
