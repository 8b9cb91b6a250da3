//! The edge's configuration together with the policy files it names.

use std::sync::Arc;

use super::{EdgeConfig, FACT_WITHOUT_SOURCE, TARGET_NOT_SERVED};
use crate::check::{CheckOptions, CheckedPolicy};
use crate::compile::{CompileOptions, Program, RuleRef, compile};
use crate::diagnostic::{Diagnostic, Diagnostics, printable};
use crate::endpoint_policy::{Link, PolicyFiles, PolicySource, ReadPolicy, report_loops};
use crate::facts::Facts;
use crate::options::EndpointTraits;
use crate::phase::Phase;
use crate::source::{Source, Span};
use crate::url::{EndpointUrl, Scheme};

/// A configuration and everything it names.
#[derive(Debug)]
#[non_exhaustive]
pub struct EdgeFiles {
    /// What can be served; `None` if any file has an error.
    pub usable: Option<(EdgeConfig, Programs)>,
    /// The findings of the configuration itself, sorted by place.
    pub findings: Diagnostics,
    /// The policy files that could be read, each with its findings.
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

/// Reads, checks and compiles a configuration and its policy files.
#[must_use]
pub fn load_edge_files(source: &Source, options: &CheckOptions, read: ReadPolicy<'_>) -> EdgeFiles {
    let (config, found) = super::read::load_edge_with(source, options);
    let Some(config) = config else {
        return EdgeFiles { usable: None, findings: found, policies: Vec::new() };
    };
    let mut files = PolicyFiles::new(read, options);
    let mut findings = found;
    let mut links = Vec::new();
    let mut load = |policy: &PolicySource, owner: Span, url: &EndpointUrl| {
        let checked = files.policy(policy, EndpointTraits::of_scheme(Scheme::Tcp), &mut findings)?;
        links.push(Link::new(url.clone(), owner, Some(checked.policy())));
        program(&checked, policy, owner, &mut files, &mut findings)
    };
    let endpoints: Vec<_> =
        config.endpoints.iter().map(|it| load(&it.policy, it.name.span, &it.url)).collect();
    let internal: Vec<_> = config
        .internal_endpoints
        .iter()
        .map(|it| it.policy.as_ref().map(|policy| load(policy, it.url.span, &it.url.value)))
        .collect();
    let without = config.internal_endpoints.iter().filter(|it| it.policy.is_none());
    links.extend(without.map(|it| Link::new(it.url.value.clone(), it.url.span, None)));
    report_loops(&links, &mut findings);

    for (at, program) in endpoints.iter().chain(internal.iter().flatten()).flatten() {
        report_unserved(&config, *at, program, &mut findings);
        report_unknown(*at, program, &mut findings);
    }
    findings.sort();
    // INVARIANT: a policy without a program has left an error in the findings.
    let usable = !findings.has_errors();
    let programs = Programs {
        endpoints: endpoints.into_iter().flatten().map(|(_, program)| program).collect(),
        internal: internal.into_iter().map(|it| it.flatten().map(|(_, program)| program)).collect(),
    };
    EdgeFiles { usable: usable.then_some((config, programs)), findings, policies: files.into_read() }
}

/// Compiles a policy; with the place that names it. What keeps it from being a program is told like any fault of
/// its file.
fn program(
    checked: &CheckedPolicy,
    policy: &PolicySource,
    owner: Span,
    files: &mut PolicyFiles<'_>,
    findings: &mut Diagnostics,
) -> Option<(Span, Arc<Program>)> {
    let compiled = compile(checked, &CompileOptions::default()).map(Arc::new);
    match (compiled, policy) {
        (Ok(program), PolicySource::Inline(_)) => Some((owner, program)),
        (Ok(program), PolicySource::File(name)) => Some((name.span, program)),
        (Err(found), PolicySource::Inline(_)) => {
            findings.append(found);
            None
        }
        (Err(found), PolicySource::File(name)) => {
            files.report_errors(
                &found,
                &printable(&name.value),
                checked.source().name(),
                name.span,
                findings,
            );
            if let Some((_, last)) = files.last() {
                last.append(found);
            }
            None
        }
    }
}

/// Refuses facts that this edge cannot know: a rule that reads one would close every connection.
fn report_unknown(at: Span, program: &Program, found: &mut Diagnostics) {
    for fact in program.needs().iter().filter(|fact| !Facts::known_to_edges(**fact)) {
        let mut conditions = program.rules(Phase::OnTcpConnect).flat_map(RuleRef::conditions);
        let reader = conditions.find(|condition| condition.expression().reads().contains(fact));
        let place = reader.map_or_else(String::new, |condition| {
            format!(" (line {} of {})", condition.position().line, program.file())
        });
        let message = format!("the policy reads `{fact}`{place}, and this edge has no source for it");
        let help =
            "decide by facts the edge knows: addresses, ports, `endpoint.*`, `conn.ts.start`, `time.now`";
        found.push(Diagnostic::new(&FACT_WITHOUT_SOURCE, at, message).with_help(help));
    }
}

/// Warns of targets that no internal endpoint serves. Where agents may connect, one of them may serve it.
fn report_unserved(config: &EdgeConfig, at: Span, program: &Program, found: &mut Diagnostics) {
    if config.agents.is_some() {
        return;
    }
    for target in program.literal_targets().filter(|target| config.internal_endpoint(target).is_none()) {
        let message = format!("no internal endpoint serves `{target}`, so forwards to it fail");
        found.push(Diagnostic::new(&TARGET_NOT_SERVED, at, message).with_help(format!(
            "add it under `internal_endpoints`, e.g. `- {{url: \"{target}\", upstream: {{url: 22}}}}`"
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: &str = "version: 1
endpoints: [{name: a, url: \"tcp://e:1\", traffic_policy_file: a.yml}]
internal_endpoints: [{url: \"tcp://d.internal:22\", upstream: {url: 22}}]
";

    fn load(policy: Result<&str, &str>) -> (bool, Vec<String>, usize) {
        load_with(EDGE, policy)
    }

    fn load_with(edge: &str, policy: Result<&str, &str>) -> (bool, Vec<String>, usize) {
        let source = Source::new("edge.yml", edge);
        let files = load_edge_files(&source, &CheckOptions::default(), &mut |name| {
            let bytes = policy.map(|text| text.as_bytes().to_vec()).map_err(ToOwned::to_owned);
            (format!("/etc/{name}"), bytes)
        });
        let place = |item: &Diagnostic| format!("{} {}", source.position(item.span.start), item.code.id);
        (files.usable.is_some(), files.findings.iter().map(place).collect(), files.policies.len())
    }

    #[test]
    fn what_is_wrong_with_a_policy_file_is_said_where_it_is_named() {
        let forward = |host: &str| {
            format!(
                "on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: \"tcp://{host}:22\"}}}}]}}]"
            )
        };
        assert_eq!(load(Ok(&forward("d.internal"))), (true, vec![], 1));
        assert_eq!(load(Ok(&forward("x.internal"))), (true, vec!["2:62 TP455".to_owned()], 1));
        let agents = format!("{EDGE}agents: {{listen: \"127.0.0.1:2\", names: [e]}}\n");
        assert_eq!(load_with(&agents, Ok(&forward("x.internal"))), (true, vec![], 1));
        assert_eq!(load(Ok("on_tcp_connect: [")), (false, vec!["2:62 TP452".to_owned()], 1));
        assert_eq!(load(Err("it is gone")), (false, vec!["2:62 TP452".to_owned()], 0));
    }
}
