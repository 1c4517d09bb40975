//! Empty lists and maps of a document. The tree leaves most of them out, as output does, but messages distinguish `[]`
//! and `{}` from absent fields.

use super::context::At;
use pintle_object::{Map, Text, Value};

/// A list or a map that was given empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Empty {
    is_list: bool,
    /// Names of fields, keys, and indices in digits, from the root.
    steps: Vec<Text>,
}

impl Empty {
    pub(super) fn list(at: &At<'_>) -> Empty {
        Empty { is_list: true, steps: at.steps() }
    }

    pub(super) fn map(at: &At<'_>) -> Empty {
        Empty { is_list: false, steps: at.steps() }
    }

    /// Puts it back into a tree, unless there is another value or its parent is gone.
    pub fn put_back(&self, tree: &mut Value) {
        if let Some((map, key)) = self.place(tree)
            && map.get(key).is_none_or(Value::is_null)
        {
            map.insert(key.clone(), self.value());
        }
    }

    /// Puts it where there is nothing, not even null; false where there is.
    pub fn put_in(&self, tree: &mut Value) -> bool {
        match self.place(tree) {
            Some((map, key)) if !map.contains(key) => map.insert(key.clone(), self.value()).is_none(),
            _ => false,
        }
    }

    /// Takes it out again if it is still empty.
    pub fn take_out(&self, tree: &mut Value) {
        if let Some((map, key)) = self.place(tree)
            && map.get(key) == Some(&self.value())
        {
            map.remove(key);
        }
    }

    fn value(&self) -> Value {
        if self.is_list { Value::List(Vec::new()) } else { Value::Map(Map::new()) }
    }

    /// The map that it is in, and its key.
    fn place<'t>(&self, tree: &'t mut Value) -> Option<(&'t mut Map, &Text)> {
        let (last, outer) = self.steps.split_last()?;
        let mut place = tree;
        for step in outer {
            place = match place {
                Value::Map(map) => map.get_mut(step)?,
                Value::List(items) => items.get_mut(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some((place.as_map_mut()?, last))
    }
}

#[cfg(test)]
mod tests {
    use crate::builtin::builtin;
    use crate::decode;
    use pintle_object::{GroupVersionKind, json};

    #[test]
    fn what_was_given_empty_can_be_told_from_what_was_not() {
        let api = builtin();
        let ty = api.kind(&GroupVersionKind::new("", "v1", "LimitRange")).unwrap();
        let document = r#"{"spec":{"limits":[{"type":"Pod"},{"type":"Container","max":{},"min":null}]}}"#;
        let decoded = decode::json::decode(&api.schema, ty, document.as_bytes()).unwrap();
        let mut tree = decoded.value;
        assert!(!json::to_string(&tree).contains("max"));
        assert_eq!(decoded.empties.len(), 1);
        decoded.empties.iter().for_each(|empty| empty.put_back(&mut tree));
        let spec = json::to_string(tree.get("spec").unwrap());
        assert_eq!(spec, r#"{"limits":[{"type":"Pod"},{"max":{},"type":"Container"}]}"#);
        decoded.empties.iter().for_each(|empty| empty.take_out(&mut tree));
        assert!(!json::to_string(&tree).contains("max"));
        assert!(decoded.empties.iter().all(|empty| empty.put_in(&mut tree) && !empty.put_in(&mut tree)));
    }
}
