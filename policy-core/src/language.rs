//! The language as a whole, for readers: what every action and configuration declares.

mod secret_names;

use std::sync::LazyLock;

use crate::reader::Language;
use crate::variables;

/// What readers have to know. Made once.
pub(crate) fn language() -> &'static Language {
    static LANGUAGE: LazyLock<Language> =
        LazyLock::new(|| Language { names: secret_names::collect(), env: variables::env });
    &LANGUAGE
}
