//! Text tables of what the API lists.

use std::fmt::Write;

use policy_core::diagnostic::steers;
use serde_json::Value;

/// A heading, and where in an object the value stands.
pub(in crate::cmd::edge) type Column = (&'static str, &'static str);

/// A table with a heading; columns are as wide as their longest cell.
pub(in crate::cmd::edge) fn table(columns: &[Column], items: &[Value]) -> String {
    let heading = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let rows = items.iter().map(|item| columns.iter().map(|(_, at)| cell(item.pointer(at))).collect());
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    let width = |index: usize| {
        rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(","),
        Some(other) => other.to_string(),
    };
    if text.is_empty() {
        return "-".to_owned();
    }
    // What an agent told must not steer the terminal.
    text.chars().map(|char| if steers(char) { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_align_and_steer_nothing() {
        let items = [
            json!({"id": "su_1", "name": "ä\u{1b}[31m", "active": true}),
            json!({"id": "su_22", "name": "", "active": false, "created_at": "2026-01-01T00:00:00Z"}),
        ];
        assert_eq!(
            table(
                &[("ID", "/id"), ("NAME", "/name"), ("ACTIVE", "/active"), ("CREATED", "/created_at")],
                &items
            ),
            "ID     NAME    ACTIVE  CREATED
su_1   ä\u{fffd}[31m  true    -
su_22  -       false   2026-01-01T00:00:00Z
"
        );
        assert_eq!(cell(Some(&json!(["a", "b"]))), "a,b");
        assert_eq!(cell(Some(&json!([]))), "-");
    }
}
