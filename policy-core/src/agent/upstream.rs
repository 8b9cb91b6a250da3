//! Where an endpoint's traffic goes: the shorthands of `upstream.url`.
//!
//! Source: ngrok documentation, agent configuration, upstream (2026-08-07).

use std::fmt;

use super::url::without_stray_quote;
use crate::diagnostic::{Diagnostic, Severity, codes};
use crate::reader::{Reader, TextRef, constant_name, is_placeholder, placeholder};
use crate::url::{HostPort, Scheme, port_number};

codes! {
    pub(crate) static INVALID_UPSTREAM = error("TP456", "invalid-upstream", ERR_NGROK_15003);
}

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpstreamScheme {
    /// HTTP in clear text.
    Http,
    /// HTTP over TLS.
    Https,
    /// Bytes as they are.
    Tcp,
    /// Bytes over TLS.
    Tls,
}

/// Where an endpoint's traffic goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Upstream {
    /// A server.
    Server {
        /// How it is spoken to.
        scheme: UpstreamScheme,
        /// Where it is.
        at: HostPort,
    },
    /// Files of a folder.
    Files(Box<str>),
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { scheme, at } => {
                let scheme = match scheme {
                    UpstreamScheme::Http => "http",
                    UpstreamScheme::Https => "https",
                    UpstreamScheme::Tcp => "tcp",
                    UpstreamScheme::Tls => "tls",
                };
                write!(f, "{scheme}://{at}")
            }
            Self::Files(path) => write!(f, "file://{path}"),
        }
    }
}

/// Why a text is no upstream, and what to write.
type Fault = (&'static str, &'static str);

const RAW_HELP: &str = "write a port such as `22`, or `host:port`";
const WEB_HELP: &str = "write a port such as `8080`, `host:port`, or `https://host`";

impl Upstream {
    /// Reads an upstream of an endpoint with a protocol; `None` if that is not known.
    ///
    /// ```
    /// use policy_core::{agent::Upstream, url::Scheme};
    /// let of = |text, scheme| Upstream::parse(text, Some(scheme)).map(|it| it.to_string());
    /// assert_eq!(of("22", Scheme::Tcp).as_deref(), Ok("tcp://localhost:22"));
    /// assert_eq!(of("443", Scheme::Https).as_deref(), Ok("https://localhost:443"));
    /// assert!(of("example.org", Scheme::Tcp).is_err());
    /// ```
    ///
    /// # Errors
    /// Why it is none, and what to write.
    pub fn parse(text: &str, scheme: Option<Scheme>) -> Result<Self, (&'static str, &'static str)> {
        match scheme {
            Some(Scheme::Tcp | Scheme::Tls) => raw(text),
            Some(Scheme::Http | Scheme::Https) => web(text),
            None => web(text).or_else(|_| raw(text)),
        }
    }
}

fn server(scheme: UpstreamScheme, host: &str, port: u16) -> Upstream {
    Upstream::Server { scheme, at: HostPort { host: host.into(), port } }
}

fn raw(text: &str) -> Result<Upstream, Fault> {
    let (scheme, rest) = match text.split_once("://") {
        Some(("tls", rest)) => (UpstreamScheme::Tls, rest),
        Some(("tcp", rest)) => (UpstreamScheme::Tcp, rest),
        Some(_) => return Err(("tcp and tls endpoints have no such upstream", RAW_HELP)),
        None => (UpstreamScheme::Tcp, text),
    };
    if let Some(port) = port_number(rest) {
        return Ok(server(scheme, "localhost", port));
    }
    let at = HostPort::parse(rest).map_err(|_| ("it has no host and port", RAW_HELP))?;
    Ok(Upstream::Server { scheme, at })
}

fn web(text: &str) -> Result<Upstream, Fault> {
    let by_port = |port| if port == 443 { UpstreamScheme::Https } else { UpstreamScheme::Http };
    if let Some(port) = port_number(text) {
        return Ok(server(by_port(port), "localhost", port));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(("it is not a port from 1 to 65535", WEB_HELP));
    }
    if let Some(path) = text.strip_prefix("file://") {
        return match path.starts_with('/') || path.get(1..2) == Some(":") {
            true => Ok(Upstream::Files(path.into())),
            false => Err(("the path of files is not absolute", "write `file:///srv/www`")),
        };
    }
    let (scheme, rest) = match text.split_once("://") {
        Some(("http", rest)) => (Some(UpstreamScheme::Http), rest),
        Some(("https", rest)) => (Some(UpstreamScheme::Https), rest),
        Some(_) => return Err(("http and https endpoints have no such upstream", WEB_HELP)),
        None => (None, text),
    };
    let default = match scheme {
        Some(UpstreamScheme::Https) => 443,
        _ => 80,
    };
    if rest.is_empty() && scheme.is_some() {
        return Ok(server(scheme.unwrap_or(UpstreamScheme::Http), "localhost", default));
    }
    let origin = rest.strip_suffix('/').unwrap_or(rest);
    if origin.contains(['/', '?', '#', '@']) {
        return Err(("it continues after host and port", WEB_HELP));
    }
    // With a port it is read as it is, without one the default is added.
    let at = HostPort::parse(origin).or_else(|_| HostPort::parse(&format!("{origin}:{default}")));
    let at = at.map_err(|_| ("it has no host", WEB_HELP))?;
    let scheme = scheme.unwrap_or_else(|| by_port(at.port));
    Ok(Upstream::Server { scheme, at })
}

/// Reads an upstream and reports what is wrong with it.
pub(super) fn read_upstream(
    text: TextRef<'_>,
    scheme: Option<Scheme>,
    reader: &Reader<'_>,
) -> Option<Upstream> {
    if is_placeholder(text.value) {
        placeholder(text, Severity::Error, reader);
        return None;
    }
    let mut upstream = Upstream::parse(text.value.trim(), scheme);
    if upstream.is_err()
        && let Some(read) = without_stray_quote(text, reader, |value| Upstream::parse(value, scheme).ok())
    {
        upstream = Ok(read);
    }
    let host = text.value.split_once("://").map_or(text.value, |(_, host)| host);
    if upstream.is_err() && constant_name(text, host, reader) {
        return None;
    }
    let upstream = upstream
        .map_err(|(fault, help)| {
            let message = format!("`{}` is not an upstream: {fault}", reader.shown_address(text));
            reader.report(Diagnostic::new(&INVALID_UPSTREAM, text.span, message).with_help(help));
        })
        .ok()?;
    if let Upstream::Server { at, .. } = &upstream
        && at.host.ends_with(".internal")
        // Machines of clouds have such names too.
        && at.host.split('.').count() < 3
    {
        let message = format!("`{}` looks like an internal endpoint, not a machine", at.host);
        let help = "give the device's address; to pass on to another endpoint, use a policy";
        let found = Diagnostic::new(&INVALID_UPSTREAM, text.span, message);
        reader.report(found.with_severity(Severity::Warning).with_help(help));
    }
    Some(upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shorthand() {
        let of = |text: &str, scheme| Upstream::parse(text, Some(scheme)).map(|it| it.to_string()).ok();
        for (text, web, raw) in [
            ("8080", Some("http://localhost:8080"), Some("tcp://localhost:8080")),
            ("443", Some("https://localhost:443"), Some("tcp://localhost:443")),
            ("localhost:443", Some("https://localhost:443"), Some("tcp://localhost:443")),
            ("example.org", Some("http://example.org:80"), None),
            ("host:1234", Some("http://host:1234"), Some("tcp://host:1234")),
            ("https://", Some("https://localhost:443"), None),
            ("http://", Some("http://localhost:80"), None),
            ("https://example.org", Some("https://example.org:443"), None),
            ("http://192.0.2.1:8080/", Some("http://192.0.2.1:8080"), None),
            ("http://[::1]:80", Some("http://[::1]:80"), None),
            ("tls://localhost:443", None, Some("tls://localhost:443")),
            ("tcp://localhost:22", None, Some("tcp://localhost:22")),
            ("file:///srv/www", Some("file:///srv/www"), None),
            ("file://srv", None, None),
            ("ftp://a", None, None),
            ("", None, None),
            ("0", None, None),
            ("70000", None, None),
            ("a b:1", None, None),
            ("http://a/b", None, None),
        ] {
            assert_eq!(of(text, Scheme::Https).as_deref(), web, "web {text}");
            assert_eq!(of(text, Scheme::Tcp).as_deref(), raw, "raw {text}");
        }
    }
}
