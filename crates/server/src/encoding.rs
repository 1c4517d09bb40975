//! Content encodings that clients take, and gzip at the level that costs least.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Whether `Accept-Encoding` names gzip as upstream's API reads it: the plain word, without a weight.
pub fn names_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|part| part.trim() == "gzip")
}

/// Whether `Accept-Encoding` takes gzip as handlers read it that know weights: `gzip;q=0` does not.
pub fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|part| {
        let (name, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f64>().ok());
        name.trim() == "gzip" && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// The chunks as one gzip stream.
pub fn gzip(chunks: &[Bytes]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    chunks.iter().try_for_each(|chunk| encoder.write_all(chunk))?;
    encoder.finish()
}

/// Bodies from this size on are compressed, at the level that costs least: upstream's choice.
pub const GZIP_BYTES_MIN: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_read_as_upstream_reads_them() {
        for (accepted, names, takes) in [
            ("gzip", true, true),
            ("br, gzip", true, true),
            ("gzip;q=0", false, false),
            ("gzip;q=0.5", false, true),
            ("deflate, gzip;q=1.0, *;q=0.5", false, true),
            ("*", false, false),
            ("gzipped", false, false),
            ("", false, false),
        ] {
            assert_eq!((names_gzip(accepted), takes_gzip(accepted)), (names, takes), "{accepted}");
        }
    }
}
