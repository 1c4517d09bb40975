//! Literals as they are written: numbers, and texts and bytes with their escapes.

use crate::lexer::TokenKind;
use crate::syntax::Literal;

/// The value of a literal, perhaps after a minus sign, or its error.
pub fn read(kind: TokenKind, text: &str, is_negative: bool) -> Result<Literal, &'static str> {
    match kind {
        TokenKind::Int => int(text, is_negative).map(Literal::Int).ok_or("invalid int literal"),
        TokenKind::Uint => {
            uint(text.trim_end_matches(['u', 'U'])).map(Literal::Uint).ok_or("invalid uint literal")
        }
        TokenKind::Float => {
            let value: f64 = text.parse().map_err(|_| "invalid double literal")?;
            match value.is_finite() {
                true => Ok(Literal::Double(if is_negative { -value } else { value })),
                false => Err("invalid double literal"),
            }
        }
        TokenKind::Bytes => quoted(text, true).map(Literal::Bytes),
        _ => {
            let bytes = quoted(text, false)?;
            String::from_utf8(bytes).map(Literal::Text).map_err(|_| "invalid string literal")
        }
    }
}

fn uint(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn int(text: &str, is_negative: bool) -> Option<i64> {
    let value = i128::from(uint(text)?);
    i64::try_from(if is_negative { -value } else { value }).ok()
}

/// The text between the quotes, with escapes resolved.
fn quoted(text: &str, is_bytes: bool) -> Result<Vec<u8>, &'static str> {
    let marks = text.find(['"', '\'']).unwrap_or(0);
    let (marks, rest) = text.split_at(marks);
    let width =
        if rest.len() >= 6 && (rest.starts_with("\"\"\"") || rest.starts_with("'''")) { 3 } else { 1 };
    let inner = rest.get(width..rest.len().saturating_sub(width)).unwrap_or("");
    if marks.contains(['r', 'R']) {
        return Ok(inner.as_bytes().to_vec());
    }
    unescaped(&inner.replace("\r\n", "\n").replace('\r', "\n"), is_bytes)
}

fn unescaped(text: &str, is_bytes: bool) -> Result<Vec<u8>, &'static str> {
    const WRONG: &str = "unable to unescape string";
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let mut buffer = [0; 4];
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let escape = rest.next().ok_or(WRONG)?;
        let plain = match escape {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '`' | '?' => escape,
            'x' | 'X' | 'u' | 'U' | '0'..='3' => {
                let value = numbered(escape, &mut rest).ok_or(WRONG)?;
                if is_bytes && !matches!(escape, 'u' | 'U') {
                    out.push(u8::try_from(value).map_err(|_| WRONG)?);
                    continue;
                }
                char::from_u32(value).ok_or(WRONG)?
            }
            _ => return Err(WRONG),
        };
        out.extend_from_slice(plain.encode_utf8(&mut buffer).as_bytes());
    }
    Ok(out)
}

/// The number of an escape: octal, or hexadecimal after its letter.
fn numbered(escape: char, rest: &mut std::str::Chars<'_>) -> Option<u32> {
    let (count, radix, first) = match escape {
        'x' | 'X' => (2, 16, 0),
        'u' => (4, 16, 0),
        'U' => (8, 16, 0),
        octal => (2, 8, octal.to_digit(8)?),
    };
    (0..count)
        .try_fold(first, |value: u32, _| value.checked_mul(radix)?.checked_add(rest.next()?.to_digit(radix)?))
}
