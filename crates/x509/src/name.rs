//! The subject of a certificate or a request: the attributes that become a user and groups.

use crate::der::{self, DerReader, Element, OBJECT_IDENTIFIER, Result, SEQUENCE, SET, syntax};
use crate::{Malformed, malformed};

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

/// The last common name, and all organizations, in any string type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub common_name: String,
    pub organizations: Vec<String>,
}

impl Subject {
    /// From the bytes of `SEQUENCE { SET { SEQUENCE { identifier, value } ... } ... }`.
    pub fn parse(bytes: &[u8]) -> Result<Subject> {
        let mut reader = DerReader::new(bytes);
        let names = reader.expect(SEQUENCE, "RDNSequence")?;
        let mut subject = Subject::default();
        for name in der::elements(names.content, Some(SET))? {
            for attribute in der::elements(name.content, Some(SEQUENCE))? {
                subject.take(attribute.content)?;
            }
        }
        if reader.is_empty() {
            Ok(subject)
        } else {
            Err(malformed("x509: trailing data after X.509 Subject"))
        }
    }

    fn take(&mut self, attribute: &[u8]) -> Result<()> {
        let mut reader = DerReader::new(attribute);
        let identifier = der::identifier(&mut reader)?;
        let Some(text) = text(&reader.any()?)? else { return Ok(()) };
        match identifier {
            COMMON_NAME => self.common_name = text,
            ORGANIZATION => self.organizations.push(text),
            _ => {}
        }
        Ok(())
    }
}

/// The text of a value; none when it is well-formed and no text.
fn text(value: &Element<'_>) -> Result<Option<String>> {
    const BOOLEAN: u32 = 1;
    const UTF8: u32 = 12;
    const NUMERIC: u32 = 18;
    const PRINTABLE: u32 = 19;
    const T61: u32 = 20;
    const IA5: u32 = 22;
    const BMP: u32 = 30;
    if value.is_compound || value.class != 0 {
        return Ok(None);
    }
    let bytes = value.content;
    let latin = || bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    let only = |is_good: fn(u8) -> bool, name: &str| {
        let is_wrong = !bytes.iter().copied().all(is_good);
        if is_wrong { Err(syntax(&format!("{name} contains invalid character"))) } else { Ok(Some(latin())) }
    };
    match value.tag {
        UTF8 => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.into())),
            Err(_) => Err(malformed("asn1: invalid UTF-8 string")),
        },
        NUMERIC => only(|byte| byte.is_ascii_digit() || byte == b' ', "NumericString"),
        PRINTABLE => only(is_printable, "PrintableString"),
        IA5 => only(|byte| byte.is_ascii(), "IA5String"),
        T61 => Ok(Some(latin())),
        BMP => bmp(bytes).map(Some),
        BOOLEAN if !matches!(bytes, [0 | 0xff]) => Err(syntax("invalid boolean")),
        der::INTEGER => der::check_int64(bytes).map(|()| None),
        der::BIT_STRING => der::right_aligned(bytes).map(|_| None),
        OBJECT_IDENTIFIER => der::check_identifier(bytes).map(|()| None),
        _ => Ok(None),
    }
}

/// `*` and `&` are no printable characters of the standard, but common.
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'() +,-./:=?*&".contains(&byte)
}

/// Two bytes a character, none of them a surrogate or set aside; one NUL at the end is not part of it.
fn bmp(bytes: &[u8]) -> std::result::Result<String, Malformed> {
    let invalid = || malformed("invalid BMPString");
    if !bytes.len().is_multiple_of(2) {
        return Err(invalid());
    }
    let bytes = bytes.strip_suffix(&[0, 0]).unwrap_or(bytes);
    let pairs =
        bytes.chunks_exact(2).map(|pair| pair.iter().fold(0, |point, byte| point << 8 | u32::from(*byte)));
    let good = |point: u32| match point {
        0xfffe | 0xffff | 0xfdd0..=0xfdef => None,
        _ => char::from_u32(point),
    };
    pairs.map(good).collect::<Option<String>>().ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn organization(tag: u8, text: &[u8]) -> Vec<u8> {
        wrap(0x31, &wrap(0x30, &[wrap(0x06, ORGANIZATION), wrap(tag, text)].concat()))
    }

    #[test]
    fn every_string_type_is_read() {
        let check = |tag: u8, text: &[u8], expected: std::result::Result<&str, &str>| {
            let found = Subject::parse(&wrap(0x30, &organization(tag, text)));
            let found = found.map(|subject| subject.organizations.concat()).map_err(|why| why.to_string());
            assert_eq!(found, expected.map(String::from).map_err(String::from), "{tag}");
        };
        check(12, b"dev", Ok("dev"));
        check(12, &[0xff], Err("asn1: invalid UTF-8 string"));
        check(18, b"12 3", Ok("12 3"));
        check(18, b"a", Err("asn1: syntax error: NumericString contains invalid character"));
        check(19, b"dev*&", Ok("dev*&"));
        check(19, b"d_v", Err("asn1: syntax error: PrintableString contains invalid character"));
        check(20, &[0xe9], Ok("\u{e9}"));
        check(22, b"dev", Ok("dev"));
        check(22, &[0xe9], Err("asn1: syntax error: IA5String contains invalid character"));
        check(30, b"\0d\0e\0v", Ok("dev"));
        check(30, b"\0d\0e\0v\0\0", Ok("dev"));
        check(30, b"\0d\0", Err("invalid BMPString"));
        check(30, &[0xd8, 0], Err("invalid BMPString"));
        check(2, &[1], Ok(""));
        check(2, &[0, 1], Err("asn1: structure error: integer not minimally-encoded"));
        check(1, &[7], Err("asn1: syntax error: invalid boolean"));
    }

    #[test]
    fn subjects_are_whole() {
        let one = organization(12, b"dev");
        let error = |bytes: &[u8]| Subject::parse(bytes).unwrap_err().to_string();
        let trailing = [wrap(0x30, &one), vec![0]].concat();
        assert_eq!(error(&trailing), "x509: trailing data after X.509 Subject");
        assert_eq!(error(&wrap(0x30, &wrap(0x30, &[]))), "asn1: structure error: sequence tag mismatch");
        assert_eq!(error(&wrap(0x30, &one[..4])), "asn1: syntax error: truncated sequence");
    }
}
