//! `agent_tls_termination`: TLS that ends at the agent.
//!
//! Source: ngrok documentation, agent configuration, endpoints (2026-08-07).

use super::Secret;
use crate::schema::{Field, Items, Literal, OneOrMore, Record, needs};

static CERTIFICATE: Field<Literal> =
    Field::optional("server_certificate", Literal(1 << 16), "Its certificate: a path, or PEM.");
static PRIVATE_KEY: Field<Literal> =
    Field::optional("server_private_key", Literal(1 << 16), "The certificate's key: a path, or PEM.")
        .secret();
static AUTHORITIES: Field<OneOrMore<Literal>> = Field::optional(
    "mutual_tls_certificate_authorities",
    OneOrMore(Items::new(Literal(1 << 16))),
    "Authorities of client certificates: paths, or PEM.",
);
pub(crate) static TLS: Field<Record<AgentTls>> = Field::optional(
    "agent_tls_termination",
    Record {
        fields: &[&CERTIFICATE, &PRIVATE_KEY, &AUTHORITIES],
        ignored: &[],
        read: |fields, cx| {
            let (certificate, key) = (cx.optional(fields, &CERTIFICATE), cx.optional(fields, &PRIVATE_KEY));
            let authorities = cx.optional(fields, &AUTHORITIES)?.unwrap_or_default();
            let server = match (certificate?, key?) {
                (Some(certificate), Some(key)) => Some((certificate.value, Secret::new(&key.value))),
                (Some(certificate), None) => {
                    return needs((CERTIFICATE.name(), certificate.span), PRIVATE_KEY.name(), cx);
                }
                (None, Some(key)) => {
                    return needs((PRIVATE_KEY.name(), key.span), CERTIFICATE.name(), cx);
                }
                (None, None) => None,
            };
            let authorities = authorities.into_iter().map(|text| text.value).collect();
            Some(AgentTls { server, authorities })
        },
    },
    "TLS that ends at the agent; for tls endpoints.",
);

/// TLS that ends at the agent: paths or PEM.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentTls {
    /// Certificate and key.
    pub server: Option<(Box<str>, Secret)>,
    /// Authorities of client certificates.
    pub authorities: Vec<Box<str>>,
}
