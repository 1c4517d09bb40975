//! Continue tokens: where the next page of a list begins, in upstream's encoding.
//!
//! A token is base64url of `{"v":"meta.k8s.io/v1","rv":<revision>,"start":"<key after the prefix>"}`; a revision
//! of -1 asks for the rest of the list as it is now, even if it has changed since the first page.

use pintle_object::{Status, bytes, json};

const VERSION: &str = "meta.k8s.io/v1";

/// The answer to an expired token.
const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can \
    start a new list without the continue parameter, or use the continue token in this response to retrieve the \
    remainder of the results. Continuing with the provided token results in an inconsistent list - objects that \
    were created, modified, or deleted between the time the first chunk was returned and now may show up in the \
    list.";

/// A decoded token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continue {
    /// The first key of the next page.
    pub key: String,
    /// The revision to show; negative for the current one.
    pub revision: i64,
}

impl Continue {
    /// Reads a token of a list over keys that begin with `prefix`.
    pub fn decode(token: &str, prefix: &str) -> Result<Continue, Status> {
        read(token, prefix).map_err(|why| Status::bad_request(format!("invalid continue token: {why}")))
    }

    /// The token of the page that begins right after `key`; `revision` is -1 for an inconsistent rest.
    pub fn encode(key_last: &str, prefix: &str, revision: i64) -> String {
        let start = format!("{}\0", key_last.strip_prefix(prefix).unwrap_or(key_last));
        let mut document = format!("{{\"v\":\"{VERSION}\",\"rv\":{revision},\"start\":").into_bytes();
        json::write_string(&mut document, &start);
        document.push(b'}');
        to_url(&bytes::encode(&document))
    }
}

fn read(token: &str, prefix: &str) -> Result<Continue, String> {
    let generic = "continue key is not valid";
    let document = from_url(token).map_err(|why| format!("{generic}: {why}"))?;
    let value = json::parse(&document).map_err(|error| format!("{generic}: {}", error.message))?;
    match value.str_at(&["v"]) {
        VERSION => {}
        other => {
            return Err(format!("{generic}: server does not recognize this encoded version {other}"));
        }
    }
    let revision = value.int_at(&["rv"]).unwrap_or(0);
    if revision == 0 {
        return Err(format!("{generic}: incorrect encoded start resourceVersion (version {VERSION})"));
    }
    let start = value.str_at(&["start"]);
    if start.is_empty() {
        return Err(format!("{generic}: encoded start key empty (version {VERSION})"));
    }
    // A start with `..` would leave the prefix, and show objects that the user may not see.
    let relative = start.strip_prefix('/').unwrap_or(start);
    let climbs = |part: &str| part.is_empty() || part == "." || part == "..";
    if relative.split('/').any(climbs) {
        return Err(format!("{generic}: {start}"));
    }
    Ok(Continue { key: format!("{prefix}{relative}"), revision })
}

/// 410 for a token whose revision is gone, with a token for the inconsistent rest.
pub fn expired(key: &str, prefix: &str) -> Status {
    let start = key.strip_suffix('\0').unwrap_or(key);
    let token = Continue::encode(start, prefix, -1);
    Status { continue_token: token, ..Status::expired(EXPIRED) }
}

fn to_url(text: &str) -> String {
    text.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn from_url(token: &str) -> Result<Vec<u8>, String> {
    if let Some(place) = token.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'-' || b == b'_')) {
        return Err(format!("illegal base64 data at input byte {place}"));
    }
    let mut text = token.replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    bytes::decode(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "/registry/configmaps/ns/";

    #[test]
    fn a_token_leads_back_to_its_key() {
        let token = Continue::encode("/registry/configmaps/ns/b", PREFIX, 42);
        let expected = Continue { key: "/registry/configmaps/ns/b\0".into(), revision: 42 };
        assert_eq!(Continue::decode(&token, PREFIX).unwrap(), expected);
        let status = expired("/registry/configmaps/ns/b\0", PREFIX);
        assert_eq!(status.code, 410);
        assert_eq!(
            Continue::decode(&status.continue_token, PREFIX).unwrap(),
            Continue { revision: -1, ..expected }
        );
    }

    #[test]
    fn a_token_cannot_leave_its_prefix() {
        let check = |document: &str, expected: &str| {
            let token = to_url(&bytes::encode(document.as_bytes()));
            let message = Continue::decode(&token, PREFIX).unwrap_err().message;
            assert_eq!(message, format!("invalid continue token: continue key is not valid{expected}"));
        };
        check(r#"{"v":"meta.k8s.io/v1","rv":1,"start":"../x"}"#, ": ../x");
        check(r#"{"v":"meta.k8s.io/v1","rv":1,"start":"a//b"}"#, ": a//b");
        check(
            r#"{"v":"meta.k8s.io/v1","rv":0,"start":"a"}"#,
            ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        );
        check(r#"{"v":"meta.k8s.io/v1","rv":1}"#, ": encoded start key empty (version meta.k8s.io/v1)");
        check(r#"{"v":"v2","rv":1,"start":"a"}"#, ": server does not recognize this encoded version v2");
        let message = Continue::decode("!", PREFIX).unwrap_err().message;
        assert_eq!(
            message,
            "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"
        );
    }
}
