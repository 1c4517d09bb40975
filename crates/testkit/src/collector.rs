//! `Collector`: takes spans over OTLP, as clusters run one beside the server. It reads them by the messages of the crate
//! `opentelemetry-proto`, and shares no code with the server.

use crate::background::serve_until;
use crate::grpc::{self, Reply, UNAVAILABLE};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A running collector; it ends when dropped.
pub struct Collector {
    address: SocketAddr,
    state: Arc<Mutex<CollectorState>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct CollectorState {
    spans: Vec<Collected>,
    refuses: bool,
    requests: usize,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Collected {
    pub name: String,
    /// In hexadecimal digits, as all identities.
    pub trace_id: String,
    pub id: String,
    /// Empty for the first span of a trace.
    pub parent: String,
    /// 1 for internal work, 2 for served requests, 3 for calls to others.
    pub kind: i32,
    pub attributes: BTreeMap<String, String>,
    /// The names of its events, in order.
    pub events: Vec<String>,
    /// The traces that it is linked to.
    pub links: Vec<String>,
    /// 2 for a failure.
    pub status: i32,
    /// In nanoseconds since 1970.
    pub time: (u64, u64),
    /// The library that made it.
    pub made_by: String,
    /// The attributes of the program itself.
    pub resource: BTreeMap<String, String>,
}

impl Collector {
    pub fn start() -> Collector {
        let (stop, stopped) = oneshot::channel();
        let (listening, address) = std::sync::mpsc::channel();
        let state = Arc::<Mutex<CollectorState>>::default();
        let own = state.clone();
        let serving = async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let address = listener.local_addr().expect("the listener has an address");
            listening.send(address).expect("the test waits for the address");
            accept(listener, own).await;
        };
        let thread = Some(serve_until(stopped, serving));
        let address = address.recv().expect("the collector listens");
        Collector { address, state, stop: Some(stop), thread }
    }

    /// As configurations name it.
    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Refuses everything from now on, or takes it again.
    pub fn set_refusing(&self, refuses: bool) {
        self.state().refuses = refuses;
    }

    /// The number of requests with spans.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Collected> {
        self.state().spans.clone()
    }

    /// The spans of one trace.
    pub fn trace(&self, trace_id: &str) -> Vec<Collected> {
        let mut spans = self.spans();
        spans.retain(|span| span.trace_id == trace_id);
        spans
    }

    fn state(&self) -> MutexGuard<'_, CollectorState> {
        self.state.lock().expect("no handler panics with the state")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<CollectorState>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        grpc::serve(stream, move |path, message| std::future::ready(answer(&path, &message, &state)));
    }
}

/// Takes spans; the reply is an empty message.
fn answer(path: &str, message: &[u8], state: &Mutex<CollectorState>) -> Reply {
    assert_eq!(path, EXPORT);
    let message = ExportTraceServiceRequest::decode(message).expect("spans are well-formed");
    let mut state = state.lock().expect("no handler panics with the state");
    state.requests += 1;
    if state.refuses {
        return Err((UNAVAILABLE, ""));
    }
    state.spans.extend(collected(message));
    Ok(Vec::new())
}

fn collected(message: ExportTraceServiceRequest) -> Vec<Collected> {
    let mut out = Vec::new();
    for resource_spans in message.resource_spans {
        let resource = pairs(resource_spans.resource.unwrap_or_default().attributes);
        for scope_spans in resource_spans.scope_spans {
            let made_by = scope_spans.scope.unwrap_or_default().name;
            out.extend(scope_spans.spans.into_iter().map(|span| one(span, &made_by, &resource)));
        }
    }
    out
}

fn one(span: Span, made_by: &str, resource: &BTreeMap<String, String>) -> Collected {
    Collected {
        name: span.name,
        trace_id: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind,
        attributes: pairs(span.attributes),
        events: span.events.into_iter().map(|event| event.name).collect(),
        links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
        status: span.status.map_or(0, |status| status.code),
        time: (span.start_time_unix_nano, span.end_time_unix_nano),
        made_by: made_by.into(),
        resource: resource.clone(),
    }
}

fn pairs(given: Vec<KeyValue>) -> BTreeMap<String, String> {
    given.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => panic!("an attribute of an unknown kind: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
