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
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod actions;
mod address_list;
pub mod agent;
pub mod catalog;
pub mod categories;
pub mod cel;
pub mod check;
pub mod compile;
pub mod diagnostic;
pub mod dialect;
pub mod digest;
pub mod duration;
pub mod edge;
pub mod endpoint_policy;
pub mod evaluate;
pub mod exchange;
pub mod facts;
mod flow;
mod given;
mod ids;
pub mod ip_policies;
mod ip_policy;
pub mod ir;
pub mod journey;
pub mod json;
mod language;
pub mod lint;
pub mod lpm;
pub mod message;
pub mod model;
pub mod named_file;
pub mod ngrok;
pub mod options;
pub mod outcome;
pub mod parse;
pub mod phase;
mod reader;
#[cfg(feature = "reference")]
pub mod reference;
pub mod requests;
pub mod resolve;
mod run;
pub mod schema;
mod settings;
pub mod source;
mod trace;
pub mod url;
pub mod variables;
mod vocabulary;

/// Every program of the page about embedding compiles and runs as it stands.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;
