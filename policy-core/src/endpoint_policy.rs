//! The policy of an endpoint in a configuration: inline, or a file.
//!
//! Configurations of edges and of agents name policies in the same way. An inline policy is checked where it
//! stands, for the endpoint it belongs to.

use std::collections::HashMap;

use crate::actions::ActionConfig;
use crate::check::{CheckOptions, CheckedPolicy, check_policy, load_policy};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity, printable};
use crate::model::{Policy, policy};
use crate::options::EndpointTraits;
use crate::parse::decode;
use crate::reader::{Fields, MISSING_FIELD, Reader, UNREADABLE_FILE};
use crate::source::{Source, Span, Spanned};
use crate::url::EndpointUrl;

static FORWARD_LOOP: Code = Code::warning("TP447", "forward-loop").ngrok(&["ERR_NGROK_3501"]);

pub(crate) static POLICY_CHOICE: Code =
    Code::error("TP454", "policy-choice").ngrok(&["ERR_NGROK_9025"]).absence();

/// The codes this file raises.
pub(crate) static CODES: &[&Code] = &[&POLICY_CHOICE, &FORWARD_LOOP];

/// Where a policy is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PolicySource {
    /// In the configuration itself.
    Inline(Box<CheckedPolicy>),
    /// In a file; relative to the configuration.
    File(Spanned<Box<str>>),
}

/// Something is unusable and a finding says so.
pub(crate) struct Reported;

/// Reads `traffic_policy`, by another name if it has one, and `traffic_policy_file`: inline, a file, or none.
pub(crate) fn read_policy_source<'d>(
    fields: &Fields<'d>,
    key: &str,
    endpoint: EndpointTraits,
    reader: &Reader<'d>,
) -> Result<Option<PolicySource>, Reported> {
    let keys = [key, "traffic_policy_file"];
    let [inline, file] = keys.map(|key| fields.field(key));
    if let (Some(first), Some(second)) = (inline, file) {
        let found = Diagnostic::new(&POLICY_CHOICE, second.span, "both an inline policy and a policy file");
        reader.report(found.with_label(first.span, "the inline policy").with_help("keep one of them"));
        return Err(Reported);
    }
    if let Some(field) = file {
        let path = reader.text(field.value, "`traffic_policy_file`").ok_or(Reported)?;
        return Ok(Some(PolicySource::File(Spanned::new(path.value.into(), path.span))));
    }
    let Some(field) = inline else {
        let valueless = fields.entries.iter().find(|field| keys.contains(&field.key));
        return valueless.map_or(Ok(None), |field| {
            let message = format!("`{}` has no value", field.key);
            let found = Diagnostic::new(&MISSING_FIELD, field.span, message);
            reader.report(found.with_help("give the policy, or remove the key"));
            Err(Reported)
        });
    };
    // The inline policy has findings of its own: only without errors it counts as checked.
    let own = reader.fresh();
    let policy = policy(field.value, endpoint, &own);
    let mut found = own.into_diagnostics();
    check_policy(&policy, endpoint, true, &mut found);
    let usable = !found.has_errors();
    reader.absorb(found);
    if !usable {
        return Err(Reported);
    }
    let checked = CheckedPolicy::of_part(policy, field.value.document().source());
    Ok(Some(PolicySource::Inline(Box::new(checked))))
}

/// Reads a policy file by the name that the configuration gives it: the name to show and the bytes, or the
/// reason why it cannot be read. Relative names are relative to the configuration.
pub type ReadPolicy<'a> = &'a mut dyn FnMut(&str) -> (String, Result<Vec<u8>, String>);

/// The policy files that a configuration names, as far as they are read.
pub(crate) struct PolicyFiles<'a> {
    read: ReadPolicy<'a>,
    options: &'a CheckOptions,
    files: Vec<(Source, Diagnostics)>,
}

impl<'a> PolicyFiles<'a> {
    pub(crate) const fn new(read: ReadPolicy<'a>, options: &'a CheckOptions) -> Self {
        Self { read, options, files: Vec::new() }
    }

    /// The policy files that could be read, each with its findings.
    pub(crate) fn into_read(self) -> Vec<(Source, Diagnostics)> {
        self.files
    }

    /// The policy of an endpoint, read from its file if it has one; `None` if it is unusable. What is wrong with
    /// a file is said in the findings of the configuration too, where it is named.
    pub(crate) fn policy(
        &mut self,
        policy: &PolicySource,
        endpoint: EndpointTraits,
        findings: &mut Diagnostics,
    ) -> Option<CheckedPolicy> {
        match policy {
            PolicySource::Inline(policy) => Some((**policy).clone()),
            PolicySource::File(name) => self.file(&name.value, name.span, endpoint, findings),
        }
    }

    fn file(
        &mut self,
        name: &str,
        at: Span,
        endpoint: EndpointTraits,
        findings: &mut Diagnostics,
    ) -> Option<CheckedPolicy> {
        let (shown, bytes) = (self.read)(name);
        let name = printable(name);
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(reason) => {
                let message = format!("cannot read the policy file `{name}`: {reason}");
                let help = "the path is relative to this file; check that it exists and may be read";
                findings.push(Diagnostic::new(&UNREADABLE_FILE, at, message).with_help(help));
                return None;
            }
        };
        let (source, mut found) = decode(shown, bytes);
        let mut policy = None;
        if !found.has_errors() {
            let options = CheckOptions { endpoint, ..self.options.clone() };
            let (checked, later) = load_policy(&source, &options);
            found.append(later);
            policy = checked;
        }
        self.report_errors(&found, &name, source.name(), at, findings);
        self.files.push((source, found));
        policy
    }

    /// Says in the configuration that a file has errors.
    pub(crate) fn report_errors(
        &self,
        found: &Diagnostics,
        name: &str,
        shown: &str,
        at: Span,
        findings: &mut Diagnostics,
    ) {
        if !found.has_errors() {
            return;
        }
        let errors = found.errors();
        let plural = if errors == 1 { "" } else { "s" };
        let message = format!("the policy file `{name}` has {errors} error{plural}");
        let help = format!("mend the file first; `policy lint {shown}` lists the errors");
        findings.push(Diagnostic::new(&UNREADABLE_FILE, at, message).with_help(help));
    }

    /// The findings of the file that was read last.
    pub(crate) fn last(&mut self) -> Option<&mut (Source, Diagnostics)> {
        self.files.last_mut()
    }
}

/// An endpoint with what its policy forwards to.
pub(crate) struct Link {
    url: EndpointUrl,
    span: Span,
    /// Each target, and whether every connection or request is forwarded there.
    targets: Vec<(EndpointUrl, bool)>,
}

impl Link {
    pub(crate) fn new(url: EndpointUrl, span: Span, policy: Option<&Policy>) -> Self {
        let mut targets = Vec::new();
        let phases = policy.map(|policy| &*policy.phases).unwrap_or_default();
        for rule in phases.iter().flat_map(|phase| &phase.rules) {
            for action in &rule.actions {
                if let ActionConfig::ForwardInternal(forward) = &action.config
                    && let Some(target) = forward.literal()
                {
                    targets.push((target.value.clone(), !rule.guarded && action.config.terminates()));
                }
            }
        }
        Self { url, span, targets }
    }
}

/// Warns of endpoints that forward to one another in a circle. O(forwards · wildcards).
pub(crate) fn report_loops(links: &[Link], findings: &mut Diagnostics) {
    // What an endpoint forwards to, as indices: the most specific that covers the target.
    let exact: HashMap<&EndpointUrl, usize> =
        links.iter().enumerate().rev().map(|(at, link)| (&link.url, at)).collect();
    let wild: Vec<(usize, &Link)> =
        links.iter().enumerate().filter(|(_, link)| link.url.is_wildcard()).collect();
    let serves = |target: &EndpointUrl| {
        let covering = || wild.iter().filter(|(_, link)| link.url.covers(target));
        let widest = || covering().max_by_key(|(_, link)| link.url.host().len()).map(|(at, _)| *at);
        exact.get(target).copied().or_else(widest)
    };
    let next: Vec<Vec<(usize, bool)>> = links
        .iter()
        .map(|link| link.targets.iter().filter_map(|(url, sure)| Some((serves(url)?, *sure))).collect())
        .collect();
    // Depth first, with a stack of its own; what is done is never looked at again.
    let mut state = vec![Visit::Open; links.len()];
    for start in 0..links.len() {
        let mut path: Vec<(usize, usize, bool)> = vec![(start, 0, true)];
        while let Some((at, edge, _)) = path.last().copied() {
            let Some(slot) = state.get_mut(at) else { break };
            if edge == 0 {
                if *slot == Visit::Done {
                    path.pop();
                    continue;
                }
                *slot = Visit::OnPath;
            }
            let Some(&(to, sure)) = next.get(at).and_then(|edges| edges.get(edge)) else {
                *slot = Visit::Done;
                path.pop();
                continue;
            };
            if let Some(top) = path.last_mut() {
                top.1 += 1;
            }
            match state.get(to) {
                Some(Visit::Open) => path.push((to, 0, sure)),
                Some(Visit::OnPath) => {
                    let begin = path.iter().position(|(on, ..)| *on == to).unwrap_or(0);
                    let circle = path.get(begin..).unwrap_or_default();
                    let always = sure && circle.iter().skip(1).all(|(_, _, sure)| *sure);
                    let circle: Vec<_> = circle.iter().map(|(on, ..)| *on).collect();
                    report_loop(links, &circle, always, findings);
                }
                Some(Visit::Done) | None => {}
            }
        }
    }
}

/// How far the search for circles has come with an endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Open,
    OnPath,
    Done,
}

fn report_loop(links: &[Link], circle: &[usize], always: bool, findings: &mut Diagnostics) {
    let mut on: Vec<&Link> = circle.iter().filter_map(|at| links.get(*at)).collect();
    let Some(first) = on.first().copied() else { return };
    on.push(first);
    let names: Vec<_> = on.iter().take(8).map(|link| format!("`{}`", link.url)).collect();
    let message = format!("endpoints forward in a circle: {}", names.join(" to "));
    let severity = if always { Severity::Error } else { Severity::Warning };
    findings.push(
        Diagnostic::new(&FORWARD_LOOP, first.span, message)
            .with_severity(severity)
            .with_help("let one of them end elsewhere; a chain of forwards is cut off at its limit"),
    );
}
