//! Classes of characters and escapes of one: `[^a-z\d]`, `\pL`, `\x{e9}`.

use crate::class::{self, LAST, Range, Set};
use crate::fault::{Code, Fault};
use crate::names;
use crate::text::{read_part, split_first};
use std::collections::HashMap;

/// The number of ranges in all classes of a pattern together. Go's limit is sixteen times that, and its memory too.
const RANGES_MAX: usize = 1 << 20;

/// Reads classes, and knows those with names that it has read before.
#[derive(Default)]
pub struct Brackets {
    /// By name, negation and case.
    known: HashMap<(String, bool, bool), Set>,
    /// A dot that is any character, and one that is not the end of a line.
    dots: [Option<Set>; 2],
    ranges: usize,
}

/// Runs as they are read; folded ones still want their other cases.
#[derive(Default)]
struct Draft {
    ranges: Vec<Range>,
    /// The number of ranges when they were last cleaned.
    cleaned: usize,
}

impl Draft {
    fn extend(&mut self, ranges: &[Range]) {
        self.ranges.extend_from_slice(ranges);
        if self.ranges.len() > 2 * self.cleaned + 4096 {
            class::clean(&mut self.ranges);
            self.cleaned = self.ranges.len();
        }
    }
}

impl Brackets {
    /// Whether the classes so far have more runs than any pattern should.
    pub fn is_full(&self) -> bool {
        self.ranges > RANGES_MAX
    }

    pub fn dot(&mut self, is_any: bool) -> Set {
        let known = &mut self.dots[usize::from(is_any)];
        let make = || if is_any { Set::from([(0, LAST)]) } else { Set::from([(0, 9), (11, LAST)]) };
        known.get_or_insert_with(make).clone()
    }

    /// A class in brackets, and the rest after it.
    pub fn class<'a>(&mut self, start: &'a str, is_folded: bool) -> Result<(Set, &'a str), Fault> {
        let inner = start.get(1..).unwrap_or("");
        let (is_negated, mut rest) = inner.strip_prefix('^').map_or((false, inner), |rest| (true, rest));
        let (mut whole, mut single) = (Draft::default(), Draft::default());
        let mut is_first = true;
        while is_first || !rest.starts_with(']') {
            is_first = false;
            if let Some((set, after)) = self.posix(rest, is_folded)? {
                whole.extend(&set);
                rest = after;
            } else if let Some((set, after)) = self.named(rest, is_folded)? {
                whole.extend(&set);
                rest = after;
            } else {
                let (range, after) = range(rest, start)?;
                single.extend(&[range]);
                rest = after;
            }
        }
        class::clean(&mut single.ranges);
        whole.ranges.extend(if is_folded { class::folded(&single.ranges) } else { single.ranges });
        class::clean(&mut whole.ranges);
        let ranges = if is_negated { class::negated(&whole.ranges) } else { whole.ranges };
        self.ranges = self.ranges.saturating_add(ranges.len());
        Ok((ranges.into(), rest.get(1..).unwrap_or("")))
    }

    /// `[:alpha:]` or `[:^alpha:]`.
    fn posix<'a>(&mut self, start: &'a str, is_folded: bool) -> Result<Option<(Set, &'a str)>, Fault> {
        let Some((inner, rest)) = start.strip_prefix("[:").and_then(|inner| inner.split_once(":]")) else {
            return Ok(None);
        };
        let (is_negated, name) = inner.strip_prefix('^').map_or((false, inner), |name| (true, name));
        let Some((_, ranges)) = class::POSIX.iter().find(|(known, _)| *known == name) else {
            return Err(Fault::new(Code::CharRange, read_part(start, rest)));
        };
        let set = self.known_or(format!("[:{name}:]"), is_negated, is_folded, || ranges.to_vec());
        Ok(Some((set, rest)))
    }

    /// `\d` and the like, or a Unicode class; `None` for other texts.
    pub fn named<'a>(&mut self, start: &'a str, is_folded: bool) -> Result<Option<(Set, &'a str)>, Fault> {
        let Some((letter, rest)) = start.strip_prefix('\\').and_then(split_first) else { return Ok(None) };
        let ranges = match letter.to_ascii_lowercase() {
            'd' => class::DIGITS,
            's' => class::SPACES,
            'w' => class::WORDS,
            'p' => return self.unicode(start, rest, letter == 'P', is_folded).map(Some),
            _ => return Ok(None),
        };
        let (key, is_negated) = (letter.to_ascii_lowercase(), letter.is_ascii_uppercase());
        Ok(Some((self.known_or(format!("\\{key}"), is_negated, is_folded, || ranges.to_vec()), rest)))
    }

    fn unicode<'a>(
        &mut self,
        start: &'a str,
        after: &'a str,
        is_negated: bool,
        is_folded: bool,
    ) -> Result<(Set, &'a str), Fault> {
        let (name, rest) = match after.strip_prefix('{') {
            Some(inner) => inner.split_once('}').ok_or_else(|| Fault::new(Code::CharRange, start))?,
            None => after.split_at(after.chars().next().map_or(0, char::len_utf8)),
        };
        let (is_inverted, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
        let is_negated = is_negated != is_inverted;
        let key = (name.to_owned(), is_negated, is_folded);
        if let Some(set) = self.known.get(&key) {
            let set = set.clone();
            self.ranges = self.ranges.saturating_add(1);
            return Ok((set, rest));
        }
        let Some(ranges) = names::lookup(name) else {
            return Err(Fault::new(Code::CharRange, read_part(start, rest)));
        };
        Ok((self.known_or(key.0, is_negated, is_folded, || ranges), rest))
    }

    fn known_or(
        &mut self,
        name: String,
        is_negated: bool,
        is_folded: bool,
        ranges: impl FnOnce() -> Vec<Range>,
    ) -> Set {
        let of = &mut self.ranges;
        let made = self.known.entry((name, is_negated, is_folded)).or_insert_with(|| {
            let mut ranges = ranges();
            if is_folded {
                ranges = class::folded(&ranges);
            }
            if is_negated {
                ranges = class::negated(&ranges);
            }
            *of = of.saturating_add(ranges.len());
            ranges.into()
        });
        made.clone()
    }
}

/// A character or a range in a class, and the rest after it.
fn range<'a>(start: &'a str, class: &str) -> Result<(Range, &'a str), Fault> {
    let (low, rest) = member(start, class)?;
    // A dash before the closing bracket is itself.
    let Some(after) = rest.strip_prefix('-').filter(|after| !after.is_empty() && !after.starts_with(']'))
    else {
        return Ok(((low, low), rest));
    };
    let (high, rest) = member(after, class)?;
    if high < low {
        return Err(Fault::new(Code::CharRange, read_part(start, rest)));
    }
    Ok(((low, high), rest))
}

fn member<'a>(start: &'a str, class: &str) -> Result<(u32, &'a str), Fault> {
    match split_first(start) {
        None => Err(Fault::new(Code::MissingBracket, class)),
        Some(('\\', _)) => escape(start),
        Some((c, rest)) => Ok((u32::from(c), rest)),
    }
}

/// The character of an escape, which may be a surrogate, and the rest after it.
pub fn escape(start: &str) -> Result<(u32, &str), Fault> {
    let Some((c, rest)) = start.get(1..).and_then(split_first) else {
        return Err(Fault::new(Code::TrailingBackslash, ""));
    };
    let refuse = |rest: &str| Err(Fault::new(Code::Escape, read_part(start, rest)));
    match c {
        'a' => Ok((0x07, rest)),
        'f' => Ok((0x0c, rest)),
        'n' => Ok((0x0a, rest)),
        'r' => Ok((0x0d, rest)),
        't' => Ok((0x09, rest)),
        'v' => Ok((0x0b, rest)),
        'x' => hex(rest).or_else(refuse),
        // A single digit other than zero would be a backreference.
        '1'..='7' if !rest.starts_with(|c| matches!(c, '0'..='7')) => refuse(rest),
        '0'..='7' => Ok(octal(c, rest)),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok((u32::from(c), rest)),
        _ => refuse(rest),
    }
}

fn octal(first: char, rest: &str) -> (u32, &str) {
    let end = rest.bytes().take(2).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
    let (digits, rest) = rest.split_at(end);
    let more = digits
        .chars()
        .chain(None)
        .fold(first.to_digit(8).unwrap_or(0), |sum, digit| sum * 8 + digit.to_digit(8).unwrap_or(0));
    (more, rest)
}

/// Two hexadecimal digits, or any number of them in braces; otherwise the rest after the first wrong character.
fn hex(start: &str) -> Result<(u32, &str), &str> {
    let Some((first, mut rest)) = split_first(start) else { return Err(start) };
    if first != '{' {
        let second = split_first(rest);
        let rest = second.map_or("", |(_, rest)| rest);
        let digits = first.to_digit(16).zip(second.and_then(|(second, _)| second.to_digit(16)));
        return digits.map(|(first, second)| (first * 16 + second, rest)).ok_or(rest);
    }
    let (mut code, mut has_digits) = (0, false);
    loop {
        let Some((c, after)) = split_first(rest) else { return Err(rest) };
        rest = after;
        if c == '}' {
            return if has_digits { Ok((code, rest)) } else { Err(rest) };
        }
        let Some(digit) = c.to_digit(16) else { return Err(rest) };
        code = code * 16 + digit;
        if code > LAST {
            return Err(rest);
        }
        has_digits = true;
    }
}
