//! Tokens in Secrets of type `kubernetes.io/service-account-token`: they never expire, but go with their Secret.

use super::tokens::is_gone;
use crate::impersonate::service_account_groups;
use crate::token::Objects;
use crate::user::User;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_object::Value;

pub const ISSUER: &str = "kubernetes/serviceaccount";
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

/// The user of a token whose signature holds.
pub fn user(objects: &dyn Objects, token: &str, claims: &Value, now_seconds: i64) -> Result<User, String> {
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
    let is_invalid = secret.at(&["metadata", "labels", INVALID_SINCE]).is_some();
    if is_gone(&secret, now_seconds) || held != token.as_bytes() || is_invalid {
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
    Ok(User { name: subject, uid, groups: service_account_groups(&namespace).to_vec(), ..User::default() })
}
