//! Facts given by name and text: what a dry run knows of a connection. How texts are read says [`crate::given`].

use std::fmt;

use super::FactProvider;
use crate::cel::{Borrowed, Fact, Value};
use crate::diagnostic::shorten;

/// Facts given by name and text, as a dry run has them.
///
/// ```
/// use policy_core::facts::{Facts, GivenFacts};
/// let mut given = GivenFacts::default();
/// given.set("conn.geo.country_code", "DE")?;
/// given.set("conn.client_ip.categories", "com, com.github")?;
/// assert!(given.set("conn.client_port", "high").is_err());
/// let facts = Facts::new("203.0.113.42".parse().expect("an address")).with(&given);
/// # let _ = facts;
/// # Ok::<(), policy_core::facts::GivenError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GivenFacts {
    pub(crate) values: Vec<Given>,
}

/// A fact that was given, or that follows from one.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) fact: Fact,
    pub(crate) value: Value,
    /// The fact that was given.
    pub(crate) by: Fact,
}

/// Why a fact cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GivenError {
    /// There is no such fact; perhaps the nearest that there is, or the fields of an object.
    Unknown {
        /// What was given.
        path: String,
        /// What may be meant.
        near: Option<&'static str>,
    },
    /// It contradicts what was given before.
    Contradicts {
        /// The fact.
        path: &'static str,
        /// What was given before: the same fact, or one from which its value follows.
        given: &'static str,
    },
    /// The text is no value of the fact's type.
    Value {
        /// The fact.
        path: &'static str,
        /// What it takes, with an example.
        expected: &'static str,
    },
}

impl fmt::Display for GivenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { path, near: Some(near) } => {
                write!(f, "unknown fact `{}`; did you mean `{near}`?", shorten(path))
            }
            Self::Unknown { path, near: None } => write!(f, "unknown fact `{}`", shorten(path)),
            Self::Contradicts { path, given } if path == given => {
                write!(f, "`{path}` is given twice, with different values")
            }
            Self::Contradicts { path, given } => write!(f, "`{path}` contradicts `{given}`"),
            Self::Value { path, expected } => write!(f, "`{path}` takes {expected}"),
        }
    }
}

impl std::error::Error for GivenError {}

impl FactProvider for GivenFacts {
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        self.get(fact).map(Borrowed::Value)
    }
}

impl GivenFacts {
    pub(crate) fn given(&self, fact: Fact) -> Option<&Given> {
        self.values.iter().find(|given| given.fact == fact)
    }

    /// A fact that was given.
    #[must_use]
    pub fn get(&self, fact: Fact) -> Option<&Value> {
        self.given(fact).map(|given| &given.value)
    }
}
