//! Field facts of the reference's OpenAPI v3 documents.

use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Versions that are off by default: no reference document shows them.
pub(super) const OPTIONAL: [&str; 13] = [
    "admissionregistration/v1alpha1",
    "admissionregistration/v1beta1",
    "apiserverinternal/v1alpha1",
    "certificates/v1alpha1",
    "certificates/v1beta1",
    "coordination/v1alpha2",
    "coordination/v1beta1",
    "networking/v1beta1",
    "resource/v1alpha3",
    "resource/v1beta1",
    "resource/v1beta2",
    "storage/v1beta1",
    "storagemigration/v1beta1",
];

/// Component schemas by protobuf message name.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    schemas: HashMap<String, Value>,
}

impl Schemas {
    pub fn read(dir: &Path) -> Result<Schemas, String> {
        let mut all = Schemas::default();
        let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        for entry in entries.filter_map(Result::ok) {
            let document = crate::codegen::files::read_json(&entry.path())?;
            let Some(schemas) = document["components"]["schemas"].as_object() else { continue };
            for (name, schema) in schemas {
                all.schemas.insert(message_name(name), schema.clone());
            }
        }
        Ok(all)
    }

    /// These, and what Go's markers say of the versions that are off by default.
    pub fn with_optional(&self, checkouts: &Path) -> Result<Schemas, String> {
        let mut all = self.clone();
        for package in OPTIONAL {
            for (name, schema) in super::markers::schemas(&checkouts.join("api").join(package))? {
                let message = format!("k8s.io.api.{}.{name}", package.replace('/', "."));
                all.schemas.entry(message).or_insert(schema);
            }
        }
        Ok(all)
    }

    pub fn all(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.schemas.iter()
    }

    pub fn get(&self, message: &str) -> Option<&Value> {
        self.schemas.get(message)
    }

    pub fn field(&self, message: &str, name: &str) -> Option<&Value> {
        self.schemas.get(message)?.get("properties")?.get(name)
    }

    pub fn is_required(&self, message: &str, name: &str) -> bool {
        let required = self.schemas.get(message).and_then(|schema| schema["required"].as_array());
        required.is_some_and(|names| names.iter().any(|required| required == name))
    }
}

/// `io.k8s.api.core.v1.Pod` is the message `k8s.io.api.core.v1.Pod`.
fn message_name(schema: &str) -> String {
    let rest = schema.strip_prefix("io.k8s.").unwrap_or(schema);
    format!(
        "k8s.io.{}",
        rest.replace("apiextensions-apiserver", "apiextensions_apiserver")
            .replace("kube-aggregator", "kube_aggregator")
    )
}

/// OpenAPI shows the zero value of every plain Go field as its default; those are none.
pub(crate) fn is_real_default(default: &Value) -> bool {
    match default {
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(flag) => *flag,
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
    }
}
