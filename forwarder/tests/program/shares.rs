//! Shares: one source or endpoint leaves room for others, and the edge does not feed itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use crate::harness::lines::Tells;
use crate::harness::{
    Edge, FORWARD, Folder, Unanswering, connect, connect_from, echo_device, edge_yml, exchange,
    second_address, wait_until,
};

/// An edge with the endpoints `a` and `b` in front of two upstreams.
fn two_endpoints(upstreams: [SocketAddr; 2], limits: &str) -> (Edge, [SocketAddr; 2]) {
    let folder = Folder::new();
    let (mut endpoints, mut internal) = (String::new(), String::new());
    for (name, upstream) in ["a", "b"].iter().zip(upstreams) {
        folder.write(&format!("{name}.yml"), &FORWARD.replace("device1", name));
        endpoints.push_str(&format!(
            "  - {{name: {name}, url: \"tcp://localhost:20022\", listen: \"127.0.0.1:0\", traffic_policy_file: {name}.yml}}\n"
        ));
        internal.push_str(&format!(
            "  - {{url: \"tcp://{name}.internal:22\", upstream: {{url: \"{upstream}\"}}}}\n"
        ));
    }
    folder.write(
        "edge.yml",
        &format!(
            "version: 1\nendpoints:\n{endpoints}internal_endpoints:\n{internal}\
             events: [{{type: file, path: events.jsonl}}]\nlimits: {{{limits}}}\n"
        ),
    );
    let mut edge = Edge::start(folder);
    let addresses = ["a", "b"].map(|name| edge.address(name));
    (edge, addresses)
}

/// A connection that is served, or `None` if it is closed at once.
fn served(mut stream: TcpStream) -> Option<TcpStream> {
    let _ = stream.write_all(b"?");
    stream.read_exact(&mut [0]).is_ok().then_some(stream)
}

/// The reasons of connections that no policy was asked about.
fn refusals(edge: &Edge, number: usize) -> Vec<String> {
    let is_refusal = |event: &Value| event["object"]["decision"] == "error";
    let reason = |event: Value| event["object"]["reason"].as_str().expect("a reason").to_owned();
    wait_until("the events", || {
        let found: Vec<_> = edge.events().into_iter().filter(is_refusal).map(reason).collect();
        Some(found).filter(|found| found.len() >= number)
    })
}

#[test]
fn one_client_and_one_endpoint_leave_room_for_others() {
    if second_address().is_none() {
        return;
    }
    let device = echo_device();
    let (edge, [a, b]) =
        two_endpoints([device, device], "max_connections: 16, max_connections_per_source: 4");
    let from = |source: u8, to| served(connect_from(Ipv4Addr::new(127, 0, 0, source), to));
    // A quarter for one source, wherever it connects.
    let mut open: Vec<_> = (0..4).map(|_| from(2, a).expect("its share")).collect();
    assert!(from(2, a).is_none() && from(2, b).is_none());
    let refused = refusals(&edge, 2);
    let reason = "source 127.0.0.2 has 4 open connections, the most for one source (`limits.max_connections_per_source`)";
    assert_eq!(refused, [reason; 2]);
    // Another source is served, until half of all are at one endpoint.
    open.extend((0..4).map(|_| from(3, a).expect("its share")));
    assert!(from(4, a).is_none());
    let refused = refusals(&edge, 3);
    assert_eq!(
        refused[2],
        "endpoint `a` has 8 open connections, the most it may have (its `max_connections`)"
    );
    open.extend((0..4).map(|_| from(4, b).expect("the other endpoint")));
    // What is over makes room.
    open.truncate(4);
    wait_until("room", || from(5, a));
}

/// A name that leads back to the edge is not shown by the configuration; neither is a port that the system chooses.
#[test]
fn an_edge_does_not_forward_to_itself() {
    let folder = Folder::new();
    folder.write("edge.yml", &edge_yml(1, ""));
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let address = edge.address("device1");
    edge.folder.write("edge.yml", &edge_yml(address, ""));
    edge.signal("HUP");
    edge.wait_for(Tells::Reloaded);
    for _ in 0..3 {
        assert_eq!(exchange(connect(address), b"hello"), b"");
    }
    let reasons = refusals(&edge, 3);
    let part = format!("{address} is a listener of this edge");
    assert!(reasons.len() == 3 && reasons.iter().all(|reason| reason.contains(&part)), "{reasons:?}");
}

/// Clients that have reset their connections hold no places while a dead device is dialled; one that has only ended
/// its half may wait for an answer.
#[test]
fn clients_that_are_gone_hold_no_places() {
    let silent = Unanswering::hold();
    let limits = "max_connections: 3, max_connections_per_source: 3, connect_timeout: 5m";
    let (edge, [dead, live]) = two_endpoints([silent.address, echo_device()], limits);
    // Half of three is one for each endpoint: the second one finds a place because the first is gone.
    for _ in 0..5 {
        let client = connect(dead);
        socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).expect("settable");
        drop(client);
    }
    let is_gone = |event: &&Value| {
        event["object"]["reason"] == "the client reset the connection before its upstream was reached"
            && event["object"]["endpoint"] == "a"
    };
    wait_until("a client that is gone", || edge.events().iter().find(is_gone).map(drop));
    let mut waits = wait_until("room", || {
        let mut client = connect(dead);
        client.shutdown(Shutdown::Write).expect("ended");
        client.set_read_timeout(Some(std::time::Duration::from_millis(200))).expect("settable");
        let kind = client.read(&mut [0]).map_err(|error| error.kind());
        (kind == Err(ErrorKind::WouldBlock)).then_some(client)
    });
    drop(served(connect(live)).expect("served"));
    assert_eq!(waits.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}
