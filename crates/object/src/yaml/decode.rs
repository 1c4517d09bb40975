//! From nodes to JSON, as go-yaml decodes into maps of anything and sigs.k8s.io/yaml makes JSON of them.

use super::error::YamlError;
use super::go_syntax;
use super::nodes::{NodeForm, Nodes};
use super::scalar::Scalar;
use crate::json;
use crate::yaml::keys::{YamlKey, distinct_pairs, is_merge, key, merged, value};
use std::borrow::Cow;
use std::collections::HashSet;

/// The depth of nested collections, as in JSON documents; aliases count with their targets.
const DEPTH_MAX: usize = json::read::TREE_DEPTH_MAX;
/// The nodes that all aliases may expand to. go-yaml allows four times as many to a short document.
const ALIASED_NODES_MAX: usize = 100_000;
/// The bytes of scalars that all aliases may expand to: the size of a request's body.
const ALIASED_BYTES_MAX: usize = 3 * 1024 * 1024;
/// The number of repeated keys that strict decoding reports, as for JSON.
const DUPLICATES_MAX: usize = 100;
/// The text of all of them.
const DUPLICATES_BYTES_MAX: usize = 64 * 1024;

/// Checks that nodes can be decoded; returns the repeated keys.
pub(super) fn check(nodes: &Nodes) -> Result<Vec<String>, YamlError> {
    let mut checker = KeyChecker {
        nodes,
        decoded: 1,
        aliased: 0,
        aliased_bytes: 0,
        aliases: Vec::new(),
        duplicates: Vec::new(),
        duplicates_bytes: 0,
    };
    checker.node(0, 0)?;
    Ok(checker.duplicates)
}

struct KeyChecker<'a> {
    nodes: &'a Nodes,
    decoded: usize,
    aliased: usize,
    aliased_bytes: usize,
    /// The aliases that the walk is within.
    aliases: Vec<usize>,
    duplicates: Vec<String>,
    duplicates_bytes: usize,
}

impl<'a> KeyChecker<'a> {
    fn node(&mut self, place: usize, depth: usize) -> Result<(), YamlError> {
        self.count(place)?;
        match self.nodes.form(place) {
            NodeForm::Alias => self.alias(place, |checker, target| checker.node(target, depth)),
            NodeForm::Scalar => value(self.nodes, place).map(drop),
            NodeForm::List => {
                nest(depth)?;
                self.nodes.children(place).try_for_each(|child| self.node(child, depth + 1))
            }
            NodeForm::Map => {
                nest(depth)?;
                self.map(place, &mut HashSet::new(), depth)
            }
        }
    }

    fn count(&mut self, place: usize) -> Result<(), YamlError> {
        self.decoded += 1;
        if !self.aliases.is_empty() {
            self.aliased += 1;
            self.aliased_bytes += self.nodes.text(place).len();
        }
        let ratio = self.aliased as f64 / self.decoded as f64;
        let is_excessive = self.aliased > 100 && self.decoded > 1000 && ratio > ratio_allowed(self.decoded);
        if is_excessive || self.aliased > ALIASED_NODES_MAX || self.aliased_bytes > ALIASED_BYTES_MAX {
            return Err(YamlError(String::from("yaml: document contains excessive aliasing")));
        }
        Ok(())
    }

    fn alias(
        &mut self,
        place: usize,
        visit: impl FnOnce(&mut KeyChecker<'a>, usize) -> Result<(), YamlError>,
    ) -> Result<(), YamlError> {
        if self.aliases.contains(&place) {
            let name = self.nodes.text(place);
            return Err(YamlError(format!("yaml: anchor '{name}' value contains itself")));
        }
        // Scalars below aliases do not nest, and so the aliases do for them.
        nest(self.aliases.len())?;
        self.aliases.push(place);
        let result = visit(self, self.nodes.target(place));
        self.aliases.pop();
        result
    }

    /// Checks the pairs of a map, which belong to the map that has `keys` already.
    fn map(&mut self, place: usize, keys: &mut HashSet<YamlKey<'a>>, depth: usize) -> Result<(), YamlError> {
        let nodes = self.nodes;
        let mut children = nodes.children(place);
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            if is_merge(nodes, key) {
                self.merge(value, keys, depth)?;
                continue;
            }
            self.node(key, depth + 1)?;
            let key = self::key(nodes, key)?;
            self.node(value, depth + 1)?;
            match keys.contains(&key) {
                true => self.duplicate(&key, value),
                false => drop(keys.insert(key)),
            }
        }
        Ok(())
    }

    fn merge(
        &mut self,
        place: usize,
        keys: &mut HashSet<YamlKey<'a>>,
        depth: usize,
    ) -> Result<(), YamlError> {
        let nodes = self.nodes;
        for place in merged(nodes, place)? {
            self.count(place)?;
            if nodes.form(place) == NodeForm::Alias {
                self.alias(place, |checker, target| {
                    checker.count(target)?;
                    nest(depth)?;
                    checker.map(target, keys, depth + 1)
                })?;
            } else {
                nest(depth)?;
                self.map(place, keys, depth + 1)?;
            }
        }
        Ok(())
    }

    fn duplicate(&mut self, key: &YamlKey<'_>, value: usize) {
        if self.duplicates.len() >= DUPLICATES_MAX || self.duplicates_bytes >= DUPLICATES_BYTES_MAX {
            return;
        }
        let told = format!("line {}: key {} already set in map", self.nodes.line(value), go_syntax::key(key));
        self.duplicates_bytes += told.len();
        self.duplicates.push(told);
    }
}

/// The share of nodes that may come from aliases: 99 % of few, 10 % of many.
fn ratio_allowed(decoded: usize) -> f64 {
    const FEW: usize = 400_000;
    const MANY: usize = 4_000_000;
    match decoded {
        0..=FEW => 0.99,
        MANY.. => 0.10,
        _ => 0.99 - 0.89 * ((decoded - FEW) as f64 / (MANY - FEW) as f64),
    }
}

fn nest(depth: usize) -> Result<(), YamlError> {
    if depth >= DEPTH_MAX {
        return Err(YamlError(String::from("yaml: exceeded max depth")));
    }
    Ok(())
}

/// Writes nodes that were checked as a JSON document.
pub(super) fn write(nodes: &Nodes, out: &mut Vec<u8>) -> Result<(), YamlError> {
    let mut writer = JsonWriter { nodes, out, unsupported: None };
    writer.node(0)?;
    writer.unsupported.map_or(Ok(()), Err)
}

struct JsonWriter<'a> {
    nodes: &'a Nodes,
    out: &'a mut Vec<u8>,
    /// A value that JSON does not have; errors of names come first.
    unsupported: Option<YamlError>,
}

impl JsonWriter<'_> {
    fn node(&mut self, place: usize) -> Result<(), YamlError> {
        let nodes = self.nodes;
        let place = nodes.target(place);
        match nodes.form(place) {
            NodeForm::List => {
                self.out.push(b'[');
                for (index, child) in nodes.children(place).enumerate() {
                    self.separate(index);
                    self.node(child)?;
                }
                self.out.push(b']');
            }
            NodeForm::Map => {
                self.out.push(b'{');
                for (index, (name, child)) in members(nodes, place)?.into_iter().enumerate() {
                    self.separate(index);
                    json::write_string(self.out, &name);
                    self.out.push(b':');
                    self.node(child)?;
                }
                self.out.push(b'}');
            }
            NodeForm::Scalar | NodeForm::Alias => self.scalar(place)?,
        }
        Ok(())
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.out.push(b',');
        }
    }

    fn scalar(&mut self, place: usize) -> Result<(), YamlError> {
        match value(self.nodes, place)? {
            (_, Some(binary)) => json::write_string(self.out, &binary),
            (Scalar::Null, None) => self.out.extend_from_slice(b"null"),
            (Scalar::Bool(flag), None) => self.out.extend_from_slice(if flag { b"true" } else { b"false" }),
            (Scalar::Int(int), None) => json::write_int(self.out, int),
            (Scalar::UInt(int), None) => self.out.extend_from_slice(int.to_string().as_bytes()),
            (Scalar::Float(float), None) if float.is_finite() => json::write_float(self.out, float),
            (Scalar::Float(float), None) => {
                let shown = go_syntax::float(float);
                self.unsupported
                    .get_or_insert_with(|| YamlError(format!("json: unsupported value: {shown}")));
            }
            (Scalar::Text(text), None) => json::write_string(self.out, text),
        }
        Ok(())
    }
}

/// The names and values of a map in order; the last of those with one name counts.
fn members(nodes: &Nodes, place: usize) -> Result<Vec<(Cow<'_, str>, usize)>, YamlError> {
    let mut members = Vec::new();
    for (key, value) in distinct_pairs(nodes, place)? {
        members.push((name(nodes, key, value)?, value));
    }
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    members.dedup_by(|(a, _), (b, _)| a == b);
    Ok(members)
}

/// JSON has names only: numbers and flags become their text.
fn name<'a>(nodes: &Nodes, key: YamlKey<'a>, value: usize) -> Result<Cow<'a, str>, YamlError> {
    Ok(match key {
        YamlKey::Text(text) => text,
        YamlKey::Int(int) => Cow::Owned(int.to_string()),
        YamlKey::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
        YamlKey::Float(bits) => Cow::Owned(go_syntax::float_name(f64::from_bits(bits))),
        YamlKey::Null | YamlKey::UInt(_) => {
            let (of, key) = match key {
                YamlKey::UInt(int) => ("uint64", format!("0x{int:x}")),
                _ => ("%!s(<nil>)", String::from("<nil>")),
            };
            let value = go_syntax::node(nodes, value);
            return Err(YamlError(format!("unsupported map key of type: {of}, key: {key}, value: {value}")));
        }
    })
}
