//! Kubernetes manifests: which objects hold a policy, and where in them.
//!
//! Source: the custom resources of ngrok/ngrok-operator (chart ngrok-crds 0.4.0, August 2026). The groups of all kinds
//! end in `ngrok.com`; other vendors use the same names of kinds.

use crate::parse::{NodeKind, NodeRef};
use crate::reader::Fields;
use crate::source::Span;

/// The group of every kind, and the end of its longer names.
const GROUP: &str = "ngrok.com";

/// An object of a Kubernetes manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object<'d> {
    /// Its `kind`.
    pub(crate) kind: &'d str,
    /// Its name in its `metadata`.
    pub(crate) name: Option<&'d str>,
    /// What it holds of ours; `None` for an object that holds none of it, or refers to another one.
    pub(crate) holds: Option<Held>,
}

/// Something of ours in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) what: HeldKind,
    /// Where it stands in the object, e.g. `spec.policy`.
    pub(crate) path: &'static str,
    /// The key at the end of the path.
    pub(crate) span: Span,
}

/// What an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldKind {
    /// A policy for endpoints that another object or the cloud serves.
    Policy,
    /// The policy of an endpoint without an upstream of its own.
    CloudPolicy,
    /// The rules of an IP policy.
    IpPolicyRules,
}

/// The kinds that hold something of ours, and where; of several places the first that is there counts.
const HOLDERS: &[(&str, HeldKind, &[&str])] = &[
    ("NgrokTrafficPolicy", HeldKind::Policy, &["spec.policy", "spec"]),
    ("TrafficPolicy", HeldKind::Policy, &["spec.policy", "spec"]),
    ("AgentEndpoint", HeldKind::Policy, &["spec.trafficPolicy.inline", "spec.trafficPolicy.policy"]),
    ("CloudEndpoint", HeldKind::CloudPolicy, &["spec.trafficPolicy.inline", "spec.trafficPolicy.policy"]),
    ("IPPolicy", HeldKind::IpPolicyRules, &["spec.rules"]),
];

/// Reads a node as an object of Kubernetes; `None` if it is none.
pub(crate) fn object(node: NodeRef<'_>) -> Option<Object<'_>> {
    let fields = Fields::from_node(node)?;
    let (version, kind) = (scalar(fields.get("apiVersion")?)?, scalar(fields.get("kind")?)?);
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let is_ours = group.strip_suffix(GROUP).is_some_and(|front| front.is_empty() || front.ends_with('.'));
    let holder = HOLDERS.iter().find(|(name, ..)| is_ours && *name == kind);
    let holds = holder.and_then(|(_, what, paths)| {
        let found = paths.iter().find_map(|path| Some((*path, key_at(node, path)?)));
        found.map(|(path, span)| Held { what: *what, path, span })
    });
    let name =
        fields.get("metadata").and_then(Fields::from_node).and_then(|it| it.get("name")).and_then(scalar);
    Some(Object { kind, name, holds })
}

/// The key at the end of a path with dots.
fn key_at(node: NodeRef<'_>, path: &str) -> Option<Span> {
    let (mut node, mut span) = (node, None);
    for key in path.split('.') {
        let field = Fields::from_node(node)?.field(key)?;
        (node, span) = (field.value, Some(field.span));
    }
    span
}

fn scalar(node: NodeRef<'_>) -> Option<&str> {
    match node.kind() {
        NodeKind::Scalar(scalar) => Some(scalar.text),
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostics;
    use crate::parse::{Limits, parse};
    use crate::source::Source;

    /// The path of what an object holds; `-` for nothing, empty for what is no object.
    fn path(text: &str) -> &'static str {
        let source = Source::new("m.yml", text);
        let document = parse(&source, &Limits::default(), &mut Diagnostics::default());
        match object(document.root().expect("a root")) {
            Some(object) => object.holds.map_or("-", |held| held.path),
            None => "",
        }
    }

    #[test]
    fn objects_hold_what_their_kind_and_group_say() {
        let of = |group: &str, kind: &str, spec: &str| {
            path(&format!(
                "{{apiVersion: {group}/v1alpha1, kind: {kind}, metadata: {{name: a}}, spec: {spec}}}"
            ))
        };
        let ours = "ngrok.k8s.ngrok.com";
        assert_eq!(of(ours, "NgrokTrafficPolicy", "{policy: {on_tcp_connect: []}}"), "spec.policy");
        assert_eq!(of("ngrok.com", "TrafficPolicy", "{policy: {}}"), "spec.policy");
        assert_eq!(of(ours, "NgrokTrafficPolicy", "{polcy: {}}"), "spec");
        assert_eq!(of(ours, "CloudEndpoint", "{trafficPolicy: {inline: {}}}"), "spec.trafficPolicy.inline");
        assert_eq!(of(ours, "CloudEndpoint", "{trafficPolicy: {policy: {}}}"), "spec.trafficPolicy.policy");
        assert_eq!(of(ours, "AgentEndpoint", "{trafficPolicy: {inline: {}}}"), "spec.trafficPolicy.inline");
        assert_eq!(of(ours, "AgentEndpoint", "{trafficPolicy: {targetRef: {name: a}}}"), "-");
        assert_eq!(of(ours, "CloudEndpoint", "{trafficPolicyName: a}"), "-");
        assert_eq!(of("ingress.k8s.ngrok.com", "IPPolicy", "{rules: []}"), "spec.rules");
        // The same names of other vendors.
        assert_eq!(of("gateway.example.org", "TrafficPolicy", "{policy: {}}"), "-");
        assert_eq!(of("notngrok.com", "NgrokTrafficPolicy", "{policy: {}}"), "-");
        assert_eq!(path("{apiVersion: v1, kind: ConfigMap, data: {}}"), "-");
        assert_eq!(path("{kind: NgrokTrafficPolicy, spec: {policy: {}}}"), "");
        assert_eq!(path("[1]"), "");
    }
}
