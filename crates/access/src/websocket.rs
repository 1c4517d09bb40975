//! Bearer tokens of WebSockets: browsers cannot set headers, so they send the token as one of the subprotocols.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// The token among the protocols; none when there is none. There must be another protocol beside it for the handshake,
/// even an empty one.
pub fn token(headers: &[&str]) -> Result<Option<String>, &'static str> {
    let mut found = None;
    for protocol in all(headers) {
        let Some(encoded) = protocol.strip_prefix(PREFIX) else { continue };
        if found.is_some() {
            return Err("multiple base64.bearer.authorization tokens specified");
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| "invalid base64.bearer.authorization token encoding")?;
        found = Some(String::from_utf8(bytes).map_err(|_| "invalid base64.bearer.authorization token")?);
    }
    let found = found.filter(|token| !token.is_empty());
    if found.is_some() && all(headers).all(|protocol| protocol.starts_with(PREFIX)) {
        return Err("missing additional subprotocol");
    }
    Ok(found)
}

/// Whether a protocol is a token.
pub fn is_token(protocol: &str) -> bool {
    protocol.trim().starts_with(PREFIX)
}

/// The protocols without the token, as one header, so that the answer does not repeat the token.
pub fn others(headers: &[&str]) -> String {
    all(headers).filter(|protocol| !protocol.starts_with(PREFIX)).collect::<Vec<_>>().join(",")
}

fn all<'a>(headers: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    headers.iter().flat_map(|header| header.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_may_stand_among_protocols() {
        const TOKEN: &str = "base64url.bearer.authorization.k8s.io.dDE";
        let both = format!("{TOKEN}, v4");
        for (headers, expected) in [
            (vec![both.as_str()], Ok(Some("t1"))),
            (vec!["v4", TOKEN], Ok(Some("t1"))),
            (vec!["v4, v5"], Ok(None)),
            (vec![], Ok(None)),
            (vec![TOKEN], Err("missing additional subprotocol")),
            (vec![TOKEN, ""], Ok(Some("t1"))),
            (vec![TOKEN, &both], Err("multiple base64.bearer.authorization tokens specified")),
            (
                vec!["base64url.bearer.authorization.k8s.io.%%, v4"],
                Err("invalid base64.bearer.authorization token encoding"),
            ),
            (
                vec!["base64url.bearer.authorization.k8s.io._w, v4"],
                Err("invalid base64.bearer.authorization token"),
            ),
        ] {
            let found = token(&headers);
            assert_eq!(
                found.as_ref().map(|token| token.as_deref()),
                expected.as_ref().map(|e| *e),
                "{headers:?}"
            );
        }
        assert_eq!(others(&["v4", &both]), "v4,v4");
    }
}
