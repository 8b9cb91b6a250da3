//! What `edge.yml` says about the administration: its socket, and where it is reached over a network.
//!
//! An API key must never travel in clear text: without a certificate the listener stays on loopback.

use std::net::SocketAddr;

use super::kinds::{ListenAddress, ServerNames};
use crate::parse::NodeRef;
use crate::reader::{Fields, head};
use crate::schema::{Context, Declared, Field, FilePath, Part, Record};
use crate::settings::{CERTIFICATE_FILES, CertificateFiles};
use crate::source::Spanned;

/// Where the administration is reached over TCP.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AdminListener {
    /// Where it listens: a loopback address if there is no certificate.
    pub listen: Spanned<SocketAddr>,
    /// What clients call it, beside its own address and the names of loopback: DNS names in lower case and
    /// addresses without brackets; `None` for the names that agents use.
    pub names: Option<Vec<Box<str>>>,
    /// The certificate it shows; without it nothing is encrypted.
    pub tls: Option<CertificateFiles>,
}

/// What `admin` holds.
#[derive(Debug, Default)]
pub(super) struct Administration {
    pub(super) socket: Option<Box<str>>,
    pub(super) listener: Option<AdminListener>,
}

/// `admin`.
pub(super) static ADMIN: Field<Part> =
    Field::optional("admin", Part::map(FIELDS), "The admin API: its socket, and over TCP.");
const FIELDS: Declared = &[&SOCKET, &LISTEN, &NAMES, &TLS];

static SOCKET: Field<FilePath> =
    Field::optional("socket", FilePath, "Its socket; otherwise `admin.sock` in the state folder.");
static LISTEN: Field<ListenAddress> = Field::optional(
    "listen",
    ListenAddress,
    "Where it listens over TCP, with an API key; another address than loopback needs `tls`.",
);
static NAMES: Field<ServerNames> =
    Field::optional("names", ServerNames, "What clients call it; otherwise the names of `agents`.");
static TLS: Field<Record<CertificateFiles>> =
    Field::optional("tls", CERTIFICATE_FILES, "The certificate it shows.");

/// Reads the socket alone, whatever else there is.
pub(super) fn read_socket<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Box<str>> {
    cx.optional(fields, &SOCKET).flatten().map(|path| path.value)
}

/// Reads `admin`; `agents` if the edge has some.
pub(super) fn read_admin<'d>(
    node: NodeRef<'d>,
    agents: bool,
    cx: &Context<'_, 'd>,
) -> Option<Administration> {
    let fields = cx.map(node, "`admin`", FIELDS, &[])?;
    let cx = &cx.with_owner(("`admin`", head(node)));
    let place = |key: &str| fields.get(key).map(head);
    let socket = read_socket(&fields, cx);
    let listen = cx.optional(&fields, &LISTEN);
    let (names, tls) = (cx.optional(&fields, &NAMES), cx.optional(&fields, &TLS));
    let Some(at) = place(LISTEN.name()) else {
        for (key, place) in [NAMES.name(), TLS.name()].map(|key| (key, place(key))) {
            let Some(place) = place else { continue };
            let help = "add e.g. `listen: \"127.0.0.1:4041\"`, or leave it out";
            cx.invalid(place, format!("`{key}` of `admin` has no `listen` that it is for"), help);
        }
        return Some(Administration { socket, listener: None });
    };
    if !agents {
        let help = "add `agents`, or leave out `listen`";
        cx.invalid(at, "`admin` has nothing to do on an edge without `agents`", help);
    }
    let listen = listen??;
    let without = place(TLS.name()).is_none();
    if without && !listen.value.ip().to_canonical().is_loopback() {
        let message =
            format!("`{}` is not a loopback address, and no certificate is configured", listen.value);
        let help = "API keys would travel in clear text: add `tls`, or listen on `127.0.0.1`";
        cx.invalid(listen.span, message, help);
    }
    Some(Administration { socket, listener: Some(AdminListener { listen, names: names?, tls: tls? }) })
}

#[cfg(test)]
mod tests {
    use crate::edge::{EdgeConfig, admin_path, load_edge};
    use crate::source::Source;

    /// Reads a configuration with agents and these lines.
    fn read(more: &str) -> (Option<EdgeConfig>, Vec<String>) {
        let text = format!("version: 1\nagents: {{listen: \"0.0.0.0:4443\", names: [e.example]}}\n{more}\n");
        read_all(&text)
    }

    fn read_all(text: &str) -> (Option<EdgeConfig>, Vec<String>) {
        let source = Source::new("edge.yml", text);
        let (config, found) = load_edge(&source);
        let line = |found: &crate::diagnostic::Diagnostic| {
            format!("{} {} {}", source.position(found.span.start), found.code.id, found.message)
        };
        (config, found.iter().map(line).collect())
    }

    #[test]
    fn the_socket_is_found_where_the_rest_is_wrong() {
        let path = |text: &str| admin_path(&Source::new("edge.yml", text)).map_err(|found| found.errors());
        let is = |text: &str, wanted: &str| assert_eq!(path(text), Ok(wanted.into()), "{text}");
        is("endpoints: broken\nunknown: 1\n", "./state/admin.sock");
        is("{state_dir: /var/lib/edge, admin: {listen: nowhere}}", "/var/lib/edge/admin.sock");
        is("{state_dir: /var/lib/edge, admin: {socket: a.sock}}", "a.sock");
        for wrong in ["- a", "admin: a.sock", "admin: {socket: [a]}", "state_dir: {a: b}", "["] {
            assert!(path(wrong).is_err_and(|errors| errors > 0), "{wrong}");
        }
    }

    #[test]
    fn a_listener_with_its_names_and_certificate() {
        let (config, found) = read(
            "admin: {socket: a.sock, listen: \"[::]:4041\", names: [Admin.example], \
             tls: {certificate: a.pem, private_key: a.key}}",
        );
        assert!(found.is_empty(), "{found:?}");
        let config = config.expect("no errors");
        let listener = config.admin_listener.as_ref().expect("given");
        assert_eq!(listener.listen.value.to_string(), "[::]:4041");
        assert_eq!(listener.names.as_deref(), Some(&["admin.example".into()][..]));
        assert!(listener.tls.is_some() && config.admin_socket.as_deref() == Some("a.sock"));
        let listener = |more: &str| read(more).0.expect("no errors").admin_listener;
        assert!(listener("admin: {listen: \"127.0.0.1:4041\"}").expect("given").names.is_none());
        assert!(listener("admin: {listen: \"[::1]:0\"}").is_some());
        assert!(listener("admin: {socket: a.sock}").is_none());
    }

    #[test]
    fn a_key_travels_no_network_in_clear_text() {
        for open in ["0.0.0.0:4041", "[::]:4041", "192.0.2.1:4041", "[::ffff:192.0.2.1]:4041"] {
            let (config, found) = read(&format!("admin: {{listen: \"{open}\"}}"));
            assert!(config.is_none() && found.len() == 1, "{found:?}");
            assert!(
                found[0].ends_with("is not a loopback address, and no certificate is configured"),
                "{found:?}"
            );
        }
        assert!(read("admin: {listen: \"[::ffff:127.0.0.1]:4041\"}").0.is_some());
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (more, expected) in [
            ("admin: {names: [a]}", "3:16 TP308 `names` of `admin` has no `listen` that it is for"),
            ("admin: {listen: 4041}", "3:17 TP451 `4041` is not an address and a port"),
            (
                "admin: {listen: \"127.0.0.1:4443\"}",
                "3:17 TP453 the listen address `127.0.0.1:4443` is taken",
            ),
            ("admin: {listen: \"127.0.0.1:1\", tls: {}}", "3:37 TP303 `tls` needs `certificate`"),
        ] {
            assert_eq!(read(more).1.first().map(String::as_str), Some(expected));
        }
        let (_, found) = read(
            "admin: {listen: \"127.0.0.1:4041\"}\n\
             internal_endpoints: [{url: \"tcp://d.internal:22\", upstream: {url: 4041}}]",
        );
        assert_eq!(found, ["4:67 TP457 the upstream `localhost:4041` is a listener of this edge"]);
        let (_, found) = read_all(
            "version: 1\nendpoints: [{name: a, url: \"tcp://e:22\", \
             traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}}]\n\
             admin: {listen: \"127.0.0.1:4041\"}\n",
        );
        assert_eq!(found, ["3:17 TP308 `admin` has nothing to do on an edge without `agents`"]);
    }
}
