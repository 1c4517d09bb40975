//! What other systems need to check service account tokens: the issuer's configuration and its public keys.

use crate::app::App;
use crate::negotiate;
use crate::pipeline;
use crate::request::Request;
use crate::respond::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_object::{Map, Status, Value, json};

const CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/openid/v1/jwks";
const CACHE: &str = "public, max-age=3600";

/// An RSA key that tokens are checked with; the numbers are big-endian without leading zeros.
#[derive(Clone, Debug)]
pub struct PublicKey {
    pub id: String,
    pub modulus: Vec<u8>,
    pub exponent: Vec<u8>,
}

/// Fetches the keys; they may be made when they are first asked for.
pub type PublicKeys = Box<dyn Fn() -> Result<Vec<PublicKey>, String> + Send + Sync>;

/// Makes one of the two documents.
type Body = fn(&App) -> Result<Value, Status>;

/// The answer, when the path is one of these two.
pub fn answer(app: &App, request: &Request) -> Result<Option<Response>, Status> {
    let (media_type, body): (_, Body) = match request.path.as_str() {
        CONFIGURATION => ("application/json", configuration),
        KEYS => ("application/jwk-set+json", keys),
        _ => return Ok(None),
    };
    if request.method != hyper::Method::GET {
        return Err(pipeline::method_not_allowed());
    }
    let header = request.header_list("accept");
    let types = negotiate::media_types(&header);
    if !types.is_empty()
        && !types.iter().any(|wanted| matches!(*wanted, "*/*" | "application/*") || *wanted == media_type)
    {
        return Err(negotiate::unavailable(media_type));
    }
    let response = Response::new(200, media_type, json::to_string(&body(app)?));
    Ok(Some(response.with("cache-control", CACHE)))
}

fn configuration(app: &App) -> Result<Value, Status> {
    let list = |text: &str| Value::from(vec![Value::from(text)]);
    let mut map = Map::new();
    map.insert("issuer", app.options.service_account_issuer.as_str());
    map.insert("jwks_uri", app.options.service_account_jwks_uri.as_str());
    map.insert("response_types_supported", list("id_token"));
    map.insert("subject_types_supported", list("public"));
    map.insert("id_token_signing_alg_values_supported", list("RS256"));
    Ok(Value::Map(map))
}

fn keys(app: &App) -> Result<Value, Status> {
    let keys = (app.public_keys)().map_err(Status::internal)?;
    let shown = keys.iter().map(|key| {
        let mut map = Map::new();
        map.insert("use", "sig");
        map.insert("kty", "RSA");
        map.insert("kid", key.id.as_str());
        map.insert("alg", "RS256");
        map.insert("n", URL_SAFE_NO_PAD.encode(&key.modulus));
        map.insert("e", URL_SAFE_NO_PAD.encode(&key.exponent));
        Value::Map(map)
    });
    let mut set = Map::new();
    set.insert("keys", shown.collect::<Vec<_>>());
    Ok(Value::Map(set))
}
