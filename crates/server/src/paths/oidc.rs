//! OIDC discovery for service account tokens: the issuer's configuration and its public keys.

use crate::app::App;
use crate::negotiate;
use crate::refusals;
use crate::request::Request;
use crate::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_access::service_account::{Jwk, VerifyingKey};
use pintle_object::{Status, Value, json};
use std::sync::Arc;

const CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/openid/v1/jwks";
const CACHE: &str = "public, max-age=3600";

/// Makes one of the two documents.
type Body = fn(&App) -> Result<String, Status>;

/// The answer, when the path is one of these two.
pub fn answer(app: &App, request: &Request) -> Result<Option<Response>, Status> {
    let (media_type, body): (_, Body) = match request.path() {
        CONFIGURATION => ("application/json", configuration),
        KEYS => ("application/jwk-set+json", keys),
        _ => return Ok(None),
    };
    if request.method != hyper::Method::GET {
        return Err(refusals::method_not_allowed());
    }
    negotiate::check_route(request, &[media_type])?;
    let response = Response::new(200, media_type, body(app)?);
    Ok(Some(response.with("cache-control", CACHE)))
}

fn configuration(app: &App) -> Result<String, Status> {
    let keys = verifying(app)?;
    let mut algorithms: Vec<&str> = keys.iter().map(|key| key.algorithm.name()).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    Ok(fields(&[
        ("issuer", text(app.options.service_account_issuers.first().map_or("", String::as_str))),
        ("jwks_uri", text(&app.options.service_account_jwks_uri)),
        ("response_types_supported", list(&["id_token"])),
        ("subject_types_supported", list(&["public"])),
        ("id_token_signing_alg_values_supported", list(&algorithms)),
    ]))
}

/// A JSON map of documents, in the order that upstream's types have.
fn fields(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn text(text: &str) -> String {
    json::to_string(&Value::from(text))
}

fn list(texts: &[&str]) -> String {
    json::to_string(&Value::from(texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>()))
}

/// The keys of tokens; a key is made if there is none yet.
fn verifying(app: &App) -> Result<Vec<Arc<VerifyingKey>>, Status> {
    app.service_account_keys.signing().map_err(Status::internal)?;
    Ok(app.service_account_keys.verifying())
}

fn keys(app: &App) -> Result<String, Status> {
    let keys: Vec<String> = verifying(app)?.iter().map(|key| shown(key)).collect();
    Ok(fields(&[("keys", format!("[{}]", keys.join(",")))]))
}

/// A key as RFC 7517 has it.
fn shown(key: &VerifyingKey) -> String {
    let number = |bytes: &[u8]| text(&URL_SAFE_NO_PAD.encode(bytes));
    let (kind, parts) = match &key.jwk {
        Jwk::Rsa { modulus, exponent } => ("RSA", vec![("n", number(modulus)), ("e", number(exponent))]),
        Jwk::Ec { curve, x, y } => ("EC", vec![("crv", text(curve)), ("x", number(x)), ("y", number(y))]),
    };
    let head = [("use", "sig"), ("kty", kind), ("kid", &key.id)].map(|(name, value)| (name, text(value)));
    // The curve comes before the algorithm, numbers come after it.
    let (before, after): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(name, _)| *name == "crv");
    let algorithm = [("alg", text(key.algorithm.name()))];
    let all = [head.as_slice(), before.as_slice(), algorithm.as_slice(), after.as_slice()].concat();
    fields(&all)
}
