//! The text form of label selectors, parsed by upstream's grammar and with its messages.
//!
//! ```text
//! selector    = [ requirement { "," requirement } ]
//! requirement = [ "!" ] key | key operator value | key ( "in" | "notin" ) "(" [ value { "," value } ] ")"
//! operator    = "=" | "==" | "!=" | ">" | "<"
//! ```

use super::SelectorError;
use super::label::{Operator, Requirement};
use crate::content;
use crate::field::quote;
use crate::value::Text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SelectorToken<'a> {
    End,
    Open,
    Close,
    Comma,
    Not,
    Compare(Operator),
    /// A word; `in` and `notin` are operators only in the place of an operator.
    Word(&'a str),
}

/// The requirements of a selector, in the order written.
pub fn requirements(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = SelectorParser { tokens: tokens(text), position: 0 };
    parser.selector().map_err(SelectorError)
}

struct SelectorParser<'a> {
    tokens: Vec<SelectorToken<'a>>,
    position: usize,
}

impl<'a> SelectorParser<'a> {
    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                SelectorToken::Word(_) | SelectorToken::Not => {}
                SelectorToken::End => return Ok(requirements),
                other => return Err(found(other, ", expected: !, identifier, or 'end of string'")),
            }
            let requirement = self.requirement();
            requirements.push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
            match self.next() {
                SelectorToken::End => return Ok(requirements),
                SelectorToken::Comma
                    if matches!(self.peek(), SelectorToken::Word(_) | SelectorToken::Not) => {}
                SelectorToken::Comma => return Err(found(self.peek(), ", expected: identifier after ','")),
                other => return Err(found(other, ", expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let is_negated = self.peek() == SelectorToken::Not;
        if is_negated {
            self.next();
        }
        let key = match self.next() {
            SelectorToken::Word(key) => key,
            other => return Err(found(other, ", expected: identifier")),
        };
        check_key(key)?;
        let (operator, values) = if is_negated {
            (Operator::DoesNotExist, Vec::new())
        } else if matches!(self.peek(), SelectorToken::End | SelectorToken::Comma) {
            (Operator::Exists, Vec::new())
        } else {
            self.operator_and_values()?
        };
        Requirement::new(Text::from(key), operator, sorted(values)).map_err(|error| error.0)
    }

    fn operator_and_values(&mut self) -> Result<(Operator, Vec<&'a str>), String> {
        match self.next() {
            SelectorToken::Compare(operator) => Ok((operator, vec![self.value()?])),
            SelectorToken::Word("in") => Ok((Operator::In, self.value_set()?)),
            SelectorToken::Word("notin") => Ok((Operator::NotIn, self.value_set()?)),
            other => Err(found(other, ", expected: in, notin, =, ==, !=, gt, lt")),
        }
    }

    fn value(&mut self) -> Result<&'a str, String> {
        if matches!(self.peek(), SelectorToken::End | SelectorToken::Comma) {
            return Ok("");
        }
        match self.next() {
            SelectorToken::Word(value) => Ok(value),
            other => Err(found(other, ", expected: identifier")),
        }
    }

    fn value_set(&mut self) -> Result<Vec<&'a str>, String> {
        match self.next() {
            SelectorToken::Open => {}
            other => return Err(found(other, " expected: '('")),
        }
        match self.peek() {
            SelectorToken::Word(_) | SelectorToken::Comma => self.value_list(),
            SelectorToken::Close => {
                self.next();
                Ok(vec![""])
            }
            other => Err(found(other, ", expected: ',', ')' or identifier")),
        }
    }

    /// Values up to the closing parenthesis; nothing before or after a comma is the empty value.
    fn value_list(&mut self) -> Result<Vec<&'a str>, String> {
        let mut values = Vec::new();
        loop {
            match self.next() {
                SelectorToken::Word(value) => {
                    values.push(value);
                    if !matches!(self.peek(), SelectorToken::Comma | SelectorToken::Close) {
                        return Err(found(self.peek(), ", expected: ',' or ')'"));
                    }
                }
                SelectorToken::Comma => {
                    if values.is_empty() || matches!(self.peek(), SelectorToken::Close | SelectorToken::Comma)
                    {
                        values.push("");
                    }
                }
                other => return Err(found(other, ", expected: ',', or identifier")),
            }
            if self.peek() == SelectorToken::Close {
                self.next();
                return Ok(values);
            }
        }
    }

    fn peek(&self) -> SelectorToken<'a> {
        self.tokens.get(self.position).copied().unwrap_or(SelectorToken::End)
    }

    fn next(&mut self) -> SelectorToken<'a> {
        let token = self.peek();
        self.position += 1;
        token
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let wrong = content::label_key(key).join("; ");
    if wrong.is_empty() {
        return Ok(());
    }
    // Upstream has no path here, and prints it so.
    Err(format!("<nil>: Invalid value: {}: {wrong}", quote(key)))
}

/// Sorted and each once, as upstream's set of values.
fn sorted(mut values: Vec<&str>) -> Vec<Text> {
    values.sort_unstable();
    values.dedup();
    values.into_iter().map(Text::from).collect()
}

fn found(token: SelectorToken<'_>, expected: &str) -> String {
    let literal = match token {
        SelectorToken::End => "",
        SelectorToken::Open => "(",
        SelectorToken::Close => ")",
        SelectorToken::Comma => ",",
        SelectorToken::Not => "!",
        SelectorToken::Compare(Operator::DoubleEquals) => "==",
        SelectorToken::Compare(Operator::NotEquals) => "!=",
        SelectorToken::Compare(Operator::GreaterThan) => ">",
        SelectorToken::Compare(Operator::LessThan) => "<",
        SelectorToken::Compare(_) => "=",
        SelectorToken::Word(word) => word,
    };
    format!("found '{literal}'{expected}")
}

/// All tokens before the end; a NUL byte between tokens ends the text, and one in a word ends the word.
fn tokens(text: &str) -> Vec<SelectorToken<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(is_space);
        let Some(first) = rest.chars().next().filter(|c| *c != '\0') else {
            return tokens;
        };
        let (token, after) = if is_special(first) { symbol(rest) } else { word(rest) };
        tokens.push(token);
        rest = after;
    }
}

fn symbol(text: &str) -> (SelectorToken<'_>, &str) {
    let symbols = [
        ("==", SelectorToken::Compare(Operator::DoubleEquals)),
        ("!=", SelectorToken::Compare(Operator::NotEquals)),
        ("=", SelectorToken::Compare(Operator::Equals)),
        (">", SelectorToken::Compare(Operator::GreaterThan)),
        ("<", SelectorToken::Compare(Operator::LessThan)),
        ("!", SelectorToken::Not),
        ("(", SelectorToken::Open),
        (")", SelectorToken::Close),
        (",", SelectorToken::Comma),
    ];
    let matching = |(symbol, token)| text.strip_prefix(symbol).map(|after| (token, after));
    symbols.into_iter().find_map(matching).expect("is_special accepts only the first bytes of this table")
}

fn word(text: &str) -> (SelectorToken<'_>, &str) {
    let end = text.find(|c| is_space(c) || is_special(c) || c == '\0').unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    (SelectorToken::Word(word), after.strip_prefix('\0').unwrap_or(after))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}
