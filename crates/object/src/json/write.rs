//! Writes JSON as Go's encoding/json does.

use crate::value::Value;

/// The value as a compact document; maps in key order.
pub fn to_string(value: &Value) -> String {
    let mut out = Vec::new();
    write_value(&mut out, value);
    String::from_utf8(out).expect("the writer writes UTF-8")
}

pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(int) => write_int(out, *int),
        Value::Float(float) => write_float(out, *float),
        Value::Text(text) => write_string(out, text),
        Value::Raw(raw) => out.extend_from_slice(raw.0.as_bytes()),
        Value::List(list) => {
            out.push(b'[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write_value(out, item);
            }
            out.push(b'}');
        }
    }
}

/// The bytes of the value's compact document, without making it.
pub fn len(value: &Value) -> usize {
    const BRACKETS: usize = 2;
    let commas = |count: usize| count.saturating_sub(1);
    match value {
        Value::List(list) => BRACKETS + commas(list.len()) + list.iter().map(len).sum::<usize>(),
        Value::Map(map) => {
            let pair = |(key, item): (&str, &Value)| string_len(key) + 1 + len(item);
            BRACKETS + commas(map.len()) + map.iter().map(pair).sum::<usize>()
        }
        Value::Text(text) => string_len(text),
        Value::Raw(raw) => raw.0.len(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => to_string(value).len(),
    }
}

fn string_len(text: &str) -> usize {
    const QUOTES: usize = 2;
    if is_plain(text.as_bytes()) {
        return QUOTES + text.len();
    }
    let mut out = Vec::new();
    write_escaped(&mut out, text.as_bytes());
    QUOTES + out.len()
}

pub fn write_int(out: &mut Vec<u8>, int: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(int).as_bytes());
}

/// Go's shortest form: `1`, `0.5`, `1e+21`, `1e-7`.
pub fn write_float(out: &mut Vec<u8>, float: f64) {
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        out.extend_from_slice(format!("{digits}e{sign}{exponent}").as_bytes());
        return;
    }
    out.extend_from_slice(format!("{float}").as_bytes());
}

/// Which bytes a string cannot hold as they are: controls, quotes, backslashes, `<`, `>`, `&`, and 0xe2, which
/// may begin U+2028 or U+2029.
const SPECIAL: [bool; 256] = special();

const fn special() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table[0xe2] = true;
    table
}

/// A quoted string with Go's escapes, those for HTML included.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        write_escaped(out, bytes);
    }
    out.push(b'"');
}

/// Whether no byte is special.
fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<BLOCK>() {
        // The last block may overlap the one before it: to look twice costs less than to look one by one.
        return are_plain(bytes.as_chunks().0) && are_plain(&[*last]);
    }
    if let (Some(first), Some(last)) =
        (bytes.first_chunk::<{ BLOCK / 2 }>(), bytes.last_chunk::<{ BLOCK / 2 }>())
    {
        let mut block = [b' '; BLOCK];
        let (low, high) = block.split_at_mut(BLOCK / 2);
        low.copy_from_slice(first);
        high.copy_from_slice(last);
        return are_plain(&[block]);
    }
    !bytes.iter().any(|byte| SPECIAL[usize::from(*byte)])
}

/// The bytes that are looked at together.
const BLOCK: usize = 16;

/// The same of whole blocks. Without branches, so that the compiler uses SIMD, and on its own, so that it does so here.
#[inline(never)]
fn are_plain(blocks: &[[u8; BLOCK]]) -> bool {
    blocks.iter().all(|block| {
        let special = block.iter().fold(0, |any, byte| {
            any | u8::from(*byte < 0x20)
                | u8::from(*byte == b'"')
                | u8::from(*byte == b'\\')
                | u8::from(*byte == b'<')
                | u8::from(*byte == b'>')
                | u8::from(*byte == b'&')
                | u8::from(*byte == 0xe2)
        });
        special == 0
    })
}

fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut start = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if !SPECIAL[usize::from(*byte)] {
            continue;
        }
        let rest = bytes.get(index..).unwrap_or(&[]);
        let (escape, width) = escape(rest);
        if width == 0 {
            continue;
        }
        out.extend_from_slice(bytes.get(start..index).unwrap_or(&[]));
        out.extend_from_slice(escape.as_bytes());
        start = index + width;
    }
    out.extend_from_slice(bytes.get(start..).unwrap_or(&[]));
}

/// The escape of the character that `rest` begins with, and its width in bytes; 0 when it needs none.
fn escape(rest: &[u8]) -> (&'static str, usize) {
    const CONTROLS: [&str; 32] = [
        "\\u0000", "\\u0001", "\\u0002", "\\u0003", "\\u0004", "\\u0005", "\\u0006", "\\u0007", "\\b", "\\t",
        "\\n", "\\u000b", "\\f", "\\r", "\\u000e", "\\u000f", "\\u0010", "\\u0011", "\\u0012", "\\u0013",
        "\\u0014", "\\u0015", "\\u0016", "\\u0017", "\\u0018", "\\u0019", "\\u001a", "\\u001b", "\\u001c",
        "\\u001d", "\\u001e", "\\u001f",
    ];
    match rest {
        [b'"', ..] => ("\\\"", 1),
        [b'\\', ..] => ("\\\\", 1),
        [b'<', ..] => ("\\u003c", 1),
        [b'>', ..] => ("\\u003e", 1),
        [b'&', ..] => ("\\u0026", 1),
        [0xe2, 0x80, 0xa8, ..] => ("\\u2028", 3),
        [0xe2, 0x80, 0xa9, ..] => ("\\u2029", 3),
        [control, ..] => {
            (CONTROLS.get(usize::from(*control)).copied().unwrap_or(""), usize::from(*control < 0x20))
        }
        [] => ("", 0),
    }
}

/// A well-formed document without spaces outside strings, with HTML characters escaped, otherwise unchanged.
pub fn compact(document: &[u8]) -> String {
    let text = String::from_utf8_lossy(document);
    let mut out = Vec::with_capacity(text.len());
    write_compact(&mut out, &text);
    String::from_utf8(out).expect("whole characters are copied or escaped")
}

/// Writes a well-formed document as `compact` has it.
pub fn write_compact(out: &mut Vec<u8>, document: &str) {
    let bytes = document.as_bytes();
    let (mut start, mut at, mut inside) = (0, 0, false);
    while let Some(byte) = bytes.get(at) {
        let (replacement, width) = match byte {
            b'\\' => {
                at += 2;
                continue;
            }
            b'"' => {
                inside = !inside;
                at += 1;
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\n' if !inside => ("", 1),
            b'<' | b'>' | b'&' | 0xe2 => escape(bytes.get(at..).unwrap_or(&[])),
            _ => ("", 0),
        };
        if width > 0 {
            out.extend_from_slice(bytes.get(start..at).unwrap_or(&[]));
            out.extend_from_slice(replacement.as_bytes());
            start = at + width;
        }
        at += width.max(1);
    }
    out.extend_from_slice(bytes.get(start..).unwrap_or(&[]));
}

/// The size of indentation as a multiple of the document; deep and short documents are not indented further. No
/// document that people write comes near.
pub(crate) const INDENT_RATIO_MAX: usize = 8;
/// This much is always allowed.
pub(crate) const INDENT_BYTES_FREE: usize = 64 * 1024;

/// A compact document laid out with two spaces per level, as Go's `json.Indent` does.
pub fn pretty(document: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len() * 2);
    Pretty::default().write(document, &mut out);
    out
}

/// Lays out a compact document that comes in parts.
#[derive(Clone, Debug, Default)]
pub struct Pretty {
    depth: usize,
    /// Within a string, and after a backslash in it.
    is_text: bool,
    is_escaped: bool,
    /// Right after an opening bracket.
    is_open: bool,
    /// Bytes that came so far.
    read: usize,
    /// Bytes of indentation so far.
    indented: usize,
}

impl Pretty {
    pub fn write(&mut self, part: &[u8], out: &mut Vec<u8>) {
        self.read += part.len();
        for byte in part {
            if self.is_text {
                out.push(*byte);
                self.is_text = self.is_escaped || *byte != b'"';
                self.is_escaped = !self.is_escaped && *byte == b'\\';
                continue;
            }
            // The end of a compact document's line; there is no other space in it.
            if *byte == b'\n' {
                continue;
            }
            let was_open = std::mem::replace(&mut self.is_open, matches!(byte, b'{' | b'['));
            let is_close = matches!(byte, b'}' | b']');
            if is_close {
                self.depth = self.depth.saturating_sub(1);
            }
            // An empty list or map stays on its line.
            if was_open != is_close {
                self.new_line(out);
            }
            self.depth += usize::from(self.is_open);
            self.is_text = *byte == b'"';
            out.push(*byte);
            match byte {
                b',' => self.new_line(out),
                b':' => out.push(b' '),
                _ => {}
            }
        }
    }

    fn new_line(&mut self, out: &mut Vec<u8>) {
        const STEP: &[u8] = b"  ";
        out.push(b'\n');
        if self.indented <= INDENT_BYTES_FREE + INDENT_RATIO_MAX * self.read {
            self.indented += self.depth * STEP.len();
            (0..self.depth).for_each(|_| out.extend_from_slice(STEP));
        }
    }
}
