//! The daemon: the one place where a line goes the whole way.
pub mod books;
