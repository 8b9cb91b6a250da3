//! The names of all declared fields of policies and configurations, and which of them have secret values.

use crate::actions;
use crate::dialect;
use crate::phase::Phase;
use crate::reader::FieldNames;
use crate::schema::{Below, Declared, Holds, ToldBy};
use crate::settings;
use crate::settings::rule;

/// Collects them. O(fields).
pub(super) fn collect() -> FieldNames {
    let mut names = FieldNames::default();
    names.secret.extend(COMMON.iter().copied());
    names.known.extend(names.secret.iter().copied());
    names.known.extend([rule::TYPE, rule::CONFIG]);
    names.known.extend(Phase::ALL.map(Phase::name));
    names.known.extend(TOP.iter().copied());
    names.holders.extend(["agent", rule::CONFIG]);
    names.secret_functions.extend(dialect::secret_functions());
    for declared in [actions::FIELDS, settings::FIELDS].into_iter().flatten() {
        add(&mut names, declared, None);
    }
    names
}

/// Names under which secrets are kept that are no fields here: a field may be made up. The last ones are those of HAR
/// files.
const COMMON: &[&str] = &["auth", "users", "cookies", "postData", "queryString"];

/// Fields at the top of configurations, which are declared above this file; a test of lint compares.
const TOP: &[&str] = &[
    "version",
    "agent",
    "endpoints",
    "tunnels",
    "state_dir",
    "internal_endpoints",
    "agents",
    "admin",
    "public_tcp_ports",
    "public_tcp_listen",
    "ip_policies",
    "events",
    "limits",
    "shutdown",
    "policy",
    "geoip",
    "categories",
    "defaults",
    "cases",
];

/// Adds declared fields; true if one is secret. Declarations are nested a few levels deep.
fn add(names: &mut FieldNames, declared: Declared, above: Option<&'static str>) -> bool {
    let mut any = false;
    for field in declared {
        names.known.insert(field.name());
        names.known.extend(field.aliases());
        if field.is_secret() {
            names.secret.extend(match field.told_by() {
                ToldBy::OwnName => Some(field.name()),
                ToldBy::NameAbove => above,
            });
            names.secret.extend(field.aliases());
            any = true;
        }
        match field.holds() {
            Holds::Other => {}
            Holds::BareUrl => names.bare_urls.extend([field.name()]),
            Holds::Headers => names.headers.extend([field.name()]),
        }
        let has_secret = match field.below() {
            Below::Nothing => false,
            Below::Map(declared) | Below::List(declared) => add(names, declared, Some(field.name())),
        };
        if has_secret {
            names.holders.insert(field.name());
        }
        any |= has_secret;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in [
            "api_key",
            "apiKey",
            "APIKey",
            "API_KEY",
            "apikey",
            "x-api-key",
            "accessToken",
            "secretKey",
            "privateKey",
            "clientSecret",
            "pwd",
            "webhook_secret",
            "WEBHOOK_SECRET",
            "cookie",
            "sessionCookie",
            "jwt",
            "auth.token",
            "db-password",
            "s3SecretKey",
            "signing_key",
            "Authorization",
        ] {
            assert!(collect().is_secret(name), "{name}");
        }
        for name in [
            "rate_key",
            "tokens",
            "token_url",
            "cookie_domain",
            "secret_name",
            "passwords_checked",
            "monkey",
            "bucket_key",
            "public_key",
            "secretary",
            "apiKeyName",
            "host",
            "",
            "_",
            "-key",
        ] {
            assert!(!collect().is_secret(name), "{name}");
        }
    }

    #[test]
    fn what_fields_hold_follows_from_their_declarations() {
        let names = collect();
        assert_eq!(names.bare_urls, ["url"].into());
        assert_eq!(names.headers, ["headers"].into());
        assert_eq!(names.secret_functions, ["secrets.get"]);
        assert!(names.is_secret("api_keys") && !names.is_secret("value"));
    }
}
