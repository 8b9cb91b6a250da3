//! The agent link: typed streams over [`mux`], and the messages on them.
//!
//! Whoever opens a stream writes its type first. Calls are one JSON object each way; a connection of a client begins
//! with a [`ProxyHeader`]; a heartbeat is a number that comes back.
//!
//! Source: the openly licensed SDKs that speak it (MIT/Apache-2.0), as they behave on 2026-11-22.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod call;
mod heartbeat;
mod messages;
pub mod mux;
mod proxy;
mod returning;
mod streams;

pub use call::{CALL_BYTES, CallError, JsonEnd, answer, ask, read_call, read_call_within};
pub use heartbeat::{Heartbeat, beat, echo};
pub use messages::{
    Auth, AuthExtra, AuthReply, AuthReplyExtra, Bind, BindExtra, BindReply, BindReplyExtra, CommandReply,
    Empty, Hidden, IpRestriction, Refusal, RefusalExtra, StopEndpoint, TcpOptions, Unbind,
};
pub use proxy::{CONFIRMED, PROXY_HEADER_BYTES, ProxyHeader};
pub use returning::ReturnTime;
pub use streams::{StreamType, open, read_type};

/// The page about the crate runs as it stands.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
