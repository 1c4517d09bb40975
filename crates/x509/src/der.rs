//! DER, read with the rules and the words of Go's encoding/asn1.

use crate::Malformed;
use std::borrow::Cow;

pub type Result<T> = std::result::Result<T, Malformed>;

pub const INTEGER: u32 = 2;
pub const BIT_STRING: u32 = 3;
pub const OCTET_STRING: u32 = 4;
pub const OBJECT_IDENTIFIER: u32 = 6;
pub const SEQUENCE: u32 = 16;
pub const SET: u32 = 17;

const UNIVERSAL: u8 = 0;
const CONTEXT_SPECIFIC: u8 = 2;
/// Lengths are read up to here, so that the next byte cannot overflow them.
const LENGTH_SHIFTED_MAX: usize = 1 << 23;
/// Bytes of seven bits each that a number within 31 bits takes.
const BASE_128_BYTES_MAX: usize = 5;

pub fn syntax(why: &str) -> Malformed {
    Malformed(Cow::Owned(format!("asn1: syntax error: {why}")))
}

pub fn structure(why: &str) -> Malformed {
    Malformed(Cow::Owned(format!("asn1: structure error: {why}")))
}

/// One element: its header, its content, and both together.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    pub class: u8,
    pub tag: u32,
    pub is_compound: bool,
    pub content: &'a [u8],
    pub full: &'a [u8],
}

impl Element<'_> {
    pub fn is_universal(&self, tag: u32) -> bool {
        self.class == UNIVERSAL && self.tag == tag
    }
}

struct Header {
    class: u8,
    tag: u32,
    is_compound: bool,
    len: usize,
    /// The offset of the content.
    offset: usize,
}

/// Elements one after the other.
#[derive(Clone, Debug)]
pub struct DerReader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> DerReader<'a> {
    pub fn new(bytes: &'a [u8]) -> DerReader<'a> {
        DerReader { bytes, offset: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.offset >= self.bytes.len()
    }

    /// The next element, of any kind.
    pub fn any(&mut self) -> Result<Element<'a>> {
        let header = self.header()?;
        self.take(&header)
    }

    /// The next element, which is of a universal type; `name` is the one that Go's error shows.
    pub fn expect(&mut self, tag: u32, name: &str) -> Result<Element<'a>> {
        self.expect_of(UNIVERSAL, tag, matches!(tag, SEQUENCE | SET), name)
    }

    /// The next element, compound and tagged by its place.
    pub fn expect_tagged(&mut self, tag: u32) -> Result<Element<'a>> {
        self.expect_of(CONTEXT_SPECIFIC, tag, true, "")
    }

    fn expect_of(&mut self, class: u8, tag: u32, is_compound: bool, name: &str) -> Result<Element<'a>> {
        let header = self.header()?;
        if (header.class, header.tag, header.is_compound) != (class, tag, is_compound) {
            let Header { class, tag: found, is_compound, len, offset } = header;
            return Err(structure(&format!(
                "tags don't match ({tag} vs {{class:{class} tag:{found} length:{len} isCompound:{is_compound}}}) \
                 {{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> \
                 stringType:0 timeType:0 set:false omitEmpty:false}} {name} @{offset}"
            )));
        }
        self.take(&header)
    }

    fn header(&self) -> Result<Header> {
        if self.is_empty() {
            return Err(syntax("sequence truncated"));
        }
        header(self.bytes, self.offset)
    }

    fn take(&mut self, header: &Header) -> Result<Element<'a>> {
        let end = header.offset + header.len;
        let (Some(content), Some(full)) =
            (self.bytes.get(header.offset..end), self.bytes.get(self.offset..end))
        else {
            return Err(syntax("data truncated"));
        };
        self.offset = end;
        Ok(Element { class: header.class, tag: header.tag, is_compound: header.is_compound, content, full })
    }
}

/// The elements of a sequence or set; with a tag, all are of that universal, compound type.
pub fn elements(content: &[u8], tag: Option<u32>) -> Result<Vec<Element<'_>>> {
    let mut found = Vec::new();
    let mut offset = 0;
    while offset < content.len() {
        let header = header(content, offset)?;
        if tag.is_some_and(|tag| header.class != UNIVERSAL || header.tag != tag || !header.is_compound) {
            return Err(structure("sequence tag mismatch"));
        }
        let end = header.offset + header.len;
        let (Some(inner), Some(full)) = (content.get(header.offset..end), content.get(offset..end)) else {
            return Err(syntax("truncated sequence"));
        };
        let Header { class, tag, is_compound, .. } = header;
        found.push(Element { class, tag, is_compound, content: inner, full });
        offset = end;
    }
    Ok(found)
}

fn header(bytes: &[u8], start: usize) -> Result<Header> {
    let truncated = || syntax("truncated tag or length");
    let first = *bytes.get(start).ok_or_else(truncated)?;
    let mut offset = start + 1;
    let mut tag = u32::from(first & 0x1f);
    if tag == 0x1f {
        (tag, offset) = base_128(bytes, offset)?;
        if tag < 0x1f {
            return Err(syntax("non-minimal tag"));
        }
    }
    let (len, offset) = length(bytes, offset)?;
    Ok(Header { class: first >> 6, tag, is_compound: first & 0x20 != 0, len, offset })
}

/// A length, and where the content begins.
fn length(bytes: &[u8], start: usize) -> Result<(usize, usize)> {
    let truncated = || syntax("truncated tag or length");
    let first = *bytes.get(start).ok_or_else(truncated)?;
    if first & 0x80 == 0 {
        return Ok((usize::from(first), start + 1));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 {
        return Err(syntax("indefinite length found (not DER)"));
    }
    let mut len = 0_usize;
    for place in start + 1..=start + count {
        let byte = *bytes.get(place).ok_or_else(truncated)?;
        if len >= LENGTH_SHIFTED_MAX {
            return Err(structure("length too large"));
        }
        len = len << 8 | usize::from(byte);
        if len == 0 {
            return Err(structure("superfluous leading zeros in length"));
        }
    }
    if len < 0x80 {
        return Err(structure("non-minimal length"));
    }
    Ok((len, start + 1 + count))
}

fn base_128(bytes: &[u8], start: usize) -> Result<(u32, usize)> {
    let mut value = 0_u64;
    for (count, offset) in (start..bytes.len()).enumerate() {
        let Some(byte) = bytes.get(offset).copied() else { break };
        if count == BASE_128_BYTES_MAX {
            return Err(structure("base 128 integer too large"));
        }
        if count == 0 && byte == 0x80 {
            return Err(syntax("integer is not minimally encoded"));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            let fits = i32::try_from(value).ok().and_then(|value| u32::try_from(value).ok());
            return Ok((fits.ok_or_else(|| structure("base 128 integer too large"))?, offset + 1));
        }
    }
    Err(syntax("truncated base 128 integer"))
}

/// Checks the content of an OBJECT IDENTIFIER; equal identifiers then have equal bytes.
pub fn check_identifier(content: &[u8]) -> Result<()> {
    if content.is_empty() {
        return Err(syntax("zero length OBJECT IDENTIFIER"));
    }
    let mut offset = 0;
    while offset < content.len() {
        (_, offset) = base_128(content, offset)?;
    }
    Ok(())
}

/// The content of an OBJECT IDENTIFIER.
pub fn identifier<'a>(reader: &mut DerReader<'a>) -> Result<&'a [u8]> {
    let element = reader.expect(OBJECT_IDENTIFIER, "ObjectIdentifier")?;
    check_identifier(element.content)?;
    Ok(element.content)
}

pub fn check_integer(content: &[u8]) -> Result<()> {
    match content {
        [] => Err(structure("empty integer")),
        [0, next, ..] if next & 0x80 == 0 => Err(structure("integer not minimally-encoded")),
        [0xff, next, ..] if next & 0x80 != 0 => Err(structure("integer not minimally-encoded")),
        _ => Ok(()),
    }
}

/// Checks an integer that Go reads into 64 bits.
pub fn check_int64(content: &[u8]) -> Result<()> {
    check_integer(content)?;
    if content.len() > 8 { Err(structure("integer too large")) } else { Ok(()) }
}

/// The bytes of a BIT STRING, moved so that the last bit is the last of a byte.
pub fn right_aligned(content: &[u8]) -> Result<Vec<u8>> {
    let Some((padding, bytes)) = content.split_first() else {
        return Err(syntax("zero length BIT STRING"));
    };
    let last = bytes.last().copied().unwrap_or(0);
    let is_wrong =
        *padding > 7 || (bytes.is_empty() && *padding > 0) || last & ((1 << (padding & 7)) - 1) != 0;
    if is_wrong {
        return Err(syntax("invalid padding bits in BIT STRING"));
    }
    if *padding == 0 {
        return Ok(bytes.to_vec());
    }
    let carried = |index: usize| match index.checked_sub(1).and_then(|before| bytes.get(before)) {
        Some(before) => before << (8 - padding),
        None => 0,
    };
    Ok(bytes.iter().enumerate().map(|(index, byte)| byte >> padding | carried(index)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_minimal_and_whole() {
        let check = |bytes: &[u8], expected: std::result::Result<usize, &str>| {
            let found = DerReader::new(bytes).any().map(|element| element.content.len());
            assert_eq!(found.map_err(|why| why.to_string()), expected.map_err(String::from), "{bytes:02x?}");
        };
        check(&[4, 1, 9], Ok(1));
        check(&[], Err("asn1: syntax error: sequence truncated"));
        check(&[4], Err("asn1: syntax error: truncated tag or length"));
        check(&[4, 2, 9], Err("asn1: syntax error: data truncated"));
        check(&[4, 0x80, 0, 0], Err("asn1: syntax error: indefinite length found (not DER)"));
        check(&[4, 0x81, 1, 9], Err("asn1: structure error: non-minimal length"));
        check(&[4, 0x82, 0, 1, 9], Err("asn1: structure error: superfluous leading zeros in length"));
        check(&[4, 0x84, 0xff, 0xff, 0xff, 0xff], Err("asn1: structure error: length too large"));
        check(&[0x1f, 0x1e, 0], Err("asn1: syntax error: non-minimal tag"));
        check(&[0x1f, 0x80, 1, 0], Err("asn1: syntax error: integer is not minimally encoded"));
    }

    #[test]
    fn bits_are_aligned_to_the_right() {
        assert_eq!(right_aligned(&[0, 0xab]), Ok(vec![0xab]));
        assert_eq!(right_aligned(&[4, 0xab, 0xc0]), Ok(vec![0x0a, 0xbc]));
        for bad in [&[][..], &[8, 1], &[1], &[1, 1]] {
            assert!(right_aligned(bad).is_err(), "{bad:?}");
        }
    }
}
