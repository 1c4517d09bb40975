//! Shuffle sharding: which few queues of many a flow may use (upstream's `util/shufflesharding`).

use sha2::{Digest, Sha256};

/// Bits of a flow's hash that hands may need: with more, the last card would be dealt unevenly.
const HASH_BITS_MAX: f64 = 60.0;
/// The most cards in a hand: those of the smallest deck that uses up all bits.
pub const HAND_SIZE_MAX: usize = 15;
/// The most cards in a deck.
const DECK_SIZE_MAX: u32 = 1 << 26;

/// Deals hands of a fixed size from decks of a fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dealer {
    deck_size: u32,
    hand_size: u32,
}

/// A dealt hand; the first cards count.
pub type Hand = [u32; HAND_SIZE_MAX];

impl Dealer {
    /// A dealer; none when the sizes do not go together.
    pub fn new(deck_size: u32, hand_size: u32) -> Option<Dealer> {
        let fits = (1..=DECK_SIZE_MAX).contains(&deck_size)
            && (1..=deck_size).contains(&hand_size)
            && hand_size as usize <= HAND_SIZE_MAX
            && (f64::from(deck_size).log2() * f64::from(hand_size)).ceil() <= HASH_BITS_MAX;
        fits.then_some(Dealer { deck_size, hand_size })
    }

    pub fn hand_size(self) -> usize {
        self.hand_size as usize
    }

    /// The hand of a hash: distinct cards below the size of the deck.
    ///
    /// The hash is read as a number whose digits have the bases 8, 7, 6 for a deck of eight and a hand of three. Each
    /// digit is a place among the cards that are left, which makes it a card when those dealt before are counted in:
    ///
    /// ```text
    /// digits 2, 2, 5    cards 2, 3, 7
    /// ```
    pub fn deal(self, hash: u64) -> Hand {
        let mut digits: Hand = [0; HAND_SIZE_MAX];
        let mut rest = hash;
        for (base, digit) in
            (0..self.hand_size).map(|dealt| u64::from(self.deck_size - dealt)).zip(&mut digits)
        {
            *digit = u32::try_from(rest % base).unwrap_or(0);
            rest /= base;
        }
        let mut hand: Hand = [0; HAND_SIZE_MAX];
        for (dealt, card) in hand.iter_mut().enumerate().take(self.hand_size()) {
            let earlier = digits.iter().take(dealt).rev();
            let place = digits.get(dealt).copied().unwrap_or(0);
            *card = earlier.fold(place, |card, digit| card + u32::from(card >= *digit));
        }
        hand
    }
}

/// The hash of a flow: of its schema's name and its distinguisher.
pub fn flow_hash(schema: &str, distinguisher: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(schema.as_bytes());
    hash.update([0]);
    hash.update(distinguisher.as_bytes());
    let sum = hash.finalize();
    sum.iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain way to deal: each digit takes a card out of a deck that is written down.
    fn dealt_from_a_deck(deck_size: u32, hand_size: u32, hash: u64) -> Vec<u32> {
        let mut deck: Vec<u32> = (0..deck_size).collect();
        let mut rest = hash;
        let mut deal = || {
            let base = deck.len() as u64;
            let card = deck.remove((rest % base) as usize);
            rest /= base;
            card
        };
        (0..hand_size).map(|_| deal()).collect()
    }

    #[test]
    fn sizes_that_need_too_many_bits_are_refused() {
        let fits = |deck, hand| Dealer::new(deck, hand).is_some();
        assert!(fits(1, 1) && fits(128, 6) && fits(64, 10) && fits(16, 15) && fits(1 << 26, 2));
        assert!(!fits(0, 0) && !fits(4, 0) && !fits(4, 5) && !fits(64, 11) && !fits((1 << 26) + 1, 1));
    }

    #[test]
    fn hashes_are_those_of_upstream() {
        // printf 'a\0b' | sha256sum, its first eight bytes read from the last to the first.
        assert_eq!(flow_hash("a", "b"), 0xd3b1_bc1b_ae71_b259);
    }

    proptest! {
        #[test]
        fn hands_are_dealt_as_from_a_deck(deck_size in 1_u32..300, hand_size in 1_u32..16, hash: u64) {
            if let Some(dealer) = Dealer::new(deck_size, hand_size) {
                let hand = dealer.deal(hash);
                let expected = dealt_from_a_deck(deck_size, hand_size, hash);
                prop_assert_eq!(&hand[..dealer.hand_size()], expected.as_slice());
            }
        }
    }
}
