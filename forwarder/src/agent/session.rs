//! One session with the edge.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::status::{EndpointStatus, UpstreamStatus};
use super::{AgentError, Ended, Network, Offer, Setup, Status, upstream};
use crate::link::{
    self, Auth, AuthExtra, AuthReply, Bind, BindExtra, BindReply, CallError, CommandReply, Hidden,
    ProxyHeader, StopEndpoint, StreamType,
};
use crate::mux::{Acceptor, ErrorCode, Limits, Opener, Side, Stream, session};

/// Connections that the edge may have open through the agent.
const MOST_CONNECTIONS: usize = 8_192;
/// How long the edge may take for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// How long the edge may take to say whose connection it is.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long a farewell may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What outlives a session.
#[derive(Default)]
pub(super) struct Memory {
    client_id: String,
    cookie: Hidden,
    /// What each endpoint was given, by its name: the token, and the address that the edge chose.
    tokens: HashMap<Box<str>, (Hidden, Box<str>)>,
    was_online: bool,
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
    status: &Status,
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
    let limits = Limits { streams: MOST_CONNECTIONS, unaccepted: 1_024, ..Limits::default() };
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

/// What a task of a session ends with.
type Told = Option<Ended>;

async fn serve(
    network: &impl Network,
    setup: &Setup,
    memory: &mut Memory,
    status: &Status,
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
    let mut offers: HashMap<Box<str>, Arc<Offer>> = HashMap::new();
    for offer in &setup.offers {
        match bind(memory, opener, offer).await {
            Ok(reply) => {
                tracing::info!(endpoint = &*offer.name, url = reply.url, upstream = %offer.upstream, "online");
                status.bound(EndpointStatus {
                    name: offer.name.clone(),
                    uri: format!("/api/endpoints/{}", offer.name),
                    url: reply.url.into(),
                    upstream: UpstreamStatus { url: format!("tcp://{}", offer.upstream) },
                    traffic_policy: offer.policy.clone(),
                    pooling_enabled: offer.pooling,
                });
                offers.insert(reply.id.into(), Arc::new(offer.clone()));
            }
            Err(CallError::Io(error)) => return Ended::Lost(error, false),
            Err(error) => return Ended::Refused(AgentError::Bind(offer.name.clone(), error)),
        }
    }
    memory.was_online = true;
    let cut = CancellationToken::new();
    let beats = link::beat(opener, setup.heartbeat, |latency| status.beat(latency));
    tokio::pin!(beats);
    let _cut_at_the_end = cut.clone().drop_guard();
    loop {
        let stream = tokio::select! {
            error = &mut beats => return Ended::Lost(error, true),
            stream = accepted.accept() => stream,
            Some(ended) = tasks.join_next() => match ended {
                Ok(Some(ended)) => return ended,
                _ => continue,
            },
        };
        let Some(mut stream) = stream else {
            let why = opener.why_closed().unwrap_or(ErrorCode::SessionClosed);
            let message = format!("the edge has ended the session: {why}");
            return Ended::Lost(io::Error::new(io::ErrorKind::ConnectionReset, message), true);
        };
        match timeout(HEADER_TIME, link::read_type(&mut stream)).await {
            Ok(Ok(StreamType::Heartbeat)) => drop(tasks.spawn(async move {
                link::echo(stream).await;
                None
            })),
            Ok(Ok(StreamType::Proxy)) => {
                proxy(network, setup, status, &offers, stream, tasks, cut.clone()).await
            }
            Ok(Ok(StreamType::Stop)) => {
                if command(&mut stream, setup.remote_management.then_some(())).await {
                    tracing::info!("the edge has stopped this agent");
                    return Ended::Stopped;
                }
            }
            Ok(Ok(StreamType::Restart | StreamType::Update)) => drop(command(&mut stream, None).await),
            Ok(Ok(StreamType::StopEndpoint)) => {
                let told = timeout(HEADER_TIME, link::read_call::<StopEndpoint>(&mut stream)).await;
                if let Ok(Ok(told)) = told
                    && let Some(offer) = offers.remove(told.id.as_str())
                {
                    let (message, code) = (told.message, told.error_code.unwrap_or_default());
                    tracing::error!(
                        endpoint = &*offer.name,
                        message,
                        code,
                        "the edge has stopped an endpoint"
                    );
                    status.unbound(&offer.name);
                }
            }
            _ => stream.reset(ErrorCode::Refused),
        }
    }
}

/// Takes a connection to its server, in a task of its own.
async fn proxy(
    network: &impl Network,
    setup: &Setup,
    status: &Status,
    offers: &HashMap<Box<str>, Arc<Offer>>,
    mut stream: Stream,
    tasks: &mut JoinSet<Told>,
    cut: CancellationToken,
) {
    let header = match timeout(HEADER_TIME, ProxyHeader::read(&mut stream)).await {
        Ok(Ok(header)) => header,
        _ => return stream.reset(ErrorCode::Refused),
    };
    let Some(offer) = offers.get(header.id.as_str()).map(Arc::clone) else {
        return stream.reset(ErrorCode::Refused);
    };
    status.connections.fetch_add(1, Ordering::Relaxed);
    let (network, connect_timeout) = (network.clone(), setup.connect_timeout);
    tasks.spawn(async move {
        upstream::carry(&network, stream, &header, &offer, connect_timeout, &cut).await;
        None
    });
}

/// Answers a command; true if it is followed.
async fn command(stream: &mut Stream, follow: Option<()>) -> bool {
    let asked = timeout(HEADER_TIME, link::read_call::<serde_json::Value>(stream)).await;
    let error = follow.is_none().then(|| "this agent cannot do that from afar".to_owned());
    let answered = link::answer(stream, &CommandReply { error }).await;
    matches!(asked, Ok(Ok(_))) && answered.is_ok() && follow.is_some()
}

async fn authenticate(setup: &Setup, memory: &mut Memory, opener: &Opener) -> Result<(), CallError> {
    let no = |what: &str| Some(format!("this agent does not {what}"));
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
            update_unsupported_error: no("update itself"),
            restart_unsupported_error: no("restart itself"),
            stop_unsupported_error: match setup.remote_management {
                true => Some(String::new()),
                false => Some("remote_management is off".to_owned()),
            },
            config_version: "3".to_owned(),
            client_type: "forwarder".to_owned(),
            ..AuthExtra::default()
        },
    };
    let reply: AuthReply = answered(link::ask(opener, StreamType::Auth, &request)).await?;
    memory.client_id = reply.client_id;
    memory.cookie = reply.extra.cookie.unwrap_or_default();
    Ok(())
}

async fn bind(memory: &mut Memory, opener: &Opener, offer: &Offer) -> Result<BindReply, CallError> {
    let (token, address) =
        memory.tokens.get(&offer.name).cloned().unwrap_or_else(|| (Hidden::default(), offer.address.clone()));
    let request = Bind {
        id: String::new(),
        proto: "tcp".to_owned(),
        forwards_to: format!("tcp://{}", offer.upstream),
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
    memory.tokens.insert(offer.name.clone(), (reply.extra.token.clone(), address.into()));
    Ok(reply)
}

async fn answered<T>(call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    let late = |_| CallError::Io(io::Error::new(io::ErrorKind::TimedOut, "the edge does not answer"));
    timeout(ANSWER_TIME, call).await.map_err(late)?
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
