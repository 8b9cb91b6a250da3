//! What the edge answers, and what it means that it refuses something, by its code.

use std::io;
use std::time::Duration;

use agent_link::CallError;
use tokio::time::timeout;

use crate::base::sanitize;
use policy_core::ngrok::{
    ERR_NGROK_105, ERR_NGROK_107, ERR_NGROK_108, ERR_NGROK_307, ERR_NGROK_308, ERR_NGROK_316, ERR_NGROK_318,
    ERR_NGROK_324, ERR_NGROK_334, ERR_NGROK_356, ERR_NGROK_9028, ERR_NGROK_9033, ERR_NGROK_15005,
    ERR_NGROK_15006, ERR_NGROK_18018, NgrokCode,
};

/// How long the edge may take for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// "The endpoint is already online": e.g. the session before, which the edge has not given up yet.
const TAKEN: NgrokCode = ERR_NGROK_334;
const FULL: NgrokCode = ERR_NGROK_108;
/// The authtoken is malformed, or no credential has it.
const UNKNOWN_TOKEN: [NgrokCode; 2] = [ERR_NGROK_105, ERR_NGROK_107];

/// An answer within its time; what a refusal says can be shown.
pub(super) async fn answered<T>(call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    let late = |_| CallError::Io(io::Error::new(io::ErrorKind::TimedOut, "the edge does not answer"));
    timeout(ANSWER_TIME, call).await.map_err(late)?.map_err(sanitize::refusal)
}

/// Whether a refusal may pass without anybody doing something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasts {
    ForNow,
    /// Until somebody changes a configuration or an authtoken.
    ForGood,
}

/// How long an endpoint that is refused will be.
pub(super) fn lasts(error: &CallError) -> Lasts {
    match error {
        CallError::Refused { retry_after: None, .. } if code(error) != Some(TAKEN) => Lasts::ForGood,
        _ => Lasts::ForNow,
    }
}

/// What to do about an endpoint that is refused for good.
pub(super) fn advice(error: &CallError) -> &'static str {
    const URL: &str = "correct its `url` or `bindings`";
    match code(error) {
        Some(ERR_NGROK_308 | ERR_NGROK_356) => "use an authtoken whose ACL permits it, or another `url`",
        Some(ERR_NGROK_307 | ERR_NGROK_316) => {
            "use a `url` that the edge has, or have its `public_tcp_ports` changed"
        }
        Some(ERR_NGROK_324) => "serve fewer endpoints, or have the edge's limit raised",
        Some(ERR_NGROK_318 | ERR_NGROK_15005 | ERR_NGROK_15006 | ERR_NGROK_18018) => URL,
        Some(code) if (ERR_NGROK_9028..=ERR_NGROK_9033).contains(&code) => URL,
        Some(code) if (2200..=2299).contains(&code.number()) => "correct its policy",
        _ => "change the endpoint, or have the edge changed",
    }
}

/// True if the edge has no place for this agent now.
pub(super) fn is_full(error: &CallError) -> bool {
    code(error) == Some(FULL)
}

/// True if the edge knows no such authtoken.
pub(super) fn is_of_unknown_token(error: &CallError) -> bool {
    code(error).is_some_and(|code| UNKNOWN_TOKEN.contains(&code))
}

/// How long the edge asks to wait.
pub(super) fn asked_to_wait(error: &CallError) -> Option<Duration> {
    let CallError::Refused { retry_after, .. } = error else { return None };
    *retry_after
}

fn code(error: &CallError) -> Option<NgrokCode> {
    let CallError::Refused { code: Some(code), .. } = error else { return None };
    NgrokCode::parse(code)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn refused(code: &str, retry_after: Option<Duration>) -> CallError {
        CallError::Refused { message: "taken".to_owned(), code: Some(code.to_owned()), retry_after }
    }

    #[test]
    fn the_number_says_whether_a_refusal_may_pass() {
        for (code, known) in [
            ("ERR_NGROK_334", Lasts::ForNow),
            ("ERR_NGROK_308", Lasts::ForGood),
            ("ERR_NGROK_9029", Lasts::ForGood),
            ("ERR_NGROK_3340", Lasts::ForGood),
            ("taken", Lasts::ForGood),
        ] {
            assert_eq!(lasts(&refused(code, None)), known, "{code}");
            assert_eq!(lasts(&refused(code, Some(Duration::from_secs(1)))), Lasts::ForNow, "{code}");
        }
        let io = CallError::Io(io::ErrorKind::TimedOut.into());
        assert_eq!((lasts(&io), code(&io)), (Lasts::ForNow, None));
    }

    #[test]
    fn a_full_edge_is_asked_again_and_a_refusal_is_final() {
        assert!(is_full(&refused("ERR_NGROK_108", None)));
        assert!(!is_full(&refused("ERR_NGROK_107", None)));
        assert!(
            is_of_unknown_token(&refused("ERR_NGROK_107", None))
                && !is_of_unknown_token(&refused("ERR_NGROK_300", None))
        );
    }
}
