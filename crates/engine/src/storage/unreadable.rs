//! Refusals of stored values that cannot be read, in upstream's words.

use pintle_kinds::{is_convertible, is_stored_alike};
use pintle_object::field::quote;
use pintle_object::{GroupVersion, GroupVersionKind, Reason, Status, bytes, json};
use pintle_schema::decode;
use pintle_store::{Object, transformer};

/// Whether the store could not read the attributes of a value.
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

/// Refuses a value that is not of the kind, by its beginning.
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

/// The kind of a value that is stored in another version of its resource, which can be converted.
pub(crate) fn other_version(
    storage: &GroupVersionKind,
    api_version: &str,
    kind: &str,
) -> Option<GroupVersionKind> {
    let is_other = kind == storage.kind && !is_version(storage, api_version);
    let version = GroupVersion::parse(api_version).filter(|_| is_other)?;
    Some(version.with_kind(kind)).filter(is_convertible)
}

/// Whether `apps/v1` or `v1` is the version of a kind.
fn is_version(kind: &GroupVersionKind, api_version: &str) -> bool {
    match api_version.split_once('/') {
        Some((group, version)) => group == kind.group && version == kind.version,
        None => kind.group.is_empty() && api_version == kind.version,
    }
}

/// A value says which kind it is of, and in which version.
pub(crate) fn check_kind(storage: &GroupVersionKind, api_version: &str, kind: &str) -> Result<(), Status> {
    if kind == storage.kind && (is_version(storage, api_version) || is_stored_alike(storage, api_version)) {
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

/// Refuses a value that is neither protobuf nor JSON. The error is that of upstream's last attempt, base64.
pub(crate) fn check_json(value: &[u8]) -> Result<(), Status> {
    if value.trim_ascii_start().starts_with(b"{") {
        return match json::read::check(value) {
            Ok(_) => Ok(()),
            Err(why) => Err(unreadable(&format!("couldn't get version/kind; json parse error: {why}"))),
        };
    }
    bytes::decode(&String::from_utf8_lossy(value)).map(drop).map_err(|why| unreadable(&why))
}

/// 500 with the words of a decoder and no reason, as upstream passes them on.
pub(crate) fn unreadable(why: &str) -> Status {
    Status::new(500, Reason::Unknown, why)
}
