//! Plain scalars of YAML 1.1, as go-yaml resolves them.

use super::error::YamlError;

/// The meaning of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond `Int`.
    UInt(u64),
    Float(f64),
    Text(&'a str),
}

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// The value of a scalar that has no tag and no quotes.
pub fn resolve(text: &str) -> Scalar<'_> {
    word(text).or_else(|| number(text)).unwrap_or(Scalar::Text(text))
}

/// The value of a scalar with a tag.
pub fn resolve_tagged<'a>(tag: &str, text: &'a str) -> Result<Scalar<'a>, YamlError> {
    let kind = tag.strip_prefix(TAG_PREFIX).unwrap_or("");
    let found = match kind {
        "bool" | "int" | "float" | "null" | "timestamp" => resolve(text),
        _ => return Ok(Scalar::Text(text)),
    };
    match (kind, found) {
        ("timestamp", _) if is_timestamp(text) => Ok(Scalar::Text(text)),
        ("null", Scalar::Null)
        | ("bool", Scalar::Bool(_))
        | ("int", Scalar::Int(_) | Scalar::UInt(_))
        | ("float", Scalar::Float(_)) => Ok(found),
        ("float", Scalar::Int(int)) => Ok(Scalar::Float(int as f64)),
        (_, found) => {
            let own = found.kind();
            Err(YamlError(format!("yaml: cannot decode !!{own} `{text}` as a !!{kind}")))
        }
    }
}

/// Whether a text would not come back as text if it were written plain.
pub fn is_ambiguous(text: &str) -> bool {
    !matches!(resolve(text), Scalar::Text(_))
        || is_timestamp(text)
        || is_base60(text)
        || matches!(text, "<<" | ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | ".nan" | ".NaN" | ".NAN")
}

impl Scalar<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "bool",
            Scalar::Int(_) | Scalar::UInt(_) => "int",
            Scalar::Float(_) => "float",
            Scalar::Text(_) => "str",
        }
    }
}

/// Words with a value of their own, such as `true`.
fn word(text: &str) -> Option<Scalar<'static>> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Scalar::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(Scalar::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(Scalar::Bool(false))
        }
        ".nan" | ".NaN" | ".NAN" => Some(Scalar::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(Scalar::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => Some(Scalar::Float(f64::NEG_INFINITY)),
        _ => None,
    }
}

fn number(text: &str) -> Option<Scalar<'static>> {
    match text.as_bytes().first()? {
        b'.' => float(text),
        b'0'..=b'9' | b'+' | b'-' => {
            let plain = text.replace('_', "");
            int(&plain).or_else(|| float(&plain))
        }
        _ => None,
    }
}

/// As Go's `strconv.ParseInt` and then `ParseUint` with base 0.
fn int(text: &str) -> Option<Scalar<'static>> {
    let (is_signed, is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, text.get(1..)?),
        b'+' => (true, false, text.get(1..)?),
        _ => (false, false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, digits.get(2..)?),
        [b'0', b'b' | b'B', _, ..] => (2, digits.get(2..)?),
        [b'0', b'o' | b'O', _, ..] => (8, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let number = if is_negative { -magnitude } else { magnitude };
    match i64::try_from(number) {
        Ok(int) => Some(Scalar::Int(int)),
        Err(_) => u64::try_from(number).ok().filter(|_| !is_signed).map(Scalar::UInt),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, within the range of a float.
fn float(text: &str) -> Option<Scalar<'static>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let well_formed = digits(whole) && digits(fraction) && digits(exponent) && !exponent.is_empty();
    if !well_formed || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(Scalar::Float(number))
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

/// `190:20:30`: a number to base 60 in YAML 1.1.
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
