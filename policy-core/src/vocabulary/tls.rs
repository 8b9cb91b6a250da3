//! What variables and results say of TLS alike: certificates and handshakes.
//!
//! Source: ngrok documentation, TLS variables and terminate-tls (2026-08-07).

/// The names in a certificate's subject or issuer.
macro_rules! certificate {
    ($base:literal, $whose:literal, $at:expr $(, $extra:expr)* $(,)?) => {
        &[
            $($extra,)*
            $crate::vocabulary::Declared::new(concat!($base, ".extensions"), "list(Extension)", $at, concat!("the extensions of the ", $whose, " certificate")),
            $crate::vocabulary::Declared::new(concat!($base, ".issuer"), "string", $at, "who issued the certificate, as RFC 2253 writes it"),
            $crate::vocabulary::Declared::new(concat!($base, ".issuer.common_name"), "string", $at, "the issuer's common name"),
            $crate::vocabulary::Declared::new(concat!($base, ".issuer.country"), "list(string)", $at, "the issuer's countries"),
            $crate::vocabulary::Declared::new(concat!($base, ".issuer.locality"), "list(string)", $at, "the issuer's localities"),
            $crate::vocabulary::Declared::new(concat!($base, ".issuer.organization"), "list(string)", $at, "the issuer's organisations"),
            $crate::vocabulary::Declared::new(concat!($base, ".issuer.organizational_unit"), "list(string)", $at, "the issuer's units"),
            $crate::vocabulary::Declared::new(concat!($base, ".issuer.postal_code"), "list(string)", $at, "the issuer's postal codes"),
            $crate::vocabulary::Declared::new(concat!($base, ".issuer.province"), "list(string)", $at, "the issuer's provinces"),
            $crate::vocabulary::Declared::new(concat!($base, ".issuer.street_address"), "list(string)", $at, "the issuer's streets"),
            $crate::vocabulary::Declared::new(concat!($base, ".san"), "string", $at, "all alternative names of the subject"),
            $crate::vocabulary::Declared::new(concat!($base, ".san.dns_names"), "list(string)", $at, "alternative DNS names"),
            $crate::vocabulary::Declared::new(concat!($base, ".san.email_addresses"), "list(string)", $at, "alternative e-mail addresses"),
            $crate::vocabulary::Declared::new(concat!($base, ".san.ip_addresses"), "list(string)", $at, "alternative addresses"),
            $crate::vocabulary::Declared::new(concat!($base, ".san.uris"), "list(string)", $at, "alternative URIs"),
            $crate::vocabulary::Declared::new(concat!($base, ".serial_number"), "string", $at, "the serial number, in hexadecimal"),
            $crate::vocabulary::Declared::new(concat!($base, ".signature_algorithm"), "string", $at, "the algorithm of the signature"),
            $crate::vocabulary::Declared::new(concat!($base, ".subject"), "string", $at, "whom the certificate is for, as RFC 2253 writes it"),
            $crate::vocabulary::Declared::new(concat!($base, ".subject.common_name"), "string", $at, "the subject's common name"),
            $crate::vocabulary::Declared::new(concat!($base, ".subject.country"), "list(string)", $at, "the subject's countries"),
            $crate::vocabulary::Declared::new(concat!($base, ".subject.locality"), "list(string)", $at, "the subject's localities"),
            $crate::vocabulary::Declared::new(concat!($base, ".subject.organization"), "list(string)", $at, "the subject's organisations"),
            $crate::vocabulary::Declared::new(concat!($base, ".subject.organizational_unit"), "list(string)", $at, "the subject's units"),
            $crate::vocabulary::Declared::new(concat!($base, ".subject.postal_code"), "list(string)", $at, "the subject's postal codes"),
            $crate::vocabulary::Declared::new(concat!($base, ".subject.province"), "list(string)", $at, "the subject's provinces"),
            $crate::vocabulary::Declared::new(concat!($base, ".subject.street_address"), "list(string)", $at, "the subject's streets"),
            $crate::vocabulary::Declared::new(concat!($base, ".validity.not_after"), "timestamp", $at, "when the certificate expires"),
            $crate::vocabulary::Declared::new(concat!($base, ".validity.not_before"), "timestamp", $at, "from when on the certificate is valid"),
        ]
    };
}
pub(crate) use certificate;

/// What a TLS handshake settles.
macro_rules! handshake {
    ($base:literal, $at:expr $(, $extra:expr)* $(,)?) => {
        &[
            $crate::vocabulary::Declared::new(concat!($base, ".cipher_suite"), "string", $at, "the cipher suite of the connection"),
            $crate::vocabulary::Declared::new(concat!($base, ".ja4_fingerprint"), "string", $at, "the JA4 fingerprint of the client"),
            $crate::vocabulary::Declared::new(concat!($base, ".negotiated_alpn"), "string", $at, "the protocol agreed on by ALPN"),
            $crate::vocabulary::Declared::new(concat!($base, ".sni"), "string", $at, "the server name the client asked for").meaning($crate::cel::Meaning::Name),
            $crate::vocabulary::Declared::new(concat!($base, ".version"), "string", $at, "the version of TLS, such as `1.3`"),
            $crate::vocabulary::Declared::new(concat!($base, ".session_resumed"), "bool", $at, "true if an earlier session was resumed"),
            $($extra,)*
        ]
    };
}
pub(crate) use handshake;
