//! `Allocators`: the pools of addresses and ports of a server, and the part of them that one write takes.

use crate::generate::Generator;
use pintle_kinds::allocator::{Allocations, Allocator, IpError, IpPool, PortError, PortMap, PortPool};
use pintle_metrics::{Counters, Histograms, Registry};
use pintle_object::GatedRules;
use pintle_store::Snapshot;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The first dummy port of a dry run: beyond the range of real ones.
const DRY_RUN_PORT: u16 = 32769;

/// Addresses and ports that are handed out to objects.
pub struct Allocators {
    range: RangeInclusive<u16>,
    /// At most one pool a family; the first is that of the default family.
    ips: Mutex<Vec<IpPool>>,
    ports: Mutex<PortPool>,
    /// Ports that were marked as taken and belonged to no Service at the last repair.
    pub(crate) leaked: Mutex<BTreeSet<u16>>,
    /// One change of the map of ports at a time: the writes of one server need not overtake each other.
    pub(crate) recording: tokio::sync::Mutex<()>,
    counted: Option<(Counters, Histograms)>,
    rules: GatedRules,
}

/// Addresses and ports that are taken as the store has it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The IPAddresses, and the beginning of their keys.
    pub addresses: Snapshot,
    pub prefix: String,
    pub ports: PortMap,
}

impl Recorded {
    pub fn has_ip(&self, ip: IpAddr) -> bool {
        self.addresses.get(&format!("{}{ip}", self.prefix)).is_some()
    }
}

impl Allocators {
    pub fn new(ips: Vec<IpPool>, range: RangeInclusive<u16>) -> Allocators {
        Allocators {
            ips: Mutex::new(ips),
            ports: Mutex::new(PortPool::new(range.clone())),
            range,
            leaked: Mutex::default(),
            recording: tokio::sync::Mutex::default(),
            counted: None,
            rules: GatedRules::default(),
        }
    }

    /// The same, with rules that hold of addresses.
    pub fn by(self, rules: GatedRules) -> Allocators {
        Allocators { rules, ..self }
    }

    /// The same, counted: how many addresses are handed out, and how long that takes.
    pub fn counted(self, registry: &Registry) -> Allocators {
        let counts = registry.counters("kube_apiserver_clusterip_allocator_allocation_total");
        let durations = registry.histograms("kube_apiserver_clusterip_allocator_allocation_duration_seconds");
        Allocators { counted: Some((counts, durations)), ..self }
    }

    fn count(&self, cidr: &str, scope: &str, began: Instant) {
        if let Some((counts, durations)) = &self.counted {
            counts.with(&[cidr, scope]).inc();
            durations.with(&[cidr]).observe(began.elapsed().as_secs_f64());
        }
    }

    /// A map of the ports that may be handed out, none of them taken.
    pub fn port_map(&self) -> PortMap {
        PortMap::new(self.range.clone())
    }

    /// Whether a write that is under way holds a port.
    pub fn is_held(&self, port: u16) -> bool {
        self.ports().is_taken(port)
    }

    /// Begins the allocations of one write; `recorded` is `None` where there will be none.
    pub fn begin<'a>(
        &'a self,
        generator: &'a Generator,
        recorded: Option<Recorded>,
        dry_run: bool,
    ) -> AllocationTx<'a> {
        AllocationTx { allocators: self, generator, recorded, dry_run, taken: Allocations::default() }
    }

    /// The CIDR and the number of addresses of each pool, with an address of it.
    pub fn address_pools(&self) -> Vec<IpPool> {
        self.ips().clone()
    }

    fn ips(&self) -> MutexGuard<'_, Vec<IpPool>> {
        self.ips.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ports(&self) -> MutexGuard<'_, PortPool> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Allocations of one write so far; other writes of this server take them only after this one is stored and recorded,
/// or has come to nothing.
pub struct AllocationTx<'a> {
    allocators: &'a Allocators,
    generator: &'a Generator,
    recorded: Option<Recorded>,
    dry_run: bool,
    taken: Allocations,
}

impl AllocationTx<'_> {
    /// Allocations that are to be recorded.
    pub fn taken(&self) -> &Allocations {
        &self.taken
    }

    fn is_recorded(&self, port: u16) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| recorded.ports.is_taken(port))
    }

    fn random(&self) -> u64 {
        self.generator.number()
    }
}

impl Allocator for AllocationTx<'_> {
    fn families(&self) -> Vec<bool> {
        self.allocators.ips().iter().map(IpPool::is_v6).collect()
    }

    fn rules(&self) -> GatedRules {
        self.allocators.rules
    }

    fn take_ip(&mut self, ip: IpAddr) -> Result<(), IpError> {
        let mut pools = self.allocators.ips();
        let began = Instant::now();
        let family = pools.iter_mut().find(|pool| pool.is_v6() == ip.is_ipv6());
        let pool = family.ok_or(IpError::OutOfRange { ip, cidr: String::new() })?;
        if self.dry_run {
            let cidr = pool.cidr().to_string();
            return if pool.contains(ip) { Ok(()) } else { Err(IpError::OutOfRange { ip, cidr }) };
        }
        if pool.contains(ip) && self.recorded.as_ref().is_some_and(|recorded| recorded.has_ip(ip)) {
            return Err(IpError::Taken);
        }
        pool.take(ip)?;
        let cidr = pool.cidr().to_string();
        drop(pools);
        self.allocators.count(&cidr, "static", began);
        self.taken.ips.push(ip);
        Ok(())
    }

    fn next_ip(&mut self, is_v6: bool) -> Result<IpAddr, IpError> {
        let (random, began) = (self.random(), Instant::now());
        let mut pools = self.allocators.ips();
        let pool = pools.iter_mut().find(|pool| pool.is_v6() == is_v6).ok_or(IpError::Full)?;
        let is_taken = |ip| self.recorded.as_ref().is_some_and(|recorded| recorded.has_ip(ip));
        let ip = pool.take_next(random, is_taken)?;
        if self.dry_run {
            pool.free(ip);
            return Ok(ip);
        }
        let cidr = pool.cidr().to_string();
        drop(pools);
        self.allocators.count(&cidr, "dynamic", began);
        self.taken.ips.push(ip);
        Ok(ip)
    }

    fn take_port(&mut self, port: i64) -> Result<(), PortError> {
        let mut ports = self.allocators.ports();
        if self.taken.ports.iter().any(|taken| i64::from(*taken) == port) {
            return Err(PortError::Taken);
        }
        // A dry run asks only whether the port is taken: upstream leaves the range to real writes.
        let number = u16::try_from(port).unwrap_or(0);
        if self.is_recorded(number) || (self.dry_run && ports.is_taken(number)) {
            return Err(PortError::Taken);
        }
        if !self.dry_run {
            ports.take(port)?;
        }
        drop(ports);
        self.taken.ports.push(number);
        Ok(())
    }

    /// A free port; in a dry run one that is plainly none.
    fn next_port(&mut self) -> Result<u16, PortError> {
        let port = if self.dry_run {
            self.taken.ports.iter().max().map_or(DRY_RUN_PORT, |port| port.saturating_add(1))
        } else {
            let random = self.random();
            self.allocators.ports().take_next(random, |port| self.is_recorded(port))?
        };
        self.taken.ports.push(port);
        Ok(port)
    }
}

impl Drop for AllocationTx<'_> {
    fn drop(&mut self) {
        if self.dry_run {
            return;
        }
        let mut ips = self.allocators.ips();
        for ip in &self.taken.ips {
            ips.iter_mut().filter(|pool| pool.contains(*ip)).for_each(|pool| pool.free(*ip));
        }
        let mut ports = self.allocators.ports();
        self.taken.ports.iter().for_each(|port| ports.free(*port));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocators() -> Allocators {
        Allocators::new(
            IpPool::parse("10.0.0.0/24").into_iter().collect(),
            pintle_kinds::allocator::port::RANGE,
        )
    }

    #[test]
    fn what_a_write_has_drawn_is_for_no_other() {
        let (allocators, generator) = (allocators(), Generator::system());
        let ip: IpAddr = "10.0.0.5".parse().unwrap();
        let mut tx = allocators.begin(&generator, None, false);
        tx.take_ip(ip).unwrap();
        tx.take_port(30001).unwrap();
        assert_eq!(tx.take_port(30001), Err(PortError::Taken));
        assert_eq!(allocators.begin(&generator, None, false).take_ip(ip), Err(IpError::Taken));
        assert!(allocators.is_held(30001));
        drop(tx);
        assert!(!allocators.is_held(30001));
        assert_eq!(allocators.begin(&generator, None, false).take_ip(ip), Ok(()));
    }

    #[test]
    fn what_the_store_says_is_taken_is_not_drawn() {
        let (allocators, generator) = (allocators(), Generator::system());
        let mut ports = allocators.port_map();
        (30000..=32766).for_each(|port| ports.set(port, true));
        let recorded = Recorded { addresses: Snapshot::default(), prefix: String::new(), ports };
        let mut tx = allocators.begin(&generator, Some(recorded), false);
        assert_eq!(tx.take_port(30001), Err(PortError::Taken));
        assert_eq!(tx.next_port(), Ok(32767));
        assert_eq!(tx.next_port(), Err(PortError::Full));
    }

    #[test]
    fn a_dry_run_takes_nothing() {
        let (allocators, generator) = (allocators(), Generator::system());
        let mut tx = allocators.begin(&generator, None, true);
        assert_eq!((tx.next_port(), tx.next_port()), (Ok(32769), Ok(32770)));
        tx.take_ip("10.0.0.5".parse().unwrap()).unwrap();
        drop(tx);
        assert_eq!(allocators.begin(&generator, None, false).take_ip("10.0.0.5".parse().unwrap()), Ok(()));
    }
}
