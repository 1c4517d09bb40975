//! `ServiceAccountTokens`: from a signed token to its user, if the objects that it is bound to still exist.

use super::claims::{Bound, Grant};
use super::keys::{SigningKey, VerifyingKey};
use super::{TokenMetrics, legacy};
use crate::cache::Cache;
use crate::jwt::{Unproven, audiences};
use crate::service_account::standing::{LEEWAY_SECONDS, is_gone};
use crate::token::{Known, Objects, TokenAuthenticator, Verdict, intersect};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_object::Value;
use pintle_object::user::User;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time for which a verified signature is cached. The objects that a token depends on are checked each time.
const PROVEN_HOLDS: Duration = Duration::from_secs(600);

/// The source of keys for tokens; it may make them when they are first needed.
pub trait KeySource: Send + Sync {
    fn signing(&self) -> Result<Arc<SigningKey>, String>;

    /// The keys that tokens may be signed with; none that would have to be made first.
    fn verifying(&self) -> Vec<Arc<VerifyingKey>>;
}

/// The authenticator of service accounts' tokens.
pub struct ServiceAccountTokens {
    /// The accepted issuers; new tokens are issued by the first.
    pub issuers: Vec<String>,
    pub api_audiences: Vec<String>,
    pub keys: Arc<dyn KeySource>,
    pub objects: Arc<dyn Objects>,
    /// The tokens whose signature was verified.
    pub proven: Cache<Arc<Proven>>,
    pub metrics: TokenMetrics,
}

/// A token whose signature was verified, as far as it says the same each time.
pub struct Proven {
    claims: Value,
    audiences: Vec<String>,
    grant: Grant,
    user: Arc<User>,
}

impl Proven {
    fn of(claims: Value) -> Proven {
        let grant = Grant::read(&claims);
        let user = Arc::new(grant.user().authenticated());
        Proven { audiences: audiences(&claims), claims, grant, user }
    }
}

/// The token of a grant, signed.
pub fn sign(key: &SigningKey, grant: &Grant) -> Result<String, String> {
    let public = key.public();
    let header = format!("{{\"alg\":\"{}\",\"kid\":\"{}\"}}", public.algorithm.name(), public.id);
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(grant.to_json(), &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

impl TokenAuthenticator for ServiceAccountTokens {
    fn authenticate(&self, token: &str, wanted: Option<&[String]>, now_seconds: i64) -> Verdict {
        let began = Instant::now();
        let fingerprint = self.proven.fingerprint([token.as_bytes()]);
        let checked = match self.proven.get(&fingerprint) {
            Some(proven) => {
                self.metrics.hit(began);
                self.check(token, &proven, wanted, now_seconds)
            }
            None => {
                let Some(unproven) = Unproven::parse(token) else { return Verdict::Unknown };
                if !self.is_of_ours(&unproven.claims) {
                    return Verdict::Unknown;
                }
                self.metrics.miss(began, || self.check_signature(&unproven)).and_then(|()| {
                    let proven = Arc::new(Proven::of(unproven.claims));
                    self.proven.set(fingerprint, proven.clone(), PROVEN_HOLDS);
                    self.check(token, &proven, wanted, now_seconds)
                })
            }
        };
        match checked {
            Ok(known) => Verdict::Known(Box::new(known)),
            Err(why) => Verdict::Refused(why),
        }
    }
}

impl ServiceAccountTokens {
    fn is_of_ours(&self, claims: &Value) -> bool {
        let issuer = claims.str_at(&["iss"]);
        issuer == legacy::ISSUER || self.issuers.iter().any(|own| own == issuer)
    }

    /// Checks audience, lifetime and bound objects of a token whose signature is valid.
    fn check(
        &self,
        token: &str,
        proven: &Proven,
        wanted: Option<&[String]>,
        now_seconds: i64,
    ) -> Result<Known, String> {
        let Proven { claims, audiences, grant, user } = proven;
        let is_legacy = claims.str_at(&["iss"]) == legacy::ISSUER;
        let wanted = wanted.unwrap_or(&self.api_audiences);
        let own = if audiences.is_empty() && is_legacy { &self.api_audiences } else { audiences };
        let shared = intersect(own, wanted);
        if shared.is_empty() && !self.api_audiences.is_empty() {
            let shown = crate::rbac::quoted;
            return Err(format!(
                "token audiences {} is invalid for the target audiences {}",
                shown(own),
                shown(wanted)
            ));
        }
        let mut annotations = Vec::new();
        let user = if is_legacy {
            let (objects, metrics) = (self.objects.as_ref(), &self.metrics);
            let user = legacy::user(objects, token, claims, now_seconds, metrics, &mut annotations)?;
            annotations.push(("authentication.k8s.io/legacy-token", user.name.clone()));
            user.into()
        } else {
            check_times(grant, now_seconds)?;
            check_standing(self.objects.as_ref(), grant, now_seconds)?;
            match stale(grant, now_seconds) {
                Some(annotation) => {
                    self.metrics.stale.inc();
                    annotations.push(annotation);
                }
                None => self.metrics.valid.inc(),
            }
            user.clone()
        };
        Ok(Known { user, audiences: shared, annotations })
    }

    /// The key that the token names; without such a key, any.
    fn check_signature(&self, unproven: &Unproven<'_>) -> Result<(), String> {
        let keys = self.keys.verifying();
        if keys.is_empty() {
            return Err("invalid signature, no keys found".into());
        }
        let is_named = keys.iter().any(|key| key.id == unproven.key_id);
        let mut candidates = keys.iter().filter(|key| !is_named || key.id == unproven.key_id);
        if candidates.any(|key| is_signed_by(unproven, key)) {
            return Ok(());
        }
        Err("go-jose/go-jose: error in cryptographic primitive".into())
    }
}

fn is_signed_by(token: &Unproven<'_>, key: &VerifyingKey) -> bool {
    key.algorithm.name() == token.algorithm && key.verifies(token.message.as_bytes(), &token.signature)
}

fn check_times(grant: &Grant, now_seconds: i64) -> Result<(), String> {
    if grant.not_before != 0 && now_seconds + LEEWAY_SECONDS < grant.not_before {
        return Err("service account token is not valid yet".into());
    }
    if now_seconds - LEEWAY_SECONDS > grant.expires {
        return Err("service account token has expired".into());
    }
    Ok(())
}

/// The audit annotation of a token that is used after its client should have read a renewed one.
fn stale(grant: &Grant, now_seconds: i64) -> Option<(&'static str, String)> {
    let seconds = now_seconds - grant.warn_after.filter(|after| *after != 0)?;
    let words = || format!("subject: {}, seconds after warning threshold: {seconds}", grant.subject());
    (seconds > 0).then(|| ("authentication.k8s.io/stale-token", words()))
}

/// Checks that the account and the other objects that a token is bound to exist with the same uids.
fn check_standing(objects: &dyn Objects, grant: &Grant, now_seconds: i64) -> Result<(), String> {
    let (namespace, account) = (&grant.namespace, &grant.account);
    let stored = objects
        .stored_metadata("serviceaccounts", namespace, &account.name)
        .ok_or_else(|| format!("serviceaccounts {} not found", pintle_object::field::quote(&account.name)))?;
    if is_gone(&stored, now_seconds) {
        return Err(format!("service account {namespace}/{} has been deleted", account.name));
    }
    let uid = stored.str_at(&["metadata", "uid"]);
    if uid != account.uid {
        return Err(format!("service account UID ({uid}) does not match claim ({})", account.uid));
    }
    let check = |plural, namespace: &str, kind: &str, bound: &Option<Bound>| match bound {
        Some(bound) => check_bound(objects, plural, namespace, kind, bound, now_seconds),
        None => Ok(()),
    };
    check("secrets", namespace, "secret", &grant.secret)?;
    check("pods", namespace, "pod", &grant.pod)?;
    // Beside a pod, the node is information only; a token bound to a node itself must name one that exists.
    if grant.pod.is_none() {
        check("nodes", "", "node", &grant.node)?;
    }
    Ok(())
}

fn check_bound(
    objects: &dyn Objects,
    plural: &str,
    namespace: &str,
    kind: &str,
    bound: &Bound,
    now_seconds: i64,
) -> Result<(), String> {
    let invalidated = || String::from("service account token has been invalidated");
    let stored = objects.stored_metadata(plural, namespace, &bound.name).ok_or_else(invalidated)?;
    if is_gone(&stored, now_seconds) {
        return Err(invalidated());
    }
    let uid = stored.str_at(&["metadata", "uid"]);
    if uid != bound.uid {
        return Err(format!(
            "{kind} UID ({uid}) does not match service account {kind} ref claim ({})",
            bound.uid
        ));
    }
    Ok(())
}
