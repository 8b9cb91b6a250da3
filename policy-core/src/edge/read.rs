//! Reads `edge.yml`.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{
    DEFAULT_STATE_DIR, EdgeConfig, Endpoint, EventSink, INTERNAL, INVALID_LISTEN, InternalEndpoint,
    OnBadPolicy, PUBLIC, socket_path,
};
use crate::actions::{no_port, not_internal, too_deep, url_diagnostic};
use crate::agent::INVALID_UPSTREAM;
use crate::check::{CheckOptions, merge_after_cut};
use crate::compile::not_supported;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, shorten};
use crate::duration::parse_duration;
use crate::endpoint_policy::{POLICY_CHOICE, PolicySource, Reported, read_policy_source};
use crate::language::language;
use crate::options::EndpointTraits;
use crate::parse::{self, Document, NodeRef};
use crate::reader::{DUPLICATE, Fields, Keys, MISSING_FIELD, Reader, head};
use crate::resolve::UrlMap;
use crate::schema::DurationField;
use crate::source::{Source, Span, Spanned};
use crate::url::{EndpointUrl, HostPort, Scheme};

/// Event destinations that the reserve of open files has room for, twice during a reload.
const MAX_SINKS: usize = 8;
/// Bytes of an event file before it is moved to `<path>.1`: room for the longest events, up to what a disk has.
const MIN_EVENT_FILE_BYTES: i64 = 1 << 20;
const MAX_EVENT_FILE_BYTES: i64 = 1 << 40;
const DEFAULT_EVENT_FILE_BYTES: u64 = 100 << 20;
/// The only version of the format.
const VERSION: i64 = 1;
/// Keys at the top.
pub(crate) const TOP_KEYS: &[&str] = &[
    "version",
    "state_dir",
    "endpoints",
    "internal_endpoints",
    "agents",
    "admin",
    "public_tcp_ports",
    "public_tcp_listen",
    "ip_policies",
    "events",
    "limits",
    "shutdown",
];
/// Keys of an endpoint.
pub(crate) const ENDPOINT_KEYS: &[&str] =
    &["name", "url", "listen", "max_connections", "traffic_policy", "traffic_policy_file", "on_bad_policy"];
/// Keys of an internal endpoint.
pub(crate) const INTERNAL_KEYS: &[&str] =
    &["url", "upstream", "traffic_policy", "traffic_policy_file", "on_bad_policy"];

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
    let edge = EdgeReader { reader: &reader };
    let map = |node: NodeRef<'_>, what: &str, example: &str| {
        if Fields::of(node).is_none() {
            reader.wrong_type(node, what, example);
        }
    };
    document
        .root()
        .into_iter()
        .for_each(|root| map(root, "the edge configuration, a map", "begin with `version: 1`"));
    let fields = document.root().and_then(Fields::of);
    let get = |key: &str| fields.as_ref().and_then(|fields| fields.get(key));
    let state_dir = get("state_dir").and_then(|node| edge.state_dir(node));
    get("admin")
        .into_iter()
        .for_each(|node| map(node, "`admin`, a map", "write e.g. `admin: {socket: admin.sock}`"));
    let admin = get("admin").and_then(Fields::of);
    let socket = admin.and_then(|admin| admin.get("socket")).and_then(|node| edge.path(node, "`socket`"));
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
    let config = document.root().and_then(|root| EdgeReader { reader: &reader }.read(root));
    merge_after_cut(document, reader.into_diagnostics(), found);
    config.filter(|_| !found.has_errors())
}

/// Reads the parts of a configuration; what it finds goes to the reader of its document.
pub(super) struct EdgeReader<'r, 'd> {
    pub(super) reader: &'r Reader<'d>,
}

impl<'d> EdgeReader<'_, 'd> {
    fn state_dir(&self, node: NodeRef<'d>) -> Option<Box<str>> {
        self.reader.text(node, "`state_dir`").map(|text| text.value.into())
    }

    fn read(&self, root: NodeRef<'d>) -> Option<EdgeConfig> {
        let fields = self.reader.map(root, "the edge configuration", Keys::of(TOP_KEYS))?;
        let owner = ("the edge configuration", head(root).at_start());
        if let Some(node) = fields.required(self.reader, "version", owner, "version: 1") {
            self.reader.version(node, VERSION..=VERSION);
        }
        let state_dir = fields.get("state_dir").and_then(|node| self.state_dir(node));
        let agents = fields.field("agents");
        // An edge may serve the endpoints of agents only.
        let endpoints = match agents {
            Some(_) => fields.get("endpoints"),
            None => fields.required(self.reader, "endpoints", owner, "endpoints:"),
        };
        let endpoints = endpoints
            .map(|node| self.each(node, "`endpoints`", |item| self.endpoint(item)))
            .unwrap_or_default();
        let internal = fields.get("internal_endpoints");
        let internal =
            internal.map(|node| self.each(node, "`internal_endpoints`", |item| self.internal(item)));
        let events = fields.get("events").map(|node| self.each(node, "`events`", |item| self.sink(item)));
        if let Some(field) =
            fields.field("events").filter(|_| events.as_ref().is_some_and(|it| it.len() > MAX_SINKS))
        {
            let message = format!("more than {MAX_SINKS} event destinations");
            self.reader.invalid(field.span, message, "each keeps a file open; use fewer");
        }
        let admin = fields.get("admin").and_then(|node| self.admin(node, agents.is_some()));
        let admin = admin.unwrap_or_default();
        let internal = internal.unwrap_or_default();
        let config = EdgeConfig {
            serving: UrlMap::of_places(internal.iter().map(|it| &it.url.value)),
            state_dir: state_dir.unwrap_or_else(|| DEFAULT_STATE_DIR.into()),
            endpoints,
            internal_endpoints: internal,
            agents: agents.and_then(|field| self.agents(field.value)),
            admin_socket: admin.socket,
            admin_listener: admin.listener,
            public_tcp_ports: fields.get("public_tcp_ports").and_then(|node| self.public_tcp_ports(node)),
            public_tcp_listen: fields
                .get("public_tcp_listen")
                .map(|node| self.public_tcp_listen(node))
                .unwrap_or_default(),
            ip_policies: fields.get("ip_policies").map(|node| self.ip_policy_files(node)).unwrap_or_default(),
            // Events that nobody asked to go elsewhere are worth a look.
            events: events.unwrap_or_else(|| vec![EventSink::Stdout]),
            limits: fields.get("limits").map(|node| self.limits(node)).unwrap_or_default(),
            drain: fields
                .get("shutdown")
                .and_then(|node| self.drain(node))
                .unwrap_or(Duration::from_secs(30)),
        };
        let written = fields.field("endpoints").filter(|field| is_empty_list(field.value));
        if let Some(field) = written.filter(|_| agents.is_none()) {
            // Who takes the last endpoint away wants it closed.
            let found =
                Diagnostic::new(&MISSING_FIELD, field.span, "the edge has no endpoint: nothing listens")
                    .with_severity(Severity::Warning);
            self.reader
                .report(found.with_help("add one below `endpoints`, or `agents` that bring their own"));
        }
        self.check_unique(&config);
        self.check_loops(&config);
        self.check_endpoint_shares(&config);
        self.check_public_ports(&config, fields.get("public_tcp_ports").map(head));
        Some(config)
    }

    fn each<T>(&self, node: NodeRef<'d>, what: &str, read: impl Fn(NodeRef<'d>) -> Option<T>) -> Vec<T> {
        self.reader.list(node, what).unwrap_or_default().into_iter().filter_map(read).collect()
    }

    fn endpoint(&self, node: NodeRef<'d>) -> Option<Endpoint> {
        let reader = self.reader;
        let fields = reader.map(node, "an endpoint", Keys::of(ENDPOINT_KEYS))?;
        let owner = ("the endpoint", head(node));
        let name = fields.required(reader, "name", owner, "name: device1-ssh");
        let name = name.and_then(|node| reader.name(node, "`name`"));
        let url = fields.required(reader, "url", owner, "url: tcp://edge.example.com:20022");
        let url = url.and_then(|node| self.url(node));
        let listen = match fields.get("listen") {
            Some(node) => self.listen(node),
            None => url.as_ref().and_then(|url| {
                let port = url.value.port()?;
                Some(Spanned::new(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port), url.span))
            }),
        };
        let max_connections = fields.get("max_connections");
        let max_connections =
            max_connections.and_then(|node| Some(Spanned::new(self.endpoint_connections(node)?, head(node))));
        let policy = self.policy(&fields, PUBLIC);
        if !fields.incomplete && matches!(policy, Ok(None)) {
            let found = Diagnostic::new(&POLICY_CHOICE, owner.1, "the endpoint has no policy");
            reader.report(
                found.with_help("add `traffic_policy_file: device1.yml`, or `traffic_policy:` inline"),
            );
        }
        let (name, url) = (name?, url?);
        Some(Endpoint {
            name: Spanned::new(name.value.into(), name.span),
            url: url.value,
            listen: listen?,
            max_connections,
            policy: policy.ok().flatten()?,
            on_bad_policy: self.on_bad_policy(&fields),
        })
    }

    fn on_bad_policy(&self, fields: &Fields<'d>) -> OnBadPolicy {
        let Some(node) = fields.get("on_bad_policy") else { return OnBadPolicy::default() };
        let Some(text) = self.reader.text(node, "`on_bad_policy`") else { return OnBadPolicy::default() };
        match text.value {
            "keep" => OnBadPolicy::Keep,
            "refuse" => OnBadPolicy::Refuse,
            other => {
                let message = format!("unknown value `{}` of `on_bad_policy`", shorten(other));
                self.reader.invalid(text.span, message, "write `keep` or `refuse`");
                OnBadPolicy::default()
            }
        }
    }

    fn internal(&self, node: NodeRef<'d>) -> Option<InternalEndpoint> {
        let reader = self.reader;
        let fields = reader.map(node, "an internal endpoint", Keys::of(INTERNAL_KEYS))?;
        let owner = ("the internal endpoint", head(node));
        let url = fields.required(reader, "url", owner, "url: tcp://device1.internal:22");
        let url = url.and_then(|node| self.url(node)).filter(|url| {
            too_deep(url).into_iter().for_each(|fault| reader.report(fault));
            if !url.value.is_internal() {
                reader.report(not_internal(&url.value.to_string(), url.span));
            }
            url.value.is_internal()
        });
        let upstream = fields.required(reader, "upstream", owner, "upstream: {url: 22}");
        let upstream = upstream.and_then(|node| self.upstream(node));
        let policy = self.policy(&fields, INTERNAL);
        let on_bad_policy = self.on_bad_policy(&fields);
        Some(InternalEndpoint { url: url?, upstream: upstream?, policy: policy.ok()?, on_bad_policy })
    }

    fn url(&self, node: NodeRef<'d>) -> Option<Spanned<EndpointUrl>> {
        let text = self.reader.text(node, "`url`")?;
        let url = match EndpointUrl::parse(text.value) {
            Ok(url) => url,
            Err(error) => {
                self.reader.report(url_diagnostic(text, &error, self.reader));
                return None;
            }
        };
        if url.scheme() != Scheme::Tcp {
            let what = format!("`{}://` on an edge", url.scheme().name());
            self.reader.report(not_supported(text.span, &what, "use a `tcp://` URL"));
            return None;
        }
        if url.port().is_none() {
            self.reader.report(no_port(&url.to_string(), text.span));
            return None;
        }
        Some(Spanned::new(url, text.span))
    }

    pub(super) fn listen(&self, node: NodeRef<'d>) -> Option<Spanned<SocketAddr>> {
        let text = self.reader.text(node, "`listen`")?;
        let address = text.value.parse().ok();
        if address.is_none() {
            let message = format!("`{}` is not an address and a port", self.reader.shown_address(text));
            let help = "write e.g. `\"[::]:20022\"` for all addresses, or `127.0.0.1:20022`";
            self.reader.report(Diagnostic::new(&INVALID_LISTEN, text.span, message).with_help(help));
        }
        address.map(|address| Spanned::new(address, text.span))
    }

    fn upstream(&self, node: NodeRef<'d>) -> Option<Spanned<HostPort>> {
        let fields = self.reader.map(node, "`upstream`", Keys::of(&["url"]))?;
        let url = fields.required(self.reader, "url", ("`upstream`", head(node)), "url: 22")?;
        let text = self.reader.text(url, "`url`")?;
        HostPort::parse(text.value)
            .map_err(|fault| {
                let message = format!("`{}` is not an upstream: {fault}", self.reader.shown_address(text));
                let help = "write a port such as `22`, or `host:port`";
                self.reader.report(Diagnostic::new(&INVALID_UPSTREAM, text.span, message).with_help(help));
            })
            .ok()
            .filter(|upstream| {
                let internal = upstream.host.ends_with(".internal");
                if internal {
                    let message = format!("`{}` names an internal endpoint, not a machine", upstream.host);
                    let help = "give the device's address; to pass on to another endpoint, use a policy";
                    self.reader
                        .report(Diagnostic::new(&INVALID_UPSTREAM, text.span, message).with_help(help));
                }
                !internal
            })
            .map(|upstream| Spanned::new(upstream, text.span))
    }

    fn policy(
        &self,
        fields: &Fields<'d>,
        endpoint: EndpointTraits,
    ) -> Result<Option<PolicySource>, Reported> {
        read_policy_source(fields, "traffic_policy", endpoint, self.reader)
    }

    fn sink(&self, node: NodeRef<'d>) -> Option<EventSink> {
        let fields =
            self.reader.map(node, "an event destination", Keys::of(&["type", "path", "max_bytes"]))?;
        let owner = ("the event destination", head(node));
        let kind = fields.required(self.reader, "type", owner, "type: stdout")?;
        let kind = self.reader.text(kind, "`type`")?;
        match kind.value {
            "stdout" => {
                if let Some(field) = fields.field("max_bytes") {
                    let message = "standard output has no `max_bytes`";
                    self.reader.invalid(field.span, message, "remove it; a file has it");
                }
                Some(EventSink::Stdout)
            }
            "file" => {
                let path = fields.required(self.reader, "path", owner, "path: events.jsonl")?;
                let path = self.reader.text(path, "`path`")?.value.into();
                let range = MIN_EVENT_FILE_BYTES..=MAX_EVENT_FILE_BYTES;
                let max_bytes = fields.get("max_bytes");
                let max_bytes = max_bytes.and_then(|node| self.reader.integer(node, "`max_bytes`", range));
                let max_bytes = max_bytes.and_then(|bytes| u64::try_from(bytes).ok());
                Some(EventSink::File { path, max_bytes: max_bytes.unwrap_or(DEFAULT_EVENT_FILE_BYTES) })
            }
            other => {
                let message = format!("unknown event destination `{}`", shorten(other));
                self.reader.invalid(kind.span, message, "write `stdout` or `file`");
                None
            }
        }
    }

    fn drain(&self, node: NodeRef<'d>) -> Option<Duration> {
        let fields = self.reader.map(node, "`shutdown`", Keys::of(&["drain"]))?;
        self.duration(fields.get("drain")?, "drain", 0, 86_400)
    }

    pub(super) fn duration(&self, node: NodeRef<'d>, key: &str, least: u64, most: u64) -> Option<Duration> {
        let text = self.reader.text(node, &format!("`{key}`"))?;
        let range = Duration::from_secs(least)..=Duration::from_secs(most);
        let value = parse_duration(text.value).filter(|value| range.contains(value));
        if value.is_none() {
            let message = format!("`{key}` cannot be `{}`", shorten(text.value));
            self.reader.invalid(text.span, message, DurationField::seconds(least, most).help(text.value));
        }
        value
    }

    fn check_unique(&self, config: &EdgeConfig) {
        let names = config.endpoints.iter().map(|endpoint| (endpoint.name.value.clone(), endpoint.name.span));
        self.unique("endpoint name", names);
        self.check_listeners(config);
        let urls = config.internal_endpoints.iter().map(|endpoint| &endpoint.url);
        self.unique("internal URL", urls.map(|url| (url.value.to_string(), url.span)));
    }

    pub(super) fn unique<K: Eq + std::hash::Hash + Display>(
        &self,
        what: &str,
        keys: impl Iterator<Item = (K, Span)>,
    ) {
        let mut seen: HashMap<K, Span> = HashMap::new();
        for (key, span) in keys {
            let Some(&first) = seen.get(&key) else {
                seen.insert(key, span);
                continue;
            };
            let found = Diagnostic::new(
                &DUPLICATE,
                span,
                format!("the {what} `{}` is given twice", shorten(&key.to_string())),
            );
            self.reader.report(found.with_label(first, "first given here").with_help("use each only once"));
        }
    }
}

fn is_empty_list(node: NodeRef<'_>) -> bool {
    matches!(node.kind(), parse::NodeKind::Sequence(items) if items.iter().len() == 0)
}

#[cfg(test)]
mod tests;
