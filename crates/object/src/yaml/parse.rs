//! From tokens to events, by libyaml's grammar. States stand on a stack of their own: nothing here recurses.

use super::error::Error;
use super::scan::{Kind, Scanner, Style};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Alias(String),
    /// `is_implicit`: the text tells the type, unless a tag does.
    Scalar {
        anchor: Option<String>,
        tag: String,
        text: String,
        is_implicit: bool,
    },
    SequenceStart {
        anchor: Option<String>,
    },
    MappingStart {
        anchor: Option<String>,
    },
    /// The end of a sequence or mapping.
    End,
    DocumentEnd,
}

#[derive(Clone, Copy, Debug)]
enum State {
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceEntry,
    IndentlessSequenceEntry,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirstEntry,
    FlowSequenceEntry,
    FlowSequencePairKey,
    FlowSequencePairValue,
    FlowSequencePairEnd,
    FlowMappingFirstKey,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingEmptyValue,
}

/// Which nodes the grammar allows at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Block,
    /// Also a sequence at the column of the mapping around it.
    BlockOrIndentless,
    Flow,
}

/// What stands before a node.
#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<(String, String)>,
    /// Of the tag.
    line: usize,
}

pub(super) struct Parser<'a> {
    pub scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    /// Handles of tags, and what they stand for.
    handles: Vec<(String, String)>,
    line: usize,
}

const NODE_CONTENT: &str = "did not find expected node content";

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Parser<'a> {
        Parser {
            scanner: Scanner::new(text),
            state: State::BlockNode,
            states: Vec::new(),
            handles: Vec::new(),
            line: 0,
        }
    }

    /// Begins the first document; false if there is none.
    pub fn begin(&mut self) -> Result<bool, Error> {
        let first = self.peek()?;
        if *first == Kind::StreamEnd {
            return Ok(false);
        }
        let is_explicit =
            matches!(first, Kind::Version { .. } | Kind::TagDirective { .. } | Kind::DocumentStart);
        self.directives()?;
        self.states.push(State::DocumentEnd);
        if is_explicit {
            if *self.peek()? != Kind::DocumentStart {
                return Err(self.fail("did not find expected <document start>"));
            }
            self.scanner.take()?;
            self.state = State::DocumentContent;
        }
        Ok(true)
    }

    /// The next event, and the line that it starts in.
    pub fn next(&mut self) -> Result<(Event, usize), Error> {
        self.peek()?;
        let mut line = self.line;
        let event = match self.state {
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => Ok(Event::DocumentEnd),
            State::BlockNode => self.node(Allowed::Block, &mut line),
            State::BlockSequenceEntry => self.block_sequence_entry(&mut line),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(&mut line),
            State::BlockMappingKey => self.block_mapping_key(&mut line),
            State::BlockMappingValue => self.block_mapping_value(&mut line),
            State::FlowSequenceFirstEntry => self.flow_sequence_entry(true, &mut line),
            State::FlowSequenceEntry => self.flow_sequence_entry(false, &mut line),
            State::FlowSequencePairKey => self.flow_sequence_pair_key(&mut line),
            State::FlowSequencePairValue => self.flow_sequence_pair_value(&mut line),
            State::FlowSequencePairEnd => {
                self.state = State::FlowSequenceEntry;
                Ok(Event::End)
            }
            State::FlowMappingFirstKey => self.flow_mapping_key(true, &mut line),
            State::FlowMappingKey => self.flow_mapping_key(false, &mut line),
            State::FlowMappingValue => self.flow_mapping_value(&mut line),
            State::FlowMappingEmptyValue => {
                self.state = State::FlowMappingKey;
                Ok(empty())
            }
        };
        Ok((event?, line))
    }

    /// The next token's kind; its line becomes that of faults.
    fn peek(&mut self) -> Result<&Kind, Error> {
        let token = self.scanner.peek()?;
        self.line = token.line;
        Ok(&token.kind)
    }

    /// Takes the next token if it is of a kind.
    fn take_if(&mut self, kind: &Kind) -> Result<bool, Error> {
        let is_kind = self.peek()? == kind;
        if is_kind {
            self.scanner.take()?;
        }
        Ok(is_kind)
    }

    fn fail(&self, problem: &str) -> Error {
        Error::of_parser(self.line, problem)
    }

    fn pop(&mut self) {
        self.state = self.states.pop().unwrap_or(State::DocumentEnd);
    }

    fn directives(&mut self) -> Result<(), Error> {
        let mut has_version = false;
        loop {
            match self.peek()? {
                Kind::Version { .. } if has_version => {
                    return Err(self.fail("found duplicate %YAML directive"));
                }
                Kind::Version { major: 1, minor: 1 } => has_version = true,
                Kind::Version { .. } => return Err(self.fail("found incompatible YAML document")),
                Kind::TagDirective { handle, prefix } => {
                    let pair = (handle.clone(), prefix.clone());
                    if self.handles.iter().any(|(known, _)| *known == pair.0) {
                        return Err(self.fail("found duplicate %TAG directive"));
                    }
                    self.handles.push(pair);
                }
                _ => break,
            }
            self.scanner.take()?;
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.handles.iter().any(|(known, _)| known == handle) {
                self.handles.push((handle.into(), prefix.into()));
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Result<Event, Error> {
        let is_empty = matches!(
            self.peek()?,
            Kind::Version { .. }
                | Kind::TagDirective { .. }
                | Kind::DocumentStart
                | Kind::DocumentEnd
                | Kind::StreamEnd
        );
        if is_empty {
            self.pop();
            return Ok(empty());
        }
        let mut line = self.line;
        self.node(Allowed::Block, &mut line)
    }

    /// A node and the properties before it. Its line is that of the first of them.
    fn node(&mut self, allowed: Allowed, line: &mut usize) -> Result<Event, Error> {
        if matches!(self.peek()?, Kind::Alias(_)) {
            *line = self.line;
            self.pop();
            return match self.scanner.take()?.kind {
                Kind::Alias(name) => Ok(Event::Alias(name)),
                _ => Err(self.fail(NODE_CONTENT)),
            };
        }
        *line = self.line;
        let properties = self.properties()?;
        let tag = self.resolve(&properties)?;
        let anchor = properties.anchor;
        let is_block = allowed != Allowed::Flow;
        match self.peek()? {
            Kind::BlockEntry if allowed == Allowed::BlockOrIndentless => {
                self.state = State::IndentlessSequenceEntry;
                Ok(Event::SequenceStart { anchor })
            }
            Kind::Scalar { .. } => self.scalar(anchor, tag),
            Kind::FlowSequenceStart => self.begin_collection(State::FlowSequenceFirstEntry, anchor),
            Kind::FlowMappingStart => self.begin_collection(State::FlowMappingFirstKey, anchor),
            Kind::BlockSequenceStart if is_block => self.begin_collection(State::BlockSequenceEntry, anchor),
            Kind::BlockMappingStart if is_block => self.begin_collection(State::BlockMappingKey, anchor),
            _ if anchor.is_some() || !tag.is_empty() => {
                self.pop();
                let is_implicit = tag.is_empty();
                Ok(Event::Scalar { anchor, tag, text: String::new(), is_implicit })
            }
            _ => Err(self.fail(NODE_CONTENT)),
        }
    }

    fn begin_collection(&mut self, state: State, anchor: Option<String>) -> Result<Event, Error> {
        self.scanner.take()?;
        self.state = state;
        Ok(match state {
            State::FlowSequenceFirstEntry | State::BlockSequenceEntry => Event::SequenceStart { anchor },
            _ => Event::MappingStart { anchor },
        })
    }

    fn scalar(&mut self, anchor: Option<String>, tag: String) -> Result<Event, Error> {
        self.pop();
        let Kind::Scalar { text, style } = self.scanner.take()?.kind else {
            return Err(self.fail(NODE_CONTENT));
        };
        let is_implicit = tag.is_empty() && style == Style::Plain || tag == "!";
        Ok(Event::Scalar { anchor, tag, text, is_implicit })
    }

    /// An anchor, a tag, or both in either order.
    fn properties(&mut self) -> Result<Properties, Error> {
        let mut properties = Properties::default();
        loop {
            match self.peek()? {
                Kind::Anchor(_) if properties.anchor.is_none() => {
                    if let Kind::Anchor(name) = self.scanner.take()?.kind {
                        properties.anchor = Some(name);
                    }
                }
                Kind::Tag { .. } if properties.tag.is_none() => {
                    properties.line = self.line;
                    if let Kind::Tag { handle, suffix } = self.scanner.take()?.kind {
                        properties.tag = Some((handle, suffix));
                    }
                }
                _ => return Ok(properties),
            }
        }
    }

    /// The full tag; empty for none.
    fn resolve(&self, properties: &Properties) -> Result<String, Error> {
        let Some((handle, suffix)) = &properties.tag else { return Ok(String::new()) };
        if handle.is_empty() {
            return Ok(suffix.clone());
        }
        let prefix = self.handles.iter().find(|(known, _)| known == handle).map(|(_, prefix)| prefix);
        let tag = prefix.map(|prefix| format!("{prefix}{suffix}")).filter(|tag| !tag.is_empty());
        tag.ok_or_else(|| Error::of_parser(properties.line, "found undefined tag handle"))
    }

    /// A node of a collection, after which parsing goes on in `after`.
    fn child(&mut self, after: State, allowed: Allowed, line: &mut usize) -> Result<Event, Error> {
        self.states.push(after);
        self.node(allowed, line)
    }

    fn end(&mut self) -> Result<Event, Error> {
        self.scanner.take()?;
        self.pop();
        Ok(Event::End)
    }

    fn block_sequence_entry(&mut self, line: &mut usize) -> Result<Event, Error> {
        match self.peek()? {
            Kind::BlockEntry => {}
            Kind::BlockEnd => return self.end(),
            _ => return Err(self.fail("did not find expected '-' indicator")),
        }
        self.scanner.take()?;
        match self.peek()? {
            Kind::BlockEntry | Kind::BlockEnd => {
                self.state = State::BlockSequenceEntry;
                Ok(empty())
            }
            _ => self.child(State::BlockSequenceEntry, Allowed::Block, line),
        }
    }

    fn indentless_sequence_entry(&mut self, line: &mut usize) -> Result<Event, Error> {
        if !self.take_if(&Kind::BlockEntry)? {
            self.pop();
            return Ok(Event::End);
        }
        match self.peek()? {
            Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd => {
                self.state = State::IndentlessSequenceEntry;
                Ok(empty())
            }
            _ => self.child(State::IndentlessSequenceEntry, Allowed::Block, line),
        }
    }

    fn block_mapping_key(&mut self, line: &mut usize) -> Result<Event, Error> {
        match self.peek()? {
            Kind::Key => {}
            Kind::BlockEnd => return self.end(),
            _ => return Err(self.fail("did not find expected key")),
        }
        self.scanner.take()?;
        self.block_mapping_node(State::BlockMappingValue, line)
    }

    fn block_mapping_value(&mut self, line: &mut usize) -> Result<Event, Error> {
        if !self.take_if(&Kind::Value)? {
            self.state = State::BlockMappingKey;
            return Ok(empty());
        }
        self.block_mapping_node(State::BlockMappingKey, line)
    }

    fn block_mapping_node(&mut self, after: State, line: &mut usize) -> Result<Event, Error> {
        match self.peek()? {
            Kind::Key | Kind::Value | Kind::BlockEnd => {
                self.state = after;
                Ok(empty())
            }
            _ => self.child(after, Allowed::BlockOrIndentless, line),
        }
    }

    fn flow_sequence_entry(&mut self, is_first: bool, line: &mut usize) -> Result<Event, Error> {
        if *self.peek()? != Kind::FlowSequenceEnd {
            if !is_first && !self.take_if(&Kind::FlowEntry)? {
                return Err(self.fail("did not find expected ',' or ']'"));
            }
            match self.peek()? {
                Kind::Key => {
                    *line = self.line;
                    self.scanner.take()?;
                    self.state = State::FlowSequencePairKey;
                    return Ok(Event::MappingStart { anchor: None });
                }
                Kind::FlowSequenceEnd => {}
                _ => return self.child(State::FlowSequenceEntry, Allowed::Flow, line),
            }
        }
        self.end()
    }

    fn flow_sequence_pair_key(&mut self, line: &mut usize) -> Result<Event, Error> {
        match self.peek()? {
            Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd => {
                // libyaml passes over this token, whatever it is.
                self.scanner.take()?;
                self.state = State::FlowSequencePairValue;
                Ok(empty())
            }
            _ => self.child(State::FlowSequencePairValue, Allowed::Flow, line),
        }
    }

    fn flow_sequence_pair_value(&mut self, line: &mut usize) -> Result<Event, Error> {
        if self.take_if(&Kind::Value)? && !matches!(self.peek()?, Kind::FlowEntry | Kind::FlowSequenceEnd) {
            return self.child(State::FlowSequencePairEnd, Allowed::Flow, line);
        }
        self.state = State::FlowSequencePairEnd;
        Ok(empty())
    }

    fn flow_mapping_key(&mut self, is_first: bool, line: &mut usize) -> Result<Event, Error> {
        if *self.peek()? != Kind::FlowMappingEnd {
            if !is_first && !self.take_if(&Kind::FlowEntry)? {
                return Err(self.fail("did not find expected ',' or '}'"));
            }
            if self.take_if(&Kind::Key)? {
                return self.flow_mapping_node(State::FlowMappingValue, line);
            }
            if *self.peek()? != Kind::FlowMappingEnd {
                return self.child(State::FlowMappingEmptyValue, Allowed::Flow, line);
            }
        }
        self.end()
    }

    fn flow_mapping_node(&mut self, after: State, line: &mut usize) -> Result<Event, Error> {
        match self.peek()? {
            Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd => {
                *line = self.line;
                self.state = after;
                Ok(empty())
            }
            _ => self.child(after, Allowed::Flow, line),
        }
    }

    fn flow_mapping_value(&mut self, line: &mut usize) -> Result<Event, Error> {
        if self.take_if(&Kind::Value)? && !matches!(self.peek()?, Kind::FlowEntry | Kind::FlowMappingEnd) {
            return self.child(State::FlowMappingKey, Allowed::Flow, line);
        }
        *line = self.line;
        self.state = State::FlowMappingKey;
        Ok(empty())
    }
}

fn empty() -> Event {
    Event::Scalar { anchor: None, tag: String::new(), text: String::new(), is_implicit: true }
}
