//! Server-side apply: the object as its managers together configure it.

use crate::body;
use crate::call::{Call, Written};
use crate::engine::{Engine, Target};
use crate::options::FieldValidation;
use crate::patch::Patch;
use crate::update::Source;
use pintle_object::{Details, Reason, Status, Value, yaml};
use pintle_patch::ApplyError;

/// A configuration as it was sent, and the keys that its maps have twice.
struct Config {
    value: Value,
    duplicates: Vec<String>,
}

impl Engine {
    /// Applies a configuration to an object, which it may create.
    pub(crate) async fn apply(
        &self,
        target: Target<'_>,
        patch: &Patch<'_>,
        call: &mut Call<'_>,
    ) -> Result<Written, Status> {
        let (manager, now) = (call.manager.clone(), call.now);
        let next = |current: Option<&Value>, warnings: &mut Vec<String>| {
            let config = read(patch.bytes)?;
            check_kind(&target, &config.value)?;
            let applied = self.tracked(&target, &manager, now, |tracking| {
                pintle_patch::apply(tracking, current, &config.value, patch.force)
            });
            let tree = applied.map_err(refuse)?;
            check_duplicates(&config.duplicates, patch.validation, warnings)?;
            let decoded = body::normalise(&self.api, target.served.resource.ty, &tree);
            let failed = |why: &str| Status::new(500, Reason::Unknown, why);
            Ok(decoded.map_err(|error| failed(&error.0))?.value)
        };
        self.write_over(target, Source::Apply(&next), target.subresource.is_empty(), call).await
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

fn check_kind(target: &Target<'_>, config: &Value) -> Result<(), Status> {
    let gvk = target.served.gvk();
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

fn refuse(error: ApplyError) -> Status {
    let message = error.message();
    match &error {
        ApplyError::BadRequest(_) => Status::bad_request(message),
        ApplyError::Unmergeable(_) => Status::new(500, Reason::Unknown, message),
        ApplyError::Conflict(_) => Status::new(409, Reason::Conflict, message)
            .with_details(Details { causes: error.causes(), ..Details::default() }),
    }
}
