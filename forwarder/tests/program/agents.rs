//! Agents of ours at an edge, over the real link.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use forwarder::control::identity::AuthtokenError;
use serde_json::Value;

use crate::harness::lines::Tells;
use crate::harness::{
    ClosedPort, Device, Folder, connect, connect_from, echo_device, exchange, forwarder, limit, noise,
    rest_of, second_address, wait_until,
};
use crate::site::{Agent, DEVICE, FORWARD, Site, edge_yml};

#[test]
fn bytes_go_through_and_each_half_ends_on_its_own() {
    let site = Site::start(FORWARD, "");
    let device = Device::once(|mut stream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("the question to its end");
        // The answer begins when the question has ended.
        stream.write_all(&heard).expect("the answer");
        stream.write_all(&noise(5, 300_000)).expect("more");
        stream.shutdown(Shutdown::Write).expect("the end");
    });
    let agent = site.agent(&site.token(&[]), &device.address.to_string(), &DEVICE);
    let question = noise(4, 300_000);
    let heard = exchange(connect(site.public), &question);
    device.join();
    assert!(heard == [question, noise(5, 300_000)].concat(), "{} bytes came back", heard.len());
    let event = site.edge.event_of("127.0.0.1");
    assert_eq!(event["decision"], "forward");
    assert_eq!(
        (&event["target"], &event["end"]),
        (&"tcp://device1.internal:22".into(), &"both sides closed".into())
    );
    assert_eq!(event["conn"]["bytes_in"], 300_000);
    drop(agent);
}

#[test]
fn a_revoked_token_ends_its_session_and_every_connection_through_it() {
    const CONNECTIONS: usize = 200;
    let site = Site::start(FORWARD, "");
    let (token, other) = (site.token(&["bind:device1.internal"]), site.token(&[]));
    let mut agent = site.agent(&token, &echo_device().to_string(), &DEVICE);
    let mut spared = site.agent(&other, &echo_device().to_string(), &["--url", "tcp://device2.internal:22"]);
    let mut open: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(site.public)).collect();
    for stream in &mut open {
        stream.write_all(b"?").expect("taken");
        let mut answer = [0];
        let answered = stream.read_exact(&mut answer);
        assert!(answered.is_ok(), "{answered:?}\n{}\n{:?}", agent.text(), site.edge.events());
    }
    let session = &site.list("session");
    let credential = session.iter().find_map(|it| {
        let endpoint = site.list("endpoint").into_iter().find(|it| it["host"] == "device1.internal")?;
        (endpoint["tunnel_session"]["id"] == it["id"])
            .then(|| it["credential"]["id"].as_str().map(ToOwned::to_owned))?
    });
    site.admin(&["authtoken", "revoke", &credential.expect("the credential of the agent")]);
    for stream in &mut open {
        assert_eq!(rest_of(stream), b"", "nothing comes after the cut");
    }
    let ends = wait_until("the events", || {
        let events = site.edge.events();
        let ends: Vec<_> = events.iter().map(|event| event["object"]["end"].clone()).collect();
        (ends.iter().filter(|end| end.is_string()).count() >= CONNECTIONS).then_some(events)
    });
    let of = |key: &str| ends.iter().filter_map(|event| event["object"][key].as_str()).collect::<Vec<_>>();
    let revoked = AuthtokenError::Unknown.to_string();
    assert!(of("end").iter().all(|end| end.contains(&revoked)), "{:?}", of("end"));
    assert_eq!(of("error"), [&*revoked]);
    let status = agent.wait_for_exit();
    assert_eq!(status.code(), Some(1), "{}", agent.text());
    assert!(agent.text().contains("ERR_NGROK_107"), "{}", agent.text());
    assert!(spared.child.try_wait().expect("waitable").is_none(), "the other agent stays");
    assert_eq!(site.list("endpoint").len(), 1);
    assert!(exchange(connect(site.public), b"?").is_empty(), "nobody is there any more");
}

#[test]
fn agents_come_back_after_the_edge_was_gone() {
    let site = Site::start(FORWARD, "");
    let agent = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    assert_eq!(exchange(connect(site.public), b"before"), b"before");
    let Site { mut edge, agents, public } = site;
    edge.signal("TERM");
    edge.wait_for_exit();
    let folder = edge.into_folder();
    folder.write("edge.yml", &edge_yml(agents, public, ""));
    let site = Site::on(folder);
    wait_until("the agent to come back", || (agent.count(Tells::Online) > 1).then_some(()));
    assert_eq!(exchange(connect(site.public), b"after"), b"after");
}

#[test]
fn a_url_is_taken_unless_all_share_it() {
    let site = Site::start(FORWARD, "");
    let token = site.token(&[]);
    let first = site.agent(&token, &echo_device().to_string(), &DEVICE);
    let second = site.agent_unchecked(&token, &echo_device().to_string(), &DEVICE);
    second.wait_for_mention("ERR_NGROK_334");
    drop(second);
    drop(first);
    wait_until("the URL to be free", || site.list("endpoint").is_empty().then_some(()));
    let shared = ["--url", "tcp://device1.internal:22", "--pooling-enabled"];
    let one = site.agent(&token, &echo_device().to_string(), &shared);
    let _other = site.agent(&token, &echo_device().to_string(), &shared);
    assert_eq!(site.list("endpoint").len(), 2);
    drop(one);
    wait_until("one of them to be gone", || (site.list("endpoint").len() == 1).then_some(()));
    assert_eq!(exchange(connect(site.public), b"still"), b"still");
}

#[test]
fn a_full_edge_says_when_to_come_again() {
    let site = Site::start(FORWARD, "limits: {max_agents: 1}\n");
    let token = site.token(&[]);
    let _first = site.agent(&token, &echo_device().to_string(), &DEVICE);
    let second = site.agent_unchecked(&token, &echo_device().to_string(), &DEVICE);
    let line = second.wait_for_mention("ERR_NGROK_108");
    let wait = line.number("wait_ms");
    assert!((15_000..=16_500).contains(&wait), "{line}");
}

#[test]
fn the_rules_of_a_token_say_what_it_may_bind() {
    let site = Site::start(FORWARD, "public_tcp_ports: 20000-29999\n");
    let token = site.token(&["bind:*.site1.internal", "bind:device1.internal:22"]);
    for (url, code) in [
        ("tcp://device1.internal:23", "ERR_NGROK_308"),
        ("tcp://site1.internal:22", "ERR_NGROK_308"),
        ("tcp://elsewhere.internal:22", "ERR_NGROK_308"),
        ("", "ERR_NGROK_356"),
    ] {
        let words: &[&str] = if url.is_empty() { &[] } else { &["--url", url] };
        let mut agent = site.agent_unchecked(&token, "22", words);
        assert_eq!(agent.wait_for_exit().code(), Some(1), "{url}");
        assert!(agent.text().contains(code), "{url}: {}", agent.text());
    }
    let _deep = site.agent(&token, "22", &["--url", "tcp://a.b.site1.internal:22"]);
    let mut wrong = site.agent_unchecked("not-a-token", "22", &DEVICE);
    assert_eq!(wrong.wait_for_exit().code(), Some(1));
    assert!(wrong.text().contains("ERR_NGROK_105"), "{}", wrong.text());
}

#[test]
fn a_policy_of_the_agent_runs_at_its_endpoint() {
    let Some(second) = second_address() else { return };
    let site = Site::start(FORWARD, "");
    let policy = site.edge.folder.write(
        "own.yml",
        "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [127.0.0.1/32]}}]}]\n",
    );
    let path = policy.display().to_string();
    let words = [DEVICE[0], DEVICE[1], "--traffic-policy-file", &path];
    let _agent = site.agent(&site.token(&[]), &echo_device().to_string(), &words);
    assert_eq!(exchange(connect(site.public), b"let in"), b"let in");
    assert!(exchange(connect_from(second, site.public), b"let in").is_empty());
    let event = site.edge.event_of("127.0.0.2");
    assert_eq!((&event["decision"], &event["at"]["file"]), (&"deny".into(), &"TrafficPolicy".into()));
}

#[test]
fn an_agent_without_its_server_gives_the_client_up() {
    let site = Site::start(FORWARD, "");
    let nobody = ClosedPort::hold();
    let agent = site.agent(&site.token(&[]), &nobody.address.to_string(), &DEVICE);
    assert!(exchange(connect(site.public), b"anybody?").is_empty());
    let event = site.edge.event_of("127.0.0.1");
    assert!(event["end"].as_str().is_some_and(|end| end.starts_with("the upstream failed")), "{event}");
    agent.wait_for(Tells::UpstreamFailed);
}

#[test]
fn public_endpoints_of_agents_take_connections_until_they_are_gone() {
    let site = Site::start(FORWARD, "public_tcp_ports: 20000-29999\n");
    let agent = site.agent(&site.token(&[]), &echo_device().to_string(), &[]);
    let port = agent.public_port();
    assert!((20_000..30_000).contains(&port));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    assert_eq!(exchange(connect(address), b"public"), b"public");
    let event = site.edge.event_of("127.0.0.1");
    assert_eq!(event["decision"], "upstream");
    drop(agent);
    wait_until("nobody to listen", || TcpStream::connect(address).is_err().then_some(()));
}

#[test]
fn an_address_of_the_edges_choice_stays_when_the_edge_comes_back() {
    let ports = "public_tcp_ports: 20000-29999\n";
    let site = Site::start(FORWARD, ports);
    let agent = site.agent(&site.token(&[]), &echo_device().to_string(), &[]);
    let before = site.list("endpoint")[0]["url"].clone();
    let Site { mut edge, agents, public } = site;
    edge.signal("TERM");
    edge.wait_for_exit();
    let folder = edge.into_folder();
    folder.write("edge.yml", &edge_yml(agents, public, ports));
    let site = Site::on(folder);
    wait_until("the agent to come back", || (agent.count(Tells::Online) > 1).then_some(()));
    assert_eq!(site.list("endpoint")[0]["url"], before);
}

#[test]
fn who_says_nothing_is_let_go_and_others_are_served() {
    let site = Site::start(FORWARD, "limits: {agent_auth_timeout: 1s}\n");
    let mut silent: Vec<TcpStream> = (0..200).map(|_| connect(site.agents)).collect();
    // Half of them begin, and stop there.
    for stream in silent.iter_mut().skip(100) {
        stream.write_all(&[0x16, 3, 1]).expect("taken");
    }
    let _agent = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    for stream in &mut silent {
        rest_of(stream);
    }
    assert_eq!(exchange(connect(site.public), b"served"), b"served");
}

#[test]
fn a_session_can_be_stopped_and_its_agent_ends_in_order() {
    let site = Site::start(FORWARD, "");
    let mut agent = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    let id = site.list("session")[0]["id"].as_str().expect("an id").to_owned();
    site.admin(&["session", "stop", &id]);
    assert_eq!(agent.wait_for_exit().code(), Some(0), "{}", agent.text());
    wait_until("its endpoint to be gone", || site.list("endpoint").is_empty().then_some(()));
    let of = |kind: &str| {
        wait_until(kind, || site.edge.events().into_iter().find(|event| event["event_type"] == kind))
    };
    let (start, stop) = (of("agent_session_start.v0"), of("agent_session_stop.v0"));
    assert_eq!(start["object"]["session"], id.as_str());
    assert_eq!(start["object"]["stopped_at"], Value::Null);
    assert_eq!((&stop["object"]["session"], stop["object"]["stopped_at"].is_string()), (&id.into(), true));
    assert_eq!(stop["object"]["agent_ip"], "127.0.0.1");
}

#[test]
fn an_agent_begins_again_from_afar_with_what_its_file_says_now() {
    let site = Site::start(FORWARD, "");
    let (device, folder) = (echo_device(), Folder::new());
    let write = |url: &str, more: &str| {
        let text = format!(
            "version: 3\nagent: {{connect_url: \"localhost:{}\", connect_cas: \"{}\", web_addr: false, log: stderr{more}}}\n\
             endpoints: [{{name: device1, url: \"{url}\", upstream: {{url: \"{device}\"}}}}]\n",
            site.agents.port(),
            site.edge.folder.path("state/ca/ca.pem").display()
        );
        folder.write("ngrok.yml", &text)
    };
    let path = write("tcp://before.internal:22", "");
    let mut command = forwarder();
    command.args(["agent", "start", "--all", "--config"]).arg(path);
    let mut agent = Agent::start(command, &site.token(&[]));
    assert_eq!(agent.wait_for(Tells::Online).field("url"), "tcp://before.internal:22");
    let session = || site.list("session").first().and_then(|it| it["id"].as_str().map(ToOwned::to_owned));
    // Until it is there, and another than before.
    let next = |before: &str| wait_until("another session", || session().filter(|it| it != before));
    let first = next("");

    write("tcp://device1.internal:22", "");
    site.admin(&["session", "restart", &first]);
    let second = next(&first);
    wait_until("its endpoint", || (agent.count(Tells::Online) > 1).then_some(()));
    let urls: Vec<_> = site.list("endpoint").iter().map(|it| it["url"].clone()).collect();
    assert_eq!(urls, ["tcp://device1.internal:22"]);
    assert_eq!(exchange(connect(site.public), b"again"), b"again");

    // What cannot be used changes nothing.
    write("tcp://device1.internal", "");
    site.admin(&["session", "restart", &second]);
    agent.wait_for_mention("ngrok.yml:");
    let third = next(&second);
    wait_until("its endpoint", || (agent.count(Tells::Online) > 2).then_some(()));
    assert_eq!(exchange(connect(site.public), b"as before"), b"as before");

    write("tcp://device1.internal:22", ", remote_management: false");
    site.admin(&["session", "restart", &third]);
    let fourth = next(&third);
    let (_, error, status) = site.ask(&["session", "restart", &fourth]);
    assert_eq!(status.code(), Some(1), "{error}");
    assert!(error.contains("remote_management is off"), "{error}");
    assert!(agent.child.try_wait().expect("waitable").is_none(), "it is the same process");
    let stops = || site.edge.events().iter().filter(|it| it["event_type"] == "agent_session_stop.v0").count();
    wait_until("the ends of three sessions", || (stops() == 3).then_some(()));
}

#[test]
fn an_agent_of_the_command_line_begins_again_with_its_chosen_address() {
    let site = Site::start(FORWARD, "public_tcp_ports: 20000-29999\n");
    let agent = site.agent(&site.token(&[]), &echo_device().to_string(), &[]);
    let before = site.list("endpoint")[0].clone();
    let id = site.list("session")[0]["id"].as_str().expect("an id").to_owned();
    site.admin(&["session", "restart", &id]);
    wait_until("the agent to come back", || (agent.count(Tells::Online) > 1).then_some(()));
    let after = site.list("endpoint")[0].clone();
    assert_eq!(after["url"], before["url"]);
    assert_ne!(after["tunnel_session"]["id"], before["tunnel_session"]["id"]);
}

#[test]
fn the_agent_reads_its_configuration_and_says_what_is_wrong() {
    let site = Site::start(FORWARD, "");
    let device = echo_device();
    let folder = Folder::new();
    let guide = folder.write("ngrok.yml", include_str!("../../../fixtures/remote-access/ngrok.yml"));
    let own = format!(
        "version: 3\nagent: {{connect_url: \"localhost:{}\", connect_cas: \"{}\", web_addr: false, log: stderr, log_format: json}}\nendpoints: [{{name: device1, url: \"tcp://device1.internal:22\", upstream: {{url: \"{device}\"}}}}]\n",
        site.agents.port(),
        site.edge.folder.path("state/ca/ca.pem").display()
    );
    let own = folder.write("own.yml", &own);
    let command = |words: &[&str], files: &[&std::path::Path]| {
        let mut command = forwarder();
        command.args(words);
        for file in files {
            command.arg("--config").arg(file);
        }
        command
    };
    let checked = command(&["agent", "config", "check"], &[&guide, &own]).output().expect("it runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let agent = Agent::start(command(&["agent", "start", "--all"], &[&guide, &own]), &site.token(&[]));
    let line = agent.wait_for(Tells::Online);
    assert!(serde_json::from_str::<Value>(&line.to_string()).is_ok(), "logged as JSON: {line}");
    assert_eq!(line.field("endpoint"), "device1");
    assert_eq!(exchange(connect(site.public), b"by file"), b"by file");
    let bad = folder.write(
        "bad.yml",
        "version: 3\nendpoints: [{name: a, url: \"tcp://a.internal\", upstream: {url: 22}}]\n",
    );
    let checked = command(&["agent", "config", "check"], &[&bad]).output().expect("it runs");
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("bad.yml:2:"));
    let status = command(&["agent", "start", "nobody"], &[&own])
        .env("NGROK_AUTHTOKEN", "x")
        .output()
        .expect("it runs");
    assert_eq!(status.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&status.stderr).contains("it has: device1"));
}

#[test]
fn an_edge_that_stops_drains_what_goes_through_agents() {
    let site = Site::start(FORWARD, "shutdown: {drain: 60s}\n");
    let _agent = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    let mut open = connect(site.public);
    limit(&open);
    open.write_all(b"a").expect("taken");
    let mut answer = [0];
    open.read_exact(&mut answer).expect("answered");
    let mut edge = site.edge;
    edge.signal("TERM");
    edge.wait_for(Tells::Draining);
    open.write_all(b"b").expect("taken");
    open.read_exact(&mut answer).expect("answered while it drains");
    let before = Instant::now();
    drop(open);
    assert!(edge.wait_for_exit().success());
    assert!(before.elapsed() < Duration::from_secs(50), "the end of the last connection ends it");
}
