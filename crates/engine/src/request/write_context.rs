//! One write request on its way through the engine.

use crate::request::admission::{Attributes, Operation};
use crate::request::options::{DeleteOptions, WriteOptions};
use crate::resource::{ObjectRef, ServedResource};
use crate::write::conversions::Conversions;
use pintle_kinds::Context;
use pintle_object::audit::Latency;
use pintle_object::meta;
use pintle_object::time::Time;
use pintle_object::user::User;
use pintle_object::{AuditContext, FieldErrors, GatedRules, Status, Value};
use pintle_schema::decode::Empty;
use pintle_store::Object;
use std::sync::Arc;
use std::time::Instant;

/// The writer, the time and the manner of a write; collects the warnings of the answer.
pub struct WriteContext<'a> {
    pub user: &'a User,
    pub now: Time,
    /// The time by which the request has to be answered, if there is one.
    pub deadline: Option<Instant>,
    /// The field manager that changes are accounted to.
    pub manager: String,
    pub dry_run: bool,
    /// The options as they were given, where admission is to see them.
    pub options: Option<&'a WriteOptions>,
    /// Collects facts for the audit of the request; absent for writes of the server's own.
    pub audit: Option<&'a AuditContext>,
    /// Texts of `Warning` headers, in order.
    pub warnings: Vec<String>,
    /// Fields that the body gives without anything in them, which messages show.
    pub empties: Vec<Empty>,
    /// The write's objects in other versions, as far as they are known.
    pub conversions: Arc<Conversions>,
}

/// The answer to a write.
#[derive(Clone, Debug)]
pub struct WriteResult {
    pub answer: Answer,
    pub created: bool,
}

/// The result of a write.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The object as it is stored now, answered from its bytes as by a get.
    Stored(Arc<Object>),
    /// In the version of the request, with kind and apiVersion: a dry run, a Scale, or an object that is no longer
    /// stored.
    Tree(Value),
}

impl WriteResult {
    /// The answer as a tree in the version of the request.
    pub fn into_tree(self, served: &ServedResource) -> Result<Value, Status> {
        match self.answer {
            Answer::Stored(object) => served.tree(&object),
            Answer::Tree(tree) => Ok(tree),
        }
    }
}

const REPEATED: &str = "API server dedups owner references in 1.20+, and may reject such requests as early as \
    1.24; please fix your requests; duplicate UID(s) observed: ";

impl<'a> WriteContext<'a> {
    /// Adds the time that the store took to the audit.
    pub(crate) fn stored_since(&self, began: Instant) {
        if let Some(audit) = self.audit {
            audit.add_latency(Latency::Etcd, began.elapsed());
        }
    }

    /// A write that is not a rehearsal.
    pub fn new(user: &'a User, now: Time, manager: &str) -> WriteContext<'a> {
        let manager = manager.to_string();
        WriteContext {
            user,
            now,
            deadline: None,
            manager,
            dry_run: false,
            options: None,
            audit: None,
            warnings: Vec::new(),
            empties: Vec::new(),
            conversions: Arc::default(),
        }
    }

    pub fn for_strategy<'b>(&'b self, target: &'b ObjectRef<'_>) -> Context<'b> {
        Context {
            now_seconds: self.now.seconds,
            subresource: target.subresource,
            has_labels: true,
            user: self.user,
        }
    }

    /// Gives a body its defaults. What it gives empty is given, and gets none.
    pub(crate) fn default(&self, served: &ServedResource, body: &mut Value) -> Result<(), Status> {
        let given: Vec<&Empty> = self.empties.iter().filter(|empty| empty.put_in(body)).collect();
        served.codec.default(served, body)?;
        given.into_iter().for_each(|empty| empty.take_out(body));
        Ok(())
    }

    /// The errors of a new version, which show empty fields as they were given.
    pub(crate) fn errors(
        &self,
        rules: GatedRules,
        new: &Value,
        check: impl Fn(&Value, &mut FieldErrors),
    ) -> FieldErrors {
        let mut errors = FieldErrors::by(rules);
        check(new, &mut errors);
        if errors.is_empty() || self.empties.is_empty() {
            return errors;
        }
        let mut given = new.clone();
        self.empties.iter().for_each(|empty| empty.put_back(&mut given));
        let mut shown = FieldErrors::by(rules);
        check(&given, &mut shown);
        if shown.len() == errors.len() { shown } else { errors }
    }

    pub(crate) fn attributes<'b>(
        &self,
        operation: Operation,
        target: ObjectRef<'b>,
        old: Option<&'b Value>,
        options: Option<&'b DeleteOptions>,
    ) -> Attributes<'b>
    where
        'a: 'b,
    {
        Attributes {
            operation,
            target,
            old,
            options,
            write_options: self.options,
            is_by_update: false,
            is_patch: false,
            has_own_form: false,
            has_generated_name: false,
            dry_run: self.dry_run,
            user: self.user,
            now: self.now,
            deadline: self.deadline,
            audit: self.audit,
        }
    }

    /// Drops repeated owner references and says so.
    pub(crate) fn dedup_owners(&mut self, object: &mut Value, is_after_admission: bool) {
        let Some(uids) = meta::dedup_owners(object) else { return };
        let when = if is_after_admission { " after mutating admission happens" } else { "" };
        self.warnings
            .push(format!(".metadata.ownerReferences contains duplicate entries{when}; {REPEATED}{uids}"));
    }
}
