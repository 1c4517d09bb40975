//! `Credential`: the credentials of a client, and the user that it impersonates.

use crate::failure::Failure;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time for which the token of a file is used before the file is read anew.
const TOKEN_FILE_AGE_MAX: Duration = Duration::from_secs(60);

/// The client's `Authorization` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    #[default]
    None,
    Token(String),
    /// A token in a file that others renew.
    TokenFile(PathBuf),
    /// Name and password, in base64.
    Basic(String),
}

/// The user that a client impersonates: the headers `Impersonate-*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impersonation {
    pub user: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: Vec<(String, Vec<String>)>,
}

/// The headers of a credential, with the token of a file as it was lately.
pub(crate) struct Authorization {
    credential: Credential,
    impersonation: Vec<(HeaderName, HeaderValue)>,
    file_token: Mutex<Option<(HeaderValue, Instant)>>,
}

impl Authorization {
    pub fn new(credential: Credential) -> Authorization {
        Authorization { credential, impersonation: Vec::new(), file_token: Mutex::default() }
    }

    /// Adds an impersonated user.
    pub fn acting_as(mut self, whom: &Impersonation) -> Result<Authorization, String> {
        let mut add = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
            self.impersonation.push((name, value));
            Ok::<(), String>(())
        };
        if !whom.user.is_empty() {
            add("impersonate-user", &whom.user)?;
        }
        if !whom.uid.is_empty() {
            add("impersonate-uid", &whom.uid)?;
        }
        for group in &whom.groups {
            add("impersonate-group", group)?;
        }
        for (key, values) in &whom.extra {
            for value in values {
                add(&format!("impersonate-extra-{}", escaped(key)), value)?;
            }
        }
        Ok(self)
    }

    /// Adds the headers to those of a request, which go before them.
    pub async fn add(&self, headers: &mut HeaderMap) -> Result<(), Failure> {
        if let Some(value) = self.value().await? {
            headers.entry(AUTHORIZATION).or_insert(value);
        }
        for (name, value) in &self.impersonation {
            headers.append(name, value.clone());
        }
        Ok(())
    }

    async fn value(&self) -> Result<Option<HeaderValue>, Failure> {
        match &self.credential {
            Credential::None => Ok(None),
            Credential::Token(token) => header("Bearer", token).map(Some),
            Credential::Basic(both) => header("Basic", both).map(Some),
            Credential::TokenFile(path) => {
                let known = self.file_token.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some((value, _)) = known.as_ref().filter(|(_, at)| at.elapsed() < TOKEN_FILE_AGE_MAX) {
                    return Ok(Some(value.clone()));
                }
                let read = tokio::fs::read_to_string(path).await;
                let value = match (read, known) {
                    (Ok(token), _) => header("Bearer", token.trim())?,
                    (Err(_), Some((old, _))) => old,
                    (Err(error), None) => {
                        return Err(Failure::Unreachable(format!("{}: {error}", path.display())));
                    }
                };
                let now = Some((value.clone(), Instant::now()));
                *self.file_token.lock().unwrap_or_else(PoisonError::into_inner) = now;
                Ok(Some(value))
            }
        }
    }
}

/// Makes a header; the error does not contain the value, since it is a secret.
fn header(scheme: &str, value: &str) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("{scheme} {value}"));
    let bad = |_| Failure::Unreachable("net/http: invalid header field value for \"Authorization\"".into());
    let mut value = value.map_err(bad)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A key of extra values as part of the name of a header.
fn escaped(key: &str) -> String {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
    let byte = |byte: u8| if is_legal(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    key.bytes().map(byte).collect()
}
