//! `Tracer`: begins traces, samples them, and sends ended spans to the collector.

use crate::batch::{self, FLUSH_MAX};
use crate::configuration::TracingConfiguration;
use crate::export::{Connect, Exporter};
use crate::ids::{TraceId, span_id, trace_id};
use crate::library::{Library, Role};
use crate::parent::{self, BAGGAGE, Parent};
use crate::queue::SpanSink;
use crate::scope;
use crate::span::{Begin, Carried, Span, SpanAttributes};
use std::borrow::Cow;
use std::future::Future;
use std::time::SystemTime;
use tokio::sync::mpsc;

const PER_MILLION: u64 = 1_000_000;

/// Begins spans of requests.
#[derive(Debug)]
pub struct Tracer {
    /// Of the upper half of all trace identities, those below this are sampled.
    bound: u64,
    sink: SpanSink,
    flush: mpsc::Sender<batch::Flush>,
}

/// A request over HTTP whose client is known.
#[derive(Debug)]
pub struct RequestStart<'a> {
    /// The method and the path's pattern.
    pub name: Cow<'static, str>,
    pub audit_id: &'a str,
    /// Whether its client may say which trace it belongs to, and have it sampled.
    pub is_trusted: bool,
    pub began: SystemTime,
}

impl Tracer {
    /// Begins to export spans, on this runtime. `instance` names the server among others.
    pub fn begin(configuration: &TracingConfiguration, instance: &str, connect: Connect) -> Tracer {
        let (sink, ended) = SpanSink::new();
        let (flush, flushes) = mpsc::channel(1);
        let exporter = Exporter::new(&configuration.endpoint, instance, connect);
        tokio::spawn(batch::run(exporter, sink.lost.clone(), ended, flushes));
        Tracer { bound: bound(configuration.sampled_per_million), sink, flush }
    }

    /// Sends the remaining spans, for a short time.
    pub async fn flush(&self) {
        let sent = async {
            let (done, sent) = tokio::sync::oneshot::channel();
            if self.flush.send(done).await.is_ok() {
                let _ = sent.await;
            }
        };
        // A batch that is being sent may take longer.
        let _ = tokio::time::timeout(FLUSH_MAX, sent).await;
    }

    /// Runs a piece of work in which spans may be entered.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> {
        scope::scoped(Span::default(), work)
    }

    /// The first span of a trace of its own.
    pub fn root(&self, library: Library, name: &'static str, began: SystemTime) -> Span {
        let name = Cow::Borrowed(name);
        let carried = Carried::default();
        let begin =
            Begin { made_by: library, role: Role::Internal, name, parent: None, link: None, carried, began };
        self.span(begin)
    }

    /// The span of a request over HTTP. It is a child of the span that its headers name where its client is trusted;
    /// otherwise a trace of its own begins, which is linked to the client's.
    pub fn request<'h>(
        &self,
        RequestStart { name, audit_id, is_trusted, began }: RequestStart<'_>,
        header: impl Fn(&'static str) -> Option<&'h str>,
        attributes: impl FnOnce(&mut SpanAttributes),
    ) -> Span {
        let remote = Parent::of(&header);
        let current = scope::current();
        let baggage = header(BAGGAGE).and_then(parent::baggage);
        let parent = remote.as_ref().or(current.place()).filter(|_| is_trusted);
        let begin = Begin {
            made_by: Library::Http,
            role: Role::Server,
            name,
            parent,
            link: remote.as_ref().filter(|_| !is_trusted),
            carried: Carried { baggage, audit_id: Some(audit_id.into()) },
            began,
        };
        let span = self.span(begin);
        span.set(attributes);
        span
    }

    /// A span, recorded if its parent is or, without one, if its trace is sampled.
    fn span(&self, begin: Begin<'_>) -> Span {
        let trace_id = begin.parent.map_or_else(trace_id, |parent| parent.trace_id);
        let place = Parent {
            trace_id,
            span_id: span_id(),
            is_sampled: begin.parent.map_or_else(|| self.samples(&trace_id), |parent| parent.is_sampled),
            is_remote: false,
            state: begin.parent.and_then(|parent| parent.state.clone()),
        };
        if place.is_sampled {
            Span::recorded(begin, place, self.sink.clone())
        } else {
            Span::unrecorded(place, begin.carried)
        }
    }

    fn samples(&self, trace_id: &TraceId) -> bool {
        let [.., a, b, c, d, e, f, g, h] = *trace_id;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.bound
    }
}

/// A part of all identities, as OpenTelemetry's sampler by ratio cuts them.
fn bound(per_million: u32) -> u64 {
    let part = u128::from(per_million) * (1 << 63) / u128::from(PER_MILLION);
    u64::try_from(part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{EndedSpan, QUEUE_SPANS_MAX};
    use crate::span::id_of;
    use crate::{current, enter, event, inject};

    fn tracer(per_million: u32) -> (Tracer, mpsc::Receiver<EndedSpan>) {
        let (sink, ended) = SpanSink::new();
        (Tracer { bound: bound(per_million), sink, flush: mpsc::channel(1).0 }, ended)
    }

    fn names(ended: &mut mpsc::Receiver<EndedSpan>) -> Vec<String> {
        std::iter::from_fn(|| ended.try_recv().ok()).map(|ended| ended.span.name).collect()
    }

    const TAKEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn request(tracer: &Tracer, parent: Option<&'static str>, is_trusted: bool) -> Span {
        let header = |name: &'static str| parent.filter(|_| name == "traceparent");
        let began = SystemTime::now();
        tracer.request(RequestStart { name: "GET".into(), audit_id: "1", is_trusted, began }, header, |_| ())
    }

    #[test]
    fn a_part_of_all_traces_is_sampled() {
        for (per_million, least, most) in [(0, 0, 0), (1_000_000, 10_000, 10_000), (250_000, 2_200, 2_800)] {
            let (tracer, _) = tracer(per_million);
            let sampled = (0..10_000).filter(|_| tracer.samples(&trace_id())).count();
            assert!((least..=most).contains(&sampled), "{per_million}: {sampled}");
        }
    }

    #[test]
    fn parents_of_trusted_clients_alone_count() {
        let (tracer, mut ended) = tracer(0);
        drop(request(&tracer, Some(TAKEN), false));
        drop(request(&tracer, None, true));
        assert!(names(&mut ended).is_empty());
        drop(request(&tracer, Some(TAKEN), true));
        let span = ended.try_recv().unwrap().span;
        assert_eq!(span.trace_id, 0x4bf92f3577b34da6a3ce929d0e0e4736_u128.to_be_bytes());
        assert_eq!(span.parent_span_id, 0x00f067aa0ba902b7_u64.to_be_bytes());
        assert_eq!(span.flags, 0x301);
    }

    #[test]
    fn a_trace_of_its_own_is_linked_to_the_clients() {
        let (tracer, mut ended) = tracer(1_000_000);
        drop(request(&tracer, Some(TAKEN), false));
        let span = ended.try_recv().unwrap().span;
        assert!(span.parent_span_id.is_empty());
        assert_ne!(span.trace_id, span.links[0].trace_id);
        assert_eq!(span.links[0].span_id, 0x00f067aa0ba902b7_u64.to_be_bytes());
        assert_eq!((span.flags, span.links[0].flags), (0x101, 0x301));
    }

    #[tokio::test]
    async fn spans_are_entered_one_in_the_other() {
        let (tracer, mut ended) = tracer(1_000_000);
        let work = async {
            let outer = request(&tracer, None, false).enter();
            let id = id_of(outer.span());
            let inner = enter("Create", |attributes| attributes.audit_id());
            event("About to Encode", |_| ());
            assert_ne!(id_of(&current()), id);
            drop(inner);
            assert_eq!(id_of(&current()), id);
            let other = tokio::spawn(crate::carry(async { id_of(&current()) }));
            assert_eq!(other.await.unwrap(), id);
        };
        tracer.scope(work).await;
        let inner = ended.try_recv().unwrap().span;
        let outer = ended.try_recv().unwrap().span;
        assert_eq!((inner.name.as_str(), outer.name.as_str()), ("Create", "GET"));
        assert_eq!(inner.attributes[0].key, "audit-id");
        assert_eq!((&inner.parent_span_id, inner.events.len()), (&outer.span_id, 1));
        assert!(inner.start >= outer.start && inner.end <= outer.end);
    }

    #[tokio::test]
    async fn what_is_not_sampled_is_passed_on_all_the_same() {
        let (tracer, mut ended) = tracer(0);
        let parent = TAKEN.replace("-01", "-00").leak();
        let work = async {
            let _entered = request(&tracer, Some(parent), true).enter();
            let _inner = enter("Create", |_| panic!("nobody asks"));
            let mut headers = Vec::new();
            inject(|name, value| headers.push((name, value.to_string())));
            headers
        };
        let headers = tracer.scope(work).await;
        assert_eq!(headers.len(), 1);
        assert!(
            headers[0].1.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && headers[0].1.ends_with("-00")
        );
        assert!(names(&mut ended).is_empty());
    }

    #[test]
    fn spans_that_find_no_place_are_counted() {
        let (tracer, _ended) = tracer(1_000_000);
        for _ in 0..QUEUE_SPANS_MAX + 3 {
            drop(request(&tracer, None, false));
        }
        assert_eq!((tracer.sink.lost.take(), tracer.sink.lost.take()), (3, 0));
    }
}
