//! The life of one connection, from accept to its event.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use policy_core::facts::Facts;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::registry::Open;
use super::{ListenerKey, Shared, key};
use crate::events::{Closed, tcp_connection_closed};
use crate::relay::relay;
use crate::route::{Live, judge};

/// A peer that acknowledges nothing for this long is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// A silent connection is probed after this time, so that a peer that vanished is noticed.
const PROBE_AFTER: Duration = Duration::from_secs(60);
/// Time between probes.
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// Decides before a byte is read, carries the bytes, and writes the event.
pub(super) async fn serve(shared: &Shared, listener: &ListenerKey, mut client: TcpStream, peer: SocketAddr) {
    let start = Timestamp::now();
    let generation = shared.current.load_full();
    let found = generation.config.endpoints.iter().enumerate().find(|(_, it)| key(it) == *listener);
    // A reload may have removed the endpoint since the connection was accepted.
    let (Some((index, endpoint)), Ok(server)) = (found, client.local_addr()) else {
        tracing::info!(%peer, "closed unjudged: its endpoint or the client is gone");
        return;
    };
    tune(&client);
    let url = endpoint.url.to_string();
    let facts = Facts::of_connection(peer, server).at_endpoint(&url);
    let limits = &generation.config.limits;
    let judged = judge(&generation, index, &facts, &Live { timeout: limits.connect_timeout }).await;
    let Some((route, upstream)) = judged else { return };

    let (mut relayed, mut cut) = (None, None);
    if let Some(mut upstream) = upstream {
        tune(&upstream);
        let entry = Open::new(&endpoint.name.value, &url, peer, server, &route);
        let open = shared.registry.enter(entry);
        // INVARIANT: entered before this comparison; see the order in `edge`.
        let newest = shared.current.load_full();
        if !Arc::ptr_eq(&newest, &generation) {
            shared.registry.judge_one_again(&open, &newest);
        }
        relayed = Some(relay(&mut client, &mut upstream, limits.half_close_timeout, &open.cut).await);
        cut = open.cut_reason();
    }
    // The client sees the end before anybody reads about it.
    drop(client);
    let event = tcp_connection_closed(&Closed {
        endpoint: &endpoint.name.value,
        server_name: endpoint.url.host(),
        client: peer,
        server,
        start,
        end: Timestamp::now(),
        route: &route,
        relayed: relayed.as_ref(),
        cut,
    });
    match event {
        Ok(line) => shared.events.send(line).await,
        Err(error) => tracing::error!(%error, "an event could not be written"),
    }
}

/// Small packets at once, and peers that vanish are noticed. A socket that takes no options has no peer any
/// more, which its next read tells.
fn tune(stream: &TcpStream) {
    let _ = set_options(stream);
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}
