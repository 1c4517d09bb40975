//! Answers of webhooks: decoded as upstream's codec does it, with its errors, and verified.

use super::review::ReviewVersion;
use pintle_object::{Map, Value, bytes, json, yaml};

/// The answer of a webhook to a review.
#[derive(Debug, Default, PartialEq)]
pub struct AdmissionResponse {
    pub is_allowed: bool,
    pub annotations: Vec<(String, String)>,
    pub warnings: Vec<String>,
    /// A JSON patch, as it was sent, and its type; empty without one.
    pub patch: Vec<u8>,
    pub patch_type: String,
    /// The `status` of the answer; null without one.
    pub status: Value,
}

/// The Go types of fields in the document.
#[derive(Clone, Copy)]
enum ResponseForm {
    Text,
    Bool,
    Int32,
    Int64,
    Bytes,
    Texts,
    TextMap,
    Struct(&'static ResponseStruct),
    Structs(&'static ResponseStruct),
}

struct ResponseStruct {
    name: &'static str,
    fields: &'static [(&'static str, ResponseForm)],
}

const REVIEW: ResponseStruct = ResponseStruct {
    name: "AdmissionReview",
    fields: &[
        ("kind", ResponseForm::Text),
        ("apiVersion", ResponseForm::Text),
        ("response", ResponseForm::Struct(&RESPONSE)),
    ],
};

const RESPONSE: ResponseStruct = ResponseStruct {
    name: "AdmissionResponse",
    fields: &[
        ("uid", ResponseForm::Text),
        ("allowed", ResponseForm::Bool),
        ("status", ResponseForm::Struct(&STATUS)),
        ("patch", ResponseForm::Bytes),
        ("patchType", ResponseForm::Text),
        ("auditAnnotations", ResponseForm::TextMap),
        ("warnings", ResponseForm::Texts),
    ],
};

const STATUS: ResponseStruct = ResponseStruct {
    name: "Status",
    fields: &[
        ("kind", ResponseForm::Text),
        ("apiVersion", ResponseForm::Text),
        ("metadata", ResponseForm::Struct(&METADATA)),
        ("status", ResponseForm::Text),
        ("message", ResponseForm::Text),
        ("reason", ResponseForm::Text),
        ("details", ResponseForm::Struct(&DETAILS)),
        ("code", ResponseForm::Int32),
    ],
};

const METADATA: ResponseStruct = ResponseStruct {
    name: "ListMeta",
    fields: &[
        ("selfLink", ResponseForm::Text),
        ("resourceVersion", ResponseForm::Text),
        ("continue", ResponseForm::Text),
        ("remainingItemCount", ResponseForm::Int64),
    ],
};

const DETAILS: ResponseStruct = ResponseStruct {
    name: "StatusDetails",
    fields: &[
        ("name", ResponseForm::Text),
        ("group", ResponseForm::Text),
        ("kind", ResponseForm::Text),
        ("uid", ResponseForm::Text),
        ("causes", ResponseForm::Structs(&CAUSE)),
        ("retryAfterSeconds", ResponseForm::Int32),
    ],
};

const CAUSE: ResponseStruct = ResponseStruct {
    name: "StatusCause",
    fields: &[("reason", ResponseForm::Text), ("message", ResponseForm::Text), ("field", ResponseForm::Text)],
};

/// Parses the body of an answer as JSON or YAML, by its first character.
pub fn document(body: &[u8]) -> Result<Value, String> {
    let unread = |why: String| format!("couldn't get version/kind; json parse error: {why}");
    let is_json = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let document = match is_json {
        true => json::parse(body).map_err(|error| unread(error.message))?,
        false => yaml::parse(body).map_err(|error| error.0)?.value,
    };
    let word = match &document {
        Value::Map(_) | Value::Null => return Ok(document),
        other => other.json_word(),
    };
    let target = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
                  \"json:\\\"kind,omitempty\\\"\" }";
    Err(unread(format!("json: cannot unmarshal {word} into Go value of type {target}")))
}

/// Decodes the body of an answer to a review of a version.
///
/// # Errors
/// Upstream's words for why it cannot be.
pub fn decode(body: &[u8], version: ReviewVersion) -> Result<Value, String> {
    let document = document(body)?;
    for field in ["apiVersion", "kind"] {
        if let Some(other) =
            document.get(field).filter(|value| !matches!(value, Value::Text(_) | Value::Null))
        {
            let word = other.json_word();
            return Err(format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {word} into Go struct field \
                 .{field} of type string"
            ));
        }
    }
    check_kind(document.str_at(&["apiVersion"]), document.str_at(&["kind"]), version)?;
    Typed::default().check_struct(&document, &REVIEW)?;
    Ok(document)
}

/// Checks that a kind is one of upstream's scheme for answers: the reviews, and the options and Status of every API.
fn check_kind(api_version: &str, kind: &str, version: ReviewVersion) -> Result<(), String> {
    let (group, own) = api_version.split_once('/').unwrap_or(("", api_version));
    if api_version.matches('/').count() > 1 {
        return Err(format!("unexpected GroupVersion string: {api_version}"));
    }
    let (group, own) = match (group, own) {
        ("", "") => ("admission.k8s.io", version.as_str()),
        ("admission.k8s.io", "") => (group, version.as_str()),
        found => found,
    };
    let kind = if kind.is_empty() { "AdmissionReview" } else { kind };
    let known = match (group, own, kind) {
        ("admission.k8s.io", own, "AdmissionReview") if own == version.as_str() => return Ok(()),
        ("admission.k8s.io", "v1" | "v1beta1", "AdmissionReview") => true,
        ("admission.k8s.io", "v1" | "v1beta1", _) => META_KINDS.contains(&kind),
        ("", "v1", _) => UNVERSIONED_KINDS.contains(&kind),
        _ => false,
    };
    if !known {
        let text = if group.is_empty() { own.to_owned() } else { format!("{group}/{own}") };
        return Err(format!("no kind {kind:?} is registered for version {text:?} in scheme {SCHEME:?}"));
    }
    let package = if kind == "AdmissionReview" { own } else { "v1" };
    Err(format!(
        "converting ({package}.{kind}) to ({}.AdmissionReview): unknown conversion",
        version.as_str()
    ))
}

/// The name of the scheme in upstream's errors: the place of its code.
const SCHEME: &str = "pkg/util/webhook/client.go:71";
const META_KINDS: [&str; 7] = [
    "WatchEvent",
    "ListOptions",
    "GetOptions",
    "DeleteOptions",
    "CreateOptions",
    "UpdateOptions",
    "PatchOptions",
];
const UNVERSIONED_KINDS: [&str; 5] = ["Status", "APIVersions", "APIGroupList", "APIGroup", "APIResourceList"];

/// The names of the fields that lead to a value.
#[derive(Default)]
struct Typed {
    path: Vec<&'static str>,
}

impl Typed {
    fn check_struct(&mut self, value: &Value, of: &'static ResponseStruct) -> Result<(), String> {
        let Some(map) = value.as_map() else { return Ok(()) };
        for (name, form) in of.fields {
            let Some(value) = map.get(name).filter(|value| !value.is_null()) else { continue };
            self.path.push(name);
            self.check(value, *form, of.name)?;
            self.path.pop();
        }
        Ok(())
    }

    fn check(&mut self, value: &Value, form: ResponseForm, owner: &str) -> Result<(), String> {
        let wrong = |this: &Typed, value: &Value, go: &str| {
            let field = this.path.join(".");
            Err(format!(
                "json: cannot unmarshal {} into Go struct field {owner}.{field} of type {go}",
                value.json_word()
            ))
        };
        match (form, value) {
            (ResponseForm::Text, Value::Text(_)) | (ResponseForm::Bool, Value::Bool(_)) => Ok(()),
            (ResponseForm::Int32, Value::Int(number)) if i32::try_from(*number).is_ok() => Ok(()),
            (ResponseForm::Int64, Value::Int(_)) => Ok(()),
            (ResponseForm::Int32 | ResponseForm::Int64, Value::Int(_) | Value::Float(_)) => {
                let go = if matches!(form, ResponseForm::Int32) { "int32" } else { "int64" };
                let field = self.path.join(".");
                let text = json::to_string(value);
                Err(format!(
                    "json: cannot unmarshal number {text} into Go struct field {owner}.{field} of type {go}"
                ))
            }
            (ResponseForm::Bytes, Value::Text(_)) => bytes::decode(value.as_str().unwrap_or("")).map(drop),
            // Go takes a list of numbers for bytes, too, and clients in other languages write one.
            (ResponseForm::Bytes, Value::List(items)) => match items.iter().find(|item| byte(item).is_none())
            {
                Some(Value::Int(number)) => {
                    let field = self.path.join(".");
                    Err(format!(
                        "json: cannot unmarshal number {number} into Go struct field {owner}.{field} of type uint8"
                    ))
                }
                Some(other) => wrong(self, other, "uint8"),
                None => Ok(()),
            },
            (ResponseForm::Texts, Value::List(items)) => {
                each(items.iter(), |item| wrong(self, item, "string"))
            }
            (ResponseForm::TextMap, Value::Map(map)) => {
                each(map.values(), |item| wrong(self, item, "string"))
            }
            (ResponseForm::Struct(of), Value::Map(_)) => self.check_struct(value, of),
            (ResponseForm::Structs(of), Value::List(items)) => items.iter().try_for_each(|item| match item {
                Value::Map(_) => self.check_struct(item, of),
                Value::Null => Ok(()),
                other => wrong(self, other, &format!("v1.{}", of.name)),
            }),
            (ResponseForm::Text, other) => {
                wrong(self, other, if owner == "AdmissionReview" { "string" } else { self.go_text() })
            }
            (ResponseForm::Bool, other) => wrong(self, other, "bool"),
            (ResponseForm::Int32, other) => wrong(self, other, "int32"),
            (ResponseForm::Int64, other) => wrong(self, other, "int64"),
            (ResponseForm::Bytes, other) => wrong(self, other, "[]uint8"),
            (ResponseForm::Texts, other) => wrong(self, other, "[]string"),
            (ResponseForm::TextMap, other) => wrong(self, other, "map[string]string"),
            (ResponseForm::Struct(of), other) => wrong(self, other, &format!("v1.{}", of.name)),
            (ResponseForm::Structs(of), other) => wrong(self, other, &format!("[]v1.{}", of.name)),
        }
    }

    /// Go's type of a text: some have names.
    fn go_text(&self) -> &'static str {
        match self.path.as_slice() {
            ["response", "uid"] => "types.UID",
            ["response", "patchType"] => "v1.PatchType",
            [.., "details", "uid"] => "types.UID",
            [.., "status", "reason"] => "v1.StatusReason",
            [.., "causes", "reason"] => "v1.CauseType",
            _ => "string",
        }
    }
}

/// An item of bytes that are written as a list.
fn byte(item: &Value) -> Option<u8> {
    match item {
        Value::Null => Some(0),
        other => other.as_i64().and_then(|number| u8::try_from(number).ok()),
    }
}

/// Bytes, written in base64 or as a list of numbers.
fn decoded(value: Option<&Value>) -> Vec<u8> {
    match value {
        Some(Value::List(items)) => items.iter().filter_map(byte).collect(),
        other => bytes::decode(other.and_then(Value::as_str).unwrap_or("")).unwrap_or_default(),
    }
}

/// Checks that items are texts or null.
fn each<'v>(
    mut items: impl Iterator<Item = &'v Value>,
    wrong: impl Fn(&Value) -> Result<(), String>,
) -> Result<(), String> {
    match items.find(|item| !matches!(item, Value::Text(_) | Value::Null)) {
        Some(item) => wrong(item),
        None => Ok(()),
    }
}

/// Reads a decoded answer to the review of a uid.
///
/// # Errors
/// Upstream's texts for invalid answers.
pub fn verify(
    document: &Value,
    version: ReviewVersion,
    uid: &str,
    is_mutating: bool,
) -> Result<AdmissionResponse, String> {
    let response = document.get("response").filter(|response| !response.is_null());
    let response = response.ok_or("webhook response was absent")?;
    let patch = decoded(response.get("patch"));
    let patch_type = response.get("patchType").filter(|given| !given.is_null());
    if version == ReviewVersion::V1 {
        let found = response.str_at(&["uid"]);
        if found != uid {
            return Err(format!("expected response.uid={uid:?}, got {}", pintle_object::field::quote(found)));
        }
        verify_kind(document)?;
        verify_patch(&patch, patch_type, is_mutating)?;
    }
    let texts =
        |field: &str| response.list_at(&[field]).iter().map(|text| text.as_str().unwrap_or("").to_owned());
    let annotations = response.map_at(&["auditAnnotations"]).into_iter().flat_map(Map::iter);
    let patch_type = match version {
        ReviewVersion::V1 => patch_type.and_then(Value::as_str).unwrap_or("").to_owned(),
        ReviewVersion::V1beta1 if patch.is_empty() => String::new(),
        ReviewVersion::V1beta1 => "JSONPatch".to_owned(),
    };
    Ok(AdmissionResponse {
        is_allowed: response.bool_at(&["allowed"]),
        annotations: annotations
            .map(|(key, value)| (key.to_owned(), value.as_str().unwrap_or("").to_owned()))
            .collect(),
        warnings: texts("warnings").collect(),
        patch: if is_mutating { patch } else { Vec::new() },
        patch_type,
        status: response.get("status").cloned().unwrap_or_default(),
    })
}

fn verify_kind(document: &Value) -> Result<(), String> {
    let (api_version, kind) = (document.str_at(&["apiVersion"]), document.str_at(&["kind"]));
    if (api_version, kind) == (ReviewVersion::V1.api_version(), "AdmissionReview") {
        return Ok(());
    }
    let shown = if api_version.is_empty() { "/" } else { api_version };
    Err(format!(
        "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {shown}, Kind={kind}"
    ))
}

fn verify_patch(patch: &[u8], patch_type: Option<&Value>, is_mutating: bool) -> Result<(), String> {
    let why = match (is_mutating, patch.is_empty(), patch_type) {
        (true, false, None) => "webhook returned response.patch but not response.patchType",
        (true, true, Some(_)) => "webhook returned response.patchType but not response.patch",
        (true, _, Some(given)) if given.as_str() == Some("") => {
            return Err(String::from("webhook returned invalid response.patchType of \"\""));
        }
        (false, false, _) => "validating webhook may not return response.patch",
        (false, true, Some(_)) => "validating webhook may not return response.patchType",
        (true, _, _) | (false, true, None) => return Ok(()),
    };
    Err(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "u1";

    fn read(body: &str, is_mutating: bool) -> Result<AdmissionResponse, String> {
        let document = decode(body.as_bytes(), ReviewVersion::V1)?;
        verify(&document, ReviewVersion::V1, UID, is_mutating)
    }

    fn review(response: &str) -> String {
        format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{response}}}"#)
    }

    #[test]
    fn patches_are_read_in_base64_and_as_numbers() {
        for patch in [r#""W10=""#, "[91,93]"] {
            let body =
                review(&format!(r#"{{"uid":"u1","allowed":true,"patchType":"JSONPatch","patch":{patch}}}"#));
            assert_eq!(read(&body, true).map(|read| read.patch), Ok(b"[]".to_vec()), "{patch}");
            let why = "validating webhook may not return response.patch";
            assert_eq!(read(&body, false).map(drop), Err(why.into()));
        }
    }

    #[test]
    fn what_is_no_answer_is_refused_in_upstreams_words() {
        let response = |fields: &str| review(&format!(r#"{{"uid":"u1",{fields}}}"#));
        let field = |what: &str| format!("json: cannot unmarshal {what}");
        let of = "into Go struct field AdmissionResponse.response";
        for (body, why) in [
            (review("null"), "webhook response was absent".to_owned()),
            (review(r#"{"uid":"x"}"#), r#"expected response.uid="u1", got "x""#.to_owned()),
            (response(r#""allowed":"yes""#), field(&format!("string {of}.allowed of type bool"))),
            (response(r#""patch":[300]"#), field(&format!("number 300 {of}.patch of type uint8"))),
            (response(r#""patch":"*""#), "illegal base64 data at input byte 0".to_owned()),
            (response(r#""warnings":[1]"#), field(&format!("number {of}.warnings of type string"))),
            (
                response(r#""status":{"code":"x"}"#),
                "json: cannot unmarshal string into Go struct field Status.response.status.code of type int32".into(),
            ),
            (
                "[]".to_owned(),
                "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type \
                 struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
                 \"json:\\\"kind,omitempty\\\"\" }"
                    .to_owned(),
            ),
            (
                r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#.to_owned(),
                "converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion".to_owned(),
            ),
        ] {
            assert_eq!(read(&body, true).map(drop), Err(why), "{body}");
        }
    }
}
