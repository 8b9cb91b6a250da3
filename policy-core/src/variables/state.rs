//! `vars.*`: what `set-vars` has set; and the attempts of an `http-request`. The results of actions are
//! declared by the actions themselves.
//!
//! Source: ngrok documentation, set-vars and http-request (2026-08-07). Their values are known at run time only.

use crate::cel::Role;
use crate::vocabulary::{ATTEMPTS, Declared, EVERYWHERE, LAST_ATTEMPT, RETRY, tag};

pub(super) static DECLARED: &[Declared] = &[
    Declared::new(ATTEMPTS, "int", RETRY, "how often the request was tried").tag(tag::STATE),
    Declared::new(LAST_ATTEMPT, "dyn", RETRY, "request, response and error of the last try").tag(tag::STATE),
    Declared::new("vars", "map(string, dyn)", EVERYWHERE, "what `set-vars` has set in this phase")
        .role(Role::Variables)
        .tag(tag::STATE),
];
