//! The output formats, one file each.

pub(crate) mod conditions;
pub(crate) mod diff;
mod ended_run;
pub(crate) mod explain;
pub(crate) mod github;
pub(crate) mod json;
pub(crate) mod lcov;
pub(crate) mod reach;
mod regions;
pub(crate) mod tests;
pub(crate) mod text;
