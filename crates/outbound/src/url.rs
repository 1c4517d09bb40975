//! `Url`: the address of a server, with a path.

use std::fmt;

/// An address of the schemes `http` and `https`, without user, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub is_tls: bool,
    /// Without the brackets of IPv6 addresses.
    pub host: String,
    pub port: u16,
    /// Empty, or beginning with a slash.
    pub path: String,
    /// Whether the port was written down, which the Host header then repeats.
    has_port: bool,
}

impl Url {
    pub fn parse(text: &str) -> Result<Url, String> {
        let bad = |why: &str| format!("{text:?} is not a server address: {why}");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(bad("its scheme is neither http nor https")),
        };
        if rest.contains(['?', '#', '@']) || rest.contains(char::is_whitespace) {
            return Err(bad("it has more than a host and a path"));
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority).ok_or_else(|| bad("its host is not well-formed"))?;
        if host.is_empty() {
            return Err(bad("it has no host"));
        }
        let given = match port {
            "" => None,
            port => Some(port.parse::<u16>().map_err(|_| bad("its port is not a number"))?),
        };
        let port = given.unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Url { is_tls, host: host.into(), port, path: path.into(), has_port: given.is_some() })
    }

    /// The host as the Host header has it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.has_port { format!("{host}:{}", self.port) } else { host }
    }

    /// The same server's other path.
    pub fn with_path(&self, path: impl Into<String>) -> Url {
        Url { path: path.into(), ..self.clone() }
    }
}

/// Host and port of an authority; without a port it is empty.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, port)),
            None => rest.is_empty().then_some((host, "")),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some(both) => Some(both),
        None => Some((authority, "")),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_as_they_were() {
        for (text, host, port, path) in [
            ("https://a.example", "a.example", 443, ""),
            ("http://a.example:8080/x/y", "a.example", 8080, "/x/y"),
            ("https://[::1]:6443/", "::1", 6443, "/"),
            ("https://[::1]", "::1", 443, ""),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port, url.path.as_str()), (host, port, path), "{text}");
            assert_eq!(url.to_string(), text);
        }
        for text in
            ["a.example", "ftp://a", "https://", "https://a:x", "https://a:1:2", "https://u@a", "https://a?q"]
        {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
