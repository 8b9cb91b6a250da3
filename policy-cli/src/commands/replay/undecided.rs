//! Why an event could not be decided again, or not be compared.

use std::fmt;

use policy_core::diagnostic::printable;
use policy_core::events::Unreadable;
use policy_core::url::EndpointUrl;

/// Why there is no answer about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undecided {
    Unreadable(Unreadable),
    /// The policy reads a fact that the event does not have.
    Fact(&'static str),
    Randomness,
    /// The event has no request of which the rules for requests could be asked.
    NoRequest,
    /// The policy asks its host for something that is not in the event.
    Asks(&'static str),
    /// Rules for responses would have to know what a server answered.
    Response,
    NoEndpoint,
    UnknownEndpoint(String),
    /// It was refused where another policy, which is not known, decided.
    OtherPolicy(EndpointUrl),
    /// It was refused before a policy was asked.
    NotAsked,
    /// The event does not say what was decided.
    NotSaid,
    /// The same policy decided otherwise: what that depended on is not in the event.
    NotInEvent,
}

impl Undecided {
    /// The name in JSON.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Unreadable(why) => why.name(),
            Self::Fact(_) => "fact",
            Self::Randomness => "randomness",
            Self::NoRequest => "no_request",
            Self::Asks(_) => "asks",
            Self::Response => "response",
            Self::NoEndpoint => "no_endpoint",
            Self::UnknownEndpoint(_) => "unknown_endpoint",
            Self::OtherPolicy(_) => "other_policy",
            Self::NotAsked => "not_asked",
            Self::NotSaid => "not_said",
            Self::NotInEvent => "not_in_event",
        }
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => f.write_str(&printable(&why.to_string())),
            Self::Fact(path) => write!(f, "`{path}` is not in the event; `--set {path}=…` gives it for all"),
            Self::Randomness => f.write_str("the policy draws random numbers"),
            Self::NoRequest => {
                f.write_str("the event has no method, URL and headers, which rules for requests read")
            }
            Self::Asks(what) => write!(f, "the policy asks for what is not in the event: {what}"),
            Self::Response => {
                f.write_str("rules for responses read what a server answered, which is not in the event")
            }
            Self::NoEndpoint => f.write_str("the event does not name its endpoint"),
            Self::UnknownEndpoint(name) => {
                write!(f, "the configuration has no endpoint `{}`", printable(name))
            }
            Self::OtherPolicy(url) => {
                write!(f, "the policy of {url}, which decided, is not in the configuration")
            }
            Self::NotAsked => f.write_str("refused before a policy was asked"),
            Self::NotSaid => {
                f.write_str("the event does not say what was decided; `--against OLD` compares policies")
            }
            Self::NotInEvent => {
                f.write_str("failed under the same policy: what it failed for is not in the event")
            }
        }
    }
}
