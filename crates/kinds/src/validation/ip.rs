//! IP addresses and CIDRs in the syntax of older fields.

use pintle_object::{FieldErrors, Path};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NOT_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NOT_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// An address as Go's old parser reads it: octets may have leading zeros, and an IPv4 address mapped into IPv6
/// is an IPv4 address.
pub fn parse(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        let address: Ipv6Addr = text.parse().ok()?;
        return Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4));
    }
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        let is_number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let digits = part.trim_start_matches('0');
        *octet = if is_number && digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    parts.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(octets)))
}

/// The address and the length of the prefix.
pub fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let length: u8 = length.bytes().all(|b| b.is_ascii_digit()).then(|| length.parse().ok())??;
    if address.contains(':') {
        let address: Ipv6Addr = address.parse().ok()?;
        return (length <= 128).then_some((IpAddr::V6(address), length));
    }
    let address = parse(address)?;
    (length <= 32).then_some((address, length))
}

pub fn is_ipv6(text: &str) -> bool {
    parse(text).is_some_and(|address| address.is_ipv6())
}

/// Checks a field that takes any spelling of an address, but, as the rules are, none that programs read differently.
pub fn legacy_ip(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if parse(text).is_none() {
        return errors.invalid(path, text, NOT_IP);
    }
    if !errors.rules().has_strict_addresses {
        return;
    }
    match text.parse::<IpAddr>() {
        Err(_) => errors.invalid(path, text, "must not have leading 0s"),
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            errors.invalid(path, text, "must not be an IPv4-mapped IPv6 address");
        }
        Ok(_) => {}
    }
}

/// Checks a field that takes any spelling of a network, but, as the rules are, none that programs read differently.
pub fn legacy_cidr(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some((_, length)) = parse_cidr(text) else {
        return errors.invalid(path, text, NOT_CIDR);
    };
    if !errors.rules().has_strict_addresses {
        return;
    }
    let (address, digits) = text.split_once('/').unwrap_or((text, ""));
    let has_zeros = digits.len() > 1 && digits.starts_with('0');
    match address.parse::<IpAddr>() {
        _ if has_zeros => errors.invalid(path, text, "must not have leading 0s in IP or prefix length"),
        Err(_) => errors.invalid(path, text, "must not have leading 0s in IP or prefix length"),
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            errors.invalid(path, text, "must not have an IPv4-mapped IPv6 address");
        }
        Ok(address) if masked(address, length) != address => {
            errors.invalid(path, text, "must not have bits set beyond the prefix length");
        }
        Ok(_) => {}
    }
}

/// An address without the bits beyond a prefix.
pub fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

/// An address that another host can send to.
pub fn non_special_ip(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(address) = parse(text) else {
        return errors.invalid(path, text, "must be a valid IP address");
    };
    if address.is_unspecified() {
        errors.invalid(path, text, "may not be unspecified (0.0.0.0)");
    }
    if address.is_loopback() {
        errors.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (is_link_local, is_link_local_multicast) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(v6) => {
            (v6.is_unicast_link_local(), v6.segments().first().is_some_and(|s| s & 0xff0f == 0xff02))
        }
    };
    if is_link_local {
        errors.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if is_link_local_multicast {
        let why = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
        errors.invalid(path, text, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_old_are_accepted() {
        let cases = [
            ("10.0.0.1", Some("10.0.0.1")),
            ("010.000.0.1", Some("10.0.0.1")),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("fd00::1", Some("fd00::1")),
            ("10.0.0", None),
            ("10.0.0.256", None),
            ("fe80::1%eth0", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
        assert!(parse_cidr("10.0.0.0/33").is_none());
        assert_eq!(parse_cidr("10.0.0.1/8").map(|(_, length)| length), Some(8));
    }
}
