//! Unary calls of gRPC on the server's side, for fakes of services that clusters run beside the server.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use tokio::io::{AsyncRead, AsyncWrite};

/// gRPC's codes.
pub(crate) const OK: &str = "0";
pub(crate) const INVALID_ARGUMENT: &str = "3";
pub(crate) const UNIMPLEMENTED: &str = "12";
pub(crate) const UNAVAILABLE: &str = "14";
/// Bytes before a message: a flag and four bytes of length.
const HEAD: usize = 5;

/// The answer to a call: a message, or a code and why.
pub(crate) type Reply = Result<Vec<u8>, (&'static str, &'static str)>;

/// Answers the calls of a connection: each by the path of its method and its message.
pub(crate) fn serve<S, A, F>(stream: S, answer: A)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(String, Bytes) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let service = service_fn(move |request| call(request, answer.clone()));
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
}

async fn call<F: Future<Output = Reply>>(
    request: Request<Incoming>,
    answer: impl Fn(String, Bytes) -> F,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let path = request.uri().path().to_string();
    let mut body = request.into_body().collect().await?.to_bytes();
    let message = body.split_off(HEAD.min(body.len()));
    let (code, why, reply) = match answer(path, message).await {
        Ok(reply) => (OK, "", framed(&reply)),
        Err((code, why)) => (code, why, Bytes::new()),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers.insert("grpc-message", HeaderValue::from_static(why));
    let body = Full::new(reply).with_trailers(std::future::ready(Some(Ok(trailers)))).boxed();
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

fn framed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEAD + message.len());
    out.put_u8(0);
    out.put_u32(u32::try_from(message.len()).expect("messages are small"));
    out.put_slice(message);
    out.freeze()
}
