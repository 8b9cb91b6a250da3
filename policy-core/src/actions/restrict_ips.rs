//! `restrict-ips`: admits or refuses by the layer-4 source address.
//!
//! Source: ngrok documentation, restrict-ips (2026-08-07). An address is permitted if at least one allow
//! entry holds it **and** no deny entry does; deny wins whatever its order or length. Without any allow
//! entry nothing is permitted (ERR_NGROK_393). `enforce: false` evaluates and goes on.

mod run;

use std::borrow::Cow;

use ipnetwork::IpNetwork;
use serde_json::{Value, json};

use super::{ActionType, Ends};
use crate::diagnostic::{Diagnostic, Severity, codes, shorten};
use crate::ip_policy::IpPolicy;
use crate::ir::Lowering;
use crate::lpm::{Family, RangeSet, family};
use crate::phase::{Phase, PhaseSet};
use crate::reader::{Fields, Reader};
use crate::run::Execute;
use crate::schema::{
    Boolean, CidrItem, Context, Declared, Field, Items, Literal, NetworkItem, NetworkOrTemplate, Text,
};
use crate::source::{Span, Spanned};
use crate::vocabulary;

codes! {
    static NOTHING_ALLOWED = error("TP434", "nothing-allowed", ERR_NGROK_393).absence();
    static ONE_FAMILY = warning("TP436", "one-address-family").absence();
    pub(crate) static IP_POLICY = error("TP437", "unknown-ip-policy",
        ERR_NGROK_341, ERR_NGROK_1402, ERR_NGROK_1414, ERR_NGROK_2216);
    pub(crate) static NOBODY = warning("TP440", "nobody-comes-through");
}

static ENFORCE: Field<Boolean> =
    Field::default("enforce", Boolean, "true", "`false` evaluates, sets the results and continues.");
static ALLOW: Field<Items<NetworkOrTemplate>> =
    Field::optional("allow", Items::new(NetworkOrTemplate), "Permitted sources; all others are refused.");
static DENY: Field<Items<NetworkOrTemplate>> =
    Field::optional("deny", Items::new(NetworkOrTemplate), "Refused sources; they win over permitted ones.");
static IP_POLICIES: Field<Items<Literal>> = Field::optional(
    "ip_policies",
    Items::new(Literal(64)),
    "IP policies by id, `ipp_…`; their rules are added to both lists.",
);

/// The text of a policy that does nothing else than this action, for lists that come from somewhere else than a policy.
/// It is loaded as any other, which tells what is wrong with the lists.
///
/// ```
/// use policy_core::{actions::restriction_policy, compile::Program};
/// let text = restriction_policy(&["10.0.0.0/8", "2001:db8::/32"], &["10.1.0.0/16"]);
/// assert!(Program::from_policy("IPRestriction", text).is_ok());
/// ```
#[must_use]
pub fn restriction_policy<N: AsRef<str>>(allow: &[N], deny: &[N]) -> String {
    let texts = |networks: &[N]| networks.iter().map(AsRef::as_ref).collect::<Value>();
    let (phase, name) = (Phase::OnTcpConnect.name(), RestrictIps::NAME);
    let config = json!({ALLOW.name(): texts(allow), DENY.name(): texts(deny)});
    json!({phase: [{"actions": [{"type": name, "config": config}]}]}).to_string()
}

/// Admits or refuses by the layer-4 source address.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestrictIps {
    /// False evaluates and goes on.
    pub enforce: bool,
    /// Permitted sources.
    pub allow: Vec<CidrItem>,
    /// Refused sources; they win.
    pub deny: Vec<CidrItem>,
    /// Permitted sources that are known for each connection only.
    pub dynamic_allow: Vec<Text>,
    /// Refused ones likewise.
    pub dynamic_deny: Vec<Text>,
    /// IP policies that are named.
    pub ip_policies: Vec<Spanned<Box<str>>>,
    /// The addresses that it permits with the IP policies that it names, if all of them are known.
    with_policies: Option<RangeSet>,
}

impl ActionType for RestrictIps {
    const NAME: &'static str = "restrict-ips";
    const PHASES: PhaseSet = super::ANY_PHASE;
    const ENDS: Ends = Ends::Refusing("403, or the connection closed");
    const FIELDS: Declared = &[&ENFORCE, &ALLOW, &DENY, &IP_POLICIES];
    const RESULTS: &'static [vocabulary::Declared] = &[
        run::ACTION.declared(),
        run::MATCHED.declared(),
        run::ERROR_CODE.declared(),
        run::ERROR_MESSAGE.declared(),
    ];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/restrict-ips.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let enforce = cx.read(fields, &ENFORCE);
        let (allow, deny) = (cx.optional(fields, &ALLOW), cx.optional(fields, &DENY));
        let named = cx.optional(fields, &IP_POLICIES);
        let (allow, deny) = (allow?.unwrap_or_default(), deny?.unwrap_or_default());
        let ((allow, dynamic_allow), (deny, dynamic_deny)) = (split(allow), split(deny));
        let ip_policies = named?.unwrap_or_default();
        let mut action = Self {
            enforce: enforce?,
            allow,
            deny,
            dynamic_allow,
            dynamic_deny,
            ip_policies,
            with_policies: None,
        };
        let allow_at = fields.field(ALLOW.name()).map_or(cx.owner.1, |field| field.span);
        // What is permitted for some connections only, or by a misspelt field, is not known here.
        let known = action.dynamic_allow.is_empty() && !fields.incomplete;
        let policies = action.look_up(cx);
        if let Some(policies) = policies.as_deref().filter(|_| known) {
            action.check_allow(policies, allow_at, cx);
        }
        if !fields.incomplete {
            action.check_entries(policies.as_deref().unwrap_or_default(), cx);
        }
        let named = policies.filter(|policies| !policies.is_empty());
        action.with_policies = named.map(|policies| action.permitted(&policies));
        Some(action)
    }

    fn enforced(&self) -> bool {
        self.enforce
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.dynamic_allow.iter().chain(&self.dynamic_deny).for_each(each);
    }

    fn lets_through(&self) -> Option<(Cow<'_, RangeSet>, &[CidrItem])> {
        if !self.enforce || !self.dynamic_allow.is_empty() {
            return None;
        }
        let addresses = match self.ip_policies.is_empty() {
            true => Cow::Owned(self.permitted(&[])),
            false => Cow::Borrowed(self.with_policies.as_ref()?),
        };
        Some((addresses, &*self.allow))
    }

    fn open_ip_policies(&self) -> &[Spanned<Box<str>>] {
        &self.ip_policies
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Box<dyn Execute> {
        run::lower(self, lowering)
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut crate::run::Naive<'_>) -> crate::run::NaiveNext {
        run::naive(self, run)
    }
}

/// The entries that are known now, and the others.
fn split(items: Vec<NetworkItem>) -> (Vec<CidrItem>, Vec<Text>) {
    let (mut known, mut dynamic) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        match item {
            NetworkItem::Static(item) => known.push(item),
            NetworkItem::Dynamic(text) => dynamic.push(text),
        }
    }
    (known, dynamic)
}

impl RestrictIps {
    /// The IP policies by their ids; `None` if one is not known, which has been reported.
    fn look_up<'o>(&self, cx: &Context<'o, '_>) -> Option<Vec<&'o IpPolicy>> {
        let Some(known) = &cx.reader.options().ip_policies else {
            if let Some(first) = self.ip_policies.first() {
                let message =
                    format!("the networks of IP policy `{}` are not known here", shorten(&first.value));
                let found = Diagnostic::new(&IP_POLICY, first.span, message).with_severity(Severity::Note);
                cx.reader.report(found.with_help("give the file that has it: `--ip-policies FILE`"));
                return None;
            }
            return Some(Vec::new());
        };
        let mut out = Some(Vec::new());
        for id in &self.ip_policies {
            let found = known.get(&id.value);
            // Where it is about to be served, or may be in a file that cannot be used, the compiler refuses it: an
            // edge then knows which endpoint it is that cannot be served.
            let refused_later = cx.reader.options().serving || known.is_incomplete();
            if found.is_none() && !refused_later && !cx.reader.is_full() {
                let message = format!("unknown IP policy `{}`", shorten(&id.value));
                let help = known.nearest(&id.value).map_or_else(
                    || "add it to the file of IP policies".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                cx.reader.report(Diagnostic::new(&IP_POLICY, id.span, message).with_help(help));
            }
            out = out.zip(found).map(|(mut out, found)| {
                out.push(found);
                out
            });
        }
        out
    }

    /// The addresses that are permitted: allowed and not denied.
    fn permitted(&self, policies: &[&IpPolicy]) -> RangeSet {
        let (allow, deny) = self.listed(policies);
        allow.without(&deny)
    }

    /// The addresses that are allowed, and those that are denied, as far as they are known now.
    fn listed(&self, policies: &[&IpPolicy]) -> (RangeSet, RangeSet) {
        let set = |items: &[CidrItem], of: fn(&IpPolicy) -> &[IpNetwork]| {
            let listed = policies.iter().flat_map(|policy| of(policy));
            RangeSet::from_networks(items.iter().map(|item| item.value).chain(listed.copied()))
        };
        (set(&self.allow, |policy| &policy.allow), set(&self.deny, |policy| &policy.deny))
    }

    /// Allow entries that are denied as a whole, unless all are, which is told of the list.
    fn check_entries(&self, policies: &[&IpPolicy], cx: &Context<'_, '_>) {
        let (allow, deny) = self.listed(policies);
        if deny.is_empty() || allow.without(&deny).is_empty() {
            return;
        }
        for item in self.allow.iter().filter(|item| deny.covers(item.value)) {
            if cx.reader.is_full() {
                return;
            }
            let message =
                format!("`{}` is denied as a whole, and deny wins: this entry admits no address", item.value);
            let found = Diagnostic::new(&NOBODY, item.span, message);
            cx.reader.report(found.with_help("shorten the `deny` list, or remove the entry"));
        }
    }

    fn check_allow(&self, policies: &[&IpPolicy], at: Span, cx: &Context<'_, '_>) {
        let listed = |of: fn(&IpPolicy) -> &[IpNetwork]| policies.iter().flat_map(move |it| of(it)).copied();
        let allow = self.allow.iter().map(|item| item.value).chain(listed(|it| &it.allow));
        let deny = self.deny.iter().map(|item| item.value).chain(listed(|it| &it.deny));
        // Lists of IP policies change without the policy, and one that shrinks only refuses more.
        let changes = !self.ip_policies.is_empty();
        let loads = changes || !self.enforce || cx.reader.options().serving;
        let nothing = if loads { Severity::Warning } else { Severity::Error };
        check_lists(allow, deny, (self.enforce, nothing), at, cx.reader);
    }
}

/// Reports what is odd about allowed and denied networks: nothing is permitted, or one family alone. `nothing` is
/// how bad it is that no network is allowed. That all of them are denied is never an error: to refuse everybody must
/// always be possible.
pub(crate) fn check_lists(
    allow: impl Iterator<Item = IpNetwork> + Clone,
    deny: impl Iterator<Item = IpNetwork> + Clone,
    (enforce, nothing): (bool, Severity),
    at: Span,
    reader: &Reader<'_>,
) {
    let denied = deny.clone().next().is_some();
    let has = |wanted| allow.clone().any(|network| family(&network) == wanted);
    let (v4, v6) = (has(Family::V4), has(Family::V6));
    let permitted = || RangeSet::from_networks(allow.clone()).without(&RangeSet::from_networks(deny.clone()));
    if denied && (v4 || v6) && permitted().is_empty() {
        let what = if enforce { "is refused" } else { "is treated as refused" };
        let message =
            format!("every allowed address is denied as well, and deny wins: every connection {what}");
        let found = Diagnostic::new(&NOTHING_ALLOWED, at, message).with_severity(Severity::Warning);
        let help = "shorten the `deny` list; if nobody may connect, this warning can stay";
        reader.report(found.with_help(help));
        return;
    }
    if !v4 && !v6 {
        let message = match enforce {
            true => "no address is allowed, so every connection is refused",
            false => "no address is allowed, so every connection is treated as refused",
        };
        let help = match denied {
            false => "list the permitted networks under `allow`",
            true => {
                "list the permitted networks under `allow`; only if everybody but the denied may connect, these are \
                 `0.0.0.0/0` and `::/0`"
            }
        };
        let found = Diagnostic::new(&NOTHING_ALLOWED, at, message).with_help(help);
        reader.report(found.with_severity(nothing));
    } else if v4 != v6 {
        let (given, missing) = if v4 { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
        let refused = if enforce { "is refused" } else { "is treated as refused" };
        let message = format!("only {given} addresses are allowed, so every {missing} client {refused}");
        let example = if v4 { "2001:db8::/32" } else { "203.0.113.0/24" };
        reader.report(Diagnostic::new(&ONE_FAMILY, at, message).with_help(format!(
            "add the {missing} networks, e.g. `{example}`; if none may connect, this warning can stay"
        )));
    }
}
