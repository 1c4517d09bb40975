//! CertificateSigningRequest: the request, its signer, and the decision about it.

use super::{NameRule, check, meta};
use pintle_object::field::quote;
use pintle_object::{FieldErrors, Path, Seen, Value, content, repeats};
use pintle_x509::{CertificateRequest, check_chain};

const SPEC: Path<'static> = Path::root("spec");
const CONDITIONS: Path<'static> = Path::root("status.conditions");
const EXPIRATION_SECONDS_MIN: i64 = 600;
const DOMAIN_LEN_MAX: usize = 253;
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
/// Conditions that hold or are absent.
const TRUE_CONDITIONS: [&str; 3] = ["Approved", "Denied", "Failed"];
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// All errors of a request; errors that the old one had already are allowed.
pub fn request(object: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    meta::validate_strict(object, NameRule::Any, errors);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let parsed = CertificateRequest::from_pem(&decoded(spec.str_at(&["request"])));
    if let Err(why) = parsed.and_then(|request| request.check_signature()) {
        let shown = check::present(spec, &["request"]).unwrap_or(&Value::Null);
        errors.invalid(&SPEC.child("request"), shown, &why.to_string());
    }
    usages(spec, errors);
    let signer = spec.str_at(&["signerName"]);
    let path = SPEC.child("signerName");
    if signer == LEGACY_SIGNER {
        let why = "the legacy signerName is not allowed via this API version";
        errors.invalid(&path, signer, why);
    } else {
        signer_name(signer, &path, errors);
    }
    let expiration = spec.int_at(&["expirationSeconds"]);
    if let Some(seconds) = expiration.filter(|seconds| *seconds < EXPIRATION_SECONDS_MIN) {
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid(&SPEC.child("expirationSeconds"), seconds, why);
    }
    conditions(object, old, errors);
    let text = object.str_at(&["status", "certificate"]);
    if old.is_none_or(|old| old.str_at(&["status", "certificate"]) != text)
        && old.is_none_or(|old| check_chain(&decoded(old.str_at(&["status", "certificate"]))).is_ok())
        && let Err(why) = check_chain(&decoded(text))
    {
        errors.invalid(&Path::root("status.certificate"), "<certificate data>", &why.to_string());
    }
}

/// All errors of an update: decisions cannot be changed.
pub fn update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    request(new, Some(old), errors);
    for kind in TRUE_CONDITIONS {
        if count(new, kind) < count(old, kind) {
            let why = format!("updates may not remove a condition of type {}", quote(kind));
            errors.forbidden(&CONDITIONS, &why);
        }
    }
}

/// Refuses more that an update through `status` may not do.
pub fn issue(new: &Value, old: &Value, errors: &mut FieldErrors) {
    for kind in ["Approved", "Denied"] {
        if count(new, kind) > count(old, kind) {
            let why = format!("updates may not add a condition of type {}", quote(kind));
            errors.forbidden(&CONDITIONS, &why);
        }
    }
    let certificate = |object: &Value| object.str_at(&["status", "certificate"]).to_string();
    let before = certificate(old);
    if !before.is_empty() && certificate(new) != before {
        let path = Path::root("status.certificate");
        errors.forbidden(&path, "updates may not modify existing certificate content");
    }
}

fn count(object: &Value, kind: &str) -> usize {
    let conditions = object.list_at(&["status", "conditions"]);
    conditions.iter().filter(|condition| condition.str_at(&["type"]) == kind).count()
}

fn decoded(text: &str) -> Vec<u8> {
    pintle_object::bytes::decode(text).unwrap_or_default()
}

fn usages(spec: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("usages");
    let usages: Vec<&str> =
        spec.list_at(&["usages"]).iter().map(|usage| usage.as_str().unwrap_or("")).collect();
    if usages.is_empty() {
        errors.required(&path, "");
    }
    for (index, usage) in usages.iter().enumerate() {
        if !USAGES.contains(usage) {
            errors.not_supported(&path.index(index), *usage, &USAGES);
        }
    }
    for ((index, usage), is_again) in usages.iter().enumerate().zip(repeats(&usages)) {
        if is_again {
            errors.duplicate(&path.index(index), *usage);
        }
    }
}

/// `domain.with.dots/name`
pub fn signer_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let segments: Vec<&str> = name.split('/').collect();
    let [domain, last] = segments[..] else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.invalid(path, name, why);
        return;
    };
    if domain.len() > DOMAIN_LEN_MAX {
        errors.too_long(path, DOMAIN_LEN_MAX);
    }
    for label in domain.split('.') {
        for message in content::dns1123_label(label) {
            errors.invalid(path, domain, &format!("validating label {}: {message}", quote(label)));
        }
    }
    if !domain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        errors.invalid(path, domain, why);
    }
    for label in last.split('.') {
        for message in content::dns1123_label(label) {
            errors.invalid(path, last, &format!("validating label {}: {message}", quote(label)));
        }
    }
}

fn conditions(object: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    let list = object.list_at(&["status", "conditions"]);
    let had_both = old.is_some_and(|old| count(old, "Approved") > 0 && count(old, "Denied") > 0);
    let mut seen = Seen::new();
    for (index, condition) in list.iter().enumerate() {
        let path = CONDITIONS.index(index);
        let (kind, status) = (condition.str_at(&["type"]), condition.str_at(&["status"]));
        if kind.is_empty() {
            errors.required(&path.child("type"), "");
        }
        let is_true_only = TRUE_CONDITIONS.contains(&kind);
        match status {
            "" => errors.required(&path.child("status"), ""),
            "True" => {}
            "False" | "Unknown" if !is_true_only => {}
            other if is_true_only => errors.not_supported(&path.child("status"), other, &["True"]),
            other => errors.not_supported(&path.child("status"), other, &["False", "True", "Unknown"]),
        }
        let opposite = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !opposite.is_empty() && !had_both && seen.contains(&opposite) {
            let why = "Approved and Denied conditions are mutually exclusive";
            errors.invalid(&CONDITIONS, kind, why);
        }
        if seen.contains(&kind) {
            errors.duplicate(&path.child("type"), kind);
        }
        seen.push(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signers_have_a_domain() {
        let cases = [("example.com/s", 0), ("", 1), ("no-slash", 1), ("a.b/c/d", 1), ("example/s", 1)];
        for (name, expected) in cases {
            let mut errors = FieldErrors::new();
            signer_name(name, &Path::root("f"), &mut errors);
            assert_eq!(errors.len(), expected, "{name}");
        }
    }
}
