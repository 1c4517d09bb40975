//! Reviews: questions about who one is and what one may do, answered from authentication and authorization.

use super::form;
use crate::app::App;
use crate::negotiate::{Accept, View};
use crate::request::Request;
use crate::respond::Response;
use pintle_access::{Attributes, Decision, User};
use pintle_engine::Target;
use pintle_object::{Map, Status, Value};

/// Answers a review: the body with its status filled in.
pub fn review(
    app: &App,
    request: &Request,
    target: Target<'_>,
    accept: Accept,
    mut object: Value,
) -> Result<Response, Status> {
    let served = target.served;
    let status = match served.resource.plural.as_ref() {
        "selfsubjectreviews" => user_info(&request.user),
        "selfsubjectaccessreviews" => access(app, &request.user, object.get("spec")),
        "subjectaccessreviews" | "localsubjectaccessreviews" => {
            access(app, &subject(&object), object.get("spec"))
        }
        "selfsubjectrulesreviews" => rules(app, &request.user),
        _ => token(),
    };
    object.set(&["status"], status);
    match accept.view {
        View::Object => Ok(form::typed(app, accept, served.resource.ty, 201, &object)),
        View::Table | View::Partial | View::PartialList => {
            form::tree(app, request, accept, served, 201, &object)
        }
    }
}

fn user_info(user: &User) -> Value {
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
    let mut status = Value::map();
    status.set(&["userInfo"], info);
    status
}

fn texts(values: &[String]) -> Vec<Value> {
    values.iter().map(|value| Value::from(value.as_str())).collect()
}

/// The user that a SubjectAccessReview asks about.
fn subject(object: &Value) -> User {
    let groups = object.list_at(&["spec", "groups"]).iter().filter_map(Value::as_str);
    User {
        name: object.str_at(&["spec", "user"]).into(),
        uid: object.str_at(&["spec", "uid"]).into(),
        groups: groups.map(ToString::to_string).collect(),
        ..User::default()
    }
}

fn access(app: &App, user: &User, spec: Option<&Value>) -> Value {
    let text = |path: &[&str]| spec.map_or("", |spec| spec.str_at(path));
    let is_resource = spec.is_some_and(|spec| spec.get("resourceAttributes").is_some());
    let part = |field| text(&["resourceAttributes", field]);
    let attributes = Attributes {
        verb: if is_resource { part("verb") } else { text(&["nonResourceAttributes", "verb"]) },
        is_resource,
        path: text(&["nonResourceAttributes", "path"]),
        group: part("group"),
        version: part("version"),
        resource: part("resource"),
        subresource: part("subresource"),
        namespace: part("namespace"),
        name: part("name"),
    };
    let mut status = Value::map();
    match app.authorizer.authorize(user, &attributes) {
        Decision::Allow => status.set(&["allowed"], true),
        Decision::Deny(reason) => {
            status.set(&["allowed"], false);
            if !reason.is_empty() {
                status.set(&["reason"], reason);
            }
        }
    }
    status
}

/// What a user may do, as far as it can be listed: everything or nothing.
fn rules(app: &App, user: &User) -> Value {
    let everything = Attributes {
        verb: "*",
        is_resource: true,
        path: "",
        group: "*",
        version: "*",
        resource: "*",
        subresource: "",
        namespace: "",
        name: "",
    };
    let may = matches!(app.authorizer.authorize(user, &everything), Decision::Allow);
    let all = || vec![Value::from("*")];
    let mut resource = Value::map();
    let mut path = Value::map();
    for field in ["verbs", "apiGroups", "resources"] {
        resource.set(&[field], all());
    }
    for field in ["verbs", "nonResourceURLs"] {
        path.set(&[field], all());
    }
    let mut status = Value::map();
    status.set(&["resourceRules"], if may { vec![resource] } else { Vec::new() });
    status.set(&["nonResourceRules"], if may { vec![path] } else { Vec::new() });
    status.set(&["incomplete"], false);
    status
}

/// Tokens that are not known are not authenticated.
fn token() -> Value {
    let mut status = Value::map();
    status.set(&["user"], Map::new());
    status
}
