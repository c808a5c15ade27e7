//! The month's files for NHS England, from the documents that the receiver holds.
//!
//! [`lists`] says who takes part, which accounts there are and what the operator takes responsibility for; [`template`]
//! how the file is laid out, from NHS England's own sample; [`gather`] sums an account's documents and [`judge`] names what
//! speaks against sending it; [`build`] writes the set, with [`record`] beside it, and [`call_level`] the rows of the boxes'
//! own files. An account goes in only if nothing
//! speaks against it, and a figure that nobody can say keeps it out: nothing that is unknown becomes 0.

pub mod build;
pub mod call_level;
pub mod config;
pub mod field;
pub mod figures;
pub mod files;
pub mod gather;
pub mod given;
pub mod judge;
pub mod lists;
pub mod month;
pub mod published;
pub mod ranges;
pub mod record;
pub mod rows_file;
pub mod sum;
pub mod table;
pub mod template;
pub mod verb;
