//! Secrets of a call in what it prints: outputs of continuous integration are read by many.

use std::borrow::Cow;
use std::ops::Range;

use policy_core::cel::Value;
use policy_core::diagnostic::printable;
use policy_core::facts::HIDDEN_SECRET;
use policy_core::json;
use policy_core::parse::{Plain, PlainMap};

use crate::cli::SecretValue;

/// Bytes of a secret that is hidden inside of other texts. A shorter one is a part of many words: it is hidden where it
/// stands alone.
const MIN_INSIDE: usize = 4;

/// Places in one text where a secret may have been cut, beside its end.
const MAX_CUTS: usize = 128;

/// The texts that are not to be printed, in every form in which they are.
#[derive(Default)]
pub(crate) struct Hidden {
    alone: Vec<String>,
    inside: Vec<String>,
}

impl Hidden {
    /// The values of secrets: as they are, and as values, JSON and messages write them.
    pub(crate) fn new(secrets: &[SecretValue]) -> Self {
        let mut hidden = Self::default();
        for value in secrets.iter().map(|secret| &*secret.value).filter(|value| !value.is_empty()) {
            let mut quoted = vec![format!("{value:?}"), Value::from(value.to_owned()).to_string()];
            quoted.extend(json::to_string(value));
            let bare = |text: &String| Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned());
            let mut forms: Vec<String> = quoted.iter().filter_map(bare).collect();
            forms.extend([value.to_owned(), printable(value).into_owned()]);
            match value.len() {
                ..MIN_INSIDE => hidden.alone.extend(quoted.into_iter().chain(forms)),
                _ => hidden.inside.extend(forms),
            }
        }
        for forms in [&mut hidden.alone, &mut hidden.inside] {
            forms.sort();
            forms.dedup();
        }
        hidden
    }

    /// A text without them; what lies in several is hidden once.
    pub(crate) fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.alone.iter().any(|alone| alone == text) {
            return HIDDEN_SECRET.into();
        }
        let mut spans: Vec<Range<usize>> = self.inside.iter().flat_map(|form| places(text, form)).collect();
        // Where a message was cut; a body may be full of the same character.
        let cuts = text.match_indices('…').map(|(at, _)| at).take(MAX_CUTS);
        let last = text.strip_suffix('…').map(str::len);
        spans.extend(cuts.chain(last).filter_map(|at| self.begun(text.get(..at)?)));
        if spans.is_empty() {
            return text.into();
        }
        spans.sort_by_key(|span| span.start);
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for span in spans {
            // What overlaps the one before is a part of it.
            if span.start >= at {
                out.push_str(text.get(at..span.start).unwrap_or_default());
                out.push_str(HIDDEN_SECRET);
            }
            at = at.max(span.end);
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out.into()
    }

    /// Where a secret begins that a text, which was cut, does not have to its end.
    fn begun(&self, cut: &str) -> Option<Range<usize>> {
        let longest = self.inside.iter().map(String::len).max()?;
        let from = cut.len().saturating_sub(longest);
        let mut tails = cut.char_indices().map(|(at, _)| at).filter(|at| *at >= from);
        let is_begun = |at: usize| {
            let tail = cut.get(at..).unwrap_or_default();
            tail.len() >= MIN_INSIDE && self.inside.iter().any(|form| form.starts_with(tail))
        };
        tails.find(|at| is_begun(*at)).map(|at| at..cut.len())
    }

    /// Takes them out of a text.
    pub(crate) fn text(&self, text: &mut String) {
        if let Cow::Owned(shown) = self.shown(text) {
            *text = shown;
        }
    }

    /// Takes them out of bytes, which lose what is no text if there is one in them.
    pub(crate) fn bytes(&self, bytes: &mut Vec<u8>) {
        if let Cow::Owned(shown) = self.shown(&String::from_utf8_lossy(bytes)) {
            *bytes = shown.into_bytes();
        }
    }

    /// Plain data without them.
    pub(crate) fn plain(&self, PlainMap(entries): &PlainMap) -> PlainMap {
        PlainMap(entries.iter().map(|(key, value)| (key.clone(), self.value(value))).collect())
    }

    fn value(&self, value: &Plain) -> Plain {
        match value {
            Plain::String(text) => {
                let mut text = text.to_string();
                self.text(&mut text);
                Plain::String(text.into())
            }
            Plain::List(items) => Plain::List(items.iter().map(|item| self.value(item)).collect()),
            Plain::Map(map) => Plain::Map(self.plain(map)),
            other => other.clone(),
        }
    }
}

/// Where a form stands in a text, also where it overlaps itself. O(text), but for one that overlaps itself often.
fn places<'t>(text: &'t str, form: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.find(form)?;
        from = start + form.chars().next().map_or(1, char::len_utf8);
        Some(start..start + form.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(values: &[&str]) -> Hidden {
        let secret =
            |value: &&str| SecretValue { vault: "v".into(), name: "n".into(), value: (*value).into() };
        Hidden::new(&values.iter().map(secret).collect::<Vec<_>>())
    }

    #[test]
    fn secrets_are_hidden_in_every_form_in_which_they_are_written() {
        for secret in ["pass\"word", "back\\slash", "tab\there\u{1}x", "two\nlines", "turn\u{202e}ed", "Büro"]
        {
            let value = Value::from(secret.to_owned()).to_string();
            let json = json::to_string(secret).expect("a text");
            for written in
                [secret.to_owned(), format!("{secret:?}"), value, json, printable(secret).into_owned()]
            {
                let text = format!("before {written} after");
                let shown = hidden(&[secret]).shown(&text).into_owned();
                assert!(shown == "before (secret) after" || shown == "before \"(secret)\" after", "{shown}");
            }
        }
        let mut bytes = b"abcdef \xff".to_vec();
        hidden(&["abcdef"]).bytes(&mut bytes);
        assert_eq!(bytes, "(secret) \u{fffd}".as_bytes());
    }

    #[test]
    fn what_lies_in_several_secrets_is_hidden_once() {
        assert_eq!(hidden(&["abcdef", "cdefgh"]).shown("x abcdefgh y"), "x (secret) y");
        assert_eq!(hidden(&["secret", "ecre"]).shown("a secret, an ecre"), "a (secret), an (secret)");
        assert_eq!(hidden(&["abcd", "abcdef"]).shown("abcdef abcd"), "(secret) (secret)");
        assert_eq!(hidden(&["aXaXa"]).shown("aXaXaXa"), "(secret)");
    }

    #[test]
    fn a_secret_that_was_cut_is_hidden() {
        assert_eq!(hidden(&["abcdefgh"]).shown("key abcdef…"), "key (secret)…");
        assert_eq!(hidden(&["abcdabcdef"]).shown("abcdabcdabcd…"), "abcd(secret)…");
        assert_eq!(hidden(&["abcdefgh"]).shown("key abcdef"), "key abcdef", "it was not cut");
        assert_eq!(hidden(&["abcdefgh"]).shown("`abcdef…` is none"), "`(secret)…` is none");
    }

    /// A body may be full of what looks like a cut, and its end may be one.
    #[test]
    fn a_text_full_of_cuts_takes_no_longer() {
        let body = "abc…".repeat(300_000);
        assert!(hidden(&["abcdefgh"]).shown(&body) == body);
        let ends = format!("{}abcdef…", "…".repeat(1_000));
        assert!(!hidden(&["abcdefgh"]).shown(&ends).contains("abcd"));
    }

    #[test]
    fn a_short_secret_is_hidden_where_it_stands_alone() {
        let hidden = hidden(&["e", " ", ""]);
        assert_eq!(hidden.shown("e"), "(secret)");
        assert_eq!(hidden.shown("\"e\""), "(secret)");
        assert_eq!(hidden.shown("text; charset"), "text; charset");
    }
}
