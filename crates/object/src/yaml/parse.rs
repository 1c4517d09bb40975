//! From tokens to events, by libyaml's grammar. States are on an explicit stack: nothing here recurses.

use super::error::YamlError;
use super::scan::{Scanner, Style, TokenKind};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ParserEvent {
    Alias(String),
    /// `is_implicit`: the type follows from the text, unless there is a tag.
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
enum ParserState {
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

/// The anchor and the tag before a node.
#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<(String, String)>,
    /// Of the tag.
    line: usize,
}

pub(super) struct YamlParser<'a> {
    pub scanner: Scanner<'a>,
    state: ParserState,
    states: Vec<ParserState>,
    /// Handles of tags, with their prefixes.
    handles: Vec<(String, String)>,
    line: usize,
}

const NODE_CONTENT: &str = "did not find expected node content";

impl<'a> YamlParser<'a> {
    pub fn new(text: &'a str) -> YamlParser<'a> {
        YamlParser {
            scanner: Scanner::new(text),
            state: ParserState::BlockNode,
            states: Vec::new(),
            handles: Vec::new(),
            line: 0,
        }
    }

    /// Begins the first document; false without one.
    pub fn begin(&mut self) -> Result<bool, YamlError> {
        let first = self.peek()?;
        if *first == TokenKind::StreamEnd {
            return Ok(false);
        }
        let is_explicit = matches!(
            first,
            TokenKind::Version { .. } | TokenKind::TagDirective { .. } | TokenKind::DocumentStart
        );
        self.directives()?;
        self.states.push(ParserState::DocumentEnd);
        if is_explicit {
            if *self.peek()? != TokenKind::DocumentStart {
                return Err(self.fail("did not find expected <document start>"));
            }
            self.scanner.take()?;
            self.state = ParserState::DocumentContent;
        }
        Ok(true)
    }

    /// The next event, and the line that it starts in.
    pub fn next(&mut self) -> Result<(ParserEvent, usize), YamlError> {
        self.peek()?;
        let mut line = self.line;
        let event = match self.state {
            ParserState::DocumentContent => self.document_content(),
            ParserState::DocumentEnd => Ok(ParserEvent::DocumentEnd),
            ParserState::BlockNode => self.node(Allowed::Block, &mut line),
            ParserState::BlockSequenceEntry => self.block_sequence_entry(&mut line),
            ParserState::IndentlessSequenceEntry => self.indentless_sequence_entry(&mut line),
            ParserState::BlockMappingKey => self.block_mapping_key(&mut line),
            ParserState::BlockMappingValue => self.block_mapping_value(&mut line),
            ParserState::FlowSequenceFirstEntry => self.flow_sequence_entry(true, &mut line),
            ParserState::FlowSequenceEntry => self.flow_sequence_entry(false, &mut line),
            ParserState::FlowSequencePairKey => self.flow_sequence_pair_key(&mut line),
            ParserState::FlowSequencePairValue => self.flow_sequence_pair_value(&mut line),
            ParserState::FlowSequencePairEnd => {
                self.state = ParserState::FlowSequenceEntry;
                Ok(ParserEvent::End)
            }
            ParserState::FlowMappingFirstKey => self.flow_mapping_key(true, &mut line),
            ParserState::FlowMappingKey => self.flow_mapping_key(false, &mut line),
            ParserState::FlowMappingValue => self.flow_mapping_value(&mut line),
            ParserState::FlowMappingEmptyValue => {
                self.state = ParserState::FlowMappingKey;
                Ok(empty())
            }
        };
        Ok((event?, line))
    }

    /// The next token's kind; its line becomes that of faults.
    fn peek(&mut self) -> Result<&TokenKind, YamlError> {
        let token = self.scanner.peek()?;
        self.line = token.line;
        Ok(&token.kind)
    }

    /// Takes the next token if it is of a kind.
    fn take_if(&mut self, kind: &TokenKind) -> Result<bool, YamlError> {
        let is_kind = self.peek()? == kind;
        if is_kind {
            self.scanner.take()?;
        }
        Ok(is_kind)
    }

    fn fail(&self, problem: &str) -> YamlError {
        YamlError::of_parser(self.line, problem)
    }

    fn pop(&mut self) {
        self.state = self.states.pop().unwrap_or(ParserState::DocumentEnd);
    }

    fn directives(&mut self) -> Result<(), YamlError> {
        let mut has_version = false;
        loop {
            match self.peek()? {
                TokenKind::Version { .. } if has_version => {
                    return Err(self.fail("found duplicate %YAML directive"));
                }
                TokenKind::Version { major: 1, minor: 1 } => has_version = true,
                TokenKind::Version { .. } => return Err(self.fail("found incompatible YAML document")),
                TokenKind::TagDirective { handle, prefix } => {
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

    fn document_content(&mut self) -> Result<ParserEvent, YamlError> {
        let is_empty = matches!(
            self.peek()?,
            TokenKind::Version { .. }
                | TokenKind::TagDirective { .. }
                | TokenKind::DocumentStart
                | TokenKind::DocumentEnd
                | TokenKind::StreamEnd
        );
        if is_empty {
            self.pop();
            return Ok(empty());
        }
        let mut line = self.line;
        self.node(Allowed::Block, &mut line)
    }

    /// A node and the properties before it. Its line is that of the first of them.
    fn node(&mut self, allowed: Allowed, line: &mut usize) -> Result<ParserEvent, YamlError> {
        if matches!(self.peek()?, TokenKind::Alias(_)) {
            *line = self.line;
            self.pop();
            return match self.scanner.take()?.kind {
                TokenKind::Alias(name) => Ok(ParserEvent::Alias(name)),
                _ => Err(self.fail(NODE_CONTENT)),
            };
        }
        *line = self.line;
        let properties = self.properties()?;
        let tag = self.resolve(&properties)?;
        let anchor = properties.anchor;
        let is_block = allowed != Allowed::Flow;
        match self.peek()? {
            TokenKind::BlockEntry if allowed == Allowed::BlockOrIndentless => {
                self.state = ParserState::IndentlessSequenceEntry;
                Ok(ParserEvent::SequenceStart { anchor })
            }
            TokenKind::Scalar { .. } => self.scalar(anchor, tag),
            TokenKind::FlowSequenceStart => {
                self.begin_collection(ParserState::FlowSequenceFirstEntry, anchor)
            }
            TokenKind::FlowMappingStart => self.begin_collection(ParserState::FlowMappingFirstKey, anchor),
            TokenKind::BlockSequenceStart if is_block => {
                self.begin_collection(ParserState::BlockSequenceEntry, anchor)
            }
            TokenKind::BlockMappingStart if is_block => {
                self.begin_collection(ParserState::BlockMappingKey, anchor)
            }
            _ if anchor.is_some() || !tag.is_empty() => {
                self.pop();
                let is_implicit = tag.is_empty();
                Ok(ParserEvent::Scalar { anchor, tag, text: String::new(), is_implicit })
            }
            _ => Err(self.fail(NODE_CONTENT)),
        }
    }

    fn begin_collection(
        &mut self,
        state: ParserState,
        anchor: Option<String>,
    ) -> Result<ParserEvent, YamlError> {
        self.scanner.take()?;
        self.state = state;
        Ok(match state {
            ParserState::FlowSequenceFirstEntry | ParserState::BlockSequenceEntry => {
                ParserEvent::SequenceStart { anchor }
            }
            _ => ParserEvent::MappingStart { anchor },
        })
    }

    fn scalar(&mut self, anchor: Option<String>, tag: String) -> Result<ParserEvent, YamlError> {
        self.pop();
        let TokenKind::Scalar { text, style } = self.scanner.take()?.kind else {
            return Err(self.fail(NODE_CONTENT));
        };
        let is_implicit = tag.is_empty() && style == Style::Plain || tag == "!";
        Ok(ParserEvent::Scalar { anchor, tag, text, is_implicit })
    }

    /// An anchor, a tag, or both in either order.
    fn properties(&mut self) -> Result<Properties, YamlError> {
        let mut properties = Properties::default();
        loop {
            match self.peek()? {
                TokenKind::Anchor(_) if properties.anchor.is_none() => {
                    if let TokenKind::Anchor(name) = self.scanner.take()?.kind {
                        properties.anchor = Some(name);
                    }
                }
                TokenKind::Tag { .. } if properties.tag.is_none() => {
                    properties.line = self.line;
                    if let TokenKind::Tag { handle, suffix } = self.scanner.take()?.kind {
                        properties.tag = Some((handle, suffix));
                    }
                }
                _ => return Ok(properties),
            }
        }
    }

    /// The full tag; empty for none.
    fn resolve(&self, properties: &Properties) -> Result<String, YamlError> {
        let Some((handle, suffix)) = &properties.tag else { return Ok(String::new()) };
        if handle.is_empty() {
            return Ok(suffix.clone());
        }
        let prefix = self.handles.iter().find(|(known, _)| known == handle).map(|(_, prefix)| prefix);
        let tag = prefix.map(|prefix| format!("{prefix}{suffix}")).filter(|tag| !tag.is_empty());
        tag.ok_or_else(|| YamlError::of_parser(properties.line, "found undefined tag handle"))
    }

    /// A node of a collection, after which parsing goes on in `after`.
    fn child(
        &mut self,
        after: ParserState,
        allowed: Allowed,
        line: &mut usize,
    ) -> Result<ParserEvent, YamlError> {
        self.states.push(after);
        self.node(allowed, line)
    }

    fn end(&mut self) -> Result<ParserEvent, YamlError> {
        self.scanner.take()?;
        self.pop();
        Ok(ParserEvent::End)
    }

    fn block_sequence_entry(&mut self, line: &mut usize) -> Result<ParserEvent, YamlError> {
        match self.peek()? {
            TokenKind::BlockEntry => {}
            TokenKind::BlockEnd => return self.end(),
            _ => return Err(self.fail("did not find expected '-' indicator")),
        }
        self.scanner.take()?;
        match self.peek()? {
            TokenKind::BlockEntry | TokenKind::BlockEnd => {
                self.state = ParserState::BlockSequenceEntry;
                Ok(empty())
            }
            _ => self.child(ParserState::BlockSequenceEntry, Allowed::Block, line),
        }
    }

    fn indentless_sequence_entry(&mut self, line: &mut usize) -> Result<ParserEvent, YamlError> {
        if !self.take_if(&TokenKind::BlockEntry)? {
            self.pop();
            return Ok(ParserEvent::End);
        }
        match self.peek()? {
            TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                self.state = ParserState::IndentlessSequenceEntry;
                Ok(empty())
            }
            _ => self.child(ParserState::IndentlessSequenceEntry, Allowed::Block, line),
        }
    }

    fn block_mapping_key(&mut self, line: &mut usize) -> Result<ParserEvent, YamlError> {
        match self.peek()? {
            TokenKind::Key => {}
            TokenKind::BlockEnd => return self.end(),
            _ => return Err(self.fail("did not find expected key")),
        }
        self.scanner.take()?;
        self.block_mapping_node(ParserState::BlockMappingValue, line)
    }

    fn block_mapping_value(&mut self, line: &mut usize) -> Result<ParserEvent, YamlError> {
        if !self.take_if(&TokenKind::Value)? {
            self.state = ParserState::BlockMappingKey;
            return Ok(empty());
        }
        self.block_mapping_node(ParserState::BlockMappingKey, line)
    }

    fn block_mapping_node(&mut self, after: ParserState, line: &mut usize) -> Result<ParserEvent, YamlError> {
        match self.peek()? {
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                self.state = after;
                Ok(empty())
            }
            _ => self.child(after, Allowed::BlockOrIndentless, line),
        }
    }

    fn flow_sequence_entry(&mut self, is_first: bool, line: &mut usize) -> Result<ParserEvent, YamlError> {
        if *self.peek()? != TokenKind::FlowSequenceEnd {
            if !is_first && !self.take_if(&TokenKind::FlowEntry)? {
                return Err(self.fail("did not find expected ',' or ']'"));
            }
            match self.peek()? {
                TokenKind::Key => {
                    *line = self.line;
                    self.scanner.take()?;
                    self.state = ParserState::FlowSequencePairKey;
                    return Ok(ParserEvent::MappingStart { anchor: None });
                }
                TokenKind::FlowSequenceEnd => {}
                _ => return self.child(ParserState::FlowSequenceEntry, Allowed::Flow, line),
            }
        }
        self.end()
    }

    fn flow_sequence_pair_key(&mut self, line: &mut usize) -> Result<ParserEvent, YamlError> {
        match self.peek()? {
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd => {
                // libyaml skips this token, of any kind.
                self.scanner.take()?;
                self.state = ParserState::FlowSequencePairValue;
                Ok(empty())
            }
            _ => self.child(ParserState::FlowSequencePairValue, Allowed::Flow, line),
        }
    }

    fn flow_sequence_pair_value(&mut self, line: &mut usize) -> Result<ParserEvent, YamlError> {
        if self.take_if(&TokenKind::Value)?
            && !matches!(self.peek()?, TokenKind::FlowEntry | TokenKind::FlowSequenceEnd)
        {
            return self.child(ParserState::FlowSequencePairEnd, Allowed::Flow, line);
        }
        self.state = ParserState::FlowSequencePairEnd;
        Ok(empty())
    }

    fn flow_mapping_key(&mut self, is_first: bool, line: &mut usize) -> Result<ParserEvent, YamlError> {
        if *self.peek()? != TokenKind::FlowMappingEnd {
            if !is_first && !self.take_if(&TokenKind::FlowEntry)? {
                return Err(self.fail("did not find expected ',' or '}'"));
            }
            if self.take_if(&TokenKind::Key)? {
                return self.flow_mapping_node(ParserState::FlowMappingValue, line);
            }
            if *self.peek()? != TokenKind::FlowMappingEnd {
                return self.child(ParserState::FlowMappingEmptyValue, Allowed::Flow, line);
            }
        }
        self.end()
    }

    fn flow_mapping_node(&mut self, after: ParserState, line: &mut usize) -> Result<ParserEvent, YamlError> {
        match self.peek()? {
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd => {
                *line = self.line;
                self.state = after;
                Ok(empty())
            }
            _ => self.child(after, Allowed::Flow, line),
        }
    }

    fn flow_mapping_value(&mut self, line: &mut usize) -> Result<ParserEvent, YamlError> {
        if self.take_if(&TokenKind::Value)?
            && !matches!(self.peek()?, TokenKind::FlowEntry | TokenKind::FlowMappingEnd)
        {
            return self.child(ParserState::FlowMappingKey, Allowed::Flow, line);
        }
        *line = self.line;
        self.state = ParserState::FlowMappingKey;
        Ok(empty())
    }
}

fn empty() -> ParserEvent {
    ParserEvent::Scalar { anchor: None, tag: String::new(), text: String::new(), is_implicit: true }
}
