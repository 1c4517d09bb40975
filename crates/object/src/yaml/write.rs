//! Writes YAML byte for byte as sigs.k8s.io/yaml does: libyaml's emitter with go-yaml's choice of styles.

use super::scalar;
use crate::json;
use crate::value::Value;
use std::cmp::Ordering;

/// Plain and quoted scalars break at the first space after this column.
const WIDTH: usize = 80;
/// A key longer than this is written as an explicit one (`? key`).
const SIMPLE_KEY_MAX: usize = 128;

/// The value as a YAML document. What would be indentation almost alone, being deep and short, is written as the
/// JSON that it is: YAML too.
pub fn to_string(value: &Value) -> String {
    let indent_max = json::write::INDENT_BYTES_FREE + json::write::INDENT_RATIO_MAX * json::len(value);
    let mut writer = YamlWriter { out: String::new(), column: 0, indent_left: Some(indent_max) };
    writer.node(&expanded(value), 0, ScalarPlace::Root);
    if writer.indent_left.is_none() {
        return format!("{}\n", json::to_string(value));
    }
    writer.out.push('\n');
    writer.out
}

/// Raw JSON is written as the tree that it is.
fn expanded(value: &Value) -> Value {
    match value {
        Value::Raw(raw) => json::parse(raw.0.as_bytes()).unwrap_or(Value::Null),
        Value::List(items) => Value::List(items.iter().map(expanded).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key, expanded(value))).collect()),
        other => other.clone(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ScalarPlace {
    Root,
    /// After `key:`.
    MapValue,
    /// After `- `.
    Item,
}

struct YamlWriter {
    out: String,
    column: usize,
    /// Bytes of indentation that may still be written; none once there were too many.
    indent_left: Option<usize>,
}

impl YamlWriter {
    /// Writes a node; `indent` is the column of its collection.
    fn node(&mut self, value: &Value, indent: usize, place: ScalarPlace) {
        if self.indent_left.is_none() {
            return;
        }
        match value {
            Value::Map(map) if !map.is_empty() => {
                let mut entries: Vec<(&str, &Value)> = map.iter().collect();
                entries.sort_by(|(a, _), (b, _)| natural(a, b));
                let indent = if place == ScalarPlace::MapValue { indent + 2 } else { indent };
                for (index, (key, value)) in entries.into_iter().enumerate() {
                    if place == ScalarPlace::MapValue || index > 0 {
                        self.line(indent);
                    }
                    self.entry(key, value, indent);
                }
            }
            // A list in a map is at the map's own column.
            Value::List(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    if place == ScalarPlace::MapValue || index > 0 {
                        self.line(indent);
                    }
                    self.put("- ");
                    self.node(item, indent + 2, ScalarPlace::Item);
                }
            }
            scalar => {
                if place == ScalarPlace::MapValue {
                    self.put(" ");
                }
                let indent = if place == ScalarPlace::Item { indent } else { indent + 2 };
                self.scalar(scalar, indent);
            }
        }
    }

    fn entry(&mut self, key: &str, value: &Value, indent: usize) {
        if key.len() > SIMPLE_KEY_MAX || key.contains('\n') {
            self.put("? ");
            self.text(key, indent + 2, true);
            self.line(indent);
        } else {
            self.text(key, indent, false);
        }
        self.put(":");
        self.node(value, indent, ScalarPlace::MapValue);
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Map(_) => self.put("{}"),
            Value::List(_) => self.put("[]"),
            Value::Text(text) if text.contains('\n') && Analysis::of(text).block_allowed => {
                self.literal(text, indent)
            }
            Value::Text(text) => self.text(text, indent, true),
            Value::Float(float) => self.put(&float_text(*float)),
            other => self.put(&json::to_string(other)),
        }
    }

    fn text(&mut self, text: &str, indent: usize, may_break: bool) {
        let analysis = Analysis::of(text);
        let is_plain = !text.is_empty() && !scalar::is_ambiguous(text) && !text.contains('\n');
        if is_plain && analysis.plain_allowed {
            self.plain(text, indent, may_break);
        } else if is_plain && analysis.single_allowed {
            self.single_quoted(text, indent, may_break);
        } else {
            self.double_quoted(text, indent, may_break);
        }
    }

    fn plain(&mut self, text: &str, indent: usize, may_break: bool) {
        let chars: Vec<char> = text.chars().collect();
        let mut after_space = false;
        for (index, c) in chars.iter().enumerate() {
            let next_is_space = chars.get(index + 1) == Some(&' ');
            if *c == ' ' && may_break && !after_space && self.column > WIDTH && !next_is_space {
                self.line(indent);
            } else {
                self.push(*c);
            }
            after_space = *c == ' ';
        }
    }

    fn single_quoted(&mut self, text: &str, indent: usize, may_break: bool) {
        let chars: Vec<char> = text.chars().collect();
        let mut after_space = false;
        self.push('\'');
        for (index, c) in chars.iter().enumerate() {
            let is_inner = index > 0 && index + 1 < chars.len();
            let next_is_space = chars.get(index + 1) == Some(&' ');
            if *c == ' ' && may_break && !after_space && self.column > WIDTH && is_inner && !next_is_space {
                self.line(indent);
            } else {
                if *c == '\'' {
                    self.push('\'');
                }
                self.push(*c);
            }
            after_space = *c == ' ';
        }
        self.push('\'');
    }

    fn double_quoted(&mut self, text: &str, indent: usize, may_break: bool) {
        let chars: Vec<char> = text.chars().collect();
        let mut after_space = false;
        self.push('"');
        for (index, c) in chars.iter().enumerate() {
            let is_inner = index > 0 && index + 1 < chars.len();
            if *c == ' ' && may_break && !after_space && self.column > WIDTH && is_inner {
                self.line(indent);
                if chars.get(index + 1) == Some(&' ') {
                    self.push('\\');
                }
                after_space = true;
                continue;
            }
            after_space = *c == ' ';
            match escape(*c) {
                Some(escaped) => self.put(&escaped),
                None => self.push(*c),
            }
        }
        self.push('"');
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with([' ', '\n']) {
            self.put("2");
        }
        if !text.ends_with('\n') {
            self.put("-");
        } else if text == "\n" || text.ends_with("\n\n") {
            self.put("+");
        }
        // The last line break is the one that ends the node.
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if line.is_empty() {
                self.push('\n');
            } else {
                self.line(indent);
                self.put(line);
            }
        }
    }

    fn line(&mut self, indent: usize) {
        self.indent_left = self.indent_left.and_then(|left| left.checked_sub(indent));
        if self.indent_left.is_none() {
            return;
        }
        self.push('\n');
        for _ in 0..indent {
            self.push(' ');
        }
    }

    fn put(&mut self, text: &str) {
        text.chars().for_each(|c| self.push(c));
    }

    fn push(&mut self, c: char) {
        self.out.push(c);
        self.column = if c == '\n' { 0 } else { self.column + 1 };
    }
}

/// Go's shortest form in `%g`: with an exponent below 1e-4 and from 1e6 on, unless JSON shows an integer.
fn float_text(float: f64) -> String {
    let json = json::to_string(&Value::Float(float));
    let told = format!("{float:e}");
    let (digits, exponent) = told.split_once('e').unwrap_or((&told, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let is_integer = !json.contains(['.', 'e']);
    if is_integer || (-4..6).contains(&exponent) {
        return json;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Which styles libyaml's emitter allows a text.
struct Analysis {
    plain_allowed: bool,
    single_allowed: bool,
    block_allowed: bool,
}

impl Analysis {
    fn of(text: &str) -> Analysis {
        let chars: Vec<char> = text.chars().collect();
        let mut analysis = Analysis { plain_allowed: true, single_allowed: true, block_allowed: true };
        if text.starts_with("---") || text.starts_with("...") {
            analysis.plain_allowed = false;
        }
        let is_blank = |c: Option<&char>| {
            c.is_none_or(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'))
        };
        for (index, c) in chars.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| chars.get(before));
            let after = chars.get(index + 1);
            if is_indicator(*c, index == 0, before.is_some() && is_blank(before), is_blank(after)) {
                analysis.plain_allowed = false;
            }
            let (is_first, is_last) = (index == 0, index + 1 == chars.len());
            if escape(*c).is_some() && !matches!(c, '\n' | '"' | '\\') {
                analysis = Analysis { plain_allowed: false, single_allowed: false, block_allowed: false };
            }
            match c {
                ' ' if is_last => {
                    analysis.plain_allowed = false;
                    analysis.block_allowed = false;
                }
                ' ' if is_first => analysis.plain_allowed = false,
                ' ' if before == Some(&'\n') => {
                    analysis.plain_allowed = false;
                    analysis.single_allowed = false;
                }
                '\n' if before == Some(&' ') => {
                    analysis = Analysis { plain_allowed: false, single_allowed: false, block_allowed: false };
                }
                '\n' => analysis.plain_allowed = false,
                _ => {}
            }
        }
        analysis
    }
}

/// Whether a character in its place would be taken for syntax in a block.
fn is_indicator(c: char, is_first: bool, after_blank: bool, before_blank: bool) -> bool {
    match c {
        '#' => is_first || after_blank,
        ':' => before_blank,
        '?' | '-' => is_first && before_blank,
        ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => is_first,
        _ => false,
    }
}

/// The escape of a character that double quotes cannot hold as it is.
fn escape(c: char) -> Option<String> {
    let short = match c {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{a0}' => return None,
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        _ => return long_escape(c),
    };
    Some(String::from(short))
}

/// The escape of a character, unless libyaml holds it printable.
fn long_escape(c: char) -> Option<String> {
    let code = c as u32;
    let is_printable =
        matches!(code, 0x20..=0x7e | 0xa0..=0xd7ff | 0xe000..=0xfffd | 0x10000..) && code != 0xfeff;
    match code {
        _ if is_printable => None,
        0..=0xff => Some(format!("\\x{code:02X}")),
        0x100..=0xffff => Some(format!("\\u{code:04X}")),
        _ => Some(format!("\\U{code:08X}")),
    }
}

/// go-yaml's order of keys: letters after everything else, digits by the number that they make.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(place) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    let (Some(x), Some(y)) = (a.get(place), b.get(place)) else { return Ordering::Equal };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Digits before the difference that are not all zeros keep a zero from being a leading one.
    let before: &[char] = a.get(..place).unwrap_or(&[]);
    let in_number = before.iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let start = i64::from((*x == '0' || *y == '0') && in_number);
    let number = |chars: &[char]| {
        let digits: Vec<&char> = chars.iter().skip(place).take_while(|c| c.is_ascii_digit()).collect();
        let value = digits.iter().fold(start, |number, digit| {
            number.wrapping_mul(10).wrapping_add(i64::from(digit.to_digit(10).unwrap_or(0)))
        });
        (value, digits.len())
    };
    number(&a).cmp(&number(&b)).then(x.cmp(y))
}
