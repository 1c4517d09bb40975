//! Operations: one method of one path.

use super::parameter;
use super::schema::{Components, group_version_kind};
use crate::parts::{object, texts};
use pintle_object::{Map, Value};

/// Differences between operations of built-in and of custom resources.
pub(super) struct Style {
    /// Media types of answers.
    pub media: &'static [&'static str],
    /// Media types of answers to lists and watches.
    pub stream: &'static [&'static str],
    /// Media types of bodies.
    pub bodies: &'static [&'static str],
    pub patches: &'static [&'static str],
    pub is_custom: bool,
}

impl Style {
    pub(super) const BUILTIN: &Style = &Style {
        media: &["application/json", "application/vnd.kubernetes.protobuf", "application/yaml"],
        stream: &[
            "application/json",
            "application/json;stream=watch",
            "application/vnd.kubernetes.protobuf",
            "application/vnd.kubernetes.protobuf;stream=watch",
            "application/yaml",
        ],
        bodies: &["*/*"],
        patches: &[
            "application/apply-patch+yaml",
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
        ],
        is_custom: false,
    };

    pub(super) const CUSTOM: &Style = &Style {
        media: &["application/json", "application/yaml"],
        stream: &["application/json", "application/yaml"],
        bodies: &["application/json", "application/yaml"],
        patches: &[
            "application/apply-patch+yaml",
            "application/json-patch+json",
            "application/merge-patch+json",
        ],
        is_custom: true,
    };
}

/// One operation before it is written down.
pub(super) struct Operation {
    /// `get`, `put`, `post`, `delete`, `options`, `head` or `patch`
    pub method: &'static str,
    /// `list`, `watch`, `connect`, ...; empty for discovery.
    pub action: &'static str,
    pub description: String,
    pub id: String,
    pub tag: String,
    pub group_version_kind: Option<(String, String, String)>,
    pub parameters: Vec<Value>,
    pub body: Option<OperationBody>,
    /// Codes of success.
    pub codes: &'static [u16],
    pub media: Vec<&'static str>,
    pub answer: Value,
}

pub(super) struct OperationBody {
    pub media: &'static [&'static str],
    pub schema: Value,
    pub required: bool,
}

/// The item of a path: its operations, and the parameters that all of them take.
pub(super) fn path_item(operations: Vec<Operation>) -> Value {
    let shared: Vec<Value> = match operations.split_first() {
        Some((first, others)) => {
            let in_all = |parameter: &&Value| others.iter().all(|other| other.parameters.contains(parameter));
            first.parameters.iter().filter(in_all).cloned().collect()
        }
        None => Vec::new(),
    };
    let mut item = Map::new();
    for mut operation in operations {
        operation.parameters.retain(|parameter| !shared.contains(parameter));
        item.insert(operation.method, operation.into_value());
    }
    if !shared.is_empty() {
        item.insert("parameters", parameter::sorted(shared));
    }
    item.into()
}

impl Operation {
    fn into_value(self) -> Value {
        let mut responses = Map::new();
        for code in self.codes {
            let description = match code {
                201 => "Created",
                202 => "Accepted",
                _ => "OK",
            };
            let content = content(&self.media, &self.answer);
            responses.insert(
                code.to_string(),
                object([("description", description.into()), ("content", content)]),
            );
        }
        responses.insert("401", object([("description", "Unauthorized".into())]));
        let mut value = object([
            ("tags", texts([self.tag.as_str()])),
            ("description", self.description.into()),
            ("operationId", self.id.into()),
            ("responses", responses.into()),
        ]);
        if !self.parameters.is_empty() {
            value.set(&["parameters"], parameter::sorted(self.parameters));
        }
        if let Some(body) = self.body {
            let mut request = object([("content", content(body.media, &body.schema))]);
            if body.required {
                request.set(&["required"], true);
            }
            value.set(&["requestBody"], request);
        }
        if !self.action.is_empty() {
            value.set(&["x-kubernetes-action"], self.action);
        }
        if let Some((group, version, kind)) = self.group_version_kind {
            value.set(&["x-kubernetes-group-version-kind"], group_version_kind(&group, &version, &kind));
        }
        value
    }
}

fn content(media: &[&str], schema: &Value) -> Value {
    let schema = object([("schema", schema.clone())]);
    media.iter().map(|media| (*media, schema.clone())).collect::<Map>().into()
}

/// The operation of a document of discovery.
pub(super) fn discovery(
    tag: &str,
    description: &str,
    id: &str,
    kind: &str,
    components: &mut Components<'_>,
) -> Value {
    get(tag, description, id, Style::BUILTIN.media, components.meta(kind))
}

/// The item of a path that can only be read, without parameters.
pub(super) fn get(tag: &str, description: &str, id: &str, media: &[&'static str], answer: Value) -> Value {
    path_item(vec![Operation {
        method: "get",
        action: "",
        description: description.into(),
        id: id.into(),
        tag: tag.into(),
        group_version_kind: None,
        parameters: Vec::new(),
        body: None,
        codes: &[200],
        media: media.to_vec(),
        answer,
    }])
}
