//! An edge that serves agents, and agents of ours in processes of their own.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::harness::lines::{self, Line, Tells};
use crate::harness::{Edge, Folder, forwarder, poll_to_deadline, wait_until};

pub(crate) const FORWARD: &str =
    "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: \"tcp://device1.internal:22\"}}]}]\n";

/// An edge that serves agents, and nothing itself.
pub(crate) struct Site {
    pub(crate) edge: Edge,
    /// Where agents connect.
    pub(crate) agents: SocketAddr,
    /// Where clients connect.
    pub(crate) public: SocketAddr,
}

pub(crate) fn edge_yml(agents: SocketAddr, public: SocketAddr, more: &str) -> String {
    format!(
        "version: 1
agents: {{listen: \"{agents}\", names: [localhost, 127.0.0.1]}}
endpoints: [{{name: public, url: \"tcp://localhost:20022\", listen: \"{public}\", traffic_policy_file: policy.yml}}]
events: [{{type: file, path: events.jsonl}}]
{more}"
    )
}

impl Site {
    pub(crate) fn start(policy: &str, more: &str) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let folder = Folder::new();
        folder.write("edge.yml", &edge_yml(any, any, more));
        folder.write("policy.yml", policy);
        Self::on(folder)
    }

    pub(crate) fn on(folder: Folder) -> Self {
        let mut edge = Edge::start(folder);
        let public = edge.address("public");
        let agents = edge.agents_address();
        edge.wait_for_admin();
        Self { edge, agents, public }
    }

    /// Runs an admin command; what it prints.
    pub(crate) fn admin(&self, words: &[&str]) -> String {
        let (text, error, status) = self.ask(words);
        assert!(status.success(), "{words:?}: {error}");
        text
    }

    pub(crate) fn ask(&self, words: &[&str]) -> (String, String, ExitStatus) {
        let mut command = forwarder();
        command.args(words).arg("--config").arg(self.edge.folder.path("edge.yml"));
        let output = command.output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        (text(&output.stdout), text(&output.stderr), output.status)
    }

    pub(crate) fn token(&self, rules: &[&str]) -> String {
        let mut words = vec!["authtoken", "create"];
        rules.iter().for_each(|rule| words.extend(["--acl", rule]));
        self.admin(&words)
    }

    pub(crate) fn list(&self, what: &str) -> Vec<Value> {
        let text = self.admin(&[what, "list", "--json"]);
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let key = if what == "session" { "tunnel_sessions" } else { "endpoints" };
        value.get(key).unwrap_or(&value).as_array().expect("a list").clone()
    }

    /// Starts an agent with one endpoint, and waits until it is online.
    pub(crate) fn agent(&self, token: &str, upstream: &str, words: &[&str]) -> Agent {
        let agent = self.agent_unchecked(token, upstream, words);
        agent.wait_for(Tells::Online);
        agent
    }

    pub(crate) fn agent_unchecked(&self, token: &str, upstream: &str, words: &[&str]) -> Agent {
        let mut command = forwarder();
        command
            .args(["agent", "tcp", upstream, "--connect-url"])
            .arg(format!("localhost:{}", self.agents.port()));
        command.arg("--connect-cas").arg(self.edge.folder.path("state/ca/ca.pem")).args(words);
        Agent::start(command, token)
    }

    /// A configuration for agents of a site, with endpoints as `{name: …}` and more settings.
    pub(crate) fn ngrok_yml(&self, more: &str, endpoints: &[String]) -> String {
        let lines: String = endpoints.iter().map(|endpoint| format!("  - {endpoint}\n")).collect();
        format!(
            "version: 3\nagent: {{connect_url: \"localhost:{}\", connect_cas: \"{}\", web_addr: false, log: stderr{more}}}\nendpoints:\n{lines}",
            self.agents.port(),
            self.edge.folder.path("state/ca/ca.pem").display()
        )
    }
}

/// One endpoint of a configuration.
pub(crate) fn endpoint(name: &str, url: &str, upstream: impl std::fmt::Display) -> String {
    format!("{{name: {name}, url: \"{url}\", upstream: {{url: \"{upstream}\"}}}}")
}

/// An agent in its own process; killed with the value.
pub(crate) struct Agent {
    pub(crate) child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Agent {
    /// Starts one with all endpoints of a configuration.
    pub(crate) fn from_file(path: &Path, token: &str) -> Self {
        let mut command = forwarder();
        command.args(["agent", "start", "--all", "--config"]).arg(path);
        Self::start(command, token)
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    pub(crate) fn start(mut command: Command, token: &str) -> Self {
        command.env("NGROK_AUTHTOKEN", token);
        Self::spawn(command)
    }

    /// The same with whatever token the command finds.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the agent starts");
        let mut stderr = child.stderr.take().expect("piped");
        let log = Arc::new(Mutex::new(String::new()));
        let held = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                held.lock().expect("held").push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        Self { child, log, reader: Some(reader) }
    }

    pub(crate) fn text(&self) -> String {
        self.log.lock().expect("held").clone()
    }

    /// Waits for a line of the log that tells this; it may have come already.
    pub(crate) fn wait_for(&self, what: Tells) -> Line {
        self.wait_for_line(&format!("that tells {what:?}"), |line| line.tells(what))
    }

    /// Waits for a line of the log with something that stands for itself ([`Line::mentions`]); it may have come already.
    pub(crate) fn wait_for_mention(&self, what: &str) -> Line {
        self.wait_for_line(&format!("with {what}"), |line| line.mentions(what))
    }

    fn wait_for_line(&self, what: &str, is_it: impl Fn(&Line) -> bool) -> Line {
        let found = poll_to_deadline(|| {
            let text = self.text();
            // The last one may not be whole.
            let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
            whole.lines().map(Line::read).find(&is_it)
        });
        found.unwrap_or_else(|| panic!("no line {what} in the log of the agent:\n{}", self.text()))
    }

    /// The port of its first public endpoint, once it is online.
    pub(crate) fn public_port(&self) -> u16 {
        let line = self.wait_for(Tells::Online);
        let (_, port) = line.field("url").rsplit_once(':').expect("a port");
        port.parse().expect("a port")
    }

    /// How many lines of the log tell this.
    pub(crate) fn count(&self, what: Tells) -> usize {
        lines::count(&self.text(), what)
    }

    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let status = wait_until("the end of the agent", || self.child.try_wait().expect("waitable"));
        // All that it said is read.
        self.reader.take().into_iter().for_each(|reader| reader.join().expect("it reads to the end"));
        status
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) const DEVICE: [&str; 2] = ["--url", "tcp://device1.internal:22"];
