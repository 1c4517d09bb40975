//! Values of expressions as trees, for writing them to objects.

use crate::value::as_text;
use crate::value::{Error, Key, Outcome, Value};
use pintle_object::{Map, Text, Value as Tree, bytes};

/// The depth of nested lists and maps: that of objects.
const DEPTH_MAX: usize = 512;
/// The number of values in a tree: more than any object that can be stored. It stops values whose few shared parts
/// would grow into a huge tree.
const VALUES_MAX: usize = 1_000_000;

/// A value as JSON.
pub fn tree(found: &Outcome<'_>) -> Result<Tree, Error> {
    let mut left = VALUES_MAX;
    found.as_ref().map_err(Clone::clone).and_then(|value| of(value, DEPTH_MAX, &mut left))
}

fn of(value: &Value<'_>, depth: usize, left: &mut usize) -> Result<Tree, Error> {
    let (Some(depth), Some(rest)) = (depth.checked_sub(1), left.checked_sub(1)) else {
        return Err(Error::new("the value is too large for an object"));
    };
    *left = rest;
    Ok(match value {
        Value::Null | Value::Optional(None) => Tree::Null,
        Value::Bool(it) => Tree::Bool(*it),
        Value::Int(it) => Tree::Int(*it),
        Value::Uint(it) => i64::try_from(*it).map_or(Tree::Float(*it as f64), Tree::Int),
        Value::Double(it) => Tree::Float(*it),
        Value::Text(text) => Tree::Text(Text::from(&**text)),
        Value::Bytes(of) => Tree::Text(Text::from(bytes::encode(of).as_str())),
        Value::Optional(Some(inner)) => of_inner(inner, depth, left)?,
        Value::List(list) => {
            let items = list.items()?;
            let items: Result<Vec<Tree>, Error> = items.iter().map(|item| of(item, depth, left)).collect();
            Tree::List(items?)
        }
        Value::Map(map) => {
            let mut found = Map::new();
            for (key, value) in map.entries() {
                let value = of(&value?, depth, left)?;
                found.insert(&name(&key)?, value);
            }
            Tree::Map(found)
        }
        other => match as_text(other) {
            Some(text) => Tree::Text(Text::from(&*text)),
            None => {
                return Err(Error::new(format!(
                    "type conversion error from '{}' to JSON",
                    &*other.type_name()
                )));
            }
        },
    })
}

fn of_inner(value: &Value<'_>, depth: usize, left: &mut usize) -> Result<Tree, Error> {
    of(value, depth, left)
}

/// The name of an entry.
fn name(key: &Value<'_>) -> Result<String, Error> {
    match Key::of(key) {
        Some(Key::Text(text)) => Ok(text.to_string()),
        Some(Key::Int(number)) => Ok(number.to_string()),
        Some(Key::Uint(number)) => Ok(number.to_string()),
        Some(Key::Bool(it)) => Ok(it.to_string()),
        None => Err(Error::new("unsupported key type")),
    }
}
