//! The agent's configuration together with the policy files it names.

use std::rc::Rc;

use super::AgentConfig;
use crate::check::{CheckOptions, CheckedPolicy};
use crate::diagnostic::Diagnostics;
use crate::endpoint_policy::{Circles, PolicyFiles, ReadPolicy, Usable};
use crate::options::EndpointTraits;
use crate::source::Source;

/// A configuration and everything it names.
#[derive(Debug)]
#[non_exhaustive]
pub struct AgentFiles {
    /// The configuration, if no file has an error.
    pub usable: Option<AgentConfig>,
    /// The checked policies of endpoints, then of tunnels, in order, where they stand in files; a file is there once,
    /// however many name it for the same kind of endpoint.
    pub files: Vec<Option<Rc<CheckedPolicy>>>,
    /// The findings of the configuration itself, sorted by place.
    pub findings: Diagnostics,
    /// The policy files that could be read, each with its findings.
    pub policies: Vec<(Source, Diagnostics)>,
}

/// Reads and checks a configuration and its policy files, each for the endpoint that names it.
#[must_use]
pub fn load_agent_files(source: &Source, options: &CheckOptions, read: ReadPolicy<'_>) -> AgentFiles {
    let (config, mut findings) = super::load_agent(source, options);
    let Some(config) = config else {
        return AgentFiles { usable: None, files: Vec::new(), findings, policies: Vec::new() };
    };
    let mut files = PolicyFiles::new(read, options);
    let mut circles = Circles::default();
    let mut of_files = Vec::new();
    for endpoint in &config.endpoints {
        let traits = EndpointTraits {
            scheme: Some(endpoint.url.value.scheme()),
            binding: Some(endpoint.binding),
            cloud: false,
        };
        let policy = endpoint.policy.as_ref().and_then(|policy| files.policy(policy, traits, &mut findings));
        of_files.push(policy.as_ref().and_then(Usable::file));
        if let Some(url) = endpoint.url.value.given() {
            let forwards = policy.map(|policy| circles.policy(&policy));
            circles.endpoint(url.clone(), endpoint.name.span, forwards);
        }
    }
    for tunnel in &config.tunnels {
        let traits = EndpointTraits { scheme: tunnel.scheme, binding: None, cloud: false };
        let policy = tunnel.policy.as_ref().and_then(|policy| files.policy(policy, traits, &mut findings));
        of_files.push(policy.as_ref().and_then(Usable::file));
    }
    circles.report(&mut findings);
    findings.sort();
    let usable = (!findings.has_errors()).then_some(config);
    AgentFiles { usable, files: of_files, findings, policies: files.into_read() }
}
