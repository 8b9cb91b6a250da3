//! `tunnels:`: endpoints as they were written until version 2.
//!
//! Source: ngrok documentation, agent configuration version 2 (2025-09). Options that a policy has replaced are
//! known by name only.

use super::Upstream;
use super::upstream::read_upstream;
use crate::diagnostic::{Diagnostic, shorten};
use crate::endpoint_policy::{PolicySource, read_policy_source};
use crate::options::EndpointTraits;
use crate::parse::{NodeKind, NodeRef};
use crate::reader::{Field as NamedField, Fields, Keys, LEGACY_FIELD, Reader};
use crate::schema::{Choice, Context, Field};
use crate::source::Spanned;
use crate::url::Scheme;

static PROTO: Field<Choice<Scheme>> = Field::optional(
    "proto",
    Choice { of: &[("http", Scheme::Https), ("tcp", Scheme::Tcp), ("tls", Scheme::Tls)] },
    "The protocol; labeled tunnels have none.",
);

/// The keys of a tunnel.
pub(crate) const KEYS: &[&str] = &[
    "addr",
    "proto",
    "traffic_policy",
    "traffic_policy_file",
    "domain",
    "hostname",
    "subdomain",
    "remote_addr",
    "labels",
    "metadata",
    "inspect",
    "schemes",
    "host_header",
    "crt",
    "key",
    "mutual_tls_cas",
    "terminate_at",
    "proxy_proto",
    "basic_auth",
    "oauth",
    "oidc",
    "ip_restriction",
    "verify_webhook",
    "circuit_breaker",
    "compression",
    "request_header",
    "response_header",
    "user_agent_filter",
    "websocket_tcp_converter",
    "app_protocol",
    "description",
    "url",
    "bindings",
    "pooling_enabled",
    "policy",
];

/// A tunnel of version 2.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tunnel {
    /// Its name.
    pub name: Spanned<Box<str>>,
    /// Its protocol; a labeled tunnel has none.
    pub scheme: Option<Scheme>,
    /// Where its traffic goes.
    pub upstream: Spanned<Upstream>,
    /// Its policy.
    pub policy: Option<PolicySource>,
}

/// Reads the map of tunnels.
pub(super) fn read_tunnels<'d>(node: NodeRef<'d>, old_names: bool, reader: &Reader<'d>) -> Vec<Tunnel> {
    let Some(fields) = Fields::of(node) else {
        reader.wrong_type(node, "`tunnels`, a map", "write each tunnel below its name");
        return Vec::new();
    };
    fields.entries.iter().filter_map(|field| read_tunnel(field, old_names, reader)).collect()
}

/// Reads a tunnel; `old_names` if older names are right in the file.
fn read_tunnel<'d>(field: &NamedField<'d>, old_names: bool, reader: &Reader<'d>) -> Option<Tunnel> {
    let (name, at) = (field.key, field.span);
    let what = format!("the tunnel `{}`", shorten(name));
    let fields = Fields { old_names, ..reader.map(field.value, &what, Keys::of(KEYS))? };
    let cx = Context { reader, place: None, owner: (&what, at) };
    // A list of protocols made several tunnels of one.
    let scheme = match fields.get("proto").map(|node| node.kind()) {
        Some(NodeKind::Sequence(_)) => None,
        _ => cx.optional(&fields, &PROTO)?,
    };
    let new_name = fields.field("traffic_policy").is_some();
    if let Some(field) = fields.field("policy").filter(|_| new_name || !fields.old_names) {
        let message = match new_name {
            true => "`policy` is the older name of `traffic_policy`, which is given as well",
            false => "`policy` is the older name of `traffic_policy`",
        };
        let found = Diagnostic::new(&LEGACY_FIELD, field.span, message);
        reader.report(match new_name {
            true => found.with_help("remove it"),
            false => {
                found.with_help("write `traffic_policy`").with_fix_at(true, field.content, "traffic_policy")
            }
        });
    }
    let key = if fields.field("policy").is_some() && !new_name { "policy" } else { "traffic_policy" };
    let endpoint = EndpointTraits { scheme, binding: None, cloud: false };
    let policy = read_policy_source(&fields, key, endpoint, reader);
    let addr = fields.required(reader, "addr", cx.owner, "addr: 22")?;
    let text = reader.text(addr, "`addr`")?;
    let upstream = Spanned::new(read_upstream(text, scheme, reader)?, text.span);
    let name = Spanned::new(name.into(), at);
    Some(Tunnel { name, scheme, upstream, policy: policy.ok()? })
}
