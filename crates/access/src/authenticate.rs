//! From credentials to a user: a certificate, then a bearer token, then nobody in particular.

use crate::certificate::ClientAuthorities;
use crate::token_file::TokenFile;
use crate::user::User;
use pintle_object::Status;
use rustls_pki_types::{CertificateDer, UnixTime};

/// What a request brings to prove who sends it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// The client's certificate chain, unverified, the client's own first.
    pub certificates: &'a [CertificateDer<'static>],
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
}

/// Every way to prove who one is that this server was started with.
#[derive(Clone, Debug, Default)]
pub struct Authenticators {
    pub authorities: ClientAuthorities,
    pub tokens: TokenFile,
}

impl Authenticators {
    /// The user of a request; wrong credentials are a refusal, missing ones are the anonymous user.
    pub fn authenticate(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<User, Status> {
        let mut is_refused = false;
        if !credentials.certificates.is_empty() {
            match self.authorities.user(credentials.certificates, now) {
                Ok(user) => return Ok(user.authenticated()),
                Err(_) => is_refused = true,
            }
        }
        if let Some(token) = credentials.authorization.and_then(bearer) {
            match self.tokens.user(token) {
                Some(user) => return Ok(user.clone().authenticated()),
                None => is_refused = true,
            }
        }
        if is_refused { Err(Status::unauthorized()) } else { Ok(User::anonymous()) }
    }
}

/// The token of `Bearer <token>`; an empty one is none.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(header: Option<&str>) -> Result<String, u16> {
        let tokens = TokenFile::parse("t1,ann,u1,\"a\"").unwrap();
        let all = Authenticators { tokens, ..Authenticators::default() };
        let credentials = Credentials { authorization: header, ..Credentials::default() };
        let found = all.authenticate(&credentials, UnixTime::now());
        found.map(|user| format!("{} {}", user.name, user.groups.join(","))).map_err(|status| status.code)
    }

    #[test]
    fn tokens_say_who_asks() {
        assert_eq!(user(Some("Bearer t1")), Ok(String::from("ann a,system:authenticated")));
        assert_eq!(user(Some("bearer  t1 ")), Ok(String::from("ann a,system:authenticated")));
        assert_eq!(user(Some("Bearer wrong")), Err(401));
        for header in [None, Some("Basic x"), Some("Bearer "), Some("")] {
            assert_eq!(
                user(header),
                Ok(String::from("system:anonymous system:unauthenticated")),
                "{header:?}"
            );
        }
    }

    #[test]
    fn a_certificate_of_nobody_known_is_refused() {
        let chain = [CertificateDer::from(vec![1, 2, 3])];
        let credentials = Credentials { certificates: &chain, authorization: None };
        let refused = Authenticators::default().authenticate(&credentials, UnixTime::now());
        assert_eq!(refused.unwrap_err().code, 401);
    }
}
