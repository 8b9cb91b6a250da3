//! The Traffic Policy language: text in, decisions out.
//!
//! Pure: no clock, network, files, environment, async or `unsafe`. The stages are types, and each collects
//! diagnostics and goes on:
//!
//! ```text
//! bytes ─decode▶ Source ─parse▶ Document ─model▶ Policy ─check▶ CheckedPolicy ─compile▶ Program ─evaluate▶ Step… Outcome
//! ```
//!
//! The short way is [`compile::Program::from_policy`] and [`compile::Program::decide`]:
//!
//! ```
//! use policy_core::{compile::Program, facts::Facts, outcome::Outcome};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let program = Program::from_policy("device1.yml", "
//! on_tcp_connect:
//!   - actions:
//!       - type: restrict-ips
//!         config: {allow: [203.0.113.42/32, '2001:db8::/32']}
//!       - type: forward-internal
//!         config: {url: tcp://device1.internal:22}
//! ")?;
//!     let facts = Facts::new("203.0.113.42".parse()?);
//!     let decision = program.decide(&facts);
//!     assert_eq!(decision.target().map(ToString::to_string).as_deref(), Some("tcp://device1.internal:22"));
//!
//!     let facts = Facts::new("198.51.100.1".parse()?);
//!     assert!(matches!(program.decide(&facts).outcome(), Outcome::Denied { .. }));
//!     Ok(())
//! }
//! ```
//!
//! Its steps alone: [`parse::decode`] for the bytes of a file, [`check::load_policy`] for lint and check,
//! [`compile::compile`] for a program, [`compile::Program::on_tcp_connect`] for a decision whose effects the host
//! performs, and [`edge::load_edge`] for the configuration of an edge.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::too_many_lines))]

/// What the actions of a policy are and hold. [`actions::documentation`] describes one by its name.
pub mod actions;
mod address_list;
pub mod agent;
pub mod analyse;
/// The codes of all findings. [`catalog::page`] explains one.
pub mod catalog;
pub mod categories;
pub mod cel;
pub mod check;
pub mod compile;
pub mod diagnostic;
/// The functions that only policies have. [`dialect::functions`] lists them.
pub mod dialect;
/// [`digest::Digest`], by which policies, programs and texts are compared.
pub mod digest;
/// [`duration::parse_duration`], for all fields that hold a time span.
pub mod duration;
pub mod edge;
/// Where the policy of an endpoint stands: [`endpoint_policy::PolicySource`].
pub mod endpoint_policy;
/// The stage *evaluate*. [`evaluate::Evaluation`] is one phase of a program on one connection.
pub mod evaluate;
/// Event logs of edges, line by line: [`events::read_event`].
pub mod events;
pub mod exchange;
/// What a host brings to a decision. [`facts::Facts`] are those of a connection.
pub mod facts;
mod flow;
mod given;
mod ids;
/// IP policies, and the files that hold them. [`ip_policies::load_ip_policy_files`] loads these.
pub mod ip_policies;
mod ip_policy;
/// What a program consists of; only the actions and the engine speak of it.
pub mod ir;
pub mod journey;
/// JSON that is safe to be shown in a terminal.
pub mod json;
mod language;
/// All findings of a file of any kind. [`lint::lint`] is what an editor or a check of changes calls.
pub mod lint;
/// Tables of addresses, for hosts that look them up outside of a policy.
pub mod lpm;
/// HTTP messages as policies see and change them, such as [`message::Request`].
pub mod message;
pub mod model;
pub mod named_file;
pub mod network;
/// Error codes of ngrok's, for findings and refusals.
pub mod ngrok;
/// How to check: [`options::CheckOptions`].
pub mod options;
/// How a phase ends: [`outcome::Outcome`].
pub mod outcome;
pub mod parse;
/// [`phase::Phase`]: when rules run.
pub mod phase;
mod reader;
/// A second, simple engine for tests of this one.
#[cfg(feature = "reference")]
pub mod reference;
/// Requests and responses of dry runs, read from files: [`requests::load_request`].
pub mod requests;
pub mod resolve;
mod run;
pub mod scenarios;
/// How fields are declared and documented.
pub mod schema;
mod settings;
pub mod source;
mod trace;
/// [`url::EndpointUrl`] and its parts.
pub mod url;
/// [`variables::all`]: what expressions of policies can read.
pub mod variables;
mod vocabulary;

/// Every program of the page about embedding compiles and runs as it stands.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;
