//! Paths and APIs that this server serves itself, and those of other servers.

use crate::app::App;
use crate::exchange::Exchange;
use crate::request::Request;
use crate::response::Response;
use pintle_engine::Engine;
use pintle_kinds::api_service;
use pintle_object::Status;
use std::sync::atomic::Ordering;

/// The answer to a path under a group and version that an APIService assigns to another server; none for other paths.
pub async fn elsewhere(app: &App, request: &Request, _: &mut Exchange) -> Result<Option<Response>, Status> {
    let is_elsewhere = |path: &str| {
        let mut parts = path.split('/');
        let (group, version) = (parts.next()?, parts.next()?);
        Some(is_remote(&app.engine, group, version))
    };
    let is_remote = request.path().strip_prefix("/apis/").and_then(is_elsewhere) == Some(true);
    Ok(is_remote.then(Response::unavailable))
}

/// Whether a path is under a built-in group, even of a version that is not served.
pub fn is_built_in(app: &App, path: &str) -> bool {
    if path.starts_with("/api/") {
        return true;
    }
    let group = path.strip_prefix("/apis/").and_then(|rest| rest.split_once('/')).map(|(group, _)| group);
    group.is_some_and(|group| app.engine.api.resources.all.iter().any(|resource| resource.group == group))
}

/// Whether the server still takes new work.
pub fn is_stopping(app: &App) -> bool {
    app.is_stopping.load(Ordering::Relaxed)
}

/// Whether an API is another server's, which cannot be reached.
fn is_remote(engine: &Engine, group: &str, version: &str) -> bool {
    let Some(served) = engine.find_any("apiregistration.k8s.io", "apiservices") else { return false };
    let Some(collection) = served.collection() else { return false };
    let stored = engine.store.get(collection, &served.key("", &format!("{version}.{group}")));
    let api = stored.and_then(|stored| engine.storage_tree(&served, &stored).ok());
    api.is_some_and(|api| api_service::service_of(&api).is_some())
}
