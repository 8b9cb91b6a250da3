//! `restrict-ips` as it runs.

use std::fmt;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use super::{CidrItem, RestrictIps};
use crate::cel::Unrendered;
use crate::diagnostic::shorten;
use crate::ip_policy::IpPolicy;
use crate::ir::{AddressList, Decision, Entries, Entry, Lowering};
use crate::lpm::{TestId, cidr};
use crate::ngrok::{self, NgrokCode};
use crate::outcome::Ending;
use crate::run::{AddressVerdict, Execute, HttpRefusal, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::Text;
use crate::vocabulary::{ActionResult, EVERYWHERE};

/// The code of a refusal (ngrok error reference, 2026-08-07: blocked by an IP policy).
const BLOCKED: NgrokCode = ngrok::ERR_NGROK_3203;

/// How a refused request is answered.
const REFUSAL: HttpRefusal = HttpRefusal { status: 403, code: Some(BLOCKED) };

pub(super) const ACTION: ActionResult<String> =
    ActionResult::text("actions.ngrok.restrict_ips.action", EVERYWHERE, "`allow` or `deny`");
pub(super) const MATCHED: ActionResult<String> = ActionResult::text(
    "actions.ngrok.restrict_ips.matched_cidr",
    EVERYWHERE,
    "the deciding entry, a deny entry first; empty if there is none",
);
pub(super) const ERROR_CODE: ActionResult<String> =
    ActionResult::text("actions.ngrok.restrict_ips.error.code", EVERYWHERE, "ngrok's code of the refusal");
pub(super) const ERROR_MESSAGE: ActionResult<String> =
    ActionResult::text("actions.ngrok.restrict_ips.error.message", EVERYWHERE, "the refusal in words");

pub(super) fn lower(action: &RestrictIps, lowering: &mut Lowering<'_>) -> Box<dyn Execute> {
    let known = lowering.ip_policies;
    let mut named = Vec::new();
    for id in &action.ip_policies {
        if let Some(policy) = known.and_then(|known| known.get(&id.value)) {
            named.push((policy, lowering.position(id.span), lowering.ip_policy(policy)));
        }
    }
    let entries = |items: &[CidrItem], of: fn(&IpPolicy) -> &[IpNetwork]| {
        let own = items.iter().map(|item| Entry::new(item.value, lowering.position(item.span)));
        let listed = named.iter().flat_map(|(policy, at, id)| {
            of(policy).iter().map(|it| Entry::new(*it, *at).with_ip_policy(*id))
        });
        Entries::new(own.chain(listed).collect())
    };
    let (allow, deny) = (entries(&action.allow, |it| &it.allow), entries(&action.deny, |it| &it.deny));
    let list = Arc::new(AddressList::new(allow, deny, action.enforce));
    lowering.list(Arc::clone(&list));
    let policies: Vec<_> = named.iter().map(|(policy, ..)| *policy).collect();
    if action.dynamic_allow.is_empty() && action.dynamic_deny.is_empty() {
        let test = lowering.test(action.permitted(&policies));
        return Box::new(FixedLists { test, list });
    }
    let (allow, deny) = action.listed(&policies);
    Box::new(RenderedLists {
        allow: lowering.test(allow),
        deny: lowering.test(deny),
        rendered_allow: action.dynamic_allow.clone().into(),
        rendered_deny: action.dynamic_deny.clone().into(),
        list,
    })
}

/// Lists that are the same for every connection: one test of the address.
#[derive(Debug)]
struct FixedLists {
    test: TestId,
    list: Arc<AddressList>,
}

impl Execute for FixedLists {
    fn refusal(&self) -> HttpRefusal {
        REFUSAL
    }

    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let admitted = run.client.is_in(self.test);
        run.note_address_test(admitted);
        if run.keeps_results {
            let matched = match self.list.decide(run.client_ip()) {
                Decision::Allowed(entry) | Decision::Denied(entry) => Some(entry.network),
                Decision::NotAllowed => None,
            };
            set_results(run, admitted, matched);
        }
        Ok(next(admitted, self.list.enforce))
    }

    fn at_addresses(&self, holds: &dyn Fn(TestId) -> bool) -> Option<AddressVerdict> {
        let admitted = holds(self.test);
        Some(AddressVerdict { admitted, ends: self.list.enforce && !admitted })
    }

    fn tests_client(&self) -> bool {
        true
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(verb(self.list.enforce));
        digest.test(self.test);
        // What it produces names the deciding entry.
        digest.list(&self.list);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} t{}", verb(self.list.enforce), self.test.0)
    }
}

/// Lists of which some entries are known for each connection only.
#[derive(Debug)]
struct RenderedLists {
    /// What is allowed and what is denied whatever the connection.
    allow: TestId,
    deny: TestId,
    rendered_allow: Box<[Text]>,
    rendered_deny: Box<[Text]>,
    list: Arc<AddressList>,
}

impl Execute for RenderedLists {
    fn refusal(&self) -> HttpRefusal {
        REFUSAL
    }

    /// All entries are looked at before the verdict: one that is no network is a fault, whatever the others say.
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let (mut allowed, mut denied) = (run.client.is_in(self.allow), run.client.is_in(self.deny));
        let own_allow = matching(&self.rendered_allow, run)?;
        let own_deny = matching(&self.rendered_deny, run)?;
        allowed |= own_allow.is_some();
        denied |= own_deny.is_some();
        let admitted = allowed && !denied;
        // Of the entries that are always the same, the most specific ones.
        let client = run.client_ip();
        let listed = |entries: &Entries| entries.find(client).map(|entry| entry.network);
        let denied_by = more_specific(listed(&self.list.deny), own_deny);
        let allowed_by = more_specific(listed(&self.list.allow), own_allow);
        run.keep_decision(denied_by, allowed_by);
        run.note_address_test(admitted);
        if run.keeps_results {
            set_results(run, admitted, denied_by.or(allowed_by));
        }
        Ok(next(admitted, self.list.enforce))
    }

    fn tests_client(&self) -> bool {
        true
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.rendered_allow.iter().chain(&self.rendered_deny).for_each(each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(if self.list.enforce { "admit dynamic" } else { "note dynamic" });
        digest.test(self.allow);
        digest.test(self.deny);
        digest.templates(&self.rendered_allow);
        digest.templates(&self.rendered_deny);
        if digest.keeps_results() {
            digest.list(&self.list);
        }
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (allow, deny) = (self.allow.0, self.deny.0);
        write!(f, "{} t{allow} less t{deny}, with entries of the connection", verb(self.list.enforce))
    }
}

const fn verb(enforce: bool) -> &'static str {
    if enforce { "admit" } else { "note" }
}

const fn next(admitted: bool, enforce: bool) -> Next {
    if enforce && !admitted { Next::End(Ending::Denied) } else { Next::GoOn }
}

/// The most specific of some rendered networks that holds the client.
fn matching(entries: &[Text], run: &mut Run<'_>) -> Result<Option<IpNetwork>, Unrendered> {
    let mut best: Option<IpNetwork> = None;
    for entry in entries {
        let text = run.render(&entry.template)?;
        let network = cidr(&text).map_err(|error| {
            Unrendered::unusable(format!("`{}` is not a network: {error}", shorten(&text)))
        })?;
        let matches = network.network.contains(run.client_ip());
        run.note_entry(network.network, matches);
        if matches {
            best = more_specific(best, Some(network.network));
        }
    }
    Ok(best)
}

/// The more specific of two networks.
fn more_specific(one: Option<IpNetwork>, other: Option<IpNetwork>) -> Option<IpNetwork> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.prefix() > one.prefix() { other } else { one }),
        (one, other) => one.or(other),
    }
}

fn set_results(run: &mut Run<'_>, admitted: bool, matched: Option<IpNetwork>) {
    let (action, code, message) = match admitted {
        true => ("allow", None, String::new()),
        false => ("deny", Some(BLOCKED), format!("{} is not permitted", run.client_ip())),
    };
    run.set_result(&ACTION, action);
    run.set_result(&MATCHED, matched.map(|network| network.to_string()).unwrap_or_default());
    run.set_result(&ERROR_CODE, code.map(String::from).unwrap_or_default());
    run.set_result(&ERROR_MESSAGE, message);
}

/// Whether the lists permit the client, entry by entry.
#[cfg(feature = "reference")]
pub(super) fn naive(action: &RestrictIps, run: &mut Naive<'_>) -> NaiveNext {
    use crate::lpm;
    let client = run.client_ip();
    let mut holds = |items: &[CidrItem], rendered: &[Text]| {
        let mut found: Vec<IpNetwork> = items.iter().map(|item| item.value).collect();
        for text in rendered {
            found.push(cidr(run.text(text)?.trim()).ok()?.network);
        }
        found.retain(|network| policy_lpm::reference::network_contains(*network, client));
        Some(found.into_iter().map(lpm::unmapped).max_by_key(|network| network.prefix()))
    };
    let allow = holds(&action.allow, &action.dynamic_allow);
    let deny = holds(&action.deny, &action.dynamic_deny);
    let (Some(allow), Some(deny)) = (allow, deny) else { return NaiveNext::End(NaiveEnd::Failed) };
    let permitted = allow.is_some() && deny.is_none();
    let matched = deny.or(allow).map(|network| lpm::masked(network).to_string()).unwrap_or_default();
    run.set_result(&ACTION, if permitted { "allow" } else { "deny" });
    run.set_result(&MATCHED, matched);
    run.set_result(&ERROR_CODE, if permitted { String::new() } else { BLOCKED.to_string() });
    run.set_result(
        &ERROR_MESSAGE,
        if permitted { String::new() } else { format!("{client} is not permitted") },
    );
    if action.enforce && !permitted { run.refused(REFUSAL) } else { NaiveNext::GoOn }
}
