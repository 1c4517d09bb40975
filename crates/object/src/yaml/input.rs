//! The characters of a document, and the place among them.

use super::error::YamlError;
use std::borrow::Cow;

/// The bytes that go-yaml reads at once, and so the distance within which it finds invalid characters before syntax
/// errors.
const CHUNK_BYTES: usize = 512;

/// The text of a document, up to the first part with invalid characters, and their error.
pub(super) struct Input<'a> {
    pub text: Cow<'a, str>,
    pub fault: Option<YamlError>,
}

pub(super) fn decode(bytes: &[u8]) -> Input<'_> {
    let (text, fault) = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        bytes => utf8(bytes),
    };
    let control = text.char_indices().find(|(_, c)| is_control(*c)).map(|(at, _)| at);
    let (end, why) = match (control, fault) {
        (Some(at), _) => (at, "control characters are not allowed"),
        (None, Some(why)) => (text.len(), why),
        (None, None) => return Input { text, fault: None },
    };
    let end = end - end % CHUNK_BYTES;
    let end = (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or("")),
        Cow::Owned(text) => Cow::Owned(String::from(text.get(..end).unwrap_or(""))),
    };
    Input { text, fault: Some(YamlError(format!("yaml: {why}"))) }
}

fn utf8(bytes: &[u8]) -> (Cow<'_, str>, Option<&'static str>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), None),
        Err(error) => {
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            (Cow::Borrowed(std::str::from_utf8(valid).unwrap_or("")), Some(octet_fault(rest)))
        }
    }
}

/// The error of bytes that do not begin with a character.
fn octet_fault(bytes: &[u8]) -> &'static str {
    let lead = bytes.first().copied().unwrap_or(0);
    let width = match lead {
        0..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    let Some(rest) = bytes.get(1..width) else { return "incomplete UTF-8 octet sequence" };
    if rest.iter().any(|octet| octet & 0xc0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    let mask = [0x7f, 0x1f, 0x0f, 0x07].get(width - 1).copied().unwrap_or(0x7f);
    let code = rest.iter().fold(u32::from(lead & mask), |code, octet| code << 6 | u32::from(octet & 0x3f));
    let is_short = matches!((width, code), (2, 0..0x80) | (3, 0..0x800) | (4, 0..0x1_0000));
    if is_short { "invalid length of a UTF-8 sequence" } else { "invalid Unicode character" }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> (Cow<'_, str>, Option<&'static str>) {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let mut fault = (!rest.is_empty()).then_some("incomplete UTF-16 character");
    for c in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match c {
            Ok(c) => text.push(c),
            Err(lone) => {
                let is_low = (0xdc00..0xe000).contains(&lone.unpaired_surrogate());
                fault = Some(if is_low {
                    "unexpected low surrogate area"
                } else {
                    "expected low surrogate area"
                });
                break;
            }
        }
    }
    (Cow::Owned(text), fault)
}

/// Control characters, which YAML 1.1 does not allow in a document.
fn is_control(c: char) -> bool {
    let is_allowed = matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}')
        || matches!(c, '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    !is_allowed
}

/// A place in a document; all counts from zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    /// In characters.
    pub index: usize,
    pub line: usize,
    pub column: usize,
}

/// Reads the characters of a text. After the end comes NUL, which no document contains.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    pub mark: Mark,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Cursor<'a> {
        let mut cursor = Cursor { text, at: 0, mark: Mark::default() };
        // A second byte order mark.
        if text.starts_with('\u{feff}') {
            cursor.skip();
        }
        cursor
    }

    /// The byte `ahead` bytes from here.
    pub fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    pub fn is(&self, byte: u8) -> bool {
        self.byte(0) == byte
    }

    pub fn is_end(&self) -> bool {
        self.is(0)
    }

    pub fn is_blank(&self) -> bool {
        matches!(self.byte(0), b' ' | b'\t')
    }

    /// Whether a line ends `ahead` bytes from here.
    pub fn is_break_at(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            b'\r' | b'\n' => true,
            0xc2 => self.byte(ahead + 1) == 0x85,
            0xe2 => self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xa8 | 0xa9),
            _ => false,
        }
    }

    pub fn is_break(&self) -> bool {
        self.is_break_at(0)
    }

    pub fn is_break_or_end(&self) -> bool {
        self.is_end() || self.is_break()
    }

    /// Whether a blank, a line's end or the text's end is `ahead` bytes from here.
    pub fn is_space_at(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t' | 0) || self.is_break_at(ahead)
    }

    pub fn is_space(&self) -> bool {
        self.is_space_at(0)
    }

    /// A letter or digit as names of anchors and tags have them.
    pub fn is_word(&self) -> bool {
        matches!(self.byte(0), b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-')
    }

    /// Whether `---` or `...` is here alone, at the beginning of a line.
    pub fn is_document_indicator(&self) -> bool {
        let indicator = self.byte(0);
        matches!(indicator, b'-' | b'.')
            && self.mark.column == 0
            && self.byte(1) == indicator
            && self.byte(2) == indicator
            && self.is_space_at(3)
    }

    /// Whether go-yaml would have read beyond the end by now.
    pub fn is_near_end(&self) -> bool {
        const LOOKED_AHEAD: usize = 4;
        self.at + LOOKED_AHEAD >= self.text.len()
    }

    /// Passes over one character.
    pub fn skip(&mut self) {
        self.at += self.width();
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Passes over the end of a line.
    pub fn skip_line(&mut self) {
        if self.is(b'\r') && self.byte(1) == b'\n' {
            self.at += 1;
            self.mark.index += 1;
        }
        if self.is_break() {
            self.at += self.width();
            self.mark = Mark { index: self.mark.index + 1, line: self.mark.line + 1, column: 0 };
        }
    }

    /// Moves one character to `out`.
    pub fn read(&mut self, out: &mut String) {
        let end = self.at + self.width();
        out.push_str(self.text.get(self.at..end).unwrap_or(""));
        self.skip();
    }

    /// Moves the end of a line to `out`: a line feed, but for Unicode's own separators.
    pub fn read_line(&mut self, out: &mut String) {
        match self.byte(0) {
            0xe2 => out.push_str(self.text.get(self.at..self.at + self.width()).unwrap_or("")),
            _ if self.is_break() => out.push('\n'),
            _ => return,
        }
        self.skip_line();
    }

    pub fn skip_blanks(&mut self) {
        while self.is_blank() {
            self.skip();
        }
    }

    pub fn skip_comment(&mut self) {
        if self.is(b'#') {
            while !self.is_break_or_end() {
                self.skip();
            }
        }
    }

    fn width(&self) -> usize {
        match self.byte(0) {
            _ if self.at >= self.text.len() => 0,
            0..=0x7f => 1,
            0x80..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        }
    }
}
