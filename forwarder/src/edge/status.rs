//! What an edge serves, for its API.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use policy_core::compile::Program;
use tokio::sync::{mpsc, oneshot};

use super::agents::{Agents, ServedAgents};
use super::shared::Shared;
use super::shares::{Holder, Shares};
use crate::control::admin::{
    AgentsOfOwner, ChangedPolicy, EdgeControl, EdgeStatus, EndpointStatus, NotLoadedView, OfflineTarget,
    PolicyState, ReloadReport,
};
use crate::control::audit::Caller;
use crate::control::identity::CredentialId;
use crate::edge::generation::{EndpointPolicy, Generation, ListenerKey, NotLoaded};
use crate::edge::online::OnlineEndpoints;

/// A reload that is asked for.
#[derive(Debug)]
pub(crate) struct ReloadRequest {
    /// Who asks.
    pub(crate) by: Caller,
    /// Where the report goes.
    pub(crate) done: oneshot::Sender<ReloadReport>,
}

/// What the last reload could not do, shared with the API.
pub(crate) type LastReload = Arc<Mutex<ReloadFaults>>;

/// What a reload could not do.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReloadFaults {
    /// Why it was refused as a whole.
    pub(crate) error: Option<String>,
    /// What else is not in force.
    pub(crate) problems: Vec<String>,
    /// What was found in the files, where something could not be loaded.
    pub(crate) findings: Vec<String>,
}

/// A running edge as its API sees it: a reload is asked for through a channel, and what the last one could not do is
/// read from `last`.
pub(super) struct Control {
    pub(super) shared: Arc<Shared>,
    pub(super) agents: ServedAgents,
    pub(super) reloads: mpsc::Sender<ReloadRequest>,
    pub(super) last: LastReload,
}

impl EdgeControl for Control {
    fn status(&self) -> EdgeStatus {
        let generation = self.shared.current.load_full();
        let ReloadFaults { error, problems, findings } =
            self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        EdgeStatus {
            endpoints: endpoints(&generation, &self.shared.shares),
            internal_endpoints: generation.config.internal_endpoints.len(),
            not_loaded: generation.not_loaded.iter().map(not_loaded).collect(),
            connections: self.shared.connections.len(),
            agents: self.agents.get().map_or(0, |agents| agents.sessions()),
            agents_by_owner: self
                .agents
                .get()
                .map_or_else(Vec::new, |agents| agents_by_owner(agents, &self.shared.online)),
            offline_targets: offline_targets(&generation, &self.shared.online),
            reload_error: error,
            problems,
            findings,
        }
    }

    fn reload(&self, by: Caller) -> Option<ReloadReport> {
        let (done, report) = oneshot::channel();
        self.reloads.blocking_send(ReloadRequest { by, done }).ok()?;
        report.blocking_recv().ok()
    }
}

fn endpoints(generation: &Generation, shares: &Shares) -> Vec<EndpointStatus> {
    let all = generation.config.endpoints.iter().zip(&generation.programs);
    let status = all.map(|(endpoint, policy)| {
        let name = endpoint.name.value.to_string();
        let is_current = !generation.not_loaded.iter().any(|it| *it.endpoint == *name);
        let (policy, program) = match policy {
            EndpointPolicy::Program(program) if is_current => (PolicyState::Current, Some(program)),
            EndpointPolicy::Program(program) => (PolicyState::Previous, Some(program)),
            EndpointPolicy::Refuse(_) => (PolicyState::Refusing, None),
        };
        EndpointStatus {
            name,
            url: endpoint.url.to_string(),
            listen: endpoint.listen.value,
            policy,
            policy_sha256: program.map(digest),
            policy_file: program.map(|program| program.file().to_owned()),
            connections: shares.open(Holder::Endpoint(ListenerKey::from_endpoint(endpoint))),
        }
    });
    status.collect()
}

fn agents_by_owner(agents: &Agents, online: &OnlineEndpoints) -> Vec<AgentsOfOwner> {
    let mut owners: BTreeMap<(String, String), AgentsOfOwner> = BTreeMap::new();
    // One look a credential: the sessions and endpoints of a fleet have the same.
    let mut keys: HashMap<CredentialId, (String, String)> = HashMap::new();
    let mut count = |credential: CredentialId, add: fn(&mut AgentsOfOwner)| {
        let key = keys.entry(credential).or_insert_with(|| {
            let found = agents.owner(credential);
            found.map_or_else(|| (String::new(), credential.to_string()), |(id, name)| (name, id))
        });
        let (name, id) = key.clone();
        add(owners.entry((name.clone(), id.clone())).or_insert_with(|| AgentsOfOwner::new(id, name)));
    };
    agents.credentials().for_each(|it| count(it, |owner| owner.agents += 1));
    online.all().iter().for_each(|it| count(it.owner.credential, |owner| owner.endpoints += 1));
    owners.into_values().collect()
}

/// What policies of the configuration always forward to and nobody serves. O(targets).
fn offline_targets(generation: &Generation, online: &OnlineEndpoints) -> Vec<OfflineTarget> {
    let config = &generation.config;
    let public = config.endpoints.iter().map(|it| it.name.value.to_string()).zip(&generation.programs);
    let internal = config.internal_endpoints.iter().map(|it| it.url.value.to_string());
    let internal = internal.zip(&generation.internal_programs);
    let internal = internal.filter_map(|(url, policy)| Some((url, policy.as_ref()?)));
    let mut offline: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, policy) in public.chain(internal) {
        let EndpointPolicy::Program(program) = policy else { continue };
        let targets: BTreeSet<String> = program
            .literal_targets()
            .filter(|target| config.internal_endpoint(target).is_none())
            .filter(|target| online.covering(target, |_, _| ()).is_none())
            .map(ToString::to_string)
            .collect();
        targets.into_iter().for_each(|url| offline.entry(url).or_default().push(name.clone()));
    }
    offline.into_iter().map(|(url, endpoints)| OfflineTarget::new(url, endpoints)).collect()
}

fn digest(program: &Arc<Program>) -> String {
    program.served_sha256().to_string()
}

/// The endpoints whose policy is another one than before, by name.
pub(super) fn changed(before: &Generation, after: &Generation) -> Vec<ChangedPolicy> {
    let in_force = |policy: &EndpointPolicy| match policy {
        EndpointPolicy::Program(program) => Some(digest(program)),
        EndpointPolicy::Refuse(_) => None,
    };
    let mut changed = Vec::new();
    let mut compare = |endpoint: String, old: Option<String>, new: Option<String>| {
        if old != new {
            changed.push(ChangedPolicy::new(endpoint, old, new));
        }
    };
    for (endpoint, policy) in after.config.endpoints.iter().zip(&after.programs) {
        let name = &endpoint.name.value;
        let old = before.at_name(name).and_then(|at| before.programs.get(at)).and_then(in_force);
        compare(name.to_string(), old, in_force(policy));
    }
    for (endpoint, policy) in after.config.internal_endpoints.iter().zip(&after.internal_programs) {
        let old = before.at_internal_url(&endpoint.url.value);
        let old = old.and_then(|at| before.internal_programs.get(at)?.as_ref()).and_then(in_force);
        compare(endpoint.url.value.to_string(), old, policy.as_ref().and_then(in_force));
    }
    for (endpoint, policy) in before.config.endpoints.iter().zip(&before.programs) {
        let name = &endpoint.name.value;
        if after.at_name(name).is_none() {
            compare(name.to_string(), in_force(policy), None);
        }
    }
    for (endpoint, policy) in before.config.internal_endpoints.iter().zip(&before.internal_programs) {
        let url = &endpoint.url.value;
        if after.at_internal_url(url).is_none() {
            compare(url.to_string(), policy.as_ref().and_then(in_force), None);
        }
    }
    changed
}

pub(crate) fn not_loaded(gap: &NotLoaded) -> NotLoadedView {
    NotLoadedView {
        endpoint: gap.endpoint.to_string(),
        file: gap.file.as_deref().map(ToOwned::to_owned),
        on_bad_policy: gap.on_bad_policy.name(),
        policy_sha256: gap.in_force.map(|digest| digest.to_string()),
        consequence: gap.consequence(),
    }
}
