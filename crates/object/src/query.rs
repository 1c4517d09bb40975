//! The query of a URL: its parameters as Go's `url.ParseQuery` reads them, and their values as Go's generated conversions of
//! options do.

use crate::Status;
use crate::field::quote;

/// Names and values in the order of the URL; a parameter may repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parts that Go cannot read (a bad escape, a semicolon) are left out, as Go leaves them out.
    pub fn parse(raw: &str) -> Query {
        let parts = raw.split('&').filter(|part| !part.is_empty() && !part.contains(';'));
        let pairs = parts.filter_map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(name, true)?, decode(value, true)?))
        });
        Query { pairs: pairs.collect() }
    }

    /// The query of these parameters.
    pub fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Query {
        Query { pairs: pairs.into_iter().collect() }
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The first value of a parameter; `None` when it is not there at all.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter, or the empty text.
    pub fn text(&self, name: &str) -> &str {
        self.first(name).unwrap_or("")
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A flag: everything but `false` (in any case) and `0` is true, an empty value included.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.first(name).map(|value| !(value == "0" || value.eq_ignore_ascii_case("false")))
    }

    /// A number.
    ///
    /// # Errors
    /// 400 with the words of Go's `strconv.ParseInt`.
    pub fn int(&self, name: &str) -> Result<Option<i64>, Status> {
        self.first(name).map(parse_int).transpose()
    }
}

/// Resolves percent escapes, and `+` in queries; `None` for an invalid escape.
pub fn decode(text: &str, is_query: bool) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(String::from(text));
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let digit = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
                let byte = digit(at + 1)? * 16 + digit(at + 2)?;
                out.push(u8::try_from(byte).ok()?);
                at += 3;
                continue;
            }
            b'+' if is_query => out.push(b' '),
            byte => out.push(*byte),
        }
        at += 1;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn parse_int(text: &str) -> Result<i64, Status> {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let why = match text.parse::<i64>() {
        Ok(number) => return Ok(number),
        Err(_) if !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit()) => "value out of range",
        Err(_) => "invalid syntax",
    };
    let quoted = quote(text);
    Err(Status::bad_request(format!("strconv.ParseInt: parsing {quoted}: {why}")))
}

/// Reads an unsigned number; the error is that of Go's `strconv.ParseUint`.
pub fn parse_uint(text: &str) -> Result<u64, String> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let why = match text.parse::<u64>() {
        Ok(number) if is_number => return Ok(number),
        Err(_) if is_number => "value out of range",
        _ => "invalid syntax",
    };
    Err(format!("strconv.ParseUint: parsing {}: {why}", quote(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_go_reads_them() {
        let query = Query::parse("a=1&b=x%20y+z&a=2&c&d=%zz&d=%+f&d=%&e;f=1&=v");
        assert_eq!(query.first("a"), Some("1"));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.text("b"), "x y z");
        assert!(query.first("c").is_some() && query.first("d").is_none() && query.first("f").is_none());
        assert_eq!(query.first(""), Some("v"));
    }

    #[test]
    fn numbers_are_read_as_in_go() {
        let check = |text: &str, expected: Result<i64, &str>| {
            let got = parse_int(text).map_err(|status| status.message);
            assert_eq!(got.as_ref().map_err(String::as_str).copied(), expected, "{text}");
        };
        check("12", Ok(12));
        check("-1", Ok(-1));
        check("abc", Err("strconv.ParseInt: parsing \"abc\": invalid syntax"));
        check("", Err("strconv.ParseInt: parsing \"\": invalid syntax"));
        check(
            "99999999999999999999",
            Err("strconv.ParseInt: parsing \"99999999999999999999\": value out of range"),
        );
        assert_eq!(parse_uint("-1").unwrap_err(), "strconv.ParseUint: parsing \"-1\": invalid syntax");
        assert_eq!(parse_uint("7"), Ok(7));
    }

    #[test]
    fn flags_are_true_unless_they_say_no() {
        let pairs = [("a", "0"), ("b", "False"), ("c", ""), ("d", "no")]
            .map(|(key, value)| (key.to_string(), value.to_string()));
        let query = Query::of(pairs);
        let flags = ["a", "b", "c", "d", "e"].map(|name| query.flag(name));
        assert_eq!(flags, [Some(false), Some(false), Some(true), Some(true), None]);
    }
}
