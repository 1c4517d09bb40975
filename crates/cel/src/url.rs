//! URLs as Go takes them apart.

use pintle_object::field::quote;
use std::fmt;

/// A parsed URL.
#[derive(Debug, PartialEq, Eq)]
pub struct CelUrl {
    pub scheme: String,
    pub user: String,
    pub host: String,
    pub path: String,
    pub query: String,
    pub fragment: String,
}

/// A text that is no URL; prints Go's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    text: String,
    fault: UrlFault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum UrlFault {
    Control,
    Empty,
    NoScheme,
    /// It says neither a scheme nor a path from the root.
    NoRequest,
    /// The bracket of an address is not closed.
    Bracket,
    Port(String),
    HostCharacter(char),
    Escape(String),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parse {}: {}", quote(&self.text), self.fault)
    }
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlFault::Control => f.write_str("net/url: invalid control character in URL"),
            UrlFault::Empty => f.write_str("empty url"),
            UrlFault::NoScheme => f.write_str("missing protocol scheme"),
            UrlFault::NoRequest => f.write_str("invalid URI for request"),
            UrlFault::Bracket => f.write_str("missing ']' in host"),
            UrlFault::Port(port) => write!(f, "invalid port {} after host", quote(port)),
            UrlFault::HostCharacter(c) => {
                write!(f, "invalid character {} in host name", quote(&c.to_string()))
            }
            UrlFault::Escape(escape) => write!(f, "invalid URL escape {}", quote(escape)),
        }
    }
}

/// Reads a URL that says where it is: with a scheme, or a path from the root.
pub fn parse(text: &str) -> Result<CelUrl, UrlError> {
    let bad = |fault| UrlError { text: text.to_owned(), fault };
    split(text, true).map_err(bad)?;
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let mut url = split(rest, false).map_err(bad)?;
    fragment.clone_into(&mut url.fragment);
    Ok(url)
}

fn split(text: &str, is_request: bool) -> Result<CelUrl, UrlFault> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(UrlFault::Control);
    }
    if text.is_empty() {
        return Err(UrlFault::Empty);
    }
    let (scheme, rest) = scheme(text)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = CelUrl {
        scheme: scheme.to_ascii_lowercase(),
        user: String::new(),
        host: String::new(),
        path: path.to_owned(),
        query: query.to_owned(),
        fragment: String::new(),
    };
    if text == "*" {
        return Ok(url);
    }
    if !path.starts_with('/') {
        let is_opaque = !scheme.is_empty();
        return if is_opaque || !is_request { Ok(url) } else { Err(UrlFault::NoRequest) };
    }
    let has_authority = !scheme.is_empty() || (!is_request && !path.starts_with("///"));
    if let Some(after) = path.strip_prefix("//").filter(|_| has_authority) {
        let end = after.find('/').unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        url.host = host_of(host)?;
        user.clone_into(&mut url.user);
        path.clone_into(&mut url.path);
    }
    unescaped(&url.path, false)?;
    Ok(url)
}

fn scheme(text: &str) -> Result<(&str, &str), UrlFault> {
    for (index, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if index > 0 => {}
            ':' if index == 0 => return Err(UrlFault::NoScheme),
            ':' => return Ok((text.get(..index).unwrap_or(""), text.get(index + 1..).unwrap_or(""))),
            _ => break,
        }
    }
    Ok(("", text))
}

fn host_of(host: &str) -> Result<String, UrlFault> {
    let port = match host.strip_prefix('[') {
        Some(inner) => match inner.rsplit_once(']') {
            Some((_, port)) => port,
            None => return Err(UrlFault::Bracket),
        },
        None => host.rfind(':').and_then(|index| host.get(index..)).unwrap_or(""),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_port {
        return Err(UrlFault::Port(port.to_owned()));
    }
    let fits = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c);
    if let Some(bad) = host.chars().find(|c| !fits(*c)) {
        return Err(UrlFault::HostCharacter(bad));
    }
    unescaped(host, false)
}

/// A text with its escapes resolved; a plus is a space in queries.
fn unescaped(text: &str, is_query: bool) -> Result<String, UrlFault> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let mut index = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| (byte as char).to_digit(16));
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return Err(UrlFault::Escape(text.chars().skip(index).take(3).collect()));
                };
                out.push((high * 16 + low) as u8);
                index += 3;
                continue;
            }
            b'+' if is_query => out.push(b' '),
            other => out.push(other),
        }
        index += 1;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

impl CelUrl {
    pub fn hostname(&self) -> &str {
        match self.host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((inner, _)) => inner,
            None => self.host.rsplit_once(':').map_or(&self.host, |(name, _)| name),
        }
    }

    pub fn port(&self) -> &str {
        let after = self.host.rsplit_once(']').map_or(self.host.as_str(), |(_, after)| after);
        after.rsplit_once(':').map_or("", |(_, port)| port)
    }

    pub fn escaped_path(&self) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:@[]/%".contains(c);
        if self.path.chars().all(fits) {
            return self.path.clone();
        }
        let plain = unescaped(&self.path, false).unwrap_or_default();
        let mut out = String::new();
        for byte in plain.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
                out.push(byte as char);
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    }

    /// Names and values, in their order; unreadable ones are left out.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let parts = self.query.split('&').filter(|part| !part.is_empty() && !part.contains(';'));
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((unescaped(name, true).ok()?, unescaped(value, true).ok()?))
        };
        parts.filter_map(pair).collect()
    }
}
