//! The decision of the edge, from the accepted connection to the server that is to be reached, beside the engine alone:
//! the journey that the edge makes, without the words of its verdict.

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use agent_link::mux::{Limits, Side, session};
use forwarder::edge::generation::{EndpointPolicy, Generation, load};
use forwarder::edge::online::{OnlineEndpoint, OnlineEndpoints, Owner};
use forwarder::edge::policy_shares::{PolicyShares, Reserved};
use forwarder::edge::route::{EntryPoint, Presumed, RoutingView, first_leg};
use jiff::Timestamp;
use policy_core::compile::Program;
use policy_core::exchange::Reply;
use policy_core::facts::Facts;
use policy_core::journey::Leg;
use policy_core::url::{Binding, EndpointUrl};
use tokio_util::sync::CancellationToken;

use super::measure::Samples;
use super::{Bar, Context, Gate};
use crate::policies::{self, GUIDE};

/// How many connections take turns.
const CONNECTIONS: usize = 1 << 12;

/// Rules with two conditions, and a refusal after them.
const RULES: usize = 20;

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    vec![
        Bar::new("edge/decision, guide policy ÷ engine alone", Gate::AtMost(3.0, 1.5), "×", |context| {
            ratio(context, GUIDE)
        }),
        Bar::new(
            "edge/decision, 20 rules with conditions ÷ engine alone",
            Gate::AtMost(2.0, 1.2),
            "×",
            |context| ratio(context, &rules()),
        ),
        Bar::new("edge/decision allocations", Gate::AtMost(0.0, 0.0), "", |context| {
            let rules = rules();
            let own = [GUIDE, &rules].map(Site::new);
            // An agent's endpoint is found by its name, or by a wildcard.
            let of_agents = ["tcp://device1.internal:22", "tcp://*.internal:22"]
                .map(|url| [GUIDE, &rules].map(|policy| Site::of_agent(policy, url)));
            let edges: Vec<Site> = own.into_iter().chain(of_agents.into_iter().flatten()).collect();
            let connections = connections(1 << 8);
            let decided = || edges.iter().map(|site| site.all(&connections, Site::edge)).sum::<u64>();
            let (_, memory) = context.meter.memory(|| black_box(decided()));
            #[allow(clippy::cast_precision_loss, reason = "few")]
            Samples::one(memory.allocations as f64, format!("{} decisions", edges.len() * connections.len()))
        }),
    ]
}

/// The policy of which a review measured the edge: 20 rules with an address list and a port, then a refusal.
fn rules() -> String {
    let mut text = "on_tcp_connect:\n".to_owned();
    for rule in 0..RULES {
        let condition = format!("inCidrRange(conn.client_ip, '10.0.{rule}.0/24') && conn.client_port > 1023");
        let _ = writeln!(
            text,
            "- {{expressions: [\"{condition}\"], actions: [{{type: forward-internal, config: {{url: 'tcp://device1.internal:22'}}}}]}}"
        );
    }
    text.push_str("- actions: [{type: deny}]\n");
    text
}

/// Sources inside and outside of the lists, with ports on both sides of the condition.
fn connections(number: usize) -> Vec<SocketAddr> {
    let sources = policies::guide_sources(number);
    let connection = |(at, source): (usize, IpAddr)| {
        let inside = u8::try_from(at % RULES).unwrap_or(0);
        let source = if at % 2 == 0 { source } else { IpAddr::from([10, 0, inside, 7]) };
        SocketAddr::new(source, if at % 5 == 0 { 80 } else { 50_000 })
    };
    sources.into_iter().enumerate().map(connection).collect()
}

/// An edge with one endpoint, and the program of its policy alone.
struct Site {
    generation: Generation,
    online: OnlineEndpoints,
    program: Program,
    url: EndpointUrl,
    server: SocketAddr,
}

impl Site {
    /// The target is an endpoint of the configuration.
    fn new(policy: &str) -> Self {
        let target = "internal_endpoints: [{url: 'tcp://device1.internal:22', upstream: {url: 22}}]";
        Self::with(policy, target, OnlineEndpoints::default())
    }

    /// The target is an endpoint that an agent keeps online.
    #[allow(clippy::expect_used, reason = "bench data is valid")]
    fn of_agent(policy: &str, url: &str) -> Self {
        let online = OnlineEndpoints::default();
        online.register(Arc::new(endpoint(url))).expect("nobody else is online");
        Self::with(policy, "", online)
    }

    #[allow(clippy::expect_used, reason = "bench data is valid")]
    fn with(policy: &str, targets: &str, online: OnlineEndpoints) -> Self {
        let config = format!(
            "version: 1
endpoints: [{{name: e, url: 'tcp://edge.example.com:20022', listen: '127.0.0.1:0', traffic_policy_file: p.yml}}]
{targets}
"
        );
        let read = |path: &Path| {
            let text = if path.ends_with("p.yml") { policy } else { &config };
            Ok(text.as_bytes().to_vec())
        };
        let (generation, _) = load(Path::new("edge.yml"), &read).expect("usable");
        assert!(matches!(&*generation.programs, [EndpointPolicy::Program(_)]), "one policy");
        Self {
            generation,
            online,
            program: policies::program(policy),
            url: EndpointUrl::parse("tcp://edge.example.com:20022").expect("a URL"),
            server: SocketAddr::from(([192, 0, 2, 1], 20_022)),
        }
    }

    fn facts(&self, client: SocketAddr) -> Facts<'_> {
        Facts::from_connection(client, self.server).at_endpoint(&self.url).seeded(1)
    }

    /// As the edge decides; true if a server is to be reached.
    fn edge(&self, client: SocketAddr) -> bool {
        let world = RoutingView { generation: &self.generation, online: &self.online };
        let dial = Presumed { unreached: &[], reached: None };
        let leg = first_leg(world, EntryPoint::Configured(0), &self.facts(client), &dial);
        matches!(leg, Some(Leg::Reach(_)))
    }

    /// As the engine alone decides.
    fn engine(&self, client: SocketAddr) -> bool {
        self.program.on_tcp_connect(&self.facts(client)).run(|_, _| Reply::Forwarded).is_admitted()
    }

    fn all(&self, connections: &[SocketAddr], decide: fn(&Self, SocketAddr) -> bool) -> u64 {
        connections.iter().map(|client| u64::from(decide(self, *black_box(client)))).sum()
    }
}

/// An endpoint of an agent that does nothing.
#[allow(clippy::expect_used, reason = "bench data is valid")]
fn endpoint(url: &str) -> OnlineEndpoint {
    let credential = "cr_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().expect("an id");
    let share = PolicyShares::default().share_of(credential, Instant::now());
    let (opener, _, _) = session(tokio::io::duplex(1).0, Side::Server, Limits::default());
    OnlineEndpoint {
        id: "ep_1".into(),
        agent_id: "ep_1".into(),
        session: "ts_1".into(),
        owner: Owner { credential, acl: Arc::default(), share, memory: Reserved::default() },
        url: EndpointUrl::parse(url).expect("a URL"),
        binding: Binding::Internal,
        listens_on: Vec::new(),
        pooling: false,
        programs: Vec::new(),
        policy_text: None,
        forwards_to: "".into(),
        metadata: "".into(),
        description: "".into(),
        since: Timestamp::UNIX_EPOCH,
        opener,
        confirms: false,
        proxy_protocol: None,
        gone: CancellationToken::new(),
    }
}

fn ratio(context: &Context, policy: &str) -> Samples {
    let site = Site::new(policy);
    let connections = connections(context.number(CONNECTIONS));
    context.meter.equal_ratios(
        connections.len(),
        || site.all(&connections, Site::edge),
        || site.all(&connections, Site::engine),
    )
}
