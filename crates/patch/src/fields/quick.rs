//! A quick reader of FieldsV1 in the form that servers write: compact, sorted, nothing but maps. Other texts are left
//! to the reader that handles all of JSON and reports errors.
//!
//! Every update of an object reads the fields of all of its managers, so this is the hot path of managed fields.

use super::element::Element;
use super::set::FieldSet;
use pintle_object::{Value, json};

/// Sets nest this deep at most here; deeper ones take the other way.
const DEPTH_MAX: usize = 64;

pub(super) fn parse(document: &str) -> Option<FieldSet> {
    let mut cursor = Cursor { text: document, place: 0 };
    let (set, _) = cursor.set(0)?;
    (cursor.place == document.len()).then_some(set)
}

struct Cursor<'a> {
    text: &'a str,
    place: usize,
}

impl<'a> Cursor<'a> {
    /// The set below a key, and whether the key's own path is in the set.
    fn set(&mut self, depth: usize) -> Option<(FieldSet, bool)> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Some((FieldSet::new(), true));
        }
        if depth > DEPTH_MAX {
            return None;
        }
        let mut set = FieldSet::new();
        let mut is_member = false;
        loop {
            let (key, is_escaped) = self.key()?;
            self.expect(b':')?;
            if key == "." {
                self.expect(b'{')?;
                self.expect(b'}')?;
                is_member = true;
            } else {
                let element = match key.strip_prefix("f:") {
                    Some(name) if !is_escaped => Element::field(name),
                    _ if is_escaped => escaped(key)?,
                    _ => Element::parse(key).ok()?,
                };
                let (children, is_child_member) = self.set(depth + 1)?;
                set.push(element, is_child_member, children);
            }
            if !self.take(b',') {
                self.expect(b'}')?;
                return Some((set, is_member));
            }
        }
    }

    /// The text between two quotes, and whether there are escapes in it.
    fn key(&mut self) -> Option<(&'a str, bool)> {
        self.expect(b'"')?;
        let rest = self.text.get(self.place..)?;
        let mut is_escaped = false;
        let mut len = 0;
        loop {
            match rest.as_bytes().get(len)? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    len += 2;
                }
                byte if *byte < b' ' => return None,
                _ => len += 1,
            }
        }
        self.place += len + 1;
        Some((rest.get(..len)?, is_escaped))
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.text.as_bytes().get(self.place) == Some(&byte);
        self.place += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }
}

/// Keys of list items hold quotes, as `k:{\"name\":\"a\"}`.
fn escaped(key: &str) -> Option<Element> {
    let only_quotes = key.replace("\\\"", "\"");
    if !only_quotes.contains('\\') {
        return Element::parse(&only_quotes).ok();
    }
    match json::parse(format!("\"{key}\"").as_bytes()).ok()? {
        Value::Text(text) => Element::parse(&text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_write_is_read_and_the_rest_is_not() {
        let cases = [
            ("{}", true),
            (r#"{"f:a":{}}"#, true),
            (
                r#"{"f:a":{".":{},"k:{\"name\":\"x\",\"port\":1}":{".":{},"f:b":{}},"v:\"y\"":{},"i:3":{}}}"#,
                true,
            ),
            (r#"{"f:é\u0041":{}}"#, true),
            (r#"{"f:a":null}"#, false),
            (r#"{"f:a": {}}"#, false),
            (r#"{"f:a":{}"#, false),
            (r#"{"f:a":{}}}"#, false),
            (r#"{"x:a":{}}"#, false),
            (r#"{"f:a":{".":1}}"#, false),
            ("", false),
        ];
        for (document, expected) in cases {
            assert_eq!(parse(document).is_some(), expected, "{document}");
        }
        let document = r#"{"f:a":{".":{},"k:{\"name\":\"x\"}":{".":{},"f:b":{}}},"f:c":{"v:1":{}}}"#;
        assert_eq!(parse(document).map(|set| set.to_json()).as_deref(), Some(document));
    }
}
