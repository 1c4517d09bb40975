//! Texts: looking into them, and making others of them. Places are counted in characters.

use super::function::{Function, function};
use super::math::text as made;
use crate::value::{Error, Outcome, Text, Value};
use std::rc::Rc;

const INDEX: &str = ".string,string=int!traverse;.string,string,int=int!traverse;.list(A),A=int!traverse";

pub const FUNCTIONS: &[Function] = &[
    function("contains", ".string,string=bool!contains", |given| test(given, |a, b| a.contains(b))),
    function("startsWith", ".string,string=bool!prefix", |given| test(given, |a, b| a.starts_with(b))),
    function("endsWith", ".string,string=bool!prefix", |given| test(given, |a, b| a.ends_with(b))),
    function("charAt", ".string,int=string", char_at),
    function("indexOf", INDEX, |given| index(given, false)),
    function("lastIndexOf", INDEX, |given| index(given, true)),
    function("join", ".list(string)=string!join;.list(string),string=string!join", join),
    function("lowerAscii", ".string=string!scan", |given| changed(given, str::to_ascii_lowercase)),
    function("upperAscii", ".string=string!scan", |given| changed(given, str::to_ascii_uppercase)),
    function("trim", ".string=string!scan", |given| {
        changed(given, |text| text.trim_matches(is_space).to_owned())
    }),
    function(
        "replace",
        ".string,string,string=string!replace;.string,string,string,int=string!replace",
        replace,
    ),
    function("split", ".string,string=list(string)!split;.string,string,int=list(string)!split", split),
    function("substring", ".string,int=string!scan;.string,int,int=string!scan", substring),
    function("strings.quote", "string=string!quote", |given| changed(given, quoted)),
    function("jsonpatch.escapeKey", "string=string!scan", |given| {
        changed(given, |text| text.replace('~', "~0").replace('/', "~1"))
    }),
];

fn is_space(c: char) -> bool {
    c.is_whitespace() && !('\u{1c}'..='\u{1f}').contains(&c)
}

fn test<'a>(given: &[Value<'a>], fits: fn(&str, &str) -> bool) -> Outcome<'a> {
    match given {
        [Value::Text(a), Value::Text(b)] => Ok(Value::Bool(fits(a, b))),
        _ => Err(Error::no_overload()),
    }
}

fn changed<'a>(given: &[Value<'a>], change: fn(&str) -> String) -> Outcome<'a> {
    match given {
        [Value::Text(text)] => made(change(text)),
        _ => Err(Error::no_overload()),
    }
}

fn out_of_range(index: i64) -> Error {
    Error::new(format!("index out of range: {index}"))
}

fn char_at<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Text(text), Value::Int(index)] = given else { return Err(Error::no_overload()) };
    let position = usize::try_from(*index).map_err(|_| out_of_range(*index))?;
    match text.chars().nth(position) {
        Some(c) => Ok(Value::text(c.to_string())),
        None if text.chars().count() == position => Ok(Value::Text(Text::Borrowed(""))),
        None => Err(out_of_range(*index)),
    }
}

fn index<'a>(given: &[Value<'a>], from_end: bool) -> Outcome<'a> {
    let (text, part, start) = match given {
        [Value::List(list), item] => return super::lists::index(list, item, from_end),
        [Value::Text(text), Value::Text(part)] => (text, part, None),
        [Value::Text(text), Value::Text(part), Value::Int(start)] => (text, part, Some(*start)),
        _ => return Err(Error::no_overload()),
    };
    if part.is_empty() {
        let end = text.chars().count() as i64;
        return Ok(Value::Int(start.unwrap_or(if from_end { end } else { 0 })));
    }
    let count = text.chars().count() as i64;
    if let Some(start) = start.filter(|start| *start < 0 || *start >= count) {
        return Err(out_of_range(start));
    }
    let byte = |index: i64| byte_at(text, index);
    let found = match (from_end, start) {
        (false, start) => {
            let from = byte(start.unwrap_or(0));
            text.get(from..).and_then(|rest| rest.find(&**part)).map(|index| index + from)
        }
        (true, None) => text.rfind(&**part),
        (true, Some(start)) => {
            let end = byte(start + part.chars().count() as i64);
            text.get(..end).and_then(|rest| rest.rfind(&**part))
        }
    };
    let before = found.and_then(|index| text.get(..index));
    Ok(Value::Int(before.map_or(-1, |before| before.chars().count() as i64)))
}

/// The byte offset of a character; the end of the text if it has fewer.
fn byte_at(text: &str, index: i64) -> usize {
    let index = usize::try_from(index).unwrap_or(0);
    text.char_indices().nth(index).map_or(text.len(), |(byte, _)| byte)
}

fn join<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let (list, between) = match given {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::Text(between)] => (list, &**between),
        _ => return Err(Error::no_overload()),
    };
    let mut joined = String::new();
    for (index, item) in list.items()?.iter().enumerate() {
        let Value::Text(text) = item else { return Err(Error::no_overload()) };
        if index > 0 {
            joined.push_str(between);
        }
        joined.push_str(text);
        if joined.len() > super::math::TEXT_BYTES_MAX {
            break;
        }
    }
    made(joined)
}

fn replace<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let (text, from, to, limit) = match given {
        [Value::Text(text), Value::Text(from), Value::Text(to)] => (text, from, to, -1),
        [Value::Text(text), Value::Text(from), Value::Text(to), Value::Int(limit)] => {
            (text, from, to, *limit)
        }
        _ => return Err(Error::no_overload()),
    };
    let times = match usize::try_from(limit) {
        Ok(limit) => limit,
        Err(_) if from.is_empty() => text.chars().count() + 1,
        Err(_) => text.matches(&**from).count(),
    };
    let most = times.min(text.len() + 1).saturating_mul(to.len()).saturating_add(text.len());
    if most > super::math::TEXT_BYTES_MAX {
        return Err(Error::new("text is too long"));
    }
    made(text.replacen(&**from, to, times))
}

fn split<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let (text, at, limit) = match given {
        [Value::Text(text), Value::Text(at)] => (text, at, -1),
        [Value::Text(text), Value::Text(at), Value::Int(limit)] => (text, at, *limit),
        _ => return Err(Error::no_overload()),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let part = |part: &str| Value::text(part);
    let parts: Vec<Value<'a>> = match limit {
        0 => Vec::new(),
        _ if at.is_empty() => characters(text, limit),
        _ => text.splitn(limit, &**at).map(part).collect(),
    };
    Ok(Value::list(parts))
}

/// All characters, the last with the rest.
fn characters<'a>(text: &str, limit: usize) -> Vec<Value<'a>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = if found.len() + 1 == limit { rest.len() } else { c.len_utf8() };
        let (part, after) = rest.split_at(end);
        found.push(Value::text(part));
        rest = after;
    }
    found
}

fn substring<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let (text, start, end) = match given {
        [Value::Text(text), Value::Int(start)] => (text, *start, None),
        [Value::Text(text), Value::Int(start), Value::Int(end)] => (text, *start, Some(*end)),
        _ => return Err(Error::no_overload()),
    };
    let count = text.chars().count() as i64;
    if let Some(end) = end.filter(|end| start > *end) {
        return Err(Error::new(format!("invalid substring range. start: {start}, end: {end}")));
    }
    for index in [Some(start), end].into_iter().flatten() {
        if index < 0 || index > count {
            return Err(out_of_range(index));
        }
    }
    let (from, to) = (byte_at(text, start), byte_at(text, end.unwrap_or(count)));
    Ok(match text {
        Text::Borrowed(text) => Value::Text(Text::Borrowed(text.get(from..to).unwrap_or(""))),
        Text::Shared(text) => Value::Text(Text::Shared(Rc::from(text.get(from..to).unwrap_or("")))),
    })
}

/// A text in quotes, its control characters escaped.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
