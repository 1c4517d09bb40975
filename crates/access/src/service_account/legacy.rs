//! Tokens in Secrets of type `kubernetes.io/service-account-token`: they never expire, but go with their Secret.

use super::TokenMetrics;
use super::tokens::is_gone;
use crate::impersonate::service_account_groups;
use crate::token::Objects;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_object::Value;
use pintle_object::time::Time;
use pintle_object::user::User;

pub const ISSUER: &str = "kubernetes/serviceaccount";
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
pub const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The user of a token whose signature holds.
pub fn user(
    objects: &dyn Objects,
    token: &str,
    claims: &Value,
    now_seconds: i64,
    metrics: &TokenMetrics,
) -> Result<User, String> {
    metrics.legacy.inc();
    let claim = |name: &str| claims.str_at(&[&format!("kubernetes.io/serviceaccount/{name}")]).to_string();
    let required = |name: &str, what: &str| match claim(name) {
        text if text.is_empty() => Err(format!("{what} claim is missing")),
        text => Ok(text),
    };
    let namespace = required("namespace", "namespace")?;
    let secret_name = required("secret.name", "secretName")?;
    let name = required("service-account.name", "serviceAccountName")?;
    let uid = required("service-account.uid", "serviceAccountUID")?;
    let subject = format!("system:serviceaccount:{namespace}:{name}");
    if claims.str_at(&["sub"]) != subject {
        return Err("sub claim is invalid".into());
    }
    let invalidated = || String::from("service account token has been invalidated");
    let secret = objects.stored("secrets", &namespace, &secret_name).ok_or_else(invalidated)?;
    let held = STANDARD.decode(secret.str_at(&["data", "token"])).unwrap_or_default();
    if is_gone(&secret, now_seconds) || held != token.as_bytes() {
        return Err(invalidated());
    }
    let account = objects.stored("serviceaccounts", &namespace, &name);
    let account =
        account.ok_or_else(|| format!("serviceaccounts {} not found", pintle_object::field::quote(&name)))?;
    if is_gone(&account, now_seconds) {
        return Err(format!("ServiceAccount {namespace}/{name} has been deleted"));
    }
    let stored = account.str_at(&["metadata", "uid"]);
    if stored != uid {
        return Err(format!("ServiceAccount UID ({stored}) does not match claim ({uid})"));
    }
    let is_own = |one: &Value| one.str_at(&["name"]) == secret_name;
    let is_auto = account.list_at(&["secrets"]).iter().any(is_own);
    note_use(objects, &secret, &namespace, &secret_name, now_seconds);
    if !secret.str_at(&["metadata", "labels", INVALID_SINCE]).is_empty() {
        metrics.legacy_invalid.inc();
        return Err(format!(
            "the token in secret {namespace}/{secret_name} for service account {namespace}/{name} has been marked \
             invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the \
             '{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
        ));
    }
    if is_auto {
        metrics.legacy_auto.inc()
    } else {
        metrics.legacy_manual.inc()
    }
    Ok(User { name: subject, uid, groups: service_account_groups(&namespace).to_vec(), ..User::default() })
}

/// Once a day; another server's clock may be in the next one already.
fn note_use(objects: &dyn Objects, secret: &Value, namespace: &str, name: &str, now_seconds: i64) {
    let noted = secret.str_at(&["metadata", "labels", LAST_USED]);
    let today = day(now_seconds);
    if noted != today && noted != day(now_seconds + DAY_SECONDS) {
        objects.note_use(namespace, name, &today);
    }
}

fn day(seconds: i64) -> String {
    let text = Time { seconds, nanos: 0 }.to_seconds_text();
    text.split('T').next().unwrap_or_default().into()
}
