//! `vars.*` and `actions.*`: what earlier actions of a policy left behind; and the attempts of an
//! `http-request`.
//!
//! Source: ngrok documentation, set-vars and the result variables of each action (2026-08-07). Their values
//! are known at run time only.

use super::{Declared, EVERYWHERE, RETRY};

/// The results of one action.
macro_rules! results {
    ($($prefix:literal),+ $(,)?) => {
        &[
            Declared::new("attempts", "int", RETRY, "how often the request was tried"),
            Declared::new("last_attempt", "dyn", RETRY, "request, response and error of the last try"),
            Declared::new("vars", "map(string, dyn)", EVERYWHERE, "what `set-vars` has set in this phase"),
            $(Declared::new(
                concat!("actions.ngrok.", $prefix),
                "dyn",
                EVERYWHERE,
                concat!("what `", $prefix, "` left behind"),
            ),)+
        ]
    };
}

pub(super) static DECLARED: &[Declared] = results!(
    "add_headers",
    "ai_gateway",
    "basic_auth",
    "compress",
    "forward_internal",
    "http_request",
    "jwt_validation",
    "log",
    "oauth",
    "oidc",
    "owasp_crs_request",
    "owasp_crs_response",
    "rate_limit",
    "redirect",
    "remove_headers",
    "request_body_find_replace",
    "response_body_find_replace",
    "restrict_ips",
    "sse_find_replace",
    "terminate_tls",
    "url_rewrite",
    "verify_webhook",
);
