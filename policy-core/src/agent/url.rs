//! URLs of an agent's endpoints, parts of which may be left to the service.

use std::fmt;

use super::STRAY_QUOTE;
use crate::actions::{no_port, too_deep, url_diagnostic};
use crate::diagnostic::{Diagnostic, Severity};
use crate::parse::{NodeKind, NodeRef, Style};
use crate::reader::{Reader, TextRef, constant_name, is_placeholder, placeholder};
use crate::source::{Span, Spanned};
use crate::url::{EndpointUrl, Scheme};

/// The URL of an agent's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentUrl {
    /// Given in full.
    Given(EndpointUrl),
    /// Only the protocol: the service chooses a name.
    Random(Scheme),
}

impl AgentUrl {
    /// The protocol.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        match self {
            Self::Given(url) => url.scheme(),
            Self::Random(scheme) => *scheme,
        }
    }

    /// The URL, if it is given in full.
    #[must_use]
    pub const fn given(&self) -> Option<&EndpointUrl> {
        match self {
            Self::Given(url) => Some(url),
            Self::Random(_) => None,
        }
    }
}

impl fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(url) => url.fmt(f),
            Self::Random(scheme) => write!(f, "{}://", scheme.name()),
        }
    }
}

/// Reads a URL: in full, a bare domain (https), a scheme alone, or nothing (random https). `Err` if it is
/// unusable, which has been reported, with the protocol as far as it is known.
pub(super) fn read_url<'d>(
    node: Option<NodeRef<'d>>,
    owner: Span,
    reader: &Reader<'d>,
) -> Result<Spanned<AgentUrl>, Option<Scheme>> {
    let Some(node) = node else { return Ok(Spanned::new(AgentUrl::Random(Scheme::Https), owner)) };
    let text = one_text(node, reader).ok_or(None)?;
    let value = text.value.trim();
    if let Some(scheme) = value.strip_suffix("://").and_then(Scheme::from_name) {
        return Ok(Spanned::new(AgentUrl::Random(scheme), text.span));
    }
    if value.is_empty() {
        return Ok(Spanned::new(AgentUrl::Random(Scheme::Https), text.span));
    }
    let scheme = value.split_once("://").and_then(|(scheme, _)| Scheme::from_name(scheme));
    if is_placeholder(value) {
        placeholder(text, Severity::Error, reader);
        return Err(scheme);
    }
    let url = match value.contains("://") {
        true => EndpointUrl::parse(value),
        false => EndpointUrl::parse(&format!("https://{value}")),
    };
    let url = match url {
        Ok(url) => url,
        Err(error) => match without_stray_quote(text, reader, |value| EndpointUrl::parse(value).ok()) {
            Some(url) => url,
            None if constant_name(text, value.split_once("://").map_or(value, |(_, host)| host), reader) => {
                return Err(scheme);
            }
            None => {
                let mut error = error;
                if !value.contains("://") {
                    // The scheme was put before it.
                    let by = "https://".len();
                    error.range = error.range.start.saturating_sub(by)..error.range.end.saturating_sub(by);
                }
                reader.report(url_diagnostic(text, &error, reader));
                return Err(scheme);
            }
        },
    };
    if url.port().is_none() {
        reader.report(no_port(&url.to_string(), text.span));
        return Err(scheme);
    }
    let url = Spanned::new(url, text.span);
    if let Some(fault) = too_deep(&url) {
        reader.report(fault);
        return Err(scheme);
    }
    Ok(Spanned::new(AgentUrl::Given(url.value), url.span))
}

/// The documentation calls the field a list, all examples give one text.
fn one_text<'d>(node: NodeRef<'d>, reader: &Reader<'d>) -> Option<TextRef<'d>> {
    if let NodeKind::Sequence(items) = node.kind() {
        let mut items = items.iter();
        if let (Some(only), None) = (items.next(), items.next()) {
            return reader.text(only, "`url`");
        }
    }
    reader.text(node, "`url`")
}

/// Reads a text without a quote at its end that was never opened: `url: tls://app.example.com"`.
pub(super) fn without_stray_quote<T>(
    text: TextRef<'_>,
    reader: &Reader<'_>,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let value = text.value.strip_suffix(['"', '\'']).filter(|_| text.style() == Style::Plain)?;
    let value = read(value)?;
    let end = text.content.map(|span| Span::new(span.end.saturating_sub(1), span.end));
    let at = end.unwrap_or(text.span);
    let found = Diagnostic::new(&STRAY_QUOTE, at, "unmatched quote at the end; it is ignored");
    reader.report(found.with_help("remove it, or open it too").with_fix_at(true, end, ""));
    Some(value)
}
