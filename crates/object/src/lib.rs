//! The value tree that every Kubernetes object is decoded into, and the small facts around it:
//! names of kinds and resources, field paths and errors, and the outward `Status`.
//!
//! This crate is pure: no I/O, no clock, no globals.

pub mod audit;
pub mod bytes;
pub mod config_file;
pub mod content;
pub mod field;
pub mod format;
pub mod json;
pub mod map;
pub mod meta;
pub mod names;
pub mod quantity;
pub mod query;
pub mod request_info;
pub mod seen;
pub mod selector;
pub mod stability;
pub mod status;
pub mod strict;
pub mod time;
pub mod user;
pub mod value;
pub mod verb;
pub mod wire;
pub mod yaml;

pub use audit::AuditContext;
pub use field::{ErrorKind, FieldError, FieldErrors, GatedRules, Path};
pub use format::Format;
pub use map::Map;
pub use names::{GroupKind, GroupResource, GroupVersion, GroupVersionKind};
pub use query::{Query, parse_uint};
pub use request_info::RequestInfo;
pub use seen::{ByValue, Keyed, Seen, repeats};
pub use selector::{FieldSelector, LabelSelector, SelectorError};
pub use status::{Cause, Details, Reason, Status};
pub use strict::StrictErrors;
pub use value::{RawJson, Text, Value};
pub use verb::{Verb, VerbNames, Verbs};
