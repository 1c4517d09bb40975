//! A request as admission sees it.

use crate::request::options::{DeleteOptions, WriteOptions};
use crate::resource::ObjectRef;
use pintle_object::time::Time;
use pintle_object::user::User;
use pintle_object::{AuditContext, Value};
use std::time::Instant;

/// The operation of a request on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

/// A request that admission decides about; the object itself is passed beside it.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    pub operation: Operation,
    pub target: ObjectRef<'a>,
    /// The object before an update or delete, in the version it is stored in.
    pub old: Option<&'a Value>,
    pub options: Option<&'a DeleteOptions>,
    /// The options of a create or update as they were given; absent for writes of the server's own.
    pub write_options: Option<&'a WriteOptions>,
    /// Whether a create comes from an update or a patch, so that the verb `create` has not been authorized.
    pub is_by_update: bool,
    /// Whether an update is a patch, which asks for another verb.
    pub is_patch: bool,
    /// Whether the objects are in the form of the subresource itself, as a Scale is, rather than the stored one.
    pub has_own_form: bool,
    /// Whether the name of the target was generated, so that the request did not name it.
    pub has_generated_name: bool,
    pub dry_run: bool,
    pub user: &'a User,
    pub now: Time,
    /// The time by which the request has to be answered, if there is one.
    pub deadline: Option<Instant>,
    /// Collects facts for the audit of the request; absent for writes of the server's own.
    pub audit: Option<&'a AuditContext>,
}
