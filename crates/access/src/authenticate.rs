//! From credentials to a user: by a front proxy's headers, a client certificate, a bearer token, else anonymous.

use crate::cache::Cache;
use crate::certificate::ClientAuthorities;
use crate::front_proxy::FrontProxy;
use crate::jwt::{Anonymous, JwtAuthenticator};
use crate::token::{Known, RemoteAuthenticator, TokenAuthenticator, Verdict};
use crate::websocket;
use arc_swap::ArcSwap;
use pintle_object::user::User;
use pintle_object::{AuditContext, Status};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const INVALID: &str = "invalid bearer token";
/// The time for which the answer of a remote authenticator about a token is kept: upstream's.
const REMOTE_HOLDS: Duration = Duration::from_secs(10);
/// The number of tokens that remote authenticators are asked about at a time: their requests wait before they have a
/// user, and so before they have a seat.
const WAITING_MAX: usize = 1024;

/// The proof of identity in a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// The client's certificate chain, unverified, the client's own first.
    pub certificates: &'a [CertificateDer<'static>],
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// All headers, names in lower case; read by front proxies' rules alone.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The `Sec-WebSocket-Protocol` headers of a request that opens a web socket.
    pub protocols: &'a [&'a str],
    pub path: &'a str,
    /// The audit context of the request, which gets the annotations of its token.
    pub audit: Option<&'a AuditContext>,
}

impl Credentials<'_> {
    /// The user of an accepted token, whose annotations go to the audit.
    fn user(&self, known: Known) -> Arc<User> {
        if let Some(audit) = self.audit {
            known.annotations.into_iter().for_each(|(key, value)| {
                audit.annotate(key, value);
            });
        }
        known.user
    }
}

/// The authenticators that this server was started with.
#[derive(Default)]
pub struct Authenticators {
    pub front_proxy: Option<FrontProxy>,
    pub authorities: ClientAuthorities,
    /// Tried in order.
    pub tokens: Vec<Box<dyn TokenAuthenticator>>,
    /// Tried in order after `tokens`; their answers are cached.
    pub remote: Remote,
    /// The paths on which requests without credentials are allowed, as `system:anonymous`.
    pub anonymous: Anonymous,
}

impl Authenticators {
    /// The user of a request; wrong credentials are a refusal, missing ones are the anonymous user.
    pub async fn authenticate(
        &self,
        credentials: &Credentials<'_>,
        now: UnixTime,
    ) -> Result<Arc<User>, Status> {
        let certificates = credentials.certificates;
        if let Some(proxy) = &self.front_proxy {
            match proxy.user(certificates, credentials.headers, now) {
                Ok(Some(user)) => return Ok(user.authenticated().into()),
                Ok(None) => {}
                Err(why) => {
                    tracing::debug!(why, "invalid headers of a front proxy");
                    return Err(Status::unauthorized());
                }
            }
        }
        let mut is_refused = false;
        if !certificates.is_empty() {
            match self.authorities.user(certificates, now) {
                Ok(Some(user)) => return Ok(user),
                Ok(None) => {}
                Err(_) => is_refused = true,
            }
        }
        if let Bearer::Token(token) = Bearer::parse(credentials.authorization.unwrap_or("")) {
            match self.token(token, None, now).await {
                Ok(known) => return Ok(credentials.user(known)),
                Err(_) => is_refused = true,
            }
        }
        if !credentials.protocols.is_empty() {
            match websocket::token(credentials.protocols) {
                Ok(None) => {}
                Ok(Some(token)) => match self.token(&token, None, now).await {
                    Ok(known) => return Ok(credentials.user(known)),
                    Err(_) => is_refused = true,
                },
                Err(_) => is_refused = true,
            }
        }
        let is_nobody = !is_refused && self.anonymous.allows(credentials.path);
        if is_nobody { Ok(User::anonymous().into()) } else { Err(Status::unauthorized()) }
    }

    /// The user of a token. The error is shown only to users who may create TokenReviews.
    pub async fn token(
        &self,
        token: &str,
        wanted: Option<&[String]>,
        now: UnixTime,
    ) -> Result<Known, String> {
        let now_seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut errors = Vec::new();
        for authenticator in &self.tokens {
            match authenticator.authenticate(token, wanted, now_seconds) {
                Verdict::Known(known) => return Ok(known.authenticated()),
                Verdict::Unknown => {}
                Verdict::Refused(why) => errors.push(why),
            }
        }
        if let Some(known) = self.remote.ask(token, wanted, now_seconds, &mut errors).await {
            return Ok(known);
        }
        match errors.as_slice() {
            [] => Err(INVALID.into()),
            errors => Err(format!("[{INVALID}, {}]", errors.join(", "))),
        }
    }
}

/// Authenticators that may have to ask another server, and their cached answers.
#[derive(Default)]
pub struct Remote {
    /// Issuers of JSON web tokens, which a changed file may replace, and then others.
    issuers: ArcSwap<Vec<Arc<JwtAuthenticator>>>,
    pub others: Vec<Box<dyn RemoteAuthenticator>>,
    known: Cache<Arc<Known>>,
    waiting: AtomicUsize,
}

/// One of the tokens that remote authenticators are being asked about.
struct Waiting<'a>(&'a AtomicUsize);

impl Waiting<'_> {
    /// None when there are too many already.
    fn new(all: &AtomicUsize) -> Option<Waiting<'_>> {
        let waiting = Waiting(all);
        (all.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Remote {
    /// Replaces the issuers, and forgets what the former ones answered.
    pub fn replace_issuers(&self, issuers: Vec<Arc<JwtAuthenticator>>) {
        self.issuers.store(Arc::new(issuers));
        self.known.clear();
    }

    async fn ask(
        &self,
        token: &str,
        wanted: Option<&[String]>,
        now_seconds: i64,
        errors: &mut Vec<String>,
    ) -> Option<Known> {
        let issuers = self.issuers.load_full();
        if issuers.is_empty() && self.others.is_empty() {
            return None;
        }
        let audiences = wanted.unwrap_or_default().iter().map(String::as_bytes);
        let fingerprint = self.known.fingerprint(std::iter::once(token.as_bytes()).chain(audiences));
        if let Some(known) = self.known.get(&fingerprint) {
            return Some(Known::clone(&known));
        }
        let Some(_waiting) = Waiting::new(&self.waiting) else {
            errors.push("too many tokens are being asked about".into());
            return None;
        };
        let issuers = issuers.iter().map(|issuer| issuer.as_ref() as &dyn RemoteAuthenticator);
        for authenticator in issuers.chain(self.others.iter().map(AsRef::as_ref)) {
            match authenticator.ask(token, wanted, now_seconds).await {
                Verdict::Known(known) => {
                    let known = known.authenticated();
                    self.known.set(fingerprint, Arc::new(known.clone()), REMOTE_HOLDS);
                    return Some(known);
                }
                Verdict::Unknown => {}
                Verdict::Refused(why) => errors.push(why),
            }
        }
        None
    }
}

/// The content of the `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer<'a> {
    Token(&'a str),
    /// A superfluous space before the token. The token is ignored, and the client gets a warning.
    ExtraSpace,
    None,
}

impl Bearer<'_> {
    /// Reads `Bearer <token>`; anything after the token is ignored.
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

    /// The output of a future that is ready at its first poll.
    fn now<T>(answer: impl Future<Output = T>) -> T {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(answer).poll(&mut context) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => panic!("an answer that is at hand must not wait"),
        }
    }

    fn user(header: Option<&str>, allows_anonymous: bool) -> Result<String, u16> {
        let tokens = TokenFile::parse("tokens.csv", "t1,ann,u1,\"a\"").unwrap();
        let all = Authenticators {
            tokens: vec![Box::new(tokens)],
            anonymous: Anonymous { enabled: allows_anonymous, paths: Vec::new() },
            ..Authenticators::default()
        };
        let credentials = Credentials { authorization: header, ..Credentials::default() };
        let found = now(all.authenticate(&credentials, UnixTime::now()));
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
        let anonymous = Anonymous { enabled: true, paths: Vec::new() };
        let all = Authenticators { anonymous, ..Authenticators::default() };
        assert_eq!(now(all.authenticate(&credentials, UnixTime::now())).unwrap_err().code, 401);
    }

    #[test]
    fn nobody_may_ask_on_some_paths_only() {
        let anonymous = Anonymous { enabled: true, paths: vec!["/livez".into()] };
        let all = Authenticators { anonymous, ..Authenticators::default() };
        for (path, expected) in [("/livez", true), ("/livez/x", false), ("/", false)] {
            let credentials = Credentials { path, ..Credentials::default() };
            assert_eq!(now(all.authenticate(&credentials, UnixTime::now())).is_ok(), expected, "{path}");
        }
    }

    #[test]
    fn web_sockets_bring_tokens_as_protocols() {
        let tokens = TokenFile::parse("tokens.csv", "t1,ann,u1").unwrap();
        let all = Authenticators { tokens: vec![Box::new(tokens)], ..Authenticators::default() };
        for (protocol, expected) in [
            ("base64url.bearer.authorization.k8s.io.dDE, v4.channel.k8s.io", true),
            ("base64url.bearer.authorization.k8s.io.dDI, v4.channel.k8s.io", false),
            ("base64url.bearer.authorization.k8s.io.dDE", false),
            ("v4.channel.k8s.io", false),
        ] {
            let credentials = Credentials { protocols: &[protocol], ..Credentials::default() };
            assert_eq!(now(all.authenticate(&credentials, UnixTime::now())).is_ok(), expected, "{protocol}");
        }
    }

    /// Knows no token, and takes its time to say so.
    struct Slow(Arc<AtomicUsize>);

    impl RemoteAuthenticator for Slow {
        fn ask<'a>(
            &'a self,
            _: &'a str,
            _: Option<&'a [String]>,
            _: i64,
        ) -> crate::token::PendingVerdict<'a> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn others_are_asked_about_so_many_tokens_at_a_time() {
        let asked = Arc::new(AtomicUsize::new(0));
        let remote = Remote { others: vec![Box::new(Slow(asked.clone()))], ..Remote::default() };
        let all = Authenticators { remote, ..Authenticators::default() };
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut waiting = Vec::new();
        for _ in 0..WAITING_MAX {
            let mut token = Box::pin(all.token("t1", None, UnixTime::now()));
            assert!(token.as_mut().poll(&mut context).is_pending());
            waiting.push(token);
        }
        let why = now(all.token("t1", None, UnixTime::now())).unwrap_err();
        assert_eq!(why, "[invalid bearer token, too many tokens are being asked about]");
        waiting.pop();
        let mut token = Box::pin(all.token("t1", None, UnixTime::now()));
        assert!(token.as_mut().poll(&mut context).is_pending());
        assert_eq!(asked.load(Ordering::Relaxed), WAITING_MAX + 1);
    }
}
