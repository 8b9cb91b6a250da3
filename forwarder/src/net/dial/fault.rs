//! Why TLS with an edge or a proxy failed, for people: what is likely wrong, and what to do. By the types of the TLS
//! library.

use std::fmt;
use std::io;

use jiff::Timestamp;
use policy_core::url::HostPort;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};

use super::proxy::ProxyUrl;
use crate::base::sanitize;

/// Names of a certificate that are shown, and characters of them.
const MAX_NAMES: usize = 8;
const MAX_NAME: usize = 80;

/// Who should be at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer<'p> {
    /// An edge.
    Edge(&'p HostPort),
    /// A proxy on the way.
    Proxy(&'p ProxyUrl),
}

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edge(at) => write!(f, "the edge {at}"),
            Self::Proxy(at) => write!(f, "the proxy {at}"),
        }
    }
}

/// A handshake that failed, in words.
#[derive(Debug)]
struct TlsFault {
    text: String,
    untrusted: bool,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TlsFault {}

/// True if no authority that the agent trusts has signed the edge's certificate: waiting does not help.
pub(crate) fn is_untrusted(error: &io::Error) -> bool {
    let fault = error.get_ref().and_then(|it| it.downcast_ref::<TlsFault>());
    fault.is_some_and(|fault| fault.untrusted)
}

/// The error of a handshake in words, with what to do.
pub(crate) fn explained(peer: Peer<'_>, error: io::Error) -> io::Error {
    let (text, untrusted) = match error.get_ref().and_then(|it| it.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => certificate_fault(peer, error),
        // An echo answers as a client would.
        Some(
            Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. },
        ) => (no_tls(peer), false),
        Some(error) => (format!("TLS with {peer} failed: {error}"), false),
        None if matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
        ) =>
        {
            (broken_off(peer, &error), false)
        }
        None => return error,
    };
    io::Error::new(error.kind(), TlsFault { text, untrusted })
}

fn certificate_fault(peer: Peer<'_>, error: &CertificateError) -> (String, bool) {
    use CertificateError as Of;
    match error {
        Of::UnknownIssuer | Of::BadSignature => (unknown_ca(peer), matches!(peer, Peer::Edge(_))),
        Of::NotValidForNameContext { presented, .. } => (other_name(peer, presented), false),
        Of::ExpiredContext { time, not_after } => {
            let (now, end) = (date(*time), date(*not_after));
            let text = format!(
                "the certificate of {peer} has expired at {end}, and the clock of this machine says {now}: set the \
                 clock, or have the certificate renewed"
            );
            (text, false)
        }
        Of::NotValidYetContext { time, not_before } => {
            let (now, begin) = (date(*time), date(*not_before));
            let text = format!(
                "the certificate of {peer} is not valid before {begin}, and the clock of this machine says {now}: set \
                 the clock"
            );
            (text, false)
        }
        Of::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::CaUsedAsEndEntity) => (ca_itself(peer), matches!(peer, Peer::Edge(_))),
            Some(webpki::Error::NameConstraintViolation) => {
                (format!("the CA of {peer} is not allowed to sign for this name; {}", names(peer)), false)
            }
            _ => (format!("the certificate of {peer} cannot be used: {error}"), false),
        },
        error => (format!("the certificate of {peer} cannot be used: {error}"), false),
    }
}

fn unknown_ca(peer: Peer<'_>) -> String {
    match peer {
        Peer::Edge(_) => format!(
            "the certificate of {peer} is from a CA that this agent does not trust: set `connect_cas` to a copy of \
             the edge's ca.pem (`forwarder ca show` at the edge names it); if it is one, a firewall between may \
             intercept TLS"
        ),
        Peer::Proxy(_) => format!(
            "the certificate of {peer} is from a CA that this machine does not trust: install that CA on this machine"
        ),
    }
}

fn ca_itself(peer: Peer<'_>) -> String {
    format!(
        "the certificate of {peer} is that of a CA, or self-signed, and not that of a server: a firewall between may \
         intercept TLS, or the wrong certificate is configured there"
    )
}

fn other_name(peer: Peer<'_>, presented: &[String]) -> String {
    let shown = |name: &String| sanitize::cut(name, MAX_NAME);
    let found: Vec<_> = presented.iter().take(MAX_NAMES).map(shown).collect();
    let found = if found.is_empty() { "no name".to_owned() } else { found.join(", ") };
    format!("the certificate of {peer} is for {found}; {}", names(peer))
}

const fn names(peer: Peer<'_>) -> &'static str {
    match peer {
        Peer::Edge(_) => {
            "use one of its names in `connect_url`, or add this one to the edge's `agents.names` or certificate"
        }
        Peer::Proxy(_) => "use one of its names in the URL of the proxy",
    }
}

fn no_tls(peer: Peer<'_>) -> String {
    match peer {
        Peer::Edge(_) => format!(
            "{peer} does not speak TLS: this is not its port for agents (`agents.listen`), or a firewall or proxy \
             answers in its place"
        ),
        Peer::Proxy(_) => format!("{peer} does not speak TLS: write `http://` in its URL"),
    }
}

fn broken_off(peer: Peer<'_>, error: &io::Error) -> String {
    match peer {
        Peer::Edge(_) => format!(
            "{peer} has ended the connection during the TLS handshake ({error}): this is not its port for agents \
             (`agents.listen`), a firewall between ended it, or the edge is too busy"
        ),
        Peer::Proxy(_) => format!("{peer} has ended the connection during the TLS handshake ({error})"),
    }
}

/// A time as people write it.
fn date(time: UnixTime) -> String {
    let time = i64::try_from(time.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "a time that is not a date".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{InvalidMessage, OtherError};

    use super::*;

    fn seconds(time: u64) -> UnixTime {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(time))
    }

    #[test]
    fn errors_of_tls_say_what_to_do() {
        use CertificateError as Of;
        let at = HostPort::parse("edge.example.com:4443").expect("an address");
        let tls = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let certificate = |error: Of| tls(Error::InvalidCertificate(error));
        let other = |error: webpki::Error| certificate(Of::Other(OtherError(Arc::new(error))));
        for (error, words, untrusted) in [
            (certificate(Of::UnknownIssuer), &["`connect_cas`", "`forwarder ca show`"][..], true),
            (certificate(Of::BadSignature), &["`connect_cas`"], true),
            (other(webpki::Error::CaUsedAsEndEntity), &["self-signed", "firewall"], true),
            (other(webpki::Error::NameConstraintViolation), &["`connect_url`"], false),
            (
                certificate(Of::NotValidForNameContext {
                    expected: "edge.example.com".try_into().expect("a name"),
                    presented: vec!["DnsName(\"other\")".to_owned(), "\u{1b}[2J".to_owned()],
                }),
                &["DnsName(\"other\"), [2J", "`connect_url`", "`agents.names`"],
                false,
            ),
            (
                certificate(Of::NotValidYetContext {
                    time: seconds(86_400),
                    not_before: seconds(1_700_000_000),
                }),
                &["2023-11-14T22:13:20Z", "1970-01-02T00:00:00Z", "set the clock"],
                false,
            ),
            (
                certificate(Of::ExpiredContext { time: seconds(1_700_000_000), not_after: seconds(86_400) }),
                &["2023-11-14T22:13:20Z", "1970-01-02T00:00:00Z", "set the clock"],
                false,
            ),
            (
                tls(InvalidMessage::InvalidContentType.into()),
                &["does not speak TLS", "`agents.listen`", "firewall"],
                false,
            ),
            (io::Error::from(io::ErrorKind::UnexpectedEof), &["`agents.listen`", "firewall"], false),
            (io::Error::from(io::ErrorKind::ConnectionReset), &["`agents.listen`", "firewall"], false),
        ] {
            let error = explained(Peer::Edge(&at), error);
            let text = error.to_string();
            assert!(text.contains("edge.example.com:4443"), "{text}");
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
            assert_eq!(is_untrusted(&error), untrusted, "{text}");
        }
        let proxy = ProxyUrl::parse("https://me:s3cr3t@proxy.example").expect("a proxy");
        let error = explained(Peer::Proxy(&proxy), certificate(Of::UnknownIssuer));
        assert!(error.to_string().contains("https://proxy.example:443") && !is_untrusted(&error), "{error}");
        assert!(!error.to_string().contains("s3cr3t"));
        let refused = explained(Peer::Edge(&at), io::ErrorKind::ConnectionRefused.into());
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
