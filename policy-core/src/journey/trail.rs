//! What is kept of a connection's way: where it went, and what was logged.

use std::sync::Arc;

use crate::parse::PlainMap;
use crate::url::EndpointUrl;

/// Bytes of metadata that the event of one connection may carry.
const MAX_LOGGED: usize = 64 << 10;

/// The targets that a connection was forwarded to, in order, and who took it there. Most have one at most, which takes
/// no memory of its own.
#[derive(Clone, Debug)]
pub struct Trail<E> {
    first: Option<(EndpointUrl, E)>,
    more: Vec<(EndpointUrl, E)>,
}

impl<E> Default for Trail<E> {
    fn default() -> Self {
        Self { first: None, more: Vec::new() }
    }
}

impl<E> Trail<E> {
    /// Each target and its endpoint.
    pub fn iter(&self) -> impl Iterator<Item = (&EndpointUrl, &E)> {
        self.first.iter().chain(&self.more).map(|(url, endpoint)| (url, endpoint))
    }

    /// Number of targets.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// True if the connection was not forwarded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push(&mut self, url: EndpointUrl, endpoint: E) {
        match self.first {
            None => self.first = Some((url, endpoint)),
            Some(_) => self.more.push((url, endpoint)),
        }
    }

    pub(super) fn truncate(&mut self, length: usize) {
        if length == 0 {
            self.first = None;
        }
        self.more.truncate(length.saturating_sub(1));
    }
}

/// What `log` actions attached to a connection, in order, up to 64 KiB.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    entries: Vec<Arc<PlainMap>>,
    weight: usize,
    dropped: u32,
}

impl Logs {
    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Arc<PlainMap>] {
        &self.entries
    }

    /// Entries left out because there would be too much.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    pub(super) fn add(&mut self, metadata: &Arc<PlainMap>) {
        self.weight = self.weight.saturating_add(metadata.weight() + 1);
        if self.weight > MAX_LOGGED {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            self.entries.push(Arc::clone(metadata));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_keeps_what_was_pushed_and_not_cut() {
        let url = |host: &str| EndpointUrl::parse(&format!("tcp://{host}.internal:22")).expect("a URL");
        let mut trail = Trail::default();
        assert!(trail.is_empty() && trail.iter().next().is_none());
        for (number, host) in ["a", "b", "c"].into_iter().enumerate() {
            trail.push(url(host), number);
            assert!(!trail.is_empty());
            assert_eq!(trail.len(), number + 1);
        }
        for length in [3, 2, 1, 0] {
            trail.truncate(length);
            assert_eq!(trail.len(), length);
            assert_eq!(
                trail.iter().map(|(_, number)| *number).collect::<Vec<_>>(),
                Vec::from_iter(0..length)
            );
        }
        assert!(trail.is_empty());
    }

    #[test]
    fn logs_take_so_much_and_count_the_rest() {
        let entry = |bytes: usize| {
            let text = crate::parse::Plain::String("x".repeat(bytes).into());
            Arc::new(PlainMap(vec![("k".into(), text)]))
        };
        let one = entry(MAX_LOGGED / 4 - 64);
        let each = one.weight() + 1;
        let fit = MAX_LOGGED / each;
        let mut logs = Logs::default();
        (0..fit).for_each(|_| logs.add(&one));
        assert_eq!((logs.entries().len(), logs.dropped()), (fit, 0));
        // The last byte fits; nothing does after it.
        let rest = entry(MAX_LOGGED - fit * each - entry(0).weight() - 1);
        logs.add(&rest);
        assert_eq!((logs.entries().len(), logs.dropped()), (fit + 1, 0));
        (1..4).for_each(|dropped| {
            logs.add(&entry(0));
            assert_eq!((logs.entries().len(), logs.dropped()), (fit + 1, dropped));
        });
    }
}
