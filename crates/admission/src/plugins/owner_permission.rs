//! OwnerReferencesPermissionEnforcement: changing owners of an object needs the right to delete it, and blocking the
//! deletion of an owner needs the right to set its finalizers.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_access::authorize::Decision;
use pintle_object::field::quote;
use pintle_object::meta;
use pintle_object::{RequestInfo, Status, Value, Verb};

const OWNERS: [&str; 2] = ["metadata", "ownerReferences"];

pub struct OwnerReferencesPermissionEnforcement;

impl Plugin for OwnerReferencesPermissionEnforcement {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let is_write = request.is_create() || request.is_update();
        // Old kubelets drop owners from statuses, where they cannot be changed anyway.
        let is_exempt = request.is_resource("", "pods") && request.subresource() == "status";
        let old = request.attributes.old.map_or(&[][..], |old| old.list_at(&OWNERS));
        let new = object.list_at(&OWNERS);
        if !is_write || is_exempt || new == old {
            return Ok(());
        }
        // A user who creates an object may set its owners without the right to delete it.
        if !request.is_create() {
            may_delete(request, object)?;
        }
        if blocking(new, old).next().is_none() || refusal(request, &finalize_anything()).is_none() {
            return Ok(());
        }
        blocking(new, old).try_for_each(|owner| may_block(request, object, owner))
    }
}

/// The permission on the finalizers of all objects, which makes checks of single owners needless.
fn finalize_anything() -> RequestInfo {
    RequestInfo {
        verb: Verb::Update,
        is_resource: true,
        group: "*".into(),
        version: "*".into(),
        resource: "*".into(),
        subresource: "finalizers".into(),
        name: "*".into(),
        ..RequestInfo::default()
    }
}

fn may_delete(request: &Request<'_>, object: &Value) -> Result<(), Status> {
    let Some(reason) = refusal(request, &request.asked(Verb::Delete)) else { return Ok(()) };
    let why = format!("cannot set an ownerRef on a resource you can't delete: {reason}, <nil>");
    Err(request.forbidden(object, why))
}

/// The owners whose deletion the write begins to block.
fn blocking<'a>(new: &'a [Value], old: &'a [Value]) -> impl Iterator<Item = &'a Value> {
    let blocks = |owner: &Value| owner.bool_at(&["blockOwnerDeletion"]);
    let did = move |owner: &Value| {
        let mut same = old.iter().filter(|one| one.str_at(&["uid"]) == owner.str_at(&["uid"]));
        same.any(blocks)
    };
    new.iter().filter(move |owner| blocks(owner) && !did(owner))
}

fn may_block(request: &Request<'_>, object: &Value, owner: &Value) -> Result<(), Status> {
    let (api_version, kind) = (owner.str_at(&["apiVersion"]), owner.str_at(&["kind"]));
    let Some(served) = request.view.of_kind(api_version, kind) else {
        let (kind_shown, version_shown) = (quote(kind), quote(api_version));
        return Err(request.forbidden(
            object,
            format!(
                "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion \
                 {api_version} Kind {kind}: no matches for kind {kind_shown} in version {version_shown}"
            ),
        ));
    };
    let resource = &served.resource;
    let asked = RequestInfo {
        verb: Verb::Update,
        is_resource: true,
        group: resource.group.as_ref().into(),
        version: resource.version.as_ref().into(),
        resource: resource.plural.as_ref().into(),
        subresource: "finalizers".into(),
        // An owner is in the namespace of its dependent, or cluster-scoped.
        namespace: if resource.namespaced { meta::namespace(object) } else { "" }.into(),
        name: owner.str_at(&["name"]).into(),
        ..RequestInfo::default()
    };
    let Some(reason) = refusal(request, &asked) else { return Ok(()) };
    let why = format!(
        "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: \
         {reason}, <nil>"
    );
    Err(request.forbidden(object, why))
}

/// The authorizers' reason when they do not allow.
fn refusal(request: &Request<'_>, asked: &RequestInfo) -> Option<String> {
    match request.permissions.authorizer.authorize(request.user(), asked) {
        Decision::Allow(_) => None,
        Decision::Deny(reason) | Decision::NoOpinion(reason) | Decision::Error { reason, .. } => Some(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_blocked_when_they_were_not_before() {
        let owners = |json: &str| pintle_object::json::parse(json.as_bytes()).unwrap();
        let check = |new: &str, old: &str, expected: &[&str]| {
            let (new, old) = (owners(new), owners(old));
            let found = blocking(new.as_list().unwrap(), old.as_list().unwrap());
            let found: Vec<&str> = found.map(|owner| owner.str_at(&["uid"])).collect();
            assert_eq!(found, expected);
        };
        let blocked = r#"[{"uid":"a","blockOwnerDeletion":true}]"#;
        let free = r#"[{"uid":"a"},{"uid":"b","blockOwnerDeletion":false}]"#;
        check(blocked, "[]", &["a"]);
        check(blocked, blocked, &[]);
        check(blocked, free, &["a"]);
        check(free, blocked, &[]);
    }
}
