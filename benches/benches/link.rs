//! The agent link, measured: how soon a revoked token cuts its connections, a keystroke beside a bulk transfer over a
//! slow line, and a thousand agents at one edge. Edge and agents are the real ones, in this process.
//!
//! `cargo bench -p benches --bench link [-- --test]`
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench")]

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_link::Heartbeat;
use forwarder::agent::{self, Offer, Setup, Status, UpstreamServer};
use forwarder::base::raise_file_limit;
use forwarder::control::identity::{Credential, Identity, NewCredential};
use forwarder::edge::certificates::AgentIdentity;
use forwarder::edge::events::EventWriter;
use forwarder::edge::generation::load;
use forwarder::edge::{AgentSettings, Edge};
use forwarder::net::dial::Dialer;
use forwarder::net::tls::client::{TrustedCas, client_config};
use jiff::Timestamp;
use policy_core::agent::Secret;
use policy_core::url::HostPort;
use rustls::pki_types::ServerName;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_secs(60);

const EDGE: &str = "version: 1
endpoints:
  - name: public
    url: tcp://localhost:20022
    listen: 127.0.0.1:0
    traffic_policy:
      on_tcp_connect: [{actions: [{type: forward-internal, config: {url: \"tcp://d0.internal:22\"}}]}]
internal_endpoints: [{url: \"tcp://unused.internal:22\", upstream: {url: 22}}]
limits: {max_connections_per_source: 20000}
";

/// An edge with its store, and what agents of it need.
struct Site {
    edge: Edge,
    public: SocketAddr,
    agents: SocketAddr,
    identity: Identity,
    tls: Arc<rustls::ClientConfig>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Site {
    fn start(max_agents: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = |_: &Path| Ok(EDGE.as_bytes().to_vec());
        let (generation, _) = load(Path::new("edge.yml"), &files).expect("a configuration");
        let (events, _) = EventWriter::start(Vec::new()).expect("a thread");
        let mut edge = Edge::start(generation, 20_000, events).expect("a port");
        let identity = Identity::open(folder.path()).expect("a store");
        let shown = AgentIdentity::own(folder.path(), &["localhost".into()]).expect("a certificate");
        let trusted = shown.authority().expect("its own").to_owned();
        let agents = edge
            .serve_agents(
                identity.clone(),
                AgentSettings {
                    listen: (Ipv4Addr::LOCALHOST, 0).into(),
                    tls: shown.server_config(),
                    restrict_ips: None,
                    auth_timeout: MINUTE,
                    heartbeat: Heartbeat { interval: MINUTE, tolerance: MINUTE },
                    max_agents,
                    max_agents_per_authtoken: max_agents,
                    max_endpoints: 100,
                    max_streams: 4_096,
                    public: None,
                    public_listen: Vec::new(),
                    policies: forwarder::edge::PolicyLimits::default(),
                },
            )
            .expect("a port");
        let public = edge.addresses().first().expect("one endpoint").1;
        let tls = client_config(&TrustedCas::File(trusted)).expect("an authority");
        let stop = CancellationToken::new();
        Self { edge, public, agents, identity, tls, stop, _folder: folder }
    }

    /// Runs an agent that reaches the edge at an address; gives its status and its credential.
    fn agent(
        &self,
        through: SocketAddr,
        names: &[String],
        upstream: SocketAddr,
    ) -> (Arc<Status>, forwarder::control::identity::CredentialId) {
        let made = self.identity.create::<Credential>(NewCredential::default(), Timestamp::now());
        let (credential, token) = made.expect("a token");
        let offer = |name: &String| Offer {
            name: name.as_str().into(),
            address: format!("{name}.internal:22").into(),
            binding: Some("internal"),
            pooling: false,
            metadata: "".into(),
            description: "".into(),
            policy: None,
            upstream: UpstreamServer::plain(HostPort {
                host: upstream.ip().to_string().into(),
                port: upstream.port(),
            }),
            proxy_protocol: None,
        };
        let setup = Setup {
            server: HostPort { host: "127.0.0.1".into(), port: through.port() },
            server_name: ServerName::try_from("localhost").expect("a name"),
            tls: Arc::clone(&self.tls),
            cas: TrustedCas::Trusted,
            dialer: Dialer::default(),
            proxy: None,
            connect_timeout: MINUTE,
            authtoken: Secret::new(token.reveal()),
            metadata: String::new(),
            heartbeat: Heartbeat { interval: MINUTE, tolerance: MINUTE },
            remote_management: true,
            origin: None,
            offers: names.iter().map(offer).collect(),
        };
        let (status, stop) = (Arc::new(Status::default()), self.stop.child_token());
        let told = Arc::clone(&status);
        // A revoked agent ends with an error, as it should.
        tokio::spawn(async move { agent::run(setup, &told, stop).await.is_ok() });
        (status, credential.id)
    }

    async fn end(self) {
        self.stop.cancel();
        self.edge.shutdown(Duration::ZERO).await;
    }
}

async fn online(status: &Status, number: usize) {
    let end = Instant::now() + 2 * MINUTE;
    while status.endpoints().len() < number {
        assert!(Instant::now() < end, "an agent does not come online");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A device that echoes; what begins with `B` it sends bytes without an end.
async fn device() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut first = [0];
                if stream.read_exact(&mut first).await.is_err() || stream.write_all(&first).await.is_err() {
                    return;
                }
                if first == *b"B" {
                    while stream.write_all(&[0; 65_536]).await.is_ok() {}
                    return;
                }
                let (mut read, mut write) = stream.split();
                // A client that goes away ends its echo.
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn talk(address: SocketAddr, first: u8) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("settable");
    stream.write_all(&[first]).await.expect("written");
    let mut answer = [0];
    stream.read_exact(&mut answer).await.expect("answered");
    stream
}

/// Milliseconds from a revoked token to the end of the last of its connections.
async fn revoke(connections: usize) -> f64 {
    let (site, device) = (Site::start(8), device().await);
    let (status, credential) = site.agent(site.agents, &["d0".to_owned()], device);
    online(&status, 1).await;
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(talk(site.public, b'x').await);
    }
    let (done, mut ends) = mpsc::channel(connections);
    for mut stream in open {
        let done = done.clone();
        tokio::spawn(async move {
            // However it ends.
            let _ = stream.read(&mut [0]).await;
            let _ = done.send(Instant::now()).await;
        });
    }
    drop(done);
    sleep(Duration::from_millis(200)).await;
    let start = Instant::now();
    site.identity.delete::<Credential>(credential).expect("revoked");
    let stored = start.elapsed();
    let mut last = start;
    while let Some(end) = ends.recv().await {
        last = last.max(end);
    }
    println!("revoke: stored in {:.1} ms", stored.as_secs_f64() * 1e3);
    site.end().await;
    (last - start).as_secs_f64() * 1e3
}

/// A line of 100 Mbit a second, 10 ms each way, that holds as much as fits into it.
async fn line(to: SocketAddr) -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // What the system itself would hold is no part of the line.
    socket.set_recv_buffer_size(64 << 10).expect("settable");
    socket.set_nonblocking(true).expect("settable");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
    socket.listen(64).expect("a port");
    let listener = TcpListener::from_std(socket.into()).expect("a listener");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = {
                let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
                socket.set_recv_buffer_size(64 << 10).expect("settable");
                socket.connect(to).await.expect("the edge")
            };
            near.set_nodelay(true).expect("settable");
            far.set_nodelay(true).expect("settable");
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            tokio::spawn(carry(near_read, far_write));
            tokio::spawn(carry(far_read, near_write));
        }
    });
    address
}

async fn carry(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
) -> io::Result<()> {
    const BYTES_PER_SECOND: f64 = 12.5e6;
    const DELAY: Duration = Duration::from_millis(10);
    const CHUNK: usize = 1_500;
    let mut under_way: VecDeque<(tokio::time::Instant, Vec<u8>)> = VecDeque::new();
    let mut free_at = tokio::time::Instant::now();
    let mut buffer = [0; CHUNK];
    loop {
        let arrives = under_way.front().map(|(at, _)| *at);
        tokio::select! {
            biased;
            () = async { sleep_until(arrives.unwrap_or(free_at)).await }, if arrives.is_some() => {
                if let Some((_, bytes)) = under_way.pop_front() {
                    to.write_all(&bytes).await?;
                }
            }
            // The line takes the next bytes when it is free.
            read = async { sleep_until(free_at).await; from.read(&mut buffer).await } => {
                let read = read?;
                let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
                let taken = Duration::from_secs_f64(f64::from(u32::try_from(read).expect("small")) / BYTES_PER_SECOND);
                free_at = free_at.max(tokio::time::Instant::now() - Duration::from_millis(2)) + taken;
                under_way.push_back((free_at + DELAY, bytes.to_vec()));
            }
        }
    }
}

/// Median milliseconds of a keystroke and its echo.
async fn keystrokes(public: SocketAddr, number: usize) -> f64 {
    let mut shell = talk(public, b'x').await;
    let mut times = Vec::new();
    for _ in 0..number {
        let start = Instant::now();
        shell.write_all(b"k").await.expect("typed");
        shell.read_exact(&mut [0]).await.expect("echoed");
        times.push(start.elapsed().as_secs_f64() * 1e3);
        sleep(Duration::from_millis(20)).await;
    }
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().expect("some")
}

/// Milliseconds of a keystroke while nothing else goes on, and beside a transfer; and its megabytes a second.
async fn keystroke(number: usize) -> [f64; 3] {
    let (site, device) = (Site::start(8), device().await);
    let through = line(site.agents).await;
    let (status, _) = site.agent(through, &["d0".to_owned()], device);
    online(&status, 1).await;
    let idle = keystrokes(site.public, number).await;
    let mut bulk = talk(site.public, b'B').await;
    let carrying = tokio::spawn(async move {
        let (mut buffer, mut bytes, start) = (vec![0; 65_536], 0_usize, Instant::now());
        while let Ok(read @ 1..) = bulk.read(&mut buffer).await {
            bytes += read;
            if start.elapsed() > Duration::from_secs(3) && bytes == usize::MAX {
                break;
            }
            tokio::task::yield_now().await;
            CARRIED.store(bytes, std::sync::atomic::Ordering::Relaxed);
        }
    });
    sleep(Duration::from_secs(1)).await;
    let (before, start) = (CARRIED.load(std::sync::atomic::Ordering::Relaxed), Instant::now());
    let beside = keystrokes(site.public, number).await;
    let carried = CARRIED.load(std::sync::atomic::Ordering::Relaxed).saturating_sub(before);
    let megabytes = f64::from(u32::try_from(carried >> 10).expect("small")) / 1_024.0;
    carrying.abort();
    let rate = megabytes / start.elapsed().as_secs_f64();
    site.end().await;
    [idle, beside, rate]
}

static CARRIED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Seconds until so many agents with ten endpoints each are online, and microseconds of a connection then.
async fn fleet(agents: usize) -> [f64; 2] {
    let (site, device) = (Site::start(agents), device().await);
    let start = Instant::now();
    let mut all = Vec::new();
    for number in 0..agents {
        let names: Vec<_> = (0..10).map(|at| format!("d{}", number * 10 + at)).collect();
        all.push(site.agent(site.agents, &names, device).0);
    }
    for status in &all {
        online(status, 10).await;
    }
    let up = start.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        drop(talk(site.public, b'x').await);
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    site.end().await;
    [up, times.get(times.len() / 2).copied().expect("some")]
}

fn main() {
    let quick = std::env::args().any(|word| word == "--test");
    let files = raise_file_limit();
    assert!(quick || files > 8_000, "{files} open files are too few");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (connections, strokes, agents) = if quick { (20, 5, 5) } else { (1_000, 200, 1_000) };
    let cut = runtime.block_on(revoke(connections));
    println!("revoke: the last of {connections} connections is cut after {cut:.1} ms (gate 100, stretch 10)");
    let [idle, beside, rate] = runtime.block_on(keystroke(strokes));
    println!(
        "keystroke, 100 Mbit and 10 + 10 ms: {idle:.1} ms alone, {beside:.1} ms beside a transfer of {rate:.1} MB/s: {:.2} times (gate 2, stretch 1.2)",
        beside / idle
    );
    let one = runtime.block_on(fleet(1));
    let many = runtime.block_on(fleet(agents));
    println!(
        "fleet: {agents} agents with {} endpoints online in {:.1} s; a connection and its first echo {:.0} µs, with one agent {:.0} µs",
        agents * 10,
        many[0],
        many[1],
        one[1]
    );
}
