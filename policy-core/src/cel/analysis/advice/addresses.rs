//! Addresses and networks in texts: comparisons that never hold, networks that cannot be read.
//!
//! `conn.client_ip` as a text is the canonical one (RFC 5952; IPv4 dotted), so a literal in any other form
//! never equals it.

use std::net::IpAddr;

use crate::cel::analysis::parts::Parts;
use crate::cel::check::address_parts::{held, looked_for, matched};
use crate::cel::check::code::{Node, NodeId};
use crate::cel::codes;
use crate::cel::library::overload::{Form, Relation};
use crate::diagnostic::{Diagnostic, Diagnostics, shorten};
use crate::lpm::{self, CidrError};
use crate::source::Span;

/// Looks at one node; of several comparisons by order the first is told, in `order`.
pub(super) fn report(
    parts: &Parts<'_>,
    (id, node): (NodeId, &Node),
    order: &mut Option<Diagnostic>,
    found: &mut Diagnostics,
) {
    let address = |id| parts.address_fact(id);
    // All that it may be; what stands for items of a list is not replaced as a whole.
    let texts = |id| parts.texts(id).into_iter().map(|(at, text)| (text, parts.code.span(at)));
    let whole = |with| parts.text(with).map(|_| parts.code.span(id));
    match node {
        Node::Matches { operand, pattern } => {
            if let Some(fact) = address(*operand) {
                matched(fact.path(), pattern.written(), parts.code.span(id), found);
            }
        }
        Node::Call { name, overloads, arguments } => match (parts.code.form(overloads), &**arguments) {
            (Form::Compare(relation), [a, b]) => {
                let pair = address(*a).map(|fact| (fact, *b)).or_else(|| address(*b).map(|fact| (fact, *a)));
                let Some((fact, other)) = pair else { return };
                if relation.is_equality() {
                    let whole = whole(other).map(|whole| (whole, relation == Relation::NotEqual));
                    texts(other).for_each(|(text, place)| {
                        compared(fact.path(), relation.symbol(), text, place, whole, found);
                    });
                } else if parts.text(other).is_some() {
                    order.get_or_insert_with(|| ordered(fact.path(), relation.symbol(), parts.code.span(id)));
                }
            }
            (Form::In, [item, list]) => {
                if let Some(fact) = address(*item) {
                    for (text, place) in parts.members(*list).into_iter().flat_map(texts) {
                        compared(fact.path(), "in", text, place, None, found);
                    }
                }
            }
            (form @ (Form::Begins | Form::Ends | Form::Holds), [of, part]) => {
                if let Some(fact) = address(*of) {
                    texts(*part).for_each(|(text, place)| {
                        held(fact.path(), (form, name), text, (place, whole(*part)), found);
                    });
                } else if let Some(fact) = address(*part) {
                    texts(*of)
                        .for_each(|(text, place)| looked_for(fact.path(), text, (place, whole(*of)), found));
                }
            }
            // A position is nothing that a test could take the place of.
            (form @ (Form::Find | Form::Matches), [of, part, ..]) => {
                if let Some(fact) = address(*of).filter(|_| form == Form::Find) {
                    texts(*part).for_each(|(text, place)| {
                        held(fact.path(), (form, name), text, (place, None), found);
                    });
                } else if let Some(fact) = address(*part) {
                    texts(*of).for_each(|(text, place)| looked_for(fact.path(), text, (place, None), found));
                }
            }
            (Form::Within, [first, second]) => in_range(parts, name, *first, *second, found),
            _ => {}
        },
        Node::Index { operand, index, .. } => {
            if let (Some(fact), Some(Node::Map(_))) = (address(*index), parts.written(*operand).1) {
                for (text, place) in parts.members(*operand).into_iter().flat_map(texts) {
                    compared(fact.path(), "[…]", text, place, None, found);
                }
            }
        }
        _ => {}
    }
}

/// `inCidrRange(address, network)`.
fn in_range(parts: &Parts<'_>, name: &str, first: NodeId, second: NodeId, found: &mut Diagnostics) {
    let is_network = |text: &str| text.contains('/') && lpm::cidr(text).is_ok();
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let first_is_address = parts.is_address(first) || parts.text(first).is_some_and(is_address);
    let first_is_network = parts.text(first).is_some_and(is_network);
    let is_written = parts.text(second).is_some() || matches!(parts.written(second).1, Some(Node::List(_)));
    // Where each is right in the place of the other one.
    let swapped = parts.is_address(second) && !first_is_address
        || first_is_network && !is_written
        || parts.text(second).is_some_and(is_address) && parts.text(first).is_some_and(|it| it.contains('/'));
    if swapped {
        let message = format!("`{name}` takes the address first, then the network");
        let place = if parts.is_address(second) { second } else { first };
        let found_here = Diagnostic::new(&codes::CIDR_ARGUMENT, parts.code.span(place), message);
        let help = "exchange the arguments, e.g. `inCidrRange(conn.client_ip, '203.0.113.0/24')`";
        found.push(found_here.with_help(help));
        return;
    }
    if let Some(text) = parts.text(first)
        && text.parse::<IpAddr>().is_err()
    {
        let (why, help) = no_address(text);
        let what = if first_is_network { "a network, not an address" } else { "not an address" };
        let message = format!("`{}` is {what}, so this is always false{why}", shorten(text));
        found.push(Diagnostic::new(&codes::CIDR_ARGUMENT, parts.code.span(first), message).with_help(help));
    }
    if parts.is_address(second) {
        let message = "this is an address, not a network";
        let help = "write a network such as `'203.0.113.0/24'`, or compare the addresses with `==`";
        let place = parts.code.span(second);
        found.push(Diagnostic::new(&codes::CIDR_ARGUMENT, place, message).with_help(help));
    }
    match parts.written(second).1 {
        Some(Node::List(items)) => {
            for (item, _) in items {
                if let Some(text) = parts.text(*item) {
                    network_text(text, parts.code.span(parts.written(*item).0), "so it is skipped", found);
                }
            }
        }
        _ => {
            if let Some(text) = parts.text(second) {
                network_text(
                    text,
                    parts.code.span(parts.written(second).0),
                    "so this is always false",
                    found,
                );
            }
        }
    }
}

/// Why a text is no address, as far as that can be said, and what to write.
fn no_address(text: &str) -> (&'static str, String) {
    let part = |part: &str| {
        part.trim_start_matches('0')
            .parse::<u8>()
            .ok()
            .or_else(|| (!part.is_empty() && part.bytes().all(|b| b == b'0')).then_some(0))
    };
    let octets: Option<Vec<u8>> = text.split('.').map(part).collect();
    match octets.as_deref() {
        Some([a, b, c, d]) => (": its numbers have zeros in front", format!("write `'{a}.{b}.{c}.{d}'`")),
        _ if text.contains('%') => (": it has a zone id", "leave the zone out".to_owned()),
        _ => ("", "write an address such as `conn.client_ip` or `'203.0.113.42'`".to_owned()),
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
        Diagnostic::new(&codes::NEVER_EQUAL, place, format!("`{fact}` never equals `{shown}`: {why}"))
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
            let help = meant(fact, text)
                .unwrap_or_else(|| "write an address such as `'203.0.113.42'` or `'2001:db8::1'`".to_owned());
            found.push(never("it is not an address").with_help(help));
        }
    }
}

/// What to write for a text that is compared with an address and is meant to be one, or a network.
fn meant(fact: &str, text: &str) -> Option<String> {
    let lpm::Slip::Networks(networks, _) = lpm::slip(text)? else { return None };
    Some(match &*networks {
        [one] => match address_help(text) {
            Some(help) => help,
            None => format!("write `inCidrRange({fact}, '{one}')`"),
        },
        several => format!("write `inCidrRanges({fact}, ['{}'])`", several.join("', '")),
    })
}

/// What to write for an address that a function does not take, as far as that is clear.
pub(super) fn address_help(text: &str) -> Option<String> {
    let lpm::Slip::Networks(networks, _) = lpm::slip(text)? else { return None };
    let [one] = &*networks else { return None };
    one.strip_suffix("/32").or_else(|| one.strip_suffix("/128")).map(|address| format!("write `'{address}'`"))
}

/// What to write for a network that a function does not take.
pub(super) fn network_help(text: &str) -> String {
    match (lpm::slip(text), lpm::cidr(text)) {
        (Some(slip), _) => slip.help("'"),
        (None, Err(lpm::CidrError::TooLong { max })) => format!("write a length from 0 to {max}"),
        (None, _) => "write e.g. `'203.0.113.0/24'` or `'2001:db8::/32'`".to_owned(),
    }
}

/// Addresses have no order as texts.
fn ordered(fact: &str, symbol: &str, place: Span) -> Diagnostic {
    let message =
        format!("`{symbol}` compares letter by letter, not addresses: `{fact}` has no order as text");
    let help = format!("write `inCidrRange({fact}, '203.0.113.0/24')`");
    Diagnostic::new(&codes::NEVER_EQUAL, place, message).with_help(help)
}

/// A constant network that holds nothing.
fn network_text(text: &str, place: Span, so: &str, found: &mut Diagnostics) {
    let shown = shorten(text);
    let (why, help) = match lpm::cidr(text) {
        Ok(network) if !network.bare => return,
        Ok(network) => {
            let written = lpm::alone(network.network.ip());
            ("the prefix length is missing".to_owned(), format!("write `'{written}'`"))
        }
        Err(CidrError::Zone) => ("it has a zone id".to_owned(), "leave the zone out".to_owned()),
        Err(error) => (error.to_string(), network_help(text)),
    };
    let message = format!("`{shown}` is not a network, {so}: {why}");
    found.push(Diagnostic::new(&codes::CIDR_ARGUMENT, place, message).with_help(help));
}
