//! Patches: from the bytes of a patch and the current object to the next one.

use crate::body;
use crate::call::{Call, Written};
use crate::custom::object as custom_object;
use crate::engine::{Engine, Served, Target};
use crate::options::{FieldValidation, PatchKind};
use crate::scale::ScaleSource;
use crate::update::Source;
use pintle_object::json::{self, Kind, Reader};
use pintle_object::{Details, FieldErrors, GroupKind, Map, Path, Reason, Status, Value};
use pintle_patch::json_patch::OPERATIONS_MAX;
use pintle_patch::strategic::{Fault, StrategicError, mismatch, strategic_merge};
use pintle_patch::{go, json_patch, merge_patch, untyped};
use pintle_schema::decode::Decoded;
use pintle_schema::{TypeId, decode};

/// A patch as it came.
#[derive(Clone, Copy, Debug)]
pub struct Patch<'a> {
    pub kind: PatchKind,
    pub bytes: &'a [u8],
    pub validation: FieldValidation,
    /// Of an apply: take over what other managers own.
    pub force: bool,
}

impl Engine {
    /// Patches an object or one of its subresources.
    pub async fn patch(
        &self,
        target: Target<'_>,
        patch: &Patch<'_>,
        call: &mut Call<'_>,
    ) -> Result<Written, Status> {
        let served = target.served;
        if patch.kind == PatchKind::Apply {
            return self.apply(target, patch, call).await;
        }
        if target.subresource == "scale" {
            return self.patch_scale(target, patch, call).await;
        }
        let next = |current: Option<&Value>, warnings: &mut Vec<String>| {
            let missing = || Status::not_found(&served.group_resource(), target.name);
            self.patched(Some(served), served.resource.ty, current.ok_or_else(missing)?, patch, warnings)
        };
        self.write_over(target, Source::Patch(&next), false, call).await
    }

    async fn patch_scale(
        &self,
        target: Target<'_>,
        patch: &Patch<'_>,
        call: &mut Call<'_>,
    ) -> Result<Written, Status> {
        let ty = target.served.resource.subresource("scale").and_then(|sub| sub.ty);
        let ty = ty.unwrap_or(target.served.resource.ty);
        let next = |scale: &Value, warnings: &mut Vec<String>| self.patched(None, ty, scale, patch, warnings);
        self.update_scale(target, ScaleSource::Patch(&next), call).await
    }

    /// The next version of a tree of type `ty`, in canonical form.
    fn patched(
        &self,
        served: Option<&Served>,
        ty: TypeId,
        current: &Value,
        patch: &Patch<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Status> {
        let mut strict = Vec::new();
        let (next, shown) = match patch.kind {
            PatchKind::Json => {
                let next = patch_json(current, patch, &mut strict)?;
                let shown = as_sent(&next);
                (next, shown)
            }
            PatchKind::Merge => {
                let next = merge(current, patch, &mut strict)?;
                let shown = as_sent(&next);
                (next, shown)
            }
            PatchKind::Strategic => self.merge_strategic(ty, current, patch, &mut strict)?,
            PatchKind::Apply => return Err(Status::internal("an apply is no patch of a tree")),
        };
        if let Some(served) = served.filter(|served| served.custom.is_some()) {
            check_type(served, &next, &shown, warnings)?;
        }
        let custom = served.and_then(|served| served.custom.as_ref());
        let decoded = match (patch.kind, custom) {
            (_, Some(custom)) => custom_object::canonical(&self.api, custom, next)
                .map(|(value, strict)| Decoded { value, strict }),
            (PatchKind::Json | PatchKind::Merge, None) => {
                decode::json::decode(&self.api.schema, ty, shown.as_bytes())
            }
            (PatchKind::Strategic | PatchKind::Apply, None) => body::normalise(&self.api, ty, &next),
        };
        let decoded = decoded.map_err(|error| refuse(&shown, &error.0))?;
        strict.extend(decoded.strict);
        match patch.validation {
            FieldValidation::Strict if !strict.is_empty() => {
                return Err(refuse(&shown, &format!("strict decoding error: {}", strict.join(", "))));
            }
            FieldValidation::Warn => warnings.extend(strict),
            FieldValidation::Strict | FieldValidation::Ignore => {}
        }
        Ok(decoded.value)
    }

    fn merge_strategic(
        &self,
        ty: TypeId,
        current: &Value,
        patch: &Patch<'_>,
        strict: &mut Vec<String>,
    ) -> Result<(Value, String), Status> {
        let (tree, duplicates) = read(patch.bytes).map_err(Status::bad_request)?;
        let map = match tree {
            Value::Map(map) => map,
            Value::Null => Map::new(),
            other => return Err(Status::bad_request(not_a_map(&other))),
        };
        strict.extend(duplicates);
        let shown = go::text(&Value::Map(map.clone()));
        let next = strategic_merge(&self.api.schema, ty, untyped(current), map).map_err(strategic_status)?;
        match mismatch(&self.api.schema, ty, &next) {
            Some(why) => Err(refuse(&shown, &why)),
            None => Ok((next, shown)),
        }
    }
}

fn patch_json(current: &Value, patch: &Patch<'_>, strict: &mut Vec<String>) -> Result<Value, Status> {
    let decoding = |why: String| Status::bad_request(format!("error decoding patch: {why}"));
    let (tree, duplicates) = read(patch.bytes).map_err(decoding)?;
    let word = word(&tree);
    let Value::List(operations) = tree else {
        return Err(decoding(format!(
            "json: cannot unmarshal {word} into Go value of type []handlers.jsonPatchOp"
        )));
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(Status::too_large(format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
            operations.len()
        )));
    }
    strict.extend(duplicates.into_iter().map(|text| format!("json patch {text}")));
    for (place, operation) in operations.iter().enumerate() {
        let keys = operation.as_map().into_iter().flat_map(|map| map.keys());
        for key in keys.filter(|key| !["op", "path", "from", "value"].contains(key)) {
            strict.push(format!("json patch unknown field \"[{place}].{key}\""));
        }
    }
    let mut next = untyped(current);
    json_patch::json_patch(&mut next, &operations).map_err(|error| rejected(&error.0))?;
    Ok(next)
}

/// A patched custom resource is still of its kind and version; what it would lose in another version is said too.
fn check_type(served: &Served, next: &Value, shown: &str, warnings: &mut Vec<String>) -> Result<(), Status> {
    let (kind, version) = (next.str_at(&["kind"]), next.str_at(&["apiVersion"]));
    if kind.is_empty() {
        return Err(refuse(shown, &format!("Object 'Kind' is missing in '{shown}'")));
    }
    let (own_kind, own_version) = (served.resource.kind.as_ref(), served.api_version());
    if kind == own_kind && version == own_version {
        return Ok(());
    }
    let (group, name) = version.rsplit_once('/').unwrap_or(("", version));
    if let Some(schema) = served.custom.as_ref().and_then(|custom| custom.versions.get(name))
        && kind == own_kind
    {
        warnings.extend(schema.prune(&mut next.clone()));
    }
    let mut errors = FieldErrors::new();
    if kind != own_kind {
        errors.invalid(&Path::root("kind"), kind, &format!("must be {own_kind}"));
    }
    if version != own_version {
        errors.invalid(&Path::root("apiVersion"), version, &format!("must be {own_version}"));
    }
    let own = GroupKind { group: group.into(), kind: kind.into() };
    Err(Status::invalid(&own, next.str_at(&["metadata", "name"]), errors))
}

fn merge(current: &Value, patch: &Patch<'_>, strict: &mut Vec<String>) -> Result<Value, Status> {
    let decoding = |why: String| Status::bad_request(format!("error decoding patch: {why}"));
    let (tree, duplicates) = read(patch.bytes).map_err(decoding)?;
    if !matches!(tree, Value::Map(_) | Value::Null) {
        return Err(decoding(not_a_map(&tree)));
    }
    strict.extend(duplicates);
    let mut next = untyped(current);
    merge_patch::merge_patch(&mut next, tree);
    Ok(next)
}

/// The JSON of a patched tree, with numbers as the patch spells them: upstream does not read them in between, so
/// that `2.0` is no integer.
fn as_sent(tree: &Value) -> String {
    match tree {
        Value::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.1}"),
        Value::List(items) => {
            format!("[{}]", items.iter().map(as_sent).collect::<Vec<_>>().join(","))
        }
        Value::Map(map) => {
            let pair = |(key, value): (&str, &Value)| {
                format!("{}:{}", json::to_string(&Value::from(key)), as_sent(value))
            };
            format!("{{{}}}", map.iter().map(pair).collect::<Vec<_>>().join(","))
        }
        other => json::to_string(other),
    }
}

/// A generic 422: the details of what did not apply stay in the log.
fn rejected(why: &str) -> Status {
    Status::new(422, Reason::Invalid, "the server rejected our request due to an error in our request")
        .with_details(Details::default())
        .with_internal(why)
}

fn strategic_status(error: StrategicError) -> Status {
    match error.fault {
        Fault::BadRequest => Status::bad_request(error.message),
        Fault::Unprocessable => rejected(&error.message),
        Fault::Unclassified => Status::new(500, Reason::Unknown, error.message),
    }
}

/// A patch whose outcome is no object of the kind.
fn refuse(shown: &str, why: &str) -> Status {
    let mut errors = FieldErrors::new();
    errors.invalid(&Path::root("patch"), shown, why);
    Status::invalid(&GroupKind::default(), "", errors)
}

fn not_a_map(tree: &Value) -> String {
    format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", word(tree))
}

fn word(tree: &Value) -> &'static str {
    match tree {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Float(_) => "number",
        Value::Text(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) | Value::Raw(_) => "object",
    }
}

/// An untyped document, and `duplicate field "data.k"` for every key that a map has twice.
fn read(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let mut reader = Reader::new(bytes).map_err(|error| error.message)?;
    let mut duplicates = Vec::new();
    let mut path = String::new();
    let value = read_value(&mut reader, &mut path, &mut duplicates);
    Ok((value, duplicates))
}

fn read_value(reader: &mut Reader<'_>, path: &mut String, duplicates: &mut Vec<String>) -> Value {
    let len = path.len();
    match reader.kind() {
        Kind::Map => {
            reader.begin_map();
            let mut map = Map::new();
            while let Some(key) = reader.next_key() {
                if len > 0 {
                    path.push('.');
                }
                path.push_str(&key);
                if map.contains(&key) {
                    duplicates.push(format!("duplicate field \"{path}\""));
                }
                let value = read_value(reader, path, duplicates);
                path.truncate(len);
                map.insert(key, value);
            }
            Value::Map(map)
        }
        Kind::List => {
            reader.begin_list();
            let mut list = Vec::new();
            while reader.next_item() {
                path.push_str(&format!("[{}]", list.len()));
                list.push(read_value(reader, path, duplicates));
                path.truncate(len);
            }
            Value::List(list)
        }
        Kind::Null | Kind::Bool | Kind::Number | Kind::Text => reader.value(&mut |_| {}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_are_named_with_their_path() {
        let (_, duplicates) = read(br#"{"data":{"k":"1","k":"2"},"l":[{"a":1,"a":2}]}"#).unwrap();
        assert_eq!(duplicates, ["duplicate field \"data.k\"", "duplicate field \"l[0].a\""]);
    }
}
