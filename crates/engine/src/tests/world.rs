//! An engine on a store that forgets everything, and short ways to its writes.

use crate::request::body::{self, Body, Format};
use crate::request::options::{DeleteOptions, FieldValidation, PatchKind};
use crate::write::delete::Deleted;
use crate::{Engine, ObjectRef, Patch, ServedResource, WriteContext, WriteResult};
use pintle_object::time::Time;
use pintle_object::user::User;
use pintle_object::{Query, Status, Value, json};
use pintle_store::backend::{AppendError, BackendError, Found, Row};
use pintle_store::{DurableLog, Revision};
use std::sync::Arc;

/// A durable log that is neither.
struct Nowhere;

impl DurableLog for Nowhere {
    fn load(&mut self, _: &mut dyn FnMut(Row)) -> Result<Found, BackendError> {
        Ok(Found::default())
    }

    fn append(&mut self, _: &[Row], _: &[Revision], _: Revision) -> Result<(), AppendError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), BackendError> {
        Ok(())
    }
}

pub(crate) struct World {
    pub engine: Arc<Engine>,
    table: Arc<crate::resource_table::Table>,
    user: User,
}

pub(super) const MAPS: &str = "configmaps";

impl World {
    pub fn new() -> World {
        let api = Arc::new(pintle_schema::builtin());
        let engine = Engine::open(api, Box::new(Nowhere), pintle_store::Options::default()).unwrap();
        World { table: engine.table(), engine: Arc::new(engine), user: User::default() }
    }

    pub fn served(&self, plural: &str) -> &Arc<ServedResource> {
        self.table.find("", "v1", plural).unwrap()
    }

    pub(super) fn target<'a>(&'a self, plural: &str, name: &'a str) -> ObjectRef<'a> {
        self.target_of(self.served(plural), name)
    }

    pub fn target_of<'a>(&'a self, served: &'a ServedResource, name: &'a str) -> ObjectRef<'a> {
        let namespace = if served.resource.namespaced { "ns" } else { "" };
        ObjectRef { served, subresource: "", namespace, name }
    }

    pub fn context(&self, dry_run: bool) -> WriteContext<'_> {
        let now = Time { seconds: 1_000, nanos: 0 };
        WriteContext { dry_run, ..WriteContext::new(&self.user, now, "test") }
    }

    pub(super) fn read(&self, plural: &str, document: &str) -> Result<Value, Status> {
        let served = self.served(plural);
        let body = Body { bytes: document.as_bytes(), format: Format::Json };
        let validation = FieldValidation::Strict;
        let ty = served.resource.ty;
        body::decode(&self.engine.api, body, ty, &served.gvk(), validation, &mut Vec::new(), &mut Vec::new())
    }

    pub async fn create(&self, plural: &str, document: &str) -> Result<WriteResult, Status> {
        let body = self.read(plural, document)?;
        self.engine.create(self.target(plural, ""), body, &mut self.context(false)).await
    }

    /// The answer to a write of a config map.
    pub(super) fn tree(&self, written: WriteResult) -> Value {
        written.into_tree(self.served(MAPS)).unwrap()
    }

    pub(super) async fn update(
        &self,
        plural: &str,
        name: &str,
        document: &str,
    ) -> Result<WriteResult, Status> {
        let body = self.read(plural, document)?;
        self.engine.update(self.target(plural, name), body, &mut self.context(false)).await
    }

    pub(super) async fn merge(
        &self,
        plural: &str,
        name: &str,
        document: &str,
    ) -> Result<WriteResult, Status> {
        let patch = Patch {
            kind: PatchKind::Merge,
            bytes: document.as_bytes(),
            validation: FieldValidation::Strict,
            force: false,
        };
        self.engine.patch(self.target(plural, name), &patch, &mut self.context(false)).await
    }

    pub(super) async fn delete(&self, plural: &str, name: &str, options: &str) -> Result<Deleted, Status> {
        let options = DeleteOptions::from_body(&json::parse(options.as_bytes()).unwrap())?;
        self.engine.delete(self.target(plural, name), &options, &mut self.context(options.dry_run)).await
    }

    /// The current state of an object as compact JSON of one of its parts; empty when there is no object.
    pub(super) async fn part(&self, plural: &str, name: &str, path: &[&str]) -> String {
        match self.engine.get(&self.target(plural, name), &Query::default()).await {
            Ok(object) => {
                let tree = self.engine.tree(self.served(plural), &object).unwrap();
                tree.at(path).map(json::to_string).unwrap_or_else(|| "none".into())
            }
            Err(_) => String::new(),
        }
    }
}
