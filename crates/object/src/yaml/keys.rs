//! Keys of mappings, compared as Go compares them.

use crate::yaml::error::YamlError;
use crate::yaml::go_syntax;
use crate::yaml::nodes::{NodeForm, Nodes};
use crate::yaml::scalar::{self, Scalar};
use std::borrow::Cow;
use std::collections::HashMap;

/// A key of a map, as Go's maps compare them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum YamlKey<'a> {
    Null,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(u64),
}

/// The key that a node is; no list and no map is one.
pub(crate) fn key(nodes: &Nodes, place: usize) -> Result<YamlKey<'_>, YamlError> {
    let place = nodes.target(place);
    if nodes.form(place) != NodeForm::Scalar {
        return Err(YamlError(format!("yaml: invalid map key: {}", go_syntax::node(nodes, place))));
    }
    Ok(match value(nodes, place)? {
        (_, Some(binary)) => YamlKey::Text(Cow::Owned(binary)),
        (Scalar::Null, None) => YamlKey::Null,
        (Scalar::Bool(flag), None) => YamlKey::Bool(flag),
        (Scalar::Int(int), None) => YamlKey::Int(int),
        (Scalar::UInt(int), None) => YamlKey::UInt(int),
        (Scalar::Float(float), None) => YamlKey::Float(float.to_bits()),
        (Scalar::Text(text), None) => YamlKey::Text(Cow::Borrowed(text)),
    })
}

/// The keys and values of a map, with those of the maps merged into it; the last of those with one key counts.
pub(crate) fn distinct_pairs(nodes: &Nodes, place: usize) -> Result<Vec<(YamlKey<'_>, usize)>, YamlError> {
    let mut all = Vec::new();
    pairs(nodes, place, &mut all)?;
    let mut places: HashMap<YamlKey<'_>, usize> = HashMap::new();
    let mut distinct: Vec<(YamlKey<'_>, usize)> = Vec::with_capacity(all.len());
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
    out: &mut Vec<(YamlKey<'a>, usize)>,
) -> Result<(), YamlError> {
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
    nodes.form(key) == NodeForm::Scalar
        && nodes.text(key) == "<<"
        && (nodes.is_implicit(key) || nodes.tag(key) == MERGE_TAG)
}

/// The maps of `<<: *base` or `<<: [*a, *b]`, in the order in which they are put in: earlier ones win.
pub(crate) fn merged(nodes: &Nodes, place: usize) -> Result<Vec<usize>, YamlError> {
    let places = match nodes.form(place) {
        NodeForm::List => {
            let mut places: Vec<usize> = nodes.children(place).collect();
            places.reverse();
            places
        }
        NodeForm::Map | NodeForm::Alias | NodeForm::Scalar => vec![place],
    };
    if places.iter().any(|place| nodes.form(nodes.target(*place)) != NodeForm::Map) {
        return Err(YamlError(String::from("yaml: map merge requires map or sequence of maps as the value")));
    }
    Ok(places)
}

pub(crate) const MERGE_TAG: &str = "tag:yaml.org,2002:merge";

/// The scalar of a node, or the text of its bytes. Invalid UTF-8 becomes U+FFFD, as in JSON.
pub(crate) fn value(nodes: &Nodes, place: usize) -> Result<(Scalar<'_>, Option<String>), YamlError> {
    let (tag, text) = (nodes.tag(place), nodes.text(place));
    if tag.is_empty() {
        let is_plain = nodes.is_implicit(place);
        return Ok((if is_plain { scalar::resolve(text) } else { Scalar::Text(text) }, None));
    }
    if tag == BINARY_TAG {
        let bytes = crate::bytes::decode(text);
        let bytes = bytes
            .map_err(|_| YamlError(String::from("yaml: !!binary value contains invalid base64 data")))?;
        return Ok((Scalar::Null, Some(String::from_utf8_lossy(&bytes).into_owned())));
    }
    Ok((scalar::resolve_tagged(tag, text)?, None))
}

pub(crate) const BINARY_TAG: &str = "tag:yaml.org,2002:binary";
