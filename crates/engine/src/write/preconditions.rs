//! Preconditions of an update on the object that it replaces.

use crate::resource::{ObjectRef, ServedResource};
use pintle_object::meta;
use pintle_object::parse_uint;
use pintle_object::{FieldErrors, GroupKind, Path, Reason, Status, Value};
use pintle_store::Object;

/// The name in the object is the name of the path.
pub fn check_name(target: &ObjectRef<'_>, object: &Value) -> Result<(), Status> {
    let (namespace, wanted) = (meta::namespace(object), target.namespace);
    if !wanted.is_empty() && !namespace.is_empty() && namespace != wanted {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let (name, wanted) = (meta::name(object), target.name);
    if name.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
        )));
    }
    if name != wanted {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({wanted})"
        )));
    }
    Ok(())
}

/// A uid in the body says which object is meant; a later one of the same name is another.
pub(crate) fn check_uid(target: &ObjectRef<'_>, body: &Value, current: &Value) -> Result<(), Status> {
    let uid = meta::uid(body);
    if uid.is_empty() || uid == meta::uid(current) {
        return Ok(());
    }
    Err(uid_conflict(target, uid, meta::uid(current)))
}

pub(crate) fn uid_conflict(target: &ObjectRef<'_>, wanted: &str, found: &str) -> Status {
    let key = target.key();
    // Upstream's server of definitions leaves out the root of the store.
    let has_root = target.served.resource.group != "apiextensions.k8s.io" && target.served.is_typed();
    let key = if has_root { key.as_str() } else { key.trim_start_matches("/registry") };
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
         failed: UID in precondition: {wanted}, UID in object meta: {found}"
    );
    Status::conflict(&target.served.group_resource(), target.name, &why)
}

/// Optimistic concurrency: a version in the new object must be the current one.
pub(crate) fn check_version(
    target: &ObjectRef<'_>,
    new: &mut Value,
    existing: &Object,
) -> Result<(), Status> {
    let served = target.served;
    let text = meta::resource_version(new);
    let wanted = match text {
        "" => 0,
        text => parse_uint(text).map_err(|why| Status::new(500, Reason::Unknown, why))?,
    };
    if wanted == 0 {
        if served.facts.needs_version {
            let mut errors = FieldErrors::new();
            let path = Path::root("metadata.resourceVersion");
            errors.invalid(&path, 0_i64, "must be specified for an update");
            let resource = served.group_resource();
            let kind = GroupKind::new(resource.group, resource.resource);
            return Err(Status::invalid(&kind, target.name, errors));
        }
        meta::set_resource_version(new, existing.mod_revision.0);
        return Ok(());
    }
    if wanted != existing.mod_revision.0 {
        return Err(Status::stale(&served.group_resource(), target.name));
    }
    Ok(())
}

/// An update that takes the last finalizer from a deleted object lets it go.
pub(crate) fn goes_with_update(served: &ServedResource, new: &Value, old: &Value) -> bool {
    meta::finalizers(new).is_empty()
        && meta::is_deleting(old)
        && meta::grace_seconds(old).unwrap_or(0) == 0
        && served.strategy.may_go(new)
}
