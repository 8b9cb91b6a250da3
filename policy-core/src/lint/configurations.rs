//! Which configurations are ours. Gateways, monitors and CI services have versions, endpoints, tunnels and agents too: a
//! key that they share with us says nothing, the shape of what is below it does.

use super::shapes::MAX_ITEMS;
use crate::agent::{
    self, AGENT, BINDINGS, ENDPOINT_FIELDS, ENDPOINTS, METADATA, POOLING_ENABLED, TUNNELS, UPSTREAM,
    UPSTREAM_URL, URL, VERSION, is_setting,
};
use crate::diagnostic::did_you_mean;
use crate::edge;
use crate::parse::NodeKind;
use crate::reader::{Field, Fields};
use crate::schema::{Declared, names};
use crate::settings::agent::AUTHTOKEN;
use crate::settings::{CERTIFICATE_FILES, TLS, TRAFFIC_POLICY, TRAFFIC_POLICY_FILE, tunnel};

/// Keys that give an endpoint its policy.
const POLICY_KEYS: &[&str] = &[TRAFFIC_POLICY.name(), TRAFFIC_POLICY_FILE.name()];
/// Keys of an agent's endpoint that monitors do not have.
const OFFERED_KEYS: &[&str] =
    &[UPSTREAM.name(), BINDINGS.name(), POOLING_ENABLED.name(), METADATA.name(), TLS.name()];
/// Keys of a tunnel that say what it leads to.
const TUNNEL_KEYS: &[&str] = &[tunnel::PROTO.name(), tunnel::ADDR.name(), tunnel::LABELS.name()];
/// Keys that only edges have. Their fields are declared for the reader of edges alone; a test compares.
const INTERNAL_ENDPOINTS: &str = "internal_endpoints";
const AGENTS: &str = "agents";
const STATE_DIR: &str = "state_dir";
const LISTEN: &str = "listen";
const NAMES: &str = "names";
const ON_BAD_POLICY: &str = "on_bad_policy";
/// Letters from which on a misspelt key is told from another word.
const MIN_NEAR_LETTERS: usize = 4;

/// How surely a part of a file belongs to a configuration of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// It has the shape of another program's.
    Foreign,
    /// Nothing in it speaks against it, e.g. an empty list.
    Possible,
    /// It has what only ours have.
    Certain,
}

/// What an item of a list is like.
type ItemLikeness = fn(&Fields<'_>) -> Likeness;

/// How many keys of a map are ours, and how many are not.
#[derive(Clone, Copy)]
struct Tally {
    ours: usize,
    others: usize,
}

impl Tally {
    /// Counts among the first keys of a map; the rest is not ours.
    fn new(fields: &Fields<'_>, is_ours: impl Fn(&str) -> bool) -> Self {
        let ours = fields.entries.iter().take(MAX_ITEMS).filter(|field| is_ours(field.key)).count();
        Self { ours, others: fields.entries.len() - ours }
    }

    const fn is_mostly_ours(self) -> bool {
        self.ours > self.others
    }
}

/// True for the configuration of an edge.
pub(super) fn is_edge(top: &Fields<'_>) -> bool {
    let endpoints = list_likeness(top, ENDPOINTS.name(), edge_endpoint);
    let internal = list_likeness(top, INTERNAL_ENDPOINTS, internal_endpoint);
    let agents = field(top, AGENTS).map(agents_likeness);
    let keys = Tally::new(top, |key| is_near_field(key, edge::TOP_FIELDS));
    if internal == Some(Likeness::Certain) {
        return true;
    }
    if version(top) != Some("1") {
        // Without a version it takes what configurations of agents do not have.
        let listens = endpoints == Some(Likeness::Certain)
            && lists_any(top, ENDPOINTS.name(), &[LISTEN, ON_BAD_POLICY]);
        let admits = agents == Some(Likeness::Certain) && endpoints >= Some(Likeness::Possible);
        return listens || admits || internal == Some(Likeness::Possible) && keys.others == 0;
    }
    let parts = [endpoints, internal, agents];
    if parts.contains(&Some(Likeness::Certain)) {
        return true;
    }
    let has_part = parts.contains(&Some(Likeness::Possible));
    let has_state = has_any(top, &[STATE_DIR]) && keys.is_mostly_ours();
    !parts.contains(&Some(Likeness::Foreign)) && (keys.others == 0 && has_part || has_state)
}

/// True for the configuration of an agent.
pub(super) fn is_agent(top: &Fields<'_>) -> bool {
    let endpoints = list_likeness(top, ENDPOINTS.name(), agent_endpoint);
    let version = version(top).map(|version| version.trim_start_matches('v'));
    let is_versioned = matches!(version, Some("2" | "3"));
    let settings = settings_likeness(top, is_versioned);
    if [endpoints, settings].contains(&Some(Likeness::Certain)) || has_tunnels(top) {
        return true;
    }
    // Settings at the top, as version 2 has them.
    let has_token = top.entries.iter().any(|field| resembles(field.key, AUTHTOKEN.name()));
    let flat =
        Tally::new(top, |key| key != VERSION.name() && (is_setting(key) || resembles(key, AUTHTOKEN.name())));
    let others = flat.others - usize::from(version.is_some());
    let is_flat = flat.ours > others || has_token && flat.ours == others;
    if !is_versioned {
        let has_endpoints_alone = top.entries.iter().all(|field| field.key == ENDPOINTS.name());
        return is_flat && has_any(top, &[AUTHTOKEN.name()])
            || has_endpoints_alone && lists_any(top, ENDPOINTS.name(), OFFERED_KEYS);
    }
    // Version 2 had a region.
    let at_top = names(agent::TOP).chain(ignored(agent::OLD_IGNORED));
    let is_ours = |key: &str| is_setting(key) || is_near_any(key, at_top.clone());
    let is_possible =
        ![endpoints, settings].contains(&Some(Likeness::Foreign)) && Tally::new(top, is_ours).others == 0;
    let mut fields = top.entries.iter().take(MAX_ITEMS);
    is_flat || is_possible || fields.any(|field| field_likeness(*field, agent_endpoint) == Likeness::Certain)
}

/// What stands below `agent`, with or without a slip of the pen: settings, or those of another program's agent.
fn settings_likeness(top: &Fields<'_>, is_versioned: bool) -> Option<Likeness> {
    let of_one = |agent: &Field<'_>| {
        let Some(fields) = Fields::from_node(agent.value) else { return possible_if(agent.is_empty()) };
        let is_old = |key: &str| is_versioned && ignored(agent::OLD_IGNORED).any(|old| old == key);
        let is_known = |key: &str| is_setting(key) || resembles(key, AUTHTOKEN.name()) || is_old(key);
        let keys = Tally::new(&fields, is_known);
        match keys.is_mostly_ours() || is_versioned && keys.ours > 0 && keys.ours == keys.others {
            true => Likeness::Certain,
            false => possible_if(keys.others == 0),
        }
    };
    top.entries.iter().filter(|field| resembles(field.key, AGENT.name())).map(of_one).max()
}

/// True for tunnels as version 2 has them.
fn has_tunnels(top: &Fields<'_>) -> bool {
    let is_tunnel = |field: &Field<'_>| {
        Fields::from_node(field.value).is_some_and(|tunnel| {
            let keys = Tally::new(&tunnel, |key| is_near_field(key, tunnel::FIELDS));
            keys.is_mostly_ours() && has_any(&tunnel, TUNNEL_KEYS)
        })
    };
    let tunnels = top.get(TUNNELS.name()).and_then(Fields::from_node);
    tunnels.is_some_and(|tunnels| tunnels.entries.iter().take(MAX_ITEMS).any(is_tunnel))
}

/// An endpoint of an edge has a policy, and a URL of the protocols that an edge serves.
fn edge_endpoint(fields: &Fields<'_>) -> Likeness {
    let keys = Tally::new(fields, |key| is_near_field(key, edge::ENDPOINT_FIELDS));
    let scheme = text(fields, URL.name()).and_then(|url| url.split_once("://")).map(|(scheme, _)| scheme);
    let is_stream = matches!(scheme, Some("tcp" | "tls")) || has_any(fields, &[LISTEN]) && scheme.is_some();
    match has_policy(fields) || has_any(fields, &[ON_BAD_POLICY]) || keys.is_mostly_ours() && is_stream {
        true => Likeness::Certain,
        false => possible_if(keys.others == 0 && !matches!(scheme, Some("http" | "https"))),
    }
}

/// An internal endpoint of an edge leads from a URL to an upstream.
fn internal_endpoint(fields: &Fields<'_>) -> Likeness {
    let keys = Tally::new(fields, |key| is_near_field(key, edge::INTERNAL_FIELDS));
    let leads = has_any(fields, &[URL.name()]) && has_any(fields, &[UPSTREAM.name()]);
    match has_policy(fields) || keys.is_mostly_ours() && leads {
        true => Likeness::Certain,
        false => possible_if(keys.others == 0),
    }
}

/// An endpoint of an agent has a policy, or an upstream with a URL.
fn agent_endpoint(fields: &Fields<'_>) -> Likeness {
    let keys = Tally::new(fields, |key| {
        ignored(agent::ENDPOINT_IGNORED).any(|old| old == key) || is_near_field(key, ENDPOINT_FIELDS)
    });
    let upstream = fields.get(UPSTREAM.name()).and_then(Fields::from_node);
    let leads = upstream.is_some_and(|upstream| has_any(&upstream, &[UPSTREAM_URL.name()]));
    let is_internal = text(fields, URL.name()).is_some_and(|url| url.contains(".internal"));
    let is_telling = leads && (keys.others == 0 || has_any(fields, &[URL.name()])) || is_internal;
    match has_policy(fields) || keys.is_mostly_ours() && is_telling {
        true => Likeness::Certain,
        false => possible_if(keys.others == 0),
    }
}

/// Where agents connect: an address and names.
fn agents_likeness(agents: Field<'_>) -> Likeness {
    let Some(fields) = Fields::from_node(agents.value) else { return possible_if(agents.is_empty()) };
    // The files of `tls` stand here at times.
    let files = names(CERTIFICATE_FILES.fields);
    let keys = Tally::new(&fields, |key| {
        files.clone().any(|file| file == key) || is_near_field(key, edge::AGENTS_FIELDS)
    });
    match has_any(&fields, &[LISTEN, NAMES]) && keys.is_mostly_ours() {
        true => Likeness::Certain,
        false => possible_if(keys.others == 0),
    }
}

const fn possible_if(is_possible: bool) -> Likeness {
    if is_possible { Likeness::Possible } else { Likeness::Foreign }
}

/// What a list at the top is like; `None` without it.
fn list_likeness(top: &Fields<'_>, list: &'static str, item: ItemLikeness) -> Option<Likeness> {
    field(top, list).map(|field| field_likeness(field, item))
}

/// What a list is like, or a map where a list belongs: the surest of its items counts.
fn field_likeness(field: Field<'_>, item: ItemLikeness) -> Likeness {
    let of_one = |node| Fields::from_node(node).map_or(Likeness::Foreign, |fields| item(&fields));
    match field.value.kind() {
        NodeKind::Sequence(items) => {
            items.iter().take(MAX_ITEMS).map(of_one).max().unwrap_or(Likeness::Possible)
        }
        NodeKind::Mapping(entries) => {
            let mut values = entries.iter().take(MAX_ITEMS).map(|(_, value)| value).chain([field.value]);
            match values.any(|value| of_one(value) == Likeness::Certain) {
                true => Likeness::Certain,
                false => possible_if(entries.iter().next().is_none()),
            }
        }
        NodeKind::Scalar(_) => possible_if(field.is_empty()),
    }
}

/// The entry of a key, also one without a value or with a slip of the pen.
fn field<'d>(fields: &Fields<'d>, key: &'static str) -> Option<Field<'d>> {
    let mut first = fields.entries.iter().take(MAX_ITEMS);
    let exact = fields.entries.iter().find(|field| field.key == key);
    exact.or_else(|| first.find(|field| resembles(field.key, key))).copied()
}

/// The text of an entry.
fn text<'d>(fields: &Fields<'d>, key: &str) -> Option<&'d str> {
    match fields.get(key)?.kind() {
        NodeKind::Scalar(scalar) => Some(scalar.text),
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
    }
}

fn version<'d>(top: &Fields<'d>) -> Option<&'d str> {
    text(top, VERSION.name())
}

fn has_any(fields: &Fields<'_>, keys: &[&str]) -> bool {
    fields.entries.iter().any(|field| keys.contains(&field.key))
}

/// True if a list has a map with one of these keys.
fn lists_any(top: &Fields<'_>, list: &str, keys: &[&str]) -> bool {
    let Some(NodeKind::Sequence(items)) = top.get(list).map(|node| node.kind()) else { return false };
    items.iter().take(MAX_ITEMS).filter_map(Fields::from_node).any(|item| has_any(&item, keys))
}

/// True for a map with a policy, with or without a slip of the pen.
fn has_policy(fields: &Fields<'_>) -> bool {
    fields.entries.iter().take(MAX_ITEMS).any(|field| is_near(field.key, POLICY_KEYS))
}

/// The names of fields that are ignored.
fn ignored(fields: &'static [(&'static str, &'static str)]) -> impl Iterator<Item = &'static str> + Clone {
    fields.iter().map(|(name, _)| *name)
}

fn resembles(key: &str, known: &'static str) -> bool {
    key == known || did_you_mean(key, [known]).is_some()
}

/// True for one of these keys, and for a misspelt one that is long enough to be told from another word.
fn is_near(key: &str, known: &[&'static str]) -> bool {
    is_near_any(key, known.iter().copied())
}

/// The same of declared fields.
fn is_near_field(key: &str, declared: Declared) -> bool {
    is_near_any(key, names(declared))
}

fn is_near_any(key: &str, mut known: impl Iterator<Item = &'static str> + Clone) -> bool {
    let long = known.clone().filter(|known| known.len() >= MIN_NEAR_LETTERS);
    known.any(|known| known == key) || key.len() >= MIN_NEAR_LETTERS && did_you_mean(key, long).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_edges_are_those_of_declared_fields() {
        for (declared, keys) in [
            (
                edge::TOP_FIELDS,
                &[VERSION.name(), ENDPOINTS.name(), INTERNAL_ENDPOINTS, AGENTS, STATE_DIR][..],
            ),
            (edge::ENDPOINT_FIELDS, &[URL.name(), LISTEN, ON_BAD_POLICY]),
            (edge::INTERNAL_FIELDS, &[URL.name(), UPSTREAM.name()]),
            (edge::AGENTS_FIELDS, &[LISTEN, NAMES]),
        ] {
            for key in keys {
                assert!(names(declared).any(|name| name == *key), "{key}");
            }
        }
    }
}
