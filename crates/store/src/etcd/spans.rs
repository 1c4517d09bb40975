//! Spans of calls to etcd, by OpenTelemetry's conventions for gRPC.

use pintle_traces::{Library, Role, Span, code_name, is_recorded, start};
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

/// One call with one answer.
pub(crate) struct CallSpan(Span);

impl CallSpan {
    /// Begins a call with a message of so many bytes.
    pub fn begin(path: &'static str, bytes: usize) -> CallSpan {
        if !is_recorded() {
            return CallSpan(pintle_traces::current());
        }
        let name = path.strip_prefix('/').unwrap_or(path);
        let span = start(Library::Grpc, Role::Client, name, |attributes| {
            attributes.text("rpc.method", name);
            attributes.text("rpc.system.name", "grpc");
        });
        span.event("message", |attributes| message(attributes, "SENT", bytes));
        CallSpan(span)
    }

    /// Adds the current span to the metadata of a call.
    pub fn name_in(&self, metadata: &mut MetadataMap) {
        self.0.inject(|name, value| {
            if let Ok(value) = MetadataValue::try_from(value) {
                metadata.insert(name, value);
            }
        });
    }

    pub fn end<B: prost::Message>(self, result: &Result<B, Status>) {
        if !self.0.is_recorded() {
            return;
        }
        let code = match result {
            Ok(answer) => {
                self.0.event("message", |attributes| message(attributes, "RECEIVED", answer.encoded_len()));
                tonic::Code::Ok
            }
            Err(status) => {
                self.0.fail(status.message());
                status.code()
            }
        };
        self.0.set(|attributes| attributes.text("rpc.response.status_code", code_name(code)));
    }
}

fn message(attributes: &mut pintle_traces::SpanAttributes, kind: &str, bytes: usize) {
    attributes.text("rpc.message.type", kind);
    attributes.int("rpc.message.id", 1);
    attributes.int("rpc.message.uncompressed_size", bytes);
}
