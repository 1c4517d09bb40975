//! PEM blocks, found as Go's encoding/pem finds them, so that server and signer see the same blocks.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const END_OF_LINE: &[u8] = b"-----";

/// Padding is there; bits after the last byte are not looked at.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// One block: its type, whether it has headers, its content.
#[derive(Debug, PartialEq, Eq)]
pub struct PemBlock {
    pub kind: Vec<u8>,
    pub has_headers: bool,
    pub bytes: Vec<u8>,
}

/// The first block of a text, and the rest.
///
/// A block begins at the last `BEGIN` line before an `END` line. A broken one is skipped:
///
/// ```text
/// -----BEGIN A-----        no block: another one begins before it ends
/// -----BEGIN B-----        the block
/// AAAA
/// -----END B-----
/// ```
pub fn decode(text: &[u8]) -> Option<(PemBlock, &[u8])> {
    let mut rest = text;
    loop {
        let end = find(rest, END)?;
        let after_end = rest.get(end + END.len()..)?;
        let begin = begin(rest.get(..end)?).map(|begin| begin + BEGIN.len());
        let outcome = match begin.and_then(|begin| Some((rest.get(begin..)?, end.checked_sub(begin)?))) {
            Some((block_text, end)) => block(block_text, end),
            None => PemOutcome::Broken,
        };
        match outcome {
            PemOutcome::Block(block, rest) => return Some((block, rest)),
            PemOutcome::Broken => rest = after_end,
            PemOutcome::Ended => return None,
        }
    }
}

/// The start of the last line that begins a block.
fn begin(before_end: &[u8]) -> Option<usize> {
    let at = before_end.windows(BEGIN.len()).rposition(|window| window == BEGIN)?;
    let is_at_line_start = at == 0 || before_end.get(at - 1) == Some(&b'\n');
    is_at_line_start.then_some(at)
}

enum PemOutcome<'a> {
    Block(PemBlock, &'a [u8]),
    Broken,
    /// The text ends among the headers.
    Ended,
}

/// A block from its type on; the line that ends it begins after `end`, the first one there is.
fn block(text: &[u8], end: usize) -> PemOutcome<'_> {
    let (type_line, mut rest) = line(text);
    let Some(kind) = type_line.strip_suffix(END_OF_LINE) else { return PemOutcome::Broken };
    let mut has_headers = false;
    loop {
        if rest.is_empty() {
            return PemOutcome::Ended;
        }
        let (header, next) = line(rest);
        if !header.contains(&b':') {
            break;
        }
        has_headers = true;
        rest = next;
    }
    let start = text.len() - rest.len();
    // A line that ends blocks was taken for a header.
    if has_headers && start > end {
        return if start > end + END.len() { PemOutcome::Ended } else { PemOutcome::Broken };
    }
    // Nothing is between the two lines when there is but one line's end.
    let content = text.get(start..end).unwrap_or_default();
    let after = text.get(end + END.len()..).and_then(|after| after.strip_prefix(kind));
    let Some(after) = after.and_then(|after| after.strip_prefix(END_OF_LINE)) else {
        return PemOutcome::Broken;
    };
    let (same_line, rest) = line(after);
    if !same_line.is_empty() {
        return PemOutcome::Broken;
    }
    let letters: Vec<u8> =
        content.iter().copied().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).collect();
    match BASE64.decode(letters) {
        Ok(bytes) => PemOutcome::Block(PemBlock { kind: kind.to_vec(), has_headers, bytes }, rest),
        Err(_) => PemOutcome::Broken,
    }
}

/// The first line without its end and the blanks before it, and the rest.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let (first, rest) = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (text[..end].strip_suffix(b"\r").unwrap_or(&text[..end]), &text[end + 1..]),
        None => (text, &text[text.len()..]),
    };
    let len = first.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    (&first[..len], rest)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types of the blocks, with `+` for headers, and how many bytes they hold.
    fn read(mut text: &[u8]) -> String {
        let mut found = Vec::new();
        while let Some((block, rest)) = decode(text) {
            let mark = if block.has_headers { "+" } else { "" };
            found.push(format!("{}{mark}:{}", String::from_utf8_lossy(&block.kind), block.bytes.len()));
            text = rest;
        }
        found.join(" ")
    }

    #[test]
    fn blocks_are_found_as_go_finds_them() {
        let check = |text: &str, expected: &str| assert_eq!(read(text.as_bytes()), expected, "{text:?}");
        check("-----BEGIN A-----\nAAAA\n-----END A-----", "A:3");
        check("-----BEGIN A-----\r\nAA AA\r\n-----END A-----  \r\n", "A:3");
        check("junk\n-----BEGIN A-----\nAAAA\n-----END A-----\nmore", "A:3");
        check("junk -----BEGIN A-----\nAAAA\n-----END A-----\n", "");
        check("-----BEGIN A-----\n-----BEGIN B-----\nAAAA\n-----END B-----\n", "B:3");
        check("-----BEGIN A-----\nAAAA\n-----END B-----\n-----BEGIN C-----\nAA==\n-----END C-----\n", "C:1");
        check("-----BEGIN A-----\nK: v\nL:w\n\nAAAA\n-----END A-----\n", "A+:3");
        check("-----BEGIN A-----\n-----END A-----\n", "A:0");
        check("-----BEGIN A-----\nA*AA\n-----END A-----\n", "");
        check("-----BEGIN A-----\nAA\n-----END A-----\n", "");
        check("-----BEGIN A-----\nAAAA-----END A-----\n", "");
        check("-----BEGIN A-----\nAAAA\n-----END A-----\r", "");
        check("-----BEGIN A-----\nK: v\n-----END A: -----\nAAAA\n-----END A-----\n", "");
        check("-----BEGIN A-----\nK: v\n-----END A-----\n", "");
        check("-----BEGIN A-----\nAAAA\n-----END A-----x\n", "");
        check("-----BEGIN A----\nAAAA\n-----END A-----\n", "");
        check("", "");
    }
}
