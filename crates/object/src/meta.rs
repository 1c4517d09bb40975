//! Object metadata in the tree: fields that the system reads and sets.

use crate::time::Time;
use crate::{ByValue, Status, Value, repeats};

/// Finalizers that the garbage collector works off.
pub const ORPHAN: &str = "orphan";
pub const FOREGROUND: &str = "foregroundDeletion";

pub fn name(object: &Value) -> &str {
    object.str_at(&["metadata", "name"])
}

pub fn namespace(object: &Value) -> &str {
    object.str_at(&["metadata", "namespace"])
}

pub fn uid(object: &Value) -> &str {
    object.str_at(&["metadata", "uid"])
}

pub fn resource_version(object: &Value) -> &str {
    object.str_at(&["metadata", "resourceVersion"])
}

/// Whether an object has any labels.
pub fn has_labels(object: &Value) -> bool {
    object.map_at(&["metadata", "labels"]).is_some_and(|labels| !labels.is_empty())
}

pub fn finalizers(object: &Value) -> Vec<&str> {
    object.list_at(&["metadata", "finalizers"]).iter().filter_map(Value::as_str).collect()
}

pub fn is_deleting(object: &Value) -> bool {
    object.at(&["metadata", "deletionTimestamp"]).is_some()
}

/// `metadata.deletionGracePeriodSeconds`, when set.
pub fn grace_seconds(object: &Value) -> Option<i64> {
    object.int_at(&["metadata", "deletionGracePeriodSeconds"])
}

pub fn generation(object: &Value) -> i64 {
    object.int_at(&["metadata", "generation"]).unwrap_or(0)
}

/// Sets a text of the metadata, or removes it when empty.
pub fn set(object: &mut Value, field: &'static str, text: &str) {
    if text.is_empty() {
        object.remove(&["metadata", field]);
    } else {
        object.set(&["metadata", field], text);
    }
}

/// The zero revision is that of objects that are not stored, and is not shown.
pub fn set_resource_version(object: &mut Value, revision: u64) {
    if revision == 0 {
        object.remove(&["metadata", "resourceVersion"]);
        return;
    }
    object.set(&["metadata", "resourceVersion"], revision.to_string());
}

pub fn set_generation(object: &mut Value, generation: i64) {
    if generation == 0 {
        object.remove(&["metadata", "generation"]);
    } else {
        object.set(&["metadata", "generation"], generation);
    }
}

pub fn set_finalizers(object: &mut Value, finalizers: &[String]) {
    if finalizers.is_empty() {
        object.remove(&["metadata", "finalizers"]);
    } else {
        let list: Vec<Value> = finalizers.iter().map(|name| Value::from(name.as_str())).collect();
        object.set(&["metadata", "finalizers"], list);
    }
}

/// Drops the fields that a client may not set on create.
pub fn wipe_system_fields(object: &mut Value) {
    let owned = ["creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_map_mut) {
        metadata.retain(|field, _| !owned.contains(&field));
    }
}

/// Puts the old object's value of a metadata field in the place of the new one's.
pub fn keep(new: &mut Value, old: &Value, field: &'static str) {
    match old.at(&["metadata", field]) {
        Some(value) => new.set(&["metadata", field], value.clone()),
        None => {
            new.remove(&["metadata", field]);
        }
    }
}

/// Restores the fields that no update may change.
pub fn keep_system_fields(new: &mut Value, old: &Value) {
    let Some(old) = old.get("metadata") else { return };
    let (has_uid, has_grace) = (!uid(new).is_empty(), grace_seconds(new).is_some());
    let new = new.make_map(&["metadata"]);
    new.remove("selfLink");
    for (field, is_given) in [
        ("uid", has_uid),
        ("creationTimestamp", false),
        ("deletionTimestamp", false),
        ("deletionGracePeriodSeconds", has_grace),
    ] {
        if let Some(value) = old.get(field).filter(|_| !is_given) {
            new.insert(field, value.clone());
        }
    }
}

/// The namespace of the request goes into the object; another one in it is an error.
pub fn ensure_namespace(object: &mut Value, request: &str) -> Result<(), Status> {
    let own = namespace(object);
    if own == request {
        return Ok(());
    }
    if own.is_empty() || request.is_empty() {
        set(object, "namespace", request);
        return Ok(());
    }
    Err(Status::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request",
    ))
}

/// Begins the deletion of an object that finalizers hold.
pub fn mark_deleting(object: &mut Value, now: Time) {
    if !is_deleting(object) && generation(object) > 0 {
        let next = generation(object) + 1;
        set_generation(object, next);
    }
    let existing = object.str_at(&["metadata", "deletionTimestamp"]);
    let is_later = Time::parse(existing).is_ok_and(|existing| existing > now);
    if existing.is_empty() || is_later {
        object.set(&["metadata", "deletionTimestamp"], now.to_seconds_text());
    }
    object.set(&["metadata", "deletionGracePeriodSeconds"], 0_i64);
}

/// Removes repeated owner references; returns the uids that were repeated, parted by commas.
pub fn dedup_owners(object: &mut Value) -> Option<String> {
    let owners = object.at_mut(&["metadata", "ownerReferences"])?.as_list_mut()?;
    let again = repeats(owners.iter().map(ByValue));
    let mut repeated: Vec<String> = Vec::new();
    let mut kept: Vec<Value> = Vec::with_capacity(owners.len());
    for (owner, is_again) in owners.drain(..).zip(again) {
        if is_again {
            repeated.push(owner.str_at(&["uid"]).to_string());
        } else {
            kept.push(owner);
        }
    }
    *owners = kept;
    (!repeated.is_empty()).then(|| repeated.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(pairs: &[(&str, &str)]) -> Value {
        let mut object = Value::map();
        for (key, value) in pairs {
            object.set(&["metadata", key], *value);
        }
        object
    }

    #[test]
    fn a_namespace_is_filled_cleared_or_refused() {
        let check = |own: &str, request: &str, expected: Option<&str>| {
            let mut value = object(&[("namespace", own)]);
            let result = ensure_namespace(&mut value, request);
            assert_eq!(result.is_ok().then(|| namespace(&value).to_string()).as_deref(), expected);
        };
        check("", "a", Some("a"));
        check("a", "a", Some("a"));
        check("a", "", Some(""));
        check("b", "a", None);
    }

    #[test]
    fn deletion_begins_once_and_raises_the_generation() {
        let mut value = object(&[]);
        set_generation(&mut value, 3);
        mark_deleting(&mut value, Time { seconds: 0, nanos: 0 });
        mark_deleting(&mut value, Time { seconds: 60, nanos: 0 });
        assert_eq!(generation(&value), 4);
        assert_eq!(value.str_at(&["metadata", "deletionTimestamp"]), "1970-01-01T00:00:00Z");
        assert_eq!(grace_seconds(&value), Some(0));
    }

    #[test]
    fn equal_owners_are_named_and_dropped() {
        let mut owner = Value::map();
        owner.set(&["uid"], "u1");
        let mut value = Value::map();
        value.set(&["metadata", "ownerReferences"], vec![owner.clone(), owner]);
        assert_eq!(dedup_owners(&mut value).as_deref(), Some("u1"));
        assert_eq!(value.list_at(&["metadata", "ownerReferences"]).len(), 1);
    }
}
