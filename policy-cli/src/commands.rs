//! The commands, one file each.

mod class_entries;
pub(crate) mod compile;
pub(crate) mod diff;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod lint;
pub(crate) mod overview;
pub(crate) mod reach;
pub(crate) mod replay;
pub(crate) mod shell;
pub(crate) mod test;
