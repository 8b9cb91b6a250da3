//! `endpoints:`: what an agent offers under URLs.

use super::upstream::read_upstream;
use super::url::{AgentUrl, read_url};
use super::{AgentEndpoint, BINDING, PORT, Upstream};
use crate::actions::{NO_EFFECT, WRONG_PROTOCOL};
use crate::diagnostic::{Diagnostic, Severity, shorten};
use crate::endpoint_policy::read_policy_source;
use crate::json;
use crate::options::EndpointTraits;
use crate::parse::{NodeRef, Plain};
use crate::reader::{Fields, Reader, head};
use crate::schema::{Boolean, Choice, Context, Declared, Field, Items, Literal, OneOrMore, Part};
use crate::settings::{TLS, TRAFFIC_POLICY, TRAFFIC_POLICY_FILE};
use crate::source::{Span, Spanned};
use crate::url::{Binding, EndpointUrl, Scheme};

static NAME: Field<Literal> =
    Field::required("name", Literal(255), "name: device1-ssh", "The unique name, for the command line.");
pub(crate) static BINDINGS: Field<OneOrMore<Choice<Binding>>> = Field::optional(
    "bindings",
    OneOrMore(Items::new(Choice {
        of: &[
            ("public", Binding::Public),
            ("internal", Binding::Internal),
            ("kubernetes", Binding::Kubernetes),
        ],
    })),
    "Where it can be reached from; otherwise the name decides.",
);
pub(crate) static POOLING_ENABLED: Field<Boolean> = Field::default(
    "pooling_enabled",
    Boolean,
    "false",
    "Shares traffic with other endpoints of the same URL.",
);
/// The longest description of an endpoint, a credential or a key.
pub const MAX_DESCRIPTION: usize = 255;
/// The longest metadata of an endpoint, a session, a credential or a key.
pub const MAX_METADATA: usize = 4_096;

pub(crate) static METADATA: Field<Literal> =
    Field::optional("metadata", Literal(MAX_METADATA), "Metadata shown in the API.");
static DESCRIPTION: Field<Literal> =
    Field::optional("description", Literal(MAX_DESCRIPTION), "Text for people.");
pub(crate) static UPSTREAM_URL: Field<Part> =
    Field::required("url", Part::new("text"), "url: 22", "A port, `host:port`, or a URL.");
static PROTOCOL: Field<Choice<bool>> = Field::default(
    "protocol",
    Choice { of: &[("http1", false), ("http2", true)] },
    "http1",
    "How requests are sent.",
);
static PROXY_PROTOCOL: Field<Choice<i64>> = Field::optional(
    "proxy_protocol",
    Choice { of: &[("1", 1), ("2", 2)] },
    "Tells the upstream the client's address by the PROXY protocol.",
);
const UPSTREAM_FIELDS: Declared = &[&UPSTREAM_URL, &PROTOCOL, &PROXY_PROTOCOL];

pub(crate) static URL: Field<Part> =
    Field::optional("url", Part::new("text"), "Its URL; the service chooses what is missing.");
pub(crate) static UPSTREAM: Field<Part> =
    Field::required("upstream", Part::map(UPSTREAM_FIELDS), "upstream: {url: 22}", "Where its traffic goes.");

/// The fields of an endpoint.
pub(crate) const FIELDS: Declared = &[
    &NAME,
    &URL,
    &BINDINGS,
    &UPSTREAM,
    &TRAFFIC_POLICY,
    &TRAFFIC_POLICY_FILE,
    &POOLING_ENABLED,
    &METADATA,
    &DESCRIPTION,
    &TLS,
];
/// Its binding decides on the internal ones.
pub(crate) const IGNORED: &[(&str, &str)] = &[("inspect", "inspection belongs to the agent; remove it")];

/// Where traffic goes, and how.
struct Outward {
    at: Spanned<Upstream>,
    http2: bool,
    proxy_protocol: Option<i64>,
}

/// Reads an endpoint; `None` if it is unusable, which has been reported.
pub(super) fn read_endpoint<'d>(node: NodeRef<'d>, reader: &Reader<'d>) -> Option<AgentEndpoint> {
    let cx = Context { reader, place: None, owner: ("the endpoint", head(node)) };
    let fields = cx.map(node, "an endpoint", FIELDS, IGNORED)?;
    let name = cx.read(&fields, &NAME);
    let url = read_url(fields.get(URL.name()), cx.owner.1, reader);
    let scheme = match &url {
        Ok(url) => Some(url.value.scheme()),
        Err(scheme) => *scheme,
    };
    let given = url.as_ref().ok().and_then(|url| url.value.given());
    let binding = read_binding(&fields, url.as_ref().ok(), &cx);
    if let (Some(url), Some(binding)) = (given, binding) {
        let at = fields.field(URL.name()).map_or(cx.owner.1, |field| field.value.span());
        check_binding(url, binding, at, reader);
    }
    let endpoint = EndpointTraits { scheme, binding, cloud: false };
    let policy = read_policy_source(&fields, &TRAFFIC_POLICY, endpoint, &cx);
    let upstream = upstream(&fields, scheme, &cx);
    let (metadata, description) = (cx.optional(&fields, &METADATA), cx.optional(&fields, &DESCRIPTION));
    let (pooling, tls) = (cx.read(&fields, &POOLING_ENABLED), cx.optional(&fields, &TLS));
    if let Some(field) = fields.field(TLS.name())
        && scheme.is_some_and(|scheme| scheme != Scheme::Tls)
    {
        let message = "`agent_tls_termination` works on tls endpoints only";
        let found = Diagnostic::new(&WRONG_PROTOCOL, field.span, message);
        reader.report(found.with_help("use a `tls://` URL, or remove it"));
    }
    let inline = fields.get(TRAFFIC_POLICY.name()).map(|node| json::to_string(&Plain::from_node(node)));
    let upstream = upstream?;
    Some(AgentEndpoint {
        name: name?,
        url: url.ok()?,
        binding: binding?,
        pooling_enabled: pooling?,
        metadata: metadata?.map(|text| text.value),
        description: description?.map(|text| text.value),
        policy: policy.ok()?,
        // Plain data has no key that is no text, so it can be written.
        policy_json: inline.and_then(Result::ok).map(Into::into),
        tls: tls?,
        upstream: upstream.at,
        http2: upstream.http2,
        proxy_protocol: upstream.proxy_protocol,
    })
}

fn upstream<'d>(fields: &Fields<'d>, scheme: Option<Scheme>, cx: &Context<'_, 'd>) -> Option<Outward> {
    let node = cx.part(fields, &UPSTREAM)?.value;
    let fields = cx.map(node, "`upstream`", UPSTREAM_FIELDS, &[])?;
    let cx = cx.with_owner(("`upstream`", head(node)));
    let (protocol, proxy) = (cx.read(&fields, &PROTOCOL), cx.optional(&fields, &PROXY_PROTOCOL));
    if let Some(field) = fields.field(PROTOCOL.name())
        && matches!(scheme, Some(Scheme::Tcp | Scheme::Tls))
    {
        let message = "`protocol` has no effect on tcp and tls endpoints";
        cx.reader.report(Diagnostic::new(&NO_EFFECT, field.span, message).with_help("remove it"));
    }
    let url = cx.part(&fields, &UPSTREAM_URL)?;
    let text = cx.reader.text(url.value, "`url`")?;
    let at = Spanned::new(read_upstream(text, scheme, cx.reader)?, text.span);
    Some(Outward { at, http2: protocol?, proxy_protocol: proxy? })
}

/// The binding that is given, or that the name says.
fn read_binding<'d>(
    fields: &Fields<'d>,
    url: Option<&Spanned<AgentUrl>>,
    cx: &Context<'_, 'd>,
) -> Option<Binding> {
    let implied = match url.and_then(|url| url.value.given()) {
        Some(url) if url.is_internal() => Binding::Internal,
        _ => Binding::Public,
    };
    let given = cx.optional(fields, &BINDINGS)?;
    let Some(given) = given else { return url.map(|_| implied) };
    let at = fields.field(BINDINGS.name()).map_or(cx.owner.1, |field| field.span);
    match &*given {
        [] => Some(implied),
        [binding] => {
            if *binding == Binding::Internal && url.is_some_and(|url| url.value.given().is_none()) {
                let found = Diagnostic::new(&BINDING, at, "an internal endpoint needs a name of its own");
                cx.reader.report(found.with_help("give it a `url`, e.g. `tcp://device1.internal:22`"));
            }
            Some(*binding)
        }
        several => {
            let message = format!("an endpoint has one binding, this one has {}", several.len());
            cx.reader.report(Diagnostic::new(&BINDING, at, message).with_help("keep one of them"));
            None
        }
    }
}

/// Whether name, protocol and port of an endpoint fit its binding.
fn check_binding(url: &EndpointUrl, binding: Binding, at: Span, reader: &Reader<'_>) {
    let host = shorten(url.host()).into_owned();
    let fault = match binding {
        Binding::Internal if !url.is_internal() => {
            let help = "the host of an internal endpoint ends in `.internal`";
            Some((format!("`{url}` is not an internal endpoint"), help, Severity::Error))
        }
        Binding::Public if url.is_internal() => {
            let help =
                "such a name is not reachable from the internet; remove the binding, or change the host";
            Some((format!("`{host}` can only be an internal endpoint"), help, Severity::Error))
        }
        Binding::Kubernetes if matches!(url.scheme(), Scheme::Https) => {
            let help = "use an `http://` or `tcp://` URL";
            Some(("a kubernetes endpoint is http, tcp or tls".to_owned(), help, Severity::Warning))
        }
        Binding::Kubernetes if url.is_wildcard() || host.split('.').count() != 2 => {
            let help = "write `service.namespace`";
            // Examples of ngrok's own have other names.
            let severity = if url.is_wildcard() { Severity::Error } else { Severity::Warning };
            Some((format!("`{host}` is not the name of a service in a cluster"), help, severity))
        }
        _ => None,
    };
    if let Some((message, help, severity)) = fault {
        let found = Diagnostic::new(&BINDING, at, message).with_severity(severity);
        reader.report(found.with_help(help));
        return;
    }
    let fixed = match url.scheme() {
        Scheme::Http => Some(80),
        Scheme::Https | Scheme::Tls => Some(443),
        Scheme::Tcp => None,
    };
    if let (Binding::Public, Some(port)) = (binding, fixed)
        && url.port() != Some(port)
    {
        let message = format!("a public {} endpoint has port {port} only", url.scheme().name());
        let found = Diagnostic::new(&PORT, at, message);
        reader.report(found.with_help("remove the port, or use an internal endpoint"));
    }
}
