//! Strings of the names in certificates, in all of ASN.1's types that Go reads.

use x509_parser::der_parser::asn1_rs::Tag;

/// The text of a string; an error for other types, and for content that the type does not allow.
pub fn directory_string(tag: Tag, content: &[u8]) -> Result<String, String> {
    let wrong = |kind: &str| format!("invalid {kind}");
    match tag {
        Tag::Utf8String => String::from_utf8(content.to_vec()).map_err(|_| wrong("UTF-8 string")),
        Tag::PrintableString => ascii(content, is_printable).ok_or_else(|| wrong("PrintableString")),
        Tag::Ia5String => ascii(content, |byte| byte.is_ascii()).ok_or_else(|| wrong("IA5String")),
        Tag::NumericString => {
            let is_numeric = |byte: u8| byte.is_ascii_digit() || byte == b' ';
            ascii(content, is_numeric).ok_or_else(|| wrong("NumericString"))
        }
        // Defunct, and almost the same as the first 256 characters of Unicode.
        Tag::T61String => Ok(content.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => bmp(content).ok_or_else(|| wrong("BMPString")),
        tag => Err(format!("unsupported string type: {}", tag.0)),
    }
}

fn ascii(content: &[u8], is_allowed: impl Fn(u8) -> bool) -> Option<String> {
    let fits = content.iter().all(|byte| is_allowed(*byte));
    fits.then(|| content.iter().map(|byte| char::from(*byte)).collect())
}

/// The type's own characters, and two that are in use all the same: `*` and `&`.
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(&byte)
}

/// Two bytes a character, without surrogates and noncharacters; a zero may end it.
fn bmp(content: &[u8]) -> Option<String> {
    let content = content.strip_suffix(&[0, 0]).unwrap_or(content);
    let (pairs, []) = content.as_chunks::<2>() else { return None };
    pairs
        .iter()
        .map(|pair| match u16::from_be_bytes(*pair) {
            0xfffe | 0xffff | 0xfdd0..=0xfdef => None,
            point => char::from_u32(u32::from(point)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_all_types_are_read() {
        for (tag, content, expected) in [
            (Tag::Utf8String, "jos\u{e9}".as_bytes(), Some("jos\u{e9}")),
            (Tag::Utf8String, b"\xe9", None),
            (Tag::PrintableString, b"a*b&c", Some("a*b&c")),
            (Tag::PrintableString, b"a@b", None),
            (Tag::Ia5String, b"a@b", Some("a@b")),
            (Tag::Ia5String, b"\xe9", None),
            (Tag::NumericString, b"1 2", Some("1 2")),
            (Tag::NumericString, b"1a", None),
            (Tag::T61String, b"jos\xe9", Some("jos\u{e9}")),
            (Tag::BmpString, b"\0a\0\xe9", Some("a\u{e9}")),
            (Tag::BmpString, b"\0a\0\0", Some("a")),
            (Tag::BmpString, b"\0a\0", None),
            (Tag::BmpString, b"\xd8\x00", None),
            (Tag::UniversalString, b"\0\0\0a", None),
        ] {
            assert_eq!(directory_string(tag, content).ok().as_deref(), expected, "{tag:?} {content:?}");
        }
    }
}
