//! `conn.*`: the connection, its ends, its TLS.
//!
//! Source: ngrok documentation, connection variables, TLS variables and IP intelligence (2026-08-07). Geo
//! data is MaxMind's; latitudes, longitudes and radii are texts.

use super::{Declared, EVERYWHERE, REQUEST, TLS};

/// What is known of an address; the address itself is a text.
macro_rules! address {
    ($base:literal, $whose:literal) => {
        &[
            Declared::new(
                $base,
                "string",
                EVERYWHERE,
                concat!("the address of the ", $whose, " in canonical form"),
            ),
            Declared::new(
                concat!($base, ".categories"),
                "list(string)",
                EVERYWHERE,
                "the categories the address belongs to, with every dotted prefix",
            ),
            Declared::new(
                concat!($base, ".is_on_blocklist"),
                "bool",
                EVERYWHERE,
                "true if a curated blocklist has the address",
            ),
            Declared::new(concat!($base, ".is_tor_node"), "bool", EVERYWHERE, "true for an exit node of Tor"),
            Declared::new(
                concat!($base, ".as.number"),
                "int",
                EVERYWHERE,
                "the number of the autonomous system",
            ),
            Declared::new(
                concat!($base, ".as.organization"),
                "string",
                EVERYWHERE,
                "who runs the autonomous system",
            ),
            Declared::new(
                concat!($base, ".geo.location.city"),
                "string",
                EVERYWHERE,
                "the city where the address is",
            ),
            Declared::new(
                concat!($base, ".geo.location.continent"),
                "string",
                EVERYWHERE,
                "the continent where the address is",
            ),
            Declared::new(
                concat!($base, ".geo.location.country"),
                "string",
                EVERYWHERE,
                "the country where the address is",
            ),
            Declared::new(
                concat!($base, ".geo.location.country_code"),
                "string",
                EVERYWHERE,
                "the country's code in two letters",
            ),
            Declared::new(
                concat!($base, ".geo.location.is_eu"),
                "bool",
                EVERYWHERE,
                "true in the European Union",
            ),
            Declared::new(
                concat!($base, ".geo.location.latitude"),
                "string",
                EVERYWHERE,
                "the latitude, as text",
            ),
            Declared::new(
                concat!($base, ".geo.location.longitude"),
                "string",
                EVERYWHERE,
                "the longitude, as text",
            ),
            Declared::new(
                concat!($base, ".geo.location.metro_code"),
                "string",
                EVERYWHERE,
                "the code of the metropolitan area",
            ),
            Declared::new(
                concat!($base, ".geo.location.postal_code"),
                "string",
                EVERYWHERE,
                "the postal code",
            ),
            Declared::new(
                concat!($base, ".geo.location.radius"),
                "string",
                EVERYWHERE,
                "how exact the place is, in kilometres, as text",
            ),
            Declared::new(
                concat!($base, ".geo.location.subdivision"),
                "string",
                EVERYWHERE,
                "the state or province",
            ),
            Declared::new(
                concat!($base, ".geo.location.timezone"),
                "string",
                EVERYWHERE,
                "the time zone, by its IANA name",
            ),
            Declared::new(
                concat!($base, ".geo.registered_location.city"),
                "string",
                EVERYWHERE,
                "the city the address is registered in",
            ),
            Declared::new(
                concat!($base, ".geo.registered_location.continent"),
                "string",
                EVERYWHERE,
                "the continent the address is registered in",
            ),
            Declared::new(
                concat!($base, ".geo.registered_location.country"),
                "string",
                EVERYWHERE,
                "the country the address is registered in",
            ),
            Declared::new(
                concat!($base, ".geo.registered_location.country_code"),
                "string",
                EVERYWHERE,
                "that country's code in two letters",
            ),
            Declared::new(
                concat!($base, ".geo.registered_location.is_eu"),
                "bool",
                EVERYWHERE,
                "true if registered in the European Union",
            ),
            Declared::new(
                concat!($base, ".geo.registered_location.metro_code"),
                "string",
                EVERYWHERE,
                "the code of that metropolitan area",
            ),
            Declared::new(
                concat!($base, ".geo.registered_location.subdivision"),
                "string",
                EVERYWHERE,
                "that state or province",
            ),
            Declared::new(
                concat!($base, ".geo.registered_location.timezone"),
                "string",
                EVERYWHERE,
                "that time zone, by its IANA name",
            ),
        ]
    };
}

pub(super) static CLIENT_IP: &[Declared] = address!("conn.client_ip", "client");
pub(super) static SERVER_IP: &[Declared] = address!("conn.server_ip", "endpoint");

/// The names in a certificate's subject or issuer.
macro_rules! certificate {
    ($base:literal, $whose:literal $(, $extra:expr)*) => {
        &[
            $($extra,)*
            Declared::new(concat!($base, ".extensions"), "list(Extension)", TLS, concat!("the extensions of the ", $whose, " certificate")),
            Declared::new(concat!($base, ".issuer"), "string", TLS, "who issued the certificate, as RFC 2253 writes it"),
            Declared::new(concat!($base, ".issuer.common_name"), "string", TLS, "the issuer's common name"),
            Declared::new(concat!($base, ".issuer.country"), "list(string)", TLS, "the issuer's countries"),
            Declared::new(concat!($base, ".issuer.locality"), "list(string)", TLS, "the issuer's localities"),
            Declared::new(concat!($base, ".issuer.organization"), "list(string)", TLS, "the issuer's organisations"),
            Declared::new(concat!($base, ".issuer.organizational_unit"), "list(string)", TLS, "the issuer's units"),
            Declared::new(concat!($base, ".issuer.postal_code"), "list(string)", TLS, "the issuer's postal codes"),
            Declared::new(concat!($base, ".issuer.province"), "list(string)", TLS, "the issuer's provinces"),
            Declared::new(concat!($base, ".issuer.street_address"), "list(string)", TLS, "the issuer's streets"),
            Declared::new(concat!($base, ".san"), "string", TLS, "all alternative names of the subject"),
            Declared::new(concat!($base, ".san.dns_names"), "list(string)", TLS, "alternative DNS names"),
            Declared::new(concat!($base, ".san.email_addresses"), "list(string)", TLS, "alternative e-mail addresses"),
            Declared::new(concat!($base, ".san.ip_addresses"), "list(string)", TLS, "alternative addresses"),
            Declared::new(concat!($base, ".san.uris"), "list(string)", TLS, "alternative URIs"),
            Declared::new(concat!($base, ".serial_number"), "string", TLS, "the serial number, in hexadecimal"),
            Declared::new(concat!($base, ".signature_algorithm"), "string", TLS, "the algorithm of the signature"),
            Declared::new(concat!($base, ".subject"), "string", TLS, "whom the certificate is for, as RFC 2253 writes it"),
            Declared::new(concat!($base, ".subject.common_name"), "string", TLS, "the subject's common name"),
            Declared::new(concat!($base, ".subject.country"), "list(string)", TLS, "the subject's countries"),
            Declared::new(concat!($base, ".subject.locality"), "list(string)", TLS, "the subject's localities"),
            Declared::new(concat!($base, ".subject.organization"), "list(string)", TLS, "the subject's organisations"),
            Declared::new(concat!($base, ".subject.organizational_unit"), "list(string)", TLS, "the subject's units"),
            Declared::new(concat!($base, ".subject.postal_code"), "list(string)", TLS, "the subject's postal codes"),
            Declared::new(concat!($base, ".subject.province"), "list(string)", TLS, "the subject's provinces"),
            Declared::new(concat!($base, ".subject.street_address"), "list(string)", TLS, "the subject's streets"),
            Declared::new(concat!($base, ".validity.not_after"), "timestamp", TLS, "when the certificate expires"),
            Declared::new(concat!($base, ".validity.not_before"), "timestamp", TLS, "from when on the certificate is valid"),
        ]
    };
}

pub(super) static CLIENT_CERTIFICATE: &[Declared] = certificate!(
    "conn.tls.client",
    "client's",
    Declared::new("conn.tls.client.pem", "string", TLS, "the client's certificate in PEM")
);
pub(super) static SERVER_CERTIFICATE: &[Declared] = certificate!("conn.tls.server", "endpoint's");

pub(super) static DECLARED: &[Declared] = &[
    Declared::new("conn.client_port", "int", EVERYWHERE, "the port of the client"),
    Declared::new("conn.server_port", "int", EVERYWHERE, "the port of the endpoint"),
    Declared::new(
        "conn.server_region",
        "string",
        EVERYWHERE,
        "the region of the edge that took the connection",
    ),
    Declared::new("conn.ts.start", "timestamp", EVERYWHERE, "when the connection began"),
    Declared::new("conn.bytes_in", "int", REQUEST, "bytes the client has sent"),
    Declared::new("conn.bytes_out", "int", REQUEST, "bytes the client was sent"),
    Declared::new("conn.geo.city", "string", EVERYWHERE, "the client's city"),
    Declared::new("conn.geo.country", "string", EVERYWHERE, "the client's country"),
    Declared::new("conn.geo.country_code", "string", EVERYWHERE, "the client's country in two letters"),
    Declared::new("conn.geo.latitude", "string", EVERYWHERE, "the client's latitude, as text"),
    Declared::new("conn.geo.longitude", "string", EVERYWHERE, "the client's longitude, as text"),
    Declared::new("conn.geo.radius", "string", EVERYWHERE, "how exact the place is, in kilometres, as text"),
    Declared::new("conn.geo.subdivision", "string", EVERYWHERE, "the client's state or province"),
    Declared::new("conn.tls.cipher_suite", "string", TLS, "the cipher suite of the connection"),
    Declared::new("conn.tls.ja4_fingerprint", "string", TLS, "the JA4 fingerprint of the client"),
    Declared::new("conn.tls.negotiated_alpn", "string", TLS, "the protocol agreed on by ALPN"),
    Declared::new("conn.tls.sni", "string", TLS, "the server name the client asked for"),
    Declared::new("conn.tls.version", "string", TLS, "the version of TLS, such as `1.3`"),
    Declared::new("conn.tls.session_resumed", "bool", TLS, "true if an earlier session was resumed"),
    Declared::new("conn.k8s.pod.id", "string", EVERYWHERE, "the id of the pod that connects"),
    Declared::new("conn.k8s.pod.metadata.name", "string", EVERYWHERE, "the name of the pod"),
    Declared::new("conn.k8s.pod.metadata.namespace", "string", EVERYWHERE, "the namespace of the pod"),
    Declared::new(
        "conn.k8s.pod.metadata.annotations",
        "map(string, string)",
        EVERYWHERE,
        "the pod's annotations that begin with `k8s.ngrok.com/`",
    ),
    Declared::new(
        "conn.k8s.pod.metadata.error_code",
        "string",
        EVERYWHERE,
        "why the pod is not known; empty if it is",
    ),
    Declared::new(
        "conn.k8s.pod.metadata.error_message",
        "string",
        EVERYWHERE,
        "the same in words; empty if it is known",
    ),
    Declared::new("Extension.critical", "bool", TLS, "true if the extension must be understood"),
    Declared::new("Extension.id", "string", TLS, "the extension's object identifier"),
    Declared::new("Extension.value", "bytes", TLS, "the extension's value"),
];
