//! The objects of a request in the version that a rule matched.

use super::predicates::Matched;
use crate::request::Request;
use pintle_engine::ServedResource;
use pintle_object::{GroupVersionKind, Status, Value};
use std::sync::Arc;

/// The new and the old object in one version, each null where there is none.
pub struct VersionedAttributes {
    pub kind: GroupVersionKind,
    pub object: Value,
    pub old: Value,
}

impl VersionedAttributes {
    pub fn new(request: &Request<'_>, object: &Value, matched: &Matched) -> Result<Self, Status> {
        let served = matched.served(request);
        let kind = matched.kind(request);
        let old = request.attributes.old.unwrap_or(&Value::Null);
        let shown = |of: &Value| shown(request, served, &kind, of);
        Ok(VersionedAttributes { object: shown(object)?, old: shown(old)?, kind: kind.clone() })
    }
}

fn shown(
    request: &Request<'_>,
    served: &ServedResource,
    kind: &GroupVersionKind,
    of: &Value,
) -> Result<Value, Status> {
    if of.is_null() {
        return Ok(Value::Null);
    }
    let is_own = *kind == served.gvk();
    let is_scale = request.subresource() == "scale" && !request.attributes.has_own_form;
    // The body of a subresource with a kind of its own is the object.
    if !is_own && !is_scale {
        let mut shown = of.clone();
        shown.set(&["apiVersion"], kind.group_version().to_string());
        shown.set(&["kind"], kind.kind.to_string());
        return Ok(shown);
    }
    let of = request.converted(request.attributes.target.served, served, of)?;
    let object = request.view.shown_as(served, of.into_owned())?;
    Ok(if is_scale { request.view.scale(served, &object) } else { object })
}

/// The objects of one request in all versions needed so far, each made once.
pub struct ObjectVersions<'a> {
    request: &'a Request<'a>,
    object: &'a Value,
    made: Vec<Arc<VersionedAttributes>>,
}

impl<'a> ObjectVersions<'a> {
    pub fn new(request: &'a Request<'a>, object: &'a Value) -> ObjectVersions<'a> {
        ObjectVersions { request, object, made: Vec::new() }
    }

    pub fn of(&mut self, matched: &Matched) -> Result<Arc<VersionedAttributes>, Status> {
        let kind = matched.kind(self.request);
        if let Some(found) = self.made.iter().find(|made| made.kind == kind) {
            return Ok(found.clone());
        }
        let made = Arc::new(VersionedAttributes::new(self.request, self.object, matched)?);
        self.made.push(made.clone());
        Ok(made)
    }
}
