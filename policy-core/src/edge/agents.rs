//! What `edge.yml` says about agents: where they connect, and the ports they may open.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::read::EdgeReader;
use crate::actions::check_lists;
use crate::diagnostic::{Severity, shorten};
use crate::lpm::Restriction;
use crate::parse::{NodeKind, NodeRef};
use crate::reader::{Keys, head};
use crate::schema::{CidrItem, Context, Field, Items, Network};
use crate::settings::PRIVATE_KEY;
use crate::source::{Span, Spanned};
use crate::url::{normal_host, port_number};

/// Names that fit into one certificate.
const MAX_NAMES: usize = 100;

static ALLOW: Field<Items<Network>> =
    Field::optional("allow", Items::of(Network), "Where agents may connect from.");
static DENY: Field<Items<Network>> =
    Field::optional("deny", Items::of(Network), "Where they may not; it wins over `allow`.");

/// Where agents connect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentListener {
    /// Where it listens.
    pub listen: Spanned<SocketAddr>,
    /// What agents call the edge: DNS names in lower case and addresses without brackets, at least one.
    pub names: Vec<Box<str>>,
    /// The certificate it shows; without it the edge makes one under an authority of its own.
    pub tls: Option<CertificateFiles>,
    /// Where agents may connect from; without it from everywhere.
    pub restrict_ips: Option<Restriction>,
    /// Where the policies that agents bring may forward to.
    pub policies_forward: PoliciesForward,
}

/// Where the policies that agents bring may forward to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoliciesForward {
    /// To endpoints that the agent's authtoken may bind.
    #[default]
    Bindable,
    /// To every internal endpoint: the edge trusts whoever has an authtoken.
    Any,
}

/// A certificate and its key, as PEM files; relative to the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFiles {
    /// The certificate, followed by those between it and an authority.
    pub certificate: Box<str>,
    /// Its key.
    pub private_key: Box<str>,
}

/// Keys of `agents`.
pub(crate) const AGENTS_KEYS: &[&str] = &["listen", "names", "tls", "restrict_ips", "policies_forward"];

impl<'d> EdgeReader<'_, 'd> {
    /// Reads `agents`.
    pub(super) fn agents(&self, node: NodeRef<'d>) -> Option<AgentListener> {
        let reader = self.reader;
        let fields = reader.map(node, "`agents`", Keys::of(AGENTS_KEYS))?;
        let owner = ("`agents`", head(node));
        let listen = fields.required(reader, "listen", owner, "listen: \"0.0.0.0:4443\"");
        let listen = listen.and_then(|node| self.listen(node));
        let names = fields.required(reader, "names", owner, "names: [edge.example.com]");
        let names = names.and_then(|node| self.names(node));
        let tls = fields.get("tls").map(|node| self.certificate_files(node));
        let restriction = fields.get("restrict_ips").map(|node| self.restriction(node));
        let forward = fields.get("policies_forward").and_then(|node| self.policies_forward(node));
        Some(AgentListener {
            listen: listen?,
            names: names?,
            tls: tls.map_or(Some(None), |it| it.map(Some))?,
            restrict_ips: restriction.map_or(Some(None), |it| it.map(Some))?,
            policies_forward: forward.unwrap_or_default(),
        })
    }

    fn policies_forward(&self, node: NodeRef<'d>) -> Option<PoliciesForward> {
        let text = self.reader.text(node, "`policies_forward`")?;
        match text.value {
            "bindable" => Some(PoliciesForward::Bindable),
            "any" => Some(PoliciesForward::Any),
            other => {
                let message = format!("unknown value `{}` of `policies_forward`", shorten(other));
                self.reader.invalid(text.span, message, "write `bindable` or `any`");
                None
            }
        }
    }

    /// Reads the sources that are permitted, by the rules of the action of that name.
    fn restriction(&self, node: NodeRef<'d>) -> Option<Restriction> {
        let fields = self.reader.map(node, "`restrict_ips`", Keys::of(&["allow", "deny"]))?;
        let cx = Context { reader: self.reader, place: None, owner: ("`restrict_ips`", head(node)) };
        let (allow, deny) = (cx.optional(&fields, &ALLOW), cx.optional(&fields, &DENY));
        let (allow, deny) = (allow?.unwrap_or_default(), deny?.unwrap_or_default());
        let networks = |items: &[CidrItem]| items.iter().map(|item| item.value).collect::<Vec<_>>();
        let (allow, deny) = (networks(&allow), networks(&deny));
        let at = fields.field("allow").map_or(cx.owner.1, |field| field.span);
        let (allowed, denied) = (allow.iter().copied(), deny.iter().copied());
        let nothing = if self.reader.options().serving { Severity::Warning } else { Severity::Error };
        check_lists(allowed, denied, (true, nothing), at, self.reader);
        let built = Restriction::build(allow, deny);
        built.map_err(|error| self.reader.invalid(at, error.to_string(), "shorten the lists")).ok()
    }

    pub(super) fn names(&self, node: NodeRef<'d>) -> Option<Vec<Box<str>>> {
        const HELP: &str = "write the names and addresses that agents connect to, e.g. `[edge.example.com]`";
        let items = self.reader.list(node, "`names`")?;
        if items.is_empty() || items.len() > MAX_NAMES {
            let message = format!("`names` has {} entries and needs 1 to {MAX_NAMES}", items.len());
            self.reader.invalid(head(node), message, HELP);
            return None;
        }
        let read = |node| {
            let text = self.reader.text(node, "a name of the edge")?;
            let name = server_name(text.value);
            if name.is_none() {
                let message =
                    format!("`{}` is not a name or address of the edge", self.reader.shown_address(text));
                self.reader.invalid(text.span, message, HELP);
            }
            Some((name?, text.span))
        };
        let count = items.len();
        let names: Vec<(Box<str>, Span)> = items.into_iter().filter_map(read).collect();
        self.unique("name of the edge", names.iter().cloned());
        (names.len() == count).then(|| names.into_iter().map(|(name, _)| name).collect())
    }

    pub(super) fn certificate_files(&self, node: NodeRef<'d>) -> Option<CertificateFiles> {
        const KEYS: Keys = Keys::of(&["certificate", PRIVATE_KEY]);
        let fields = self.reader.map(node, "`tls`", KEYS)?;
        let owner = ("`tls`", head(node));
        let path = |key: &str, example: &str| {
            let node = fields.required(self.reader, key, owner, example)?;
            self.path(node, &format!("`{key}`"))
        };
        let certificate = path("certificate", "certificate: edge.pem");
        let private_key = path(PRIVATE_KEY, "private_key: edge.key");
        Some(CertificateFiles { certificate: certificate?, private_key: private_key? })
    }

    /// A path. What is none may be a key that was pasted: it is not repeated.
    pub(super) fn path(&self, node: NodeRef<'d>, what: &str) -> Option<Box<str>> {
        let text = self.reader.text(node, what)?;
        let path = !text.value.is_empty() && !text.value.contains(['\n', '\r', '\0']);
        if !path || text.value.contains("-----BEGIN") {
            self.reader.invalid(head(node), format!("{what} is not a path"), "write the path of a file");
            return None;
        }
        Some(text.value.into())
    }

    /// Reads `public_tcp_listen`: an address, or a list of them.
    pub(super) fn public_tcp_listen(&self, node: NodeRef<'d>) -> Vec<IpAddr> {
        const HELP: &str = "write addresses of this machine without a port, e.g. `\"::\"` or `203.0.113.5`";
        let items: Vec<NodeRef<'d>> = match node.kind() {
            NodeKind::Sequence(items) => items.iter().collect(),
            NodeKind::Scalar(_) | NodeKind::Mapping(_) => vec![node],
        };
        if items.is_empty() || items.len() > MAX_PUBLIC_ADDRESSES {
            let message = format!(
                "`public_tcp_listen` has {} addresses and needs 1 to {MAX_PUBLIC_ADDRESSES}",
                items.len()
            );
            self.reader.invalid(head(node), message, HELP);
            return Vec::new();
        }
        let read = |node| {
            let text = self.reader.text(node, "an address")?;
            let bare = text.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let address = bare.unwrap_or(text.value).parse::<IpAddr>().ok();
            if address.is_none() {
                self.reader.invalid(
                    text.span,
                    format!("`{}` is not an address", self.reader.shown_address(text)),
                    HELP,
                );
            }
            Some(Spanned::new(address?.to_canonical(), text.span))
        };
        let addresses: Vec<Spanned<IpAddr>> = items.into_iter().filter_map(read).collect();
        self.check_public_addresses(&addresses);
        addresses.into_iter().map(|it| it.value).collect()
    }

    /// Reads `public_tcp_ports`.
    pub(super) fn public_tcp_ports(&self, node: NodeRef<'d>) -> Option<RangeInclusive<u16>> {
        let text = self.reader.text(node, "`public_tcp_ports`")?;
        let ports = port_range(text.value);
        if ports.is_none() {
            let message = format!("`{}` is not a range of ports", shorten(text.value));
            let help = "write the first and the last one, from 1 to 65535, e.g. `20000-20999`";
            self.reader.invalid(text.span, message, help);
        }
        ports
    }
}

/// Addresses that public endpoints may listen on: each of their ports is a socket for each.
const MAX_PUBLIC_ADDRESSES: usize = 8;

/// `A-B`, or one port.
fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port_number(first.trim_end())?, port_number(last.trim_start())?);
    (first <= last).then_some(first..=last)
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

#[cfg(test)]
mod tests;
