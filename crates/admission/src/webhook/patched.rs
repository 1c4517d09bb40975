//! The object that a webhook's JSON patch makes.

use super::call::internal;
use super::predicates::Matched;
use super::versioned::VersionedAttributes;
use crate::request::{Request, plain};
use pintle_object::{Status, Value, json};
use pintle_patch::json_patch;

/// Where upstream's scheme of built-in kinds is made.
const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";

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
    json_patch::json_patch(&mut target, operations).map_err(|error| internal(error.to_string()))?;
    check_kind(&target, versioned, served.custom.is_some() && subresource != "scale")?;
    let (read, draft) =
        request.view.read_patched(served, subresource, target).map_err(|status| internal(words(status)))?;
    let mut before = versioned.object.clone();
    before.remove(&["kind"]);
    before.remove(&["apiVersion"]);
    let draft = match subresource {
        "scale" => request.view.rescaled(served, object, &draft),
        _ => draft,
    };
    Ok((draft, read != before))
}

/// What a failure says, without what is said of all internal ones.
fn words(status: Status) -> String {
    let said = status.message.strip_prefix("Internal error occurred: ");
    said.map(str::to_owned).unwrap_or(status.message)
}

/// A patched object stays what it is. A typed one that does not say what it is is taken for what it was.
fn check_kind(patched: &Value, versioned: &VersionedAttributes, is_custom: bool) -> Result<(), Status> {
    let unread = |why: String| internal(format!("couldn't get version/kind; json parse error: json: {why}"));
    if patched.as_map().is_none() {
        let target = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
                      \"json:\\\"kind,omitempty\\\"\" }";
        let word = if patched.as_list().is_some() { "array" } else { "string" };
        return Err(unread(format!("cannot unmarshal {word} into Go value of type {target}")));
    }
    let (api_version, kind) = (patched.str_at(&["apiVersion"]), patched.str_at(&["kind"]));
    let expected = versioned.kind.group_version().to_string();
    let is_kind = kind == versioned.kind.kind;
    if is_custom {
        return match (kind.is_empty(), is_kind, api_version == expected) {
            (true, ..) => {
                Err(internal(format!("Object 'Kind' is missing in '{}'", json::to_string(patched))))
            }
            (_, true, true) => Ok(()),
            _ => Err(plain(format!("request to convert CR from an invalid group/version: {api_version}"))),
        };
    }
    if (kind.is_empty() || is_kind) && (api_version.is_empty() || api_version == expected) {
        return Ok(());
    }
    let kind = if kind.is_empty() { versioned.kind.kind.as_ref() } else { kind };
    let version = if api_version.is_empty() { expected.as_str() } else { api_version };
    Err(internal(format!("no kind {kind:?} is registered for version {version:?} in scheme {SCHEME:?}")))
}
