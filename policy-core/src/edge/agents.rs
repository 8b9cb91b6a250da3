//! What `edge.yml` says about agents: where they connect.

use std::net::SocketAddr;

use super::kinds::{ListenAddress, ServerNames};
use crate::actions::check_lists;
use crate::diagnostic::Severity;
use crate::lpm::Restriction;
use crate::reader::Fields;
use crate::schema::{Choice, CidrItem, Context, Declared, Field, Items, Network, Record};
use crate::settings::{CERTIFICATE_FILES, CertificateFiles};
use crate::source::Spanned;

static LISTEN: Field<ListenAddress> =
    Field::required("listen", ListenAddress, "listen: \"0.0.0.0:4443\"", "Where it listens.");
static NAMES: Field<ServerNames> = Field::required(
    "names",
    ServerNames,
    "names: [edge.example.com]",
    "The names and addresses that agents connect to.",
);
static TLS: Field<Record<CertificateFiles>> = Field::optional(
    "tls",
    CERTIFICATE_FILES,
    "The certificate it shows; otherwise the edge issues one from its own CA.",
);
static ALLOW: Field<Items<Network>> =
    Field::optional("allow", Items::new(Network), "Where agents may connect from.");
static DENY: Field<Items<Network>> =
    Field::optional("deny", Items::new(Network), "Where they may not; it wins over `allow`.");
static RESTRICT_IPS: Field<Record<Restriction>> = Field::optional(
    "restrict_ips",
    Record { fields: &[&ALLOW, &DENY], ignored: &[], read: restriction },
    "Where agents may come from; otherwise everywhere.",
);
static POLICIES_FORWARD: Field<Choice<PoliciesForward>> = Field::default(
    "policies_forward",
    Choice { of: &[("bindable", PoliciesForward::Bindable), ("any", PoliciesForward::Any)] },
    "bindable",
    "Where the policies that agents bring may forward to.",
);

/// The fields of `agents`.
pub(crate) const AGENTS_FIELDS: Declared = &[&LISTEN, &NAMES, &TLS, &RESTRICT_IPS, &POLICIES_FORWARD];

/// `agents`.
pub(super) static AGENTS: Field<Record<AgentListener>> = Field::optional(
    "agents",
    Record {
        fields: AGENTS_FIELDS,
        ignored: &[],
        read: |fields, cx| {
            let (listen, names) = (cx.read(fields, &LISTEN), cx.read(fields, &NAMES));
            let (tls, restriction) = (cx.optional(fields, &TLS), cx.optional(fields, &RESTRICT_IPS));
            let forward = cx.read(fields, &POLICIES_FORWARD);
            Some(AgentListener {
                listen: listen?,
                names: names?,
                tls: tls?,
                restrict_ips: restriction?,
                policies_forward: forward.unwrap_or_default(),
            })
        },
    },
    "Where agents connect; without it there are none.",
);

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

/// Reads the sources that are permitted, by the rules of the action of that name.
fn restriction<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Restriction> {
    let (allow, deny) = (cx.optional(fields, &ALLOW), cx.optional(fields, &DENY));
    let (allow, deny) = (allow?.unwrap_or_default(), deny?.unwrap_or_default());
    let networks = |items: &[CidrItem]| items.iter().map(|item| item.value).collect::<Vec<_>>();
    let (allow, deny) = (networks(&allow), networks(&deny));
    let at = fields.field(ALLOW.name()).map_or(cx.owner.1, |field| field.span);
    let (allowed, denied) = (allow.iter().copied(), deny.iter().copied());
    let nothing = if cx.reader.options().serving { Severity::Warning } else { Severity::Error };
    check_lists(allowed, denied, (true, nothing), at, cx.reader);
    let built = Restriction::build(allow, deny);
    built.map_err(|error| cx.invalid(at, error.to_string(), "shorten the lists")).ok()
}

#[cfg(test)]
mod tests;
