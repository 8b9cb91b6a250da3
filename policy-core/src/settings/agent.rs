//! `agent:`: how the agent itself works. Version 2 has the same fields at the top, two of them by older names.
//!
//! Source: ngrok documentation, agent configuration (2026-08-07).

use std::net::IpAddr;
use std::time::Duration;

use super::Secret;
use crate::diagnostic::Diagnostic;
use crate::parse::{NodeKind, NodeRef, Plain};
use crate::reader::{Fields, INVALID_VALUE};
use crate::schema::{
    Boolean, Choice, Context, Declared, DurationField, Field, Integer, Items, Kind, Literal,
};
use crate::source::Spanned;
use crate::url::HostPort;

/// Which authorities sign the certificate of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectCas {
    /// Those the agent knows.
    Trusted,
    /// Those of the machine.
    Host,
    /// Those in a PEM file.
    File(Box<str>),
}

/// Whether there is a display in the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsoleUi {
    /// On a terminal.
    IfTty,
    /// Always.
    On,
    /// Never.
    Off,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogLevel {
    /// Only what ends the agent.
    Crit,
    /// Errors.
    Error,
    /// Warnings.
    Warn,
    /// What happens.
    Info,
    /// Everything.
    Debug,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// For a terminal.
    Term,
    /// `key=value` pairs.
    Logfmt,
    /// JSON lines.
    Json,
}

/// Which releases an agent updates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateChannel {
    /// Releases.
    Stable,
    /// Nightly builds.
    Unstable,
    /// Previews.
    Beta,
}

pub(crate) static AUTHTOKEN: Field<Literal> =
    Field::optional("authtoken", Literal(4_096), "Who the agent is; `NGROK_AUTHTOKEN` wins over it.")
        .secret();
static API_KEY: Field<Literal> =
    Field::optional("api_key", Literal(4_096), "A key of the API; `NGROK_API_KEY` wins over it.").secret();
static CONNECT_URL: Field<Address> = Field::optional(
    "connect_url",
    Address,
    "The service to connect to, `host:port`; otherwise `connect.ngrok-agent.com:443`.",
)
.formerly(&["server_addr"]);
static CONNECT_CAS: Field<Literal> = Field::default(
    "connect_cas",
    Literal(4_096),
    "trusted",
    "The CAs that may sign the service's certificate: `trusted`, `host`, or a PEM file.",
)
.formerly(&["root_cas"]);
static CONNECT_INTERFACE: Field<Literal> = Field::optional(
    "connect_interface",
    Literal(64),
    "The network interface to connect from; on Linux only.",
);
static CONNECT_TIMEOUT: Field<DurationField> =
    Field::default("connect_timeout", DurationField::any().like(10), "10s", "How long connecting may take.");
static CONSOLE_UI: Field<Choice<ConsoleUi>> = Field::default(
    "console_ui",
    Choice { of: &[("iftty", ConsoleUi::IfTty), ("true", ConsoleUi::On), ("false", ConsoleUi::Off)] },
    "iftty",
    "Whether there is a display in the terminal.",
);
static CONSOLE_UI_COLOR: Field<Choice<()>> = Field::default(
    "console_ui_color",
    Choice { of: &[("black", ()), ("transparent", ())] },
    "black",
    "The background of the display.",
);
static CRL_NOVERIFY: Field<Boolean> =
    Field::default("crl_noverify", Boolean, "false", "Does not ask whether certificates were revoked.");
static CRL_URL: Field<Literal> =
    Field::optional("crl_url", Literal(2_048), "Where the list of revoked certificates is asked for.");
static DNS_RESOLVER_IPS: Field<Items<Ip>> = Field::optional(
    "dns_resolver_ips",
    Items::new(Ip),
    "Servers that resolve names, in place of the system's.",
);
static HEARTBEAT_INTERVAL: Field<DurationField> = Field::default(
    "heartbeat_interval",
    DurationField::any().like(10),
    "10s",
    "How often the service is asked for a sign of life.",
);
static HEARTBEAT_TOLERANCE: Field<DurationField> = Field::default(
    "heartbeat_tolerance",
    DurationField::any().like(15),
    "15s",
    "How long its answer may take before the agent connects anew.",
);
static INSPECT_DB_SIZE: Field<Integer> = Field::default(
    "inspect_db_size",
    Integer(-1, 1 << 40),
    "0",
    "Bytes of requests kept for inspection; 0 is 50 MB, -1 keeps none.",
);
static LOG_LEVEL: Field<Choice<LogLevel>> = Field::default(
    "log_level",
    Choice {
        of: &[
            ("crit", LogLevel::Crit),
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
        ],
    },
    "info",
    "How much is logged.",
);
static LOG_FORMAT: Field<Choice<LogFormat>> = Field::default(
    "log_format",
    Choice { of: &[("term", LogFormat::Term), ("logfmt", LogFormat::Logfmt), ("json", LogFormat::Json)] },
    "term",
    "How logs are written.",
);
static LOG: Field<Literal> = Field::default(
    "log",
    Literal(4_096),
    "false",
    "Where logs go: `stdout`, `stderr`, a path, or `false` for nowhere.",
);
static METADATA: Field<Literal> = Field::optional("metadata", Literal(4_096), "Metadata shown in the API.");
static PROXY_URL: Field<ProxyUrl> =
    Field::optional("proxy_url", ProxyUrl, "A proxy to connect through, `http://` or `socks5://`.");
static REMOTE_MANAGEMENT: Field<Boolean> = Field::default(
    "remote_management",
    Boolean,
    "true",
    "Lets the service stop, restart and update the agent.",
);
static UPDATE_CHANNEL: Field<Choice<UpdateChannel>> = Field::default(
    "update_channel",
    Choice {
        of: &[
            ("stable", UpdateChannel::Stable),
            ("unstable", UpdateChannel::Unstable),
            ("beta", UpdateChannel::Beta),
        ],
    },
    "stable",
    "Which releases the agent updates to.",
);
static UPDATE_CHECK: Field<Boolean> =
    Field::default("update_check", Boolean, "true", "Whether the agent looks for updates.");
static WEB_ADDR: Field<WebAddress> = Field::default(
    "web_addr",
    WebAddress,
    "127.0.0.1:4040",
    "Where the status API answers; `false` turns it off.",
);
static WEB_ALLOW_HOSTS: Field<Items<Literal>> = Field::optional(
    "web_allow_hosts",
    Items::new(Literal(253)),
    "Whom it answers, by `Host`: names, `.suffixes`, addresses and networks; otherwise this machine.",
);

/// The fields of `agent`.
pub(crate) const FIELDS: Declared = &[
    &AUTHTOKEN,
    &API_KEY,
    &CONNECT_URL,
    &CONNECT_CAS,
    &CONNECT_INTERFACE,
    &CONNECT_TIMEOUT,
    &CONSOLE_UI,
    &CONSOLE_UI_COLOR,
    &CRL_NOVERIFY,
    &CRL_URL,
    &DNS_RESOLVER_IPS,
    &HEARTBEAT_INTERVAL,
    &HEARTBEAT_TOLERANCE,
    &INSPECT_DB_SIZE,
    &LOG_LEVEL,
    &LOG_FORMAT,
    &LOG,
    &METADATA,
    &PROXY_URL,
    &REMOTE_MANAGEMENT,
    &UPDATE_CHANNEL,
    &UPDATE_CHECK,
    &WEB_ADDR,
    &WEB_ALLOW_HOSTS,
];

/// Fields of `agent` that the changelog names and nothing describes.
pub(crate) const IGNORED: &[(&str, &str)] = &[
    ("tcp_keepalive", "its shape is not documented; it is ignored"),
    ("tcp_keepalive_interval", "its shape is not documented; it is ignored"),
    ("local_storage", "its shape is not documented; it is ignored"),
];

/// How the agent itself works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentSettings {
    /// Who the agent is.
    pub authtoken: Option<Secret>,
    /// A key of the API.
    pub api_key: Option<Secret>,
    /// The service to connect to; ngrok's, if there is none.
    pub connect_url: Option<Spanned<HostPort>>,
    /// Which authorities sign its certificate.
    pub connect_cas: ConnectCas,
    /// The network interface to connect from.
    pub connect_interface: Option<Box<str>>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Whether there is a display in the terminal.
    pub console_ui: ConsoleUi,
    /// True if revocation is not asked for.
    pub crl_noverify: bool,
    /// Where the list of revoked certificates is asked for.
    pub crl_url: Option<Box<str>>,
    /// Servers that resolve names.
    pub dns_resolver_ips: Vec<IpAddr>,
    /// How often the service is asked for a sign of life.
    pub heartbeat_interval: Duration,
    /// How long its answer may take.
    pub heartbeat_tolerance: Duration,
    /// Bytes of requests kept for inspection; 0 is the default of 50 MB, -1 none.
    pub inspect_db_size: i64,
    /// How much is logged.
    pub log_level: LogLevel,
    /// How logs are written.
    pub log_format: LogFormat,
    /// Where logs go: `stdout`, `stderr`, a path; nowhere, if there is none.
    pub log: Option<Box<str>>,
    /// Metadata shown in the API.
    pub metadata: Option<Box<str>>,
    /// A proxy to connect through.
    pub proxy_url: Option<Secret>,
    /// True if the service may stop, restart and update the agent.
    pub remote_management: bool,
    /// Which releases the agent updates to.
    pub update_channel: UpdateChannel,
    /// True if the agent looks for updates.
    pub update_check: bool,
    /// Where the agent's own API answers.
    pub web_addr: Option<Box<str>>,
    /// Whom it answers; this machine, if empty.
    pub web_allow_hosts: Vec<Box<str>>,
}

impl AgentSettings {
    /// Reads the fields that are there; `None` if one is unusable, which has been reported.
    pub(crate) fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let text =
            |field| cx.optional(fields, field).map(|text: Option<Spanned<Box<str>>>| text.map(|it| it.value));
        let secret = |field| text(field).map(|text| text.map(|text| Secret::new(&text)));
        let (authtoken, api_key) = (secret(&AUTHTOKEN), secret(&API_KEY));
        let (connect_url, connect_cas) = (cx.optional(fields, &CONNECT_URL), cx.read(fields, &CONNECT_CAS));
        let (interface, timeout) = (text(&CONNECT_INTERFACE), cx.read(fields, &CONNECT_TIMEOUT));
        let (console, color) = (cx.read(fields, &CONSOLE_UI), cx.read(fields, &CONSOLE_UI_COLOR));
        let (crl, dns) = (cx.read(fields, &CRL_NOVERIFY), cx.optional(fields, &DNS_RESOLVER_IPS));
        let (interval, tolerance) =
            (cx.read(fields, &HEARTBEAT_INTERVAL), cx.read(fields, &HEARTBEAT_TOLERANCE));
        let crl_url = text(&CRL_URL);
        let inspect = cx.read(fields, &INSPECT_DB_SIZE);
        let (level, format) = (cx.read(fields, &LOG_LEVEL), cx.read(fields, &LOG_FORMAT));
        let (log, metadata) = (cx.read(fields, &LOG), text(&METADATA));
        let (proxy, remote) = (cx.optional(fields, &PROXY_URL), cx.read(fields, &REMOTE_MANAGEMENT));
        let (channel, check) = (cx.read(fields, &UPDATE_CHANNEL), cx.read(fields, &UPDATE_CHECK));
        let (web, hosts) = (cx.read(fields, &WEB_ADDR), cx.optional(fields, &WEB_ALLOW_HOSTS));
        color?;
        Some(Self {
            authtoken: authtoken?,
            api_key: api_key?,
            connect_url: connect_url?,
            connect_cas: match &*connect_cas?.value {
                "trusted" => ConnectCas::Trusted,
                "host" => ConnectCas::Host,
                path => ConnectCas::File(path.into()),
            },
            connect_interface: interface?,
            connect_timeout: timeout?,
            console_ui: console?,
            crl_noverify: crl?,
            crl_url: crl_url?,
            dns_resolver_ips: dns?.unwrap_or_default(),
            heartbeat_interval: interval?,
            heartbeat_tolerance: tolerance?,
            inspect_db_size: inspect?,
            log_level: level?,
            log_format: format?,
            log: Some(log?.value).filter(|log| &**log != "false"),
            metadata: metadata?,
            proxy_url: proxy?,
            remote_management: remote?,
            update_channel: channel?,
            update_check: check?,
            web_addr: web?,
            web_allow_hosts: hosts?.unwrap_or_default().into_iter().map(|host| host.value).collect(),
        })
    }
}

/// `host:port`.
#[derive(Clone, Copy, Debug)]
struct Address;

impl Kind for Address {
    type Value = Spanned<HostPort>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let text = cx.reader.text(node, what)?;
        let address = HostPort::parse(text.value).ok().filter(|_| text.value.contains(':'));
        if address.is_none() {
            let message =
                format!("{what} is not an address of a service: `{}`", cx.reader.shown_address(text));
            cx.invalid(text.span, message, "write `host:port`, e.g. `edge.example.com:4443`");
        }
        address.map(|address| Spanned::new(address, text.span))
    }

    fn describe(&self) -> String {
        "`host:port`".to_owned()
    }
}

/// An address without a port.
#[derive(Clone, Copy, Debug)]
struct Ip;

impl Kind for Ip {
    type Value = IpAddr;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<IpAddr> {
        let text = cx.reader.text(node, what)?;
        let address = text.value.parse().ok();
        if address.is_none() {
            let message = format!("{what} is not an address: `{}`", cx.reader.shown_address(text));
            cx.invalid(text.span, message, "write e.g. `192.0.2.53` or `2001:db8::53`");
        }
        address
    }

    fn describe(&self) -> String {
        "an address".to_owned()
    }
}

/// An `http`, `https` or `socks5` URL; it may hold a password.
#[derive(Clone, Copy, Debug)]
struct ProxyUrl;

impl Kind for ProxyUrl {
    type Value = Secret;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Secret> {
        let text = cx.reader.text(node, what)?;
        let known = text
            .value
            .split_once("://")
            .is_some_and(|(scheme, rest)| matches!(scheme, "http" | "https" | "socks5") && !rest.is_empty());
        if !known {
            // It may hold a password: it is not repeated.
            let found = Diagnostic::new(&INVALID_VALUE, text.span, format!("{what} is not a URL of a proxy"));
            cx.reader.report(found.with_help("write `http://host:port` or `socks5://host:port`"));
        }
        known.then(|| Secret::new(text.value))
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "the URL of a proxy".to_owned()
    }
}

/// `host:port`, or `false`.
#[derive(Clone, Copy, Debug)]
struct WebAddress;

impl Kind for WebAddress {
    type Value = Option<Box<str>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        if let NodeKind::Scalar(scalar) = node.kind()
            && Plain::from_scalar(scalar) == Plain::Bool(false)
        {
            return Some(None);
        }
        let text = cx.reader.text(node, what)?;
        let port = text.value.parse().ok().map(|port: u16| port != 0);
        let fine = port.unwrap_or_else(|| HostPort::parse(text.value).is_ok());
        if !fine {
            let message = format!("{what} is not an address: `{}`", cx.reader.shown_address(text));
            cx.invalid(text.span, message, "write e.g. `127.0.0.1:4040`, or `false`");
            return None;
        }
        Some(Some(text.value.into()))
    }

    fn parse_default(&self, text: &'static str) -> Option<Self::Value> {
        Some(Some(text.into()))
    }

    fn describe(&self) -> String {
        "`host:port`, or `false`".to_owned()
    }
}
