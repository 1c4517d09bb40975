//! Bodies that are objects of custom resources.

use super::object;
use crate::request::body::{Body, Document, unrecognized};
use crate::request::options::FieldValidation;
use crate::resource::ServedResource;
use pintle_object::field::quote;
use pintle_object::{FieldErrors, Path, Status, Value};
use pintle_schema::{Builtin, decode};

/// Decodes a body that must be of the kind of `served`; what is unknown becomes a warning or a refusal.
pub fn decode(
    api: &Builtin,
    body: Body<'_>,
    served: &ServedResource,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let expected = served.gvk();
    let unknown = |why: &str| unrecognized(&expected, why, body.bytes);
    let document = Document::read(body).map_err(|why| unknown(&why))?;
    let Document::Json { bytes, api_version, kind, mut strict } = document else {
        return Err(unknown("protobuf is not an encoding of custom resources"));
    };
    if kind.is_empty() {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        return Err(unknown(&format!("Object 'Kind' is missing in '{shown}'")));
    }
    if api_version != expected.group_version().to_string() {
        let wanted = expected.group_version();
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
        )));
    }
    let refuse = |why: &str| {
        let (version, wanted) = (quote(&expected.version), &expected.kind);
        Status::bad_request(format!("{kind} in version {version} cannot be handled as a {wanted}: {why}"))
    };
    let decoded = decode::json::decode(&api.schema, api.any, &bytes).map_err(|error| refuse(&error.0))?;
    strict.extend(decoded.strict);
    let custom = served.custom.as_ref().ok_or_else(|| Status::internal("no custom resource"))?;
    let (tree, unknown) = object::canonical(api, custom, decoded.value).map_err(|error| refuse(&error.0))?;
    strict.extend(unknown);
    match validation {
        FieldValidation::Strict if !strict.is_empty() => {
            return Err(refuse(&format!("strict decoding error: {}", strict.join(", "))));
        }
        FieldValidation::Warn => warnings.extend(strict.iter().flat_map(|text| duplicate_lines(text))),
        FieldValidation::Strict | FieldValidation::Ignore => {}
    }
    if kind != expected.kind {
        let mut errors = FieldErrors::new();
        errors.invalid(&Path::root("kind"), kind.as_str(), &format!("must be {}", expected.kind));
        let own = expected.group_version().with_kind(kind.as_str()).group_kind();
        return Err(Status::invalid(&own, tree.str_at(&["metadata", "name"]), errors));
    }
    Ok(tree)
}

/// What YAML says of keys that stand twice, each by itself.
fn duplicate_lines(text: &str) -> Vec<String> {
    let rest = text.strip_prefix("yaml: unmarshal errors:").unwrap_or(text);
    rest.split('\n').map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect()
}
