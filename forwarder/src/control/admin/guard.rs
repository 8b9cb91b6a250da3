//! Who may speak to the API: whoever may open the private socket, and over TCP whoever has a key.
//!
//! A web page in a browser of the same machine can reach a TCP port, so `Origin` is refused and `Host` must
//! name the listener (a name that was pointed here for the purpose does not).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::header::{AUTHORIZATION, HeaderMap, ORIGIN};
use hyper::{StatusCode, Uri};

use super::answer::Fault;
use crate::control::audit::Caller;
use crate::control::identity::Identity;
use crate::control::limit::FailureLimit;
use crate::net::host::{HostFault, authority, host};
use policy_core::ngrok::{ERR_NGROK_200, ERR_NGROK_201};

/// What a listener asks of a request. Cheap to clone.
#[derive(Clone)]
pub struct RequestGuard(Option<Arc<Tcp>>);

struct Tcp {
    names: Vec<String>,
    identity: Identity,
    scheme: &'static str,
    failures: FailureLimit,
}

impl fmt::Debug for RequestGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "RequestGuard(tcp)" } else { "RequestGuard(local)" })
    }
}

impl RequestGuard {
    /// The guard of a socket that only its owner can open.
    #[must_use]
    pub fn local() -> Self {
        Self(None)
    }

    /// The guard of a TCP listener: the names that `Host` may have, without ports, and where its keys are.
    #[must_use]
    pub fn tcp(names: impl IntoIterator<Item = String>, identity: Identity, tls: bool) -> Self {
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        let scheme = if tls { "https" } else { "http" };
        Self(Some(Arc::new(Tcp { names, identity, scheme, failures: FailureLimit::default() })))
    }

    /// What URIs begin with: the `Host` of a request that was let in, where it has one.
    pub(super) fn base(&self, headers: &HeaderMap) -> String {
        let scheme = self.0.as_ref().map_or("http", |tcp| tcp.scheme);
        let authority = authority(headers).ok().flatten();
        authority
            .map_or_else(|| format!("{scheme}://localhost"), |authority| format!("{scheme}://{authority}"))
    }

    /// Lets a request in, with who calls.
    pub(super) fn authorize(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        source: Option<IpAddr>,
        now: Instant,
    ) -> Result<Caller, Fault> {
        if headers.contains_key(ORIGIN) {
            return Err(Fault::new(StatusCode::FORBIDDEN, "requests of web pages are refused"));
        }
        let host = named(uri, headers)?;
        let Some(tcp) = &self.0 else { return Ok(Caller::Local) };
        if !host.is_some_and(|host| tcp.names.contains(&host)) {
            let message = "`Host` is none of this listener's names";
            return Err(Fault::new(StatusCode::MISDIRECTED_REQUEST, message));
        }
        if source.is_some_and(|source| !tcp.failures.allows(source, now)) {
            let message = "too many failed authentications; wait a minute";
            return Err(Fault::new(StatusCode::TOO_MANY_REQUESTS, message));
        }
        let key = bearer(headers)?;
        let id = tcp.identity.authenticate_key(key).inspect_err(|_| {
            if let Some(source) = source {
                tcp.failures.note_failure(source, now);
            }
        });
        Ok(Caller::Key(id?))
    }
}

/// The key that a request holds. One without is no guess: a web page can make a browser send it.
fn bearer(headers: &HeaderMap) -> Result<&str, Fault> {
    let refuse = |code, message| Fault::new(StatusCode::UNAUTHORIZED, message).coded(code);
    let header = headers.get(AUTHORIZATION);
    let header = header.ok_or_else(|| {
        refuse(ERR_NGROK_200, "an `Authorization: Bearer` header with an API key is needed")
    })?;
    let bearer = header.to_str().ok().and_then(|text| text.split_once(' '));
    let key = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|it| it.1.trim());
    let key = key.filter(|key| !key.is_empty());
    key.ok_or_else(|| refuse(ERR_NGROK_201, "the `Authorization` header is not `Bearer` and an API key"))
}

/// The host that a request names, in lower case and without its port; nothing if it names none.
fn named(uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, Fault> {
    host(uri, headers).map_err(|fault| match fault {
        HostFault::Several => Fault::new(StatusCode::BAD_REQUEST, "there is more than one `Host`"),
        HostFault::Malformed => {
            Fault::new(StatusCode::BAD_REQUEST, "`Host` is not a host, or a host and a port")
        }
        HostFault::Different => {
            Fault::new(StatusCode::MISDIRECTED_REQUEST, "the URL and `Host` name different hosts")
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::control::identity::{ApiKey, ApiKeyId, NewApiKey};

    fn authorize(
        guard: &RequestGuard,
        lines: &[(&'static str, &str)],
        now: Instant,
    ) -> Result<String, String> {
        authorize_at("/credentials", guard, lines, now)
    }

    fn authorize_at(
        uri: &str,
        guard: &RequestGuard,
        lines: &[(&'static str, &str)],
        now: Instant,
    ) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a value"));
        }
        let source = Some(IpAddr::from([127, 0, 0, 1]));
        let answer = |fault| String::from_utf8(super::super::Answer::from(fault).body).expect("text");
        let uri = uri.parse().expect("a URI");
        guard.authorize(&uri, &headers, source, now).map(|caller| caller.to_string()).map_err(answer)
    }

    /// A guard, the header that opens it, and the id of the key in it.
    struct Open {
        guard: RequestGuard,
        bearer: String,
        id: ApiKeyId,
        identity: Identity,
        _folder: tempfile::TempDir,
    }

    fn open() -> Open {
        let folder = tempfile::tempdir().expect("a folder");
        let identity = Identity::open(folder.path()).expect("a store");
        let (key, token) = identity.create::<ApiKey>(NewApiKey::default(), Timestamp::now()).expect("made");
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let guard = RequestGuard::tcp(names, identity.clone(), false);
        Open { guard, bearer: format!("Bearer {}", token.reveal()), id: key.id, identity, _folder: folder }
    }

    #[test]
    fn a_key_opens_under_a_known_name() {
        let (Open { guard, bearer, id, .. }, now) = (open(), Instant::now());
        let id = id.to_string();
        for host in ["localhost", "LOCALHOST:4040", "127.0.0.1:4040", "[::1]:4040"] {
            let lines = [("host", host), ("authorization", &*bearer)];
            assert_eq!(authorize(&guard, &lines, now).as_deref(), Ok(&*id), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "localhost.", "127.0.0.1.evil.example:1"] {
            let lines = [("host", host), ("authorization", &*bearer)];
            assert!(authorize(&guard, &lines, now).expect_err(host).contains("421"), "{host}");
        }
        for host in [
            "",
            ":1",
            "user@evil.example",
            "evil@localhost",
            "evil:pass@localhost:1",
            "localhost:",
            "localhost:+1",
            "localhost:65536",
            "localhost/",
            "localhost, evil.example",
            "http://localhost",
        ] {
            for guard in [&guard, &RequestGuard::local()] {
                let lines = [("host", host), ("authorization", &*bearer)];
                assert!(authorize(guard, &lines, now).expect_err(host).contains("400"), "{host}");
            }
        }
        assert!(authorize(&guard, &[("authorization", &*bearer)], now).is_err());
        let two = [("host", "localhost"), ("host", "evil.example"), ("authorization", &*bearer)];
        assert!(authorize(&guard, &two, now).is_err());
    }

    #[test]
    fn a_whole_url_names_the_same_host() {
        let (Open { guard, bearer, id, .. }, now) = (open(), Instant::now());
        let at = |uri: &str, host: &str| {
            authorize_at(uri, &guard, &[("host", host), ("authorization", &*bearer)], now)
        };
        let id = id.to_string();
        assert_eq!(at("http://LOCALHOST:1/credentials", "localhost:1").as_deref(), Ok(&*id));
        for (uri, host) in [
            ("http://evil.example/credentials", "localhost"),
            ("http://evil@localhost/credentials", "localhost"),
            ("http://localhost:2/credentials", "localhost:1"),
            ("http://localhost/credentials", "127.0.0.1"),
            ("http://evil.example/credentials", "evil.example"),
        ] {
            assert!(at(uri, host).expect_err(uri).contains("421"), "{uri}");
        }
        assert!(authorize_at("http://localhost/credentials", &RequestGuard::local(), &[], now).is_err());
    }

    #[test]
    fn a_web_page_is_refused_by_both_guards() {
        let Open { guard, bearer, .. } = open();
        let lines = [("host", "localhost"), ("origin", "http://localhost"), ("authorization", &*bearer)];
        for guard in [guard, RequestGuard::local()] {
            assert!(authorize(&guard, &lines, Instant::now()).expect_err("a web page").contains("403"));
        }
        assert_eq!(authorize(&RequestGuard::local(), &[], Instant::now()).as_deref(), Ok("local-admin"));
    }

    #[test]
    fn what_is_no_key_is_told_apart() {
        let Open { guard, bearer, id, identity, .. } = open();
        let token = format!("{}_{}", ulid::Ulid::generate(), "A".repeat(43));
        let cases = [
            ("Basic a2V5", "ERR_NGROK_201"),
            ("Bearer ", "ERR_NGROK_201"),
            ("Bearer", "ERR_NGROK_201"),
            ("Bearer keys", "ERR_NGROK_203"),
            (&*format!("Bearer {token}"), "ERR_NGROK_206"),
            (&*format!("Bearer {id}"), "ERR_NGROK_208"),
        ];
        for (value, code) in cases {
            let error = authorize(&guard, &[("host", "localhost"), ("authorization", value)], Instant::now());
            let error = error.expect_err(value);
            assert!(error.contains(code) && error.contains("401") && !error.contains(&token), "{error}");
        }
        let error = authorize(&guard, &[("host", "localhost")], Instant::now()).expect_err("no key");
        assert!(error.contains("ERR_NGROK_200"), "{error}");
        let right = [("host", "localhost"), ("authorization", &*bearer)];
        assert!(authorize(&guard, &right, Instant::now()).is_ok());
        identity.delete::<ApiKey>(id).expect("there");
        let error = authorize(&guard, &right, Instant::now()).expect_err("deleted");
        assert!(error.contains("ERR_NGROK_203"), "{error}");
    }

    #[test]
    fn guessing_is_slow() {
        let (Open { guard, bearer, .. }, now) = (open(), Instant::now());
        let right = [("host", "localhost"), ("authorization", &*bearer)];
        for _ in 0..20 {
            let none = [("host", "localhost")];
            assert!(authorize(&guard, &none, now).expect_err("no key").contains("ERR_NGROK_200"));
        }
        assert!(authorize(&guard, &right, now).is_ok(), "a request without a key is not a guess");
        for _ in 0..10 {
            let wrong = [("host", "localhost"), ("authorization", "Bearer wrong")];
            assert!(authorize(&guard, &wrong, now).expect_err("wrong").contains("401"));
        }
        assert!(authorize(&guard, &right, now).expect_err("locked").contains("429"));
        assert!(authorize(&guard, &right, now + Duration::from_secs(60)).is_ok());
    }
}
