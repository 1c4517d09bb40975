//! CertificateSigningRequest.

use super::{Context, Strategy, cells, keep};
use crate::validation::{NameRule, meta, signing_request};
use pintle_object::time::Time;
use pintle_object::{FieldErrors, Value};
use std::collections::BTreeMap;

pub struct CertificateSigningRequest;

impl Strategy for CertificateSigningRequest {
    /// Sets the requesting user, whatever the body has.
    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        object.remove(&["status"]);
        for field in ["username", "uid", "groups", "extra"] {
            object.remove(&["spec", field]);
        }
        object.set(&["spec", "username"], context.user.name.as_str());
        let groups: Vec<Value> =
            context.user.groups.iter().map(|group| Value::from(group.as_str())).collect();
        if !context.user.uid.is_empty() {
            object.set(&["spec", "uid"], context.user.uid.as_str());
        }
        for (key, values) in &context.user.extra {
            let values: Vec<Value> = values.iter().map(|value| Value::from(value.as_str())).collect();
            object.set(&["spec", "extra", key.as_str()], values);
        }
        if !groups.is_empty() {
            object.set(&["spec", "groups"], groups);
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep(new, old, "status");
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        keep(new, old, "spec");
        keep_decisions(new, old);
        stamp_conditions(new, old, context);
    }

    fn prepare_subresource(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        keep(new, old, "spec");
        super::keep_at(new, old, &["status", "certificate"]);
        stamp_conditions(new, old, context);
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Any
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        signing_request::request(object, None, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        signing_request::update(new, old, errors);
        meta::validate_update_strict(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        signing_request::update(new, old, errors);
        meta::validate_update_strict(new, old, errors);
        signing_request::issue(new, old, errors);
    }

    fn validate_subresource(&self, new: &Value, old: &Value, _subresource: &str, errors: &mut FieldErrors) {
        signing_request::update(new, old, errors);
        meta::validate_update_strict(new, old, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let requested = match object.int_at(&["spec", "expirationSeconds"]) {
            Some(seconds) => cells::human_duration(seconds),
            None => cells::NONE.to_string(),
        };
        vec![
            cells::name(object),
            cells::age(object, now_seconds),
            cells::text_or(object, &["spec", "signerName"], cells::NONE),
            cells::text(object, &["spec", "username"]),
            Value::from(requested),
            Value::from(condition(object)),
        ]
    }
}

/// Keeps the conditions Approved and Denied, which only `approval` may change. One that is added or removed is left
/// for validation to refuse.
fn keep_decisions(new: &mut Value, old: &Value) {
    for kind in ["Approved", "Denied"] {
        let is_kind = |condition: &Value| condition.str_at(&["type"]) == kind;
        let before: Vec<Value> =
            old.list_at(&["status", "conditions"]).iter().filter(|one| is_kind(one)).cloned().collect();
        let conditions = new.at_mut(&["status", "conditions"]).and_then(Value::as_list_mut);
        let after: Vec<&mut Value> = conditions.into_iter().flatten().filter(|one| is_kind(one)).collect();
        if before.len() == after.len() {
            for (place, condition) in after.into_iter().zip(before) {
                *place = condition;
            }
        }
    }
}

/// Conditions carry when they were set and when they last changed.
fn stamp_conditions(new: &mut Value, old: &Value, context: &Context<'_>) {
    let now = Time { seconds: context.now_seconds, nanos: 0 }.to_seconds_text();
    let mut first = BTreeMap::new();
    for before in old.list_at(&["status", "conditions"]) {
        first.entry(before.str_at(&["type"])).or_insert(before);
    }
    let conditions = new.at_mut(&["status", "conditions"]).and_then(Value::as_list_mut);
    for condition in conditions.into_iter().flatten() {
        let before = first.get(condition.str_at(&["type"]));
        if condition.str_at(&["lastUpdateTime"]).is_empty() {
            condition.set(&["lastUpdateTime"], now.as_str());
        }
        if condition.str_at(&["lastTransitionTime"]).is_empty() {
            let same = before.filter(|before| before.str_at(&["status"]) == condition.str_at(&["status"]));
            let time = match same.map(|same| same.str_at(&["lastTransitionTime"])) {
                Some(time) if !time.is_empty() => time,
                _ => now.as_str(),
            };
            condition.set(&["lastTransitionTime"], time);
        }
    }
}

fn condition(object: &Value) -> String {
    let has = |kind: &str| {
        object.list_at(&["status", "conditions"]).iter().any(|condition| condition.str_at(&["type"]) == kind)
    };
    let mut shown = String::from(match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    });
    if has("Failed") {
        shown.push_str(",Failed");
    }
    if !object.str_at(&["status", "certificate"]).is_empty() {
        shown.push_str(",Issued");
    }
    shown
}
