//! The Traffic Policy language: text in, decisions out.
//!
//! Pure: no clock, network, files, environment, async or `unsafe`. The stages are types, and each collects
//! diagnostics and goes on:
//!
//! ```text
//! bytes ─decode▶ Source ─parse▶ Document ─model▶ Policy ─check▶ CheckedPolicy ─compile▶ Program ─evaluate▶ Step… Outcome
//! ```
//!
//! The entry points: [`parse::decode`] for the bytes of a file, [`check::load_policy`] for lint and check,
//! [`compile::compile`] for a program, [`compile::Program::on_tcp_connect`] for a decision, and
//! [`edge::load_edge`] for the configuration of an edge.
//!
//! ```
//! use policy_core::{check::{load_policy, CheckOptions}, compile::{compile, CompileOptions}, source::Source};
//! use policy_core::{exchange::Reply, facts::Facts, outcome::Outcome};
//!
//! let source = Source::new("device1.yml", "
//! on_tcp_connect:
//!   - actions:
//!       - type: restrict-ips
//!         config: {allow: [203.0.113.42/32, \"2001:db8::/32\"]}
//!       - type: forward-internal
//!         config: {url: tcp://device1.internal:22}
//! ");
//! let (policy, found) = load_policy(&source, &CheckOptions::default());
//! assert!(found.is_empty());
//! let program = compile(&policy.expect("no errors"), &CompileOptions::default()).expect("small");
//!
//! let decide = |ip: &str| {
//!     let facts = Facts::new(ip.parse().expect("an address"));
//!     program.on_tcp_connect(&facts).run(|_effect, _run| Reply::Forwarded)
//! };
//! assert!(matches!(decide("203.0.113.42"), Outcome::Forwarded { .. }));
//! assert!(matches!(decide("198.51.100.1"), Outcome::Denied { .. }));
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod actions;
pub mod agent;
pub mod cel;
pub mod check;
pub mod compile;
pub mod diagnostic;
pub mod digest;
pub mod duration;
pub mod edge;
pub mod endpoint_policy;
pub mod evaluate;
pub mod exchange;
pub mod facts;
mod flow;
pub mod ip_policies;
pub mod ir;
pub mod json;
pub mod lint;
pub mod lpm;
pub mod model;
pub mod named_file;
pub mod options;
pub mod outcome;
pub mod parse;
pub mod phase;
mod reader;
#[cfg(feature = "reference")]
pub mod reference;
pub mod schema;
pub mod source;
pub mod url;
pub mod variables;

/// The results of actions, by the file that declares them.
pub(crate) use actions::{MORE_RESULTS, RESULTS};

/// The declared fields of policies and configurations.
pub(crate) const DECLARED: &[&[schema::Declared]] = &[actions::FIELDS, agent::FIELDS];

/// Keys with secret values that no declaration knows.
pub(crate) const SECRET_KEYS: &[&[&str]] = &[agent::SECRET_KEYS, edge::SECRET_KEYS];

/// Every diagnostic code, by the file that raises it.
pub(crate) static CODES: &[&[&[&diagnostic::Code]]] = &[
    &[parse::CODES, cel::CODES, reader::CODES, flow::CODES],
    ip_policies::CODES,
    schema::CODES,
    actions::CODES,
    &[model::CODES, check::CODES, endpoint_policy::CODES, agent::CODES, compile::CODES, edge::CODES],
];
