//! The certificate that the edge shows to agents: one that it was given, or one that it makes under an authority of its
//! own. That authority is bound to the names of the edge (X.509 name constraints): whoever trusts it trusts it for nothing
//! else.
//!
//! In order: `files`, certificates that are made and judged (`issue`), the edge's own `authority`, and the `identity` that
//! is shown.

mod authority;
mod files;
mod identity;
mod issue;

pub use authority::{AuthorityFile, rotate, show};
pub use identity::AgentIdentity;
pub use issue::fingerprint;

#[cfg(test)]
mod tests;
