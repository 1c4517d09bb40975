//! Objects that requests lead to.

use crate::app::App;
use pintle_engine::ObjectRef;
use pintle_object::{Status, Value};

pub(crate) async fn object(app: &App, target: &ObjectRef<'_>, name: &str) -> Result<Value, Status> {
    let target = ObjectRef { name, subresource: "", ..*target };
    let found = app.engine.get(&target, &pintle_object::Query::default()).await?;
    app.engine.tree(target.served, &found)
}

/// An object of another resource of the core group.
pub(crate) async fn other(app: &App, resource: &str, namespace: &str, name: &str) -> Result<Value, Status> {
    let served = app.engine.find("", "v1", resource);
    let served = served.ok_or_else(|| Status::internal(format!("{resource} are not served")))?;
    let target = ObjectRef { served: &served, subresource: "", namespace, name };
    object(app, &target, name).await
}

/// The Node of a Pod; upstream passes the failure to find it on as one of Pods.
pub(crate) async fn node(app: &App, target: &ObjectRef<'_>, name: &str) -> Result<Value, Status> {
    other(app, "nodes", "", name).await.map_err(|status| match status.code {
        404 => Status::not_found(&target.served.group_resource(), name),
        _ => status,
    })
}
