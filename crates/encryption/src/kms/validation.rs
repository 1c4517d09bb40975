//! Checks of a plugin's answers, and of the annotations stored with values.

use crate::failure::{Failure, joined};
use crate::kms::wire::{AES_GCM_KEY, EncryptedObject, SEED};
use pintle_object::FieldErrors;
use pintle_object::content::{dns1123_label, dns1123_subdomain};
use pintle_object::field::Path;

const ANNOTATIONS_BYTES_MAX: usize = 32 * 1024;

const KEY_ID_BYTES_MAX: usize = 1024;

const SOURCE_BYTES_MAX: usize = 1024;

/// Checks a value as it is stored.
pub(crate) fn check(object: &EncryptedObject) -> Result<(), Failure> {
    let kind = object.encrypted_dek_source_type;
    if !matches!(kind, AES_GCM_KEY | SEED) {
        return Err(Failure::new(format!("unknown encryptedDEKSourceType: {kind}")));
    }
    if object.encrypted_data.is_empty() {
        return Err(Failure::new("encrypted data is empty"));
    }
    let source = check_source(&object.encrypted_dek_source);
    source.map_err(|failure| failure.within("failed to validate encrypted DEK source"))?;
    let key_id = check_key_id(&object.key_id);
    key_id.map_err(|(_, failure)| failure.within("failed to validate key id"))?;
    check_annotations(object).map_err(|failure| failure.within("failed to validate annotations"))
}

fn check_source(source: &[u8]) -> Result<(), Failure> {
    match source.len() {
        0 => Err(Failure::new("encrypted DEK source is empty")),
        len if len > SOURCE_BYTES_MAX => Err(Failure::new(format!(
            "encrypted DEK source is {len} bytes, which exceeds the max size of {SOURCE_BYTES_MAX}"
        ))),
        _ => Ok(()),
    }
}

/// Refused together with the label that metrics have for the refusal.
pub(crate) fn check_key_id(key_id: &str) -> Result<(), (&'static str, Failure)> {
    match key_id.len() {
        0 => Err(("empty", Failure::new("keyID is empty"))),
        len if len > KEY_ID_BYTES_MAX => Err((
            "too_long",
            Failure::new(format!("keyID is {len} bytes, which exceeds the max size of {KEY_ID_BYTES_MAX}")),
        )),
        _ => Ok(()),
    }
}

fn check_annotations(object: &EncryptedObject) -> Result<(), Failure> {
    let mut errors = Vec::new();
    let mut bytes = 0;
    for (key, value) in &object.annotations {
        let mut found = FieldErrors::new();
        check_domain(key, &mut found);
        if !found.is_empty() {
            errors.push(joined(found.iter().map(ToString::to_string)));
        }
        bytes += key.len() + value.len();
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(format!(
            "total size of annotations is {bytes}, which exceeds the max size of {ANNOTATIONS_BYTES_MAX}"
        ));
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::new(joined(errors))) }
}

/// A fully qualified domain name.
fn check_domain(name: &str, errors: &mut FieldErrors) {
    let path = Path::root("annotations");
    if name.is_empty() {
        return errors.required(&path, "");
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let wrong = dns1123_subdomain(name);
    if !wrong.is_empty() {
        return errors.invalid(&path, name, &wrong.join(","));
    }
    if !name.contains('.') {
        return errors.invalid(
            &path,
            name,
            "should be a domain with at least two segments separated by dots",
        );
    }
    let wrong =
        name.split('.').map(|label| (label, dns1123_label(label))).find(|(_, wrong)| !wrong.is_empty());
    if let Some((label, wrong)) = wrong {
        errors.invalid(&path, label, &wrong.join(","));
    }
}
