//! `Status`: the one error that leaves the server, with upstream's codes, reasons and messages.

use crate::field::{FieldErrors, truncate};
use crate::map::Map;
use crate::names::{GroupKind, GroupResource};
use crate::value::{Text, Value};

/// The machine-readable reason of a failure; prints as upstream's `metav1.StatusReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Unknown,
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Gone,
    Expired,
    Invalid,
    ServerTimeout,
    Timeout,
    TooManyRequests,
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    InternalError,
    ServiceUnavailable,
    StoreReadError,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Unknown => "",
            Reason::Unauthorized => "Unauthorized",
            Reason::Forbidden => "Forbidden",
            Reason::NotFound => "NotFound",
            Reason::AlreadyExists => "AlreadyExists",
            Reason::Conflict => "Conflict",
            Reason::Gone => "Gone",
            Reason::Expired => "Expired",
            Reason::Invalid => "Invalid",
            Reason::ServerTimeout => "ServerTimeout",
            Reason::Timeout => "Timeout",
            Reason::TooManyRequests => "TooManyRequests",
            Reason::BadRequest => "BadRequest",
            Reason::MethodNotAllowed => "MethodNotAllowed",
            Reason::NotAcceptable => "NotAcceptable",
            Reason::RequestEntityTooLarge => "RequestEntityTooLarge",
            Reason::UnsupportedMediaType => "UnsupportedMediaType",
            Reason::InternalError => "InternalError",
            Reason::ServiceUnavailable => "ServiceUnavailable",
            Reason::StoreReadError => "StorageReadError",
        }
    }
}

/// A failed request, as a client sees it; `internal` is for logs alone.
#[derive(Clone, Debug)]
pub struct Status {
    pub code: u16,
    pub reason: Reason,
    pub message: String,
    pub details: Option<Box<Details>>,
    pub internal: Option<String>,
    /// Of an expired list: a token that lists the rest, inconsistently. Empty otherwise.
    pub continue_token: String,
    /// The whole document, if another server made it, such as an admission webhook: clients see it unchanged.
    pub foreign: Option<Box<Map>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    pub name: String,
    pub group: String,
    pub kind: String,
    pub uid: String,
    pub causes: Vec<Cause>,
    /// Also sent as the `Retry-After` header; zero means none.
    pub retry_after_seconds: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

/// The message of one answer. It may show a whole object, escaped, but a long name must not come back many times.
const MESSAGE_BYTES_MAX: usize = 512 * 1024;
const INTERNAL_ERROR: &str = "Internal error occurred: ";
/// The part of a failure's internal detail that the log shows.
const INTERNAL_BYTES_MAX: usize = 1024;

impl Status {
    pub fn new(code: u16, reason: Reason, message: impl Into<String>) -> Status {
        let mut message = message.into();
        truncate(&mut message, MESSAGE_BYTES_MAX);
        let continue_token = String::new();
        Status { code, reason, message, details: None, internal: None, continue_token, foreign: None }
    }

    pub fn with_details(mut self, details: Details) -> Status {
        self.details = Some(Box::new(details));
        self
    }

    /// Adds details for the log only.
    pub fn with_internal(mut self, internal: impl Into<String>) -> Status {
        let mut internal = internal.into();
        truncate(&mut internal, INTERNAL_BYTES_MAX);
        self.internal = Some(internal);
        self
    }

    /// Fills `details.kind`, `group` and `name` of an error that arose inside the store or engine.
    fn about(self, resource: &GroupResource, name: &str) -> Status {
        self.with_details(Details {
            name: name.into(),
            group: resource.group.to_string(),
            kind: resource.resource.to_string(),
            ..Details::default()
        })
    }

    pub fn bad_request(message: impl Into<String>) -> Status {
        Status::new(400, Reason::BadRequest, message)
    }

    pub fn unauthorized() -> Status {
        Status::new(401, Reason::Unauthorized, "Unauthorized")
    }

    pub fn not_found(resource: &GroupResource, name: &str) -> Status {
        let message = format!("{resource} {} not found", crate::field::quote(name));
        Status::new(404, Reason::NotFound, message).about(resource, name)
    }

    pub fn already_exists(resource: &GroupResource, name: &str) -> Status {
        let message = format!("{resource} {} already exists", crate::field::quote(name));
        Status::new(409, Reason::AlreadyExists, message).about(resource, name)
    }

    /// `Operation cannot be fulfilled on <resource> "<name>": <why>`.
    pub fn conflict(resource: &GroupResource, name: &str, why: &str) -> Status {
        let message =
            format!("Operation cannot be fulfilled on {resource} {}: {why}", crate::field::quote(name));
        Status::new(409, Reason::Conflict, message).about(resource, name)
    }

    /// The answer to an update that was based on an older version of the object.
    pub fn stale(resource: &GroupResource, name: &str) -> Status {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Status::conflict(resource, name, why)
    }

    pub fn forbidden(resource: &GroupResource, name: &str, why: &str) -> Status {
        let subject = match (resource.resource.is_empty(), name.is_empty()) {
            (true, _) => String::from("forbidden"),
            (false, true) => format!("{resource} is forbidden"),
            (false, false) => format!("{resource} {} is forbidden", crate::field::quote(name)),
        };
        Status::new(403, Reason::Forbidden, format!("{subject}: {why}")).about(resource, name)
    }

    /// 422 with one cause per field error; the message joins them, in brackets when more than one.
    pub fn invalid(kind: &GroupKind, name: &str, errors: FieldErrors) -> Status {
        let mut texts: Vec<String> = distinct(errors.iter().map(ToString::to_string));
        if errors.omitted() > 0 {
            texts.push(format!("and {} more errors", errors.omitted()));
        }
        let joined = match texts.as_slice() {
            [only] => only.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let causes = errors
            .into_vec()
            .into_iter()
            .map(|error| Cause {
                reason: error.kind.reason().into(),
                message: error.message,
                field: error.field,
            })
            .collect();
        let message = format!("{kind} {} is invalid: {joined}", crate::field::quote(name));
        Status::new(422, Reason::Invalid, message).with_details(Details {
            name: name.into(),
            group: kind.group.to_string(),
            kind: kind.kind.to_string(),
            causes,
            ..Details::default()
        })
    }

    pub fn internal(error: impl std::fmt::Display) -> Status {
        let text = error.to_string();
        let cause = Cause { message: text.clone(), ..Cause::default() };
        Status::new(500, Reason::InternalError, format!("{INTERNAL_ERROR}{text}"))
            .with_details(Details { causes: vec![cause], ..Details::default() })
    }

    /// The message without the words that all internal errors begin with, where it is said within another one.
    pub fn bare_message(&self) -> &str {
        self.message.strip_prefix(INTERNAL_ERROR).unwrap_or(&self.message)
    }

    pub fn method_not_supported(resource: &GroupResource, action: &str) -> Status {
        let message = format!(
            "{action} is not supported on resources of kind {}",
            crate::field::quote(&resource.to_string())
        );
        Status::new(405, Reason::MethodNotAllowed, message).with_details(Details {
            group: resource.group.to_string(),
            kind: resource.resource.to_string(),
            ..Details::default()
        })
    }

    pub fn expired(message: impl Into<String>) -> Status {
        Status::new(410, Reason::Expired, message)
    }

    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Status {
        Status::new(429, Reason::TooManyRequests, message)
            .with_details(Details { retry_after_seconds, ..Details::default() })
    }

    pub fn too_large(message: impl Into<String>) -> Status {
        Status::new(413, Reason::RequestEntityTooLarge, message)
    }

    /// The body of the answer, in canonical form: `kind: Status, apiVersion: v1, ...`.
    pub fn to_value(&self) -> Value {
        if let Some(foreign) = &self.foreign {
            return Value::Map(foreign.as_ref().clone());
        }
        let mut body = Map::with_capacity(8);
        body.insert("kind", "Status");
        body.insert("apiVersion", "v1");
        let mut metadata = Map::new();
        insert_unless_empty(&mut metadata, "continue", &self.continue_token);
        body.insert("metadata", metadata);
        body.insert("status", "Failure");
        insert_unless_empty(&mut body, "message", &self.message);
        insert_unless_empty(&mut body, "reason", self.reason.as_str());
        if let Some(details) = &self.details {
            body.insert("details", details.to_value());
        }
        body.insert("code", i64::from(self.code));
        Value::Map(body)
    }
}

impl Details {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        insert_unless_empty(&mut map, "name", &self.name);
        insert_unless_empty(&mut map, "group", &self.group);
        insert_unless_empty(&mut map, "kind", &self.kind);
        insert_unless_empty(&mut map, "uid", &self.uid);
        if !self.causes.is_empty() {
            map.insert("causes", self.causes.iter().map(Cause::to_value).collect::<Vec<_>>());
        }
        if self.retry_after_seconds > 0 {
            map.insert("retryAfterSeconds", i64::from(self.retry_after_seconds));
        }
        Value::Map(map)
    }
}

impl Cause {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        insert_unless_empty(&mut map, "reason", &self.reason);
        insert_unless_empty(&mut map, "message", &self.message);
        insert_unless_empty(&mut map, "field", &self.field);
        Value::Map(map)
    }
}

fn insert_unless_empty(map: &mut Map, key: &'static str, text: &str) {
    if !text.is_empty() {
        map.insert(Text::const_new(key), text);
    }
}

/// The texts without repetitions, in order: upstream's aggregate error drops repeated messages.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for text in texts {
        if known.insert(text.clone()) {
            out.push(text);
        }
    }
    out
}
