//! What others notice of a tenant whose policies cost as much as they may, and of a client with as many connections as it
//! gets. A measurement, by its own command:
//! `cargo test --release -p forwarder --test program -- --ignored --nocapture neighbours`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{connect, connect_from, echo_device, rest_of, second_address};
use crate::policies::{costly, forward, two_tenants};
use crate::process::processor_ticks;
use crate::site::DEVICE;

const PAIRS: usize = 5;
const VISITS: usize = 600;
/// Clients of the busy source that connect again as soon as they are served or refused.
const BUSY: usize = 32;
/// Connections that it asks to be held besides.
const HELD: usize = 2_000;
/// The p99 beside a costly policy over that beside a cheap one.
const MAX_RATIO: f64 = 1.5;
const ADMIT: &str = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [127.0.0.0/8]}}]}]\n";
const MAX_CUT: Duration = Duration::from_millis(100);

/// What the neighbour of a tenant sees.
struct Seen {
    p50: Duration,
    p99: Duration,
    /// From asking for a reload that denies until the last open connection is cut.
    cut: Duration,
    visits: usize,
    held: usize,
    ticks: u64,
}

/// What is said to the tenant's device: hang up after the answer, or hold the connection.
const SERVED: &[u8; 1] = b"s";
const HOLD: &[u8; 1] = b"h";

/// One byte there and back.
fn echo(mut stream: &TcpStream, byte: &[u8; 1]) -> bool {
    stream.write_all(byte).is_ok() && stream.read_exact(&mut [0]).is_ok()
}

/// The tenant's device. It hangs up first: else its agent runs out of ports, which it shares with the neighbour's.
fn tenants_device() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut byte = [0];
                if stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() && byte == *HOLD {
                    let _ = stream.read(&mut byte);
                }
            });
        }
    });
    address
}

/// A client that connects as often as it can until it is stopped; it asks for held connections first.
struct Busy {
    stop: Arc<AtomicBool>,
    visits: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<()>>,
    held: Vec<TcpStream>,
}

impl Busy {
    fn start(source: Ipv4Addr, address: SocketAddr) -> Self {
        let held =
            (0..HELD).map(|_| connect_from(source, address)).filter(|stream| echo(stream, HOLD)).collect();
        let (stop, visits) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let work = || {
            let (stop, visits) = (Arc::clone(&stop), Arc::clone(&visits));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    echo(&connect_from(source, address), SERVED);
                    visits.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let threads = (0..BUSY).map(|_| work()).collect();
        Self { stop, visits, threads, held }
    }

    fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        self.visits.load(Ordering::Relaxed)
    }
}

/// Policies of the tenant by the URL that they forward to, if any.
fn beside(source: Ipv4Addr, policy: fn(Option<&str>) -> String) -> Seen {
    let (site, port) = two_tenants("");
    let _device = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    let device = tenants_device().to_string();
    let token = site.token(&[]);
    let way =
        [("localhost".to_owned() + &format!(":{port}"), Some("h0")), ("h0.a.internal:22".into(), Some("h1"))];
    let last = [("h1.a.internal:22".to_owned(), None)];
    let _agents: Vec<_> = way
        .into_iter()
        .chain(last)
        .map(|(at, next)| {
            let target = next.map(|host| format!("tcp://{host}.a.internal:22"));
            let name = format!("{}.yml", at.replace(':', "-"));
            let path = site.edge.folder.write(&name, &policy(target.as_deref())).display().to_string();
            site.agent(&token, &device, &["--url", &format!("tcp://{at}"), "--traffic-policy-file", &path])
        })
        .collect();
    let busy = Busy::start(source, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let before = processor_ticks(site.edge.id());
    let mut times: Vec<_> = (0..VISITS)
        .map(|_| {
            let begun = Instant::now();
            assert!(echo(&connect(site.public), SERVED), "the neighbour is served");
            begun.elapsed()
        })
        .collect();
    let ticks = processor_ticks(site.edge.id()) - before;
    let open: Vec<_> = (0..40).map(|_| connect(site.public)).collect();
    assert!(open.iter().all(|stream| echo(stream, HOLD)), "the neighbour is served");
    site.edge.folder.write("policy.yml", "on_tcp_connect: [{actions: [{type: deny}]}]\n");
    let begun = Instant::now();
    let waiting = thread::spawn(move || {
        open.iter().for_each(|stream| assert_eq!(rest_of(stream), b""));
        begun.elapsed()
    });
    site.admin(&["reload"]);
    let cut = waiting.join().expect("no panic");
    let held = busy.held.len();
    let visits = busy.stop();
    times.sort_unstable();
    Seen { p50: times[VISITS / 2], p99: times[VISITS * 99 / 100], cut, visits, held, ticks }
}

#[test]
#[ignore = "a measurement, by its own command"]
fn a_costly_policy_and_a_busy_client_leave_neighbours_alone() {
    let Some(source) = second_address() else { return };
    let cheap = |next: Option<&str>| next.map_or(ADMIT.to_owned(), forward);
    let mut ratios = Vec::new();
    for _ in 0..PAIRS {
        let (one, other) = (beside(source, cheap), beside(source, costly));
        for (name, seen) in [("only forwards", &one), ("costly", &other)] {
            let Seen { p50, p99, cut, visits, held, ticks } = seen;
            println!(
                "{name}: p50 {p50:?}, p99 {p99:?}, cut {cut:?}; {visits} visits, {held} held, {ticks} ticks"
            );
            assert!(*cut <= MAX_CUT, "cut after {cut:?}");
        }
        ratios.push(other.p99.as_secs_f64() / one.p99.as_secs_f64());
    }
    println!("ratios of the p99: {ratios:.2?}");
    ratios.sort_by(f64::total_cmp);
    assert!(ratios[PAIRS / 2] <= MAX_RATIO, "{ratios:?}");
}
