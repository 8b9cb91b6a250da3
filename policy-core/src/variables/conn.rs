//! `conn.*`: the connection, its ends, its TLS.
//!
//! Source: ngrok documentation, connection variables, TLS variables and IP intelligence (2026-08-07). Geo
//! data is MaxMind's; latitudes, longitudes and radii are texts.

use crate::cel::{Meaning, Role};
use crate::vocabulary::{Declared, EVERYWHERE, PODS, TLS, WITH_REQUEST, certificate, handshake, tag};

/// What is known of an address; the address itself is a text.
macro_rules! address {
    ($base:literal, $whose:literal, $role:expr, $tag:expr) => {
        &[
            Declared::new(
                $base,
                "string",
                EVERYWHERE,
                concat!("the address of the ", $whose, " in canonical form"),
            )
            .meaning(Meaning::Address)
            .role($role)
            .tag($tag),
            Declared::new(
                concat!($base, ".categories"),
                "list(string)",
                EVERYWHERE,
                "the categories the address belongs to, with every dotted prefix",
            )
            .meaning(Meaning::Categories),
            Declared::new(
                concat!($base, ".is_on_blocklist"),
                "bool",
                EVERYWHERE,
                "true if a curated blocklist has the address",
            )
            .meaning(Meaning::IsOnBlocklist),
            Declared::new(concat!($base, ".is_tor_node"), "bool", EVERYWHERE, "true for an exit node of Tor")
                .meaning(Meaning::IsTorNode),
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
            )
            .meaning(Meaning::Country),
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
                "the latitude, as a string",
            )
            .meaning(Meaning::Coordinate),
            Declared::new(
                concat!($base, ".geo.location.longitude"),
                "string",
                EVERYWHERE,
                "the longitude, as a string",
            )
            .meaning(Meaning::Coordinate),
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
                "how exact the place is, in kilometres, as a string",
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
            )
            .meaning(Meaning::Country),
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

pub(super) static CLIENT_IP: &[Declared] = address!("conn.client_ip", "client", Role::Client, tag::CLIENT_IP);
pub(super) static SERVER_IP: &[Declared] =
    address!("conn.server_ip", "endpoint", Role::Plain, tag::SERVER_IP);

pub(super) static CLIENT_CERTIFICATE: &[Declared] = certificate!(
    "conn.tls.client",
    "client's",
    TLS,
    Declared::new("conn.tls.client.pem", "string", TLS, "the client's certificate in PEM")
);
pub(super) static SERVER_CERTIFICATE: &[Declared] = certificate!("conn.tls.server", "endpoint's", TLS);
pub(super) static HANDSHAKE: &[Declared] = handshake!("conn.tls", TLS);

pub(super) static DECLARED: &[Declared] = &[
    Declared::new("conn.client_port", "int", EVERYWHERE, "the port of the client")
        .meaning(Meaning::Port)
        .tag(tag::CLIENT_PORT),
    Declared::new("conn.server_port", "int", EVERYWHERE, "the port of the endpoint")
        .meaning(Meaning::Port)
        .tag(tag::SERVER_PORT),
    Declared::new(
        "conn.server_region",
        "string",
        EVERYWHERE,
        "the region of the edge that took the connection",
    )
    .meaning(Meaning::Name),
    Declared::new("conn.ts.start", "timestamp", EVERYWHERE, "when the connection began").tag(tag::STARTED),
    Declared::new("conn.bytes_in", "int", WITH_REQUEST, "bytes the client has sent"),
    Declared::new("conn.bytes_out", "int", WITH_REQUEST, "bytes the client was sent"),
    Declared::new("conn.geo.city", "string", EVERYWHERE, "the client's city"),
    Declared::new("conn.geo.country", "string", EVERYWHERE, "the client's country"),
    Declared::new("conn.geo.country_code", "string", EVERYWHERE, "the client's country in two letters")
        .meaning(Meaning::Country),
    Declared::new("conn.geo.latitude", "string", EVERYWHERE, "the client's latitude, as a string")
        .meaning(Meaning::Coordinate),
    Declared::new("conn.geo.longitude", "string", EVERYWHERE, "the client's longitude, as a string")
        .meaning(Meaning::Coordinate),
    Declared::new(
        "conn.geo.radius",
        "string",
        EVERYWHERE,
        "how exact the place is, in kilometres, as a string",
    ),
    Declared::new("conn.geo.subdivision", "string", EVERYWHERE, "the client's state or province"),
    Declared::new("conn.k8s.pod.id", "string", PODS, "the id of the pod that connects"),
    Declared::new("conn.k8s.pod.metadata.name", "string", PODS, "the name of the pod"),
    Declared::new("conn.k8s.pod.metadata.namespace", "string", PODS, "the namespace of the pod"),
    Declared::new(
        "conn.k8s.pod.metadata.annotations",
        "map(string, string)",
        PODS,
        "the pod's annotations that begin with `k8s.ngrok.com/`",
    ),
    Declared::new(
        "conn.k8s.pod.metadata.error_code",
        "string",
        PODS,
        "why the pod is not known; empty if it is",
    ),
    Declared::new(
        "conn.k8s.pod.metadata.error_message",
        "string",
        PODS,
        "the same in words; empty if it is known",
    ),
    Declared::new("Extension.critical", "bool", TLS, "true if the extension must be understood"),
    Declared::new("Extension.id", "string", TLS, "the extension's object identifier"),
    Declared::new("Extension.value", "bytes", TLS, "the extension's value"),
];
