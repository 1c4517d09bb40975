//! Front proxies: whoever holds a certificate of their authority says in headers who asks.

use crate::certificate::ClientAuthorities;
use crate::user::User;
use rustls_pki_types::{CertificateDer, UnixTime};

/// The flags `--requestheader-*`. Header names are in lower case.
#[derive(Clone, Default)]
pub struct FrontProxy {
    pub authorities: ClientAuthorities,
    /// Common names of proxies; empty for any.
    pub allowed_names: Vec<String>,
    pub username_headers: Vec<String>,
    pub uid_headers: Vec<String>,
    pub group_headers: Vec<String>,
    pub extra_prefixes: Vec<String>,
}

impl FrontProxy {
    /// The user that a proxy vouches for; none when the request does not come through one.
    pub fn user(
        &self,
        certificates: &[CertificateDer<'_>],
        headers: &[(&str, &str)],
        now: UnixTime,
    ) -> Option<User> {
        if certificates.is_empty() {
            return None;
        }
        let proxy = self.authorities.user(certificates, now).ok()?;
        if !self.allowed_names.is_empty() && !self.allowed_names.contains(&proxy.name) {
            return None;
        }
        let first = |names: &[String]| {
            let mut values = names.iter().flat_map(|name| values(headers, name));
            values.find(|value| !value.trim().is_empty()).map(|value| value.trim().to_string())
        };
        let name = first(&self.username_headers)?;
        let uid = first(&self.uid_headers).unwrap_or_default();
        let mut user = User { name, uid, ..User::default() };
        user.groups = self
            .group_headers
            .iter()
            .flat_map(|name| values(headers, name))
            .filter(|group| !group.is_empty())
            .map(String::from)
            .collect();
        for prefix in &self.extra_prefixes {
            for (name, value) in headers {
                let Some(key) = name.strip_prefix(prefix.as_str()) else { continue };
                user.extra.entry(crate::impersonate::unescape(key)).or_default().push((*value).into());
            }
        }
        Some(user)
    }
}

fn values<'a>(headers: &'a [(&'a str, &'a str)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(own, _)| *own == name).map(|(_, value)| *value)
}
