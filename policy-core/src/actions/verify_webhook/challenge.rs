//! Challenges: requests by which a provider finds out whether somebody who knows the secret is there.
//!
//! Only those are answered that are signed themselves, or whose answer does not depend on the secret: Twitter's wants the
//! signature of any text that a stranger sends, which would be that of a forged webhook.

use std::collections::BTreeMap;

use serde_json::Value;

use super::schemes::Digest;
use super::signature::{authenticate, hex};
use crate::message::{Headers, RequestView, Response};

/// Worldline's, a header that is sent back.
const ECHO: &str = "x-gcs-webhooks-endpoint-verification";

/// The answer to a challenge that is not signed (Worldline documentation, webhooks, 2026-12-02).
pub(super) fn unsigned(provider: &str, request: &RequestView<'_>) -> Option<Response> {
    match provider {
        "worldline" if request.method() == "GET" => {
            answer("text/plain; charset=utf-8", request.header(ECHO)?.as_bytes().to_vec())
        }
        _ => None,
    }
}

/// The answer to a request with a right signature, if it is a challenge (Zoom documentation, webhooks, and its sample; Xero
/// documentation, intent to receive, 2026-12-02).
pub(super) fn signed(provider: &str, body: &[u8], secret: &[u8]) -> Option<Response> {
    match provider {
        "zoom" => {
            let body: Value = serde_json::from_slice(body).ok()?;
            if body.get("event")?.as_str()? != "endpoint.url_validation" {
                return None;
            }
            let plain = body.get("payload")?.get("plainToken")?.as_str()?;
            let encrypted = hex(&authenticate(Digest::Sha256, secret, [plain.as_bytes()])?);
            let said = BTreeMap::from([("plainToken", plain), ("encryptedToken", &encrypted)]);
            answer("application/json", serde_json::to_vec(&said).ok()?)
        }
        "xero" => {
            let body: Value = serde_json::from_slice(body).ok()?;
            body.get("events")?.as_array()?.is_empty().then(|| Response::new(200))
        }
        _ => None,
    }
}

fn answer(content_type: &str, body: Vec<u8>) -> Option<Response> {
    let mut headers = Headers::default();
    headers.append("content-type", content_type).ok()?;
    Some(Response { status: 200, headers, body })
}
