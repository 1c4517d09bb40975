//! `AuthInfos`: the credentials for webhooks of admission and conversion: the users of a kubeconfig file, named by the
//! hosts that they are for (`apiserver/pkg/util/webhook/authentication.go` upstream).

use crate::credential::{Credential, Impersonation};
use crate::dial::join_host_port;
use crate::kubeconfig::{Users, parse_users};
use crate::tls::Pem;
use std::path::Path;

/// The credentials by which a server knows a client.
#[derive(Clone, Debug, Default)]
pub struct AuthInfo {
    pub credential: Credential,
    pub identity: Option<(Pem, Pem)>,
    pub impersonation: Impersonation,
}

/// The users of a file; empty without one.
#[derive(Clone, Debug, Default)]
pub struct AuthInfos {
    users: Users,
}

impl AuthInfos {
    pub fn read(path: &Path) -> Result<AuthInfos, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        let dir = path.parent().unwrap_or(Path::new(""));
        AuthInfos::parse(&bytes, dir).map_err(|error| failed(&error))
    }

    /// Reads the text of a file; files that it names are looked for from its directory.
    pub fn parse(text: &[u8], dir: &Path) -> Result<AuthInfos, String> {
        Ok(AuthInfos { users: parse_users(text, dir)? })
    }

    /// The user for a host and port: that of exactly this name, of `*.` and a suffix of it, both again without the port
    /// if it is 443, the user `*`, that of the current context, or none.
    pub fn of(&self, host: &str, port: u16) -> AuthInfo {
        let target = join_host_port(host, port);
        let found = self.named(&target).or_else(|| if port == 443 { self.named(host) } else { None });
        let found = found.or_else(|| self.users.find("*"));
        found.or_else(|| self.users.find(self.users.current.as_deref()?)).cloned().unwrap_or_default()
    }

    fn named(&self, target: &str) -> Option<&AuthInfo> {
        let suffixes = target.match_indices('.').map(|(at, _)| format!("*{}", &target[at..]));
        let mut names = std::iter::once(target.to_string()).chain(suffixes);
        names.find_map(|name| self.users.find(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(auth: &AuthInfo) -> &str {
        match &auth.credential {
            Credential::Token(token) => token,
            _ => "",
        }
    }

    #[test]
    fn users_are_found_by_host() {
        let users: String =
            ["a.example:8443", "*.example:8443", "b.example", "*.example", "hook.ns.svc", "c"]
                .iter()
                .map(|name| format!("- {{name: \"{name}\", user: {{token: \"{name}\"}}}}\n"))
                .collect();
        let context = "current-context: x\ncontexts: [{name: x, context: {cluster: k, user: c}}]\n";
        let of = |file: &str, host: &str, port| {
            let infos = AuthInfos::parse(file.as_bytes(), Path::new("/")).unwrap();
            token(&infos.of(host, port)).to_string()
        };
        let file = format!("{context}users:\n{users}");
        for (host, port, expected) in [
            ("a.example", 8443, "a.example:8443"),
            ("d.example", 8443, "*.example:8443"),
            ("b.example", 443, "b.example"),
            ("b.example", 444, "c"),
            ("d.e.example", 443, "*.example"),
            ("hook.ns.svc", 443, "hook.ns.svc"),
            ("elsewhere", 443, "c"),
        ] {
            assert_eq!(of(&file, host, port), expected, "{host}:{port}");
        }
        let star = "users: [{name: \"*\", user: {token: star}}]";
        assert_eq!(of(star, "anywhere", 1), "star");
        assert_eq!(of("users: []", "anywhere", 1), "");
    }

    #[test]
    fn users_that_call_for_a_program_are_refused() {
        for user in ["auth-provider: {name: x}", "exec: {command: x}"] {
            let file = format!("users: [{{name: \"*\", user: {{{user}}}}}]");
            assert!(AuthInfos::parse(file.as_bytes(), Path::new("/")).is_err(), "{user}");
        }
    }
}
