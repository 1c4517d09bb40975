//! A pool of the addresses of one service CIDR.

use super::error::IpError;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most addresses of one range that are handed out, as upstream's: a /112 of IPv6, a /12 of IPv4 and less
/// fit whole.
const SIZE_MAX: u128 = 1 << 20;

/// Hands out the addresses of one CIDR.
///
/// The lower band of the range is left to users who choose an address themselves; automatic picks come from the upper
/// band first (KEP-3070). In `10.0.0.0/24` the usable addresses are .1 to .254, and picks start at .17:
///
/// ```text
/// .0 | .1 ......... .16 | .17 ......................... .254 | .255
///      static first        dynamic first
/// ```
#[derive(Clone, Debug)]
pub struct IpPool {
    cidr: String,
    /// The network address, as a number.
    base: u128,
    /// Usable addresses are `base + 1 ..= base + size`.
    size: u128,
    is_v6: bool,
    taken: HashSet<u128>,
}

impl IpPool {
    /// Reads a CIDR such as `10.0.0.0/16`; `None` when it is invalid or has no usable address.
    pub fn parse(cidr: &str) -> Option<IpPool> {
        let (ip, prefix) = cidr.split_once('/')?;
        let ip: IpAddr = ip.parse().ok()?;
        let prefix: u32 = prefix.parse().ok()?;
        let (is_v6, width) = (ip.is_ipv6(), if ip.is_ipv6() { 128 } else { 32 });
        if prefix > width {
            return None;
        }
        let hosts = 1_u128.checked_shl(width - prefix).unwrap_or(u128::MAX);
        // The network address is never used; IPv4 also keeps its broadcast address.
        let size = hosts.saturating_sub(if is_v6 { 1 } else { 2 }).min(SIZE_MAX);
        if size == 0 {
            return None;
        }
        let base = to_number(ip) & !(hosts - 1);
        let cidr = format!("{}/{prefix}", from_number(base, is_v6));
        Some(IpPool { cidr, base, size, is_v6, taken: HashSet::new() })
    }

    pub fn cidr(&self) -> &str {
        &self.cidr
    }

    /// The number of addresses.
    pub fn size(&self) -> u128 {
        self.size
    }

    pub fn is_v6(&self) -> bool {
        self.is_v6
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv6() == self.is_v6 && (1..=self.size).contains(&to_number(ip).wrapping_sub(self.base))
    }

    /// The first usable address: that of the `kubernetes` Service.
    pub fn first(&self) -> IpAddr {
        from_number(self.base + 1, self.is_v6)
    }

    /// Takes the address that a user chose.
    pub fn take(&mut self, ip: IpAddr) -> Result<(), IpError> {
        if !self.contains(ip) {
            return Err(IpError::OutOfRange { ip, cidr: self.cidr.clone() });
        }
        if self.taken.insert(to_number(ip)) { Ok(()) } else { Err(IpError::Taken) }
    }

    /// Takes a free address, beginning the search where `random` says, in the upper band first; none of which
    /// `is_taken` says that another has it.
    pub fn take_next(&mut self, random: u64, is_taken: impl Fn(IpAddr) -> bool) -> Result<IpAddr, IpError> {
        let reserved = reserved_len(self.size);
        let number = self
            .free_in(reserved, self.size - reserved, random, &is_taken)
            .or_else(|| self.free_in(0, reserved, random, &is_taken))
            .ok_or(IpError::Full)?;
        self.taken.insert(number);
        Ok(from_number(number, self.is_v6))
    }

    pub fn free(&mut self, ip: IpAddr) {
        self.taken.remove(&to_number(ip));
    }

    /// A free address among `len` from offset `start`, beginning at a random one and going round.
    fn free_in(
        &self,
        start: u128,
        len: u128,
        random: u64,
        is_taken: &impl Fn(IpAddr) -> bool,
    ) -> Option<u128> {
        let first = u128::from(random).checked_rem(len)?;
        (0..len)
            .map(|step| self.base + 1 + start + (first + step) % len)
            .find(|number| !self.taken.contains(number) && !is_taken(from_number(*number, self.is_v6)))
    }
}

/// The number of lowest addresses that automatic picks avoid: a sixteenth of the range, at least 16, at most 256.
fn reserved_len(size: u128) -> u128 {
    let reserved = (size / 16).clamp(16, 256);
    if reserved >= size { 0 } else { reserved }
}

fn to_number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn from_number(number: u128, is_v6: bool) -> IpAddr {
    if is_v6 {
        return IpAddr::V6(Ipv6Addr::from(number));
    }
    IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_chosen_address_is_given_once() {
        let mut pool = IpPool::parse("10.0.0.0/16").unwrap();
        assert_eq!(pool.first(), ip("10.0.0.1"));
        assert_eq!(pool.take(ip("10.0.0.5")), Ok(()));
        assert_eq!(pool.take(ip("10.0.0.5")), Err(IpError::Taken));
        pool.free(ip("10.0.0.5"));
        assert_eq!(pool.take(ip("10.0.0.5")), Ok(()));
        for outside in ["10.0.0.0", "10.0.255.255", "10.1.0.1", "fd00::1"] {
            assert!(matches!(pool.take(ip(outside)), Err(IpError::OutOfRange { .. })), "{outside}");
        }
    }

    #[test]
    fn free_picks_leave_the_lower_band_for_last() {
        let mut pool = IpPool::parse("10.0.0.0/27").unwrap();
        let picks: Vec<IpAddr> =
            (0..30).map(|random| pool.take_next(random * 7, |_| false).unwrap()).collect();
        assert!(picks.iter().take(14).all(|pick| *pick > ip("10.0.0.16")), "{picks:?}");
        assert!(picks.iter().skip(14).all(|pick| *pick <= ip("10.0.0.16")), "{picks:?}");
        assert_eq!(pool.take_next(0, |_| false), Err(IpError::Full));
        picks.iter().for_each(|pick| pool.free(*pick));
        let only = |ip: IpAddr| ip != picks[3];
        assert_eq!(pool.take_next(0, only), Ok(picks[3]));
        assert_eq!(pool.take_next(0, only), Err(IpError::Full));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/32", "x/16", "10.0.0.0/-1"] {
            assert!(IpPool::parse(text).is_none(), "{text}");
        }
        assert!(IpPool::parse("fd00::/64").is_some());
        assert_eq!(IpPool::parse("10.0.3.9/16").unwrap().cidr(), "10.0.0.0/16");
    }
}
