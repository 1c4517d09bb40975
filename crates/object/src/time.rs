//! Times and durations as Kubernetes writes them: RFC 3339 in UTC, and Go's duration text.

use crate::value::Text;

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    pub seconds: i64,
    pub nanos: u32,
}

/// Go's layout of RFC 3339, as its errors show it.
const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
/// The layout of MicroTime.
const RFC3339_MICRO: &str = "2006-01-02T15:04:05.000000Z07:00";

/// From the day on that times are counted from.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Time {
    /// Reads RFC 3339 with an optional fraction; the error is Go's.
    pub fn parse(text: &str) -> Result<Time, String> {
        parse_layout(text, RFC3339)
    }

    /// Reads a MicroTime: RFC 3339 with exactly six digits of fraction.
    pub fn parse_micro(text: &str) -> Result<Time, String> {
        parse_layout(text, RFC3339_MICRO)
    }

    /// `2024-01-02T03:04:05Z`
    pub fn to_seconds_text(self) -> Text {
        let mut digits = *b"0000-00-00T00:00:00Z";
        self.write_date_time(&mut digits);
        Text::from(std::str::from_utf8(&digits).unwrap_or_default())
    }

    /// `2024-01-02T03:04:05.678900Z`
    pub fn to_micro_text(self) -> Text {
        Text::from(std::str::from_utf8(&self.to_micro_digits()).unwrap_or_default())
    }

    /// The same as bytes.
    pub fn to_micro_digits(self) -> [u8; 27] {
        let mut digits = *b"0000-00-00T00:00:00.000000Z";
        self.write_date_time(&mut digits);
        self.write_micros(&mut digits, 20);
        digits
    }

    /// Writes the six digits of its microseconds at a place; nothing where they do not fit.
    pub fn write_micros(self, digits: &mut [u8], place: usize) {
        write_digits(digits, place, place + 6, i64::from(self.nanos / 1000));
    }

    /// The day of the week and the month by their names in dates for people: `Tue`, `Mar`.
    pub fn day_and_month(self) -> (&'static str, &'static str) {
        let days = self.seconds.div_euclid(86_400);
        let (_, month, _) = civil(days);
        let named = |names: &[&'static str], place: i64| {
            usize::try_from(place).ok().and_then(|place| names.get(place).copied()).unwrap_or_default()
        };
        (named(&DAYS, days.rem_euclid(7)), named(&MONTHS, month - 1))
    }

    fn write_date_time(self, digits: &mut [u8]) {
        let (year, month, day) = civil(self.seconds.div_euclid(86_400));
        let second = self.seconds.rem_euclid(86_400);
        write_digits(digits, 0, 4, year);
        let parts = [month, day, second / 3600, second / 60 % 60, second % 60];
        for (place, number) in (5..).step_by(3).zip(parts) {
            write_digits(digits, place, place + 2, number);
        }
    }
}

/// Writes a number with leading zeros; of years beyond 9999 the last four digits.
fn write_digits(digits: &mut [u8], start: usize, end: usize, number: i64) {
    let mut rest = number.unsigned_abs();
    for digit in digits.get_mut(start..end).unwrap_or_default().iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// The date of a day counted from 1970-01-01 (Hinnant's algorithm: years begin in March).
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days from 1970-01-01 to a date.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn month_len(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// One number of a layout: its text there, its digits, and the range it must be in.
const PARTS: [(&str, usize, &str); 6] =
    [("2006", 4, "-"), ("01", 2, "-"), ("02", 2, "T"), ("15", 2, ":"), ("04", 2, ":"), ("05", 2, "")];

fn parse_layout(text: &str, layout: &str) -> Result<Time, String> {
    let bad = |rest: &str, part: &str| {
        format!("parsing time {} as \"{layout}\": cannot parse {} as \"{part}\"", quote(text), quote(rest))
    };
    let mut rest = text;
    let mut numbers = [0_i64; 6];
    for (number, (part, width, after)) in numbers.iter_mut().zip(PARTS) {
        let digits = rest.get(..width).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        *number = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| bad(rest, part))?;
        rest = rest.get(width..).unwrap_or("");
        rest = rest.strip_prefix(after).ok_or_else(|| bad(rest, after))?;
    }
    let nanos = fraction(&mut rest, layout == RFC3339_MICRO).map_err(|part| bad(rest, part))?;
    let offset = zone(&mut rest).ok_or_else(|| bad(rest, "Z07:00"))?;
    if !rest.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", quote(text), quote(rest)));
    }
    let [year, month, day, hour, minute, second] = numbers;
    let checks = [
        ((1..=12).contains(&month), "month"),
        ((1..=month_len(year, month)).contains(&day), "day"),
        (hour < 24, "hour"),
        (minute < 60, "minute"),
        (second < 60, "second"),
    ];
    if let Some((_, part)) = checks.iter().find(|(ok, _)| !ok) {
        return Err(format!("parsing time {}: {part} out of range", quote(text)));
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Ok(Time { seconds, nanos })
}

/// The digits after the second; MicroTime demands six of them.
fn fraction(rest: &mut &str, micro: bool) -> Result<u32, &'static str> {
    let digits = rest.strip_prefix('.').or_else(|| rest.strip_prefix(','));
    let Some(digits) = digits.filter(|digits| digits.starts_with(|c: char| c.is_ascii_digit())) else {
        return if micro { Err(".000000") } else { Ok(0) };
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if micro && end != 6 {
        return Err(if end < 6 { ".000000" } else { "Z07:00" });
    }
    let text: String = digits.chars().take(end.min(9)).chain(std::iter::repeat('0')).take(9).collect();
    *rest = digits.get(end..).unwrap_or("");
    Ok(text.parse().unwrap_or(0))
}

/// The offset from UTC in seconds: `Z` or `+01:00`.
fn zone(rest: &mut &str) -> Option<i64> {
    if let Some(after) = rest.strip_prefix('Z') {
        *rest = after;
        return Some(0);
    }
    let sign = match rest.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (rest.get(1..3)?, rest.get(4..6)?);
    if rest.get(3..4)? != ":" {
        return None;
    }
    let offset = hours.parse::<u8>().ok().filter(|h| *h <= 24)? as i64 * 3600
        + minutes.parse::<u8>().ok().filter(|m| *m < 60)? as i64 * 60;
    *rest = rest.get(6..)?;
    Some(sign * offset)
}

fn quote(text: &str) -> String {
    crate::field::quote(text)
}

const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Reads Go's duration text (`1h30m`, `1.5s`) into nanoseconds; the error is Go's.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (sign, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, text.get(1..).unwrap_or("")),
        Some(b'+') => (1.0, text.get(1..).unwrap_or("")),
        _ => (1.0, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest.get(..end).unwrap_or("").parse().map_err(|_| invalid())?;
        rest = rest.get(end..).unwrap_or("");
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = rest.get(..end).unwrap_or("");
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, size) =
            known.ok_or_else(|| format!("time: unknown unit {} in duration {}", quote(unit), quote(text)))?;
        total += number * size;
        rest = rest.get(end..).unwrap_or("");
    }
    if total > i64::MAX as f64 {
        return Err(invalid());
    }
    Ok((sign * total) as i64)
}

/// Go's `Duration.String()`: `1h0m0s`, `1.5s`, `100ms`, `0s`.
pub fn format_duration(nanos: i64) -> String {
    if nanos == 0 {
        return String::from("0s");
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    if size < 1_000_000_000 {
        let (unit, scale) = match size {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{sign}{}{unit}", decimal(size, scale));
    }
    let seconds = decimal(size % 60_000_000_000, 1_000_000_000);
    let minutes = size / 60_000_000_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `amount / scale` without trailing zeros.
fn decimal(amount: u64, scale: u64) -> String {
    let (whole, part) = (amount / scale, amount % scale);
    if part == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    let digits = format!("{part:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_in_utc() {
        let cases = [
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05.999Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
            ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(Time::parse(text).unwrap().to_seconds_text(), expected);
        }
        let micro = Time::parse_micro("2024-01-02T03:04:05.678900Z").unwrap();
        assert_eq!(micro.to_micro_text(), "2024-01-02T03:04:05.678900Z");
    }

    #[test]
    fn errors_read_as_gos() {
        let layout = "2006-01-02T15:04:05Z07:00";
        let cases = [
            ("", format!("parsing time \"\" as \"{layout}\": cannot parse \"\" as \"2006\"")),
            ("10Gi", format!("parsing time \"10Gi\" as \"{layout}\": cannot parse \"10Gi\" as \"2006\"")),
            (
                "2024-01-02",
                format!("parsing time \"2024-01-02\" as \"{layout}\": cannot parse \"\" as \"T\""),
            ),
            (
                "2024-13-02T00:00:00Z",
                String::from("parsing time \"2024-13-02T00:00:00Z\": month out of range"),
            ),
            (
                "2024-01-02T03:04:05Z-x",
                String::from("parsing time \"2024-01-02T03:04:05Z-x\": extra text: \"-x\""),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Time::parse(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn durations_are_gos() {
        let cases = [
            ("1h30m", "1h30m0s"),
            ("90s", "1m30s"),
            ("1.5s", "1.5s"),
            ("100ms", "100ms"),
            ("0", "0s"),
            ("-2m", "-2m0s"),
        ];
        for (text, expected) in cases {
            assert_eq!(format_duration(parse_duration(text).unwrap()), expected, "{text}");
        }
        assert_eq!(parse_duration("5").unwrap_err(), "time: missing unit in duration \"5\"");
        assert_eq!(parse_duration("5x").unwrap_err(), "time: unknown unit \"x\" in duration \"5x\"");
        assert_eq!(parse_duration("").unwrap_err(), "time: invalid duration \"\"");
    }
}
