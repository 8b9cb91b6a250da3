//! JSON by its own grammar: a file that calls itself `.json` is read as YAML, which allows more.

use serde::de::IgnoredAny;

use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::source::{Source, Span};

codes! {
    pub(super) static NOT_JSON = warning("TP112", "not-json", ERR_NGROK_2236);
}

/// Says where a file is no JSON although its name says so; what YAML cannot read has been told. O(bytes).
pub(super) fn check(source: &Source, diagnostics: &mut Diagnostics) {
    if !source.name().ends_with(".json") || diagnostics.has_errors() {
        return;
    }
    let text = source.text().trim_start_matches('\u{feff}');
    let Err(error) = serde_json::from_str::<IgnoredAny>(text) else { return };
    let line = source.line_start(u32::try_from(error.line()).unwrap_or(u32::MAX));
    let column = u32::try_from(error.column().saturating_sub(1)).unwrap_or(0);
    let at = line.saturating_add(column).min(u32::try_from(source.text().len()).unwrap_or(u32::MAX));
    let next =
        source.text().get(at as usize..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let span = Span::new(at, at.saturating_add(u32::try_from(next).unwrap_or(0)));
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    let found = Diagnostic::new(&NOT_JSON, span, format!("this is not JSON: {reason}"));
    diagnostics.push(found.with_help("readers of JSON refuse the file; fix it, or call it `.yml`"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        let source = Source::new(name, text);
        check(&source, &mut diagnostics);
        let show = |item: &Diagnostic| format!("{} {}", source.position(item.span.start), item.message);
        diagnostics.iter().map(show).collect()
    }

    #[test]
    fn what_only_yaml_allows_is_told() {
        assert_eq!(found("a.json", "{\"a\": [1]}"), Vec::<String>::new());
        assert_eq!(found("a.json", "{\"a\": 1,\n}"), ["2:1 this is not JSON: key must be a string"]);
        assert_eq!(found("a.yml", "{\"a\": 1,\n}"), Vec::<String>::new());
        assert_eq!(found("a.json", "{é: 1}").len(), 1);
        assert_eq!(found("a.json", "").len(), 1);
    }
}
