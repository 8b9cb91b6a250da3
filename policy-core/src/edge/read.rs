//! Reads `edge.yml`.

use std::path::PathBuf;
use std::time::Duration;

use super::admin::{ADMIN, read_admin, read_socket};
use super::agents::AGENTS;
use super::endpoints::{ENDPOINT_FIELDS, INTERNAL_FIELDS, read_endpoint, read_internal};
use super::events::{self, read_sink};
use super::kinds::{IpPolicyFiles, PortRange, PublicAddresses};
use super::limits::{LIMITS, check_endpoint_shares};
use super::listeners::{check_listeners, check_loops, check_public_ports};
use super::{DEFAULT_STATE_DIR, EdgeConfig, EventSink, socket_path};
use crate::check::{CheckOptions, merge_after_cut};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::language::language;
use crate::parse::{self, Document, NodeRef};
use crate::reader::{Fields, MISSING_FIELD, Reader, head};
use crate::resolve::UrlMap;
use crate::schema::{Context, Declared, DurationField, Field, FieldDoc, FilePath, Part, Record, rows};
use crate::source::Source;

/// Event destinations that the reserve of open files has room for, twice during a reload.
const MAX_SINKS: usize = 8;
/// The only version of the format.
const VERSION: i64 = 1;

static VERSION_FIELD: Field<Part> =
    Field::required("version", Part::new("`1`"), "version: 1", "The version of the format.");
static STATE_DIR: Field<FilePath> = Field::default(
    "state_dir",
    FilePath,
    DEFAULT_STATE_DIR,
    "Where the edge keeps its state; one edge per folder.",
);
static ENDPOINTS: Field<Part> = Field::required(
    "endpoints",
    Part::list(ENDPOINT_FIELDS),
    "endpoints:",
    "What listens; optional if `agents` is present.",
);
static INTERNAL_ENDPOINTS: Field<Part> =
    Field::optional("internal_endpoints", Part::list(INTERNAL_FIELDS), "What policies forward to.");
static PUBLIC_TCP_PORTS: Field<PortRange> =
    Field::optional("public_tcp_ports", PortRange, "Ports that agents may open for their public endpoints.");
static PUBLIC_TCP_LISTEN: Field<PublicAddresses> = Field::optional(
    "public_tcp_listen",
    PublicAddresses,
    "The addresses that these listen on; otherwise every address.",
);
/// Read before the rest, since policies may name what these files hold.
pub(super) static IP_POLICIES: Field<IpPolicyFiles> = Field::optional(
    "ip_policies",
    IpPolicyFiles,
    "Files of IP policies that policies of the configuration may name.",
);
static EVENTS: Field<Part> =
    Field::optional("events", Part::list(events::FIELDS), "Where events go; otherwise to standard output.");
static DRAIN: Field<DurationField> = Field::default(
    "drain",
    DurationField::seconds(0, 86_400),
    "30s",
    "How long open connections may continue after a request to stop.",
);
static SHUTDOWN: Field<Record<Duration>> = Field::optional(
    "shutdown",
    Record { fields: &[&DRAIN], ignored: &[], read: |fields, cx| cx.read(fields, &DRAIN) },
    "How the edge stops.",
);

/// The fields at the top.
pub(crate) const TOP_FIELDS: Declared = &[
    &VERSION_FIELD,
    &STATE_DIR,
    &ENDPOINTS,
    &INTERNAL_ENDPOINTS,
    &AGENTS,
    &ADMIN,
    &PUBLIC_TCP_PORTS,
    &PUBLIC_TCP_LISTEN,
    &IP_POLICIES,
    &EVENTS,
    &LIMITS,
    &SHUTDOWN,
];

/// The fields of `edge.yml`, as its documentation lists them.
///
/// ```
/// let fields = policy_core::edge::fields();
/// let hops = fields.iter().find(|field| field.path == "limits.max_hops").expect("declared");
/// assert_eq!((hops.kind.as_str(), hops.default), ("whole number, 1 to 100", Some("16")));
/// ```
#[must_use]
pub fn fields() -> Vec<FieldDoc> {
    rows(TOP_FIELDS)
}

/// Parses, reads and checks the configuration of an edge.
///
/// The configuration is there if nothing found is an error. Findings come sorted by place.
///
/// ```
/// use policy_core::{edge::load_edge, source::Source};
/// let (config, found) = load_edge(&Source::new("edge.yml", "
/// version: 1
/// endpoints:
///   - name: ssh
///     url: tcp://edge.example.com:20022
///     traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}
/// "));
/// assert!(found.is_empty());
/// assert_eq!(config.expect("no errors").endpoints[0].listen.value.to_string(), "[::]:20022");
/// ```
#[must_use]
pub fn load_edge(source: &Source) -> (Option<EdgeConfig>, Diagnostics) {
    let (options, mut found) = (CheckOptions::default(), Diagnostics::default());
    let document = parse::parse(source, &options.limits, &mut found);
    let config = check_document(&document, &options, &mut found);
    found.sort();
    (config, found)
}

/// Where the socket of the administration is, relative to the file, by what a configuration says of that alone: an edge
/// whose configuration has become wrong elsewhere has to be reached.
///
/// ```
/// use policy_core::{edge::admin_path, source::Source};
/// let path = admin_path(&Source::new("edge.yml", "version: 1\nstate_dir: ./state\nendpoints: broken\n"));
/// assert_eq!(path.expect("readable").to_str(), Some("./state/admin.sock"));
/// ```
///
/// # Errors
/// The findings, if the text cannot be parsed, or what it says of the socket is wrong.
pub fn admin_path(source: &Source) -> Result<PathBuf, Diagnostics> {
    let (options, mut found) = (CheckOptions::default(), Diagnostics::default());
    let document = parse::parse(source, &options.limits, &mut found);
    let reader = Reader::new(&document, &options, language());
    let map = |node: NodeRef<'_>, what: &str, example: &str| {
        if Fields::from_node(node).is_none() {
            reader.wrong_type(node, what, example);
        }
    };
    let (mut socket, mut state_dir) = (None, None);
    if let Some(root) = document.root() {
        map(root, "the edge configuration, a map", "begin with `version: 1`");
        let cx = Context { reader: &reader, place: None, owner: (OWNER, head(root)) };
        let fields = Fields::from_node(root).unwrap_or(Fields::empty());
        state_dir = cx.optional(&fields, &STATE_DIR).flatten().map(|path| path.value);
        if let Some(admin) = cx.part(&fields, &ADMIN) {
            map(admin.value, "`admin`, a map", "write e.g. `admin: {socket: admin.sock}`");
            socket = Fields::from_node(admin.value).and_then(|admin| read_socket(&admin, &cx));
        }
    }
    found.append(reader.into_diagnostics());
    found.sort();
    if found.has_errors() { Err(found) } else { Ok(socket_path(socket.as_deref(), state_dir.as_deref())) }
}

/// Reads and checks a parsed edge configuration, without the files it names. An edge knows the IP policies that its
/// configuration names and no others.
pub(crate) fn check_document(
    document: &Document,
    options: &CheckOptions,
    found: &mut Diagnostics,
) -> Option<EdgeConfig> {
    check_with(document, &CheckOptions { ip_policies: None, ..options.clone() }, found)
}

/// The same with the IP policies that it names.
pub(super) fn check_with(
    document: &Document,
    options: &CheckOptions,
    found: &mut Diagnostics,
) -> Option<EdgeConfig> {
    let reader = Reader::new(document, options, language());
    let config = document.root().and_then(|root| read(root, &reader));
    merge_after_cut(document, reader.into_diagnostics(), found);
    config.filter(|_| !found.has_errors())
}

/// What the fields at the top belong to.
const OWNER: &str = "the edge configuration";

fn read<'d>(root: NodeRef<'d>, reader: &Reader<'d>) -> Option<EdgeConfig> {
    let cx = &Context { reader, place: None, owner: (OWNER, head(root).at_start()) };
    let fields = cx.map(root, OWNER, TOP_FIELDS, &[])?;
    if let Some(version) = cx.part(&fields, &VERSION_FIELD) {
        reader.version(version.value, VERSION..=VERSION);
    }
    let state_dir = cx.read(&fields, &STATE_DIR).map(|path| path.value);
    let agents = fields.field(AGENTS.name());
    // An edge may serve the endpoints of agents only.
    let written = fields.field(ENDPOINTS.name());
    let endpoints = match (agents, written) {
        (Some(_), None) => None,
        _ => cx.each(&fields, &ENDPOINTS, |item| read_endpoint(item, cx)),
    };
    let internal = cx.each(&fields, &INTERNAL_ENDPOINTS, |item| read_internal(item, cx)).unwrap_or_default();
    let events = cx.each(&fields, &EVENTS, |item| read_sink(item, cx));
    if let Some(field) =
        fields.field(EVENTS.name()).filter(|_| events.as_ref().is_some_and(|it| it.len() > MAX_SINKS))
    {
        let message = format!("more than {MAX_SINKS} event destinations");
        reader.invalid(field.span, message, "each keeps a file open; use fewer");
    }
    let admin = cx.part(&fields, &ADMIN).and_then(|admin| read_admin(admin.value, agents.is_some(), cx));
    let admin = admin.unwrap_or_default();
    let config = EdgeConfig {
        serving: UrlMap::from_urls(internal.iter().map(|it| &it.url.value)),
        state_dir: state_dir.unwrap_or_else(|| DEFAULT_STATE_DIR.into()),
        endpoints: endpoints.unwrap_or_default(),
        internal_endpoints: internal,
        agents: cx.optional(&fields, &AGENTS).flatten(),
        admin_socket: admin.socket,
        admin_listener: admin.listener,
        public_tcp_ports: cx.optional(&fields, &PUBLIC_TCP_PORTS).flatten(),
        public_tcp_listen: cx.optional(&fields, &PUBLIC_TCP_LISTEN).flatten().unwrap_or_default(),
        ip_policies: cx.optional(&fields, &IP_POLICIES).flatten().unwrap_or_default(),
        // Events that nobody asked to go elsewhere are worth a look.
        events: events.unwrap_or_else(|| vec![EventSink::Stdout]),
        limits: cx.optional(&fields, &LIMITS).flatten().unwrap_or_default(),
        drain: cx.optional(&fields, &SHUTDOWN).flatten().or(DRAIN.default_value()).unwrap_or_default(),
    };
    if let Some(field) = written.filter(|field| agents.is_none() && is_empty_list(field.value)) {
        // Who takes the last endpoint away wants it closed.
        let found = Diagnostic::new(&MISSING_FIELD, field.span, "the edge has no endpoint: nothing listens")
            .with_severity(Severity::Warning);
        reader.report(found.with_help("add one below `endpoints`, or `agents` that bring their own"));
    }
    check_unique(&config, cx);
    check_loops(&config, reader);
    check_endpoint_shares(&config, reader);
    check_public_ports(&config, fields.get(PUBLIC_TCP_PORTS.name()).map(head), reader);
    Some(config)
}

fn check_unique(config: &EdgeConfig, cx: &Context<'_, '_>) {
    let names = config.endpoints.iter().map(|endpoint| (&*endpoint.name.value, endpoint.name.span));
    cx.unique("endpoint name", names, true);
    check_listeners(config, cx.reader);
    let urls: Vec<_> =
        config.internal_endpoints.iter().map(|it| (it.url.value.to_string(), it.url.span)).collect();
    cx.unique("internal URL", urls.iter().map(|(url, span)| (&**url, *span)), true);
}

fn is_empty_list(node: NodeRef<'_>) -> bool {
    matches!(node.kind(), parse::NodeKind::Sequence(items) if items.iter().len() == 0)
}

#[cfg(test)]
mod tests;
