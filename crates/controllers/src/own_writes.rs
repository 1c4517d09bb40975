//! Objects that the server itself writes: through the engine, as everybody's, under its own name.

use pintle_engine::UpdateSource;
use pintle_engine::options::DeleteOptions;
use pintle_engine::{Engine, ObjectRef, ServedResource, WriteContext, own};
use pintle_object::meta;
use pintle_object::time::Time;
use pintle_object::{GroupVersionKind, Reason, Status, Value};
use pintle_schema::decode;
use std::sync::Arc;

/// Creates a missing object and its status, in the name of a manager or of the server itself. An existing one is
/// updated by `change`.
pub async fn keep(
    engine: &Engine,
    manager: Option<&str>,
    object: &Value,
    change: impl Fn(&Value) -> Option<Value> + Sync,
    now: Time,
) -> Result<(), Status> {
    let Some(served) = served(engine, object) else { return Ok(()) };
    let target = target(&served, object);
    let user = own::user();
    let mut context = WriteContext::new(&user, now, manager.unwrap_or(&engine.manager));
    let stored = served.collection().and_then(|collection| engine.store.get(collection, &target.key()));
    if let Some(stored) = stored {
        let current = engine.tree(&served, &stored)?;
        return match change(&current) {
            Some(_) => overwrite(engine, target, &|current| change(current), &mut context).await,
            None => Ok(()),
        };
    }
    let json = pintle_object::json::to_string(object);
    let decoded = decode::json::decode(&engine.api.schema, served.resource.ty, json.as_bytes());
    let decoded = decoded.map_err(Status::internal)?.value;
    match engine.create(target, decoded, &mut context).await {
        Err(status) if status.reason != Reason::AlreadyExists => return Err(status),
        _ => {}
    }
    match object.get("status") {
        Some(status) => set_status(engine, target, status, &mut context).await,
        None => Ok(()),
    }
}

/// Changes an object if it exists.
pub async fn change(
    engine: &Engine,
    object: &Value,
    change: impl Fn(&Value) -> Option<Value> + Sync,
    now: Time,
) -> Result<(), Status> {
    let Some(served) = served(engine, object) else { return Ok(()) };
    let target = target(&served, object);
    let key = target.key();
    if served.collection().is_none_or(|collection| engine.store.get(collection, &key).is_none()) {
        return Ok(());
    }
    keep(engine, None, object, change, now).await
}

/// Deletes those objects of a group's resource in a namespace that are not to be there.
pub async fn delete(
    engine: &Engine,
    (group, plural): (&str, &str),
    namespace: &str,
    now: Time,
    is_wrong: impl Fn(&Value) -> bool,
) -> Result<(), Status> {
    let Some(served) = engine.find_any(group, plural) else { return Ok(()) };
    let Some(collection) = served.collection() else { return Ok(()) };
    let user = own::user();
    for object in engine.store.snapshot(collection).range(&served.prefix(namespace), None) {
        let tree = engine.storage_tree(&served, object)?;
        if is_wrong(&tree) {
            let (namespace, name) = (meta::namespace(&tree), meta::name(&tree));
            let target = ObjectRef { served: &served, subresource: "", namespace, name };
            let mut context = engine.own_call(&user, now);
            match engine.delete(target, &DeleteOptions::default(), &mut context).await {
                Err(status) if status.reason != Reason::NotFound => return Err(status),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The resource of a kind that is stored.
fn served(engine: &Engine, object: &Value) -> Option<Arc<ServedResource>> {
    let api_version = object.str_at(&["apiVersion"]);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::new(group, version, object.str_at(&["kind"]));
    let table = engine.table();
    table.served().iter().find(|served| served.gvk() == kind && served.collection().is_some()).cloned()
}

fn target<'a>(served: &'a ServedResource, object: &'a Value) -> ObjectRef<'a> {
    ObjectRef { served, subresource: "", namespace: meta::namespace(object), name: meta::name(object) }
}

async fn overwrite(
    engine: &Engine,
    target: ObjectRef<'_>,
    change: &(dyn Fn(&Value) -> Option<Value> + Sync),
    context: &mut WriteContext<'_>,
) -> Result<(), Status> {
    let next = |current: Option<&Value>, _: &mut Vec<String>| {
        let current = current.cloned().unwrap_or_default();
        Ok(change(&current).unwrap_or(current))
    };
    engine.replace(target, UpdateSource::Patch(&next), false, context).await.map(|_| ())
}

/// Conditions hold from now on.
async fn set_status(
    engine: &Engine,
    target: ObjectRef<'_>,
    status: &Value,
    context: &mut WriteContext<'_>,
) -> Result<(), Status> {
    let mut status = status.clone();
    for condition in status.at_mut(&["conditions"]).and_then(Value::as_list_mut).into_iter().flatten() {
        condition.set(&["lastTransitionTime"], context.now.to_seconds_text());
    }
    let change = |current: &Value| {
        let mut object = current.clone();
        object.set(&["status"], status.clone());
        Some(object)
    };
    overwrite(engine, ObjectRef { subresource: "status", ..target }, &change, context).await
}
