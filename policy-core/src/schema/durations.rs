//! Durations: `30s`, `1m30s`; and what is meant by other ways to write one.
//!
//! A number without a unit is nanoseconds to Go's `time.Duration`, whose notation ngrok's fields use, and seconds or
//! milliseconds to most people.

use std::time::Duration;

use super::{Context, Kind};
use crate::diagnostic::shorten;
use crate::duration::parse_duration;
use crate::parse::NodeRef;

/// A duration within bounds, in seconds; a multiple of `step` seconds, unless that is 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DurationField {
    min: u64,
    max: u64,
    step: u64,
    /// What an example shows.
    usual: u64,
}

/// No duration that anybody means is longer.
const PLAUSIBLE: Duration = Duration::from_secs(366 * 86_400);

impl DurationField {
    /// A duration of so many seconds.
    pub(crate) const fn seconds(min: u64, max: u64) -> Self {
        let usual = if min > 30 {
            min
        } else if max < 30 {
            max
        } else {
            30
        };
        Self { min, max, step: 0, usual }
    }

    /// Any duration up to a century.
    pub(crate) const fn any() -> Self {
        Self::seconds(0, 100 * 365 * 86_400)
    }

    /// The same, in steps.
    pub(crate) const fn in_steps_of(self, step: u64) -> Self {
        Self { step, ..self }
    }

    /// The same, with another example.
    pub(crate) const fn like(self, usual: u64) -> Self {
        Self { usual, ..self }
    }

    fn is_in_range(&self, value: Duration) -> bool {
        (Duration::from_secs(self.min)..=Duration::from_secs(self.max)).contains(&value)
    }

    fn is_in_step(&self, value: Duration) -> bool {
        self.step == 0 || (value.subsec_nanos() == 0 && value.as_secs().is_multiple_of(self.step))
    }

    /// The allowed durations that a number without a unit may mean, with the unit.
    fn readings(&self, number: u64) -> Vec<(Duration, &'static str)> {
        /// Below, nobody counts nanoseconds.
        const SECOND: u64 = 1_000_000_000;
        let allowed =
            |value: Duration| self.is_in_range(value) && self.is_in_step(value) && value <= PLAUSIBLE;
        let nanoseconds = Duration::from_nanos(number);
        if number >= SECOND && number.is_multiple_of(1_000_000) && allowed(nanoseconds) {
            return vec![(nanoseconds, "nanoseconds")];
        }
        let milliseconds = Some(number).filter(|number| *number >= 1_000 && number.is_multiple_of(1_000));
        let milliseconds = milliseconds.map(|number| (Duration::from_millis(number), "milliseconds"));
        let seconds = Some((Duration::from_secs(number), "seconds"));
        [milliseconds, seconds].into_iter().flatten().filter(|(value, _)| allowed(*value)).collect()
    }

    /// What to write in place of a text that is no duration.
    pub(crate) fn help(&self, text: &str) -> String {
        let example = shown(Duration::from_secs(self.usual));
        let generic = format!("write {}, e.g. `{example}`", self.describe());
        if let Some(number) = number(text) {
            return match &*self.readings(number) {
                [] if number >= 1_000_000_000 && number.is_multiple_of(1_000_000) => {
                    format!(
                        "a number alone is in nanoseconds, this one `{}`; {generic}",
                        shown(Duration::from_nanos(number))
                    )
                }
                [] => format!("a duration has a unit; {generic}"),
                [(value, "seconds")] => format!("add a unit, e.g. `{}`", shown(*value)),
                [(value, unit)] => format!("add a unit: `{}` if it is in {unit}", shown(*value)),
                [(value, unit), (other, also), ..] => {
                    format!(
                        "add a unit: `{}` if it is in {unit}, `{}` if in {also}",
                        shown(*value),
                        shown(*other)
                    )
                }
            };
        }
        match respelt(text).filter(|value| self.is_in_range(*value) && self.is_in_step(*value)) {
            Some(value) => {
                format!("write `{}`; the units are `h`, `m`, `s` and `ms`, without spaces", shown(value))
            }
            None => generic,
        }
    }
}

/// A whole number in digits.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A duration in other words: `1 day`, `5 minutes`, `90 sec`, `1H`.
fn respelt(text: &str) -> Option<Duration> {
    const MAX_LENGTH: usize = 40;
    const UNITS: &[(&[&str], u64)] = &[
        (&["weeks", "week", "w"], 7 * 86_400_000),
        (&["days", "day", "d"], 86_400_000),
        (&["hours", "hour", "hrs", "hr", "h"], 3_600_000),
        (&["milliseconds", "millisecond", "msec", "ms"], 1),
        (&["minutes", "minute", "mins", "min", "m"], 60_000),
        (&["seconds", "second", "secs", "sec", "s"], 1_000),
    ];
    if text.len() > MAX_LENGTH {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let (mut rest, mut total) = (lower.trim(), 0_u64);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count: u64 = rest.get(..digits)?.parse().ok()?;
        let unit = rest.get(digits..)?.trim_start();
        let letters = unit.len() - unit.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let word = unit.get(..letters)?;
        let (_, milliseconds) = UNITS.iter().find(|(words, _)| words.contains(&word))?;
        total = total.checked_add(count.checked_mul(*milliseconds)?)?;
        rest = unit.get(letters..)?.trim_start_matches([' ', ',']);
    }
    (total > 0).then(|| Duration::from_millis(total))
}

impl Kind for DurationField {
    type Value = Duration;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Duration> {
        let text = cx.reader.text(node, what)?;
        let shown = shorten(text.value);
        let Some(value) = parse_duration(text.value) else {
            cx.invalid(text.span, format!("{what} cannot be `{shown}`"), self.help(text.value));
            return None;
        };
        if !self.is_in_range(value) {
            let message = format!("{what} is out of range: `{shown}`");
            cx.invalid(text.span, message, format!("write {}", self.describe()));
            return None;
        }
        if !self.is_in_step(value) {
            let message = format!("{what} is `{shown}`, no multiple of {} seconds", self.step);
            let near = (value.as_secs() / self.step).max(self.min / self.step) * self.step;
            cx.invalid(text.span, message, format!("write e.g. `{near}s`"));
            return None;
        }
        Some(value)
    }

    fn parse_default(&self, text: &'static str) -> Option<Duration> {
        parse_duration(text)
    }

    fn describe(&self) -> String {
        let step = match self.step {
            0 => String::new(),
            step => format!(", a multiple of {step}s"),
        };
        if self.max >= Self::any().max {
            return format!("a duration{step}");
        }
        let [min, max] = [self.min, self.max].map(|seconds| shown(Duration::from_secs(seconds)));
        format!("a duration, {min} to {max}{step}")
    }
}

/// A duration as it is written, to the millisecond.
fn shown(value: Duration) -> String {
    let seconds = value.as_secs();
    if value.subsec_nanos() > 0 {
        return format!("{}ms", value.as_millis());
    }
    let parts = [(seconds / 3_600, 'h'), (seconds % 3_600 / 60, 'm'), (seconds % 60, 's')];
    let text: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: DurationField = DurationField::seconds(60, 86_400).in_steps_of(10);

    #[test]
    fn limits_are_described() {
        assert_eq!(RATE.describe(), "a duration, 1m to 24h, a multiple of 10s");
        assert_eq!(DurationField::seconds(1, 120).describe(), "a duration, 1s to 2m");
        assert_eq!(DurationField::any().describe(), "a duration");
        let texts = [0, 90, 3_600, 3_661, 86_400].map(|seconds| shown(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0s", "1m30s", "1h", "1h1m1s", "24h"]);
    }

    #[test]
    fn numbers_without_a_unit_get_one_that_is_allowed() {
        let any = DurationField::any().like(10);
        for (length, text, help) in [
            (RATE, "60", "add a unit, e.g. `1m`"),
            (RATE, "60000000000", "add a unit: `1m` if it is in nanoseconds"),
            (RATE, "90000000000", "add a unit: `1m30s` if it is in nanoseconds"),
            (RATE, "60000", "add a unit: `1m` if it is in milliseconds, `16h40m` if in seconds"),
            (RATE, "30", "a duration has a unit; write a duration, 1m to 24h, a multiple of 10s, e.g. `1m`"),
            (
                RATE,
                "61000000000",
                "a number alone is in nanoseconds, this one `1m1s`; write a duration, 1m to 24h, a multiple of 10s, e.g. `1m`",
            ),
            (DurationField::seconds(1, 120), "120000000000", "add a unit: `2m` if it is in nanoseconds"),
            (any, "10", "add a unit, e.g. `10s`"),
            (any, "10000000000", "add a unit: `10s` if it is in nanoseconds"),
            (any, "1500000000", "add a unit: `1500ms` if it is in nanoseconds"),
            (any, "10000", "add a unit: `10s` if it is in milliseconds, `2h46m40s` if in seconds"),
            (any, "3600000000000", "add a unit: `1h` if it is in nanoseconds"),
        ] {
            assert_eq!(length.help(text), help, "{text}");
        }
    }

    #[test]
    fn other_words_get_the_notation() {
        let written = |text: &str| RATE.help(text).split('`').nth(1).map(str::to_owned);
        for (text, right) in [
            ("1d", "24h"),
            ("1 day", "24h"),
            ("5 minutes", "5m"),
            ("1m 30s", "1m30s"),
            ("90 sec", "1m30s"),
            ("1H", "1h"),
            ("2 hours, 10 min", "2h10m"),
        ] {
            assert_eq!(written(text).as_deref(), Some(right), "{text}");
        }
        // Nothing that is not allowed is suggested.
        for text in ["2d", "5 sec", "abc", "-5m", "1 fortnight", "", "99999999999999999999d"] {
            assert_eq!(
                RATE.help(text),
                "write a duration, 1m to 24h, a multiple of 10s, e.g. `1m`",
                "{text}"
            );
        }
    }
}
