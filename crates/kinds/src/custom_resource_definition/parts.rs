//! Parts of a definition: subresources, columns, selectable fields, conversion.

use super::view::{DefinitionView, FIELDS, set};
use crate::validation::webhook;
use pintle_object::{FieldErrors, Path, Seen, Value, content};
use pintle_schema::custom::definition::field_path;

const SELECTABLE_MAX: usize = 8;
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

pub(super) fn subresources(subresources: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(scale) = set(subresources, "scale") else { return };
    let mut check = |field: &str, roots: &[&str], place: &str| {
        let text = scale.str_at(&[field]);
        let name = format!("scale.{field}");
        let path = path.child(&name);
        if text.is_empty() {
            if field != "labelSelectorPath" {
                errors.required(&path, "");
            }
        } else if simple_path(text, &path, errors) && !roots.iter().any(|root| text.starts_with(root)) {
            errors.invalid(&path, text, &format!("should be a json path under {place}"));
        }
    };
    check("specReplicasPath", &[".spec."], ".spec");
    check("statusReplicasPath", &[".status."], ".status");
    check("labelSelectorPath", &[".spec.", ".status."], "either .spec or .status");
}

/// Whether a path, which is not empty, begins as one.
fn simple_path(text: &str, path: &Path<'_>, errors: &mut FieldErrors) -> bool {
    let is_good = text.starts_with('.');
    if !is_good {
        errors.invalid(path, text, "must be a simple json path starting with .");
    }
    is_good
}

pub(super) fn columns(columns: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, one) in columns.as_list().unwrap_or(&[]).iter().enumerate() {
        column(one, &path.index(index), errors);
    }
}

fn column(column: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if column.str_at(&["name"]).is_empty() {
        errors.required(&path.child("name"), "");
    }
    let ty = column.str_at(&["type"]);
    let why = format!("must be one of {}", COLUMN_TYPES.join(","));
    if ty.is_empty() {
        errors.required(&path.child("type"), &why);
    } else if !COLUMN_TYPES.contains(&ty) {
        errors.invalid(&path.child("type"), ty, &why);
    }
    let format = column.str_at(&["format"]);
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        let why = format!("must be one of {}", COLUMN_FORMATS.join(","));
        errors.invalid(&path.child("format"), format, &why);
    }
    match column.str_at(&["jsonPath"]) {
        "" => errors.required(&path.child("JSONPath"), ""),
        text => drop(simple_path(text, &path.child("JSONPath"), errors)),
    }
}

/// The stored definition, whose excess of selectable fields an update may keep.
#[derive(Clone, Default)]
pub(super) struct CostLimits<'a> {
    old: Option<DefinitionView<'a>>,
}

impl<'a> CostLimits<'a> {
    pub fn since(old: DefinitionView<'a>) -> CostLimits<'a> {
        CostLimits { old: Some(old) }
    }

    /// Errors of selectable fields; `version` is empty for those that all versions share.
    pub fn fields(
        &self,
        fields: &Value,
        schema: &Value,
        version: &str,
        path: &Path<'_>,
        errors: &mut FieldErrors,
    ) {
        let mut seen = Seen::new();
        for (index, one) in fields.as_list().unwrap_or(&[]).iter().enumerate() {
            let path = path.index(index);
            let path = path.child("jsonPath");
            let text = one.str_at(&["jsonPath"]);
            if text.is_empty() {
                errors.required(&path, "");
                continue;
            }
            let found = match field_path::find(text, schema, false) {
                Ok(found) => found,
                Err(why) => {
                    errors.invalid(&path, text, &format!("is an invalid path: {why}"));
                    continue;
                }
            };
            if found.steps.first().is_some_and(|step| step == "metadata") {
                errors.invalid(&path, text, "must not point to fields in metadata");
            }
            if !["string", "boolean", "integer"].contains(&found.schema.str_at(&["type"])) {
                let why = "must point to a field of type string, boolean or integer. Enum string fields and strings \
                           with formats are allowed.";
                errors.invalid(&path, text, why);
            }
            if seen.contains(&found.steps) {
                errors.duplicate(&path, text);
            } else {
                seen.push(found.steps);
            }
        }
        if seen.len() > SELECTABLE_MAX && !self.has_kept(fields, version) {
            errors.too_many(path, seen.len(), SELECTABLE_MAX);
        }
    }

    fn has_kept(&self, fields: &Value, version: &str) -> bool {
        let Some(view) = &self.old else { return false };
        let old = if version.is_empty() {
            view.shared(FIELDS)
        } else {
            view.named(version).and_then(|one| view.own(one, FIELDS))
        };
        old == Some(fields)
    }
}

pub(super) fn conversion(conversion: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let strategy = conversion.str_at(&["strategy"]);
    one_of(strategy, &["None", "Webhook"], &path.child("strategy"), errors);
    let webhook = set(conversion, "webhook");
    let client = webhook.and_then(|webhook| set(webhook, "clientConfig"));
    let versions = webhook.map_or(&[][..], |webhook| webhook.list_at(&["conversionReviewVersions"]));
    let client_path = path.child("webhookClientConfig");
    let versions_path = path.child("conversionReviewVersions");
    if strategy == "Webhook" {
        match client {
            None => errors.required(&client_path, "required when strategy is set to Webhook"),
            Some(client) => webhook::client(client, &client_path, errors),
        }
        review_versions(versions, &versions_path, errors);
        return;
    }
    let why = "should not be set when strategy is not set to Webhook";
    if client.is_some() {
        errors.forbidden(&client_path, why);
    }
    if !versions.is_empty() {
        errors.forbidden(&versions_path, why);
    }
}

fn review_versions(versions: &[Value], path: &Path<'_>, errors: &mut FieldErrors) {
    if versions.is_empty() {
        errors.required(path, "");
        return;
    }
    let mut seen = Seen::new();
    for (index, one) in versions.iter().enumerate() {
        let path = path.index(index);
        let version = one.as_str().unwrap_or("");
        if seen.again(version) {
            errors.invalid(&path, version, "duplicate version");
            continue;
        }
        for message in content::dns1035_label(version) {
            errors.invalid(&path, version, &message);
        }
    }
    if !versions.iter().filter_map(Value::as_str).any(|version| REVIEW_VERSIONS.contains(&version)) {
        errors.invalid(path, &Value::List(versions.to_vec()), "must include at least one of v1, v1beta1");
    }
}

pub(crate) fn one_of(value: &str, allowed: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    if value.is_empty() {
        errors.required(path, "");
    } else if !allowed.contains(&value) {
        errors.not_supported(path, value, allowed);
    }
}
