//! `endpoint.*`: the endpoint whose policy runs, and `time.*`.
//!
//! Source: ngrok documentation, endpoint and time variables (2026-08-07).

use crate::vocabulary::{Declared, EVERYWHERE};

pub(super) static DECLARED: &[Declared] = &[
    Declared::new("endpoint.id", "string", EVERYWHERE, "the id of the endpoint"),
    Declared::new("endpoint.addr", "string", EVERYWHERE, "host and port of the endpoint"),
    Declared::new("endpoint.host", "string", EVERYWHERE, "the host of the endpoint"),
    Declared::new("endpoint.port", "int", EVERYWHERE, "the port of the endpoint"),
    Declared::new("endpoint.protocol", "string", EVERYWHERE, "`http`, `https`, `tcp` or `tls`"),
    Declared::new("endpoint.url", "string", EVERYWHERE, "the URL of the endpoint"),
    Declared::new("time.now", "string", EVERYWHERE, "the time now in UTC, as RFC 3339 writes it"),
];
