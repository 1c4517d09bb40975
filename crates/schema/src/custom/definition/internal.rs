//! Parts of a definition as upstream's error messages show them: JSON of its internal types, with the names of
//! Go's fields and with all that is not set.

use pintle_object::{Value, json};

#[derive(Clone, Copy)]
enum InternalForm {
    Text,
    Flag,
    /// Null unless set.
    Pointer,
    List,
    Json,
    JsonList,
    Props,
    PropsList,
    PropsMap,
    OrArray,
    OrBool,
    Dependencies,
    Docs,
    Rules,
}

/// Name in Go, name in JSON, and how the value is written; in Go's order.
const PROPS: [(&str, &str, InternalForm); 44] = [
    ("ID", "id", InternalForm::Text),
    ("Schema", "$schema", InternalForm::Text),
    ("Ref", "$ref", InternalForm::Pointer),
    ("Description", "description", InternalForm::Text),
    ("Type", "type", InternalForm::Text),
    ("Nullable", "nullable", InternalForm::Flag),
    ("Format", "format", InternalForm::Text),
    ("Title", "title", InternalForm::Text),
    ("Default", "default", InternalForm::Json),
    ("Maximum", "maximum", InternalForm::Pointer),
    ("ExclusiveMaximum", "exclusiveMaximum", InternalForm::Flag),
    ("Minimum", "minimum", InternalForm::Pointer),
    ("ExclusiveMinimum", "exclusiveMinimum", InternalForm::Flag),
    ("MaxLength", "maxLength", InternalForm::Pointer),
    ("MinLength", "minLength", InternalForm::Pointer),
    ("Pattern", "pattern", InternalForm::Text),
    ("MaxItems", "maxItems", InternalForm::Pointer),
    ("MinItems", "minItems", InternalForm::Pointer),
    ("UniqueItems", "uniqueItems", InternalForm::Flag),
    ("MultipleOf", "multipleOf", InternalForm::Pointer),
    ("Enum", "enum", InternalForm::JsonList),
    ("MaxProperties", "maxProperties", InternalForm::Pointer),
    ("MinProperties", "minProperties", InternalForm::Pointer),
    ("Required", "required", InternalForm::List),
    ("Items", "items", InternalForm::OrArray),
    ("AllOf", "allOf", InternalForm::PropsList),
    ("OneOf", "oneOf", InternalForm::PropsList),
    ("AnyOf", "anyOf", InternalForm::PropsList),
    ("Not", "not", InternalForm::Props),
    ("Properties", "properties", InternalForm::PropsMap),
    ("AdditionalProperties", "additionalProperties", InternalForm::OrBool),
    ("PatternProperties", "patternProperties", InternalForm::PropsMap),
    ("Dependencies", "dependencies", InternalForm::Dependencies),
    ("AdditionalItems", "additionalItems", InternalForm::OrBool),
    ("Definitions", "definitions", InternalForm::PropsMap),
    ("ExternalDocs", "externalDocs", InternalForm::Docs),
    ("Example", "example", InternalForm::Json),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", InternalForm::Pointer),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", InternalForm::Flag),
    ("XIntOrString", "x-kubernetes-int-or-string", InternalForm::Flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", InternalForm::List),
    ("XListType", "x-kubernetes-list-type", InternalForm::Pointer),
    ("XMapType", "x-kubernetes-map-type", InternalForm::Pointer),
    ("XValidations", "x-kubernetes-validations", InternalForm::Rules),
];

const RULE: [(&str, &str, InternalForm); 6] = [
    ("Rule", "rule", InternalForm::Text),
    ("Message", "message", InternalForm::Text),
    ("MessageExpression", "messageExpression", InternalForm::Text),
    ("Reason", "reason", InternalForm::Pointer),
    ("FieldPath", "fieldPath", InternalForm::Text),
    ("OptionalOldSelf", "optionalOldSelf", InternalForm::Pointer),
];

const DOCS: [(&str, &str, InternalForm); 2] =
    [("Description", "description", InternalForm::Text), ("URL", "url", InternalForm::Text)];

const VERSION: [(&str, &str, InternalForm); 5] = [
    ("Name", "name", InternalForm::Text),
    ("Served", "served", InternalForm::Flag),
    ("Storage", "storage", InternalForm::Flag),
    ("Deprecated", "deprecated", InternalForm::Flag),
    ("DeprecationWarning", "deprecationWarning", InternalForm::Pointer),
];

const SCALE: [(&str, &str, InternalForm); 3] = [
    ("SpecReplicasPath", "specReplicasPath", InternalForm::Text),
    ("StatusReplicasPath", "statusReplicasPath", InternalForm::Text),
    ("LabelSelectorPath", "labelSelectorPath", InternalForm::Pointer),
];

const COLUMN: [(&str, &str, InternalForm); 6] = [
    ("Name", "name", InternalForm::Text),
    ("Type", "type", InternalForm::Text),
    ("Format", "format", InternalForm::Text),
    ("Description", "description", InternalForm::Text),
    ("Priority", "priority", InternalForm::Json),
    ("JSONPath", "jsonPath", InternalForm::Text),
];

/// The Go names of the fields that a schema sets, in Go's order.
pub(super) fn set_fields(props: &Value) -> impl Iterator<Item = &'static str> {
    let is_set = |name: &str| match props.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Text(text)) => !text.is_empty(),
        Some(_) => true,
    };
    PROPS.iter().filter(move |(_, json, _)| is_set(json)).map(|(go, _, _)| *go)
}

pub fn props(props: &Value) -> String {
    object(&PROPS, props)
}

/// A rule of `x-kubernetes-validations`.
pub fn rule(rule: &Value) -> String {
    object(&RULE, rule)
}

/// The value of `items`.
pub fn items(value: &Value) -> String {
    InternalForm::OrArray.show(Some(value))
}

/// `spec.versions` without the parts that all versions share.
pub fn versions(list: Option<&Value>) -> String {
    match list.and_then(Value::as_list) {
        Some(list) => joined('[', list.iter().map(version), ']'),
        None => "null".into(),
    }
}

fn version(version: &Value) -> String {
    let mut text = object(&VERSION, version);
    text.pop();
    let schema = version.get("schema").map_or("null".into(), |schema| {
        let inner = schema.get("openAPIV3Schema").map_or("null".into(), props);
        format!("{{\"OpenAPIV3Schema\":{inner}}}")
    });
    let subresources = version.get("subresources").map_or("null".into(), |sub| {
        let status = if sub.get("status").is_some() { "{}" } else { "null" };
        let scale = sub.get("scale").map_or("null".into(), |scale| object(&SCALE, scale));
        format!("{{\"Status\":{status},\"Scale\":{scale}}}")
    });
    let columns = list(version.get("additionalPrinterColumns"), &|column| {
        let mut column = column.clone();
        if column.get("priority").is_none() {
            column.set(&["priority"], 0_i64);
        }
        object(&COLUMN, &column)
    });
    let fields = list(version.get("selectableFields"), &|field| {
        format!("{{\"JSONPath\":{}}}", quoted(field.str_at(&["jsonPath"])))
    });
    format!(
        "{text},\"Schema\":{schema},\"Subresources\":{subresources},\"AdditionalPrinterColumns\":{columns},\
         \"SelectableFields\":{fields}}}"
    )
}

fn object(fields: &[(&str, &str, InternalForm)], value: &Value) -> String {
    let parts = fields.iter().map(|(go, json, form)| format!("\"{go}\":{}", form.show(value.get(json))));
    joined('{', parts, '}')
}

impl InternalForm {
    fn show(self, value: Option<&Value>) -> String {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return match self {
                InternalForm::Text => "\"\"".into(),
                InternalForm::Flag => "false".into(),
                _ => "null".into(),
            };
        };
        match self {
            InternalForm::Text
            | InternalForm::Flag
            | InternalForm::Pointer
            | InternalForm::List
            | InternalForm::Json
            | InternalForm::JsonList => json::to_string(value),
            InternalForm::Props => props(value),
            InternalForm::PropsList => list(Some(value), &props),
            InternalForm::PropsMap => map(value, &props),
            InternalForm::OrArray => match value {
                Value::List(_) => {
                    format!("{{\"Schema\":null,\"JSONSchemas\":{}}}", list(Some(value), &props))
                }
                _ => format!("{{\"Schema\":{},\"JSONSchemas\":null}}", props(value)),
            },
            InternalForm::OrBool => match value {
                Value::Bool(allows) => format!("{{\"Allows\":{allows},\"Schema\":null}}"),
                _ => format!("{{\"Allows\":true,\"Schema\":{}}}", props(value)),
            },
            InternalForm::Dependencies => map(value, &|below| match below {
                Value::List(_) => format!("{{\"Schema\":null,\"Property\":{}}}", json::to_string(below)),
                _ => format!("{{\"Schema\":{},\"Property\":null}}", props(below)),
            }),
            InternalForm::Docs => object(&DOCS, value),
            InternalForm::Rules => list(Some(value), &|rule| object(&RULE, rule)),
        }
    }
}

fn list(value: Option<&Value>, show: &dyn Fn(&Value) -> String) -> String {
    match value.and_then(Value::as_list) {
        Some(items) => joined('[', items.iter().map(show), ']'),
        None => "null".into(),
    }
}

fn map(value: &Value, show: &dyn Fn(&Value) -> String) -> String {
    let entries = value.as_map().into_iter().flat_map(|map| map.iter());
    joined('{', entries.map(|(key, below)| format!("{}:{}", quoted(key), show(below))), '}')
}

fn quoted(text: &str) -> String {
    json::to_string(&Value::from(text))
}

fn joined(open: char, parts: impl Iterator<Item = String>, close: char) -> String {
    format!("{open}{}{close}", parts.collect::<Vec<_>>().join(","))
}
