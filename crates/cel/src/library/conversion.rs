//! Conversions between types, sizes, and types as values.

use super::durations::{parse_duration, parse_time};
use super::function::{Function, function};
use crate::value::{Error, Outcome, Value, as_text, runtime_type};

const TO_TEXT: &str = "string=string;bool=string;bytes=string!totext;double=string;duration=string;int=string;\
                       timestamp=string;uint=string;IP=string;CIDR=string";

pub const FUNCTIONS: &[Function] = &[
    function("bool", "bool=bool;string=bool", to_bool),
    function("int", "int=int;double=int;duration=int;string=int;timestamp=int;uint=int", to_int),
    function("uint", "uint=uint;double=uint;int=uint;string=uint", to_uint),
    function("double", "double=double;int=double;string=double;uint=double", to_double),
    function("string", TO_TEXT, to_text),
    function("bytes", "bytes=bytes;string=bytes!tobytes", to_bytes),
    function("timestamp", "timestamp=timestamp;int=timestamp;string=timestamp", to_timestamp),
    function("duration", "duration=duration;int=duration;string=duration", to_duration),
    function("type", "A=type(A)", type_of),
    function(
        "size",
        ".string=int;.bytes=int;.list(A)=int;.map(A,B)=int;string=int;bytes=int;list(A)=int;map(A,B)=int",
        size,
    ),
];

fn unfit<'a>(of: &Value<'a>, wanted: &str) -> Outcome<'a> {
    Err(Error::new(format!("type conversion error from '{}' to '{wanted}'", &*of.type_name())))
}

fn to_bool<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Bool(it)] => Ok(Value::Bool(*it)),
        [Value::Text(text)] => match &**text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => unfit(&given[0], "bool"),
        },
        _ => Err(Error::no_overload()),
    }
}

fn to_int<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let overflow = || Error::new("integer overflow");
    match given {
        [Value::Int(it)] => Ok(Value::Int(*it)),
        [Value::Uint(it)] => i64::try_from(*it).map(Value::Int).map_err(|_| overflow()),
        [Value::Double(it)] if it.abs() < 9_223_372_036_854_775_807.0 => Ok(Value::Int(*it as i64)),
        [Value::Double(_)] => Err(overflow()),
        [Value::Text(text)] => text.parse().map(Value::Int).or_else(|_| unfit(&given[0], "int")),
        [Value::Timestamp(time)] => Ok(Value::Int(time.seconds)),
        [Value::Duration(nanos)] => Ok(Value::Int(*nanos)),
        _ => Err(Error::no_overload()),
    }
}

fn to_uint<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let overflow = || Error::new("unsigned integer overflow");
    match given {
        [Value::Uint(it)] => Ok(Value::Uint(*it)),
        [Value::Int(it)] => u64::try_from(*it).map(Value::Uint).map_err(|_| overflow()),
        [Value::Double(it)] if (0.0..18_446_744_073_709_551_615.0).contains(it) => {
            Ok(Value::Uint(*it as u64))
        }
        [Value::Double(_)] => Err(overflow()),
        [Value::Text(text)] if !text.starts_with('+') => {
            text.parse().map(Value::Uint).or_else(|_| unfit(&given[0], "uint"))
        }
        [of @ Value::Text(_)] => unfit(of, "uint"),
        _ => Err(Error::no_overload()),
    }
}

fn to_double<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Double(it)] => Ok(Value::Double(*it)),
        [Value::Int(it)] => Ok(Value::Double(*it as f64)),
        [Value::Uint(it)] => Ok(Value::Double(*it as f64)),
        [Value::Text(text)] => text.parse().map(Value::Double).or_else(|_| unfit(&given[0], "double")),
        _ => Err(Error::no_overload()),
    }
}

fn to_bytes<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Bytes(it)] => Ok(Value::Bytes(it.clone())),
        [Value::Text(text)] => Ok(Value::Bytes(text.as_bytes().into())),
        _ => Err(Error::no_overload()),
    }
}

fn to_text<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Bytes(bytes)] if std::str::from_utf8(bytes).is_err() => {
            Err(Error::new("invalid UTF-8 in bytes, cannot convert to string"))
        }
        [one] => as_text(one).map(Value::Text).ok_or_else(Error::no_overload),
        _ => Err(Error::no_overload()),
    }
}

fn to_timestamp<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Timestamp(it)] => Ok(Value::Timestamp(*it)),
        [Value::Int(seconds)] => {
            super::math::moved(pintle_object::time::Time { seconds: *seconds, nanos: 0 }, 0)
        }
        [Value::Text(text)] => match parse_time(text) {
            Some(time) => Ok(Value::Timestamp(time)),
            None => unfit(&given[0], "google.protobuf.Timestamp"),
        },
        _ => Err(Error::no_overload()),
    }
}

fn to_duration<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Duration(it) | Value::Int(it)] => Ok(Value::Duration(*it)),
        [Value::Text(text)] => match parse_duration(text) {
            Some(nanos) => Ok(Value::Duration(nanos)),
            None => unfit(&given[0], "google.protobuf.Duration"),
        },
        _ => Err(Error::no_overload()),
    }
}

fn type_of<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [one] => Ok(Value::Type(runtime_type(one))),
        _ => Err(Error::no_overload()),
    }
}

fn size<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [of @ (Value::Text(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_))] => {
            Ok(Value::Int(of.size() as i64))
        }
        _ => Err(Error::no_overload()),
    }
}
