//! Lists and watch events, built around items that are encoded already.

use super::protobuf::{envelope_start, envelope_tail};
use super::splice::{Places, field_len};
use pintle_object::json::{write_int, write_string};
use pintle_object::wire::{write_bytes, write_number, write_varint};

/// The number of `items` in every list.
const ITEMS: u32 = 2;

/// metav1.ListMeta.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListMeta<'a> {
    pub resource_version: &'a str,
    /// The token of the next page; empty on the last one.
    pub continue_token: &'a str,
    pub remaining: Option<i64>,
}

/// A list's document up to its items, which take `items_len` bytes, and then `protobuf_tail`.
pub fn protobuf_head(api_version: &str, kind: &str, meta: &ListMeta<'_>, items_len: usize) -> Vec<u8> {
    let mut fields = Vec::with_capacity(64);
    write_bytes(&mut fields, 1, b"");
    write_bytes(&mut fields, 2, meta.resource_version.as_bytes());
    write_bytes(&mut fields, 3, meta.continue_token.as_bytes());
    if let Some(remaining) = meta.remaining {
        write_number(&mut fields, 4, remaining as u64);
    }
    let mut head = Vec::with_capacity(fields.len() + 8);
    write_bytes(&mut head, 1, &fields);
    let mut out = Vec::with_capacity(128);
    envelope_start(api_version, kind, head.len() + items_len, &mut out);
    out.extend_from_slice(&head);
    out
}

pub fn protobuf_tail() -> Vec<u8> {
    let mut out = Vec::with_capacity(4);
    envelope_tail(&mut out);
    out
}

/// The bytes that a list's item takes whose message has this length.
pub fn item_len(len: usize) -> usize {
    field_len(len)
}

/// Writes an item of a list.
pub fn append_item(message: &[u8], out: &mut Vec<u8>) {
    write_bytes(out, ITEMS, message);
}

/// Writes an item of a list with its resourceVersion, from the document that its places are of.
pub fn append_spliced(places: &Places, document: &[u8], version: &str, out: &mut Vec<u8>) {
    out.push((ITEMS << 3 | 2) as u8);
    write_varint(out, places.len(version.len()) as u64);
    places.write(document, version, out);
}

/// `{"kind":"PodList","apiVersion":"v1","metadata":{…},"items":[`: items follow, parted by commas, and then `]}`.
pub fn json_head(api_version: &str, kind: &str, meta: &ListMeta<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"kind\":");
    write_string(out, kind);
    out.extend_from_slice(b",\"apiVersion\":");
    write_string(out, api_version);
    out.extend_from_slice(b",\"metadata\":");
    json_meta(meta, out);
    out.extend_from_slice(b",\"items\":[");
}

fn json_meta(meta: &ListMeta<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (name, text) in [("resourceVersion", meta.resource_version), ("continue", meta.continue_token)] {
        if text.is_empty() {
            continue;
        }
        comma(out);
        write_string(out, name);
        out.push(b':');
        write_string(out, text);
    }
    if let Some(remaining) = meta.remaining {
        comma(out);
        out.extend_from_slice(b"\"remainingItemCount\":");
        write_int(out, remaining);
    }
    out.push(b'}');
}

fn comma(out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
}

/// One frame of a protobuf watch: its length in four bytes, and a WatchEvent that holds the object's document.
///
/// `kind` is `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
pub fn watch_frame(kind: &str, document: &[u8]) -> Vec<u8> {
    let raw_len = field_len(document.len());
    let len = field_len(kind.len()) + field_len(raw_len);
    let mut out = Vec::with_capacity(len + 4);
    out.extend_from_slice(&(len as u32).to_be_bytes());
    write_bytes(&mut out, 1, kind.as_bytes());
    out.push(2 << 3 | 2);
    write_varint(&mut out, raw_len as u64);
    write_bytes(&mut out, 1, document);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use crate::encode::splice::Part;
    use crate::{builtin, encode};
    use pintle_object::{GroupVersionKind, json};

    #[test]
    fn a_list_of_encoded_items_is_one_encoded_whole() {
        let api = builtin();
        let ty = |kind: &str| api.kind(&GroupVersionKind::new("", "v1", kind)).unwrap();
        let mut list = json::parse(
            br#"{"metadata":{"resourceVersion":"9","continue":"c","remainingItemCount":3},
                "items":[{"metadata":{"name":"a","resourceVersion":"5"},"data":{"k":"v"}},
                         {"metadata":{"name":"b","resourceVersion":"5"}}]}"#,
        )
        .unwrap();
        list = decode::json::normalise(&api.schema, ty("ConfigMapList"), &list).unwrap().value;
        let messages: Vec<Vec<u8>> = list
            .list_at(&["items"])
            .iter()
            .map(|item| {
                let mut out = Vec::new();
                encode::protobuf::encode(&api.schema, ty("ConfigMap"), item, &mut out);
                out
            })
            .collect();
        let mut items = Vec::new();
        for message in &messages {
            let document = encode::protobuf::envelope("v1", "ConfigMap", message);
            let places = Places::find(&document, Part::Whole).unwrap();
            append_spliced(&places, &document, "5", &mut items);
        }
        let meta = ListMeta { resource_version: "9", continue_token: "c", remaining: Some(3) };
        let head = protobuf_head("v1", "ConfigMapList", &meta, items.len());
        let built = [head, items, protobuf_tail()].concat();
        let whole =
            encode::protobuf::document(&api.schema, ty("ConfigMapList"), "v1", "ConfigMapList", &list);
        assert_eq!(built, whole);
    }

    #[test]
    fn a_json_list_begins_as_upstreams() {
        let cases = [
            (ListMeta::default(), "{}"),
            (ListMeta { resource_version: "1", ..ListMeta::default() }, r#"{"resourceVersion":"1"}"#),
            (
                ListMeta { resource_version: "1", continue_token: "x", remaining: Some(2) },
                r#"{"resourceVersion":"1","continue":"x","remainingItemCount":2}"#,
            ),
        ];
        for (meta, expected) in cases {
            let mut out = Vec::new();
            json_head("v1", "PodList", &meta, &mut out);
            let expected = format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{expected},"items":["#);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_watch_frame_holds_the_document() {
        let api = builtin();
        let ty = api.kind(&GroupVersionKind::new("", "v1", "WatchEvent")).unwrap();
        for len in [0_usize, 5, 118, 119, 120, 127, 128, 20_000] {
            let document = format!("\"{}\"", "x".repeat(len));
            let frame = watch_frame("ADDED", document.as_bytes());
            let (head, event) = frame.split_at(4);
            assert_eq!(head, (event.len() as u32).to_be_bytes());
            let tree = decode::protobuf::decode(&api.schema, ty, event).unwrap();
            assert_eq!(tree.str_at(&["type"]), "ADDED");
            assert_eq!(json::to_string(tree.get("object").unwrap()), document);
        }
    }
}
