//! The page: its blocks of commands, each with what it shows.

pub(crate) const PAGE: &str = include_str!("../../../docs/tutorial.md");

/// From here on it is for systemd.
pub(crate) const SERVICES: &str = "\n## As services\n";

/// Commands that change nothing.
const LOOKS: &[&str] = &["forwarder status", "journalctl ", "tail "];

/// A `sh` block, and the `text` block right behind it.
pub(crate) struct Step<'p> {
    pub(crate) commands: &'p str,
    pub(crate) shown: Option<&'p str>,
}

impl Step<'_> {
    pub(crate) fn only_looks(&self) -> bool {
        let command = |line: &str| {
            let line = line.trim_start_matches("sudo ");
            LOOKS.iter().any(|look| line.starts_with(look))
        };
        self.commands.lines().all(command)
    }
}

/// The blocks of a part of the page. One of another kind would be a command that nobody tries.
pub(crate) fn steps(page: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    // Even parts are prose, odd ones are blocks.
    let parts: Vec<&str> = page.split("```").collect();
    for (at, part) in parts.iter().enumerate().skip(1).step_by(2) {
        let (kind, text) = part.split_once('\n').expect("a block has lines");
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step { commands: text, shown: None }),
            ("text", Some(step)) if step.shown.is_none() && parts[at - 1].trim().is_empty() => {
                step.shown = Some(text);
            }
            _ => panic!("a `{kind}` block that belongs to no command:\n{text}"),
        }
    }
    steps
}

/// True if the output is what the page shows: `…` is anything within a line, and alone any number of lines; how wide
/// columns are does not count.
pub(crate) fn says(shown: &str, said: &str) -> bool {
    let shown: Vec<&str> = shown.lines().collect();
    let said: Vec<&str> = said.lines().collect();
    lines_fit(&shown, &said)
}

fn lines_fit(shown: &[&str], said: &[&str]) -> bool {
    match shown {
        [] => said.is_empty(),
        ["…", rest @ ..] => (0..=said.len()).any(|lines| lines_fit(rest, &said[lines..])),
        [first, rest @ ..] => {
            said.split_first().is_some_and(|(line, more)| fits(first, line) && lines_fit(rest, more))
        }
    }
}

fn fits(shown: &str, said: &str) -> bool {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = shown.split('…');
    let Some(mut rest) = said.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut open = false;
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
        open = part.is_empty();
    }
    open || rest.is_empty()
}

#[test]
fn what_is_left_open_and_what_is_not() {
    assert!(says("a …\n…\nd\n", "a   b\nc\nc\nd\n"));
    assert!(says("1 … 3\n", "1  2  3\n"));
    assert!(says("…x …\n", "x y\n"));
    assert!(!says("a\n", "a b\n"));
    assert!(!says("a …b\n", "a b c\n"));
    assert!(!says("a\n", "a\nb\n"));
    assert!(!says("a\n…\nb\n", "a\n"));
}
