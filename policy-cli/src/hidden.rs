//! Secrets of a call in what it prints: outputs of continuous integration are read by many.

use policy_core::facts::HIDDEN_SECRET;
use policy_core::parse::{Plain, PlainMap};

use crate::cli::SecretValue;

/// Bytes of a secret that is hidden in sentences.
const MIN_IN_PROSE: usize = 4;

/// The texts that are not to be printed.
pub(crate) struct Hidden(Vec<String>);

impl Hidden {
    /// The values of secrets, and how they are written in quotes.
    pub(crate) fn new(secrets: &[SecretValue]) -> Self {
        let values = secrets.iter().map(|secret| &secret.value).filter(|value| !value.is_empty());
        let mut all: Vec<String> = Vec::new();
        for value in values {
            let quoted = format!("{value:?}");
            let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
            all.extend([value, inside].map(str::to_owned));
        }
        // Of two, one of which begins with the other, the longer one.
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self(all)
    }

    /// A text without them.
    pub(crate) fn text(&self, text: &mut String) {
        self.replace(text, 1);
    }

    fn replace(&self, text: &mut String, min: usize) {
        for hidden in self.0.iter().filter(|hidden| hidden.len() >= min) {
            if text.contains(hidden.as_str()) {
                *text = text.replace(hidden.as_str(), HIDDEN_SECRET);
            }
        }
    }

    /// Sentences without the longer ones: short ones are parts of other words.
    pub(crate) fn prose(&self, text: &mut String) {
        self.replace(text, MIN_IN_PROSE);
    }

    /// The same of bytes.
    pub(crate) fn prose_bytes(&self, bytes: &mut Vec<u8>) {
        if let (false, Ok(text)) = (self.0.is_empty(), std::str::from_utf8(bytes)) {
            let mut text = text.to_owned();
            self.prose(&mut text);
            *bytes = text.into_bytes();
        }
    }

    /// Bytes without them.
    pub(crate) fn bytes(&self, bytes: &mut Vec<u8>) {
        if let (false, Ok(text)) = (self.0.is_empty(), std::str::from_utf8(bytes)) {
            let mut text = text.to_owned();
            self.text(&mut text);
            *bytes = text.into_bytes();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_as_they_are_and_in_quotes() {
        let secret = |value: &str| SecretValue { vault: "v".into(), name: "n".into(), value: value.into() };
        let hidden = Hidden::new(&[secret("pass\"word"), secret("abc"), secret("abcdef"), secret("")]);
        let mut text = "pass\"word, pass\\\"word, abcdef, abc".to_owned();
        hidden.text(&mut text);
        assert_eq!(text, "(secret), (secret), (secret), (secret)");
        let mut bytes = b"abcdef \xff".to_vec();
        hidden.bytes(&mut bytes);
        assert_eq!(bytes, b"abcdef \xff");
    }
}
