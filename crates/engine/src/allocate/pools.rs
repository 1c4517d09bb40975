//! The pools of a server, and what one write takes from them.

use super::{IpError, IpPool, PortError, PortPool};
use crate::generate::Generator;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The first dummy port of a dry run: beyond the range of real ones.
const DRY_RUN_PORT: u16 = 32769;

/// Addresses and ports that are handed out to objects.
pub struct Pools {
    /// At most one pool a family; the first is that of the default family.
    ips: Mutex<Vec<IpPool>>,
    ports: Mutex<PortPool>,
}

/// What one object holds of the pools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub ips: Vec<IpAddr>,
    pub ports: Vec<u16>,
}

impl Held {
    /// What is in one and not in the other.
    pub fn without(&self, other: &Held) -> Held {
        Held {
            ips: self.ips.iter().filter(|ip| !other.ips.contains(ip)).copied().collect(),
            ports: self.ports.iter().filter(|port| !other.ports.contains(port)).copied().collect(),
        }
    }
}

impl Pools {
    pub fn new(ips: Vec<IpPool>, ports: RangeInclusive<u16>) -> Pools {
        Pools { ips: Mutex::new(ips), ports: Mutex::new(PortPool::new(ports)) }
    }

    /// Counts what a stored object holds; what lies outside the pools is left alone.
    pub fn fill(&self, held: &Held) {
        let mut ips = self.ips();
        for ip in &held.ips {
            if let Some(pool) = ips.iter_mut().find(|pool| pool.contains(*ip)) {
                // Taken twice or once is the same to a pool that is being filled.
                let _ = pool.take(*ip);
            }
        }
        let mut ports = self.ports();
        for port in &held.ports {
            let _ = ports.take(i64::from(*port));
        }
    }

    pub fn give_back(&self, held: &Held) {
        let mut ips = self.ips();
        for ip in &held.ips {
            ips.iter_mut().filter(|pool| pool.contains(*ip)).for_each(|pool| pool.free(*ip));
        }
        let mut ports = self.ports();
        held.ports.iter().for_each(|port| ports.free(*port));
    }

    /// Begins to take things for one write.
    pub fn draw<'a>(&'a self, generator: &'a Generator, dry_run: bool) -> Draw<'a> {
        Draw { pools: self, generator, dry_run, taken: Held::default(), is_kept: false }
    }

    fn ips(&self) -> MutexGuard<'_, Vec<IpPool>> {
        self.ips.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ports(&self) -> MutexGuard<'_, PortPool> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one write has taken so far; all of it goes back unless the write is stored.
pub struct Draw<'a> {
    pools: &'a Pools,
    generator: &'a Generator,
    dry_run: bool,
    taken: Held,
    is_kept: bool,
}

impl Draw<'_> {
    /// Whether each pool is one of IPv6, the default family first.
    pub fn families(&self) -> Vec<bool> {
        self.pools.ips().iter().map(IpPool::is_v6).collect()
    }

    pub fn take_ip(&mut self, ip: IpAddr) -> Result<(), IpError> {
        let mut pools = self.pools.ips();
        let family = pools.iter_mut().find(|pool| pool.is_v6() == ip.is_ipv6());
        let pool = family.ok_or(IpError::OutOfRange { ip, cidr: String::new() })?;
        if self.dry_run {
            let cidr = pool.cidr().to_string();
            return if pool.contains(ip) { Ok(()) } else { Err(IpError::OutOfRange { ip, cidr }) };
        }
        pool.take(ip)?;
        drop(pools);
        self.taken.ips.push(ip);
        Ok(())
    }

    pub fn next_ip(&mut self, is_v6: bool) -> Result<IpAddr, IpError> {
        let random = self.random();
        let mut pools = self.pools.ips();
        let pool = pools.iter_mut().find(|pool| pool.is_v6() == is_v6).ok_or(IpError::Full)?;
        let ip = pool.take_next(random)?;
        if self.dry_run {
            pool.free(ip);
            return Ok(ip);
        }
        drop(pools);
        self.taken.ips.push(ip);
        Ok(ip)
    }

    pub fn take_port(&mut self, port: i64) -> Result<(), PortError> {
        let mut ports = self.pools.ports();
        if self.taken.ports.iter().any(|taken| i64::from(*taken) == port) {
            return Err(PortError::Taken);
        }
        // A dry run asks only whether the port is taken: upstream leaves the range to real writes.
        let number = u16::try_from(port).unwrap_or(0);
        match self.dry_run {
            true if ports.is_taken(number) => return Err(PortError::Taken),
            true => {}
            false => ports.take(port)?,
        }
        let port = number;
        drop(ports);
        self.taken.ports.push(port);
        Ok(())
    }

    /// A free port; in a dry run one that is plainly none.
    pub fn next_port(&mut self) -> Result<u16, PortError> {
        let port = if self.dry_run {
            self.taken.ports.iter().max().map_or(DRY_RUN_PORT, |port| port.saturating_add(1))
        } else {
            let random = self.random();
            self.pools.ports().take_next(random)?
        };
        self.taken.ports.push(port);
        Ok(port)
    }

    /// The write is stored: what was taken stays taken, and what the old object held besides goes back.
    pub fn keep(mut self, old: &Held, new: &Held) {
        self.is_kept = true;
        if !self.dry_run {
            self.pools.give_back(&old.without(new));
        }
    }

    fn random(&self) -> u64 {
        self.generator.number()
    }
}

impl Drop for Draw<'_> {
    fn drop(&mut self) {
        if !self.is_kept && !self.dry_run {
            self.pools.give_back(&self.taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools() -> Pools {
        Pools::new(IpPool::parse("10.0.0.0/24").into_iter().collect(), super::super::port::RANGE)
    }

    #[test]
    fn what_is_not_kept_goes_back() {
        let (pools, generator) = (pools(), Generator::system());
        let ip: IpAddr = "10.0.0.5".parse().unwrap();
        let mut draw = pools.draw(&generator, false);
        draw.take_ip(ip).unwrap();
        draw.take_port(30001).unwrap();
        assert_eq!(draw.take_port(30001), Err(PortError::Taken));
        assert_eq!(pools.draw(&generator, false).take_ip(ip), Err(IpError::Taken));
        drop(draw);
        let mut draw = pools.draw(&generator, false);
        draw.take_ip(ip).unwrap();
        let held = Held { ips: vec![ip], ports: Vec::new() };
        draw.keep(&Held::default(), &held);
        assert_eq!(pools.draw(&generator, false).take_ip(ip), Err(IpError::Taken));
        pools.draw(&generator, false).keep(&held, &Held::default());
        assert_eq!(pools.draw(&generator, false).take_ip(ip), Ok(()));
    }

    #[test]
    fn a_dry_run_takes_nothing() {
        let (pools, generator) = (pools(), Generator::system());
        let mut draw = pools.draw(&generator, true);
        assert_eq!((draw.next_port(), draw.next_port()), (Ok(32769), Ok(32770)));
        draw.take_ip("10.0.0.5".parse().unwrap()).unwrap();
        draw.keep(&Held::default(), &Held::default());
        assert_eq!(pools.draw(&generator, false).take_ip("10.0.0.5".parse().unwrap()), Ok(()));
    }
}
