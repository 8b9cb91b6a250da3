//! The checks that need more than one action: places, order, and what a policy does as a whole.

use std::collections::HashMap;

use super::addresses::check_addresses;
use crate::actions::{KindFacts, WRONG_PROTOCOL};
use crate::cel::{self, Expression, Formula, Value, Work, adjoin, cover};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, codes};
use crate::model::{Action, PhaseRules, Policy, Rule, RuleExpression};
use crate::options::EndpointTraits;
use crate::phase::Phase;
use crate::source::Span;
use crate::url::{Binding, Scheme};

codes! {
    static NO_ACTION = error("TP401", "no-action", ERR_NGROK_2206).absence();
    static EMPTY_RULE = warning("TP402", "empty-rule").absence();
    static UNREACHABLE = error("TP404", "unreachable-action", ERR_NGROK_2207);
    static PHASE_PROTOCOL = error("TP405", "phase-for-other-protocol", ERR_NGROK_2230);
    static PHASE_BINDING = error("TP406", "phase-for-other-binding", ERR_NGROK_2262);
    pub(crate) static NOT_TERMINATED = error("TP409", "traffic-not-handled",
        ERR_NGROK_2235, ERR_NGROK_6029).absence();
    static NOT_ENFORCED = warning("TP410", "not-enforced").absence();
    static ONE_PER_POLICY = warning("TP416", "one-per-policy", ERR_NGROK_2266);
}

/// Checks a policy as a whole; `sound` if reading the document found no error, `serving` as in the options. O(actions).
pub(super) fn check_policy(
    policy: &Policy,
    endpoint: EndpointTraits,
    (sound, serving): (bool, bool),
    found: &mut Diagnostics,
) {
    let written = |rules: &PhaseRules| rules.rules.iter().map(|rule| rule.written_actions).sum::<usize>();
    // After another error the action may be there and misspelt.
    let sound = sound && !found.has_errors();
    let is_fault = |item: &Diagnostic| item.severity == Severity::Error && cel::CODES.contains(item.code);
    let faulty_expression = found.iter().any(is_fault);
    if sound && policy.phases.iter().map(written).sum::<usize>() == 0 {
        // A rule that has lost its actions, a phase without rules, or nothing at all.
        let rule = policy.phases.iter().flat_map(|rules| &rules.rules).next().map(|rule| rule.span);
        let phase = policy.phases.first().map(|rules| rules.span);
        let at = rule.or(phase).unwrap_or_else(|| policy.span.at_start());
        found.push(
            Diagnostic::new(&NO_ACTION, at, "the policy has no action at all")
                .with_help("add a rule, e.g. `- actions: [{type: deny}]`"),
        );
        return;
    }
    for rules in &policy.phases {
        check_place(rules, endpoint, found);
    }
    for phase in Phase::ALL {
        check_phase(policy, phase, endpoint, serving, found);
    }
    check_repeats(policy, found);
    check_addresses(policy, found);
    // An expression with a fault may be the one that reads the result.
    if !faulty_expression {
        check_enforced(policy, found);
    }
    if !policy.repeated.is_empty() {
        let repeated = Policy { phases: policy.repeated.clone(), span: policy.span, ..Policy::default() };
        check_policy(&repeated, endpoint, (false, serving), found);
    }
    if endpoint.cloud && sound {
        let mut unhandled = Diagnostics::default();
        check_handled(policy, endpoint, &mut unhandled);
        // What the policy leaves is refused where it is served, so a change that only refuses more must load.
        if serving {
            unhandled.demote_errors();
        }
        found.append(unhandled);
    }
}

/// Whether the endpoint has the phase.
fn check_place(rules: &PhaseRules, endpoint: EndpointTraits, found: &mut Diagnostics) {
    let (phase, http) = (rules.phase, rules.phase != Phase::OnTcpConnect);
    if rules.misspelt {
        // Another phase may be meant.
        return;
    }
    match (endpoint.scheme, endpoint.binding) {
        (Some(scheme @ (Scheme::Tcp | Scheme::Tls)), _) if http => {
            let message = format!("a {} endpoint has no {phase}", scheme.name());
            found.push(
                Diagnostic::new(&PHASE_PROTOCOL, rules.span, message)
                    .with_help("on tcp and tls endpoints there is `on_tcp_connect` only"),
            );
        }
        (Some(scheme @ (Scheme::Http | Scheme::Https)), Some(Binding::Internal)) if !http => {
            let message = format!("{phase} never runs on an internal {} endpoint", scheme.name());
            found.push(Diagnostic::new(&PHASE_BINDING, rules.span, message).with_help(
                "requests reach it without a new connection; decide in `on_http_request`, or where they come in",
            ));
        }
        _ => {}
    }
}

fn check_phase(
    policy: &Policy,
    phase: Phase,
    endpoint: EndpointTraits,
    serving: bool,
    found: &mut Diagnostics,
) {
    // What ends the phase: an action of a rule without conditions.
    let mut ended: Option<Span> = None;
    // Keys of the same phase go on where the one before has ended.
    for rule in policy.rules(phase) {
        let mut ended_here: Option<Span> = None;
        let (mut reported, mut reported_across) = (false, false);
        if rule.written_actions == 0 {
            found.push(
                Diagnostic::new(&EMPTY_RULE, rule.span, "the rule has no action, so it does nothing")
                    .with_help("add an action or remove the rule"),
            );
        }
        for action in &rule.actions {
            check_action_place(action, endpoint, found);
            let name = action.config.name();
            // The text that ends it may be read again through an alias.
            let at = |end: Span| if end == action.span { action.named } else { action.span };
            if reported {
                continue;
            }
            if let Some(end) = ended_here {
                // Of several the first is reported.
                reported = true;
                // Whoever serves it serves what comes before: an action put in front in a hurry must load.
                let severity = if serving { Severity::Warning } else { Severity::Error };
                found.push(
                    Diagnostic::new(&UNREACHABLE, at(end), format!("`{name}` can never run"))
                        .with_severity(severity)
                        .with_label(end, "everything ends here")
                        .with_help("remove it, or move it before the action that ends the phase"),
                );
                continue;
            }
            if let Some(end) = ended.filter(|_| !reported_across) {
                reported_across = true;
                // A rule in front that refuses everybody is how an endpoint is shut in a hurry.
                let message =
                    format!("`{name}` can never run: a rule before ends every connection or request");
                found.push(
                    Diagnostic::new(&UNREACHABLE, at(end), message)
                        .with_severity(Severity::Warning)
                        .with_label(end, "everything ends here")
                        .with_help("remove it, or move its rule in front; to shut everything for a while, this warning can stay"),
                );
            }
            if action.config.terminates() {
                ended_here = Some(action.span);
            }
        }
        if !rule.guarded {
            ended = ended.or(ended_here);
        }
    }
}

fn check_action_place(action: &Action, endpoint: EndpointTraits, found: &mut Diagnostics) {
    let facts = action.config.facts();
    let name = facts.name;
    if let Some(scheme) = endpoint.scheme.filter(|scheme| !facts.schemes.contains(scheme)) {
        let schemes: Vec<_> = facts.schemes.iter().map(|scheme| scheme.name()).collect();
        let message = format!("`{name}` does not work on {} endpoints", scheme.name());
        let help = format!("it works on {} endpoints", schemes.join(" and "));
        found.push(Diagnostic::new(&WRONG_PROTOCOL, action.span, message).with_help(help));
    }
}

/// What a policy may have once.
fn check_repeats(policy: &Policy, found: &mut Diagnostics) {
    let mut seen: HashMap<&'static str, Span> = HashMap::new();
    for action in policy.actions() {
        let KindFacts { name, one_per_policy, .. } = action.config.facts();
        if !one_per_policy {
            continue;
        }
        if let Some(first) = seen.get(name) {
            found.push(
                Diagnostic::new(&ONE_PER_POLICY, action.span, format!("a policy has one `{name}` at most"))
                    .with_label(*first, "the first one is here")
                    .with_help("merge the two"),
            );
        } else {
            seen.insert(name, action.span);
        }
    }
}

/// Actions that only look, with nobody who looks at their results.
fn check_enforced(policy: &Policy, found: &mut Diagnostics) {
    let idle = || policy.actions().filter(|action| !action.config.enforced());
    if idle().next().is_none() {
        return;
    }
    let read = results_read(policy);
    for action in idle() {
        let name = action.config.name();
        let KindFacts { result, idle, .. } = action.config.facts();
        if result.is_some_and(|path| read.contains(&path)) {
            continue;
        }
        let help = match result {
            Some(path) => format!("remove `enforce: false`, or decide by `{path}` in a later rule"),
            None => "remove `enforce: false`".to_owned(),
        };
        let message = format!("`{name}` with `enforce: false` {idle}");
        found.push(Diagnostic::new(&NOT_ENFORCED, action.span, message).with_help(help));
    }
}

/// The paths of results that some expression reads.
fn results_read(policy: &Policy) -> Vec<&'static str> {
    let mut out = Vec::new();
    let mut add = |expression: &Expression| {
        let paths = expression.reads().iter().filter_map(|fact| fact.result());
        out.extend(paths);
    };
    for rule in policy.phases.iter().flat_map(|phase| &phase.rules) {
        rule.expressions.iter().for_each(|item| add(&item.expression));
        rule.actions.iter().for_each(|action| action.config.expressions(&mut add));
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// Whether an endpoint without an upstream handles all traffic: some action without conditions does, or the conditions
/// of several cover everything together.
fn check_handled(policy: &Policy, endpoint: EndpointTraits, found: &mut Diagnostics) {
    let handles = |rule: &&Rule| rule.actions.iter().any(|action| action.config.handles());
    let conditions = |phase: Phase| policy.rules(phase).filter(handles).map(condition).collect::<Vec<_>>();
    let early = [Phase::OnTcpConnect, Phase::OnHttpRequest];
    if early.into_iter().any(|phase| cover(&conditions(phase), &mut Work::default())) {
        return;
    }
    let http = matches!(endpoint.scheme, Some(Scheme::Http | Scheme::Https))
        || policy.phases.iter().any(|phase| phase.phase != Phase::OnTcpConnect);
    let phase = if http { Phase::OnHttpRequest } else { Phase::OnTcpConnect };
    let written = policy.phases.iter().find(|rules| rules.phase == phase).or(policy.phases.first());
    let at = written.map_or(policy.span.at_start(), |rules| rules.span);
    let message = format!("{phase} may end without an action that handles the traffic");
    let mut diagnostic = Diagnostic::new(&NOT_TERMINATED, at, message).with_help(
        "the endpoint has no upstream of its own: end with a rule without conditions, e.g. `- actions: [{type: deny}]`",
    );
    // Weighted routes, as ngrok's operator makes them: it knows which numbers come.
    if early.into_iter().any(|phase| adjoin(&conditions(phase))) {
        diagnostic = diagnostic.with_severity(Severity::Warning);
    }
    if let Some((action, why)) = nearly_handles(policy, phase) {
        diagnostic = diagnostic.with_label(action.span, why);
    }
    found.push(diagnostic);
}

/// The conditions of a rule together; those that are always true leave nothing.
fn condition(rule: &Rule) -> Formula {
    let holds = |item: &RuleExpression| matches!(item.expression.constant(), Some(Value::Bool(true)));
    let always = !rule.guarded || !rule.expressions.is_empty() && rule.expressions.iter().all(holds);
    Formula::All(if always { Vec::new() } else { rule.tests.clone() })
}

/// The last action of a phase that handles some of the traffic, and why not all of it.
fn nearly_handles(policy: &Policy, phase: Phase) -> Option<(&Action, &'static str)> {
    let rules: Vec<_> = policy.rules(phase).collect();
    rules.into_iter().rev().find_map(|rule| {
        rule.actions.iter().rev().find_map(|action| match action.config.handles() {
            true => Some((action, "this one runs under conditions only")),
            false => action.config.facts().goes_on.map(|why| (action, why)),
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckOptions, load_policy};
    use crate::source::Source;
    use crate::url::{Binding, Scheme};

    fn codes(text: &str, set: impl Fn(&mut CheckOptions)) -> Vec<&'static str> {
        let mut options = CheckOptions::default();
        set(&mut options);
        let (_, found) = load_policy(&Source::new("p.yml", text), &options);
        found.iter().map(|item| item.code.id).collect()
    }

    #[test]
    fn phases_and_actions_belong_to_protocols() {
        let http = "on_http_request: [{actions: [{type: deny}]}]";
        let tcp = "on_tcp_connect: [{actions: [{type: deny}]}]";
        let tls = "on_tcp_connect: [{actions: [{type: terminate-tls}, {type: deny}]}]";
        let scheme = |scheme| move |options: &mut CheckOptions| options.endpoint.scheme = Some(scheme);
        assert_eq!(codes(http, |_| {}), Vec::<&str>::new());
        assert_eq!(codes(http, scheme(Scheme::Tcp)), ["TP405"]);
        assert_eq!(codes(tls, scheme(Scheme::Tls)), Vec::<&str>::new());
        assert_eq!(codes(tls, scheme(Scheme::Tcp)), ["TP408"]);
        let internal = |options: &mut CheckOptions| {
            options.endpoint.scheme = Some(Scheme::Https);
            options.endpoint.binding = Some(Binding::Internal);
        };
        assert_eq!(codes(tcp, internal), ["TP406"]);
        assert_eq!(codes(http, internal), Vec::<&str>::new());
    }

    #[test]
    fn a_policy_without_an_action_is_told_where_it_should_stand() {
        let place = |text: &str| {
            let source = Source::new("p.yml", text);
            let (_, found) = load_policy(&source, &CheckOptions::default());
            let said = found.iter().map(|it| (it.code.id, source.position(it.span.start).to_string()));
            said.collect::<Vec<_>>()
        };
        let at = |place: &str| vec![("TP401", place.to_owned())];
        assert_eq!(place("# empty\n{}\n"), at("2:1"));
        assert_eq!(place("# empty\non_tcp_connect: []\n"), at("2:1"));
        assert_eq!(place("on_tcp_connect: []\non_http_request:\n  - actions: []\n"), at("3:5"));
    }

    #[test]
    fn a_misspelt_field_is_told_once() {
        let list = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow_cidrs: [10.0.0.0/8]}}]}]";
        assert_eq!(codes(list, |_| {}), ["TP302"]);
    }

    #[test]
    fn a_cloud_endpoint_handles_all_traffic() {
        let cloud = |options: &mut CheckOptions| options.endpoint.cloud = true;
        let of = |actions: &str| codes(&format!("on_http_request: [{actions}]"), cloud);
        assert_eq!(of("{actions: [{type: deny}]}"), Vec::<&str>::new());
        let guarded =
            |condition: &str| format!("{{expressions: [\"{condition}\"], actions: [{{type: deny}}]}}");
        let all =
            |conditions: &[&str]| of(&conditions.iter().map(|it| guarded(it)).collect::<Vec<_>>().join(", "));
        assert_eq!(all(&["req.method == 'GET'"]), ["TP409"]);
        assert_eq!(all(&["req.method == 'GET'", "req.method != 'GET'"]), Vec::<&str>::new());
        assert_eq!(
            all(&["req.method == 'GET'", "req.host == 'a'", "!(req.method in ['GET'])"]),
            Vec::<&str>::new()
        );
        assert_eq!(all(&["rand.int(0, 1) == 0", "rand.int(0, 1) != 0"]), ["TP409"]);
        assert_eq!(all(&["rand.int(0, 1) == 0 || true", "rand.int(0, 1) != 0"]), Vec::<&str>::new());
        let (a, b) = ("hasReqHeader('a')", "hasReqHeader('b')");
        let either = format!("{a} || {b}");
        assert_eq!(all(&[&either, &format!("!({either})")]), Vec::<&str>::new());
        assert_eq!(all(&[&either, &format!("!{a} && !{b}")]), Vec::<&str>::new());
        assert_eq!(all(&[&either, &format!("!{a}")]), Vec::<&str>::new());
        assert_eq!(all(&[&either, &format!("!{a} && req.host == 'a'")]), ["TP409"]);
        // Addresses of all rules together.
        let within = |networks: &str| format!("inCidrRanges(conn.client_ip, ['{networks}'])");
        let (v4, v6) = (within("0.0.0.0/0"), within("::/0"));
        assert_eq!(all(&[&within("0.0.0.0/0', '::/0")]), Vec::<&str>::new());
        assert_eq!(all(&[&v4, &v6]), Vec::<&str>::new());
        assert_eq!(all(&[&v4]), ["TP409"]);
        let ten = "inCidrRange(conn.client_ip, '10.0.0.0/8')";
        assert_eq!(all(&[ten, &format!("!{}", within("10.0.0.0/8"))]), Vec::<&str>::new());
        assert_eq!(all(&[ten, &format!("!{}", within("10.0.0.0/9"))]), Vec::<&str>::new());
        assert_eq!(all(&[&within("10.0.0.0/9"), &format!("!{ten}")]), ["TP409"]);
        assert_eq!(
            all(&["conn.client_ip == '10.0.0.1'", "conn.client_ip != '10.0.0.1'"]),
            Vec::<&str>::new()
        );
        // The expressions of a rule are joined by `&&`.
        let both = |rest: &str| {
            format!("{{expressions: [\"{a}\", \"{b}\"], actions: [{{type: deny}}]}}, {}", guarded(rest))
        };
        assert_eq!(of(&both(&format!("!{a} || !{b}"))), Vec::<&str>::new());
        assert_eq!(of(&both(&format!("!({a} && {b})"))), Vec::<&str>::new());
        assert_eq!(of(&both(&format!("!{a} && !{b}"))), ["TP409"]);
        // What a rule in between changes may come out otherwise.
        let add = "{type: add-headers, config: {headers: {a: b}}}";
        let changed = format!("{}, {{actions: [{add}]}}, {}", guarded(&format!("!{a}")), guarded(a));
        assert_eq!(of(&changed), ["TP409"]);
        assert_eq!(all(&["true"]), ["TP213"]);
        let forward = "{type: forward-internal, config: {url: \"https://a.internal\", on_error: continue}}";
        assert_eq!(of(&format!("{{actions: [{forward}]}}")), ["TP409"]);
        let redirect = |from: &str| format!("{{actions: [{{type: redirect, config: {{{from} to: /a}}}}]}}");
        assert_eq!(of(&redirect("")), Vec::<&str>::new());
        assert_eq!(of(&redirect("from: x,")), ["TP409"]);
        assert_eq!(codes("on_tcp_connect: [{actions: [{type: deny}]}]", cloud), Vec::<&str>::new());
    }

    #[test]
    fn weighted_routes_are_a_warning() {
        let route = |condition: &str, name: &str| {
            let forward =
                format!("{{type: forward-internal, config: {{url: \"tcp://{name}.internal:22\"}}}}");
            format!("- {{expressions: [\"{condition}\"], actions: [{forward}]}}\n")
        };
        let found = |routes: &[&str]| {
            let routes: Vec<_> = routes.iter().map(|condition| route(condition, "a")).collect();
            let set = "- actions: [{type: set-vars, config: {vars: [{n: \"${rand.int(0,99)}\"}]}}]\n";
            let source = Source::new("p.yml", format!("on_tcp_connect:\n{set}{}", routes.concat()));
            let mut options = CheckOptions::default();
            options.endpoint.cloud = true;
            let (_, found) = load_policy(&source, &options);
            let line = |span| source.position(span).line;
            let said = found.iter().map(|found| {
                (found.code.id, found.severity.name(), found.labels.first().map(|it| line(it.span().start)))
            });
            said.collect::<Vec<_>>()
        };
        let weights = ["int(vars.n) <= 49", "int(vars.n) >= 50 && int(vars.n) <= 99"];
        assert_eq!(found(&weights), [("TP409", "warning", Some(4))]);
        assert_eq!(found(&["int(vars.n) <= 49", "int(vars.n) >= 51"]), [("TP409", "error", Some(4))]);
        assert_eq!(found(&["int(vars.n) <= 49", "int(vars.n) > 49"]), []);
    }

    #[test]
    fn a_rule_in_front_may_refuse_everybody() {
        let found = |rules: &str| {
            let source = Source::new("p.yml", format!("on_tcp_connect: [{rules}]"));
            let (policy, found) = load_policy(&source, &CheckOptions::default());
            (policy.is_some(), found.iter().map(|it| (it.code.id, it.severity.name())).collect::<Vec<_>>())
        };
        let (deny, log) = ("{type: deny}", "{type: log, config: {metadata: {a: 1}}}");
        let rule = |actions: &str| format!("{{actions: [{actions}]}}");
        let across = [("TP404", "warning")];
        assert_eq!(found(&format!("{}, {}", rule(deny), rule(log))), (true, across.to_vec()));
        // Of several actions after it the first is reported.
        assert_eq!(
            found(&format!("{}, {}", rule(deny), rule(&format!("{log}, {log}")))),
            (true, across.to_vec())
        );
        assert_eq!(found(&rule(&format!("{deny}, {log}, {log}"))), (false, vec![("TP404", "error")]));
        // Inside of a rule it stays an error, and what comes after it too.
        let within = [("TP404", "error")];
        assert_eq!(found(&rule(&format!("{deny}, {log}"))), (false, within.to_vec()));
        let both = [("TP404", "warning"), ("TP404", "error")];
        assert_eq!(
            found(&format!("{}, {}", rule(deny), rule(&format!("{deny}, {log}")))),
            (false, both.to_vec())
        );
        // What a rule with conditions ends, it ends for itself alone.
        let guarded = format!("{{expressions: [\"conn.client_port == 1\"], actions: [{deny}]}}");
        assert_eq!(found(&format!("{guarded}, {}", rule(deny))), (true, vec![]));
    }

    #[test]
    fn looking_without_refusing_is_told() {
        let list = "{type: restrict-ips, config: {enforce: false, allow: [10.0.0.0/8, \"2001:db8::/32\"]}}";
        let alone = format!("on_tcp_connect: [{{actions: [{list}]}}]");
        assert_eq!(codes(&alone, |_| {}), ["TP410"]);
        let read = format!(
            "on_tcp_connect:\n- {{actions: [{list}]}}\n- {{expressions: [\"actions.ngrok.restrict_ips.action == 'deny'\"], actions: [{{type: deny}}]}}"
        );
        assert_eq!(codes(&read, |_| {}), Vec::<&str>::new());
    }
}
