//! Addresses that conditions and lists leave, one after the other: who comes through all of them.

use std::borrow::Cow;

use crate::actions::{CidrItem, NOBODY};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lpm::RangeSet;
use crate::model::{Action, Policy, Rule};
use crate::phase::Phase;
use crate::source::Span;

/// Reports conditions and lists that leave nobody. O(conditions and lists · networks).
pub(super) fn check_addresses(policy: &Policy, found: &mut Diagnostics) {
    check_lists_in_turn(policy, found);
    for rule in Phase::ALL.into_iter().flat_map(|phase| policy.rules(phase)).filter(|rule| rule.guarded) {
        check_rule(rule, found);
    }
}

/// The actions that let some addresses through and refuse all others, with those and the entries that say so; those that
/// let none through are told of by themselves.
fn lists(rule: &Rule) -> impl Iterator<Item = (&Action, Cow<'_, RangeSet>, &[CidrItem])> {
    let lists = rule.actions.iter().filter_map(|action| {
        let (addresses, entries) = action.config.lets_through()?;
        Some((action, addresses, entries))
    });
    lists.filter(|(_, addresses, _)| !addresses.is_empty())
}

/// The conditions of a rule, and the lists after them.
fn check_rule(rule: &Rule, found: &mut Diagnostics) {
    let mut left: Option<(RangeSet, Span)> = None;
    for item in &rule.expressions {
        // One that no address passes is told where it stands.
        let Some(next) = item.expression.clients() else { continue };
        let first = left.as_ref().map_or(item.span, |(_, first)| *first);
        let both = left.map_or_else(|| next.clone(), |(before, _)| before.common(&next));
        if both.is_empty() {
            let message = "no address passes the conditions of this rule, so it never runs";
            let help = "name the same addresses in all of them, or join them by `||`";
            let item = Diagnostic::new(&NOBODY, item.span, message).with_help(help);
            found.push(if first == item.span { item } else { item.with_label(first, "these are others") });
            return;
        }
        left = Some((both, first));
    }
    let mut reason = "these conditions hold for others only";
    for (action, next, _) in lists(rule) {
        let Some((before, first)) = &left else {
            (left, reason) = (Some((next.into_owned(), action.span)), "this list has refused them");
            continue;
        };
        let both = before.common(&next);
        if both.is_empty() {
            let message = "this list permits no address that reaches it: every connection is refused";
            let help = "permit addresses for which the rule runs, or change its conditions";
            found.push(
                Diagnostic::new(&NOBODY, action.span, message).with_label(*first, reason).with_help(help),
            );
            return;
        }
        left = Some((both, *first));
    }
}

/// Lists that every connection passes one after the other: who is still there at each.
fn check_lists_in_turn(policy: &Policy, found: &mut Diagnostics) {
    let mut through: Option<(RangeSet, Span)> = None;
    for rule in Phase::ALL.into_iter().flat_map(|phase| policy.rules(phase)).filter(|rule| !rule.guarded) {
        for (action, next, entries) in lists(rule) {
            let Some((before, first)) = &through else {
                through = Some((next.into_owned(), action.span));
                continue;
            };
            let both = before.common(&next);
            let earlier = |item: Diagnostic| item.with_label(*first, "this list has refused them");
            if both.is_empty() {
                let message = "no address is permitted by both this list and the one before: every connection is refused";
                let help = "permit the same addresses in both, or put all into one list";
                found.push(earlier(Diagnostic::new(&NOBODY, action.span, message).with_help(help)));
                return;
            }
            for item in entries.iter().filter(|item| !before.meets(item.value)) {
                let message =
                    format!("an earlier list refuses all of `{}`: this entry admits no address", item.value);
                let help = "permit it there as well, or remove the entry";
                found.push(earlier(Diagnostic::new(&NOBODY, item.span, message).with_help(help)));
            }
            through = Some((both, *first));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckOptions, load_policy};
    use crate::source::Source;

    fn codes(text: &str) -> Vec<&'static str> {
        let (_, found) = load_policy(&Source::new("p.yml", text), &CheckOptions::default());
        found.iter().map(|item| item.code.id).collect()
    }

    fn list(allow: &str, deny: &str) -> String {
        format!("{{type: restrict-ips, config: {{allow: [{allow}], deny: [{deny}]}}}}")
    }

    #[test]
    fn entries_that_nobody_can_use_are_told() {
        let rules =
            |actions: &[String]| codes(&format!("on_tcp_connect: [{{actions: [{}]}}]", actions.join(", ")));
        let v6 = "\"2001:db8::/32\"";
        let one = |allow: &str, deny: &str| rules(&[list(allow, deny)]);
        assert_eq!(one(&format!("192.0.2.0/24, 198.51.100.3/32, {v6}"), "198.51.100.0/24"), ["TP440"]);
        assert_eq!(one("\"2001:db8:1::/48\", 203.0.113.0/24", v6), ["TP440"]);
        assert_eq!(one(&format!("198.51.100.0/24, {v6}"), "198.51.100.0/25, 198.51.100.128/25"), ["TP440"]);
        assert_eq!(one(&format!("198.51.100.0/24, {v6}"), "198.51.100.0/25"), Vec::<&str>::new());
        assert_eq!(one("198.51.100.0/24, 203.0.113.0/24", "0.0.0.0/0"), ["TP434"]);
        let two = |first: &str, second: &str| {
            rules(&[list(&format!("{first}, {v6}"), ""), list(&format!("{second}, {v6}"), "")])
        };
        assert_eq!(two("10.0.0.0/8", "10.1.0.0/16"), Vec::<&str>::new());
        assert_eq!(two("10.0.0.0/8", "10.1.0.0/16, 192.0.2.0/24"), ["TP440"]);
        let apart = rules(&[list("10.0.0.0/8", ""), list("192.0.2.0/24", "")]);
        assert_eq!(apart, ["TP436", "TP440", "TP436"]);
    }

    #[test]
    fn conditions_and_lists_of_one_rule_leave_somebody() {
        let rule = |conditions: &[&str], actions: &str| {
            let quoted: Vec<_> = conditions.iter().map(|text| format!("{text:?}")).collect();
            codes(&format!(
                "on_tcp_connect: [{{expressions: [{}], actions: [{actions}]}}]",
                quoted.join(", ")
            ))
        };
        let deny = |conditions: &[&str]| rule(conditions, "{type: deny}");
        let within = |network: &str| format!("inCidrRange(conn.client_ip, '{network}')");
        let (ten, one, other) = (&*within("10.0.0.0/8"), &*within("10.1.0.0/16"), &*within("192.0.2.0/24"));
        let none = Vec::<&str>::new();
        for conditions in [
            &[ten, other][..],
            &[&format!("{ten} && {other}")],
            &[one, &format!("!{ten}")],
            &[one, &format!("!({ten} || {other})")],
            &["conn.client_ip == '10.0.0.1'", "conn.client_ip in ['10.0.0.2', '10.0.0.3']"],
            &["['10.0.0.0/8'].exists(n, inCidrRange(conn.client_ip, n))", other],
            &["inCidrRanges(conn.client_ip, ['10.0.0.0/8', '2001:db8::/32'])", other],
            &[&format!("conn.client_port > 5 ? {ten} : {one}"), other],
        ] {
            assert_eq!(deny(conditions), ["TP440"], "{conditions:?}");
        }
        for conditions in [
            &[ten, one][..],
            &[ten, &format!("!{one}")],
            &[&format!("{ten} || {other}"), other],
            &[&format!("{ten} || conn.client_port > 5"), other],
            &["conn.client_ip != '10.0.0.1'", "conn.client_ip in ['10.0.0.2', '10.0.0.1']"],
            &["['10.0.0.0/8', '192.0.2.0/25'].exists(n, inCidrRange(conn.client_ip, n))", other],
            &[ten, "inCidrRange(conn.server_ip, '192.0.2.0/24')"],
        ] {
            assert_eq!(deny(conditions), none, "{conditions:?}");
        }
        let v6 = "\"2001:db8::/32\"";
        assert_eq!(rule(&[ten], &list(&format!("192.0.2.0/24, {v6}"), "")), ["TP440"]);
        assert_eq!(rule(&[ten], &list("0.0.0.0/0, \"::/0\"", "10.0.0.0/8")), ["TP440"]);
        assert_eq!(rule(&[ten], &list(&format!("10.1.0.0/16, {v6}"), "")), none);
        assert_eq!(rule(&["conn.client_port > 5"], &list(&format!("192.0.2.0/24, {v6}"), "")), none);
        let two = [list("192.0.2.0/24, \"2001:db8::/33\"", ""), list("10.0.0.0/8, \"2001:db9::/32\"", "")];
        assert_eq!(rule(&["conn.client_port > 5"], &two.join(", ")), ["TP440"]);
    }

    #[test]
    fn ip_policies_count_if_they_are_known() {
        let known = "ip_policies:\n- id: ipp_a\n  rules: [{cidr: 192.0.2.0/24, action: allow}, {cidr: \"2001:db8::/32\", action: allow}]\n";
        let (known, found) = crate::ip_policies::load_ip_policies(&Source::new("i.yml", known));
        assert!(found.is_empty(), "{found:?}");
        let options = CheckOptions { ip_policies: known.map(std::sync::Arc::new), ..CheckOptions::default() };
        let codes = |condition: &str| {
            let text = format!(
                "on_tcp_connect: [{{expressions: [\"inCidrRange(conn.client_ip, '{condition}')\"], actions: \
                 [{{type: restrict-ips, config: {{ip_policies: [ipp_a]}}}}]}}]"
            );
            let (_, found) = load_policy(&Source::new("p.yml", text), &options);
            found.iter().map(|item| item.code.id).collect::<Vec<_>>()
        };
        assert_eq!(codes("10.0.0.0/8"), ["TP440"]);
        assert_eq!(codes("192.0.0.0/16"), Vec::<&str>::new());
    }
}
