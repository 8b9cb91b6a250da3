//! Headers: those that a host lends, and what rules have changed of them.

use std::fmt;
use std::ops::ControlFlow;

use crate::cel::TextMap;
use crate::diagnostic::shorten;

/// Bytes of a header's name.
pub(crate) const MAX_NAME: usize = 256;
/// Bytes of a header's value.
const MAX_VALUE: usize = 64 << 10;
/// Headers of a message: what is looked up by name is looked for among all of them.
const MAX_HEADERS: usize = 1_000;
/// Bytes of all headers (ngrok documentation, limits, 2026-08-07: 1 MB each way).
const MAX_TOTAL: usize = 1 << 20;

/// Why a header cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// Its name has characters that no name may have, or none at all (RFC 9110, 5.1).
    Name(Box<str>),
    /// Its value has a line break or another control character (RFC 9110, 5.5).
    Value(Box<str>),
    /// Name or value is too long.
    TooLong(Box<str>),
    /// There are too many, or they are too long together.
    TooMany,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{}` is not the name of a header", shorten(name)),
            Self::Value(name) => {
                write!(
                    f,
                    "the value of header `{}` contains a line break or control character",
                    shorten(name)
                )
            }
            Self::TooMany => {
                write!(f, "more than {MAX_HEADERS} headers, or more than {MAX_TOTAL} bytes of them")
            }
            Self::TooLong(name) => write!(
                f,
                "the header `{}` is too long: names have up to {MAX_NAME} bytes, values up to {MAX_VALUE}",
                shorten(name)
            ),
        }
    }
}

impl std::error::Error for HeaderError {}

/// True for a token of HTTP, as methods and names of headers are (RFC 9110, 5.6.2).
///
/// ```
/// assert!(policy_core::message::is_token("x-site") && !policy_core::message::is_token("x site"));
/// ```
#[must_use]
pub fn is_token(text: &str) -> bool {
    let token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    !text.is_empty() && text.bytes().all(token)
}

/// Checks a header as it would be sent. O(length).
///
/// # Errors
/// [`HeaderError`].
pub(crate) fn check_header(name: &str, value: &str) -> Result<(), HeaderError> {
    if !is_token(name) {
        return Err(HeaderError::Name(name.into()));
    }
    if name.len() > MAX_NAME || value.len() > MAX_VALUE {
        return Err(HeaderError::TooLong(shorten(name).into()));
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(HeaderError::Value(name.into()));
    }
    Ok(())
}

/// Headers in the order in which they were given, names in lower case.
///
/// ```
/// use policy_core::{cel::TextMap, message::Headers};
/// let mut headers = Headers::default();
/// headers.append("X-Site", "berlin")?;
/// headers.append("x-site", "bonn")?;
/// assert_eq!((headers.count("x-site"), headers.get("x-site", 1)), (Some(2), Some("bonn")));
/// assert!(headers.append("x-site", "a\r\nb: c").is_err());
/// # Ok::<(), policy_core::message::HeaderError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Box<str>, Box<str>)>);

impl Headers {
    pub(super) const NONE: Self = Self(Vec::new());

    /// Adds a value; one that is there stays.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn append(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        check_header(name, value)?;
        let total: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.0.len() >= MAX_HEADERS || total + name.len() + value.len() > MAX_TOTAL {
            return Err(HeaderError::TooMany);
        }
        self.0.push((name.to_ascii_lowercase().into(), value.into()));
        Ok(())
    }

    /// Gives a header one value alone.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn replace(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        check_header(name, value)?;
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.append(name, value)
    }

    /// Removes every value of a header, whose name is in lower case.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| **known != *name);
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl TextMap for Headers {
    fn count(&self, name: &str) -> Option<usize> {
        let count = self.0.iter().filter(|(known, _)| **known == *name).count();
        (count > 0).then_some(count)
    }

    fn get(&self, name: &str, at: usize) -> Option<&str> {
        self.0.iter().filter(|(known, _)| **known == *name).nth(at).map(|(_, value)| &**value)
    }

    fn each_name<'m>(&'m self, each: &mut dyn FnMut(&'m str) -> ControlFlow<()>) -> ControlFlow<()> {
        self.0.iter().try_for_each(|(name, _)| each(name))
    }
}

/// What rules have changed of the headers of a message: every header that one of them touched, with the values that it has
/// now. All others are the host's, which are not copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderEdits(Vec<(Box<str>, Vec<Box<str>>)>);

impl HeaderEdits {
    pub(super) const NONE: Self = Self(Vec::new());

    /// True if nothing was changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of a header that was touched.
    fn touched(&self, name: &str) -> Option<&[Box<str>]> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, values)| &**values)
    }

    /// Headers as they are now: untouched ones in their order, then those that were touched.
    pub(super) fn applied(&self, of: &Headers) -> Headers {
        let untouched = of.0.iter().filter(|(name, _)| self.touched(name).is_none()).cloned();
        let touched =
            self.0.iter().flat_map(|(name, values)| values.iter().map(|value| (name.clone(), value.clone())));
        Headers(untouched.chain(touched).collect())
    }

    /// Every header that was touched, with its values now; none if it was removed.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &[Box<str>])> {
        self.0.iter().map(|(name, values)| (&**name, &**values))
    }

    /// Changes the values of a header, which are those of the host at first. INVARIANT: the name is in lower case.
    fn change(&mut self, name: &str, of: Option<&dyn TextMap>, change: impl FnOnce(&mut Vec<Box<str>>)) {
        if self.touched(name).is_none() {
            let count = of.and_then(|of| of.count(name)).unwrap_or(0);
            let values = (0..count).filter_map(|at| of?.get(name, at)).map(Into::into).collect();
            self.0.push((name.into(), values));
        }
        if let Some((_, values)) = self.0.iter_mut().find(|(known, _)| **known == *name) {
            change(values);
        }
    }

    /// Adds a value to those that a header has.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub(crate) fn append(
        &mut self,
        name: &str,
        value: &str,
        of: Option<&dyn TextMap>,
    ) -> Result<(), HeaderError> {
        check_header(name, value)?;
        self.change(&name.to_ascii_lowercase(), of, |values| values.push(value.into()));
        Ok(())
    }

    /// Gives a header one value alone.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub(crate) fn replace(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        check_header(name, value)?;
        self.change(&name.to_ascii_lowercase(), None, |values| *values = vec![value.into()]);
        Ok(())
    }

    /// Removes a header with all of its values.
    pub(crate) fn remove(&mut self, name: &str) {
        self.change(&name.to_ascii_lowercase(), None, Vec::clear);
    }
}

/// The headers of a message as they are now: those of the host with what rules have changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EditedHeaders<'h> {
    pub(crate) of: &'h dyn TextMap,
    pub(crate) edits: &'h HeaderEdits,
}

impl TextMap for EditedHeaders<'_> {
    fn count(&self, name: &str) -> Option<usize> {
        match self.edits.touched(name) {
            Some(values) => Some(values.len()).filter(|count| *count > 0),
            None => self.of.count(name),
        }
    }

    fn get(&self, name: &str, at: usize) -> Option<&str> {
        match self.edits.touched(name) {
            Some(values) => values.get(at).map(|value| &**value),
            None => self.of.get(name, at),
        }
    }

    fn each_name<'m>(&'m self, each: &mut dyn FnMut(&'m str) -> ControlFlow<()>) -> ControlFlow<()> {
        self.of.each_name(&mut |name| match self.edits.touched(name) {
            Some(_) => ControlFlow::Continue(()),
            None => each(name),
        })?;
        self.edits.iter().filter(|(_, values)| !values.is_empty()).try_for_each(|(name, _)| each(name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cel::Borrowed;

    #[test]
    fn names_and_values_that_split_a_message_are_refused() {
        let mut headers = Headers::default();
        for (name, value) in [("", "a"), ("a b", "a"), ("a:", "a"), ("a\r", "a"), ("ä", "a")] {
            assert_eq!(headers.append(name, value), Err(HeaderError::Name(name.into())));
        }
        for value in ["a\r\nb: c", "a\nb", "\0", "\u{7f}", "\u{85}"] {
            assert_eq!(headers.append("a", value), Err(HeaderError::Value("a".into())), "{value:?}");
        }
        let mut many = Headers::default();
        (0..MAX_HEADERS).for_each(|at| many.append(&format!("n{at}"), "v").expect("room"));
        assert_eq!(many.append("one-more", "v"), Err(HeaderError::TooMany));
        assert_eq!(many.replace("N7", "w"), Ok(()));
        assert_eq!((many.count("n7"), many.get("n7", 0)), (Some(1), Some("w")));
        let (mut large, part) = (Headers::default(), "x".repeat(MAX_VALUE));
        assert!((0..16).any(|_| large.append("a", &part) == Err(HeaderError::TooMany)));
        assert_eq!(headers.append("a", "tab\tand ü"), Ok(()));
        let long = "x".repeat(MAX_VALUE + 1);
        assert_eq!(headers.append("a", &long), Err(HeaderError::TooLong("a".into())));
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("a", "tab\tand ü")]);
    }

    proptest! {
        /// Whatever is changed, in whatever order, reads as in a copy of all headers that is changed in place.
        #[test]
        fn edits_read_as_a_changed_copy(
            host in prop::collection::vec(("[ab]", "[xy]"), 0..6),
            edits in prop::collection::vec((0..3_u8, "[abC]", "[xyz]"), 0..8),
        ) {
            let mut headers = Headers::default();
            for (name, value) in &host {
                headers.append(name, value).expect("valid");
            }
            let mut copy: Vec<(String, String)> = host.clone();
            let mut changed = HeaderEdits::default();
            for (kind, name, value) in &edits {
                let lower = name.to_ascii_lowercase();
                match kind {
                    0 => {
                        changed.append(name, value, Some(&headers)).expect("valid");
                        copy.push((lower, value.clone()));
                    }
                    1 => {
                        changed.replace(name, value).expect("valid");
                        copy.retain(|(known, _)| *known != lower);
                        copy.push((lower, value.clone()));
                    }
                    _ => {
                        changed.remove(name);
                        copy.retain(|(known, _)| *known != lower);
                    }
                }
            }
            let mut expected = Headers::default();
            copy.iter().for_each(|(name, value)| expected.append(name, value).expect("valid"));
            let now = EditedHeaders { of: &headers, edits: &changed };
            for name in ["a", "b", "c", "d"] {
                prop_assert_eq!(now.count(name), expected.count(name));
                for at in 0..8 {
                    prop_assert_eq!(now.get(name, at), expected.get(name, at));
                }
            }
            let text = |map: &dyn TextMap| Borrowed::Texts(map).to_value();
            let same = text(&now).equals(&text(&expected), &mut |_| Ok(())).expect("no limit");
            prop_assert!(same, "{} {}", text(&now), text(&expected));
        }
    }
}
