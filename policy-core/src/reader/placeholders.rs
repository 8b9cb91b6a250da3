//! Placeholders, as examples have them: `<your host>`, `{your secret}`, `$YOUR_DOMAIN`.

use std::ops::Range;

use super::{Reader, TextRef, head};
use crate::diagnostic::{Diagnostic, Severity, codes, shorten};
use crate::parse::{NodeKind, NodeRef, Plain};
use crate::source::Span;

codes! {
    pub(crate) static PLACEHOLDER = warning("TP313", "placeholder");
}

/// A placeholder.
fn finding(text: &str, span: Span, severity: Severity) -> Diagnostic {
    let message = format!("`{}` is a placeholder", shorten(text));
    Diagnostic::new(&PLACEHOLDER, span, message)
        .with_severity(severity)
        .with_help("replace it with the real value")
}

/// Reports a node that would be a placeholder if it were quoted, `{your secret}`; true if it is.
pub(crate) fn placeholder_map(node: NodeRef<'_>, reader: &Reader<'_>) -> bool {
    let NodeKind::Mapping(entries) = node.kind() else { return false };
    let mut entries = entries.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else { return false };
    let (NodeKind::Scalar(key), NodeKind::Scalar(value)) = (key.kind(), value.kind()) else { return false };
    if Plain::from_scalar(value) != Plain::Null || !(is_words(key.text) || is_placeholder(key.text)) {
        return false;
    }
    let message = format!("`{{{}}}` is a placeholder", shorten(key.text));
    let found = Diagnostic::new(&PLACEHOLDER, head(node), message).with_severity(Severity::Error);
    reader.report(found.with_help("replace it with the real value, in quotes"));
    true
}

/// Reports a placeholder; true if the text has one.
pub(crate) fn placeholder(text: TextRef<'_>, severity: Severity, reader: &Reader<'_>) -> bool {
    report(text, in_value(text.value), severity, reader)
}

/// The same in an expression, where `${MY_DOMAIN}` inside a text is nothing but text.
pub(crate) fn placeholder_in_expression(text: TextRef<'_>, severity: Severity, reader: &Reader<'_>) {
    report(text, part(text.value).or_else(|| shell_variable(text.value)), severity, reader);
}

fn report(text: TextRef<'_>, part: Option<Range<usize>>, severity: Severity, reader: &Reader<'_>) -> bool {
    let Some(part) = part else { return false };
    let span = text.origin().place(Span::from_range(part.clone())).0;
    reader.report(finding(text.value.get(part).unwrap_or_default(), span, severity));
    true
}

/// `${MY_DOMAIN}`.
fn shell_variable(text: &str) -> Option<Range<usize>> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.match_indices("${").find_map(|(at, _)| {
        let name = text.get(at + 2..)?;
        let name = name.get(..name.find('}')?)?;
        let named = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(is_name);
        named.then(|| at..at + name.len() + 3)
    })
}

/// The finding of an entry of a list that is no network and a placeholder.
pub(crate) fn placeholder_entry(text: &str, span: Span) -> Option<Diagnostic> {
    (is_placeholder(text) || is_constant_name(text)).then(|| finding(text, span, Severity::Error))
}

/// True for `<your host>`, `{your secret}`, `YOUR_TOKEN`, `$YOUR_DOMAIN` and the like.
pub(crate) fn is_placeholder(text: &str) -> bool {
    in_value(text).is_some()
}

/// The placeholder in a text that is no expression. Prose says `export PATH=$PATH` and `Hello {{name}}` as it means it.
fn in_value(text: &str) -> Option<Range<usize>> {
    let found = part(text).filter(|found| !is_prose(text) || !is_of_programs(text, found));
    found.or_else(|| word_for_nothing(text))
}

/// True for several words, unless the first is that of a credential: `Bearer $TOKEN`.
fn is_prose(text: &str) -> bool {
    const SCHEMES: &[&str] = &["basic", "bearer", "token", "apikey", "digest"];
    let Some((first, _)) = text.trim().split_once(char::is_whitespace) else { return false };
    !first.starts_with("{{") && !SCHEMES.contains(&&*first.to_ascii_lowercase())
}

/// True for the marks that shells and templates have too: `$NAME`, `{{name}}`, `%NAME%`, `__NAME__`.
fn is_of_programs(text: &str, found: &Range<usize>) -> bool {
    let text = text.get(found.clone()).unwrap_or_default();
    ["$", "{{", "%", "__"].iter().any(|mark| text.starts_with(mark)) && !text.contains("YOUR_")
}

/// `changeme`, `TODO`, `sk-xxxxxxxx`: what is written where nothing is known yet.
fn word_for_nothing(text: &str) -> Option<Range<usize>> {
    const MAX_LENGTH: usize = 200;
    const WHOLE: &[&str] = &["TODO", "FIXME", "TBD"];
    const PARTS: &[&str] = &["changeme", "change-me", "change_me", "replaceme", "replace-me", "replace_me"];
    let whole = text.trim();
    if text.len() > MAX_LENGTH || whole.contains(char::is_whitespace) {
        return None;
    }
    let start = text.len() - text.trim_start().len();
    if WHOLE.contains(&whole) {
        return Some(start..start + whole.len());
    }
    let lower = text.to_ascii_lowercase();
    let stands_alone = |at: usize, length: usize| {
        let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !is_letter(lower.get(..at).and_then(|before| before.chars().next_back()))
            && !is_letter(lower.get(at + length..).and_then(|behind| behind.chars().next()))
    };
    let part = PARTS.iter().find_map(|word| {
        lower.find(word).filter(|at| stands_alone(*at, word.len())).map(|at| at..at + word.len())
    });
    part.or_else(|| crosses(&lower, &stands_alone))
}

/// At least four `x` that are no part of a word.
fn crosses(lower: &str, stands_alone: &dyn Fn(usize, usize) -> bool) -> Option<Range<usize>> {
    let at = lower.find("xxxx")?;
    let rest = lower.get(at..)?;
    let length = rest.find(|c| c != 'x').unwrap_or(rest.len());
    stands_alone(at, length).then(|| at..at + length)
}

/// True for `TCP_ADDRESS`: where such a name is no value at all, it stands for one.
pub(crate) fn is_constant_name(text: &str) -> bool {
    text.len() > 3
        && text.contains('_')
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Reports a text that is no value and names one; true if it does.
pub(crate) fn constant_name(text: TextRef<'_>, name: &str, reader: &Reader<'_>) -> bool {
    let is = is_constant_name(name);
    if is {
        reader.report(finding(name, text.span, Severity::Error));
    }
    is
}

/// The placeholder in a text.
fn part(text: &str) -> Option<Range<usize>> {
    const MAX_LENGTH: usize = 2_000;
    const MARKS: &[char] = &['<', '{', '$', 'Y', 'y', '-', '%', '_', 'E'];
    if text.len() > MAX_LENGTH || !text.contains(MARKS) {
        return None;
    }
    let whole = text.trim();
    let start = text.len() - text.trim_start().len();
    let named = whole
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .is_some_and(|inner| is_words(inner) && names_a_value(inner));
    let lower = (whole.starts_with("your_") || whole.starts_with("your-"))
        && whole.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let in_braces = whole
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|inner| is_words(inner) && inner.contains([' ', '_']) && names_a_value(inner));
    if named || in_braces || lower {
        return Some(start..start + whole.len());
    }
    bracketed(text, '<', '>')
        .or_else(|| bracketed(text, '{', '}'))
        .or_else(|| word_in_brackets(text))
        .or_else(|| template(text))
        .or_else(|| capitals(text))
        .or_else(|| between(text, "%"))
        .or_else(|| between(text, "__"))
        .or_else(|| to_replace(text))
        .or_else(|| shortened_pem(text))
}

/// True for words in brackets that stand for a value: `your …`, capitals, or what the value is.
fn names_a_value(inner: &str) -> bool {
    const VALUES: &[&str] = &[
        "account",
        "addr",
        "address",
        "app",
        "cidr",
        "client",
        "cluster",
        "company",
        "customer",
        "device",
        "domain",
        "email",
        "env",
        "environment",
        "host",
        "hostname",
        "id",
        "ip",
        "ips",
        "key",
        "name",
        "namespace",
        "network",
        "org",
        "organization",
        "password",
        "port",
        "project",
        "region",
        "secret",
        "server",
        "service",
        "subdomain",
        "target",
        "team",
        "tenant",
        "token",
        "upstream",
        "url",
        "user",
        "username",
        "vault",
        "zone",
    ];
    let words = || inner.split(|c: char| !c.is_alphanumeric());
    let capitals = inner.contains(char::is_alphabetic) && !inner.contains(char::is_lowercase);
    capitals || words().next() == Some("your") || words().any(|word| VALUES.contains(&&*word.to_lowercase()))
}

/// `Bearer <TOKEN>`: what a value is called, in angle brackets, in a text without HTML.
fn word_in_brackets(text: &str) -> Option<Range<usize>> {
    if text.contains("</") || text.contains("/>") || text.contains("<!") {
        return None;
    }
    text.match_indices('<').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let name = rest.get(..rest.find('>')?)?;
        let stands_alone = text
            .get(..at)?
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace() || "'\"/=@:.,-_".contains(c));
        let word = name.len() > 1
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_- ".contains(c))
            && names_a_value(name)
            && !ELEMENTS.contains(&&*name.to_ascii_lowercase());
        (word && stands_alone).then(|| at..at + name.len() + 2)
    })
}

/// Elements of HTML that stand in texts without an end.
const ELEMENTS: &[&str] = &[
    "html", "head", "body", "title", "meta", "link", "style", "script", "div", "span", "br", "hr", "img",
    "input", "form", "table", "tr", "td", "th", "ul", "ol", "li", "em", "strong", "code", "pre", "h1", "h2",
    "h3", "h4", "center", "svg", "button", "label", "small", "main", "section", "article", "header",
    "footer", "nav", "iframe", "video", "audio",
];

/// `{{ip}}`, as templates have it, in one line without HTML.
fn template(text: &str) -> Option<Range<usize>> {
    let at = text.find("{{").filter(|_| !text.contains(['<', '\n']))?;
    let length = text.get(at..)?.find("}}")?;
    let name = text.get(at + 2..at + length)?.trim();
    let word = name.chars().any(char::is_alphabetic)
        && name.chars().all(|c| c.is_alphanumeric() || " _-.$".contains(c));
    // `${{'a': 1}}` is an expression.
    let expression = text.get(..at).is_some_and(|before| before.ends_with('$'));
    (word && !expression).then(|| at..at + length + 2)
}

/// `%MY_DOMAIN%`, `__TOKEN__`: capitals between two marks.
fn between(text: &str, mark: &str) -> Option<Range<usize>> {
    let at = text.find(mark)?;
    let rest = text.get(at + mark.len()..)?;
    let name = rest.get(..rest.find(mark)?)?;
    let word = name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit());
    // `%AB%` may be an encoded letter.
    let encoded = || name.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let whole = name.len() + 2 * mark.len() == text.len() && name.len() > 2;
    let clear = match mark {
        "__" => name.len() > 2,
        _ => name.contains('_') || whole || !encoded(),
    };
    (word && clear).then(|| at..at + name.len() + 2 * mark.len())
}

/// Words that say it.
fn to_replace(text: &str) -> Option<Range<usize>> {
    let words = ["REPLACE_ME", "REPLACEME", "CHANGE_ME", "CHANGEME"];
    words.iter().find_map(|word| text.find(word).map(|at| at..at + word.len()))
}

/// A line of dots inside of PEM.
fn shortened_pem(text: &str) -> Option<Range<usize>> {
    let begin = text.find("-----BEGIN ")?;
    let at = begin + text.get(begin..)?.find("\n...")? + 1;
    let rest = text.get(at..)?;
    Some(at..at + rest.find('\n').unwrap_or(rest.len()))
}

/// Letters, spaces and what stands between words.
fn is_words(inner: &str) -> bool {
    inner.chars().any(char::is_alphabetic)
        && inner.chars().all(|c| c.is_alphanumeric() || " _-'/.".contains(c))
        && !inner.starts_with(['/', '!'])
}

/// `<YOUR_HOST>` or `<your host>` inside a text. In braces only what begins with `your` counts.
fn bracketed(text: &str, open: char, close: char) -> Option<Range<usize>> {
    text.match_indices(open).find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let name = rest.get(..rest.find(close)?)?;
        let your = name.starts_with("your ") || name.starts_with("your_") || name.starts_with("your-");
        let spelled = open == '<'
            && name.chars().all(|c| c.is_ascii_uppercase() || "_- 0123456789".contains(c))
            && name.contains(['_', '-', ' '])
            && name.contains(|c: char| c.is_ascii_uppercase());
        // `${your.name}` is an expression.
        let expression = text.get(..at).is_some_and(|before| before.ends_with('$')) && open == '{';
        (is_words(name) && (your || spelled) && !expression).then(|| at..at + name.len() + 2)
    })
}

/// `YOUR_TOKEN` anywhere, `$DOMAIN_NAME` as the whole text.
fn capitals(text: &str) -> Option<Range<usize>> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if let Some(at) = text.find("YOUR-").filter(|_| !text.contains(char::is_whitespace)) {
        let name = text.get(at..)?;
        let length = name.find(|c: char| !is_name(c) && c != '-').unwrap_or(name.len());
        return Some(at..at + length);
    }
    if let Some(at) = text.find("YOUR_") {
        let at = if text.get(..at).is_some_and(|before| before.ends_with('$')) { at - 1 } else { at };
        let name = text.get(at..)?.trim_start_matches('$');
        let length = name.find(|c: char| !is_name(c)).unwrap_or(name.len());
        return Some(at..text.len() - name.len() + length);
    }
    // A variable of a shell that nobody has filled in.
    text.match_indices('$').find_map(|(at, _)| {
        let name = text.get(at + 1..)?;
        let name = name.get(..name.find(|c: char| !is_name(c)).unwrap_or(name.len()))?;
        let begins = text.get(..at)?.chars().next_back().is_none_or(|c| " '\"/=@.:,([-".contains(c));
        let behind = text.get(at + 1 + name.len()..)?.chars().next();
        let named = name.len() > 1
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && !behind.is_some_and(char::is_alphanumeric);
        (begins && named).then(|| at..at + 1 + name.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_to_be_filled_in() {
        for text in [
            "<your source IPs>",
            "{your webhook secret}",
            "{your app's oauth client id}",
            "YOUR_AUTH0_CLIENT_ID",
            "$YOUR_DOMAIN",
            "https://<YOUR_AUTH0_TENANT_ID>.auth0.com/",
            "https://dc-<LOCATION_NAME>.internal",
            "<MCP port/addr here>",
            "your_github_webhook_secret_here",
            "tls://{your-domain}.internal:443",
            "conn.client_ip in ['<PROVIDER_IP_RANGE>']",
            "$SITE_DOMAIN/path",
            "req.host.endsWith('.$MY_DOMAIN')",
            "Bearer <TOKEN>",
            "Bearer <token>",
            "{{ip}}",
            "{{ .Values.ip }}/32",
            "https://%MY_DOMAIN%/path",
            "__TOKEN__",
            "CHANGEME",
            "Bearer $TOKEN",
            "$SECRET",
            "$OFFICE",
            "req.host.endsWith('.$DOMAIN')",
            "conn.client_ip == '<api key>'",
            "<your ip>/32",
            "<CIDR>",
            "%IP%",
            "%ADDRESS%",
            "{{ name }}",
            "Bearer {{token}}",
            "changeme",
            "admin:ChangeMe",
            "change-me",
            "TODO",
            "xxxxxxxx",
            "ipp_xxxxxxxx",
            "sk-XXXX",
            "YOUR-TOKEN-HERE",
            "<tenant>",
            "https://<tenant>.auth.example/",
            "ipp_<id>",
            "tcp://<device>.internal:22",
            "-----BEGIN CERTIFICATE-----\n... snip ...\n-----END CERTIFICATE-----",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "",
            "{}",
            "{\"a\": 1}",
            "<!doctype html>",
            "</b>",
            "$1",
            "${vars.x}",
            "a < b > c",
            "AUTHTOKEN",
            "<none>",
            "Site <berlin>",
            "{id}",
            "$Secret",
            "a$|B",
            "%C3%A4%20",
            "/%ABC%20x",
            "$",
            "<h1>Not found</h1>",
            "first<br>second",
            "(?P<name>[a-z]+)",
            "(?<name>[a-z]+)",
            "a <b && c> d",
            "${{'a': 1}}",
            "%20%7B",
            "/__health__",
            "conn.client_port<a.b>",
            "export PATH=$PATH:/usr/bin",
            "costs $FIVE",
            "Hello {{name}}",
            "50%OFF% today",
            "Dear __NAME__ of the team",
            "TODO list",
            "todo",
            "xxx",
            "exchangemenu",
            "maxxxxx",
            "say changeme to nobody",
            "<berlin>",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
