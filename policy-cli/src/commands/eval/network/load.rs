//! The endpoints of configurations: of an edge, of an agent, or of an edge with the agents that are connected to it.

use std::path::Path;

use policy_core::agent::{AgentFiles, load_agent_files};
use policy_core::check::CheckOptions;
use policy_core::compile::CompileOptions;
use policy_core::diagnostic::{did_you_mean, printable, shown_address};
use policy_core::exchange::Ability;
use policy_core::lint::{DocumentKind, kind_of};
use policy_core::message::Request;
use policy_core::network::{Network, NetworkEndpoint};
use policy_core::phase::{Phase, PhaseSet};
use policy_core::url::{EndpointUrl, Scheme};

use super::super::world::endpoint_of;
use super::EntryPoint;
use crate::cli::Eval;
use crate::configurations::{of_edge, unusable};
use crate::exit::{Failure, note_once};
use crate::files::{Given, folder_of, read, read_named};

/// The endpoints of the file of a call, and of the agents that it gives; nothing if the file is no configuration.
pub(super) fn network(given: &Given, args: &Eval) -> Result<Option<Network>, Failure> {
    let kind = match given.found.has_errors() {
        true => None,
        false => kind_of(&given.source, &CheckOptions::default()),
    };
    match kind {
        Some(DocumentKind::Edge) => {
            let mut network = of_edge(given, &args.policy)?;
            connect(&mut network, args)?;
            Ok(Some(network))
        }
        _ if !args.agent.is_empty() => Err(Failure::Usage(format!(
            "--agent gives agents that are connected to an edge, and `{}` is no edge configuration",
            given.source.name()
        ))),
        Some(DocumentKind::Agent) => agent(given, &args.policy, args).map(Some),
        _ => Ok(None),
    }
}

/// Brings the endpoints of agents online at an edge, which refuses what it would refuse of them.
fn connect(network: &mut Network, args: &Eval) -> Result<(), Failure> {
    for path in &args.agent {
        let given = read(path)?;
        let kind = kind_of(&given.source, &CheckOptions::default());
        if !given.found.has_errors() && kind != Some(DocumentKind::Agent) {
            let message = format!("--agent: `{}` is no configuration of an agent", given.source.name());
            return Err(Failure::Usage(message));
        }
        let known = network.endpoints().len();
        let connected = network.connect(agent(&given, path, args)?);
        for endpoint in network.endpoints().iter().skip(known) {
            if let Some(why) = &endpoint.refused {
                let line = endpoint.span.map(|span| given.source.position(span.start).line);
                let place = line.map_or_else(String::new, |line| format!("{}:{line}: ", given.source.name()));
                note_once(format!("{place}the edge does not bring {endpoint} online: {why}"));
            }
        }
        connected.map_err(|error| Failure::Usage(format!("--agent: {error}")))?;
    }
    Ok(())
}

/// The endpoints of an agent.
fn agent(given: &Given, path: &Path, args: &Eval) -> Result<Network, Failure> {
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
    Ok(Network::of_agent(given.source.name(), &config, files, &options))
}

/// The endpoint that a call names: a name of a file first, else a URL.
pub(super) fn named(network: &Network, wanted: &str, name: &str) -> Result<EntryPoint, Failure> {
    let of_url = || EndpointUrl::parse(wanted).ok().and_then(|url| by_url(network, url));
    let found = by_name(network, wanted)?.map(|endpoint| EntryPoint { endpoint, url: None }).or_else(of_url);
    let Some(entry) = found else {
        let near = did_you_mean(wanted, network.endpoints().iter().map(|node| &*node.name));
        let hint = near
            .map_or_else(|| format!("it has {}", names(network)), |near| format!("did you mean `{near}`?"));
        return Err(Failure::Usage(format!(
            "--endpoint: {name} has no endpoint `{}`; {hint}",
            shown_address(wanted)
        )));
    };
    online(network, entry)
}

/// The endpoint of a call that names none.
pub(super) fn only(network: &Network, name: &str) -> Result<EntryPoint, Failure> {
    let number = match entries(network) {
        [Some(endpoint), None] => return Ok(EntryPoint { endpoint, url: None }),
        [Some(_), _] => "several endpoints",
        [None, _] => "no public endpoint",
    };
    Err(Failure::Usage(format!("{name} has {number}; name one with `--endpoint`: {}", names(network))))
}

/// The endpoint that serves the URL of a request; else the only one, if it may serve any URL or takes no requests.
pub(super) fn of_request(network: &Network, request: &Request, name: &str) -> Result<EntryPoint, Failure> {
    let Some(wanted) = endpoint_of(&request.url) else { return only(network, name) };
    if let Some(entry) = by_url(network, wanted.clone()) {
        return online(network, entry);
    }
    let may_serve = |at: usize| {
        let url = network.endpoints().get(at).and_then(|node| node.url.as_ref());
        url.is_none_or(|url| !matches!(url.scheme(), Scheme::Http | Scheme::Https))
    };
    match entries(network) {
        [Some(endpoint), None] if may_serve(endpoint) => Ok(EntryPoint { endpoint, url: None }),
        _ => Err(Failure::Usage(format!(
            "no endpoint of {name} serves {wanted}; it has {}: name the one where the request comes in with \
             `--endpoint`",
            names(network)
        ))),
    }
}

/// The first two endpoints where connections come in.
fn entries(network: &Network) -> [Option<usize>; 2] {
    let is_entry = |node: &NetworkEndpoint| {
        (!node.is_internal() || network.endpoints().len() == 1) && node.refused.is_none()
    };
    let mut public = network.endpoints().iter().enumerate().filter(|(_, node)| is_entry(node));
    [public.next(), public.next()].map(|found| found.map(|(at, _)| at))
}

/// The endpoints in a sentence, each with its URL.
fn names(network: &Network) -> String {
    let name = |node: &NetworkEndpoint| {
        let url = node.url.as_ref().map(ToString::to_string).filter(|url| **url != *node.name);
        format!("`{}`{}", printable(&node.name), url.map_or_else(String::new, |url| format!(" ({url})")))
    };
    network.endpoints().iter().map(name).collect::<Vec<_>>().join(", ")
}

/// An endpoint that the edge brings online.
fn online(network: &Network, entry: EntryPoint) -> Result<EntryPoint, Failure> {
    match network.endpoints().get(entry.endpoint).and_then(|node| Some((node, node.refused.as_ref()?))) {
        Some((node, why)) => {
            Err(Failure::Usage(format!("--endpoint: the edge does not bring {node} online: {why}")))
        }
        None => Ok(entry),
    }
}

/// The endpoint of a name, which only one may have.
fn by_name(network: &Network, wanted: &str) -> Result<Option<usize>, Failure> {
    let mut named = network.endpoints().iter().enumerate().filter(|(_, node)| *node.name == *wanted);
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
fn by_url(network: &Network, url: EndpointUrl) -> Option<EntryPoint> {
    network.at_url(&url).map(|endpoint| EntryPoint { endpoint, url: Some(url) })
}
