//! What a reader knows of the language: names of fields, those with values that are never shown, and variables.

use std::collections::HashSet;

use crate::diagnostic::did_you_mean;

use crate::cel::Env;
use crate::vocabulary::Site;

/// What the language has, as far as readers ask. Whoever makes a reader hands it in: it is declared above them.
#[derive(Debug)]
pub(crate) struct Language {
    /// Names of fields.
    pub(crate) names: FieldNames,
    /// The environment of expressions at a place.
    pub(crate) env: fn(Site) -> &'static Env,
}

/// What is known of names of fields, in files of every kind.
#[derive(Debug, Default)]
pub(crate) struct FieldNames {
    /// Fields whose value is secret, with all that stands below it.
    pub(crate) secret: HashSet<&'static str>,
    /// All declared fields.
    pub(crate) known: HashSet<&'static str>,
    /// Maps with such fields: a text in the place of the map may be one.
    pub(crate) holders: HashSet<&'static str>,
    /// Fields with a URL that some write without its scheme.
    pub(crate) bare_urls: HashSet<&'static str>,
    /// Fields whose entries have names that are no secrets.
    pub(crate) headers: HashSet<&'static str>,
    /// Functions whose arguments name secrets.
    pub(crate) secret_functions: Vec<&'static str>,
}

impl FieldNames {
    /// True for the name of a secret field, or one that nobody declares and that reads as one.
    pub(crate) fn is_secret(&self, name: &str) -> bool {
        self.secret.contains(name) || !self.is_known(name) && names_a_secret(name)
    }

    /// True for a name that is probably meant to be that of a secret field. O(secret fields).
    pub(super) fn is_near_secret(&self, name: &str) -> bool {
        did_you_mean(name, self.secret.iter().copied()).is_some()
    }

    /// True for the name of any declared field.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    /// True for the name of a map with a secret field.
    pub(super) fn is_holder(&self, name: &str) -> bool {
        self.holders.contains(name)
    }

    /// True for the name of a URL that some write without its scheme.
    pub(super) fn is_bare_url(&self, name: &str) -> bool {
        self.bare_urls.contains(name)
    }

    /// True for the name of headers.
    pub(super) fn is_headers(&self, name: &str) -> bool {
        self.headers.contains(name)
    }

    /// True for a text that ends with the name of a function whose arguments name secrets.
    pub(super) fn calls_for_secret(&self, before: &str) -> bool {
        self.secret_functions.iter().any(|name| before.ends_with(name))
    }
}

/// Words at the end of names under which secrets are kept.
const SECRET_WORDS: &[&str] = &[
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
    "secrets",
    "token",
];

/// What kinds of keys are secret.
const SECRET_KEYS: &[&str] = &[
    "access",
    "api",
    "auth",
    "ca",
    "client",
    "encryption",
    "private",
    "secret",
    "server",
    "signing",
    "ssh",
    "ssl",
    "tls",
];

/// True for a name such as `api_key`, `apiKey`, `x-api-key`, `clientSecret` or `WEBHOOK_SECRET`.
fn names_a_secret(name: &str) -> bool {
    /// Bytes of the longest name that is looked at.
    const MAX_LENGTH: usize = 128;
    if name.len() > MAX_LENGTH {
        return false;
    }
    let (last, before) = last_words(name);
    let is = |words: &[&str], word: &str| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    is(SECRET_WORDS, last) || last.eq_ignore_ascii_case("key") && is(SECRET_KEYS, before)
}

/// The last word of a name, and the one before it.
fn last_words(name: &str) -> (&str, &str) {
    let last = last_word(name);
    let before = name.get(..name.len() - last.len()).unwrap_or_default();
    (last, last_word(before.trim_end_matches(['_', '-', '.'])))
}

/// The last word of a name: after a separator, or from its capital letter.
fn last_word(name: &str) -> &str {
    let behind = name.rfind(['_', '-', '.']).map_or(0, |at| at + 1);
    let word = name.get(behind..).unwrap_or_default();
    // `apiKey`, but not `API` or `KEY`.
    let capital = word.rmatch_indices(|c: char| c.is_ascii_uppercase()).map(|(at, _)| at);
    let begins = |at: &usize| {
        let before = word.get(..*at).and_then(|before| before.chars().next_back());
        before.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    capital.into_iter().find(begins).and_then(|at| word.get(at..)).unwrap_or(word)
}
