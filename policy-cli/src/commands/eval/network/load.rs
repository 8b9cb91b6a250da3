//! The endpoints of configurations: of an edge, of an agent, or of an edge with the agents that are connected to it.

use std::ops::RangeInclusive;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use policy_core::agent::{AgentConfig, AgentFiles, load_agent_files};
use policy_core::check::{CheckOptions, CheckedPolicy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::diagnostic::{Diagnostics, did_you_mean, printable, shown_address};
use policy_core::edge::{EdgeConfig, EdgeFiles, EdgeLimits, load_edge_files};
use policy_core::endpoint_policy::PolicySource;
use policy_core::exchange::Ability;
use policy_core::facts::Facts;
use policy_core::lint::{DocumentKind, kind_of};
use policy_core::phase::{Phase, PhaseSet};
use policy_core::resolve::UrlMap;
use policy_core::source::Source;
use policy_core::url::{Binding, EndpointUrl};

use super::super::world::endpoint_of;
use super::Node;
use crate::cli::Eval;
use crate::exit::{Failure, note};
use crate::files::{Given, folder_of, read, read_named};
use crate::lists;
use crate::render::text::say_findings;

/// What configurations say.
pub(super) struct Parts {
    pub(super) nodes: Vec<Node>,
    /// True if targets that no configuration has may be kept online by agents.
    pub(super) has_others: bool,
    pub(super) max_hops: u32,
}

/// The endpoints of the file of a call, and of the agents that it gives; nothing if the file is no configuration.
pub(super) fn parts(given: &Given, args: &Eval) -> Result<Option<Parts>, Failure> {
    let kind = match given.found.has_errors() {
        true => None,
        false => kind_of(&given.source, &CheckOptions::default()),
    };
    match kind {
        Some(DocumentKind::Edge) => edge(given, args).map(Some),
        _ if !args.agent.is_empty() => Err(Failure::Usage(format!(
            "--agent gives agents that are connected to an edge, and `{}` is no edge configuration",
            given.source.name()
        ))),
        Some(DocumentKind::Agent) => {
            let nodes = agent(given, &args.policy, args)?;
            // Of the edge nothing is known: it has the defaults.
            let EdgeLimits { max_hops, .. } = EdgeLimits::default();
            Ok(Some(Parts { nodes, has_others: true, max_hops }))
        }
        _ => Ok(None),
    }
}

/// Says what is wrong with a configuration that cannot be used.
fn unusable(given: &Given, found: Diagnostics, policies: Vec<(Source, Diagnostics)>) -> Failure {
    say_findings(&given.shown_with(found, policies));
    Failure::Usage(format!("`{}` is not a usable configuration", given.source.name()))
}

fn edge(given: &Given, args: &Eval) -> Result<Parts, Failure> {
    let folder = folder_of(&args.policy);
    let mut named = |name: &str| read_named(folder, name);
    let mut list = |file: &str, name: &str, feed: &mut dyn FnMut(&[u8])| {
        lists::read_named(folder_of(&folder.join(file)), name, feed)
    };
    // As an edge loads it: what only refuses more is no error.
    let mut options = CheckOptions::default();
    options.serving = true;
    let EdgeFiles { usable, findings, policies, .. } =
        load_edge_files(&given.source, &options, &mut named, &mut list);
    let Some((config, programs)) = usable else { return Err(unusable(given, findings, policies)) };
    let file: Arc<str> = given.source.name().into();
    let public = config.endpoints.iter().zip(programs.endpoints).map(|(endpoint, program)| Node {
        name: endpoint.name.value.to_string(),
        url: Some(endpoint.url.clone()),
        policy: Some(Ok(program)),
        ..Node::new(&file)
    });
    let internal = config.internal_endpoints.iter().zip(programs.internal).map(|(endpoint, program)| Node {
        name: endpoint.url.value.to_string(),
        url: Some(endpoint.url.value.clone()),
        is_internal: true,
        policy: program.map(Ok),
        upstream: Some(endpoint.upstream.value.to_string()),
        ..Node::new(&file)
    });
    let mut nodes: Vec<Node> = public.chain(internal).collect();
    connect(&mut nodes, &config, args)?;
    Ok(Parts { nodes, has_others: config.agents.is_some(), max_hops: config.limits.max_hops })
}

/// Brings the endpoints of agents online at an edge, which refuses what it would refuse of them.
fn connect(nodes: &mut Vec<Node>, config: &EdgeConfig, args: &Eval) -> Result<(), Failure> {
    if args.agent.is_empty() {
        return Ok(());
    }
    let Some(name) = config.agents.as_ref().map(|agents| agents.names.first()) else {
        let message = "--agent: the edge takes no agents; its configuration has no `agents`";
        return Err(Failure::Usage(message.to_owned()));
    };
    let public = Public { name: name.map_or("", |name| &**name), ports: config.public_tcp_ports.as_ref() };
    let mut taken = UrlMap::default();
    for (at, node) in nodes.iter().enumerate() {
        node.url.iter().for_each(|url| {
            taken.get_or_insert_with(url, || at);
        });
    }
    for path in &args.agent {
        let given = read(path)?;
        let kind = kind_of(&given.source, &CheckOptions::default());
        if !given.found.has_errors() && kind != Some(DocumentKind::Agent) {
            let message = format!("--agent: `{}` is no configuration of an agent", given.source.name());
            return Err(Failure::Usage(message));
        }
        let mut own = agent(&given, path, args)?;
        if let Some(most) =
            usize::try_from(config.limits.max_endpoints_per_agent).ok().filter(|it| own.len() > *it)
        {
            let message = format!(
                "--agent: `{}` has {} endpoints, and the edge lets an agent have {most} (`limits.max_endpoints_per_agent`)",
                given.source.name(),
                own.len()
            );
            return Err(Failure::Usage(message));
        }
        for mut node in own.drain(..) {
            node.unfit = public.why_unfit(&node);
            node.withhold_unknown_facts();
            match &node.unfit {
                Some(why) => note(&format!("the edge does not bring {} online: {why}", node.shown())),
                None => take(&node, nodes, &mut taken)?,
            }
            nodes.push(node);
        }
    }
    Ok(())
}

/// Takes the URL of an agent's endpoint, the next of the endpoints.
fn take(node: &Node, nodes: &[Node], taken: &mut UrlMap<usize>) -> Result<(), Failure> {
    let Some(url) = &node.url else { return Ok(()) };
    let first = *taken.get_or_insert_with(url, || nodes.len());
    // One that is not there yet is this one.
    let Some(first) = nodes.get(first) else { return Ok(()) };
    let shares = first.is_pooled && node.is_pooled && first.is_internal && node.is_internal;
    match shares {
        true => Ok(()),
        false => {
            let why = match first.is_brought {
                true if first.is_internal && node.is_internal => ", and not both allow pooling",
                true => ", and public endpoints of an edge share no URL",
                false => "",
            };
            let (node, first) = (node.shown(), first.shown());
            Err(Failure::Usage(format!("--agent: {node} cannot be online: {first} serves {url}{why}")))
        }
    }
}

/// Where an edge lets agents have public endpoints.
struct Public<'c> {
    name: &'c str,
    ports: Option<&'c RangeInclusive<u16>>,
}

impl Public<'_> {
    /// Why an edge would not bring an endpoint online.
    fn why_unfit(&self, node: &Node) -> Option<String> {
        if node.is_internal {
            return None;
        }
        let Some(ports) = self.ports else { return Some("the edge has no `public_tcp_ports`".to_owned()) };
        let url = node.url.as_ref()?;
        let is_own = url.host() == self.name && url.port().is_some_and(|port| ports.contains(&port));
        let own = || format!("{}, ports {} to {}", self.name, ports.start(), ports.end());
        (!is_own).then(|| format!("{url} is no address that agents may have there: these are {}", own()))
    }
}

impl Node {
    /// An edge takes no policy of an agent that reads what it does not know.
    fn withhold_unknown_facts(&mut self) {
        let Some(Ok(program)) = &self.policy else { return };
        if let Some(fact) = program.needs().iter().find(|fact| !Facts::known_to_edges(**fact)) {
            self.policy = Some(Err(format!("its policy reads `{fact}`, and an edge has no source for it")));
        }
    }

    /// It in a sentence, with its file.
    fn shown(&self) -> String {
        format!("the endpoint `{}` of `{}`", printable(&self.name), printable(&self.file))
    }
}

/// The endpoints of an agent.
fn agent(given: &Given, path: &Path, args: &Eval) -> Result<Vec<Node>, Failure> {
    if given.found.has_errors() {
        return Err(unusable(given, given.found.clone(), Vec::new()));
    }
    let folder = folder_of(path);
    let AgentFiles { usable, files, findings, policies, .. } =
        load_agent_files(&given.source, &CheckOptions::default(), &mut |name| read_named(folder, name));
    let Some(config) = usable else { return Err(unusable(given, findings, policies)) };
    let mut options = CompileOptions::default();
    if args.has_request() {
        options.phases = PhaseSet::new(&Phase::ALL);
        options.abilities = Ability::ALL.to_vec();
    }
    Ok(nodes_of(&config, files.into_iter(), (&given.source.name().into(), &options)))
}

fn nodes_of(
    config: &AgentConfig,
    mut files: impl Iterator<Item = Option<Rc<CheckedPolicy>>>,
    (file, options): (&Arc<str>, &CompileOptions),
) -> Vec<Node> {
    let mut policy = |source: Option<&PolicySource>| {
        let file: Option<Rc<CheckedPolicy>> = files.next().flatten();
        match (source, &file) {
            (Some(PolicySource::Inline(policy)), _) => Some(program(policy, options)),
            (_, Some(policy)) => Some(program(policy, options)),
            _ => None,
        }
    };
    let endpoints = config.endpoints.iter().map(|endpoint| Node {
        name: endpoint.name.value.to_string(),
        url: endpoint.url.value.given().cloned(),
        is_internal: endpoint.binding == Binding::Internal,
        is_pooled: endpoint.pooling_enabled,
        policy: policy(endpoint.policy.as_ref()),
        upstream: Some(endpoint.upstream.value.to_string()),
        is_brought: true,
        ..Node::new(file)
    });
    let mut nodes: Vec<Node> = endpoints.collect();
    nodes.extend(config.tunnels.iter().map(|tunnel| Node {
        name: tunnel.name.value.to_string(),
        policy: policy(tunnel.policy.as_ref()),
        upstream: Some(tunnel.upstream.value.to_string()),
        is_brought: true,
        ..Node::new(file)
    }));
    nodes
}

/// Compiles a policy of an agent. One that does not run here refuses, and says why.
fn program(policy: &CheckedPolicy, options: &CompileOptions) -> Result<Arc<Program>, String> {
    compile(policy, options).map(Arc::new).map_err(|found| {
        let message = found.iter().next().map(|item| item.message.to_string());
        format!("its policy cannot be run here: {}", message.unwrap_or_default())
    })
}

/// The endpoint that the call names: a name of a file first, else a URL, which is told then; without one the only one
/// there is.
pub(super) fn entry(
    nodes: &[Node],
    args: &Eval,
    source: &Source,
) -> Result<(usize, Option<EndpointUrl>), Failure> {
    let names = || {
        let names: Vec<_> = nodes.iter().map(|node| format!("`{}`", printable(&node.name))).collect();
        names.join(", ")
    };
    let with = if args.agent.is_empty() { "" } else { " with its agents" };
    // A request says where it comes in.
    let of_request = args.url.as_deref().and_then(endpoint_of).and_then(|url| by_url(nodes, &url));
    if let (None, Some((at, url))) = (&args.endpoint, of_request) {
        return fit(nodes, at, url);
    }
    let Some(wanted) = &args.endpoint else {
        let is_entry = |node: &Node| (!node.is_internal || nodes.len() == 1) && node.unfit.is_none();
        let mut public = nodes.iter().enumerate().filter(|(_, node)| is_entry(node));
        return match (public.next(), public.next()) {
            (Some((at, _)), None) => Ok((at, None)),
            (first, _) => {
                let number = if first.is_some() { "several endpoints" } else { "no public endpoint" };
                Err(Failure::Usage(format!(
                    "`{}`{with} has {number}; name one with `--endpoint`: {}",
                    source.name(),
                    names()
                )))
            }
        };
    };
    let of_url = || EndpointUrl::parse(wanted).ok().and_then(|url| by_url(nodes, &url));
    let found = by_name(nodes, wanted)?.map(|at| (at, None)).or_else(of_url);
    let Some((at, url)) = found else {
        let near = did_you_mean(wanted, nodes.iter().map(|node| &*node.name));
        let hint =
            near.map_or_else(|| format!("it has {}", names()), |near| format!("did you mean `{near}`?"));
        return Err(Failure::Usage(format!(
            "--endpoint: `{}`{with} has no endpoint `{}`; {hint}",
            source.name(),
            shown_address(wanted)
        )));
    };
    fit(nodes, at, url)
}

/// An endpoint that the edge brings online.
fn fit(nodes: &[Node], at: usize, url: Option<EndpointUrl>) -> Result<(usize, Option<EndpointUrl>), Failure> {
    match nodes.get(at).and_then(|node| Some((node, node.unfit.as_ref()?))) {
        Some((node, why)) => {
            Err(Failure::Usage(format!("--endpoint: the edge does not bring {} online: {why}", node.shown())))
        }
        None => Ok((at, url)),
    }
}

/// The endpoint of a name, which only one may have.
fn by_name(nodes: &[Node], wanted: &str) -> Result<Option<usize>, Failure> {
    let mut named = nodes.iter().enumerate().filter(|(_, node)| node.name == *wanted);
    match (named.next(), named.next()) {
        (Some((_, first)), Some((_, second))) => {
            let urls: Vec<_> = [first, second]
                .iter()
                .filter_map(|node| Some(format!("`--endpoint {}`", node.url.as_ref()?)))
                .collect();
            let hint = if urls.is_empty() { String::new() } else { format!(", e.g. {}", urls.join(" or ")) };
            Err(Failure::Usage(format!(
                "--endpoint: `{}` is the name of an endpoint of `{}` and of one of `{}`; give its URL{hint}",
                shown_address(wanted),
                printable(&first.file),
                printable(&second.file)
            )))
        }
        (first, _) => Ok(first.map(|(at, _)| at)),
    }
}

/// The endpoint that serves a URL.
fn by_url(nodes: &[Node], url: &EndpointUrl) -> Option<(usize, Option<EndpointUrl>)> {
    let mut table = UrlMap::default();
    for (at, node) in nodes.iter().enumerate() {
        // Of several with one URL the first.
        node.url.iter().for_each(|own| {
            table.get_or_insert_with(own, || at);
        });
    }
    let at = table.serving(url).map(|(_, at)| *at)?;
    Some((at, Some(url.clone())))
}
