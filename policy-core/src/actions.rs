//! The actions of the language: one file each, one registry line each.
//!
//! An action's file holds its names, phases and protocols, its declared fields and typed configuration, its
//! results, its checks, its page and, where this version runs it, its lowering. The registry below turns the
//! list into an enum, a name table and the dispatch. Keep the `mod` lines outside the macro: rustfmt would skip
//! the files otherwise.

mod add_headers;
mod ai_gateway;
mod basic_auth;
mod circuit_breaker;
mod close_connection;
mod compress_response;
mod custom_response;
mod deny;
mod forward_internal;
mod headers;
mod http_request;
mod identity;
mod jwt_validation;
mod log;
mod oauth;
mod openid_connect;
mod owasp;
mod owasp_crs_request;
mod owasp_crs_response;
mod patterns;
mod rate_limit;
mod redirect;
mod remove_headers;
mod replacements;
mod request_body_find_replace;
mod response_body_find_replace;
mod restrict_ips;
mod saml;
mod set_vars;
mod sse_find_replace;
mod terminate_tls;
mod url_rewrite;
mod verify_webhook;

pub use add_headers::AddHeaders;
pub use ai_gateway::AiGateway;
pub use basic_auth::BasicAuth;
pub use circuit_breaker::CircuitBreaker;
pub use close_connection::CloseConnection;
pub use compress_response::{Algorithm, CompressResponse};
pub use custom_response::CustomResponse;
pub use deny::Deny;
pub use forward_internal::{ForwardInternal, ForwardTarget};
pub use headers::HeaderList;
pub use http_request::{HttpRequest, Method};
pub use identity::Login;
pub use jwt_validation::{JwtValidation, SigningAlgorithm, Token, TokenMethod, TokenType};
pub use log::Log;
pub use oauth::{OAuth, OAuthProvider};
pub use openid_connect::OpenIdConnect;
pub use owasp::RuleSet;
pub use owasp_crs_request::OwaspCrsRequest;
pub use owasp_crs_response::OwaspCrsResponse;
pub use rate_limit::RateLimit;
pub use redirect::Redirect;
pub use remove_headers::RemoveHeaders;
pub use replacements::Replacement;
pub use request_body_find_replace::RequestBodyFindReplace;
pub use response_body_find_replace::ResponseBodyFindReplace;
pub use restrict_ips::RestrictIps;
pub(crate) use restrict_ips::{IP_POLICY, NOBODY, check_lists};
pub use saml::Saml;
pub use set_vars::SetVars;
pub use sse_find_replace::{EventReplacement, SseFindReplace};
pub use terminate_tls::{ClientVerification, TerminateTls, TlsVersion};
pub use url_rewrite::UrlRewrite;
pub use verify_webhook::{PROVIDERS, VerifyWebhook};

pub use crate::schema::CidrItem;

use crate::cel::{Expression, Shape};
use crate::diagnostic::{Code, Diagnostics};
use crate::ir::Lowering;
use crate::parse::NodeRef;
use crate::phase::{Phase, PhaseSet};
use crate::reader::Fields;
use crate::schema::{Choice, Context, Declared, FieldDoc, Text, rows};
use crate::source::Spanned;
use crate::url::Scheme;
use crate::variables;

pub(crate) static NO_EFFECT: Code = Code::warning("TP407", "no-effect");
pub(crate) static WRONG_PROTOCOL: Code =
    Code::error("TP408", "action-for-other-protocol").ngrok(&["ERR_NGROK_2205"]);

/// The codes this stage raises.
pub(crate) static CODES: &[&[&Code]] = &[
    &[&NO_EFFECT, &WRONG_PROTOCOL],
    ai_gateway::CODES,
    basic_auth::CODES,
    forward_internal::CODES,
    patterns::CODES,
    restrict_ips::CODES,
    saml::CODES,
];
pub(crate) use forward_internal::{no_port, not_internal, too_deep, url_diagnostic};

/// on_tcp_connect.
const CONNECT_PHASE: PhaseSet = PhaseSet::of(&[Phase::OnTcpConnect]);
/// on_http_request.
const REQUEST_PHASE: PhaseSet = PhaseSet::of(&[Phase::OnHttpRequest]);
/// on_http_response.
const RESPONSE_PHASE: PhaseSet = PhaseSet::of(&[Phase::OnHttpResponse]);
/// on_event_stream_message.
const EVENT_PHASE: PhaseSet = PhaseSet::of(&[Phase::OnEventStreamMessage]);
/// on_tcp_connect and on_http_request.
const CONNECT_REQUEST_PHASES: PhaseSet = PhaseSet::of(&[Phase::OnTcpConnect, Phase::OnHttpRequest]);
/// on_http_request and on_http_response.
const MESSAGE_PHASES: PhaseSet = PhaseSet::of(&[Phase::OnHttpRequest, Phase::OnHttpResponse]);
/// All but on_event_stream_message.
const ANY_PHASE: PhaseSet = PhaseSet::of(&[Phase::OnTcpConnect, Phase::OnHttpRequest, Phase::OnHttpResponse]);

/// What happens when an action fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Nothing more: the connection is closed, the request answered with an error.
    Halt,
    /// The next action runs.
    Continue,
}

/// The values of `on_error`.
const ON_ERROR: Choice<OnError> = Choice { of: &[("halt", OnError::Halt), ("continue", OnError::Continue)] };

/// Whether an action ends the phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ends {
    /// The next action runs.
    Never,
    /// Nothing runs behind it.
    Always,
    /// Only if it refuses: with what.
    Refusing(&'static str),
    /// Under conditions: which.
    Sometimes(&'static str),
}

/// The configuration of an action as written.
pub(crate) struct Written<'d> {
    pub(crate) config: Option<NodeRef<'d>>,
    /// Its fields that stand beside `config`, which has been reported.
    pub(crate) beside: Fields<'d>,
}

impl<'d> Written<'d> {
    pub(crate) const fn below(config: NodeRef<'d>) -> Self {
        Self { config: Some(config), beside: Fields::empty() }
    }
}

/// What every action provides.
pub(crate) trait ActionType: Sized {
    /// The `type` in a policy.
    const NAME: &'static str;
    /// Where it may stand.
    const PHASES: PhaseSet;
    /// The protocols of endpoints whose policies may have it, as far as its phases allow.
    const SCHEMES: &'static [Scheme] = &Scheme::ALL;
    /// Whether it ends the phase, for the documentation.
    const ENDS: Ends = Ends::Never;
    /// The fields of its `config`.
    const FIELDS: Declared;
    /// Fields that are read past, each with what to do about it.
    const IGNORED: &'static [(&'static str, &'static str)] = &[];
    /// True if its fields are not known.
    const ANY_FIELDS: bool = false;
    /// True if it is no longer part of the language, and never run.
    const HISTORIC: bool = false;
    /// True if a policy may have it once.
    const ONE_PER_POLICY: bool = false;
    /// True if it changes what later conditions read of requests, responses or TLS.
    const REWRITES: bool = false;
    /// What later expressions can read of it.
    const RESULTS: &'static [variables::Declared] = &[];
    /// The rest of it.
    const MORE_RESULTS: &'static [&'static [variables::Declared]] = &[];
    /// True if this version runs it.
    const RUNS: bool = false;
    /// Its page of the documentation.
    const PAGE: &'static str;

    /// Reads the configuration; `None` if it is unusable, which has then been reported.
    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self>;

    /// True if nothing behind this action can run.
    fn terminates(&self) -> bool {
        false
    }

    /// True if traffic that reaches it is handled, as far as an endpoint without an upstream needs that.
    fn handles(&self) -> bool {
        self.terminates()
    }

    /// False if it only looks, although its kind refuses.
    fn enforced(&self) -> bool {
        true
    }

    /// False if it leaves no result behind although its kind has some.
    fn leaves_results(&self) -> bool {
        true
    }

    /// What is known of its results.
    fn result_shape(&self) -> Shape {
        Shape::Any
    }

    /// Every text that may hold an expression.
    fn texts<'a>(&'a self, _each: &mut dyn FnMut(&'a Text)) {}

    /// Every field that is an expression as a whole.
    fn expressions<'a>(&'a self, _each: &mut dyn FnMut(&'a Expression)) {}

    /// IP policies that it names.
    fn open_ip_policies(&self) -> &[Spanned<Box<str>>] {
        &[]
    }

    /// Writes the instructions, if this version runs it.
    fn lower(&self, _lowering: &mut Lowering<'_>) {}
}

/// What the documentation says of an action.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActionDoc {
    /// The `type` in a policy.
    pub name: &'static str,
    /// Where it may stand.
    pub phases: PhaseSet,
    /// The protocols of endpoints whose policies may have it.
    pub schemes: &'static [Scheme],
    /// Whether it ends the phase.
    pub ends: Ends,
    /// Its fields, those below a field behind it.
    pub fields: Vec<FieldDoc>,
    /// What later expressions can read of it, by path, and the fields of records in it.
    pub results: Vec<&'static str>,
    /// True if this version runs it.
    pub runs: bool,
    /// The page, as Markdown.
    pub page: &'static str,
}

macro_rules! registry {
    ($($kind:ident),+ $(,)?) => {
        /// The typed configuration of an action.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum ActionConfig {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)+
        }

        /// The names of the actions, in alphabetical order.
        pub const NAMES: &[&str] = &[$($kind::NAME),+];

        /// The fields of the actions.
        pub(crate) const FIELDS: &[Declared] = &[$($kind::FIELDS),+];

        /// What the actions leave behind.
        pub(crate) static RESULTS: &[&[variables::Declared]] = &[$($kind::RESULTS),+];
        /// The rest of it.
        pub(crate) static MORE_RESULTS: &[&[&[variables::Declared]]] = &[$($kind::MORE_RESULTS),+];

        impl ActionConfig {
            /// Reads the configuration of the action called `name`; `None` if there is no such action.
            pub(crate) fn read<'d>(
                name: &str,
                config: Written<'d>,
                cx: &Context<'_, 'd>,
            ) -> Option<Option<Self>> {
                match name {
                    $($kind::NAME => Some(read::<$kind>(config, cx).map(Self::$kind)),)+
                    _ => None,
                }
            }

            /// The `type` in a policy.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$kind(_) => $kind::NAME,)+ }
            }

            /// True if nothing behind this action can run.
            #[must_use]
            pub fn terminates(&self) -> bool {
                match self { $(Self::$kind(action) => action.terminates(),)+ }
            }

            /// True if traffic that reaches it is handled.
            pub(crate) fn handles(&self) -> bool {
                match self { $(Self::$kind(action) => action.handles(),)+ }
            }

            /// False if it only looks, although its kind refuses.
            pub(crate) fn enforced(&self) -> bool {
                match self { $(Self::$kind(action) => action.enforced(),)+ }
            }

            /// False if it leaves no result behind although its kind has some.
            pub(crate) fn leaves_results(&self) -> bool {
                match self { $(Self::$kind(action) => action.leaves_results(),)+ }
            }

            /// What is known of its results.
            pub(crate) fn result_shape(&self) -> Shape {
                match self { $(Self::$kind(action) => action.result_shape(),)+ }
            }

            /// True if this version runs it.
            pub(crate) fn runs(&self) -> bool {
                Self::runs_by_name(self.name())
            }

            /// True if this version runs the action of a name.
            pub(crate) fn runs_by_name(name: &str) -> bool {
                match name { $($kind::NAME => $kind::RUNS,)+ _ => false }
            }

            /// Every text that may hold an expression.
            pub(crate) fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
                match self { $(Self::$kind(action) => action.texts(each),)+ }
            }

            /// Every expression, in texts and alone.
            pub(crate) fn expressions<'a>(&'a self, each: &mut dyn FnMut(&'a Expression)) {
                self.texts(&mut |text| text.template.expressions().for_each(&mut *each));
                match self { $(Self::$kind(action) => action.expressions(each),)+ }
            }

            /// IP policies that it names.
            pub(crate) fn open_ip_policies(&self) -> &[Spanned<Box<str>>] {
                match self { $(Self::$kind(action) => action.open_ip_policies(),)+ }
            }

            pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) {
                match self { $(Self::$kind(action) => action.lower(lowering),)+ }
            }
        }

        /// What is known of an action by its name; `None` if there is no such action.
        pub(crate) fn facts_of(name: &str) -> Option<KindFacts> {
            match name {
                $($kind::NAME => Some(KindFacts {
                    name: $kind::NAME,
                    phases: $kind::PHASES,
                    schemes: $kind::SCHEMES,
                    fields: $kind::FIELDS,
                    one_per_policy: $kind::ONE_PER_POLICY,
                    rewrites: $kind::REWRITES,
                    result: $kind::RESULTS.first().and_then(|first| variables::result_path(first.path())),
                }),)+
                _ => None,
            }
        }

        /// What the documentation says of an action; `None` if there is no such action.
        ///
        /// ```
        /// let deny = policy_core::actions::documentation("deny").expect("an action");
        /// assert_eq!(deny.fields[0].path, "status_code");
        /// ```
        #[must_use]
        pub fn documentation(name: &str) -> Option<ActionDoc> {
            match name {
                $($kind::NAME => Some(ActionDoc {
                    name: $kind::NAME,
                    phases: $kind::PHASES,
                    schemes: $kind::SCHEMES,
                    ends: $kind::ENDS,
                    fields: rows($kind::FIELDS),
                    results: [$kind::RESULTS]
                        .iter()
                        .chain($kind::MORE_RESULTS)
                        .flat_map(|declared| declared.iter().map(variables::Declared::path))
                        .collect(),
                    runs: $kind::RUNS,
                    page: $kind::PAGE,
                }),)+
                _ => None,
            }
        }

        /// Reads the configuration of an action: a map, or nothing.
        fn read<'d, A: ActionType>(config: Written<'d>, cx: &Context<'_, 'd>) -> Option<A> {
            if !A::HISTORIC {
                return read_config(config, cx);
            }
            // Nothing depends on what is never run: its faults are warnings, and it stays there to be refused.
            let own = cx.reader.fresh();
            let read = read_config::<A>(config, &Context { reader: &own, ..*cx });
            let mut found: Diagnostics = own.into_diagnostics();
            found.soften();
            cx.reader.absorb(found);
            read.or_else(|| A::read(&Fields::empty(), &Context { reader: &cx.reader.fresh(), ..*cx }))
        }

        fn read_config<'d, A: ActionType>(written: Written<'d>, cx: &Context<'_, 'd>) -> Option<A> {
            let mut fields = match written.config {
                Some(node) if A::ANY_FIELDS => Fields::of(node).unwrap_or_else(Fields::empty),
                Some(node) => cx.map(node, &format!("the config of `{}`", A::NAME), A::FIELDS, A::IGNORED)?,
                None => Fields::empty(),
            };
            fields.incomplete |= written.beside.incomplete;
            let own: Vec<&str> = fields.entries.iter().map(|field| field.key).collect();
            let more = written.beside.entries.into_iter().filter(|field| !own.contains(&field.key));
            let more: Vec<_> = more.collect();
            fields.entries.extend(more);
            A::read(&fields, cx)
        }
    };
}

registry! {
    AddHeaders,
    AiGateway,
    BasicAuth,
    CircuitBreaker,
    CloseConnection,
    CompressResponse,
    CustomResponse,
    Deny,
    ForwardInternal,
    HttpRequest,
    JwtValidation,
    Log,
    OAuth,
    OpenIdConnect,
    OwaspCrsRequest,
    OwaspCrsResponse,
    RateLimit,
    Redirect,
    RemoveHeaders,
    RequestBodyFindReplace,
    ResponseBodyFindReplace,
    RestrictIps,
    Saml,
    SetVars,
    SseFindReplace,
    TerminateTls,
    UrlRewrite,
    VerifyWebhook,
}

/// What is known of a kind of action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KindFacts {
    pub(crate) name: &'static str,
    pub(crate) phases: PhaseSet,
    pub(crate) schemes: &'static [Scheme],
    pub(crate) fields: Declared,
    pub(crate) one_per_policy: bool,
    /// True if it changes what later conditions read.
    pub(crate) rewrites: bool,
    /// The path of its results, `actions.ngrok.oauth`.
    pub(crate) result: Option<&'static str>,
}

/// Older and other names of actions, with the right ones (ngrok documentation, 2024 to 2026).
pub(crate) const OLD_NAMES: &[(&str, &str)] = &[
    ("add-header", "add-headers"),
    ("oidc", "openid-connect"),
    ("remove-header", "remove-headers"),
    ("webhook-validation", "verify-webhook"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Below, Declared};

    #[test]
    fn the_registry_is_whole_and_sorted() {
        assert!(NAMES.is_sorted());
        assert_eq!(NAMES.len(), 28);
        for name in NAMES {
            let page = documentation(name).expect("registered").page;
            assert!(page.starts_with(&format!("# {name}\n")), "{name}");
        }
        assert!(OLD_NAMES.iter().all(|(old, new)| !NAMES.contains(old) && NAMES.contains(new)));
    }

    #[test]
    fn declarations_are_sound() {
        fn check(declared: Declared, action: &str) {
            for field in declared {
                assert!(field.default_is_sound(), "{action}: the default of {}", field.name());
                assert!(field.doc().ends_with('.'), "{action}: {}", field.name());
                match field.below() {
                    Below::Nothing => {}
                    Below::Map(below) | Below::List(below) => check(below, action),
                }
            }
        }
        for name in NAMES {
            check(facts_of(name).expect("registered").fields, name);
        }
    }
}
