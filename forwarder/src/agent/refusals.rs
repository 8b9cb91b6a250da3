//! What the edge answers, and what it means that it refuses something, by the number of its code.

use std::io;
use std::time::Duration;

use agent_link::CallError;
use policy_core::ngrok::NgrokCode;
use tokio::time::timeout;

use crate::base::said;

/// How long the edge may take for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// "The endpoint is already online": e.g. the session before, which the edge has not given up yet.
const TAKEN: u32 = 334;
const FULL: u32 = 108;
/// The authtoken is malformed, or no credential has it.
const UNKNOWN_TOKEN: [u32; 2] = [105, 107];

/// An answer within its time; what a refusal says can be shown.
pub(super) async fn answered<T>(call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    let late = |_| CallError::Io(io::Error::new(io::ErrorKind::TimedOut, "the edge does not answer"));
    timeout(ANSWER_TIME, call).await.map_err(late)?.map_err(said::refusal)
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
        CallError::Refused { retry_after: None, .. } if number(error) != Some(TAKEN) => Lasts::ForGood,
        _ => Lasts::ForNow,
    }
}

/// What to do about an endpoint that is refused for good.
pub(super) fn advice(error: &CallError) -> &'static str {
    match number(error) {
        Some(308 | 356) => "use an authtoken whose ACL permits it, or another `url`",
        Some(307 | 316) => "use a `url` that the edge has, or have its `public_tcp_ports` changed",
        Some(324) => "serve fewer endpoints, or have the edge's limit raised",
        Some(318 | 9028..=9033 | 15005 | 15006 | 18018) => "correct its `url` or `bindings`",
        Some(2200..=2299) => "correct its policy",
        _ => "change the endpoint, or have the edge changed",
    }
}

/// True if the edge has no place for this agent now.
pub(super) fn is_full(error: &CallError) -> bool {
    number(error) == Some(FULL)
}

/// True if the edge knows no such authtoken.
pub(super) fn is_of_unknown_token(error: &CallError) -> bool {
    number(error).is_some_and(|number| UNKNOWN_TOKEN.contains(&number))
}

/// How long the edge asks to wait.
pub(super) fn asked_to_wait(error: &CallError) -> Option<Duration> {
    let CallError::Refused { retry_after, .. } = error else { return None };
    *retry_after
}

fn number(error: &CallError) -> Option<u32> {
    let CallError::Refused { code: Some(code), .. } = error else { return None };
    NgrokCode::parse(code).map(NgrokCode::number)
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
        assert_eq!((lasts(&io), number(&io)), (Lasts::ForNow, None));
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
