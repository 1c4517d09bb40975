//! Refusals of stored values that cannot be read, in upstream's words.

use pintle_object::field::quote;
use pintle_object::{GroupVersionKind, Reason, Status};
use pintle_schema::decode;
use pintle_store::{Object, transformer};

/// Whether the store could not read what it needs to know of a value.
pub(crate) fn is_undecodable(object: &Object) -> bool {
    object.attrs.name.is_empty()
}

/// Refuses a value that could not be decrypted.
pub(crate) fn check_decrypted(object: &Object) -> Result<(), Status> {
    match object.read_error() {
        Some(error) => Err(Status::internal(&error.0)),
        None => Ok(()),
    }
}

/// Refuses a stored object that could not be decrypted, or is not one of the kind.
pub(crate) fn check_object(storage: &GroupVersionKind, object: &Object) -> Result<(), Status> {
    check_decrypted(object)?;
    check_envelope(storage, &object.value)
}

/// Refuses a value that is not one of the kind, as far as its beginning tells.
pub(crate) fn check_envelope(storage: &GroupVersionKind, value: &[u8]) -> Result<(), Status> {
    if value.starts_with(transformer::ENCRYPTED_PREFIX) {
        return Err(Status::internal(transformer::NOT_DECRYPTED));
    }
    if !value.starts_with(decode::protobuf::MAGIC) {
        return Ok(());
    }
    let envelope = decode::protobuf::envelope(value).map_err(|error| unreadable(&error.0))?;
    check_kind(storage, envelope.api_version, envelope.kind)
}

/// A value says which kind it is of.
pub(crate) fn check_kind(storage: &GroupVersionKind, api_version: &str, kind: &str) -> Result<(), Status> {
    if kind == storage.kind {
        return Ok(());
    }
    let scheme = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30";
    Err(unreadable(&format!(
        "no kind {} is registered for version {} in scheme {}",
        quote(kind),
        quote(api_version),
        quote(scheme)
    )))
}

/// 500 with the words of a decoder and no reason, as upstream passes them on.
pub(crate) fn unreadable(why: &str) -> Status {
    Status::new(500, Reason::Unknown, why)
}
