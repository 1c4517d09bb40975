//! Sets of characters: bracket expressions, and named classes.

use crate::folds::FOLDS;
use std::sync::Arc;

/// The last character there is.
pub const LAST: u32 = 0x0010_FFFF;

/// First and last character of a run.
pub type Range = (u32, u32);

/// Sorted runs, none of which touches the next.
pub type Set = Arc<[Range]>;

pub const DIGITS: &[Range] = &[(0x30, 0x39)];
pub const SPACES: &[Range] = &[(0x9, 0xa), (0xc, 0xd), (0x20, 0x20)];
pub const WORDS: &[Range] = &[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)];

/// Classes of ASCII in brackets: `[:alpha:]`.
pub const POSIX: &[(&str, &[Range])] = &[
    ("alnum", &[(0x30, 0x39), (0x41, 0x5a), (0x61, 0x7a)]),
    ("alpha", &[(0x41, 0x5a), (0x61, 0x7a)]),
    ("ascii", &[(0, 0x7f)]),
    ("blank", &[(0x9, 0x9), (0x20, 0x20)]),
    ("cntrl", &[(0, 0x1f), (0x7f, 0x7f)]),
    ("digit", DIGITS),
    ("graph", &[(0x21, 0x7e)]),
    ("lower", &[(0x61, 0x7a)]),
    ("print", &[(0x20, 0x7e)]),
    ("punct", &[(0x21, 0x2f), (0x3a, 0x40), (0x5b, 0x60), (0x7b, 0x7e)]),
    ("space", &[(0x9, 0xd), (0x20, 0x20)]),
    ("upper", &[(0x41, 0x5a)]),
    ("word", WORDS),
    ("xdigit", &[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]),
];

/// Sorts ranges and joins those that touch.
pub fn clean(ranges: &mut Vec<Range>) {
    ranges.sort_unstable();
    let mut kept: usize = 0;
    for place in 0..ranges.len() {
        let next = ranges[place];
        match kept.checked_sub(1).and_then(|last| ranges.get_mut(last)) {
            Some(last) if next.0 <= last.1.saturating_add(1) => last.1 = last.1.max(next.1),
            _ => {
                ranges[kept] = next;
                kept += 1;
            }
        }
    }
    ranges.truncate(kept);
}

/// Everything that is not in a clean set.
pub fn negated(ranges: &[Range]) -> Vec<Range> {
    let mut out = Vec::with_capacity(ranges.len() + 1);
    let mut next = 0;
    for &(low, high) in ranges {
        if low > next {
            out.push((next, low - 1));
        }
        next = high + 1;
    }
    if next <= LAST {
        out.push((next, LAST));
    }
    out
}

/// A clean set with every character that is the same but for its case.
pub fn folded(ranges: &[Range]) -> Vec<Range> {
    let mut out = ranges.to_vec();
    // Triples are two pairs in the table: adding one may bring the other.
    for _ in 0..2 {
        let before = out.clone();
        for &(first, last, step, distance) in FOLDS {
            each_common(&before, (first, last), step, |c| out.push((c + distance, c + distance)));
            let others = (first + distance, last + distance);
            each_common(&before, others, step, |c| out.push((c - distance, c - distance)));
        }
        clean(&mut out);
    }
    out
}

/// The members of a clean set in a run of every `step`th character.
fn each_common(ranges: &[Range], (first, last): Range, step: u32, mut found: impl FnMut(u32)) {
    let from = ranges.partition_point(|(_, high)| *high < first);
    for &(low, high) in ranges.get(from..).unwrap_or_default().iter().take_while(|(low, _)| *low <= last) {
        let low = first + low.saturating_sub(first).div_ceil(step) * step;
        let mut c = low;
        while c <= high.min(last) {
            found(c);
            c += step;
        }
    }
}

/// Whether a clean set has a character.
pub fn contains(ranges: &[Range], c: u32) -> bool {
    let place = ranges.partition_point(|(_, high)| *high < c);
    ranges.get(place).is_some_and(|(low, _)| *low <= c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_cleaned_negated_and_folded() {
        let mut ranges = vec![(5, 9), (1, 2), (3, 4), (20, 30), (22, 25)];
        clean(&mut ranges);
        assert_eq!(ranges, [(1, 9), (20, 30)]);
        assert_eq!(negated(&ranges), [(0, 0), (10, 19), (31, LAST)]);
        assert_eq!(negated(&[]), [(0, LAST)]);
        assert_eq!(negated(&[(0, LAST)]), []);
        assert_eq!(folded(&[(0x6b, 0x6b)]), [(0x4b, 0x4b), (0x6b, 0x6b), (0x212a, 0x212a)]);
        assert_eq!(folded(&[(0x212a, 0x212a)]), [(0x4b, 0x4b), (0x6b, 0x6b), (0x212a, 0x212a)]);
        assert_eq!(folded(&[(0x31, 0x31)]), [(0x31, 0x31)]);
        assert!(contains(&ranges, 9) && !contains(&ranges, 10));
    }
}
