//! The table of sessions.

use agent_link::mux::{ErrorCode, Opener};
use subtle::ConstantTimeEq;

use crate::control::identity::CredentialId;
use crate::edge::registry::{Registration, Registry};
use crate::edge::session_info::SessionInfo;

/// A session in the table.
#[derive(Clone, Debug)]
pub(super) struct SessionEntry {
    pub(super) info: SessionInfo,
    pub(super) client_id: Box<str>,
    pub(super) cookie: Box<str>,
    pub(super) opener: Opener,
}

/// All sessions.
pub(super) type Sessions = Registry<SessionEntry>;

impl Sessions {
    /// Enters a session, and then looks whether it may stay. An older one of the same agent, which it can name, is
    /// over: its agent has moved on.
    pub(super) fn register_newest(
        &self,
        entry: SessionEntry,
        look: impl FnOnce(&SessionEntry),
    ) -> Registration<'_, SessionEntry> {
        let end_older = |entry: &SessionEntry, other: &SessionEntry| {
            let is_older = other.client_id == entry.client_id
                && other.info.credential == entry.info.credential
                && bool::from(other.cookie.as_bytes().ct_eq(entry.cookie.as_bytes()));
            // There may be several: the one before it may not have left yet.
            if is_older {
                other.opener.close(ErrorCode::Cancelled, "the agent has connected again");
            }
        };
        self.register_meeting(entry, end_older, look)
    }

    /// True if an agent gives back what it was given, or nobody else has its id.
    pub(super) fn may_keep(&self, client_id: &str, cookie: &str, credential: CredentialId) -> bool {
        let all = self.all();
        let mut same = all.iter().filter(|other| *other.client_id == *client_id);
        same.all(|other| {
            other.info.credential == credential
                && bool::from(other.cookie.as_bytes().ct_eq(cookie.as_bytes()))
        })
    }

    pub(super) fn infos(&self) -> Vec<SessionInfo> {
        let mut all: Vec<_> = self.all().iter().map(|entry| entry.info.clone()).collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    pub(super) fn opener(&self, id: &str) -> Option<(SessionInfo, Opener)> {
        let all = self.all();
        all.iter().find(|entry| *entry.info.id == *id).map(|entry| (entry.info.clone(), entry.opener.clone()))
    }

    /// Ends the sessions for which there is a reason, at once, and the connections through them; returns how many.
    pub(super) fn end_where(&self, why: impl Fn(&SessionInfo) -> Option<String>) -> usize {
        let end = |(): &(), entry: &SessionEntry| {
            let why = why(&entry.info);
            if let Some(why) = &why {
                entry.opener.close(ErrorCode::Cancelled, why);
            }
            why.is_some()
        };
        // What they depend on has changed before this is called.
        self.revalidate(|| (), end)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use agent_link::mux::{Limits, Side, session};
    use jiff::Timestamp;

    use super::*;

    fn entry(id: &str, cookie: &str) -> SessionEntry {
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
            update_unsupported: None,
            started: Timestamp::UNIX_EPOCH,
        };
        SessionEntry { info, client_id: "cl_1".into(), cookie: cookie.into(), opener }
    }

    #[test]
    fn every_older_session_of_an_agent_is_over() {
        let sessions = Sessions::default();
        let mut registrations = Vec::new();
        for number in 0..20 {
            let new = entry(&format!("ts_{number}"), "secret");
            registrations.push((new.opener.clone(), sessions.register_newest(new, |_| {})));
            let live = registrations.iter().filter(|(opener, _)| opener.open().is_ok()).count();
            assert_eq!(live, 1, "after {number} others");
        }
        let stranger = entry("ts_other", "guess");
        let _registration = sessions.register_newest(stranger, |_| {});
        assert!(
            registrations.last().is_some_and(|(opener, _)| opener.open().is_ok()),
            "a guess ends nothing"
        );
    }
}
