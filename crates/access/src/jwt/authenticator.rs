//! `JwtAuthenticator`: the tokens of one issuer.

use super::claims;
use super::compact::{Unproven, audiences, number};
use super::configuration::Jwt;
use super::expressions::Expressions;
use super::provider::Provider;
use crate::rbac::quoted;
use crate::token::{PendingVerdict, RemoteAuthenticator, Verdict, for_server};
use pintle_object::field::quote;
use pintle_outbound::{Pem, Tls};
use std::sync::Arc;

/// Clocks may differ by this much where tokens say since when they hold.
const LEEWAY_SECONDS: i64 = 60;
/// The issuer in Google's older tokens, and the issuer that configurations name.
const GOOGLE_OLD: &str = "accounts.google.com";
const GOOGLE: &str = "https://accounts.google.com";

pub struct JwtAuthenticator {
    jwt: Jwt,
    expressions: Expressions,
    /// Algorithms that tokens may be signed with.
    algorithms: Vec<String>,
    api_audiences: Vec<String>,
    provider: Arc<Provider>,
    discovery: Option<tokio::task::JoinHandle<()>>,
}

impl JwtAuthenticator {
    /// Begins to fetch the issuer's keys, within a runtime, without waiting for them. The error is that of an
    /// expression, which valid configurations do not have.
    pub fn start(
        jwt: Jwt,
        algorithms: Vec<String>,
        api_audiences: Vec<String>,
    ) -> Result<JwtAuthenticator, String> {
        let expressions = Expressions::compile(&jwt)?;
        let authorities = &jwt.issuer.certificate_authority;
        let authorities = Some(authorities).filter(|pem| !pem.is_empty());
        let tls =
            Tls { authorities: authorities.map(|pem| Pem::Inline(pem.as_bytes().into())), ..Tls::default() };
        let discovery = Some(jwt.issuer.discovery_url.as_str()).filter(|url| !url.is_empty());
        let provider = Arc::new(Provider::new(&jwt.issuer.url, discovery, tls));
        let asked = provider.clone();
        let discovery = Some(tokio::spawn(async move { asked.discover().await }));
        Ok(JwtAuthenticator { jwt, expressions, algorithms, api_audiences, provider, discovery })
    }

    /// Whether the issuer has said where its keys are.
    pub fn is_ready(&self) -> bool {
        self.provider.is_ready()
    }

    async fn check(&self, token: &str, wanted: Option<&[String]>, now_seconds: i64) -> Verdict {
        let Some(unproven) = Unproven::parse(token) else { return Verdict::Unknown };
        let issuer = match unproven.claims.str_at(&["iss"]) {
            GOOGLE_OLD => GOOGLE,
            issuer => issuer,
        };
        if issuer != self.jwt.issuer.url {
            return Verdict::Unknown;
        }
        if !self.provider.is_ready() {
            return Verdict::Refused("oidc: authenticator not initialized".into());
        }
        if let Err(error) = self.verify(&unproven, now_seconds).await {
            return Verdict::Refused(format!("oidc: verify token: {error}"));
        }
        match claims::user(&unproven.claims, &self.jwt, &self.expressions) {
            Ok(user) => for_server(user, &self.api_audiences, wanted),
            Err(why) => Verdict::Refused(why),
        }
    }

    /// Checks audiences, lifetime and signature, in the order of upstream's library.
    async fn verify(&self, unproven: &Unproven<'_>, now_seconds: i64) -> Result<(), String> {
        let own = &self.jwt.issuer.audiences;
        let named = audiences(&unproven.claims);
        if !named.iter().any(|audience| own.contains(audience)) {
            let own = if let [only] = own.as_slice() { quote(only) } else { quoted(own) };
            return Err(format!("oidc: expected audience {own} got {}", quoted(&named)));
        }
        let time = |claim: &str| number(unproven.claims.get(claim));
        if time("exp").unwrap_or(i64::MIN) < now_seconds {
            return Err("oidc: token is expired".into());
        }
        if time("nbf").is_some_and(|since| now_seconds + LEEWAY_SECONDS < since) {
            return Err("oidc: current time is before the nbf (not before) time".into());
        }
        if !self.algorithms.contains(&unproven.algorithm) {
            return Err(format!(
                "oidc: id token signed with unsupported algorithm, expected {} got {}",
                quoted(&self.algorithms),
                quote(&unproven.algorithm)
            ));
        }
        let signed = self.provider.verify(unproven).await;
        signed.map_err(|error| format!("failed to verify signature: {error}"))
    }
}

impl RemoteAuthenticator for JwtAuthenticator {
    fn ask<'a>(
        &'a self,
        token: &'a str,
        wanted: Option<&'a [String]>,
        now_seconds: i64,
    ) -> PendingVerdict<'a> {
        Box::pin(self.check(token, wanted, now_seconds))
    }
}

impl Drop for JwtAuthenticator {
    fn drop(&mut self) {
        if let Some(task) = self.discovery.take() {
            task.abort();
        }
    }
}
