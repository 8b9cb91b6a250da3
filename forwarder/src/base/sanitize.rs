//! What the other side says, for people and logs: cut, and without what steers a terminal.

use agent_link::CallError;
use agent_link::mux::End;
use policy_core::diagnostic::{printable, steers};

/// Characters of a text that are kept.
const MAX_SHOWN: usize = 1_000;
/// Characters of a farewell that are kept.
const MAX_FAREWELL: usize = 300;

/// So many characters of a name or a reason, those that steer left out.
pub(crate) fn cut(text: &str, max: usize) -> String {
    text.chars().filter(|c| !steers(*c)).take(max).collect()
}

/// A text.
pub(crate) fn text(text: &str) -> String {
    printable(&text.chars().take(MAX_SHOWN).collect::<String>()).into_owned()
}

/// A refusal; other errors say nothing that the other side has chosen.
pub(crate) fn refusal(error: CallError) -> CallError {
    match error {
        CallError::Refused { message, code, retry_after } => {
            CallError::Refused { message: text(&message), code: code.as_deref().map(text), retry_after }
        }
        error => error,
    }
}

/// How a session has ended, with a name for the other side.
pub(crate) fn end(peer: &str, end: &End) -> String {
    if !end.by_peer {
        return end.to_string();
    }
    let message = cut(&end.message, MAX_FAREWELL);
    match &*message {
        "" => format!("{peer} ended the session: {}", end.code),
        message => format!("{peer} ended the session: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use agent_link::mux::ErrorCode;

    use super::*;

    #[test]
    fn what_is_cut_turns_no_writing_and_steers_no_terminal() {
        assert_eq!(cut("gate\u{1b}[2K\u{202e}1\u{2028}\u{2066}\n é", 64), "gate[2K1 é");
        assert_eq!(cut("\u{202e}äbc", 2), "äb");
    }

    #[test]
    fn a_farewell_is_cut_and_steers_no_terminal() {
        let told = |message: &str, by_peer| {
            end("the device", &End { code: ErrorCode::Cancelled, message: message.into(), by_peer })
        };
        assert_eq!(told("the power goes\n", true), "the device ended the session: the power goes");
        assert_eq!(told("\u{202e}\u{1b}", true), "the device ended the session: the stream was cancelled");
        assert_eq!(told("the edge stops", false), "the edge stops");
        assert_eq!(
            told(&"x".repeat(5_000), true).len(),
            "the device ended the session: ".len() + MAX_FAREWELL
        );
    }

    #[test]
    fn a_refusal_is_cut_and_forges_no_line() {
        let long = format!("no\u{1b}[2K{}", "x".repeat(5_000));
        let refused =
            CallError::Refused { message: long, code: Some("ERR_NGROK_1\u{9b}".into()), retry_after: None };
        let CallError::Refused { message, code, .. } = refusal(refused) else { panic!("it stays a refusal") };
        assert!(message.starts_with("no\\u{1b}[2Kx") && message.len() < 1_010, "{message}");
        assert_eq!(code.as_deref(), Some("ERR_NGROK_1\\u{9b}"));
    }
}
