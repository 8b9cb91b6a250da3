//! The host that an HTTP request names.

use hyper::Uri;
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::http::uri::Authority;

/// Why a request names no host that could be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostFault {
    /// There are several.
    Several,
    /// `Host` is not a host, or a host and a port.
    Malformed,
    /// `GET http://HOST/…` names another one: two opinions of who is meant.
    Different,
}

/// The host in lower case, without its port and without brackets; nothing if the request names none.
pub(crate) fn host(uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, HostFault> {
    let authority = authority(headers)?;
    if let Some(named) = uri.authority()
        && !authority.as_ref().is_some_and(|it| it.as_str().eq_ignore_ascii_case(named.as_str()))
    {
        return Err(HostFault::Different);
    }
    let name = |authority: &Authority| {
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host.to_ascii_lowercase()
    };
    Ok(authority.as_ref().map(name))
}

/// `Host`, with its port if it has one.
pub(crate) fn authority(headers: &HeaderMap) -> Result<Option<Authority>, HostFault> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    if other.is_some() {
        return Err(HostFault::Several);
    }
    host.map(|host| plain(host).ok_or(HostFault::Malformed)).transpose()
}

/// Nobody's name stands before it, and nothing behind it.
fn plain(host: &HeaderValue) -> Option<Authority> {
    let authority: Authority = host.to_str().ok()?.parse().ok()?;
    let port = authority.as_str().strip_prefix(authority.host())?;
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let port = port.strip_prefix(':').map_or(port.is_empty(), digits);
    (port && !authority.host().is_empty()).then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_host_and_perhaps_a_port() {
        let of = |text: &str, uri: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, text.parse().expect("a value"));
            host(&uri.parse().expect("a URI"), &headers)
        };
        for (text, name) in [("LocalHost", "localhost"), ("a.example:80", "a.example"), ("[::1]:1", "::1")] {
            assert_eq!(of(text, "/"), Ok(Some(name.to_owned())));
        }
        for text in
            ["", ":1", "evil@localhost", "localhost:x@evil", "localhost:", "localhost:+1", "[::1]evil", "a b"]
        {
            assert_eq!(of(text, "/"), Err(HostFault::Malformed), "{text}");
        }
        assert_eq!(of("localhost:1", "http://LOCALHOST:1/"), Ok(Some("localhost".to_owned())));
        for uri in ["http://evil.example/", "http://localhost/", "http://evil@localhost:1/"] {
            assert_eq!(of("localhost:1", uri), Err(HostFault::Different), "{uri}");
        }
        assert_eq!(host(&Uri::from_static("/"), &HeaderMap::new()), Ok(None));
    }
}
