//! The edge's configuration together with the policy files it names.

use std::sync::Arc;

use super::{EdgeConfig, FACT_WITHOUT_SOURCE, PolicySource, TARGET_NOT_SERVED, UNREADABLE_FILE};
use crate::check::{CheckOptions, CheckedPolicy, load_policy};
use crate::compile::{CompileOptions, Program, RuleRef, compile};
use crate::diagnostic::{Diagnostic, Diagnostics, printable};
use crate::facts::Facts;
use crate::parse::decode;
use crate::phase::Phase;
use crate::source::{Source, Span};
use crate::url::Scheme;

/// Reads a policy file by the name that the configuration gives it: the name to show and the bytes, or the
/// reason why it cannot be read. Relative names are relative to the configuration.
pub type ReadPolicy<'a> = &'a mut dyn FnMut(&str) -> (String, Result<Vec<u8>, String>);

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
pub fn load_edge_files(source: &Source, read: ReadPolicy<'_>) -> EdgeFiles {
    let (config, found) = super::load_edge(source);
    let Some(config) = config else {
        return EdgeFiles { usable: None, findings: found, policies: Vec::new() };
    };
    let mut loader = Loader { read, found, policies: Vec::new() };
    let endpoints: Vec<_> =
        config.endpoints.iter().map(|it| loader.policy(&it.policy, it.name.span)).collect();
    let internal: Vec<_> = config
        .internal_endpoints
        .iter()
        .map(|it| it.policy.as_ref().map(|policy| loader.policy(policy, it.url.span)))
        .collect();
    let Loader { found: mut findings, policies, .. } = loader;

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
    EdgeFiles { usable: usable.then_some((config, programs)), findings, policies }
}

struct Loader<'a> {
    read: ReadPolicy<'a>,
    /// Findings of the configuration itself.
    found: Diagnostics,
    policies: Vec<(Source, Diagnostics)>,
}

impl Loader<'_> {
    /// The program of a policy, with the place that names the policy.
    fn policy(&mut self, policy: &PolicySource, owner: Span) -> Option<(Span, Arc<Program>)> {
        match policy {
            PolicySource::Inline(policy) => {
                let program = compiled(policy).map_err(|found| self.found.append(found)).ok()?;
                Some((owner, program))
            }
            PolicySource::File(name) => self.policy_file(&name.value, name.span),
        }
    }

    fn policy_file(&mut self, name: &str, at: Span) -> Option<(Span, Arc<Program>)> {
        let (shown, bytes) = (self.read)(name);
        let name = printable(name);
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(reason) => {
                let message = format!("cannot read the policy file `{name}`: {reason}");
                let help = "the path is relative to this file; check that it exists and may be read";
                self.found.push(Diagnostic::new(&UNREADABLE_FILE, at, message).with_help(help));
                return None;
            }
        };
        let (source, mut found) = decode(shown, bytes);
        let mut program = None;
        if !found.has_errors() {
            // All endpoints of an edge are of this protocol.
            let options = CheckOptions { scheme: Some(Scheme::Tcp), ..CheckOptions::default() };
            let (policy, later) = load_policy(&source, &options);
            found.append(later);
            program = policy.and_then(|policy| compiled(&policy).map_err(|error| found.append(error)).ok());
        }
        if found.has_errors() {
            let errors = found.errors();
            let plural = if errors == 1 { "" } else { "s" };
            let message = format!("the policy file `{name}` has {errors} error{plural}");
            let help = format!("mend the file first; `policy lint {}` lists the errors", source.name());
            self.found.push(Diagnostic::new(&UNREADABLE_FILE, at, message).with_help(help));
        }
        self.policies.push((source, found));
        program.map(|program| (at, program))
    }
}

fn compiled(policy: &CheckedPolicy) -> Result<Arc<Program>, Diagnostics> {
    compile(policy, &CompileOptions::default()).map(Arc::new)
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

/// Warns of targets that no internal endpoint serves.
fn report_unserved(config: &EdgeConfig, at: Span, program: &Program, found: &mut Diagnostics) {
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
        let source = Source::new("edge.yml", EDGE);
        let files = load_edge_files(&source, &mut |name| {
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
        assert_eq!(load(Ok("on_tcp_connect: [")), (false, vec!["2:62 TP452".to_owned()], 1));
        assert_eq!(load(Err("it is gone")), (false, vec!["2:62 TP452".to_owned()], 0));
    }
}
