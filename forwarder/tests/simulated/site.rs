//! The hosts: one edge with clients of its own, and agents with servers that echo.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use agent_link::mux::Measured;
use agent_link::{Heartbeat, ProxyHeader};
use jiff::Timestamp;
use policy_core::agent::Secret;
use policy_core::url::{EndpointUrl, HostPort};
use rustls::pki_types::ServerName;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use turmoil::Sim;
use turmoil::net::{TcpListener, TcpStream};

use super::{AGENT_TOLERANCE, BEAT, CONNECT, CUT, TOLERANCE, name};
use crate::agent::network::Network;
use crate::agent::run::run_over;
use crate::agent::{AgentError, Offer, Setup, Status, UpstreamServer};
use crate::base::random::Random;
use crate::base::random::tests::seeded;
use crate::control::identity::{
    Change, Credential, CredentialId, Identity, NewCredential, Records, Store, StoreError,
};
use crate::edge::agents::{AgentSettings, Agents, PolicyLimits, end_dead, session};
use crate::edge::certificates::AgentIdentity;
use crate::edge::connection::{Admitted, carry};
use crate::edge::events::EventWriter;
use crate::edge::generation::{Generation, load};
use crate::edge::open::{ConnectionFacts, Ingress};
use crate::edge::route::{Connection, EntryPoint, Live, RoutingView, decide};
use crate::edge::shared::Shared;
use crate::net::dial::Dialer;
use crate::net::relay::Carrier;
use crate::net::tls::client::{TrustedCas, client_config};

/// Agent 0 is alone at its URL, 1 and 2 want the same one, 3 and 4 share one.
pub(super) const AGENTS: usize = 5;
pub(super) const URLS: [&str; 3] =
    ["tcp://alone.internal:22", "tcp://rivals.internal:22", "tcp://shared.internal:22"];
const SLOTS: usize = 100;
const PORT: u16 = 443;

pub(super) fn url_of(agent: usize) -> &'static str {
    URLS[agent.div_ceil(2)]
}

/// What all hosts and the test share.
pub(super) struct Site {
    identity: Identity,
    tokens: Vec<(CredentialId, String)>,
    edge: Mutex<Option<OneEdge>>,
    pub(super) stop: CancellationToken,
    /// Agents that have ended for good.
    pub(super) ended: Mutex<Vec<usize>>,
    /// Connections at servers, by their number.
    pub(super) echoes: Mutex<BTreeSet<u64>>,
    /// Connections at the edge: when they ended.
    pub(super) clients: Mutex<BTreeMap<u64, Option<Duration>>>,
    pub(super) successes: Mutex<BTreeMap<&'static str, u64>>,
    /// Connections that were cut by a fault, and look so.
    pub(super) cut: AtomicU64,
    pub(super) complaints: Mutex<Vec<String>>,
    next: AtomicU64,
    /// Everything that edge, agents and clients draw.
    random: Random,
    /// What was seen, and when.
    trace: Mutex<Vec<String>>,
}

/// What one run of the edge has.
#[derive(Clone)]
pub(super) struct OneEdge {
    pub(super) shared: Arc<Shared>,
    pub(super) agents: Arc<Agents>,
}

impl OneEdge {
    /// Every place was given back.
    pub(super) fn assert_empty(&self) {
        let Self { shared, agents } = self;
        assert_eq!((shared.connections.len(), agents.sessions.len(), shared.online.all().len()), (0, 0, 0));
        assert_eq!(agents.slots.len(), 0, "slots of agents");
        assert_eq!(agents.unknown.len(), 0, "places of unknown agents");
        assert_eq!(shared.agent_tasks.len(), 0, "tasks of agents");
    }
}

/// Keeps nothing: what the simulation makes is in memory alone.
#[derive(Debug)]
struct Nowhere;

impl Store for Nowhere {
    fn load(&self) -> Result<Records, StoreError> {
        Ok(Records::default())
    }

    fn apply(&self, _: &[Change]) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Site {
    pub(super) fn new(seed: u64) -> Self {
        let identity = Identity::with_store(Arc::new(Nowhere)).expect("readable");
        let token = || {
            let made = identity.create::<Credential>(NewCredential::default(), Timestamp::now());
            let (credential, token) = made.expect("made");
            (credential.id, token.reveal().to_owned())
        };
        let tokens = std::iter::repeat_with(token).take(AGENTS).collect();
        Self {
            identity,
            tokens,
            edge: Mutex::default(),
            stop: CancellationToken::new(),
            ended: Mutex::default(),
            echoes: Mutex::default(),
            clients: Mutex::default(),
            successes: Mutex::default(),
            cut: AtomicU64::default(),
            complaints: Mutex::default(),
            next: AtomicU64::new(1),
            random: seeded(seed),
            trace: Mutex::default(),
        }
    }

    pub(super) fn edge(&self) -> Option<OneEdge> {
        self.edge.lock().expect("whole").clone()
    }

    pub(super) fn credential(&self, agent: usize) -> CredentialId {
        self.tokens[agent].0
    }

    pub(super) fn revoke(&self, agent: usize) {
        self.identity.delete::<Credential>(self.credential(agent)).expect("there");
    }

    /// The edge has ended, and its connections with it.
    pub(super) fn end_clients(&self, now: Duration) {
        for ended in self.clients.lock().expect("whole").values_mut() {
            ended.get_or_insert(now);
        }
    }

    /// Adds to what was seen.
    pub(super) fn note(&self, now: Duration, what: fmt::Arguments<'_>) {
        self.trace.lock().expect("whole").push(format!("{:.3} {what}", now.as_secs_f64()));
    }

    /// All that was seen, in its order.
    pub(super) fn trace(&self) -> Vec<String> {
        self.trace.lock().expect("whole").clone()
    }

    fn complain(&self, what: String) {
        self.complaints.lock().expect("whole").push(what);
    }

    pub(super) fn start(self: &Arc<Self>, sim: &mut Sim<'_>) {
        let site = Arc::clone(self);
        sim.host("edge", move || Arc::clone(&site).run_edge());
        for agent in 0..AGENTS {
            let site = Arc::clone(self);
            sim.host(name(agent), move || Arc::clone(&site).run_agent(agent));
        }
    }

    async fn run_edge(self: Arc<Self>) -> turmoil::Result {
        let edge = OneEdge::new(self.identity.clone(), self.random.clone());
        *self.edge.lock().expect("whole") = Some(edge.clone());
        let OneEdge { shared, agents } = edge;
        tokio::spawn(end_dead(Arc::clone(&agents), self.identity.subscribe()));
        for (number, url) in URLS.into_iter().enumerate() {
            tokio::spawn(visit(Arc::clone(&self), Arc::clone(&shared), number, url));
        }
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        loop {
            let (stream, peer) = listener.accept().await?;
            let Some(unknown) = agents.unknown_slot(peer.ip()) else { continue };
            let (shared, agents) = (Arc::clone(&shared), Arc::clone(&agents));
            let settings = agents.settings.load_full().expect("agents are served");
            Arc::clone(&shared).agent_tasks.spawn(async move {
                session::speak(&shared, &agents, &settings, Measured::unknown(stream), peer, unknown).await;
            });
        }
    }

    /// Runs an agent until it is stopped or refused.
    async fn run_agent(self: Arc<Self>, agent: usize) -> turmoil::Result {
        let (setup, status) = (setup(agent, &self.tokens[agent].1), Arc::new(Status::default()));
        let (network, random) = (Simulated(Arc::clone(&self)), self.random.clone());
        let ended = run_over(network, random, setup, &status, self.stop.clone()).await;
        assert!(matches!(ended, Ok(()) | Err(AgentError::Auth(_))), "{ended:?}");
        self.ended.lock().expect("whole").push(agent);
        Ok(())
    }
}

impl OneEdge {
    fn new(identity: Identity, random: Random) -> Self {
        let (events, _) = EventWriter::start(Vec::new()).expect("a thread");
        let shared = Arc::new(Shared::new(generation(), SLOTS, events, random));
        let settings = AgentSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], PORT)),
            tls: own_tls().0,
            restrict_ips: None,
            auth_timeout: Duration::from_secs(10),
            heartbeat: Heartbeat { interval: BEAT, tolerance: TOLERANCE },
            max_agents_per_authtoken: usize::MAX,
            max_agents: SLOTS,
            max_endpoints: 10,
            max_streams: 1_000,
            public: None,
            public_listen: Vec::new(),
            policies: PolicyLimits::default(),
        };
        let agents = Arc::new(Agents::new(identity, settings));
        Self { shared, agents }
    }
}

/// One endpoint for each URL.
fn generation() -> Generation {
    let endpoint = |at: usize| {
        format!(
            "  - {{name: e{at}, url: \"tcp://e{at}:9\", listen: \"127.0.0.1:0\", traffic_policy_file: {at}.yml}}\n"
        )
    };
    let edge = format!(
        "version: 1\nagents: {{listen: \"127.0.0.1:0\", names: [edge]}}\nendpoints:\n{}",
        (0..URLS.len()).map(endpoint).collect::<String>()
    );
    let read = |path: &Path| match path.file_stem().and_then(|name| name.to_str()).expect("a name") {
        "edge" => Ok(edge.clone().into_bytes()),
        number => {
            let url = URLS[number.parse::<usize>().expect("a number")];
            let policy = format!(
                "on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: \"{url}\"}}}}]}}]\n"
            );
            io::Result::Ok(policy.into_bytes())
        }
    };
    load(Path::new("edge.yml"), &read).expect("valid").0
}

/// TLS that is never spoken.
fn own_tls() -> (Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>) {
    static MADE: OnceLock<(Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>)> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().expect("a folder");
        let own = AgentIdentity::own(folder.path(), &["edge".into()]).expect("made");
        (own.server_config(), client_config(&TrustedCas::Trusted).expect("known"))
    };
    MADE.get_or_init(make).clone()
}

fn setup(agent: usize, token: &str) -> Setup {
    Setup {
        server: HostPort::parse("edge:443").expect("an address"),
        server_name: ServerName::try_from("edge").expect("a name"),
        tls: own_tls().1,
        cas: TrustedCas::Trusted,
        proxy: None,
        dialer: Dialer::default(),
        origin: None,
        connect_timeout: CONNECT,
        authtoken: Secret::new(token),
        metadata: String::new(),
        heartbeat: Heartbeat { interval: BEAT, tolerance: AGENT_TOLERANCE },
        remote_management: true,
        offers: vec![Offer {
            name: "device".into(),
            address: url_of(agent).strip_prefix("tcp://").expect("a URL").into(),
            binding: Some("internal"),
            pooling: url_of(agent) == URLS[2],
            metadata: "".into(),
            description: "".into(),
            policy: None,
            upstream: UpstreamServer::plain(HostPort::parse("22").expect("an address")),
            proxy_protocol: None,
        }],
    }
}

/// The network of an agent.
#[derive(Clone)]
struct Simulated(Arc<Site>);

impl Network for Simulated {
    type Edge = Measured<TcpStream>;
    type Upstream = Pipe;

    async fn edge(&self, _: &Setup) -> io::Result<Self::Edge> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let connected = timeout(CONNECT, TcpStream::connect(("edge", PORT))).await.map_err(late)?;
        connected.map(Measured::unknown)
    }

    async fn upstream(&self, _: &Dialer, _: &Offer, _: &ProxyHeader) -> io::Result<Pipe> {
        let (near, far, _) = pipe();
        tokio::spawn(echo(Arc::clone(&self.0), far));
        Ok(near)
    }
}

/// One end of a connection within a host.
pub(super) struct Pipe {
    halves: (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>),
    /// It was given up; what came is not all.
    reset: Arc<AtomicBool>,
}

impl Carrier for Pipe {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        (&mut self.halves.0, &mut self.halves.1)
    }

    fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }
}

fn pipe() -> (Pipe, DuplexStream, Arc<AtomicBool>) {
    let (near, far) = duplex(8 << 10);
    let reset = Arc::default();
    (Pipe { halves: tokio::io::split(near), reset: Arc::clone(&reset) }, far, reset)
}

/// A server: what it hears begins with the number of the connection.
async fn echo(site: Arc<Site>, stream: DuplexStream) {
    struct Here(Arc<Site>, u64);
    impl Drop for Here {
        fn drop(&mut self) {
            // It may be dropped by a test that fails.
            let mut echoes = self.0.echoes.lock().unwrap_or_else(PoisonError::into_inner);
            echoes.remove(&self.1);
        }
    }
    let (mut read, mut write) = tokio::io::split(stream);
    let Ok(number) = read.read_u64().await else { return };
    site.echoes.lock().expect("whole").insert(number);
    let _here = Here(Arc::clone(&site), number);
    if write.write_u64(number).await.is_ok() && tokio::io::copy(&mut read, &mut write).await.is_ok() {
        let _ = write.shutdown().await;
    }
}

/// Clients of one URL, one after the other and some at once, until the edge ends.
async fn visit(site: Arc<Site>, shared: Arc<Shared>, endpoint: usize, url: &'static str) {
    loop {
        sleep(Duration::from_millis(100 + site.random.below(900) as u64)).await;
        let (site, shared, steps) =
            (Arc::clone(&site), Arc::clone(&shared), 1 + site.random.below(20) as u64);
        tokio::spawn(async move {
            let number = site.next.fetch_add(1, Ordering::Relaxed);
            client(&site, &shared, endpoint, number, steps, url).await;
        });
    }
}

async fn client(site: &Site, shared: &Shared, endpoint: usize, number: u64, steps: u64, url: &'static str) {
    let generation = shared.current.load_full();
    let entered = EndpointUrl::parse("tcp://e:9").expect("a URL");
    let (peer, start) = (SocketAddr::from(([192, 0, 2, 1], 5_555)), Timestamp::now());
    let made = ConnectionFacts { client: peer, server: peer, start, seed: number };
    let facts = made.facts(&entered, start);
    let dial =
        Live { timeout: CONNECT, client: peer, server: peer, own: &shared.own, random: &shared.random };
    let world = RoutingView { generation: &generation, online: &shared.online };
    let gone: Vec<_> = shared.online.all().into_iter().filter(|online| online.gone.is_cancelled()).collect();
    let begun = Instant::now();
    let (route, connection) =
        decide(world, EntryPoint::Configured(endpoint), &facts, &dial).await.expect("an endpoint");
    if begun.elapsed() > CONNECT {
        site.complain(format!("connection {number} was decided for {:?}", begun.elapsed()));
    }
    if route.agents.iter().any(|agent| gone.contains(agent)) {
        site.complain(format!("connection {number} was forwarded to a session that was gone"));
    }
    let Some(Connection::Agent(upstream)) = connection else { return };
    site.clients.lock().expect("whole").insert(number, None);
    let (far, near, reset) = pipe();
    let admitted = Admitted {
        ingress: Ingress::Configured(format!("e{endpoint}").into()),
        made,
        decided_by: Arc::downgrade(&generation),
        half_close_timeout: generation.config.limits.half_close_timeout,
    };
    let carried = async {
        // Dropped when it ends, as a socket is.
        drop(carry(shared, admitted, &route, far, upstream).await);
        let now = turmoil::sim_elapsed().expect("within the simulation");
        site.clients.lock().expect("whole").insert(number, Some(now));
    };
    let talked = async {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        talk(near, number, steps).await.map_err(late).and_then(|talked| talked)
    };
    let (talked, ()) = tokio::join!(talked, carried);
    let now = turmoil::sim_elapsed().expect("within the simulation");
    site.note(now, format_args!("connection {number} to {url}: {talked:?}"));
    match talked {
        Ok(true) => *site.successes.lock().expect("whole").entry(url).or_default() += 1,
        Ok(false) => site.complain(format!("connection {number} carried other bytes")),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            site.complain(format!("connection {number} waited for more than {CUT:?}"));
        }
        Err(_) if reset.load(Ordering::Relaxed) => drop(site.cut.fetch_add(1, Ordering::Relaxed)),
        Err(error) => site.complain(format!("connection {number} was cut and looks complete: {error}")),
    }
}

/// Says things and hears them again: false if they differ. No step takes longer than [`CUT`].
async fn talk(
    stream: DuplexStream,
    number: u64,
    steps: u64,
) -> Result<io::Result<bool>, tokio::time::error::Elapsed> {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut say = number.to_be_bytes().to_vec();
    for step in 0..steps {
        let mut heard = vec![0; say.len()];
        let both = async { tokio::try_join!(write.write_all(&say), read.read_exact(&mut heard)) };
        if let Err(error) = timeout(CUT, both).await? {
            return Ok(Err(error));
        }
        if heard != say {
            return Ok(Ok(false));
        }
        // From a few bytes to more than a turn of the mux.
        let length = if step % 5 == 4 { 20_000 } else { 100 };
        say = (0..length).map(|at| (number + step + at).to_le_bytes()[0]).collect();
        sleep(Duration::from_millis(200)).await;
    }
    let _ = write.shutdown().await;
    let mut rest = Vec::new();
    let end = timeout(CUT, read.read_to_end(&mut rest)).await?;
    Ok(end.map(|_| rest.is_empty()))
}
