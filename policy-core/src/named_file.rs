//! Files that configurations name: what a host says of one, and what may be shown of it.
//!
//! A configuration may come from anybody, and may name any file of the machine that looks at it. So what stands in a
//! file outside of its folder is not shown: [`withhold`] leaves nothing of it that a format could show.

use std::io;

use crate::diagnostic::Diagnostics;
use crate::source::Source;

/// A file that a configuration names, as far as the host could read it.
#[derive(Clone, Debug)]
pub struct NamedFile<T> {
    /// The name to show, usually the path.
    pub shown: String,
    /// What was read, or the reason why it cannot be read.
    pub content: Result<T, String>,
    /// True if the file lies outside of the folder of what names it, links followed.
    pub outside: bool,
}

impl<T> NamedFile<T> {
    /// A file that lies below the folder of what names it.
    #[must_use]
    pub const fn new(shown: String, content: Result<T, String>) -> Self {
        Self { shown, content, outside: false }
    }

    /// The same, which may lie outside.
    #[must_use]
    pub fn outside(self, outside: bool) -> Self {
        Self { outside, ..self }
    }
}

/// Why the operating system cannot read a file, without its number of the error.
///
/// ```
/// # #[cfg(unix)] {
/// let error = std::io::Error::from_raw_os_error(2);
/// assert_eq!(policy_core::named_file::reason(&error), "no such file or directory");
/// # }
/// ```
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// What may be shown of a file outside: its name, and of each finding code, severity and line. The source that comes
/// back has the places and none of the text.
///
/// ```
/// use policy_core::{named_file::withhold, parse::decode};
/// let (source, found) = decode("secret.yml", b"key: 1\npassword: \x07\n".to_vec());
/// let (source, found) = withhold(&source, found);
/// assert_eq!((source.text().trim(), source.is_withheld()), ("", true));
/// let first = found.iter().next().expect("one finding");
/// assert_eq!(source.position(first.span.start).to_string(), "2:1");
/// assert!(first.message.starts_with("control character; "));
/// ```
#[must_use]
pub fn withhold(source: &Source, mut found: Diagnostics) -> (Source, Diagnostics) {
    if source.is_withheld() {
        return (source.clone(), found);
    }
    let line = |offset: u32| source.position(offset).line;
    let mut lines: Vec<u32> = found.iter().map(|item| line(item.span.start)).collect();
    lines.sort_unstable();
    lines.dedup();
    let bare = Source::withheld(source.name(), &lines);
    found.withhold(|span| bare.line_start(line(span.start)));
    (bare, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{CheckOptions, load_policy};

    #[test]
    fn nothing_of_the_text_is_left() {
        let text = "root:x:0:0\nsecret_phase:\n  - actions: [{type: secret_type, config: {secret_key: 1}}]\n\
                    on_tcp_connect: [{secret_field: 1, actions: [{type: dney}, {type: dney}]}]\n";
        for text in [text, "on_tcp_connect: [{actions: [{type: secret_type}]}]\nsecret_phase: []\n"] {
            let source = Source::new("outside.yml", text);
            let (_, found) = load_policy(&source, &CheckOptions::default());
            let (errors, places) = (found.errors(), |source: &Source, found: &Diagnostics| -> Vec<_> {
                found
                    .iter()
                    .map(|it| (it.code.id, it.severity, source.position(it.span.start).line))
                    .collect()
            });
            assert!(errors > 0);
            let before = places(&source, &found);
            let (bare, found) = withhold(&source, found);
            assert_eq!((found.errors(), places(&bare, &found)), (errors, before));
            assert_eq!((bare.text().trim(), bare.name()), ("", "outside.yml"));
            let shown =
                format!("{:?} {}", found, crate::diagnostic::Plain { source: &bare, diagnostics: &found });
            for word in ["secret", "root", "dney"] {
                assert!(!shown.contains(word), "{shown}");
            }
            // Once is enough.
            let (again, more) = withhold(&bare, found.clone());
            assert_eq!((again.text(), more.errors()), (bare.text(), errors));
        }
    }
}
