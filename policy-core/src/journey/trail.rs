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
