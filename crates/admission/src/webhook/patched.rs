//! The object that a webhook's JSON patch makes.

use super::predicates::Matched;
use super::versioned::VersionedAttributes;
use crate::request::{Request, plain};
use pintle_engine::ServedResource;
use pintle_object::{GroupVersion, GroupVersionKind, Status, Value, json};
use pintle_patch::json_patch;

/// The name of the scheme of built-in kinds in upstream's errors: the place of its code.
pub const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";

/// The draft after a patch of the object in the matched version, and whether the patch itself changed anything.
pub fn patched(
    request: &Request<'_>,
    object: &Value,
    versioned: &VersionedAttributes,
    matched: &Matched,
    operations: &[Value],
) -> Result<(Value, bool), Status> {
    let served = matched.served(request);
    let subresource = request.subresource();
    let mut target = pintle_patch::untyped(&versioned.object);
    json_patch::json_patch(&mut target, operations).map_err(|error| Status::internal(error.to_string()))?;
    if let Some(other) = check_kind(request, &target, versioned, served).map_err(Status::internal)? {
        return Err(plain(other));
    }
    let read = request.view.read_patched(served, subresource, target);
    let (read, mut draft) = read.map_err(|status| Status::internal(status.bare_message()))?;
    draft = as_requested(request, served, draft)?;
    keep_kind(object, &mut draft);
    let mut before = versioned.object.clone();
    before.remove(&["kind"]);
    before.remove(&["apiVersion"]);
    Ok((draft, read != before))
}

/// A draft in the version that matched in that of the request.
pub fn as_requested(request: &Request<'_>, matched: &ServedResource, draft: Value) -> Result<Value, Status> {
    let mut draft = request.converted(matched, request.attributes.target.served, &draft)?.into_owned();
    draft.remove(&["kind"]);
    draft.remove(&["apiVersion"]);
    Ok(draft)
}

/// Gives a draft kind and apiVersion where the object before it had them.
pub fn keep_kind(before: &Value, draft: &mut Value) {
    for field in ["kind", "apiVersion"] {
        if let Some(value) = before.get(field) {
            draft.set(&[field], value.clone());
        }
    }
}

/// Checks the kind of a patched object. A typed object without one keeps its kind; an object that has become one of
/// another kind that can be decoded is not converted back, and that kind is returned.
///
/// # Errors
/// Upstream's words for an object that cannot be read.
pub fn check_kind(
    request: &Request<'_>,
    patched: &Value,
    versioned: &VersionedAttributes,
    served: &ServedResource,
) -> Result<Option<String>, String> {
    let unread = |why: String| format!("couldn't get version/kind; json parse error: json: {why}");
    if patched.as_map().is_none() {
        let target = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
                      \"json:\\\"kind,omitempty\\\"\" }";
        let word = if patched.as_list().is_some() { "array" } else { "string" };
        return Err(unread(format!("cannot unmarshal {word} into Go value of type {target}")));
    }
    let (api_version, kind) = (patched.str_at(&["apiVersion"]), patched.str_at(&["kind"]));
    let expected = versioned.kind.group_version().to_string();
    let is_kind = kind == versioned.kind.kind;
    if !served.is_typed() && request.subresource() != "scale" {
        return match (kind.is_empty(), is_kind && api_version == expected) {
            (true, _) => Err(format!("Object 'Kind' is missing in '{}'", json::to_string(patched))),
            (_, true) => Ok(None),
            _ => Ok(Some(format!("request to convert CR from an invalid group/version: {api_version}"))),
        };
    }
    if (kind.is_empty() || is_kind) && (api_version.is_empty() || api_version == expected) {
        return Ok(None);
    }
    let kind = if kind.is_empty() { versioned.kind.kind.as_ref() } else { kind };
    let version = if api_version.is_empty() { expected.as_str() } else { api_version };
    let unknown = || format!("no kind {kind:?} is registered for version {version:?} in scheme {SCHEME:?}");
    let parsed = GroupVersion::parse(version).ok_or_else(unknown)?;
    let other = GroupVersionKind::new(parsed.group.to_string(), parsed.version.to_string(), kind.to_owned());
    request.view.read_as(&other, patched).ok_or_else(unknown)??;
    let (own, package) = (&versioned.kind, internal_package(&versioned.kind.group));
    let version = &other.version;
    Ok(Some(format!("converting ({version}.{kind}) to ({package}.{}): unknown conversion", own.kind)))
}

/// The package of the internal types of a group.
fn internal_package(group: &str) -> &str {
    match group.split('.').next() {
        Some("") | Some("events") | None => "core",
        Some(first) => first,
    }
}
