//! Bodies of requests: from bytes to a tree of the expected kind, with upstream's refusals.

use crate::request::options::FieldValidation;
pub use pintle_object::Format;
use pintle_object::field::quote;
use pintle_object::{GroupVersionKind, Status, Value};
use pintle_schema::decode::{DecodeError, Document, Empty, YAML_PREFIX};
use pintle_schema::{Builtin, TypeId};

/// The body of a request as it came.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    pub bytes: &'a [u8],
    pub format: Format,
}

impl<'a> Body<'a> {
    /// The document that it is.
    pub(crate) fn read(self) -> Result<Document<'a>, DecodeError> {
        Document::read(self.bytes, self.format)
    }
}

/// Upstream names the place of its scheme in this message; clients and tests compare it. Some groups have their own.
fn scheme(group: &str) -> &'static str {
    match group {
        "apiextensions.k8s.io" => "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55",
        "apiregistration.k8s.io" => "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28",
        _ => "pkg/api/legacyscheme/scheme.go:30",
    }
}

/// Decodes a body that must be of kind `expected`; findings of strict decoding become warnings or a refusal.
pub fn decode(
    api: &Builtin,
    body: Body<'_>,
    ty: TypeId,
    expected: &GroupVersionKind,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
    empties: &mut Vec<Empty>,
) -> Result<Value, Status> {
    let unknown = |error: DecodeError| unrecognized(expected, &error.0, body.bytes);
    let document = body.read().map_err(unknown)?;
    let own = document.kind(expected).map_err(unknown)?;
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
    let decoded = document.decode(&api.schema, ty).map_err(|error| refuse(&error.0))?;
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
    let document = Document::read(json.as_bytes(), Format::Json).map_err(|error| error.0)?;
    let own = document.kind(expected).map_err(|error| error.0)?;
    check_convertible(api, &own, expected)?;
    Ok(!matches!(document, Document::Json { api_version, .. } if api_version.is_empty()))
}

/// The apiVersion that a body gives; empty when it gives none or cannot be read.
pub fn api_version(body: Body<'_>) -> String {
    match body.read() {
        Ok(Document::Json { api_version, .. }) => api_version,
        Ok(Document::Protobuf(envelope)) => envelope.api_version.to_string(),
        Err(_) => String::new(),
    }
}

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
    let document = body.read().map_err(|error| Status::bad_request(error.0))?;
    let own = document.kind(&meta).map_err(|error| Status::bad_request(error.0))?;
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
    document
        .decode(&api.schema, ty)
        .map(|decoded| decoded.value)
        .map_err(|error| Status::bad_request(error.0))
}

const META_SCHEME: &str = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

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
