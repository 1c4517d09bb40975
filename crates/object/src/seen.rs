//! `Seen`: texts and values that were there before, so that repetitions in long lists are found fast.

use crate::value::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// A set of earlier items.
#[derive(Clone, Debug)]
pub struct Seen<T>(BTreeSet<T>);

impl<T: Ord> Default for Seen<T> {
    fn default() -> Self {
        Seen(BTreeSet::new())
    }
}

impl<T: Ord> Seen<T> {
    pub fn new() -> Self {
        Seen::default()
    }

    pub fn contains(&self, one: &T) -> bool {
        self.0.contains(one)
    }

    pub fn push(&mut self, one: T) {
        self.0.insert(one);
    }

    /// Adds one; true if it was there already.
    pub fn again(&mut self, one: T) -> bool {
        !self.0.insert(one)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Ord> FromIterator<T> for Seen<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        Seen(all.into_iter().collect())
    }
}

/// For each item whether it repeats an earlier one.
pub fn repeats<T: Ord>(all: impl IntoIterator<Item = T>) -> Vec<bool> {
    let mut seen = Seen::new();
    all.into_iter().map(|one| seen.again(one)).collect()
}

/// A value that can be looked for: values that are equal are in order, and no others.
#[derive(Clone, Copy, Debug)]
pub struct ByValue<'a>(pub &'a Value);

impl PartialEq for ByValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByValue<'_> {}

impl PartialOrd for ByValue<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByValue<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::List(a), Value::List(b)) => a.iter().map(ByValue).cmp(b.iter().map(ByValue)),
            (Value::Map(a), Value::Map(b)) => {
                let by_value = |(key, value)| (key, ByValue(value));
                a.iter().map(by_value).cmp(b.iter().map(by_value))
            }
            (Value::Raw(a), Value::Raw(b)) => a.0.cmp(&b.0),
            (a, b) => rank(a).cmp(&rank(b)),
        }
    }
}

/// A [`ByValue`] that owns its value.
#[derive(Clone, Debug)]
pub struct Keyed(pub Value);

impl PartialEq for Keyed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Keyed {}

impl PartialOrd for Keyed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyed {
    fn cmp(&self, other: &Self) -> Ordering {
        ByValue(&self.0).cmp(&ByValue(&other.0))
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) => 2,
        Value::Float(_) => 3,
        Value::Text(_) => 4,
        Value::List(_) => 5,
        Value::Map(_) => 6,
        Value::Raw(_) => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn repetitions_are_found() {
        assert_eq!(repeats(["a", "b", "a", "a"]), [false, false, true, true]);
        let list = json::parse(br#"[{"a":1},{"a":1.5},{"a":1},null,[1],[1],[2],{"b":1}]"#).unwrap();
        let found = repeats(list.as_list().unwrap().iter().map(ByValue));
        assert_eq!(found, [false, false, true, false, false, true, false, false]);
    }
}
