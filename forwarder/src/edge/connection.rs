//! The life of one connection, from accept to its event.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use policy_core::edge::EdgeLimits;
use policy_core::url::EndpointUrl;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::open::{ConnectionFacts, Ingress, OFFLINE, Open, REMOVED, Revalidated, configured};
use super::shared::Shared;
use crate::edge::events::Closed;
use crate::edge::generation::{Generation, ListenerKey};
use crate::edge::online::OnlineEndpoint;
use crate::edge::route::{Connection, Effort, EntryPoint, Live, Route, RoutingView, decide};
use crate::net::relay::{Carrier, RelayEnd, Relayed, relay};
use crate::net::socket;

/// Why a connection ends with the edge.
const STOPPED: &str = "the edge stopped";
/// Why a connection ends while its upstream is dialled.
const GONE: &str = "the client reset the connection before its upstream was reached";

/// Where a connection was accepted.
#[derive(Clone, Debug)]
pub(super) enum AcceptedAt {
    /// At a listener of the configuration.
    Configured(ListenerKey),
    /// At a public endpoint of an agent.
    Online(Arc<OnlineEndpoint>),
}

impl AcceptedAt {
    /// The endpoint: how it is entered, its name and its URL. Why there is none any more, otherwise.
    fn entry<'a>(
        &'a self,
        generation: &'a Generation,
    ) -> Result<(EntryPoint<'a>, &'a str, &'a EndpointUrl), &'static str> {
        match self {
            Self::Configured(listener) => {
                let (entry, endpoint) =
                    configured(generation, generation.at_listener(listener)).ok_or(REMOVED)?;
                Ok((entry, &endpoint.name.value, &endpoint.url))
            }
            Self::Online(online) if online.gone.is_cancelled() => Err(OFFLINE),
            Self::Online(online) => Ok((EntryPoint::Online(online), &online.id, &online.url)),
        }
    }
}

/// Decides before a byte is read, carries the bytes, and writes the event.
pub(super) async fn serve(shared: &Shared, at: &AcceptedAt, client: TcpStream, peer: SocketAddr) {
    let start = Timestamp::now();
    let generation = shared.current.load_full();
    let (entry, name, url) = match at.entry(&generation) {
        Ok(found) => found,
        Err(why) => return close_undecided(shared, client, peer, why),
    };
    let Ok(server) = client.local_addr() else {
        return close_undecided(shared, client, peer, "the client is gone");
    };
    let EdgeLimits { stalled_timeout, connect_timeout, half_close_timeout, .. } = generation.config.limits;
    // Without options it has no peer any more, which the next read tells.
    let _ = socket::give_up_after(&client, stalled_timeout);
    // No client can foretell it: it decides what the policy draws for this connection.
    let seed = shared.random.number();
    let made = ConnectionFacts { client: peer, server, start, seed };
    let facts = made.facts(url, start);
    let dial =
        Live { timeout: connect_timeout, client: peer, server, own: &shared.own, random: &shared.random };
    let world = RoutingView { generation: &generation, online: &shared.online };
    let decided = tokio::select! {
        biased;
        () = shared.stop.cancelled() => None,
        decided = decide(world, entry, &facts, &dial) => decided,
        // Nobody is left who could be served.
        () = reset_by(&client) => Some((Route::undecided(GONE), None)),
    };
    let Some((route, upstream)) = decided else {
        return close_undecided(shared, client, peer, STOPPED);
    };
    let (name, host): (Box<str>, Box<str>) = (name.into(), url.host().into());
    let ingress = match at {
        AcceptedAt::Configured(_) => Ingress::Configured(name.clone()),
        AcceptedAt::Online(online) => Ingress::Online(Arc::clone(online)),
    };
    // A connection may last for days: what decided it does not stay in memory for it.
    let decided_by = Arc::downgrade(&generation);
    drop(generation);
    let admitted = Admitted { ingress, made, decided_by, half_close_timeout };
    let (client, relayed, cut) = match upstream {
        Some(Connection::Tcp(upstream)) => {
            let _ = socket::give_up_after(&upstream, stalled_timeout);
            carry(shared, admitted, &route, client, upstream).await
        }
        Some(Connection::Agent(upstream)) => carry(shared, admitted, &route, client, upstream).await,
        None => (client, None, None),
    };
    // The client sees the end before anybody reads about it.
    drop(client);
    report(
        shared,
        &Closed {
            endpoint: Some(&name),
            server_name: Some(&host),
            client: peer,
            server: Some(server),
            start,
            end: Timestamp::now(),
            route: &route,
            relayed: relayed.as_ref(),
            cut: cut.as_deref(),
        },
    );
}

/// Waits until the client has reset the connection. One that has only ended its half may wait for an answer.
async fn reset_by(client: &TcpStream) {
    // The error stays in the socket: only its readiness is looked at. Without a runtime nobody looks.
    if client.ready(Interest::ERROR).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A connection that its policies have admitted.
pub(super) struct Admitted {
    pub(super) ingress: Ingress,
    pub(super) made: ConnectionFacts,
    /// By which generation.
    pub(super) decided_by: Weak<Generation>,
    pub(super) half_close_timeout: Duration,
}

/// Carries the bytes of an admitted connection; why it was cut, if it was.
pub(super) async fn carry<C: Carrier>(
    shared: &Shared,
    admitted: Admitted,
    route: &Route,
    mut client: C,
    mut upstream: impl Carrier,
) -> (C, Option<Relayed>, Option<Cow<'static, str>>) {
    let Admitted { ingress, made, decided_by, half_close_timeout } = admitted;
    let open = Open::new(ingress, made, route, shared.stop.child_token());
    let open = shared.connections.register(open, |open| {
        let newest = shared.current.load_full();
        if !std::ptr::eq(Arc::as_ptr(&newest), decided_by.as_ptr()) {
            let world = RoutingView { generation: &newest, online: &shared.online };
            if open.revalidate(world, Effort::Full) == Revalidated::Undecided {
                open.cut_undecided();
            }
        }
        open.cut_if_offline();
    });
    let end = relay(&mut client, &mut upstream, half_close_timeout, &open.cut).await;
    // The edge's own stop cuts without a reason of its own.
    let cut = open.why_cut(&end.end).or((end.end == RelayEnd::Cancelled).then_some(STOPPED.into()));
    (client, Some(end), cut)
}

/// Closes a connection that no policy was asked about; it has its event all the same.
pub(super) fn close_undecided(shared: &Shared, client: TcpStream, peer: SocketAddr, reason: &str) {
    let (server, now) = (client.local_addr().ok(), Timestamp::now());
    drop(client);
    let route = Route::undecided(reason);
    report(
        shared,
        &Closed {
            endpoint: None,
            server_name: None,
            client: peer,
            server,
            start: now,
            end: now,
            route: &route,
            relayed: None,
            cut: None,
        },
    );
}

fn report(shared: &Shared, closed: &Closed<'_>) {
    shared.events.closed(closed);
}
