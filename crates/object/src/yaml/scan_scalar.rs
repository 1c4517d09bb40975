//! Tokens of scalars: plain, quoted, and blocks.

use super::error::YamlError;
use super::scan::{Scanner, Style, TokenKind};

/// The treatment of line breaks at the end of a block scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

/// The blanks and line breaks between two parts of a scalar.
#[derive(Default)]
struct Gap {
    blanks: String,
    first_break: String,
    more_breaks: String,
    /// Within the blanks at the beginning of a line.
    is_leading: bool,
}

impl Scanner<'_> {
    /// `|` or `>` and the lines below.
    pub(super) fn block_scalar(&mut self, is_literal: bool) -> Result<(), YamlError> {
        self.drop_key()?;
        self.is_key_allowed = true;
        let line = self.cursor.mark.line;
        self.cursor.skip();
        let (chomping, increment) = self.block_header()?;
        self.end_of_line()?;
        let mut indent = match increment {
            0 => 0,
            increment => usize::try_from(self.indent).unwrap_or(0) + increment,
        };
        let (mut text, mut last_break, mut breaks) = (String::new(), String::new(), String::new());
        self.block_breaks(&mut indent, &mut breaks)?;
        let mut was_blank = false;
        while self.cursor.mark.column == indent && !self.cursor.is_end() {
            let is_blank = self.cursor.is_blank();
            if !is_literal && !was_blank && !is_blank && last_break.starts_with('\n') {
                // Lines of one paragraph are joined.
                if breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(&last_break);
            }
            text.push_str(&breaks);
            (last_break, breaks) = (String::new(), String::new());
            was_blank = is_blank;
            while !self.cursor.is_break_or_end() {
                self.cursor.read(&mut text);
            }
            self.cursor.read_line(&mut last_break);
            self.block_breaks(&mut indent, &mut breaks)?;
        }
        if chomping != Chomping::Strip {
            text.push_str(&last_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        self.push(TokenKind::Scalar { text, style: Style::Block }, line);
        Ok(())
    }

    /// `+2`, `2-` and their like, in either order.
    fn block_header(&mut self) -> Result<(Chomping, usize), YamlError> {
        let mut chomping = self.chomping();
        let mut increment = 0;
        if let Some(digit) = char::from(self.cursor.byte(0)).to_digit(10) {
            if digit == 0 {
                return Err(self.fail("found an indentation indicator equal to 0"));
            }
            increment = digit as usize;
            self.cursor.skip();
            if chomping == Chomping::Clip {
                chomping = self.chomping();
            }
        }
        Ok((chomping, increment))
    }

    fn chomping(&mut self) -> Chomping {
        let chomping = match self.cursor.byte(0) {
            b'+' => Chomping::Keep,
            b'-' => Chomping::Strip,
            _ => return Chomping::Clip,
        };
        self.cursor.skip();
        chomping
    }

    /// Skips indentation and empty lines; the first line that is not empty sets the indentation, unless it is known.
    fn block_breaks(&mut self, indent: &mut usize, breaks: &mut String) -> Result<(), YamlError> {
        let mut deepest = 0;
        loop {
            let is_before = |column| *indent == 0 || column < *indent;
            while is_before(self.cursor.mark.column) && self.cursor.is(b' ') {
                self.cursor.skip();
            }
            deepest = deepest.max(self.cursor.mark.column);
            if is_before(self.cursor.mark.column) && self.cursor.is(b'\t') {
                return Err(self.fail("found a tab character where an indentation space is expected"));
            }
            if !self.cursor.is_break() {
                break;
            }
            self.cursor.read_line(breaks);
        }
        if *indent == 0 {
            *indent = deepest.max(usize::try_from(self.indent + 1).unwrap_or(0)).max(1);
        }
        Ok(())
    }

    pub(super) fn quoted_scalar(&mut self, is_single: bool) -> Result<(), YamlError> {
        self.save_key()?;
        self.is_key_allowed = false;
        let line = self.cursor.mark.line;
        let quote = if is_single { b'\'' } else { b'"' };
        self.cursor.skip();
        let (mut text, mut gap) = (String::new(), Gap::default());
        loop {
            if self.cursor.is_document_indicator() {
                return Err(self.fail("found unexpected document indicator"));
            }
            if self.cursor.is_end() {
                return Err(self.fail("found unexpected end of stream"));
            }
            gap.is_leading = self.quoted_word(quote, &mut text)?;
            if self.cursor.is(quote) {
                break;
            }
            self.skip_gap(&mut gap, None)?;
            gap.fold(&mut text);
        }
        self.cursor.skip();
        self.push(TokenKind::Scalar { text, style: Style::Quoted }, line);
        Ok(())
    }

    /// Reads up to the closing quote, a blank or a line's end; true behind an escaped line break.
    fn quoted_word(&mut self, quote: u8, text: &mut String) -> Result<bool, YamlError> {
        while !self.cursor.is_space() {
            let (this, next) = (self.cursor.byte(0), self.cursor.byte(1));
            match this {
                b'\'' if quote == this && next == this => {
                    text.push('\'');
                    self.cursor.skip();
                    self.cursor.skip();
                }
                _ if this == quote => return Ok(false),
                b'\\' if quote == b'"' && self.cursor.is_break_at(1) => {
                    self.cursor.skip();
                    self.cursor.skip_line();
                    return Ok(true);
                }
                b'\\' if quote == b'"' => self.escape(next, text)?,
                _ => self.cursor.read(text),
            }
        }
        Ok(false)
    }

    fn escape(&mut self, letter: u8, text: &mut String) -> Result<(), YamlError> {
        let (c, digits) = match letter {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{b}', 0),
            b'f' => ('\u{c}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1b}', 0),
            b' ' | b'"' | b'\'' | b'\\' => (char::from(letter), 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{a0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            _ => return Err(self.fail("found unknown escape character")),
        };
        self.cursor.skip();
        self.cursor.skip();
        if digits == 0 {
            text.push(c);
            return Ok(());
        }
        let mut code: u32 = 0;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.cursor.byte(ahead)).to_digit(16) else {
                return Err(self.fail("did not find expected hexdecimal number"));
            };
            code = code << 4 | digit;
        }
        let c =
            char::from_u32(code).ok_or_else(|| self.fail("found invalid Unicode character escape code"))?;
        text.push(c);
        (0..digits).for_each(|_| self.cursor.skip());
        Ok(())
    }

    /// Reads blanks and line breaks; a tab is an error before column `indent` of a new line.
    fn skip_gap(&mut self, gap: &mut Gap, indent: Option<isize>) -> Result<(), YamlError> {
        while self.cursor.is_blank() || self.cursor.is_break() {
            if self.cursor.is_break() {
                if gap.is_leading {
                    self.cursor.read_line(&mut gap.more_breaks);
                } else {
                    gap.blanks.clear();
                    self.cursor.read_line(&mut gap.first_break);
                    gap.is_leading = true;
                }
                continue;
            }
            let is_indentation = indent.is_some_and(|indent| (self.cursor.mark.column as isize) < indent);
            if gap.is_leading && is_indentation && self.cursor.is(b'\t') {
                return Err(self.fail("found a tab character that violates indentation"));
            }
            match gap.is_leading {
                true => self.cursor.skip(),
                false => self.cursor.read(&mut gap.blanks),
            }
        }
        Ok(())
    }

    pub(super) fn plain_scalar(&mut self) -> Result<(), YamlError> {
        self.save_key()?;
        self.is_key_allowed = false;
        let line = self.cursor.mark.line;
        let indent = self.indent + 1;
        let (mut text, mut gap) = (String::new(), Gap::default());
        while !self.cursor.is_document_indicator() && !self.cursor.is(b'#') {
            while !self.cursor.is_space() && !self.ends_plain() {
                if gap.is_leading || !gap.blanks.is_empty() {
                    gap.fold(&mut text);
                }
                self.cursor.read(&mut text);
            }
            if !self.cursor.is_blank() && !self.cursor.is_break() {
                break;
            }
            self.skip_gap(&mut gap, Some(indent))?;
            if self.flow_level == 0 && (self.cursor.mark.column as isize) < indent {
                break;
            }
        }
        self.is_key_allowed |= gap.is_leading;
        self.push(TokenKind::Scalar { text, style: Style::Plain }, line);
        Ok(())
    }

    fn ends_plain(&self) -> bool {
        match self.cursor.byte(0) {
            b':' => self.cursor.is_space_at(1),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.flow_level > 0,
            _ => false,
        }
    }
}

impl Gap {
    /// Appends the folded gap: its blanks, or its line breaks, of which a single one is a space.
    fn fold(&mut self, text: &mut String) {
        if !self.is_leading {
            text.push_str(&self.blanks);
        } else if self.first_break.starts_with('\n') {
            match self.more_breaks.is_empty() {
                true => text.push(' '),
                false => text.push_str(&self.more_breaks),
            }
        } else {
            text.push_str(&self.first_break);
            text.push_str(&self.more_breaks);
        }
        *self = Gap::default();
    }
}
