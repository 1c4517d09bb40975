//! Keys of mappings, told apart as Go tells them.

use crate::yaml::error::Error;
use crate::yaml::go_syntax;
use crate::yaml::nodes::{Form, Nodes};
use crate::yaml::scalar::{self, Scalar};
use std::borrow::Cow;
use std::collections::HashMap;

/// A key of a map, as Go's maps tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key<'a> {
    Null,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(u64),
}

/// The key that a node is; no list and no map is one.
pub(crate) fn key(nodes: &Nodes, place: usize) -> Result<Key<'_>, Error> {
    let place = nodes.target(place);
    if nodes.form(place) != Form::Scalar {
        return Err(Error(format!("yaml: invalid map key: {}", go_syntax::node(nodes, place))));
    }
    Ok(match value(nodes, place)? {
        (_, Some(binary)) => Key::Text(Cow::Owned(binary)),
        (Scalar::Null, None) => Key::Null,
        (Scalar::Bool(flag), None) => Key::Bool(flag),
        (Scalar::Int(int), None) => Key::Int(int),
        (Scalar::UInt(int), None) => Key::UInt(int),
        (Scalar::Float(float), None) => Key::Float(float.to_bits()),
        (Scalar::Text(text), None) => Key::Text(Cow::Borrowed(text)),
    })
}

/// The keys and values of a map, with those of the maps merged into it; the last of those with one key counts.
pub(crate) fn distinct_pairs(nodes: &Nodes, place: usize) -> Result<Vec<(Key<'_>, usize)>, Error> {
    let mut all = Vec::new();
    pairs(nodes, place, &mut all)?;
    let mut places: HashMap<Key<'_>, usize> = HashMap::new();
    let mut distinct: Vec<(Key<'_>, usize)> = Vec::with_capacity(all.len());
    for (key, value) in all {
        match places.get(&key).and_then(|place| distinct.get_mut(*place)) {
            Some(pair) => pair.1 = value,
            None => {
                places.insert(key.clone(), distinct.len());
                distinct.push((key, value));
            }
        }
    }
    Ok(distinct)
}

pub(crate) fn pairs<'a>(
    nodes: &'a Nodes,
    place: usize,
    out: &mut Vec<(Key<'a>, usize)>,
) -> Result<(), Error> {
    let mut children = nodes.children(place);
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        if is_merge(nodes, key) {
            for base in merged(nodes, value)? {
                pairs(nodes, nodes.target(base), out)?;
            }
            continue;
        }
        out.push((self::key(nodes, key)?, value));
    }
    Ok(())
}

pub(crate) fn is_merge(nodes: &Nodes, key: usize) -> bool {
    nodes.form(key) == Form::Scalar
        && nodes.text(key) == "<<"
        && (nodes.is_implicit(key) || nodes.tag(key) == MERGE_TAG)
}

/// The maps of `<<: *base` or `<<: [*a, *b]`, in the order in which they are put in: earlier ones win.
pub(crate) fn merged(nodes: &Nodes, place: usize) -> Result<Vec<usize>, Error> {
    let places = match nodes.form(place) {
        Form::List => {
            let mut places: Vec<usize> = nodes.children(place).collect();
            places.reverse();
            places
        }
        Form::Map | Form::Alias | Form::Scalar => vec![place],
    };
    if places.iter().any(|place| nodes.form(nodes.target(*place)) != Form::Map) {
        return Err(Error(String::from("yaml: map merge requires map or sequence of maps as the value")));
    }
    Ok(places)
}

pub(crate) const MERGE_TAG: &str = "tag:yaml.org,2002:merge";

/// What a scalar is, or the text that its bytes make. Bytes that are no UTF-8 become U+FFFD, as JSON has them.
pub(crate) fn value(nodes: &Nodes, place: usize) -> Result<(Scalar<'_>, Option<String>), Error> {
    let (tag, text) = (nodes.tag(place), nodes.text(place));
    if tag.is_empty() {
        let is_plain = nodes.is_implicit(place);
        return Ok((if is_plain { scalar::resolve(text) } else { Scalar::Text(text) }, None));
    }
    if tag == BINARY_TAG {
        let bytes = crate::bytes::decode(text);
        let bytes =
            bytes.map_err(|_| Error(String::from("yaml: !!binary value contains invalid base64 data")))?;
        return Ok((Scalar::Null, Some(String::from_utf8_lossy(&bytes).into_owned())));
    }
    Ok((scalar::resolve_tagged(tag, text)?, None))
}

pub(crate) const BINARY_TAG: &str = "tag:yaml.org,2002:binary";
