//! Twilio's signatures: over the URL and the sorted fields of a form (Twilio documentation, webhooks security, 2026-12-02,
//! and its package of Python).

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::schemes::Digest;
use super::signature::{Failure, Signed, authenticate, hex, is_same, one};

pub(super) const HEADER: &str = "x-twilio-signature";

/// The parameter of the URL with the digest of a body that is no form.
const BODY_DIGEST: &str = "bodySHA256";

/// Checks a request. O(body × log fields).
pub(super) fn verify(signed: Signed<'_>) -> Result<(), Failure> {
    let given = one(signed.request, HEADER)?;
    let mut fields: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    let is_form = signed.request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if is_form {
        fields = form_urlencoded::parse(signed.body).collect();
        fields.sort_unstable();
        fields.dedup();
    } else if !signed.body.is_empty() && !has_digest(signed) {
        return Err(Failure::Signature);
    }
    let fields = || fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    // Twilio signs the port of some URLs and leaves it out of others.
    let (before, port, after) = split_port(signed.url);
    let default = if before.starts_with("https:") { ":443" } else { ":80" };
    let mut right = false;
    for port in ["", if port.is_empty() { default } else { port }] {
        let url = [before, port, after].into_iter().map(str::as_bytes);
        let code = authenticate(Digest::Sha1, signed.secret, url.chain(fields())).ok_or(Failure::Secret)?;
        right |= is_same(given.as_bytes(), BASE64_STANDARD.encode(code).as_bytes());
    }
    if right { Ok(()) } else { Err(Failure::Signature) }
}

/// True if the URL has the digest of the body.
fn has_digest(signed: Signed<'_>) -> bool {
    let query = signed.url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let digest = hex(&Sha256::digest(signed.body));
    let mut given = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == BODY_DIGEST);
    match (given.next(), given.next()) {
        (Some((_, given)), None) => is_same(given.as_bytes(), digest.as_bytes()),
        _ => false,
    }
}

/// A URL before its port, the port with its colon, and what comes after.
fn split_port(url: &str) -> (&str, &str, &str) {
    let scheme = url.find("://").map_or(0, |at| at + 3);
    let end =
        url.get(scheme..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |at| scheme + at);
    let (authority, after) = url.split_at_checked(end).unwrap_or((url, ""));
    let is_port = |at: &usize| {
        *at >= scheme
            && authority.get(at + 1..).is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let at = authority.rfind(':').filter(is_port).unwrap_or(authority.len());
    let (before, port) = authority.split_at_checked(at).unwrap_or((authority, ""));
    (before, port, after)
}

#[cfg(test)]
mod tests {
    use super::split_port;

    #[test]
    fn a_url_is_split_at_its_port() {
        for (url, parts) in [
            ("https://a.example/b?c:1", ("https://a.example", "", "/b?c:1")),
            ("https://a.example:8443/b", ("https://a.example", ":8443", "/b")),
            ("https://a.example:8443?b", ("https://a.example", ":8443", "?b")),
            ("https://u:p@a.example/", ("https://u:p@a.example", "", "/")),
            ("https://[::1]/", ("https://[::1]", "", "/")),
            ("https://[::1]:8/", ("https://[::1]", ":8", "/")),
            ("https://a.example", ("https://a.example", "", "")),
            ("", ("", "", "")),
        ] {
            assert_eq!(split_port(url), parts, "{url}");
        }
    }
}
