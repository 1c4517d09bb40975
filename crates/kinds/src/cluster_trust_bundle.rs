//! ClusterTrustBundle.

use super::Strategy;
use crate::validation::{NameRule, meta, signing_request};
use pintle_object::{FieldErrors, Path, Value, content};
use pintle_x509::{decode_pem, parse_certificate};
use std::collections::HashMap;

const BUNDLE: Path<'static> = Path::root("spec.trustBundle");
const BUNDLE_BYTES_MAX: usize = 1024 * 1024;

pub struct ClusterTrustBundle;

impl Strategy for ClusterTrustBundle {
    fn name_rule(&self) -> NameRule {
        NameRule::Any
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        check(object, errors);
        bundle(object.str_at(&["spec", "trustBundle"]), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        check(new, errors);
        // An accepted bundle stays valid, even if parsers become stricter.
        let text = new.str_at(&["spec", "trustBundle"]);
        if text != old.str_at(&["spec", "trustBundle"]) {
            bundle(text, errors);
        }
        meta::validate_update_strict(new, old, errors);
        let (path, signer) = (Path::root("spec.signerName"), ["spec", "signerName"]);
        crate::validation::check::immutable(new.at(&signer), old.at(&signer), &path, errors);
    }
}

fn check(object: &Value, errors: &mut FieldErrors) {
    meta::validate_strict(object, NameRule::Any, errors);
    let (name, signer) = (object.str_at(&["metadata", "name"]), object.str_at(&["spec", "signerName"]));
    for message in name_messages(name, signer) {
        errors.invalid(&Path::root("metadata.name"), name, &message);
    }
    if !signer.is_empty() {
        signing_request::signer_name(signer, &Path::root("spec.signerName"), errors);
    }
}

/// A bundle of a signer carries the signer's name in its own: `example.com:signer:name`.
fn name_messages(name: &str, signer: &str) -> Vec<String> {
    if name.is_empty() {
        return Vec::new();
    }
    if signer.is_empty() {
        if name.contains(':') {
            return vec![String::from(
                "ClusterTrustBundle without signer name must not have \":\" in its name",
            )];
        }
        return content::dns1123_subdomain(name);
    }
    let prefix = format!("{}:", signer.replace('/', ":"));
    match name.strip_prefix(&prefix) {
        Some(rest) => content::dns1123_subdomain(rest),
        None => {
            vec![format!("ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}")]
        }
    }
}

/// Certificates of authorities and nothing else, each once.
fn bundle(text: &str, errors: &mut FieldErrors) {
    if text.len() > BUNDLE_BYTES_MAX {
        errors.too_long(&BUNDLE, BUNDLE_BYTES_MAX);
        return;
    }
    let mut wrong = Vec::new();
    let mut places: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    let mut rest = text.as_bytes();
    let mut index = 0;
    while let Some((block, after)) = decode_pem(rest) {
        match block_fault(&block) {
            Some(why) => wrong.push(format!("entry {index} {why}")),
            None => places.entry(block.bytes).or_default().push(index),
        }
        rest = after;
        index += 1;
    }
    if wrong.is_empty() && places.is_empty() {
        wrong.push("at least one trust anchor must be provided".into());
    } else if wrong.is_empty() {
        let mut repeated: Vec<&Vec<usize>> = places.values().filter(|places| places.len() > 1).collect();
        repeated.sort();
        wrong.extend(repeated.into_iter().map(|places| {
            let places: Vec<String> = places.iter().map(ToString::to_string).collect();
            format!("duplicate trust anchor (indices [{}])", places.join(" "))
        }));
    }
    for why in wrong {
        errors.invalid(&BUNDLE, "<value omitted>", &why);
    }
}

fn block_fault(block: &pintle_x509::PemBlock) -> Option<String> {
    if block.kind != b"CERTIFICATE" {
        return Some(format!("has bad block type: {}", String::from_utf8_lossy(&block.kind)));
    }
    if block.has_headers {
        return Some("has PEM block headers".into());
    }
    let certificate = match parse_certificate(&block.bytes) {
        Ok((certificate, [])) => certificate,
        _ => return Some("does not parse as X.509".into()),
    };
    match certificate.basic_constraints() {
        Ok(Some(constraints)) if constraints.value.ca => None,
        Ok(_) => Some("does not have the CA bit set".into()),
        Err(_) => Some("has invalid basic constraints".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_signer() {
        let check = |name: &str, signer: &str, expected: usize| {
            assert_eq!(name_messages(name, signer).len(), expected, "{name} {signer}");
        };
        check("mine", "", 0);
        check("a:b", "", 1);
        check("example.com:s:mine", "example.com/s", 0);
        check("mine", "example.com/s", 1);
        check("example.com:s:Mine", "example.com/s", 1);
    }

    #[test]
    fn bundles_hold_certificates_of_authorities() {
        let check = |text: &str, expected: &str| {
            let mut errors = FieldErrors::new();
            bundle(text, &mut errors);
            let found: Vec<String> = errors.iter().map(|error| error.message.clone()).collect();
            assert_eq!(found.join("; "), format!("Invalid value: \"<value omitted>\": {expected}"));
        };
        check("", "at least one trust anchor must be provided");
        check("-----BEGIN X-----\nAAAA\n-----END X-----\n", "entry 0 has bad block type: X");
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(certificate, "entry 0 does not parse as X.509");
        check(&certificate.replacen("\n", "\nA: b\n\n", 1), "entry 0 has PEM block headers");
    }
}
