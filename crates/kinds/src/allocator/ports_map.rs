//! The map of node ports that are handed out, as all API servers on one store share it: upstream's RangeAllocation.

use std::ops::RangeInclusive;

/// One bit a port. The bytes of a stored map are a number, the greatest digit first; its lowest bit is the first port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMap {
    range: RangeInclusive<u16>,
    /// The lowest first.
    bits: Vec<u8>,
}

impl PortMap {
    pub fn new(range: RangeInclusive<u16>) -> PortMap {
        let bits = vec![0; range.len().div_ceil(8)];
        PortMap { range, bits }
    }

    /// Copies the ports of this range from a stored map of the range `stored`.
    pub fn read(&mut self, stored: &str, bytes: &[u8]) {
        let start = stored.split_once('-').and_then(|(start, _)| start.parse::<u16>().ok());
        let start = start.unwrap_or(*self.range.start());
        for (place, byte) in bytes.iter().rev().enumerate() {
            for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                let port = usize::from(start) + place * 8 + bit;
                self.set(u16::try_from(port).unwrap_or(0), true);
            }
        }
    }

    /// The number of ports.
    pub fn size(&self) -> usize {
        self.range.len()
    }

    /// `30000-32767`
    pub fn range(&self) -> String {
        format!("{}-{}", self.range.start(), self.range.end())
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.bits.iter().rev().copied().collect();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.drain(..zeros);
        bytes
    }

    pub fn is_taken(&self, port: u16) -> bool {
        let place = self.place(port);
        place.and_then(|place| self.bits.get(place / 8).map(|byte| byte >> (place % 8) & 1 == 1))
            == Some(true)
    }

    /// Marks a port; ports outside the range are ignored.
    pub fn set(&mut self, port: u16, is_taken: bool) {
        let Some(place) = self.place(port) else { return };
        let Some(byte) = self.bits.get_mut(place / 8) else { return };
        let bit = 1 << (place % 8);
        *byte = if is_taken { *byte | bit } else { *byte & !bit };
    }

    pub fn contains(&self, port: u16) -> bool {
        self.range.contains(&port)
    }

    /// All that are taken.
    pub fn taken(&self) -> impl Iterator<Item = u16> {
        self.range.clone().filter(|port| self.is_taken(*port))
    }

    fn place(&self, port: u16) -> Option<usize> {
        self.range.contains(&port).then(|| usize::from(port - self.range.start()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_a_number_whose_lowest_bit_is_the_first_port() {
        for (ports, bytes) in [
            (&[][..], &[][..]),
            (&[30000], &[1]),
            (&[30007], &[0x80]),
            (&[30008], &[1, 0]),
            (&[30000, 30001, 30017], &[2, 0, 3]),
            (&[29999, 32768, 30002], &[4]),
        ] {
            let mut map = PortMap::new(30000..=32767);
            ports.iter().for_each(|port| map.set(*port, true));
            assert_eq!(map.to_bytes(), bytes);
            let mut again = PortMap::new(30000..=32767);
            again.read("30000-32767", bytes);
            assert_eq!(again, map);
        }
    }

    #[test]
    fn ports_keep_their_numbers_when_the_range_changes() {
        let mut old = PortMap::new(30000..=32767);
        [30000, 30100, 32767].iter().for_each(|port| old.set(*port, true));
        let mut new = PortMap::new(30050..=31000);
        new.read(&old.range(), &old.to_bytes());
        assert_eq!(new.taken().collect::<Vec<_>>(), [30100]);
        assert!(new.is_taken(30100) && !new.is_taken(30000) && new.contains(30050));
        new.set(30100, false);
        assert_eq!(new.to_bytes(), [0u8; 0]);
    }
}
