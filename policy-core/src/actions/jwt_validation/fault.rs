//! Why a request does not pass, with ngrok's code (ngrok documentation, error reference, 2026-12-02). Where the reference
//! says nothing of a fault it is 3401, "your request lacks valid credentials".

use std::fmt;

use crate::ngrok::{self, NgrokCode};

/// Why a request does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A token is not there: the header or field.
    Missing(Box<str>),
    /// It is there more than once, and nobody knows which one the server reads.
    Repeated(Box<str>),
    /// It does not begin with its prefix.
    Prefix(Box<str>),
    /// Requests with this method have no token in their body.
    Method,
    /// The body has no type, or one in which no token is looked for.
    ContentType,
    /// The body is no form.
    Form,
    /// The body is no JSON object, or cannot be read at all.
    Body,
    /// A token is none.
    Malformed,
    /// It is signed in a way that the policy does not accept.
    Algorithm,
    /// It says of itself that it is something else.
    Type,
    /// It asks for an extension (RFC 7515, 4.1.11).
    Critical,
    /// Somebody else issued it.
    Issuer,
    /// It is for somebody else.
    Audience,
    /// It has no end, and must have one.
    Endless,
    /// Its times are no numbers.
    Times,
    /// It has times, and what time it is is not known here.
    Clock,
    /// It has expired.
    Expired,
    /// It is of a time to come.
    Early,
    /// No key is its.
    Signature,
    /// A set of keys, which may have its key, cannot be had.
    Keys,
}

impl Fault {
    pub(super) const fn code(&self) -> NgrokCode {
        match self {
            Self::Missing(_) => ngrok::ERR_NGROK_3406,
            Self::Form => ngrok::ERR_NGROK_3412,
            Self::ContentType => ngrok::ERR_NGROK_3414,
            Self::Method => ngrok::ERR_NGROK_3415,
            Self::Malformed => ngrok::ERR_NGROK_3416,
            Self::Keys => ngrok::ERR_NGROK_3422,
            _ => ngrok::ERR_NGROK_3401,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing(name) => return write!(f, "the request has no token in `{name}`"),
            Self::Repeated(name) => return write!(f, "the request has `{name}` more than once"),
            Self::Prefix(name) => return write!(f, "the token in `{name}` does not begin with its prefix"),
            Self::Method => "requests with this method have no token in their body",
            Self::ContentType => "the body is neither JSON nor a form",
            Self::Form => "the body is not a form",
            Self::Body => "the body is not a JSON object that can be read",
            Self::Malformed => "the token cannot be read",
            Self::Algorithm => "the token is signed in a way that is not accepted",
            Self::Type => "the token is of another type",
            Self::Critical => "the token asks for an extension",
            Self::Issuer => "the token was issued by somebody else",
            Self::Audience => "the token is for somebody else",
            Self::Endless => "the token has no `exp`",
            Self::Times => "`exp` or `nbf` of the token is not a number",
            Self::Clock => "the token has times, and the time is not known here",
            Self::Expired => "the token has expired",
            Self::Early => "the token is not valid yet",
            Self::Signature => "the signature of the token is not one of the keys'",
            Self::Keys => "the keys cannot be fetched",
        })
    }
}
