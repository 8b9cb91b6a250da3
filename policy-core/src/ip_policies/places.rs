//! Where a network of an IP policy is written. Cold: the files are read again.

use ipnetwork::IpNetwork;

use super::{ACTION, ACTIONS, CIDR, FILES, ID, IP_POLICIES, ListReader, PATH, RULES, ReadList};
use crate::diagnostic::Diagnostics;
use crate::lpm::cidr;
use crate::options::CheckOptions;
use crate::parse::{self, NodeKind, NodeRef};
use crate::reader::Fields;
use crate::source::Source;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedAt {
    /// The file of IP policies, or a list.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// Where an IP policy has a network that it allows or denies: in its own file, or in a list that it names. Of lists outside of
/// the folder nothing is told. O(bytes of the files).
///
/// ```
/// use policy_core::{ip_policies::find_network, named_file::NamedFile, source::Source};
/// let source = Source::new("ip.yml", "[{id: ipp_a, files: [{path: list.txt, action: deny}]}]");
/// let mut read = |name: &str, feed: &mut dyn FnMut(&[u8])| {
///     feed(b"# of today\n203.0.113.0/24\n");
///     NamedFile::new(name.to_owned(), Ok(()))
/// };
/// let network = "203.0.113.0/24".parse().expect("a network");
/// let at = find_network(&source, "ipp_a", (network, false), &mut read).expect("it is there");
/// assert_eq!((&*at.file, at.line), ("list.txt", 2));
/// ```
#[must_use]
pub fn find_network(
    source: &Source,
    id: &str,
    (network, allow): (IpNetwork, bool),
    read: ReadList<'_>,
) -> Option<ListedAt> {
    let document = parse::parse(source, &CheckOptions::default().limits, &mut Diagnostics::default());
    let root = document.root()?;
    let list = Fields::from_node(root).and_then(|fields| fields.get(IP_POLICIES.name())).unwrap_or(root);
    let policy =
        items(list).filter_map(Fields::from_node).find(|policy| text(policy, ID.name()) == Some(id))?;
    let action = ACTIONS.iter().find(|(_, allows)| *allows == allow).map(|(action, _)| *action)?;
    let of = |key: &str| {
        let entries = policy.get(key).into_iter().flat_map(items).filter_map(Fields::from_node);
        // Rules and files call it alike.
        entries.filter(|entry| text(entry, ACTION.name()) == Some(action)).collect::<Vec<_>>()
    };
    let is_it = |rule: &&Fields<'_>| {
        text(rule, CIDR.name())
            .and_then(|text| cidr(text).ok())
            .is_some_and(|parsed| parsed.network == network)
    };
    if let Some(rule) = of(RULES.name()).iter().find(is_it).and_then(|rule| rule.get(CIDR.name())) {
        let line = source.position(rule.span().start).line;
        return Some(ListedAt { file: source.name().to_owned(), line });
    }
    of(FILES.name())
        .iter()
        .filter_map(|file| text(file, PATH.name()))
        .find_map(|path| in_list(path, network, read))
}

fn in_list(path: &str, network: IpNetwork, read: ReadList<'_>) -> Option<ListedAt> {
    let mut reader = ListReader::new(path).seeking(network);
    let file = read(path, &mut |bytes| reader.feed(bytes));
    let line = reader.finish().line?;
    (file.content.is_ok() && !file.outside).then_some(ListedAt { file: file.shown, line })
}

fn items(node: NodeRef<'_>) -> impl Iterator<Item = NodeRef<'_>> {
    let items = match node.kind() {
        NodeKind::Sequence(items) => Some(items.iter()),
        NodeKind::Scalar(_) | NodeKind::Mapping(_) => None,
    };
    items.into_iter().flatten()
}

fn text<'d>(fields: &Fields<'d>, key: &str) -> Option<&'d str> {
    match fields.get(key)?.kind() {
        NodeKind::Scalar(scalar) => Some(scalar.text),
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::named_file::NamedFile;

    const FILE: &str = "ip_policies:
- id: ipp_a
  rules:
    - {cidr: 10.0.0.1/8, action: allow}
    - {cidr: 192.0.2.0/24, action: deny}
  files:
    - {path: first.txt, action: deny}
    - {path: second.txt, action: deny}
    - {path: outside.txt, action: deny}
    - {path: gone.txt, action: allow}
- id: ipp_b
  files: [{path: second.txt, action: allow}]
";

    fn find(id: &str, network: &str, allow: bool) -> Option<String> {
        let mut read = |name: &str, feed: &mut dyn FnMut(&[u8])| {
            feed(match name {
                "first.txt" => b"nonsense\n\n203.0.113.0/24\n",
                "second.txt" => b"\xef\xbb\xbf198.51.100.7 # one\r\n203.0.113.0/24\n203.0.113.0/24",
                _ => b"2001:db8::/32\n",
            });
            let content = if name == "gone.txt" { Err("it is gone".to_owned()) } else { Ok(()) };
            NamedFile::new(name.to_owned(), content).outside(name == "outside.txt")
        };
        let network = network.parse().expect("a network");
        let at = find_network(&Source::new("ip.yml", FILE), id, (network, allow), &mut read)?;
        Some(format!("{}:{}", at.file, at.line))
    }

    #[test]
    fn networks_are_found_where_they_are_written() {
        let at = |id, network, allow| find(id, network, allow).unwrap_or_default();
        assert_eq!(at("ipp_a", "10.0.0.0/8", true), "ip.yml:4");
        assert_eq!(at("ipp_a", "10.0.0.0/8", false), "");
        assert_eq!(at("ipp_a", "203.0.113.0/24", false), "first.txt:3");
        assert_eq!(at("ipp_a", "198.51.100.7/32", false), "second.txt:1");
        assert_eq!(at("ipp_b", "203.0.113.0/24", true), "second.txt:2");
        assert_eq!(at("ipp_c", "203.0.113.0/24", true), "");
        // Nothing of what must not be shown, or was not read whole.
        assert_eq!(at("ipp_a", "2001:db8::/32", false), "");
        assert_eq!(at("ipp_a", "2001:db8::/32", true), "");
    }
}
