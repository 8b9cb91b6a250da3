//! Addresses, times and durations without quotes: as such they are no expressions.

use crate::cel::codes::CEL_SYNTAX;
use crate::cel::values::time::Timestamp;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// What a stretch without quotes is.
enum What {
    /// An address or network.
    Network,
    /// A time; what `timestamp` takes for it.
    Time(String),
    /// A duration; what `duration` takes for it.
    Duration(String),
}

/// What is said of an address, time or duration without quotes that a token is a part of, at its place.
pub(super) fn found(text: &str, token: Span) -> Option<Diagnostic> {
    let (span, what) =
        network(text, token).or_else(|| time(text, token)).or_else(|| duration(text, token))?;
    let written = text.get(span.to_range())?;
    let (help, replacement) = match what {
        What::Network => {
            (format!("put the address or network in quotes: `'{written}'`"), format!("'{written}'"))
        }
        What::Time(time) => call_around(text, span, "timestamp", &time),
        What::Duration(duration) => call_around(text, span, "duration", &duration),
    };
    let found = Diagnostic::new(&CEL_SYNTAX, span, format!("`{written}` is not quoted"));
    Some(found.with_help(help).with_fix_at(false, Some(span), replacement))
}

/// Help and replacement for a text that a function takes; it may stand around it already.
fn call_around(text: &str, span: Span, function: &str, argument: &str) -> (String, String) {
    let call = format!("{function}('{argument}')");
    let before = text.get(..span.start as usize).unwrap_or_default().trim_end();
    let inside = before.strip_suffix('(').is_some_and(|before| before.trim_end().ends_with(function));
    (format!("write `{call}`"), if inside { format!("'{argument}'") } else { call })
}

/// The stretch around a place whose characters are a part of it.
fn stretch(text: &str, at: usize, part: impl Fn(char) -> bool) -> Option<(usize, &str)> {
    /// Characters of the longest network.
    const MAX_LENGTH: usize = 49;
    let before = text.get(text.ceil_char_boundary(at.saturating_sub(MAX_LENGTH))..at)?;
    let start = at - (before.len() - before.trim_end_matches(&part).len());
    let rest = text.get(start..text.floor_char_boundary(start.saturating_add(2 * MAX_LENGTH)))?;
    let length = rest.len() - rest.trim_start_matches(&part).len();
    Some((start, rest.get(..length)?))
}

fn network(text: &str, token: Span) -> Option<(Span, What)> {
    let part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/');
    let (start, around) = stretch(text, token.start as usize, part)?;
    // `a::b` is a name of another language.
    if text.get(..start)?.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let address = around.trim_end_matches([':', '.', '/']);
    let known = (address.len() > 6 || address.contains("::")) && crate::lpm::cidr(address).is_ok();
    known.then(|| (Span::from_range(start..start + address.len()), What::Network))
}

/// `2026-01-31`, `2026-01-31T12:00:00Z`, `2026-01-31 12:00`.
fn time(text: &str, token: Span) -> Option<(Span, What)> {
    let at = token.start as usize;
    let part = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | '+' | 'T' | 'Z' | 't' | 'z');
    let (start, around) = stretch(text, at, part)?;
    if let Some(time) = full_time(around) {
        return Some((Span::from_range(start..start + around.len()), What::Time(time)));
    }
    // A time of day after a space.
    let (day, time) = text.get(start.checked_sub(11)?..start + around.len())?.split_once(' ')?;
    let time = full_time(&format!("{day}T{time}"))?;
    Some((Span::from_range(start - 11..start + around.len()), What::Time(time)))
}

/// A time as `timestamp` takes it, of one whose seconds or zone may be missing.
pub(in crate::cel) fn full_time(text: &str) -> Option<String> {
    const MAX_LENGTH: usize = 40;
    if text.len() > MAX_LENGTH || text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let upper = text.to_ascii_uppercase();
    let (day, time) = upper.split_once('T').unwrap_or((&upper, "00:00:00Z"));
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let clock = if clock.len() == 5 { format!("{clock}:00") } else { clock.to_owned() };
    let zone = if zone.is_empty() { "Z" } else { zone };
    let full = format!("{day}T{clock}{zone}");
    Timestamp::parse(&full).map(|_| full)
}

/// `1h30m`, `500ms`, and days, which `duration` does not know.
fn duration(text: &str, token: Span) -> Option<(Span, What)> {
    let part = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'h' | 'm' | 's' | 'u' | 'n' | 'd');
    let (start, around) = stretch(text, token.start as usize, part)?;
    let before = text.get(..start)?.chars().next_back();
    let behind = text.get(start + around.len()..)?.chars().next();
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '\'' | '"'));
    if in_word(before) || in_word(behind) || !around.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let days = around.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let duration = match days.and_then(|days| days.checked_mul(24)) {
        Some(hours) => format!("{hours}h"),
        None => crate::duration::parse_duration(around).map(|_| around.to_owned())?,
    };
    Some((Span::from_range(start..start + around.len()), What::Duration(duration)))
}

#[cfg(test)]
mod tests {
    use crate::cel::{CelLimits, parse};
    use crate::diagnostic::Diagnostics;

    fn fixed(text: &str) -> Option<String> {
        let mut found = Diagnostics::default();
        let _ = parse(text, &CelLimits::default(), &mut found);
        let all: Vec<_> = found.iter().collect();
        let first = all.first().filter(|item| item.message.ends_with("is not quoted"))?;
        assert_eq!(all.len(), 1, "{text}: {found:?}");
        let edit = first.fix.as_ref()?.edits.first()?;
        assert!(first.help.as_ref()?.contains(edit.replacement.as_str()), "{text}");
        let mut out = text.to_owned();
        out.replace_range(edit.span.to_range(), &edit.replacement);
        Some(out)
    }

    #[test]
    fn what_needs_quotes_gets_them() {
        for (text, right) in [
            ("a == 203.0.113.42", "a == '203.0.113.42'"),
            ("f(a, 203.0.113.0/24) && b", "f(a, '203.0.113.0/24') && b"),
            ("a > 2026-01-31T00:00:00Z", "a > timestamp('2026-01-31T00:00:00Z')"),
            ("a > 2026-01-31T00:00:00Z && b", "a > timestamp('2026-01-31T00:00:00Z') && b"),
            ("a > 2026-01-31T12:30+02:00", "a > timestamp('2026-01-31T12:30:00+02:00')"),
            ("a > 2026-01-31 12:30:00", "a > timestamp('2026-01-31T12:30:00Z')"),
            ("timestamp(2026-01-31T00:00:00Z) < a", "timestamp('2026-01-31T00:00:00Z') < a"),
            ("f(timestamp( 2026-01-31T00:00:00.5Z ))", "f(timestamp( '2026-01-31T00:00:00.5Z' ))"),
            ("a - b > 1h", "a - b > duration('1h')"),
            ("a > 1h30m || b", "a > duration('1h30m') || b"),
            ("duration(500ms) < a", "duration('500ms') < a"),
            ("a < 90d", "a < duration('2160h')"),
        ] {
            assert_eq!(fixed(text).as_deref(), Some(right), "{text}");
        }
    }

    #[test]
    fn other_faults_are_told_as_such() {
        for text in [
            "a > 2026-13-41T00:00:00Z",
            "a b",
            "1 h",
            "a == 5x",
            "2026-01-31",
            "a > 1hour",
            "1m'",
            "conn::client_ip",
        ] {
            assert_eq!(fixed(text), None, "{text}");
        }
    }
}
