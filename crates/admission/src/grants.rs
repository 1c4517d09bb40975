//! Permissions that a write needs besides its own: roles and bindings may only be written by users who hold the rules
//! that they grant, and an update that creates the object needs the verb `create`.

use crate::request::Request;
use pintle_access::authorize::check;
use pintle_engine::admission::Operation;
use pintle_object::{RequestInfo, Status, Value, Verb};

/// The refusal of an update that would create, by a user who may not create.
pub fn may_create(request: &Request<'_>) -> Result<(), Status> {
    if !request.attributes.is_by_update {
        return Ok(());
    }
    check(request.permissions.authorizer.as_ref(), request.user(), &request.asked(Verb::Create))
}

/// The refusal of a role or binding that grants more than its writer has.
pub fn confirm(request: &Request<'_>, object: &Value) -> Result<(), Status> {
    let target = request.attributes.target;
    let resource = &target.served.resource;
    let is_write = matches!(request.attributes.operation, Operation::Create | Operation::Update);
    if resource.group != "rbac.authorization.k8s.io" || !is_write {
        return Ok(());
    }
    // A name that only the body has was not part of the request.
    let name = if request.is_create() { "" } else { target.name };
    let info = RequestInfo { name: name.into(), ..request.asked(Verb::default()) };
    let old = request.attributes.old.unwrap_or(&Value::Null);
    let permissions = request.permissions;
    permissions.grants.confirm(permissions.authorizer.as_ref(), request.user(), &info, object, old)
}
