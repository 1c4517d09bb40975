//! Authentication of a request: its credentials, and the authenticators.

use crate::app::App;
use crate::client::ConnectionClient;
use crate::request::{Request, text};
use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use pintle_access::{Credentials, User, websocket};
use pintle_object::Status;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

const PROTOCOLS: &str = "sec-websocket-protocol";

/// The user that a request's credentials prove.
pub async fn authenticate(
    app: &App,
    request: &mut Request,
    client: &ConnectionClient,
) -> Result<Arc<User>, Status> {
    if let Some(expires) = client.certificate_expires {
        app.metrics.certificate_lives.observe((expires - request.now_seconds()) as f64);
    }
    match client.is_local {
        true => unsecured(request).map(Arc::new),
        false => prove(app, request, &client.certificates).await,
    }
}

async fn prove(
    app: &App,
    request: &mut Request,
    certificates: &[CertificateDer<'static>],
) -> Result<Arc<User>, Status> {
    let authorization = request.header(header::AUTHORIZATION);
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
    let now = Duration::from_secs(u64::try_from(request.now_seconds()).unwrap_or(0));
    let now = UnixTime::since_unix_epoch(now);
    let user = app.authenticators.authenticate(&credentials, now).await?;
    // No later stage should see, or answer with, the token of a web socket.
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

/// The administrator, for requests on the insecure port. Requests that a web page from elsewhere made through a browser
/// on this machine are refused: by their `Origin`, or by a `Host` that is not this machine.
fn unsecured(request: &Request) -> Result<User, Status> {
    let origin = request.header(header::ORIGIN);
    let origin = origin.split_once("://").map_or(origin.as_ref(), |(_, host)| host);
    if !is_here(&request.header(header::HOST)) || !(origin.is_empty() || is_here(origin)) {
        return Err(Status::unauthorized());
    }
    let groups = ["system:masters", "system:authenticated"].map(String::from).to_vec();
    Ok(User { name: "system:unsecured".into(), groups, ..User::default() })
}

/// Whether a host, with or without a port, is this machine by name.
fn is_here(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

/// Whether a request opens a web socket.
fn is_websocket(request: &Request) -> bool {
    request.header(header::UPGRADE).eq_ignore_ascii_case("websocket")
        && request.header_list(header::CONNECTION).to_ascii_lowercase().contains("upgrade")
}
