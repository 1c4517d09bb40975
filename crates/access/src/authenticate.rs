//! From credentials to a user: a front proxy's word, a certificate, a bearer token, then nobody in particular.

use crate::certificate::ClientAuthorities;
use crate::front_proxy::FrontProxy;
use crate::token::{Known, TokenAuthenticator, Verdict};
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
    /// All headers, names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Every way to prove who one is that this server was started with.
#[derive(Default)]
pub struct Authenticators {
    pub front_proxy: Option<FrontProxy>,
    pub authorities: ClientAuthorities,
    /// Asked in order.
    pub tokens: Vec<Box<dyn TokenAuthenticator>>,
    /// Whether who proves nothing may still ask, as `system:anonymous`.
    pub allows_anonymous: bool,
}

impl Authenticators {
    /// The user of a request; wrong credentials are a refusal, missing ones are the anonymous user.
    pub fn authenticate(&self, credentials: &Credentials<'_>, now: UnixTime) -> Result<User, Status> {
        let certificates = credentials.certificates;
        let proxied =
            self.front_proxy.as_ref().and_then(|proxy| proxy.user(certificates, credentials.headers, now));
        if let Some(user) = proxied {
            return Ok(user.authenticated());
        }
        let mut is_refused = false;
        if !certificates.is_empty() {
            match self.authorities.user(certificates, now) {
                Ok(user) => return Ok(user.authenticated()),
                Err(_) => is_refused = true,
            }
        }
        if let Bearer::Token(token) = Bearer::parse(credentials.authorization.unwrap_or("")) {
            match self.token(token, None, now) {
                Ok(known) => return Ok(known.user),
                Err(_) => is_refused = true,
            }
        }
        let is_nobody = !is_refused && self.allows_anonymous;
        if is_nobody { Ok(User::anonymous()) } else { Err(Status::unauthorized()) }
    }

    /// Whose a token is; the error is for the eyes of those who may review tokens.
    pub fn token(&self, token: &str, wanted: Option<&[String]>, now: UnixTime) -> Result<Known, String> {
        let now_seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut errors = vec![String::from("invalid bearer token")];
        for authenticator in &self.tokens {
            match authenticator.authenticate(token, wanted, now_seconds) {
                Verdict::Known(known) => {
                    return Ok(Known { user: known.user.authenticated(), audiences: known.audiences });
                }
                Verdict::Unknown => {}
                Verdict::Refused(why) => errors.push(why),
            }
        }
        match errors.as_slice() {
            [only] => Err(only.clone()),
            errors => Err(format!("[{}]", errors.join(", "))),
        }
    }
}

/// What the `Authorization` header holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer<'a> {
    Token(&'a str),
    /// A space too many stands before the token, which therefore does not count; clients are told.
    ExtraSpace,
    None,
}

impl Bearer<'_> {
    /// Reads `Bearer <token>`; what follows the token does not count.
    pub fn parse(header: &str) -> Bearer<'_> {
        let mut parts = header.trim().splitn(3, ' ');
        let scheme = parts.next().unwrap_or("");
        match parts.next() {
            Some(token) if scheme.eq_ignore_ascii_case("bearer") => match token {
                "" if parts.next().is_some() => Bearer::ExtraSpace,
                "" => Bearer::None,
                token => Bearer::Token(token),
            },
            _ => Bearer::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_file::TokenFile;

    fn user(header: Option<&str>, allows_anonymous: bool) -> Result<String, u16> {
        let tokens = TokenFile::parse("t1,ann,u1,\"a\"").unwrap();
        let all =
            Authenticators { tokens: vec![Box::new(tokens)], allows_anonymous, ..Authenticators::default() };
        let credentials = Credentials { authorization: header, ..Credentials::default() };
        let found = all.authenticate(&credentials, UnixTime::now());
        found.map(|user| format!("{} {}", user.name, user.groups.join(","))).map_err(|status| status.code)
    }

    #[test]
    fn tokens_say_who_asks() {
        for header in ["Bearer t1", "bearer t1", " BEARER t1 more "] {
            assert_eq!(user(Some(header), false), Ok(String::from("ann a,system:authenticated")), "{header}");
        }
        assert_eq!(user(Some("Bearer wrong"), true), Err(401));
        for header in [None, Some("Basic x"), Some("Bearer "), Some(""), Some("Bearer  t1"), Some("t1")] {
            let nobody = Ok(String::from("system:anonymous system:unauthenticated"));
            assert_eq!(user(header, true), nobody, "{header:?}");
            assert_eq!(user(header, false), Err(401), "{header:?}");
        }
    }

    #[test]
    fn a_space_too_many_is_told_from_no_token() {
        for (header, expected) in [
            ("Bearer  t1", Bearer::ExtraSpace),
            ("Bearer ", Bearer::None),
            ("Bearer t1", Bearer::Token("t1")),
            ("Basic  t1", Bearer::None),
        ] {
            assert_eq!(Bearer::parse(header), expected, "{header:?}");
        }
    }

    #[test]
    fn a_certificate_of_nobody_known_is_refused() {
        let chain = [CertificateDer::from(vec![1, 2, 3])];
        let credentials = Credentials { certificates: &chain, ..Credentials::default() };
        let all = Authenticators { allows_anonymous: true, ..Authenticators::default() };
        assert_eq!(all.authenticate(&credentials, UnixTime::now()).unwrap_err().code, 401);
    }
}
