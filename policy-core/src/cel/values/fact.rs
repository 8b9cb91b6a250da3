//! Facts: what hosts answer for.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A fact: a declared variable that a host knows, or has no source for.
#[derive(Clone, Copy)]
pub struct Fact {
    pub(crate) id: u16,
    pub(crate) optional: bool,
    pub(crate) tag: Tag,
    pub(crate) role: Role,
    /// How it is declared; behind a thin pointer, since facts stand in compiled code.
    pub(crate) path: &'static &'static str,
}

/// A number by which hosts tell the facts apart that are asked for most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u8);

/// What the language says of a fact beside its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing.
    Plain,
    /// It is the address of the client, whose tests a table answers.
    Client,
    /// It is the map of the variables that earlier actions have set.
    Variables,
    /// It is a result of an earlier action, which so many bytes of its path name.
    Result(u8),
}

// The index says all: paths need not be compared.
impl PartialEq for Fact {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Fact {}

impl Hash for Fact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl PartialOrd for Fact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fact {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl Fact {
    /// Its index among the declared facts, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.id as usize
    }

    /// How an expression writes it, `conn.client_ip`.
    #[must_use]
    pub const fn path(self) -> &'static str {
        self.path
    }

    /// The path of the action whose result it is.
    pub(crate) fn result(self) -> Option<&'static str> {
        match self.role {
            Role::Result(length) => self.path.get(..usize::from(length)),
            _ => None,
        }
    }

    /// True if a connection or request may lack it, as `req.content_length`.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        self.optional
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fact({})", self.path())
    }
}
