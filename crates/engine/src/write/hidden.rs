//! Objects that no resource shows, each under a key that servers agree on: the map of node ports, leases of endpoints.

use crate::engine::Engine;
use crate::write::guaranteed_update::{Next, Swap, UpdateFn};
use bytes::Bytes;
use pintle_object::{GroupVersionKind, Status, Value};
use pintle_schema::{decode, encode};
use pintle_store::{Attrs, CollectionId, Object};
use std::sync::Arc;

/// A key, and the built-in kind of the object stored under it.
pub struct HiddenObject<'a> {
    pub collection: CollectionId,
    pub key: &'a str,
    pub kind: GroupVersionKind,
    pub ttl_seconds: Option<u64>,
}

impl Engine {
    /// Stores the result of `change` for the current object. False when there is none.
    pub async fn update_hidden(
        &self,
        hidden: &HiddenObject<'_>,
        change: impl FnMut(Option<Value>) -> Option<Value> + Send,
    ) -> Result<bool, Status> {
        let HiddenObject { collection, key, ttl_seconds, .. } = *hidden;
        let swap = Swap { collection, key, ttl_seconds, dry_run: false, is_create: false };
        let answer = self.compare_and_swap(&swap, &mut HiddenUpdate { kind: &hidden.kind, change }).await?;
        answer.ok_or_else(|| Status::internal(format!("{key} is changed all the time")))
    }

    /// The tree of a stored object of a built-in kind.
    pub fn hidden_tree(&self, kind: &GroupVersionKind, stored: &Object) -> Option<Value> {
        let envelope = decode::protobuf::envelope(&stored.value).ok()?;
        decode::protobuf::decode(&self.api.schema, self.api.kind(kind)?, envelope.raw).ok()
    }
}

struct HiddenUpdate<'a, F> {
    kind: &'a GroupVersionKind,
    change: F,
}

impl<F: FnMut(Option<Value>) -> Option<Value> + Send> UpdateFn for HiddenUpdate<'_, F> {
    type Answer = bool;

    async fn next(&mut self, engine: &Engine, current: Option<&Arc<Object>>) -> Result<Next<bool>, Status> {
        let current = current.and_then(|stored| engine.hidden_tree(self.kind, stored));
        let Some(tree) = (self.change)(current) else { return Ok(Next::Answer(false)) };
        let ty = engine.api.kind(self.kind).ok_or_else(|| Status::internal("no kind of the tables"))?;
        let (api_version, kind) = (self.kind.group_version().to_string(), &self.kind.kind);
        let value = encode::protobuf::document(&engine.api.schema, ty, &api_version, kind, &tree);
        Ok(Next::Put(Bytes::from(value), Attrs::default()))
    }

    async fn done(&mut self, _: &Engine, _: Arc<Object>) -> Result<Option<bool>, Status> {
        Ok(Some(true))
    }
}
