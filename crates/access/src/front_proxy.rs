//! `FrontProxy`: the user that a proxy with a certificate of its authority names in headers (`--requestheader-*`).

use crate::certificate::ClientAuthorities;
use pintle_object::user::User;
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
    /// The user in a proxy's headers; none when the request does not come through a proxy. A header that cannot be read
    /// is an error, since it must not be ignored.
    pub fn user(
        &self,
        certificates: &[CertificateDer<'_>],
        headers: &[(&str, &[u8])],
        now: UnixTime,
    ) -> Result<Option<User>, String> {
        if certificates.is_empty() {
            return Ok(None);
        }
        let Ok(proxy) = self.authorities.bearer(certificates, now) else { return Ok(None) };
        if !self.allowed_names.is_empty() && !self.allowed_names.contains(&proxy.name) {
            return Ok(None);
        }
        let Some(name) = first(headers, &self.username_headers)? else { return Ok(None) };
        let uid = first(headers, &self.uid_headers)?.unwrap_or_default();
        let mut user = User { name, uid, ..User::default() };
        for group in self.group_headers.iter().flat_map(|name| values(headers, name)) {
            user.groups.extend(Some(group?).filter(|group| !group.is_empty()).map(String::from));
        }
        for prefix in &self.extra_prefixes {
            for (name, value) in headers {
                let Some(key) = name.strip_prefix(prefix.as_str()) else { continue };
                let values = user.extra.entry(crate::impersonate::unescape(key)).or_default();
                values.push(text(name, value)?.into());
            }
        }
        Ok(Some(user))
    }
}

/// The first value of each name, of the first name with a value that is not empty. An empty value before another that
/// is not empty is an error, since it is unclear which of them the proxy meant.
fn first(headers: &[(&str, &[u8])], names: &[String]) -> Result<Option<String>, String> {
    for name in names {
        let mut values = values(headers, name);
        let Some(value) = values.next().transpose()? else { continue };
        if !value.is_empty() {
            return Ok(Some(value.into()));
        }
        if values.any(|other| other.is_ok_and(|other| !other.is_empty())) {
            return Err(format!("the header {name} is given twice, and is empty first"));
        }
    }
    Ok(None)
}

fn values<'a>(
    headers: &'a [(&'a str, &'a [u8])],
    name: &'a str,
) -> impl Iterator<Item = Result<&'a str, String>> {
    let named = headers.iter().filter(move |(own, _)| *own == name);
    named.map(|(name, value)| text(name, value))
}

fn text<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(value).map_err(|_| format!("the value of the header {name} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_header_the_first_value_counts() {
        let check = |headers: &[(&str, &[u8])], expected: Result<Option<&str>, &str>| {
            let names = [String::from("x-remote-user"), String::from("x-user")];
            let expected = expected.map(|name| name.map(String::from)).map_err(String::from);
            assert_eq!(first(headers, &names), expected, "{headers:?}");
        };
        check(&[], Ok(None));
        check(&[("x-remote-user", b"ann"), ("x-remote-user", b"bob")], Ok(Some("ann")));
        check(&[("x-remote-user", b""), ("x-remote-user", b"")], Ok(None));
        let twice = "the header x-remote-user is given twice, and is empty first";
        check(&[("x-remote-user", b""), ("x-remote-user", b"bob")], Err(twice));
        check(&[("x-user", b"bob"), ("x-remote-user", b"")], Ok(Some("bob")));
        check(&[("x-remote-user", b" ")], Ok(Some(" ")));
        check(&[("x-remote-user", b"\xff")], Err("the value of the header x-remote-user is not UTF-8"));
    }
}
