//! The URL of a request: as it was sent, and as policies see it.
//!
//! Policies see the normalised form (WHATWG URL, as the crate `url` has it, and RFC 3986, 6.2.2.2): scheme and host in
//! lower case, no default port, dot segments resolved, escapes of unreserved characters undone and all others in upper
//! case. `%2F` stays what it is, since a server may tell it from `/`. A URL that is normal already is not copied.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;
use std::ops::Range;

use crate::cel::TextMap;
use crate::diagnostic::shown_address;

/// Bytes of a URL (ngrok documentation, limits, 2026-08-07: 1 MB of headers, the URI included).
pub(crate) const MAX_URL: usize = 1 << 20;

/// Parameters of a query: what is looked up by name is looked for among all of them.
const MAX_PARAMS: usize = 1_000;

/// Why a text is not the URL of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestUrlError {
    /// It does not begin with `http://` or `https://`.
    Scheme(Box<str>),
    /// It is too long.
    TooLong,
    /// Its query has too many parameters.
    TooManyParams,
    /// Another part cannot be read.
    Invalid {
        /// The text.
        url: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
}

impl fmt::Display for RequestUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(url) => {
                write!(f, "`{}` does not start with `http://` or `https://`", shown_address(url))
            }
            Self::TooLong => write!(f, "the URL is longer than {MAX_URL} bytes"),
            Self::TooManyParams => write!(f, "the query has more than {MAX_PARAMS} parameters"),
            Self::Invalid { url, reason } => write!(f, "`{}` is not a URL: {reason}", shown_address(url)),
        }
    }
}

impl std::error::Error for RequestUrlError {}

/// The URL of a request, normalised, with its parts.
///
/// ```
/// use policy_core::message::RequestUrl;
/// let url = RequestUrl::parse("https://EXAMPLE.com:443/%61dmin/./x?q=%2f")?;
/// assert_eq!(url.as_str(), "https://example.com/admin/x?q=%2F");
/// assert_eq!((url.path(), url.query(), url.port()), ("/admin/x", "q=%2F", None));
/// assert_eq!(url.raw_path(), "/%61dmin/./x");
/// # Ok::<(), policy_core::message::RequestUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestUrl<'u> {
    raw: Cow<'u, str>,
    /// Where it differs from what was sent.
    normal: Option<Box<str>>,
    parts: Parts,
    raw_parts: Parts,
    /// The parameters of the query, where some are written with escapes.
    decoded: Option<Vec<(Box<str>, Box<str>)>>,
}

/// Where the parts lie in a text. INVARIANT: on the borders of characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    /// The end of the scheme, before `://`.
    scheme: usize,
    /// The end of user and password, before `@`; the begin of the host where there is none.
    user: usize,
    host: (usize, usize),
    port: Option<u16>,
    /// The end of user, host and port.
    authority: usize,
    /// The end of the path.
    path: usize,
    /// The end of the query.
    query: usize,
}

impl<'u> RequestUrl<'u> {
    /// Reads the absolute URL of a request, as it was sent. O(length); one that is normal is not copied.
    ///
    /// # Errors
    /// [`RequestUrlError`].
    pub fn parse(raw: impl Into<Cow<'u, str>>) -> Result<Self, RequestUrlError> {
        let raw = raw.into();
        if raw.len() > MAX_URL {
            return Err(RequestUrlError::TooLong);
        }
        let has_scheme =
            |scheme: &str| raw.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
        if !has_scheme("http://") && !has_scheme("https://") {
            return Err(RequestUrlError::Scheme(raw.as_ref().into()));
        }
        // What reads URLs of pages leaves them out; no request has them.
        if raw.bytes().any(|byte| byte.is_ascii_control()) {
            let reason = "it has a control character".into();
            return Err(RequestUrlError::Invalid { url: raw.as_ref().into(), reason });
        }
        let raw_parts = Parts::find(&raw);
        let normal = match is_normal(&raw, raw_parts) {
            true => None,
            false => Some(normalise(&raw)?).filter(|normal| **normal != *raw),
        };
        let parts = normal.as_deref().map_or(raw_parts, Parts::find);
        let mut url = Self { raw, normal, parts, raw_parts, decoded: None };
        if url.query().split('&').nth(MAX_PARAMS).is_some() {
            return Err(RequestUrlError::TooManyParams);
        }
        if url.query().contains(['%', '+']) {
            let pairs = url::form_urlencoded::parse(url.query().as_bytes());
            url.decoded = Some(pairs.map(|(name, value)| ((&*name).into(), (&*value).into())).collect());
        }
        Ok(url)
    }

    /// The URL that a reference names at this one, as `Location` has it (RFC 3986, 5).
    ///
    /// # Errors
    /// [`RequestUrlError`].
    pub fn join(&self, reference: &str) -> Result<RequestUrl<'static>, RequestUrlError> {
        if reference.len() > MAX_URL {
            return Err(RequestUrlError::TooLong);
        }
        let invalid = |error: url::ParseError| invalid(reference, &error);
        let joined = url::Url::parse(self.as_str()).and_then(|base| base.join(reference)).map_err(invalid)?;
        RequestUrl::parse(String::from(joined))
    }

    /// With further parameters behind those of its query.
    ///
    /// # Errors
    /// [`RequestUrlError`].
    pub(crate) fn with_params<'p>(
        self,
        params: impl Iterator<Item = (&'p str, &'p str)>,
    ) -> Result<RequestUrl<'static>, RequestUrlError> {
        let mut url = url::Url::parse(self.as_str()).map_err(|error| invalid(self.as_str(), &error))?;
        let mut params = params.peekable();
        if params.peek().is_some() {
            url.query_pairs_mut().extend_pairs(params);
        }
        RequestUrl::parse(String::from(url))
    }

    /// One that outlives what it was read from.
    #[must_use]
    pub fn into_owned(self) -> RequestUrl<'static> {
        RequestUrl { raw: self.raw.into_owned().into(), ..self }
    }

    /// The normalised URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.normal.as_deref().unwrap_or(&self.raw)
    }

    /// The URL as it was sent.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    fn part(&self, range: Range<usize>) -> &str {
        self.as_str().get(range).unwrap_or_default()
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.part(0..self.parts.scheme)
    }

    /// User, host and port, as far as they are there.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.part(self.parts.scheme + 3..self.parts.authority)
    }

    /// User and password; empty without them.
    #[must_use]
    pub fn user_password(&self) -> &str {
        self.part(self.parts.scheme + 3..self.parts.user)
    }

    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.part(self.parts.host.0..self.parts.host.1);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, if the URL gives one that is not the default of its scheme.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The path, with its leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.part(self.parts.authority..self.parts.path)
    }

    /// The path as it was sent.
    #[must_use]
    pub fn raw_path(&self) -> &str {
        self.raw.get(self.raw_parts.authority..self.raw_parts.path).unwrap_or_default()
    }

    /// The query, without `?`.
    #[must_use]
    pub fn query(&self) -> &str {
        self.part((self.parts.path + 1).min(self.parts.query)..self.parts.query)
    }

    /// The parameters of the query, in order: forms' escapes undone.
    pub fn query_params(&self) -> impl Iterator<Item = (&str, &str)> {
        let plain = if self.decoded.is_some() { "" } else { self.query() };
        let plain = plain.split('&').filter(|pair| !pair.is_empty());
        let plain = plain.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let decoded = self.decoded.as_deref().unwrap_or_default();
        decoded.iter().map(|(name, value)| (&**name, &**value)).chain(plain)
    }

    /// Path and query.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        self.part(self.parts.authority..self.parts.query)
    }
}

/// The parameters of the query by name.
impl TextMap for RequestUrl<'_> {
    fn count(&self, name: &str) -> Option<usize> {
        let count = self.query_params().filter(|(known, _)| *known == name).count();
        (count > 0).then_some(count)
    }

    fn get(&self, name: &str, at: usize) -> Option<&str> {
        self.query_params().filter(|(known, _)| *known == name).nth(at).map(|(_, value)| value)
    }

    fn each_name<'m>(&'m self, each: &mut dyn FnMut(&'m str) -> ControlFlow<()>) -> ControlFlow<()> {
        self.query_params().try_for_each(|(name, _)| each(name))
    }
}

impl Parts {
    /// The parts of a text that begins with a scheme and `://`. O(length).
    fn find(text: &str) -> Self {
        let scheme = text.find("://").unwrap_or(0);
        let begin = (scheme + 3).min(text.len());
        let rest = text.get(begin..).unwrap_or_default();
        let ends = |marks: &[char]| rest.find(marks).map_or(text.len(), |at| begin + at);
        let authority = ends(&['/', '?', '#', '\\']);
        let fragment = ends(&['#']);
        let path = ends(&['?', '#']).min(fragment).max(authority);
        let inside = text.get(begin..authority).unwrap_or_default();
        let user = inside.rfind('@').map_or(begin, |at| begin + at);
        let host = if user == begin && !inside.starts_with('@') { begin } else { user + 1 };
        let named = text.get(host..authority).unwrap_or_default();
        // A colon inside of brackets belongs to an IPv6 address.
        let colon = named.rfind(':').filter(|at| *at > named.rfind(']').unwrap_or(0));
        let host_end = colon.map_or(authority, |at| host + at);
        let port = text.get(host_end + 1..authority).and_then(|port| port.parse().ok());
        Self { scheme, user, host: (host, host_end), port, authority, path, query: fragment }
    }
}

/// True if the crate `url` would give back the very same text, as far as that is seen at once: what is not sure is false.
fn is_normal(text: &str, parts: Parts) -> bool {
    let part = |range: Range<usize>| text.get(range).unwrap_or_default();
    let (scheme, rest) = (part(0..parts.scheme), part(parts.authority..text.len()));
    let host = part(parts.host.0..parts.host.1);
    let is_default = |port| matches!((scheme, port), ("http", 80) | ("https", 443));
    let port_is_plain = match (parts.port, part(parts.host.1..parts.authority)) {
        (None, written) => written.is_empty(),
        // Without zeros in front.
        (Some(port), written) => !is_default(port) && !written.starts_with(":0"),
    };
    // A name of letters, whose last label cannot be the number of an IPv4 address and which is no Punycode.
    let labels = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
    let host_is_plain = host.bytes().all(labels)
        && !host.starts_with('.')
        && !host.contains("..")
        && !host.contains("xn--")
        && host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_lowercase()));
    let plain = |c: u8| {
        c.is_ascii_alphanumeric()
            || matches!(
                c,
                b'/' | b'?'
                    | b'-'
                    | b'_'
                    | b'.'
                    | b'~'
                    | b'='
                    | b'&'
                    | b':'
                    | b','
                    | b';'
                    | b'@'
                    | b'+'
                    | b'!'
                    | b'$'
                    | b'*'
                    | b'('
                    | b')'
            )
    };
    matches!(scheme, "http" | "https")
        && parts.user == parts.scheme + 3
        && !part(parts.scheme + 3..parts.authority).contains('@')
        && host_is_plain
        && port_is_plain
        && rest.starts_with('/')
        && rest.bytes().all(plain)
        && !part(parts.authority..parts.path).contains("/.")
}

/// The normalised form. O(length).
fn normalise(raw: &str) -> Result<Box<str>, RequestUrlError> {
    let parsed = url::Url::parse(raw).map_err(|error| invalid(raw, &error))?;
    let text = parsed.as_str();
    let parts = Parts::find(text);
    let mut out = String::with_capacity(text.len());
    let (before, rest) = text.split_at_checked(parts.authority).unwrap_or((text, ""));
    out.push_str(before);
    push_with_plain_escapes(&mut out, rest);
    Ok(out.into())
}

/// Adds a text with the escapes of unreserved characters undone and all others in upper case (RFC 3986, 6.2.2). A `%` that
/// begins no escape becomes one.
fn push_with_plain_escapes(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok().zip(after.get(2..))) {
            Some((byte, behind)) => {
                let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
                match unreserved {
                    true => out.push(char::from(byte)),
                    false => out.push_str(&format!("%{byte:02X}")),
                }
                rest = behind;
            }
            // Written out: what follows must not become an escape.
            None => {
                out.push_str("%25");
                rest = after;
            }
        }
    }
    out.push_str(rest);
}

fn invalid(url: &str, error: &url::ParseError) -> RequestUrlError {
    RequestUrlError::Invalid { url: url.into(), reason: error.to_string().into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_those_of_the_normalised_url() {
        let url = RequestUrl::parse("HTTPS://me:pw@Example.COM:8443/a/../%7Eb/%2fc;x?q=1&q=%41#top")
            .expect("a URL");
        assert_eq!(url.as_str(), "https://me:pw@example.com:8443/~b/%2Fc;x?q=1&q=A#top");
        assert_eq!((url.scheme(), url.host(), url.port()), ("https", "example.com", Some(8443)));
        assert_eq!((url.user_password(), url.authority()), ("me:pw", "me:pw@example.com:8443"));
        assert_eq!((url.path(), url.query()), ("/~b/%2Fc;x", "q=1&q=A"));
        assert_eq!(url.path_and_query(), "/~b/%2Fc;x?q=1&q=A");
        assert_eq!(url.raw_path(), "/a/../%7Eb/%2fc;x");
        let url = RequestUrl::parse("http://[2001:DB8::1]:80?x").expect("a URL");
        assert_eq!((url.as_str(), url.host(), url.port()), ("http://[2001:db8::1]/?x", "2001:db8::1", None));
    }

    #[test]
    fn ways_around_a_path_lead_to_the_path() {
        for (raw, path) in [
            ("/%61dmin", "/admin"),
            ("/x/../admin", "/admin"),
            ("/x/%2e%2E/admin", "/admin"),
            ("/x/.%2e/admin", "/admin"),
            ("/../../admin", "/admin"),
            ("/./admin", "/admin"),
            ("\\admin", "/admin"),
            ("/%2561dmin", "/%2561dmin"),
            ("/x%2fadmin", "/x%2Fadmin"),
            ("/a..b/...", "/a..b/..."),
            ("//admin", "//admin"),
            ("/%%341", "/%2541"),
            ("", "/"),
        ] {
            let url = RequestUrl::parse(format!("http://a.example{raw}")).expect(raw);
            assert_eq!(url.path(), path, "{raw}");
        }
    }

    #[test]
    fn what_is_not_a_url_is_refused() {
        for text in ["", "/a", "ftp://a", "http://", "http://a b/", "http://a:99999/", "https://[::1"] {
            assert!(RequestUrl::parse(text).is_err(), "{text}");
        }
        let many = "http://a.example/?".to_owned() + &"a&".repeat(MAX_PARAMS);
        assert_eq!(RequestUrl::parse(many), Err(RequestUrlError::TooManyParams));
        assert_eq!(
            RequestUrl::parse("http://a/".to_owned() + &"x".repeat(MAX_URL)),
            Err(RequestUrlError::TooLong)
        );
    }

    #[test]
    fn parameters_are_those_of_forms() {
        let read = |query: &str| {
            let url = RequestUrl::parse(format!("http://a.example/?{query}")).expect("a URL");
            let pairs = url.query_params().map(|(name, value)| format!("{name}:{value}"));
            let read = pairs.collect::<Vec<_>>().join(" ");
            (read, url.count("a"), url.get("a", 1).map(ToOwned::to_owned))
        };
        assert_eq!(read("a=1&b&&a=2=3"), ("a:1 b: a:2=3".into(), Some(2), Some("2=3".into())));
        assert_eq!(read("a=x+y%26&%61=%C3%BC"), ("a:x y& a:ü".into(), Some(2), Some("ü".into())));
        assert_eq!(read(""), (String::new(), None, None));
    }

    #[test]
    fn references_are_resolved() {
        let url = RequestUrl::parse("https://a.example/b/c?d").expect("a URL");
        let joined = |reference: &str| url.join(reference).expect(reference).as_str().to_owned();
        assert_eq!(joined("/e?f=München"), "https://a.example/e?f=M%C3%BCnchen");
        assert_eq!(joined("https://x.example"), "https://x.example/");
        assert_eq!(joined("../g"), "https://a.example/g");
    }

    proptest! {
        /// What is taken as normal without a look by the crate is what the crate makes of it.
        #[test]
        fn a_normal_url_is_the_one_that_the_crate_gives(
            text in "https?://[a-zA-Z0-9.:@-]{0,12}[/?#%.a-zA-Z0-9;=&+~$!,()*'\\[\\]\"|<> -]{0,24}"
        ) {
            let Ok(url) = RequestUrl::parse(&*text) else { return Ok(()) };
            if is_normal(&text, Parts::find(&text)) {
                let normal = normalise(&text).expect("read before");
                prop_assert_eq!(&*normal, &*text);
            }
            // To normalise twice changes nothing.
            let again = RequestUrl::parse(url.as_str()).expect("normal");
            prop_assert_eq!(again.as_str(), url.as_str());
            prop_assert!(url.path().starts_with('/'));
        }
    }
}
