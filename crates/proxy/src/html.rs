//! Links in HTML, rewritten while the page is passed on: start tags are taken apart and put together as Go's
//! `html` package does, and everything else stays as it is.

/// The longest tag that is looked into; a longer one is passed on as it is.
const TAG_BYTES_MAX: usize = 64 << 10;

/// Attributes that hold addresses, by their elements.
const LINKS: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("video", &["poster", "src"]),
];

/// Elements whose content holds no tags but their own end.
const RAW: [&str; 10] =
    ["iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "title", "textarea", "xmp"];

/// Rewrites a page piece by piece.
#[derive(Default)]
pub struct Rewriter {
    pending: Vec<u8>,
    /// The element whose end is looked for.
    raw: Option<&'static str>,
}

impl Rewriter {
    /// The part of a page that can be output now.
    pub fn push(&mut self, bytes: &[u8], rewrite: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        self.drain(false, rewrite)
    }

    /// The rest of a page.
    pub fn finish(&mut self, rewrite: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
        self.drain(true, rewrite)
    }

    fn drain(&mut self, is_end: bool, rewrite: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
        let pending = std::mem::take(&mut self.pending);
        let mut out = Vec::with_capacity(pending.len() + 64);
        let mut at = 0;
        while at < pending.len() {
            let rest = &pending[at..];
            let step = match self.raw {
                Some(name) => self.raw_text(rest, name, is_end),
                None => self.token(rest, is_end, rewrite),
            };
            match step {
                RewriteStep::Same(count) => out.extend_from_slice(&rest[..count]),
                RewriteStep::Changed(count, text) => {
                    out.extend_from_slice(text.as_bytes());
                    at += count;
                    continue;
                }
                RewriteStep::Wait => break,
            }
            let RewriteStep::Same(count) = step else { break };
            at += count;
        }
        if is_end {
            out.extend_from_slice(&pending[at..]);
        } else {
            self.pending = pending[at..].to_vec();
        }
        out
    }

    fn raw_text(&mut self, rest: &[u8], name: &'static str, is_end: bool) -> RewriteStep {
        if name == "plaintext" {
            return RewriteStep::Same(rest.len());
        }
        let closing = format!("</{name}");
        let mut from = 0;
        while let Some(at) = find(&rest[from..], b"</").map(|at| at + from) {
            let candidate = &rest[at..];
            if candidate.len() <= closing.len() && !is_end {
                return if at == 0 { RewriteStep::Wait } else { RewriteStep::Same(at) };
            }
            let is_closing = candidate.len() >= closing.len()
                && candidate[..closing.len()].eq_ignore_ascii_case(closing.as_bytes())
                && candidate
                    .get(closing.len())
                    .is_none_or(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0x0c | b'/' | b'>'));
            if is_closing {
                self.raw = None;
                return RewriteStep::Same(at.max(1).min(rest.len()));
            }
            from = at + 2;
        }
        // A beginning of an end tag may be cut in two.
        match rest.last() {
            Some(b'<') if !is_end && rest.len() == 1 => RewriteStep::Wait,
            Some(b'<') if !is_end => RewriteStep::Same(rest.len() - 1),
            _ => RewriteStep::Same(rest.len()),
        }
    }

    fn token(&mut self, rest: &[u8], is_end: bool, rewrite: &dyn Fn(&str) -> Option<String>) -> RewriteStep {
        let Some(open) = rest.iter().position(|byte| *byte == b'<') else {
            return RewriteStep::Same(rest.len());
        };
        if open > 0 {
            return RewriteStep::Same(open);
        }
        let enough = |found: Option<usize>| match found {
            Some(count) => RewriteStep::Same(count),
            None if is_end || rest.len() > TAG_BYTES_MAX => RewriteStep::Same(1),
            None => RewriteStep::Wait,
        };
        match rest.get(1) {
            None => enough(None),
            Some(b'!') if rest.starts_with(b"<!--") => enough(find(&rest[4..], b"-->").map(|at| at + 7)),
            Some(b'!') if b"<!--".starts_with(rest) && !is_end => RewriteStep::Wait,
            Some(b'!' | b'?' | b'/') => enough(find(rest, b">").map(|at| at + 1)),
            Some(letter) if letter.is_ascii_alphabetic() => match tag_len(rest) {
                Some(len) if len <= TAG_BYTES_MAX => self.start_tag(&rest[..len], rewrite),
                found => enough(found),
            },
            Some(_) => RewriteStep::Same(1),
        }
    }

    fn start_tag(&mut self, tag: &[u8], rewrite: &dyn Fn(&str) -> Option<String>) -> RewriteStep {
        let Ok(text) = std::str::from_utf8(tag) else { return RewriteStep::Same(tag.len()) };
        let tag = Tag::parse(text);
        if !tag.is_self_closing {
            self.raw = RAW.iter().copied().find(|name| *name == tag.name);
        }
        RewriteStep::Changed(text.len(), tag.print(rewrite))
    }
}

enum RewriteStep {
    /// So many bytes, as they are.
    Same(usize),
    Changed(usize, String),
    /// More must be there first.
    Wait,
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The length of a tag, whose quoted values may hold its end.
fn tag_len(rest: &[u8]) -> Option<usize> {
    let mut quote = None;
    let mut is_value = false;
    for (at, byte) in rest.iter().enumerate().skip(1) {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if is_value => quote = Some(*byte),
            (None, b'>') => return Some(at + 1),
            (None, b'=') => is_value = true,
            (None, byte) if byte.is_ascii_whitespace() => {}
            (None, _) => is_value = false,
        }
    }
    None
}

struct Tag<'a> {
    name: String,
    /// Values without the quotes around them.
    attributes: Vec<(String, &'a str)>,
    is_self_closing: bool,
}

impl<'a> Tag<'a> {
    fn parse(text: &'a str) -> Tag<'a> {
        let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
        let is_space = |c: char| c.is_ascii_whitespace() || c == '/';
        let (name, mut rest) = inner.find(is_space).map_or((inner, ""), |at| inner.split_at(at));
        let is_self_closing = inner.ends_with('/');
        let mut attributes: Vec<(String, &str)> = Vec::new();
        loop {
            rest = rest.trim_start_matches(is_space);
            if rest.is_empty() {
                break;
            }
            // An equals sign that begins belongs to the name.
            let from = if rest.starts_with('=') { 1 } else { 0 };
            let end = rest[from..].find(|c: char| is_space(c) || c == '=').map_or(rest.len(), |at| at + from);
            let key = rest[..end].to_ascii_lowercase();
            rest = rest[end..].trim_start();
            let mut value = "";
            if let Some(after) = rest.strip_prefix('=') {
                (value, rest) = unquoted(after.trim_start());
            }
            if !attributes.iter().any(|(known, _)| *known == key) {
                attributes.push((key, value));
            }
        }
        Tag { name: name.to_ascii_lowercase(), attributes, is_self_closing }
    }

    fn print(&self, rewrite: &dyn Fn(&str) -> Option<String>) -> String {
        let links = LINKS.iter().find(|(name, _)| *name == self.name).map_or(&[][..], |(_, links)| links);
        let mut out = format!("<{}", self.name);
        for (key, value) in &self.attributes {
            let plain = unescape(value);
            let changed = if links.contains(&key.as_str()) { rewrite(&plain) } else { None };
            out.push_str(&format!(" {key}=\"{}\"", escape(changed.as_deref().unwrap_or(&plain))));
        }
        out.push_str(if self.is_self_closing { "/>" } else { ">" });
        out
    }
}

/// A value at the beginning of a text, and the rest.
fn unquoted(text: &str) -> (&str, &str) {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let text = &text[1..];
        return text.split_once(quote).unwrap_or((text, ""));
    }
    text.find(|c: char| c.is_ascii_whitespace()).map_or((text, ""), |at| text.split_at(at))
}

/// Named characters that values of attributes have; others stay as they are written.
const NAMED: [(&str, &str); 6] =
    [("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\""), ("apos", "'"), ("nbsp", "\u{a0}")];

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Some((count, character)) => {
                out.push_str(&character);
                rest = &rest[count..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// The character of a reference at the beginning of a text, and the reference's length.
fn reference(text: &str) -> Option<(usize, String)> {
    if let Some(number) = text.strip_prefix("&#") {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (number, 10),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let code = u32::from_str_radix(&digits[..end], radix).ok()?;
        let character = char::from_u32(code).filter(|c| *c != '\0').unwrap_or('\u{fffd}');
        let used = text.len() - digits.len() + end;
        let semicolon = usize::from(text[used..].starts_with(';'));
        return Some((used + semicolon, character.to_string()));
    }
    let end = text.find(';').filter(|end| *end <= 8)?;
    let (_, character) = NAMED.iter().find(|(name, _)| *name == &text[1..end])?;
    Some((end + 1, (*character).to_string()))
}

/// Escapes the characters of Go's `html.EscapeString`, and leaves unresolved references.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '&' if is_unresolved(&text[at..]) => out.push('&'),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

fn is_unresolved(text: &str) -> bool {
    let name = text[1..].split_once(';').map(|(name, _)| name).unwrap_or_default();
    let is_name =
        !name.is_empty() && name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name && !NAMED.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixed(link: &str) -> Option<String> {
        link.starts_with('/').then(|| format!("/p{link}"))
    }

    fn rewritten(page: &str, piece: usize) -> String {
        let mut rewriter = Rewriter::default();
        let mut out = Vec::new();
        for bytes in page.as_bytes().chunks(piece) {
            out.extend(rewriter.push(bytes, &prefixed));
        }
        out.extend(rewriter.finish(&prefixed));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn links_are_rewritten_and_the_rest_is_kept() {
        for (page, expected) in [
            ("<a href=\"/abs\">a</a>", "<a href=\"/p/abs\">a</a>"),
            ("<A HREF='/abs' Class=x>", "<a href=\"/p/abs\" class=\"x\">"),
            ("<img src=/i.png alt=\"a > b\"/>", "<img src=\"/p/i.png\" alt=\"a &gt; b\"/>"),
            ("<p title='it&#39;s'>x < y</p>", "<p title=\"it&#39;s\">x < y</p>"),
            ("<a href=\"/a?b&amp;c&eacute;\">", "<a href=\"/p/a?b&amp;c&eacute;\">"),
            ("<!-- <a href=\"/x\"> --><b>", "<!-- <a href=\"/x\"> --><b>"),
            (
                "<script src=\"/s\">if (a<b) '<a href=\"/x\">'</script><a href=\"/y\">",
                "<script src=\"/p/s\">if (a<b) '<a href=\"/x\">'</script><a href=\"/p/y\">",
            ),
            ("<!DOCTYPE html><a href=rel>", "<!DOCTYPE html><a href=\"rel\">"),
            ("<input disabled>", "<input disabled=\"\">"),
            ("open <a href=", "open <a href="),
        ] {
            for piece in [1, 3, 1000] {
                assert_eq!(rewritten(page, piece), expected, "{page} in pieces of {piece}");
            }
        }
    }
}
