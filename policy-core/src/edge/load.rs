//! The edge's configuration together with the policy files it names.

use std::collections::HashMap;
use std::sync::Arc;

use super::ip_policies::{self, NamedIpPolicies, ReadListOf};
use super::{EdgeConfig, FACT_WITHOUT_SOURCE, INTERNAL, PUBLIC, TARGET_NOT_SERVED};
use crate::check::CheckOptions;
use crate::compile::{CompileOptions, Program, RuleRef, compile};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::endpoint_policy::{Circles, Forwards, PolicyFiles, PolicySource, ReadPolicy};
use crate::options::EndpointTraits;
use crate::parse;
use crate::phase::Phase;
use crate::source::{Source, Span};
use crate::url::EndpointUrl;

/// A configuration and everything it names.
#[derive(Debug)]
#[non_exhaustive]
pub struct EdgeFiles {
    /// What can be served; `None` if any file has an error.
    pub usable: Option<(EdgeConfig, Programs)>,
    /// What there is where the configuration itself has no error and some of its policies have.
    pub incomplete: Option<Incomplete>,
    /// The findings of the configuration itself, sorted by place.
    pub findings: Diagnostics,
    /// The policy files that could be read, each with its findings; then those of IP policies and their lists.
    pub policies: Vec<(Source, Diagnostics)>,
}

/// The programs of a configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Programs {
    /// One for each endpoint, in order.
    pub endpoints: Vec<Arc<Program>>,
    /// One for each internal endpoint, in order; `None` for one without a policy.
    pub internal: Vec<Option<Arc<Program>>>,
}

/// A configuration of which some policies cannot be loaded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Incomplete {
    /// The configuration.
    pub config: EdgeConfig,
    /// The policy of each endpoint, in order.
    pub endpoints: Vec<LoadedPolicy>,
    /// The policy of each internal endpoint, in order.
    pub internal: Vec<LoadedPolicy>,
    /// The files of IP policies that cannot be used, as the configuration names them. Policies that name one of theirs
    /// are unusable.
    pub ip_policies: Vec<Box<str>>,
}

/// What became of the policy of an endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoadedPolicy {
    /// It has none.
    Absent,
    /// It can be served.
    Usable(Arc<Program>),
    /// It has an error, which is in the findings.
    Unusable,
}

impl LoadedPolicy {
    fn from_program(program: Option<Arc<Program>>) -> Self {
        match program {
            Some(program) => Self::Usable(program),
            None => Self::Unusable,
        }
    }
}

/// Reads, checks and compiles a configuration, its policy files, and its IP policies with the lists they name.
#[must_use]
pub fn load_edge_files(
    source: &Source,
    options: &CheckOptions,
    read: ReadPolicy<'_>,
    read_list: ReadListOf<'_>,
) -> EdgeFiles {
    let mut found = Diagnostics::default();
    let document = parse::parse(source, &options.limits, &mut found);
    let NamedIpPolicies {
        policies: ip_policies,
        found: of_ip_policies,
        files: ip_policy_files,
        unusable,
        ..
    } = ip_policies::load_named(&document, options, read, read_list);
    let options = &CheckOptions { ip_policies: Some(Arc::new(ip_policies)), ..options.clone() };
    let config = super::read::check_with(&document, options, &mut found);
    found.sort();
    let Some(config) = config else {
        found.append(of_ip_policies);
        found.sort();
        let policies = ip_policy_files;
        return EdgeFiles { usable: None, incomplete: None, findings: found, policies };
    };
    let mut sound = !found.has_errors();
    let mut loader = Loader {
        files: PolicyFiles::new(read, options),
        circles: Circles::default(),
        findings: found,
        known: HashMap::new(),
        programs: Vec::new(),
        compile: CompileOptions { ip_policies: options.ip_policies.clone(), ..CompileOptions::default() },
    };
    loader.findings.append(of_ip_policies);
    let endpoints: Vec<_> =
        config.endpoints.iter().map(|it| loader.load(&it.policy, PUBLIC, it.name.span, &it.url)).collect();
    let internal: Vec<_> = config
        .internal_endpoints
        .iter()
        .map(|it| it.policy.as_ref().map(|policy| loader.load(policy, INTERNAL, it.url.span, &it.url.value)))
        .collect();
    for without in config.internal_endpoints.iter().filter(|it| it.policy.is_none()) {
        loader.circles.endpoint(without.url.value.clone(), without.url.span, None);
    }
    let Loader { files, circles, mut findings, programs, .. } = loader;
    let mut of_all = Diagnostics::default();
    circles.report(&mut of_all);
    sound &= !of_all.has_errors();
    findings.append(of_all);
    for fresh in &programs {
        report_unserved(&config, fresh, &mut findings);
    }
    findings.sort();
    let mut policies = files.into_read();
    policies.extend(ip_policy_files);
    // INVARIANT: a policy without a program has left an error in the findings.
    if !findings.has_errors() {
        let programs = Programs {
            endpoints: endpoints.into_iter().flatten().collect(),
            internal: internal.into_iter().map(Option::flatten).collect(),
        };
        return EdgeFiles { usable: Some((config, programs)), incomplete: None, findings, policies };
    }
    let incomplete = sound.then(|| Incomplete::from_programs(config, endpoints, internal, unusable));
    EdgeFiles { usable: None, incomplete, findings, policies }
}

impl Incomplete {
    fn from_programs(
        config: EdgeConfig,
        endpoints: Vec<Option<Arc<Program>>>,
        internal: Vec<Option<Option<Arc<Program>>>>,
        ip_policies: Vec<Box<str>>,
    ) -> Self {
        let of_internal = |policy: Option<_>| policy.map_or(LoadedPolicy::Absent, LoadedPolicy::from_program);
        Self {
            config,
            endpoints: endpoints.into_iter().map(LoadedPolicy::from_program).collect(),
            internal: internal.into_iter().map(of_internal).collect(),
            ip_policies,
        }
    }
}

/// Loads the policies of a configuration. A file is read, checked and compiled once, however many endpoints name it,
/// and so is an inline policy that others repeat by an alias: their programs are one.
struct Loader<'a, 'p> {
    files: PolicyFiles<'a>,
    circles: Circles,
    findings: Diagnostics,
    /// What is usable for public endpoints may be checked otherwise for internal ones; true for public ones.
    known: HashMap<(Written<'p>, bool), Loaded>,
    programs: Vec<Fresh>,
    compile: CompileOptions,
}

/// Where a policy is written. A file is shown by one name, so its program is the same wherever it is named.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Written<'p> {
    File(&'p str),
    Inline(Span),
}

/// A policy that was looked at.
#[derive(Clone)]
struct Loaded {
    forwards: Option<Forwards>,
    program: Option<Arc<Program>>,
}

/// A program, with the place that names it first.
struct Fresh {
    at: Span,
    program: Arc<Program>,
    /// True if what stands in the policy must not be shown.
    outside: bool,
}

impl<'p> Loader<'_, 'p> {
    /// The program of an endpoint; `None` if it has none, which is in the findings.
    fn load(
        &mut self,
        policy: &'p PolicySource,
        endpoint: EndpointTraits,
        owner: Span,
        url: &EndpointUrl,
    ) -> Option<Arc<Program>> {
        let written = match policy {
            PolicySource::Inline(policy) => Written::Inline(policy.policy().span),
            PolicySource::File(name) => Written::File(&name.value),
        };
        let loaded = match self.known.get(&(written, endpoint.cloud)) {
            Some(loaded) => loaded.clone(),
            None => {
                let other = self.known.get(&(written, !endpoint.cloud)).cloned();
                let loaded = self.first(policy, endpoint, owner, other);
                self.known.insert((written, endpoint.cloud), loaded.clone());
                loaded
            }
        };
        if let Some(forwards) = loaded.forwards {
            self.circles.endpoint(url.clone(), owner, Some(forwards));
        }
        loaded.program
    }

    /// Checks and compiles a policy. What keeps it from being a program is told like any fault of its file.
    /// `other` is what became of it for endpoints of the other kind: its program is the same.
    fn first(
        &mut self,
        policy: &'p PolicySource,
        endpoint: EndpointTraits,
        owner: Span,
        other: Option<Loaded>,
    ) -> Loaded {
        let Some(checked) = self.files.policy(policy, endpoint, &mut self.findings) else {
            return Loaded { forwards: None, program: None };
        };
        if let Some(other) = other.filter(|other| other.forwards.is_some()) {
            return other;
        }
        let forwards = Some(self.circles.policy(&checked));
        let at = match policy {
            PolicySource::Inline(_) => owner,
            PolicySource::File(name) => name.span,
        };
        match compile(&checked, &self.compile).map(Arc::new) {
            Ok(program) => {
                let outside = self.files.is_outside(policy);
                let fresh = Fresh { at, program: Arc::clone(&program), outside };
                let known = report_unknown(&fresh, &mut self.findings);
                self.programs.push(fresh);
                Loaded { forwards, program: known.then_some(program) }
            }
            Err(found) => {
                self.files.report(found, policy, &mut self.findings);
                Loaded { forwards, program: None }
            }
        }
    }
}

/// Refuses facts that this edge cannot know: a rule that reads one would close every connection. True if there are none.
fn report_unknown(fresh: &Fresh, found: &mut Diagnostics) -> bool {
    let program = &fresh.program;
    let mut all_known = true;
    for fact in program.unknown_facts() {
        let mut conditions = program.rules(Phase::OnTcpConnect).flat_map(RuleRef::conditions);
        let reader = conditions.find(|condition| condition.expression().reads().contains(&fact));
        let place = reader.map_or_else(String::new, |condition| {
            format!(" (line {} of {})", condition.position().line, program.file())
        });
        let message = format!("the policy reads `{fact}`{place}, and this edge has no source for it");
        let help =
            "decide by facts the edge knows: addresses, ports, `endpoint.*`, `conn.ts.start`, `time.now`";
        found.push(Diagnostic::new(&FACT_WITHOUT_SOURCE, fresh.at, message).with_help(help));
        all_known = false;
    }
    all_known
}

/// Warns of targets that no internal endpoint serves. Where agents may connect, one of them may serve it.
fn report_unserved(config: &EdgeConfig, fresh: &Fresh, found: &mut Diagnostics) {
    if config.agents.is_some() {
        return;
    }
    let targets = fresh.program.literal_targets();
    for target in targets.filter(|target| config.internal_endpoint(target).is_none()) {
        let (message, help) = match fresh.outside {
            true => (
                "no internal endpoint serves a target of the policy, so forwards to it fail".to_owned(),
                "add it under `internal_endpoints`; the file lies outside of the folder, so the target is not shown"
                    .to_owned(),
            ),
            false => (
                format!("no internal endpoint serves `{target}`, so forwards to it fail"),
                format!(
                    "add it under `internal_endpoints`, e.g. `- {{url: \"{target}\", upstream: {{url: 22}}}}`"
                ),
            ),
        };
        found.push(Diagnostic::new(&TARGET_NOT_SERVED, fresh.at, message).with_help(help));
    }
}

#[cfg(test)]
mod tests;
