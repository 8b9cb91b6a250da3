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
    /// How it is declared; after a thin pointer, since facts stand in compiled code.
    pub(crate) about: &'static About,
}

/// What the declaration of a fact says of it beside its type: analyses ask for it instead of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) path: &'static str,
    pub(crate) part_of: PartOf,
    pub(crate) meaning: Meaning,
}

/// What a fact is a part of: what is true of it holds as long as that does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartOf {
    /// The connection and its endpoint, which stay as they are.
    Connection,
    /// The request, the response, or what is known of TLS: actions change these.
    Message,
    /// The time, which is one for all rules of a phase.
    Time,
    /// An attempt: the next one is another.
    Attempt,
}

/// Which values a fact has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Any of its type.
    Any,
    /// An address, in canonical form.
    Address,
    /// The categories of an address.
    Categories,
    /// Whether an address is one of Tor, which its categories say too.
    IsTorNode,
    /// Whether an address is on a blocklist, which it is not without a category of one.
    IsOnBlocklist,
    /// The code of a country, or an empty text.
    Country,
    /// A latitude or longitude as a text, or an empty one.
    Coordinate,
    /// A port.
    Port,
    /// A time as RFC 3339 writes it.
    Time,
    /// A URL, absolute or not.
    Url,
    /// The whole URL of a request, with scheme and host.
    RequestUrl,
    /// Path and query of a URL.
    PathAndQuery,
    /// A path, with its leading slash.
    Path,
    /// A query string.
    Query,
    /// The method of a request.
    Method,
    /// The host that a request is for.
    Host,
    /// Headers: lists of texts by names in lower case, which functions look up in any case.
    Headers,
    /// Trailers: lists of texts by names in lower case.
    Trailers,
    /// Cookies that a client sends, which have these fields alone.
    SentCookies(&'static [&'static str]),
    /// A media type without its parameters.
    MediaType,
    /// A status code of HTTP.
    Status,
    /// The scheme of a URL: one of these.
    Scheme(&'static [&'static str]),
    /// A protocol: one of these.
    Protocol(&'static [&'static str]),
    /// A name: a text without a slash.
    Name,
}

impl Meaning {
    /// True for a text that begins with a slash.
    pub(crate) const fn is_path(self) -> bool {
        matches!(self, Self::Path | Self::PathAndQuery)
    }

    /// True for a text that reads as a URL.
    pub(crate) const fn is_url(self) -> bool {
        matches!(self, Self::Url | Self::RequestUrl | Self::PathAndQuery)
    }

    /// True for a map whose names are those of headers.
    pub(crate) const fn has_header_names(self) -> bool {
        matches!(self, Self::Headers | Self::Trailers)
    }

    /// True if its value, as text, never has a slash.
    pub(crate) const fn has_no_slash(self) -> bool {
        matches!(
            self,
            Self::Address
                | Self::Country
                | Self::Port
                | Self::Method
                | Self::Host
                | Self::Protocol(_)
                | Self::Name
        )
    }
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
        self.about.path
    }

    /// What it is a part of.
    pub(crate) const fn part_of(self) -> PartOf {
        self.about.part_of
    }

    /// Which values it has.
    pub(crate) const fn meaning(self) -> Meaning {
        self.about.meaning
    }

    /// True for the address of the client, which every question gives by itself.
    #[must_use]
    pub fn is_client_address(self) -> bool {
        self.role == Role::Client
    }

    /// True for the categories of an address, and for what they say of it: whether it is one of Tor or on a blocklist.
    #[must_use]
    pub const fn is_about_categories(self) -> bool {
        matches!(self.meaning(), Meaning::Categories | Meaning::IsTorNode | Meaning::IsOnBlocklist)
    }

    /// The path of the action whose result it is.
    pub(crate) fn result(self) -> Option<&'static str> {
        match self.role {
            Role::Result(length) => self.about.path.get(..usize::from(length)),
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
