//! `--token-auth-file`: lines of token, user, uid and, optionally, quoted groups.

use crate::token::{TokenAuthenticator, Verdict, for_server};
use crate::user::User;
use std::collections::HashMap;

/// Users by their tokens.
#[derive(Clone, Debug, Default)]
pub struct TokenFile {
    users: HashMap<String, User>,
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
    /// Reads `token,user,uid,"group1,group2"`; the error names the line at fault.
    pub fn parse(text: &str) -> Result<TokenFile, String> {
        let mut users = HashMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let fields = csv(line).ok_or_else(|| format!("line {}: a quote is not closed", index + 1))?;
            let [token, name, uid, rest @ ..] = fields.as_slice() else {
                return Err(format!("line {}: expected token, user name and user id", index + 1));
            };
            if token.is_empty() {
                return Err(format!("line {}: the token is empty", index + 1));
            }
            let groups = rest.first().map_or("", String::as_str);
            let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty()).map(String::from);
            let user =
                User { name: name.clone(), uid: uid.clone(), groups: groups.collect(), ..User::default() };
            users.insert(token.clone(), user);
        }
        Ok(TokenFile { users, ..TokenFile::default() })
    }

    pub fn user(&self, token: &str) -> Option<&User> {
        self.users.get(token)
    }
}

/// The fields of one line; a quoted field may hold commas, and doubled quotes.
fn csv(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut chars = line.trim().chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    (!quoted).then(|| fields.iter().map(|field| field.trim().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_tokens() {
        let file = TokenFile::parse("t1,ann,u1,\"a,b\"\n\nt2, bob ,u2\n").unwrap();
        let ann = file.user("t1").unwrap();
        assert_eq!((ann.name.as_str(), ann.uid.as_str()), ("ann", "u1"));
        assert_eq!(ann.groups, ["a", "b"]);
        assert_eq!(file.user("t2").unwrap().name, "bob");
        assert!(file.user("t3").is_none());
    }

    #[test]
    fn what_is_no_token_line_is_refused() {
        for (text, line) in [("t1,ann", 1), ("t1,ann,u1\nx", 2), (",ann,u1", 1), ("t,a,u,\"g", 1)] {
            let error = TokenFile::parse(text).unwrap_err();
            assert!(error.starts_with(&format!("line {line}:")), "{error}");
        }
    }
}
