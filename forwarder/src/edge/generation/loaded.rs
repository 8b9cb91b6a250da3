//! A configuration ready to serve, and its endpoints found in it.

use std::path::PathBuf;

use policy_core::edge::EdgeConfig;
use policy_core::url::EndpointUrl;

use super::index::{Index, ListenerKey};
use super::policy::{EndpointPolicy, NotLoaded};

/// A configuration ready to serve. Immutable; shared behind an `Arc`.
#[derive(Debug)]
pub struct Generation {
    /// The configuration.
    pub config: EdgeConfig,
    /// The policy of each endpoint, in the order of the configuration.
    pub programs: Vec<EndpointPolicy>,
    /// The policy of each internal endpoint that has one, in the order of the configuration.
    pub internal_programs: Vec<Option<EndpointPolicy>>,
    /// The endpoints whose policies could not be loaded.
    pub not_loaded: Vec<NotLoaded>,
    /// The files of IP policies that could not be used, as the configuration names them.
    pub unusable_ip_policies: Vec<Box<str>>,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    pub(super) index: Index,
}

impl Generation {
    /// The endpoint behind a listener, by its index in the configuration. O(1).
    pub(crate) fn at_listener(&self, key: &ListenerKey) -> Option<usize> {
        self.index.at_listener(key)
    }

    /// Lets every endpoint listen on a port that the system chooses.
    pub(crate) fn listen_on_any_port(&mut self) {
        self.config.endpoints.iter_mut().for_each(|endpoint| endpoint.listen.value.set_port(0));
        self.index = Index::from_config(&self.config);
    }

    /// The endpoint of a name, by its index in the configuration. O(1).
    pub(crate) fn at_name(&self, name: &str) -> Option<usize> {
        self.index.at_name(name)
    }

    /// The internal endpoint with exactly this URL, by its index in the configuration.
    pub(crate) fn at_internal_url(&self, url: &EndpointUrl) -> Option<usize> {
        let same =
            |at: &usize| self.config.internal_endpoints.get(*at).is_some_and(|it| it.url.value == *url);
        self.config.internal_endpoint(url).filter(same)
    }
}
