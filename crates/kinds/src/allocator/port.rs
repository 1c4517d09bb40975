//! A pool of node ports.

use super::error::PortError;
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// The default of `--service-node-port-range`.
pub const RANGE: RangeInclusive<u16> = 30000..=32767;

/// Hands out node ports.
#[derive(Clone, Debug)]
pub struct PortPool {
    range: RangeInclusive<u16>,
    taken: HashSet<u16>,
}

impl PortPool {
    pub fn new(range: RangeInclusive<u16>) -> PortPool {
        PortPool { range, taken: HashSet::new() }
    }

    /// Takes the port that a user chose.
    pub fn take(&mut self, port: i64) -> Result<(), PortError> {
        let Some(port) = u16::try_from(port).ok().filter(|port| self.range.contains(port)) else {
            return Err(PortError::OutOfRange(self.range.clone()));
        };
        if self.taken.contains(&port) {
            return Err(PortError::Taken);
        }
        self.taken.insert(port);
        Ok(())
    }

    pub fn is_taken(&self, port: u16) -> bool {
        self.taken.contains(&port)
    }

    /// Takes a free port, beginning the search where `random` says; the lower band comes last. None of which
    /// `is_taken` says that another has it.
    pub fn take_next(&mut self, random: u64, is_taken: impl Fn(u16) -> bool) -> Result<u16, PortError> {
        let (start, len) = (u64::from(*self.range.start()), self.range.len() as u64);
        let reserved = reserved_len(len);
        let port = self
            .free_in(start + reserved, len - reserved, random, &is_taken)
            .or_else(|| self.free_in(start, reserved, random, &is_taken))
            .ok_or(PortError::Full)?;
        self.taken.insert(port);
        Ok(port)
    }

    pub fn free(&mut self, port: u16) {
        self.taken.remove(&port);
    }

    fn free_in(&self, start: u64, len: u64, random: u64, is_taken: &impl Fn(u16) -> bool) -> Option<u16> {
        let first = random.checked_rem(len)?;
        let ports = (0..len).map(|step| start + (first + step) % len);
        ports
            .filter_map(|port| u16::try_from(port).ok())
            .find(|port| !self.taken.contains(port) && !is_taken(*port))
    }
}

/// The number of lowest ports that automatic picks avoid: a thirty-second of the range, at least 16, at most 128.
fn reserved_len(len: u64) -> u64 {
    let reserved = (len / 32).clamp(16, 128);
    if reserved >= len { 0 } else { reserved }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_port_is_given_once() {
        let mut pool = PortPool::new(RANGE);
        assert_eq!(pool.take(30041), Ok(()));
        assert_eq!(pool.take(30041), Err(PortError::Taken));
        assert_eq!(pool.take(20000), Err(PortError::OutOfRange(RANGE)));
        assert_eq!(
            PortError::OutOfRange(RANGE).to_string(),
            "provided port is not in the valid range. The range of valid ports is 30000-32767"
        );
    }

    #[test]
    fn free_picks_end_when_the_range_is_full() {
        let mut pool = PortPool::new(30000..=30031);
        assert_eq!(PortPool::new(30000..=30031).take_next(0, |port| port != 30004), Ok(30004));
        let picks: Vec<u16> = (0..32).map(|random| pool.take_next(random, |_| false).unwrap()).collect();
        assert!(picks.iter().take(16).all(|port| *port >= 30016), "{picks:?}");
        assert_eq!(pool.take_next(5, |_| false), Err(PortError::Full));
    }
}
