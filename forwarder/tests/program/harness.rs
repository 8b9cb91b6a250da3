//! A running edge, its clients and its devices. Everything listens on ports the system chooses, and nothing
//! outlives its test.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use lines::{Line, Tells};
use required::{LINUX_TOOLS, required};

#[path = "lines.rs"]
pub(crate) mod lines;
#[path = "required.rs"]
pub(crate) mod required;

/// Long enough for a loaded machine; nothing waits this long when things go right.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The program, with no proxy from the environment of the tests.
pub(crate) fn forwarder() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forwarder"));
    for variable in ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"] {
        command.env_remove(variable);
    }
    command
}

/// A command that is run by another, such as `ip netns exec NAME`; by none if there is nothing in `via`.
pub(crate) fn through(via: &[String], program: impl AsRef<OsStr>) -> Command {
    let Some((first, more)) = via.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(more).arg(program);
    command
}

/// A folder of configuration files, gone with the value.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// The same with a name that a shell would split.
    pub(crate) fn with_a_blank() -> Self {
        Self(tempfile::Builder::new().prefix("my site ").tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("writable");
        path
    }
}

/// One endpoint with one policy, one internal endpoint `tcp://device1.internal:22`.
pub(crate) fn edge_yml(upstream: impl std::fmt::Display, more: &str) -> String {
    format!(
        "version: 1
endpoints:
  - name: device1
    url: tcp://localhost:20022
    listen: 127.0.0.1:0
    traffic_policy_file: policy.yml
internal_endpoints:
  - url: tcp://device1.internal:22
    upstream: {{url: \"{upstream}\"}}
events: [{{type: file, path: events.jsonl}}]
{more}"
    )
}

pub(crate) const FORWARD: &str = include_str!("../../../fixtures/remote-access/device1-open.yml");
pub(crate) const GUIDE: &str = include_str!("../../../fixtures/remote-access/device1.yml");

/// The guide's second policy with another address in place of its IPv4 one.
pub(crate) fn guide_policy(allowed: &str) -> String {
    let policy = GUIDE.replace("203.0.113.42/32", allowed);
    assert_ne!(policy, GUIDE);
    policy
}

/// An edge in its own process; killed with the value.
pub(crate) struct Edge {
    child: Child,
    pub(crate) folder: Folder,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Edge {
    /// Starts an edge on a folder that holds `edge.yml` and waits until it listens.
    pub(crate) fn start(folder: Folder) -> Self {
        Self::start_with_stdout(folder, Stdio::null())
    }

    pub(crate) fn start_with_stdout(folder: Folder, stdout: Stdio) -> Self {
        Self::start_through(&[], folder, stdout)
    }

    /// Starts an edge by another command, such as `ip netns exec NAME`.
    pub(crate) fn start_through(via: &[String], folder: Folder, stdout: Stdio) -> Self {
        let (child, log) = run_edge(via, &folder, stdout);
        Self { child, folder, log, seen: Vec::new() }
    }

    /// Kills the edge and starts another on the same folder.
    pub(crate) fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        (self.child, self.log) = run_edge(&[], &self.folder, Stdio::null());
    }

    /// The usual edge in front of a device.
    pub(crate) fn in_front_of(device: SocketAddr, policy: &str) -> Self {
        let folder = Folder::new();
        folder.write("edge.yml", &edge_yml(device, ""));
        folder.write("policy.yml", policy);
        Self::start(folder)
    }

    /// Waits for the next line of the log that tells this.
    pub(crate) fn wait_for(&mut self, what: Tells) -> Line {
        self.wait_for_line(&format!("that tells {what:?}"), |line| line.tells(what))
    }

    /// Waits for the next line of the log with something that stands for itself ([`Line::mentions`]).
    pub(crate) fn wait_for_mention(&mut self, what: &str) -> Line {
        self.wait_for_line(&format!("with {what}"), |line| line.mentions(what))
    }

    fn wait_for_line(&mut self, what: &str, is_it: impl Fn(&Line) -> bool) -> Line {
        let end = Instant::now() + DEADLINE;
        loop {
            let wait = end.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(wait) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    let line = Line::read(&line);
                    if is_it(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no log line {what}; the log:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Waits until the edge can be administrated.
    pub(crate) fn wait_for_admin(&mut self) {
        self.wait_for(Tells::AdminSocket);
    }

    /// The address an endpoint listens on, from the log.
    pub(crate) fn address(&mut self, endpoint: &str) -> SocketAddr {
        let is_it = |line: &Line| line.tells(Tells::Listening) && line.field("endpoint") == endpoint;
        self.wait_for_line(&format!("that tells where {endpoint} listens"), is_it).parsed("address")
    }

    /// The address that agents connect to, from the log.
    pub(crate) fn agents_address(&mut self) -> SocketAddr {
        self.wait_for(Tells::AgentsListen).parsed("address")
    }

    /// The address of the administration, from the log.
    pub(crate) fn admin_address(&mut self) -> SocketAddr {
        self.wait_for(Tells::AdminListens).parsed("address")
    }

    /// What a command of the edge's administration says on standard output.
    pub(crate) fn ask(&self, args: &[&str]) -> String {
        let config = self.folder.path("edge.yml");
        let output = forwarder().args(args).arg("--config").arg(config).output().expect("it runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// The list that such a command gives, newest first.
    pub(crate) fn list(&self, kind: &str) -> Vec<Value> {
        serde_json::from_str(&self.ask(&[kind, "list", "--json"])).expect("a JSON list")
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([format!("-{name}").as_str(), &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// The objects of the events written so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path("events.jsonl")).unwrap_or_default();
        let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        complete.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Waits until so many events are written.
    pub(crate) fn wait_for_events(&self, number: usize) -> Vec<Value> {
        wait_until(&format!("{number} events"), || {
            Some(self.events()).filter(|events| events.len() >= number)
        })
    }

    /// The object of the one event of a client address; waits for it.
    pub(crate) fn event_of(&self, client: &str) -> Value {
        let of = |event: &Value| event["object"]["conn"]["client_ip"] == client;
        wait_until(&format!("an event of {client}"), || {
            self.events().into_iter().find(of).map(|event| event["object"].clone())
        })
    }

    /// The folder of an edge that has ended.
    pub(crate) fn into_folder(mut self) -> Folder {
        std::mem::replace(&mut self.folder, Folder::new())
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        wait_until("the end of the edge", || self.child.try_wait().expect("waitable"))
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run_edge(via: &[String], folder: &Folder, stdout: Stdio) -> (Child, Receiver<String>) {
    let mut child = through(via, env!("CARGO_BIN_EXE_forwarder"))
        .args(["edge", "--config"])
        .arg(folder.path("edge.yml"))
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the edge starts");
    let log = follow(child.stderr.take().expect("piped"));
    (child, log)
}

/// The lines of a process, as they come.
pub(crate) fn follow(output: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// Polls until there is a value.
pub(crate) fn wait_until<T>(what: &str, poll: impl FnMut() -> Option<T>) -> T {
    poll_to_deadline(poll).unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// Polls until a number has been the same for a while, as nothing tells that it will change no more.
pub(crate) fn wait_until_steady<T: PartialEq>(what: &str, time: Duration, mut look: impl FnMut() -> T) -> T {
    let (mut last, mut since) = (look(), Instant::now());
    wait_until(what, || {
        let now = look();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (since.elapsed() >= time).then_some(())
    });
    last
}

/// The value that polling gives in time.
pub(crate) fn poll_to_deadline<T>(mut poll: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        if let Some(value) = poll() {
            return Some(value);
        }
        thread::sleep(Duration::from_millis(5));
    }
    poll()
}

/// A device that handles one connection with a closure.
pub(crate) struct Device {
    pub(crate) address: SocketAddr,
    handled: JoinHandle<()>,
}

impl Device {
    pub(crate) fn once(handle: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let handled = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a connection");
            limit(&stream);
            handle(stream);
        });
        Self { address, handled }
    }

    pub(crate) fn join(self) {
        self.handled.join().expect("the device had what it expected");
    }
}

/// A device that echoes every connection until the test ends.
pub(crate) fn echo_device() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || {
                let mut writer = stream.try_clone().expect("a second handle");
                let _ = std::io::copy(&mut stream, &mut writer);
                let _ = writer.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

/// A port that refuses connections for as long as the value lives: bound, so that nobody else gets it, and
/// not listening.
pub(crate) struct ClosedPort {
    pub(crate) address: SocketAddr,
    _held: socket2::Socket,
}

impl ClosedPort {
    pub(crate) fn hold() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
        let address = socket.local_addr().expect("bound").as_socket().expect("an internet address");
        Self { address, _held: socket }
    }
}

/// An upstream that never answers: its listener's queue is full.
pub(crate) struct Unanswering {
    pub(crate) address: SocketAddr,
    _held: (socket2::Socket, Vec<TcpStream>),
}

impl Unanswering {
    pub(crate) fn hold() -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        socket.listen(0).expect("it listens");
        let address = socket.local_addr().expect("bound").as_socket().expect("an internet address");
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(stream);
            assert!(waiting.len() < 64, "the queue does not fill");
        }
        Self { address, _held: (socket, waiting) }
    }
}

/// No read or write of a test blocks for ever.
pub(crate) fn limit(stream: &TcpStream) {
    stream.set_read_timeout(Some(DEADLINE)).expect("settable");
    stream.set_write_timeout(Some(DEADLINE)).expect("settable");
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the edge accepts");
    limit(&stream);
    stream
}

/// An address of this machine beside 127.0.0.1; some systems have none until it is added.
pub(crate) fn second_address() -> Option<Ipv4Addr> {
    let second = Ipv4Addr::new(127, 0, 0, 2);
    let found = TcpListener::bind((second, 0)).is_ok().then_some(second);
    required(LINUX_TOOLS, found, format_args!("this machine has no address {second}"))
}

/// Connects from a given loopback address.
pub(crate) fn connect_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("a loopback address");
    socket.connect(&address.into()).expect("the edge accepts");
    let stream = TcpStream::from(socket);
    limit(&stream);
    stream
}

/// Says something, ends the own half, and reads to the end; a reset counts as an end.
pub(crate) fn exchange(mut stream: TcpStream, say: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(say).and_then(|()| stream.shutdown(Shutdown::Write));
    rest_of(&stream)
}

/// What comes to the end of a connection; a reset counts as an end, and that nothing came in time does not.
pub(crate) fn rest_of(mut stream: &TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    if let Err(error) = stream.read_to_end(&mut heard) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "after {} bytes", heard.len());
    }
    heard
}

/// A connection that is reset does not look complete.
pub(crate) fn expect_reset(mut stream: &TcpStream) {
    let mut heard = Vec::new();
    let end = stream.read_to_end(&mut heard).map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset), "{} bytes look complete", heard.len());
}

/// Bytes that no accident makes: a small generator with a seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Where a tool is; nothing with a message, or a failure where the variable is set.
pub(crate) fn tool(variable: &str, candidates: &[&str]) -> Option<PathBuf> {
    let found = candidates.iter().map(Path::new).find(|path| path.is_file()).map(Path::to_owned);
    required(variable, found, format_args!("none of {candidates:?} is installed"))
}
