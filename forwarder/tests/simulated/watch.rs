//! What must hold at every moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::site::{AGENTS, Site, URLS, url_of};
use super::{CUT, TICK};

pub(super) struct Watch {
    site: Arc<Site>,
    before: BTreeMap<&'static str, u64>,
    /// The endpoints at each URL and the sessions of each agent when it looked last.
    seen: ([usize; URLS.len()], [usize; AGENTS]),
}

impl Watch {
    pub(super) fn new(site: Arc<Site>) -> Self {
        Self { site, before: BTreeMap::new(), seen: Default::default() }
    }

    pub(super) fn look(&mut self, now: Duration) {
        self.note(now);
        let complaints = self.site.complaints.lock().expect("whole");
        assert!(complaints.is_empty(), "at {now:?}: {complaints:?}");
        drop(complaints);
        if let Some(edge) = self.site.edge() {
            for url in &URLS[..2] {
                let online = edge.shared.online.all();
                let owners = online.iter().filter(|online| {
                    let live = !online.gone.is_cancelled() && online.opener.why_closed().is_none();
                    live && online.url.to_string() == **url
                });
                let owners = owners.count();
                assert!(owners <= 1, "at {now:?}: {owners} sessions own {url}");
            }
        }
        if let Some(edge) = self.site.edge() {
            let mut live: Vec<_> = edge.agents.sessions.all();
            live.retain(|entry| entry.opener.why_closed().is_none());
            let number = live.len();
            live.sort_by(|one, other| one.client_id.cmp(&other.client_id));
            live.dedup_by(|one, other| one.client_id == other.client_id);
            assert_eq!(live.len(), number, "at {now:?}: an agent has more than one session");
        }
        // A server is not left alone with a client that is gone.
        let mut clients = self.site.clients.lock().expect("whole");
        let echoes = self.site.echoes.lock().expect("whole");
        let is_late = |ended: &Option<Duration>| ended.is_some_and(|ended| ended + CUT + 2 * TICK < now);
        let late: Vec<_> = echoes.iter().filter(|number| clients.get(number).is_some_and(is_late)).collect();
        assert!(late.is_empty(), "at {now:?}: the server of {late:?} waits for clients that are gone");
        clients.retain(|number, ended| !is_late(ended) || echoes.contains(number));
    }

    /// Notes what has changed.
    fn note(&mut self, now: Duration) {
        let seen = (URLS.map(|url| self.is_online(url)), std::array::from_fn(|agent| self.sessions(agent)));
        if seen != self.seen {
            self.site.note(now, format_args!("online {:?}, sessions {:?}", seen.0, seen.1));
            self.seen = seen;
        }
    }

    pub(super) fn is_online(&self, url: &str) -> usize {
        let Some(edge) = self.site.edge() else { return 0 };
        let online = edge.shared.online.all();
        let live = |online: &&Arc<crate::edge::online::OnlineEndpoint>| {
            online.url.to_string() == url && online.opener.why_closed().is_none()
        };
        online.iter().filter(live).count()
    }

    /// Everybody who can be online is.
    pub(super) fn all_online(&self) -> bool {
        let [alone, rivals, shared] = URLS.map(|url| self.is_online(url));
        alone == 1 && rivals == 1 && shared == 2 && [0, 3, 4].map(|agent| self.sessions(agent)) == [1; 3]
    }

    /// The sessions of an agent.
    pub(super) fn sessions(&self, agent: usize) -> usize {
        let Some(edge) = self.site.edge() else { return 0 };
        let all = edge.agents.sessions.all();
        all.iter().filter(|entry| entry.info.credential == self.site.credential(agent)).count()
    }

    pub(super) fn online(&self) -> String {
        format!("{:?}", URLS.map(|url| (url, self.is_online(url))))
    }

    /// From here on connections have to succeed.
    pub(super) fn expect_success(&mut self) {
        self.before = self.site.successes.lock().expect("whole").clone();
    }

    pub(super) fn successes(&self, url: &str) -> u64 {
        let successes = self.site.successes.lock().expect("whole");
        let number = |of: &BTreeMap<&str, u64>| of.get(url).copied().unwrap_or(0);
        number(&successes) - number(&self.before)
    }

    pub(super) fn has_ended(&self, agent: usize) -> bool {
        self.site.ended.lock().expect("whole").contains(&agent)
    }

    pub(super) fn assert_nothing_left(&self) {
        let echoes = self.site.echoes.lock().expect("whole");
        assert!(echoes.is_empty(), "servers that still have a connection: {:?}", echoes);
        assert!((0..AGENTS).all(|agent| URLS.contains(&url_of(agent))));
    }
}
