//! Headers that actions set and send: shared by their declarations.

use crate::cel::Unrendered;
use crate::diagnostic::Diagnostic;
use crate::message::Headers;
use crate::reader::INVALID_VALUE;
use crate::run::{Run, StepDigest};
use crate::schema::{Context, Entries, EntryKeys, HeaderValue, Text};
use crate::source::{Span, Spanned};

/// Headers that an action may carry at most (ngrok documentation, 2026-08-07).
const MAX: usize = 10;

/// Headers by name; their values take `${…}`.
pub type HeaderList = Vec<(Spanned<Box<str>>, Text)>;

/// A map of up to ten headers.
pub(super) const HEADERS: Entries<HeaderValue> =
    Entries { keys: EntryKeys::Headers, value: HeaderValue, min: 0, max: MAX };

/// A map of one to ten headers.
pub(super) const SOME_HEADERS: Entries<HeaderValue> = Entries { min: 1, ..HEADERS };

/// Says that a status code forbids the body it comes with (RFC 9110 §15: 1xx, 204, 304).
pub(super) fn check_body_allowed(status_code: i64, body: Span, cx: &Context<'_, '_>) -> Option<()> {
    if matches!(status_code, 204 | 304 | 100..=199) {
        let message = format!("an answer with status {status_code} has no body");
        let found = Diagnostic::new(&INVALID_VALUE, body, message);
        cx.reader.report(found.with_help("remove `body`, or answer with another status such as 200"));
        return None;
    }
    Some(())
}

/// The names of headers in lower case, if nothing but the headers themselves follows from them.
pub(super) fn plain_headers<'n>(names: impl Iterator<Item = &'n str>) -> Option<Vec<Box<str>>> {
    let plain = |name: &str| {
        let name = name.to_ascii_lowercase();
        let others = OF_OTHER_FACTS.iter().any(|of| name.starts_with(of));
        (!others).then(|| name.into())
    };
    names.map(plain).collect()
}

/// How headers begin from which other facts of a message follow: its host, its cookies, its body, its user agent.
const OF_OTHER_FACTS: &[&str] =
    &["host", "cookie", "set-cookie", "content-", "user-agent", "transfer-encoding", "referer", "location"];

/// Puts names and values in.
pub(super) fn digest_headers(headers: &HeaderList, digest: &mut StepDigest<'_>) {
    for (name, value) in headers {
        digest.text(&name.value);
        digest.template(value);
    }
}

/// Headers with their values rendered.
///
/// # Errors
/// If an expression has no value, or a value cannot be sent.
pub(super) fn rendered_headers(headers: &HeaderList, run: &mut Run<'_>) -> Result<Headers, Unrendered> {
    let mut out = Headers::default();
    for (name, value) in headers {
        let value = run.render(&value.template)?;
        out.append(&name.value, &value).map_err(|error| Unrendered::unusable(error.to_string()))?;
    }
    Ok(out)
}
