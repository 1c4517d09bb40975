//! From characters to tokens, as libyaml's scanner finds them.

use super::error::YamlError;
use super::input::{Cursor, Mark};
use std::collections::{HashMap, VecDeque};

/// Brackets and indentations nest this deep at most.
const NESTED_MAX: usize = 10_000;
/// A key that is not announced by `?` ends within so many characters.
const SIMPLE_KEY_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Quoted,
    Block,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    StreamEnd,
    Version { major: u32, minor: u32 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: String, style: Style },
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub kind: TokenKind,
    /// The line of its start, counted from zero.
    pub line: usize,
}

/// A place where a key may have begun, which only a later `:` decides.
#[derive(Clone, Copy, Debug, Default)]
struct SimpleKey {
    is_possible: bool,
    is_required: bool,
    token: usize,
    mark: Mark,
}

pub(super) struct Scanner<'a> {
    pub(super) cursor: Cursor<'a>,
    tokens: VecDeque<Token>,
    /// Tokens that were taken already.
    taken: usize,
    pub(super) flow_level: usize,
    /// The column of the block collection around; -1 outside any.
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) is_key_allowed: bool,
    /// One of each flow level.
    keys: Vec<SimpleKey>,
    /// The flow levels of possible keys, by the token that each begins with.
    levels: HashMap<usize, usize>,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Scanner<'a> {
        Scanner {
            cursor: Cursor::new(text),
            tokens: VecDeque::new(),
            taken: 0,
            flow_level: 0,
            indent: -1,
            indents: Vec::new(),
            is_key_allowed: true,
            keys: vec![SimpleKey::default()],
            levels: HashMap::new(),
        }
    }

    /// The next token. Must not be called after the end of the stream.
    pub fn peek(&mut self) -> Result<&Token, YamlError> {
        self.fetch()?;
        self.tokens
            .front()
            .ok_or_else(|| YamlError(String::from("yaml: unknown problem parsing YAML content")))
    }

    pub fn take(&mut self) -> Result<Token, YamlError> {
        self.fetch()?;
        self.taken += 1;
        let token = self.tokens.pop_front();
        token.ok_or_else(|| YamlError(String::from("yaml: unknown problem parsing YAML content")))
    }

    /// Scans until the first token in the queue cannot be preceded by one that is inserted later.
    fn fetch(&mut self) -> Result<(), YamlError> {
        loop {
            if !self.tokens.is_empty() {
                let Some(level) = self.levels.get(&self.taken).copied() else { return Ok(()) };
                if !self.is_key_valid(level)? {
                    return Ok(());
                }
            }
            self.fetch_next()?;
        }
    }

    fn fetch_next(&mut self) -> Result<(), YamlError> {
        self.skip_to_token();
        self.unroll_indent(self.cursor.mark.column as isize);
        let next = self.cursor.byte(0);
        let before_space = self.cursor.is_space_at(1);
        let in_flow = self.flow_level > 0;
        match next {
            0 => self.end_stream(),
            b'%' if self.cursor.mark.column == 0 => self.directive(),
            b'-' | b'.' if self.cursor.is_document_indicator() => self.document_indicator(next),
            b'[' => self.open(TokenKind::FlowSequenceStart),
            b'{' => self.open(TokenKind::FlowMappingStart),
            b']' => self.close(TokenKind::FlowSequenceEnd),
            b'}' => self.close(TokenKind::FlowMappingEnd),
            b',' => self.flow_entry(),
            b'-' if before_space => self.block_entry(),
            b'?' if in_flow || before_space => self.key(),
            b':' if in_flow || before_space => self.value(),
            b'*' | b'&' => self.anchor(next),
            b'!' => self.tag(),
            b'|' | b'>' if !in_flow => self.block_scalar(next == b'|'),
            b'\'' | b'"' => self.quoted_scalar(next == b'\''),
            _ if self.is_plain_start() => self.plain_scalar(),
            _ => Err(self.fail("found character that cannot start any token")),
        }
    }

    fn is_plain_start(&self) -> bool {
        const INDICATORS: &[u8] = b"-?:,[]{}#&*!|>'\"%@`";
        let next = self.cursor.byte(0);
        match next {
            b'-' => !matches!(self.cursor.byte(1), b' ' | b'\t'),
            b'?' | b':' => self.flow_level == 0 && !self.cursor.is_space_at(1),
            _ => !self.cursor.is_space() && !INDICATORS.contains(&next),
        }
    }

    fn skip_to_token(&mut self) {
        loop {
            let allows_tab = self.flow_level > 0 || !self.is_key_allowed;
            while self.cursor.is(b' ') || allows_tab && self.cursor.is(b'\t') {
                self.cursor.skip();
            }
            self.cursor.skip_comment();
            if !self.cursor.is_break() {
                return;
            }
            self.cursor.skip_line();
            self.is_key_allowed |= self.flow_level == 0;
        }
    }

    pub(super) fn fail(&self, problem: &str) -> YamlError {
        YamlError::of_scanner(self.cursor.mark.line, problem)
    }

    pub(super) fn push(&mut self, kind: TokenKind, line: usize) {
        self.tokens.push_back(Token { kind, line });
    }

    fn is_key_valid(&mut self, level: usize) -> Result<bool, YamlError> {
        let mark = self.cursor.mark;
        let Some(key) = self.keys.get_mut(level).filter(|key| key.is_possible) else { return Ok(false) };
        if key.mark.line >= mark.line && key.mark.index + SIMPLE_KEY_MAX >= mark.index {
            return Ok(true);
        }
        if key.is_required {
            return Err(self.fail("could not find expected ':'"));
        }
        key.is_possible = false;
        Ok(false)
    }

    /// Notes that a key may begin here, if one may.
    pub(super) fn save_key(&mut self) -> Result<(), YamlError> {
        if !self.is_key_allowed {
            return Ok(());
        }
        self.drop_key()?;
        let mark = self.cursor.mark;
        let is_required = self.flow_level == 0 && self.indent == mark.column as isize;
        let token = self.taken + self.tokens.len();
        self.levels.insert(token, self.keys.len().saturating_sub(1));
        if let Some(key) = self.keys.last_mut() {
            *key = SimpleKey { is_possible: true, is_required, token, mark };
        }
        Ok(())
    }

    /// Gives up the possible key of this flow level.
    pub(super) fn drop_key(&mut self) -> Result<(), YamlError> {
        let Some(key) = self.keys.last_mut().filter(|key| key.is_possible) else { return Ok(()) };
        if key.is_required {
            return Err(self.fail("could not find expected ':'"));
        }
        key.is_possible = false;
        self.levels.remove(&key.token);
        Ok(())
    }

    /// Begins a block collection if this column is deeper than the one around; its token goes before the token
    /// number `before`, or last.
    fn roll_indent(&mut self, mark: Mark, before: Option<usize>, kind: TokenKind) -> Result<(), YamlError> {
        let column = mark.column as isize;
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > NESTED_MAX {
            return Err(self.fail(&format!("exceeded max depth of {NESTED_MAX}")));
        }
        let token = Token { kind, line: mark.line };
        match before {
            Some(before) => self.insert(before, token),
            None => self.tokens.push_back(token),
        }
        Ok(())
    }

    /// Puts a token before the token number `before`, or last if that was taken already.
    fn insert(&mut self, before: usize, token: Token) {
        let place = before.checked_sub(self.taken).filter(|place| *place < self.tokens.len());
        self.tokens.insert(place.unwrap_or(self.tokens.len()), token);
    }

    /// Ends the block collections that are deeper than a column.
    fn unroll_indent(&mut self, column: isize) {
        while self.flow_level == 0 && self.indent > column {
            self.push(TokenKind::BlockEnd, self.cursor.mark.line);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn end_stream(&mut self) -> Result<(), YamlError> {
        if self.cursor.mark.column != 0 {
            self.cursor.mark.column = 0;
            self.cursor.mark.line += 1;
        }
        self.unroll_indent(-1);
        self.drop_key()?;
        self.is_key_allowed = false;
        self.push(TokenKind::StreamEnd, self.cursor.mark.line);
        Ok(())
    }

    fn directive(&mut self) -> Result<(), YamlError> {
        self.unroll_indent(-1);
        self.drop_key()?;
        self.is_key_allowed = false;
        let line = self.cursor.mark.line;
        let kind = self.scan_directive()?;
        self.push(kind, line);
        Ok(())
    }

    fn document_indicator(&mut self, indicator: u8) -> Result<(), YamlError> {
        self.unroll_indent(-1);
        self.drop_key()?;
        self.is_key_allowed = false;
        let kind = if indicator == b'-' { TokenKind::DocumentStart } else { TokenKind::DocumentEnd };
        self.push(kind, self.cursor.mark.line);
        (0..3).for_each(|_| self.cursor.skip());
        Ok(())
    }

    /// A token of one character.
    fn indicator(&mut self, kind: TokenKind) {
        self.push(kind, self.cursor.mark.line);
        self.cursor.skip();
    }

    fn open(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.save_key()?;
        self.keys.push(SimpleKey { token: self.taken + self.tokens.len(), ..SimpleKey::default() });
        self.flow_level += 1;
        if self.flow_level > NESTED_MAX {
            return Err(self.fail(&format!("exceeded max depth of {NESTED_MAX}")));
        }
        self.is_key_allowed = true;
        self.indicator(kind);
        Ok(())
    }

    fn close(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.drop_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            // go-yaml forgets the key that the bracket itself may be, too, if nothing inside was one.
            let last = self.keys.pop().unwrap_or_default();
            self.levels.remove(&last.token);
        }
        self.is_key_allowed = false;
        self.indicator(kind);
        Ok(())
    }

    fn flow_entry(&mut self) -> Result<(), YamlError> {
        self.drop_key()?;
        self.is_key_allowed = true;
        self.indicator(TokenKind::FlowEntry);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<(), YamlError> {
        self.begin_block(
            "block sequence entries are not allowed in this context",
            TokenKind::BlockSequenceStart,
        )?;
        self.drop_key()?;
        self.is_key_allowed = true;
        self.indicator(TokenKind::BlockEntry);
        Ok(())
    }

    /// A key behind `?`.
    fn key(&mut self) -> Result<(), YamlError> {
        self.begin_block("mapping keys are not allowed in this context", TokenKind::BlockMappingStart)?;
        self.drop_key()?;
        self.is_key_allowed = self.flow_level == 0;
        self.indicator(TokenKind::Key);
        Ok(())
    }

    fn begin_block(&mut self, refusal: &str, kind: TokenKind) -> Result<(), YamlError> {
        if self.flow_level == 0 && !self.is_key_allowed {
            return Err(self.fail(refusal));
        }
        self.roll_indent(self.cursor.mark, None, kind)
    }

    fn value(&mut self) -> Result<(), YamlError> {
        let level = self.keys.len().saturating_sub(1);
        if self.is_key_valid(level)? {
            let key = self.keys.get(level).copied().unwrap_or_default();
            self.insert(key.token, Token { kind: TokenKind::Key, line: key.mark.line });
            self.roll_indent(key.mark, Some(key.token), TokenKind::BlockMappingStart)?;
            if let Some(key) = self.keys.get_mut(level) {
                key.is_possible = false;
            }
            self.levels.remove(&key.token);
            self.is_key_allowed = false;
        } else {
            self.begin_block("mapping values are not allowed in this context", TokenKind::BlockMappingStart)?;
            self.is_key_allowed = self.flow_level == 0;
        }
        self.indicator(TokenKind::Value);
        Ok(())
    }
}
