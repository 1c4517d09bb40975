//! `Unproven`: a token in compact form whose signature has not been verified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_object::{Value, json};

/// `header.claims.signature`, each in base64.
pub struct Unproven<'a> {
    /// The signed part: header and claims, as they were sent.
    pub message: &'a str,
    pub signature: Vec<u8>,
    /// Names the key; may be empty.
    pub key_id: String,
    pub algorithm: String,
    pub claims: Value,
}

impl<'a> Unproven<'a> {
    pub fn parse(token: &'a str) -> Option<Unproven<'a>> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let object = |part: &str| json::parse(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let header = object(header)?;
        // Nothing is known here that could be critical.
        if header.get("crit").is_some() {
            return None;
        }
        let text = |field| header.str_at(&[field]).to_string();
        Some(Unproven {
            message,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            key_id: text("kid"),
            algorithm: text("alg"),
            claims: object(claims)?,
        })
    }
}

/// Reads the audiences; a single one may be given without a list.
pub(crate) fn audiences(claims: &Value) -> Vec<String> {
    match claims.get("aud") {
        Some(Value::Text(one)) => vec![one.to_string()],
        _ => claims.list_at(&["aud"]).iter().filter_map(Value::as_str).map(String::from).collect(),
    }
}

/// Times may have fractions, which do not count.
pub(crate) fn number(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Int(number) => Some(*number),
        Value::Float(number) => Some(*number as i64),
        _ => None,
    }
}
