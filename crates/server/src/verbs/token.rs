//! POST on the token subresource of a service account: a new token.

use crate::app::App;
use crate::negotiate::Accept;
use crate::representation;
use crate::response::Response;
use pintle_access::service_account::{Bound, Grant, sign};
use pintle_engine::{ObjectRef, TokenGrant, TokenTerms, WriteContext};
use pintle_object::meta;
use pintle_object::time::Time;
use pintle_object::{GroupVersionKind, Map, Status, Value};

/// Pods that ask for this many seconds have always asked so; their tokens live longer, and late use is noted.
const PROJECTED_SECONDS: i64 = 60 * 60 + 7;
const EXTENDED_SECONDS: i64 = 365 * 24 * 60 * 60;

pub async fn request(
    app: &App,
    accept: Accept,
    target: ObjectRef<'_>,
    body: Value,
    context: &mut WriteContext<'_>,
) -> Result<Response, Status> {
    let options = &app.options;
    let terms = TokenTerms {
        api_audiences: options.api_audiences.clone(),
        expiration_seconds_max: options.token_expiration_seconds_max,
    };
    let granted = app.engine.request_token(target, body, &terms, context).await?;
    let grant = grant(app, &granted, context.now.seconds);
    let key = app.service_account_keys.signing().map_err(Status::internal)?;
    if let Some(audit) = context.audit {
        audit.annotate("authentication.kubernetes.io/issued-credential-id", format!("JTI={}", grant.id));
    }
    let token = sign(&key, &grant).map_err(Status::internal)?;

    let mut object = granted.object;
    let mut status = Map::new();
    status.insert("token", token);
    let told = Time { seconds: context.now.seconds + granted.expiration_seconds, nanos: 0 };
    status.insert("expirationTimestamp", told.to_seconds_text());
    object.set(&["status"], status);
    let kind = GroupVersionKind::new("authentication.k8s.io", "v1", "TokenRequest");
    let ty = app.engine.api.kind(&kind).ok_or_else(|| Status::internal("TokenRequest is not known"))?;
    representation::whole_or_partial(
        app,
        accept,
        target.served,
        ty,
        "*authentication.TokenRequest",
        201,
        &object,
    )
}

fn grant(app: &App, granted: &TokenGrant, now_seconds: i64) -> Grant {
    let options = &app.options;
    let bound = |kind: &str| {
        let (_, object) = granted.bound.as_ref().filter(|(own, _)| *own == kind)?;
        Some(reference(object))
    };
    let audiences = granted.object.list_at(&["spec", "audiences"]).iter();
    let audiences: Vec<String> = audiences.filter_map(Value::as_str).map(String::from).collect();
    let pod = bound("Pod");
    let seconds = granted.expiration_seconds;
    let is_for_server = audiences.iter().all(|audience| options.api_audiences.contains(audience));
    let is_extended =
        options.extends_token_expiration && pod.is_some() && seconds == PROJECTED_SECONDS && is_for_server;
    let of_pod = granted.pod_node.as_ref().map(|(name, uid)| Bound { name: name.clone(), uid: uid.clone() });
    Grant {
        namespace: meta::namespace(&granted.account).into(),
        account: reference(&granted.account),
        secret: bound("Secret"),
        node: bound("Node").or(of_pod),
        pod,
        audiences,
        issuer: options.service_account_issuers.first().cloned().unwrap_or_default(),
        id: app.engine.generator.uid(),
        issued: now_seconds,
        not_before: now_seconds,
        expires: now_seconds + if is_extended { EXTENDED_SECONDS } else { seconds },
        warn_after: is_extended.then_some(now_seconds + seconds),
    }
}

fn reference(object: &Value) -> Bound {
    Bound { name: meta::name(object).into(), uid: meta::uid(object).into() }
}
