//! `Proxies`: which requests go through an HTTP proxy, by `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` as Go reads them
//! (`golang.org/x/net/http/httpproxy`).

use crate::url::Url;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;

/// A proxy, and how to be known to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub url: Url,
    /// Of the header `Proxy-Authorization`.
    pub authorization: Option<String>,
}

/// The proxies of the environment; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    Network {
        address: IpAddr,
        bits: u8,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    /// A domain with its subdomains, or only the latter.
    Domain {
        suffix: String,
        port: Option<u16>,
        is_below_only: bool,
    },
}

impl Proxies {
    /// Those of this process. A proxy that cannot be used is an error, since the way around it may be forbidden.
    pub fn from_environment() -> Result<Proxies, String> {
        Proxies::new(|upper, lower| {
            let of = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
            of(upper).or_else(|| of(lower))
        })
    }

    /// Reads variables by their name in upper case, else in lower case.
    pub fn new(variable: impl Fn(&str, &str) -> Option<String>) -> Result<Proxies, String> {
        let proxy = |upper: &str, lower: &str| {
            let given = variable(upper, lower);
            given.map(|text| Proxy::parse(&text).map_err(|why| format!("{upper}: {why}"))).transpose()
        };
        // A server of CGI gives its clients' header `Proxy` this name.
        let is_cgi = variable("REQUEST_METHOD", "REQUEST_METHOD").is_some();
        Ok(Proxies {
            http: if is_cgi { None } else { proxy("HTTP_PROXY", "http_proxy")? },
            https: proxy("HTTPS_PROXY", "https_proxy")?,
            exceptions: exceptions(&variable("NO_PROXY", "no_proxy").unwrap_or_default()),
        })
    }

    /// The proxy for a server; none for a direct connection.
    pub fn of(&self, is_tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if is_tls { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let is_local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let is_excepted = is_local || self.exceptions.iter().any(|one| one.matches(&host, address, port));
        (!is_excepted).then_some(proxy)
    }
}

impl Proxy {
    /// Without a scheme it is one of HTTP.
    pub fn parse(text: &str) -> Result<Proxy, String> {
        let text = text.trim();
        let with_scheme = if text.contains("://") { text.to_string() } else { format!("http://{text}") };
        let (scheme, rest) = with_scheme.split_once("://").unwrap_or_default();
        let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        // Errors about the address must not repeat the password.
        let url = Url::parse(&format!("{scheme}://{host}"))?;
        let authorization = user.map(basic);
        Ok(Proxy { url, authorization })
    }
}

/// The credential of an address's user and password.
pub(crate) fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(unescaped(user)))
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let mut ahead = bytes.clone();
        match (byte, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    out
}

fn exceptions(text: &str) -> Vec<Exception> {
    let entries = text.split(',').map(|entry| entry.trim().to_ascii_lowercase());
    let entries = entries.filter(|entry| !entry.is_empty());
    entries.filter_map(|entry| exception(&entry)).collect()
}

fn exception(entry: &str) -> Option<Exception> {
    if entry == "*" {
        return Some(Exception::Everything);
    }
    if let Some((address, bits)) = entry.split_once('/')
        && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u8>())
        && bits <= if address.is_ipv4() { 32 } else { 128 }
    {
        return Some(Exception::Network { address, bits });
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port.parse::<u16>().ok()),
        _ => (entry, None),
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(Exception::Address { address, port });
    }
    if name.is_empty() {
        return None;
    }
    let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
    let is_below_only = name.starts_with('.');
    let suffix = if is_below_only { name.to_string() } else { format!(".{name}") };
    Some(Exception::Domain { suffix, port, is_below_only })
}

impl Exception {
    fn matches(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        match self {
            Exception::Everything => true,
            Exception::Network { address: network, bits } => {
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
            Exception::Address { address: one, port: of } => {
                address == Some(*one) && of.is_none_or(|of| of == port)
            }
            Exception::Domain { suffix, port: of, is_below_only } => {
                let is_named = host.ends_with(suffix.as_str()) || (!is_below_only && host == &suffix[1..]);
                address.is_none() && is_named && of.is_none_or(|of| of == port)
            }
        }
    }
}

/// Whether an address is of a network: the first bits of both are the same.
pub(crate) fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let shift = 32_u32.saturating_sub(bits.into());
            address.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let shift = 128_u32.saturating_sub(bits.into());
            address.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(none: &str) -> Proxies {
        Proxies::new(|upper, _| match upper {
            "HTTPS_PROXY" => Some("http://u:p%40@proxy:3128/".into()),
            "HTTP_PROXY" => Some("plain:8080".into()),
            "NO_PROXY" => Some(none.into()),
            _ => None,
        })
        .unwrap()
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let proxies = proxies("");
        let https = proxies.of(true, "example.com", 443).unwrap();
        assert_eq!((https.url.host.as_str(), https.url.port), ("proxy", 3128));
        assert_eq!(https.authorization.as_deref(), Some("Basic dTpwQA=="));
        assert_eq!(proxies.of(false, "example.com", 80).unwrap().url.port, 8080);
        for local in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(proxies.of(true, local, 443), None, "{local}");
        }
        assert!(Proxy::parse("ftp://u:secret@x").is_err_and(|why| !why.contains("secret")));
    }

    #[test]
    fn exceptions_are_names_addresses_and_networks() {
        for (none, host, port, is_direct) in [
            ("*", "example.com", 443, true),
            ("example.com", "example.com", 443, true),
            ("example.com", "a.example.com", 443, true),
            ("example.com", "anexample.com", 443, false),
            (".example.com", "example.com", 443, false),
            ("*.example.com", "a.example.com", 443, true),
            ("example.com:8443", "example.com", 443, false),
            ("example.com:8443", "example.com", 8443, true),
            ("10.0.0.0/8, x", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("10.1.2.3:80", "10.1.2.3", 443, false),
            ("fd00::/8", "fd00::1", 443, true),
            (".svc", "hook.ns.svc", 443, true),
            ("", "example.com", 443, false),
        ] {
            assert_eq!(proxies(none).of(true, host, port).is_none(), is_direct, "{none} {host}:{port}");
        }
    }
}
