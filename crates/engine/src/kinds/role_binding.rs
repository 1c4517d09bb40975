//! RoleBinding and ClusterRoleBinding.

use super::{Context, Rules, cells};
use crate::validation::NameRule;
use pintle_object::Value;

pub struct RoleBinding;

impl Rules for RoleBinding {
    fn default(&self, object: &mut Value) {
        let subjects = object.at_mut(&["subjects"]).and_then(Value::as_list_mut);
        for subject in subjects.into_iter().flatten() {
            if matches!(subject.str_at(&["kind"]), "User" | "Group")
                && subject.str_at(&["apiGroup"]).is_empty()
            {
                subject.set(&["apiGroup"], "rbac.authorization.k8s.io");
            }
        }
    }

    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let role = |field: &str| object.str_at(&["roleRef", field]);
        let subjects = |kind: &str| {
            let of_kind =
                object.list_at(&["subjects"]).iter().filter(|subject| subject.str_at(&["kind"]) == kind);
            let names: Vec<String> = of_kind.map(subject).collect();
            Value::from(names.join(", "))
        };
        vec![
            cells::name(object),
            Value::from(format!("{}/{}", role("kind"), role("name"))),
            cells::age(object, now_seconds),
            subjects("User"),
            subjects("Group"),
            subjects("ServiceAccount"),
        ]
    }
}

fn subject(subject: &Value) -> String {
    match (subject.str_at(&["kind"]), subject.str_at(&["name"])) {
        ("ServiceAccount", name) => format!("{}/{name}", subject.str_at(&["namespace"])),
        (_, name) => name.to_string(),
    }
}
