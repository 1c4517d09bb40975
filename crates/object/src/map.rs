//! `Map`: a map from text to values, sorted by key.

use crate::value::{Text, Value};
use std::cmp::Ordering;

/// A map sorted by key (bytewise), as Go sorts map keys in JSON.
///
/// A vector, not a tree: objects have few keys per level, and most inserts arrive in order. Beyond [`CHUNK_LEN_MAX`]
/// keys it is a vector of such vectors, so that an insert or a removal anywhere moves a bounded number of entries, in
/// any order of a client's keys.
#[derive(Clone, Debug)]
pub struct Map {
    entries: Entries,
}

type Entry = (Text, Value);

/// A key of two maps, and its value in the one and in the other.
pub type Joint<'a> = (&'a str, Option<&'a Value>, Option<&'a Value>);

#[derive(Clone, Debug)]
enum Entries {
    Few(Vec<Entry>),
    /// No chunk is empty or longer than [`CHUNK_LEN_MAX`], and keys ascend from each to the next.
    #[expect(clippy::box_collection, reason = "maps stay as small as a vector")]
    Many(Box<Vec<Vec<Entry>>>),
}

/// The most entries that one insert or removal moves.
const CHUNK_LEN_MAX: usize = 512;

/// So many keys are looked at one after the other, which takes less time than to halve them.
const SCANNED_MAX: usize = 10;

impl Default for Map {
    fn default() -> Map {
        Map::new()
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Map {
    pub const fn new() -> Map {
        Map { entries: Entries::Few(Vec::new()) }
    }

    pub fn with_capacity(capacity: usize) -> Map {
        Map { entries: Entries::Few(Vec::with_capacity(capacity.min(CHUNK_LEN_MAX))) }
    }

    /// A map from entries that are sorted by key already, each key once.
    pub fn from_sorted(entries: Vec<Entry>) -> Map {
        debug_assert!(entries.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a < b)), "not sorted");
        if entries.len() <= CHUNK_LEN_MAX {
            return Map { entries: Entries::Few(entries) };
        }
        let mut chunks = Vec::with_capacity(entries.len().div_ceil(CHUNK_LEN_MAX));
        let mut rest = entries.into_iter().peekable();
        while rest.peek().is_some() {
            chunks.push(rest.by_ref().take(CHUNK_LEN_MAX).collect());
        }
        Map { entries: Entries::Many(Box::new(chunks)) }
    }

    pub fn len(&self) -> usize {
        match &self.entries {
            Entries::Few(entries) => entries.len(),
            Entries::Many(chunks) => chunks.iter().map(Vec::len).sum(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match &self.entries {
            Entries::Few(entries) => entries.is_empty(),
            Entries::Many(chunks) => chunks.is_empty(),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        let entries = self.chunk(key)?;
        let index = position(entries, key)?;
        entries.get(index).map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let entries = match &mut self.entries {
            Entries::Few(entries) => entries,
            Entries::Many(chunks) => {
                let place = chunk_of(chunks, key);
                chunks.get_mut(place)?
            }
        };
        let index = position(entries, key)?;
        entries.get_mut(index).map(|(_, value)| value)
    }

    pub fn contains(&self, key: &str) -> bool {
        self.chunk(key).is_some_and(|entries| position(entries, key).is_some())
    }

    /// Sets a key, and returns the value that it had.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        let entries = self.chunk_for_insert(&key);
        if entries.last().is_none_or(|(last, _)| last.as_str() < key.as_str()) {
            entries.push((key, value));
            return None;
        }
        match find(entries, &key) {
            Ok(index) => entries.get_mut(index).map(|(_, old)| std::mem::replace(old, value)),
            Err(index) => {
                entries.insert(index, (key, value));
                None
            }
        }
    }

    /// The value of a key, made null where absent.
    pub fn entry(&mut self, key: &str) -> &mut Value {
        let entries = self.chunk_for_insert(key);
        let index = match find(entries, key) {
            Ok(index) => index,
            Err(index) => {
                entries.insert(index, (Text::from(key), Value::Null));
                index
            }
        };
        entries.get_mut(index).map(|(_, value)| value).expect("index was just found or inserted")
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let chunks = match &mut self.entries {
            Entries::Few(entries) => return position(entries, key).map(|index| entries.remove(index).1),
            Entries::Many(chunks) => chunks,
        };
        let place = chunk_of(chunks, key);
        let entries = chunks.get_mut(place)?;
        let index = position(entries, key)?;
        let removed = entries.remove(index).1;
        if entries.is_empty() {
            chunks.remove(place);
        }
        Some(removed)
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        match &mut self.entries {
            Entries::Few(entries) => entries.retain_mut(|(key, value)| keep(key, value)),
            Entries::Many(chunks) => {
                for entries in chunks.iter_mut() {
                    entries.retain_mut(|(key, value)| keep(key, value));
                }
                chunks.retain(|entries| !entries.is_empty());
            }
        }
    }

    pub fn iter(&self) -> Iter<'_> {
        match &self.entries {
            Entries::Few(entries) => {
                Iter { front: entries.iter(), chunks: [].iter(), back: [].iter(), left: entries.len() }
            }
            Entries::Many(chunks) => {
                Iter { front: [].iter(), chunks: chunks.iter(), back: [].iter(), left: self.len() }
            }
        }
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value)> {
        let (few, many) = match &mut self.entries {
            Entries::Few(entries) => (entries.as_mut_slice(), [].as_mut_slice()),
            Entries::Many(chunks) => ([].as_mut_slice(), chunks.as_mut_slice()),
        };
        let entries = few.iter_mut().chain(many.iter_mut().flatten());
        entries.map(|(key, value)| (key.as_str(), value))
    }

    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.iter().map(|(_, value)| value)
    }

    /// The keys of two maps in their order, each with its value in either.
    pub fn joined<'a>(&'a self, other: &'a Map) -> impl Iterator<Item = Joint<'a>> {
        let (mut left, mut right) = (self.iter(), other.iter());
        let (mut a, mut b) = (left.next(), right.next());
        std::iter::from_fn(move || {
            let order = match (a, b) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => order(a.as_bytes(), b.as_bytes()),
            };
            let (one, two) = (a.filter(|_| order.is_le()), b.filter(|_| order.is_ge()));
            if one.is_some() {
                a = left.next();
            }
            if two.is_some() {
                b = right.next();
            }
            let (key, _) = one.or(two)?;
            Some((key, one.map(|(_, value)| value), two.map(|(_, value)| value)))
        })
    }

    /// The chunk that has or would have a key.
    fn chunk(&self, key: &str) -> Option<&Vec<Entry>> {
        match &self.entries {
            Entries::Few(entries) => Some(entries),
            Entries::Many(chunks) => chunks.get(chunk_of(chunks, key)),
        }
    }

    /// The entries among which a key belongs, with room for it.
    fn chunk_for_insert(&mut self, key: &str) -> &mut Vec<Entry> {
        if let Entries::Few(entries) = &mut self.entries
            && entries.len() >= CHUNK_LEN_MAX
        {
            self.entries = Entries::Many(Box::new(vec![std::mem::take(entries)]));
        }
        let chunks = match &mut self.entries {
            Entries::Few(entries) => return entries,
            Entries::Many(chunks) => chunks,
        };
        let mut place = chunk_of(chunks, key);
        let entries = chunks.get_mut(place).filter(|entries| entries.len() >= CHUNK_LEN_MAX);
        if let Some(full) = entries {
            // Keys in order fill chunks, one after the other; others halve them.
            let is_last = full.last().is_some_and(|(last, _)| last.as_str() < key);
            let upper =
                if is_last { Vec::with_capacity(CHUNK_LEN_MAX) } else { full.split_off(CHUNK_LEN_MAX / 2) };
            let is_upper = upper.first().is_none_or(|(first, _)| first.as_str() <= key);
            chunks.insert(place + 1, upper);
            place += usize::from(is_upper);
        }
        if chunks.is_empty() {
            chunks.push(Vec::new());
        }
        chunks.get_mut(place).expect("there is a chunk for every key")
    }
}

/// The index of the chunk that has or would have a key.
fn chunk_of(chunks: &[Vec<Entry>], key: &str) -> usize {
    let after =
        chunks.partition_point(|entries| entries.first().is_some_and(|(first, _)| first.as_str() <= key));
    after.saturating_sub(1)
}

/// The index of a key, if it exists. Keys of another length are skipped without comparing bytes.
fn position(entries: &[Entry], key: &str) -> Option<usize> {
    if entries.len() > SCANNED_MAX {
        return find(entries, key).ok();
    }
    entries.iter().position(|(probe, _)| probe.as_str() == key)
}

/// The place of a key, or the one where it belongs.
fn find(entries: &[Entry], key: &str) -> Result<usize, usize> {
    let key = key.as_bytes();
    if entries.len() > SCANNED_MAX {
        return entries.binary_search_by(|(probe, _)| order(probe.as_bytes(), key));
    }
    for (index, (probe, _)) in entries.iter().enumerate() {
        match order(probe.as_bytes(), key) {
            Ordering::Less => {}
            Ordering::Equal => return Ok(index),
            Ordering::Greater => return Err(index),
        }
    }
    Err(entries.len())
}

/// The order of two keys. Most of an object's keys differ in their first byte, which takes less time to see than a call of
/// `memcmp`.
fn order(one: &[u8], other: &[u8]) -> Ordering {
    match (one.first(), other.first()) {
        (Some(a), Some(b)) if a != b => a.cmp(b),
        _ => one.cmp(other),
    }
}

/// The entries of a map in the order of their keys.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    front: std::slice::Iter<'a, Entry>,
    chunks: std::slice::Iter<'a, Vec<Entry>>,
    back: std::slice::Iter<'a, Entry>,
    left: usize,
}

fn parts((key, value): &Entry) -> (&str, &Value) {
    (key.as_str(), value)
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.saturating_sub(1);
        loop {
            if let Some(entry) = self.front.next() {
                return Some(parts(entry));
            }
            match self.chunks.next() {
                Some(entries) => self.front = entries.iter(),
                None => return self.back.next().map(parts),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.saturating_sub(1);
        loop {
            if let Some(entry) = self.back.next_back() {
                return Some(parts(entry));
            }
            match self.chunks.next_back() {
                Some(entries) => self.back = entries.iter(),
                None => return self.front.next_back().map(parts),
            }
        }
    }
}

impl IntoIterator for Map {
    type Item = (Text, Value);
    type IntoIter = std::vec::IntoIter<(Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        match self.entries {
            Entries::Few(entries) => entries.into_iter(),
            Entries::Many(chunks) => chunks.into_iter().flatten().collect::<Vec<_>>().into_iter(),
        }
    }
}

impl<K: Into<Text>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Map {
        let mut map = Map::new();
        for (key, value) in pairs {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_joined_by_their_keys() {
        let map = |keys: &str| Map::from_iter(keys.chars().map(|key| (key.to_string(), 1_i64)));
        for (one, other, expected) in
            [("", "", ""), ("ac", "", "a< c<"), ("", "b", "b>"), ("abd", "bce", "a< b= c> d< e>")]
        {
            let (one, other) = (map(one), map(other));
            let joined = one.joined(&other).map(|(key, a, b)| {
                let sign = if a == b {
                    '='
                } else if a.is_some() {
                    '<'
                } else {
                    '>'
                };
                format!("{key}{sign}")
            });
            assert_eq!(joined.collect::<Vec<_>>().join(" "), expected);
        }
    }

    #[test]
    fn keys_stay_sorted_and_unique() {
        let mut map = Map::new();
        for key in ["b", "a", "c", "a"] {
            map.insert(key, key);
        }
        assert_eq!(map.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(map.insert("b", 1), Some(Value::from("b")));
        assert_eq!(map.remove("a"), Some(Value::from("a")));
        assert_eq!(map.remove("a"), None);
    }

    #[test]
    fn large_maps_are_as_small_ones() {
        let orders: [fn(usize) -> usize; 3] = [|i| i, |i| 4999 - i, |i| i * 7919 % 5000];
        let expected: Vec<String> = (0..5000).map(|i| format!("{i:04}")).collect();
        for order in orders {
            let mut map: Map = (0..5000).map(|i| (format!("{:04}", order(i)), order(i) as i64)).collect();
            assert_eq!(map.len(), 5000);
            assert!(map.keys().eq(expected.iter()));
            assert!(map.iter().rev().map(|(key, _)| key).eq(expected.iter().rev()));
            assert_eq!(map.insert("0007", 8), Some(Value::from(7)));
            *map.entry("00070") = Value::from(1);
            assert_eq!((map.get("4321"), map.get("x"), map.len()), (Some(&Value::from(4321)), None, 5001));
            let sorted = Map::from_sorted(map.clone().into_iter().collect());
            assert_eq!(sorted, map);
            for key in &expected {
                assert!(map.remove(key).is_some(), "{key}");
            }
            assert_eq!(map.keys().collect::<Vec<_>>(), ["00070"]);
            map.retain(|_, _| false);
            assert!(map.is_empty() && map.iter().next().is_none());
            assert_eq!(map.insert("a", 1), None);
            assert_eq!(map, [("a", 1)].into_iter().collect());
        }
        let mut ends: Map = (0..2000).map(|i| (format!("{i:04}"), i as i64)).collect();
        let mut both = ends.iter();
        while let (Some(_), Some(_)) = (both.next(), both.next_back()) {}
        assert_eq!(both.len(), 0);
        assert!(ends.iter_mut().count() == 2000);
    }
}
