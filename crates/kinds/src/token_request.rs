//! TokenRequest: validation, and fields that the account and the server set.

use pintle_object::time::Time;
use pintle_object::{FieldErrors, GroupKind, GroupResource, Path, Status, Text, Value, meta};

/// The time that a token is good for, where the request says none.
pub const DEFAULT_SECONDS: i64 = 60 * 60;
const SECONDS_MIN: i64 = 10 * 60;
const SECONDS_MAX: i64 = 1 << 32;

/// Refuses a request that names another service account.
pub fn check_name(body: &Value, account: &str) -> Result<(), Status> {
    if meta::name(body).is_empty() || meta::name(body) == account {
        return Ok(());
    }
    let mut errors = FieldErrors::new();
    let path = Path::root("metadata");
    let why = "must match the service account name if specified";
    errors.invalid(&path.child("name"), meta::name(body), why);
    Err(Status::invalid(&kind(), account, errors))
}

/// Refuses a pod of another service account.
pub fn check_account(pod: &Value, account: &str) -> Result<(), Status> {
    if pod.str_at(&["spec", "serviceAccountName"]) == account {
        return Ok(());
    }
    let account = pintle_object::field::quote(account);
    Err(Status::bad_request(format!(
        "cannot bind token for serviceaccount {account} to pod running with different serviceaccount name."
    )))
}

/// Sets the fields of the answer from the account and the server, instead of the client's.
pub fn complete(
    body: &mut Value,
    account: &Value,
    api_audiences: &[String],
    now: Time,
) -> Result<(), Status> {
    let (own, wanted) = (meta::uid(account), meta::uid(body));
    if !wanted.is_empty() && wanted != own {
        let why = format!(
            "the UID in the token request ({wanted}) does not match the UID of the service account ({own})"
        );
        let resource = GroupResource::new("authentication.k8s.io", "TokenRequest");
        return Err(Status::conflict(&resource, meta::name(account), &why));
    }
    body.set(&["status"], Value::map());
    body.set(&["status", "token"], "");
    body.set(&["status", "expirationTimestamp"], Value::Null);
    meta::set(body, "name", meta::name(account));
    meta::set(body, "namespace", meta::namespace(account));
    meta::set(body, "uid", own);
    body.set(&["metadata", "creationTimestamp"], now.to_seconds_text());
    if body.list_at(&["spec", "audiences"]).is_empty() {
        let audiences = api_audiences.iter().map(|audience| Value::from(Text::from(audience.as_str())));
        body.set(&["spec", "audiences"], audiences.collect::<Vec<_>>());
    }
    Ok(())
}

/// Checks how long the token is to be good.
pub fn validate(body: &Value) -> Result<(), Status> {
    let mut errors = FieldErrors::new();
    let path = Path::root("spec");
    let path = path.child("expirationSeconds");
    let seconds = body.int_at(&["spec", "expirationSeconds"]).unwrap_or(0);
    if seconds < SECONDS_MIN {
        errors.invalid(&path, seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > SECONDS_MAX {
        errors.invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(&kind(), "", errors)) }
}

fn kind() -> GroupKind {
    GroupKind::new("authentication.k8s.io", "TokenRequest")
}
