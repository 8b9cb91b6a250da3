//! Media types and lists in headers (RFC 9110, 5.6 and 8.3).

/// The media type before its parameters, as written; `None` for none.
pub(super) fn essence(text: &str) -> &str {
    text.split_once(';').map_or(text, |(essence, _)| essence).trim_matches([' ', '\t'])
}

/// The parameters of a media type, names in lower case, quotes undone. O(length).
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut rest = text.split_once(';').map_or("", |(_, rest)| rest);
    while !rest.is_empty() {
        let (written, after) = split_unquoted(rest, ';');
        rest = after;
        let Some((name, value)) = written.split_once('=') else { continue };
        let name = name.trim_matches([' ', '\t']).to_ascii_lowercase();
        if !name.is_empty() {
            out.push((name, unquoted(value.trim_matches([' ', '\t']))));
        }
    }
    out
}

/// The items of a list between commas, without empty ones.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(|item| item.trim_matches([' ', '\t'])).filter(|item| !item.is_empty())
}

/// The text up to a mark outside of quotes, and what comes after the mark.
fn split_unquoted(text: &str, mark: char) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == mark && !quoted => {
                let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
                return (before, after.strip_prefix(mark).unwrap_or(after));
            }
            _ => {}
        }
    }
    (text, "")
}

/// A value without its quotes and their escapes.
fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"') else { return value.to_owned() };
    let mut out = String::with_capacity(inside.len());
    let mut escaped = false;
    for c in inside.chars() {
        match c {
            _ if escaped => {
                out.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => break,
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_with_and_without_quotes() {
        let read = |text| parameters(text).into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>();
        assert_eq!(essence("Text/HTML ; charset=utf-8"), "Text/HTML");
        assert_eq!(read("text/html; Charset=utf-8 ;b=\"a;\\\"c\""), ["charset=utf-8", "b=a;\"c"]);
        assert_eq!(read("text/html"), Vec::<String>::new());
        assert_eq!(read("text/html;;a;=b;c=\"open"), ["c=open"]);
        assert_eq!(items("gzip,, br ,").collect::<Vec<_>>(), ["gzip", "br"]);
    }
}
