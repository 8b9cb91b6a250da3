use super::*;
use crate::agent::{AgentFiles, load_agent_files};
use crate::check::CheckOptions;
use crate::edge::load_edge_files;
use crate::source::Source;

const EDGE: &str = "\
version: 1
agents: {listen: '127.0.0.1:4443', names: [edge.example.com]}
public_tcp_ports: 20000-20999
limits: {max_endpoints_per_agent: 2}
endpoints:
  - name: ssh
    url: tcp://edge.example.com:10022
    traffic_policy:
      on_tcp_connect: [{actions: [{type: forward-internal, config: {url: 'tcp://a.internal:22'}}]}]
internal_endpoints:
  - {url: 'tcp://own.internal:22', upstream: {url: 22}}
";

fn edge(text: &str) -> Network {
    let source = Source::new("edge.yml", text);
    let files = load_edge_files(
        &source,
        &CheckOptions::default(),
        &mut |_| panic!("there is no other file"),
        &mut |_, _, _| panic!("there are no lists"),
    );
    let (config, programs) = files.usable.unwrap_or_else(|| panic!("{:?}", files.findings));
    Network::of_edge("edge.yml", &config, &programs)
}

fn agent(endpoints: &[&str]) -> Network {
    let text = format!("version: 3\nendpoints:\n  - {}\n", endpoints.join("\n  - "));
    let source = Source::new("ngrok.yml", text);
    let loaded = load_agent_files(&source, &CheckOptions::default(), &mut |_| panic!("no other file"));
    let AgentFiles { usable, files, findings, .. } = loaded;
    let config = usable.unwrap_or_else(|| panic!("{findings:?}"));
    Network::of_agent("ngrok.yml", &config, files, &CompileOptions::default())
}

fn url(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text).expect("a URL")
}

const A: &str = "{name: a, url: 'tcp://a.internal:22', upstream: {url: 22}}";
const POOLED: &str = "{name: b, url: 'tcp://a.internal:22', pooling_enabled: true, upstream: {url: 22}}";

#[test]
fn an_agents_endpoints_serve_what_the_edge_forwards() {
    let mut network = edge(EDGE);
    assert_eq!(network.serving(&url("tcp://own.internal:22")), Serving::One(Place::Endpoint(1)));
    assert_eq!(network.serving(&url("tcp://a.internal:22")), Serving::One(Place::Elsewhere));
    network.connect(agent(&[A])).expect("free");
    assert_eq!(network.serving(&url("tcp://a.internal:22")), Serving::One(Place::Endpoint(2)));
    // Public ones are reached by clients alone.
    let public = "{name: p, url: 'tcp://edge.example.com:20001', upstream: {url: 22}}";
    network.connect(agent(&[public])).expect("free");
    assert_eq!(network.serving(&url("tcp://edge.example.com:20001")), Serving::One(Place::Elsewhere));
    assert_eq!(network.at_url(&url("tcp://edge.example.com:20001")), Some(3));
}

#[test]
fn a_pool_is_of_those_that_allow_it() {
    let mut network = edge(EDGE);
    network.connect(agent(&[POOLED])).expect("free");
    network.connect(agent(&[POOLED])).expect("both allow it");
    let pool = vec![Place::Endpoint(2), Place::Endpoint(3)];
    assert_eq!(network.serving(&url("tcp://a.internal:22")), Serving::Pool(pool));
    let refused = network.connect(agent(&[A])).expect_err("it does not");
    let ConnectError::Taken { why: Some(Taken::NotPooled), .. } = refused else { panic!("{refused}") };
}

#[test]
fn what_an_edge_refuses_of_an_agent_is_refused() {
    let own = "{name: own, url: 'tcp://own.internal:22', pooling_enabled: true, upstream: {url: 22}}";
    let refused = edge(EDGE).connect(agent(&[own])).expect_err("the edge has it");
    let expected = "the endpoint `own` of `ngrok.yml` cannot be online: \
                    the endpoint `tcp://own.internal:22` of `edge.yml` serves tcp://own.internal:22";
    assert_eq!(refused.to_string(), expected);

    // What is over the number is refused, and what is refused for another reason counts as none.
    let web = "{name: web, url: 'https://', upstream: {url: 80}}";
    let others =
        ["c", "d"].map(|it| format!("{{name: {it}, url: 'tcp://{it}.internal:22', upstream: {{url: 22}}}}"));
    let mut network = edge(EDGE);
    network.connect(agent(&[web, A, &others[0], &others[1]])).expect("told");
    let refused: Vec<_> = network.endpoints().iter().skip(2).map(|it| it.refused.clone()).collect();
    assert!(
        matches!(&refused[..], [Some(NotOnline::NotServed(_)), None, None, Some(NotOnline::NoRoom(2))]),
        "{refused:?}"
    );

    let mut network = edge(EDGE);
    network
        .connect(agent(&["{name: p, url: 'tcp://edge.example.com:9', upstream: {url: 22}}"]))
        .expect("told");
    let refused = network.endpoint(Place::Endpoint(2)).and_then(|it| it.refused.as_ref()).expect("refused");
    assert!(matches!(refused, NotOnline::NotAmong(..)), "{refused}");

    // Whether they are public or internal, and whichever ports the edge has.
    let mut network = edge(&EDGE.replace("public_tcp_ports: 20000-20999\n", ""));
    let public = "{name: www, url: 'https://www.example.com', upstream: {url: 80}}";
    let internal = "{name: inside, url: 'https://www.internal', bindings: [internal], upstream: {url: 80}}";
    network.connect(agent(&[public, internal])).expect("told");
    for place in [2, 3] {
        let refused = network.endpoint(Place::Endpoint(place)).and_then(|it| it.refused.as_ref());
        let why = refused.map(ToString::to_string);
        assert_eq!(why.as_deref(), Some("an edge serves tcp endpoints, not yet https"));
    }

    let without = EDGE.replace("agents: {listen: '127.0.0.1:4443', names: [edge.example.com]}\n", "");
    let without = without.replace("public_tcp_ports: 20000-20999\n", "");
    assert_eq!(edge(&without).connect(agent(&[A])).expect_err("none"), ConnectError::NoAgents);
}

#[test]
fn a_policy_that_reads_what_no_edge_knows_refuses() {
    let geo = "{name: a, url: 'tcp://a.internal:22', upstream: {url: 22}, traffic_policy: {on_tcp_connect: \
               [{expressions: [\"conn.geo.country_code == 'DE'\"], actions: [{type: deny}]}]}}";
    let mut network = edge(EDGE);
    network.connect(agent(&[geo])).expect("its policy refuses, not the endpoint");
    let policy = network.policy(&Place::Endpoint(2), 0);
    let Some(Policy::Refuse(why)) = policy else { panic!("{policy:?}") };
    assert_eq!(why, "its policy reads `conn.geo.country_code`, and an edge has no source for it");
}
