//! OpenSSH to a device in a network of its own, which nothing can connect to: its agent connects to the edge.
//!
//! Also over a slow line, beside uploads.
//!
//! Two network namespaces joined by a pair of interfaces. Needs root and `ip`; without them the test is skipped with
//! a message, and fails if `REQUIRE_NETNS` is set.
#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "program/harness.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod harness;
#[path = "program/sshd.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod sshd;

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use harness::required::{NETWORKS, required};
use harness::{Edge, FORWARD, Folder, noise, through, wait_until};
use sshd::{Sshd, programs, user};

const EDGE: &str = "198.18.77.1";
const SITE: &str = "198.18.77.2";
const LARGE: usize = 100_000_000;

/// A network namespace; gone with the value, and so is what runs in it.
struct Network {
    name: String,
}

impl Network {
    /// `None` if this user may not make one.
    fn new(role: &str) -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("forwarder-{role}-{}-{number}", std::process::id());
        let made = ip(&["netns", "add", &name]);
        let why = made.as_ref().err().map(|error| format!("no network namespace can be made: {error}"));
        required(NETWORKS, made.ok(), why.unwrap_or_default())?;
        let made = Self { name };
        made.ip(&["link", "set", "lo", "up"]);
        Some(made)
    }

    /// What a command is run through to be in it.
    fn via(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec()
    }

    fn run(&self, program: &str, args: &[impl AsRef<std::ffi::OsStr>]) -> Output {
        through(&self.via(), program).args(args).stdin(Stdio::null()).output().expect("ip runs")
    }

    fn ip(&self, args: &[&str]) {
        ip(&[&["-n", &self.name], args].concat()).expect("the network can be set up");
    }

    /// Joins two of them, each with an address.
    fn join(&self, other: &Self) {
        self.ip(&["link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", &other.name]);
        for (network, address) in [(self, EDGE), (other, SITE)] {
            network.ip(&["addr", "add", &format!("{address}/30"), "dev", "v0"]);
            network.ip(&["link", "set", "v0", "up"]);
        }
    }

    /// The addresses that somebody listens on, as the kernel writes them.
    fn listeners(&self) -> Vec<String> {
        let table = self.run("cat", &["/proc/net/tcp", "/proc/net/tcp6"]).stdout;
        let table = String::from_utf8(table).expect("text");
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row.get(3) == Some(&"0A")).map(|row| row[1].to_owned()).collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // What sshd left running would keep it alive.
        let pids = Command::new("ip").args(["netns", "pids", &self.name]).output();
        let pids =
            pids.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let _ = Command::new("kill").arg("-9").args(pids.split_whitespace()).stderr(Stdio::null()).status();
        let _ = ip(&["netns", "del", &self.name]);
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output().map_err(|error| format!("ip: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("ip {args:?}: {}", said.trim())) }
}

/// An agent in its own process, killed with the value.
struct Agent(Child);

impl Agent {
    fn start(network: &Network, edge: &Edge, agents: SocketAddr, upstream: SocketAddr) -> Self {
        let token = edge.ask(&["authtoken", "create", "--acl", "bind:device1.internal:22"]);
        let agent = through(&network.via(), env!("CARGO_BIN_EXE_forwarder"))
            .args(["agent", "tcp", &upstream.to_string(), "--url", "tcp://device1.internal:22"])
            .args(["--connect-url", &agents.to_string(), "--connect-cas"])
            .arg(edge.folder.path("state/ca/ca.pem"))
            .env("NGROK_AUTHTOKEN", token)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(agent.expect("the agent starts"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn edge(network: &Network) -> Edge {
    let folder = Folder::new();
    folder.write("policy.yml", FORWARD);
    folder.write(
        "edge.yml",
        &format!(
            "version: 1
state_dir: state
agents: {{listen: \"{EDGE}:0\", names: [\"{EDGE}\"]}}
endpoints:
  - name: device1
    url: tcp://localhost:20022
    listen: 127.0.0.1:0
    traffic_policy_file: policy.yml
events: [{{type: file, path: events.jsonl}}]
"
        ),
    );
    Edge::start_through(&network.via(), folder, Stdio::null())
}

/// A client of sshd in the edge's network.
fn client(network: &Network, program: &str, sshd: &Sshd, edge: SocketAddr, args: &[&str]) -> Vec<u8> {
    let port = format!("Port={}", edge.port());
    let options = sshd.options();
    let all: Vec<_> =
        options.iter().map(String::as_str).chain(["-o", &port]).chain(args.iter().copied()).collect();
    let output = network.run(program, &all);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    output.stdout
}

fn same(left: &Path, right: &Path) -> bool {
    fs::read(left).expect("readable") == fs::read(right).expect("readable")
}

/// A device behind its agent, and the edge that its clients connect to.
struct Site {
    _agent: Agent,
    sshd: Sshd,
    edge: Edge,
    address: SocketAddr,
    inside: Network,
    outside: Network,
}

impl Site {
    /// `None` if something for it is missing here.
    fn new() -> Option<Self> {
        let program = programs()?;
        let (outside, inside) = (Network::new("edge")?, Network::new("site")?);
        outside.join(&inside);
        let sshd = Sshd::start(&inside.via(), &program);
        let mut edge = edge(&outside);
        let address = edge.address("device1");
        let agents = edge.agents_address();
        edge.wait_for_admin();
        let agent = Agent::start(&inside, &edge, agents, sshd.address);
        wait_until("the endpoint", || (!edge.list("endpoint").is_empty()).then_some(()));
        Some(Self { _agent: agent, sshd, edge, address, inside, outside })
    }

    /// A command on the device, over ssh.
    fn command(&self, command: &str) -> Running {
        let ssh = through(&self.outside.via(), "ssh")
            .args(self.sshd.options())
            .args(["-p", &self.address.port().to_string(), "-l", &user(), "127.0.0.1", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Running(ssh.expect("ssh starts"))
    }
}

/// A process that is killed with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_keystroke_does_not_wait_behind_uploads_on_a_slow_line() {
    const UPLOADS: usize = 5;
    // Enough for what the first ones meet, while the line is new to its senders, to be few.
    const KEYS: usize = 21;
    // Two packets take 47 ms; what waited before that in queues took one to two seconds.
    const BOUND: Duration = Duration::from_millis(300);
    // Where the queue is short, TCP loses packets and waits for them: a line that is unlucky is measured again. What waits
    // in our queues waits every time.
    const ROUNDS: usize = 3;
    let Some(site) = Site::new() else { return };
    let mut session = site.command("cat");
    let mut keys = session.0.stdin.take().expect("piped");
    let mut echoes = session.0.stdout.take().expect("piped");
    let mut key = || {
        let begun = Instant::now();
        keys.write_all(b"k").expect("typed");
        echoes.read_exact(&mut [0]).expect("the device answers");
        begun.elapsed()
    };
    key();
    // 64,000 bytes a second, behind a queue of 23 seconds, and behind one that overflows soon.
    for queue in ["1500000", "12000"] {
        let shaped = [
            "qdisc", "replace", "dev", "v0", "root", "tbf", "rate", "512kbit", "burst", "16kb", "limit",
            queue,
        ];
        let shaped = site.inside.run("tc", &shaped);
        let said = String::from_utf8_lossy(&shaped.stderr);
        let slow = shaped.status.success().then_some(());
        if required(NETWORKS, slow, format_args!("no line can be made slow here: {said}")).is_none() {
            return;
        }
        let mut uploads: Vec<_> = (0..UPLOADS).map(|_| site.command("cat /dev/zero")).collect();
        let mut readers = Vec::new();
        for upload in &mut uploads {
            let mut bytes = upload.0.stdout.take().expect("piped");
            bytes.read_exact(&mut [0; 20_000]).expect("each upload gets its share");
            readers.push(bytes);
        }
        let rounds = std::thread::scope(|threads| {
            for bytes in &mut readers {
                threads.spawn(move || std::io::copy(bytes, &mut std::io::sink()));
            }
            let mut rounds = Vec::new();
            while rounds.len() < ROUNDS && rounds.last().is_none_or(|median| *median > BOUND) {
                let mut took = [Duration::ZERO; KEYS];
                for key_took in &mut took {
                    // As fast as somebody types.
                    std::thread::sleep(Duration::from_millis(150));
                    *key_took = key();
                }
                took.sort_unstable();
                rounds.push(took[KEYS / 2]);
            }
            drop(uploads);
            rounds
        });
        assert!(rounds.last().is_some_and(|median| *median <= BOUND), "behind {queue} bytes: {rounds:?}");
    }
}

#[test]
fn openssh_reaches_a_network_without_a_way_in() {
    let Some(Site { outside, inside, sshd, edge, address, _agent }) = Site::new() else { return };
    let listeners = inside.listeners();
    assert!(!listeners.is_empty() && listeners.iter().all(|it| it.starts_with("0100007F:")), "{listeners:?}");

    let at = format!("{}@127.0.0.1", user());
    let said = client(&outside, "ssh", &sshd, address, &[&at, "printf '%s-%s' through both"]);
    assert_eq!(said, b"through-both");

    let files = Folder::new();
    let path = |name: &str| files.path(name).display().to_string();
    fs::write(files.path("large"), noise(3, LARGE)).expect("writable");
    let remote = format!("{at}:{}", path("copied"));
    client(&outside, "scp", &sshd, address, &[&path("large"), &remote]);
    assert!(same(&files.path("large"), &files.path("copied")), "{LARGE} bytes towards the device");
    client(&outside, "sftp", &sshd, address, &[&remote, &path("fetched")]);
    assert!(same(&files.path("large"), &files.path("fetched")), "{LARGE} bytes from the device");

    let events = edge.wait_for_events(3);
    assert!(
        events.iter().filter(|event| event["object"]["decision"] == "forward").count() >= 3,
        "{events:?}"
    );
}
