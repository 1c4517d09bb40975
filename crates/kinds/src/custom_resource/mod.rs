//! Custom resources: the strategy of a version of a definition, and its place in the tables (`resource.rs`).

pub mod converted;
mod path;
mod resource;

pub use path::at;
pub use resource::{deprecation, document, resource, schema, selectable};

use self::path::Path as JsonPath;
use crate::validation::{NameRule, meta};
use crate::{Context, Strategy, cells, keep, keep_at};
use pintle_object::field::quote;
use pintle_object::time::Time;
use pintle_object::{ByValue, FieldErrors, GroupVersionKind, Seen, Text, Value, content, json};
use pintle_schema::custom::Custom as Schema;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The strategy of one version of a custom resource, from its definition.
pub struct CustomResource {
    gvk: GroupVersionKind,
    has_status: bool,
    schema: Arc<Schema>,
    columns: Vec<Column>,
    scale: Option<Scale>,
}

/// A column besides the name.
struct Column {
    /// None for a path that cannot be followed.
    path: Option<JsonPath>,
    ty: String,
}

/// The places of a scale in an object.
#[derive(Clone, Debug)]
pub struct Scale {
    pub wanted: Vec<Text>,
    pub current: Vec<Text>,
    /// Empty without one.
    pub selector: Vec<Text>,
    /// `.spec.replicas`, as it is written in the definition.
    pub wanted_text: String,
}

impl Scale {
    /// The scale of a definition's version, if it has one.
    pub fn of(version: &Value) -> Option<Scale> {
        let scale = version.at(&["subresources", "scale"])?;
        let steps = |name: &str| JsonPath::parse(scale.str_at(&[name])).and_then(|path| path.fields());
        Some(Scale {
            wanted: steps("specReplicasPath")?,
            current: steps("statusReplicasPath")?,
            selector: steps("labelSelectorPath").unwrap_or_default(),
            wanted_text: scale.str_at(&["specReplicasPath"]).into(),
        })
    }
}

impl CustomResource {
    /// The strategy of a definition's version, whose objects are of a kind and checked by a schema.
    pub fn new(version: &Value, gvk: GroupVersionKind, schema: Arc<Schema>) -> CustomResource {
        let has_status = version.at(&["subresources", "status"]).is_some();
        CustomResource { gvk, has_status, schema, columns: columns(version), scale: Scale::of(version) }
    }
}

fn columns(version: &Value) -> Vec<Column> {
    let own = version.list_at(&["additionalPrinterColumns"]);
    if own.is_empty() {
        return vec![Column {
            path: JsonPath::parse(".metadata.creationTimestamp"),
            ty: String::from("date"),
        }];
    }
    let column = |column: &Value| Column {
        path: JsonPath::parse(column.str_at(&["jsonPath"])),
        ty: column.str_at(&["type"]).into(),
    };
    own.iter().map(column).collect()
}

impl Strategy for CustomResource {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        if self.has_status {
            object.remove(&["status"]);
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        if self.has_status {
            keep(new, old, "status");
        }
    }

    /// Keeps everything but the status and the managed fields.
    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        let mut next = old.clone();
        keep(&mut next, new, "status");
        for field in ["managedFields", "resourceVersion"] {
            keep_at(&mut next, new, &["metadata", field]);
        }
        *new = next;
    }

    /// Changes of all fields but the metadata raise the generation.
    fn raises_generation(&self, new: &Value, old: &Value) -> bool {
        let (Some(new), Some(old)) = (new.as_map(), old.as_map()) else { return false };
        let counts =
            |entry: &(&str, &Value)| entry.0 != "metadata" && !(self.has_status && entry.0 == "status");
        !new.iter().filter(counts).eq(old.iter().filter(counts))
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Subdomain
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate(object, self.name_rule(), errors);
        let mut shown = self.shown(object);
        self.schema.check(&shown, errors);
        self.check_embedded(&mut shown, errors);
        self.check_scale(object, true, errors);
        self.schema.check_rules(&shown, None, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update(new, old, errors);
        let (mut shown, old) = (self.shown(new), self.shown(old));
        self.schema.check_update(&shown, &old, errors);
        self.check_embedded(&mut shown, errors);
        self.check_scale(new, true, errors);
        self.schema.check_rules(&shown, Some(&old), errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update(new, old, errors);
        let (shown, old) = (self.shown(new), self.shown(old));
        self.schema.check_status(&shown, &old, errors);
        self.check_scale(new, false, errors);
        self.schema.check_rules(&shown, Some(&old), errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, warnings: &mut Vec<String>) {
        let path = ["metadata", "finalizers"];
        let before: Seen<ByValue<'_>> =
            old.into_iter().flat_map(|old| old.list_at(&path)).map(ByValue).collect();
        let added = new.list_at(&path).iter().filter(|finalizer| !before.contains(&ByValue(finalizer)));
        let added: BTreeSet<&str> = added.filter_map(Value::as_str).collect();
        for name in added {
            let mut warn = |why: &str| warnings.push(format!("metadata.finalizers: {}: {why}", quote(name)));
            content::label_key(name).iter().for_each(|message| warn(message));
            if !is_qualified(name) {
                let path = if name.contains('.') { " including a path (/)" } else { "" };
                warn(&format!(
                    "prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other \
                     finalizer writers"
                ));
            }
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let columns = self.columns.iter().map(|column| column.cell(object, now_seconds));
        std::iter::once(cells::name(object)).chain(columns).collect()
    }
}

impl CustomResource {
    /// The object as clients see it, with its kind.
    fn shown(&self, object: &Value) -> Value {
        let mut shown = object.clone();
        shown.set(&["apiVersion"], self.gvk.group_version().to_string());
        shown.set(&["kind"], self.gvk.kind.clone());
        shown
    }

    /// Metadata of resources inside the object; a name may be absent.
    fn check_embedded(&self, object: &mut Value, errors: &mut FieldErrors) {
        let checked = self.schema.each_embedded::<()>(object, &mut |path, resource| {
            if resource.get("metadata").is_some() {
                let before = resource.get("metadata").cloned().unwrap_or_default();
                if resource.str_at(&["metadata", "name"]).is_empty() {
                    resource.set(&["metadata", "name"], "fakename");
                }
                meta::validate_at(resource, NameRule::PathSegment, &path.child("metadata"), errors);
                resource.set(&["metadata"], before);
            }
            Ok(())
        });
        debug_assert!(checked.is_ok(), "nothing here fails");
    }

    fn check_scale(&self, object: &Value, with_wanted: bool, errors: &mut FieldErrors) {
        let Some(scale) = &self.scale else { return };
        let mut check = |steps: &[Text]| {
            let Some(Value::Int(count)) = at(object, steps) else { return };
            if *count < 0 || *count > i64::from(i32::MAX) {
                let path = format!(".{}", steps.join("."));
                let why = if *count < 0 {
                    String::from("should be a non-negative integer")
                } else {
                    format!("should be less than or equal to {}", i32::MAX)
                };
                errors.invalid(&pintle_object::Path::root(&path), *count, &why);
            }
        };
        if with_wanted {
            check(&scale.wanted);
        }
        check(&scale.current);
    }
}

fn is_qualified(finalizer: &str) -> bool {
    finalizer.contains('/') || matches!(finalizer, "orphan" | "foregroundDeletion" | "kubernetes")
}

impl Column {
    fn cell(&self, object: &Value, now_seconds: i64) -> Value {
        let found = self.path.as_ref().and_then(|path| path.first(object));
        let Some(value) = found.filter(|value| !value.is_null()) else { return Value::Null };
        match (self.ty.as_str(), value) {
            ("string", Value::Text(_)) => value.clone(),
            ("string", other) => Value::from(json::to_string(other)),
            ("integer", Value::Int(_)) | ("number", Value::Int(_) | Value::Float(_)) => value.clone(),
            ("integer", Value::Float(float)) => Value::Int(*float as i64),
            ("boolean", Value::Bool(_)) => value.clone(),
            ("date", Value::Text(text)) => match Time::parse(text) {
                Ok(time) => Value::from(cells::human_duration(now_seconds - time.seconds)),
                Err(_) => Value::from("<invalid>"),
            },
            _ => Value::Null,
        }
    }
}
