//! Ids: a prefix that names the kind and a ULID, so that newer ids sort after older ones.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use ulid::Ulid;

/// A text that is no id of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdError {
    prefix: &'static str,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an id: `{}` and 26 letters and digits are expected", self.prefix)
    }
}

impl std::error::Error for IdError {}

/// Reads one spelling only, so that an id has one text.
pub(super) fn parse(prefix: &'static str, text: &str) -> Result<Ulid, IdError> {
    let error = IdError { prefix };
    let number = text.strip_prefix(prefix).ok_or(error)?;
    let id = Ulid::from_string(number).map_err(|_| error)?;
    if id.to_string() == number { Ok(id) } else { Err(error) }
}

/// An id of a kind of record.
pub trait RecordId:
    Copy + Ord + Hash + fmt::Debug + fmt::Display + FromStr<Err = IdError> + Send + Sync + 'static
{
    /// What its text begins with, `_` included.
    const PREFIX: &'static str;

    /// Its number, by which it is kept.
    fn number(self) -> Ulid;

    /// The id of a number.
    fn from_number(number: Ulid) -> Self;
}

/// Declares the id of a kind of record: what it is, its name, and what its text begins with.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub(crate) ulid::Ulid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl $crate::control::identity::ids::RecordId for $name {
            const PREFIX: &'static str = $prefix;

            fn number(self) -> ulid::Ulid {
                self.0
            }

            fn from_number(number: ulid::Ulid) -> Self {
                Self(number)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::control::identity::ids::IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::control::identity::ids::parse($prefix, text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::control::identity::ids::IdError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

pub(super) use id;

// Records of other kinds, and sessions, name these two; further ids are declared with their kind.
id!(
    /// The id of a service user, `su_…`.
    ServiceUserId,
    "su_"
);
id!(
    /// The id of a credential, `cr_…`.
    CredentialId,
    "cr_"
);

/// Gives ids that grow, also within a millisecond and when the clock steps back.
#[derive(Debug)]
pub(super) struct Ids {
    last: Ulid,
}

impl Ids {
    /// Goes on after the newest id that is known.
    pub(super) fn after(last: Ulid) -> Self {
        Self { last }
    }

    /// A new id, greater than those before.
    pub(super) fn next(&mut self) -> Ulid {
        let fresh = Ulid::generate();
        // The last id of all time is never reached: 2^80 ids in one millisecond.
        let next = if fresh > self.last { fresh } else { self.last.increment().unwrap_or(fresh) };
        self.last = next;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_have_one_text() {
        let mut ids = Ids::after(Ulid::nil());
        let made: Vec<_> = (0..1_000).map(|_| CredentialId(ids.next())).collect();
        assert!(made.is_sorted_by(|a, b| a < b && a.to_string() < b.to_string()));
        let text = made[0].to_string();
        assert_eq!(text.parse(), Ok(made[0]));
        assert!(text.to_lowercase().parse::<CredentialId>().is_err());
        assert!(text.parse::<ServiceUserId>().is_err());
        assert!("cr_".parse::<CredentialId>().is_err());
    }

    #[test]
    fn a_clock_that_steps_back_changes_no_order() {
        let future = Ulid::from_parts(1 << 47, 7);
        let next = Ids::after(future).next();
        assert!(next > future);
    }
}
