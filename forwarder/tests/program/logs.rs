//! A log that nobody reads: its reader has stopped, or is gone. Neither holds up or ends an edge or an agent.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::harness::lines::{Line, Tells, count};
use crate::harness::{FORWARD, Folder, connect, echo_device, edge_yml, exchange, forwarder, wait_until};
use crate::site::{DEVICE, Site};

/// What a pipe holds on Linux.
const PIPE_BYTES: usize = 64 << 10;
/// Reloads of which each says some kilobytes.
const ROUNDS: usize = 15;
const DENY: &str = "on_tcp_connect: [{actions: [{type: deny}]}]\n";

fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().expect("a pipe");
    writer.write_all(&[b'\n'; PIPE_BYTES]).expect("it holds that");
    (reader, writer)
}

/// An edge whose log is in the hands of its test; killed with the value.
struct Edge {
    child: Child,
    folder: Folder,
    address: SocketAddr,
}

impl Edge {
    /// Starts it, and reads its log until it listens.
    fn start() -> (Self, BufReader<ChildStderr>) {
        let folder = Folder::new();
        folder.write("edge.yml", &edge_yml(echo_device(), ""));
        folder.write("policy.yml", FORWARD);
        let mut command = forwarder();
        command.args(["edge", "--config"]).arg(folder.path("edge.yml")).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).expect("readable") > 0, "it does not listen");
            let line = Line::read(line.trim_end());
            if line.tells(Tells::Listening) {
                break line.parsed("address");
            }
        };
        (Self { child, folder, address }, log)
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill runs").success());
    }

    /// Gives it another policy, and waits until it counts.
    fn reload(&self, policy: &str, heard: &[u8]) {
        let new = self.folder.write("new.yml", policy);
        std::fs::rename(new, self.folder.path("policy.yml")).expect("the same folder");
        self.signal("HUP");
        wait_until("the new policy", || (exchange(connect(self.address), b"?") == heard).then_some(()));
    }

    fn stop(&mut self) {
        self.signal("TERM");
        let status = wait_until("the end of the edge", || self.child.try_wait().expect("waitable"));
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_edge_lives_on_without_a_reader_of_its_log() {
    let (mut edge, log) = Edge::start();
    drop(log);
    for _ in 0..3 {
        edge.reload(DENY, b"");
        edge.reload(FORWARD, b"?");
    }
    edge.stop();
}

#[test]
fn an_edge_lives_on_with_a_reader_of_its_log_that_has_stopped() {
    let (mut edge, mut log) = Edge::start();
    // A policy with something to be said about it at each reload.
    let odd: String = (0..100).map(|number| format!("10.0.{number}.1/24, ")).collect();
    let odd = format!(
        "on_tcp_connect:\n  - actions:\n      - type: restrict-ips\n        config: {{allow: [{odd}127.0.0.1/32]}}\n{}",
        FORWARD.replace("on_tcp_connect:\n", "")
    );
    for _ in 0..ROUNDS {
        edge.reload(DENY, b"");
        edge.reload(&odd, b"?");
    }
    edge.stop();
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("text");
    let told = count(&rest, Tells::Reloaded);
    assert!(told < 2 * ROUNDS, "all of the log fits into the pipe: {} bytes", rest.len());
}

#[test]
fn a_start_that_fails_ends_with_a_reader_that_has_stopped() {
    let folder = Folder::new();
    folder.write("edge.yml", "version: 1\nendpoints: here\n");
    for words in [&["edge", "--config"][..], &["agent", "start", "--all", "--config"]] {
        let (_reader, writer) = full_pipe();
        let mut command = forwarder();
        command.args(words).arg(folder.path("edge.yml")).stdout(Stdio::null()).stderr(Stdio::from(writer));
        let mut child = command.spawn().expect("it starts");
        let status = wait_until("the end", || child.try_wait().expect("waitable"));
        assert_eq!(status.code(), Some(2), "{words:?}");
    }
}

/// An agent whose log goes where it is told.
struct Agent(Child);

impl Agent {
    fn start(site: &Site, token: &str, device: SocketAddr, log: PipeWriter) -> Self {
        let mut command = forwarder();
        command.args(["agent", "tcp", &device.to_string(), "--connect-url"]);
        command.arg(format!("localhost:{}", site.agents.port())).arg("--connect-cas");
        command.arg(site.edge.folder.path("state/ca/ca.pem")).args(DEVICE).env("NGROK_AUTHTOKEN", token);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
        Self(command.spawn().expect("it starts"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves before and after a new start of the edge, and ends in order.
fn an_agent_serves(log: PipeWriter) {
    let mut site = Site::start(crate::site::FORWARD, "");
    site.edge.folder.write("edge.yml", &crate::site::edge_yml(site.agents, site.public, ""));
    let mut agent = Agent::start(&site, &site.token(&[]), echo_device(), log);
    for round in 0..2 {
        wait_until("the agent's endpoint", || (site.list("endpoint").len() == 1).then_some(()));
        assert_eq!(exchange(connect(site.public), b"?"), b"?");
        if round == 0 {
            site.edge.restart();
            site.edge.wait_for_admin();
        }
    }
    let status = Command::new("kill").args(["-TERM", &agent.0.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
    let status = wait_until("the end of the agent", || agent.0.try_wait().expect("waitable"));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn an_agent_lives_on_without_a_reader_of_its_log() {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    an_agent_serves(writer);
}

#[test]
fn an_agent_lives_on_with_a_reader_of_its_log_that_has_stopped() {
    let (_reader, writer) = full_pipe();
    an_agent_serves(writer);
}
