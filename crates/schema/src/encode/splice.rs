//! Puts a resourceVersion into an encoded protobuf object, without decoding it.
//!
//! ```text
//! stored:  k8s\0 Unknown{typeMeta, raw: Pod{metadata(1): ObjectMeta{name(1) … resourceVersion(6): ""} …}}
//! served:  the same with resourceVersion(6): "42", and the three lengths around it corrected
//! ```

use super::protobuf::envelope_head;
use crate::decode::DecodeError;
use crate::decode::protobuf::{Envelope, envelope};
use pintle_object::wire::{WireError, WireReader, write_bytes, write_varint};

/// The number of `metadata` in every object, and of `resourceVersion` in ObjectMeta.
const METADATA: u32 = 1;
const RESOURCE_VERSION: u32 = 6;

/// An object's message with another resourceVersion: four pieces that follow each other.
#[derive(Clone, Debug)]
pub struct Spliced<'a> {
    /// The tag and the new length of metadata.
    head: Vec<u8>,
    /// ObjectMeta's fields before resourceVersion.
    before: &'a [u8],
    version: Vec<u8>,
    /// The rest of ObjectMeta, and of the object.
    after: [&'a [u8]; 2],
}

impl<'a> Spliced<'a> {
    /// Finds the places in the message of an object; `version` is the resourceVersion's text.
    pub fn new(message: &'a [u8], version: &str) -> Result<Spliced<'a>, DecodeError> {
        Spliced::find(message, version).map_err(|error| DecodeError(error.to_string()))
    }

    fn find(message: &'a [u8], version: &str) -> Result<Spliced<'a>, WireError> {
        // An object without metadata gets one.
        let (metadata, rest) = parts(message)?;
        let (before, after) = around_version(metadata)?;
        let mut field = Vec::with_capacity(version.len() + 2);
        write_bytes(&mut field, RESOURCE_VERSION, version.as_bytes());
        let mut head = Vec::with_capacity(5);
        write_varint(&mut head, u64::from(METADATA) << 3 | 2);
        write_varint(&mut head, (before.len() + field.len() + after.len()) as u64);
        Ok(Spliced { head, before, version: field, after: [after, rest] })
    }

    pub fn len(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        self.pieces().for_each(|piece| out.extend_from_slice(piece));
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        [self.head.as_slice(), self.before, &self.version].into_iter().chain(self.after)
    }
}

/// The places of an object's pieces in its stored document: found once, and then copied from there.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// ObjectMeta's fields before resourceVersion, and those after it.
    before: (u32, u32),
    after: (u32, u32),
    /// The end of the object; it goes on where ObjectMeta ends.
    end: u32,
}

impl Places {
    /// The places in a document with its envelope.
    pub fn find(document: &[u8], with: Part) -> Result<Places, DecodeError> {
        let failed = |error: WireError| DecodeError(error.to_string());
        let raw = envelope(document)?.raw;
        let (metadata, rest) = parts(raw).map_err(failed)?;
        let (before, after) = around_version(metadata).map_err(failed)?;
        // The end of a piece follows from the rest after it in the piece around it.
        let raw_end = range_end(document, raw);
        let metadata_end = raw_end - rest.len();
        let begin = metadata_end - metadata.len();
        let place = |place: usize| u32::try_from(place).map_err(|_| failed(WireError::InvalidLength));
        Ok(Places {
            before: (place(begin)?, place(begin + before.len())?),
            after: (place(metadata_end - after.len())?, place(metadata_end)?),
            end: place(match with {
                Part::Whole => raw_end,
                Part::Metadata => metadata_end,
            })?,
        })
    }

    fn metadata_len(&self, version_len: usize) -> usize {
        let span = |(begin, end): (u32, u32)| (end - begin) as usize;
        span(self.before) + field_len(version_len) + span(self.after)
    }

    /// The length of the message with a resourceVersion of this length.
    pub fn len(&self, version_len: usize) -> usize {
        field_len(self.metadata_len(version_len)) + (self.end - self.after.1) as usize
    }

    /// Writes the message with a resourceVersion; the document is the one that the places are of.
    pub fn write(&self, document: &[u8], version: &str, out: &mut Vec<u8>) {
        let bytes = |begin: u32, end: u32| document.get(begin as usize..end as usize).unwrap_or(&[]);
        out.push((METADATA << 3 | 2) as u8);
        write_varint(out, self.metadata_len(version.len()) as u64);
        out.extend_from_slice(bytes(self.before.0, self.before.1));
        write_bytes(out, RESOURCE_VERSION, version.as_bytes());
        out.extend_from_slice(bytes(self.after.0, self.end));
    }
}

/// The part of an object that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Metadata,
}

/// The end of a part of a document in it.
fn range_end(document: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(document.as_ptr() as usize) + part.len()
}

/// The number of digits of a version.
pub fn digits(version: u64) -> usize {
    version.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// The bytes of a message that hold its metadata, with their tag and length.
pub fn metadata(message: &[u8]) -> &[u8] {
    match parts(message) {
        Ok((_, rest)) => message.get(..message.len() - rest.len()).unwrap_or(&[]),
        Err(_) => &[],
    }
}

/// The metadata of an object's message, and the rest after it; an object may have none.
fn parts(message: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let mut reader = WireReader::new(message);
    Ok(match reader.next_field()? {
        Some((METADATA, payload)) => (payload.bytes(METADATA)?, reader.rest()),
        _ => (&[][..], message),
    })
}

/// The bytes of a field below number 16 with its tag and its length.
pub(super) fn field_len(len: usize) -> usize {
    let bits = usize::BITS - (len | 1).leading_zeros();
    1 + bits.div_ceil(7) as usize + len
}

/// ObjectMeta's bytes before and after its resourceVersion; fields are in the order of their numbers.
fn around_version(metadata: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let mut reader = WireReader::new(metadata);
    let mut rest = reader.rest();
    while let Some((number, _)) = reader.next_field()? {
        if number >= RESOURCE_VERSION {
            let (before, _) = metadata.split_at(metadata.len() - rest.len());
            return Ok((before, if number == RESOURCE_VERSION { reader.rest() } else { rest }));
        }
        rest = reader.rest();
    }
    Ok((metadata, rest))
}

/// The document of an object with the given resourceVersion, from the stored document.
pub fn with_resource_version(document: &[u8], version: &str) -> Result<Vec<u8>, DecodeError> {
    let Envelope { api_version, kind, raw, .. } = envelope(document)?;
    let object = Spliced::new(raw, version)?;
    let mut out = envelope_head(api_version, kind, object.len());
    object.write(&mut out);
    super::protobuf::envelope_tail(&mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::encode::protobuf;
    use pintle_object::{GroupVersionKind, Value, json};

    #[test]
    fn a_spliced_object_is_one_encoded_with_the_version() {
        let api = builtin();
        let ty = api.kind(&GroupVersionKind::new("", "v1", "Secret")).unwrap();
        for document in [
            r#"{"metadata":{"name":"a","uid":"u"},"type":"Opaque"}"#,
            r#"{"metadata":{"name":"a","labels":{"x":"y"}},"data":{"k":"AA=="}}"#,
            r#"{"metadata":{}}"#,
        ] {
            let mut object = json::parse(document.as_bytes()).unwrap();
            let encode = |object: &Value| protobuf::document(&api.schema, ty, "v1", "Secret", object);
            for old in ["", "7", "123456789"] {
                object.set(&["metadata", "resourceVersion"], old);
                let stored = encode(&object);
                object.set(&["metadata", "resourceVersion"], "98765");
                assert_eq!(with_resource_version(&stored, "98765").unwrap(), encode(&object));
                let raw = envelope(&stored).unwrap().raw;
                for (part, message) in [(Part::Whole, raw), (Part::Metadata, metadata(raw))] {
                    let mut expected = Vec::new();
                    Spliced::new(message, "98765").unwrap().write(&mut expected);
                    let places = Places::find(&stored, part).unwrap();
                    let mut found = Vec::new();
                    places.write(&stored, "98765", &mut found);
                    assert_eq!(found, expected);
                    assert_eq!(places.len(digits(98765)), expected.len());
                }
                assert!(raw.starts_with(metadata(raw)) && !metadata(raw).is_empty());
            }
        }
    }

    #[test]
    fn garbage_is_refused() {
        for document in [&b""[..], b"k8s", b"{}", b"k8s\0\x12\x05\x0a\x09", b"k8s\0\x12\x02\x0a\x7f"] {
            assert!(with_resource_version(document, "1").is_err(), "{document:?}");
        }
    }
}
