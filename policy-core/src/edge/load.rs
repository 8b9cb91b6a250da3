//! The edge's configuration together with the policy files it names.

use std::collections::HashMap;
use std::sync::Arc;

use super::ip_policies::{self, NamedIpPolicies, ReadListOf};
use super::{EdgeConfig, FACT_WITHOUT_SOURCE, INTERNAL, PUBLIC, TARGET_NOT_SERVED};
use crate::check::CheckOptions;
use crate::compile::{CompileOptions, Program, RuleRef, compile};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::endpoint_policy::{Circles, Forwards, PolicyFiles, PolicySource, ReadPolicy};
use crate::facts::Facts;
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
    for fact in program.needs().iter().filter(|fact| !Facts::known_to_edges(**fact)) {
        let mut conditions = program.rules(Phase::OnTcpConnect).flat_map(RuleRef::conditions);
        let reader = conditions.find(|condition| condition.expression().reads().contains(fact));
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
mod tests {
    use super::*;
    use crate::edge::OnBadPolicy;
    use crate::named_file::NamedFile;

    const EDGE: &str = "version: 1
endpoints: [{name: a, url: \"tcp://e:1\", traffic_policy_file: a.yml}]
internal_endpoints: [{url: \"tcp://d.internal:22\", upstream: {url: 22}}]
";

    fn no_list(_: &str, name: &str, _: &mut dyn FnMut(&[u8])) -> NamedFile<()> {
        NamedFile::new(name.to_owned(), Err("there is none".to_owned()))
    }

    fn load(policy: Result<&str, &str>) -> (bool, Vec<String>, usize) {
        load_with(EDGE, policy)
    }

    fn load_with(edge: &str, policy: Result<&str, &str>) -> (bool, Vec<String>, usize) {
        let source = Source::new("edge.yml", edge);
        let files = load_edge_files(
            &source,
            &CheckOptions::default(),
            &mut |name| {
                let bytes = policy.map(|text| text.as_bytes().to_vec()).map_err(ToOwned::to_owned);
                NamedFile::new(format!("/etc/{name}"), bytes)
            },
            &mut no_list,
        );
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

    #[test]
    fn a_public_endpoint_has_no_upstream_and_an_internal_one_has() {
        let through =
            "{on_tcp_connect: [{expressions: [\"conn.client_port > 1023\"], actions: [{type: deny}]}]}";
        let edge = |public: &str, internal: &str| {
            format!(
                "version: 1\nendpoints:\n- {{name: a, url: \"tcp://e:1\", {public}}}\ninternal_endpoints:\n- {{url: \
                 \"tcp://d.internal:22\", upstream: {{url: 22}}, {internal}}}\n"
            )
        };
        let (inline, file) = (format!("traffic_policy: {through}"), "traffic_policy_file: p.yml");
        let deny = "traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}";
        // What is served refuses what its policy leaves: a warning, so that a change that refuses more loads.
        for (serving, error) in [(false, true), (true, false)] {
            let options = CheckOptions { serving, ..CheckOptions::default() };
            for (text, codes, in_file) in [
                (edge(&inline, deny), vec!["TP409"], vec![]),
                (edge(deny, &inline), vec![], vec![]),
                (edge(file, deny), if error { vec!["TP452"] } else { vec![] }, vec!["TP409"]),
                (edge(deny, file), vec![], vec![]),
                // The same file for both.
                (edge(file, file), if error { vec!["TP452"] } else { vec![] }, vec!["TP409"]),
            ] {
                let read = &mut |name: &str| NamedFile::new(name.to_owned(), Ok(through.as_bytes().to_vec()));
                let files = load_edge_files(&Source::new("edge.yml", &*text), &options, read, &mut no_list);
                let of = |found: &Diagnostics| found.iter().map(|it| it.code.id).collect::<Vec<_>>();
                assert_eq!(of(&files.findings), codes, "{text}");
                assert_eq!(
                    files.policies.iter().flat_map(|(_, it)| of(it)).collect::<Vec<_>>(),
                    in_file,
                    "{text}"
                );
                let fails = error && !(codes.is_empty() && in_file.is_empty());
                assert_eq!(files.usable.is_none(), fails, "{text}");
            }
        }
    }

    #[test]
    fn what_can_be_loaded_is_there_beside_what_cannot() {
        let edge = "version: 1
endpoints:
- {name: a, url: \"tcp://e:1\", traffic_policy_file: a.yml, on_bad_policy: refuse}
- {name: b, url: \"tcp://e:2\", traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}}
internal_endpoints: [{url: \"tcp://d.internal:22\", upstream: {url: 22}}]
";
        let incomplete = |edge: &str, policy: &str| {
            let (files, _) = load_all(edge, policy, false);
            assert!(files.usable.is_none() && files.findings.has_errors());
            let incomplete = files.incomplete?;
            let shape = |policies: &[LoadedPolicy]| {
                let letter = |policy: &LoadedPolicy| match policy {
                    LoadedPolicy::Absent => '-',
                    LoadedPolicy::Usable(_) => 'u',
                    LoadedPolicy::Unusable => 'x',
                };
                policies.iter().map(letter).collect::<String>()
            };
            assert_eq!(incomplete.config.endpoints[0].on_bad_policy, OnBadPolicy::Refuse);
            assert_eq!(incomplete.config.endpoints[1].on_bad_policy, OnBadPolicy::Keep);
            Some(format!("{} {}", shape(&incomplete.endpoints), shape(&incomplete.internal)))
        };
        let geo = "on_tcp_connect: [{expressions: [\"conn.geo.city == 'x'\"], actions: [{type: deny}]}]";
        for policy in [geo, "on_tcp_connect: [{actions: [{type: dney}]}]", "on_tcp_connect: ["] {
            assert_eq!(incomplete(edge, policy).as_deref(), Some("xu -"), "{policy}");
        }
        assert_eq!(incomplete(&edge.replace("version: 1", "version: 2"), geo), None);
    }

    /// The files of a configuration by a host that counts what it reads; every file is the same text.
    fn load_all(edge: &str, text: &str, outside: bool) -> (EdgeFiles, usize) {
        let mut reads = 0;
        let files = load_edge_files(
            &Source::new("edge.yml", edge),
            &CheckOptions::default(),
            &mut |name| {
                reads += 1;
                NamedFile::new(format!("/etc/{name}"), Ok(text.as_bytes().to_vec())).outside(outside)
            },
            &mut no_list,
        );
        (files, reads)
    }

    fn endpoints(count: usize, policy: impl Fn(usize) -> String) -> String {
        let one = |at: usize| {
            format!("- {{name: e{at}, url: \"tcp://e:{port}\", {}}}\n", policy(at), port = at + 1)
        };
        format!("version: 1\nendpoints:\n{}", (0..count).map(one).collect::<String>())
    }

    #[test]
    fn a_policy_of_many_endpoints_is_loaded_once() {
        let deny = "on_tcp_connect: [{actions: [{type: deny}]}]";
        let edge = endpoints(800, |at| format!("traffic_policy_file: p{}.yml", at % 2));
        let (files, reads) = load_all(&edge, deny, false);
        let (_, programs) = files.usable.expect("no errors");
        assert_eq!((reads, files.policies.len(), programs.endpoints.len()), (2, 2, 800));
        for (at, program) in programs.endpoints.iter().enumerate() {
            assert!(Arc::ptr_eq(program, &programs.endpoints[at % 2]), "{at}");
            // Places are those of the file that is named.
            assert_eq!(program.file(), format!("/etc/p{}.yml", at % 2));
        }
        // Two that are written, the first of them shared by an alias.
        let inline = |at: usize| match at {
            0 => format!("traffic_policy: &p {{{deny}}}"),
            1..=7 => "traffic_policy: *p".to_owned(),
            _ => format!("traffic_policy: {{{deny}}}"),
        };
        let (files, _) = load_all(&endpoints(9, inline), "", false);
        let programs = files.usable.expect("no errors").1.endpoints;
        assert!(programs.iter().take(8).all(|program| Arc::ptr_eq(program, &programs[0])));
        assert!(!Arc::ptr_eq(&programs[0], &programs[8]));
        assert_ne!(
            programs[0].rules(Phase::OnTcpConnect).next().map(RuleRef::position),
            programs[8].rules(Phase::OnTcpConnect).next().map(RuleRef::position)
        );
    }

    #[test]
    fn what_is_wrong_with_a_file_of_many_is_told_once() {
        let edge = endpoints(50, |_| "traffic_policy_file: p.yml".to_owned());
        let forward =
            "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: \"tcp://x.internal:22\"}}]}]";
        for (text, code) in [("on_tcp_connect: [{actions: [{type: dney}]}]", "TP452"), (forward, "TP455")] {
            let (files, reads) = load_all(&edge, text, false);
            let codes: Vec<_> = files.findings.iter().map(|it| it.code.id).collect();
            assert_eq!((codes, reads, files.policies.len()), (vec![code], 1, 1));
            assert!(files.policies[0].1.errors() <= 1);
        }
    }

    #[test]
    fn nothing_is_shown_of_a_file_outside() {
        let edge = endpoints(1, |_| "traffic_policy_file: p.yml".to_owned());
        for text in [
            "secret:x:0\n",
            "on_tcp_connect: [{actions: [{type: secret}]}]",
            "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: \"tcp://secret.internal:22\"}}]}]",
            "on_tcp_connect: [{name: secret, expressions: [\"conn.geo.city == 'secret'\"], actions: [{type: deny}]}]",
            "on_tcp_connect: [{name: secret, actions: [{type: terminate-tls}]}]",
        ] {
            let (files, _) = load_all(&edge, text, true);
            let shown = format!("{:?} {:?}", files.findings, files.policies);
            let texts = files.policies.iter().map(|(source, _)| source.text()).collect::<String>();
            assert!(!files.findings.is_empty(), "{text}");
            assert!(!shown.contains("secret") && !texts.contains("secret"), "{shown}\n{texts}");
        }
    }

    #[test]
    fn a_long_chain_is_loaded_in_a_step_for_each_endpoint() {
        let count = 20_000;
        let url = |at: usize| format!("tcp://d{at}.internal:22");
        let mut edge = format!(
            "version: 1\nendpoints: [{{name: a, url: \"tcp://e:1\", traffic_policy: {{on_tcp_connect: [{{actions: \
             [{{type: forward-internal, config: {{url: \"{}\"}}}}]}}]}}}}]\ninternal_endpoints:\n",
            url(0)
        );
        for at in 0..count {
            edge.push_str(&format!(
                "- {{url: \"{}\", upstream: {{url: 22}}, traffic_policy: {{on_tcp_connect: [{{actions: [{{type: \
                 forward-internal, config: {{url: \"{}\"}}}}]}}]}}}}\n",
                url(at),
                url(at + 1)
            ));
        }
        let (files, _) = load_all(&edge, "", false);
        let found: Vec<_> = files.findings.iter().map(|it| (it.code.id, &*it.message)).collect();
        assert_eq!(
            found,
            [("TP455", &*format!("no internal endpoint serves `{}`, so forwards to it fail", url(count)))]
        );
        let (config, _) = files.usable.expect("a warning");
        let target = EndpointUrl::parse(&url(count - 1)).expect("a URL");
        assert_eq!(config.internal_endpoint(&target), Some(count - 1));
    }
}
