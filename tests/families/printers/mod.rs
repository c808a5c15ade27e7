//! What each family prints, one file a family.

pub mod alcatel_oxo;
