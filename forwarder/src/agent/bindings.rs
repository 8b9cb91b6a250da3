//! The endpoints of one session: brought online, asked for again where they are refused, and changed with the
//! configuration.
//!
//! None holds up another. One that is taken is asked for often at first: it may be this agent's own, of a session that
//! the edge has not given up yet.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent_link::mux::Opener;
use agent_link::{Bind, BindExtra, BindReply, CallError, Empty, Hidden, StreamType, Unbind};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::end::{AgentError, SessionEnd};
use super::memory::{Given, Memory};
use super::pauses::RefusalPauses;
use super::refusals::{Lasts, advice, answered, lasts};
use super::reload::{Changed, changed};
use super::setup::{Offer, Setup};
use super::status::{EndpointStatus, Status, UpstreamStatus};

/// What is online, by its id.
pub(super) type OnlineOffers = Mutex<HashMap<Box<str>, Arc<Offer>>>;

/// Endpoints that the edge has stopped, until they are asked for again.
#[derive(Default)]
pub(super) struct Stopped {
    offers: Mutex<Vec<(Arc<Offer>, CallError)>>,
    told: Notify,
}

impl Stopped {
    /// There are no more of them than endpoints.
    pub(super) fn add(&self, offer: Arc<Offer>, why: CallError) {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner).push((offer, why));
        self.told.notify_one();
    }

    fn take(&self) -> Vec<(Arc<Offer>, CallError)> {
        std::mem::take(&mut self.offers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The endpoints of a session.
pub(super) struct Bindings<'s> {
    opener: &'s Opener,
    status: &'s Status,
    online: &'s OnlineOffers,
    stopped: &'s Stopped,
    waiting: Vec<Waiting>,
    /// How long the edge may take to give up the session before this one.
    lost_after: Duration,
    /// Names for the edge to call endpoints by.
    next_id: u64,
}

/// An endpoint that is not online.
struct Waiting {
    offer: Arc<Offer>,
    due: Instant,
    refusals: RefusalPauses,
    /// Why it was refused the last time.
    why: Option<CallError>,
}

impl<'s> Bindings<'s> {
    pub(super) fn new(
        opener: &'s Opener,
        status: &'s Status,
        online: &'s OnlineOffers,
        stopped: &'s Stopped,
        setup: &Setup,
    ) -> Self {
        Self {
            opener,
            status,
            online,
            stopped,
            waiting: setup.offers.iter().map(Waiting::new).collect(),
            lost_after: setup.heartbeat.interval.saturating_add(setup.heartbeat.tolerance),
            next_id: 1,
        }
    }

    fn online(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Offer>>> {
        // No code panics while it holds the lock.
        self.online.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps online what the setup says, and the setup what its files say whenever that is asked for; to the end of
    /// the session.
    pub(super) async fn keep(
        mut self,
        setup: &mut Setup,
        memory: &mut Memory,
        reload: &Notify,
    ) -> SessionEnd {
        let mut has_begun = false;
        loop {
            if let Err(error) = self.ask(memory).await {
                return SessionEnd::Lost(error, has_begun);
            }
            has_begun = true;
            if !memory.has_served
                && let Some(refused) = self.refused_for_good()
            {
                return SessionEnd::Refused(refused);
            }
            memory.has_served = true;
            let due = self.waiting.iter().map(|it| it.due).min();
            tokio::select! {
                biased;
                () = wait(due) => {}
                () = self.stopped.told.notified() => {
                    for (offer, why) in self.stopped.take() {
                        let mut waiting = Waiting::new(&offer);
                        waiting.refuse(why, self.lost_after, memory.random.fraction());
                        self.waiting.push(waiting);
                    }
                }
                () = reload.notified() => {
                    // If the session ends meanwhile, it is read before the next one.
                    memory.reload_due = true;
                    let changed = changed(setup).await;
                    memory.reload_due = false;
                    match changed {
                        Changed::Nothing => {}
                        Changed::Session(setup) => return SessionEnd::Reload(setup),
                        Changed::Offers => {
                            if let Err(error) = self.change(&setup.offers).await {
                                return SessionEnd::Lost(error, true);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Asks for every endpoint whose time has come. Fails with the session.
    async fn ask(&mut self, memory: &mut Memory) -> io::Result<()> {
        for mut waiting in std::mem::take(&mut self.waiting) {
            if waiting.due <= Instant::now() {
                match self.bring_online(memory, &waiting.offer).await {
                    Ok(()) => continue,
                    Err(CallError::Io(error)) if self.opener.why_closed().is_some() => return Err(error),
                    // Also an answer that does not come in time: the session carries the others.
                    Err(error) => waiting.refuse(error, self.lost_after, memory.random.fraction()),
                }
            }
            self.waiting.push(waiting);
        }
        Ok(())
    }

    /// The first refusal, if every endpoint is refused for good.
    fn refused_for_good(&mut self) -> Option<AgentError> {
        let is_final = |it: &Waiting| it.why.as_ref().is_some_and(|why| lasts(why) == Lasts::ForGood);
        if !self.online().is_empty() || !self.waiting.iter().all(is_final) {
            return None;
        }
        let first = self.waiting.drain(..).next()?;
        Some(AgentError::Bind(first.offer.name.clone(), first.why?))
    }

    /// Takes offline what is not wanted any more as it is, and has the rest asked for at once.
    async fn change(&mut self, offers: &[Offer]) -> io::Result<()> {
        let wanted: HashMap<&str, &Offer> = offers.iter().map(|offer| (&*offer.name, offer)).collect();
        let is_wanted = |offer: &Offer| wanted.get(&*offer.name).is_some_and(|it| **it == *offer);
        let (mut gone, mut kept) = (Vec::new(), HashSet::new());
        for (id, offer) in self.online().iter() {
            if is_wanted(offer) {
                kept.insert(offer.name.clone());
            } else {
                gone.push((id.clone(), Arc::clone(offer)));
            }
        }
        self.waiting = offers.iter().filter(|offer| !kept.contains(&offer.name)).map(Waiting::new).collect();
        // What goes comes before what comes: it may have its URL.
        for (id, offer) in gone {
            self.take_offline(&id, &offer).await?;
        }
        Ok(())
    }

    async fn take_offline(&self, id: &str, offer: &Offer) -> io::Result<()> {
        self.online().remove(id);
        self.status.unbound(&offer.name);
        let request = Unbind { id: id.to_owned() };
        let answer: Result<Empty, _> =
            answered(agent_link::ask(self.opener, StreamType::Unbind, &request)).await;
        match answer {
            Ok(Empty {}) => tracing::info!(endpoint = &*offer.name, "offline: removed or changed"),
            Err(CallError::Io(error)) if self.opener.why_closed().is_some() => return Err(error),
            Err(error) => {
                tracing::warn!(endpoint = &*offer.name, %error, "could not take the endpoint offline at the edge");
            }
        }
        Ok(())
    }

    async fn bring_online(&mut self, memory: &mut Memory, offer: &Arc<Offer>) -> Result<(), CallError> {
        // A connection may come before the answer is read: the endpoint has its id from the agent.
        let id = format!("ep_{}", self.next_id);
        self.next_id += 1;
        self.online().insert(id.as_str().into(), Arc::clone(offer));
        let reply = bind(memory, self.opener, offer, &id).await;
        let reply = reply.inspect_err(|_| drop(self.online().remove(id.as_str())))?;
        if reply.id != id {
            let mut online = self.online();
            online.remove(id.as_str());
            online.insert(reply.id.into(), Arc::clone(offer));
        }
        tracing::info!(endpoint = &*offer.name, url = reply.url, upstream = %offer.upstream, "online");
        self.status.bound(EndpointStatus {
            name: offer.name.clone(),
            uri: format!("/api/endpoints/{}", offer.name),
            url: reply.url.into(),
            upstream: UpstreamStatus { url: offer.upstream.to_string() },
            traffic_policy: offer.policy.clone(),
            pooling_enabled: offer.pooling,
        });
        Ok(())
    }
}

/// Waits for a time; for ever without one.
async fn wait(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

impl Waiting {
    fn new(offer: &Offer) -> Self {
        let offer = Arc::new(offer.clone());
        Self { offer, due: Instant::now(), refusals: RefusalPauses::default(), why: None }
    }

    /// Puts it off, by a number that is drawn from 0 to 1, and says why unless that is known.
    fn refuse(&mut self, error: CallError, lost_after: Duration, draw: f64) {
        let (endpoint, lasts) = (&*self.offer.name, lasts(&error));
        let pause = self.refusals.next(lasts, lost_after, draw);
        self.due = Instant::now() + pause;
        let is_known = self.why.as_ref().is_some_and(|why| why.to_string() == error.to_string());
        let again_in_ms = pause.as_millis();
        match lasts {
            _ if is_known => tracing::debug!(endpoint, %error, again_in_ms, "still refused"),
            Lasts::ForNow => {
                tracing::warn!(endpoint, %error, again_in_ms, "endpoint not online yet, retrying");
            }
            Lasts::ForGood => {
                let advice = advice(&error);
                tracing::error!(endpoint, %error, advice, again_in_ms, "the edge refuses an endpoint");
            }
        }
        self.why = Some(error);
    }
}

async fn bind(memory: &mut Memory, opener: &Opener, offer: &Offer, id: &str) -> Result<BindReply, CallError> {
    let known = (offer.name.clone(), offer.address.clone());
    let new = || Given { token: Hidden::default(), address: offer.address.clone() };
    let Given { token, address } = memory.given.get(&known).cloned().unwrap_or_else(new);
    let request = Bind {
        id: id.to_owned(),
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
    let reply: BindReply = answered(agent_link::ask(opener, StreamType::Bind, &request)).await?;
    // Whoever left the address to the edge keeps the one that it chose.
    let address = reply.opts.get("Addr").and_then(serde_json::Value::as_str).unwrap_or(&offer.address);
    memory.given.insert(known, Given { token: reply.extra.token.clone(), address: address.into() });
    Ok(reply)
}
