//! Why a token, a key or a change is refused, with ngrok's codes where it has one.

use std::fmt;

use policy_core::ngrok::{
    ERR_NGROK_105, ERR_NGROK_107, ERR_NGROK_116, ERR_NGROK_203, ERR_NGROK_206, ERR_NGROK_208, ERR_NGROK_300,
    NgrokCode,
};

/// Why a token does not authenticate, or does not count any more: to its agent, in the log and in events alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthtokenError {
    /// The text has not the form of a token.
    Malformed,
    /// No credential has it: never made, or deleted.
    Unknown,
    /// Its credential has expired.
    Expired,
    /// Its service user is not active.
    OwnerInactive,
    /// It does not count for who comes from there.
    Source,
}

impl AuthtokenError {
    /// ngrok's code of this error.
    #[must_use]
    pub fn code(self) -> NgrokCode {
        match self {
            Self::Malformed => ERR_NGROK_105,
            Self::Unknown => ERR_NGROK_107,
            Self::Expired | Self::OwnerInactive => ERR_NGROK_300,
            Self::Source => ERR_NGROK_116,
        }
    }
}

impl fmt::Display for AuthtokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => {
                "this is not an authtoken; copy the whole line that `forwarder authtoken create` printed"
            }
            Self::Unknown => "the authtoken is unknown, or was revoked",
            Self::Expired => "the authtoken has expired; create a new one",
            Self::OwnerInactive => "the service user that owns the authtoken is not active",
            Self::Source => "the authtoken is not valid from this address",
        })
    }
}

impl std::error::Error for AuthtokenError {}

/// Why a text is no API key that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// It is an authtoken, or has the form of one.
    Authtoken,
    /// It is the id of a key.
    Id,
    /// No key is like it, or its service user is not active.
    Unknown,
}

impl ApiKeyError {
    /// ngrok's code of this error.
    #[must_use]
    pub fn code(self) -> NgrokCode {
        match self {
            Self::Authtoken => ERR_NGROK_206,
            Self::Id => ERR_NGROK_208,
            Self::Unknown => ERR_NGROK_203,
        }
    }
}

impl fmt::Display for ApiKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authtoken => "this is an authtoken; the API takes an API key",
            Self::Id => "this is the id of an API key; the API takes the key itself",
            Self::Unknown => "unknown, expired or deleted API key",
        })
    }
}

impl std::error::Error for ApiKeyError {}

/// Why a change was not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is no such service user or credential.
    NotFound,
    /// A field cannot be used.
    Invalid {
        /// ngrok's code, where it has one.
        code: Option<NgrokCode>,
        /// What is wrong.
        message: String,
    },
    /// There are as many as an edge keeps.
    Full {
        /// Of what.
        what: &'static str,
        /// How many those are.
        max: usize,
    },
    /// The store failed, and nothing has changed; what the store has is known after the next start.
    Store(StoreError),
    /// The change counts from now on, and the store cannot keep it yet: it does not survive a restart before that.
    NotDurable(StoreError),
    /// The system gives no randomness.
    Random(getrandom::Error),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such object"),
            Self::Invalid { message, .. } => f.write_str(message),
            Self::Full { what, max } => {
                write!(f, "this edge keeps at most {max} {what}: delete unused ones")
            }
            Self::Store(error) => error.fmt(f),
            Self::NotDurable(error) => write!(
                f,
                "not durable: this takes effect immediately and lasts until the edge restarts, but it is not stored yet ({error}); the edge keeps trying. Free disk space, and do not restart the edge before its log says that all changes are stored"
            ),
            Self::Random(error) => write!(f, "no randomness: {error}"),
        }
    }
}

impl std::error::Error for IdentityError {}

impl From<StoreError> for IdentityError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A store that cannot be read or written.
#[derive(Debug)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps what a store met.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the identity store failed: {}", self.0)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
