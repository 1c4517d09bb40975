//! The query of a URL, as Go's `url.ParseQuery` reads it.

/// Names and values in the order of the URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parts that Go cannot read (a bad escape, a semicolon) are left out, as Go leaves them out.
    pub fn parse(raw: &str) -> Query {
        let parts = raw.split('&').filter(|part| !part.is_empty() && !part.contains(';'));
        let pairs = parts.filter_map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(name, true)?, decode(value, true)?))
        });
        Query { pairs: pairs.collect() }
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name; empty when absent.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }
}

/// Resolves percent escapes, and `+` in queries; `None` for an escape that is none.
pub fn decode(text: &str, is_query: bool) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(String::from(text));
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let digit = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
                let byte = digit(at + 1)? * 16 + digit(at + 2)?;
                out.push(u8::try_from(byte).ok()?);
                at += 3;
                continue;
            }
            b'+' if is_query => out.push(b' '),
            byte => out.push(*byte),
        }
        at += 1;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_go_reads_them() {
        let query = Query::parse("a=1&b=x%20y+z&a=2&c&d=%zz&d=%+f&d=%&e;f=1&=v");
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.text("b"), "x y z");
        assert!(query.has("c") && !query.has("d") && !query.has("f"));
        assert_eq!(query.get(""), Some("v"));
    }
}
