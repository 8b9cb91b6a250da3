//! Errors of the command line, which repeat what was given: without what may be secret in it. Outputs of continuous
//! integration are read by many.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use policy_core::diagnostic::printable;

/// What stands for what is not shown.
const MARK: &str = "…";
/// Options whose values are secret, or may be.
const SECRET: &[&str] = &["--secret", "--header", "--body"];

/// An error that repeats no secrets.
pub(crate) fn without_secrets(mut error: clap::Error) -> clap::Error {
    let text = |error: &clap::Error, kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let argument = text(&error, ContextKind::InvalidArg);
    if let Some(value) = text(&error, ContextKind::InvalidValue) {
        let is_secret = argument.as_deref().is_some_and(|it| SECRET.iter().any(|name| it.starts_with(name)));
        let shown = if is_secret { MARK.to_owned() } else { shown(&value) };
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
    // What no option takes may be the rest of a value without quotes.
    if let (ErrorKind::UnknownArgument, Some(value)) = (error.kind(), argument) {
        let shown = if is_rest_of_header(&value) { MARK.to_owned() } else { shown(&value) };
        error.insert(ContextKind::InvalidArg, ContextValue::String(shown));
    }
    error
}

/// True for a word behind the name of a header: `-H x-token: abc`.
fn is_rest_of_header(value: &str) -> bool {
    let args: Vec<_> = std::env::args_os().collect();
    let mut after = args.windows(2).filter_map(|pair| match pair {
        [name, value] => Some((name.to_str()?, value.to_str()?)),
        _ => None,
    });
    let at = after.find(|(_, next)| *next == value);
    at.is_some_and(|(name, _)| name.ends_with(':') || name.eq_ignore_ascii_case("bearer"))
}

/// A value without user and password, without the query of a URL, and in one line.
fn shown(value: &str) -> String {
    let (value, query) = match value.split_once('?') {
        Some((value, _)) if value.contains("://") => (value, "?…"),
        _ => (value, ""),
    };
    let shown = value.rsplit_once('@').map(|(before, after)| {
        let start = before.find("://").map_or(0, |at| at + "://".len());
        format!("{}{MARK}@{after}", before.get(..start).unwrap_or_default())
    });
    printable(&format!("{}{query}", shown.as_deref().unwrap_or(value))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_query_are_not_shown() {
        for (value, seen) in [
            ("https://u:p@a.example/b?token=c", "https://…@a.example/b?…"),
            ("forward:tcp://u:p/w@a.example", "forward:tcp://…@a.example"),
            ("u:p@a.example", "…@a.example"),
            ("https://a.example/b", "https://a.example/b"),
            ("what?", "what?"),
            ("a\nerror: b\u{1b}[2K", "a\\nerror: b\\u{1b}[2K"),
        ] {
            assert_eq!(shown(value), seen);
        }
    }
}
