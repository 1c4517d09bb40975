//! The `Content-Type` header as Go's `mime.ParseMediaType` reads it.

use std::collections::BTreeMap;

/// The characters that separate tokens.
const SEPARATORS: &str = "()<>@,;:\\\"/[]?=";

/// The media type in lower case; none when the header is not well formed, parameters included.
pub fn parse(header: &str) -> Option<String> {
    let (base, mut rest) = match header.find(';') {
        Some(at) => header.split_at(at),
        None => (header, ""),
    };
    let base = base.trim().to_lowercase();
    if !is_media_type(&base) {
        return None;
    }
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest.trim() == ";" {
            return Some(base);
        }
        let (name, value, after) = parameter(rest)?;
        // One name may come twice with one value.
        if parameters.insert(name.to_lowercase(), value.clone()).is_some_and(|known| known != value) {
            return None;
        }
        rest = after;
    }
}

fn is_media_type(text: &str) -> bool {
    match text.split_once('/') {
        Some((main, sub)) => is_token(main) && is_token(sub),
        None => is_token(text),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_graphic() && !SEPARATORS.contains(c)
}

/// `; name=value`, and the rest.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let rest = text.strip_prefix(';')?.trim_start();
    let (name, rest) = token(rest)?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let (value, rest) = match rest.strip_prefix('"') {
        Some(rest) => quoted(rest)?,
        None => token(rest).map(|(value, rest)| (value.to_string(), rest))?,
    };
    Some((name, value, rest))
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c| !is_token_char(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Reads up to the closing quote. A backslash escapes separators only; before others it is itself a character.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return text.get(at + 1..).map(|rest| (out, rest)),
            '\\' => match chars.peek() {
                Some((_, next)) if SEPARATORS.contains(*next) => {
                    out.push(*next);
                    chars.next();
                }
                _ => out.push(c),
            },
            '\r' | '\n' => return None,
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_go_reads_them() {
        let check = |header: &str, expected: Option<&str>| {
            assert_eq!(parse(header).as_deref(), expected, "{header}");
        };
        let json = Some("application/json");
        check("application/json", json);
        check("Application/JSON", json);
        check(" application/json ;", json);
        check("application/json; charset=utf-8", json);
        check("application/json;charset=\"utf-8\"; a=b", json);
        check("application/json;charset = utf-8", json);
        check("application/json;a=b;a=b", json);
        check("application/json;a=b;a=c", None);
        check("application/json;charset", None);
        check("application/json;charset=", None);
        check("application/json;charset=\"utf-8", None);
        check("application/json;;", None);
        check("application/json, text/plain", None);
        check("application/", None);
        check("/json", None);
        check("json", Some("json"));
        check("", None);
    }
}
