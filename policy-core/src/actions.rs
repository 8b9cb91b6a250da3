//! The actions of the language: one file each, one registry line each.
//!
//! An action's file holds its names and phases, its typed configuration, its checks and its lowering. The
//! registry below turns the list into an enum, a name table and the dispatch. Keep the `mod` lines outside
//! the macro: rustfmt would skip the files otherwise.

mod close_connection;
mod deny;
mod forward_internal;
mod log;
mod restrict_ips;

pub use close_connection::CloseConnection;
pub use deny::Deny;
pub use forward_internal::{ForwardInternal, OnError};
pub use log::Log;
pub use restrict_ips::{CidrItem, RestrictIps};

use crate::cel;
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::Lowering;
use crate::parse::NodeRef;
use crate::phase::{Phase, PhaseSet};
use crate::reader::{Fields, Keys, Reader, TextRef};
use crate::source::Span;
use crate::url::Scheme;
use crate::variables;

pub(crate) static NOT_SUPPORTED: Code = Code::error("TP601", "not-supported");
pub(crate) static NO_EFFECT: Code = Code::warning("TP407", "no-effect");

/// The codes this stage raises.
pub(crate) static CODES: &[&Code] = &[&NOT_SUPPORTED, &NO_EFFECT];
pub(crate) use forward_internal::{
    CODES as TARGET_CODES, NO_PORT, NOT_INTERNAL as TARGET_NOT_INTERNAL, too_deep, url_diagnostic,
};
pub(crate) use restrict_ips::CODES as CIDR_CODES;

/// What every action provides.
pub(crate) trait ActionType: Sized {
    /// The `type` in a policy.
    const NAME: &'static str;
    /// Where it may stand.
    const PHASES: PhaseSet;
    /// The fields of its `config`.
    const KEYS: Keys;

    /// Reads the configuration; `None` if it is unusable, which has then been reported.
    fn read<'d>(fields: &Fields<'d>, site: &Site<'_, 'd>) -> Option<Self>;

    /// True if nothing behind this action can run.
    fn terminates(&self) -> bool {
        false
    }

    /// Writes the instructions.
    fn lower(&self, lowering: &mut Lowering<'_>);
}

/// Where an action is read: for its diagnostics.
#[derive(Debug)]
pub(crate) struct Site<'r, 'd> {
    pub(crate) reader: &'r Reader<'d>,
    pub(crate) phase: Phase,
    /// The protocol of the endpoint, if known.
    pub(crate) scheme: Option<Scheme>,
    /// The value of `type`.
    pub(crate) name: Span,
}

impl<'d> Site<'_, 'd> {
    /// Reports something the language has and this version does not.
    pub(crate) fn not_supported(&self, span: Span, what: impl Into<String>, help: &str) {
        not_supported(self.reader, span, what, help);
    }

    /// The text of a field that may hold `${…}`: its expressions are checked, and not run by this version.
    pub(crate) fn template(&self, node: NodeRef<'d>, what: &str) -> Option<TextRef<'d>> {
        let text = self.reader.text(node, what)?;
        self.refuse_template(text, what, cel::FieldType::Text).then_some(text)
    }

    /// Checks the `${…}` of a text; true if there is none.
    pub(crate) fn refuse_template(&self, text: TextRef<'d>, what: &str, field: cel::FieldType) -> bool {
        if !cel::is_template(text.value) {
            return true;
        }
        let env = variables::env(cel::Site { phase: Some(self.phase), scheme: self.scheme, retry: false });
        let Some(mut limits) = self.reader.cel_limits(text.span) else { return false };
        let before = limits.pattern_states;
        let (template, found) = env.check_template_within(text.value, field, &mut limits);
        self.reader.take(text.value.len() / 2, before - limits.pattern_states);
        let origin = text.origin();
        self.reader.absorb(found.of_part(&|part| origin.place(part)));
        // A fault in it is said already.
        if template.is_some() {
            self.not_supported(text.span, format!("`${{…}}` in {what}"), "write the value out");
        }
        false
    }
}

/// Reports something the language has and this version does not.
pub(crate) fn not_supported(reader: &Reader<'_>, span: Span, what: impl Into<String>, help: &str) {
    let message = format!("{} is not supported by this version", what.into());
    reader.report(Diagnostic::new(&NOT_SUPPORTED, span, message).with_help(help));
}

macro_rules! registry {
    ($($kind:ident),+ $(,)?) => {
        /// The typed configuration of an action.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum ActionConfig {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)+
        }

        /// The names of the actions this version runs, in alphabetical order.
        pub const NAMES: &[&str] = &[$($kind::NAME),+];

        impl ActionConfig {
            /// Reads the configuration of the action called `name`; `None` if there is no such action.
            pub(crate) fn read<'d>(name: &str, config: Option<NodeRef<'d>>, site: &Site<'_, 'd>) -> Option<Option<Self>> {
                match name {
                    $($kind::NAME => Some(read::<$kind>(config, site).map(Self::$kind)),)+
                    _ => None,
                }
            }

            /// The `type` in a policy.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$kind(_) => $kind::NAME,)+ }
            }

            /// Where an action may stand; `None` if there is no such action.
            #[must_use]
            pub fn phases(name: &str) -> Option<PhaseSet> {
                match name { $($kind::NAME => Some($kind::PHASES),)+ _ => None }
            }

            /// The fields of an action's `config`; empty if there is no such action.
            pub(crate) fn keys(name: &str) -> &'static [&'static str] {
                match name { $($kind::NAME => $kind::KEYS.known,)+ _ => &[] }
            }

            /// True if nothing behind this action can run.
            #[must_use]
            pub fn terminates(&self) -> bool {
                match self { $(Self::$kind(action) => action.terminates(),)+ }
            }

            pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) {
                match self { $(Self::$kind(action) => action.lower(lowering),)+ }
            }
        }
    };
}

registry! {
    CloseConnection,
    Deny,
    ForwardInternal,
    Log,
    RestrictIps,
}

/// Reads the `config` of an action: a map, or nothing.
fn read<'d, A: ActionType>(config: Option<NodeRef<'d>>, site: &Site<'_, 'd>) -> Option<A> {
    let fields = match config {
        Some(node) => site.reader.map(node, &format!("the config of `{}`", A::NAME), A::KEYS)?,
        None => Fields::empty(),
    };
    A::read(&fields, site)
}

/// Actions of the language that this version recognises and does not run (ngrok documentation, action
/// reference, 2026-08-07).
pub(crate) const RECOGNISED: &[&str] = &[
    "add-headers",
    "ai-gateway",
    "basic-auth",
    "circuit-breaker",
    "compress-response",
    "custom-response",
    "http-request",
    "jwt-validation",
    "oauth",
    "openid-connect",
    "owasp-crs-request",
    "owasp-crs-response",
    "rate-limit",
    "redirect",
    "remove-headers",
    "request-body-find-replace",
    "response-body-find-replace",
    "saml",
    "set-vars",
    "sse-find-replace",
    "terminate-tls",
    "url-rewrite",
    "verify-webhook",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tables_are_sorted_and_disjoint() {
        assert!(NAMES.is_sorted() && RECOGNISED.is_sorted());
        assert!(NAMES.iter().all(|name| !RECOGNISED.contains(name)));
        assert_eq!(NAMES.len() + RECOGNISED.len(), 28);
    }
}
