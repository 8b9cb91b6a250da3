//! Ids: a prefix that names the kind and a ULID, so that newer ids sort after older ones.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
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
fn parse(prefix: &'static str, text: &str) -> Result<Ulid, IdError> {
    let error = IdError { prefix };
    let number = text.strip_prefix(prefix).ok_or(error)?;
    let id = Ulid::from_string(number).map_err(|_| error)?;
    if id.to_string() == number { Ok(id) } else { Err(error) }
}

/// An id of a kind of record.
pub(super) trait RecordId: Copy + Ord + Hash {
    /// Its number, by which it is kept.
    fn number(self) -> Ulid;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub(crate) Ulid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl RecordId for $name {
            fn number(self) -> Ulid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse($prefix, text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
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
id!(
    /// The id of an API key, `ak_…`.
    ApiKeyId,
    "ak_"
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
