//! `Url`: addresses as Go's `net/url` parses and prints them, for rewritten links and redirects.

/// The parts of an address, its path without escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    pub scheme: String,
    opaque: String,
    user: Option<String>,
    pub host: String,
    pub path: String,
    /// The path with its escapes, where they are not the usual ones.
    raw_path: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl Url {
    /// An address or the part of one that a link holds; none when Go would not read it.
    pub fn parse(text: &str) -> Option<Url> {
        if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return None;
        }
        let (rest, fragment) = match text.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment.to_string())),
            None => (text, None),
        };
        let mut url = Url { fragment: fragment.filter(|fragment| !fragment.is_empty()), ..Url::default() };
        let mut rest = rest;
        if let Some((scheme, after)) = scheme(rest)? {
            url.scheme = scheme.to_ascii_lowercase();
            rest = after;
        }
        if let Some((before, query)) = rest.split_once('?') {
            url.query = Some(query.to_string());
            rest = before;
        }
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_string();
                return Some(url);
            }
            // A colon in the first part would make a scheme of it.
            if rest.split('/').next().is_some_and(|first| first.contains(':')) {
                return None;
            }
        }
        if let Some(after) = rest.strip_prefix("//") {
            let (authority, path) = after.find('/').map_or((after, ""), |at| after.split_at(at));
            let (user, host) = match authority.rsplit_once('@') {
                Some((user, host)) => (Some(user.to_string()), host),
                None => (None, authority),
            };
            if !is_host(host) {
                return None;
            }
            (url.user, url.host) = (user, host.to_string());
            rest = path;
        }
        url.set_path(rest)?;
        Some(url)
    }

    fn set_path(&mut self, escaped: &str) -> Option<()> {
        self.path = unescape(escaped)?;
        self.raw_path = if escape_path(&self.path) == escaped { String::new() } else { escaped.to_string() };
        Some(())
    }

    /// The path with its escapes.
    pub fn escaped_path(&self) -> String {
        let is_true = !self.raw_path.is_empty()
            && is_escaped(&self.raw_path)
            && unescape(&self.raw_path).as_deref() == Some(&self.path);
        if is_true { self.raw_path.clone() } else { escape_path(&self.path) }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if !self.opaque.is_empty() {
            f.write_str(&self.opaque)?;
        } else {
            if !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some() {
                if !(self.host.is_empty() && self.path.is_empty() && self.user.is_none()) {
                    f.write_str("//")?;
                }
                if let Some(user) = &self.user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&self.host)?;
            }
            let path = self.escaped_path();
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                f.write_str("/")?;
            }
            let first = path.split('/').next().unwrap_or_default();
            if self.scheme.is_empty() && self.host.is_empty() && first.contains(':') {
                f.write_str("./")?;
            }
            f.write_str(&path)?;
        }
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        if let Some(fragment) = &self.fragment {
            write!(f, "#{fragment}")?;
        }
        Ok(())
    }
}

/// The scheme and the rest after its colon; neither without a scheme, and none at all for a leading colon.
fn scheme(text: &str) -> Option<Option<(&str, &str)>> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at > 0 => return Some(Some((&text[..at], &text[at + 1..]))),
            ':' => return None,
            _ => return Some(None),
        }
    }
    Some(None)
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rfind(']') {
        Some(end) => host.split_at(end + 1),
        None => host.find(':').map_or((host, ""), |at| host.split_at(at)),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    is_port
        && !name
            .bytes()
            .any(|byte| matches!(byte, b' ' | b'<' | b'>' | b'"' | b'\\' | b'^' | b'`' | b'{' | b'}'))
}

/// Bytes that need no escape in a path, as Go writes them.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte)
}

/// A path as it goes over the wire.
pub fn escape_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Whether Go keeps the given escapes of a path.
fn is_escaped(path: &str) -> bool {
    path.bytes().all(|byte| is_plain(byte) || b"!'()*[]%".contains(&byte))
}

fn unescape(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte != b'%' {
            out.push(*byte);
            at += 1;
            continue;
        }
        let hex = std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok()?;
        out.push(u8::from_str_radix(hex, 16).ok()?);
        at += 3;
    }
    String::from_utf8(out).ok()
}

/// A path of two, as Go's `path.Join` makes it.
pub fn join(first: &str, second: &str) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, true) => String::new(),
        (true, false) => clean(second),
        (false, true) => clean(first),
        (false, false) => clean(&format!("{first}/{second}")),
    }
}

/// A path without empty and dotted parts.
pub fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

/// `join`, with the slash that the last of the two ends with.
pub fn join_keeping_slash(first: &str, second: &str) -> String {
    let mut joined = join(first, second);
    let last = if second.is_empty() { first } else { second };
    if last.ends_with('/') && !joined.ends_with('/') {
        joined.push('/');
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_printed_as_go_prints_them() {
        for text in [
            "https://example.com/abs?x=y#z",
            "/abs",
            "rel/ative?q",
            "//host/p",
            "mailto:a@b",
            "#top",
            "?q",
            "",
            "/a%2Fb",
            "http://u:p@h:80/",
            "javascript:void(0)",
        ] {
            assert_eq!(Url::parse(text).map(|url| url.to_string()).as_deref(), Some(text), "{text}");
        }
        for (text, printed) in
            [("/a b", "/a%20b"), ("HTTP://h", "http://h"), ("/a?b#", "/a?b"), ("/é", "/%C3%A9")]
        {
            assert_eq!(Url::parse(text).unwrap().to_string(), printed, "{text}");
        }
        for text in [":x", "a b:c", "http://a:b/", "/%zz", "x\u{7}"] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn paths_are_joined_as_go_joins_them() {
        for (first, second, joined) in [
            ("", "", ""),
            ("", "/a//b/../c", "/a/c"),
            ("", "/a/", "/a/"),
            ("", "/", "/"),
            ("/x/", "y/", "/x/y/"),
            ("/x", "..", "/"),
        ] {
            assert_eq!(join_keeping_slash(first, second), joined, "{first} {second}");
        }
    }
}
