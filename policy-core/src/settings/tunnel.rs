//! `tunnels:`: endpoints as they were written until version 2.
//!
//! Source: ngrok documentation, agent configuration version 2 (2025-09). Options that a policy has replaced are known by
//! name only.

use crate::schema::{Choice, Declared, Field, Part};
use crate::url::Scheme;

pub(crate) static PROTO: Field<Choice<Scheme>> = Field::optional(
    "proto",
    Choice { of: &[("http", Scheme::Https), ("tcp", Scheme::Tcp), ("tls", Scheme::Tls)] },
    "The protocol; labeled tunnels have none.",
);
pub(crate) static ADDR: Field<Part> =
    Field::required("addr", Part::new("text"), "addr: 22", "A port, `host:port`, or a URL.");
pub(crate) static TRAFFIC_POLICY: Field<Part> =
    Field::optional("traffic_policy", Part::new("a policy"), "The policy, inline.").formerly(&["policy"]);
pub(crate) static LABELS: Field<Part> = known("labels");

/// An option that is known by name only.
const fn known(name: &'static str) -> Field<Part> {
    Field::optional(name, Part::new("any value"), "Known by name only.")
}

/// The fields of a tunnel.
pub(crate) const FIELDS: Declared = &[
    &ADDR,
    &PROTO,
    &TRAFFIC_POLICY,
    &super::TRAFFIC_POLICY_FILE,
    &known("domain"),
    &known("hostname"),
    &known("subdomain"),
    &known("remote_addr"),
    &LABELS,
    &known("metadata"),
    &known("inspect"),
    &known("schemes"),
    &known("host_header"),
    &known("crt"),
    &known("key").secret(),
    &known("mutual_tls_cas"),
    &known("terminate_at"),
    &known("proxy_proto"),
    &known("basic_auth").secret(),
    &known("oauth"),
    &known("oidc"),
    &known("ip_restriction"),
    &known("verify_webhook"),
    &known("circuit_breaker"),
    &known("compression"),
    &known("request_header").secret(),
    &known("response_header").secret(),
    &known("user_agent_filter"),
    &known("websocket_tcp_converter"),
    &known("app_protocol"),
    &known("description"),
    &known("url").bare_url(),
    &known("bindings"),
    &known("pooling_enabled"),
];
