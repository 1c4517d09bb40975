//! Headers of streams: names and values with their lengths, packed by zlib with a dictionary that both sides know.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io::{Error, ErrorKind, Result};

/// The most that the headers of one frame may hold when they are unpacked.
const BLOCK_BYTES_MAX: usize = 64 << 10;

/// Words of the dictionary, each with its length before it.
const WORDS: [&str; 64] = [
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
];
/// The last of these, after which the dictionary has no lengths.
const LAST_WORD: &str = "origin";
const REST: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug \
Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,\
application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8\
charset=iso-8859-1,utf-,*,enq=0.";

fn dictionary() -> Vec<u8> {
    let mut out = Vec::with_capacity(1423);
    for word in WORDS.iter().chain([&LAST_WORD]) {
        put(&mut out, word);
    }
    out.extend_from_slice(REST.as_bytes());
    out
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidData, format!("headers of a stream: {why}"))
}

/// Packs the headers of one side of a connection.
pub struct Compressor(Compress);

impl Compressor {
    pub fn new() -> Result<Compressor> {
        let mut compress = Compress::new(Compression::default(), true);
        compress.set_dictionary(&dictionary()).map_err(bad)?;
        Ok(Compressor(compress))
    }

    pub fn pack(&mut self, headers: &[(&str, &str)]) -> Result<Vec<u8>> {
        let mut plain = Vec::new();
        plain.extend(u32::try_from(headers.len()).unwrap_or(u32::MAX).to_be_bytes());
        for (name, value) in headers {
            put(&mut plain, &name.to_ascii_lowercase());
            put(&mut plain, value);
        }
        let mut packed = Vec::with_capacity(plain.len() + 64);
        let mut used = 0;
        loop {
            let before = self.0.total_in();
            self.0.compress_vec(&plain[used..], &mut packed, FlushCompress::Sync).map_err(bad)?;
            used += usize::try_from(self.0.total_in() - before).unwrap_or_default();
            if used == plain.len() && packed.len() < packed.capacity() {
                return Ok(packed);
            }
            packed.reserve(64);
        }
    }
}

/// Unpacks the headers of the other side.
pub struct Decompressor {
    decompress: Decompress,
    has_dictionary: bool,
}

impl Default for Decompressor {
    fn default() -> Decompressor {
        Decompressor { decompress: Decompress::new(true), has_dictionary: false }
    }
}

impl Decompressor {
    /// Names in lower case, and values.
    pub fn unpack(&mut self, packed: &[u8]) -> Result<Vec<(String, String)>> {
        let mut plain = Vec::with_capacity(1 << 10);
        let mut used = 0;
        loop {
            let (before, len) = (self.decompress.total_in(), plain.len());
            let step = self.decompress.decompress_vec(&packed[used..], &mut plain, FlushDecompress::Sync);
            used += usize::try_from(self.decompress.total_in() - before).unwrap_or_default();
            match step {
                Err(error) if error.needs_dictionary().is_some() && !self.has_dictionary => {
                    self.decompress.set_dictionary(&dictionary()).map_err(bad)?;
                    self.has_dictionary = true;
                    continue;
                }
                Err(error) => return Err(bad(error)),
                Ok(Status::StreamEnd) => break,
                Ok(_) => {}
            }
            if plain.len() > BLOCK_BYTES_MAX {
                return Err(bad("they are too large"));
            }
            if plain.len() == plain.capacity() {
                plain.reserve(plain.len());
            } else if used == packed.len() || plain.len() == len {
                break;
            }
        }
        parse(&plain)
    }
}

fn parse(plain: &[u8]) -> Result<Vec<(String, String)>> {
    let mut rest = plain;
    let count = number(&mut rest)?;
    let mut headers = Vec::new();
    for _ in 0..count {
        let name = text(&mut rest)?;
        headers.push((name, text(&mut rest)?));
    }
    Ok(headers)
}

fn number(rest: &mut &[u8]) -> Result<usize> {
    let (bytes, after) = rest.split_first_chunk::<4>().ok_or_else(|| bad("they are cut"))?;
    *rest = after;
    usize::try_from(u32::from_be_bytes(*bytes)).map_err(bad)
}

fn text(rest: &mut &[u8]) -> Result<String> {
    let len = number(rest)?;
    let (bytes, after) = rest.split_at_checked(len).ok_or_else(|| bad("they are cut"))?;
    *rest = after;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_has_its_length() {
        assert_eq!(dictionary().len(), 1423);
    }

    #[test]
    fn headers_are_packed_one_after_the_other() {
        let (mut pack, mut unpack) = (Compressor::new().unwrap(), Decompressor::default());
        let long = "x".repeat(5000);
        for headers in [vec![("streamType", "error")], vec![], vec![("streamtype", "stdin"), ("a", &long)]] {
            let packed = pack.pack(&headers).unwrap();
            let expected: Vec<(String, String)> =
                headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_string())).collect();
            assert_eq!(unpack.unpack(&packed).unwrap(), expected);
        }
        assert!(Decompressor::default().unpack(b"nonsense").is_err());
    }

    #[test]
    fn headers_that_unpack_to_too_much_are_refused() {
        let huge = "y".repeat(BLOCK_BYTES_MAX * 2);
        let packed = Compressor::new().unwrap().pack(&[("a", &huge)]).unwrap();
        assert!(packed.len() < 2000);
        assert!(Decompressor::default().unpack(&packed).is_err());
    }
}
