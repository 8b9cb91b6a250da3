//! Parts of times and durations.
//!
//! Source: CEL specification, standard definitions, timestamp and duration accessors. Months, days of the
//! month, of the week (0 is Sunday) and of the year count from 0; `getDate` counts from 1.

use super::overload::{Call, Cost, Fails, Overload};
use crate::cel::values::fault::Fault;
use crate::cel::values::time::LocalTime;
use crate::cel::values::value::Value;

/// An accessor of timestamps, with and without a time zone.
macro_rules! accessors {
    ($($name:literal $run:ident $doc:literal),+ $(,)?) => {
        &[$(
            Overload::new(concat!("(timestamp).", $name, "() -> int"), $doc, Cost::Unit, $run),
            Overload::new(concat!("(timestamp).", $name, "(string) -> int"), $doc, Cost::Unit, $run)
                .failing(Fails::Zone),
        )+]
    };
}

pub(super) static CALENDAR: &[Overload] = accessors! {
    "getFullYear" year "the year",
    "getMonth" month "the month, from 0",
    "getDate" date "the day of the month, from 1",
    "getDayOfMonth" day_of_month "the day of the month, from 0",
    "getDayOfWeek" day_of_week "the day of the week, 0 for Sunday",
    "getDayOfYear" day_of_year "the day of the year, from 0",
    "getHours" hours "the hour of the day",
    "getMinutes" minutes "the minute of the hour",
    "getSeconds" seconds "the second of the minute",
    "getMilliseconds" milliseconds "the millisecond of the second",
};

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("(duration).getHours() -> int", "the whole hours of the duration", Cost::Unit, whole_hours),
    Overload::new(
        "(duration).getMinutes() -> int",
        "the whole minutes of the duration",
        Cost::Unit,
        whole_minutes,
    ),
    Overload::new(
        "(duration).getSeconds() -> int",
        "the whole seconds of the duration",
        Cost::Unit,
        whole_seconds,
    ),
    Overload::new(
        "(duration).getMilliseconds() -> int",
        "the milliseconds beyond the last whole second",
        Cost::Unit,
        rest_millis,
    ),
];

/// Parts of a time as fields or functions of other languages, with the function.
const PARTS: &[(&str, &str)] = &[
    ("year", "getFullYear"),
    ("getYear", "getFullYear"),
    ("month", "getMonth"),
    ("day", "getDate"),
    ("date", "getDate"),
    ("getDay", "getDayOfWeek"),
    ("weekday", "getDayOfWeek"),
    ("dayOfWeek", "getDayOfWeek"),
    ("day_of_week", "getDayOfWeek"),
    ("hour", "getHours"),
    ("hours", "getHours"),
    ("minute", "getMinutes"),
    ("minutes", "getMinutes"),
    ("second", "getSeconds"),
    ("seconds", "getSeconds"),
];

/// The function of timestamps that a name means.
pub(in crate::cel) fn part_function(name: &str) -> Option<&'static str> {
    PARTS.iter().find(|(part, _)| *part == name).map(|(_, function)| *function)
}

/// The calendar of the receiver, at the place that is given.
fn calendar(call: &Call<'_, '_>, part: impl Fn(LocalTime) -> i64) -> Result<Value, Fault> {
    let Value::Timestamp(at) = call.value(0)? else { return Err(Fault::overload("timestamp")) };
    let zone = if call.arguments.len() > 1 { Some(call.text(1)?) } else { None };
    at.at(zone).map(|local| Value::Int(part(local)))
}

fn year(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| local.year)
}

fn month(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| i64::from(local.at.month()) - 1)
}

fn date(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| local.at.day().into())
}

fn day_of_month(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| i64::from(local.at.day()) - 1)
}

fn day_of_week(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| local.at.weekday().to_sunday_zero_offset().into())
}

fn day_of_year(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| i64::from(local.at.day_of_year()) - 1)
}

fn hours(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| local.at.hour().into())
}

fn minutes(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| local.at.minute().into())
}

fn seconds(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| local.at.second().into())
}

fn milliseconds(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    calendar(call, |local| local.at.millisecond().into())
}

fn nanos(call: &Call<'_, '_>) -> Result<i64, Fault> {
    match call.value(0)? {
        Value::Duration(length) => Ok(length.nanos()),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn whole_hours(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    nanos(call).map(|nanos| Value::Int(nanos / 3_600_000_000_000))
}

fn whole_minutes(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    nanos(call).map(|nanos| Value::Int(nanos / 60_000_000_000))
}

fn whole_seconds(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    nanos(call).map(|nanos| Value::Int(nanos / 1_000_000_000))
}

fn rest_millis(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    nanos(call).map(|nanos| Value::Int(nanos / 1_000_000 % 1_000))
}
