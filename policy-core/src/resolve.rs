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

/// Endpoints by URL, wildcards among them, and which of them serves a target.
///
/// ```
/// use policy_core::{resolve::UrlMap, url::EndpointUrl};
/// let url = |text| EndpointUrl::parse(text).expect("a URL");
/// let mut endpoints = UrlMap::default();
/// endpoints.get_or_insert_with(&url("tcp://*.internal:22"), || "far");
/// endpoints.get_or_insert_with(&url("tcp://*.site.internal:22"), || "near");
/// assert_eq!(endpoints.serving(&url("tcp://a.site.internal:22")).map(|(_, it)| *it), Some("near"));
/// assert_eq!(endpoints.serving(&url("tcp://a.other.internal:22")).map(|(_, it)| *it), Some("far"));
/// assert_eq!(endpoints.serving(&url("tcp://a.other.internal:23")), None);
/// ```
#[derive(Clone, Debug)]
pub struct UrlMap<V> {
    exact: HashMap<EndpointUrl, V>,
    /// By what follows the `*`.
    wild: HashMap<Box<str>, HashMap<Service, (EndpointUrl, V)>>,
}

impl<V> Default for UrlMap<V> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wild: HashMap::new() }
    }
}

impl UrlMap<usize> {
    /// URLs by their places; of equal ones the first counts. O(length of all).
    #[must_use]
    pub fn from_urls<'u>(urls: impl Iterator<Item = &'u EndpointUrl>) -> Self {
        let mut places = Self::default();
        for (at, url) in urls.enumerate() {
            places.get_or_insert_with(url, || at);
        }
        places
    }
}

impl<V> UrlMap<V> {
    /// What is at exactly this URL.
    #[must_use]
    pub fn get(&self, url: &EndpointUrl) -> Option<&V> {
        match suffix_of(url) {
            None => self.exact.get(url),
            Some(suffix) => Some(&self.wild.get(suffix)?.get(&service_of(url))?.1),
        }
    }

    /// What is at exactly this URL, to be changed.
    pub fn get_mut(&mut self, url: &EndpointUrl) -> Option<&mut V> {
        match suffix_of(url) {
            None => self.exact.get_mut(url),
            Some(suffix) => Some(&mut self.wild.get_mut(suffix)?.get_mut(&service_of(url))?.1),
        }
    }

    /// What is at exactly this URL; put there if nothing is.
    pub fn get_or_insert_with(&mut self, url: &EndpointUrl, value: impl FnOnce() -> V) -> &mut V {
        match suffix_of(url) {
            None => self.exact.entry(url.clone()).or_insert_with(value),
            Some(suffix) => {
                let services = self.wild.entry(suffix.into()).or_default();
                &mut services.entry(service_of(url)).or_insert_with(|| (url.clone(), value())).1
            }
        }
    }

    /// Takes out what is at exactly this URL.
    pub fn remove(&mut self, url: &EndpointUrl) -> Option<V> {
        let Some(suffix) = suffix_of(url) else { return self.exact.remove(url) };
        let services = self.wild.get_mut(suffix)?;
        let (_, value) = services.remove(&service_of(url))?;
        if services.is_empty() {
            self.wild.remove(suffix);
        }
        Some(value)
    }

    /// True if there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wild.is_empty()
    }

    /// All that there is, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        let wild = self.wild.values().flat_map(HashMap::values).map(|(_, value)| value);
        self.exact.values().chain(wild)
    }

    /// Who serves a target, and its URL. O(length), however many URLs there are; allocates nothing.
    #[must_use]
    pub fn serving(&self, target: &EndpointUrl) -> Option<(&EndpointUrl, &V)> {
        // To look at a few takes less time than to take a digest of the target.
        let exact = match self.exact.len() {
            ..=FEW => self.exact.iter().find(|(url, _)| *url == target),
            _ => self.exact.get_key_value(target),
        };
        if exact.is_some() || self.wild.is_empty() {
            return exact;
        }
        let service = service_of(target);
        // What stands before the first dot is never empty: a `*` stands for something.
        let suffixes = target.host().match_indices('.').filter_map(|(at, _)| target.host().get(at..));
        let mut covering = suffixes.filter_map(|suffix| self.wild.get(suffix)?.get(&service));
        covering.next().map(|(url, value)| (url, value))
    }
}

/// What follows the `*` of a wildcard.
fn suffix_of(url: &EndpointUrl) -> Option<&str> {
    url.host().strip_prefix('*')
}

fn service_of(url: &EndpointUrl) -> Service {
    (url.scheme(), url.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_serves_is_the_search_through_all() {
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
        let places = UrlMap::from_urls(urls.iter());
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
                let found = places.serving(&target);
                assert_eq!(found.map(|(_, at)| *at), naive(&target), "{target}");
                assert!(found.is_none_or(|(url, at)| urls.get(*at) == Some(url)), "{target}");
            }
        }
    }

    #[test]
    fn what_is_put_in_is_found_and_taken_out() {
        let mut map = UrlMap::default();
        let texts =
            ["tcp://a.internal:1", "tcp://*.internal:1", "tls://*.internal:1", "tcp://*.a.internal:1"];
        let urls = texts.map(|text| EndpointUrl::parse(text).expect("a URL"));
        for (at, url) in urls.iter().enumerate() {
            assert_eq!(map.get(url), None);
            assert_eq!(*map.get_or_insert_with(url, || at), at);
            assert_eq!(*map.get_or_insert_with(url, || 99), at, "it is there");
            *map.get_mut(url).expect("it is there") += 10;
            assert_eq!(map.get(url), Some(&(at + 10)));
        }
        let mut values: Vec<_> = map.values().copied().collect();
        values.sort_unstable();
        assert_eq!(values, [10, 11, 12, 13]);
        let deep = EndpointUrl::parse("tcp://x.a.internal:1").expect("a URL");
        let serves = |map: &UrlMap<usize>| map.serving(&deep).map(|(url, at)| (url.to_string(), *at));
        assert_eq!(serves(&map), Some(("tcp://*.a.internal:1".to_owned(), 13)));
        assert_eq!(map.remove(&urls[3]), Some(13));
        assert_eq!(serves(&map), Some(("tcp://*.internal:1".to_owned(), 11)));
        for (at, url) in urls.iter().enumerate().take(3) {
            assert!(!map.is_empty());
            assert_eq!(map.remove(url), Some(at + 10));
            assert_eq!((map.remove(url), map.get(url)), (None, None));
        }
        assert!(map.is_empty() && map.wild.is_empty());
    }
}
