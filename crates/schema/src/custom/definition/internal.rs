//! Parts of a definition as upstream's error messages show them: JSON of its internal types, with the names of
//! Go's fields and with all that is not set.

use pintle_object::{Value, json};

#[derive(Clone, Copy)]
enum Form {
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
const PROPS: [(&str, &str, Form); 44] = [
    ("ID", "id", Form::Text),
    ("Schema", "$schema", Form::Text),
    ("Ref", "$ref", Form::Pointer),
    ("Description", "description", Form::Text),
    ("Type", "type", Form::Text),
    ("Nullable", "nullable", Form::Flag),
    ("Format", "format", Form::Text),
    ("Title", "title", Form::Text),
    ("Default", "default", Form::Json),
    ("Maximum", "maximum", Form::Pointer),
    ("ExclusiveMaximum", "exclusiveMaximum", Form::Flag),
    ("Minimum", "minimum", Form::Pointer),
    ("ExclusiveMinimum", "exclusiveMinimum", Form::Flag),
    ("MaxLength", "maxLength", Form::Pointer),
    ("MinLength", "minLength", Form::Pointer),
    ("Pattern", "pattern", Form::Text),
    ("MaxItems", "maxItems", Form::Pointer),
    ("MinItems", "minItems", Form::Pointer),
    ("UniqueItems", "uniqueItems", Form::Flag),
    ("MultipleOf", "multipleOf", Form::Pointer),
    ("Enum", "enum", Form::JsonList),
    ("MaxProperties", "maxProperties", Form::Pointer),
    ("MinProperties", "minProperties", Form::Pointer),
    ("Required", "required", Form::List),
    ("Items", "items", Form::OrArray),
    ("AllOf", "allOf", Form::PropsList),
    ("OneOf", "oneOf", Form::PropsList),
    ("AnyOf", "anyOf", Form::PropsList),
    ("Not", "not", Form::Props),
    ("Properties", "properties", Form::PropsMap),
    ("AdditionalProperties", "additionalProperties", Form::OrBool),
    ("PatternProperties", "patternProperties", Form::PropsMap),
    ("Dependencies", "dependencies", Form::Dependencies),
    ("AdditionalItems", "additionalItems", Form::OrBool),
    ("Definitions", "definitions", Form::PropsMap),
    ("ExternalDocs", "externalDocs", Form::Docs),
    ("Example", "example", Form::Json),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", Form::Pointer),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", Form::Flag),
    ("XIntOrString", "x-kubernetes-int-or-string", Form::Flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", Form::List),
    ("XListType", "x-kubernetes-list-type", Form::Pointer),
    ("XMapType", "x-kubernetes-map-type", Form::Pointer),
    ("XValidations", "x-kubernetes-validations", Form::Rules),
];

const RULE: [(&str, &str, Form); 6] = [
    ("Rule", "rule", Form::Text),
    ("Message", "message", Form::Text),
    ("MessageExpression", "messageExpression", Form::Text),
    ("Reason", "reason", Form::Pointer),
    ("FieldPath", "fieldPath", Form::Text),
    ("OptionalOldSelf", "optionalOldSelf", Form::Pointer),
];

const DOCS: [(&str, &str, Form); 2] =
    [("Description", "description", Form::Text), ("URL", "url", Form::Text)];

const VERSION: [(&str, &str, Form); 5] = [
    ("Name", "name", Form::Text),
    ("Served", "served", Form::Flag),
    ("Storage", "storage", Form::Flag),
    ("Deprecated", "deprecated", Form::Flag),
    ("DeprecationWarning", "deprecationWarning", Form::Pointer),
];

const SCALE: [(&str, &str, Form); 3] = [
    ("SpecReplicasPath", "specReplicasPath", Form::Text),
    ("StatusReplicasPath", "statusReplicasPath", Form::Text),
    ("LabelSelectorPath", "labelSelectorPath", Form::Pointer),
];

const COLUMN: [(&str, &str, Form); 6] = [
    ("Name", "name", Form::Text),
    ("Type", "type", Form::Text),
    ("Format", "format", Form::Text),
    ("Description", "description", Form::Text),
    ("Priority", "priority", Form::Json),
    ("JSONPath", "jsonPath", Form::Text),
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
    Form::OrArray.show(Some(value))
}

/// `spec.versions` without what all versions have in common.
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

fn object(fields: &[(&str, &str, Form)], value: &Value) -> String {
    let parts = fields.iter().map(|(go, json, form)| format!("\"{go}\":{}", form.show(value.get(json))));
    joined('{', parts, '}')
}

impl Form {
    fn show(self, value: Option<&Value>) -> String {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return match self {
                Form::Text => "\"\"".into(),
                Form::Flag => "false".into(),
                _ => "null".into(),
            };
        };
        match self {
            Form::Text | Form::Flag | Form::Pointer | Form::List | Form::Json | Form::JsonList => {
                json::to_string(value)
            }
            Form::Props => props(value),
            Form::PropsList => list(Some(value), &props),
            Form::PropsMap => map(value, &props),
            Form::OrArray => match value {
                Value::List(_) => {
                    format!("{{\"Schema\":null,\"JSONSchemas\":{}}}", list(Some(value), &props))
                }
                _ => format!("{{\"Schema\":{},\"JSONSchemas\":null}}", props(value)),
            },
            Form::OrBool => match value {
                Value::Bool(allows) => format!("{{\"Allows\":{allows},\"Schema\":null}}"),
                _ => format!("{{\"Allows\":true,\"Schema\":{}}}", props(value)),
            },
            Form::Dependencies => map(value, &|below| match below {
                Value::List(_) => format!("{{\"Schema\":null,\"Property\":{}}}", json::to_string(below)),
                _ => format!("{{\"Schema\":{},\"Property\":null}}", props(below)),
            }),
            Form::Docs => object(&DOCS, value),
            Form::Rules => list(Some(value), &|rule| object(&RULE, rule)),
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
