//! GET of one object.

use crate::app::App;
use crate::negotiate;
use crate::representation;
use crate::request::Request;
use crate::response::Response;
use crate::spans;
use pintle_engine::ObjectRef;
use pintle_object::Status;
use pintle_object::audit::Latency;

pub async fn get(app: &App, request: &Request, target: ObjectRef<'_>) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    pintle_traces::event("About to Get from storage", |_| ());
    let clock = request.audit_clock();
    let object = app.engine.get(&target, &request.query).await;
    request.took(Latency::Etcd, clock);
    let object = object?;
    let span = spans::serialize(request, accept);
    spans::serialized(span, representation::stored(app, request, accept, target.served, 200, &object))
}
