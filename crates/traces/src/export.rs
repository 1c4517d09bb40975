//! The way to the collector: OTLP over gRPC, without TLS, as upstream's.

use crate::library::Library;
use crate::queue::EndedSpan;
use crate::span::SpanAttributes;
use crate::wire::{
    self, ExportRequest, ExportResponse, InstrumentationScope, Resource, ResourceSpans, ScopeSpans,
};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::future::Future;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream as StdUnixStream};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

const PORT_DEFAULT: u16 = 4317;
/// gRPC's, for names without a port.
const PORT_OF_NAMES: u16 = 443;
/// Upstream's name of the server among services.
const SERVICE: &str = "apiserver";

/// The timeout of one try, and of all tries of one batch: those of OpenTelemetry's exporter.
const TRY_MAX: Duration = Duration::from_secs(10);
pub(crate) const TRIES_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(5);

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// Connects to a host, which is a name or an address without brackets, and a port.
pub type Connect = Arc<dyn Fn(String, u16) -> Connecting + Send + Sync>;

/// The address of the collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp { host: String, port: u16 },
    Unix(String),
    Abstract(String),
}

impl Endpoint {
    /// By gRPC's rules of names: `host:port`, `dns:///host:port`, `unix:///path`, `unix-abstract:name`. Empty for the
    /// default.
    pub fn parse(text: &str) -> Result<Endpoint, String> {
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme @ ("dns" | "unix" | "unix-abstract"), rest)) => (scheme, rest),
            _ => ("", text),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.find('/').map_or((rest, ""), |at| rest.split_at(at)),
            None => ("", rest),
        };
        match scheme {
            "unix" | "unix-abstract" if !authority.is_empty() => {
                Err(format!("tracing endpoint {text:?}: invalid (non-empty) authority: {authority}"))
            }
            "unix" => Ok(Endpoint::Unix(path.into())),
            "unix-abstract" => Ok(Endpoint::Abstract(path.into())),
            _ => {
                let name = path.strip_prefix('/').unwrap_or(path);
                // An authority is a server of names to ask; with nothing behind it, it is meant itself.
                Endpoint::tcp(if name.is_empty() { authority } else { name })
                    .ok_or_else(|| format!("tracing endpoint {text:?}: the port is not a number"))
            }
        }
    }

    fn tcp(name: &str) -> Option<Endpoint> {
        if name.is_empty() {
            return Some(Endpoint::Tcp { host: "localhost".into(), port: PORT_DEFAULT });
        }
        let (host, port) = match name.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None if name.matches(':').count() > 1 => (name, ""),
            None => name.find(':').map_or((name, ""), |at| name.split_at(at)),
        };
        let port = match port.strip_prefix(':').unwrap_or(port) {
            "" => PORT_OF_NAMES,
            digits => digits.parse().ok()?,
        };
        Some(Endpoint::Tcp { host: host.into(), port })
    }

    async fn connect(self, connect: Connect) -> io::Result<Box<dyn Stream>> {
        match self {
            Endpoint::Tcp { host, port } => connect(host, port).await,
            Endpoint::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Endpoint::Abstract(name) => {
                // Connecting within the host does not wait.
                let stream = StdUnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
                stream.set_nonblocking(true)?;
                Ok(Box::new(UnixStream::from_std(stream)?))
            }
        }
    }
}

/// Sends spans. Connects when there are some.
pub(crate) struct Exporter {
    channel: Channel,
    resource: Resource,
}

impl Exporter {
    pub fn new(endpoint: &Endpoint, instance: &str, connect: Connect) -> Exporter {
        let endpoint = endpoint.clone();
        let connector = tower::service_fn(move |_| {
            let (endpoint, connect) = (endpoint.clone(), connect.clone());
            async move { endpoint.connect(connect).await.map(TokioIo::new) }
        });
        let mut attributes = SpanAttributes::default();
        attributes.text("service.instance.id", instance);
        attributes.text("service.name", SERVICE);
        Exporter {
            channel: tonic::transport::Endpoint::from_static("http://localhost")
                .connect_with_connector_lazy(connector),
            resource: Resource { attributes: attributes.into_pairs() },
        }
    }

    /// Sends a batch. What may pass is tried again for a while.
    pub async fn export(&self, batch: Vec<EndedSpan>) -> Result<(), String> {
        let ask = self.request(batch);
        let tries = async {
            loop {
                match self.attempt(ask.clone()).await {
                    Err(status) if is_passing(status.code()) => tokio::time::sleep(PAUSE).await,
                    result => return result.map_err(|status| words(&status)),
                }
            }
        };
        tokio::time::timeout(TRIES_MAX, tries)
            .await
            .unwrap_or_else(|_| Err(String::from("the collector did not answer in time")))
    }

    /// Sends a batch, in one try.
    pub async fn export_once(&self, batch: Vec<EndedSpan>) -> Result<(), String> {
        self.attempt(self.request(batch)).await.map_err(|status| words(&status))
    }

    async fn attempt(&self, ask: ExportRequest) -> Result<(), Status> {
        let once = async {
            let mut grpc = Grpc::new(self.channel.clone());
            grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
            let codec = ProstCodec::<ExportRequest, ExportResponse>::default();
            grpc.unary(Request::new(ask), PathAndQuery::from_static(wire::EXPORT), codec).await
        };
        let late = |_| Status::deadline_exceeded("there was no answer in time");
        let answer = tokio::time::timeout(TRY_MAX, once).await.map_err(late)??.into_inner();
        match answer.partial_success {
            Some(partial) if partial.rejected_spans > 0 => Err(Status::failed_precondition(format!(
                "{} spans were rejected: {}",
                partial.rejected_spans, partial.error_message
            ))),
            _ => Ok(()),
        }
    }

    fn request(&self, batch: Vec<EndedSpan>) -> ExportRequest {
        let mut scopes = Library::ALL.map(|library| ScopeSpans {
            scope: Some(InstrumentationScope { name: library.name().into() }),
            spans: Vec::new(),
        });
        for EndedSpan { library, span } in batch {
            let index = Library::ALL.iter().position(|known| *known == library);
            if let Some(scope) = index.and_then(|index| scopes.get_mut(index)) {
                scope.spans.push(span);
            }
        }
        let scope_spans = scopes.into_iter().filter(|scope| !scope.spans.is_empty()).collect();
        let resource = Some(self.resource.clone());
        ExportRequest { resource_spans: vec![ResourceSpans { resource, scope_spans }] }
    }
}

/// Whether OTLP has an exporter try again.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
    )
}

fn words(status: &Status) -> String {
    let cause = std::iter::successors(status.source(), |cause| (*cause).source()).last();
    cause.map_or_else(|| status.message().to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_grpcs() {
        let check = |text: &str, expected: Endpoint| {
            assert_eq!(Endpoint::parse(text), Ok(expected), "{text}");
        };
        let tcp = |host: &str, port| Endpoint::Tcp { host: host.into(), port };
        check("", tcp("localhost", 4317));
        check("collector:4318", tcp("collector", 4318));
        check("collector", tcp("collector", 443));
        check("[::1]:4317", tcp("::1", 4317));
        check("::1", tcp("::1", 443));
        check("dns:collector:4317", tcp("collector", 4317));
        check("dns:///collector:4317", tcp("collector", 4317));
        check("dns://9.9.9.9/collector:4317", tcp("collector", 4317));
        check("dns://collector:4317", tcp("collector", 4317));
        check("unix:///run/otlp.sock", Endpoint::Unix("/run/otlp.sock".into()));
        check("unix:/run/otlp.sock", Endpoint::Unix("/run/otlp.sock".into()));
        check("unix-abstract:otlp", Endpoint::Abstract("otlp".into()));
        assert!(Endpoint::parse("unix://run/otlp.sock").is_err());
        assert!(Endpoint::parse("collector:99999").is_err());
    }
}
