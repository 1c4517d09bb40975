//! PodCertificateRequest.

use super::{Context, Strategy, keep, keep_metadata};
use crate::validation::{NameRule, check, conditions, meta, signing_request};
use pintle_object::field::Shown;
use pintle_object::time::Time;
use pintle_object::{ErrorKind, Map};
use pintle_object::{FieldError, FieldErrors, Path, Value, bytes, content};
use pintle_x509::{
    CertificateRequest, Curve, PublicKey, X509Certificate, check_proof, decode_pem, parse_certificate,
};

const SPEC: Path<'static> = Path::root("spec");
const STATUS: Path<'static> = Path::root("status");
const CONDITIONS: Path<'static> = Path::root("status.conditions");
const CHAIN: Path<'static> = Path::root("status.certificateChain");
const UID_LEN_MAX: usize = 128;
const REQUEST_BYTES_MAX: usize = 10 * 1024;
const KEY_BYTES_MAX: usize = 10 * 1024;
const PROOF_BYTES_MAX: usize = 10 * 1024;
const CHAIN_BYTES_MAX: usize = 100 * 1024;
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
const EXPIRATION_SECONDS_MIN: i64 = 60 * 60;
const EXPIRATION_SECONDS_MAX: i64 = 91 * 24 * 60 * 60;
const KUBERNETES_EXPIRATION_SECONDS_MAX: i64 = 24 * 60 * 60;
/// The shortest lifetime of certificates, and the least time between refresh and expiry.
const LIFETIME_SECONDS_MIN: i64 = 60 * 60;
const REFRESH_MARGIN_SECONDS: i64 = 10 * 60;
/// The outcomes of a request, of which it has one.
const OUTCOMES: [&str; 3] = ["Issued", "Denied", "Failed"];

pub struct PodCertificateRequest;

impl Strategy for PodCertificateRequest {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.remove(&["status"]);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_metadata(new, old);
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let signer = spec.str_at(&["signerName"]);
        signing_request::signer_name(signer, &SPEC.child("signerName"), errors);
        annotations(spec.map_at(&["unverifiedUserAnnotations"]), errors);
        for kind in ["pod", "serviceAccount", "node"] {
            named(spec, kind, errors);
        }
        if expiration(spec, signer, errors) {
            key(spec, errors);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        check::immutable(new.get("spec"), old.get("spec"), &SPEC, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        if errors.is_empty() {
            outcomes(new, errors);
        }
        if errors.is_empty() {
            status(new, old, errors);
        }
    }
}

/// An error that shows no value.
fn invalid(path: &Path<'_>, why: &str, errors: &mut FieldErrors) {
    let message = format!("Invalid value: {why}");
    errors.push(FieldError { kind: ErrorKind::Invalid, field: path.to_string(), message });
}

fn annotations(annotations: Option<&Map>, errors: &mut FieldErrors) {
    let path = SPEC.child("unverifiedUserAnnotations");
    let mut len = 0;
    for (key, value) in annotations.into_iter().flat_map(Map::iter) {
        check::domain_prefixed_path(&key.to_lowercase(), &path, errors);
        len += key.len() + value.as_str().map_or(0, str::len);
    }
    if len > ANNOTATIONS_BYTES_MAX {
        errors.too_long(&path, ANNOTATIONS_BYTES_MAX);
    }
}

/// `podName` and `podUID`, and the same of the account and the node.
fn named(spec: &Value, kind: &str, errors: &mut FieldErrors) {
    let (name_field, uid_field) = (format!("{kind}Name"), format!("{kind}UID"));
    let (name, uid) = (spec.str_at(&[&name_field]), spec.str_at(&[&uid_field]));
    check::invalid_all(content::dns1123_subdomain(name), name, &SPEC.child(&name_field), errors);
    if uid.is_empty() {
        errors.invalid(&SPEC.child(&uid_field), uid, "must not be empty");
    }
    if uid.len() > UID_LEN_MAX {
        errors.too_long(&SPEC.child(&uid_field), UID_LEN_MAX);
    }
}

/// Whether it says how long the certificate may live at all.
fn expiration(spec: &Value, signer: &str, errors: &mut FieldErrors) -> bool {
    let path = SPEC.child("maxExpirationSeconds");
    let Some(seconds) = spec.int_at(&["maxExpirationSeconds"]) else {
        errors.required(&path, "must be set");
        return false;
    };
    let host = signer.split('/').next().unwrap_or("");
    let is_own = host == "kubernetes.io" || host.ends_with(".kubernetes.io");
    let max = if is_own { KUBERNETES_EXPIRATION_SECONDS_MAX } else { EXPIRATION_SECONDS_MAX };
    if !(EXPIRATION_SECONDS_MIN..=max).contains(&seconds) {
        errors.invalid(&path, seconds, &format!("must be in the range [{EXPIRATION_SECONDS_MIN}, {max}]"));
    }
    true
}

/// A request that carries the key, or the key and a proof that its private half is known.
fn key(spec: &Value, errors: &mut FieldErrors) {
    let part = |field: &str| bytes::decode(spec.str_at(&[field])).unwrap_or_default();
    let (request, key, proof) = (part("stubPKCS10Request"), part("pkixPublicKey"), part("proofOfPossession"));
    match (request.is_empty(), key.is_empty(), proof.is_empty()) {
        (false, true, true) => stub_request(&request, errors),
        (true, false, false) => proven_key(spec, &key, &proof, errors),
        _ => invalid(
            &SPEC,
            "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set",
            errors,
        ),
    }
}

fn stub_request(request: &[u8], errors: &mut FieldErrors) {
    let path = SPEC.child("stubPKCS10Request");
    if request.len() > REQUEST_BYTES_MAX {
        return errors.too_long(&path, REQUEST_BYTES_MAX);
    }
    let Ok(request) = CertificateRequest::parse(request) else {
        return invalid(&path, "must be a valid PKCS#10 CSR", errors);
    };
    if is_good_key(&request.key, &path, "P256, P384, or P521", errors) && request.check_signature().is_err() {
        invalid(&path, "invalid signature", errors);
    }
}

fn proven_key(spec: &Value, key: &[u8], proof: &[u8], errors: &mut FieldErrors) {
    let (key_path, proof_path) = (SPEC.child("pkixPublicKey"), SPEC.child("proofOfPossession"));
    if key.len() > KEY_BYTES_MAX {
        return errors.too_long(&key_path, KEY_BYTES_MAX);
    }
    if proof.len() > PROOF_BYTES_MAX {
        return errors.too_long(&proof_path, PROOF_BYTES_MAX);
    }
    let Ok(key) = PublicKey::parse(key) else {
        let shown = check::present(spec, &["pkixPublicKey"]).unwrap_or(&Value::Null);
        return errors.invalid(&key_path, shown, "must be a valid PKIX-serialized public key");
    };
    if !is_good_key(&key, &key_path, "P256 or P384", errors) {
        return;
    }
    if !check_proof(&key, spec.str_at(&["podUID"]).as_bytes(), proof) {
        invalid(&proof_path, "could not verify proof-of-possession signature", errors);
    }
}

fn is_good_key(key: &PublicKey, path: &Path<'_>, curves: &str, errors: &mut FieldErrors) -> bool {
    match key {
        PublicKey::Ed25519(_) => return true,
        PublicKey::Ecdsa { curve: Curve::P224, .. } => {
            let why = format!("elliptic public keys must use curve {curves}");
            errors.invalid(path, "curve P-224", &why);
        }
        PublicKey::Ecdsa { .. } => return true,
        PublicKey::Rsa { modulus_bits, .. } => match modulus_bits.div_ceil(8) * 8 {
            3072 | 4096 => return true,
            bits => {
                let shown = format!("{bits}-bit modulus");
                errors.invalid(path, &shown, "RSA keys must have modulus size 3072 or 4096");
            }
        },
        PublicKey::Unknown => {
            invalid(path, "unknown public key type; supported types are Ed25519, ECDSA, and RSA", errors);
        }
    }
    false
}

fn outcomes(object: &Value, errors: &mut FieldErrors) {
    let list = object.list_at(&["status", "conditions"]);
    let mut known = 0;
    for (index, condition) in list.iter().enumerate() {
        let index = format!("[{index}]");
        let path = CONDITIONS.child(&index);
        let kind = condition.str_at(&["type"]);
        if !OUTCOMES.contains(&kind) {
            errors.not_supported(&path.child("type"), kind, &OUTCOMES);
            continue;
        }
        known += 1;
        if known > 1 {
            let why = "There may be at most one condition with type \"Issued\", \"Denied\", or \"Failed\"";
            errors.invalid(&path.child("type"), kind, why);
        }
        let status = condition.str_at(&["status"]);
        if status != "True" {
            errors.not_supported(&path.child("status"), status, &["True"]);
        }
    }
    conditions::validate(list, &CONDITIONS, errors);
}

fn outcome(object: &Value) -> Option<&str> {
    let conditions = object.list_at(&["status", "conditions"]).iter();
    let mut kinds = conditions
        .filter(|condition| condition.str_at(&["status"]) == "True")
        .map(|condition| condition.str_at(&["type"]));
    kinds.find(|kind| OUTCOMES.contains(kind))
}

/// A status is written once, with its outcome.
fn status(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let is_same = new.get("status") == old.get("status");
    match (outcome(old), outcome(new)) {
        (Some(_), _) if !is_same => {
            invalid(&STATUS, "immutable after PodCertificateRequest is issued, denied, or failed", errors);
        }
        (Some(_), _) => {}
        (None, Some("Issued")) => issued(new, old, errors),
        (None, Some(_)) => {
            let status = new.map_at(&["status"]).into_iter().flat_map(Map::iter);
            if status.into_iter().any(|(field, value)| field != "conditions" && !value.is_null()) {
                let why = "non-condition status fields must be empty when denying or failing the PodCertificateRequest";
                invalid(&STATUS, why, errors);
            }
        }
        (None, None) if !is_same => {
            let why = "status is immutable unless transitioning to \"Issued\", \"Denied\", or \"Failed\"";
            invalid(&STATUS, why, errors);
        }
        (None, None) => {}
    }
}

fn issued(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let chain = new.str_at(&["status", "certificateChain"]);
    if chain.len() > CHAIN_BYTES_MAX {
        return errors.too_long(&CHAIN, CHAIN_BYTES_MAX);
    }
    let Some((leaf, rest)) = decode_pem(chain.as_bytes()) else {
        return errors.invalid(
            &CHAIN,
            chain,
            "issued certificate chain must contain at least one certificate",
        );
    };
    if leaf.kind != b"CERTIFICATE" {
        let why = "issued certificate chain must consist entirely of CERTIFICATE PEM blocks";
        return errors.invalid(&CHAIN, chain, why);
    }
    let Ok((certificate, [])) = parse_certificate(&leaf.bytes) else {
        return errors.invalid(&CHAIN, chain, "leaf certificate does not parse as valid X.509");
    };
    if PublicKey::parse(certificate.public_key().raw).ok() != requested_key(old) {
        return errors.invalid(&CHAIN, chain, "leaf certificate was not issued to the requested public key");
    }
    if times(new, &certificate, errors) {
        intermediates(chain, rest, errors);
    }
}

fn requested_key(object: &Value) -> Option<PublicKey> {
    let part = |field: &str| bytes::decode(object.str_at(&["spec", field])).unwrap_or_default();
    let request = part("stubPKCS10Request");
    if request.is_empty() {
        return PublicKey::parse(&part("pkixPublicKey")).ok();
    }
    CertificateRequest::parse(&request).ok().map(|request| request.key)
}

/// Whether the times of the status are those of the certificate, and within the requested lifetime.
fn times(object: &Value, certificate: &X509Certificate<'_>, errors: &mut FieldErrors) -> bool {
    let text = |field: &str| object.str_at(&["status", field]);
    let consistent = "must be present and consistent with the issued certificate";
    let ranged = "must be present and in the range [notbefore+10min, notafter-10min]";
    let before = errors.len();
    for (field, why) in [("notBefore", consistent), ("notAfter", consistent), ("beginRefreshAt", ranged)] {
        if text(field).is_empty() {
            errors.required(&STATUS.child(field), why);
        }
    }
    if errors.len() > before {
        return false;
    }
    let seconds = |field: &str| Time::parse(text(field)).map_or(i64::MIN, |time| time.seconds);
    let mut fail = |field: &str, why: &str| {
        errors.invalid(&STATUS.child(field), Shown(text(field).into()), why);
        false
    };
    let validity = certificate.validity();
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if seconds("notBefore") != from {
        return fail("notBefore", "must be set to the NotBefore time encoded in the leaf certificate");
    }
    if seconds("notAfter") != to {
        return fail("notAfter", "must be set to the NotAfter time encoded in the leaf certificate");
    }
    let lifetime = to.saturating_sub(from);
    let max = object.int_at(&["spec", "maxExpirationSeconds"]).unwrap_or(0);
    if lifetime < LIFETIME_SECONDS_MIN {
        return fail("certificateChain", "leaf certificate lifetime must be >= 1 hour");
    }
    if lifetime > max {
        let why = format!("leaf certificate lifetime must be <= spec.maxExpirationSeconds ({max})");
        return fail("certificateChain", &why);
    }
    if seconds("beginRefreshAt") < from.saturating_add(REFRESH_MARGIN_SECONDS) {
        return fail("beginRefreshAt", "must be at least 10 minutes after status.notBefore");
    }
    if seconds("beginRefreshAt") > to.saturating_sub(REFRESH_MARGIN_SECONDS) {
        return fail("beginRefreshAt", "must be at least 10 minutes before status.notAfter");
    }
    true
}

fn intermediates(chain: &str, mut rest: &[u8], errors: &mut FieldErrors) {
    while let Some((block, after)) = decode_pem(rest) {
        if block.kind != b"CERTIFICATE" {
            let why = "issued certificate chain must consist entirely of CERTFICATE PEM blocks";
            return errors.invalid(&CHAIN, chain, why);
        }
        if !matches!(parse_certificate(&block.bytes), Ok((_, []))) {
            return errors.invalid(&CHAIN, chain, "intermediate certificate does not parse as valid X.509");
        }
        rest = after;
    }
}
