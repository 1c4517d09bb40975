//! Cuts messages down to wanted fields; the others are never decoded.
//!
//! ```text
//! paths:  spec.nodeName, status
//! Pod{metadata(1) spec(3){containers(2)… nodeName(10)} status(4){…}}  ->  Pod{spec(3){nodeName(10)} status(4){…}}
//! ```

use super::DecodeError;
use crate::model::{Schema, Shape, TypeId};
use pintle_object::wire::{Payload, WireError, WireReader, write_bytes};

/// The picked fields, by their numbers, and the picked fields inside them; without any inside, the whole field is
/// picked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    fields: Vec<(u32, Pick)>,
}

impl Pick {
    /// Picks the values at these paths of a type, through lists. Of a path that the type does not have, as far
    /// as it has it.
    pub fn new<'a, S>(schema: &Schema, ty: TypeId, paths: impl IntoIterator<Item = &'a [S]>) -> Pick
    where
        S: AsRef<str> + 'a,
    {
        let mut pick = Pick::default();
        let mut whole = false;
        for path in paths {
            whole |= !pick.add(schema, ty, path);
        }
        if whole { Pick::default() } else { pick }
    }

    /// False when this level has to stay whole.
    fn add<S: AsRef<str>>(&mut self, schema: &Schema, ty: TypeId, path: &[S]) -> bool {
        let Some((step, rest)) = path.split_first() else { return false };
        let ty = match schema.shape(ty) {
            Shape::List(list) => list.item,
            _ => ty,
        };
        let Shape::Struct(inner) = schema.shape(ty) else { return false };
        let Some(field) = inner.field(step.as_ref()) else { return false };
        let [number] = *field.tags else { return false };
        if number == 0 {
            return false;
        }
        let place = self.fields.iter().position(|(known, _)| *known == number);
        let is_new = place.is_none();
        if is_new {
            self.fields.push((number, Pick::default()));
        }
        let place = place.unwrap_or(self.fields.len() - 1);
        let Some((_, below)) = self.fields.get_mut(place) else { return false };
        // A field that is picked as a whole stays so.
        if (is_new || !below.fields.is_empty()) && !below.add(schema, field.ty, rest) {
            below.fields.clear();
        }
        true
    }

    /// The message reduced to the picked fields, unchanged.
    pub fn cut(&self, message: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::with_capacity(256);
        self.write(message, &mut out).map_err(|error| DecodeError(error.to_string()))?;
        Ok(out)
    }

    fn write(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        let mut reader = WireReader::new(message);
        loop {
            let before = reader.rest();
            let Some((number, payload)) = reader.next_field()? else { return Ok(()) };
            let Some((_, below)) = self.fields.iter().find(|(known, _)| *known == number) else { continue };
            match payload {
                Payload::Bytes(inner) if !below.fields.is_empty() => {
                    let mut cut = Vec::with_capacity(inner.len().min(256));
                    below.write(inner, &mut cut)?;
                    write_bytes(out, number, &cut);
                }
                _ => {
                    let (field, _) = before.split_at(before.len() - reader.rest().len());
                    out.extend_from_slice(field);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{builtin, decode, encode};
    use pintle_object::{GroupVersionKind, json};

    #[test]
    fn what_was_picked_is_decoded_as_if_all_was_there() {
        let api = builtin();
        let ty = api.kind(&GroupVersionKind::new("", "v1", "Pod")).unwrap();
        let pod = br#"{"metadata":{"name":"a","labels":{"x":"y"}},"spec":{"nodeName":"n","hostNetwork":true,
            "containers":[{"name":"c","image":"i","env":[{"name":"e","value":"v"}]},{"name":"d"}]},
            "status":{"phase":"Running","podIPs":[{"ip":"1.2.3.4"}]}}"#;
        let tree = decode::json::decode(&api.schema, ty, pod).unwrap().value;
        let mut message = Vec::new();
        encode::protobuf::encode(&api.schema, ty, &tree, &mut message);
        let check = |paths: &[&[&'static str]], expected: &[u8]| {
            let pick = Pick::new(&api.schema, ty, paths.iter().copied());
            let expected = decode::json::decode(&api.schema, ty, expected).unwrap().value;
            let mut whole = Vec::new();
            encode::protobuf::encode(&api.schema, ty, &expected, &mut whole);
            let cut = pick.cut(&message).unwrap();
            let found = decode::protobuf::decode(&api.schema, ty, &cut).unwrap();
            let expected = decode::protobuf::decode(&api.schema, ty, &whole).unwrap();
            for path in paths.iter().filter(|path| !path.contains(&"env")) {
                assert_eq!(found.at(path), expected.at(path), "{path:?}");
            }
            assert!(cut.len() < message.len());
            found
        };
        let found = check(&[&["spec", "nodeName"], &["status", "phase"]], pod);
        assert_eq!(found.str_at(&["spec", "nodeName"]), "n");
        assert!(found.list_at(&["spec", "containers"]).is_empty());
        // The parent of an unknown field is picked as a whole.
        let found = check(&[&["status", "nothing"]], pod);
        assert_eq!(json::to_string(found.at(&["status", "podIPs"]).unwrap()), r#"[{"ip":"1.2.3.4"}]"#);
        let found = check(&[&["status"], &["status", "phase"], &["spec", "containers", "env", "name"]], pod);
        assert_eq!(found.list_at(&["status", "podIPs"]).len(), 1);
        let containers = found.list_at(&["spec", "containers"]);
        assert_eq!(containers.len(), 2);
        assert_eq!(containers[0].str_at(&["name"]), "");
        assert_eq!(containers[0].list_at(&["env"])[0].str_at(&["name"]), "e");
    }
}
