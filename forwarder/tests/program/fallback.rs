//! What happens where the server behind a live agent is not reached, and what it is told of the client.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{ClosedPort, Device, connect, echo_device, exchange, rest_of};
use crate::site::{DEVICE, FORWARD, Site};
use crate::speaker::{enter, next_connection, try_bind_with};

const WITH_BACKUP: &str = "on_tcp_connect:
- actions:
  - {type: forward-internal, config: {url: 'tcp://device1.internal:22', on_error: continue}}
  - {type: forward-internal, config: {url: 'tcp://backup.internal:22'}}
";

fn at(url: &str) -> [&str; 2] {
    ["--url", url]
}

/// A device that is switched off behind an agent that is not.
#[test]
fn a_dead_server_behind_a_live_agent_is_a_failed_forward() {
    let site = Site::start(WITH_BACKUP, "");
    let token = site.token(&[]);
    let closed = ClosedPort::hold();
    let _dead = site.agent(&token, &closed.address.to_string(), &DEVICE);
    let _backup = site.agent(&token, &echo_device().to_string(), &at("tcp://backup.internal:22"));
    assert_eq!(exchange(connect(site.public), b"hello"), b"hello");
    assert_eq!(site.edge.event_of("127.0.0.1")["target"], "tcp://backup.internal:22");
}

#[test]
fn a_pool_with_a_dead_server_serves_every_connection() {
    let site = Site::start(FORWARD, "");
    let token = site.token(&[]);
    let closed = ClosedPort::hold();
    let shared = [DEVICE[0], DEVICE[1], "--pooling-enabled"];
    let _dead = site.agent(&token, &closed.address.to_string(), &shared);
    let _live = site.agent(&token, &echo_device().to_string(), &shared);
    for _ in 0..30 {
        assert_eq!(exchange(connect(site.public), b"hello"), b"hello");
    }
}

/// A server that echoes, and how many connections it had.
fn counting_device() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (address, count) = (listener.local_addr().expect("bound"), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut writer = stream.try_clone().expect("a second handle");
            let _ = std::io::copy(&mut stream, &mut writer);
        }
    });
    (address, count)
}

#[test]
fn a_pool_shares_its_traffic() {
    let site = Site::start(FORWARD, "");
    let token = site.token(&[]);
    let shared = [DEVICE[0], DEVICE[1], "--pooling-enabled"];
    let devices = [counting_device(), counting_device()];
    let _agents = devices.each_ref().map(|(address, _)| site.agent(&token, &address.to_string(), &shared));
    // Both have some unless one draw of 2^39 is drawn.
    for _ in 0..40 {
        assert_eq!(exchange(connect(site.public), b"hello"), b"hello");
    }
    let [one, other] = devices.map(|(_, count)| count.load(Ordering::Relaxed));
    assert!(one > 0 && other > 0 && one + other == 40, "{one} and {other}");
}

/// A fallback is no way to send what a client has said to two servers.
#[test]
fn a_server_that_fails_later_is_no_failed_forward() {
    let site = Site::start(WITH_BACKUP, "");
    let token = site.token(&[]);
    let device = Device::once(|mut stream| {
        stream.read_exact(&mut [0; 5]).expect("what the client says");
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).expect("settable");
    });
    let _first = site.agent(&token, &device.address.to_string(), &DEVICE);
    let _backup = site.agent(&token, &echo_device().to_string(), &at("tcp://backup.internal:22"));
    let mut client = connect(site.public);
    client.write_all(b"hello").expect("taken");
    assert_eq!(rest_of(&client), b"", "the backup hears nothing of it");
    device.join();
}

/// An SDK asks the edge for the header; one that the client sends is the client's bytes.
#[test]
fn the_edge_writes_the_proxy_header_that_an_endpoint_asks_for() {
    let site = Site::start(FORWARD, "");
    let token = site.token(&[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (opener, mut accepted) = enter(&site.edge, site.agents, &token).await;
        let options = json!({"Addr": "device1.internal:22", "ProxyProto": 3});
        try_bind_with(&opener, "", options, false).await.expect_err("there is no version 3");
        for version in [1, 2] {
            let options = json!({"Addr": "device1.internal:22", "ProxyProto": version});
            let id = try_bind_with(&opener, "", options, true).await.expect("bound");
            let mut client = connect(site.public);
            let (from, to) = (client.local_addr().expect("bound"), site.public);
            let forged = b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n";
            client.write_all(forged).expect("taken");
            let (_, mut stream) = next_connection(&mut accepted).await;
            let ours = match version {
                1 => format!("PROXY TCP4 {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port())
                    .into_bytes(),
                _ => {
                    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01".to_vec();
                    bytes.extend([from.port().to_be_bytes(), to.port().to_be_bytes()].concat());
                    bytes
                }
            };
            let mut heard = vec![0; ours.len() + forged.len()];
            stream.read_exact(&mut heard).await.expect("both headers");
            assert_eq!(heard, [&ours[..], forged].concat(), "version {version}");
            stream.shutdown().await.expect("ended");
            let gone = json!({"Id": id});
            let _: serde_json::Value =
                agent_link::ask(&opener, agent_link::StreamType::Unbind, &gone).await.expect("gone");
        }
    });
}
