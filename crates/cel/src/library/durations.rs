//! Parts of times and durations.

use super::function::{Function, function};
use crate::value::{Error, Outcome, Value};
use pintle_object::time::{self, Time};

const DATE: &str = ".timestamp=int;.timestamp,string=int";
const CLOCK: &str = ".timestamp=int;.timestamp,string=int;.duration=int";

pub const FUNCTIONS: &[Function] = &[
    function("getFullYear", DATE, |given| part(given, |time| time.year)),
    function("getMonth", DATE, |given| part(given, |time| time.month - 1)),
    function("getDate", DATE, |given| part(given, |time| time.day)),
    function("getDayOfMonth", DATE, |given| part(given, |time| time.day - 1)),
    function("getDayOfYear", DATE, |given| part(given, day_of_year)),
    function("getDayOfWeek", DATE, |given| part(given, |time| (time.days + 4).rem_euclid(7))),
    function("getHours", CLOCK, |given| clock(given, 3600, |time| time.second / 3600)),
    function("getMinutes", CLOCK, |given| clock(given, 60, |time| time.second / 60 % 60)),
    function("getSeconds", CLOCK, |given| clock(given, 1, |time| time.second % 60)),
    function("getMilliseconds", CLOCK, milliseconds),
];

/// The parts of a duration.
struct DurationParts {
    /// Since 1970-01-01.
    days: i64,
    year: i64,
    month: i64,
    day: i64,
    /// Of the day.
    second: i64,
}

fn parts(time: Time, offset: i64) -> DurationParts {
    let seconds = time.seconds + offset;
    let days = seconds.div_euclid(86_400);
    let (year, month, day) = time::civil(days);
    DurationParts { days, year, month, day, second: seconds.rem_euclid(86_400) }
}

fn day_of_year(parts: &DurationParts) -> i64 {
    parts.days - time::days(parts.year, 1, 1)
}

fn part<'a>(given: &[Value<'a>], of: fn(&DurationParts) -> i64) -> Outcome<'a> {
    let (time, offset) = match given {
        [Value::Timestamp(time)] => (time, 0),
        [Value::Timestamp(time), Value::Text(zone)] => (time, offset(zone)?),
        _ => return Err(Error::no_overload()),
    };
    Ok(Value::Int(of(&parts(*time, offset))))
}

fn clock<'a>(given: &[Value<'a>], unit: i64, of: fn(&DurationParts) -> i64) -> Outcome<'a> {
    match given {
        [Value::Duration(nanos)] => Ok(Value::Int(nanos / 1_000_000_000 / unit)),
        _ => part(given, of),
    }
}

fn milliseconds<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Duration(nanos)] => Ok(Value::Int(nanos / 1_000_000)),
        [Value::Timestamp(time), ..] => Ok(Value::Int(i64::from(time.nanos / 1_000_000))),
        _ => Err(Error::no_overload()),
    }
}

/// Seconds east of UTC: `+02:00`, `-8:30`, `UTC`. There are no names of other places here.
fn offset(zone: &str) -> Result<i64, Error> {
    if zone.is_empty() || zone == "UTC" {
        return Ok(0);
    }
    let found = zone.split_once(':').and_then(|(hours, minutes)| {
        let sign = if hours.starts_with('-') { -1 } else { 1 };
        let hours: i64 = hours.trim_start_matches(['+', '-']).parse().ok()?;
        let minutes: i64 = minutes.parse().ok()?;
        Some(sign * (hours * 3600 + minutes * 60))
    });
    found.ok_or_else(|| Error::new(format!("unknown time zone {zone}")))
}

/// RFC 3339, within the years 1 to 9999.
pub fn parse_time(text: &str) -> Option<Time> {
    Time::parse(text).ok().filter(|time| time.seconds >= -62_135_596_800)
}

/// Go's text of durations.
pub fn parse_duration(text: &str) -> Option<i64> {
    time::parse_duration(text).ok()
}
