//! What the configuration says of agents, and what a reload makes of it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use crate::harness::lines::{Line, Tells};
use crate::harness::{
    Edge, Folder, connect, echo_device, exchange, forwarder, limit, rest_of, second_address, wait_until,
};
use crate::site::{Agent, DEVICE, FORWARD, Site, edge_yml};

const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const NAMES: &str = "names: [localhost, 127.0.0.1]";

/// The configuration of a site with other `agents` and more.
fn changed(agents: &str, more: &str) -> String {
    edge_yml(ANY, ANY, more).replace(NAMES, &format!("{NAMES}{agents}"))
}

fn reload(site: &mut Site, text: &str) -> Line {
    site.edge.folder.write("edge.yml", text);
    site.edge.signal("HUP");
    site.edge.wait_for(Tells::Reloaded)
}

fn restricted(list: &str) -> String {
    format!(", restrict_ips: {{allow: [{list}]}}")
}

/// A connection that has been served.
fn served(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(b"?").expect("taken");
    stream.read_exact(&mut [0]).expect("answered");
    stream
}

fn is_cut(stream: &TcpStream) {
    assert_eq!(rest_of(stream), b"", "nothing comes after the cut");
}

#[test]
fn agents_connect_from_permitted_sources_only() {
    let mut site = Site::start(FORWARD, "");
    let upstream = echo_device().to_string();
    let elsewhere = site.admin(&["authtoken", "create", "--allow-cidr", "192.0.2.0/24"]);
    let mut refused = site.agent_unchecked(&elsewhere, &upstream, &DEVICE);
    assert_eq!(refused.wait_for_exit().code(), Some(1));
    assert!(refused.text().contains("ERR_NGROK_116"), "{}", refused.text());
    let here = ["authtoken", "create", "--allow-cidr", "127.0.0.0/8", "--deny-cidr", "127.0.0.9/32"];
    let token = site.admin(&here);
    let mut agent = site.agent(&token, &upstream, &DEVICE);
    let open = served(site.public);

    // Where no agent may be, none stays.
    let (text, here) = (changed(&restricted("192.0.2.0/24"), ""), changed("", ""));
    let line = reload(&mut site, &text);
    assert_eq!(line.number("sessions"), 1, "{line}");
    is_cut(&open);
    agent.wait_for_mention("ERR_NGROK_115");
    assert!(agent.child.try_wait().expect("waitable").is_none(), "it comes again");
    drop(agent);
    reload(&mut site, &here);
    let _agent = site.agent(&token, &upstream, &DEVICE);
    assert_eq!(exchange(connect(site.public), b"back"), b"back");

    let (text, error, status) = site.ask(&["authtoken", "create", "--allow-cidr", "nowhere"]);
    assert_eq!((&*text, status.code()), ("", Some(2)));
    assert!(error.contains("`allow_cidrs`: `nowhere` is not a network"), "{error}");
}

#[test]
fn public_ports_that_a_reload_takes_away_are_closed_and_other_agents_stay() {
    let mut site = Site::start(FORWARD, "public_tcp_ports: 20000-29999\n");
    let token = site.token(&[]);
    let inner = site.agent(&token, &echo_device().to_string(), &DEVICE);
    let outer = site.agent(&token, &echo_device().to_string(), &[]);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, outer.public_port()));
    let (through_inner, through_outer) = (served(site.public), served(address));
    limit(&through_inner);
    let text = changed("", "public_tcp_ports: 19999\n");
    let line = reload(&mut site, &text);
    assert_eq!([line.number("sessions"), line.number("endpoints")], [0, 1], "{line}");
    is_cut(&through_outer);
    wait_until("nobody to listen", || TcpStream::connect(address).is_err().then_some(()));
    assert_eq!(exchange(through_inner, b"stays"), b"stays");
    assert_eq!(outer.wait_for(Tells::Stopped).field("code"), "ERR_NGROK_307");
    assert_eq!((inner.count(Tells::Online), outer.count(Tells::Online)), (1, 1), "nobody was away");
    // An endpoint that the file serves now is the file's.
    let own = "internal_endpoints: [{url: \"tcp://device1.internal:22\", upstream: {url: 1}}]\n";
    let line = reload(&mut site, &changed("", own));
    assert_eq!([line.number("sessions"), line.number("endpoints")], [0, 1], "{line}");
    assert_eq!(inner.wait_for(Tells::Stopped).field("code"), "ERR_NGROK_334");
    assert!(site.list("endpoint").is_empty());
}

#[test]
fn a_new_certificate_and_listener_count_from_a_reload_on() {
    let mut site = Site::start(FORWARD, "");
    let token = site.token(&[]);
    let first = site.agent(&token, &echo_device().to_string(), &DEVICE);
    let open = served(site.public);
    let ca = site.edge.folder.path("state/ca/ca.pem");
    let old = site.edge.folder.path("old.pem");
    std::fs::copy(&ca, &old).expect("copied");
    site.admin(&["ca", "rotate"]);
    // The listener moves as well.
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let (text, before) = (edge_yml(everywhere, ANY, ""), site.agents);
    site.edge.folder.write("edge.yml", &text);
    site.edge.signal("HUP");
    site.agents = site.edge.agents_address();
    site.edge.wait_for(Tells::Reloaded);
    assert_ne!(site.agents, before);
    assert!(TcpStream::connect(before).is_err(), "nobody listens there any more");
    assert_eq!(exchange(open, b"stays"), b"stays");
    let second = site.agent(&token, &echo_device().to_string(), &["--url", "tcp://device2.internal:22"]);
    let mut command = forwarder();
    command.args(["agent", "tcp", "22", "--url", "tcp://device3.internal:22", "--connect-url"]);
    command.arg(format!("localhost:{}", site.agents.port())).arg("--connect-cas").arg(old);
    // Who was never connected ends, and is told what to do.
    let mut stranger = Agent::start(command, &token);
    assert_eq!(stranger.wait_for_exit().code(), Some(1));
    assert!(stranger.text().contains("`connect_cas`"), "{}", stranger.text());
    site.edge.wait_for(Tells::TlsFailed);
    assert_eq!((first.count(Tells::Online), second.count(Tells::Online)), (1, 1));
}

#[test]
fn agents_can_be_served_no_more_and_again() {
    let folder = Folder::new();
    // What agents need of the limit of open files has to be left over.
    let with = edge_yml(ANY, ANY, "limits: {max_connections: 100}\n");
    let without: String =
        with.lines().filter(|line| !line.starts_with("agents:")).map(|line| format!("{line}\n")).collect();
    folder.write("edge.yml", &without);
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let public = edge.address("public");
    edge.folder.write("edge.yml", &with);
    edge.signal("HUP");
    let agents = edge.agents_address();
    edge.wait_for(Tells::Reloaded);
    let mut site = Site { edge, agents, public };
    let token = site.token(&[]);
    let agent = site.agent(&token, &echo_device().to_string(), &DEVICE);
    let open = served(site.public);
    let line = reload(&mut site, &without);
    assert_eq!(line.number("sessions"), 1, "{line}");
    is_cut(&open);
    wait_until("nobody to listen", || TcpStream::connect(agents).is_err().then_some(()));
    assert!(site.list("session").is_empty());
    let again =
        with.replace(&format!("listen: \"{ANY}\", {NAMES}"), &format!("listen: \"{agents}\", {NAMES}"));
    reload(&mut site, &again);
    wait_until("the agent to come back", || (agent.count(Tells::Online) > 1).then_some(()));
    assert_eq!(exchange(connect(site.public), b"again"), b"again");
}

#[test]
fn a_reload_that_cannot_serve_agents_changes_nothing() {
    let mut site = Site::start(FORWARD, "");
    let _agent = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    let open = served(site.public);
    let text = changed(", tls: {certificate: none.pem, private_key: none.key}", "");
    let line = reload(&mut site, &text);
    assert_eq!(line.field("complete"), "false", "{line}");
    let (status, _, code) = site.ask(&["status"]);
    assert!(status.contains("certificate") && code.code() == Some(1), "{status}");
    assert_eq!(exchange(open, b"stays"), b"stays");
    assert_eq!(exchange(connect(site.public), b"new"), b"new");
}

#[test]
fn one_endpoint_that_is_refused_holds_up_no_other_and_comes_back() {
    let ports = "public_tcp_ports: 20000-29999\n";
    let mut site = Site::start(FORWARD, ports);
    let folder = Folder::new();
    let own = format!(
        "version: 3\nagent: {{connect_url: \"localhost:{}\", connect_cas: \"{}\", web_addr: false}}\nendpoints:\n\
         - {{name: outer, url: \"tcp://\", upstream: {{url: 22}}}}\n\
         - {{name: inner, url: \"tcp://device1.internal:22\", upstream: {{url: \"{}\"}}}}\n",
        site.agents.port(),
        site.edge.folder.path("state/ca/ca.pem").display(),
        echo_device()
    );
    let own = folder.write("ngrok.yml", &own);
    let mut command = forwarder();
    command.args(["agent", "start", "--all", "--config"]).arg(own);
    let agent = Agent::start(command, &site.token(&[]));
    let online = |site: &Site| site.list("endpoint").len();
    wait_until("both to be online", || (online(&site) == 2).then_some(()));
    let line = reload(&mut site, &changed("", "public_tcp_ports: 19999\n"));
    assert_eq!(line.number("endpoints"), 1, "{line}");
    agent.wait_for(Tells::Stopped);
    let id = site.list("session")[0]["id"].as_str().expect("an id").to_owned();
    let before = agent.count(Tells::Online);
    site.admin(&["session", "restart", &id]);
    // Until then the endpoint of the session before is online.
    wait_until("another session", || site.list("session").iter().any(|it| it["id"] != *id).then_some(()));
    wait_until("the other to be online", || (agent.count(Tells::Online) > before).then_some(()));
    assert!(agent.wait_for(Tells::Refused).mentions("ERR_NGROK_307"));
    assert_eq!(online(&site), 1);
    assert_eq!(exchange(connect(site.public), b"served"), b"served");
    reload(&mut site, &changed("", ports));
    wait_until("both to be online again", || (online(&site) == 2).then_some(()));
}

#[test]
fn agents_that_cannot_be_served_hold_up_nothing_else() {
    let folder = Folder::new();
    let with = edge_yml(ANY, ANY, "limits: {max_connections: 100}\n");
    let taken = std::net::TcpListener::bind(ANY).expect("a port");
    let address = taken.local_addr().expect("bound");
    let broken = edge_yml(address, ANY, "limits: {max_connections: 100}\n");
    let without = with.lines().filter(|line| !line.starts_with("agents:"));
    folder.write("edge.yml", &without.map(|line| format!("{line}\n")).collect::<String>());
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let public = edge.address("public");
    edge.wait_for_admin();
    // A policy that refuses more comes with it, and takes effect.
    edge.folder.write("edge.yml", &broken);
    edge.folder.write("policy.yml", "on_tcp_connect: [{actions: [{type: deny}]}]\n");
    let config = edge.folder.path("edge.yml");
    let reload =
        || forwarder().args(["reload", "--json", "--config"]).arg(&config).output().expect("it runs");
    let output = reload();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (output.status.code(), &report["changed"][0]["endpoint"]),
        (Some(1), &"public".into()),
        "{report}"
    );
    assert!(report["problems"][0].as_str().is_some_and(|it| it.contains(&address.to_string())), "{report}");
    assert!(exchange(connect(public), b"refused").is_empty());
    edge.folder.write("edge.yml", &with);
    edge.folder.write("policy.yml", FORWARD);
    assert_eq!(reload().status.code(), Some(0));
    let agents = edge.agents_address();
    let site = Site { edge, agents, public };
    let _agent = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    assert_eq!(exchange(connect(site.public), b"served"), b"served");
}

/// The port of the public endpoint that an agent has.
fn public_port(site: &Site) -> u16 {
    wait_until("a public endpoint", || {
        let endpoints = site.list("endpoint");
        endpoints.first().and_then(|it| it["port"].as_u64()).and_then(|port| u16::try_from(port).ok())
    })
}

#[test]
fn public_endpoints_listen_where_the_configuration_says() {
    let Some(second) = second_address() else { return };
    // Where agents connect says nothing about their public endpoints.
    let mut site = Site::start(FORWARD, "public_tcp_ports: 20000-29999\n");
    let agent = site.agent(&site.token(&[]), &echo_device().to_string(), &[]);
    let reached = |address: IpAddr, port: u16| match TcpStream::connect((address, port)) {
        Ok(stream) => {
            limit(&stream);
            exchange(stream, b"there") == b"there"
        }
        Err(_) => false,
    };
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let ipv6 = std::net::TcpListener::bind((v6, 0)).is_ok();
    let at = |port: u16| [v4, second.into(), v6].map(|address| reached(address, port));
    assert_eq!(at(public_port(&site)), [true, true, ipv6]);

    // The agent comes again, and its endpoint is where it may be now.
    let narrow = "public_tcp_ports: 20000-29999\npublic_tcp_listen: 127.0.0.2\n";
    let line = reload(&mut site, &changed("", narrow));
    assert_eq!(line.number("sessions"), 1, "{line}");
    wait_until("the endpoint at its new address", || {
        let port = site.list("endpoint").first().and_then(|it| it["port"].as_u64())?;
        let port = u16::try_from(port).ok()?;
        (at(port) == [false, true, false]).then_some(())
    });
    let line = reload(&mut site, &changed("", narrow));
    assert_eq!(line.number("sessions"), 0, "nothing has moved: {line}");
    drop(agent);

    let both = "public_tcp_ports: 20000-29999\npublic_tcp_listen: [127.0.0.1, 127.0.0.2]\n";
    let site = Site::start(FORWARD, both);
    let _agent = site.agent(&site.token(&[]), &echo_device().to_string(), &[]);
    assert_eq!(at(public_port(&site)), [true, true, false]);
}

#[test]
fn a_listener_moves_to_more_addresses_of_its_port_in_one_reload() {
    let Some(second) = second_address() else { return };
    let mut site = Site::start(&FORWARD.replace("device1", "nobody"), "");
    let (public, agents) = (site.public, site.agents);
    assert!(TcpStream::connect((second, public.port())).is_err());
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, public.port()));
    let line = reload(&mut site, &edge_yml(ANY, everywhere, ""));
    assert_eq!(["opened", "closed", "complete"].map(|name| line.field(name)), ["1", "1", "true"], "{line}");
    drop(connect(SocketAddr::from((second, public.port()))));

    // Agents keep theirs, and who has the port is told.
    let moved = SocketAddr::from((Ipv4Addr::UNSPECIFIED, agents.port()));
    site.edge.folder.write("edge.yml", &edge_yml(moved, everywhere, ""));
    let (report, _, status) = site.ask(&["reload", "--json"]);
    assert_eq!(status.code(), Some(1), "{report}");
    let problem = format!("the edge itself listens on {agents}");
    assert!(report.contains(&problem), "{report}");
    drop(connect(agents));
}

/// A mistake in the edge's configuration takes an endpoint offline; corrected, it is back without anybody's help.
#[test]
fn an_endpoint_that_the_edge_stopped_comes_back_by_itself() {
    let mut site = Site::start(FORWARD, "public_tcp_ports: 20000-29999\n");
    let _agent = site.agent(&site.token(&[]), &echo_device().to_string(), &[]);
    let online = |site: &Site| site.list("endpoint").len();
    reload(&mut site, &changed("", "public_tcp_ports: 19999\n"));
    wait_until("it to be offline", || (online(&site) == 0).then_some(()));
    reload(&mut site, &changed("", "public_tcp_ports: 20000-29999\n"));
    wait_until("it to be back", || (online(&site) == 1).then_some(()));
}
