//! Categories of addresses: which networks belong to which, from a file, as a dry run takes them.
//!
//! YAML or JSON, a map: each category has a network, or a list of them. An address has the categories of every network that
//! it lies in.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::diagnostic::Diagnostics;
use crate::language::language;
use crate::lpm::masked;
use crate::options::CheckOptions;
use crate::parse::{self, NodeRef};
use crate::reader::{Field, Fields, Reader, head};
use crate::schema::{Context, Kind as _, Network};
use crate::source::Source;

/// Characters of a category's name; real ones have up to 50.
const MAX_NAME: usize = 200;

/// The categories of addresses.
///
/// ```
/// use policy_core::{categories::load_categories, source::Source};
/// let text = "com.example.office: [203.0.113.0/24, 2001:db8::/32]\nproxy.vpn.pia: 203.0.113.128/25\n";
/// let (categories, _) = load_categories(&Source::new("categories.yml", text));
/// let categories = categories.expect("right");
/// assert_eq!(categories.of("203.0.113.200".parse()?), ["com.example.office", "proxy.vpn.pia"]);
/// assert!(categories.of("198.51.100.1".parse()?).is_empty());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Categories {
    networks: HashMap<IpNetwork, Vec<Arc<str>>>,
    /// The lengths of the networks of each family: what has to be looked up for an address.
    lengths: [BTreeSet<u8>; 2],
}

impl Categories {
    /// The categories of an address, those of large networks first, each once. O(lengths of networks + categories of these).
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Vec<&str> {
        let address = address.to_canonical();
        let [v4, v6] = &self.lengths;
        let (mut out, mut seen): (Vec<&str>, HashSet<&str>) = Default::default();
        for length in if address.is_ipv4() { v4 } else { v6 } {
            let Ok(network) = IpNetwork::new(address, *length) else { continue };
            let names = self.networks.get(&masked(network)).into_iter().flatten();
            out.extend(names.map(|name| &**name).filter(|name| seen.insert(name)));
        }
        out
    }

    fn add(&mut self, network: IpNetwork, name: &Arc<str>) {
        let network = masked(network);
        let [v4, v6] = &mut self.lengths;
        if network.is_ipv4() { v4 } else { v6 }.insert(network.prefix());
        self.networks.entry(network).or_default().push(Arc::clone(name));
    }
}

/// Reads a file of categories; they are there if nothing found is an error.
#[must_use]
pub fn load_categories(source: &Source) -> (Option<Categories>, Diagnostics) {
    let (options, mut found) = (CheckOptions::default(), Diagnostics::default());
    let document = parse::parse(source, &options.limits, &mut found);
    let reader = Reader::new(&document, &options, language());
    let loaded = document.root().and_then(|root| all(root, &reader));
    found.append(reader.into_diagnostics());
    found.sort();
    (loaded.filter(|_| !found.has_errors()), found)
}

fn all<'d>(root: NodeRef<'d>, reader: &Reader<'d>) -> Option<Categories> {
    let Some(fields) = Fields::from_node(root) else {
        let help = "write e.g. `com.example.office: [203.0.113.0/24]`";
        reader.wrong_type(root, "categories, a map", help);
        return None;
    };
    let cx = Context { reader, place: None, owner: ("the file", head(root).at_start()) };
    let mut out = Categories::default();
    for field in &fields.entries {
        let Some(name) = name(field, reader) else { continue };
        let networks = match field.value.is_list() {
            true => reader.list(field.value, "a category").unwrap_or_default(),
            false => vec![field.value],
        };
        for network in networks {
            if let Some(network) = Network.read(network, "a network", &cx) {
                out.add(network.value, &name);
            }
        }
    }
    Some(out)
}

/// The name of a category: words with dots between them.
fn name(field: &Field<'_>, reader: &Reader<'_>) -> Option<Arc<str>> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
    };
    if field.key.len() <= MAX_NAME && field.key.split('.').all(is_word) {
        return Some(field.key.into());
    }
    let help = match field.key.contains(['/', ':']) {
        true => "the category comes first: `com.example.office: [203.0.113.0/24]`",
        false => "write words with dots between them, e.g. `com.example.office`",
    };
    reader.invalid(field.span, "this is not the name of a category", help);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Categories, String> {
        let source = Source::new("c.yml", text);
        let (categories, found) = load_categories(&source);
        let told = |item: &crate::diagnostic::Diagnostic| {
            format!("{} {} {}", source.position(item.span.start), item.code.id, item.message)
        };
        categories.ok_or_else(|| found.iter().map(told).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn an_address_has_the_categories_of_all_networks_around_it() {
        let text = "{a: [10.0.0.0/8, '::/0'], b.c: 10.1.0.0/16, d: ['10.0.0.0/8', 10.1.2.3/32], a.e: []}";
        let categories = load(text).expect("right");
        let of = |address: &str| categories.of(address.parse().expect("an address")).join(" ");
        assert_eq!(of("10.1.2.3"), "a d b.c");
        assert_eq!((&*of("::ffff:10.1.9.9"), &*of("10.2.0.0")), ("a d b.c", "a d"));
        assert_eq!((&*of("2001:db8::1"), &*of("192.0.2.1")), ("a", ""));
    }

    #[test]
    fn what_is_wrong_is_named_at_its_place() {
        let error = |text: &str| load(text).expect_err(text);
        assert!(error("a: [10.0.0.0/8, no]").starts_with("1:17 TP431 "));
        assert!(error("a b: 10.0.0.0/8").starts_with("1:1 TP308 this is not the name of a category"));
        assert!(error("10.0.0.0/8: a").starts_with("1:1 TP308 "));
        assert!(error("[10.0.0.0/8]").starts_with("1:1 TP301 "));
        assert!(error("a: {b: 10.0.0.0/8}").starts_with("1:4 TP301 "));
        assert!(error("a: 10.0.0.0/8\na: 10.0.0.0/8").starts_with("2:1 TP105 "));
    }
}
