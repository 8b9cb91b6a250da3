//! Addresses and networks in texts: comparisons that never hold, networks that cannot be read.
//!
//! `conn.client_ip` as a text is the canonical one (RFC 5952; IPv4 dotted), so a literal in any other form
//! never equals it.

use std::net::IpAddr;

use crate::cel;
use crate::cel::code::{Code, Node, NodeId};
use crate::cel::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, shorten};
use crate::lpm::{self, CidrError};
use crate::source::Span;

/// Looks at one node.
pub(super) fn report(code: &Code, id: NodeId, node: &Node, found: &mut Diagnostics) {
    let Node::Call { name, arguments, .. } = node else { return };
    match (*name, &**arguments) {
        ("_==_" | "_!=_", [a, b]) => {
            let symbol = name.trim_matches('_');
            let pair =
                address(code, *a).map(|fact| (fact, *b)).or_else(|| address(code, *b).map(|fact| (fact, *a)));
            if let Some((fact, other)) = pair
                && let Some(text) = constant_text(code, other)
            {
                let whole = (code.span(id), *name == "_!=_");
                compared(fact, symbol, text, code.span(other), Some(whole), found);
            }
        }
        ("_in_", [item, list]) => {
            if let (Some(fact), Some(Node::List(items))) = (address(code, *item), code.node(*list)) {
                for (item, _) in items {
                    if let Some(text) = constant_text(code, *item) {
                        compared(fact, "in", text, code.span(*item), None, found);
                    }
                }
            }
        }
        ("inCidrRange" | "inCidrRanges", [first, second])
            if address(code, *second).is_some()
                || constant_text(code, *first).is_some_and(|text| text.parse::<IpAddr>().is_err()) =>
        {
            let message = format!("`{name}` takes the address first, then the network");
            let place = if address(code, *second).is_some() { *second } else { *first };
            let found_here = Diagnostic::new(&cel::CIDR_ARGUMENT, code.span(place), message);
            let help = "exchange the arguments, e.g. `inCidrRange(conn.client_ip, '203.0.113.0/24')`";
            found.push(found_here.with_help(help));
        }
        ("inCidrRange", [_, network]) => {
            if let Some(text) = constant_text(code, *network) {
                network_text(text, code.span(*network), "so this is always false", found);
            }
        }
        ("inCidrRanges", [_, list]) => {
            if let Some(Node::List(items)) = code.node(*list) {
                for (item, _) in items {
                    if let Some(text) = constant_text(code, *item) {
                        network_text(text, code.span(*item), "so it is passed over", found);
                    }
                }
            }
        }
        _ => {}
    }
}

/// The fact behind a node, if it is the text of an address.
fn address(code: &Code, id: NodeId) -> Option<&'static str> {
    match code.node(id) {
        Some(Node::Fact(fact)) => {
            Some(fact.path()).filter(|path| matches!(*path, "conn.client_ip" | "conn.server_ip"))
        }
        _ => None,
    }
}

fn constant_text(code: &Code, id: NodeId) -> Option<&str> {
    match code.node(id) {
        Some(Node::Const(Value::String(text))) => Some(text),
        _ => None,
    }
}

/// `whole` is the comparison with whether it is negated, where it can be replaced as a whole.
fn compared(
    fact: &str,
    symbol: &str,
    text: &str,
    place: Span,
    whole: Option<(Span, bool)>,
    found: &mut Diagnostics,
) {
    let shown = shorten(text);
    let never = |why: &str| {
        Diagnostic::new(&cel::NEVER_EQUAL, place, format!("`{fact}` never equals `{shown}`: {why}"))
    };
    if text.contains('/') && lpm::cidr(text).is_ok() {
        let call = format!("inCidrRange({fact}, '{text}')");
        let item = never(&format!("`{symbol}` compares text, not networks"));
        let item = item.with_help(format!("write `{call}`"));
        found.push(match whole {
            Some((span, negated)) => {
                item.with_fix_at(false, Some(span), if negated { format!("!{call}") } else { call })
            }
            None => item,
        });
        return;
    }
    match text.parse::<IpAddr>().map(|address| address.to_canonical().to_string()) {
        Ok(canonical) if canonical == text => {}
        Ok(canonical) => {
            let item = never("addresses are compared as text in their canonical form");
            let item = item.with_help(format!("write `'{canonical}'`"));
            found.push(item.with_fix_at(false, Some(place), format!("'{canonical}'")));
        }
        Err(_) => {
            let item = never("it is not an address");
            found.push(item.with_help("write an address such as `'203.0.113.42'` or `'2001:db8::1'`"));
        }
    }
}

/// A constant network that holds nothing.
fn network_text(text: &str, place: Span, so: &str, found: &mut Diagnostics) {
    let shown = shorten(text);
    let (why, help) = match lpm::cidr(text) {
        Ok(network) if !network.bare => return,
        Ok(_) => {
            let length = if text.contains(':') { 128 } else { 32 };
            ("the prefix length is missing".to_owned(), format!("write `'{text}/{length}'`"))
        }
        Err(CidrError::Zone) => ("it has a zone id".to_owned(), "leave the zone out".to_owned()),
        Err(error) => (error.to_string(), "write e.g. `'203.0.113.0/24'` or `'2001:db8::/32'`".to_owned()),
    };
    let message = format!("`{shown}` is not a network, {so}: {why}");
    found.push(Diagnostic::new(&cel::CIDR_ARGUMENT, place, message).with_help(help));
}
