//! The messages of calls. What is missing has its default, what is not known is ignored.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use zeroize::Zeroize;

/// What is `null` has its default, as what is missing.
fn lenient<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A text that is never shown, and whose memory is cleared when it goes.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// An agent says who it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Auth {
    /// Versions of the protocol, the best first.
    #[serde(deserialize_with = "lenient")]
    pub version: Vec<String>,
    /// Empty, or what it was given when it connected before.
    #[serde(deserialize_with = "lenient")]
    pub client_id: String,
    /// Everything else.
    pub extra: AuthExtra,
}

/// Everything else that an agent says of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the names are those of the protocol and say what they are")]
pub struct AuthExtra {
    #[serde(rename = "OS", deserialize_with = "lenient")]
    pub os: String,
    #[serde(deserialize_with = "lenient")]
    pub arch: String,
    #[serde(deserialize_with = "lenient")]
    pub auth_token: Hidden,
    #[serde(deserialize_with = "lenient")]
    pub version: String,
    #[serde(deserialize_with = "lenient")]
    pub hostname: String,
    #[serde(deserialize_with = "lenient")]
    pub user_agent: String,
    #[serde(deserialize_with = "lenient")]
    pub metadata: String,
    #[serde(deserialize_with = "lenient")]
    pub cookie: Hidden,
    /// Nanoseconds.
    #[serde(deserialize_with = "lenient")]
    pub heartbeat_interval: i64,
    /// Nanoseconds.
    #[serde(deserialize_with = "lenient")]
    pub heartbeat_tolerance: i64,
    /// `null`: too old to; empty: it can; otherwise why not.
    pub update_unsupported_error: Option<String>,
    /// The same.
    pub stop_unsupported_error: Option<String>,
    /// The same.
    pub restart_unsupported_error: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub proxy_type: String,
    #[serde(rename = "MutualTLS", deserialize_with = "lenient")]
    pub mutual_tls: bool,
    #[serde(deserialize_with = "lenient")]
    pub service_run: bool,
    #[serde(deserialize_with = "lenient")]
    pub config_version: String,
    #[serde(deserialize_with = "lenient")]
    pub custom_interface: bool,
    #[serde(rename = "CustomCAs", deserialize_with = "lenient")]
    pub custom_cas: bool,
    #[serde(deserialize_with = "lenient")]
    pub client_type: String,
    /// It says when the server of a connection is reached. A field of our own, which other edges do not know.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "std::ops::Not::not")]
    pub confirms_connections: bool,
    /// Bytes that it will hold beyond all windows ([`crate::mux::Opener::lend`]). The same.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub shared_window: Option<u32>,
}

/// The answer to [`Auth`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthReply {
    /// The version that is spoken.
    #[serde(deserialize_with = "lenient")]
    pub version: String,
    /// To be given back when it connects again.
    #[serde(deserialize_with = "lenient")]
    pub client_id: String,
    /// Everything else.
    pub extra: AuthReplyExtra,
}

/// Everything else that the edge says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the names are those of the protocol and say what they are")]
pub struct AuthReplyExtra {
    pub version: Option<String>,
    pub region: Option<String>,
    pub cookie: Option<Hidden>,
    pub account_name: Option<String>,
    pub session_duration: Option<i64>,
    pub plan_name: Option<String>,
    pub banner: Option<String>,
    /// Bytes that the edge will hold beyond all windows, for agents that say the same. A field of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_window: Option<u32>,
    /// A field of our own, which other clients do not know; see [`super::ReturnTime`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect_within_ms: Option<u64>,
}

/// An agent offers an endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Bind {
    /// Empty, or the id it had before.
    #[serde(deserialize_with = "lenient")]
    pub id: String,
    /// `tcp`, `tls`, `http` or `https`.
    #[serde(deserialize_with = "lenient")]
    pub proto: String,
    /// Where the agent takes it.
    #[serde(deserialize_with = "lenient")]
    pub forwards_to: String,
    /// How the agent speaks there.
    #[serde(deserialize_with = "lenient")]
    pub forwards_proto: String,
    /// By protocol; see [`TcpOptions`].
    pub opts: Value,
    /// Everything else.
    pub extra: BindExtra,
}

/// Everything else about an endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BindExtra {
    /// Empty, or what the endpoint was given before.
    #[serde(deserialize_with = "lenient")]
    pub token: Hidden,
    /// The name of an IP policy.
    #[serde(rename = "IPPolicyRef", deserialize_with = "lenient")]
    pub ip_policy_ref: String,
    /// Text for the API.
    #[serde(deserialize_with = "lenient")]
    pub metadata: String,
    /// Text for people; not all clients send it.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// `public`, `internal` or `kubernetes`; older clients send none.
    #[serde(deserialize_with = "lenient")]
    pub bindings: Vec<String>,
    /// Endpoints with the same URL share its traffic.
    #[serde(deserialize_with = "lenient")]
    pub pooling_enabled: bool,
}

/// The options of a tcp endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TcpOptions {
    /// `device1.internal:22`; empty for any.
    #[serde(deserialize_with = "lenient")]
    pub addr: String,
    /// The version of the PROXY protocol that the agent sends; 0 for none.
    #[serde(deserialize_with = "lenient")]
    pub proxy_proto: i64,
    /// Who may connect.
    #[serde(rename = "IPRestriction")]
    pub ip_restriction: Option<IpRestriction>,
    /// The text of a policy, or the policy itself.
    pub traffic_policy: Option<Value>,
}

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpRestriction {
    /// Networks that may.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    pub allow_cidrs: Vec<String>,
    /// Networks that may not.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    pub deny_cidrs: Vec<String>,
}

/// The answer to [`Bind`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BindReply {
    /// The id of the endpoint.
    #[serde(deserialize_with = "lenient")]
    pub id: String,
    /// Its URL.
    #[serde(rename = "URL", deserialize_with = "lenient")]
    pub url: String,
    /// Its protocol.
    #[serde(deserialize_with = "lenient")]
    pub proto: String,
    /// The options, as they were sent.
    pub opts: Value,
    /// Everything else.
    pub extra: BindReplyExtra,
}

/// Everything else about an endpoint that is online.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BindReplyExtra {
    /// To be given back when the endpoint is bound again.
    pub token: Hidden,
}

/// An agent takes an endpoint back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Unbind {
    /// Which.
    #[serde(deserialize_with = "lenient")]
    pub id: String,
}

/// An object without anything.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Empty {}

/// A call that is refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Refusal {
    /// A text, and in a line of its own the code.
    pub error: String,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<RefusalExtra>,
    /// The text without the code, for whoever refuses.
    #[serde(skip)]
    pub reason: String,
    /// The code, likewise.
    #[serde(skip)]
    pub code: u32,
}

/// Everything else about a refusal. A field of our own, which other clients do not know.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RefusalExtra {
    /// Seconds after which it may be tried again.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal with a code of ngrok's.
    #[must_use]
    pub fn new(code: impl Into<u32>, message: impl fmt::Display) -> Self {
        let (code, reason) = (code.into(), message.to_string());
        Self { error: format!("{reason}\n\nERR_NGROK_{code}"), extra: None, reason, code }
    }

    /// The same, for this time.
    #[must_use]
    pub fn until(self, after: Duration) -> Self {
        Self { extra: Some(RefusalExtra { retry_after: Some(after.as_secs()) }), ..self }
    }

    /// The same, for this time or the one that it was for.
    #[must_use]
    pub fn until_at_least(self, after: Duration) -> Self {
        let before = self.extra.and_then(|extra| extra.retry_after).unwrap_or(0);
        self.until(after.max(Duration::from_secs(before)))
    }
}

/// The answer to stop, restart and update.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CommandReply {
    /// Why not.
    pub error: Option<String>,
}

/// One endpoint is stopped.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StopEndpoint {
    /// Which.
    #[serde(deserialize_with = "lenient")]
    pub id: String,
    /// Why.
    #[serde(deserialize_with = "lenient")]
    pub message: String,
    /// `ERR_NGROK_…`
    pub error_code: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_when_to_come_again_only_where_it_ends() {
        let json = |refusal: Refusal| serde_json::to_string(&refusal).expect("JSON");
        assert_eq!(json(Refusal::new(107_u32, "no")), r#"{"Error":"no\n\nERR_NGROK_107"}"#);
        let full = json(Refusal::new(108_u32, "full").until(Duration::from_secs(15)));
        assert_eq!(full, r#"{"Error":"full\n\nERR_NGROK_108","Extra":{"RetryAfter":15}}"#);
        // As a client that does not know it reads it: one of the SDKs reads both kinds of answer from the same bytes.
        assert!(serde_json::from_str::<AuthReply>(&full).is_ok());
    }

    #[test]
    fn the_time_to_come_back_is_told_only_where_it_is_known() {
        let json = |reconnect_within_ms| {
            let extra = AuthReplyExtra { reconnect_within_ms, ..AuthReplyExtra::default() };
            serde_json::to_value(extra).expect("JSON")
        };
        assert_eq!(json(None).get("ReconnectWithinMs"), None);
        assert_eq!(json(Some(1_000))["ReconnectWithinMs"], 1_000);
        assert!(serde_json::from_str::<AuthReplyExtra>("{}").expect("read").reconnect_within_ms.is_none());
    }

    #[test]
    fn what_is_missing_null_or_unknown_is_no_error() {
        let auth: Auth = serde_json::from_str(
            r#"{"Version":null,"Extra":{"OS":"linux","AuthToken":"secret","Future":[1]},"More":{}}"#,
        )
        .expect("read");
        assert_eq!(
            (&*auth.extra.os, &*auth.extra.auth_token.0, auth.extra.mutual_tls),
            ("linux", "secret", false)
        );
        assert!(!format!("{auth:?}").contains("secret"), "tokens are not shown");
        let bind: Bind = serde_json::from_str(
            r#"{"Proto":"tcp","Opts":{"Addr":"a.internal:22","IPRestriction":null},"Extra":{"Bindings":null}}"#,
        )
        .expect("read");
        let options: TcpOptions = serde_json::from_value(bind.opts).expect("read");
        assert_eq!(
            (&*options.addr, options.ip_restriction, bind.extra.bindings),
            ("a.internal:22", None, vec![])
        );
    }
}
