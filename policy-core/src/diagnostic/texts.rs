//! Words of messages: shortened, without what steers a terminal, with what may be meant.

use std::borrow::Cow;
use std::fmt;

use super::user_info::without_user;
use super::{OddCharacter, is_invisible, plain};

/// User text for a message: shortened, and [`printable`].
pub(crate) fn shorten(text: &str) -> Cow<'_, str> {
    const MAX: usize = 80;
    if text.contains("://")
        && let Some(masked) = without_user(text)
    {
        return shorten(&masked).into_owned().into();
    }
    cut(text, MAX)
}

/// User text in one line: [`printable`], and cut behind so many characters.
///
/// ```
/// use policy_core::diagnostic::cut;
/// assert_eq!((&*cut("a\nbc", 3), &*cut("a\nbc", 4)), ("a\\nb…", "a\\nbc"));
/// ```
#[must_use]
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", printable(text.get(..at).unwrap_or_default())).into(),
        None => printable(text),
    }
}

/// The text of a URL, a host or an address for a message: shortened, printable, and without user name, password and query,
/// which may hold a token.
///
/// ```
/// use policy_core::diagnostic::shown_address;
/// assert_eq!(shown_address("admin:secret@device1.internal:22"), "…@device1.internal:22");
/// assert_eq!(shown_address("tcp:/admin:secret@device1.internal"), "tcp:/…@device1.internal");
/// assert_eq!(shown_address("https://example.com/@a"), "https://example.com/@a");
/// assert_eq!(shown_address("https://example.com/a?token=secret"), "https://example.com/a?…");
/// ```
#[must_use]
pub fn shown_address(text: &str) -> Cow<'_, str> {
    let masked = without_user(text).map_or(Cow::Borrowed(text), Cow::Owned);
    match masked.split_once('?') {
        Some((before, query)) if !query.is_empty() => shorten(&format!("{before}?…")).into_owned().into(),
        _ => shorten(&masked).into_owned().into(),
    }
}

/// True for characters that show nothing and steer what does: control characters, line separators, and those that
/// turn the direction of writing (Unicode Standard Annex 9, explicit formatting and marks).
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// User text for a terminal or a log: line breaks, control characters, those that cannot be seen and those that turn
/// the direction of writing are escaped, so that a policy cannot forge a line.
///
/// ```
/// use policy_core::diagnostic::printable;
/// assert_eq!(printable("a\n\u{1b}[2K"), "a\\n\\u{1b}[2K");
/// assert_eq!(printable("Büro 7"), "Büro 7");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    // Joiners are letters of some scripts.
    let hidden = |c| steers(c) || is_invisible(c) && !matches!(c, '\u{200c}' | '\u{200d}');
    if !text.contains(hidden) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match hidden(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out.into()
}

/// The nearest of `known` to a misspelt word, if near enough to be worth suggesting.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Only the front of an absurdly long word is compared: the distance is quadratic.
    let word: String = word.chars().take(64).collect();
    let word = plain(&word).trim().to_lowercase().replace('_', "-");
    let length = word.chars().count();
    let limit = (length / 3).max(1);
    known
        .into_iter()
        // Every letter more or less is a difference.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.replace('_', "-")), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The help for a misspelt word: the one it is near to, and which of its characters only looks right.
pub(crate) fn did_you_mean_help(word: &str, near: &str) -> String {
    match OddCharacter::in_text(word) {
        Some(odd) => format!("did you mean `{near}`? {odd}"),
        None => format!("did you mean `{near}`?"),
    }
}

/// A help, and which character of a word only looks right, if there is one.
pub(crate) fn with_odd(help: &str, word: &str) -> String {
    match OddCharacter::in_text(word) {
        Some(odd) => format!("{help}; {odd}"),
        None => help.to_owned(),
    }
}

/// How much was checked and found, in one line.
///
/// ```
/// use policy_core::diagnostic::summary;
/// assert_eq!(summary(1, 0, 2), "checked 1 file: 0 errors, 2 warnings");
/// ```
#[must_use]
pub fn summary(files: usize, errors: usize, warnings: usize) -> String {
    let [files, errors, warnings] = [
        counted(files, "file", "files"),
        counted(errors, "error", "errors"),
        counted(warnings, "warning", "warnings"),
    ];
    format!("checked {files}: {errors}, {warnings}")
}

/// A number of things of a kind.
///
/// ```
/// use policy_core::diagnostic::counted;
/// assert_eq!([0, 1, 2].map(|count| counted(count, "entry", "entries")), ["0 entries", "1 entry", "2 entries"]);
/// ```
#[must_use]
pub fn counted<N: fmt::Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    let what = if count == N::from(1) { one } else { many };
    format!("{count} {what}")
}
