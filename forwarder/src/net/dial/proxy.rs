//! The URL of a proxy.

use std::fmt;

use policy_core::url::HostPort;

use crate::net::tls::client::TrustedCas;

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// `CONNECT` of HTTP/1.1.
    Http,
    /// The same over TLS.
    Https,
    /// SOCKS version 5; the proxy looks names up.
    Socks5,
}

impl ProxyScheme {
    /// The name before `://`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

/// What is wrong with the URL of a proxy; the URL is not repeated, since it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// It does not begin with `http://`, `https://` or `socks5://`.
    Scheme,
    /// There is no usable host or port.
    Address,
    /// Something follows the port.
    Rest,
    /// User or password cannot be sent.
    Credentials,
}

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URL of the proxy begins with none of `http://`, `https://` and `socks5://`",
            Self::Address => "the URL of the proxy has no host, or an invalid port",
            Self::Rest => "the URL of the proxy continues after host and port",
            Self::Credentials => {
                "user or password in the URL of the proxy are broken: percent-encode `:`, `@`, `/` and `%`; \
                 socks5 takes 1 to 255 bytes of each"
            }
        })
    }
}

impl std::error::Error for ProxyUrlError {}

/// A proxy: `scheme://[user:password@]host[:port]`. Shown without user and password.
///
/// ```
/// use forwarder::net::dial::ProxyUrl;
/// let proxy = ProxyUrl::parse("http://me:secret@proxy.example:3128")?;
/// assert_eq!(proxy.to_string(), "http://proxy.example:3128");
/// # Ok::<(), forwarder::net::dial::ProxyUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    scheme: ProxyScheme,
    address: HostPort,
    credentials: Option<Credentials>,
    cas: TrustedCas,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

impl ProxyUrl {
    /// Reads a URL. User and password may be percent-encoded. O(length).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ProxyUrlError> {
        let (name, rest) = text.split_once("://").ok_or(ProxyUrlError::Scheme)?;
        let scheme = [ProxyScheme::Http, ProxyScheme::Https, ProxyScheme::Socks5]
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
            .ok_or(ProxyUrlError::Scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // A password may hold an `@` that nobody encoded.
        let (credentials, host) = match rest.rsplit_once('@') {
            Some((credentials, host)) => (Some(Credentials::parse(credentials, scheme)?), host),
            None => (None, rest),
        };
        if host.contains(['/', '?', '#']) {
            return Err(ProxyUrlError::Rest);
        }
        let has_port = host.rsplit_once(']').map_or(host, |(_, port)| port).contains(':');
        let with_port = match has_port {
            true => host.to_owned(),
            false => format!("{host}:{}", scheme.default_port()),
        };
        let address = HostPort::parse(&with_port).map_err(|_| ProxyUrlError::Address)?;
        Ok(Self { scheme, address, credentials, cas: TrustedCas::Host })
    }

    /// The same proxy, vouched for by other authorities than the machine's; matters for `https` only.
    #[must_use]
    pub fn with_cas(self, cas: TrustedCas) -> Self {
        Self { cas, ..self }
    }

    /// How it is spoken to.
    #[must_use]
    pub const fn scheme(&self) -> ProxyScheme {
        self.scheme
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> &HostPort {
        &self.address
    }

    pub(super) const fn cas(&self) -> &TrustedCas {
        &self.cas
    }

    pub(super) const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.address)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = if self.credentials.is_some() { " with credentials" } else { "" };
        write!(f, "ProxyUrl({self}{with})")
    }
}

impl Credentials {
    fn parse(text: &str, scheme: ProxyScheme) -> Result<Self, ProxyUrlError> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let decode = |text: &str| decode(text).ok_or(ProxyUrlError::Credentials);
        let (user, password) = (decode(user)?, decode(password)?);
        let fits = match scheme {
            // RFC 1929: a byte for each length, and neither may be empty.
            ProxyScheme::Socks5 => [&user, &password].iter().all(|it| (1..=255).contains(&it.len())),
            // RFC 7617: the first colon ends the user; control characters are in neither.
            ProxyScheme::Http | ProxyScheme::Https => {
                !user.contains(&b':') && !user.iter().chain(&password).any(u8::is_ascii_control)
            }
        };
        if fits { Ok(Self { user, password }) } else { Err(ProxyUrlError::Credentials) }
    }
}

/// Percent-decoding; `None` where a `%` is not followed by two digits.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (text, shown) in [
            ("http://proxy", "http://proxy:80"),
            ("HTTPS://proxy.example/", "https://proxy.example:443"),
            ("socks5://u:p@[::1]", "socks5://[::1]:1080"),
            ("socks5://u:p@[::1]:9", "socks5://[::1]:9"),
            ("http://u@10.0.0.1:3128", "http://10.0.0.1:3128"),
        ] {
            assert_eq!(ProxyUrl::parse(text).expect(text).to_string(), shown);
        }
        let proxy = ProxyUrl::parse("http://u%3A:p@ss%25@h:1").map(|_| ()).expect_err("a colon in the user");
        assert_eq!(proxy, ProxyUrlError::Credentials);
        let proxy = ProxyUrl::parse("http://me:p@s%25%40%2f@h:1").expect("fine");
        let credentials = proxy.credentials().expect("given");
        assert_eq!((&*credentials.user, &*credentials.password), (&b"me"[..], &b"p@s%@/"[..]));
        assert!(!format!("{proxy:?} {proxy}").contains("p@s"));
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        use ProxyUrlError::{Address, Credentials, Rest, Scheme};
        for (text, fault) in [
            ("proxy:3128", Scheme),
            ("ftp://proxy", Scheme),
            ("http://", Address),
            ("http://:80", Address),
            ("http://proxy:0", Address),
            ("http://proxy:x", Address),
            ("http://pro xy", Address),
            ("http://proxy/x", Rest),
            ("http://u:%4@proxy", Credentials),
            ("http://u:%zz@proxy", Credentials),
            ("http://u:a%0d%0ab@proxy", Credentials),
            ("socks5://u@proxy", Credentials),
        ] {
            assert_eq!(ProxyUrl::parse(text).map(|_| ()).expect_err(text), fault, "{text}");
        }
        let long = format!("socks5://u:{}@proxy", "a".repeat(256));
        assert!(ProxyUrl::parse(&long).is_err());
    }
}
