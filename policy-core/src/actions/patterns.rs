//! Patterns with what takes their place: `from` and `to`.
//!
//! Source: ngrok documentation, redirect, url-rewrite and the find-replace actions (2026-08-07). `redirect` and
//! `url-rewrite` match the whole URL, with its scheme. `$1` in `to` is the first group of `from`, as Go expands it: the
//! longest word after the `$` is its name, and `$$` is a `$`.

use crate::cel::{Pattern, Replaced, TemplatePart, Unrendered, Value, pattern_facts};
use crate::diagnostic::{Diagnostic, codes, shorten};
use crate::message::{MAX_URL, RequestUrl};
use crate::ngrok;
#[cfg(feature = "reference")]
use crate::run::{Naive, naive_replace};
use crate::run::{Run, StepDigest};
use crate::schema::{Context, Text};
use crate::vocabulary::ActionResult;

codes! {
    static NEVER_MATCHES = warning("TP448", "pattern-never-matches");
    static NO_GROUP = warning("TP449", "no-such-group");
}

/// Looks at a pattern that is matched against whole URLs, and at what takes its place.
pub(super) fn check_url(from: Option<&Text>, to: &Text, cx: &Context<'_, '_>) {
    let facts = from.and_then(|from| pattern_facts(written_begin(from)?));
    let begins = facts.and_then(|facts| facts.begins);
    // Every URL begins with `http`, and has one line.
    if let (Some(from), Some(begins)) = (from, begins)
        && begins.iter().all(|c| !matches!(c, 'h'))
    {
        let path = begins.contains(&'/') || begins.is_empty();
        let message =
            "`from` is matched against the whole URL, scheme and host included, so it never matches";
        let help = match path {
            true => "leave out the `^`, or begin with `^https?://[^/]+/`",
            false => "begin with `^https?://`, or leave out the `^`",
        };
        cx.reader.report(Diagnostic::new(&NEVER_MATCHES, from.span, message).with_help(help));
    }
    check_groups(from, to, cx);
}

/// A pattern as far as it is written before its first expression.
fn written_begin(from: &Text) -> Option<&str> {
    match from.template.parts().first()? {
        TemplatePart::Text(text) => Some(text),
        TemplatePart::Expression(_) => None,
    }
}

/// Looks for groups in `to` that `from` does not have.
pub(super) fn check_groups(from: Option<&Text>, to: &Text, cx: &Context<'_, '_>) {
    let groups = match from {
        None => 0,
        Some(from) => match from.literal().and_then(pattern_facts) {
            Some(facts) => facts.groups,
            // Known for each request only.
            None => return,
        },
    };
    let texts = to.template.parts().iter().filter_map(|part| match part {
        TemplatePart::Text(text) => Some(&**text),
        TemplatePart::Expression(_) => None,
    });
    let Some(missing) = texts.flat_map(group_numbers).find(|number| *number > groups) else { return };
    let (message, help) = match (from, groups) {
        (None, _) => (
            format!("there is no `from`, so `${missing}` is not a group of it"),
            "add `from`, or write the text out",
        ),
        (_, 0) => (
            format!("`from` has no groups, so `${missing}` is empty"),
            "put parentheses around what it stands for",
        ),
        (_, 1) => (format!("`from` has one group, so `${missing}` is empty"), "add the group, or write `$1`"),
        _ => (
            format!("`from` has {groups} groups, so `${missing}` is empty"),
            "add the group, or use one that there is",
        ),
    };
    cx.reader.report(Diagnostic::new(&NO_GROUP, to.span, message).with_help(help));
}

/// The numbers of the groups that a text names.
fn group_numbers(text: &str) -> Vec<usize> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('$') {
        if let Some(behind) = behind.strip_prefix('$') {
            rest = behind;
            continue;
        }
        let end = behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(behind.len());
        let (name, behind) = behind.split_at_checked(end).unwrap_or((behind, ""));
        out.extend(name.parse::<usize>().ok());
        rest = behind;
    }
    out
}

/// A pattern as it runs: compiled with the program, or for each request.
#[derive(Debug)]
pub(super) enum RunPattern {
    /// There is none: the whole text is replaced.
    Whole,
    /// The same for every request; with its text, for messages.
    Compiled(Pattern, Box<str>),
    /// Known for each request only.
    Rendered(Text),
}

impl RunPattern {
    /// Of a pattern as it is written. One that the checker has passed compiles; another one fails as it runs.
    pub(super) fn new(from: Option<&Text>) -> Self {
        let Some(from) = from else { return Self::Whole };
        match from.literal().and_then(|literal| Pattern::new(literal).ok()) {
            Some(pattern) => Self::Compiled(pattern, shorten(from.literal().unwrap_or_default()).into()),
            None => Self::Rendered(from.clone()),
        }
    }

    /// Replaces every match in a text; the result has at most so many bytes.
    ///
    /// # Errors
    /// If an expression has no value, its text is no pattern, or the result is too long.
    pub(super) fn replace(
        &self,
        text: &str,
        to: &Text,
        max: usize,
        run: &mut Run<'_>,
    ) -> Result<Replaced, Unrendered> {
        let to = run.render(&to.template)?;
        let rendered;
        let pattern = match self {
            Self::Whole if to.len() > max => return Err(too_long(max)),
            Self::Whole => return Ok(Replaced { text: to, matches: vec![text.to_owned()] }),
            Self::Compiled(pattern, _) => pattern,
            Self::Rendered(from) => {
                let from = run.render(&from.template)?;
                rendered = run.compile_pattern(&from, text.len())?;
                &rendered
            }
        };
        self.charge(pattern, text.len(), run)?;
        pattern.replace_all(text, &to, max).ok_or_else(|| too_long(max))
    }

    /// Replaces every match in a body; the result of at most so many bytes and the first match, if there is one.
    ///
    /// # Errors
    /// As for [`Self::replace`].
    pub(super) fn replace_in(
        &self,
        body: &[u8],
        to: Option<&Text>,
        max: usize,
        run: &mut Run<'_>,
    ) -> Result<Option<(Vec<u8>, String)>, Unrendered> {
        let of_value = |it: Unrendered| it.with_code(ngrok::ERR_NGROK_3900);
        let to = match to {
            Some(to) => run.render(&to.template).map_err(of_value)?,
            None => String::new(),
        };
        let rendered;
        let pattern = match self {
            Self::Whole => return Ok(Some((to.into_bytes(), String::from_utf8_lossy(body).into_owned()))),
            Self::Compiled(pattern, _) => pattern,
            Self::Rendered(from) => {
                let from = run.render(&from.template).map_err(of_value)?;
                let compiled = run.compile_pattern(&from, body.len());
                rendered = compiled.map_err(|it| it.with_code(ngrok::ERR_NGROK_3901))?;
                &rendered
            }
        };
        self.charge(pattern, body.len(), run)?;
        let (after, matches) = pattern.replace_bytes(body, &to, max).ok_or_else(|| too_long(max))?;
        Ok(matches.into_iter().next().map(|first| (after, first)))
    }

    /// Takes the steps of a search through so many bytes.
    fn charge(&self, pattern: &Pattern, bytes: usize, run: &mut Run<'_>) -> Result<(), Unrendered> {
        run.charge(pattern.steps_of_replacing(bytes), || match self {
            Self::Compiled(_, text) => format!("searching {bytes} bytes for `{text}`"),
            // What a value has brought into it is not repeated.
            Self::Whole | Self::Rendered(_) => format!("searching {bytes} bytes for the pattern"),
        })
    }

    pub(super) fn digest(&self, from: Option<&Text>, digest: &mut StepDigest<'_>) {
        digest.number(u64::from(from.is_some()));
        from.into_iter().for_each(|from| digest.template(from));
    }
}

fn too_long(max: usize) -> Unrendered {
    Unrendered::unusable(format!("the result is longer than {max} bytes"))
}

/// The URL of the request with what a pattern matches in it replaced; relative results are resolved against it (RFC 3986, 5).
///
/// # Errors
/// If an expression has no value, there is no request, or the result is no URL.
pub(super) fn replaced_url(
    from: &RunPattern,
    to: &Text,
    run: &mut Run<'_>,
) -> Result<(Replaced, RequestUrl<'static>, RequestUrl<'static>), Unrendered> {
    let Some(before) = run.request().map(|request| request.url().clone().into_owned()) else {
        return Err(Unrendered::unusable("there is no request".to_owned()));
    };
    let replaced = from.replace(before.as_str(), to, MAX_URL, run)?;
    let after = before.join(&replaced.text).map_err(|error| Unrendered::unusable(error.to_string()))?;
    Ok((replaced, before, after))
}

/// Sets what later rules can read of a URL that was replaced, if one reads it.
pub(super) fn set_url_results(
    run: &mut Run<'_>,
    (matches, url): (&ActionResult<Vec<Value>>, &ActionResult<String>),
    (code, message): (&ActionResult<String>, &ActionResult<String>),
    (replaced, after): (Replaced, &RequestUrl<'_>),
) {
    if run.keeps_results {
        run.set_result(matches, replaced.matches.into_iter().map(Value::text).collect::<Vec<_>>());
        run.set_result(url, after.as_str());
        run.set_result(code, "");
        run.set_result(message, "");
    }
}

/// [`replaced_url`] and [`set_url_results`] naively: the URL before and after.
#[cfg(feature = "reference")]
pub(super) fn naive_url(
    (from, to): (Option<&Text>, &Text),
    run: &mut Naive<'_>,
    (matches, url): (&ActionResult<Vec<Value>>, &ActionResult<String>),
    (code, message): (&ActionResult<String>, &ActionResult<String>),
) -> Option<(RequestUrl<'static>, RequestUrl<'static>)> {
    let before = run.url()?;
    let to = run.text(to)?;
    let from = from.map(|from| run.text(from).ok_or(())).transpose().ok()?;
    let (replaced, found) = naive_replace(from.as_deref(), before.as_str().as_bytes(), &to)?;
    let replaced = String::from_utf8(replaced).ok().filter(|text| text.len() <= MAX_URL)?;
    let after = before.join(&replaced).ok()?;
    run.set_result(matches, found.into_iter().map(Value::text).collect::<Vec<_>>());
    run.set_result(url, after.as_str());
    run.set_result(code, "");
    run.set_result(message, "");
    Some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_words_of_digits() {
        assert_eq!(group_numbers("/v2/$1?a=$2&b=$$3 $x $1a $10"), [1, 2, 10]);
        assert_eq!(group_numbers("$"), Vec::<usize>::new());
    }
}
