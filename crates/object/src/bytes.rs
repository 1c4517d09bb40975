//! Standard base64, with Go's error.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// As Go's `StdEncoding`: padded, and lenient about the bits that the last digit leaves over.
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Decodes base64 text; line breaks are ignored, as Go ignores them.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    if let Ok(bytes) = STANDARD.decode(text) {
        return Ok(bytes);
    }
    if text.contains(['\r', '\n']) {
        let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        if let Ok(bytes) = STANDARD.decode(&joined) {
            return Ok(bytes);
        }
    }
    Err(format!("illegal base64 data at input byte {}", bad_byte(text.as_bytes())))
}

pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The place where Go's decoder stops: the first byte that fits no quantum of four.
fn bad_byte(text: &[u8]) -> usize {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let mut digits = 0;
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'\r' | b'\n' => {}
            b'=' => return padding(text, index, digits % 4),
            byte if is_digit(*byte) => digits += 1,
            _ => return index,
        }
    }
    text.len() - digits % 4
}

/// The padding itself is at fault: too early, too short, or followed by more.
fn padding(text: &[u8], index: usize, in_quantum: usize) -> usize {
    match in_quantum {
        0 | 1 => index,
        2 if text.get(index + 1) != Some(&b'=') => {
            if index + 1 == text.len() {
                text.len()
            } else {
                index + 1
            }
        }
        2 => index + 2,
        _ => index + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for text in ["", "AAE=", "YQ==", "YWJj"] {
            assert_eq!(encode(&decode(text).unwrap()), text);
        }
        assert_eq!(decode("YW\nJj").unwrap(), b"abc");
        assert_eq!(decode("YR==").unwrap(), b"a");
    }

    #[test]
    fn errors_read_as_gos() {
        for (text, at) in [("not base64!", 3), ("x", 0), ("abcde", 4), ("bogus", 4), ("10Gi!", 4)] {
            assert_eq!(
                decode(text).unwrap_err(),
                format!("illegal base64 data at input byte {at}"),
                "{text}"
            );
        }
    }
}
