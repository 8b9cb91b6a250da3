//! Why an edge does not start.

use std::fmt;
use std::io;

use crate::edge::admission::OverBudget;
use crate::edge::generation::LoadError;
use crate::edge::running::BindError;

/// Why an edge did not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration cannot be used.
    Load(LoadError),
    /// The limits do not fit this process.
    Budget(OverBudget),
    /// An endpoint cannot listen.
    Bind(BindError),
    /// A file or folder of the edge's own cannot be used.
    File(String, io::Error),
    /// The system refuses signals or threads.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Budget(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::File(path, error) => write!(f, "cannot use `{path}`: {error}"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}
