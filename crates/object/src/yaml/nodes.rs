//! The nodes of a document in one list, so that they cost little and are walked without a stack of their own.

use super::error::YamlError;
use super::parse::{ParserEvent, YamlParser};
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeForm {
    Scalar,
    List,
    Map,
    Alias,
}

/// A node; those below it follow it in the list.
#[derive(Clone, Copy, Debug)]
struct YamlNode {
    form: NodeForm,
    is_implicit: bool,
    /// Counted from zero.
    line: u32,
    /// Text of a scalar, name of an alias: a range of `texts`.
    text_start: u32,
    text_end: u32,
    /// For a scalar, the place of its tag plus one, or zero. For an alias, its target.
    more: u32,
    /// The place behind the last node below.
    end: u32,
}

/// A document's nodes. Places are indices of the list.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    list: Vec<YamlNode>,
    texts: String,
    tags: Vec<String>,
}

impl Nodes {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn form(&self, place: usize) -> NodeForm {
        self.list.get(place).map_or(NodeForm::Scalar, |node| node.form)
    }

    pub fn text(&self, place: usize) -> &str {
        let range = self.list.get(place).map(|node| node.text_start as usize..node.text_end as usize);
        range.and_then(|range| self.texts.get(range)).unwrap_or("")
    }

    pub fn tag(&self, place: usize) -> &str {
        let index = self.list.get(place).and_then(|node| (node.more as usize).checked_sub(1));
        index.and_then(|index| self.tags.get(index)).map_or("", String::as_str)
    }

    pub fn is_implicit(&self, place: usize) -> bool {
        self.list.get(place).is_some_and(|node| node.is_implicit)
    }

    /// The line of a node, counted from one.
    pub fn line(&self, place: usize) -> usize {
        self.list.get(place).map_or(0, |node| node.line as usize) + 1
    }

    /// The target of an alias; other nodes are their own targets.
    pub fn target(&self, place: usize) -> usize {
        match self.list.get(place) {
            Some(YamlNode { form: NodeForm::Alias, more, .. }) => *more as usize,
            _ => place,
        }
    }

    /// The nodes right below a list or map, keys and values in turn.
    pub fn children(&self, place: usize) -> Children<'_> {
        let end = self.list.get(place).map_or(0, |node| node.end as usize);
        Children { nodes: self, next: place + 1, end }
    }

    /// Reads the first document of a stream; empty without one.
    pub fn read(parser: &mut YamlParser<'_>) -> Result<Nodes, YamlError> {
        let mut reader = NodeReader { nodes: Nodes::default(), anchors: HashMap::new(), open: Vec::new() };
        if !parser.begin()? {
            return Ok(reader.nodes);
        }
        loop {
            let (event, line) = parser.next()?;
            reader.add(event, line)?;
            if reader.open.is_empty() {
                break;
            }
        }
        // The text right behind the root may still be at fault.
        parser.next()?;
        Ok(reader.nodes)
    }
}

/// The places of the nodes right below another.
pub(super) struct Children<'a> {
    nodes: &'a Nodes,
    next: usize,
    end: usize,
}

impl Iterator for Children<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.next >= self.end {
            return None;
        }
        let place = self.next;
        self.next = self.nodes.list.get(place).map_or(self.end, |node| node.end as usize);
        Some(place)
    }
}

struct NodeReader {
    nodes: Nodes,
    anchors: HashMap<String, usize>,
    /// Lists and maps that have not ended.
    open: Vec<usize>,
}

impl NodeReader {
    fn add(&mut self, event: ParserEvent, line: usize) -> Result<(), YamlError> {
        match event {
            ParserEvent::Alias(name) => {
                let target = self.anchors.get(&name).copied();
                let target =
                    target.ok_or_else(|| YamlError(format!("yaml: unknown anchor '{name}' referenced")))?;
                let place = self.push(NodeForm::Alias, line, &name);
                self.edit(place, |node| node.more = small(target));
            }
            ParserEvent::Scalar { anchor, tag, text, is_implicit } => {
                let place = self.push(NodeForm::Scalar, line, &text);
                let tag = self.intern(tag);
                self.edit(place, |node| (node.is_implicit, node.more) = (is_implicit, tag));
                self.anchor(anchor, place);
            }
            ParserEvent::SequenceStart { anchor } => self.begin(NodeForm::List, line, anchor),
            ParserEvent::MappingStart { anchor } => self.begin(NodeForm::Map, line, anchor),
            ParserEvent::End => {
                let end = small(self.nodes.list.len());
                if let Some(place) = self.open.pop() {
                    self.edit(place, |node| node.end = end);
                }
            }
            ParserEvent::DocumentEnd => self.open.clear(),
        }
        Ok(())
    }

    fn begin(&mut self, form: NodeForm, line: usize, anchor: Option<String>) {
        let place = self.push(form, line, "");
        self.anchor(anchor, place);
        self.open.push(place);
    }

    fn push(&mut self, form: NodeForm, line: usize, text: &str) -> usize {
        let place = self.nodes.list.len();
        let text_start = small(self.nodes.texts.len());
        self.nodes.texts.push_str(text);
        self.nodes.list.push(YamlNode {
            form,
            is_implicit: false,
            line: small(line),
            text_start,
            text_end: small(self.nodes.texts.len()),
            more: 0,
            end: small(place + 1),
        });
        place
    }

    fn edit(&mut self, place: usize, change: impl FnOnce(&mut YamlNode)) {
        if let Some(node) = self.nodes.list.get_mut(place) {
            change(node);
        }
    }

    fn anchor(&mut self, anchor: Option<String>, place: usize) {
        if let Some(name) = anchor {
            self.anchors.insert(name, place);
        }
    }

    /// The place of a tag and one; zero for none.
    fn intern(&mut self, tag: String) -> u32 {
        if tag.is_empty() {
            return 0;
        }
        let known = self.nodes.tags.last().is_some_and(|last| *last == tag);
        if !known {
            self.nodes.tags.push(tag);
        }
        small(self.nodes.tags.len())
    }
}

/// Documents are shorter than this counts, see `read`.
fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
