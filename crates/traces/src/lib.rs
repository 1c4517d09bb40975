//! Traces of requests: spans, their sampling, their way from other programs and on to them, and to a collector.
//!
//! A span is measured from its beginning until it is dropped. The innermost span of a task is its current one: spans
//! that begin there are its children, and it is the parent of calls to other servers (`scope`). Without a tracer, and
//! in traces that are not sampled, nothing is allocated: attributes are closures that are not called then.
//!
//! ```text
//! request > Tracer::scope > enter("authentication") > Tracer::request > enter("Create") > ... > queue > export
//! ```

mod batch;
mod configuration;
mod export;
mod grpc;
mod ids;
mod library;
mod parent;
mod queue;
mod scope;
mod span;
mod tracer;
mod wire;

pub use configuration::{TracingConfiguration, read_file};
pub use export::{Connect, Stream};
pub use grpc::code_name;
pub use library::{Library, Role};
pub use parent::Parent;
pub use scope::{Entered, carry, current, enter, event, inject, is_recorded, start};
pub use span::{Span, SpanAttributes, head};
pub use tracer::{RequestStart, Tracer};
