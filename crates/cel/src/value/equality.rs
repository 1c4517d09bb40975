//! Equality and order of values.

use super::{CelMap, Error, List, Value};
use crate::decl::{ListKind, Shape, escape};
use std::cmp::Ordering;

/// Which of two values comes first, if they can be compared.
pub fn compared(a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, Error> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok((**a).cmp(&**b)),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Ok(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Ok(a.cmp(b)),
        _ => numbers(a, b).ok_or_else(Error::no_overload),
    }
}

pub fn number(of: &Value<'_>) -> Option<f64> {
    match of {
        Value::Int(it) => Some(*it as f64),
        Value::Uint(it) => Some(*it as f64),
        Value::Double(it) => Some(*it),
        _ => None,
    }
}

fn whole(of: &Value<'_>) -> Option<i128> {
    match of {
        Value::Int(it) => Some(i128::from(*it)),
        Value::Uint(it) => Some(i128::from(*it)),
        _ => None,
    }
}

/// Numbers of all types are on one line.
fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => number(a)?.partial_cmp(&number(b)?),
    }
}

/// Whether two values are the same. Values of different types are not, but for numbers.
pub fn equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) | (Value::Variables, Value::Variables) => true,
        (Value::List(a), Value::List(b)) => equal_lists(a, b),
        (Value::Map(a), Value::Map(b)) => equal_maps(a, b),
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => equal(a, b),
            (a, b) => a.is_none() && b.is_none(),
        },
        (Value::Type(a), Value::Type(b)) => **a == **b,
        (Value::Quantity(a), Value::Quantity(b)) => a == b,
        (Value::Ip(a), Value::Ip(b)) => a == b,
        (Value::Cidr(a, m), Value::Cidr(b, n)) => a == b && m == n,
        (Value::Url(a), Value::Url(b)) => a == b,
        (Value::Semver(a), Value::Semver(b)) => a.compared(b) == Ordering::Equal,
        (Value::Format(a), Value::Format(b)) => a == b,
        _ => compared(a, b).is_ok_and(|order| order == Ordering::Equal),
    }
}

fn equal_lists(a: &List<'_>, b: &List<'_>) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Ok(left), Ok(right)) = (a.items(), b.items()) else { return false };
    match a.kind() {
        Some(ListKind::Set) => {
            left.iter().all(|item| right.iter().any(|other| equal(item, other)))
                && right.iter().all(|item| left.iter().any(|other| equal(item, other)))
        }
        Some(ListKind::Map(keys)) => right.iter().all(|item| {
            left.iter().find(|other| has_same_keys(other, item, keys)).is_some_and(|other| equal(other, item))
        }),
        _ => left.iter().zip(right.iter()).all(|(a, b)| equal(a, b)),
    }
}

/// Whether two items have the same keys.
pub fn has_same_keys(a: &Value<'_>, b: &Value<'_>, keys: &[String]) -> bool {
    let (Value::Map(a), Value::Map(b)) = (a, b) else { return false };
    let field = |of: &CelMap<'_>, name: &str, other: &Value<'_>| match of.field(name) {
        Some(Ok(value)) => equal(&value, other),
        _ => false,
    };
    keys.iter().all(|key| {
        let name = escape(key).unwrap_or_else(|| key.clone());
        match a.field(&name) {
            Some(Ok(value)) => field(b, &name, &value),
            Some(Err(_)) => false,
            None => b.field(&name).is_none(),
        }
    })
}

fn equal_maps(a: &CelMap<'_>, b: &CelMap<'_>) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (CelMap::Tree(left, decl), CelMap::Tree(right, _)) = (a, b)
        && matches!(decl.shape, Shape::Object(_))
    {
        return left.iter().all(|(name, tree)| {
            let Some(other) = right.get(name) else { return false };
            match decl.property(name).map(|one| &one.decl) {
                Some(of) => match (Value::of_tree(tree, of), Value::of_tree(other, of)) {
                    (Ok(a), Ok(b)) => equal(&a, &b),
                    _ => tree == other,
                },
                None => tree == other,
            }
        });
    }
    a.entries().into_iter().all(|(key, value)| match (value, b.find(&key)) {
        (Ok(value), Some(Ok(other))) => equal(&value, &other),
        _ => false,
    })
}
