//! `format`: texts with values in their places, numbers as in American English.

use super::function::{Function, function};
use super::math::text as made;
use crate::value::{Error, Key, List, Outcome, Value};
use crate::value::{as_text, double_text};
use std::fmt::{self, Write};

pub const FUNCTIONS: &[Function] = &[function("format", ".string,list(dyn)=string!format", format)];

const PRECISION_MAX: usize = 100;

/// A part of a format: text, or a sign with its precision.
pub enum FormatPart {
    Text(String),
    Clause(char, Option<usize>),
}

/// The fault of a format, or of a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    End,
    /// The precision has no end.
    OpenPrecision,
    NoPrecision,
    Precision(usize),
    Sign(char),
    /// A value of such a type does not fit a sign.
    Unfit(char, String),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = "could not parse formatting clause";
        let precision = "error while parsing precision";
        match self {
            FormatError::End => f.write_str("unexpected end of string"),
            FormatError::OpenPrecision => {
                write!(f, "{wrong}: {precision}: could not find end of precision specifier")
            }
            FormatError::NoPrecision => {
                write!(f, "{wrong}: {precision}: error while converting precision to integer")
            }
            FormatError::Precision(number) => write!(
                f,
                "{wrong}: {precision}: precision {number} exceeds maximum allowed precision {PRECISION_MAX}"
            ),
            FormatError::Sign(sign) => write!(f, "{wrong}: unrecognized formatting clause \"{sign}\""),
            FormatError::Unfit(sign, name) => write!(f, "{}, was given {name}", fitting(*sign)),
        }
    }
}

fn format<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Text(format), Value::List(list)] = given else { return Err(Error::no_overload()) };
    let mut out = String::new();
    let mut index = 0;
    for part in parts(format) {
        match part {
            Ok(FormatPart::Text(text)) => out.push_str(&text),
            Ok(FormatPart::Clause(sign, precision)) => {
                out.push_str(&formatted(list, index, sign, precision)?);
                index += 1;
            }
            // A missing argument is reported before an invalid clause.
            Err(_) if index >= list.len() => return Err(out_of_range(index)),
            Err(error) => return Err(Error::new(error.to_string())),
        }
        if out.len() > super::math::TEXT_BYTES_MAX {
            break;
        }
    }
    made(out)
}

fn out_of_range(index: usize) -> Error {
    Error::new(format!("index {index} out of range"))
}

fn formatted(list: &List<'_>, index: usize, sign: char, precision: Option<usize>) -> Result<String, Error> {
    let value = list.at(index).unwrap_or_else(|| Err(out_of_range(index)))?;
    let wrong = |error: FormatError| Error::new(format!("error during formatting: {error}"));
    formatted_value(&value, sign, precision).map_err(wrong)
}

/// The parts of a format, up to the first that is wrong.
pub fn parts(format: &str) -> Vec<Result<FormatPart, FormatError>> {
    let mut found = Vec::new();
    let mut text = String::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            text.push('%');
            continue;
        }
        found.push(Ok(FormatPart::Text(std::mem::take(&mut text))));
        let clause = clause(&mut rest);
        let is_wrong = clause.is_err();
        found.push(clause);
        if is_wrong {
            return found;
        }
    }
    found.push(Ok(FormatPart::Text(text)));
    found
}

fn clause(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<FormatPart, FormatError> {
    let mut precision = None;
    if rest.peek().is_none() {
        return Err(FormatError::End);
    }
    if rest.next_if_eq(&'.').is_some() {
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if rest.peek().is_none() {
            return Err(FormatError::OpenPrecision);
        }
        let number: usize = digits.parse().map_err(|_| FormatError::NoPrecision)?;
        if number > PRECISION_MAX {
            return Err(FormatError::Precision(number));
        }
        precision = Some(number);
    }
    match rest.next() {
        Some(sign @ ('s' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o')) => {
            Ok(FormatPart::Clause(sign, precision))
        }
        other => Err(FormatError::Sign(other.unwrap_or(' '))),
    }
}

/// The values that fit a sign.
fn fitting(sign: char) -> &'static str {
    match sign {
        'd' => "decimal clause can only be used on integers",
        'f' => "fixed-point clause can only be used on doubles",
        'e' => "scientific clause can only be used on doubles",
        'b' => "only integers and bools can be formatted as binary",
        'o' => "octal clause can only be used on integers",
        'x' | 'X' => "only integers, byte buffers, and strings can be formatted as hex",
        _ => {
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, \
             durations, and timestamps"
        }
    }
}

fn formatted_value(value: &Value<'_>, sign: char, precision: Option<usize>) -> Result<String, FormatError> {
    let wrong = || FormatError::Unfit(sign, value.type_name().to_string());
    match (sign, value) {
        ('s', _) => text(value).ok_or_else(wrong),
        ('d', Value::Int(it)) => Ok(it.to_string()),
        ('d', Value::Uint(it)) => Ok(it.to_string()),
        ('b', Value::Bool(it)) => Ok(u8::from(*it).to_string()),
        ('x' | 'X', Value::Text(text)) => Ok(hex(text.as_bytes(), sign)),
        ('x' | 'X', Value::Bytes(bytes)) => Ok(hex(bytes, sign)),
        ('b' | 'o' | 'x' | 'X', Value::Int(it)) => {
            let minus = if *it < 0 { "-" } else { "" };
            Ok(format!("{minus}{}", digits(it.unsigned_abs(), sign)))
        }
        ('b' | 'o' | 'x' | 'X', Value::Uint(it)) => Ok(digits(*it, sign)),
        ('f' | 'e', _) => {
            let number = match value {
                Value::Double(it) => *it,
                Value::Text(text) => match &**text {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    _ => return Err(wrong()),
                },
                _ => return Err(wrong()),
            };
            Ok(number_shown(number, sign, precision.unwrap_or(6)))
        }
        _ => Err(wrong()),
    }
}

fn digits(number: u64, sign: char) -> String {
    match sign {
        'b' => format!("{number:b}"),
        'o' => format!("{number:o}"),
        'X' => format!("{number:X}"),
        _ => format!("{number:x}"),
    }
}

fn hex(bytes: &[u8], sign: char) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = if sign == 'X' { write!(out, "{byte:02X}") } else { write!(out, "{byte:02x}") };
    }
    out
}

/// `1,200.5`, `1.25×10⁰³`
fn number_shown(number: f64, sign: char, precision: usize) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "∞"
        } else {
            "-∞"
        }
        .to_owned();
    }
    if sign == 'f' {
        return grouped(&format!("{number:.precision$}"));
    }
    // Upstream takes this precision for the least width.
    let text = format!("{number:.6e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let minus = if exponent.starts_with('-') { "⁻" } else { "" };
    let exponent = format!("{:0>2}", exponent.trim_start_matches('-'));
    let raised = exponent.chars().filter_map(|c| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(c.to_digit(10)? as usize));
    format!("{:>precision$}", format!("{digits}×10{minus}{}", raised.collect::<String>()))
}

/// The text with a comma before every third digit of the whole part.
fn grouped(text: &str) -> String {
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (minus, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut out = String::from(minus);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

/// A value as `%s` shows it.
fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::List(_) | Value::Map(_) => nested(value),
        Value::Double(number) => Some(double_text(*number)),
        Value::Ip(_) | Value::Cidr(..) => None,
        _ => as_text(value).map(|text| text.to_string()),
    }
}

/// A value within a list or a map, as it would be written.
fn nested(value: &Value<'_>) -> Option<String> {
    match value {
        Value::List(list) => {
            let items: Option<Vec<String>> = list.items().ok()?.iter().map(nested).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Value::Map(map) => {
            let entries = map.entries().into_iter();
            let entries: Option<Vec<(String, String)>> = entries
                .map(|(key, value)| {
                    Key::of(&key)?;
                    Some((nested(&key)?, nested(&value.ok()?)?))
                })
                .collect();
            let mut entries = entries?;
            entries.sort();
            let entries: Vec<String> =
                entries.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
            Some(format!("{{{}}}", entries.join(", ")))
        }
        Value::Text(text) => Some(pintle_object::field::quote(text)),
        Value::Bytes(bytes) => {
            Some(format!("b{}", pintle_object::field::quote(std::str::from_utf8(bytes).ok()?)))
        }
        Value::Timestamp(_) => Some(format!("timestamp(\"{}\")", text(value)?)),
        Value::Duration(_) => Some(format!("duration(\"{}\")", text(value)?)),
        Value::Double(number) if number.is_finite() => Some(format!("{number:.6}")),
        Value::Double(number) => Some(format!("\"{}\"", double_text(*number))),
        _ => text(value),
    }
}
