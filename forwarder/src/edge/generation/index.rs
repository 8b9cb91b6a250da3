//! The endpoints of a configuration, found without a walk.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use policy_core::edge::EdgeConfig;
use policy_core::edge::Endpoint;

/// What makes a listener the same across reloads: its address; where its port is any free one, the name of
/// its endpoint as well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ListenerKey {
    Address(SocketAddr),
    AnyPort(Box<str>, IpAddr),
}

impl ListenerKey {
    pub(crate) fn from_endpoint(endpoint: &Endpoint) -> Self {
        match endpoint.listen.value {
            address if address.port() == 0 => Self::AnyPort(endpoint.name.value.clone(), address.ip()),
            address => Self::Address(address),
        }
    }
}

/// Where the endpoints stand.
#[derive(Debug)]
pub(super) struct Index {
    by_listener: HashMap<ListenerKey, usize>,
    by_name: HashMap<Box<str>, usize>,
}

impl Index {
    pub(super) fn from_config(config: &EdgeConfig) -> Self {
        let all = || config.endpoints.iter().enumerate();
        Self {
            by_listener: all().map(|(at, endpoint)| (ListenerKey::from_endpoint(endpoint), at)).collect(),
            by_name: all().map(|(at, endpoint)| (endpoint.name.value.clone(), at)).collect(),
        }
    }

    pub(super) fn at_listener(&self, key: &ListenerKey) -> Option<usize> {
        self.by_listener.get(key).copied()
    }

    pub(super) fn at_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}
