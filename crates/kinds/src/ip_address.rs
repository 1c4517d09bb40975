//! IPAddress.

use super::{Context, Strategy, cells};
use crate::AllocationRecord;
use crate::validation::internal::{self, Form, Shape};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, GroupResource, Path, Value, content};
use std::net::IpAddr;

pub struct IPAddress;

const PARENT: Path<'static> = Path::root("spec.parentRef");

/// The fields of a parent, in the order of upstream's error texts.
const PARENT_SHAPE: Shape = &[
    ("Group", "group", Form::Text),
    ("Resource", "resource", Form::Text),
    ("Namespace", "namespace", Form::Text),
    ("Name", "name", Form::Text),
];

impl Strategy for IPAddress {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn name_rule(&self) -> NameRule {
        NameRule::Ip
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Ip, errors);
        parent(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        parent(new, errors);
        let parent = |object: &Value| check::present(object, &["spec", "parentRef"]).cloned();
        let (new, old) = (parent(new), parent(old));
        if new != old {
            match new {
                Some(new) => errors.invalid(&PARENT, internal::shown(&new, PARENT_SHAPE), check::IMMUTABLE),
                None => errors.invalid(&PARENT, &Value::Null, check::IMMUTABLE),
            }
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![cells::name(object), Value::from(parent_cell(object)), cells::age(object, now_seconds)]
    }
}

/// `resource.group/namespace/name`, without empty parts.
fn parent_cell(object: &Value) -> String {
    let Some(parent) = check::present(object, &["spec", "parentRef"]) else {
        return cells::NONE.to_string();
    };
    let field = |field: &str| parent.str_at(&[field]);
    let mut shown = field("resource").to_string();
    if !field("group").is_empty() {
        shown.push('.');
        shown.push_str(field("group"));
    }
    if !field("namespace").is_empty() {
        shown.push('/');
        shown.push_str(field("namespace"));
    }
    format!("{shown}/{}", field("name"))
}

/// The record of an address that the server gave to an object of the core group.
pub(super) fn record(ip: IpAddr, resource: &str, namespace: &str, name: &str) -> AllocationRecord {
    let family = if ip.is_ipv6() { "IPv6" } else { "IPv4" };
    let mut object = Value::map();
    object.set(&["apiVersion"], "networking.k8s.io/v1");
    object.set(&["kind"], "IPAddress");
    object.set(&["metadata", "name"], ip.to_string());
    object.set(&["metadata", "labels", "ipaddress.kubernetes.io/ip-family"], family);
    object.set(&["metadata", "labels", "ipaddress.kubernetes.io/managed-by"], "ipallocator.k8s.io");
    object.set(&["spec", "parentRef", "resource"], resource);
    object.set(&["spec", "parentRef", "namespace"], namespace);
    object.set(&["spec", "parentRef", "name"], name);
    AllocationRecord { resource: GroupResource::new("networking.k8s.io", "ipaddresses"), object }
}

fn parent(object: &Value, errors: &mut FieldErrors) {
    let Some(parent) = check::present(object, &["spec", "parentRef"]) else {
        errors.required(&PARENT, "");
        return;
    };
    let group = parent.str_at(&["group"]);
    if !group.is_empty() {
        check::invalid_all(content::dns1123_subdomain(group), group, &PARENT.child("group"), errors);
    }
    for (field, is_required) in [("resource", true), ("name", true), ("namespace", false)] {
        let text = parent.str_at(&[field]);
        if !text.is_empty() {
            check::invalid_all(content::path_segment_name(text), text, &PARENT.child(field), errors);
        } else if is_required {
            errors.required(&PARENT.child(field), "");
        }
    }
}
