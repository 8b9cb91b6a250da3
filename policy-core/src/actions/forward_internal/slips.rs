//! Slips in the URL of an internal endpoint: characters that only look right, ports that are none.

use super::{Authority, INVALID_URL, Piece};
use crate::cel::TemplatePart;
use crate::diagnostic::{Diagnostic, OddCharacter, plain, shorten};
use crate::reader::TextRef;
use crate::source::Span;
use crate::url::EndpointUrl;

/// The help for a letter of another alphabet.
pub(super) const OTHER_ALPHABET: &str = "write a name of another alphabet in its ASCII form, `xn--…`";

/// Says which character of a URL only looks right, if with its twin nothing else is wrong with the URL's letters.
pub(super) fn odd_url(text: TextRef<'_>, shown: &str) -> Option<Diagnostic> {
    let odd = OddCharacter::in_text(text.value)?;
    let right = Some(plain(text.value)).filter(|right| right.is_ascii())?;
    let message = format!("`{shown}` is not an endpoint URL: {odd}");
    let place = part_span(text, &(odd.at..odd.end()));
    let found = Diagnostic::new(&INVALID_URL, place, message).with_help(OddCharacter::advice(odd.twin));
    let fits = EndpointUrl::parse(&right).is_ok();
    Some(found.with_fix_at(false, text.content.filter(|_| fits), right))
}

/// The place of a part of a scalar; of an empty part the whole scalar.
pub(super) fn part_span(text: TextRef<'_>, part: &std::ops::Range<usize>) -> Span {
    match part.is_empty() {
        true => text.span,
        false => text.origin().place(Span::from_range(part.clone())).0,
    }
}

/// The place of a written part of a target with expressions, as far as it can be found.
fn place_of(text: TextRef<'_>, part: &str) -> Span {
    let at = text.value.rfind(part);
    at.map_or(text.span, |at| part_span(text, &(at..at + part.len())))
}

/// A character in a written part that only looks right.
pub(super) fn odd_part(parts: &[TemplatePart], text: TextRef<'_>) -> Option<Diagnostic> {
    let written = |part: &TemplatePart| match part {
        TemplatePart::Text(written) => OddCharacter::in_text(written),
        TemplatePart::Expression(_) => None,
    };
    let odd = parts.iter().find_map(written)?;
    let place = place_of(text, odd.character.encode_utf8(&mut [0; 4]));
    let found = Diagnostic::new(&INVALID_URL, place, format!("the target is not an endpoint URL: {odd}"));
    Some(found.with_help(OddCharacter::advice(odd.twin)).with_fix_at(false, Some(place), odd.twin))
}

/// A port with expressions in it whose written digits make none, whatever the expressions give.
pub(super) fn wrong_port(parts: &[TemplatePart], text: TextRef<'_>) -> Option<Diagnostic> {
    let authority = Authority::from_parts(parts);
    let (at, first) = authority.pieces.iter().enumerate().find_map(|(at, piece)| match piece {
        Piece::Text(text) if !text.starts_with('[') => Some((at, text.split_once(':')?.1)),
        _ => None,
    })?;
    let rest = authority.pieces.iter().skip(at + 1).filter_map(|piece| match piece {
        Piece::Text(text) => Some(*text),
        Piece::Expression(_) => None,
    });
    let written: Vec<&str> = std::iter::once(first).chain(rest).filter(|part| !part.is_empty()).collect();
    let digits: usize = written.iter().map(|part| part.len()).sum();
    let wrong = written.iter().find(|part| {
        let number = part.bytes().all(|byte| byte.is_ascii_digit());
        !number || digits > 5 || part.parse::<u32>().is_ok_and(|number| number > u32::from(u16::MAX))
    })?;
    let message = format!("`{}` is not a port: ports are numbers from 1 to 65535", shorten(wrong));
    let found = Diagnostic::new(&INVALID_URL, place_of(text, wrong), message);
    Some(found.with_help("write digits only after the `:`, e.g. `:22`"))
}

/// The target with a letter for each expression; after a colon, where a port stands, with a digit.
pub(super) fn filled_in(parts: &[TemplatePart]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            TemplatePart::Text(text) => out.push_str(text),
            TemplatePart::Expression(_) if out.rsplit('/').next().is_some_and(|rest| rest.contains(':')) => {
                out.push('1')
            }
            TemplatePart::Expression(_) => out.push('x'),
        }
    }
    out
}
