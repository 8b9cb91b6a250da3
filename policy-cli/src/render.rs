//! The output formats, one file each.

pub(crate) mod conditions;
pub(crate) mod explain;
pub(crate) mod github;
pub(crate) mod json;
pub(crate) mod text;
