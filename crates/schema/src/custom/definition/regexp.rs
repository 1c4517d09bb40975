//! Why a pattern is none of Go's regular expressions, in Go's words.

/// Go's limit of one counted repetition.
const REPEAT_MAX: u32 = 1000;

/// What follows `error parsing regexp: `; `None` for a good pattern.
pub(super) fn fault(source: &str) -> Option<String> {
    let mut reader = Reader { source, rest: source, depth: 0 };
    loop {
        match reader.item() {
            Ok(true) => {}
            Ok(false) => break,
            Err(why) => return Some(why),
        }
    }
    (reader.depth > 0).then(|| format!("missing closing ): `{source}`"))
}

struct Reader<'a> {
    source: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads one element with its repetitions; false at the end.
    fn item(&mut self) -> Result<bool, String> {
        let start = self.rest;
        let Some(c) = self.bump() else { return Ok(false) };
        match c {
            '(' => {
                self.depth += 1;
                self.group(start)?;
                return Ok(true);
            }
            ')' if self.depth == 0 => return Err(format!("unexpected ): `{}`", self.source)),
            ')' => self.depth -= 1,
            '|' => return Ok(true),
            '*' | '+' | '?' => return Err(format!("missing argument to repetition operator: `{c}`")),
            '[' => self.class(start)?,
            '\\' => self.escape(start)?,
            '{' => {
                if let Some(after) = counted(start)? {
                    let shown = start.strip_suffix(after).unwrap_or(start);
                    return Err(format!("missing argument to repetition operator: `{shown}`"));
                }
            }
            _ => {}
        }
        self.repetitions()?;
        Ok(true)
    }

    fn repetitions(&mut self) -> Result<(), String> {
        let start = self.rest;
        let mut is_first = true;
        loop {
            let before = self.rest;
            let after = match before.chars().next() {
                Some('*' | '+' | '?') => before.get(1..),
                Some('{') => counted(before)?,
                _ => None,
            };
            let Some(after) = after else { return Ok(()) };
            self.rest = after.strip_prefix('?').unwrap_or(after);
            if !is_first {
                let shown = start.strip_suffix(self.rest).unwrap_or(start);
                return Err(format!("invalid nested repetition operator: `{shown}`"));
            }
            is_first = false;
        }
    }

    /// What follows an opening parenthesis: nothing, `?:`, flags, or a name.
    fn group(&mut self, start: &'a str) -> Result<(), String> {
        let Some(inner) = self.rest.strip_prefix('?') else { return Ok(()) };
        if let Some(named) = inner.strip_prefix("P<").or_else(|| inner.strip_prefix('<')) {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if let Some((name, after)) = named.split_once('>') {
                if name.is_empty() || !name.chars().all(is_word) {
                    let shown = start.strip_suffix(after).unwrap_or(start);
                    return Err(format!("invalid named capture: `{shown}`"));
                }
                self.rest = after;
                return Ok(());
            }
            if inner.starts_with("P<") || !named.starts_with(['=', '!']) {
                return Err(format!("invalid named capture: `{start}`"));
            }
        }
        for (place, c) in inner.char_indices() {
            let after = inner.get(place + c.len_utf8()..).unwrap_or("");
            match c {
                'i' | 'm' | 's' | 'U' | '-' => {}
                ':' => {
                    self.rest = after;
                    return Ok(());
                }
                ')' => {
                    self.depth -= 1;
                    self.rest = after;
                    return Ok(());
                }
                _ => {
                    let shown = start.strip_suffix(after).unwrap_or(start);
                    return Err(format!("invalid or unsupported Perl syntax: `{shown}`"));
                }
            }
        }
        Err(format!("missing closing ): `{}`", self.source))
    }

    fn class(&mut self, start: &'a str) -> Result<(), String> {
        self.rest = self.rest.strip_prefix('^').unwrap_or(self.rest);
        let mut is_first = true;
        loop {
            let here = self.rest;
            let missing = || format!("missing closing ]: `{start}`");
            match here.chars().next().ok_or_else(missing)? {
                ']' if !is_first => {
                    self.bump();
                    return Ok(());
                }
                '[' if here.starts_with("[:") && here.contains(":]") => {
                    let end = here.find(":]").map_or(here.len(), |place| place + 2);
                    let name = here.get(..end).unwrap_or(here);
                    if !is_posix(name) {
                        return Err(format!("invalid character class range: `{name}`"));
                    }
                    self.rest = here.get(end..).unwrap_or("");
                }
                '\\' if is_class_escape(here) => {
                    self.bump();
                    self.escape(here)?;
                }
                _ => self.range(here, start)?,
            }
            is_first = false;
        }
    }

    fn range(&mut self, here: &'a str, start: &'a str) -> Result<(), String> {
        let low = self.class_char(here, start)?;
        let Some(after) = self.rest.strip_prefix('-').filter(|after| !after.starts_with(']')) else {
            return Ok(());
        };
        if after.is_empty() {
            return Ok(());
        }
        self.rest = after;
        let high = self.class_char(after, start)?;
        if high < low {
            let shown = here.strip_suffix(self.rest).unwrap_or(here);
            return Err(format!("invalid character class range: `{shown}`"));
        }
        Ok(())
    }

    fn class_char(&mut self, here: &'a str, start: &'a str) -> Result<char, String> {
        let c = self.bump().ok_or_else(|| format!("missing closing ]: `{start}`"))?;
        if c != '\\' {
            return Ok(c);
        }
        let escaped = self.rest.chars().next();
        self.escape(here)?;
        Ok(match escaped {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            other => other.unwrap_or('\\'),
        })
    }

    /// `start` begins with the backslash, which has been read.
    fn escape(&mut self, start: &'a str) -> Result<(), String> {
        let Some(c) = self.bump() else { return Err("trailing backslash at end of expression: ``".into()) };
        let is_known = match c {
            'p' | 'P' => return self.unicode_class(start),
            'Q' => {
                let rest = self.rest;
                self.rest = rest.split_once("\\E").map_or("", |(_, after)| after);
                true
            }
            'x' => self.hex(),
            '0'..='7' => c == '0' || self.rest.starts_with(|c: char| ('0'..='7').contains(&c)),
            'A' | 'b' | 'B' | 'C' | 'z' | 'd' | 'D' | 's' | 'S' | 'w' | 'W' => true,
            'a' | 'f' | 't' | 'n' | 'r' | 'v' | 'E' => true,
            c => c.is_ascii_punctuation() && c != '_',
        };
        if is_known {
            return Ok(());
        }
        let shown = start.strip_suffix(self.rest).unwrap_or(start);
        Err(format!("invalid escape sequence: `{shown}`"))
    }

    fn hex(&mut self) -> bool {
        if let Some(inner) = self.rest.strip_prefix('{') {
            let Some((digits, after)) = inner.split_once('}') else { return false };
            self.rest = after;
            return u32::from_str_radix(digits, 16).is_ok_and(|code| char::from_u32(code).is_some());
        }
        let is_good = self.rest.get(..2).is_some_and(|two| two.chars().all(|c| c.is_ascii_hexdigit()));
        self.rest = self.rest.get(2..).unwrap_or("");
        is_good
    }

    /// The name of a class of Unicode: one letter, or in braces.
    fn unicode_class(&mut self, start: &'a str) -> Result<(), String> {
        let refuse = |rest: &str| {
            let shown = start.strip_suffix(rest).unwrap_or(start);
            Err(format!("invalid character class range: `{shown}`"))
        };
        if let Some(inner) = self.rest.strip_prefix('{') {
            let Some((name, after)) = inner.split_once('}') else { return refuse("") };
            self.rest = after;
            let source = format!("\\p{{{}}}", name.trim_start_matches('^'));
            return if regex::Regex::new(&source).is_ok() { Ok(()) } else { refuse(after) };
        }
        match self.bump() {
            Some('C' | 'L' | 'M' | 'N' | 'P' | 'S' | 'Z') => Ok(()),
            _ => refuse(self.rest),
        }
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or("");
        Some(c)
    }
}

fn is_class_escape(here: &str) -> bool {
    here.chars().nth(1).is_some_and(|c| "dDsSwWpP".contains(c))
}

fn is_posix(name: &str) -> bool {
    let word = name.trim_start_matches("[:").trim_start_matches('^').trim_end_matches(":]");
    let known = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "word", "xdigit",
    ];
    known.contains(&word)
}

/// What follows `{2}`, `{2,}` or `{2,3}`; `None` when the brace stands for itself.
fn counted(text: &str) -> Result<Option<&str>, String> {
    let Some((inner, after)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return Ok(None);
    };
    let number = |digits: &str| -> Option<u32> {
        let is_plain = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
        is_plain.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (low, high) = match inner.split_once(',') {
        None => (number(inner), number(inner)),
        Some((low, "")) => (number(low), number(low)),
        Some((low, high)) => (number(low), number(high)),
    };
    let (Some(low), Some(high)) = (low, high) else { return Ok(None) };
    if low > REPEAT_MAX || high > REPEAT_MAX || low > high {
        return Err(format!("invalid repeat count: `{{{inner}}}`"));
    }
    Ok(Some(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_patterns_are_named_in_gos_words() {
        let cases = [
            ("^[a-z]([-a-z0-9]*[a-z0-9])?$", None),
            (r"^\d{1,3}(\.\d+)*$", None),
            (r"[[:alpha:]_]+\pL\p{Greek}", None),
            ("a{,2}", None),
            ("(?i:a|b)(?P<n>c)", None),
            ("[]a]", None),
            ("[", Some("missing closing ]: `[`")),
            ("a[b", Some("missing closing ]: `[b`")),
            ("(", Some("missing closing ): `(`")),
            ("a)", Some("unexpected ): `a)`")),
            ("*a", Some("missing argument to repetition operator: `*`")),
            ("a|*", Some("missing argument to repetition operator: `*`")),
            ("a**", Some("invalid nested repetition operator: `**`")),
            ("(?=x)", Some("invalid or unsupported Perl syntax: `(?=`")),
            ("(?!x)", Some("invalid or unsupported Perl syntax: `(?!`")),
            ("(?<!x)", Some("invalid or unsupported Perl syntax: `(?<`")),
            (r"\y", Some(r"invalid escape sequence: `\y`")),
            (r"(a)\1", Some(r"invalid escape sequence: `\1`")),
            (r"a\", Some("trailing backslash at end of expression: ``")),
            ("[z-a]", Some("invalid character class range: `z-a`")),
            ("a{1001}", Some("invalid repeat count: `{1001}`")),
            (r"\p{None}", Some(r"invalid character class range: `\p{None}`")),
        ];
        for (source, expected) in cases {
            assert_eq!(fault(source).as_deref(), expected, "{source}");
        }
    }
}
