//! IP addresses and CIDRs: the syntax of fields that were strict from the start, and of older ones.

use pintle_object::field::quote;
use pintle_object::{FieldErrors, GatedRules, Path};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NOT_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NOT_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// A network; an IPv4 address mapped into IPv6 is its IPv4 address, as Go shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The first address of the network.
    pub address: IpAddr,
    pub prefix_len: u32,
}

impl Cidr {
    pub fn contains(&self, other: IpAddr) -> bool {
        self.address.is_ipv4() == other.is_ipv4() && masked(other, self.prefix_len) == self.address
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// An address as older versions read it, with leading zeros in its decimals.
pub fn parse_ip_sloppy(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return parse_ipv6_sloppy(text);
    }
    parse_ipv4_sloppy(text).map(IpAddr::V4)
}

/// A network as older versions read it; bits beyond the prefix are dropped.
pub fn parse_cidr_sloppy(text: &str) -> Option<Cidr> {
    let (address, prefix) = text.split_once('/')?;
    let is_v6 = address.contains(':');
    let address = parse_ip_sloppy(address)?;
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let prefix_len: u32 = prefix.parse().ok()?;
    let (bits, mapped) = if is_v6 { (128, address.is_ipv4()) } else { (32, false) };
    if prefix_len > bits {
        return None;
    }
    let prefix_len = if mapped { prefix_len.saturating_sub(96) } else { prefix_len };
    Some(Cidr { address: masked(address, prefix_len), prefix_len })
}

/// An address in the one spelling it has.
pub fn ip(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    for message in ip_messages(text) {
        errors.invalid(path, text, &message);
    }
}

/// Faults of an address that must be in its one canonical spelling.
pub fn ip_messages(text: &str) -> Vec<String> {
    let mut messages = legacy_ip_messages(text, GatedRules::default());
    if messages.is_empty()
        && let Some(ip) = parse_ip_sloppy(text)
        && ip.to_string() != text
    {
        messages.push(format!("must be in canonical form ({})", quote(&ip.to_string())));
    }
    messages
}

/// Warns about an address that is valid, but that some programs read as another.
pub fn warn_ip(text: &str, path: &Path<'_>, out: &mut Vec<String>) {
    let Some(ip) = parse_ip_sloppy(text) else { return };
    let shown = quote(text);
    let canonical = quote(&ip.to_string());
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(strict)) if strict.to_ipv4_mapped().is_none() => {
            if strict.to_string() != text {
                out.push(format!(
                    "{path}: IPv6 address {shown} should be in RFC 5952 canonical format ({canonical})"
                ));
            }
        }
        Ok(IpAddr::V4(_)) => {}
        _ => out.push(format!("{path}: non-standard IP address {shown} is invalid: use {canonical}")),
    }
}

/// Warns about a network that is valid, but that some programs read as another.
pub fn warn_cidr(text: &str, path: &Path<'_>, out: &mut Vec<String>) {
    let Some(cidr) = parse_cidr_sloppy(text) else { return };
    let before = out.len();
    let (shown, canonical) = (quote(text), quote(&cidr.to_string()));
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    if let Some(address) = parse_ip_sloppy(address)
        && address != cidr.address
    {
        let single = format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
        let single = quote(&single);
        out.push(format!(
            "{path}: CIDR value {shown} is ambiguous in this context (should be {canonical} or {single}?)"
        ));
    }
    let strict = address.parse::<IpAddr>().ok().filter(|_| prefix.len() == 1 || !prefix.starts_with('0'));
    match strict {
        Some(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            if out.len() == before && cidr.to_string() != text {
                out.push(format!(
                    "{path}: IPv6 CIDR value {shown} should be in RFC 5952 canonical format ({canonical})"
                ));
            }
        }
        Some(IpAddr::V4(_)) => {}
        _ => out.push(format!("{path}: non-standard CIDR value {shown} is invalid: use {canonical}")),
    }
}

/// Faults of an address in a field that takes any spelling; as the rules are, one without ambiguity.
pub fn legacy_ip_messages(text: &str, rules: GatedRules) -> Vec<String> {
    let Some(ip) = parse_ip_sloppy(text) else { return vec![NOT_IP.to_string()] };
    if !rules.has_strict_addresses {
        return Vec::new();
    }
    if text.parse::<IpAddr>().is_err() {
        return vec![String::from("must not have leading 0s")];
    }
    if text.contains(':') && ip.is_ipv4() {
        return vec![String::from("must not be an IPv4-mapped IPv6 address")];
    }
    Vec::new()
}

/// A network in the one spelling it has.
pub fn cidr(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let before = errors.len();
    legacy_cidr(text, path, errors);
    if errors.len() == before
        && let Some(cidr) = parse_cidr_sloppy(text)
        && cidr.to_string() != text
    {
        errors.invalid(path, text, &format!("must be in canonical form ({})", quote(&cidr.to_string())));
    }
}

/// A network in a field that takes any spelling; as the rules are, one without ambiguity.
pub fn legacy_cidr(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(cidr) = parse_cidr_sloppy(text) else {
        errors.invalid(path, text, NOT_CIDR);
        return;
    };
    if !errors.rules().has_strict_addresses {
        return;
    }
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    let has_leading_zero = prefix.len() > 1 && prefix.starts_with('0');
    let strict = address.parse::<IpAddr>().ok();
    if strict.is_none() || has_leading_zero {
        errors.invalid(path, text, "must not have leading 0s in IP or prefix length");
    } else if address.contains(':') && cidr.address.is_ipv4() {
        errors.invalid(path, text, "must not have an IPv4-mapped IPv6 address");
    } else if strict.is_some_and(|address| address != cidr.address) {
        errors.invalid(path, text, "must not have bits set beyond the prefix length");
    }
}

fn parse_ipv4_sloppy(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *octet = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// Its last two groups may be an IPv4 address.
fn parse_ipv6_sloppy(text: &str) -> Option<IpAddr> {
    let plain = match text.rsplit_once(':') {
        Some((head, tail)) if tail.contains('.') => format!("{head}:{}", parse_ipv4_sloppy(tail)?),
        _ => text.to_string(),
    };
    let address: Ipv6Addr = plain.parse().ok()?;
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

fn masked(address: IpAddr, prefix_len: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix_len)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix_len)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_checked() {
        let cases = [
            ("10.0.0.0/8", ""),
            ("fd00::/64", ""),
            ("10.0.0.0", NOT_CIDR),
            ("10.0.0.0/33", NOT_CIDR),
            ("10.0.0.0/8-x", NOT_CIDR),
            ("10.0.0.1/8", "must not have bits set beyond the prefix length"),
            ("010.0.0.0/8", "must not have leading 0s in IP or prefix length"),
            ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
            ("::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"),
            ("FD00::0/120", "must be in canonical form (\"fd00::/120\")"),
        ];
        for (text, expected) in cases {
            let mut errors = FieldErrors::new();
            cidr(text, &Path::root("f"), &mut errors);
            let shown: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
            match expected {
                "" => assert!(shown.is_empty(), "{text}: {shown:?}"),
                expected => assert!(shown.concat().ends_with(expected), "{text}: {shown:?}"),
            }
        }
    }

    #[test]
    fn addresses_are_checked() {
        let cases = [
            ("10.0.0.1", ""),
            ("010.0.0.1", "must not have leading 0s"),
            ("::ffff:10.0.0.1", "must not be an IPv4-mapped IPv6 address"),
            ("FD00::1", "must be in canonical form (\"fd00::1\")"),
            ("x", NOT_IP),
            ("1.2.3", NOT_IP),
            ("1.2.3.256", NOT_IP),
        ];
        for (text, expected) in cases {
            assert_eq!(ip_messages(text).concat(), expected, "{text}");
        }
    }
}
