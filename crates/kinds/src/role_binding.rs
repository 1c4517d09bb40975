//! RoleBinding and ClusterRoleBinding.

use super::{Context, Strategy, cells};
use crate::validation::internal::{self, Form, Shape};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, Path, Value, content};

/// The rules of a binding; one in a namespace may bind roles of its namespace.
pub struct RoleBinding {
    pub is_namespaced: bool,
}

const GROUP: &str = "rbac.authorization.k8s.io";

const ROLE_REF: Shape =
    &[("APIGroup", "apiGroup", Form::Text), ("Kind", "kind", Form::Text), ("Name", "name", Form::Text)];

impl Strategy for RoleBinding {
    fn default(&self, object: &mut Value) {
        for subject in object.at_mut(&["subjects"]).and_then(Value::as_list_mut).into_iter().flatten() {
            let has_group = !subject.str_at(&["apiGroup"]).is_empty();
            if !has_group && matches!(subject.str_at(&["kind"]), "User" | "Group") {
                subject.set(&["apiGroup"], GROUP);
            }
        }
    }

    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::PathSegment, errors);
        role_ref(object, self.is_namespaced, errors);
        let path = Path::root("subjects");
        for (index, one) in object.list_at(&["subjects"]).iter().enumerate() {
            subject(one, self.is_namespaced, &path.index(index), errors);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
        meta::validate_update_strict(new, old, errors);
        if let (Some(new), Some(old)) = (new.get("roleRef"), old.get("roleRef"))
            && new != old
        {
            errors.invalid(&Path::root("roleRef"), internal::shown(new, ROLE_REF), "cannot change roleRef");
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let reference = |field: &str| object.str_at(&["roleRef", field]);
        vec![
            cells::name(object),
            Value::from(format!("{}/{}", reference("kind"), reference("name"))),
            cells::age(object, now_seconds),
            subjects(object, "User"),
            subjects(object, "Group"),
            subjects(object, "ServiceAccount"),
        ]
    }
}

fn subjects(object: &Value, kind: &str) -> Value {
    let names: Vec<String> = object
        .list_at(&["subjects"])
        .iter()
        .filter(|subject| subject.str_at(&["kind"]) == kind)
        .map(|subject| match subject.str_at(&["namespace"]) {
            "" => subject.str_at(&["name"]).to_string(),
            namespace => format!("{namespace}/{}", subject.str_at(&["name"])),
        })
        .collect();
    Value::from(names.join(", "))
}

fn role_ref(object: &Value, is_namespaced: bool, errors: &mut FieldErrors) {
    let path = Path::root("roleRef");
    let field = |field: &str| object.str_at(&["roleRef", field]);
    if field("apiGroup") != GROUP {
        errors.not_supported(&path.child("apiGroup"), field("apiGroup"), &[GROUP]);
    }
    let kinds: &[&str] = if is_namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&field("kind")) {
        errors.not_supported(&path.child("kind"), field("kind"), kinds);
    }
    let (name, path) = (field("name"), path.child("name"));
    if name.is_empty() {
        errors.required(&path, "");
    } else {
        check::invalid_all(content::path_segment_name(name), name, &path, errors);
    }
}

fn subject(subject: &Value, is_namespaced: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let (name, group) = (subject.str_at(&["name"]), subject.str_at(&["apiGroup"]));
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    }
    match subject.str_at(&["kind"]) {
        "ServiceAccount" => {
            if !name.is_empty() {
                check::invalid_all(content::dns1123_subdomain(name), name, &path.child("name"), errors);
            }
            if !group.is_empty() {
                errors.not_supported(&path.child("apiGroup"), group, &[""]);
            }
            if !is_namespaced && subject.str_at(&["namespace"]).is_empty() {
                errors.required(&path.child("namespace"), "");
            }
        }
        "User" | "Group" => {
            if group != GROUP {
                errors.not_supported(&path.child("apiGroup"), group, &[GROUP]);
            }
        }
        other => errors.not_supported(&path.child("kind"), other, &["ServiceAccount", "User", "Group"]),
    }
}
