//! Objects by what people call them: a name, a description, metadata.

use policy_core::diagnostic::printable;
use serde_json::Value;

use super::http::Client;
use super::{Failure, is_id, text};

/// A kind of objects, and where a person looks for one.
pub(super) struct Kind {
    /// What one is called.
    one: &'static str,
    collection: &'static str,
    prefix: &'static str,
    /// The fields with what people call them.
    fields: &'static [&'static str],
    /// The command that lists them.
    list: &'static str,
}

pub(super) const SERVICE_USER: Kind = Kind {
    one: "service user",
    collection: "service_users",
    prefix: "su_",
    fields: &["name"],
    list: "forwarder service-user list",
};
pub(super) const AUTHTOKEN: Kind = Kind {
    one: "authtoken",
    collection: "credentials",
    prefix: "cr_",
    fields: &["description", "metadata"],
    list: "forwarder authtoken list",
};
pub(super) const API_KEY: Kind = Kind {
    one: "API key",
    collection: "api_keys",
    prefix: "ak_",
    fields: &["description", "metadata"],
    list: "forwarder api-key list",
};
pub(super) const SESSION: Kind = Kind {
    one: "session",
    collection: "tunnel_sessions",
    prefix: "ts_",
    fields: &["metadata", "principal_name"],
    list: "forwarder session list",
};

/// Candidates that a message names.
const MAX_NAMED: usize = 10;
/// Bytes of a filter that the API takes.
const MAX_FILTER: usize = 4 << 10;
/// Characters of the secret at the end of authtokens and API keys.
const SECRET: usize = 43;

impl Kind {
    /// The path of the collection.
    pub(super) const fn collection(&self) -> &'static str {
        self.collection
    }

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
        let found = client.list(self.collection, Some(&filter))?;
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
        last.len() == SECRET
            && last.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len()
        .checked_sub(SECRET)
        .and_then(|at| text.split_at_checked(at))
        .is_some_and(|(first, last)| first.ends_with('_') && secret(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_form() {
        let secret = "a_-B".repeat(11);
        let secret: String = secret.chars().take(SECRET).collect();
        let short = secret.replacen('a', "", 1);
        assert!(is_secret(&format!("01ARZ3NDEKTSV4RRFFQ69G5FAV_{secret}")));
        assert!(is_secret(&format!("ak_01ARZ3NDEKTSV4RRFFQ69G5FAV_{secret}")));
        for text in ["", "gate", "spare_token", &short, "ä".repeat(40).as_str()] {
            assert!(!is_secret(text), "{text}");
        }
    }
}
