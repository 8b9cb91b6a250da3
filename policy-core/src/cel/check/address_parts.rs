//! Parts of the texts of addresses: those that no address has, and those that more addresses have than are meant.

use std::net::IpAddr;

use crate::cel::codes;
use crate::cel::library::overload::Form;
use crate::diagnostic::{Diagnostic, Diagnostics, shorten};
use crate::lpm;
use crate::source::Span;

/// True for a character that some address has.
const fn is_of_address(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f' | '.' | ':')
}

/// A part of an address that no address has, or that more addresses have than are meant.
pub(in crate::cel) fn held(
    fact: &str,
    (form, function): (Form, &str),
    text: &str,
    (place, whole): (Span, Option<Span>),
    found: &mut Diagnostics,
) {
    let shown = shorten(text);
    let verb = match form {
        Form::Begins => "starts with",
        Form::Ends => "ends with",
        _ => "holds",
    };
    let never = |why: &str| {
        Diagnostic::new(&codes::NEVER_EQUAL, place, format!("`{fact}` never {verb} `{shown}`: {why}"))
    };
    if text.contains('/') && lpm::cidr(text).is_ok() {
        let call = format!("inCidrRange({fact}, '{text}')");
        let item =
            never(&format!("`{function}` compares text, not networks")).with_help(format!("write `{call}`"));
        found.push(match whole {
            Some(whole) => item.with_fix_at(false, Some(whole), call),
            None => item,
        });
        return;
    }
    if let Some(odd) = text.chars().find(|c| !is_of_address(*c)) {
        let lower = text.to_ascii_lowercase();
        let item = match lower.chars().all(is_of_address) {
            true => never("addresses are in lower case").with_help(format!("write `'{lower}'`")).with_fix_at(
                false,
                Some(place),
                format!("'{lower}'"),
            ),
            false => never(&format!("an address has no `{odd}`"))
                .with_help(format!("write a part of an address, or `inCidrRange({fact}, '203.0.113.0/24')`")),
        };
        found.push(item);
        return;
    }
    if let Some((why, help)) = malformed(fact, form, text) {
        found.push(never(why).with_help(help));
    } else if let Some((message, help, fix)) = others(fact, form, text) {
        let item = Diagnostic::new(&codes::NEVER_EQUAL, place, message).with_help(help);
        found.push(match fix {
            Some(fix) => item.with_fix_at(false, Some(place), fix),
            None => item,
        });
    }
}

/// Why no address has a part with these characters, and what to write.
fn malformed(fact: &str, form: Form, text: &str) -> Option<(&'static str, String)> {
    let network = || format!("write `inCidrRange({fact}, '203.0.113.0/24')`");
    if text.contains(':') && text.contains('.') {
        return Some(("an address has colons or points", network()));
    }
    if form == Form::Begins && text.starts_with("::ffff:") {
        let help = format!("write the IPv4 address, or {}", network().trim_start_matches("write "));
        return Some(("an IPv4-mapped address is written as IPv4 here", help));
    }
    let dotted = text.contains('.');
    let numbers: Vec<&str> = text.split(['.', ':']).collect();
    // A number at an end may go on there.
    let begun = |at: usize| at > 0 || form == Form::Begins;
    let zeros = |number: &str| number.len() > 1 && number.starts_with('0');
    if let Some((_, number)) = numbers.iter().enumerate().find(|(at, number)| begun(*at) && zeros(number)) {
        let short = number.trim_start_matches('0');
        let written = text.replace(number, if short.is_empty() { "0" } else { short });
        return Some(("numbers have no zeros in front", format!("write `'{written}'`")));
    }
    let large = |number: &str| number.parse::<u16>().is_ok_and(|number| number > 255) || number.len() > 3;
    (dotted && numbers.iter().any(|number| large(number))).then(|| ("its numbers go up to 255", network()))
}

/// What is said of a part that other addresses have too, what to write, and what takes its place.
fn others(fact: &str, form: Form, text: &str) -> Option<(String, String, Option<String>)> {
    let shown = shorten(text);
    let whole = text.parse::<IpAddr>().is_ok();
    // The end of an address says nothing of its network.
    let test = test_of(fact, text)
        .filter(|_| whole || form != Form::Ends)
        .unwrap_or_else(|| format!("inCidrRange({fact}, '203.0.113.0/24')"));
    let help = format!("write `{test}`");
    match form {
        Form::Begins => {
            let (first, last) = longer_octets(text)?;
            let message =
                format!("`{fact}` starts with `{shown}` in front of other numbers too: {first} to {last}");
            match whole {
                true => Some((message, help, None)),
                false => Some((message, format!("write `'{text}.'`"), Some(format!("'{text}.'")))),
            }
        }
        Form::Ends if text.contains(|c: char| c.is_ascii_digit()) && text.contains('.') || whole => {
            let message = match whole {
                true => format!("`{fact}` ends with `{shown}` after other numbers too"),
                false => format!("`{fact}` ends with `{shown}` in every network"),
            };
            Some((message, help, None))
        }
        Form::Holds if text.contains(|c: char| c.is_ascii_digit()) => {
            let message =
                format!("`{fact}` contains `{shown}` in other places and inside of other numbers too");
            Some((message, help, None))
        }
        _ => None,
    }
}

/// An address that is looked for in a text.
pub(in crate::cel) fn looked_for(
    fact: &str,
    text: &str,
    (place, whole): (Span, Option<Span>),
    found: &mut Diagnostics,
) {
    let shown = shorten(text);
    let message = format!(
        "this looks for `{fact}` as a part of the string `{shown}`, where parts of addresses are found too"
    );
    let item = Diagnostic::new(&codes::NEVER_EQUAL, place, message);
    found.push(match (test_of(fact, text), whole) {
        (Some(test), Some(whole)) => {
            item.with_help(format!("write `{test}`")).with_fix_at(false, Some(whole), test)
        }
        (Some(test), None) => item.with_help(format!("write `{test}`")),
        (None, _) => item.with_help(format!("write a list of addresses, e.g. `{fact} in ['203.0.113.42']`")),
    });
}

/// The test of an address for a text that names addresses or networks, one or several.
pub(in crate::cel) fn test_of(fact: &str, text: &str) -> Option<String> {
    let split = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
    let words: Vec<&str> = text.split(split).filter(|word| !word.is_empty()).collect();
    let addresses: Option<Vec<String>> = words.iter().map(|word| address(word)).collect();
    let networks = || -> Option<Vec<String>> { words.iter().map(|word| network(word)).collect() };
    Some(match (addresses.as_deref(), networks().as_deref()) {
        (Some([]), _) | (_, Some([])) => return None,
        (Some([one]), _) => format!("{fact} == '{one}'"),
        (Some(several), _) => format!("{fact} in ['{}']", several.join("', '")),
        (None, Some([one])) => format!("inCidrRange({fact}, '{one}')"),
        (None, Some(several)) => format!("inCidrRanges({fact}, ['{}'])", several.join("', '")),
        (None, None) => match lpm::slip(text)? {
            lpm::Slip::Networks(networks, _) => match &*networks {
                [one] => format!("inCidrRange({fact}, '{one}')"),
                several => format!("inCidrRanges({fact}, ['{}'])", several.join("', '")),
            },
            _ => return None,
        },
    })
}

fn address(word: &str) -> Option<String> {
    word.parse::<IpAddr>().ok().map(|address| address.to_canonical().to_string())
}

fn network(word: &str) -> Option<String> {
    match word.parse::<IpAddr>() {
        Ok(address) => Some(lpm::alone(address)),
        Err(_) => lpm::cidr(word).is_ok().then(|| word.to_owned()),
    }
}

/// The first and the last beginning of an IPv4 address whose last number goes on: `10` begins 100 to 109.
fn longer_octets(text: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = text.split('.').collect();
    let (last, front) = parts.split_last().filter(|(_, front)| front.len() < 4)?;
    let number = last.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == *last)?;
    let octets = front.iter().all(|part| part.parse::<u8>().is_ok());
    let (min, max) = (number * 10, (number * 10 + 9).min(255));
    let begin =
        |number: u16| front.iter().map(|part| format!("{part}.")).collect::<String>() + &number.to_string();
    (octets && number < 100 && min <= 255).then(|| (begin(min), begin(max)))
}

/// A pattern that is nothing but letters, points and ends: one that no address has, or that others have too.
pub(in crate::cel) fn matched(fact: &str, pattern: &str, whole: Span, found: &mut Diagnostics) {
    let bare = pattern.trim_start_matches('^').trim_end_matches('$').replace("\\.", ".").replace("\\/", "/");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '-' | '_');
    if !bare.chars().all(plain) {
        return;
    }
    if bare.chars().all(is_of_address) {
        part_matched(fact, pattern, &bare, whole, found);
        return;
    }
    let message = format!("`{fact}` never matches `{}`: no address has these characters", shorten(pattern));
    let item = Diagnostic::new(&codes::NEVER_EQUAL, whole, message);
    found.push(match bare.contains('/') && lpm::cidr(&bare).is_ok() {
        true => {
            let call = format!("inCidrRange({fact}, '{bare}')");
            item.with_help(format!("write `{call}`")).with_fix_at(false, Some(whole), call)
        }
        false => {
            item.with_help(format!("write `inCidrRange({fact}, '203.0.113.0/24')`, or a part of an address"))
        }
    });
}

/// A pattern of digits and points without an end, or without both.
fn part_matched(fact: &str, pattern: &str, bare: &str, whole: Span, found: &mut Diagnostics) {
    let form = match (pattern.starts_with('^'), pattern.ends_with('$')) {
        (true, true) => return,
        (true, false) => Form::Begins,
        (false, true) => Form::Ends,
        (false, false) => Form::Holds,
    };
    // A point without `\` is any character.
    let any = form == Form::Begins && pattern.ends_with('.') && !pattern.ends_with("\\.");
    let text = if any { bare.trim_end_matches('.') } else { bare };
    if malformed(fact, form, text).is_some() {
        return;
    }
    let Some((_, help, fix)) = others(fact, form, text) else { return };
    let message = format!("`{fact}` matches `{}` for other addresses too", shorten(pattern));
    let help = match fix {
        Some(_) => format!("write `{}\\.`, with the point after it", pattern.trim_end_matches('.')),
        None => help,
    };
    found.push(Diagnostic::new(&codes::NEVER_EQUAL, whole, message).with_help(help));
}
