//! The texts in code: what a test of names asks of it.

/// The texts in quotes of some code, as they are written there.
pub(crate) fn literals(code: &str) -> Vec<String> {
    let (mut out, mut rest) = (Vec::new(), code);
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, from) = rest.split_at(at);
        let hashes = before.len() - before.trim_end_matches('#').len();
        let is_raw = before.trim_end_matches('#').ends_with('r');
        rest = if from.starts_with("//") {
            from.split_once('\n').map_or("", |(_, behind)| behind)
        } else if let Some(text) = from.strip_prefix('"') {
            // Behind the last quote of a raw text stand as many hashes as before its first.
            let end = if is_raw { format!("\"{}", "#".repeat(hashes)) } else { "\"".to_owned() };
            let at = if is_raw { text.find(&*end).expect("an end") } else { closing(text, '"') };
            out.push(text[..at].to_owned());
            &text[at + end.len()..]
        } else if from.starts_with("'\\") {
            &from[closing(&from[1..], '\'') + 2..]
        } else {
            // A character, or a lifetime.
            let mut characters = from.chars().skip(1);
            let (one, end) = (characters.next(), characters.next());
            let is_character = from.starts_with('\'') && end == Some('\'');
            &from[if is_character { 2 + one.map_or(0, char::len_utf8) } else { 1 }..]
        };
    }
    out
}

/// Where a text or a character ends, after its first quote.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.expect("an end").0
}

#[test]
fn the_scan_sees_every_text() {
    let code =
        "f(\"a\", 'b', '\"', '\\'', \"c\\\"d\") // \"e\"\nr#\"g\"h\"#; fn x<'t>(t: &'t str) -> \"i\" / 'ä'";
    assert_eq!(literals(code), ["a", "c\\\"d", "g\"h", "i"]);
}
