//! Names and uids that the server makes up.

use std::sync::Mutex;

/// The letters of generated names: no vowels and no look-alikes, so that no words arise.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LEN: usize = 5;
/// A generated name may be this long at most; its base is cut.
const NAME_MAX: usize = 63;
/// Random bytes are fetched from the system in blocks: one call serves many objects.
const BLOCK_LEN: usize = 1024;

/// A source of random names and uids; made from the system's randomness, or from a seed in tests.
pub struct Generator {
    block: Mutex<Block>,
}

struct Block {
    bytes: [u8; BLOCK_LEN],
    used: usize,
    fill: fn(&mut [u8]),
}

impl Generator {
    pub fn system() -> Generator {
        Generator::new(|bytes| getrandom::fill(bytes).expect("the system has randomness"))
    }

    fn new(fill: fn(&mut [u8])) -> Generator {
        Generator { block: Mutex::new(Block { bytes: [0; BLOCK_LEN], used: BLOCK_LEN, fill }) }
    }

    /// `base` with five random characters.
    pub fn name(&self, base: &str) -> String {
        let base_max = NAME_MAX - SUFFIX_LEN;
        let end = (0..=base.len().min(base_max)).rev().find(|end| base.is_char_boundary(*end)).unwrap_or(0);
        let mut name = String::with_capacity(end + SUFFIX_LEN);
        name.push_str(&base[..end]);
        while name.len() < end + SUFFIX_LEN {
            let [byte] = self.take();
            // Bytes past the last whole multiple are thrown away, so that every letter is equally likely.
            if usize::from(byte) < 256 / ALPHABET.len() * ALPHABET.len() {
                let letter = ALPHABET.get(usize::from(byte) % ALPHABET.len());
                name.push(char::from(*letter.expect("a remainder is below the length")));
            }
        }
        name
    }

    /// A random (version 4) UUID.
    pub fn uid(&self) -> String {
        let bytes: [u8; 16] = self.take();
        let bits = u128::from_be_bytes(bytes);
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        let mut uid = String::with_capacity(36);
        for (place, byte) in bits.to_be_bytes().into_iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                uid.push('-');
            }
            for digit in [byte >> 4, byte & 0xf] {
                uid.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
            }
        }
        uid
    }

    /// Any number.
    pub fn number(&self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn take<const N: usize>(&self) -> [u8; N] {
        let mut block = self.block.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if block.used + N > BLOCK_LEN {
            let fill = block.fill;
            fill(&mut block.bytes);
            block.used = 0;
        }
        let start = block.used;
        block.used += N;
        let bytes = block.bytes.get(start..start + N).expect("the block was just filled");
        bytes.try_into().expect("the range has N bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_five_letters_more() {
        let generator = Generator::new(|bytes| bytes.iter_mut().enumerate().for_each(|(i, b)| *b = i as u8));
        assert_eq!(generator.name("pod-"), "pod-bcdfg");
        let long = generator.name(&"x".repeat(80));
        assert_eq!(long.len(), 63);
        assert_ne!(generator.name("a"), generator.name("a"));
    }

    #[test]
    fn uids_are_version_four() {
        let generator = Generator::new(|bytes| bytes.fill(0xff));
        assert_eq!(generator.uid(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let generator = Generator::new(|bytes| bytes.iter_mut().enumerate().for_each(|(i, b)| *b = i as u8));
        assert_eq!(generator.uid(), "00010203-0405-4607-8809-0a0b0c0d0e0f");
    }
}
