//! A reload of which some policies cannot be loaded: what stays in force at their endpoints.

use std::sync::Arc;

use policy_core::edge::{EdgeConfig, Incomplete, LoadedPolicy, OnBadPolicy, PolicySource};

use super::loaded::Generation;
use super::policy::{EndpointPolicy, NotLoaded};

/// What is served in place of a configuration whose policies can be loaded only in part.
pub(super) struct Filled {
    pub(super) config: EdgeConfig,
    pub(super) programs: Vec<EndpointPolicy>,
    pub(super) internal_programs: Vec<Option<EndpointPolicy>>,
    pub(super) not_loaded: Vec<NotLoaded>,
    pub(super) unusable_ip_policies: Vec<Box<str>>,
}

/// Fills the gaps of a configuration from the one before.
pub(super) fn fill(incomplete: Incomplete, previous: &Generation) -> Filled {
    let Incomplete { config, endpoints, internal, ip_policies: unusable_ip_policies, .. } = incomplete;
    let mut not_loaded = Vec::new();
    let public = config.endpoints.iter().zip(endpoints).filter_map(|(endpoint, loaded)| {
        // Under the same name at another place it is another endpoint.
        let same = |at: &usize| {
            let old = previous.config.endpoints.get(*at);
            old.is_some_and(|old| old.url == endpoint.url && old.listen.value == endpoint.listen.value)
        };
        let before = previous.at_name(&endpoint.name.value).filter(same);
        let before = before.and_then(|at| previous.programs.get(at));
        let gap = Gap {
            name: &endpoint.name.value,
            source: &endpoint.policy,
            on_bad_policy: endpoint.on_bad_policy,
        };
        gap.fill(loaded, before, &mut not_loaded)
    });
    let programs = public.collect();
    let internal = config.internal_endpoints.iter().zip(internal).map(|(endpoint, loaded)| {
        let source = endpoint.policy.as_ref()?;
        let url = endpoint.url.value.to_string();
        let before = previous.at_internal_url(&endpoint.url.value);
        let before = before.and_then(|at| previous.internal_programs.get(at)?.as_ref());
        let gap = Gap { name: &url, source, on_bad_policy: endpoint.on_bad_policy };
        gap.fill(loaded, before, &mut not_loaded)
    });
    let internal_programs = internal.collect();
    Filled { config, programs, internal_programs, not_loaded, unusable_ip_policies }
}

/// An endpoint, and what to do where its policy is missing.
struct Gap<'c> {
    name: &'c str,
    source: &'c PolicySource,
    on_bad_policy: OnBadPolicy,
}

impl Gap<'_> {
    /// `None` for an endpoint without a policy.
    fn fill(
        &self,
        loaded: LoadedPolicy,
        before: Option<&EndpointPolicy>,
        not_loaded: &mut Vec<NotLoaded>,
    ) -> Option<EndpointPolicy> {
        match loaded {
            LoadedPolicy::Usable(program) => return Some(EndpointPolicy::Program(program)),
            LoadedPolicy::Absent => return None,
            // A kind that this version does not know is refused.
            _ => {}
        }
        let kept = match (self.on_bad_policy, before) {
            (OnBadPolicy::Keep, Some(EndpointPolicy::Program(program))) => Some(Arc::clone(program)),
            _ => None,
        };
        let file = match self.source {
            PolicySource::File(name) => Some(name.value.clone()),
            _ => None,
        };
        let gap = NotLoaded {
            endpoint: self.name.into(),
            file,
            on_bad_policy: self.on_bad_policy,
            in_force: kept.as_ref().map(|program| program.served_sha256()),
        };
        let reason = format!("the policy of `{}` cannot be loaded: {}", self.name, gap.consequence());
        not_loaded.push(gap);
        Some(kept.map_or_else(|| EndpointPolicy::Refuse(reason.into()), EndpointPolicy::Program))
    }
}
