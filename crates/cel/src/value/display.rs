//! Values as text, and the names of their types.

use super::{Text, Value};
use crate::scope::VARIABLES_TYPE;
use pintle_object::time::Time;
use std::fmt::Write;
use std::rc::Rc;

/// The text of a value by the function `string`; None for types without one.
pub fn as_text<'a>(of: &Value<'a>) -> Option<Text<'a>> {
    let text = match of {
        Value::Text(text) | Value::Type(text) => return Some(text.clone()),
        Value::Bool(it) => it.to_string(),
        Value::Int(it) => it.to_string(),
        Value::Uint(it) => it.to_string(),
        Value::Double(it) => double_text(*it),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.to_owned(),
        Value::Timestamp(time) => time_text(*time),
        Value::Duration(nanos) => duration_text(*nanos),
        Value::Ip(ip) => ip.to_string(),
        Value::Cidr(ip, len) => format!("{ip}/{len}"),
        _ => return None,
    };
    Some(Text::Shared(Rc::from(text)))
}

/// Seconds without needless digits: `90.5s`.
fn duration_text(nanos: i64) -> String {
    let all = nanos.unsigned_abs();
    let (seconds, rest) = (all / 1_000_000_000, all % 1_000_000_000);
    let mut text = if nanos < 0 { "-".to_owned() } else { String::new() };
    let _ = write!(text, "{seconds}");
    if rest > 0 {
        let digits = format!(".{rest:09}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('s');
    text
}

/// The shortest text of a number, as Go's `%g` shows it: `1e+06`, `0.25`.
pub fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number == 0.0 || (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// The name of the type of a value.
pub fn runtime_type<'a>(of: &Value<'a>) -> Text<'a> {
    Text::Borrowed(match of {
        Value::Null => "null_type",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Uint(_) => "uint",
        Value::Double(_) => "double",
        Value::Text(_) | Value::Pattern(..) => "string",
        Value::Bytes(_) => "bytes",
        Value::Timestamp(_) => "google.protobuf.Timestamp",
        Value::Duration(_) => "google.protobuf.Duration",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Optional(_) => "optional_type",
        Value::Type(_) => "type",
        Value::Quantity(_) => "kubernetes.Quantity",
        Value::Ip(_) => "net.IP",
        Value::Cidr(..) => "net.CIDR",
        Value::Url(_) => "kubernetes.URL",
        Value::Semver(_) => "kubernetes.Semver",
        Value::Format(_) => "kubernetes.NamedFormat",
        Value::Authorizer(of) => of.type_name(),
        Value::Variables => VARIABLES_TYPE,
    })
}

/// RFC 3339 with as many digits as there are.
fn time_text(time: Time) -> String {
    let text = Time { nanos: 0, ..time }.to_seconds_text();
    if time.nanos == 0 {
        return text.to_string();
    }
    let digits = format!("{:09}", time.nanos);
    format!("{}.{}Z", text.trim_end_matches('Z'), digits.trim_end_matches('0'))
}
