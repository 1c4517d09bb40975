//! Query parameters as Go's generated conversions read them.

use pintle_object::Status;

/// The decoded query of a request, in order; a parameter may repeat.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(pub &'a [(String, String)]);

impl<'a> Query<'a> {
    /// The first value of a parameter; `None` when it is not there at all.
    pub fn first(self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter, or the empty text.
    pub fn text(self, name: &str) -> &'a str {
        self.first(name).unwrap_or("")
    }

    pub fn all(self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// Everything but `false` (in any case) and `0` is true, an empty value included.
    pub fn flag(self, name: &str) -> Option<bool> {
        self.first(name).map(|value| !(value == "0" || value.eq_ignore_ascii_case("false")))
    }

    pub fn int(self, name: &str) -> Result<Option<i64>, Status> {
        self.first(name).map(parse_int).transpose()
    }
}

fn parse_int(text: &str) -> Result<i64, Status> {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let why = match text.parse::<i64>() {
        Ok(number) => return Ok(number),
        Err(_) if !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit()) => "value out of range",
        Err(_) => "invalid syntax",
    };
    let quoted = pintle_object::field::quote(text);
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
    Err(format!("strconv.ParseUint: parsing {}: {why}", pintle_object::field::quote(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let query = Query(&pairs);
        let flags = ["a", "b", "c", "d", "e"].map(|name| query.flag(name));
        assert_eq!(flags, [Some(false), Some(false), Some(true), Some(true), None]);
    }
}
