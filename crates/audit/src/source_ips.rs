//! The source addresses of a request: those that proxies name, and that of the connection.

use std::net::{IpAddr, Ipv4Addr};

/// Upstream's rule: the addresses of `X-Forwarded-For`, that of `X-Real-Ip` unless it is one of them, and the
/// connection's unless it is the last. All but the last are what the client says.
pub fn source_ips(forwarded_for: &str, real_ip: &str, remote: IpAddr) -> Vec<IpAddr> {
    let mut ips: Vec<IpAddr> = Vec::with_capacity(1);
    if !forwarded_for.is_empty() {
        ips.extend(forwarded_for.split(',').filter_map(|part| parse(part.trim())));
    }
    if !real_ip.is_empty() {
        ips.extend(parse(real_ip).filter(|ip| !ips.contains(ip)));
    }
    let remote = remote.to_canonical();
    if ips.last() != Some(&remote) {
        ips.push(remote);
    }
    ips
}

/// An address; numbers of version 4 may begin with zeros.
fn parse(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    let mut numbers = [0; 4];
    let mut parts = text.split('.');
    for number in &mut numbers {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *number = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    parts.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(numbers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_named_in_order_and_once() {
        let check = |forwarded: &str, real: &str, expected: &[&str]| {
            let found = source_ips(forwarded, real, "127.0.0.1".parse().unwrap());
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{forwarded} {real}");
        };
        check("", "", &["127.0.0.1"]);
        check("1.2.3.4, 5.6.7.8", "9.9.9.9", &["1.2.3.4", "5.6.7.8", "9.9.9.9", "127.0.0.1"]);
        check("1.2.3.4, nonsense,, 2001:db8::1", "1.2.3.4", &["1.2.3.4", "2001:db8::1", "127.0.0.1"]);
        check("1.2.3.4,127.0.0.1", "", &["1.2.3.4", "127.0.0.1"]);
        check("127.0.0.1,1.2.3.4", "", &["127.0.0.1", "1.2.3.4", "127.0.0.1"]);
        check("", "127.0.0.1", &["127.0.0.1"]);
        check("", " 1.2.3.4", &["127.0.0.1"]);
        check("010.0.00.001, 256.1.1.1, 1.2.3", "::ffff:7.7.7.7", &["10.0.0.1", "7.7.7.7", "127.0.0.1"]);
    }
}
