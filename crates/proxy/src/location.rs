//! `Location`: where a request is passed on to.

use crate::url::escape_path;
use hyper::Uri;
use pintle_object::Status;
use pintle_outbound::join_host_port;

/// An address with an unescaped path, and an escaped query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    pub is_tls: bool,
    /// With the port, if there is one, and brackets around IPv6 addresses.
    pub host: String,
    pub path: String,
    /// Empty without one.
    pub query: String,
}

impl Location {
    pub fn new(is_tls: bool, host: &str, port: &str) -> Location {
        let host = match port {
            "" if host.contains(':') => format!("[{host}]"),
            "" => host.to_string(),
            port => match port.parse() {
                Ok(number) => join_host_port(host, number),
                Err(_) => format!("{host}:{port}"),
            },
        };
        Location { is_tls, host, ..Location::default() }
    }

    pub fn with_path(mut self, path: impl Into<String>) -> Location {
        self.path = path.into();
        self
    }

    pub fn with_query(mut self, query: impl Into<String>) -> Location {
        self.query = query.into();
        self
    }

    pub fn uri(&self) -> Result<Uri, Status> {
        self.to_string().parse().map_err(Status::internal)
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host, escape_path(&self.path))?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

/// The parts of `[scheme:]name[:port]`; none when it is not of this form.
pub fn split_scheme_name_port(id: &str) -> Option<(&str, &str, &str)> {
    let parts: Vec<&str> = id.split(':').collect();
    let (scheme, name, port) = match parts.as_slice() {
        [name] => ("", *name, ""),
        [name, port] => ("", *name, *port),
        [scheme, name, port] => (*scheme, *name, *port),
        _ => return None,
    };
    (!name.is_empty() && matches!(scheme, "" | "http" | "https")).then_some((scheme, name, port))
}

/// A query of names and values, sorted by name and escaped as Go's `url.Values.Encode` does.
pub fn encode_query(pairs: &[(&str, String)]) -> String {
    let mut sorted: Vec<&(&str, String)> = pairs.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let one = |(name, value): &&(&str, String)| format!("{}={}", escape_query(name), escape_query(value));
    sorted.iter().map(one).collect::<Vec<_>>().join("&")
}

fn escape_query(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b' ' => "+".into(),
        byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_up_to_three_parts() {
        for (id, parts) in [
            ("a", Some(("", "a", ""))),
            ("a:80", Some(("", "a", "80"))),
            ("https:a:web", Some(("https", "a", "web"))),
            ("https:a:", Some(("https", "a", ""))),
            ("ftp:a:80", None),
            ("a:b:c:d", None),
            (":80", None),
        ] {
            assert_eq!(split_scheme_name_port(id), parts, "{id}");
        }
    }

    #[test]
    fn locations_are_escaped() {
        let location = Location::new(true, "fd00::1", "10250").with_path("/a b").with_query("c=d");
        assert_eq!(location.to_string(), "https://[fd00::1]:10250/a%20b?c=d");
        let query =
            encode_query(&[("tty", "1".into()), ("command", "a b&c".into()), ("command", "d".into())]);
        assert_eq!(query, "command=a+b%26c&command=d&tty=1");
    }
}
