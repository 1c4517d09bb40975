//! Patches: from the bytes of a patch and the current object to the next one.

use crate::engine::Engine;
use crate::request::options::{FieldValidation, PatchKind};
use crate::request::write_context::{WriteContext, WriteResult};
use crate::resource::{Codec, Expected, ObjectRef};
use crate::write::scale::ScaleSource;
use crate::write::source::UpdateSource;
use pintle_object::{Details, FieldErrors, GroupKind, GroupVersionKind, Path, Reason, Status, Value};
use pintle_patch::strategic::{StrategicError, StrategicFault, mismatch, strategic_merge};
use pintle_patch::{document, go, json_patch, merge_patch, untyped};
use pintle_schema::TypeId;

/// A patch as it came.
#[derive(Clone, Copy, Debug)]
pub struct Patch<'a> {
    pub kind: PatchKind,
    pub bytes: &'a [u8],
    pub validation: FieldValidation,
    /// For an apply: take over fields that other managers own.
    pub force: bool,
}

impl Patch<'_> {
    fn is_strict(&self) -> bool {
        self.validation != FieldValidation::Ignore
    }
}

impl Engine {
    /// Patches an object or one of its subresources.
    pub async fn patch(
        &self,
        target: ObjectRef<'_>,
        patch: &Patch<'_>,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        let served = target.served;
        if patch.kind == PatchKind::Apply {
            return self.apply(target, patch, context).await;
        }
        if target.subresource == "scale" {
            return self.patch_scale(target, patch, context).await;
        }
        let expected = Expected { ty: served.resource.ty, kind: served.gvk() };
        let next = |current: Option<&Value>, warnings: &mut Vec<String>| {
            let current = current.ok_or_else(|| target.missing())?;
            self.patched(served.codec.as_ref(), &expected, current, patch, warnings)
        };
        self.replace(target, UpdateSource::Patch(&next), false, context).await
    }

    async fn patch_scale(
        &self,
        target: ObjectRef<'_>,
        patch: &Patch<'_>,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        let (ty, kind) = target.body_kind();
        let expected = Expected { ty, kind };
        let next = |scale: &Value, warnings: &mut Vec<String>| {
            self.patched(&self.builtin, &expected, scale, patch, warnings)
        };
        self.update_scale(target, ScaleSource::Patch(&next), context).await
    }

    /// The next version of a tree, in canonical form.
    fn patched(
        &self,
        codec: &dyn Codec,
        expected: &Expected,
        current: &Value,
        patch: &Patch<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Status> {
        let mut strict = Vec::new();
        let (next, shown) = match patch.kind {
            PatchKind::Json => {
                let next = patch_json(current, patch, &mut strict)?;
                let shown = document::as_sent(&next);
                (next, shown)
            }
            PatchKind::Merge => {
                let next = merge(current, patch, &mut strict)?;
                let shown = document::as_sent(&next);
                (next, shown)
            }
            PatchKind::Strategic => self.merge_strategic(expected.ty, current, patch, &mut strict)?,
            PatchKind::Apply => return Err(Status::internal("an apply is no patch of a tree")),
        };
        if !codec.is_typed() {
            check_type(codec, &expected.kind, &next, &shown, warnings)?;
        }
        let text = (patch.kind != PatchKind::Strategic).then_some(shown.as_str());
        let decoded = codec.read_patched(expected, next, text).map_err(|why| refuse(&shown, &why))?;
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
        let read = document::strategic_merge_patch(patch.bytes)?;
        strict.extend(read.strict);
        let map = read.document;
        let shown = go::text(&Value::Map(map.clone()));
        let next = strategic_merge(&self.api.schema, ty, untyped(current), map).map_err(strategic_status)?;
        match mismatch(&self.api.schema, ty, &next) {
            Some(why) => Err(refuse(&shown, &why)),
            None => Ok((next, shown)),
        }
    }
}

fn patch_json(current: &Value, patch: &Patch<'_>, strict: &mut Vec<String>) -> Result<Value, Status> {
    let read = document::operations(patch.bytes, patch.is_strict())?;
    strict.extend(read.strict);
    let mut next = untyped(current);
    json_patch::json_patch(&mut next, &read.document).map_err(|error| rejected(&error.0))?;
    Ok(next)
}

/// Checks that a patched custom resource is still of its kind and version; warns about fields that another version
/// would lose.
fn check_type(
    codec: &dyn Codec,
    expected: &GroupVersionKind,
    next: &Value,
    shown: &str,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    let (kind, version) = (next.str_at(&["kind"]), next.str_at(&["apiVersion"]));
    if kind.is_empty() {
        return Err(refuse(shown, &format!("Object 'Kind' is missing in '{shown}'")));
    }
    let (own_kind, own_version) = (expected.kind.as_str(), expected.group_version().to_string());
    if kind == own_kind && version == own_version {
        return Ok(());
    }
    let (group, name) = version.rsplit_once('/').unwrap_or(("", version));
    if kind == own_kind {
        warnings.extend(codec.pruned_in(name, next));
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
    let read = document::merge_patch(patch.bytes, patch.is_strict())?;
    strict.extend(read.strict);
    let mut next = untyped(current);
    merge_patch::merge_patch(&mut next, read.document);
    Ok(next)
}

/// A generic 422: the details of the failure stay in the log.
fn rejected(why: &str) -> Status {
    Status::new(422, Reason::Invalid, "the server rejected our request due to an error in our request")
        .with_details(Details::default())
        .with_internal(why)
}

fn strategic_status(error: StrategicError) -> Status {
    match error.fault {
        StrategicFault::BadRequest => Status::bad_request(error.message),
        StrategicFault::Unprocessable => rejected(&error.message),
        StrategicFault::Unclassified => Status::new(500, Reason::Unknown, error.message),
    }
}

/// A patch whose outcome is no object of the kind.
fn refuse(shown: &str, why: &str) -> Status {
    let mut errors = FieldErrors::new();
    errors.invalid(&Path::root("patch"), shown, why);
    Status::invalid(&GroupKind::default(), "", errors)
}
