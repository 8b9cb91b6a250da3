//! What the values of `edge.yml` can be: listen addresses, URLs, upstreams, names, ports.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::listeners::check_public_addresses;
use super::{INVALID_LISTEN, INVALID_UPSTREAM, NotServed};
use crate::actions::{no_port, not_internal, too_deep, url_diagnostic};
use crate::compile::not_supported;
use crate::diagnostic::{Diagnostic, shorten};
use crate::parse::{NodeKind, NodeRef};
use crate::reader::head;
use crate::schema::{Context, Field, FilePath, Kind, Record};
use crate::source::Spanned;
use crate::url::{EndpointUrl, HostPort, Scheme, normal_host, port_number};

/// Names that fit into one certificate.
const MAX_NAMES: usize = 100;
/// Addresses that public endpoints may listen on: each of their ports is a socket for each.
const MAX_PUBLIC_ADDRESSES: usize = 8;
/// Files of IP policies that a configuration may name.
const MAX_IP_POLICY_FILES: usize = 16;

/// An address with a port.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListenAddress;

impl Kind for ListenAddress {
    type Value = Spanned<SocketAddr>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let text = cx.reader.text(node, what)?;
        let address = text.value.parse().ok();
        if address.is_none() {
            let message = format!("`{}` is not an address and a port", cx.reader.shown_address(text));
            let help = "write e.g. `\"[::]:20022\"` for all addresses, or `127.0.0.1:20022`";
            cx.reader.report(Diagnostic::new(&INVALID_LISTEN, text.span, message).with_help(help));
        }
        address.map(|address| Spanned::new(address, text.span))
    }

    fn describe(&self) -> String {
        "`address:port`".to_owned()
    }
}

/// The URL of an endpoint that an edge serves: TCP, with a port.
#[derive(Clone, Copy, Debug)]
pub(super) struct TcpUrl {
    /// True if its host has to end in `.internal`.
    pub(super) internal: bool,
}

impl Kind for TcpUrl {
    type Value = Spanned<EndpointUrl>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let (reader, text) = (cx.reader, cx.reader.text(node, what)?);
        let url = match EndpointUrl::parse(text.value) {
            Ok(url) => url,
            Err(error) => {
                reader.report(url_diagnostic(text, &error, reader));
                return None;
            }
        };
        if NotServed::check(url.scheme()).is_err() {
            let what = format!("`{}://` on an edge", url.scheme().name());
            let help = match url.scheme() {
                Scheme::Http | Scheme::Https => {
                    "use a `tcp://` URL; policies for requests are tried by `policy eval` and `policy test`, on an \
                     `ngrok.yml` or a policy by itself"
                }
                Scheme::Tls | Scheme::Tcp => "use a `tcp://` URL",
            };
            reader.report(not_supported(text.span, &what, help));
            return None;
        }
        if url.port().is_none() {
            reader.report(no_port(&url.to_string(), text.span));
            return None;
        }
        let url = Spanned::new(url, text.span);
        if self.internal {
            too_deep(&url).into_iter().for_each(|fault| reader.report(fault));
            if !url.value.is_internal() {
                reader.report(not_internal(&url.value.to_string(), url.span));
                return None;
            }
        }
        Some(url)
    }

    fn describe(&self) -> String {
        match self.internal {
            true => "`tcp://NAME.internal:PORT`, or a wildcard".to_owned(),
            false => "`tcp://HOST:PORT`".to_owned(),
        }
    }
}

static UPSTREAM_URL: Field<UpstreamAddress> =
    Field::required("url", UpstreamAddress, "url: 22", "A port of this machine, or `host:port`.");

/// Where the connections of an internal endpoint go.
pub(super) const UPSTREAM: Record<Spanned<HostPort>> =
    Record { fields: &[&UPSTREAM_URL], ignored: &[], read: |fields, cx| cx.read(fields, &UPSTREAM_URL) };

/// A machine that is dialled.
#[derive(Clone, Copy, Debug)]
struct UpstreamAddress;

impl Kind for UpstreamAddress {
    type Value = Spanned<HostPort>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let text = cx.reader.text(node, what)?;
        let (message, help) = match HostPort::parse(text.value) {
            Err(fault) => (
                format!("`{}` is not an upstream: {fault}", cx.reader.shown_address(text)),
                "write a port such as `22`, or `host:port`",
            ),
            Ok(upstream) if upstream.host.ends_with(".internal") => (
                format!("`{}` names an internal endpoint, not a machine", upstream.host),
                "give the device's address; to pass on to another endpoint, use a policy",
            ),
            Ok(upstream) => return Some(Spanned::new(upstream, text.span)),
        };
        cx.reader.report(Diagnostic::new(&INVALID_UPSTREAM, text.span, message).with_help(help));
        None
    }

    fn describe(&self) -> String {
        "port, or `host:port`".to_owned()
    }
}

/// What clients call the edge: DNS names in lower case and addresses without brackets, at least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerNames;

impl Kind for ServerNames {
    type Value = Vec<Box<str>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        const HELP: &str = "write the names and addresses that agents connect to, e.g. `[edge.example.com]`";
        let items = cx.reader.list(node, what)?;
        if items.is_empty() || items.len() > MAX_NAMES {
            let message = format!("{what} has {} entries and needs 1 to {MAX_NAMES}", items.len());
            cx.invalid(head(node), message, HELP);
            return None;
        }
        let read = |node| {
            let text = cx.reader.text(node, "a name of the edge")?;
            let name = server_name(text.value);
            if name.is_none() {
                let message =
                    format!("`{}` is not a name or address of the edge", cx.reader.shown_address(text));
                cx.invalid(text.span, message, HELP);
            }
            Some(Spanned::new(name?, text.span))
        };
        let count = items.len();
        let names: Vec<Spanned<Box<str>>> = items.into_iter().filter_map(read).collect();
        cx.unique("name of the edge", names.iter().map(|name| (&*name.value, name.span)), true);
        (names.len() == count).then(|| names.into_iter().map(|name| name.value).collect())
    }

    fn describe(&self) -> String {
        format!("list (1 to {MAX_NAMES}) of: DNS name or address")
    }
}

/// What a certificate can be made for: an address, or a DNS name without a wildcard.
fn server_name(text: &str) -> Option<Box<str>> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let address = address.to_canonical();
        return (!address.is_unspecified()).then(|| address.to_string().into());
    }
    let name = normal_host(text).ok()?;
    let label = |label: &str| !label.starts_with(['-', '*', '[']) && !label.ends_with('-');
    // A last part that is a number makes an address of the name for everyone who reads the certificate.
    let number = name.rsplit('.').next().is_some_and(|last| match last.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    });
    (name.split('.').all(label) && !number).then_some(name)
}

/// The items of a list, or the one in its place.
fn one_or_more(node: NodeRef<'_>) -> Vec<NodeRef<'_>> {
    match node.kind() {
        NodeKind::Sequence(items) => items.iter().collect(),
        NodeKind::Scalar(_) | NodeKind::Mapping(_) => vec![node],
    }
}

/// The addresses that public endpoints of agents listen on: one, or a list of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicAddresses;

impl Kind for PublicAddresses {
    type Value = Vec<IpAddr>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        const HELP: &str = "write addresses of this machine without a port, e.g. `\"::\"` or `203.0.113.5`";
        let items = one_or_more(node);
        if items.is_empty() || items.len() > MAX_PUBLIC_ADDRESSES {
            let message =
                format!("{what} has {} addresses and needs 1 to {MAX_PUBLIC_ADDRESSES}", items.len());
            cx.invalid(head(node), message, HELP);
            return None;
        }
        let read = |node| {
            let text = cx.reader.text(node, "an address")?;
            let bare = text.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let address = bare.unwrap_or(text.value).parse::<IpAddr>().ok();
            if address.is_none() {
                let message = format!("`{}` is not an address", cx.reader.shown_address(text));
                cx.invalid(text.span, message, HELP);
            }
            Some(Spanned::new(address?.to_canonical(), text.span))
        };
        let addresses: Vec<Spanned<IpAddr>> = items.into_iter().filter_map(read).collect();
        check_public_addresses(&addresses, cx.reader);
        Some(addresses.into_iter().map(|it| it.value).collect())
    }

    fn describe(&self) -> String {
        format!("address, or a list (1 to {MAX_PUBLIC_ADDRESSES}) of them")
    }
}

/// A range of ports, or one.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortRange;

impl Kind for PortRange {
    type Value = RangeInclusive<u16>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let text = cx.reader.text(node, what)?;
        let ports = port_range(text.value);
        if ports.is_none() {
            let message = format!("`{}` is not a range of ports", shorten(text.value));
            let help = "write the first and the last one, from 1 to 65535, e.g. `20000-20999`";
            cx.invalid(text.span, message, help);
        }
        ports
    }

    fn describe(&self) -> String {
        "`FIRST-LAST`, or one port".to_owned()
    }
}

/// `A-B`, or one port.
fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port_number(first.trim_end())?, port_number(last.trim_start())?);
    (first <= last).then_some(first..=last)
}

/// The files of IP policies: one, or a list of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpPolicyFiles;

impl Kind for IpPolicyFiles {
    type Value = Vec<Spanned<Box<str>>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let items = one_or_more(node);
        if items.len() > MAX_IP_POLICY_FILES {
            let message = format!("{what} has {} files and may have {MAX_IP_POLICY_FILES}", items.len());
            cx.invalid(node.span(), message, "put IP policies into one file");
            return None;
        }
        let read = |node| FilePath.read(node, "a file of IP policies", cx);
        let files: Vec<_> = items.into_iter().filter_map(read).collect();
        cx.unique("file of IP policies", files.iter().map(|it| (&*it.value, it.span)), true);
        Some(files)
    }

    fn describe(&self) -> String {
        format!("path, or a list (up to {MAX_IP_POLICY_FILES}) of them")
    }
}

#[cfg(test)]
mod tests;
