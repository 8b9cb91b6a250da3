//! One session with the edge.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::pauses::{Lost, Pauses};
use super::status::{EndpointStatus, UpstreamStatus};
use super::streams::{CAN_UPDATE, Streams, Told, can_restart, can_stop};
use super::{AgentError, Ended, Network, Offer, Setup, Status, draw};
use crate::link::{
    self, Auth, AuthExtra, AuthReply, Bind, BindExtra, BindReply, CallError, Hidden, StreamType,
};
use crate::mux::{Acceptor, ErrorCode, Limits, Opener, SHARED_WINDOW, Side, session};

/// Connections that the edge may have open through the agent.
const MOST_CONNECTIONS: usize = 8_192;
/// How long the edge may take for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// How long bytes may wait for the edge to take them.
const STALLED: Duration = Duration::from_secs(24 * 3_600);
/// How long a farewell may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What outlives a session.
#[derive(Default)]
pub(super) struct Memory {
    client_id: String,
    cookie: Hidden,
    /// What each endpoint was given, by its name and the address that is asked for.
    given: HashMap<(Box<str>, Box<str>), Given>,
    was_online: bool,
}

/// What an endpoint was given.
#[derive(Clone)]
struct Given {
    token: Hidden,
    /// The one that the edge chose, if that was left to it.
    address: Box<str>,
}

impl Memory {
    /// True if all endpoints were online at some time.
    pub(super) const fn was_online(&self) -> bool {
        self.was_online
    }
}

/// Connects, brings the endpoints online and serves them to the end.
pub(super) async fn once(
    network: &impl Network,
    setup: &Setup,
    memory: &mut Memory,
    status: &Arc<Status>,
    stop: &CancellationToken,
) -> Ended {
    let connected = tokio::select! {
        () = stop.cancelled() => return Ended::Stopped,
        connected = network.edge(setup) => connected,
    };
    let connection = match connected {
        Ok(connection) => connection,
        Err(error) => return Ended::Lost(error, false),
    };
    let limits = Limits {
        streams: MOST_CONNECTIONS,
        unaccepted: 1_024,
        // How long a client may take no bytes, the edge decides.
        stall_timeout: STALLED,
        ..Limits::default()
    };
    let (opener, accepted, driver) = session(connection, Side::Client, limits);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        driver.run().await;
        None
    });
    let ended = tokio::select! {
        () = stop.cancelled() => Ended::Stopped,
        ended = serve(network, setup, memory, status, &opener, accepted, &mut tasks) => ended,
    };
    opener.close_in_order("the agent stops");
    let _ = timeout(GOODBYE, opener.closed()).await;
    ended
}

async fn serve(
    network: &impl Network,
    setup: &Setup,
    memory: &mut Memory,
    status: &Arc<Status>,
    opener: &Opener,
    mut accepted: Acceptor,
    tasks: &mut JoinSet<Told>,
) -> Ended {
    match authenticate(setup, memory, opener).await {
        Ok(()) => {}
        Err(CallError::Io(error)) => return Ended::Lost(error, false),
        Err(error) => return Ended::Refused(AgentError::Auth(error)),
    }
    status.connected();
    tracing::info!(edge = %setup.server, "connected");
    let offers = Arc::new(Mutex::new(HashMap::new()));
    let mut refused = Vec::new();
    for offer in &setup.offers {
        match online(memory, opener, offer, status, &offers).await {
            Ok(()) => {}
            Err(CallError::Io(error)) => return Ended::Lost(error, false),
            // One that was online before may be again; it holds up no other.
            Err(error) if memory.was_online => {
                tracing::error!(endpoint = &*offer.name, %error, "the edge refuses an endpoint");
                refused.push(offer);
            }
            Err(error) => return Ended::Refused(AgentError::Bind(offer.name.clone(), error)),
        }
    }
    memory.was_online = true;
    let streams = Streams {
        network: network.clone(),
        offers: Arc::clone(&offers),
        status: Arc::clone(status),
        remote_management: setup.remote_management,
        dialer: setup.dialer.clone().through(None),
        connect_timeout: setup.connect_timeout,
        cut: CancellationToken::new(),
    };
    let beats = link::beat(opener, setup.heartbeat, |latency| status.beat(latency));
    let _cut_at_the_end = streams.cut.clone().drop_guard();
    tokio::select! {
        error = beats => Ended::Lost(error, true),
        error = online_later(memory, opener, refused, status, &offers) => Ended::Lost(error, true),
        ended = streams.serve_all(&mut accepted, tasks) => ended.unwrap_or_else(|| {
            let why = opener.why_closed().unwrap_or(ErrorCode::SessionClosed.into());
            let message = match why.by_peer {
                true => why.told("the edge"),
                false => format!("the session has ended: {why}"),
            };
            Ended::Lost(io::Error::new(io::ErrorKind::ConnectionReset, message), true)
        }),
    }
}

/// Brings an endpoint online.
async fn online(
    memory: &mut Memory,
    opener: &Opener,
    offer: &Offer,
    status: &Status,
    offers: &Mutex<HashMap<Box<str>, Arc<Offer>>>,
) -> Result<(), CallError> {
    let reply = bind(memory, opener, offer).await?;
    tracing::info!(endpoint = &*offer.name, url = reply.url, upstream = %offer.upstream, "online");
    status.bound(EndpointStatus {
        name: offer.name.clone(),
        uri: format!("/api/endpoints/{}", offer.name),
        url: reply.url.into(),
        upstream: UpstreamStatus { url: offer.upstream.to_string() },
        traffic_policy: offer.policy.clone(),
        pooling_enabled: offer.pooling,
    });
    let mut offers = offers.lock().unwrap_or_else(PoisonError::into_inner);
    offers.insert(reply.id.into(), Arc::new(offer.clone()));
    Ok(())
}

/// Asks again for the endpoints that were refused, in growing pauses, until the session is lost.
async fn online_later(
    memory: &mut Memory,
    opener: &Opener,
    mut refused: Vec<&Offer>,
    status: &Status,
    offers: &Mutex<HashMap<Box<str>, Arc<Offer>>>,
) -> io::Error {
    let mut pauses = Pauses::default();
    while !refused.is_empty() {
        sleep(pauses.next(Lost::NotConnected, draw())).await;
        for offer in std::mem::take(&mut refused) {
            match online(memory, opener, offer, status, offers).await {
                Ok(()) => {}
                Err(CallError::Io(error)) => return error,
                Err(error) => {
                    tracing::debug!(endpoint = &*offer.name, %error, "the edge still refuses an endpoint");
                    refused.push(offer);
                }
            }
        }
    }
    std::future::pending().await
}

async fn authenticate(setup: &Setup, memory: &mut Memory, opener: &Opener) -> Result<(), CallError> {
    let unsupported = |can: Result<(), &str>| Some(can.err().unwrap_or_default().to_owned());
    let request = Auth {
        version: vec!["3".to_owned()],
        client_id: memory.client_id.clone(),
        extra: AuthExtra {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            auth_token: Hidden(setup.authtoken.expose().to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            user_agent: concat!("forwarder/", env!("CARGO_PKG_VERSION")).to_owned(),
            metadata: setup.metadata.clone(),
            cookie: memory.cookie.clone(),
            heartbeat_interval: nanoseconds(setup.heartbeat.interval),
            heartbeat_tolerance: nanoseconds(setup.heartbeat.tolerance),
            update_unsupported_error: unsupported(CAN_UPDATE),
            restart_unsupported_error: unsupported(can_restart(setup.remote_management)),
            stop_unsupported_error: unsupported(can_stop(setup.remote_management)),
            config_version: "3".to_owned(),
            client_type: "forwarder".to_owned(),
            confirms_connections: true,
            shared_window: Some(SHARED_WINDOW),
            ..AuthExtra::default()
        },
    };
    opener.lend(SHARED_WINDOW);
    let reply: AuthReply = answered(link::ask(opener, StreamType::Auth, &request)).await?;
    opener.borrow(reply.extra.shared_window.unwrap_or(0));
    memory.client_id = reply.client_id;
    memory.cookie = reply.extra.cookie.unwrap_or_default();
    Ok(())
}

async fn bind(memory: &mut Memory, opener: &Opener, offer: &Offer) -> Result<BindReply, CallError> {
    let known = (offer.name.clone(), offer.address.clone());
    let new = || Given { token: Hidden::default(), address: offer.address.clone() };
    let Given { token, address } = memory.given.get(&known).cloned().unwrap_or_else(new);
    let request = Bind {
        id: String::new(),
        proto: "tcp".to_owned(),
        forwards_to: offer.upstream.to_string(),
        forwards_proto: String::new(),
        opts: json!({
            "Addr": address,
            "ProxyProto": 0,
            "IPRestriction": null,
            "TrafficPolicy": offer.policy,
        }),
        extra: BindExtra {
            token,
            metadata: offer.metadata.to_string(),
            description: offer.description.to_string(),
            bindings: offer.binding.iter().map(ToString::to_string).collect(),
            pooling_enabled: offer.pooling,
            ..BindExtra::default()
        },
    };
    let reply: BindReply = answered(link::ask(opener, StreamType::Bind, &request)).await?;
    // Whoever left the address to the edge keeps the one that it chose.
    let address = reply.opts.get("Addr").and_then(serde_json::Value::as_str).unwrap_or(&offer.address);
    memory.given.insert(known, Given { token: reply.extra.token.clone(), address: address.into() });
    Ok(reply)
}

async fn answered<T>(call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    let late = |_| CallError::Io(io::Error::new(io::ErrorKind::TimedOut, "the edge does not answer"));
    timeout(ANSWER_TIME, call).await.map_err(late)?
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
