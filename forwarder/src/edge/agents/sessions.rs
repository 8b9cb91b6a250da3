//! The table of sessions.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use subtle::ConstantTimeEq;

use crate::identity::CredentialId;
use crate::mux::{ErrorCode, Opener};

/// What is known of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id, `ts_…`.
    pub id: Box<str>,
    /// The credential it was made with.
    pub credential: CredentialId,
    /// The agent's address.
    pub peer: SocketAddr,
    /// The agent's own account of itself.
    pub agent_version: Box<str>,
    /// The same.
    pub os: Box<str>,
    /// The same.
    pub user_agent: Box<str>,
    /// The same.
    pub metadata: Box<str>,
    /// Why it cannot be stopped from here; `None` if it can.
    pub stop_unsupported: Option<Box<str>>,
    /// The same for a restart.
    pub restart_unsupported: Option<Box<str>>,
    /// When it began.
    pub started: Timestamp,
}

/// A session in the table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) info: SessionInfo,
    pub(super) client_id: Box<str>,
    pub(super) cookie: Box<str>,
    pub(super) opener: Opener,
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    table: Mutex<HashMap<Box<str>, Arc<Entry>>>,
}

/// A session's place in the table; it leaves it when dropped.
pub(super) struct Place<'s> {
    sessions: &'s Sessions,
    id: Box<str>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.sessions.table().remove(&self.id);
    }
}

impl Sessions {
    fn table(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Entry>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a session. An older one of the same agent, which it can name, is over: its agent has moved on.
    pub(super) fn enter(&self, entry: Entry) -> Place<'_> {
        let id = entry.info.id.clone();
        let mut table = self.table();
        let is_older = |other: &&Arc<Entry>| {
            other.client_id == entry.client_id
                && other.info.credential == entry.info.credential
                && bool::from(other.cookie.as_bytes().ct_eq(entry.cookie.as_bytes()))
        };
        // There may be several: the one before it may not have left yet.
        for older in table.values().filter(is_older) {
            older.opener.close(ErrorCode::Cancelled, "the agent has connected again");
        }
        table.insert(id.clone(), Arc::new(entry));
        Place { sessions: self, id }
    }

    /// True if an agent gives back what it was given, or nobody else has its id.
    pub(super) fn may_keep(&self, client_id: &str, cookie: &str, credential: CredentialId) -> bool {
        let table = self.table();
        let mut same = table.values().filter(|other| *other.client_id == *client_id);
        same.all(|other| {
            other.info.credential == credential
                && bool::from(other.cookie.as_bytes().ct_eq(cookie.as_bytes()))
        })
    }

    pub(super) fn all(&self) -> Vec<SessionInfo> {
        let mut all: Vec<_> = self.table().values().map(|entry| entry.info.clone()).collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    pub(super) fn opener(&self, id: &str) -> Option<(SessionInfo, Opener)> {
        self.table().get(id).map(|entry| (entry.info.clone(), entry.opener.clone()))
    }

    /// Ends sessions at once, and the connections through them; returns how many.
    pub(super) fn end_where(&self, ends: impl Fn(&SessionInfo) -> bool, why: &str) -> usize {
        let found: Vec<_> = self.table().values().filter(|entry| ends(&entry.info)).map(Arc::clone).collect();
        for entry in &found {
            entry.opener.close(ErrorCode::Cancelled, why);
        }
        found.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::{Limits, Side, session};

    fn entry(id: &str, cookie: &str) -> Entry {
        let (opener, _, _) = session(tokio::io::duplex(1).0, Side::Server, Limits::default());
        let info = SessionInfo {
            id: id.into(),
            credential: "cr_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().expect("an id"),
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            agent_version: "".into(),
            os: "".into(),
            user_agent: "".into(),
            metadata: "".into(),
            stop_unsupported: None,
            restart_unsupported: None,
            started: Timestamp::UNIX_EPOCH,
        };
        Entry { info, client_id: "cl_1".into(), cookie: cookie.into(), opener }
    }

    #[test]
    fn every_older_session_of_an_agent_is_over() {
        let sessions = Sessions::default();
        let mut places = Vec::new();
        for number in 0..20 {
            let new = entry(&format!("ts_{number}"), "secret");
            places.push((new.opener.clone(), sessions.enter(new)));
            let live = places.iter().filter(|(opener, _)| opener.open().is_ok()).count();
            assert_eq!(live, 1, "after {number} others");
        }
        let stranger = entry("ts_other", "guess");
        let _place = sessions.enter(stranger);
        assert!(places.last().is_some_and(|(opener, _)| opener.open().is_ok()), "a guess ends nothing");
    }
}
