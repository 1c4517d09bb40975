//! The current span of a task: the parent of new spans in it, and of calls to other servers.
//!
//! A task of a request is scoped once (`Tracer::scope`, `carry`); within it, spans are entered one in the other and left
//! in the reverse order. Work that goes on
//! beside other work in one task is carried.

use crate::library::{Library, Role};
use crate::parent::{BAGGAGE, TRACEPARENT, TRACESTATE};
use crate::span::{Span, SpanAttributes};
use std::cell::RefCell;
use std::future::Future;

tokio::task_local! {
    static CURRENT: RefCell<Span>;
}

/// The current span; none outside of traces.
pub fn current() -> Span {
    CURRENT.try_with(|current| current.borrow().clone()).unwrap_or_default()
}

/// Whether anything that is said of the current span is kept.
pub fn is_recorded() -> bool {
    CURRENT.try_with(|current| current.borrow().is_recorded()).unwrap_or_default()
}

/// Runs a piece of work with a current span of its own, at first the present one: on another task, or beside others.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    scoped(current(), work)
}

/// Runs a piece of work with this span as the current one.
pub(crate) fn scoped<F: Future>(span: Span, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(RefCell::new(span), work)
}

/// Begins a child of the current span, which does not become the current one.
pub fn start(
    library: Library,
    role: Role,
    name: &'static str,
    attributes: impl FnOnce(&mut SpanAttributes),
) -> Span {
    if is_recorded() { current().child(library, role, name, attributes) } else { current() }
}

/// Begins a child of the current span, which is the current one until it is dropped.
pub fn enter(name: &'static str, attributes: impl FnOnce(&mut SpanAttributes)) -> Entered {
    if !is_recorded() {
        return Entered::default();
    }
    start(Library::Component, Role::Internal, name, attributes).enter()
}

/// Notes that something happened in the current span.
pub fn event(name: &'static str, attributes: impl FnOnce(&mut SpanAttributes)) {
    if is_recorded() {
        current().event(name, attributes);
    }
}

/// Writes the headers by which another program finds the current span. `write` takes names in lower case.
pub fn inject(write: impl FnMut(&'static str, &str)) {
    let _ = CURRENT.try_with(|current| current.borrow().inject(write));
}

impl Span {
    /// Makes it the current span until the returned value is dropped. Outside of a scope nothing becomes current.
    pub fn enter(self) -> Entered {
        let former = CURRENT.try_with(|current| current.replace(self.clone())).ok();
        Entered { span: self, former }
    }

    /// Writes the headers by which another program finds it.
    pub fn inject(&self, mut write: impl FnMut(&'static str, &str)) {
        let Some(place) = self.place() else { return };
        write(TRACEPARENT, &place.text());
        if let Some(state) = &place.state {
            write(TRACESTATE, state);
        }
        if let Some(baggage) = self.baggage() {
            write(BAGGAGE, baggage);
        }
    }
}

/// The current span of a piece of work. Dropped, it makes the former one current again.
#[must_use = "it is current only until it is dropped"]
#[derive(Debug, Default)]
pub struct Entered {
    span: Span,
    former: Option<Span>,
}

impl Entered {
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Leaves the span without ending it.
    pub fn leave(self) -> Span {
        self.span.clone()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(former) = self.former.take() {
            // Outside of its scope the work was given up: there is no current span to go back from.
            let _ = CURRENT.try_with(|current| current.replace(former));
        }
    }
}
