//! `req.*`: the request.
//!
//! Source: ngrok documentation, request variables (2026-08-07). Header names are lower case, their values
//! lists; a missing key is an error.

use crate::cel::Meaning;
use crate::message::Part;
use crate::vocabulary::{Declared, QUERY_PARAMS, REQUEST, REQUEST_COOKIES, REQUEST_HEADERS, tag};

pub(super) static DECLARED: &[Declared] = &[
    Declared::new("req.method", "string", REQUEST, "the method, such as `GET`")
        .tag(tag::message(Part::Method))
        .meaning(Meaning::Method),
    Declared::new("req.host", "string", REQUEST, "the host the request is for")
        .tag(tag::message(Part::Host))
        .meaning(Meaning::Host),
    Declared::new("req.version", "string", REQUEST, "the version, such as `HTTP/2.0`")
        .tag(tag::message(Part::Version)),
    Declared::new("req.location", "string", REQUEST, "the `Location` header")
        .tag(tag::message(Part::RequestLocation)),
    Declared::new("req.content_length", "int", REQUEST, "the length of the body, where it is known")
        .tag(tag::message(Part::RequestLength))
        .optional(),
    Declared::new("req.content_encoding", "list(string)", REQUEST, "the encodings of the body")
        .tag(tag::message(Part::RequestEncoding)),
    Declared::new("req.content_type", "string", REQUEST, "the media type of the body")
        .tag(tag::message(Part::RequestType))
        .meaning(Meaning::MediaType),
    Declared::new(
        "req.content_type.parameters",
        "map(string, string)",
        REQUEST,
        "the parameters of the media type",
    )
    .tag(tag::message(Part::RequestTypeParameters)),
    Declared::new("req.content_type.raw", "string", REQUEST, "the whole `Content-Type` header")
        .tag(tag::message(Part::RequestTypeRaw)),
    REQUEST_COOKIES,
    REQUEST_HEADERS,
    Declared::new(
        "req.trailers",
        "map(string, list(string))",
        REQUEST,
        "the trailers, by name in lower case",
    )
    .tag(tag::message(Part::RequestTrailers))
    .meaning(Meaning::Trailers),
    Declared::new("req.ts.header_received", "timestamp", REQUEST, "when the headers had arrived")
        .tag(tag::message(Part::HeaderReceived)),
    Declared::new("req.ts.body_received", "timestamp", REQUEST, "when the body had arrived")
        .tag(tag::message(Part::BodyReceived))
        .optional(),
    Declared::new("req.url", "string", REQUEST, "the whole URL, normalised")
        .tag(tag::message(Part::Url))
        .meaning(Meaning::RequestUrl),
    Declared::new("req.url.authority", "string", REQUEST, "user, host and port of the URL")
        .tag(tag::message(Part::UrlAuthority)),
    Declared::new("req.url.host", "string", REQUEST, "the host of the URL")
        .tag(tag::message(Part::UrlHost))
        .meaning(Meaning::Name),
    Declared::new("req.url.path", "string", REQUEST, "the path, with its leading slash")
        .tag(tag::message(Part::UrlPath))
        .meaning(Meaning::Path),
    Declared::new("req.url.port", "int", REQUEST, "the port, if the URL gives one")
        .tag(tag::message(Part::UrlPort))
        .meaning(Meaning::Port)
        .optional(),
    Declared::new("req.url.query", "string", REQUEST, "the query, without `?`")
        .tag(tag::message(Part::UrlQuery))
        .meaning(Meaning::Query),
    QUERY_PARAMS,
    Declared::new("req.url.raw", "string", REQUEST, "the URL as it was sent")
        .tag(tag::message(Part::UrlRaw))
        .meaning(Meaning::Url),
    Declared::new("req.url.raw_path", "string", REQUEST, "the path as it was sent")
        .tag(tag::message(Part::UrlRawPath))
        .meaning(Meaning::Path),
    Declared::new("req.url.scheme", "string", REQUEST, "`http` or `https`")
        .tag(tag::message(Part::UrlScheme))
        .meaning(Meaning::Scheme(&["http", "https"])),
    Declared::new("req.url.uri", "string", REQUEST, "path and query")
        .tag(tag::message(Part::UrlUri))
        .meaning(Meaning::PathAndQuery),
    Declared::new("req.url.user_password", "string", REQUEST, "user and password of the URL")
        .tag(tag::message(Part::UrlUserPassword)),
    Declared::new("req.user_agent", "string", REQUEST, "the `User-Agent` header")
        .tag(tag::message(Part::UserAgent)),
    Declared::new("req.user_agent.name", "string", REQUEST, "the name of the program"),
    Declared::new("req.user_agent.version", "string", REQUEST, "the version of the program"),
    Declared::new("req.user_agent.os", "string", REQUEST, "the operating system"),
    Declared::new("req.user_agent.os_version", "string", REQUEST, "the version of the operating system"),
    Declared::new("req.user_agent.device", "string", REQUEST, "the kind of device"),
    Declared::new("req.user_agent.url", "string", REQUEST, "a URL the program gives of itself"),
    Declared::new("req.user_agent.is_mobile", "bool", REQUEST, "true for phones"),
    Declared::new("req.user_agent.is_tablet", "bool", REQUEST, "true for tablets"),
    Declared::new("req.user_agent.is_desktop", "bool", REQUEST, "true for computers"),
    Declared::new("req.user_agent.is_bot", "bool", REQUEST, "true for programs that say they are bots"),
    // A client sends name and value; in a request the others have their zero values.
    Declared::new("Cookie.name", "string", REQUEST, "the name of the cookie"),
    Declared::new("Cookie.value", "string", REQUEST, "the value of the cookie"),
    Declared::new("Cookie.domain", "string", REQUEST, "the domain; empty in a request"),
    Declared::new("Cookie.path", "string", REQUEST, "the path; empty in a request"),
    Declared::new("Cookie.expires", "timestamp", REQUEST, "when the cookie expires; zero in a request"),
    Declared::new("Cookie.max_age", "duration", REQUEST, "how long the cookie lives; zero in a request"),
    Declared::new("Cookie.secure", "bool", REQUEST, "true if only for TLS; false in a request"),
    Declared::new("Cookie.http_only", "bool", REQUEST, "true if hidden from scripts; false in a request"),
    Declared::new("Cookie.same_site", "string", REQUEST, "the `SameSite` attribute; empty in a request"),
    Declared::new(
        "Cookie.unparsed_attributes",
        "list(string)",
        REQUEST,
        "attributes nobody knows; none in a request",
    ),
];
