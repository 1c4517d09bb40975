//! Counters of calls to etcd, in the families of gRPC's clients.

use pintle_metrics::{Counters, Registry};
use pintle_traces::code_name;
use tonic::Code;

const UNARY: &str = "unary";
const STREAM: &str = "bidi_stream";

/// CallCounters and their messages, by service and method.
#[derive(Clone)]
pub(crate) struct CallCounters {
    started: Counters,
    handled: Counters,
    sent: Counters,
    received: Counters,
}

impl CallCounters {
    pub fn new(registry: &Registry) -> CallCounters {
        let family = |name: &str| registry.counters(&format!("grpc_client_{name}_total"));
        CallCounters {
            started: family("started"),
            handled: family("handled"),
            sent: family("msg_sent"),
            received: family("msg_received"),
        }
    }

    /// A call with one message begins.
    pub fn begin(&self, path: &str) {
        let (service, method) = split(path);
        self.started.with(&[method, service, UNARY]).inc();
        self.sent.with(&[method, service, UNARY]).inc();
    }

    /// It was answered, or failed.
    pub fn end(&self, path: &str, code: Code) {
        let (service, method) = split(path);
        if code == Code::Ok {
            self.received.with(&[method, service, UNARY]).inc();
        }
        self.handled.with(&[code_name(code), method, service, UNARY]).inc();
    }

    /// A stream of messages begins.
    pub fn stream(&self, path: &'static str) -> StreamCounters {
        let (service, method) = split(path);
        self.started.with(&[method, service, STREAM]).inc();
        StreamCounters { calls: self.clone(), path }
    }
}

/// A stream's messages. Its end is counted when it is dropped.
pub(crate) struct StreamCounters {
    calls: CallCounters,
    path: &'static str,
}

impl StreamCounters {
    pub fn sent(&self) {
        let (service, method) = split(self.path);
        self.calls.sent.with(&[method, service, STREAM]).inc();
    }

    pub fn received(&self) {
        let (service, method) = split(self.path);
        self.calls.received.with(&[method, service, STREAM]).inc();
    }

    /// It ended by itself.
    pub fn end(self, code: Code) {
        let (service, method) = split(self.path);
        self.calls.handled.with(&[code_name(code), method, service, STREAM]).inc();
    }
}

/// The service and the method of a path.
fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or((path, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_service_and_method() {
        let registry = Registry::default();
        let calls = CallCounters::new(&registry);
        for code in [Code::Ok, Code::Unavailable] {
            calls.begin("/etcdserverpb.KV/Range");
            calls.end("/etcdserverpb.KV/Range", code);
        }
        let stream = calls.stream("/etcdserverpb.Watch/Watch");
        stream.sent();
        stream.received();
        stream.received();
        stream.end(Code::Ok);
        let text = registry.text();
        let labels = "grpc_method=\"Range\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"";
        for line in [
            format!("grpc_client_started_total{{{labels}}} 2"),
            format!("grpc_client_msg_received_total{{{labels}}} 1"),
            format!("grpc_client_handled_total{{grpc_code=\"Unavailable\",{labels}}} 1"),
        ] {
            assert!(text.contains(&line), "{line}: {text}");
        }
        let labels = "grpc_method=\"Watch\",grpc_service=\"etcdserverpb.Watch\",grpc_type=\"bidi_stream\"";
        assert!(text.contains(&format!("grpc_client_msg_received_total{{{labels}}} 2")));
        assert!(text.contains(&format!("grpc_client_handled_total{{grpc_code=\"OK\",{labels}}} 1")));
    }
}
