//! Tokens of properties: anchors, tags, and the directives before a document.

use super::error::YamlError;
use super::scan::{Scanner, TokenKind};

impl Scanner<'_> {
    /// `&name` or `*name`.
    pub(super) fn anchor(&mut self, indicator: u8) -> Result<(), YamlError> {
        self.save_key()?;
        self.is_key_allowed = false;
        let line = self.cursor.mark.line;
        self.cursor.skip();
        let name = self.word();
        let ends = self.cursor.is_space()
            || matches!(self.cursor.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends {
            return Err(self.fail("did not find expected alphabetic or numeric character"));
        }
        self.push(if indicator == b'&' { TokenKind::Anchor(name) } else { TokenKind::Alias(name) }, line);
        Ok(())
    }

    pub(super) fn tag(&mut self) -> Result<(), YamlError> {
        self.save_key()?;
        self.is_key_allowed = false;
        let line = self.cursor.mark.line;
        let (handle, suffix) = match self.cursor.byte(1) {
            b'<' => self.verbatim_tag()?,
            _ => self.short_tag()?,
        };
        if !self.cursor.is_space() {
            return Err(self.fail("did not find expected whitespace or line break"));
        }
        self.push(TokenKind::Tag { handle, suffix }, line);
        Ok(())
    }

    /// `!<tag:yaml.org,2002:str>`
    fn verbatim_tag(&mut self) -> Result<(String, String), YamlError> {
        self.cursor.skip();
        self.cursor.skip();
        let suffix = self.uri(None)?;
        if !self.cursor.is(b'>') {
            return Err(self.fail("did not find the expected '>'"));
        }
        self.cursor.skip();
        Ok((String::new(), suffix))
    }

    /// `!!str`, `!local`, `!handle!suffix`, or `!` alone.
    fn short_tag(&mut self) -> Result<(String, String), YamlError> {
        let handle = self.handle(false)?;
        if handle.len() > 1 && handle.ends_with('!') {
            let suffix = self.uri(None)?;
            return Ok((handle, suffix));
        }
        match self.uri(Some(&handle))? {
            suffix if suffix.is_empty() => Ok((suffix, String::from("!"))),
            suffix => Ok((String::from("!"), suffix)),
        }
    }

    fn handle(&mut self, is_directive: bool) -> Result<String, YamlError> {
        if !self.cursor.is(b'!') {
            return Err(self.fail("did not find expected '!'"));
        }
        let mut handle = String::new();
        self.cursor.read(&mut handle);
        handle.push_str(&self.word());
        if self.cursor.is(b'!') {
            self.cursor.read(&mut handle);
        } else if is_directive && handle != "!" {
            return Err(self.fail("did not find expected '!'"));
        }
        Ok(handle)
    }

    /// Reads a URI; `head` was read before, and its `!` is left out.
    fn uri(&mut self, head: Option<&str>) -> Result<String, YamlError> {
        const MARKS: &[u8] = b";/?:@&=+$,.!~*'()[]%";
        let mut out = Vec::from(head.and_then(|head| head.get(1..)).unwrap_or(""));
        let mut is_given = head.is_some();
        while self.cursor.is_word() || MARKS.contains(&self.cursor.byte(0)) {
            match self.cursor.byte(0) {
                b'%' => self.octets(&mut out)?,
                byte => {
                    out.push(byte);
                    self.cursor.skip();
                }
            }
            is_given = true;
        }
        if !is_given {
            return Err(self.fail("did not find expected tag URI"));
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// One character, each byte of which is escaped: `%C3%A9`.
    fn octets(&mut self, out: &mut Vec<u8>) -> Result<(), YamlError> {
        let mut left = 0;
        loop {
            let digit = |ahead| char::from(self.cursor.byte(ahead)).to_digit(16);
            let (Some(high), Some(low), b'%') = (digit(1), digit(2), self.cursor.byte(0)) else {
                return Err(self.fail("did not find URI escaped octet"));
            };
            let octet = (high * 16 + low) as u8;
            left = match (left, octet) {
                (0, 0..=0x7f) => 1,
                (0, 0xc0..=0xdf) => 2,
                (0, 0xe0..=0xef) => 3,
                (0, 0xf0..=0xf7) => 4,
                (0, _) => return Err(self.fail("found an incorrect leading UTF-8 octet")),
                (left, 0x80..=0xbf) => left,
                _ => return Err(self.fail("found an incorrect trailing UTF-8 octet")),
            };
            out.push(octet);
            (0..3).for_each(|_| self.cursor.skip());
            left -= 1;
            if left == 0 {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while self.cursor.is_word() {
            self.cursor.read(&mut word);
        }
        word
    }

    /// `%YAML 1.1` or `%TAG !handle! prefix`
    pub(super) fn scan_directive(&mut self) -> Result<TokenKind, YamlError> {
        self.cursor.skip();
        let name = self.word();
        if name.is_empty() {
            return Err(self.fail("could not find expected directive name"));
        }
        if !self.cursor.is_space() {
            return Err(self.fail("found unexpected non-alphabetical character"));
        }
        let kind = match name.as_str() {
            "YAML" => self.version()?,
            "TAG" => self.tag_directive()?,
            _ => return Err(self.fail("found unknown directive name")),
        };
        self.end_of_line()?;
        Ok(kind)
    }

    fn version(&mut self) -> Result<TokenKind, YamlError> {
        self.cursor.skip_blanks();
        let major = self.version_number()?;
        if !self.cursor.is(b'.') {
            return Err(self.fail("did not find expected digit or '.' character"));
        }
        self.cursor.skip();
        Ok(TokenKind::Version { major, minor: self.version_number()? })
    }

    fn version_number(&mut self) -> Result<u32, YamlError> {
        const DIGITS_MAX: usize = 2;
        let (mut number, mut digits) = (0, 0);
        while let Some(digit) = char::from(self.cursor.byte(0)).to_digit(10) {
            digits += 1;
            if digits > DIGITS_MAX {
                return Err(self.fail("found extremely long version number"));
            }
            number = number * 10 + digit;
            self.cursor.skip();
        }
        if digits == 0 {
            return Err(self.fail("did not find expected version number"));
        }
        Ok(number)
    }

    fn tag_directive(&mut self) -> Result<TokenKind, YamlError> {
        self.cursor.skip_blanks();
        let handle = self.handle(true)?;
        if !self.cursor.is_blank() {
            return Err(self.fail("did not find expected whitespace"));
        }
        self.cursor.skip_blanks();
        let prefix = self.uri(None)?;
        if !self.cursor.is_space() {
            return Err(self.fail("did not find expected whitespace or line break"));
        }
        Ok(TokenKind::TagDirective { handle, prefix })
    }

    /// Skips blanks and a comment; anything else in the rest of the line is an error.
    pub(super) fn end_of_line(&mut self) -> Result<(), YamlError> {
        self.cursor.skip_blanks();
        self.cursor.skip_comment();
        if !self.cursor.is_break_or_end() {
            return Err(self.fail("did not find expected comment or line break"));
        }
        self.cursor.skip_line();
        Ok(())
    }
}
