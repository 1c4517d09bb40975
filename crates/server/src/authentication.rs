//! Who a request is from: its credentials, as the authenticators take them.

use crate::app::App;
use crate::pipeline::Client;
use crate::request::{Request, text};
use bytes::Bytes;
use hyper::header::HeaderValue;
use pintle_access::{Credentials, User, websocket};
use pintle_object::Status;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::borrow::Cow;
use std::time::Instant;

const PROTOCOLS: &str = "sec-websocket-protocol";

/// The user that a request's credentials prove, counted.
pub async fn authenticate(app: &App, request: &mut Request, client: &Client) -> Result<User, Status> {
    let began = Instant::now();
    if let Some(expires) = client.certificate_expires {
        app.metrics.certificate_lives.observe((expires - request.now_seconds()) as f64);
    }
    let result = prove(app, request, &client.certificates).await;
    let name = result.as_ref().ok().map(|user| user.name.as_str());
    app.metrics.observe_authentication(name, began.elapsed());
    result
}

async fn prove(
    app: &App,
    request: &mut Request,
    certificates: &[CertificateDer<'static>],
) -> Result<User, Status> {
    let authorization = request.header("authorization");
    let headers: Vec<(&str, &[u8])> = match app.authenticators.front_proxy {
        Some(_) => request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        None => Vec::new(),
    };
    let protocols: Vec<Cow<'_, str>> = match is_websocket(request) {
        true => request.headers.get_all(PROTOCOLS).iter().map(text).collect(),
        false => Vec::new(),
    };
    let protocols: Vec<&str> = protocols.iter().map(AsRef::as_ref).collect();
    let path = request.path();
    let audit = Some(request.audit.as_ref());
    let authorization = Some(authorization.as_ref());
    let credentials =
        Credentials { certificates, authorization, headers: &headers, protocols: &protocols, path, audit };
    let user = app.authenticators.authenticate(&credentials, UnixTime::now()).await?;
    // Nobody further on should see, or answer with, the token of a web socket.
    let has_token = protocols.iter().flat_map(|list| list.split(',')).any(websocket::is_token);
    if has_token {
        let others = HeaderValue::from_maybe_shared(Bytes::from(websocket::others(&protocols)));
        match others {
            Ok(others) => drop(request.headers.insert(PROTOCOLS, others)),
            Err(_) => drop(request.headers.remove(PROTOCOLS)),
        }
    }
    Ok(user)
}

/// Whether a request opens a web socket.
fn is_websocket(request: &Request) -> bool {
    request.header("upgrade").eq_ignore_ascii_case("websocket")
        && request.header_list("connection").to_ascii_lowercase().contains("upgrade")
}
