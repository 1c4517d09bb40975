//! `Span`: a piece of work with a start and an end, attributes and events.

use crate::ids::span_id;
use crate::library::{Library, Role};
use crate::parent::Parent;
use crate::queue::SpanSink;
use crate::wire::{self, AnyValue, AttributeValue, KeyValue};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The limits of OpenTelemetry's SDKs.
const ATTRIBUTES_MAX: usize = 128;
const EVENTS_MAX: usize = 128;
/// A longer text is cut: paths and user agents are as long as clients make them.
const TEXT_BYTES_MAX: usize = 4096;

/// A span, or none. The last one to have it ends it.
#[derive(Clone, Debug, Default)]
pub struct Span(Option<Arc<SpanInner>>);

#[derive(Debug)]
struct SpanInner {
    place: Parent,
    carried: Carried,
    /// None in a trace that is not sampled.
    recorded: Option<RecordedSpan>,
}

/// The part that all spans of a request have from its first one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    pub baggage: Option<Arc<str>>,
    /// The identity of the request in the audit.
    pub audit_id: Option<Arc<str>>,
}

#[derive(Debug)]
struct RecordedSpan {
    made_by: Library,
    data: Mutex<wire::Span>,
    sink: SpanSink,
}

/// The beginning of a span.
pub(crate) struct Begin<'a> {
    pub made_by: Library,
    pub role: Role,
    pub name: Cow<'static, str>,
    /// None for the first span of a trace.
    pub parent: Option<&'a Parent>,
    /// A span of another trace that led to this one.
    pub link: Option<&'a Parent>,
    pub carried: Carried,
    pub began: SystemTime,
}

impl Span {
    /// A recorded span at a place of its own.
    pub(crate) fn recorded(begin: Begin<'_>, place: Parent, sink: SpanSink) -> Span {
        let flags = |parent: Option<&Parent>| {
            let remote = if parent.is_some_and(|parent| parent.is_remote) { wire::FLAG_REMOTE } else { 0 };
            wire::FLAG_REMOTE_KNOWN | remote
        };
        let link = |link: &Parent| wire::SpanLink {
            trace_id: link.trace_id.to_vec(),
            span_id: link.span_id.to_vec(),
            trace_state: text_of(&link.state),
            flags: flags(Some(link)) | u32::from(link.is_sampled),
        };
        let data = wire::Span {
            trace_id: place.trace_id.to_vec(),
            span_id: place.span_id.to_vec(),
            trace_state: text_of(&place.state),
            parent_span_id: begin.parent.map(|parent| parent.span_id.to_vec()).unwrap_or_default(),
            name: begin.name.into_owned(),
            kind: begin.role as i32,
            start: nanos(begin.began),
            links: begin.link.map(link).into_iter().collect(),
            flags: flags(begin.parent) | wire::FLAG_SAMPLED,
            ..wire::Span::default()
        };
        let recorded = RecordedSpan { made_by: begin.made_by, data: Mutex::new(data), sink };
        Span(Some(Arc::new(SpanInner { place, carried: begin.carried, recorded: Some(recorded) })))
    }

    /// A span without data, which only passes its position on to other servers.
    pub(crate) fn unrecorded(place: Parent, carried: Carried) -> Span {
        Span(Some(Arc::new(SpanInner { place, carried, recorded: None })))
    }

    /// A child of this one. In a trace that is not sampled, the same one again.
    pub fn child(
        &self,
        library: Library,
        role: Role,
        name: impl Into<Cow<'static, str>>,
        attributes: impl FnOnce(&mut SpanAttributes),
    ) -> Span {
        let Some(SpanInner { place, carried, recorded: Some(recorded) }) = self.0.as_deref() else {
            return self.clone();
        };
        let begin = Begin {
            made_by: library,
            role,
            name: name.into(),
            parent: Some(place),
            link: None,
            carried: carried.clone(),
            began: SystemTime::now(),
        };
        let own = Parent { span_id: span_id(), is_remote: false, ..place.clone() };
        let span = Span::recorded(begin, own, recorded.sink.clone());
        span.set(attributes);
        span
    }

    /// Its place in its trace.
    pub fn place(&self) -> Option<&Parent> {
        self.0.as_deref().map(|inner| &inner.place)
    }

    pub(crate) fn baggage(&self) -> Option<&str> {
        self.0.as_deref()?.carried.baggage.as_deref()
    }

    pub fn is_recorded(&self) -> bool {
        self.0.as_deref().is_some_and(|inner| inner.recorded.is_some())
    }

    /// Notes more about it.
    pub fn set(&self, attributes: impl FnOnce(&mut SpanAttributes)) {
        if let Some(mut data) = self.data() {
            let mut added = self.attributes(std::mem::take(&mut data.attributes));
            attributes(&mut added);
            data.dropped_attributes += added.cut();
            data.attributes = added.pairs;
        }
    }

    /// Notes that something happened.
    pub fn event(&self, name: &'static str, attributes: impl FnOnce(&mut SpanAttributes)) {
        let Some(mut data) = self.data() else { return };
        if data.events.len() == EVENTS_MAX {
            data.dropped_events += 1;
            return;
        }
        let mut noted = self.attributes(Vec::new());
        attributes(&mut noted);
        noted.cut();
        data.events.push(wire::SpanEvent {
            time: nanos(SystemTime::now()),
            name: name.into(),
            attributes: noted.pairs,
        });
    }

    fn attributes(&self, pairs: Vec<KeyValue>) -> SpanAttributes {
        SpanAttributes { pairs, audit_id: self.0.as_deref().and_then(|inner| inner.carried.audit_id.clone()) }
    }

    /// Notes that it failed. The reason may be empty.
    pub fn fail(&self, why: &str) {
        if let Some(mut data) = self.data() {
            data.status = Some(wire::SpanStatus { message: cut(why), code: wire::STATUS_ERROR });
        }
    }

    fn data(&self) -> Option<MutexGuard<'_, wire::Span>> {
        let recorded = self.0.as_deref()?.recorded.as_ref()?;
        Some(recorded.data.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for RecordedSpan {
    fn drop(&mut self) {
        let mut data = std::mem::take(self.data.get_mut().unwrap_or_else(PoisonError::into_inner));
        data.end = nanos(SystemTime::now()).max(data.start);
        self.sink.end(self.made_by, data);
    }
}

/// Attributes of spans and events.
#[derive(Default)]
pub struct SpanAttributes {
    pairs: Vec<KeyValue>,
    audit_id: Option<Arc<str>>,
}

impl SpanAttributes {
    /// `audit-id`, by which the events of the audit are found.
    pub fn audit_id(&mut self) {
        if let Some(id) = self.audit_id.clone() {
            self.text("audit-id", &id);
        }
    }

    pub fn text(&mut self, key: &'static str, value: &str) {
        self.push(key, AttributeValue::Text(cut(value)));
    }

    pub fn int(&mut self, key: &'static str, value: usize) {
        self.push(key, AttributeValue::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    pub fn bool(&mut self, key: &'static str, value: bool) {
        self.push(key, AttributeValue::Bool(value));
    }

    fn push(&mut self, key: &'static str, value: AttributeValue) {
        let value = Some(AnyValue { value: Some(value) });
        match self.pairs.iter_mut().find(|known| known.key == key) {
            Some(known) => known.value = value,
            None => self.pairs.push(KeyValue { key: key.into(), value }),
        }
    }

    /// Drops items beyond the limit, and returns their number.
    fn cut(&mut self) -> u32 {
        let over = self.pairs.len().saturating_sub(ATTRIBUTES_MAX);
        self.pairs.truncate(ATTRIBUTES_MAX);
        u32::try_from(over).unwrap_or(u32::MAX)
    }

    pub(crate) fn into_pairs(self) -> Vec<KeyValue> {
        self.pairs
    }
}

fn cut(text: &str) -> String {
    head(text, TEXT_BYTES_MAX).into()
}

/// The first characters of a text that so many bytes hold.
pub fn head(text: &str, bytes_max: usize) -> &str {
    let mut ends = (0..=bytes_max.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

fn text_of(state: &Option<Arc<str>>) -> String {
    state.as_deref().unwrap_or_default().into()
}

pub(crate) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The identity of a span, for tests.
#[cfg(test)]
pub(crate) fn id_of(span: &Span) -> crate::ids::SpanId {
    span.place().map(|place| place.span_id).unwrap_or_default()
}
