//! Endpoint URLs: `scheme://host[:port]`, as endpoints are named and as `forward-internal` names them.
//!
//! Source: ngrok documentation, endpoints and forward-internal (2026-08-07); host syntax after error codes
//! 326–330, 355, 396, 397; no path, query or user info (9037), no trailing slash (9038).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

use nom::bytes::complete::{tag, take_while, take_while1};
use nom::sequence::terminated;
use nom::{IResult, Parser};

/// The protocol of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP in clear text.
    Http,
    /// HTTP over TLS.
    Https,
    /// TLS, passed through.
    Tls,
    /// TCP.
    Tcp,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Tls, Self::Tcp];

    /// The name before `://`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
        }
    }

    /// The port that is meant when none is given; tcp has none.
    #[must_use]
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https | Self::Tls => Some(443),
            Self::Tcp => None,
        }
    }

    /// The scheme of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }
}

/// Parts before `.internal` (ngrok says five in one place and five in all in another).
pub const MAX_INTERNAL_PARTS: usize = 5;

/// Where an endpoint can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// The internet.
    Public,
    /// `forward-internal` only.
    Internal,
    /// Kubernetes clusters with ngrok's operator.
    Kubernetes,
}

impl Binding {
    /// Every binding.
    pub const ALL: [Self; 3] = [Self::Public, Self::Internal, Self::Kubernetes];

    /// The name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// The binding of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|binding| binding.name() == name)
    }
}

/// What is wrong with an endpoint URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlFault {
    /// There is no `scheme://`.
    NoScheme,
    /// The scheme is none of http, https, tls and tcp.
    Scheme,
    /// There is a path, query, fragment or trailing slash.
    Part,
    /// There is a user name.
    UserInfo,
    /// There is no host.
    NoHost,
    /// The host holds a character that no host name has.
    Character(char),
    /// A part of the host name is empty or longer than 63 characters.
    Label,
    /// The host name is longer than 253 characters.
    TooLong,
    /// A `*` that is not the whole first part of the name.
    Wildcard,
    /// The port is not a number from 1 to 65535.
    Port,
    /// There is no port.
    NoPort,
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => f.write_str("it has no scheme such as `tcp://`"),
            Self::Scheme => f.write_str("its scheme is none of http, https, tls and tcp"),
            Self::Part => f.write_str("it continues after host and port"),
            Self::UserInfo => f.write_str("it has a user name"),
            Self::NoHost => f.write_str("it has no host"),
            Self::Character(c) => write!(f, "a host name holds no {c:?}"),
            Self::Label => f.write_str("each part of a host name has 1 to 63 characters"),
            Self::TooLong => f.write_str("a host name has at most 253 characters"),
            Self::Wildcard => f.write_str("`*` can only be the whole first part of the name"),
            Self::Port => f.write_str("its port is not a number from 1 to 65535"),
            Self::NoPort => f.write_str("it has no port"),
        }
    }
}

/// A fault and the bytes of the text it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    /// What is wrong.
    pub fault: UrlFault,
    /// Where, as byte offsets into the text.
    pub range: Range<usize>,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for UrlError {}

/// A normalised endpoint URL: lower case, no trailing dot, the port explicit if it has no default.
///
/// ```
/// use policy_core::url::EndpointUrl;
/// let url = EndpointUrl::parse("TCP://Device1.internal.:22")?;
/// assert_eq!(url.to_string(), "tcp://device1.internal:22");
/// assert!(url.is_internal());
/// # Ok::<(), policy_core::url::UrlError>(())
/// ```
#[derive(Clone)]
pub struct EndpointUrl {
    /// As it is displayed; the other fields follow from it. Shared: a clone is cheap.
    text: Arc<str>,
    scheme: Scheme,
    host: Range<u16>,
    port: Option<u16>,
}

impl PartialEq for EndpointUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EndpointUrl {}

impl Hash for EndpointUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({})", self.text)
    }
}

impl EndpointUrl {
    /// Reads a URL. O(length).
    ///
    /// # Errors
    /// The first fault, with its place in the text.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let at = |fault, part: &str| {
            // `part` is a stretch of `text`: its offset is the length of what stands before it.
            let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
            UrlError { fault, range: start..start + part.len() }
        };
        let (rest, name) = scheme_name(text).map_err(|_| at(UrlFault::NoScheme, text))?;
        let scheme = Scheme::from_name(name).ok_or_else(|| at(UrlFault::Scheme, name))?;
        let (tail, authority) = authority(rest).map_err(|_| at(UrlFault::NoHost, rest))?;
        if !tail.is_empty() {
            return Err(at(UrlFault::Part, tail));
        }
        if let Some((user, _)) = authority.rsplit_once('@') {
            return Err(at(UrlFault::UserInfo, user));
        }
        let (host, port) = split_port(authority).map_err(|part| at(UrlFault::Port, part))?;
        let host = normal_host(host).map_err(|(fault, part)| at(fault, part))?;
        let port = port.filter(|&port| scheme.default_port() != Some(port));
        Ok(Self::from_parts(scheme, &host, port))
    }

    /// From a host in normal form.
    fn from_parts(scheme: Scheme, host: &str, port: Option<u16>) -> Self {
        let begin = scheme.name().len() + "://".len();
        // INVARIANT: a host has at most 253 characters.
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        let text = match port {
            Some(port) => format!("{}://{host}:{port}", scheme.name()),
            None => format!("{}://{host}", scheme.name()),
        };
        Self { text: text.into(), scheme, host: place(begin)..place(begin + host.len()), port }
    }

    /// The URL as it is displayed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How specific it is among those that cover a target: greater for the one that serves it.
    #[must_use]
    pub fn specificity(&self) -> Specificity {
        Specificity(!self.is_wildcard(), self.host().len())
    }

    /// The protocol.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        let Range { start, end } = self.host;
        self.text.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }

    /// The port given or implied by the scheme.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port.or(self.scheme.default_port())
    }

    /// True if the host ends in `.internal`.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.host().strip_suffix(".internal").is_some_and(|rest| !rest.is_empty())
    }

    /// True for an internal name with more parts than internal endpoints have: [`MAX_INTERNAL_PARTS`] before `.internal`,
    /// a `*` among them.
    #[must_use]
    pub fn is_too_deep(&self) -> bool {
        self.is_internal() && self.host().split('.').count() > MAX_INTERNAL_PARTS + 1
    }

    /// True if the host begins with `*.`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.host().starts_with("*.")
    }

    /// True if this URL, perhaps a wildcard, stands for the other: same scheme and port, and the host is
    /// equal or lies at any depth below the `*`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let host = match self.host().strip_prefix('*') {
            Some(suffix) => other.host().len() > suffix.len() && other.host().ends_with(suffix),
            None => self.host() == other.host(),
        };
        host && self.scheme == other.scheme && self.port() == other.port()
    }
}

/// An exact URL before a wildcard, and a longer wildcard before a shorter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity(bool, usize);

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn scheme_name(text: &str) -> IResult<&str, &str> {
    let name = take_while1(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    terminated(name, tag("://")).parse(text)
}

fn authority(text: &str) -> IResult<&str, &str> {
    take_while(|c: char| !matches!(c, '/' | '?' | '#')).parse(text)
}

/// Splits `host:port`; on failure the part that should have been a port.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<u16>), &str> {
    // The colons of a bracketed IPv6 address belong to the host.
    let split = match authority.rfind(']') {
        Some(end) => authority.split_at_checked(end + 1),
        None => authority.find(':').and_then(|colon| authority.split_at_checked(colon)),
    };
    let (host, port) = split.unwrap_or((authority, ""));
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        None => Err(port),
        Some(digits) => port_number(digits).map(|port| (host, Some(port))).ok_or(digits),
    }
}

/// A port number in plain digits.
pub(crate) fn port_number(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().filter(|&port| port != 0)
}

/// A host in lower case, without the dot at its end; on failure what is wrong, and with which part.
pub(crate) fn normal_host(host: &str) -> Result<Box<str>, (UrlFault, &str)> {
    let bare = host.strip_suffix('.').unwrap_or(host);
    if bare.is_empty() {
        return Err((UrlFault::NoHost, host));
    }
    if let Some(inner) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| (UrlFault::Character('['), host))?;
        return Ok(format!("[{address}]").into());
    }
    if bare.len() > 253 {
        return Err((UrlFault::TooLong, host));
    }
    for (index, label) in bare.split('.').enumerate() {
        if label.is_empty() || label.len() > 63 {
            return Err((UrlFault::Label, if label.is_empty() { host } else { label }));
        }
        if label.contains('*') && (label != "*" || index > 0) {
            return Err((UrlFault::Wildcard, label));
        }
        let odd = label.char_indices().find(|(_, c)| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '*'));
        if let Some((at, c)) = odd {
            return Err((UrlFault::Character(c), label.get(at..at + c.len_utf8()).unwrap_or(label)));
        }
    }
    Ok(bare.to_ascii_lowercase().into())
}

/// Where bytes finally go: an address or a name, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Host name or address, without brackets.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
}

impl HostPort {
    /// Reads the upstream of a tcp endpoint: `22`, `device:22`, `[::1]:22` or `tcp://device:22`; a port
    /// alone means localhost (ngrok documentation, upstream shorthands, 2026-08-07).
    ///
    /// ```
    /// use policy_core::url::HostPort;
    /// assert_eq!(HostPort::parse("22").expect("a port").to_string(), "localhost:22");
    /// assert_eq!(HostPort::parse("tcp://[::1]:22").expect("an address").to_string(), "[::1]:22");
    /// assert!(HostPort::parse("example.org").is_err());
    /// ```
    ///
    /// # Errors
    /// The fault; there is no default port.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        if let Some(port) = port_number(text) {
            return Ok(Self { host: "localhost".into(), port });
        }
        let authority = text.strip_prefix("tcp://").unwrap_or(text);
        if authority.contains("://") {
            return Err(UrlFault::Scheme);
        }
        if authority.contains(['/', '?', '#']) {
            return Err(UrlFault::Part);
        }
        let (host, port) = split_port(authority).map_err(|_| UrlFault::Port)?;
        let port = port.ok_or(UrlFault::NoPort)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => {
                inner.parse::<Ipv6Addr>().map_err(|_| UrlFault::Character('['))?.to_string().into()
            }
            None if host.parse::<IpAddr>().is_ok() => host.into(),
            None => normal_host(host).map_err(|(fault, _)| fault)?,
        };
        if host.contains('*') {
            return Err(UrlFault::Wildcard);
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_their_part() {
        for (text, fault, part) in [
            ("device1.internal:22", UrlFault::NoScheme, "device1.internal:22"),
            ("ssh://d.internal:22", UrlFault::Scheme, "ssh"),
            ("tcp://:22", UrlFault::NoHost, ""),
            ("tcp://", UrlFault::NoHost, ""),
            ("tcp://a@d.internal:22", UrlFault::UserInfo, "a"),
            ("tcp://d.internal:22/", UrlFault::Part, "/"),
            ("tcp://d.internal:22/x?y", UrlFault::Part, "/x?y"),
            ("tcp://d.internal:0", UrlFault::Port, "0"),
            ("tcp://d.internal:65536", UrlFault::Port, "65536"),
            ("tcp://d.internal:+22", UrlFault::Port, "+22"),
            ("tcp://d.internal:", UrlFault::Port, ""),
            ("tcp://my_dev.internal:22", UrlFault::Character('_'), "_"),
            ("tcp://a..internal:22", UrlFault::Label, "a..internal"),
            ("tcp://a.*.internal:22", UrlFault::Wildcard, "*"),
            ("tcp://[::g]:22", UrlFault::Character('['), "[::g]"),
        ] {
            let error = EndpointUrl::parse(text).expect_err(text);
            assert_eq!((error.fault, text.get(error.range)), (fault, Some(part)), "{text}");
        }
        let long = format!("tcp://{}.internal:1", "a".repeat(64));
        assert_eq!(EndpointUrl::parse(&long).expect_err("long").fault, UrlFault::Label);
    }

    #[test]
    fn default_ports_are_normalised() {
        let url = |text: &str| EndpointUrl::parse(text).expect(text);
        assert_eq!(url("https://a.internal:443"), url("https://A.internal"));
        assert_ne!(url("https://a.internal:8443"), url("https://a.internal"));
        assert_eq!(url("tcp://[::1]:22").to_string(), "tcp://[::1]:22");
        assert!(!url("tcp://internal:22").is_internal());
    }

    #[test]
    fn wildcards_cover_any_depth_but_not_themselves() {
        let url = |text: &str| EndpointUrl::parse(text).expect(text);
        let wild = url("tcp://*.site.internal:22");
        assert!(wild.covers(&url("tcp://a.b.site.internal:22")));
        assert!(!wild.covers(&url("tcp://site.internal:22")));
        assert!(!wild.covers(&url("tcp://a.site.internal:23")));
        assert!(!wild.covers(&url("tls://a.site.internal:22")));
        assert!(!wild.covers(&url("tcp://evilsite.internal:22")));
    }

    #[test]
    fn upstreams_need_a_port() {
        for bad in ["", "host", "0", "70000", "https://h:1", "h:1/x", "*.x:1", "h:x", "[::1]"] {
            assert!(HostPort::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(HostPort::parse("10.0.0.7:3389").expect("fine").to_string(), "10.0.0.7:3389");
    }
}
