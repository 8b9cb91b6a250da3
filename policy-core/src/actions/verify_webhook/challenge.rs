//! Challenges: requests by which a provider finds out whether somebody who knows the secret is there.
//!
//! Only those are answered that are signed themselves, or whose answer does not depend on the secret: Twitter's wants the
//! signature of any text that a stranger sends, which would be that of a forged webhook.

use std::collections::BTreeMap;

use serde_json::Value;

use super::schemes::Digest;
use super::signature::{authenticate, hex};
use crate::message::{Headers, RequestView, Response};

/// A challenge of a provider.
#[derive(Clone, Copy, Debug)]
pub(super) enum Challenge {
    /// The value of a header is sent back (Worldline documentation, webhooks, 2026-12-02).
    Echo(&'static str),
    /// A text is sent back with its signature (Zoom documentation, webhooks, and its sample, 2026-12-02).
    Validation,
    /// Whether wrong signatures are refused by 401 is tried out (Xero documentation, intent to receive, 2026-12-02).
    Intent,
}

/// Those that are answered.
const CHALLENGES: &[(&str, Challenge)] = &[
    ("worldline", Challenge::Echo("x-gcs-webhooks-endpoint-verification")),
    ("xero", Challenge::Intent),
    ("zoom", Challenge::Validation),
];

/// The challenge of a provider, if it has one that is answered.
pub(super) fn challenge(provider: &str) -> Option<Challenge> {
    CHALLENGES.iter().find(|(name, _)| *name == provider).map(|(_, challenge)| *challenge)
}

impl Challenge {
    /// The answer to one that is not signed.
    pub(super) fn unsigned(self, request: &RequestView<'_>) -> Option<Response> {
        match self {
            Self::Echo(header) if request.method() == "GET" => {
                answer("text/plain; charset=utf-8", request.header(header)?.as_bytes().to_vec())
            }
            Self::Echo(_) | Self::Validation | Self::Intent => None,
        }
    }

    /// The answer to a request with a right signature, if it is one.
    pub(super) fn signed(self, body: &[u8], secret: &[u8]) -> Option<Response> {
        let read = || serde_json::from_slice::<Value>(body).ok();
        match self {
            Self::Echo(_) => None,
            Self::Validation => {
                let body = read()?;
                if body.get("event")?.as_str()? != "endpoint.url_validation" {
                    return None;
                }
                let plain = body.get("payload")?.get("plainToken")?.as_str()?;
                let encrypted = hex(&authenticate(Digest::Sha256, secret, [plain.as_bytes()])?);
                let said = BTreeMap::from([("plainToken", plain), ("encryptedToken", &encrypted)]);
                answer("application/json", serde_json::to_vec(&said).ok()?)
            }
            Self::Intent => read()?.get("events")?.as_array()?.is_empty().then(|| Response::new(200)),
        }
    }

    /// The status by which a wrong signature is refused.
    pub(super) const fn refusal(self) -> u16 {
        match self {
            Self::Intent => 401,
            Self::Echo(_) | Self::Validation => 403,
        }
    }
}

fn answer(content_type: &str, body: Vec<u8>) -> Option<Response> {
    let mut headers = Headers::default();
    headers.append("content-type", content_type).ok()?;
    Some(Response { status: 200, headers, body })
}
