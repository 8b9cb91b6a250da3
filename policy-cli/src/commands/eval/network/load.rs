//! The endpoints of configurations: of an edge, of an agent, or of an edge with the agents that are connected to it.

use std::path::Path;

use policy_core::agent::{AgentFiles, load_agent_files};
use policy_core::check::CheckOptions;
use policy_core::compile::CompileOptions;
use policy_core::diagnostic::{did_you_mean, printable, shown_address};
use policy_core::exchange::Ability;
use policy_core::lint::{DocumentKind, kind_of};
use policy_core::network::{Network, NetworkEndpoint};
use policy_core::phase::{Phase, PhaseSet};
use policy_core::source::Source;
use policy_core::url::EndpointUrl;

use super::super::world::endpoint_of;
use crate::cli::Eval;
use crate::configurations::{of_edge, unusable};
use crate::exit::{Failure, note};
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
                note(&format!("the edge does not bring {endpoint} online: {why}"));
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

/// The endpoint that the call names: a name of a file first, else a URL, which is told then; without one the only one
/// there is.
pub(super) fn entry(
    network: &Network,
    args: &Eval,
    source: &Source,
) -> Result<(usize, Option<EndpointUrl>), Failure> {
    let names = || {
        let names: Vec<_> =
            network.endpoints().iter().map(|node| format!("`{}`", printable(&node.name))).collect();
        names.join(", ")
    };
    let with = if args.agent.is_empty() { "" } else { " with its agents" };
    // A request says where it comes in.
    let of_request = args.url.as_deref().and_then(endpoint_of).and_then(|url| by_url(network, &url));
    if let (None, Some((at, url))) = (&args.endpoint, of_request) {
        return fit(network, at, url);
    }
    let Some(wanted) = &args.endpoint else {
        let is_entry = |node: &NetworkEndpoint| {
            (!node.is_internal() || network.endpoints().len() == 1) && node.refused.is_none()
        };
        let mut public = network.endpoints().iter().enumerate().filter(|(_, node)| is_entry(node));
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
    let of_url = || EndpointUrl::parse(wanted).ok().and_then(|url| by_url(network, &url));
    let found = by_name(network, wanted)?.map(|at| (at, None)).or_else(of_url);
    let Some((at, url)) = found else {
        let near = did_you_mean(wanted, network.endpoints().iter().map(|node| &*node.name));
        let hint =
            near.map_or_else(|| format!("it has {}", names()), |near| format!("did you mean `{near}`?"));
        return Err(Failure::Usage(format!(
            "--endpoint: `{}`{with} has no endpoint `{}`; {hint}",
            source.name(),
            shown_address(wanted)
        )));
    };
    fit(network, at, url)
}

/// An endpoint that the edge brings online.
fn fit(
    network: &Network,
    at: usize,
    url: Option<EndpointUrl>,
) -> Result<(usize, Option<EndpointUrl>), Failure> {
    match network.endpoints().get(at).and_then(|node| Some((node, node.refused.as_ref()?))) {
        Some((node, why)) => {
            Err(Failure::Usage(format!("--endpoint: the edge does not bring {} online: {why}", node)))
        }
        None => Ok((at, url)),
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
fn by_url(network: &Network, url: &EndpointUrl) -> Option<(usize, Option<EndpointUrl>)> {
    network.at_url(url).map(|at| (at, Some(url.clone())))
}
