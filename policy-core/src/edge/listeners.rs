//! Listeners that `edge.yml` gives: each address only once, and never the edge's own upstream.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{EdgeConfig, UPSTREAM_LOOP};
use crate::diagnostic::Diagnostic;
use crate::reader::{DUPLICATE, Reader};
use crate::source::{Span, Spanned};

/// An address can have only one listener.
pub(super) fn check_listeners(config: &EdgeConfig, reader: &Reader<'_>) {
    let mut ports: HashMap<u16, Listeners> = HashMap::new();
    for listen in listeners(config) {
        // Port 0 asks for any free port.
        if listen.value.port() == 0 {
            continue;
        }
        let first = ports.entry(listen.value.port()).or_default().add(listen.value.ip(), listen.span);
        if let Some(first) = first {
            let message = format!("the listen address `{}` is taken", listen.value);
            reader.report(
                Diagnostic::new(&DUPLICATE, listen.span, message)
                    .with_label(first, "taken here")
                    .with_help("use another port, or two different addresses of this machine"),
            );
        }
    }
}

/// An upstream that is one of our own listeners would feed the edge its own connections.
pub(super) fn check_loops(config: &EdgeConfig, reader: &Reader<'_>) {
    let mut own: HashMap<u16, Own> = HashMap::new();
    for (at, listener) in listeners(config).enumerate() {
        own.entry(listener.value.port()).or_default().add(listener.value.ip(), (at, listener.span));
    }
    for internal in &config.internal_endpoints {
        let upstream = &internal.upstream.value;
        let addresses: Vec<IpAddr> = match &*upstream.host {
            "localhost" => vec![IpAddr::from([127, 0, 0, 1]), IpAddr::V6(Ipv6Addr::LOCALHOST)],
            host => host.parse().map(|address: IpAddr| address.to_canonical()).into_iter().collect(),
        };
        let on_port = own.get(&upstream.port);
        let own = on_port.and_then(|own| addresses.iter().filter_map(|it| own.reached_by(*it)).min());
        if let Some((_, listener)) = own {
            let message = format!("the upstream `{upstream}` is a listener of this edge");
            reader.report(
                Diagnostic::new(&UPSTREAM_LOOP, internal.upstream.span, message)
                    .with_label(listener, "it listens here")
                    .with_help("give the address of the device, or another port"),
            );
        }
    }
}

/// Each port of a public endpoint is taken on all of these addresses.
pub(super) fn check_public_addresses(addresses: &[Spanned<IpAddr>], reader: &Reader<'_>) {
    let mut listeners = Listeners::default();
    for address in addresses {
        if let Some(first) = listeners.add(address.value, address.span) {
            let message = format!("another address takes the ports of `{}` already", address.value);
            reader.report(
                Diagnostic::new(&DUPLICATE, address.span, message)
                    .with_label(first, "this one")
                    .with_help("keep one of them; `::` takes IPv4 as well"),
            );
        }
    }
}

/// A port that agents may be given cannot be a listener's; `place` is where the ports stand.
pub(super) fn check_public_ports(config: &EdgeConfig, place: Option<Span>, reader: &Reader<'_>) {
    let (Some(ports), Some(place)) = (&config.public_tcp_ports, place) else { return };
    for listen in listeners(config).filter(|listen| ports.contains(&listen.value.port())) {
        let message = format!("`public_tcp_ports` holds the port of the listener `{}`", listen.value);
        reader.report(
            Diagnostic::new(&DUPLICATE, place, message)
                .with_label(listen.span, "it listens here")
                .with_help("these ports are for endpoints of agents: move the listener or the range"),
        );
    }
}

/// Every listener of a configuration, the agents' and the administration's last.
fn listeners(config: &EdgeConfig) -> impl Iterator<Item = Spanned<SocketAddr>> {
    let agents = config.agents.iter().map(|agents| agents.listen);
    let admin = config.admin_listener.iter().map(|admin| admin.listen);
    config.endpoints.iter().map(|endpoint| endpoint.listen).chain(agents).chain(admin)
}

/// A listener by its number and place.
type Numbered = (usize, Span);

/// The listeners of a port, by what a connection of this machine reaches.
#[derive(Default)]
struct Own {
    by_address: HashMap<IpAddr, Numbered>,
    unspecified: Option<Numbered>,
    loopback: Option<Numbered>,
}

impl Own {
    fn add(&mut self, address: IpAddr, listener: Numbered) {
        let address = address.to_canonical();
        self.by_address.entry(address).or_insert(listener);
        if address.is_unspecified() {
            self.unspecified = self.unspecified.or(Some(listener));
        }
        if address.is_loopback() {
            self.loopback = self.loopback.or(Some(listener));
        }
    }

    /// The first listener that a connection to an address would reach.
    fn reached_by(&self, address: IpAddr) -> Option<Numbered> {
        let anything = self.unspecified.filter(|_| address.is_loopback() || address.is_unspecified());
        let loopback = self.loopback.filter(|_| address.is_unspecified());
        self.by_address.get(&address).copied().into_iter().chain(anything).chain(loopback).min()
    }
}

/// Who listens on a port.
#[derive(Default)]
struct Listeners {
    by_address: HashMap<IpAddr, Span>,
    first_v4: Option<Span>,
    first: Option<Span>,
}

impl Listeners {
    /// Adds a listener; where one stands that it clashes with. A wildcard takes the port on every address, and
    /// the IPv6 one on IPv4 as well.
    fn add(&mut self, address: IpAddr, span: Span) -> Option<Span> {
        let at = |address: IpAddr| self.by_address.get(&address).copied();
        let clash = match address {
            address if at(address).is_some() => at(address),
            IpAddr::V6(it) if it.is_unspecified() => self.first,
            IpAddr::V4(it) if it.is_unspecified() => {
                self.first_v4.or_else(|| at(Ipv6Addr::UNSPECIFIED.into()))
            }
            IpAddr::V4(_) => at(Ipv4Addr::UNSPECIFIED.into()).or_else(|| at(Ipv6Addr::UNSPECIFIED.into())),
            IpAddr::V6(_) => at(Ipv6Addr::UNSPECIFIED.into()),
        };
        self.by_address.entry(address).or_insert(span);
        self.first = self.first.or(Some(span));
        if address.is_ipv4() {
            self.first_v4 = self.first_v4.or(Some(span));
        }
        clash
    }
}
