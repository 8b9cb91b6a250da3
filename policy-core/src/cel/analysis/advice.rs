//! What a careful reader would say of an expression that is well typed.
//!
//! Looks at typed code: parts that always fail, expressions that are constant, costs, patterns, addresses
//! compared as text, and parts that fail for some requests.

mod addresses;
mod names;
mod values;

use super::parts::Parts;
use crate::cel::check::code::{Code, Node, NodeId};
use crate::cel::codes;
use crate::cel::compile::fold::Folded;
use crate::cel::library::overload::{Fails, Form};
use crate::cel::values::host::EvalLimits;
use crate::cel::values::time::unknown_zone;
use crate::cel::values::types::{CIDR, IP, Type};
use crate::diagnostic::{Diagnostic, Diagnostics, shorten};
use crate::source::Span;

/// Reports on one expression; `patterns` that do not compile have been reported.
pub(in crate::cel) fn report(
    parts: &Parts<'_>,
    folded: &Folded,
    patterns: &[Span],
    steps: u64,
    found: &mut Diagnostics,
) {
    let code = parts.code;
    let reached = code.reachable();
    let nodes = || code.nodes().zip(&reached).filter(|(_, reached)| **reached).map(|(part, _)| part);
    let mut zones = Vec::new();
    for (id, node) in nodes() {
        if let Some(item) = time_zone(code, node) {
            zones.push(code.span(id));
            found.push(item);
        }
        secret_names(code, node, found);
    }
    for (id, error) in &folded.failures {
        // A pattern that does not compile, and a time zone that does not exist, have been told better.
        let span = code.span(*id);
        if zones.contains(&error.span)
            || patterns.iter().any(|place| span.start <= place.start && place.end <= span.end)
        {
            continue;
        }
        let message = format!("this part has no value: {}", error.fault);
        let help = meant(code, *id)
            .unwrap_or_else(|| "it depends on nothing, so it fails whenever it is reached".to_owned());
        found.push(Diagnostic::new(&codes::ALWAYS_FAILS, error.span, message).with_help(help));
    }
    let max = EvalLimits::default().steps;
    if steps > max {
        let message = format!("the expression may take {} steps, more than the {max} allowed", shown(steps));
        let help = "go over fewer lists inside one another, or over shorter ones";
        found.push(Diagnostic::new(&codes::COSTLY, code.span(code.root()), message).with_help(help));
    }
    let mut advice = Diagnostics::default();
    let mut order = None;
    for (id, node) in nodes() {
        addresses::report(parts, (id, node), &mut order, &mut advice);
        values::report(parts, (id, node), &mut advice);
    }
    order.into_iter().for_each(|item| advice.push(item));
    found.append(advice);
}

/// What to write for a text that does not read as the time, network or address that a call is.
fn meant(code: &Code, id: NodeId) -> Option<String> {
    let (_, arguments) = code.call(code.node(id)?)?;
    let text = code.text(*arguments.first()?)?;
    match code.ty(id) {
        Type::Timestamp => crate::cel::check::checker::timestamp_help(text),
        Type::Opaque(name, _) if &**name == CIDR => Some(addresses::network_help(text)),
        Type::Opaque(name, _) if &**name == IP => addresses::address_help(text),
        _ => None,
    }
}

fn shown(steps: u64) -> String {
    if steps > 1_000_000_000 { "over 1000000000".to_owned() } else { steps.to_string() }
}

/// Names of a vault or secret that none can have.
fn secret_names(code: &Code, node: &Node, found: &mut Diagnostics) {
    let Some((Form::Secret(names), arguments)) = code.call(node).map(|(it, arguments)| (it.form, arguments))
    else {
        return;
    };
    // The documentation of vaults has no hyphen in names; all examples of ngrok's have one.
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '-'))
    };
    for (id, of) in arguments.iter().zip(names) {
        let Some(name) = code.text(*id) else { continue };
        if !is_name(name) {
            let message = format!("no {of} has the name `{}`", shorten(name));
            let help = "names have letters, digits, `_`, `-`, `/` and `.`, and at least one of them";
            found.push(Diagnostic::new(&codes::ALWAYS_FAILS, code.span(*id), message).with_help(help));
        }
    }
}

/// A time zone that does not exist, where nothing else of the call is constant.
fn time_zone(code: &Code, node: &Node) -> Option<Diagnostic> {
    let (overload, &[at, zone]) = code.call(node)? else { return None };
    if overload.fails != Fails::Zone || *code.ty(at) != Type::Timestamp || code.is_constant(at) {
        return None;
    }
    let text = code.text(zone)?;
    let (fault, near) = unknown_zone(text)?;
    let here = Diagnostic::new(&codes::ALWAYS_FAILS, code.span(zone), fault.to_string());
    Some(match near {
        Some(near) => {
            let help = format!("did you mean `{near}`?");
            here.with_help(help).with_fix_at(false, Some(code.span(zone)), format!("'{near}'"))
        }
        None => here.with_help("write a name such as `'Europe/Berlin'`, or an offset such as `'+01:00'`"),
    })
}
