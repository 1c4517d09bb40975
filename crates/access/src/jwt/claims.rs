//! From the claims of a proven token to its user.

use super::configuration::{ClaimMappings, ClaimRule, Jwt};
use super::expressions::{Expression, Expressions};
use pintle_object::user::User;
use pintle_object::{Value, field};

const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

const NO_TEXTS: &str = "expression must return a string or a list of strings";

/// The user, unless a claim that is needed is missing, of the wrong type, or another than it must be.
pub fn user(claims: &Value, jwt: &Jwt, expressions: &Expressions) -> Result<User, String> {
    let mappings = &jwt.mappings;
    let mut user = User {
        name: username(claims, mappings, expressions.username.as_ref())?,
        groups: groups(claims, mappings, expressions.groups.as_ref())?,
        uid: uid(claims, mappings, expressions.uid.as_ref())?,
        ..User::default()
    };
    let id = claims.str_at(&["jti"]);
    if !id.is_empty() {
        user.extra.insert(CREDENTIAL_ID.into(), vec![format!("JTI={id}")]);
    }
    for (key, expression) in &expressions.extra {
        let texts = expression.texts(claims)?.ok_or_else(|| {
            format!("oidc: error evaluating extra claim expression: {}: {NO_TEXTS}", expression.source())
        })?;
        if !texts.is_empty() {
            user.extra.insert(key.clone(), texts);
        }
    }
    jwt.rules.iter().filter(|rule| !rule.claim.is_empty()).try_for_each(|rule| check(claims, rule))?;
    expressions.check_claims(claims)?;
    expressions.check_user(&user)?;
    Ok(user)
}

/// A text that an expression must give.
fn evaluated(expression: &Expression, claims: &Value, what: &str) -> Result<String, String> {
    let failed = |why: String| format!("oidc: error evaluating {what} claim expression: {why}");
    let text = expression.text(claims).map_err(failed)?;
    text.ok_or_else(|| failed(format!("{what} claim expression must return a string")))
}

fn username(claims: &Value, mappings: &ClaimMappings, by: Option<&Expression>) -> Result<String, String> {
    if let Some(expression) = by {
        return match evaluated(expression, claims, "username")? {
            name if name.is_empty() => Err("oidc: empty username via CEL expression is not allowed".into()),
            name => Ok(name),
        };
    }
    let claim = &mappings.username.claim;
    let name = text(claims, claim)
        .map_err(|error| format!("oidc: parse username claims {}: {error}", field::quote(claim)))?;
    // An address that is marked as not verified counts as none.
    if claim == "email" {
        match claims.get("email_verified") {
            None | Some(Value::Bool(true)) => {}
            Some(Value::Bool(false) | Value::Null) => return Err("oidc: email not verified".into()),
            Some(other) => {
                return Err(format!("oidc: parse 'email_verified' claim: {}", mismatch(other, "bool")));
            }
        }
    }
    Ok(format!("{}{name}", mappings.username.prefix.as_deref().unwrap_or("")))
}

/// Reads groups; a single one may be given without a list.
fn groups(claims: &Value, mappings: &ClaimMappings, by: Option<&Expression>) -> Result<Vec<String>, String> {
    if let Some(expression) = by {
        let failed = |why: String| format!("oidc: error evaluating group claim expression: {why}");
        let texts = expression.texts(claims).map_err(failed)?;
        return texts.ok_or_else(|| failed(NO_TEXTS.into()));
    }
    let claim = &mappings.groups.claim;
    let Some(value) = claims.get(claim).filter(|_| !claim.is_empty()) else {
        return distributed(claims, claim).map(|()| Vec::new());
    };
    let prefix = mappings.groups.prefix.as_deref().unwrap_or("");
    let failed = |bad: &Value| {
        format!("oidc: parse groups claim {}: {}", field::quote(claim), mismatch(bad, "string"))
    };
    let one = |value: &Value| match value {
        Value::Text(group) => Ok(format!("{prefix}{group}")),
        Value::Null => Ok(prefix.to_string()),
        other => Err(failed(other)),
    };
    match value {
        Value::List(values) => values.iter().map(one).collect(),
        Value::Null => Ok(Vec::new()),
        value => one(value).map(|group| vec![group]),
    }
}

/// Refuses distributed groups, which only another server knows: the user would have too few of them.
fn distributed(claims: &Value, claim: &str) -> Result<(), String> {
    let source = claims.str_at(&["_claim_names", claim]);
    if claim.is_empty() || source.is_empty() {
        return Ok(());
    }
    match claims.str_at(&["_claim_sources", source, "endpoint"]) {
        "" => Ok(()),
        _ => Err("oidc: could not expand distributed claims: they are not supported".into()),
    }
}

fn uid(claims: &Value, mappings: &ClaimMappings, by: Option<&Expression>) -> Result<String, String> {
    if let Some(expression) = by {
        return evaluated(expression, claims, "uid");
    }
    let claim = &mappings.uid.claim;
    if claim.is_empty() {
        return Ok(String::new());
    }
    text(claims, claim).map_err(|error| format!("oidc: parse uid claim {}: {error}", field::quote(claim)))
}

fn check(claims: &Value, rule: &ClaimRule) -> Result<(), String> {
    let claim = &rule.claim;
    if claims.get(claim).is_none() {
        return Err(format!("oidc: required claim {claim} not present in ID token"));
    }
    let found = text(claims, claim).map_err(|error| format!("oidc: parse claim {claim}: {error}"))?;
    if found != rule.required_value {
        let wanted = &rule.required_value;
        return Err(format!(
            "oidc: required claim {claim} value does not match. Got = {found}, want = {wanted}"
        ));
    }
    Ok(())
}

/// A claim as Go reads it into a string: null is an empty one.
fn text(claims: &Value, claim: &str) -> Result<String, String> {
    match claims.get(claim) {
        None => Err("claim not present".into()),
        Some(Value::Text(text)) => Ok(text.to_string()),
        Some(Value::Null) => Ok(String::new()),
        Some(other) => Err(mismatch(other, "string")),
    }
}

fn mismatch(value: &Value, wanted: &str) -> String {
    let found = match value {
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Float(_) => "number",
        Value::List(_) => "array",
        Value::Text(_) => "string",
        Value::Null | Value::Map(_) | Value::Raw(_) => "object",
    };
    format!("json: cannot unmarshal {found} into Go value of type {wanted}")
}
