//! Reviews: questions about users and their rights, answered from authentication and authorization.

use super::review_selector;
use crate::app::App;
use crate::negotiate::Accept;
use crate::representation;
use crate::request::Request;
use crate::response::Response;
use pintle_access::authenticate::Bearer;
use pintle_access::authorize::aggregated;
use pintle_access::rbac::Rule;
use pintle_access::{Decision, Rules, User};
use pintle_engine::{ObjectRef, WriteContext};
use pintle_kinds::access_review;
use pintle_object::meta;
use pintle_object::{FieldErrors, GroupKind, Map, RequestInfo, Status, Text, Value, Verb};
use rustls_pki_types::UnixTime;

/// Answers a review: the body with its status filled in.
pub async fn review(
    app: &App,
    request: &Request,
    accept: Accept,
    target: ObjectRef<'_>,
    mut object: Value,
    context: &mut WriteContext<'_>,
) -> Result<Response, Status> {
    let served = target.served;
    meta::ensure_namespace(&mut object, target.namespace)?;
    app.engine.track(&target, None, &mut object, context);
    app.engine.complete_posted(target, &mut object, context).await?;
    validate(app, &target, &object)?;
    app.engine.judge_posted(target, &object, context).await?;
    let status = match served.resource.plural.as_ref() {
        "selfsubjectreviews" => {
            object.set(&["metadata"], Map::new());
            object.set(&["metadata", "creationTimestamp"], context.now.to_seconds_text());
            user_info(&request.user)
        }
        "selfsubjectaccessreviews" => access(app, &request.user, object.get("spec")).await,
        "subjectaccessreviews" | "localsubjectaccessreviews" => {
            access(app, &subject(&object), object.get("spec")).await
        }
        "selfsubjectrulesreviews" => {
            let status = rules(app, &request.user, object.str_at(&["spec", "namespace"]))?;
            object.set(&["metadata"], Map::new());
            object.set(&["spec"], Map::new());
            status
        }
        _ => token(app, request, &object).await?,
    };
    object.set(&["status"], status);
    representation::tree(app, request, accept, served, 201, &object)
}

/// Reviews of access are checked; their refusal names no kind, as upstream's does not.
fn validate(app: &App, target: &ObjectRef<'_>, object: &Value) -> Result<(), Status> {
    let (has_subject, namespace) = match target.served.resource.plural.as_ref() {
        "selfsubjectaccessreviews" => (false, None),
        "subjectaccessreviews" => (true, None),
        "localsubjectaccessreviews" => (true, Some(target.namespace)),
        _ => return Ok(()),
    };
    let engine = &app.engine;
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    let shown = engine.tree_json(engine.meta_type("ObjectMeta"), &metadata);
    let mut errors = FieldErrors::new();
    let shown = String::from_utf8_lossy(&shown);
    access_review::validate(object, has_subject, namespace, &shown, &mut errors);
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(&GroupKind::new("authorization.k8s.io", ""), "", errors))
}

fn user_info(user: &User) -> Value {
    let mut status = Value::map();
    status.set(&["userInfo"], describe(user));
    status
}

/// `authentication.k8s.io/v1` UserInfo.
fn describe(user: &User) -> Map {
    let mut info = Map::new();
    info.insert("username", user.name.as_str());
    if !user.uid.is_empty() {
        info.insert("uid", user.uid.as_str());
    }
    if !user.groups.is_empty() {
        info.insert("groups", texts(&user.groups));
    }
    if !user.extra.is_empty() {
        let extra = user.extra.iter().map(|(key, values)| (key.as_str(), texts(values)));
        info.insert("extra", extra.collect::<Map>());
    }
    info
}

fn texts(values: &[String]) -> Vec<Value> {
    values.iter().map(|value| Value::from(value.as_str())).collect()
}

/// The user that a SubjectAccessReview asks about.
fn subject(object: &Value) -> User {
    let groups = object.list_at(&["spec", "groups"]).iter().filter_map(Value::as_str);
    let extra = object.map_at(&["spec", "extra"]).into_iter().flat_map(Map::iter);
    let strings = |values: &Value| {
        let values = values.as_list().unwrap_or_default().iter().filter_map(Value::as_str);
        values.map(ToString::to_string).collect()
    };
    User {
        name: object.str_at(&["spec", "user"]).into(),
        uid: object.str_at(&["spec", "uid"]).into(),
        groups: groups.map(ToString::to_string).collect(),
        extra: extra.map(|(key, values)| (key.to_string(), strings(values))).collect(),
    }
}

async fn access(app: &App, user: &User, spec: Option<&Value>) -> Value {
    let text = |path: &[&str]| spec.map_or("", |spec| spec.str_at(path));
    let is_resource = spec.is_some_and(|spec| spec.get("resourceAttributes").is_some());
    let part = |field| Text::from(text(&["resourceAttributes", field]));
    let section = if is_resource { "resourceAttributes" } else { "nonResourceAttributes" };
    let (fields, labels, ignored) =
        review_selector::read(spec.and_then(|spec| spec.get("resourceAttributes")));
    let info = RequestInfo {
        verb: Verb::named(text(&[section, "verb"])),
        is_resource,
        path: text(&["nonResourceAttributes", "path"]).into(),
        group: part("group"),
        version: part("version"),
        resource: part("resource"),
        subresource: part("subresource"),
        namespace: part("namespace"),
        name: part("name"),
        field_selector: fields.into(),
        label_selector: labels.into(),
    };
    let decision = app.access.authorize(user, &info).await;
    let mut status = Value::map();
    status.set(&["allowed"], matches!(decision, Decision::Allow(_)));
    if matches!(decision, Decision::Deny(_) | Decision::Error { is_denial: true, .. }) {
        status.set(&["denied"], true);
    }
    let (reason, why) = match decision {
        Decision::Allow(reason) | Decision::Deny(reason) | Decision::NoOpinion(reason) => {
            (reason, String::new())
        }
        Decision::Error { reason, why, .. } => (reason, why),
    };
    if !reason.is_empty() {
        status.set(&["reason"], reason);
    }
    let errors: Vec<String> = [why, ignored].into_iter().filter(|error| !error.is_empty()).collect();
    if !errors.is_empty() {
        status.set(&["evaluationError"], errors.join(". "));
    }
    status
}

/// The rules for a user in a namespace, as far as they can be listed.
fn rules(app: &App, user: &User, namespace: &str) -> Result<Value, Status> {
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let mut found = Rules::default();
    app.access.authorizer().list_rules(user, namespace, &mut found);
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    for rule in &found.rules {
        let Rule { verbs, groups, resources: of, names, urls } = rule;
        if !of.is_empty() {
            let fields: [(_, &[Text]); 4] = [
                ("verbs", verbs.names()),
                ("apiGroups", groups),
                ("resources", of),
                ("resourceNames", names),
            ];
            resources.push(shown(&fields));
        }
        if !urls.is_empty() {
            paths.push(shown(&[("verbs", verbs.names()), ("nonResourceURLs", urls)]));
        }
    }
    let mut status = Value::map();
    status.set(&["resourceRules"], resources);
    status.set(&["nonResourceRules"], paths);
    status.set(&["incomplete"], found.is_incomplete);
    if !found.errors.is_empty() {
        status.set(&["evaluationError"], aggregated(found.errors));
    }
    Ok(status)
}

fn shown(fields: &[(&'static str, &[Text])]) -> Value {
    let mut rule = Value::map();
    for (field, texts) in fields.iter().filter(|(_, texts)| !texts.is_empty()) {
        rule.set(&[field], texts.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>());
    }
    rule
}

/// The user of a token, for one of the wanted audiences.
async fn token(app: &App, request: &Request, object: &Value) -> Result<Value, Status> {
    let token = object.str_at(&["spec", "token"]);
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let wanted =
        object.list_at(&["spec", "audiences"]).iter().map(|audience| audience.as_str().unwrap_or(""));
    let wanted: Vec<String> = wanted.map(String::from).collect();
    let wanted = if wanted.is_empty() { &app.options.api_audiences } else { &wanted };
    // Parsed as in a header, so that the same tokens are valid.
    let authorization = format!("Bearer {token}");
    let found = match Bearer::parse(&authorization) {
        Bearer::Token(token) => {
            app.authenticators.token(token, Some(wanted), UnixTime::now()).await.map(Some)
        }
        Bearer::ExtraSpace | Bearer::None => Ok(None),
    };
    let mut status = Value::map();
    status.set(&["user"], Map::new());
    match found {
        Ok(Some(known)) => {
            status.set(&["authenticated"], true);
            status.set(&["user"], describe(&known.user));
            status.set(&["audiences"], texts(&known.audiences));
            known.annotations.into_iter().for_each(|(key, value)| {
                request.audit.annotate(key, value);
            });
        }
        Ok(None) => {}
        Err(why) => status.set(&["error"], why),
    }
    Ok(status)
}
