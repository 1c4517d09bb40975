//! What other systems need to check service account tokens: the issuer's configuration and its public keys.

use crate::app::App;
use crate::negotiate;
use crate::pipeline;
use crate::request::Request;
use crate::respond::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_access::service_account::{Jwk, VerifyingKey};
use pintle_object::{Map, Status, Value, json};
use std::sync::Arc;

const CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/openid/v1/jwks";
const CACHE: &str = "public, max-age=3600";

/// Makes one of the two documents.
type Body = fn(&App) -> Result<Value, Status>;

/// The answer, when the path is one of these two.
pub fn answer(app: &App, request: &Request) -> Result<Option<Response>, Status> {
    let (media_type, body): (_, Body) = match request.path() {
        CONFIGURATION => ("application/json", configuration),
        KEYS => ("application/jwk-set+json", keys),
        _ => return Ok(None),
    };
    if request.method != hyper::Method::GET {
        return Err(pipeline::method_not_allowed());
    }
    negotiate::check_route(request, &[media_type])?;
    let response = Response::new(200, media_type, json::to_string(&body(app)?));
    Ok(Some(response.with("cache-control", CACHE)))
}

fn configuration(app: &App) -> Result<Value, Status> {
    let list = |text: &str| Value::from(vec![Value::from(text)]);
    let mut map = Map::new();
    map.insert("issuer", app.options.service_account_issuers.first().map_or("", String::as_str));
    map.insert("jwks_uri", app.options.service_account_jwks_uri.as_str());
    map.insert("response_types_supported", list("id_token"));
    map.insert("subject_types_supported", list("public"));
    let keys = verifying(app)?;
    let mut algorithms: Vec<&str> = keys.iter().map(|key| key.algorithm.name()).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    let algorithms = algorithms.into_iter().map(Value::from).collect::<Vec<_>>();
    map.insert("id_token_signing_alg_values_supported", algorithms);
    Ok(Value::Map(map))
}

/// The keys of tokens; one is made when there is none yet.
fn verifying(app: &App) -> Result<Vec<Arc<VerifyingKey>>, Status> {
    app.service_account_keys.signing().map_err(Status::internal)?;
    Ok(app.service_account_keys.verifying())
}

fn keys(app: &App) -> Result<Value, Status> {
    let mut set = Map::new();
    set.insert("keys", verifying(app)?.iter().map(|key| shown(key)).collect::<Vec<_>>());
    Ok(Value::Map(set))
}

/// A key as RFC 7517 has it.
fn shown(key: &VerifyingKey) -> Value {
    let mut map = Map::new();
    map.insert("use", "sig");
    map.insert("kid", key.id.as_str());
    map.insert("alg", key.algorithm.name());
    let mut number = |name: &str, bytes: &[u8]| drop(map.insert(name, URL_SAFE_NO_PAD.encode(bytes)));
    match &key.jwk {
        Jwk::Rsa { modulus, exponent } => {
            number("n", modulus);
            number("e", exponent);
            map.insert("kty", "RSA");
        }
        Jwk::Ec { curve, x, y } => {
            number("x", x);
            number("y", y);
            map.insert("crv", *curve);
            map.insert("kty", "EC");
        }
    }
    Value::Map(map)
}
