//! `restrict-ips`: admits or refuses by the layer-4 source address.
//!
//! Source: ngrok documentation, restrict-ips (2026-08-07). An address is permitted if at least one allow
//! entry holds it **and** no deny entry does; deny wins whatever its order or length. Without any allow
//! entry nothing is permitted (ERR_NGROK_393). `enforce: false` evaluates and goes on.

use super::{ActionType, Site};
use crate::diagnostic::{Code, Diagnostic, Severity, shorten};
use crate::ir::{AddressList, Entries, Entry, Lowering, Op};
use crate::lpm::{CidrError, Family, ParsedCidr, RangeSet, cidr, family};
use crate::parse::NodeRef;
use crate::phase::{Phase, PhaseSet};
use crate::reader::{Fields, Keys, TextRef};
use crate::source::{Span, Spanned};

static INVALID_CIDR: Code = Code::error("TP431", "invalid-cidr").ngrok(&["ERR_NGROK_362", "ERR_NGROK_1406"]);
static BARE_ADDRESS: Code = Code::warning("TP432", "bare-address").ngrok(&["ERR_NGROK_1413"]);
static HOST_BITS: Code = Code::warning("TP433", "host-bits").ngrok(&["ERR_NGROK_1409"]);
static NOTHING_ALLOWED: Code = Code::error("TP434", "nothing-allowed").ngrok(&["ERR_NGROK_393"]).absence();
static ZONE_ID: Code = Code::error("TP435", "zone-id").ngrok(&["ERR_NGROK_1406"]);
static ONE_FAMILY: Code = Code::warning("TP436", "one-address-family").absence();

/// The codes this file raises.
pub(crate) static CODES: &[&Code] =
    &[&INVALID_CIDR, &BARE_ADDRESS, &HOST_BITS, &NOTHING_ALLOWED, &ZONE_ID, &ONE_FAMILY];

/// An entry of a list, readable, with its place.
pub type CidrItem = Spanned<ipnetwork::IpNetwork>;

/// Admits or refuses by the layer-4 source address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestrictIps {
    /// False evaluates and goes on.
    pub enforce: bool,
    /// Permitted sources.
    pub allow: Vec<CidrItem>,
    /// Refused sources; they win.
    pub deny: Vec<CidrItem>,
}

impl ActionType for RestrictIps {
    const NAME: &'static str = "restrict-ips";
    const PHASES: PhaseSet =
        PhaseSet::of(&[Phase::OnTcpConnect, Phase::OnHttpRequest, Phase::OnHttpResponse]);
    const KEYS: Keys = Keys::of(&["enforce", "allow", "deny", "ip_policies"]);

    fn read<'d>(fields: &Fields<'d>, site: &Site<'_, 'd>) -> Option<Self> {
        let reader = site.reader;
        let enforce = fields.get("enforce").map_or(Some(true), |node| reader.boolean(node, "`enforce`"));
        let policies = fields.field("ip_policies");
        if let Some(field) = policies {
            let help = "list the addresses under `allow` and `deny`";
            site.not_supported(field.span, "`ip_policies`", help);
        }
        let list = |key: &str| fields.get(key).map_or(Some(Vec::new()), |node| read_list(node, key, site));
        let (allow, deny) = (list("allow"), list("deny"));
        let action = Self { enforce: enforce?, allow: allow?, deny: deny? };
        let allow_at = fields.field("allow").map_or(site.name, |field| field.span);
        if policies.is_none() {
            action.check_allow(allow_at, site);
        }
        policies.is_none().then_some(action)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        let test = lowering.test(self.permitted());
        let entries = |items: &[CidrItem]| {
            Entries::new(
                items.iter().map(|item| Entry::new(item.value, lowering.position(item.span))).collect(),
            )
        };
        let list = AddressList::new(entries(&self.allow), entries(&self.deny), self.enforce);
        lowering.list(list);
        lowering.emit(Op::Admit { test, enforce: self.enforce });
    }
}

impl RestrictIps {
    /// The addresses that are permitted: allowed and not denied.
    fn permitted(&self) -> RangeSet {
        let set = |items: &[CidrItem]| RangeSet::from_networks(items.iter().map(|item| item.value));
        set(&self.allow).without(&set(&self.deny))
    }

    fn check_allow(&self, at: Span, site: &Site<'_, '_>) {
        if !self.deny.is_empty() && !self.allow.is_empty() && self.permitted().is_empty() {
            let message = "every allowed address is denied as well, and deny wins";
            let severity = if self.enforce { Severity::Error } else { Severity::Warning };
            let found = Diagnostic::new(&NOTHING_ALLOWED, at, message).with_severity(severity);
            site.reader.report(found.with_help("shorten the `deny` list"));
        }
        let has = |wanted| self.allow.iter().any(|item| family(&item.value) == wanted);
        let (v4, v6) = (has(Family::V4), has(Family::V6));
        if !v4 && !v6 {
            let severity = if self.enforce { Severity::Error } else { Severity::Warning };
            let message = match self.enforce {
                true => "no address is allowed, so every connection is refused",
                false => "no address is allowed, so every connection counts as refused",
            };
            let help = match self.deny.is_empty() {
                true => "list the permitted networks under `allow`",
                false => "to permit all but the denied, add `allow: [0.0.0.0/0, \"::/0\"]`",
            };
            site.reader.report(
                Diagnostic::new(&NOTHING_ALLOWED, at, message).with_help(help).with_severity(severity),
            );
        } else if v4 != v6 {
            let (given, missing) = if v4 { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
            let refused = if self.enforce { "is refused" } else { "counts as refused" };
            let message = format!("only {given} addresses are allowed, so every {missing} client {refused}");
            let example = if v4 { "2001:db8::/32" } else { "203.0.113.0/24" };
            site.reader.report(Diagnostic::new(&ONE_FAMILY, at, message).with_help(format!(
                "add the {missing} networks, e.g. `{example}`; if none may connect, this warning can stay"
            )));
        }
    }
}

fn read_list<'d>(node: NodeRef<'d>, key: &str, site: &Site<'_, 'd>) -> Option<Vec<CidrItem>> {
    let items = site.reader.list(node, &format!("`{key}`"))?;
    let mut fine = true;
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        let read = site.template(item, "a list entry").and_then(|text| {
            let entry = report_entry(text, site)?;
            Some(Spanned::new(entry.network, text.span))
        });
        fine &= read.is_some();
        out.extend(read);
    }
    fine.then_some(out)
}

/// Reads one entry and reports what is odd about it.
fn report_entry(text: TextRef<'_>, site: &Site<'_, '_>) -> Option<ParsedCidr> {
    let (word, span) = (shorten(text.value), text.span);
    let entry = match cidr(text.value) {
        Ok(entry) => entry,
        Err(CidrError::Zone) => {
            let message = format!("`{word}` has a zone id, which means nothing to another machine");
            let found = Diagnostic::new(&ZONE_ID, span, message);
            site.reader.report(
                found.with_help("give the global address; a link-local one reaches no other network"),
            );
            return None;
        }
        Err(error) => {
            let message = format!("`{word}` is not a network: {error}");
            let found = Diagnostic::new(&INVALID_CIDR, span, message);
            site.reader.report(found.with_help("write e.g. `203.0.113.0/24` or `2001:db8::/32`"));
            return None;
        }
    };
    if entry.bare {
        let length = if text.value.contains(':') { 128 } else { 32 };
        let fix = format!("{}/{length}", text.value);
        site.reader.report(
            Diagnostic::new(
                &BARE_ADDRESS,
                span,
                format!("`{word}` has no prefix length; it is read as /{length}"),
            )
            .with_help(format!("write `{fix}`"))
            .with_fix_at(true, text.content, fix),
        );
    } else if entry.host_bits {
        let network = entry.network.to_string();
        site.reader.report(
            Diagnostic::new(
                &HOST_BITS,
                span,
                format!("`{word}` has bits set behind its prefix; they are ignored"),
            )
            .with_help(format!("write `{network}`"))
            .with_fix_at(true, text.content, network),
        );
    }
    Some(entry)
}
