//! What an agent keeps from session to session.

use std::collections::HashMap;

use agent_link::{Hidden, ReturnTime};

use super::failures::Failures;
use crate::base::random::Random;

/// What outlives a session.
pub(super) struct Memory {
    /// Where pauses are drawn.
    pub(super) random: Random,
    pub(super) client_id: String,
    pub(super) cookie: Hidden,
    /// What each endpoint was given, by its name and the address that is asked for.
    pub(super) given: HashMap<(Box<str>, Box<str>), Given>,
    /// The edge has known this agent at some time.
    pub(super) was_connected: bool,
    /// Not all endpoints were refused for good when the agent asked for the first time.
    pub(super) has_served: bool,
    /// Over which time the agents of this edge come back, if it has told.
    pub(super) return_time: Option<ReturnTime>,
    /// What was told of servers that cannot be reached.
    pub(super) failures: Failures,
    /// The configuration is to be read again, and that was not done yet.
    pub(super) reload_due: bool,
}

impl Memory {
    /// Nothing yet.
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            client_id: String::new(),
            cookie: Hidden::default(),
            given: HashMap::new(),
            was_connected: false,
            has_served: false,
            return_time: None,
            failures: Failures::default(),
            reload_due: false,
        }
    }
}

/// What an endpoint was given.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) token: Hidden,
    /// The one that the edge chose, if that was left to it.
    pub(super) address: Box<str>,
}
