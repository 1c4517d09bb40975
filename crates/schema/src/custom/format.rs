//! The formats that CRD schemas may ask for.

use pintle_object::{bytes, content, time};
use pintle_regexp::Regexp;

/// The format that is checked for a type; formats that upstream does not support are ignored.
pub(super) fn supported(types: &[&str], format: &str) -> String {
    let is_supported = match types {
        ["integer"] => matches!(format, "int32" | "int64"),
        ["number"] => matches!(format, "float" | "double"),
        [] | ["string"] => is_hostname_format(format) || check_of(format).is_some(),
        _ => false,
    };
    if is_supported { String::from(format) } else { String::new() }
}

/// Whether a text is of a format; `pattern` is that of the format, if it has one.
pub(super) fn matches(format: &str, pattern: Option<&Regexp>, text: &str) -> bool {
    match pattern {
        Some(pattern) => is_hostname(pattern, text),
        None => check_of(format).is_none_or(|check| check(text)),
    }
}

/// The regular expression of a format: only host names have one, since letters and symbols of all scripts may be in
/// them.
pub(super) fn pattern(format: &str) -> Option<String> {
    let letter = r"a-zA-Z0-9\p{S}\p{L}";
    is_hostname_format(format).then(|| {
        format!(
            r"^([{letter}]((-?[{letter}]{{0,62}})?)|([{letter}](([{letter}-]{{0,61}}[{letter}])?)(\.)){{1,}}([a-zA-Z\p{{L}}]){{2,63}})$"
        )
    })
}

fn is_hostname_format(format: &str) -> bool {
    format.replace('-', "") == "hostname"
}

fn check_of(format: &str) -> Option<fn(&str) -> bool> {
    Some(match format.replace('-', "").as_str() {
        "bsonobjectid" => |text| text.len() == 24 && is_hex(text),
        "uri" => is_uri,
        "email" => is_email,
        "ipv4" => |text| text.contains('.') && is_ip(text),
        "ipv6" => |text| text.contains(':') && is_ip(text),
        "cidr" => is_cidr,
        "mac" => is_mac,
        "uuid" => |text| is_uuid(text, None, false),
        "uuid3" => |text| is_uuid(text, Some('3'), false),
        "uuid4" => |text| is_uuid(text, Some('4'), true),
        "uuid5" => |text| is_uuid(text, Some('5'), true),
        "isbn" => |text| is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10,
        "isbn13" => is_isbn13,
        "creditcard" => is_credit_card,
        "ssn" => is_ssn,
        "hexcolor" => is_hex_color,
        "rgbcolor" => is_rgb_color,
        "byte" => |text| !text.is_empty() && !text.contains(['\r', '\n']) && bytes::decode(text).is_ok(),
        "password" => |_| true,
        "date" => is_date,
        "duration" => is_duration,
        "datetime" => is_date_time,
        "k8sshortname" => |text| content::dns1123_label(text).is_empty(),
        "k8slongname" => |text| content::dns1123_subdomain(text).is_empty(),
        _ => return None,
    })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An absolute URI or an absolute path, as Go's `url.ParseRequestURI` takes them.
fn is_uri(text: &str) -> bool {
    let is_clean = !text.bytes().any(|byte| byte <= b' ' || byte == 0x7f);
    let has_scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    is_clean && (text.starts_with('/') || has_scheme)
}

/// An address as Go's `mail.ParseAddress` takes it, without its rarer quoting.
fn is_email(text: &str) -> bool {
    let address = match text.trim().split_once('<') {
        Some((_, rest)) => match rest.strip_suffix('>') {
            Some(address) => address,
            None => return false,
        },
        None => text.trim(),
    };
    let is_atom = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    address.rsplit_once('@').is_some_and(|(local, domain)| {
        (local.split('.').all(is_atom) || (local.len() > 2 && local.starts_with('"') && local.ends_with('"')))
            && domain.split('.').all(is_atom)
    })
}

fn is_hostname(pattern: &Regexp, text: &str) -> bool {
    text.len() <= 255
        && pattern.is_match(text)
        && text.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// Go's old `ParseIP`: leading zeros of an IPv4 address are ignored.
fn is_ip(text: &str) -> bool {
    let is_part = |part: &str| {
        let digits = part.trim_start_matches('0');
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.is_empty() || digits.parse::<u8>().is_ok())
    };
    let parts: Vec<&str> = text.split('.').collect();
    (parts.len() == 4 && parts.into_iter().all(is_part)) || text.parse::<std::net::Ipv6Addr>().is_ok()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits_max = if address.contains(':') { 128 } else { 32 };
    is_ip(address) && is_number && bits.parse::<u8>().is_ok_and(|bits| bits <= bits_max)
}

/// Six, eight or twenty bytes, in pairs parted by `:` or `-`, or in fours parted by dots.
fn is_mac(text: &str) -> bool {
    let groups = |separator: char, width: usize, counts: [usize; 3]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len()) && parts.iter().all(|part| part.len() == width && is_hex(part))
    };
    groups(':', 2, [6, 8, 20]) || groups('-', 2, [6, 8, 20]) || groups('.', 4, [3, 4, 10])
}

fn is_uuid(text: &str, version: Option<char>, has_variant: bool) -> bool {
    let widths = [8, 4, 4, 4, 12];
    let mut digits = String::with_capacity(32);
    let mut rest = text;
    for (index, width) in widths.into_iter().enumerate() {
        let Some((part, after)) = rest.split_at_checked(width) else { return false };
        digits.push_str(part);
        rest = if index < 4 { after.strip_prefix('-').unwrap_or(after) } else { after };
    }
    let digit = |place: usize| digits.get(place..=place).unwrap_or("").to_ascii_lowercase();
    rest.is_empty()
        && is_hex(&digits)
        && version.is_none_or(|version| digit(12) == version.to_string())
        && (!has_variant || matches!(digit(16).as_str(), "8" | "9" | "a" | "b"))
}

fn plain_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

fn is_isbn10(text: &str) -> bool {
    let digits = plain_digits(text);
    let is_formed = digits.len() == 10
        && digits.char_indices().all(|(index, c)| c.is_ascii_digit() || (index == 9 && c == 'X'));
    let value = |c: char| c.to_digit(10).unwrap_or(10);
    let sum: u32 = digits.chars().zip(1..).map(|(c, place)| value(c) * place).sum();
    is_formed && sum.is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let digits = plain_digits(text);
    let is_formed = digits.len() == 13 && digits.chars().all(|c| c.is_ascii_digit());
    let weights = [1, 3].into_iter().cycle();
    let sum: u32 = digits.chars().zip(weights).map(|(c, weight)| c.to_digit(10).unwrap_or(0) * weight).sum();
    is_formed && sum.is_multiple_of(10)
}

/// A number of a known issuer's length and beginning that passes the Luhn check.
fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => digit,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    is_of_issuer(&digits) && sum.is_multiple_of(10)
}

/// Whether digits are as many as an issuer's numbers have that begin so.
fn is_of_issuer(digits: &str) -> bool {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| digits.starts_with(prefix));
    match digits.len() {
        13 => begins(&["4"]),
        14 => begins(&["300", "301", "302", "303", "304", "305", "36", "38"]),
        15 => begins(&["34", "37", "2131", "1800"]),
        16 => begins(&["4", "51", "52", "53", "54", "55", "6011", "65", "35"]),
        _ => false,
    }
}

/// `123-45-6789`, where each sign may be a space or be left out.
fn is_ssn(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut rest = text;
    for width in [3, 2, 4] {
        let Some((part, after)) = rest.split_at_checked(width) else { return false };
        if !digits(part) {
            return false;
        }
        rest = if width == 4 { after } else { after.strip_prefix(['-', ' ']).unwrap_or(after) };
    }
    rest.is_empty()
}

/// `rgb(0, 128, 255)`
fn is_rgb_color(text: &str) -> bool {
    let is_part = |part: &str| {
        let digits = part.trim_matches(|c: char| c.is_ascii_whitespace());
        let is_plain = digits == "0" || !digits.starts_with(['0', '+']);
        is_plain && digits.parse::<u8>().is_ok()
    };
    let inner = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')'));
    inner.is_some_and(|inner| inner.split(',').count() == 3 && inner.split(',').all(is_part))
}

fn is_hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && is_hex(digits)
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && time::Time::parse(&format!("{text}T00:00:00Z")).is_ok()
}

/// Units by their short names and the beginning of their long ones.
const UNITS: [(&[&str], &str); 8] = [
    (&["ns"], "nano"),
    (&["us", "µs"], "micro"),
    (&["ms"], "milli"),
    (&["s"], "sec"),
    (&["m"], "min"),
    (&["h", "hr"], "hour"),
    (&["d"], "day"),
    (&["w", "wk"], "week"),
];

/// Go's durations, or a number with a unit anywhere: `3 days`, `P1D`.
fn is_duration(text: &str) -> bool {
    let is_unit = |unit: &str| {
        let unit = unit.to_lowercase();
        UNITS.iter().any(|(short, long)| short.contains(&unit.as_str()) || unit.starts_with(long))
    };
    time::parse_duration(text).is_ok() || units(text).any(is_unit)
}

/// The words that follow numbers: `day` and `h` of `1 day, 2h`.
fn units(text: &str) -> impl Iterator<Item = &str> {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == 'µ';
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_at(rest.find(|c: char| c.is_ascii_digit())?);
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            let word = after.trim_start_matches(|c: char| c.is_ascii_whitespace());
            let unit = word.split_at(word.find(|c| !is_letter(c)).unwrap_or(word.len()));
            rest = unit.1;
            if !unit.0.is_empty() {
                return Some(unit.0);
            }
        }
    })
}

fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.split_once('t').is_some_and(|(date, time)| is_date(date) && is_time_of_day(time))
}

/// `15:04:05.999+07:00`, with any character before the fraction.
fn is_time_of_day(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8) else { return false };
    let is_in_sixty = |place: usize| clock.as_bytes().get(place).is_some_and(|tens| *tens < b'6');
    let is_clock = is_shaped(clock, "00:00:00") && clock < "24" && is_in_sixty(3) && is_in_sixty(6);
    let mut chars = rest.chars();
    let has_sign = chars.next().is_some_and(|sign| sign != '\n');
    let fraction = chars.as_str();
    let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    is_clock && (is_zone(rest) || has_sign && zone.len() < fraction.len() && is_zone(zone))
}

fn is_zone(text: &str) -> bool {
    text == "z" || text.strip_prefix(['+', '-']).is_some_and(|offset| is_shaped(offset, "00:00"))
}

/// Whether a text has digits where its pattern has zeros, and is the pattern elsewhere.
fn is_shaped(text: &str, pattern: &str) -> bool {
    let is_same = |(byte, wanted): (u8, u8)| byte == wanted || wanted == b'0' && byte.is_ascii_digit();
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_regexp::Budget;

    #[test]
    fn formats_take_what_upstreams_take() {
        let cases: [(&str, &[&str], &[&str]); 22] = [
            ("bsonobjectid", &["507f1f77bcf86cd799439011"], &["507f", ""]),
            ("uri", &["http://a/b?c", "/a", "urn:x"], &["", "a b", "a"]),
            ("email", &["a@b.c", "A B <a@b>"], &["a", "@b", "a@"]),
            ("hostname", &["example.com", "a"], &["a-b.c", "-a", "", "a..b"]),
            ("ipv4", &["1.2.3.4", "01.2.3.4"], &["1.2.3", "::1", "", "1.2.3.256"]),
            ("ipv6", &["::1", "fd00::1"], &["1.2.3.4", ":"]),
            ("cidr", &["10.0.0.0/8", "fd00::/64"], &["10.0.0.0", "10.0.0.0/33", "10.0.0.0/+8"]),
            ("mac", &["00:11:22:33:44:55", "0011.2233.4455"], &["00:11:22", "00:11:22:33:44:zz"]),
            (
                "uuid",
                &["a8098c1a-f86e-11da-bd1a-00112444be1e", "A8098C1AF86E11DABD1A00112444BE1E"],
                &["a8098c1a"],
            ),
            ("uuid4", &["25769c6c-d34d-4bfe-ba98-e0ee856f3e7a"], &["a8098c1a-f86e-11da-bd1a-00112444be1e"]),
            ("isbn10", &["0321751043", "3-598-21508-8"], &["0321751044"]),
            ("isbn13", &["978-0321751041"], &["978-0321751042"]),
            (
                "creditcard",
                &["4111-1111-1111-1111", "3400 000000 00009", "30000000000004"],
                &["4111-1111-1111-1112", "1", "30600000000008"],
            ),
            ("ssn", &["111-11-1111", "111 111111"], &["111-1-1111", "111-11-11111", "111--11-1111"]),
            ("hexcolor", &["#fff", "FFFFFF"], &["#ff", "#ggg"]),
            ("rgbcolor", &["rgb(0, 255,1)"], &["rgb(256,0,0)", "rgb(0,0)", "rgb(00,0,0)", "rgb(+1,0,0)"]),
            ("byte", &["AAE="], &["", "A"]),
            ("date", &["2024-02-29"], &["2023-02-29", "2024-1-1"]),
            ("duration", &["1h", "3 days", "22 ns", "P1D", "1 2 3weeks"], &["1x", "", "h", "12 34"]),
            (
                "date-time",
                &["2024-01-02T03:04:05Z", "2024-01-02t03:04:05.5+01:00", "2024-01-02T23:59:59,5Z"],
                &[
                    "2024-01-02",
                    "2024-01-02T25:00:00Z",
                    "2024-01-02T03:60:05Z",
                    "2024-01-02T03:04:05.Z",
                    "2024-01-02T03:04:05",
                ],
            ),
            ("k8s-short-name", &["a-1"], &["A", "a.b"]),
            ("k8s-long-name", &["a.b-1"], &["A", "a..b"]),
        ];
        for (format, good, bad) in cases {
            let pattern = pattern(format).map(|pattern| Regexp::new(&pattern, &Budget::default()).unwrap());
            for text in good {
                assert!(matches(format, pattern.as_ref(), text), "{format} {text}");
            }
            for text in bad {
                assert!(!matches(format, pattern.as_ref(), text), "{format} {text}");
            }
        }
    }

    #[test]
    fn formats_that_are_not_supported_are_ignored() {
        for (types, format) in
            [(&["string"], "int32"), (&["integer"], "date"), (&["object"], "uri"), (&["string"], "x")]
        {
            assert_eq!(supported(types, format), "");
        }
        assert_eq!(supported(&[], "date-time"), "date-time");
    }
}
