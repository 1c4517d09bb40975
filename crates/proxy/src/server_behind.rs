//! The common part of all API servers behind or beside this one: requests that are passed on to them with the user's
//! name, and documents of theirs that are read.

use crate::forward::{Forward, Incoming, Reply};
use crate::headers;
use crate::location::Location;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use pintle_object::field::quote;
use pintle_object::user::User;
use pintle_outbound::Transport;

/// The largest document of another server that is read: several times the OpenAPI document of this one.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// The answer where a request could not be passed on, in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub code: u16,
    pub text: String,
}

impl Refused {
    fn unreachable(why: &str) -> Refused {
        Refused { code: 503, text: format!("{why}\n") }
    }
}

/// An answer that was read to its end.
pub struct RemoteDocument {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl RemoteDocument {
    /// A header's value; empty without one.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

/// Passes a request on to `address`. Its path and query are the client's; headers about the user are replaced.
pub async fn pass_on(
    transport: &Transport,
    address: &str,
    incoming: Incoming,
    user: &User,
) -> Result<Reply, Refused> {
    let location = Location {
        is_tls: true,
        host: address.into(),
        path: incoming.path.clone(),
        query: incoming.query.clone(),
    };
    let mut incoming = Incoming { host: location.host.clone(), ..incoming };
    set_user(&mut incoming.headers, user)
        .map_err(|why| Refused::unreachable(&format!("error trying to reach service: {why}")))?;
    if !incoming.is_upgrade() {
        let host =
            HeaderValue::try_from(address).map_err(|error| Refused::unreachable(&error.to_string()))?;
        incoming.headers.insert("x-forwarded-host", host);
        incoming.headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    }
    let forward = Forward { transport, location, rewrites: true, must_upgrade: false };
    forward.send(incoming).await.map_err(|status| Refused::unreachable(&status.message))
}

/// Reads the answer to a request for a document to its end.
pub async fn document(path: &str, reply: Result<Reply, Refused>) -> Result<RemoteDocument, String> {
    let answer = match reply {
        Ok(Reply::Answer(answer)) => answer,
        Ok(Reply::Upgrade(..)) => return Err(String::from("an upgrade that was not requested")),
        Err(Refused { code, text }) => {
            return Ok(RemoteDocument { status: code, headers: HeaderMap::new(), body: text.into() });
        }
    };
    let (parts, mut body) = answer.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() else { continue };
        if bytes.len() + data.len() > DOCUMENT_BYTES_MAX {
            return Err(format!("{path} is larger than {DOCUMENT_BYTES_MAX} bytes"));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(RemoteDocument { status: parts.status.as_u16(), headers: parts.headers, body: bytes.freeze() })
}

/// Sets the user in the headers that aggregated servers trust by client certificate. A name that no header can carry is
/// refused: without it the request would have another user.
pub fn set_user(to: &mut HeaderMap, user: &User) -> Result<(), String> {
    headers::strip_identity(to);
    add(to, "x-remote-user", &user.name)?;
    if !user.uid.is_empty() {
        add(to, "x-remote-uid", &user.uid)?;
    }
    for group in &user.groups {
        add(to, "x-remote-group", group)?;
    }
    for (key, values) in &user.extra {
        let name = format!("x-remote-extra-{}", escape_key(key));
        values.iter().try_for_each(|value| add(to, &name, value))?;
    }
    Ok(())
}

/// A key as part of a header's name: characters that are not allowed are escaped as in URLs.
fn escape_key(key: &str) -> String {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
    let one = |byte: u8| if is_legal(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    key.bytes().map(one).collect::<String>().to_ascii_lowercase()
}

/// Bytes beyond ASCII are sent as they are, as Go sends them.
fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let value = HeaderValue::from_bytes(value.as_bytes());
    let value =
        value.map_err(|_| format!("net/http: invalid header field value for {}", quote(&canonical(name))))?;
    let name = HeaderName::from_bytes(name.as_bytes());
    headers.append(name.map_err(|_| String::from("net/http: invalid header field name"))?, value);
    Ok(())
}

/// A header's name as Go writes it.
fn canonical(name: &str) -> String {
    let mut is_first = true;
    let one = |letter: char| {
        let shown = if is_first { letter.to_ascii_uppercase() } else { letter };
        is_first = letter == '-';
        shown
    };
    name.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_words_on_who_asks_are_replaced() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("x-remote-user", "root"), ("x-remote-extra-a", "b"), ("authorization", "Bearer x")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let user = User {
            name: "dän".into(),
            uid: String::new(),
            groups: vec!["a".into(), "b".into()],
            extra: [(String::from("acme.com/Project"), vec![String::from("p 1")])].into(),
        };
        set_user(&mut headers, &user).unwrap();
        let mut shown: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        shown.sort();
        let expected = [
            ("x-remote-extra-acme.com%2fproject", "p 1"),
            ("x-remote-group", "a"),
            ("x-remote-group", "b"),
            ("x-remote-user", "dän"),
        ];
        assert_eq!(shown, expected.map(|(name, value)| (name.to_string(), value.to_string())));
    }

    #[test]
    fn names_that_no_header_can_carry_are_refused() {
        let check = |user: User, expected: &str| {
            let why = set_user(&mut HeaderMap::new(), &user).unwrap_err();
            assert_eq!(why, format!("net/http: invalid header field value for {expected:?}"));
        };
        check(User { name: "a\nx-remote-group: system:masters".into(), ..User::default() }, "X-Remote-User");
        check(User { groups: vec!["a\0".into()], ..User::default() }, "X-Remote-Group");
        let extra = [(String::from("Some-key"), vec![String::from("\r")])].into();
        check(User { extra, ..User::default() }, "X-Remote-Extra-Some-Key");
    }
}
