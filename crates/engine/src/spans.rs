//! Spans of calls to the store, under upstream's names. (`k8s.io/apiserver/pkg/storage`.)

use crate::resource::ServedResource;
use pintle_traces::{Entered, SpanAttributes, enter, event};

/// The beginning of every key of the store, which spans leave out.
const REGISTRY: &str = "/registry";

/// A write: `Create etcd3` or `GuaranteedUpdate etcd3`.
pub(crate) fn write(name: &'static str, served: &ServedResource, key: impl FnOnce() -> String) -> Entered {
    enter(name, |attributes| {
        let key = key();
        attributes.audit_id();
        attributes.text("key", key.strip_prefix(REGISTRY).unwrap_or(&key));
        attributes.text("type", &served.go_kind(&served.resource.kind));
        attributes.text("group", &served.resource.group);
        attributes.text("resource", &served.resource.plural);
    })
}

/// Notes that an object was encoded for the store.
pub(crate) fn encoded(len: usize) {
    event("Encode succeeded", |attributes| attributes.int("len", len));
}

/// Notes what becomes of a commit, in the words that upstream has for creates and for all others.
pub(crate) async fn committed<T, E>(
    is_create: bool,
    commit: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    if !is_create {
        event("Transaction prepared", |_| ());
    }
    let result = commit.await;
    match (is_create, result.is_ok()) {
        (true, true) => event("Txn call succeeded", |_| ()),
        (true, false) => event("Txn call failed", |_| ()),
        (false, is_committed) => {
            event("Txn call completed", |_| ());
            if is_committed {
                event("Transaction committed", |_| ());
            }
        }
    }
    result
}

/// A read of one object.
pub(crate) fn get(key: &str, version: &str) -> Entered {
    let entered = enter("cacher.Get", |attributes| {
        attributes.audit_id();
        attributes.text("key", key.strip_prefix(REGISTRY).unwrap_or(key));
        attributes.text("resource-version", version);
    });
    match version {
        "" => event("About to Get from underlying storage", |_| ()),
        _ => event("About to fetch object from cache", |_| ()),
    }
    entered
}

/// A read of many objects: `cacher.GetList` or `cacher.Watch`.
pub(crate) fn many(name: &'static str, served: &ServedResource) -> Entered {
    enter(name, |attributes| {
        attributes.audit_id();
        attributes.text("type", &served.group_resource().to_string());
    })
}

/// Notes how many objects were looked at, or told.
pub(crate) fn counted(name: &'static str, count: usize) {
    event(name, |attributes: &mut SpanAttributes| attributes.int("count", count));
}
