//! What every SDK has to be able to do here.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::client::Client;
use crate::harness::{
    Edge, FORWARD, Folder, connect, connect_from, echo_device, exchange, noise, second_address, wait_until,
};

/// An address of which no connection takes the edge's port while the edge starts again.
const HOST: &str = if cfg!(target_os = "linux") { "127.77.0.2" } else { "127.0.0.1" };
const NOT_FROM_SECOND: &str = r#"{"on_tcp_connect": [
    {"expressions": ["conn.client_ip == '127.0.0.2'"], "actions": [{"type": "deny"}]}
]}"#;

/// An edge whose one public endpoint leads to `tcp://device1.internal:22`, which nobody serves yet, and a device.
pub(crate) struct Site {
    pub(crate) edge: Edge,
    pub(crate) agents: SocketAddr,
    /// Where the administration is reached over TCP.
    pub(crate) admin: SocketAddr,
    pub(crate) device: SocketAddr,
    entry: SocketAddr,
}

impl Site {
    pub(crate) fn start() -> Self {
        let folder = Folder::new();
        folder.write("policy.yml", FORWARD);
        let config = format!(
            "version: 1
state_dir: state
agents: {{listen: \"{HOST}:0\", names: [\"{HOST}\"]}}
admin: {{listen: \"127.0.0.1:0\"}}
public_tcp_ports: {}
endpoints:
  - name: device1
    url: tcp://localhost:20022
    listen: 127.0.0.1:0
    traffic_policy_file: policy.yml
events: [{{type: file, path: events.jsonl}}]
",
            own_ports()
        );
        folder.write("edge.yml", &config);
        let mut edge = Edge::start(folder);
        let entry = edge.address("device1");
        let agents = edge.agents_address();
        // So that agents find it again.
        edge.folder.write("edge.yml", &config.replace(&format!("{HOST}:0"), &agents.to_string()));
        let admin = edge.admin_address();
        Self { edge, agents, admin, device: echo_device(), entry }
    }

    pub(crate) fn token(&self) -> String {
        let acl = ["--acl", "bind:device1.internal", "--acl", &format!("bind:{HOST}")];
        self.edge.ask(&[&["authtoken", "create"], &acl[..]].concat())
    }

    fn restart(&mut self) {
        self.edge.restart();
        self.entry = self.edge.address("device1");
        self.edge.wait_for_admin();
    }

    /// True if the device echoes what is said to it.
    fn reaches_the_device(&self) -> bool {
        let said = noise(7, 64 << 10);
        exchange(connect(self.entry), &said) == said
    }

    fn second_is_denied(&self) -> bool {
        second_address().is_none_or(|second| exchange(connect_from(second, self.entry), b"never") == b"")
    }

    fn endpoints(&self) -> Vec<serde_json::Value> {
        self.edge.list("endpoint")
    }

    /// The URL of the endpoint whose address the edge chose.
    fn public_url(&self) -> String {
        let urls = self.endpoints().into_iter().map(|it| it["url"].as_str().expect("a URL").to_owned());
        urls.filter(|url| url.contains(HOST)).collect()
    }

    fn sessions(&self) -> Vec<serde_json::Value> {
        self.edge.list("session")
    }
}

/// Ports that the system gives to nobody by itself, so that they are free again after a restart.
fn own_ports() -> String {
    static SITES: AtomicU32 = AtomicU32::new(0);
    let first = 10_000 + std::process::id() % 500 * 40 + SITES.fetch_add(1, Ordering::Relaxed) * 10;
    format!("{first}-{}", first + 9)
}

/// Runs through all of it with an SDK.
pub(crate) fn run(command: impl Fn() -> Command) {
    let mut site = Site::start();
    let mut client = Client::start(&mut command());
    let error = client.connect(&site, "wrong").expect_err("no form of a token");
    assert!(error.contains("ERR_NGROK_105"), "{error}");
    let revoked = site.token();
    let credentials = site.edge.list("authtoken");
    site.edge.ask(&["authtoken", "revoke", credentials[0]["id"].as_str().expect("an id")]);
    let error = client.connect(&site, &revoked).expect_err("a revoked token");
    assert!(error.contains("ERR_NGROK_107"), "{error}");

    client.connect(&site, &site.token()).expect("the token is good");
    refusals(&site, &mut client);
    assert_eq!(exchange(connect(site.entry), b"early"), b"", "nobody serves the endpoint yet");
    client.bind(&site, "device1.internal:22", "").expect("bound");
    assert!(site.reaches_the_device());
    let endpoint = &site.endpoints()[0];
    assert_eq!(endpoint["url"], "tcp://device1.internal:22", "{endpoint}");
    assert_eq!(endpoint["metadata"], "endpoint of a test", "{endpoint}");
    assert_eq!(site.sessions()[0]["metadata"], "session of a test");

    client.unbind().expect("unbound");
    assert_eq!(exchange(connect(site.entry), b"late"), b"", "nobody serves the endpoint any more");
    assert_eq!(site.endpoints().len(), 0);

    client.bind(&site, "device1.internal:22", NOT_FROM_SECOND).expect("bound again, with a policy");
    assert!(site.reaches_the_device());
    assert!(site.second_is_denied());

    client.bind(&site, "", "").expect("bound where the edge chooses");
    let chosen = site.public_url();
    let before = site.sessions()[0]["id"].clone();
    site.restart();
    wait_until("the client to come back", || site.reaches_the_device().then_some(()));
    assert!(site.second_is_denied(), "the policy came back with the endpoint");
    let public =
        wait_until("the public endpoint", || (site.endpoints().len() == 2).then(|| site.public_url()));
    assert_eq!(public, chosen, "its address is the same");
    let session = site.sessions()[0]["id"].clone();
    assert_ne!(session, before);
    site.edge.ask(&["session", "stop", session.as_str().expect("an id")]);
    assert!(client.ends(), "it was told to stop");
    wait_until("the session to go", || site.sessions().is_empty().then_some(()));
    assert_eq!(exchange(connect(site.entry), b"late"), b"", "nobody serves the endpoint any more");
    let log = fs::read_to_string(site.edge.folder.path("events.jsonl")).expect("events");
    assert!(!log.contains(&revoked), "no token in an event");
}

fn refusals(site: &Site, client: &mut Client) {
    let misspelt = r#"{"on_tcp_connect": [{"actions": [{"type": "denny"}]}]}"#;
    let policies = [(misspelt, "ERR_NGROK_"), ("on_tcp_connect: [", "ERR_NGROK_")];
    for (policy, code) in policies {
        let error = client.bind(site, "device1.internal:22", policy).expect_err(policy);
        assert!(error.contains(code), "{error}");
    }
    let error = client.bind(site, "device2.internal:22", "").expect_err("no rule permits it");
    assert!(error.contains("ERR_NGROK_308"), "{error}");
}
