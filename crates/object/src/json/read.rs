//! A pull reader of JSON, and the untyped tree made with it.

use crate::map::Map;
use crate::value::{Text, Value};
use std::borrow::Cow;
use std::fmt;

/// Go's encoding/json refuses deeper documents, and so a body cannot exhaust the stack.
pub const DEPTH_MAX: usize = 10_000;

/// An untyped or typed tree of this depth is refused: a recursive decoder of ours must stay within its stack.
/// No Kubernetes type nests deeper, save schemas of schemas.
pub const TREE_DEPTH_MAX: usize = 500;

/// A syntax error of a JSON document, in the words of Go's encoding/json.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub message: String,
    /// Bytes read before the error.
    pub offset: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The kind of the next value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    Null,
    Bool,
    Number,
    Text,
    List,
    Map,
}

impl JsonKind {
    /// Go's word in `cannot unmarshal <word> into ...`.
    pub fn word(self) -> &'static str {
        match self {
            JsonKind::Null => "null",
            JsonKind::Bool => "bool",
            JsonKind::Number => "number",
            JsonKind::Text => "string",
            JsonKind::List => "array",
            JsonKind::Map => "object",
        }
    }
}

/// Reads a document that `check` has found to be well formed, value by value.
///
/// ```text
/// let mut reader = Reader::new(b"{\"a\": [1]}")?;   // checks the whole document
/// reader.begin_map();
/// while let Some(key) = reader.next_key() { reader.skip(); }
/// ```
#[derive(Clone, Debug)]
pub struct JsonReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> JsonReader<'a> {
    /// Checks the whole document, so that reading it cannot fail afterwards. One that nests deeper than
    /// `TREE_DEPTH_MAX` is refused, so that recursive reading stays within the stack.
    pub fn new(bytes: &'a [u8]) -> Result<JsonReader<'a>, Error> {
        check_tree(bytes)?;
        Ok(JsonReader::of_checked(bytes))
    }

    fn of_checked(bytes: &'a [u8]) -> JsonReader<'a> {
        let mut reader = JsonReader { bytes, at: 0 };
        reader.space();
        reader
    }

    pub fn offset(&self) -> usize {
        self.at
    }

    pub fn kind(&self) -> JsonKind {
        match self.peek() {
            b'n' => JsonKind::Null,
            b't' | b'f' => JsonKind::Bool,
            b'"' => JsonKind::Text,
            b'[' => JsonKind::List,
            b'{' => JsonKind::Map,
            _ => JsonKind::Number,
        }
    }

    pub fn begin_map(&mut self) {
        self.bump();
        self.space();
    }

    /// The next key of the map, with the reader at its value; `None` at the map's end.
    pub fn next_key(&mut self) -> Option<Text> {
        if self.peek() == b',' {
            self.bump();
            self.space();
        }
        if self.peek() == b'}' {
            self.bump();
            self.space();
            return None;
        }
        let key = self.text();
        self.bump(); // the colon
        self.space();
        Some(key)
    }

    /// As `next_key`, without a copy where the document has the key as it is.
    pub fn next_name(&mut self) -> Option<Cow<'a, str>> {
        if self.peek() == b',' {
            self.bump();
            self.space();
        }
        if self.peek() == b'}' {
            self.bump();
            self.space();
            return None;
        }
        let start = self.at + 1;
        let rest = self.bytes.get(start..).unwrap_or(&[]);
        let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).map_or(start, |len| start + len);
        let name = match (self.bytes.get(end), std::str::from_utf8(self.slice(start, end))) {
            (Some(b'"'), Ok(name)) => {
                self.at = end;
                self.bump();
                Cow::Borrowed(name)
            }
            _ => Cow::Owned(self.text().into()),
        };
        self.bump(); // the colon
        self.space();
        Some(name)
    }

    pub fn begin_list(&mut self) {
        self.bump();
        self.space();
    }

    /// Whether the list has one more item, with the reader at it.
    pub fn next_item(&mut self) -> bool {
        if self.peek() == b',' {
            self.bump();
            self.space();
        }
        if self.peek() == b']' {
            self.bump();
            self.space();
            return false;
        }
        true
    }

    pub fn null(&mut self) {
        self.jump(4);
    }

    pub fn bool(&mut self) -> bool {
        let value = self.peek() == b't';
        self.jump(if value { 4 } else { 5 });
        value
    }

    /// The number's unchanged text.
    pub fn number(&mut self) -> &'a str {
        let start = self.at;
        while matches!(self.peek(), b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') {
            self.at += 1;
        }
        let text = self.slice(start, self.at);
        self.space();
        std::str::from_utf8(text).unwrap_or("0")
    }

    /// A string, unescaped; invalid UTF-8 becomes U+FFFD.
    pub fn text(&mut self) -> Text {
        self.at += 1;
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or(&[]);
        let end = memchr::memchr2(b'"', b'\\', rest).map_or(self.bytes.len(), |place| start + place);
        self.at = end;
        let plain = self.slice(start, end);
        if self.peek() == b'"' {
            self.jump(1);
            return match std::str::from_utf8(plain) {
                Ok(text) => Text::from(text),
                Err(_) => Text::from(utf8_as_go(plain)),
            };
        }
        let mut out = plain.to_vec();
        self.escaped(&mut out);
        match String::from_utf8(out) {
            Ok(text) => Text::from(text),
            Err(error) => Text::from(utf8_as_go(error.as_bytes())),
        }
    }

    /// Passes over the next value and returns its bytes.
    pub fn skip(&mut self) -> &'a [u8] {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                b'"' => self.skip_text(),
                b'[' | b'{' => {
                    depth += 1;
                    self.at += 1;
                }
                b']' | b'}' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                _ => self.skip_word(),
            }
            if depth == 0 {
                break;
            }
        }
        let bytes = self.slice(start, self.at);
        self.space();
        bytes
    }

    /// The next value as an untyped tree; `duplicate` is called with repeated keys of maps.
    pub fn value(&mut self, duplicate: &mut dyn FnMut(&str)) -> Value {
        match self.kind() {
            JsonKind::Null => {
                self.null();
                Value::Null
            }
            JsonKind::Bool => Value::Bool(self.bool()),
            JsonKind::Number => number(self.number()),
            JsonKind::Text => Value::Text(self.text()),
            JsonKind::List => {
                self.begin_list();
                let mut list = Vec::new();
                while self.next_item() {
                    list.push(self.value(duplicate));
                }
                Value::List(list)
            }
            JsonKind::Map => {
                self.begin_map();
                let mut map = Map::new();
                while let Some(key) = self.next_key() {
                    let value = self.value(duplicate);
                    if map.contains(&key) {
                        duplicate(&key);
                    }
                    map.insert(key, value);
                }
                Value::Map(map)
            }
        }
    }

    fn escaped(&mut self, out: &mut Vec<u8>) {
        loop {
            match self.peek() {
                b'"' => {
                    self.jump(1);
                    return;
                }
                b'\\' => self.escape(out),
                byte => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) {
        let letter = self.bytes.get(self.at + 1).copied().unwrap_or(b'"');
        self.at += 2;
        let byte = match letter {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut buffer = [0; 4];
                let c = self.unicode();
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                return;
            }
            letter => letter,
        };
        out.push(byte);
    }

    /// The character of a `\u` escape, or of a surrogate pair; a lone surrogate becomes U+FFFD.
    fn unicode(&mut self) -> char {
        let first = self.hex();
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).unwrap_or('\u{fffd}');
        }
        if first < 0xdc00 && self.slice(self.at, self.at + 2) == b"\\u" {
            let mark = self.at;
            self.at += 2;
            let second = self.hex();
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
                    .unwrap_or('\u{fffd}');
            }
            self.at = mark;
        }
        '\u{fffd}'
    }

    fn hex(&mut self) -> u32 {
        let digits = self.slice(self.at, self.at + 4);
        self.at += 4;
        std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .unwrap_or(0xfffd)
    }

    fn skip_text(&mut self) {
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or(&[]);
            let Some(plain) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.bytes.len();
                return;
            };
            self.at += plain;
            if self.peek() == b'"' {
                self.at += 1;
                return;
            }
            self.at += 2;
        }
    }

    fn skip_word(&mut self) {
        while !matches!(self.peek(), b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n' | 0) {
            self.at += 1;
        }
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn bump(&mut self) {
        self.jump(1);
    }

    fn jump(&mut self, len: usize) {
        self.at += len;
        self.space();
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end.min(self.bytes.len())).unwrap_or(&[])
    }
}

/// A document that `check` has found to be well formed and not too deep, for reading it more than once.
#[derive(Clone, Debug)]
pub struct CheckedJson<'a>(Cow<'a, [u8]>);

impl<'a> CheckedJson<'a> {
    pub fn new(bytes: impl Into<Cow<'a, [u8]>>) -> Result<CheckedJson<'a>, Error> {
        let bytes = bytes.into();
        check_tree(&bytes)?;
        Ok(CheckedJson(bytes))
    }

    /// A reader at the beginning of the document.
    pub fn reader(&self) -> JsonReader<'_> {
        JsonReader::of_checked(&self.0)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a document into an untyped tree.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    let mut reader = JsonReader::new(bytes)?;
    Ok(reader.value(&mut |_| {}))
}

/// An integer that fits is exact, everything else is a float, as upstream's number conversion has it.
pub fn number(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(int) => Value::Int(int),
        Err(_) => Value::Float(text.parse().unwrap_or(0.0)),
    }
}

/// Each byte that is no UTF-8 becomes one U+FFFD, as Go's decoder has it.
fn utf8_as_go(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    out
}

/// Refuses a document that is not JSON, or nests deeper than a tree may.
fn check_tree(bytes: &[u8]) -> Result<(), Error> {
    if check(bytes)? > TREE_DEPTH_MAX {
        return Err(Error { message: String::from("exceeded max depth"), offset: bytes.len() });
    }
    Ok(())
}

/// Finds the first place where a document is not JSON, with Go's message for it; gives the depth to which lists
/// and maps nest in one that is.
pub fn check(bytes: &[u8]) -> Result<usize, Error> {
    let mut checker = Checker { bytes, at: 0, open: Vec::new(), depth: 0 };
    checker.run()?;
    Ok(checker.depth)
}

struct Checker<'a> {
    bytes: &'a [u8],
    at: usize,
    /// `{` or `[` of each open map or list.
    open: Vec<u8>,
    /// The most that were open at once.
    depth: usize,
}

impl Checker<'_> {
    fn run(&mut self) -> Result<(), Error> {
        self.value("looking for beginning of value")?;
        while let Some(open) = self.open.last().copied() {
            self.after_value(open)?;
        }
        self.space();
        match self.byte() {
            None => Ok(()),
            Some(_) => self.bad("after top-level value"),
        }
    }

    /// After a value inside a list or map: the next one, or the end.
    fn after_value(&mut self, open: u8) -> Result<(), Error> {
        self.space();
        match (self.byte(), open) {
            (Some(b','), b'[') => {
                self.at += 1;
                self.value("looking for beginning of value")
            }
            (Some(b','), _) => {
                self.at += 1;
                self.space();
                match self.byte() {
                    Some(b'"') => self.entry(),
                    _ => self.bad("looking for beginning of object key string"),
                }
            }
            (Some(b']'), b'[') | (Some(b'}'), b'{') => {
                self.at += 1;
                self.open.pop();
                Ok(())
            }
            (_, b'[') => self.bad("after array element"),
            _ => self.bad("after object key:value pair"),
        }
    }

    /// A key, its colon, and the beginning of its value.
    fn entry(&mut self) -> Result<(), Error> {
        self.text()?;
        self.space();
        if self.byte() != Some(b':') {
            return self.bad("after object key");
        }
        self.at += 1;
        self.value("looking for beginning of value")
    }

    fn value(&mut self, expected: &str) -> Result<(), Error> {
        self.space();
        match self.byte() {
            Some(b'{') => self.begin(b'{'),
            Some(b'[') => self.begin(b'['),
            Some(b'"') => self.text(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.bad(expected),
        }
    }

    /// The beginning of a list or map, and of its first value.
    fn begin(&mut self, open: u8) -> Result<(), Error> {
        // Iterative for the nesting, so that a deep document costs memory of this vector alone.
        let mut open = open;
        loop {
            self.at += 1;
            self.open.push(open);
            self.depth = self.depth.max(self.open.len());
            if self.open.len() > DEPTH_MAX {
                return Err(Error { message: String::from("exceeded max depth"), offset: self.at });
            }
            self.space();
            let close = if open == b'[' { b']' } else { b'}' };
            if self.byte() == Some(close) {
                self.at += 1;
                self.open.pop();
                return Ok(());
            }
            if open == b'{' {
                if self.byte() != Some(b'"') {
                    return self.bad("looking for beginning of object key string");
                }
                self.text()?;
                self.space();
                if self.byte() != Some(b':') {
                    return self.bad("after object key");
                }
                self.at += 1;
                self.space();
            }
            match self.byte() {
                Some(next @ (b'{' | b'[')) => open = next,
                _ => return self.value("looking for beginning of value"),
            }
        }
    }

    fn text(&mut self) -> Result<(), Error> {
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or(&[]);
            let Some(plain) = plain_len(rest) else {
                self.at = self.bytes.len();
                return self.bad("");
            };
            self.at += plain;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return self.bad("in string literal"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Error> {
        self.at += 1;
        match self.byte() {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.byte() {
                        Some(b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.at += 1,
                        _ => return self.bad("in \\u hexadecimal character escape"),
                    }
                }
                Ok(())
            }
            _ => self.bad("in string escape code"),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Error> {
        for (index, expected) in word.bytes().enumerate() {
            if self.byte() != Some(expected) {
                let head = word.get(index..=index).unwrap_or("");
                return self.bad(&format!("in literal {word} (expecting '{head}')"));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Error> {
        let start = self.at;
        self.number_form()?;
        let text = self.bytes.get(start..self.at).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let text = text.unwrap_or("");
        // Only an exponent or hundreds of digits can leave the range of a float.
        let may_overflow = text.len() > 300 || text.contains(['e', 'E']);
        if may_overflow && text.parse::<f64>().is_ok_and(f64::is_infinite) {
            let message = format!("json: cannot unmarshal number {text} into Go value of type float64");
            return Err(Error { message, offset: self.at });
        }
        Ok(())
    }

    fn number_form(&mut self) -> Result<(), Error> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.bad("in numeric literal"),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            if !matches!(self.byte(), Some(b'0'..=b'9')) {
                return self.bad("after decimal point in numeric literal");
            }
            self.digits();
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !matches!(self.byte(), Some(b'0'..=b'9')) {
                return self.bad("in exponent of numeric literal");
            }
            self.digits();
        }
        Ok(())
    }

    fn digits(&mut self) {
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn bad<T>(&self, context: &str) -> Result<T, Error> {
        let Some(byte) = self.byte() else {
            return Err(Error { message: String::from("unexpected end of JSON input"), offset: self.at });
        };
        let message = format!("invalid character {} {context}", quote_char(byte));
        Err(Error { message, offset: self.at + 1 })
    }
}

/// The length of the unescaped beginning of a string: up to a quote, a backslash or a control character. None when
/// there is none of them. Looks at eight bytes at a time.
fn plain_len(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        // A borrow can only mark bytes above one that is marked rightly, so that the lowest mark is true.
        let marks = (control | quote | backslash) & HIGH;
        if marks != 0 {
            return Some(place * 8 + (marks.trailing_zeros() / 8) as usize);
        }
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    rest.iter().position(ends).map(|place| words.len() * 8 + place)
}

/// A byte as Go's scanner quotes it.
fn quote_char(byte: u8) -> String {
    match byte {
        b'\'' => String::from(r"'\''"),
        b'"' => String::from("'\"'"),
        byte => {
            let quoted = crate::field::quote(&char::from(byte).to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}
