//! Requests that a policy sends itself: what is sent, and what came back.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::message::{Headers, Response};
use crate::ngrok::{self, NgrokCode};

/// A request that a policy sends while another one waits. The host follows redirects, decodes and bounds the answer, and
/// counts how many internal endpoints a chain of such requests passes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outbound {
    /// The method.
    pub method: &'static str,
    /// The absolute URL, parameters included.
    pub url: Box<str>,
    /// The headers that the policy sets.
    pub headers: Headers,
    /// The body; empty for none.
    pub body: Box<str>,
    /// How long this and all further attempts may take together.
    pub timeout: Duration,
    /// How many redirects are followed.
    pub max_redirects: u32,
    /// Which attempt it is, from 1.
    pub attempt: u32,
}

impl Outbound {
    /// Bytes of an answer's decoded body; more is [`OutboundFailure::TooLarge`] (ngrok documentation, http-request,
    /// 2026-08-07).
    pub const MAX_BODY: usize = 256 << 10;
    /// Internal endpoints that a chain of such requests may pass; more is [`OutboundFailure::Loop`].
    pub const MAX_INTERNAL_HOPS: usize = 3;
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The response, its body decoded.
    pub response: Response,
    /// Who answered.
    pub resolved_ip: Option<IpAddr>,
    /// How long it took.
    pub time: Duration,
}

/// Why nothing came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutboundFailure {
    /// The server cannot be reached, or ended without an answer.
    Unreachable,
    /// It took too long.
    Timeout,
    /// The body of the answer is too long.
    TooLarge,
    /// The chain of requests passes too many internal endpoints.
    Loop,
    /// There were more redirects than are followed.
    Redirects,
    /// The policy may not ask this server.
    NotPermitted,
}

impl OutboundFailure {
    /// ngrok's code (error reference, 2026-08-07).
    #[must_use]
    pub const fn ngrok_code(self) -> NgrokCode {
        match self {
            Self::Unreachable | Self::NotPermitted => ngrok::ERR_NGROK_3210,
            Self::Timeout => ngrok::ERR_NGROK_3602,
            Self::TooLarge => ngrok::ERR_NGROK_3601,
            Self::Loop => ngrok::ERR_NGROK_3603,
            Self::Redirects => ngrok::ERR_NGROK_3214,
        }
    }
}

impl fmt::Display for OutboundFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("the server does not answer"),
            Self::Timeout => f.write_str("the server did not answer in time"),
            Self::TooLarge => write!(f, "the answer is longer than {} bytes", Outbound::MAX_BODY),
            Self::Loop => {
                write!(f, "the request passes more than {} internal endpoints", Outbound::MAX_INTERNAL_HOPS)
            }
            Self::Redirects => f.write_str("the server redirects more often than is followed"),
            Self::NotPermitted => f.write_str("the policy may not ask this server"),
        }
    }
}
