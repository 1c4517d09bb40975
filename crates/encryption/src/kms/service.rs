//! Calls to a plugin: gRPC at a Unix socket, each within the plugin's time.

use crate::configuration::KmsSettings;
use crate::failure::Failure;
use crate::kms::wire::{
    self, DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};
use crate::metrics::Metrics;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use pintle_traces::code_name;
use prost::Message;
use std::error::Error;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream as StdUnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, ConnectError, Request, Status};
use tonic_prost::ProstCodec;

/// Between attempts to reach a plugin that is not there, within the time of a call.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Service {
    channel: Channel,
    timeout: Duration,
    /// The socket of the plugin; a leading `@` names an abstract socket.
    address: String,
    name: String,
    metrics: Arc<Metrics>,
}

impl Service {
    /// Connects when it is first asked.
    pub fn new(settings: &KmsSettings, metrics: Arc<Metrics>) -> Result<Service, String> {
        let address = address(&settings.endpoint)?;
        let to = address.clone();
        let connector = tower::service_fn(move |_| {
            let to = to.clone();
            async move { connect(&to).await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
        let KmsSettings { name, timeout, .. } = settings;
        Ok(Service { channel, timeout: *timeout, address, name: name.clone(), metrics })
    }

    pub async fn status(&self) -> Result<StatusResponse, Failure> {
        self.call(wire::STATUS, StatusRequest {}).await
    }

    pub async fn encrypt(&self, ask: EncryptRequest) -> Result<EncryptResponse, Failure> {
        self.call(wire::ENCRYPT, ask).await
    }

    pub async fn decrypt(&self, ask: DecryptRequest) -> Result<DecryptResponse, Failure> {
        self.call(wire::DECRYPT, ask).await
    }

    async fn call<A, B>(&self, method: &'static str, ask: A) -> Result<B, Failure>
    where
        A: Message + Clone + 'static,
        B: Message + Default + 'static,
    {
        let began = Instant::now();
        let mut unreachable = None;
        let attempts = self.until_reached(method, ask, &mut unreachable);
        let result = match tokio::time::timeout(self.timeout, attempts).await {
            Ok(result) => result.map_err(|status| failure(status.code(), status.message())),
            Err(_) => Err(failure(Code::DeadlineExceeded, &self.timed_out(unreachable))),
        };
        let code = result.as_ref().map_or_else(|failure: &Failure| failure.code, |_| "OK");
        self.metrics.called(&self.name, method, code, began);
        result
    }

    /// Asks again for as long as there is no connection: a plugin may start later than the server.
    async fn until_reached<A, B>(
        &self,
        method: &'static str,
        ask: A,
        unreachable: &mut Option<String>,
    ) -> Result<B, Status>
    where
        A: Message + Clone + 'static,
        B: Message + Default + 'static,
    {
        loop {
            let result = self.once(method, ask.clone()).await;
            let Some(why) = result.as_ref().err().and_then(never_sent) else { return result };
            *unreachable = Some(why);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn once<A, B>(&self, method: &'static str, ask: A) -> Result<B, Status>
    where
        A: Message + 'static,
        B: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let path = PathAndQuery::from_static(method);
        let answer = grpc.unary(Request::new(ask), path, ProstCodec::<A, B>::default()).await?;
        Ok(answer.into_inner())
    }

    fn timed_out(&self, unreachable: Option<String>) -> String {
        match unreachable {
            None => String::from("context deadline exceeded"),
            Some(why) => format!(
                "latest balancer error: connection error: desc = \"transport: Error while dialing: dial unix {}: {why}\"",
                self.address
            ),
        }
    }
}

async fn connect(address: &str) -> io::Result<UnixStream> {
    let Some(name) = address.strip_prefix('@') else { return UnixStream::connect(address).await };
    // Connecting within the host does not wait.
    let stream = StdUnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// The path of `unix:///path`; `unix:///@name` is an abstract socket.
fn address(endpoint: &str) -> Result<String, String> {
    let rest = endpoint.split_once(':').map_or("", |(_, rest)| rest);
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(""),
        None => rest,
    };
    let path = path.split(['?', '#']).next().unwrap_or("");
    if path.is_empty() {
        return Err(format!("invalid endpoint {endpoint:?} for remote KMS provider, error: it has no path"));
    }
    Ok(String::from(path.strip_prefix("/@").map_or(path, |_| path.strip_prefix('/').unwrap_or(path))))
}

/// The connection error of a call that was never sent.
fn never_sent(status: &Status) -> Option<String> {
    let causes = || std::iter::successors(status.source(), |cause| (*cause).source());
    causes().any(|cause| cause.is::<ConnectError>()).then(|| {
        let io = causes().find_map(|cause| cause.downcast_ref::<io::Error>());
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::NotFound) => String::from("connect: no such file or directory"),
            Some(io::ErrorKind::ConnectionRefused) => String::from("connect: connection refused"),
            Some(io::ErrorKind::PermissionDenied) => String::from("connect: permission denied"),
            _ => causes().last().map(ToString::to_string).unwrap_or_default(),
        }
    })
}

/// A failure as Go's gRPC words it.
fn failure(code: Code, message: &str) -> Failure {
    let name = code_name(code);
    Failure { message: format!("rpc error: code = {name} desc = {message}"), code: name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_paths_or_abstract_names() {
        for (endpoint, expected) in [
            ("unix:///run/kms.sock", Ok("/run/kms.sock")),
            ("unix:///@kms", Ok("@kms")),
            ("unix://host/run/kms.sock", Ok("/run/kms.sock")),
            ("unix:/run/kms.sock", Ok("/run/kms.sock")),
            ("unix:///run/kms.sock?x=y", Ok("/run/kms.sock")),
            ("unix://", Err(())),
        ] {
            assert_eq!(address(endpoint).as_deref().map_err(|_| ()), expected, "{endpoint}");
        }
    }
}
