//! `endpoint.*`: the endpoint whose policy runs, and `time.*`.
//!
//! Source: ngrok documentation, endpoint and time variables (2026-08-07).

use crate::cel::Meaning;
use crate::vocabulary::{Declared, EVERYWHERE, NOW, tag};

pub(super) static DECLARED: &[Declared] = &[
    Declared::new("endpoint.id", "string", EVERYWHERE, "the id of the endpoint").meaning(Meaning::Name),
    Declared::new("endpoint.addr", "string", EVERYWHERE, "host and port of the endpoint")
        .meaning(Meaning::Name)
        .tag(tag::ENDPOINT_ADDR),
    Declared::new("endpoint.host", "string", EVERYWHERE, "the host of the endpoint")
        .meaning(Meaning::Name)
        .tag(tag::ENDPOINT_HOST),
    Declared::new("endpoint.port", "int", EVERYWHERE, "the port of the endpoint")
        .meaning(Meaning::Port)
        .tag(tag::ENDPOINT_PORT),
    Declared::new("endpoint.protocol", "string", EVERYWHERE, "`http`, `https`, `tcp` or `tls`")
        .meaning(Meaning::Protocol(&["http", "https", "tcp", "tls"]))
        .tag(tag::ENDPOINT_PROTOCOL),
    Declared::new("endpoint.url", "string", EVERYWHERE, "the URL of the endpoint")
        .meaning(Meaning::Url)
        .tag(tag::ENDPOINT_URL),
    Declared::new("time.now", "string", NOW, "the time now in UTC, as RFC 3339 writes it")
        .meaning(Meaning::Time)
        .tag(tag::NOW),
];
