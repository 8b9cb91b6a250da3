//! Network: the endpoints of configurations, as a connection finds them: of an edge, of an agent, or of an edge with the
//! agents that are connected to it.
//!
//! It is what a [`Journey`](crate::journey::Journey) goes through where nothing runs: in dry runs, in tests, and for events
//! that are decided again. What agents bring online an edge admits or refuses here by the rules of the edge
//! itself ([`Claim`], [`NotServed`], [`PublicAddresses`], [`Program::unknown_facts`]).

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::agent::AgentConfig;
use crate::check::CheckedPolicy;
use crate::compile::{CompileOptions, Program, compile};
use crate::diagnostic::printable;
use crate::edge::{Claim, EdgeConfig, EdgeLimits, NotServed, Programs, PublicAddresses, Taken};
use crate::endpoint_policy::PolicySource;
use crate::facts::Fact;
use crate::journey::{Endpoints, Policy, Serving};
use crate::resolve::UrlMap;
use crate::source::Span;
use crate::url::{Binding, EndpointUrl, Scheme};

/// The endpoints of configurations.
///
/// ```
/// use policy_core::{check::CheckOptions, edge::load_edge_files, network::Network, source::Source};
/// let text = "\
/// version: 1
/// endpoints:
///   - {name: ssh, url: \"tcp://edge.example.com:20022\", traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}}
/// ";
/// let source = Source::new("edge.yml", text);
/// let files = load_edge_files(&source, &CheckOptions::default(), &mut |_| unreachable!(), &mut |_, _, _| unreachable!());
/// let (config, programs) = files.usable.expect("no error");
/// let network = Network::of_edge("edge.yml", &config, &programs);
/// assert_eq!(network.endpoints().len(), 1);
/// assert_eq!(&*network.endpoints()[0].name, "ssh");
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    endpoints: Vec<NetworkEndpoint>,
    /// Those that forwards may go to, by URL; several share one.
    internal: UrlMap<Vec<usize>>,
    /// The first of every URL.
    taken: UrlMap<usize>,
    has_others: bool,
    max_hops: u32,
    agents: Option<AgentRules>,
}

/// What an edge lets agents bring online.
#[derive(Clone, Debug)]
struct AgentRules {
    max_endpoints: usize,
    public: Option<PublicAddresses>,
}

/// One endpoint of a network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NetworkEndpoint {
    /// The configuration that it is of.
    pub file: Arc<str>,
    /// Its name there; the URL of one that has none.
    pub name: Box<str>,
    /// Where the configuration names it.
    pub span: Option<Span>,
    /// Its URL, if the configuration says it; may be a wildcard.
    pub url: Option<EndpointUrl>,
    /// Its protocol, also where its URL is left to the service.
    pub scheme: Option<Scheme>,
    /// How it takes its URL.
    pub claim: Claim,
    /// Its policy, or why that does not run.
    pub policy: Option<Result<Arc<Program>, Withheld>>,
    /// The server behind it.
    pub upstream: Option<Box<str>>,
    /// True if an agent brings it.
    pub is_brought: bool,
    /// Why the edge does not bring it online.
    pub refused: Option<NotOnline>,
}

/// Why a policy of an agent does not run: every connection is refused, with these words.
#[derive(Clone, Debug)]
pub struct Withheld(Box<str>);

/// Why an edge does not bring an endpoint of an agent online.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotOnline {
    /// No edge serves its protocol.
    NotServed(NotServed),
    /// The agent has as many online as it may have (`limits.max_endpoints_per_agent`).
    NoRoom(usize),
    /// It has no kubernetes binding.
    Kubernetes,
    /// It gives agents no public addresses.
    NoPublicAddresses,
    /// Others than this one.
    NotAmong(EndpointUrl, PublicAddresses),
}

/// Why an agent cannot be connected to an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The edge takes no agents.
    NoAgents,
    /// Another endpoint has a URL of one.
    Taken {
        /// The endpoint, with its file.
        endpoint: String,
        /// Who has the URL, with its file.
        by: String,
        /// The URL.
        url: EndpointUrl,
        /// Why they do not share it; `None` if the edge's own configuration serves it.
        why: Option<Taken>,
    },
}

/// An endpoint on the way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One of the network, by its place.
    Endpoint(usize),
    /// One that an agent which is not given keeps online, as far as is known.
    Elsewhere,
}

impl Network {
    fn new(endpoints: Vec<NetworkEndpoint>, has_others: bool, max_hops: u32) -> Self {
        let (internal, taken) = (UrlMap::default(), UrlMap::default());
        let mut network = Self { endpoints: Vec::new(), internal, taken, has_others, max_hops, agents: None };
        endpoints.into_iter().for_each(|endpoint| network.add(endpoint));
        network
    }

    /// The endpoints of an edge, those of its listeners first.
    #[must_use]
    pub fn of_edge(file: &str, config: &EdgeConfig, programs: &Programs) -> Self {
        let file: Arc<str> = file.into();
        let public =
            config.endpoints.iter().zip(&programs.endpoints).map(|(endpoint, program)| NetworkEndpoint {
                name: endpoint.name.value.clone(),
                span: Some(endpoint.name.span),
                url: Some(endpoint.url.clone()),
                policy: Some(Ok(Arc::clone(program))),
                ..NetworkEndpoint::new(&file, Binding::Public)
            });
        let internal = config.internal_endpoints.iter().zip(&programs.internal).map(|(endpoint, program)| {
            NetworkEndpoint {
                name: endpoint.url.value.to_string().into(),
                span: Some(endpoint.url.span),
                url: Some(endpoint.url.value.clone()),
                policy: program.clone().map(Ok),
                upstream: Some(endpoint.upstream.value.to_string().into()),
                ..NetworkEndpoint::new(&file, Binding::Internal)
            }
        });
        let endpoints = public.chain(internal).collect();
        let mut network = Self::new(endpoints, config.agents.is_some(), config.limits.max_hops);
        network.agents = config.agents.is_some().then(|| AgentRules {
            max_endpoints: usize::try_from(config.limits.max_endpoints_per_agent).unwrap_or(usize::MAX),
            public: PublicAddresses::from_config(config),
        });
        network
    }

    /// The endpoints of an agent, with what [`load_agent_files`](crate::agent::load_agent_files) has read of their policies.
    /// Of its edge nothing is known: it has the defaults. A policy that does not compile refuses.
    #[must_use]
    pub fn of_agent(
        file: &str,
        config: &AgentConfig,
        files: Vec<Option<Rc<CheckedPolicy>>>,
        options: &CompileOptions,
    ) -> Self {
        let (file, mut files): (Arc<str>, _) = (file.into(), files.into_iter());
        let mut policy = |source: Option<&PolicySource>| {
            let of_file: Option<Rc<CheckedPolicy>> = files.next().flatten();
            match (source, &of_file) {
                (Some(PolicySource::Inline(policy)), _) => Some(of_agent(policy, options)),
                (_, Some(policy)) => Some(of_agent(policy, options)),
                _ => None,
            }
        };
        let endpoints = config.endpoints.iter().map(|endpoint| NetworkEndpoint {
            name: endpoint.name.value.clone(),
            span: Some(endpoint.name.span),
            url: endpoint.url.value.given().cloned(),
            scheme: Some(endpoint.url.value.scheme()),
            claim: Claim { binding: endpoint.binding, pooling: endpoint.pooling_enabled },
            policy: policy(endpoint.policy.as_ref()),
            upstream: Some(endpoint.upstream.value.to_string().into()),
            is_brought: true,
            ..NetworkEndpoint::new(&file, endpoint.binding)
        });
        let mut endpoints: Vec<_> = endpoints.collect();
        endpoints.extend(config.tunnels.iter().map(|tunnel| NetworkEndpoint {
            name: tunnel.name.value.clone(),
            scheme: tunnel.scheme,
            span: Some(tunnel.name.span),
            policy: policy(tunnel.policy.as_ref()),
            upstream: Some(tunnel.upstream.value.to_string().into()),
            is_brought: true,
            ..NetworkEndpoint::new(&file, Binding::Public)
        }));
        let EdgeLimits { max_hops, .. } = EdgeLimits::default();
        Self::new(endpoints, true, max_hops)
    }

    /// One policy by itself: where it forwards to is served elsewhere.
    #[must_use]
    pub fn of_policy(program: Arc<Program>, upstream: Option<Box<str>>) -> Self {
        let file: Arc<str> = program.file().into();
        let endpoint = NetworkEndpoint {
            policy: Some(Ok(program)),
            upstream,
            ..NetworkEndpoint::new(&file, Binding::Public)
        };
        let EdgeLimits { max_hops, .. } = EdgeLimits::default();
        Self::new(vec![endpoint], true, max_hops)
    }

    /// Connects an agent to the edge: brings its endpoints online, but for those which the edge refuses
    /// ([`NetworkEndpoint::refused`]).
    ///
    /// # Errors
    /// [`ConnectError`]; then some of its endpoints may be online.
    pub fn connect(&mut self, agent: Self) -> Result<(), ConnectError> {
        let Some(rules) = self.agents.clone() else { return Err(ConnectError::NoAgents) };
        let mut online = 0;
        for mut endpoint in agent.endpoints {
            endpoint.refused = endpoint.why_refused(&rules, online);
            online += usize::from(endpoint.refused.is_none());
            endpoint.withhold_unknown_facts();
            if endpoint.refused.is_none() {
                self.check_free(&endpoint)?;
            }
            self.add(endpoint);
        }
        Ok(())
    }

    /// Looks whether an endpoint can have its URL.
    fn check_free(&self, endpoint: &NetworkEndpoint) -> Result<(), ConnectError> {
        let Some(url) = &endpoint.url else { return Ok(()) };
        let Some(first) = self.taken.get(url).and_then(|at| self.endpoints.get(*at)) else { return Ok(()) };
        let why = match first.is_brought {
            true => match endpoint.claim.beside(first.claim) {
                Ok(()) => return Ok(()),
                Err(taken) => Some(taken),
            },
            false => None,
        };
        let (endpoint, by) = (endpoint.to_string(), first.to_string());
        Err(ConnectError::Taken { endpoint, by, url: url.clone(), why })
    }

    fn add(&mut self, endpoint: NetworkEndpoint) {
        let at = self.endpoints.len();
        if let Some(url) = endpoint.url.as_ref().filter(|_| endpoint.refused.is_none()) {
            self.taken.get_or_insert_with(url, || at);
            if endpoint.claim.binding == Binding::Internal {
                self.internal.get_or_insert_with(url, Vec::new).push(at);
            }
        }
        self.endpoints.push(endpoint);
    }

    /// All of them, in the order in which the configurations have them.
    #[must_use]
    pub fn endpoints(&self) -> &[NetworkEndpoint] {
        &self.endpoints
    }

    /// The endpoint at a place; `None` for one elsewhere.
    #[must_use]
    pub fn endpoint(&self, place: Place) -> Option<&NetworkEndpoint> {
        match place {
            Place::Endpoint(at) => self.endpoints.get(at),
            Place::Elsewhere => None,
        }
    }

    /// True if targets that it does not have may be kept online by agents that are not given.
    #[must_use]
    pub const fn has_others(&self) -> bool {
        self.has_others
    }

    /// Its policies.
    pub fn programs(&self) -> impl Iterator<Item = &Arc<Program>> {
        self.endpoints.iter().filter_map(|endpoint| endpoint.policy.as_ref()?.as_ref().ok())
    }

    /// The facts that its policies may read, each once.
    #[must_use]
    pub fn needs(&self) -> Vec<Fact> {
        let mut needs: Vec<Fact> = Vec::new();
        for fact in self.programs().flat_map(|program| program.needs()) {
            if !needs.contains(fact) {
                needs.push(*fact);
            }
        }
        needs
    }

    /// The endpoint that serves a URL, public or internal: of several with one URL the first, one
    /// that the edge refuses if no other does. O(endpoints).
    #[must_use]
    pub fn at_url(&self, url: &EndpointUrl) -> Option<usize> {
        let refused = || {
            let covers = |it: &NetworkEndpoint| {
                it.refused.is_some() && it.url.as_ref().is_some_and(|own| own.covers(url))
            };
            self.endpoints.iter().position(covers)
        };
        self.taken.serving(url).map(|(_, at)| *at).or_else(refused)
    }
}

impl Endpoints for Network {
    type Endpoint = Place;

    fn serving(&self, target: &EndpointUrl) -> Serving<Place> {
        match self.internal.serving(target).map(|(_, members)| members.as_slice()) {
            Some([only]) => Serving::One(Place::Endpoint(*only)),
            Some(members) => Serving::Pool(members.iter().copied().map(Place::Endpoint).collect()),
            None if self.has_others => Serving::One(Place::Elsewhere),
            None => Serving::Nobody,
        }
    }

    fn policy<'e>(&'e self, endpoint: &'e Place, at: usize) -> Option<Policy<'e>> {
        match self.endpoint(*endpoint)?.policy.as_ref().filter(|_| at == 0)? {
            Ok(program) => Some(Policy::Program(program)),
            Err(Withheld(why)) => Some(Policy::Refuse(why)),
        }
    }

    fn has_upstream(&self, endpoint: &Place) -> bool {
        self.endpoint(*endpoint).is_none_or(|endpoint| endpoint.upstream.is_some())
    }

    fn max_hops(&self) -> u32 {
        self.max_hops
    }
}

impl NetworkEndpoint {
    /// One of a file, of which nothing else is known.
    fn new(file: &Arc<str>, binding: Binding) -> Self {
        Self {
            file: Arc::clone(file),
            name: Box::default(),
            span: None,
            url: None,
            scheme: None,
            claim: Claim { binding, pooling: false },
            policy: None,
            upstream: None,
            is_brought: false,
            refused: None,
        }
    }

    /// True if only forwards reach it.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.claim.binding == Binding::Internal
    }

    /// Why an edge refuses it, in the order in which one looks; `online` of its agent are there already.
    fn why_refused(&self, rules: &AgentRules, online: usize) -> Option<NotOnline> {
        if let Err(why) = self.scheme.map_or(Ok(()), NotServed::check) {
            return Some(NotOnline::NotServed(why));
        }
        if online >= rules.max_endpoints {
            return Some(NotOnline::NoRoom(rules.max_endpoints));
        }
        let public = rules.public.as_ref();
        match self.claim.binding {
            Binding::Internal => return None,
            Binding::Kubernetes => return Some(NotOnline::Kubernetes),
            Binding::Public => {}
        }
        let Some(public) = public else { return Some(NotOnline::NoPublicAddresses) };
        let url = self.url.as_ref().filter(|url| !public.has(url))?;
        Some(NotOnline::NotAmong(url.clone(), public.clone()))
    }

    /// An edge takes no policy of an agent that reads what it does not know.
    fn withhold_unknown_facts(&mut self) {
        let Some(Ok(program)) = &self.policy else { return };
        let unknown = program.unknown_facts().next();
        if let Some(fact) = unknown {
            let why = format!("its policy reads `{fact}`, and an edge has no source for it");
            self.policy = Some(Err(Withheld(why.into())));
        }
    }
}

/// Compiles a policy of an agent.
fn of_agent(policy: &CheckedPolicy, options: &CompileOptions) -> Result<Arc<Program>, Withheld> {
    compile(policy, options).map(Arc::new).map_err(|found| {
        let message = found.iter().next().map(|item| item.message.to_string()).unwrap_or_default();
        Withheld(format!("its policy cannot be run here: {message}").into())
    })
}

impl fmt::Display for NetworkEndpoint {
    /// It in a sentence, with its file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the endpoint `{}` of `{}`", printable(&self.name), printable(&self.file))
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NotOnline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotServed(why) => why.fmt(f),
            Self::NoRoom(most) => {
                write!(f, "an agent may have {most} endpoints online (`limits.max_endpoints_per_agent`)")
            }
            Self::Kubernetes => f.write_str("the edge has no kubernetes binding"),
            Self::NoPublicAddresses => f.write_str("the edge has no `public_tcp_ports`"),
            Self::NotAmong(url, public) => {
                write!(f, "{url} is no address that agents may have there: these are {public}")
            }
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAgents => f.write_str("the edge takes no agents; its configuration has no `agents`"),
            Self::Taken { endpoint, by, url, why } => {
                let why = match why {
                    None => "",
                    Some(Taken::NotPooled) => ", and not both allow pooling",
                    Some(Taken::Public) => ", and public endpoints of an edge share no URL",
                    Some(Taken::Binding) => ", with another binding",
                };
                write!(f, "{endpoint} cannot be online: {by} serves {url}{why}")
            }
        }
    }
}

impl std::error::Error for ConnectError {}

#[cfg(test)]
mod tests;
