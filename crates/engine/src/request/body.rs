//! Bodies of requests: from bytes to a tree of the expected kind, with upstream's refusals.

use crate::request::options::FieldValidation;
pub use pintle_object::Format;
use pintle_object::field::quote;
use pintle_object::json::{self, CheckedJson, JsonKind};
use pintle_object::{GroupVersion, GroupVersionKind, Status, Value, yaml};
use pintle_schema::decode::{self, DecodeError, Decoded, Empty};
use pintle_schema::{Builtin, TypeId};

/// The body of a request as it came.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    pub bytes: &'a [u8],
    pub format: Format,
}

/// Upstream names the place of its scheme in this message; clients and tests compare it. Some groups have their own.
fn scheme(group: &str) -> &'static str {
    match group {
        "apiextensions.k8s.io" => "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55",
        "apiregistration.k8s.io" => "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28",
        _ => "pkg/api/legacyscheme/scheme.go:30",
    }
}

/// Decodes a body that must be of kind `expected`; what strict decoding finds becomes a warning or a refusal.
pub fn decode(
    api: &Builtin,
    body: Body<'_>,
    ty: TypeId,
    expected: &GroupVersionKind,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
    empties: &mut Vec<Empty>,
) -> Result<Value, Status> {
    let document = Document::read(body).map_err(|why| unrecognized(expected, &why, body.bytes))?;
    let own = document.kind(expected).map_err(|why| unrecognized(expected, &why, body.bytes))?;
    let refuse = |why: &str| {
        let (kind, version, wanted) = (&own.kind, quote(&own.version), &expected.kind);
        Status::bad_request(format!("{kind} in version {version} cannot be handled as a {wanted}: {why}"))
    };
    check_convertible(api, &own, expected).map_err(|why| refuse(&why))?;
    if own.group_version() != expected.group_version() {
        let (data, wanted) = (own.group_version(), expected.group_version());
        return Err(Status::bad_request(format!(
            "the API version in the data ({data}) does not match the expected API version ({wanted})"
        )));
    }
    let decoded = document.decode(api, ty).map_err(|error| refuse(&error.0))?;
    match validation {
        FieldValidation::Strict if !decoded.strict.is_empty() => {
            return Err(refuse(&format!("strict decoding error: {}", decoded.strict.join(", "))));
        }
        FieldValidation::Warn => warnings.extend(decoded.strict.into_iter().flat_map(one_a_line)),
        FieldValidation::Strict | FieldValidation::Ignore => {}
    }
    *empties = decoded.empties;
    let mut value = decoded.value;
    value.set(&["apiVersion"], expected.group_version().to_string());
    value.set(&["kind"], expected.kind.clone());
    Ok(value)
}

/// Checks that objects of the expected kind can be read from another kind.
fn check_convertible(
    api: &Builtin,
    own: &GroupVersionKind,
    expected: &GroupVersionKind,
) -> Result<(), String> {
    if api.kind(own).is_none() {
        let (kind, version) = (quote(&own.kind), quote(&own.group_version().to_string()));
        let scheme = scheme(&expected.group);
        return Err(format!("no kind {kind} is registered for version {version} in scheme \"{scheme}\""));
    }
    if !is_same_object(own, expected) {
        let (kind, package) = (&expected.kind, internal_package(expected));
        let from = format!("{}.{}", own.version, own.kind);
        return Err(format!("converting ({from}) to ({package}.{kind}): unknown conversion"));
    }
    Ok(())
}

/// Whether the JSON of a patched object still is of the expected kind; false when it says no version, so that
/// upstream finds none of the kind's fields in it.
pub(crate) fn is_still(api: &Builtin, json: &str, expected: &GroupVersionKind) -> Result<bool, String> {
    let document = Document::read(Body { bytes: json.as_bytes(), format: Format::Json })?;
    let own = document.kind(expected)?;
    check_convertible(api, &own, expected)?;
    Ok(!matches!(document, Document::Json { api_version, .. } if api_version.is_empty()))
}

/// The apiVersion that a body gives; empty when it gives none or cannot be read.
pub fn api_version(body: Body<'_>) -> String {
    match Document::read(body) {
        Ok(Document::Json { api_version, .. }) => api_version,
        Ok(Document::Protobuf(envelope)) => envelope.api_version.to_string(),
        Err(_) => String::new(),
    }
}

/// A body whose kind and version can be seen.
pub(crate) enum Document<'a> {
    Json { json: CheckedJson<'a>, api_version: String, kind: String, strict: Vec<String> },
    Protobuf(decode::protobuf::Envelope<'a>),
}

impl<'a> Document<'a> {
    pub(crate) fn read(body: Body<'a>) -> Result<Document<'a>, String> {
        match body.format {
            Format::Json => Document::json(body.bytes.into(), Vec::new()),
            Format::Yaml => {
                let (bytes, strict) = yaml_to_json(body.bytes)?;
                Document::json(bytes.into(), strict)
            }
            Format::Protobuf => {
                decode::protobuf::envelope(body.bytes).map(Document::Protobuf).map_err(|error| error.0)
            }
        }
    }

    fn json(bytes: std::borrow::Cow<'a, [u8]>, strict: Vec<String>) -> Result<Document<'a>, String> {
        let unreadable = |why| format!("couldn't get version/kind; json parse error: {why}");
        let json = CheckedJson::new(bytes).map_err(|error| unreadable(error.message))?;
        let (api_version, kind) = sniff(&json).map_err(unreadable)?;
        Ok(Document::Json { json, api_version, kind, strict })
    }

    /// The kind that the document says it is; what it leaves out is as expected.
    fn kind(&self, expected: &GroupVersionKind) -> Result<GroupVersionKind, String> {
        let (api_version, kind) = match self {
            Document::Json { api_version, kind, .. } => (api_version.as_str(), kind.as_str()),
            Document::Protobuf(envelope) => (envelope.api_version, envelope.kind),
        };
        let kind = if kind.is_empty() { expected.kind.as_str() } else { kind };
        if api_version.is_empty() {
            return Ok(expected.group_version().with_kind(kind));
        }
        let unexpected = || format!("unexpected GroupVersion string: {api_version}");
        Ok(GroupVersion::parse(api_version).ok_or_else(unexpected)?.with_kind(kind))
    }

    fn decode(self, api: &Builtin, ty: TypeId) -> Result<Decoded, DecodeError> {
        match self {
            Document::Json { json, mut strict, .. } => {
                let mut decoded = decode::json::decode_checked(&api.schema, ty, &json)?;
                strict.append(&mut decoded.strict);
                Ok(Decoded { strict, ..decoded })
            }
            Document::Protobuf(envelope) => {
                let value = decode::protobuf::decode(&api.schema, ty, envelope.raw)?;
                Ok(Decoded { value, strict: Vec::new(), empties: Vec::new() })
            }
        }
    }
}

/// `apiVersion` and `kind` of a JSON document; like Go's decoder, names are matched in any case.
fn sniff(document: &CheckedJson<'_>) -> Result<(String, String), String> {
    let mut reader = document.reader();
    let (mut api_version, mut kind) = (String::new(), String::new());
    match reader.kind() {
        JsonKind::Map => reader.begin_map(),
        JsonKind::Null => return Ok((api_version, kind)),
        other => {
            return Err(format!(
                "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \
                 \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
                other.word()
            ));
        }
    }
    let mut wrong = None;
    while let Some(key) = reader.next_name() {
        let target = if key.eq_ignore_ascii_case("apiVersion") {
            &mut api_version
        } else if key.eq_ignore_ascii_case("kind") {
            &mut kind
        } else {
            reader.skip();
            continue;
        };
        match reader.kind() {
            JsonKind::Text => *target = reader.text().to_string(),
            JsonKind::Null => reader.null(),
            other => {
                let field = if key.eq_ignore_ascii_case("kind") { "kind" } else { "apiVersion" };
                wrong.get_or_insert_with(|| {
                    format!(
                        "json: cannot unmarshal {} into Go struct field .{field} of type string",
                        other.word()
                    )
                });
                reader.skip();
            }
        }
    }
    match wrong {
        Some(why) => Err(why),
        None => Ok((api_version, kind)),
    }
}

fn yaml_to_json(bytes: &[u8]) -> Result<(Vec<u8>, Vec<String>), String> {
    let document = yaml::to_json(bytes).map_err(|error| error.to_string())?;
    let mut strict = Vec::new();
    if !document.duplicates.is_empty() {
        strict.push(format!("{YAML_PREFIX}{}", document.duplicates.join("\n  ")));
    }
    Ok((document.json, strict))
}

/// The beginning of go-yaml's errors; warnings leave it out.
const YAML_PREFIX: &str = "yaml: unmarshal errors:\n  ";

/// The errors of a YAML document come as one text, and are warned about one by one.
fn one_a_line(strict: String) -> Vec<String> {
    match strict.strip_prefix(YAML_PREFIX) {
        Some(lines) => lines.lines().map(|line| line.trim().to_string()).collect(),
        None => vec![strict],
    }
}

/// Whether both kinds are versions of one object: the same kind in one group, or in a group it moved from.
fn is_same_object(own: &GroupVersionKind, expected: &GroupVersionKind) -> bool {
    let moved = |group: &str| matches!(group, "extensions");
    let both_events = own.kind == "Event" && [&own.group, &expected.group].iter().all(|g| is_event_group(g));
    own.kind == expected.kind
        && (own.group == expected.group || moved(&own.group) || moved(&expected.group) || both_events)
}

fn is_event_group(group: &str) -> bool {
    group.is_empty() || group == "events.k8s.io"
}

/// The Go package of the internal type, which is named after the group.
fn internal_package(gvk: &GroupVersionKind) -> &str {
    match gvk.group.split('.').next() {
        None | Some("") | Some("events") => "core",
        Some(first) => first,
    }
}

pub(crate) fn unrecognized(expected: &GroupVersionKind, why: &str, bytes: &[u8]) -> Status {
    let (kind, summary) = (&expected.kind, summary(bytes));
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({summary})"
    ))
}

/// The first bytes of a body, as text when it looks like JSON, else in hexadecimal.
fn summary(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 30;
    if bytes.is_empty() {
        return String::from("<empty>");
    }
    let shown = bytes.get(..SHOWN_MAX).unwrap_or(bytes);
    let mut out = if bytes.starts_with(b"{") {
        String::from_utf8_lossy(shown).into_owned()
    } else {
        shown.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    if bytes.len() > SHOWN_MAX {
        out.push_str(" ...");
    }
    out
}

/// Decodes a DeleteOptions body, of `meta.k8s.io/v1` or of any served group and version.
pub fn decode_delete_options(api: &Builtin, body: Body<'_>) -> Result<Value, Status> {
    let meta = GroupVersionKind::new("", "v1", "DeleteOptions");
    let document = Document::read(body).map_err(Status::bad_request)?;
    let own = document.kind(&meta).map_err(Status::bad_request)?;
    if own.kind != "DeleteOptions" {
        let from = format!("{}.{}", own.version, own.kind);
        let is_meta = |id: &TypeId| api.schema.ty(*id).name.starts_with("k8s.io.apimachinery.");
        let why = match api.kind(&own).filter(is_meta) {
            Some(_) => format!("converting ({from}) to (v1.DeleteOptions): unknown conversion"),
            None => {
                let (kind, version) = (quote(&own.kind), quote(&own.group_version().to_string()));
                format!("no kind {kind} is registered for version {version} in scheme \"{META_SCHEME}\"")
            }
        };
        return Err(Status::bad_request(why));
    }
    let ty = api.kind(&meta).expect("DeleteOptions is a kind of meta");
    document.decode(api, ty).map(|decoded| decoded.value).map_err(|error| Status::bad_request(error.0))
}

const META_SCHEME: &str = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";

/// Brings a tree that was patched or assembled into canonical form.
pub fn normalise(api: &Builtin, ty: TypeId, tree: &Value) -> Result<Decoded, DecodeError> {
    decode::json::decode(&api.schema, ty, json::to_string(tree).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, expected: &str) {
        let api = pintle_schema::builtin();
        let gvk = GroupVersionKind::new("", "v1", "ConfigMap");
        let ty = api.kind(&gvk).unwrap();
        let body = Body { bytes: document.as_bytes(), format: Format::Json };
        let mut warnings = Vec::new();
        let got = decode(&api, body, ty, &gvk, FieldValidation::Warn, &mut warnings, &mut Vec::new())
            .map(|value| json::to_string(&value))
            .unwrap_or_else(|status| status.message);
        assert_eq!(got, expected, "{document}");
    }

    #[test]
    fn bodies_of_other_kinds_are_refused() {
        check(
            r#"{"data":{"a":"b"}}"#,
            r#"{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{}}"#,
        );
        check(
            r#"{"kind":"Secret"}"#,
            "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): \
             unknown conversion",
        );
        check(
            r#"{"kind":"configmap"}"#,
            "configmap in version \"v1\" cannot be handled as a ConfigMap: no kind \"configmap\" is registered for \
             version \"v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
        );
        check(
            r#"{"apiVersion":"a/b/c","kind":"ConfigMap"}"#,
            "the object provided is unrecognized (must be of type ConfigMap): unexpected GroupVersion string: a/b/c \
             ({\"apiVersion\":\"a/b/c\",\"kind\":\" ...)",
        );
        check(
            "",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse \
             error: unexpected end of JSON input (<empty>)",
        );
    }
}
