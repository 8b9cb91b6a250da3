//! The endpoints that agents keep online, by URL.
//!
//! Looking one up is O(1) for an exact URL and O(labels) for wildcards, however many there are. An endpoint leaves in
//! this order: marked as gone, then out of the table. Whoever has chosen one compares the mark after entering the
//! registry of connections; so either the connection is seen there, or it sees the mark.

mod owner;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use agent_link::mux::Opener;
use jiff::Timestamp;
use policy_core::compile::Program;
use policy_core::edge::{Claim, Taken};
use policy_core::resolve::UrlMap;
use policy_core::url::{Binding, EndpointUrl};
use tokio_util::sync::CancellationToken;

use crate::net::proxy_protocol::ProxyProtocol;
pub use owner::Owner;

/// An endpoint that an agent keeps online.
#[derive(Debug)]
pub struct OnlineEndpoint {
    /// Its id, `ep_…`.
    pub id: Box<str>,
    /// What its agent calls it: the same, or what an earlier session of the agent was given. Agents that come back go
    /// on with that, so the edge does too; it counts within the session alone.
    pub agent_id: Box<str>,
    /// The session that holds it, `ts_…`.
    pub session: Box<str>,
    /// Whose it is.
    pub owner: Owner,
    /// Its URL; may be a wildcard.
    pub url: EndpointUrl,
    /// Where it can be reached from.
    pub binding: Binding,
    /// Where it listens if it is public: the `public_tcp_listen` of when it came online.
    pub listens_on: Vec<IpAddr>,
    /// True if endpoints with the same URL share its traffic.
    pub pooling: bool,
    /// Its own policies, in the order in which they run.
    pub programs: Vec<Arc<Program>>,
    /// The text of its policy, for the API.
    pub policy_text: Option<Box<str>>,
    /// Where the agent takes its traffic.
    pub forwards_to: Box<str>,
    /// Metadata shown in the API.
    pub metadata: Box<str>,
    /// Text for people.
    pub description: Box<str>,
    /// When it came online.
    pub since: Timestamp,
    /// Opens streams to the agent.
    pub opener: Opener,
    /// The agent says when the server of a connection is reached.
    pub confirms: bool,
    /// What the agent's server is told of each client first.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Cancelled when it is offline.
    pub gone: CancellationToken,
}

impl OnlineEndpoint {
    const fn claim(&self) -> Claim {
        Claim { binding: self.binding, pooling: self.pooling }
    }
}

impl PartialEq for OnlineEndpoint {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct OnlineEndpoints {
    table: RwLock<UrlMap<Vec<Arc<OnlineEndpoint>>>>,
    /// True if there is one, written with the table: where there is none, nobody waits for the lock.
    any: AtomicBool,
}

impl OnlineEndpoints {
    fn read(&self) -> RwLockReadGuard<'_, UrlMap<Vec<Arc<OnlineEndpoint>>>> {
        // No code panics while it holds the lock.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, UrlMap<Vec<Arc<OnlineEndpoint>>>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings an endpoint online.
    ///
    /// # Errors
    /// [`Taken`]; then nothing has changed.
    pub fn register(&self, endpoint: Arc<OnlineEndpoint>) -> Result<(), Taken> {
        let mut table = self.write();
        let members = table.get_or_insert_with(&endpoint.url, Vec::new);
        // Those of a session that has ended are gone, though it has not said so yet.
        members.retain(|member| {
            let ended = member.opener.why_closed().is_some();
            if ended {
                member.gone.cancel();
            }
            !ended
        });
        if let Some(other) = members.first() {
            endpoint.claim().beside(other.claim())?;
        }
        members.push(endpoint);
        self.any.store(!table.is_empty(), Ordering::Release);
        Ok(())
    }

    /// Takes an endpoint offline: from here on nobody is forwarded to it.
    pub fn unregister(&self, endpoint: &OnlineEndpoint) {
        endpoint.gone.cancel();
        let mut table = self.write();
        if let Some(members) = table.get_mut(&endpoint.url) {
            members.retain(|member| member.id != endpoint.id);
            if members.is_empty() {
                table.remove(&endpoint.url);
            }
        }
        self.any.store(!table.is_empty(), Ordering::Release);
    }

    /// What is made of the most specific URL that covers a target and of those who share it, one at least; only of
    /// internal ones. Allocates nothing of its own. The table is read meanwhile: what is made is made soon.
    pub fn covering<R>(
        &self,
        target: &EndpointUrl,
        make: impl FnOnce(&EndpointUrl, &[Arc<OnlineEndpoint>]) -> R,
    ) -> Option<R> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let table = self.read();
        let (url, members) = table.serving(target)?;
        (members.first()?.binding == Binding::Internal).then(|| make(url, members))
    }

    /// All endpoints, in the order in which they came online.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<OnlineEndpoint>> {
        let mut all: Vec<_> = self.read().values().flatten().map(Arc::clone).collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// True if an endpoint is online at exactly this URL.
    #[must_use]
    pub fn has(&self, url: &EndpointUrl) -> bool {
        self.read().get(url).is_some()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use agent_link::mux::{Limits, Side, session};

    use super::*;

    fn owner() -> Owner {
        let credential = crate::control::identity::CredentialId(ulid::Ulid::generate());
        let share = crate::edge::policy_shares::PolicyShares::default()
            .share_of(credential, std::time::Instant::now());
        Owner {
            credential,
            acl: Arc::default(),
            share,
            memory: crate::edge::policy_shares::Reserved::default(),
        }
    }

    pub(crate) fn online(id: &str, url: &str, pooling: bool) -> Arc<OnlineEndpoint> {
        let (opener, _, _) = session(tokio::io::duplex(1).0, Side::Server, Limits::default());
        Arc::new(OnlineEndpoint {
            id: id.into(),
            agent_id: id.into(),
            session: "ts_1".into(),
            owner: owner(),
            url: EndpointUrl::parse(url).expect(url),
            binding: Binding::Internal,
            listens_on: Vec::new(),
            pooling,
            programs: Vec::new(),
            policy_text: None,
            forwards_to: "".into(),
            metadata: "".into(),
            description: "".into(),
            since: Timestamp::UNIX_EPOCH,
            opener,
            confirms: false,
            proxy_protocol: None,
            gone: CancellationToken::new(),
        })
    }

    #[test]
    fn the_most_specific_endpoint_is_found() {
        let endpoints = OnlineEndpoints::default();
        let find = |endpoints: &OnlineEndpoints, url: &str| {
            endpoints.covering(&EndpointUrl::parse(url).expect(url), |_, members| {
                members.iter().map(|it| it.id.to_string()).collect::<Vec<_>>().join(" ")
            })
        };
        for (id, url) in [
            ("exact", "tcp://a.site.internal:22"),
            ("near", "tcp://*.site.internal:22"),
            ("far", "tcp://*.internal:22"),
        ] {
            endpoints.register(online(id, url, false)).expect("free");
        }
        for (url, id) in [
            ("tcp://a.site.internal:22", Some("exact")),
            ("tcp://b.site.internal:22", Some("near")),
            ("tcp://c.b.site.internal:22", Some("near")),
            ("tcp://b.other.internal:22", Some("far")),
            ("tcp://site.internal:22", Some("far")),
            ("tcp://a.site.internal:23", None),
            ("tls://a.site.internal:22", None),
        ] {
            assert_eq!(find(&endpoints, url).as_deref(), id, "{url}");
        }
    }

    #[test]
    fn a_url_is_shared_only_if_all_allow_it() {
        let endpoints = OnlineEndpoints::default();
        let url = "tcp://a.internal:22";
        let first = online("1", url, true);
        endpoints.register(Arc::clone(&first)).expect("free");
        assert_eq!(endpoints.register(online("2", url, false)), Err(Taken::NotPooled));
        endpoints.register(online("3", url, true)).expect("shared");
        endpoints.unregister(&first);
        assert!(first.gone.is_cancelled());
        let members = endpoints.covering(&first.url, |_, members| members.to_vec()).expect("one is left");
        assert_eq!(members.iter().map(|it| &*it.id).collect::<Vec<_>>(), ["3"]);
        endpoints.unregister(&members[0]);
        assert!(!endpoints.has(&first.url));
        endpoints.register(online("4", url, false)).expect("free again");
        assert_eq!(endpoints.register(online("5", url, true)), Err(Taken::NotPooled));
    }
}
