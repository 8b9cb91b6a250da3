//! Chains of forwards: the edge, `policy eval` of the same configuration, and a naive recursion agree where a connection
//! ends, who decides on the way, and with what words.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "program/beside.rs"]
mod beside;

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use std::{fs, io};

use agent_link::mux::{Limits, Side, session};
use forwarder::control::identity::CredentialId;
use forwarder::edge::generation::{Generation, load};
use forwarder::edge::online::{OnlineEndpoint, OnlineEndpoints, Owner};
use forwarder::edge::policy_shares::{PolicyShares, Reserved};
use forwarder::edge::route::{Effort, EntryPoint, Presumed, Route, RoutingView, Upstream, decide_presumed};
use policy_core::compile::Program;
use policy_core::facts::Facts;
use policy_core::outcome::OutcomeKind;
use policy_core::url::{Binding, EndpointUrl, HostPort};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const INTERNAL: usize = 4;
/// The last internal endpoint is this wildcard: it serves every target that no other one has.
const WILD: usize = INTERNAL - 1;
/// Targets of policies: one for each endpoint, one more for the wildcard, and one that nobody serves.
const TARGETS: usize = INTERNAL + 2;
const MAX_HOPS: u32 = 6;

/// An action of a generated policy.
#[derive(Clone, Debug)]
enum Action {
    /// `restrict-ips` that allows 127.0.0.N/32 for the N whose bit is set.
    Restrict(u8, bool),
    /// `forward-internal` to a target, with `on_error: continue` or not, written out or as an expression.
    Forward(usize, bool, bool),
    Deny,
    Close,
    Log,
}

#[derive(Clone, Debug)]
struct Net {
    public: Vec<Action>,
    internal: Vec<Option<Vec<Action>>>,
    unreached: [bool; INTERNAL],
}

/// Who decides: the file of a policy and the number of the action in it.
type Decider = (String, usize);

/// How the naive recursion ends: an upstream, a refusal, or no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Naive {
    Upstream(usize),
    Refused(Decider),
    Through,
}

/// What a connection has done so far.
#[derive(Debug, Default)]
struct Done {
    tried: u32,
    /// The `log` actions that ran, in order.
    logs: Vec<Decider>,
}

/// The internal endpoint that serves a target.
fn serving(target: usize) -> Option<usize> {
    (target < TARGETS - 1).then_some(target.min(WILD))
}

impl Net {
    fn run(&self, file: &str, actions: &[Action], client: u8, done: &mut Done) -> (Naive, usize) {
        for (at, action) in actions.iter().enumerate() {
            let refused = || (Naive::Refused((file.to_owned(), at)), at);
            match *action {
                Action::Restrict(allowed, enforce) => {
                    if enforce && allowed >> client & 1 == 0 {
                        return refused();
                    }
                }
                Action::Forward(to, or_continue, _) => match self.forward(to, client, done) {
                    Some(ended) => return (ended, at),
                    None if or_continue => {}
                    None => return refused(),
                },
                Action::Deny | Action::Close => return refused(),
                Action::Log => done.logs.push((file.to_owned(), at)),
            }
        }
        (Naive::Through, 0)
    }

    /// `None` if the forward failed.
    fn forward(&self, target: usize, client: u8, done: &mut Done) -> Option<Naive> {
        if done.tried >= MAX_HOPS {
            return None;
        }
        done.tried += 1;
        let to = serving(target)?;
        if let Some(policy) = &self.internal[to] {
            match self.run(&format!("{to}.yml"), policy, client, done).0 {
                Naive::Through => {}
                ended => return Some(ended),
            }
        }
        (!self.unreached[to]).then_some(Naive::Upstream(to))
    }

    /// Where a connection ends, who decides – nobody does if it falls through where it comes in – and which actions
    /// logged something.
    fn decide(&self, client: u8) -> (Naive, Option<Decider>, Vec<Decider>) {
        let mut done = Done::default();
        let (ended, at) = self.run("public.yml", &self.public, client, &mut done);
        let decider = match &ended {
            Naive::Upstream(_) => Some(("public.yml".to_owned(), at)),
            Naive::Refused(decider) => Some(decider.clone()),
            Naive::Through => None,
        };
        (ended, decider, done.logs)
    }

    fn files(&self) -> HashMap<String, String> {
        let mut files = HashMap::from([("public.yml".to_owned(), policy("public.yml", &self.public))]);
        let mut edge = format!(
            "version: 1\nlimits: {{max_hops: {MAX_HOPS}}}\nendpoints:\n  - {{name: e, url: \"tcp://e:9\", \
             traffic_policy_file: public.yml}}\ninternal_endpoints:\n"
        );
        for (number, actions) in self.internal.iter().enumerate() {
            let file = format!("{number}.yml");
            let name = if number == WILD { "*".to_owned() } else { format!("n{number}") };
            write!(
                edge,
                "  - {{url: \"tcp://{name}.internal:22\", upstream: {{url: \"{}\"}}",
                upstream(number)
            )
            .expect("a String");
            if let Some(actions) = actions {
                write!(edge, ", traffic_policy_file: {file}").expect("a String");
                files.insert(file.clone(), policy(&file, actions));
            }
            edge.push_str("}\n");
        }
        files.insert("edge.yml".to_owned(), edge);
        files
    }

    /// Policies with actions behind a terminator or without any are refused, as they should be.
    fn load(&self, folder: &Path) -> Option<Generation> {
        let files = self.files();
        let read = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            files.get(name).map(|text| text.clone().into_bytes()).ok_or(io::ErrorKind::NotFound.into())
        };
        load(&folder.join("edge.yml"), &read).ok().map(|(generation, _)| generation)
    }
}

fn upstream(number: usize) -> Upstream {
    let address = HostPort::parse(&format!("127.0.0.1:{}", 1_000 + number));
    Upstream::Address(address.expect("an upstream"))
}

/// The URL of a target. The last one has a port that no endpoint has.
fn target(to: usize) -> String {
    format!("tcp://n{to}.internal:{}", if to == TARGETS - 1 { 23 } else { 22 })
}

fn policy(file: &str, actions: &[Action]) -> String {
    let mut text = "on_tcp_connect:\n- actions:\n".to_owned();
    for (at, action) in actions.iter().enumerate() {
        let line = match action {
            Action::Restrict(allowed, enforce) => {
                let entries: Vec<_> =
                    (0..8).filter(|n| allowed >> n & 1 == 1).map(|n| format!("127.0.0.{n}/32")).collect();
                format!(
                    "{{type: restrict-ips, config: {{enforce: {enforce}, allow: [{}]}}}}",
                    entries.join(", ")
                )
            }
            Action::Forward(to, or_continue, is_written_out) => {
                let on_error = if *or_continue { "continue" } else { "halt" };
                let name = format!("n{to}");
                let url = match is_written_out {
                    true => target(*to),
                    false => {
                        target(*to).replace(&name, &format!("${{conn.client_ip != '' ? '{name}' : ''}}"))
                    }
                };
                format!("{{type: forward-internal, config: {{url: \"{url}\", on_error: {on_error}}}}}")
            }
            Action::Deny => "{type: deny}".to_owned(),
            Action::Close => "{type: close-connection}".to_owned(),
            Action::Log => format!("{{type: log, config: {{metadata: {}}}}}", logged(&(file.to_owned(), at))),
        };
        writeln!(text, "  - {line}").expect("a String");
    }
    text
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    // What ends every connection stands last, else the policy is refused.
    let passing = prop_oneof![
        (any::<u8>(), prop::bool::weighted(0.7))
            .prop_map(|(allowed, enforce)| Action::Restrict(allowed, enforce)),
        (0..TARGETS, any::<bool>()).prop_map(|(to, out)| Action::Forward(to, true, out)),
        Just(Action::Log),
    ];
    let last = prop_oneof![
        4 => (0..TARGETS, any::<bool>()).prop_map(|(to, out)| Action::Forward(to, false, out)),
        1 => Just(Action::Deny),
        1 => Just(Action::Close),
        2 => Just(Action::Log),
    ];
    (prop::collection::vec(passing, 0..3), last).prop_map(|(mut actions, last)| {
        actions.push(last);
        actions
    })
}

fn net() -> impl Strategy<Value = Net> {
    let internal = prop::collection::vec(prop::option::of(actions()), INTERNAL);
    (actions(), internal, any::<[bool; INTERNAL]>()).prop_map(|(public, internal, unreached)| Net {
        public,
        internal,
        unreached,
    })
}

/// As the edge decides, with what the naive recursion says.
fn edge(net: &Net, generation: &Generation, client: u8) -> Route {
    let online = OnlineEndpoints::default();
    let unreached: Vec<_> = (0..INTERNAL).filter(|&at| net.unreached[at]).map(upstream).collect();
    let facts = Facts::new(IpAddr::from([127, 0, 0, client]));
    let presumed = Presumed { unreached: &unreached, reached: None };
    let world = RoutingView { generation, online: &online };
    decide_presumed(world, EntryPoint::Configured(0), &facts, presumed, Effort::Full).expect("never waits")
}

fn last_part(file: &str) -> Option<&str> {
    Path::new(file).file_name()?.to_str()
}

/// What a `log` action attaches: where it stands.
fn logged((file, at): &Decider) -> Value {
    json!({"at": at, "file": file})
}

/// What the edge attached to its event.
fn logs(route: &Route) -> Vec<Value> {
    route.logs.iter().map(|metadata| serde_json::to_value(&**metadata).expect("metadata")).collect()
}

/// The line of an action in the policy that [`policy`] writes.
fn line(at: usize) -> u32 {
    u32::try_from(at).expect("few actions") + 3
}

#[test]
fn chains_end_where_the_naive_recursion_ends() {
    let (loaded, admitted) = (Cell::new(0_u32), Cell::new(0_u32));
    let config = ProptestConfig { cases: 1_500, ..ProptestConfig::default() };
    proptest!(config, |(net in net())| {
        let Some(generation) = net.load(Path::new("/etc/forwarder")) else { return Ok(()) };
        loaded.set(loaded.get() + 1);
        for client in 0..8 {
            let (ended, decider, logging) = net.decide(client);
            let route = edge(&net, &generation, client);
            let wanted = match ended {
                Naive::Upstream(at) => Some(upstream(at)),
                Naive::Refused(_) | Naive::Through => None,
            };
            prop_assert_eq!(&route.upstream, &wanted, "client {}: {:?}", client, route);
            prop_assert_eq!(route.verdict.decision == OutcomeKind::Forward, wanted.is_some());
            if let Some((file, at)) = decider {
                prop_assert_eq!(route.verdict.file.as_deref().and_then(last_part), Some(file.as_str()));
                prop_assert_eq!(route.verdict.position.map(|it| it.line), Some(line(at)));
            }
            prop_assert_eq!(logs(&route), logging.iter().map(logged).collect::<Vec<_>>(), "client {}: {:?}", client, route);
            prop_assert!(route.hops.len() <= MAX_HOPS as usize);
            admitted.set(admitted.get() + u32::from(wanted.is_some()));
        }
    });
    let (loaded, admitted) = (loaded.get(), admitted.get());
    assert!(loaded > 500 && admitted > 500, "{loaded} loaded, {admitted} admitted: the test shows little");
}

impl Net {
    /// The targets of policies whose servers do not answer.
    fn refused(&self) -> Vec<String> {
        let policies = [&self.public].into_iter().chain(self.internal.iter().flatten());
        let named: BTreeSet<usize> = policies
            .flatten()
            .filter_map(|action| if let Action::Forward(to, ..) = action { Some(*to) } else { None })
            .collect();
        let is_refused = |to: &usize| serving(*to).is_some_and(|at| self.unreached[at]);
        named.into_iter().filter(is_refused).map(|to| format!("{}=refused", target(to))).collect()
    }
}

/// What `policy eval` says of a client; nothing of a file whose endpoints always forward in a circle.
fn eval(policy: &PathBuf, file: &Path, targets: &[String], client: u8) -> Option<Value> {
    let said = Command::new(policy)
        .arg("eval")
        .arg(file)
        .args(targets.iter().map(|target| format!("--target={target}")))
        .args(["--endpoint", "e", "--format", "json", "--ip", &format!("127.0.0.{client}")])
        .output()
        .expect("it runs");
    let (text, errors) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    if errors.contains("error[TP447]") {
        return None;
    }
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{errors}")))
}

/// What the `log` actions of an answer attached.
fn said_logs(said: &Value) -> Vec<Value> {
    let effects = said["effects"].as_array().expect("effects");
    effects
        .iter()
        .filter(|effect| effect["effect"] == "log")
        .map(|effect| effect["metadata"].clone())
        .collect()
}

#[test]
fn a_dry_run_says_what_the_edge_does() {
    let policy = beside::policy_beside(Path::new(env!("CARGO_BIN_EXE_forwarder")));
    let mut runner = TestRunner::deterministic();
    let (mut loaded, mut admitted, mut nested) = (0, 0, 0);
    while loaded < 60 {
        let net = net().new_tree(&mut runner).expect("a value").current();
        let folder = tempfile::tempdir().expect("a folder");
        let Some(generation) = net.load(folder.path()) else { continue };
        loaded += 1;
        for (name, text) in net.files() {
            fs::write(folder.path().join(name), text).expect("writable");
        }
        for client in 0..4 {
            let said = eval(&policy, &folder.path().join("edge.yml"), &net.refused(), client)
                .expect("an edge loads it");
            let route = edge(&net, &generation, client);
            let verdict = &route.verdict;
            let hops: Vec<String> = route.hops.iter().map(ToString::to_string).collect();
            let context = format!("client {client}: {said}\n{route:?}\n{net:?}");
            // An endpoint of an edge has no server of its own.
            assert_eq!(said["outcome"], verdict.decision.name(), "{context}");
            // Of a server that does not answer an edge knows more, in brackets.
            let reason = said["reason"].as_str().expect("a reason");
            let more = verdict.reason.strip_prefix(reason).expect(&context);
            assert!(more.is_empty() || more.ends_with(": not connected)"), "{context}");
            assert_eq!(
                said["at"]["file"].as_str(),
                verdict.position.and(verdict.file.as_deref()),
                "{context}"
            );
            let at = verdict.position.map(|it| (u64::from(it.line), u64::from(it.column)));
            assert_eq!(said["at"]["line"].as_u64().zip(said["at"]["column"].as_u64()), at, "{context}");
            assert_eq!(said["way"]["hops"], Value::from(hops), "{context}");
            assert_eq!(said_logs(&said), logs(&route), "{context}");
            let server = route.upstream.as_ref().map(ToString::to_string);
            assert_eq!(said["way"]["upstream"].as_str(), server.as_deref(), "{context}");
            let decided = verdict.policy_sha256.map(|digest| digest.to_string());
            assert_eq!(said["served_sha256"].as_str(), decided.as_deref(), "{context}");
            admitted += u32::from(route.upstream.is_some());
            nested += u32::from(route.hops.len() > 1);
        }
    }
    assert!(admitted > 20 && nested > 10, "{admitted} admitted, {nested} nested: the test shows little");
}

/// Agents' endpoints: the policy where connections come in, and the members of each pool, with their policies.
#[derive(Clone, Debug)]
struct Agents {
    entry: Vec<Action>,
    pools: Vec<Vec<Option<Vec<Action>>>>,
}

/// An endpoint of [`Agents`]: name, host, policy, and where its server is.
type Member<'a> = (String, String, Option<&'a [Action]>, String);

impl Agents {
    fn members(&self) -> Vec<Member<'_>> {
        let mut members = vec![("e".to_owned(), "e.example.com".to_owned(), Some(&*self.entry), server(0))];
        for (at, pool) in self.pools.iter().enumerate() {
            let host = if at == WILD { "*.internal".to_owned() } else { format!("n{at}.internal") };
            for (number, policy) in pool.iter().enumerate() {
                let name = format!("m{at}-{number}");
                members.push((name, host.clone(), policy.as_deref(), server(10 * (at + 1) + number)));
            }
        }
        members
    }

    /// The targets of the policies that nobody serves.
    fn offline(&self) -> Vec<String> {
        let policies = self.members().into_iter().filter_map(|(_, _, actions, _)| actions);
        let targets = policies.flatten().filter_map(|action| match action {
            Action::Forward(to, ..) => Some(*to),
            _ => None,
        });
        let has = |pool: usize| !self.pools[pool].is_empty();
        let is_served = |to: usize| to < TARGETS - 1 && (has(to.min(WILD)) || has(WILD));
        targets.filter(|to| !is_served(*to)).map(target).collect()
    }

    /// Writes `ngrok.yml` and the policies.
    fn write(&self, folder: &Path) {
        let mut text = "version: 3\nagent: {connect_url: \"localhost:4443\"}\nendpoints:\n".to_owned();
        for (name, host, actions, server) in self.members() {
            let pooling = name != "e";
            write!(
                text,
                "  - {{name: {name}, url: \"tcp://{host}:22\", pooling_enabled: {pooling}, upstream: {{url: \"{server}\"}}"
            )
            .expect("a String");
            if let Some(actions) = actions {
                let file = format!("{name}.yml");
                write!(text, ", traffic_policy_file: {file}").expect("a String");
                fs::write(folder.join(&file), policy(&file, actions)).expect("writable");
            }
            text.push_str("}\n");
        }
        fs::write(folder.join("ngrok.yml"), text).expect("writable");
    }

    /// The same online at an edge, where the connection comes in first; `None` if a policy cannot be used.
    fn online(&self) -> Option<Vec<Arc<OnlineEndpoint>>> {
        let online = |(name, host, actions, server): Member<'_>| {
            let program = actions.map(|actions| {
                Program::from_policy(format!("{name}.yml"), policy(&format!("{name}.yml"), actions))
            });
            Some(endpoint(&name, &host, program.transpose().ok()?, &server))
        };
        self.members().into_iter().map(online).collect()
    }
}

fn server(number: usize) -> String {
    format!("tcp://127.0.0.1:{}", 1_000 + number)
}

/// An endpoint that an agent keeps online.
fn endpoint(name: &str, host: &str, program: Option<Program>, server: &str) -> Arc<OnlineEndpoint> {
    let (opener, _, _) = session(tokio::io::duplex(1).0, Side::Server, Limits::default());
    let credential: CredentialId = "cr_01KBDXQ7N6S4R8ZV0W2J5H9M3T".parse().expect("an id");
    let share = PolicyShares::default().share_of(credential, Instant::now());
    let url = format!("tcp://{host}:22");
    Arc::new(OnlineEndpoint {
        id: name.into(),
        agent_id: name.into(),
        session: "ts_1".into(),
        owner: Owner { credential, acl: Arc::default(), share, memory: Reserved::default() },
        url: EndpointUrl::parse(&url).expect("a URL"),
        binding: if name == "e" { Binding::Public } else { Binding::Internal },
        listens_on: Vec::new(),
        pooling: name != "e",
        programs: program.into_iter().map(Arc::new).collect(),
        policy_text: None,
        forwards_to: server.into(),
        metadata: "".into(),
        description: "".into(),
        since: jiff::Timestamp::UNIX_EPOCH,
        opener,
        confirms: false,
        proxy_protocol: None,
        gone: CancellationToken::new(),
    })
}

fn agents() -> impl Strategy<Value = Agents> {
    let pool = || prop::collection::vec(prop::option::of(actions()), 0..4);
    (actions(), prop::collection::vec(pool(), INTERNAL)).prop_map(|(entry, pools)| Agents { entry, pools })
}

/// An edge without endpoints of its own, which lets policies of agents forward everywhere.
fn edge_for_agents() -> Generation {
    let text = "version: 1\nlimits: {max_hops: 16}\nagents: {listen: \"127.0.0.1:0\", names: [e.example.com], \
                policies_forward: any}\n";
    load(Path::new("/etc/forwarder/edge.yml"), &|_: &Path| Ok(text.as_bytes().to_vec())).expect("an edge").0
}

#[test]
fn a_dry_run_of_pools_says_what_the_edge_may_do() {
    let policy = beside::policy_beside(Path::new(env!("CARGO_BIN_EXE_forwarder")));
    let generation = edge_for_agents();
    let mut runner = TestRunner::deterministic();
    let (mut loaded, mut pooled, mut differing) = (0, 0, 0);
    while loaded < 200 {
        let agents = agents().new_tree(&mut runner).expect("a value").current();
        let Some(members) = agents.online() else { continue };
        let folder = tempfile::tempdir().expect("a folder");
        agents.write(folder.path());
        let online = OnlineEndpoints::default();
        for member in &members {
            online.register(Arc::clone(member)).expect("a free URL, or a shared one");
        }
        let world = RoutingView { generation: &generation, online: &online };
        let offline: Vec<String> = agents.offline().iter().map(|url| format!("{url}=offline")).collect();
        for client in 0..4 {
            let Some(said) = eval(&policy, &folder.path().join("ngrok.yml"), &offline, client) else { break };
            loaded += 1;
            let facts = Facts::new(IpAddr::from([127, 0, 0, client]));
            let route = |drawn: Option<&Upstream>| {
                let presumed = Presumed { unreached: &[], reached: drawn };
                decide_presumed(world, EntryPoint::Online(&members[0]), &facts, presumed, Effort::Full)
                    .expect("never waits")
            };
            let first = route(None);
            let context = format!("client {client}: {said}\n{first:?}\n{agents:?}");
            assert_eq!(said["outcome"], first.verdict.decision.name(), "{context}");
            assert_eq!(said["reason"], first.verdict.reason, "{context}");
            let file = first.verdict.position.and(first.verdict.file.as_deref());
            assert_eq!(said["at"]["file"].as_str().and_then(last_part), file, "{context}");
            let hops: Vec<String> = first.hops.iter().map(ToString::to_string).collect();
            assert_eq!(said["way"]["hops"], Value::from(hops), "{context}");
            let server = match &first.upstream {
                Some(Upstream::Agent(member)) => Some(&*member.forwards_to),
                _ => None,
            };
            assert_eq!(said["way"]["upstream"].as_str(), server, "{context}");
            // Whatever the edge draws, the dry run has told it.
            let none = Vec::new();
            let others = said["other_draws"].as_array().unwrap_or(&none);
            let told: Vec<_> =
                others.iter().map(|it| (it["decision"].clone(), it["target"].clone())).collect();
            for member in &members {
                let other = route(Some(&Upstream::Agent(Arc::clone(member))));
                let decision = other.verdict.decision;
                let target =
                    other.hops.last().filter(|_| decision == OutcomeKind::Forward).map(ToString::to_string);
                let is_first =
                    (said["outcome"] == decision.name()) && said["target"].as_str() == target.as_deref();
                let it = (Value::from(decision.name()), Value::from(target));
                assert!(is_first || told.contains(&it), "{it:?} is not told: {context}");
            }
            pooled += u32::from(said["pools"].is_array());
            differing += u32::from(!told.is_empty());
        }
    }
    assert!(pooled > 20 && differing > 10, "{pooled} pooled, {differing} differing: the test shows little");
}
