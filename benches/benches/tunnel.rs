//! The tunnel as processes beside rathole's: bulk and added latency on loopback, and, for root, a keystroke beside a
//! transfer over a slow line between two network namespaces.
//!
//! `cargo bench -p benches --bench tunnel [-- --test]`. The peer is the `rathole` of `RATHOLE`, else of the path:
//! `cargo install rathole --version 0.5.0 --no-default-features --features server,client`. Without it the edge is
//! measured alone.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a bench")]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);
/// The addresses of the two ends of the slow line.
const EDGE: Ipv4Addr = Ipv4Addr::new(198, 18, 78, 1);
const SITE: Ipv4Addr = Ipv4Addr::new(198, 18, 78, 2);
/// What the line holds back each way.
const DELAY: Duration = Duration::from_millis(10);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let address = |at: usize| words.get(at).and_then(|word| word.parse::<SocketAddr>().ok());
    match (words.first().map(String::as_str), address(1), address(2)) {
        (Some("device"), Some(listen), _) => device(listen),
        (Some("line"), Some(listen), Some(to)) => line(listen, to),
        (Some("strokes"), Some(to), _) => strokes(to, words.get(2).is_some_and(|word| word == "quick")),
        _ => measure(words.iter().any(|word| word == "--test")),
    }
}

// ---- The parts that run as processes of their own.

/// Echoes; what begins with `B` it sends bytes without an end.
fn device(listen: SocketAddr) {
    let listener = TcpListener::bind(listen).expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    for stream in listener.incoming().flatten() {
        spawn(move || {
            let mut stream = stream;
            let mut buffer = vec![0; 65_536];
            // However it ends.
            let _ = stream.set_nodelay(true);
            let mut first = [0];
            if stream.read_exact(&mut first).is_err() || stream.write_all(&first).is_err() {
                return;
            }
            while first == *b"B" && stream.write_all(&buffer).is_ok() {}
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(buffer.get(..read).unwrap_or_default()).is_err() {
                    return;
                }
            }
        });
    }
}

/// Holds every byte back for the delay, both ways. It holds no more than a line of 100 Mbit would.
fn line(listen: SocketAddr, to: SocketAddr) {
    let listener = TcpListener::bind(listen).expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    for near in listener.incoming().flatten() {
        let far = TcpStream::connect(to).expect("the other end");
        for stream in [&near, &far] {
            stream.set_nodelay(true).expect("settable");
            // What the system would hold unsent is no part of the line.
            socket2::SockRef::from(stream).set_tcp_notsent_lowat(16 << 10).expect("settable");
        }
        let clones = (near.try_clone().expect("a handle"), far.try_clone().expect("a handle"));
        spawn(move || hold_back(near, far));
        spawn(move || hold_back(clones.1, clones.0));
    }
}

fn hold_back(mut from: TcpStream, mut to: TcpStream) {
    const CHUNK: usize = 4_096;
    /// 20 ms of 100 Mbit a second.
    const UNDER_WAY: usize = 250_000 / CHUNK;
    let (enters, leaves) = sync_channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    spawn(move || {
        while let Ok((at, bytes)) = leaves.recv() {
            sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let mut buffer = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..read).unwrap_or_default().to_vec();
        if enters.send((Instant::now() + DELAY, bytes)).is_err() {
            return;
        }
    }
}

/// Prints the milliseconds of a keystroke alone and beside a transfer, and the transfer's megabytes a second.
fn strokes(to: SocketAddr, quick: bool) {
    let number = if quick { 5 } else { 200 };
    let mut shell = talk(to, b'x');
    let alone = median((0..number).map(|_| stroke(&mut shell)));
    let mut bulk = talk(to, b'B');
    let (told, counts) = sync_channel(0);
    spawn(move || {
        let (mut buffer, mut bytes) = (vec![0; 65_536], 0_usize);
        loop {
            match bulk.read(&mut buffer) {
                Ok(read @ 1..) => bytes += read,
                _ => return,
            }
            // Whoever asks is told; nobody asks most of the time.
            let _ = told.try_send(bytes);
        }
    });
    let carried = || match counts.recv_timeout(DEADLINE) {
        Ok(bytes) => bytes,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!("the transfer has stopped"),
    };
    sleep(Duration::from_secs(if quick { 0 } else { 2 }));
    let (before, start) = (carried(), Instant::now());
    let beside = median((0..number).map(|_| stroke(&mut shell)));
    let rate = megabytes(carried() - before) / start.elapsed().as_secs_f64();
    println!("{alone} {beside} {rate}");
}

fn stroke(shell: &mut TcpStream) -> f64 {
    sleep(Duration::from_millis(20));
    round_trip(shell) / 1e3
}

// ---- What is measured.

fn talk(to: SocketAddr, first: u8) -> TcpStream {
    let end = Instant::now() + DEADLINE;
    loop {
        let answered = TcpStream::connect(to).and_then(|mut stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.write_all(&[first])?;
            stream.read_exact(&mut [0])?;
            Ok(stream)
        });
        match answered {
            Ok(stream) => return stream,
            // The tunnel may not be up yet.
            Err(error) => assert!(Instant::now() < end, "{to}: {error}"),
        }
        sleep(Duration::from_millis(50));
    }
}

/// Microseconds of a byte and its echo.
fn round_trip(stream: &mut TcpStream) -> f64 {
    let start = Instant::now();
    stream.write_all(b"k").expect("said");
    stream.read_exact(&mut [0]).expect("answered");
    start.elapsed().as_secs_f64() * 1e6
}

/// Median microseconds of so many bytes and their echoes.
fn latency(to: SocketAddr, number: usize) -> f64 {
    let mut stream = talk(to, b'x');
    median((0..number).map(|_| round_trip(&mut stream)))
}

/// Megabytes a second of one transfer.
fn bulk(to: SocketAddr, time: Duration) -> f64 {
    let mut stream = talk(to, b'B');
    let (mut buffer, mut bytes, start) = (vec![0; 1 << 20], 0, Instant::now());
    while start.elapsed() < time {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => bytes += read,
            Ok(0) => panic!("the transfer has ended"),
            Err(error) => panic!("the transfer has failed: {error}"),
        }
    }
    megabytes(bytes) / start.elapsed().as_secs_f64()
}

fn megabytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes >> 10).expect("few")) / 1_024.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().expect("some")
}

// ---- Processes.

/// A process, ended with the value.
struct Process {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Process {
    fn start(network: Option<&str>, program: &Path, args: &[OsString], token: Option<&str>) -> Self {
        let mut command = match network {
            None => Command::new(program),
            Some(network) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", network]).arg(program);
                command
            }
        };
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(token) = token {
            command.env("NGROK_AUTHTOKEN", token);
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let output = child.stdout.take().map(BufReader::new);
        Self { child, output }
    }

    /// The address that one of this file's own parts prints first.
    fn address(&mut self) -> SocketAddr {
        let mut line = String::new();
        self.output.as_mut().expect("piped").read_line(&mut line).expect("a line");
        line.trim().parse().unwrap_or_else(|_| panic!("no address: `{line}`"))
    }

    fn text(mut self) -> String {
        let mut text = String::new();
        self.output.as_mut().expect("piped").read_to_string(&mut text).expect("text");
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(words: &[&dyn ToString]) -> Vec<OsString> {
    words.iter().map(|word| word.to_string().into()).collect()
}

/// Two networks and a slow line between them; gone with the value.
struct Networks([String; 2]);

impl Networks {
    fn new() -> io::Result<Self> {
        let names = ["edge", "site"].map(|role| format!("bench-{role}-{}", std::process::id()));
        let [edge, site] = &names;
        run("ip", &["netns", "add", edge])?;
        run("ip", &["netns", "add", site])?;
        let networks = Self(names);
        let [edge, site] = &networks.0;
        run("ip", &["-n", edge, "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", site])?;
        for (network, address) in [(edge, EDGE), (site, SITE)] {
            run("ip", &["-n", network, "addr", "add", &format!("{address}/30"), "dev", "v0"])?;
            run("ip", &["-n", network, "link", "set", "v0", "up"])?;
            run("ip", &["-n", network, "link", "set", "lo", "up"])?;
            let shape = ["qdisc", "add", "dev", "v0", "root", "tbf", "rate", "100mbit", "burst", "32kbit"];
            run("ip", &[&["netns", "exec", network, "tc"], &shape[..], &["latency", "50ms"]].concat())?;
        }
        Ok(networks)
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for network in &self.0 {
            // Half of them may not be there.
            let _ = run("ip", &["netns", "del", network]);
        }
    }
}

fn run(program: &str, args: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(args).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// Where the parts of a tunnel run.
#[derive(Clone, Copy)]
struct Places<'n> {
    /// The network of the edge and of the site; `None` for this one.
    networks: Option<&'n Networks>,
    here: &'n Path,
}

impl Places<'_> {
    fn edge(&self) -> Option<&str> {
        self.networks.map(|networks| &*networks.0[0])
    }

    fn site(&self) -> Option<&str> {
        self.networks.map(|networks| &*networks.0[1])
    }

    /// A device in the site's network.
    fn device(&self) -> (Process, SocketAddr) {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut device = Process::start(self.site(), self.here, &words(&[&"device", &any]), None);
        let address = device.address();
        (device, address)
    }

    /// The address at which the site reaches one of the edge: behind the line, where there is one.
    fn line(&self, to: SocketAddr) -> (Option<Process>, SocketAddr) {
        if self.networks.is_none() {
            return (None, to);
        }
        let listen = SocketAddr::from((EDGE, 0));
        let mut line = Process::start(self.edge(), self.here, &words(&[&"line", &listen, &to]), None);
        let address = line.address();
        (Some(line), address)
    }
}

/// A tunnel to a device.
struct Tunnel {
    public: SocketAddr,
    _processes: Vec<Process>,
    _folder: tempfile::TempDir,
}

/// A port that was free a moment ago: peers print no address.
fn port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

fn ours(places: Places<'_>, forwarder: &Path, device: SocketAddr) -> Tunnel {
    let folder = tempfile::tempdir().expect("a folder");
    let here = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (public, agents) = (here(port()), here(port()));
    let names = format!("[localhost, 127.0.0.1, {EDGE}]");
    let text = format!(
        "version: 1
agents: {{listen: \"{agents}\", names: {names}}}
endpoints:
  - name: public
    url: tcp://localhost:20022
    listen: \"{public}\"
    traffic_policy: {{on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: \"tcp://d.internal:22\"}}}}]}}]}}
events: []
"
    );
    let config = folder.path().join("edge.yml");
    fs::write(&config, text).expect("written");
    let shown = |path: &Path| path.display().to_string();
    let edge = words(&[&"edge", &"--config", &shown(&config)]);
    let edge = Process::start(places.edge(), forwarder, &edge, None);
    let end = Instant::now() + DEADLINE;
    let token = loop {
        let made = run(&shown(forwarder), &["authtoken", "create", "--config", &shown(&config)]);
        match made {
            Ok(token) => break token,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        sleep(Duration::from_millis(50));
    };
    let (line, through) = places.line(agents);
    let trust = shown(&folder.path().join("state/ca/ca.pem"));
    let agent = words(&[
        &"agent",
        &"tcp",
        &device,
        &"--url",
        &"tcp://d.internal:22",
        &"--connect-url",
        &through,
        &"--connect-cas",
        &trust,
    ]);
    let agent = Process::start(places.site(), forwarder, &agent, Some(&token));
    let processes = [Some(edge), line, Some(agent)].into_iter().flatten().collect();
    Tunnel { public, _processes: processes, _folder: folder }
}

fn theirs(places: Places<'_>, rathole: &Path, device: SocketAddr) -> Tunnel {
    let folder = tempfile::tempdir().expect("a folder");
    let here = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (public, control) = (here(port()), here(port()));
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let server = format!(
        "[server]\nbind_addr = \"{control}\"\ndefault_token = \"t\"\n[server.services.d]\nbind_addr = \"{public}\"\n"
    );
    let server = words(&[&"--server", &write("server.toml", server)]);
    let server = Process::start(places.edge(), rathole, &server, None);
    let (line, through) = places.line(control);
    let client = format!(
        "[client]\nremote_addr = \"{through}\"\ndefault_token = \"t\"\n[client.services.d]\nlocal_addr = \"{device}\"\n"
    );
    // The line gives up if nobody is behind it yet.
    sleep(Duration::from_millis(500));
    let client = words(&[&"--client", &write("client.toml", client)]);
    let client = Process::start(places.site(), rathole, &client, None);
    let processes = [Some(server), line, Some(client)].into_iter().flatten().collect();
    Tunnel { public, _processes: processes, _folder: folder }
}

fn measure(quick: bool) {
    let here = std::env::current_exe().expect("this program");
    let forwarder = build(quick);
    let rathole = rathole();
    if rathole.is_none() {
        println!("skipped: no `rathole`; see the head of this file for how to install it");
    }
    let places = Places { networks: None, here: &here };
    let (_device, device) = places.device();
    let tunnels: Vec<(&str, Tunnel)> = [
        Some(("edge and agent", ours(places, &forwarder, device))),
        rathole.as_deref().map(|rathole| ("rathole", theirs(places, rathole, device))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (rounds, number, time) = if quick { (1, 10, 50) } else { (11, 2_000, 1_000) };
    let mut results: VecDeque<(&str, Vec<f64>, Vec<f64>)> =
        tunnels.iter().map(|(name, _)| (*name, Vec::new(), Vec::new())).collect();
    let mut direct = Vec::new();
    // One after the other in every round, so that what else the machine does meets all of them.
    for _ in 0..rounds {
        direct.push(latency(device, number));
        for ((_, tunnel), (_, latencies, rates)) in tunnels.iter().zip(&mut results) {
            latencies.push(latency(tunnel.public, number));
            rates.push(bulk(tunnel.public, Duration::from_millis(time)));
        }
    }
    let direct = median(direct.into_iter());
    println!("loopback, median of {rounds} rounds; a byte and its echo without a tunnel: {direct:.1} µs");
    for (name, latencies, rates) in &results {
        let (latency, rate) = (median(latencies.iter().copied()), median(rates.iter().copied()));
        println!("  {name}: {:.1} µs added, one transfer {rate:.0} MB/s", latency - direct);
    }
    if let [(_, our_times, our_rates), (_, their_times, their_rates)] = results.make_contiguous() {
        let ratio =
            |one: &[f64], other: &[f64]| median(one.iter().zip(other).map(|(one, other)| one / other));
        println!(
            "  ours ÷ rathole: round trip {:.2}, transfer {:.2}",
            ratio(our_times, their_times),
            ratio(our_rates, their_rates)
        );
    }
    drop(tunnels);
    slow_line(quick, &here, &forwarder, rathole.as_deref());
}

/// A keystroke over 100 Mbit and 10 + 10 ms.
fn slow_line(quick: bool, here: &Path, forwarder: &Path, rathole: Option<&Path>) {
    let networks = match Networks::new() {
        Ok(networks) => networks,
        Err(error) => return println!("skipped: no slow line can be made: {error}"),
    };
    let places = Places { networks: Some(&networks), here };
    let (_device, device) = places.device();
    let ask = |name: &str, tunnel: Tunnel| {
        let size = if quick { "quick" } else { "full" };
        let args = words(&[&"strokes", &tunnel.public, &size]);
        let text = Process::start(places.edge(), here, &args, None).text();
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [alone, beside, rate] = *numbers else { panic!("{name}: `{text}`") };
        println!(
            "  {name}: keystroke {alone:.1} ms alone, {beside:.1} ms beside a transfer of {rate:.1} MB/s: {:.2} times",
            beside / alone
        );
    };
    println!("100 Mbit (tbf) and 10 + 10 ms");
    ask("edge and agent", ours(places, forwarder, device));
    if let Some(rathole) = rathole {
        ask("rathole", theirs(places, rathole, device));
    }
}

/// Builds the program, and says where it is; for a run that measures nothing as the tests of the workspace have built it.
fn build(smoke: bool) -> PathBuf {
    let (args, program): (&[&str], _) = match smoke {
        true => (
            &["test", "--workspace", "--locked", "--no-run", "--quiet", "--test", "program"],
            "debug/forwarder",
        ),
        false => (&["build", "--release", "--locked", "-p", "forwarder"], "release/forwarder"),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).current_dir(&root).args(args).status();
    assert!(built.expect("cargo runs").success(), "it builds");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join(program)
}

fn rathole() -> Option<PathBuf> {
    let program = std::env::var_os("RATHOLE").unwrap_or_else(|| "rathole".into());
    match Command::new(&program).arg("--version").stdout(Stdio::null()).status() {
        Ok(_) => Some(program.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{}: {error}", PathBuf::from(program).display()),
    }
}
