//! Log lines as `key=value` pairs: `t=2026-01-31T10:00:00.123Z lvl=info msg="…" key=value`.
//!
//! A value is quoted if it is empty or has a space, `=`, `"` or something that is escaped; within quotes `"`, `\` and
//! control characters are escaped as in JSON. So nobody forges a line or colours a terminal. The keys are the names of
//! our own fields. There are no spans to tell of.

use std::fmt::{self, Debug, Write};

use jiff::Timestamp;
use policy_core::diagnostic::steers;
use policy_core::json;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The format.
pub(super) struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut found = EventText::default();
        event.record(&mut found);
        write!(writer, "t={:.3} lvl={level} msg=", Timestamp::now())?;
        write_value(&mut writer, &found.message)?;
        writeln!(writer, "{}", found.pairs)
    }
}

/// What an event holds.
#[derive(Default)]
struct EventText {
    message: String,
    /// Each with a space before it.
    pairs: String,
}

impl Visit for EventText {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            // A text can always be written to.
            let _ = write!(self.pairs, " {}=", field.name());
            let _ = write_value(&mut self.pairs, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn write_value(to: &mut impl Write, value: &str) -> fmt::Result {
    let is_quoted = |c: char| matches!(c, ' ' | '=' | '"') || steers(c);
    if !value.is_empty() && !value.contains(is_quoted) {
        return to.write_str(value);
    }
    to.write_char('"')?;
    for c in value.chars() {
        match c {
            '"' => to.write_str("\\\"")?,
            '\\' => to.write_str("\\\\")?,
            '\n' => to.write_str("\\n")?,
            '\r' => to.write_str("\\r")?,
            '\t' => to.write_str("\\t")?,
            c if steers(c) => write!(to, "\\u{:04x}", u32::from(c))?,
            c => to.write_char(c)?,
        }
    }
    to.write_char('"')
}

/// Log lines in JSON, with the same characters escaped as in all JSON that is written.
pub(super) struct Escaped<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for Escaped<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(&json::escaped(line))
    }
}

#[cfg(test)]
mod tests {
    use super::write_value;

    #[test]
    fn values_are_quoted_where_they_must_be() {
        for (value, written) in [
            ("plain/value:22", "plain/value:22"),
            ("grüße", "grüße"),
            (r"back\slash", r"back\slash"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("a=b", r#""a=b""#),
            (r#"a "b" \c"#, r#""a \"b\" \\c""#),
            ("a\nlvl=error\r\t", r#""a\nlvl=error\r\t""#),
            ("\u{1b}[31m\u{7f}\u{9b}\0", r#""\u001b[31m\u007f\u009b\u0000""#),
            ("\u{2028}\u{202e}", r#""\u2028\u202e""#),
        ] {
            let mut text = String::new();
            write_value(&mut text, value).expect("a text");
            assert_eq!(text, written);
        }
    }
}
