//! Metrics of streams of processes and ports: the protocol, and the result of those that are translated or tunneled
//! here.

use super::labels;
use pintle_metrics::{Counters, Registry};

pub struct StreamMetrics {
    /// By code.
    pub translated: Counters,
    pub tunnelled: Counters,
    routed: Counters,
}

impl StreamMetrics {
    pub fn new(registry: &Registry) -> StreamMetrics {
        StreamMetrics {
            translated: registry.counters("apiserver_stream_translator_requests_total"),
            tunnelled: registry.counters("apiserver_stream_tunnel_requests_total"),
            routed: registry.counters("apiserver_websocket_streaming_requests_total"),
        }
    }

    /// Counts a request for a stream, and whether the kubelet does all that WebSocket needs.
    pub fn observe_route(&self, subresource: &str, is_passed_on: bool) {
        let way = if is_passed_on { "proxied_to_kubelet" } else { "translated_at_apiserver" };
        self.routed.with(&[way, subresource]).inc();
    }
}

/// Counts a stream by its code.
pub fn observe_code(counters: &Counters, code: u16) {
    counters.with(&[labels::code(code)]).inc();
}
