//! Resolve: which of many endpoints, wildcards among them, serves a target.
//!
//! One rule for edges, dry runs, checks and the search for circles: of the URLs that cover a target
//! ([`EndpointUrl::covers`]) the most specific one serves it ([`EndpointUrl::specificity`]), an exact one before a
//! wildcard, a longer wildcard before a shorter one; of endpoints that share a URL one takes the connection.

use std::collections::HashMap;

use crate::url::{EndpointUrl, Scheme};

/// What is told apart at one host.
type Service = (Scheme, Option<u16>);

/// URLs up to which each is compared.
const FEW: usize = 8;

/// URLs by what they cover: an exact one before a wildcard, a longer wildcard before a shorter one.
#[derive(Clone, Debug, Default)]
pub struct UrlIndex {
    exact: HashMap<EndpointUrl, usize>,
    /// By what follows the `*`.
    wild: HashMap<Box<str>, HashMap<Service, usize>>,
}

impl UrlIndex {
    /// An index of URLs by their places; of equal ones the first counts. O(length of all).
    #[must_use]
    pub fn new<'u>(urls: impl Iterator<Item = &'u EndpointUrl>) -> Self {
        let mut index = Self::default();
        for (at, url) in urls.enumerate() {
            match url.host().strip_prefix('*') {
                Some(suffix) => {
                    let of = index.wild.entry(suffix.into()).or_default();
                    of.entry((url.scheme(), url.port())).or_insert(at);
                }
                None => {
                    index.exact.entry(url.clone()).or_insert(at);
                }
            }
        }
        index
    }

    /// The place of the URL that serves a target. O(length), however many URLs there are; allocates nothing.
    #[must_use]
    pub fn find(&self, target: &EndpointUrl) -> Option<usize> {
        // To look at a few takes less time than to take a digest of the target.
        let exact = match self.exact.len() {
            ..=FEW => self.exact.iter().find(|(url, _)| *url == target).map(|(_, at)| *at),
            _ => self.exact.get(target).copied(),
        };
        if exact.is_some() {
            return exact;
        }
        if self.wild.is_empty() {
            return None;
        }
        let key = (target.scheme(), target.port());
        // What stands before the first dot is never empty: a `*` stands for something.
        let suffixes = target.host().match_indices('.').filter_map(|(at, _)| target.host().get(at..));
        suffixes.filter_map(|suffix| self.wild.get(suffix)?.get(&key).copied()).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_the_search_through_all() {
        let urls: Vec<EndpointUrl> = [
            "tcp://a.internal:1",
            "tcp://*.internal:1",
            "tcp://*.b.internal:1",
            "tcp://*.c.b.internal:1",
            "tcp://c.b.internal:1",
            "tcp://c.b.internal:2",
            "tcp://*.b.internal:2",
            "https://*.b.internal",
            "https://d.b.internal:443",
            "tls://*.b.internal:8443",
            "tcp://*.c.b.internal:1",
            "tcp://a.internal:1",
        ]
        .iter()
        .map(|text| EndpointUrl::parse(text).expect("a URL"))
        .collect();
        let index = UrlIndex::new(urls.iter());
        let candidates = |target: &EndpointUrl| {
            let place = |url: &EndpointUrl| urls.iter().position(|other| other == url);
            place(target).or_else(|| target.wildcards().find_map(|url| place(&url)))
        };
        let naive = |target: &EndpointUrl| {
            let covering = urls.iter().enumerate().rev().filter(|(_, url)| url.covers(target));
            covering.max_by_key(|(_, url)| url.specificity()).map(|(at, _)| at)
        };
        let hosts = ["a", "b", "c.b", "d.c.b", "e.d.c.b", "xb", "x.a", "*", "*.b", "*.c.b", "d.b"];
        for host in hosts
            .iter()
            .map(|host| format!("{host}.internal"))
            .chain(["internal".into(), "[::1.2.3.4]".into()])
        {
            for (scheme, port) in [
                ("tcp", ":1"),
                ("tcp", ":2"),
                ("https", ""),
                ("https", ":443"),
                ("tls", ":8443"),
                ("tls", ""),
            ] {
                let target = EndpointUrl::parse(&format!("{scheme}://{host}{port}")).expect("a URL");
                assert_eq!(index.find(&target), naive(&target), "{target}");
                assert_eq!(candidates(&target), naive(&target), "{target}");
            }
        }
    }
}
