//! What the API shows of the edge, and its reload.

use std::net::SocketAddr;

use serde::Serialize;

use crate::control::audit::Caller;

/// The part of the edge that the API shows and reloads.
pub trait EdgeControl: Send + Sync {
    /// What is served now. Does not wait.
    fn status(&self) -> EdgeStatus;

    /// Loads the configuration again, for a caller; waits until that is done. `None` if the edge stops.
    fn reload(&self, by: Caller) -> Option<ReloadReport>;
}

/// What an edge serves.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EdgeStatus {
    /// The endpoints of the configuration, in its order.
    pub endpoints: Vec<EndpointStatus>,
    /// How many internal endpoints the configuration has.
    pub internal_endpoints: usize,
    /// The endpoints, internal ones included, whose policy could not be loaded.
    pub not_loaded: Vec<NotLoadedView>,
    /// Connections that are open.
    pub connections: usize,
    /// Agents that are connected.
    pub agents: usize,
    /// The same by whose they are, in the order of the names.
    pub agents_by_owner: Vec<AgentsOfOwner>,
    /// Internal endpoints that policies of the configuration name and nobody serves now.
    pub offline_targets: Vec<OfflineTarget>,
    /// Why the last reload was refused as a whole; `None` if it was not.
    pub reload_error: Option<String>,
    /// What else of the configuration is not in force since the last reload, and why.
    pub problems: Vec<String>,
    /// What the last reload found in the files, where it could not load all of them.
    pub findings: Vec<String>,
}

/// An endpoint of the configuration.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EndpointStatus {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What decides: the `current` policy, the `previous` one, or `refusing` every connection.
    pub policy: PolicyState,
    /// The digest of the policy that is in force; `None` if every connection is refused.
    pub policy_sha256: Option<String>,
    /// The file of the policy that is in force.
    pub policy_file: Option<String>,
    /// Connections that are open here.
    pub connections: usize,
}

/// The agents of one service user, or of an authtoken that nobody owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AgentsOfOwner {
    /// The id of the service user or the authtoken.
    pub id: String,
    /// The name of the service user, or the description of the authtoken.
    pub name: String,
    /// Agents that are connected.
    pub agents: usize,
    /// Endpoints that they keep online.
    pub endpoints: usize,
}

impl AgentsOfOwner {
    /// An owner of whose agents none is counted yet.
    pub(crate) const fn new(id: String, name: String) -> Self {
        Self { id, name, agents: 0, endpoints: 0 }
    }
}

/// An internal endpoint that nobody serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OfflineTarget {
    /// Its URL.
    pub url: String,
    /// The endpoints of the configuration whose policies forward to it: names, and URLs of internal ones.
    pub endpoints: Vec<String>,
}

impl OfflineTarget {
    /// A target that is offline.
    pub(crate) const fn new(url: String, endpoints: Vec<String>) -> Self {
        Self { url, endpoints }
    }
}

/// What decides at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyState {
    /// The policy of the configuration.
    Current,
    /// The one before, since the new one cannot be loaded.
    Previous,
    /// Nothing: every connection is refused, since the policy cannot be loaded.
    Refusing,
}

/// An endpoint whose policy could not be loaded.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct NotLoadedView {
    /// Its name, or the URL of an internal one.
    pub endpoint: String,
    /// The file of the policy that cannot be loaded, as the configuration names it.
    pub file: Option<String>,
    /// `keep` or `refuse`.
    pub on_bad_policy: &'static str,
    /// The digest of the policy that stays in force; `None` if every connection is refused.
    pub policy_sha256: Option<String>,
    /// What became of the endpoint, in one line.
    pub consequence: &'static str,
}

/// What a reload did.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ReloadReport {
    /// True if the configuration and all its policies are in force.
    pub complete: bool,
    /// Why nothing has changed; `None` if the configuration is in force.
    pub error: Option<String>,
    /// Endpoints with another policy than before.
    pub changed: Vec<ChangedPolicy>,
    /// Endpoints whose policy could not be loaded.
    pub not_loaded: Vec<NotLoadedView>,
    /// What else of the configuration is not in force, and why.
    pub problems: Vec<String>,
    /// The findings in the files of the configuration, file by file.
    pub findings: Vec<String>,
    /// Listeners opened.
    pub opened: usize,
    /// Listeners closed.
    pub closed: usize,
    /// Connections that were closed, since the new policies refuse them or forward them elsewhere.
    pub cut: usize,
    /// Connections that are still being revalidated, since the policies that agents brought take long.
    pub revalidating: usize,
    /// Sessions of agents that ended.
    pub sessions_ended: usize,
    /// Endpoints of agents that were stopped.
    pub endpoints_stopped: usize,
}

/// An endpoint with another policy than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChangedPolicy {
    /// Its name.
    pub endpoint: String,
    /// The digest of the policy before; `None` if there was none.
    pub before: Option<String>,
    /// The digest of the policy now; `None` if every connection is refused.
    pub after: Option<String>,
}

impl ChangedPolicy {
    /// The digests of a policy before and after a reload.
    pub(crate) const fn new(endpoint: String, before: Option<String>, after: Option<String>) -> Self {
        Self { endpoint, before, after }
    }
}
