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
mod kind;
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

pub use forward_internal::ForwardTarget;
pub use headers::HeaderList;
pub use http_request::Method;
pub use identity::Login;
pub use jwt_validation::{SigningAlgorithm, Token, TokenMethod, TokenType};
pub(crate) use kind::KindFacts;
pub use oauth::OAuthProvider;
pub use owasp::RuleSet;
pub use replacements::Replacement;
pub use restrict_ips::restriction_policy;
pub(crate) use restrict_ips::{IP_POLICY, NOBODY, check_lists};
pub use sse_find_replace::EventReplacement;
pub use verify_webhook::PROVIDERS;

pub use crate::schema::CidrItem;

use std::borrow::Cow;

use crate::cel::{Expression, Shape, State};
use crate::diagnostic::{Diagnostics, codes};
use crate::exchange::Ability;
use crate::ir::Lowering;
use crate::lpm::RangeSet;
use crate::parse::NodeRef;
use crate::phase::{Phase, PhaseSet};
use crate::reader::Fields;
use crate::run::{Execute, NotRun};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveNext};
use crate::schema::{Choice, Context, Declared, FieldDoc, Text, rows};
use crate::source::{Span, Spanned};
use crate::url::{EndpointUrl, Scheme};
use crate::vocabulary;

codes! {
    pub(crate) static NO_EFFECT = warning("TP407", "no-effect");
    pub(crate) static WRONG_PROTOCOL = error("TP408", "action-for-other-protocol", ERR_NGROK_2205);
    ..ai_gateway;
    ..basic_auth;
    ..forward_internal;
    ..patterns;
    ..restrict_ips;
    ..saml;
}

pub(crate) use forward_internal::{no_port, not_internal, too_deep, url_diagnostic};

/// on_tcp_connect.
const CONNECT_PHASE: PhaseSet = PhaseSet::new(&[Phase::OnTcpConnect]);
/// on_http_request.
const REQUEST_PHASE: PhaseSet = PhaseSet::new(&[Phase::OnHttpRequest]);
/// on_http_response.
const RESPONSE_PHASE: PhaseSet = PhaseSet::new(&[Phase::OnHttpResponse]);
/// on_event_stream_message.
const EVENT_PHASE: PhaseSet = PhaseSet::new(&[Phase::OnEventStreamMessage]);
/// on_tcp_connect and on_http_request.
const CONNECT_REQUEST_PHASES: PhaseSet = PhaseSet::new(&[Phase::OnTcpConnect, Phase::OnHttpRequest]);
/// on_http_request and on_http_response.
const MESSAGE_PHASES: PhaseSet = PhaseSet::new(&[Phase::OnHttpRequest, Phase::OnHttpResponse]);
/// All but on_event_stream_message.
const ANY_PHASE: PhaseSet =
    PhaseSet::new(&[Phase::OnTcpConnect, Phase::OnHttpRequest, Phase::OnHttpResponse]);

/// What happens when an action fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Nothing more: the connection is closed, the request answered with an error.
    Halt,
    /// The next action runs.
    Continue,
}

/// The values of `on_error`.
const ON_ERROR: Choice<OnError> = Choice { of: &[("halt", OnError::Halt), (CONTINUE, OnError::Continue)] };
/// The one after which the policy goes on.
const CONTINUE: &str = "continue";

/// Whether an action ends the phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ends {
    /// The next action runs.
    Never,
    /// Nothing runs after it.
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

/// A part of a configuration that this version does not run.
#[derive(Clone, Debug)]
pub(crate) struct Unsupported {
    /// Where it stands; `None` for the action as a whole.
    pub(crate) span: Option<Span>,
    /// What it is.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) help: &'static str,
}

/// What every action provides.
pub(crate) trait ActionType: Sized {
    /// The `type` in a policy.
    const NAME: &'static str;
    /// Its older and other names (ngrok documentation, 2024 to 2026).
    const OLD_NAMES: &'static [&'static str] = &[];
    /// Where it may stand.
    const PHASES: PhaseSet;
    /// The protocols of endpoints whose policies may have it, as far as its phases allow.
    const SCHEMES: &'static [Scheme] = &Scheme::ALL;
    /// Whether it ends the phase, for the documentation.
    const ENDS: Ends = Ends::Never;
    /// The fields of its `config`.
    const FIELDS: Declared;
    /// Fields that are ignored, each with what to do about it.
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
    const RESULTS: &'static [vocabulary::Declared] = &[];
    /// The rest of it.
    const MORE_RESULTS: &'static [&'static [vocabulary::Declared]] = &[];
    /// What a host must be able to do that not every host can.
    const NEEDS: Option<Ability> = None;
    /// Where it has a step.
    const RUNS: PhaseSet = PhaseSet::NONE;
    /// What is said of it with `enforce: false` where nothing reads its results.
    const IDLE: &'static str = "has no effect: its result is never read";
    /// Why it does not handle all that reaches it although its kind does.
    const GOES_ON: Option<&'static str> = None;
    /// Its page of the documentation.
    const PAGE: &'static str;

    /// Reads the configuration; `None` if it is unusable, which has then been reported.
    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self>;

    /// True if nothing after this action can run.
    fn terminates(&self) -> bool {
        false
    }

    /// The names of the headers that it changes, in lower case, if it changes nothing else of a message, and whether they
    /// are there after it.
    fn changes_headers(&self) -> Option<(Vec<Box<str>>, bool)> {
        None
    }

    /// True if traffic that reaches it is handled, as far as an endpoint without an upstream needs that.
    fn handles(&self) -> bool {
        self.terminates()
    }

    /// False if it only looks, although its kind refuses.
    fn enforced(&self) -> bool {
        true
    }

    /// False if it produces no result although its kind has some.
    fn has_results(&self) -> bool {
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

    /// What of its configuration this version does not run, although it runs the action.
    fn not_run(&self) -> Option<Unsupported> {
        None
    }

    /// The addresses that it lets through and the entries that say so, if that is known from its text alone and it
    /// refuses all others.
    fn lets_through(&self) -> Option<(Cow<'_, RangeSet>, &[CidrItem])> {
        None
    }

    /// The endpoint that it forwards to, if that is the same for every connection.
    fn forwards_to(&self) -> Option<&Spanned<EndpointUrl>> {
        None
    }

    /// What an action with this configuration as it is written, at this place, sets for what follows, before any of it
    /// is read.
    fn outline(config: Option<&Fields<'_>>, at: Span, add: &mut dyn FnMut(State, Span)) {
        let _ = config;
        results_path::<Self>().into_iter().for_each(|path| add(State::Result(path), at));
    }

    /// What it does when it runs, where this version runs it.
    fn lower(&self, _lowering: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(NotRun)
    }

    /// The same again, naively, for the tests.
    #[cfg(feature = "reference")]
    fn naive(&self, _run: &mut Naive<'_>) -> NaiveNext {
        NaiveNext::Unknown
    }
}

/// The path of an action's results, `actions.ngrok.oauth`.
fn results_path<A: ActionType>() -> Option<&'static str> {
    A::RESULTS.first().and_then(|first| crate::vocabulary::result_path(first.path()))
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
    /// Its fields, those below a field after it.
    pub fields: Vec<FieldDoc>,
    /// What later expressions can read of it, by path, and the fields of records in it.
    pub results: Vec<&'static str>,
    /// Where it compiles; which phases run is the host's to say ([`crate::compile::CompileOptions::phases`]).
    pub runs: PhaseSet,
    /// The page, as Markdown.
    pub page: &'static str,
}

macro_rules! registry {
    ($($module:ident :: $kind:ident),+ $(,)?) => {
        $(pub use $module::$kind;)+

        /// The typed configuration of an action.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum ActionConfig {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)+
        }

        /// The names of the actions, in alphabetical order.
        pub const NAMES: &[&str] = &[$($kind::NAME),+];

        /// The name of the action that a name means which may be an older one; any other name as it is.
        pub(crate) fn current_name(name: &str) -> &str {
            match name {
                $(name if $kind::OLD_NAMES.contains(&name) => $kind::NAME,)+
                _ => name,
            }
        }

        /// The fields of the actions.
        pub(crate) const FIELDS: &[Declared] = &[$($kind::FIELDS),+];

        /// What the actions produce.
        pub(crate) static RESULTS: &[&[vocabulary::Declared]] = &[$($kind::RESULTS),+];
        /// The rest of it.
        pub(crate) static MORE_RESULTS: &[&[&[vocabulary::Declared]]] = &[$($kind::MORE_RESULTS),+];

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

            /// True if nothing after this action can run.
            #[must_use]
            pub fn terminates(&self) -> bool {
                match self { $(Self::$kind(action) => action.terminates(),)+ }
            }

            /// The names of the headers that it changes, in lower case, if it changes nothing else of a message, and
            /// whether they are there after it.
            pub(crate) fn changes_headers(&self) -> Option<(Vec<Box<str>>, bool)> {
                match self { $(Self::$kind(action) => action.changes_headers(),)+ }
            }

            /// True if traffic that reaches it is handled.
            pub(crate) fn handles(&self) -> bool {
                match self { $(Self::$kind(action) => action.handles(),)+ }
            }

            /// False if it only looks, although its kind refuses.
            pub(crate) fn enforced(&self) -> bool {
                match self { $(Self::$kind(action) => action.enforced(),)+ }
            }

            /// False if it produces no result although its kind has some.
            pub(crate) fn has_results(&self) -> bool {
                match self { $(Self::$kind(action) => action.has_results(),)+ }
            }

            /// What is known of its kind.
            pub(crate) fn facts(&self) -> KindFacts {
                match self { $(Self::$kind(_) => KindFacts::new::<$kind>(),)+ }
            }

            /// What is known of its results.
            pub(crate) fn result_shape(&self) -> Shape {
                match self { $(Self::$kind(action) => action.result_shape(),)+ }
            }

            /// The addresses that it lets through and the entries that say so, if it refuses all others.
            pub(crate) fn lets_through(&self) -> Option<(Cow<'_, RangeSet>, &[CidrItem])> {
                match self { $(Self::$kind(action) => action.lets_through(),)+ }
            }

            /// The endpoint that it forwards to, if that is the same for every connection.
            pub(crate) fn forwards_to(&self) -> Option<&Spanned<EndpointUrl>> {
                match self { $(Self::$kind(action) => action.forwards_to(),)+ }
            }

            /// Every text that may hold an expression.
            pub(crate) fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
                match self { $(Self::$kind(action) => ActionType::texts(action, each),)+ }
            }

            /// Every expression, in texts and alone.
            pub(crate) fn expressions<'a>(&'a self, each: &mut dyn FnMut(&'a Expression)) {
                self.texts(&mut |text| text.template.expressions().for_each(&mut *each));
                match self { $(Self::$kind(action) => ActionType::expressions(action, each),)+ }
            }

            /// IP policies that it names.
            pub(crate) fn open_ip_policies(&self) -> &[Spanned<Box<str>>] {
                match self { $(Self::$kind(action) => action.open_ip_policies(),)+ }
            }

            /// What of its configuration this version does not run, although it runs the action.
            pub(crate) fn not_run(&self) -> Option<Unsupported> {
                match self { $(Self::$kind(action) => action.not_run(),)+ }
            }

            /// What it does when it runs.
            pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Box<dyn Execute> {
                match self { $(Self::$kind(action) => action.lower(lowering),)+ }
            }

            /// The same again, naively.
            #[cfg(feature = "reference")]
            pub(crate) fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
                match self { $(Self::$kind(action) => action.naive(run),)+ }
            }
        }

        /// What is known of an action by its name; `None` if there is no such action.
        pub(crate) fn facts_of(name: &str) -> Option<KindFacts> {
            match name {
                $($kind::NAME => Some(KindFacts::new::<$kind>()),)+
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
                        .flat_map(|declared| declared.iter().map(vocabulary::Declared::path))
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
            found.demote_errors();
            cx.reader.extend(found);
            read.or_else(|| A::read(&Fields::empty(), &Context { reader: &cx.reader.fresh(), ..*cx }))
        }

        fn read_config<'d, A: ActionType>(written: Written<'d>, cx: &Context<'_, 'd>) -> Option<A> {
            let mut fields = match written.config {
                Some(node) if A::ANY_FIELDS => Fields::from_node(node).unwrap_or_else(Fields::empty),
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
    add_headers::AddHeaders,
    ai_gateway::AiGateway,
    basic_auth::BasicAuth,
    circuit_breaker::CircuitBreaker,
    close_connection::CloseConnection,
    compress_response::CompressResponse,
    custom_response::CustomResponse,
    deny::Deny,
    forward_internal::ForwardInternal,
    http_request::HttpRequest,
    jwt_validation::JwtValidation,
    log::Log,
    oauth::OAuth,
    openid_connect::OpenIdConnect,
    owasp_crs_request::OwaspCrsRequest,
    owasp_crs_response::OwaspCrsResponse,
    rate_limit::RateLimit,
    redirect::Redirect,
    remove_headers::RemoveHeaders,
    request_body_find_replace::RequestBodyFindReplace,
    response_body_find_replace::ResponseBodyFindReplace,
    restrict_ips::RestrictIps,
    saml::Saml,
    set_vars::SetVars,
    sse_find_replace::SseFindReplace,
    terminate_tls::TerminateTls,
    url_rewrite::UrlRewrite,
    verify_webhook::VerifyWebhook,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Below, Declared};

    #[test]
    fn the_registry_is_whole_and_sorted() {
        assert!(NAMES.is_sorted());
        for name in NAMES {
            let page = documentation(name).expect("registered").page;
            assert!(page.starts_with(&format!("# {name}\n")), "{name}");
        }
        for name in NAMES {
            assert_eq!(current_name(name), *name, "also the older name of another");
        }
        assert_eq!(current_name("oidc"), "openid-connect");
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
