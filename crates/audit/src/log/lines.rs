//! `LineBuffer`: lines one after the other in memory, as they are in the log.

use std::ops::Range;

/// The number of a line that could not be written, and the reason.
pub type Failure = (usize, String);

/// Whole lines, each with its end, in one buffer.
#[derive(Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// The end of each line in `bytes`.
    ends: Vec<usize>,
}

impl LineBuffer {
    pub fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All lines.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One line; none is empty.
    pub fn get(&self, line: usize) -> &[u8] {
        self.range(line..line + 1)
    }

    /// Some lines, in one piece.
    pub fn range(&self, lines: Range<usize>) -> &[u8] {
        self.bytes.get(self.begin(lines.start)..self.begin(lines.end)).unwrap_or_default()
    }

    /// The lines of a range that are whole in its first `len` bytes: their number and their bytes.
    pub fn whole(&self, lines: Range<usize>, len: usize) -> (usize, usize) {
        let begin = self.begin(lines.start);
        let ends = self.ends.get(lines).unwrap_or_default();
        let count = ends.partition_point(|end| end - begin <= len);
        (count, count.checked_sub(1).and_then(|last| ends.get(last)).map_or(0, |end| end - begin))
    }

    /// Removes all lines, and the room for them where it is for more than `max` bytes.
    pub fn clear(&mut self, max: usize) {
        if self.bytes.capacity() > max {
            *self = LineBuffer::default();
        }
        self.bytes.clear();
        self.ends.clear();
    }

    fn begin(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_number_and_by_bytes() {
        let mut lines = LineBuffer::default();
        ["one\n", "three\n", "4\n"].iter().for_each(|line| lines.push(line.as_bytes()));
        assert_eq!((lines.len(), lines.get(1), lines.range(1..3)), (3, &b"three\n"[..], &b"three\n4\n"[..]));
        assert_eq!(lines.range(3..3), b"");
        let expected = [(0, (0, 0)), (5, (0, 0)), (6, (1, 6)), (7, (1, 6)), (8, (2, 8)), (9, (2, 8))];
        for (len, whole) in expected {
            assert_eq!(lines.whole(1..3, len), whole, "{len} bytes");
        }
        lines.clear(1 << 10);
        assert!(lines.is_empty() && lines.bytes().is_empty());
        lines.push(b"again\n");
        assert_eq!(lines.get(0), b"again\n");
    }
}
