//! Answers in audit events: the kinds of answers that are objects, their JSON, and the fields of a Status.

use crate::negotiate;
use crate::request::Request;
use crate::response::Response;
use bytes::Bytes;
use pintle_audit::ResponseStatus;
use pintle_object::json::{self, JsonKind, JsonReader};
use pintle_object::status::Cause;
use pintle_object::{Details, GroupVersion, Value, yaml};
use pintle_schema::{Builtin, decode, encode};

/// The encoding of an answer that is an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFormat {
    Json,
    Yaml,
    Protobuf,
}

/// The encoding of an answer that was negotiated; none of others, which upstream writes without recording them: pages,
/// and errors for clients that accept nothing that there is.
pub fn is_negotiated(request: &Request, response: &Response) -> Option<ResponseFormat> {
    let media_type = response.header("content-type")?;
    let format = match media_type.split(';').next()? {
        "application/json" => ResponseFormat::Json,
        "application/yaml" => ResponseFormat::Yaml,
        "application/vnd.kubernetes.protobuf" => ResponseFormat::Protobuf,
        _ => return None,
    };
    (response.status < 400 || negotiate::plain(request).is_some()).then_some(format)
}

/// The JSON of an object in any encoding, without its managed fields where they are not wanted.
pub fn recorded(
    api: &Builtin,
    format: ResponseFormat,
    body: Bytes,
    omits_managed_fields: bool,
) -> Option<Bytes> {
    let json = match format {
        ResponseFormat::Json if is_pretty(&body) => Bytes::from(json::compact(&body)),
        ResponseFormat::Json => body,
        ResponseFormat::Yaml | ResponseFormat::Protobuf => {
            Bytes::from(shown(api, &tree(api, format, &body)?))
        }
    };
    if omits_managed_fields { without_managed_fields(&json) } else { Some(json) }
}

/// The fields of an answer that is a Status.
pub fn status_of(api: &Builtin, format: ResponseFormat, body: &[u8]) -> Option<ResponseStatus> {
    if !may_be_status(format, body) {
        return None;
    }
    let tree = tree(api, format, body)?;
    if (tree.str_at(&["kind"]), tree.str_at(&["apiVersion"])) != ("Status", "v1") {
        return None;
    }
    let status = match tree.str_at(&["status"]) {
        "Success" => "Success",
        "Failure" => "Failure",
        _ => "",
    };
    Some(ResponseStatus {
        status,
        message: tree.str_at(&["message"]).into(),
        reason: tree.str_at(&["reason"]).into(),
        details: tree.get("details").filter(|details| !details.is_null()).map(|it| Box::new(details(it))),
        code: u16::try_from(tree.int_at(&["code"]).unwrap_or(0)).unwrap_or(0),
    })
}

fn details(details: &Value) -> Details {
    let text = |of: &Value, field: &str| of.str_at(&[field]).to_string();
    let cause = |cause: &Value| Cause {
        reason: text(cause, "reason"),
        message: text(cause, "message"),
        field: text(cause, "field"),
    };
    Details {
        name: text(details, "name"),
        group: text(details, "group"),
        kind: text(details, "kind"),
        uid: text(details, "uid"),
        causes: details.list_at(&["causes"]).iter().map(cause).collect(),
        retry_after_seconds: u32::try_from(details.int_at(&["retryAfterSeconds"]).unwrap_or(0)).unwrap_or(0),
    }
}

/// Checks the first bytes, so that objects of other kinds are not parsed.
fn may_be_status(format: ResponseFormat, body: &[u8]) -> bool {
    const LOOK: usize = 64;
    let head = body.get(..LOOK.min(body.len())).unwrap_or_default();
    // A search for words would cost more to prepare than so few bytes cost to look at.
    let begins = |bytes: &[u8]| {
        memchr::memchr_iter(b'S', bytes)
            .any(|at| bytes.get(at..).is_some_and(|rest| rest.starts_with(b"Status")))
    };
    match format {
        ResponseFormat::Json | ResponseFormat::Protobuf => begins(head),
        // YAML has its keys in alphabetical order, so the kind may come late.
        ResponseFormat::Yaml => memchr::memmem::find(body, b"kind: Status").is_some(),
    }
}

fn is_pretty(body: &[u8]) -> bool {
    body.starts_with(b"{\n")
}

/// An object as a tree, with kind and apiVersion.
fn tree(api: &Builtin, format: ResponseFormat, body: &[u8]) -> Option<Value> {
    match format {
        ResponseFormat::Json => json::parse(body).ok(),
        ResponseFormat::Yaml => yaml::parse(body).ok().map(|document| document.value),
        ResponseFormat::Protobuf => {
            let envelope = decode::protobuf::envelope(body).ok()?;
            let kind = GroupVersion::parse(envelope.api_version)?.with_kind(envelope.kind);
            let mut tree = decode::protobuf::decode(&api.schema, api.kind(&kind)?, envelope.raw).ok()?;
            tree.set(&["kind"], envelope.kind);
            tree.set(&["apiVersion"], envelope.api_version);
            // The encoding does not distinguish an empty list from a missing one, and lists always have one.
            if envelope.kind.ends_with("List") && tree.list_at(&["items"]).is_empty() {
                tree.set(&["items"], Vec::<Value>::new());
            }
            Some(tree)
        }
    }
}

/// The JSON of a tree, in the order of its type's fields where it has one.
fn shown(api: &Builtin, tree: &Value) -> Vec<u8> {
    let (version, name) = (tree.str_at(&["apiVersion"]), tree.str_at(&["kind"]));
    let kind = GroupVersion::parse(version).map(|version| version.with_kind(name));
    let Some(ty) = kind.and_then(|kind| api.kind(&kind)) else {
        return json::to_string(tree).into_bytes();
    };
    let text = json::to_string(tree);
    let Ok(decoded) = decode::json::decode(&api.schema, ty, text.as_bytes()) else {
        return text.into_bytes();
    };
    let mut typed = decoded.value;
    typed.set(&["kind"], name);
    typed.set(&["apiVersion"], version);
    let mut out = Vec::with_capacity(text.len());
    encode::json::encode(&api.schema, ty, &typed, &mut out);
    out
}

/// A document without the managed fields of its object, of its items, or of the objects of its rows.
fn without_managed_fields(document: &[u8]) -> Option<Bytes> {
    let mut reader = JsonReader::new(document).ok()?;
    let mut out = Vec::with_capacity(document.len());
    write_object(&mut reader, &mut out);
    Some(out.into())
}

/// Copies an object, or a list of them.
fn write_object(reader: &mut JsonReader<'_>, out: &mut Vec<u8>) {
    write_map(reader, out, &mut |name, reader, out| match name {
        "metadata" => write_map(reader, out, &mut |name, reader, out| match name {
            "managedFields" => false,
            _ => copy(reader, out),
        }),
        "items" => write_list(reader, out, &mut write_object),
        "rows" => write_list(reader, out, &mut |reader, out| {
            write_map(reader, out, &mut |name, reader, out| match name {
                "object" => {
                    write_object(reader, out);
                    true
                }
                _ => copy(reader, out),
            });
        }),
        _ => copy(reader, out),
    });
}

/// A part of the walk: writes a value, or leaves it and its name out.
type Part<'f> = dyn FnMut(&str, &mut JsonReader<'_>, &mut Vec<u8>) -> bool + 'f;

/// Copies a map whose values are written by name; other values are copied unchanged.
fn write_map(reader: &mut JsonReader<'_>, out: &mut Vec<u8>, part: &mut Part<'_>) -> bool {
    if reader.kind() != JsonKind::Map {
        return copy(reader, out);
    }
    reader.begin_map();
    out.push(b'{');
    let begin = out.len();
    while let Some(name) = reader.next_name() {
        let before = out.len();
        if before > begin {
            out.push(b',');
        }
        json::write_string(out, &name);
        out.push(b':');
        if !part(&name, reader, out) {
            out.truncate(before);
            reader.skip();
        }
    }
    out.push(b'}');
    true
}

fn write_list(
    reader: &mut JsonReader<'_>,
    out: &mut Vec<u8>,
    item: &mut dyn FnMut(&mut JsonReader<'_>, &mut Vec<u8>),
) -> bool {
    if reader.kind() != JsonKind::List {
        return copy(reader, out);
    }
    reader.begin_list();
    out.push(b'[');
    let begin = out.len();
    while reader.next_item() {
        if out.len() > begin {
            out.push(b',');
        }
        item(reader, out);
    }
    out.push(b']');
    true
}

fn copy(reader: &mut JsonReader<'_>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(reader.skip());
    true
}
