//! Where the admin API of an edge is: a socket, or a URL and an API key.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forwarder::net::tls::client::{TrustedCas, client_config};
use hyper::Uri;
use hyper::header::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

/// Where an API key comes from. Arguments are no place for it: every user of the machine can read them.
const KEY: &str = "FORWARDER_API_KEY";

/// Where an API is.
#[derive(Debug)]
pub(super) enum ApiAddress {
    Socket(PathBuf),
    Tcp(Box<Tcp>),
}

/// An address with what it takes to be let in.
#[derive(Debug)]
pub(super) struct Tcp {
    url: String,
    authority: String,
    /// A host name, or an address without brackets.
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Debugging hides it.
    bearer: HeaderValue,
}

impl ApiAddress {
    /// The API at a URL, with the key that the environment holds.
    pub(super) fn at(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        let key = std::env::var(KEY).unwrap_or_default();
        Self::read(url, ca, key.trim())
    }

    fn read(url: &str, ca: Option<&Path>, key: &str) -> Result<Self, String> {
        let wrong = || format!("`{url}` is not the URL of an edge: write e.g. https://edge.example.com:4041");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().filter(|it| !it.as_str().contains('@')).ok_or_else(wrong)?;
        let name = authority.host();
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name).to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        if name.is_empty() || uri.path() != "/" || uri.query().is_some() {
            return Err(wrong());
        }
        let here = |address: IpAddr| address.to_canonical().is_loopback();
        if !tls && !name.eq_ignore_ascii_case("localhost") && !name.parse().is_ok_and(here) {
            return Err(format!("the API key would travel to `{name}` in clear text: use https://"));
        }
        if key.is_empty() {
            return Err(format!("{KEY} is not set; create an API key on the edge: forwarder api-key create"));
        }
        let bearer = HeaderValue::from_str(&format!("Bearer {key}"));
        let mut bearer = bearer.map_err(|_| format!("{KEY} is not an API key"))?;
        bearer.set_sensitive(true);
        let tls = tls.then(|| {
            let cas = ca.map_or(TrustedCas::Host, |path| TrustedCas::File(path.to_owned()));
            let config = client_config(&cas).map_err(|error| error.to_string())?;
            Ok::<_, String>((config, ServerName::try_from(name.clone()).map_err(|_| wrong())?))
        });
        let tls = tls.transpose()?;
        let port = authority.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        Ok(Self::Tcp(Box::new(Tcp {
            url: url.to_owned(),
            authority: authority.to_string(),
            name,
            port,
            tls,
            bearer,
        })))
    }

    /// What the request names as its host.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Socket(_) => "localhost",
            Self::Tcp(address) => &address.authority,
        }
    }

    /// The header that lets in.
    pub(super) fn bearer(&self) -> Option<HeaderValue> {
        match self {
            Self::Socket(_) => None,
            Self::Tcp(address) => Some(address.bearer.clone()),
        }
    }
}

impl fmt::Display for ApiAddress {
    /// With what to do where nobody answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(
                f,
                "`{}` (--socket names another one, --config the edge's configuration)",
                path.display()
            ),
            Self::Tcp(address) => write!(f, "`{}`", address.url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_keep_a_key_safe() {
        for (url, name, port, tls) in [
            ("http://127.0.0.1:4041", "127.0.0.1", 4041, false),
            ("http://localhost/", "localhost", 80, false),
            ("http://[::1]:4041", "::1", 4041, false),
        ] {
            let Ok(ApiAddress::Tcp(address)) = ApiAddress::read(url, None, "ak_1") else { panic!("{url}") };
            assert_eq!((&*address.name, address.port, address.tls.is_some()), (name, port, tls), "{url}");
            assert!(!format!("{address:?}").contains("ak_1"));
        }
        for (url, part) in [
            ("http://edge.example.com:4041", "clear text"),
            ("http://192.0.2.1:4041", "clear text"),
            ("http://127.0.0.1.example.com", "clear text"),
            ("ftp://127.0.0.1", "not the URL"),
            ("127.0.0.1:4041", "not the URL"),
            ("http://user@127.0.0.1", "not the URL"),
            ("http://127.0.0.1/credentials", "not the URL"),
            ("http://127.0.0.1/?a", "not the URL"),
            ("", "not the URL"),
        ] {
            let error = ApiAddress::read(url, None, "ak_1").expect_err(url);
            assert!(error.contains(part), "{url}: {error}");
        }
        let error = ApiAddress::read("http://127.0.0.1:1", None, "").expect_err("no key");
        assert!(error.contains("FORWARDER_API_KEY"), "{error}");
        let error = ApiAddress::read("http://127.0.0.1:1", None, "a\nb").expect_err("no key");
        assert!(!error.contains("a\nb"), "{error}");
    }
}
