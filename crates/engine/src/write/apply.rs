//! Server-side apply: the object as its managers together configure it.

use crate::engine::Engine;
use crate::request::options::FieldValidation;
use crate::request::write_context::{WriteContext, WriteResult};
use crate::resource::{Codec, ObjectRef};
use crate::write::patch::Patch;
use crate::write::scale::ScaleSource;
use crate::write::source::UpdateSource;
use pintle_object::{Details, GroupVersionKind, Reason, Status, Value, yaml};
use pintle_patch::{ApplyError, apply};

/// A configuration as it was sent, and the keys that its maps have twice.
struct Config {
    value: Value,
    duplicates: Vec<String>,
}

impl Engine {
    /// Applies a configuration to an object, which it may create.
    pub async fn apply(
        &self,
        target: ObjectRef<'_>,
        patch: &Patch<'_>,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        if target.subresource == "scale" {
            return self.apply_scale(target, patch, context).await;
        }
        let (manager, now) = (context.manager.clone(), context.now);
        let conversions = context.conversions.clone();
        let next = |current: Option<&Value>, warnings: &mut Vec<String>| {
            let config = read(patch.bytes)?;
            check_kind(&target.served.gvk(), &config.value)?;
            let applied = self.tracked(&target, (&manager, &conversions), now, |tracking| {
                pintle_patch::apply(tracking, current, &config.value, patch.force)
            });
            let applied = applied.map_err(refuse)?;
            let read = target.served.codec.read_applied(target.served.resource.ty, applied);
            let object = read.map_err(|why| unconvertible(&config.value, &why))?;
            check_duplicates(&config.duplicates, patch.validation, warnings)?;
            Ok(object)
        };
        self.replace(target, UpdateSource::Apply(&next), target.subresource.is_empty(), context).await
    }

    async fn apply_scale(
        &self,
        target: ObjectRef<'_>,
        patch: &Patch<'_>,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        if !target.served.is_typed() {
            // Upstream fails here too: it knows no way from a Scale to a version of the custom resource.
            let message = "failed to create manager for existing fields: failed to convert live object (/; \
                           autoscaling/v1, Kind=Scale) to proper version: request to convert CR to an invalid \
                           group/version: autoscaling/v1";
            return Err(Status::new(500, Reason::Unknown, message));
        }
        let (manager, now) = (context.manager.clone(), context.now);
        let gvk = GroupVersionKind::new("autoscaling", "v1", "Scale");
        let next = |live: &Value, warnings: &mut Vec<String>| {
            let config = read(patch.bytes)?;
            check_kind(&gvk, &config.value)?;
            let applied = self.tracked_scale(&manager, now, |tracking| {
                pintle_patch::apply(tracking, Some(live), &config.value, patch.force)
            });
            let read = self.builtin.read_applied(self.scale_type(), applied.map_err(refuse)?);
            let scale = read.map_err(|why| unconvertible(&config.value, &why))?;
            check_duplicates(&config.duplicates, patch.validation, warnings)?;
            Ok(scale)
        };
        self.update_scale(target, ScaleSource::Apply(&next), context).await
    }
}

fn read(bytes: &[u8]) -> Result<Config, Status> {
    let refuse = |why: String| Status::bad_request(format!("error decoding YAML: {why}"));
    let document =
        yaml::parse(bytes).map_err(|error| refuse(format!("error converting YAML to JSON: {error}")))?;
    let word = match &document.value {
        Value::Map(_) => return Ok(Config { value: document.value, duplicates: document.duplicates }),
        Value::Null => return Ok(Config { value: Value::map(), duplicates: document.duplicates }),
        Value::List(_) => "array",
        Value::Text(_) => "string",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Float(_) | Value::Raw(_) => "number",
    };
    let ty = "map[string]interface {}";
    Err(refuse(format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {word} into Go value of type {ty}"
    )))
}

fn check_kind(gvk: &GroupVersionKind, config: &Value) -> Result<(), Status> {
    let (kind, version) = (config.str_at(&["kind"]), config.str_at(&["apiVersion"]));
    if kind == gvk.kind && version == gvk.group_version().to_string() {
        return Ok(());
    }
    let slash = if version.contains('/') { "" } else { "/" };
    Err(Status::bad_request(format!("invalid object type: {slash}{version}, Kind={kind}")))
}

/// Keys that a map has twice are refused or warned about, after the configuration was applied.
fn check_duplicates(
    duplicates: &[String],
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    match validation {
        FieldValidation::Strict if !duplicates.is_empty() => Err(Status::bad_request(format!(
            "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  {}",
            duplicates.join("\n  ")
        ))),
        FieldValidation::Warn => {
            warnings.extend(duplicates.iter().cloned());
            Ok(())
        }
        FieldValidation::Strict | FieldValidation::Ignore => Ok(()),
    }
}

/// The configuration fits the schema well enough to be merged, but not its type.
fn unconvertible(config: &Value, why: &str) -> Status {
    let (about, gvk) = (apply::about(config), apply::gvk(config));
    let message = format!(
        "failed to convert new object ({about}) to proper version: unable to convert unstructured object to {gvk}: \
         {why}"
    );
    Status::new(500, Reason::Unknown, message)
}

fn refuse(error: ApplyError) -> Status {
    let message = error.message();
    match &error {
        ApplyError::BadRequest(_) => Status::bad_request(message),
        ApplyError::Unmergeable(_) => Status::new(500, Reason::Unknown, message),
        ApplyError::Conflict(_) | ApplyError::ManyConflicts(_) => Status::new(409, Reason::Conflict, message)
            .with_details(Details { causes: error.causes(), ..Details::default() }),
    }
}
