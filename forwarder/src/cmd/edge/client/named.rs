//! Objects by what people call them: a name, a description, metadata.

use forwarder::control::identity::Token;
use policy_core::diagnostic::printable;
use serde_json::Value;

use super::http::Client;
use super::table::Column;
use super::{Failure, is_id, text};

/// A kind of objects: where a person looks for one, and how they are listed.
pub(in crate::cmd::edge) struct Kind {
    /// What one is called.
    pub(in crate::cmd::edge) one: &'static str,
    /// The path of their collection.
    pub(in crate::cmd::edge) collection: &'static str,
    /// The field of a list that holds them.
    pub(in crate::cmd::edge) list_key: &'static str,
    /// What their ids begin with.
    pub(in crate::cmd::edge) prefix: &'static str,
    /// The fields with what people call them.
    pub(in crate::cmd::edge) fields: &'static [&'static str],
    /// The command that lists them.
    pub(in crate::cmd::edge) list: &'static str,
    /// The columns of that list.
    pub(in crate::cmd::edge) columns: &'static [Column],
}

/// Candidates that a message names.
const MAX_NAMED: usize = 10;
/// Bytes of a filter that the API takes.
const MAX_FILTER: usize = 4 << 10;

impl Kind {
    /// The id of the one object that is meant.
    pub(super) fn find(&self, client: &Client, meant: &str) -> Result<String, Failure> {
        if is_id(meant, self.prefix) {
            return Ok(meant.to_owned());
        }
        let Self { one, list, prefix, .. } = self;
        // Neither sent nor repeated: it may come from a script that has mixed up its variables.
        if is_secret(meant) {
            return Err(Failure::Usage(format!(
                "this looks like a secret; give the id, {prefix}…, which `{list}` shows"
            )));
        }
        let literal = Value::from(meant).to_string();
        let same: Vec<_> = self.fields.iter().map(|field| format!("obj.{field} == {literal}")).collect();
        let filter = same.join(" || ");
        if meant.is_empty() || filter.len() > MAX_FILTER {
            return Err(Failure::Usage(format!("give the id, {prefix}…, which `{list}` shows")));
        }
        let found = client.list(self.collection, self.list_key, Some(&filter))?;
        let shown = printable(meant);
        match &*found {
            [] => Err(Failure::NotFound(format!(
                "no {one} has the {} `{shown}`; `{list}` shows them",
                ["id"].iter().chain(self.fields).copied().collect::<Vec<_>>().join(", ").replace('_', " ")
            ))),
            [only] => Ok(text(only, "id").to_owned()),
            more => {
                let ids: Vec<_> = more.iter().take(MAX_NAMED).map(|it| text(it, "id")).collect();
                let rest = more.len().saturating_sub(MAX_NAMED);
                let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
                let count = more.len();
                Err(Failure::Usage(format!(
                    "`{shown}` is ambiguous, {count} {one}s have it: {}{rest}; give the id",
                    ids.join(", ")
                )))
            }
        }
    }
}

/// True for what ends like an authtoken or an API key.
fn is_secret(text: &str) -> bool {
    let secret = |last: &str| {
        last.len() == Token::SECRET_LENGTH
            && last.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len()
        .checked_sub(Token::SECRET_LENGTH)
        .and_then(|at| text.split_at_checked(at))
        .is_some_and(|(first, last)| first.ends_with('_') && secret(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_form() {
        let secret = "a_-B".repeat(11);
        let secret: String = secret.chars().take(Token::SECRET_LENGTH).collect();
        let short = secret.replacen('a', "", 1);
        assert!(is_secret(&format!("01ARZ3NDEKTSV4RRFFQ69G5FAV_{secret}")));
        assert!(is_secret(&format!("ak_01ARZ3NDEKTSV4RRFFQ69G5FAV_{secret}")));
        for text in ["", "gate", "spare_token", &short, "ä".repeat(40).as_str()] {
            assert!(!is_secret(text), "{text}");
        }
    }
}
