//! `endpoints` and `internal_endpoints` of `edge.yml`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::kinds::{ListenAddress, TcpUrl, UPSTREAM};
use super::limits::MAX_CONNECTIONS_OF_ENDPOINT;
use super::{Endpoint, INTERNAL, InternalEndpoint, OnBadPolicy, PUBLIC};
use crate::diagnostic::Diagnostic;
use crate::endpoint_policy::{POLICY_CHOICE, read_policy_source};
use crate::parse::NodeRef;
use crate::reader::head;
use crate::schema::{Choice, Context, Declared, Field, Name, Record};
use crate::settings::{TRAFFIC_POLICY, TRAFFIC_POLICY_FILE};
use crate::source::Spanned;
use crate::url::HostPort;

static NAME: Field<Name> =
    Field::required("name", Name, "name: device1-ssh", "The unique name, in events and commands.");
static URL: Field<TcpUrl> = Field::required(
    "url",
    TcpUrl { internal: false },
    "url: tcp://edge.example.com:20022",
    "What policies see as `endpoint.url`.",
);
static LISTEN: Field<ListenAddress> =
    Field::optional("listen", ListenAddress, "Where it listens; otherwise every address, port of the URL.");
static ON_BAD_POLICY: Field<Choice<OnBadPolicy>> = Field::default(
    "on_bad_policy",
    Choice { of: &[("keep", OnBadPolicy::Keep), ("refuse", OnBadPolicy::Refuse)] },
    "keep",
    "What a reload does if the policy cannot be loaded.",
);
static INTERNAL_URL: Field<TcpUrl> = Field::required(
    "url",
    TcpUrl { internal: true },
    "url: tcp://device1.internal:22",
    "What policies forward to.",
);
static UPSTREAM_OF_ENDPOINT: Field<Record<Spanned<HostPort>>> =
    Field::required("upstream", UPSTREAM, "upstream: {url: 22}", "Where connections go.");

/// The fields of an endpoint.
pub(crate) const ENDPOINT_FIELDS: Declared = &[
    &NAME,
    &URL,
    &LISTEN,
    &MAX_CONNECTIONS_OF_ENDPOINT,
    &TRAFFIC_POLICY,
    &TRAFFIC_POLICY_FILE,
    &ON_BAD_POLICY,
];
/// The fields of an internal endpoint.
pub(crate) const INTERNAL_FIELDS: Declared =
    &[&INTERNAL_URL, &UPSTREAM_OF_ENDPOINT, &TRAFFIC_POLICY, &TRAFFIC_POLICY_FILE, &ON_BAD_POLICY];

/// Reads an endpoint; `None` if it is unusable, which has been reported.
pub(super) fn read_endpoint<'d>(node: NodeRef<'d>, cx: &Context<'_, 'd>) -> Option<Endpoint> {
    let fields = cx.map(node, "an endpoint", ENDPOINT_FIELDS, &[])?;
    let cx = &cx.with_owner(("the endpoint", head(node)));
    let name = cx.read(&fields, &NAME);
    let url = cx.read(&fields, &URL);
    let listen = cx.optional(&fields, &LISTEN);
    let every_address = || {
        let url = url.as_ref()?;
        Some(Spanned::new(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), url.value.port()?), url.span))
    };
    let max_connections = cx.optional(&fields, &MAX_CONNECTIONS_OF_ENDPOINT).flatten();
    let max_connections = max_connections
        .and_then(|number| Some(Spanned::new(number, head(fields.get(MAX_CONNECTIONS_OF_ENDPOINT.name())?))));
    let policy = read_policy_source(&fields, &TRAFFIC_POLICY, PUBLIC, cx);
    if !fields.incomplete && matches!(policy, Ok(None)) {
        let found = Diagnostic::new(&POLICY_CHOICE, cx.owner.1, "the endpoint has no policy");
        cx.reader
            .report(found.with_help("add `traffic_policy_file: device1.yml`, or `traffic_policy:` inline"));
    }
    let on_bad_policy = cx.read(&fields, &ON_BAD_POLICY);
    let listen = listen?.or_else(every_address);
    let (name, url) = (name?, url?);
    Some(Endpoint {
        name,
        url: url.value,
        listen: listen?,
        max_connections,
        policy: policy.ok().flatten()?,
        on_bad_policy: on_bad_policy.unwrap_or_default(),
    })
}

/// Reads an internal endpoint; `None` if it is unusable, which has been reported.
pub(super) fn read_internal<'d>(node: NodeRef<'d>, cx: &Context<'_, 'd>) -> Option<InternalEndpoint> {
    let fields = cx.map(node, "an internal endpoint", INTERNAL_FIELDS, &[])?;
    let cx = &cx.with_owner(("the internal endpoint", head(node)));
    let url = cx.read(&fields, &INTERNAL_URL);
    let upstream = cx.read(&fields, &UPSTREAM_OF_ENDPOINT);
    let policy = read_policy_source(&fields, &TRAFFIC_POLICY, INTERNAL, cx);
    let on_bad_policy = cx.read(&fields, &ON_BAD_POLICY).unwrap_or_default();
    Some(InternalEndpoint { url: url?, upstream: upstream?, policy: policy.ok()?, on_bad_policy })
}
