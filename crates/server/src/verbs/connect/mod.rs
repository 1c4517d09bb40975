//! Subresources that are proxied to a kubelet, a Pod or a Service: log, exec, attach, portforward, proxy.

mod log;
mod objects;
mod options;
mod proxy;
mod reply;
mod stream;

pub use log::log;

use super::write_context;
use crate::app::App;
use crate::exchange::Exchange;
use crate::request::Request;
use crate::response::Response;
use options::ConnectOptions;
use pintle_access::Decision;
use pintle_engine::ObjectRef;
use pintle_object::{GroupResource, Status, Verb};
use pintle_proxy::plain;

/// Everything but `log`. What the client sends is in the exchange.
pub async fn connect(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    exchange: &mut Exchange,
) -> Result<Response, Status> {
    let query = &request.query;
    if query.all("dryRun").any(|value| !value.is_empty()) {
        return Err(Status::bad_request("dryRun is not supported"));
    }
    let options = admitted(app, request, target, ConnectOptions::read(request, target, query)?).await?;
    match options {
        ConnectOptions::Proxy { path } => proxy::proxy(app, request, target, exchange, &path).await,
        options => {
            may_create(app, request).await?;
            stream::open(app, request, target, exchange, options).await
        }
    }
}

/// The options as admission leaves them.
async fn admitted(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    options: ConnectOptions,
) -> Result<ConnectOptions, Status> {
    let mut value = options.to_value(target);
    let mut context = write_context::begin(request, "", false);
    app.engine.admit_connect(target, &mut value, &mut context).await?;
    Ok(options.changed(&value))
}

/// Refuses a GET that opens a stream if its user may not create one: from a browser, a GET is as powerful as a POST.
async fn may_create(app: &App, request: &Request) -> Result<(), Status> {
    if !app.backends.gates.asks_create || request.info.verb == Verb::Create {
        return Ok(());
    }
    let info = request.info.with_verb(Verb::Create);
    match app.access.authorize(&request.user, &info).await {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) | Decision::NoOpinion(reason) => {
            let resource = GroupResource::new(info.group.as_str(), info.resource.as_str());
            Err(Status::forbidden(&resource, &info.name, &reason))
        }
        Decision::Error { why, .. } => Err(plain(why)),
    }
}
