//! What `edge.yml` says about agents, through [`load_edge`](crate::edge::load_edge).

use std::path::Path;
use std::time::Duration;

use crate::edge::{EdgeConfig, load_edge};
use crate::source::Source;

fn read(text: &str) -> (Option<EdgeConfig>, Vec<String>) {
    let source = Source::new("edge.yml", text);
    let (config, found) = load_edge(&source);
    let lines =
        found.iter().map(|d| format!("{} {} {}", source.position(d.span.start), d.code.id, d.message));
    (config, lines.collect())
}

const DENY: &str = "traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}";

#[test]
fn an_edge_may_serve_agents_only() {
    for endpoints in ["", "endpoints: []\n"] {
        let (config, found) = read(&format!(
            "version: 1\n{endpoints}agents: {{listen: \"0.0.0.0:4443\", names: [edge.example.com]}}\n"
        ));
        assert_eq!(found, Vec::<String>::new());
        let config = config.expect("no errors");
        let agents = config.agents.as_ref().expect("given");
        assert_eq!(agents.listen.value.to_string(), "0.0.0.0:4443");
        assert!(agents.tls.is_none() && config.public_tcp_ports.is_none());
        assert_eq!(config.admin_path(), Path::new("./state/admin.sock"));
    }
}

#[test]
fn everything_given_is_read() {
    let (config, found) = read(
        "version: 1
agents:
  listen: \"[::]:4443\"
  names: [Edge.Example.com., 127.0.0.1, \"[::1]\", 2001:db8::0:1]
  tls: {certificate: edge.pem, private_key: /etc/edge.key}
admin: {socket: run/edge.sock}
public_tcp_ports: 20000-20999
limits:
  agent_auth_timeout: 3s
  agent_heartbeat_interval: 4s
  agent_heartbeat_tolerance: 5s
  max_agents: 6
  max_endpoints_per_agent: 7
  max_streams_per_agent: 8
",
    );
    assert_eq!(found, Vec::<String>::new());
    let config = config.expect("no errors");
    let agents = config.agents.as_ref().expect("given");
    let names: Vec<&str> = agents.names.iter().map(|name| &**name).collect();
    assert_eq!(names, ["edge.example.com", "127.0.0.1", "::1", "2001:db8::1"]);
    let tls = agents.tls.as_ref().expect("given");
    assert_eq!((&*tls.certificate, &*tls.private_key), ("edge.pem", "/etc/edge.key"));
    assert_eq!(config.admin_path(), Path::new("run/edge.sock"));
    assert_eq!(config.public_tcp_ports, Some(20_000..=20_999));
    let limits = config.limits;
    let times =
        [limits.agent_auth_timeout, limits.agent_heartbeat_interval, limits.agent_heartbeat_tolerance];
    assert_eq!(times, [3, 4, 5].map(Duration::from_secs));
    assert_eq!((limits.max_agents, limits.max_endpoints_per_agent, limits.max_streams_per_agent), (6, 7, 8));
}

#[test]
fn several_faults_are_found_at_their_places() {
    let (config, found) = read(
        "version: 1
agents:
  listen: 4443
  names: [\"*.example.com\", 0.0.0.0, a_b, 10.0x1, -a.example]
  tls: {certificate: edge.pem}
admin: {socket: \"\", port: 1}
public_tcp_ports: 20999-20000
limits: {max_agents: 0, agent_auth_timeout: 10}
",
    );
    assert!(config.is_none());
    assert_eq!(
        found,
        [
            "3:11 TP451 `4443` is not an address and a port",
            "4:11 TP308 `*.example.com` is not a name or address of the edge",
            "4:28 TP308 `0.0.0.0` is not a name or address of the edge",
            "4:37 TP308 `a_b` is not a name or address of the edge",
            "4:42 TP308 `10.0x1` is not a name or address of the edge",
            "4:50 TP308 `-a.example` is not a name or address of the edge",
            "5:8 TP303 `tls` needs `private_key`",
            "6:17 TP308 `socket` is not a path",
            "6:21 TP302 unknown field `port` in `admin`",
            "7:19 TP308 `20999-20000` is not a range of ports",
            "8:22 TP308 `max_agents` is out of range: `0`",
            "8:45 TP308 `agent_auth_timeout` cannot be `10`",
        ]
    );
    let (_, found) = read("version: 1\nagents: {listen: \"[::]:1\", names: []}\n");
    assert_eq!(found, ["2:35 TP308 `names` has 0 entries and needs 1 to 100"]);
    let (_, found) =
        read("version: 1\nagents: {listen: \"[::]:1\", names: [a, A, 10.0.0.1, \"::ffff:a00:1\"]}\n");
    assert_eq!(
        found,
        [
            "2:39 TP453 the name of the edge `a` is given twice",
            "2:52 TP453 the name of the edge `10.0.0.1` is given twice"
        ]
    );
    let (_, found) = read("version: 1\nagents:\n");
    assert_eq!(found, ["1:1 TP303 the edge configuration needs `endpoints`"]);
}

#[test]
fn a_pasted_key_is_not_repeated() {
    let (_, found) = read(
        "version: 1
agents:
  listen: \"[::]:1\"
  names: [a]
  tls:
    certificate: a.pem
    private_key: |
      -----BEGIN PRIVATE KEY-----
      c2VjcmV0
",
    );
    assert_eq!(found, ["8:7 TP308 `private_key` is not a path"]);
}

#[test]
fn listeners_keep_out_of_each_others_way() {
    let edge = |rest: &str| {
        read(&format!(
            "version: 1\nendpoints: [{{name: a, url: \"tcp://e:22\", {DENY}}}]\n\
             agents: {{listen: \"127.0.0.1:4443\", names: [e]}}\n{rest}\n"
        ))
    };
    assert!(edge("public_tcp_ports: 23-4442").0.is_some());
    let taken = "`public_tcp_ports` holds the port of the listener";
    assert_eq!(edge("public_tcp_ports: 20-30").1, [format!("4:19 TP453 {taken} `[::]:22`")]);
    assert_eq!(edge("public_tcp_ports: 4443").1, [format!("4:19 TP453 {taken} `127.0.0.1:4443`")]);
    let internal = "internal_endpoints: [{url: \"tcp://d.internal:22\", upstream: {url: 4443}}]";
    assert_eq!(edge(internal).1, ["4:67 TP457 the upstream `localhost:4443` is a listener of this edge"]);
    let (_, found) = read(&format!(
        "version: 1\nendpoints: [{{name: a, url: \"tcp://e:22\", {DENY}}}]\n\
         agents: {{listen: \"127.0.0.1:22\", names: [e]}}\n"
    ));
    assert_eq!(found, ["3:18 TP453 the listen address `127.0.0.1:22` is taken"]);
}

#[test]
fn sources_of_agents_are_restricted_as_the_action_does() {
    let read_list = |list: &str| {
        let text = format!("version: 1\nagents: {{listen: \"[::]:1\", names: [e], restrict_ips: {list}}}\n");
        let (config, found) = read(&text);
        (config.and_then(|config| config.agents), found)
    };
    let (agents, found) = read_list("{allow: [10.0.0.0/8, \"2001:db8::/32\"], deny: [10.1.0.0/16]}");
    assert_eq!(found, Vec::<String>::new());
    let restriction = agents.expect("given").restrict_ips.expect("given");
    for (address, permitted) in [
        ("10.2.0.1", true),
        ("::ffff:10.2.0.1", true),
        ("10.1.0.1", false),
        ("2001:db8::1", true),
        ("192.0.2.1", false),
        ("::1", false),
    ] {
        assert_eq!(restriction.permits(address.parse().expect("an address")), permitted, "{address}");
    }
    for (list, code) in [
        ("{}", "TP434"),
        ("{deny: [10.0.0.0/8]}", "TP434"),
        ("{allow: [nowhere]}", "TP431"),
        ("{alow: [10.0.0.0/8]}", "TP302"),
    ] {
        let (agents, found) = read_list(list);
        assert!(agents.is_none(), "{list}");
        assert!(found.iter().any(|line| line.contains(code)), "{list}: {found:?}");
    }
    // A list of denied networks that grows never keeps the configuration from loading.
    let (agents, found) = read_list("{allow: [10.0.0.0/8], deny: [0.0.0.0/0]}");
    assert!(found.len() == 1 && found.iter().all(|line| line.contains("TP434")), "{found:?}");
    let restriction = agents.expect("a warning").restrict_ips.expect("given");
    assert!(
        !["10.0.0.1", "192.0.2.1", "::1"]
            .iter()
            .any(|it| restriction.permits(it.parse().expect("an address")))
    );
    let (agents, found) = read_list("{allow: [10.0.0.1]}");
    assert!(agents.is_some() && found.len() == 2, "{found:?}");
}

#[test]
fn public_endpoints_listen_on_given_addresses() {
    let read_listen = |value: &str| {
        let text =
            format!("version: 1\nagents: {{listen: \"[::]:1\", names: [e]}}\npublic_tcp_listen: {value}\n");
        let (config, found) = read(&text);
        (config.map(|it| it.public_tcp_listen.iter().map(ToString::to_string).collect::<Vec<_>>()), found)
    };
    for (value, addresses) in [
        ("\"::\"", &["::"][..]),
        ("\"[::1]\"", &["::1"]),
        ("0.0.0.0", &["0.0.0.0"]),
        (
            "[203.0.113.5, \"::ffff:203.0.113.6\", \"2001:db8::1\"]",
            &["203.0.113.5", "203.0.113.6", "2001:db8::1"],
        ),
        ("[0.0.0.0, \"2001:db8::1\"]", &["0.0.0.0", "2001:db8::1"]),
    ] {
        let (read, found) = read_listen(value);
        let read = read.unwrap_or_else(|| panic!("{value}: {found:?}"));
        assert_eq!(read, addresses, "{value}");
    }
    let many = (1..10).map(|at| format!("10.0.0.{at}")).collect::<Vec<_>>().join(", ");
    for value in [
        "edge.example.com",
        "\"[::]:20000\"",
        "[]",
        "{a: b}",
        "[10.0.0.1, 10.0.0.1]",
        "[10.0.0.1, 0.0.0.0]",
        "[\"::\", 0.0.0.0]",
        &format!("[{many}]"),
    ] {
        assert!(read_listen(value).0.is_none(), "{value}");
    }
}
