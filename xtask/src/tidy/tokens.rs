//! Tokens of Rust's source, without comments, literals and test code.

/// The tokens of a source outside tests: names, `::`, and single signs.
pub fn product_tokens(text: &str) -> Vec<&str> {
    without_tests(&tokens(text))
}

/// All tokens of a source.
pub fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = literal_or_comment(rest);
        if skipped > 0 {
            rest = &rest[skipped..];
            continue;
        }
        let length = token_len(rest);
        if !first.is_whitespace() {
            found.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    found
}

fn token_len(rest: &str) -> usize {
    let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
    if word > 0 {
        word
    } else if rest.starts_with("::") {
        2
    } else {
        rest.chars().next().map_or(0, char::len_utf8)
    }
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the comment, string, character or lifetime at the front, or 0.
fn literal_or_comment(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    let unprefixed = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let prefix = rest.len() - unprefixed.len();
    if let Some(length) = raw_string_len(unprefixed).or_else(|| string_len(unprefixed)) {
        return prefix + length;
    }
    character_len(unprefixed).map_or(0, |length| prefix + length)
}

fn raw_string_len(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = body.find(&format!("\"{}", "#".repeat(hashes)))?;
    Some(2 + hashes + end + 1 + hashes)
}

fn string_len(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('"')?;
    let mut is_escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            '"' if !is_escaped => return Some(at + 2),
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    None
}

/// A character, or the sign of a lifetime, whose name is a token then.
fn character_len(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    if body.starts_with('\\') {
        return body.get(2..)?.find('\'').map(|end| end + 4);
    }
    let first = body.chars().next()?.len_utf8();
    Some(if body[first..].starts_with('\'') { first + 2 } else { 1 })
}

/// Leaves out the items behind `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        if rest.starts_with(&TEST) {
            rest = &rest[TEST.len()..];
            rest = &rest[item_len(rest)..];
        } else {
            kept.push(*first);
            rest = &rest[1..];
        }
    }
    kept
}

/// Tokens up to the `;` or the closing brace of the item at the front.
fn item_len(tokens: &[&str]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" => depth += 1,
            "}" if depth <= 1 => return at + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_tokens() {
        for (text, expected) in [
            ("use a::b; // c", vec!["use", "a", "::", "b", ";"]),
            ("f(\"x \\\" y\", r#\"a \" b\"#, b'\\'', 'c')", vec!["f", "(", ",", ",", ",", ")"]),
            ("/* a */ fn f<'a>() {}", vec!["fn", "f", "<", "a", ">", "(", ")", "{", "}"]),
        ] {
            assert_eq!(tokens(text), expected, "{text}");
        }
    }

    #[test]
    fn tests_are_left_out() {
        let text = "mod a; #[cfg(test)] use b; #[cfg(test)] mod tests { fn c() {} } fn d() {}";
        assert_eq!(product_tokens(text), ["mod", "a", ";", "fn", "d", "(", ")", "{", "}"]);
    }
}
