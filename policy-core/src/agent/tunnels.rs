//! Reads `tunnels:`, endpoints as they were written until version 2.

use super::Upstream;
use super::upstream::read_upstream;
use crate::diagnostic::shorten;
use crate::endpoint_policy::{PolicySource, read_policy_source};
use crate::options::EndpointTraits;
use crate::parse::{NodeKind, NodeRef};
use crate::reader::{Field as NamedField, Fields, Reader};
use crate::schema::Context;
use crate::settings::tunnel::{ADDR, FIELDS, PROTO, TRAFFIC_POLICY};
use crate::source::Spanned;
use crate::url::Scheme;

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
    let Some(fields) = Fields::from_node(node) else {
        reader.wrong_type(node, "`tunnels`, a map", "write each tunnel below its name");
        return Vec::new();
    };
    fields.entries.iter().filter_map(|field| read_tunnel(field, old_names, reader)).collect()
}

/// Reads a tunnel; `old_names` if older names are right in the file.
fn read_tunnel<'d>(field: &NamedField<'d>, old_names: bool, reader: &Reader<'d>) -> Option<Tunnel> {
    let (name, at) = (field.key, field.span);
    let what = format!("the tunnel `{}`", shorten(name));
    let cx = Context { reader, place: None, owner: (&what, at) };
    let fields = Fields { old_names, ..cx.map(field.value, &what, FIELDS, &[])? };
    // A list of protocols made several tunnels of one.
    let scheme = match fields.get(PROTO.name()).map(|node| node.kind()) {
        Some(NodeKind::Sequence(_)) => None,
        _ => cx.optional(&fields, &PROTO)?,
    };
    let endpoint = EndpointTraits { scheme, binding: None, cloud: false };
    let policy = read_policy_source(&fields, &TRAFFIC_POLICY, endpoint, &cx);
    let addr = cx.part(&fields, &ADDR)?;
    let text = reader.text(addr.value, "`addr`")?;
    let upstream = Spanned::new(read_upstream(text, scheme, reader)?, text.span);
    let name = Spanned::new(name.into(), at);
    Some(Tunnel { name, scheme, upstream, policy: policy.ok()? })
}
