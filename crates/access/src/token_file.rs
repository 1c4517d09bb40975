//! `--token-auth-file`: lines of token, user, uid and, optionally, quoted groups.

use crate::token::{TokenAuthenticator, Verdict, for_server};
use pintle_object::user::User;
use std::collections::HashMap;
use std::sync::Arc;

/// Users by their tokens, in the group `system:authenticated`.
#[derive(Clone, Debug, Default)]
pub struct TokenFile {
    users: HashMap<String, Arc<User>>,
    /// The server's own, for which these tokens are.
    pub api_audiences: Vec<String>,
}

impl TokenAuthenticator for TokenFile {
    fn authenticate(&self, token: &str, wanted: Option<&[String]>, _: i64) -> Verdict {
        match self.users.get(token) {
            Some(user) => for_server(user.clone(), &self.api_audiences, wanted),
            None => Verdict::Unknown,
        }
    }
}

impl TokenFile {
    /// Reads the records `token,user,uid,"group1,group2"` of a file, as upstream reads them: of a token that is there
    /// twice the last record counts, a record without a token does not. `name` is the file's, for errors and the log.
    pub fn parse(name: &str, text: &str) -> Result<TokenFile, String> {
        let mut users = HashMap::new();
        for (index, record) in csv(text)?.into_iter().enumerate() {
            let [token, user, uid, rest @ ..] = record.as_slice() else {
                return Err(format!(
                    "token file '{name}' must have at least 3 columns (token, user name, user uid), found {}",
                    record.len()
                ));
            };
            let number = index + 1;
            if token.is_empty() {
                tracing::warn!("empty token has been found in token file '{name}', record number '{number}'");
                continue;
            }
            if token.starts_with('\u{feff}') {
                tracing::warn!(
                    "token file '{name}' begins with a byte order mark, which is part of its first token"
                );
            }
            if user.is_empty() {
                tracing::warn!("empty user name in token file '{name}', record number '{number}'");
            }
            let groups = rest.first().map(|groups| groups.split(',').map(String::from).collect());
            let user = User {
                name: user.clone(),
                uid: uid.clone(),
                groups: groups.unwrap_or_default(),
                ..User::default()
            };
            if users.insert(token.clone(), Arc::new(user.authenticated())).is_some() {
                tracing::warn!(
                    "duplicate token has been found in token file '{name}', record number '{number}'"
                );
            }
        }
        Ok(TokenFile { users, ..TokenFile::default() })
    }

    pub fn user(&self, token: &str) -> Option<&User> {
        self.users.get(token).map(AsRef::as_ref)
    }
}

/// Records of comma-separated values with the rules and errors of Go's encoding/csv: fields keep their blanks, a field
/// that begins with a quote ends with one and may hold commas, ends of lines and doubled quotes; empty lines are none.
fn csv(text: &str) -> Result<Vec<Vec<String>>, String> {
    let text = text.replace("\r\n", "\n");
    let mut reader = Csv { rest: text.as_str(), line: 1, column: 1 };
    let mut records = Vec::new();
    while !reader.rest.is_empty() {
        if reader.eat('\n') {
            continue;
        }
        records.push(reader.record()?);
    }
    Ok(records)
}

/// The rest of a text to read, and its position.
struct Csv<'a> {
    rest: &'a str,
    line: usize,
    /// In bytes.
    column: usize,
}

impl Csv<'_> {
    fn record(&mut self) -> Result<Vec<String>, String> {
        let start = self.line;
        let mut fields = Vec::new();
        loop {
            fields.push(if self.eat('"') { self.quoted(start)? } else { self.plain(start)? });
            if !self.eat(',') {
                self.eat('\n');
                return Ok(fields);
            }
        }
    }

    fn plain(&mut self, start: usize) -> Result<String, String> {
        let mut field = String::new();
        while let Some(next) = self.rest.chars().next().filter(|next| !matches!(next, ',' | '\n')) {
            if next == '"' {
                return Err(self.failed(start, "bare \" in non-quoted-field"));
            }
            self.eat(next);
            field.push(next);
        }
        Ok(field)
    }

    fn quoted(&mut self, start: usize) -> Result<String, String> {
        const EXTRANEOUS: &str = "extraneous or missing \" in quoted-field";
        let mut field = String::new();
        loop {
            let Some(next) = self.rest.chars().next() else { return Err(self.failed(start, EXTRANEOUS)) };
            let at = self.column;
            self.eat(next);
            if next != '"' || self.eat('"') {
                field.push(next);
                continue;
            }
            if self.rest.is_empty() || self.rest.starts_with([',', '\n']) {
                return Ok(field);
            }
            self.column = at;
            return Err(self.failed(start, EXTRANEOUS));
        }
    }

    /// Goes past a character when it is the next one.
    fn eat(&mut self, wanted: char) -> bool {
        let Some(rest) = self.rest.strip_prefix(wanted) else { return false };
        self.rest = rest;
        if wanted == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += wanted.len_utf8();
        }
        true
    }

    fn failed(&self, start: usize, why: &str) -> String {
        let (line, column) = (self.line, self.column);
        let place = format!("parse error on line {line}, column {column}: {why}");
        if start == line { place } else { format!("record on line {start}; {place}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TokenFile, String> {
        TokenFile::parse("tokens.csv", text)
    }

    #[test]
    fn users_are_found_by_their_tokens() {
        let file = parse("t1,ann,u1,\"a,b\"\r\n\nt2, bob ,u2\n\"t,\"\"3\",\"c\nd\",u3,g,more").unwrap();
        let ann = file.user("t1").unwrap();
        assert_eq!((ann.name.as_str(), ann.uid.as_str()), ("ann", "u1"));
        assert_eq!(ann.groups, ["a", "b", "system:authenticated"]);
        let bob = file.user("t2").unwrap();
        assert_eq!((bob.name.as_str(), bob.groups.len()), (" bob ", 1));
        let last = file.user("t,\"3").unwrap();
        assert_eq!((last.name.as_str(), last.groups.first().map(String::as_str)), ("c\nd", Some("g")));
        assert!(file.user("t4").is_none());
    }

    #[test]
    fn odd_records_count_as_upstreams_do() {
        let file = parse("t,first,1,a\nt,last,2\n,nobody,3\n\nu,,4,\"\"\n").unwrap();
        let last = file.user("t").unwrap();
        assert_eq!((last.name.as_str(), last.uid.as_str(), last.groups.len()), ("last", "2", 1));
        assert!(file.user("").is_none());
        assert_eq!(file.user("u").unwrap().groups, ["", "system:authenticated"]);
        let marked = parse("\u{feff}t,ann,1").unwrap();
        assert!(marked.user("t").is_none() && marked.user("\u{feff}t").is_some());
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let check = |text: &str, why: &str| assert_eq!(parse(text).unwrap_err(), why, "{text}");
        let columns =
            "token file 'tokens.csv' must have at least 3 columns (token, user name, user uid), found";
        check("t1,ann", &format!("{columns} 2"));
        check("t1,ann,u1\nx", &format!("{columns} 1"));
        check("t,a,u,\"g", "parse error on line 1, column 9: extraneous or missing \" in quoted-field");
        check("t,a,u,\"g\"x", "parse error on line 1, column 9: extraneous or missing \" in quoted-field");
        check("t,a\"b,u", "parse error on line 1, column 4: bare \" in non-quoted-field");
        check(
            "t,a,u\n\"t\nx\"y,a,u",
            "record on line 2; parse error on line 3, column 2: extraneous or missing \" in quoted-field",
        );
    }
}
