//! Tokens of expressions.

use crate::problem::Problem;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Ident,
    Escaped,
    Int,
    Uint,
    Float,
    Text,
    Bytes,
    Sign,
    End,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub kind: TokenKind,
    pub text: String,
    pub at: usize,
}

const SIGNS: [&str; 26] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!", "?", ":",
    "+", "*", "/", "%", "in", "true",
];

/// All tokens, including the end, and the errors of characters that are none.
pub fn tokens(source: &[char]) -> (Vec<Token>, Vec<Problem>) {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut at = 0;
    while let Some(&c) = source.get(at) {
        if matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{c}') {
            at += 1;
            continue;
        }
        if c == '/' && source.get(at + 1) == Some(&'/') {
            while source.get(at).is_some_and(|&c| c != '\n') {
                at += 1;
            }
            continue;
        }
        match token(source, at) {
            Ok((kind, end)) => {
                let text = source.get(at..end).unwrap_or_default().iter().collect();
                found.push(Token { kind, text, at });
                at = end;
            }
            Err(bad) => {
                let end = (bad + 1).min(source.len());
                let text: String = source.get(at..end).unwrap_or_default().iter().collect();
                let text = text.replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
                problems.push(Problem {
                    at,
                    message: format!("Syntax error: token recognition error at: '{text}'"),
                });
                at = end;
            }
        }
    }
    found.push(Token { kind: TokenKind::End, text: "<EOF>".to_owned(), at: source.len() });
    (found, problems)
}

/// The kind and end of the token at a place, or the character that ends it too early.
fn token(source: &[char], at: usize) -> Result<(TokenKind, usize), usize> {
    let first = source.get(at).copied().unwrap_or_default();
    if let Some(found) = quoted(source, at) {
        return found;
    }
    let second = source.get(at + 1).copied().unwrap_or_default();
    if first.is_ascii_digit() || (first == '.' && second.is_ascii_digit()) {
        return Ok(number(source, at));
    }
    if first == '_' || first.is_ascii_alphabetic() {
        let end = run(source, at, |c| c == '_' || c.is_ascii_alphanumeric());
        let is_word = matches!(source.get(at..end), Some(['i', 'n']));
        return Ok((if is_word { TokenKind::Sign } else { TokenKind::Ident }, end));
    }
    if first == '`' {
        let end =
            run(source, at + 1, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' '));
        let is_closed = source.get(end) == Some(&'`') && end > at + 1;
        return if is_closed { Ok((TokenKind::Escaped, end + 1)) } else { Err(end) };
    }
    let pair: String = [first, second].iter().collect();
    if SIGNS.contains(&pair.as_str()) {
        return Ok((TokenKind::Sign, at + 2));
    }
    if SIGNS.contains(&first.to_string().as_str()) {
        return Ok((TokenKind::Sign, at + 1));
    }
    Err(if matches!(first, '=' | '&' | '|') { at + 1 } else { at })
}

fn run(source: &[char], from: usize, fits: impl Fn(char) -> bool) -> usize {
    let rest = source.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|&&c| fits(c)).count()
}

fn number(source: &[char], at: usize) -> (TokenKind, usize) {
    let is_digit = |c: char| c.is_ascii_digit();
    let unsigned = |end: usize| match source.get(end) {
        Some('u' | 'U') => (TokenKind::Uint, end + 1),
        _ => (TokenKind::Int, end),
    };
    if let (Some('0'), Some('x')) = (source.get(at), source.get(at + 1)) {
        let end = run(source, at + 2, |c| c.is_ascii_hexdigit());
        if end > at + 2 {
            return unsigned(end);
        }
    }
    let mut end = run(source, at, is_digit);
    let mut is_float = false;
    if source.get(end) == Some(&'.') && source.get(end + 1).is_some_and(char::is_ascii_digit) {
        is_float = true;
        end = run(source, end + 1, is_digit);
    }
    if matches!(source.get(end), Some('e' | 'E')) {
        let sign = usize::from(matches!(source.get(end + 1), Some('+' | '-')));
        let after = run(source, end + 1 + sign, is_digit);
        if after > end + 1 + sign {
            is_float = true;
            end = after;
        }
    }
    if is_float { (TokenKind::Float, end) } else { unsigned(end) }
}

/// Text or bytes, if there are quotes after at most two marks.
fn quoted(source: &[char], at: usize) -> Option<Result<(TokenKind, usize), usize>> {
    let (mut start, mut is_bytes, mut is_raw) = (at, false, false);
    if matches!(source.get(start), Some('b' | 'B')) {
        is_bytes = true;
        start += 1;
    }
    if matches!(source.get(start), Some('r' | 'R')) {
        is_raw = true;
        start += 1;
    }
    let quote = *source.get(start).filter(|&&c| c == '"' || c == '\'')?;
    let kind = if is_bytes { TokenKind::Bytes } else { TokenKind::Text };
    let is_triple = source.get(start..start + 3).is_some_and(|three| three.iter().all(|&c| c == quote));
    let width = if is_triple { 3 } else { 1 };
    let mut position = start + width;
    loop {
        let Some(&c) = source.get(position) else { return Some(Err(position)) };
        let closes =
            source.get(position..position + width).is_some_and(|end| end.iter().all(|&c| c == quote));
        if closes {
            return Some(Ok((kind, position + width)));
        }
        if !is_triple && matches!(c, '\n' | '\r') {
            return Some(Err(position));
        }
        if c == '\\' && !is_raw {
            position += 1;
            if !source.get(position).is_some_and(|c| "abfnrtvxXuU01234567\\?\"'`".contains(*c)) {
                return Some(Err(position));
            }
        }
        position += 1;
    }
}
