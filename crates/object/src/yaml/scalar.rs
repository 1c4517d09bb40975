//! What a plain scalar means in YAML 1.1, as go-yaml resolves it.

use crate::value::{Text, Value};

/// The value of a plain scalar.
pub fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let starts_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    let number = if starts_number { int(text).or_else(|| float(text)) } else { None };
    number.unwrap_or_else(|| Value::Text(Text::from(text)))
}

/// Whether a text would not come back as text if it were written plain.
pub fn is_ambiguous(text: &str) -> bool {
    !matches!(resolve(text), Value::Text(_))
        || is_timestamp(text)
        || is_base60(text)
        || matches!(text, "<<" | ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | ".nan" | ".NaN" | ".NAN")
}

fn int(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.as_bytes().first()? {
        b'-' => (-1_i128, plain.get(1..)?),
        b'+' => (1, plain.get(1..)?),
        _ => (1, plain.as_str()),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = sign * i128::from_str_radix(digits, radix).ok()?;
    match i64::try_from(number) {
        Ok(int) => Some(Value::Int(int)),
        Err(_) => Some(Value::Float(number as f64)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let well_formed = digits(whole) && digits(fraction) && digits(exponent) && !exponent.is_empty();
    if !well_formed || (whole.is_empty() && fraction.is_empty()) || whole.starts_with('_') {
        return None;
    }
    let number: f64 = text.replace('_', "").parse().ok()?;
    Some(if number.fract() == 0.0 && number.abs() < 1e15 {
        Value::Int(number as i64)
    } else {
        Value::Float(number)
    })
}

/// `2001-12-14`, `2001-12-14t21:59:43.10-05:00` and their like, which other readers take for times.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let year = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if year != 4 || bytes.get(4) != Some(&b'-') {
        return false;
    }
    let (date, time) =
        text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let parts: Vec<&str> = date.split('-').collect();
    let is_part = |part: &&str| matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
    let [_, month, day] = parts.as_slice() else { return false };
    if !is_part(month) || !is_part(day) {
        return false;
    }
    match time {
        None => month.len() == 2 && day.len() == 2,
        Some(time) => time.trim_start().splitn(3, ':').count() == 3,
    }
}

/// `190:20:30`: a number to base 60 for readers of old.
fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or("");
    let mut count = 0;
    let rest_fits = parts.all(|part| {
        count += 1;
        matches!(part.len(), 1 | 2) && part.parse::<u8>().is_ok_and(|number| number < 60)
    });
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    count > 0
        && rest_fits
        && first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && digits(fraction)
}
