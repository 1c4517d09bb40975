//! Discovery in both forms, and OpenAPI in both versions.

use crate::api_server::body::{Body, json, typed};
use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::{Request, Response};
use serde_json::{Value, json};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const VERBS: [&str; 6] = ["create", "delete", "get", "list", "update", "watch"];

/// The answer where the path is a document's.
pub fn answer(group: &str, request: &Request<Incoming>) -> Option<Response<Body>> {
    let path = request.uri().path();
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
    let own = json!({"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": [version],
                     "preferredVersion": version});
    Some(match path.strip_prefix("/apis").map(|rest| rest.trim_start_matches('/')) {
        Some("") if accepts.contains("as=APIGroupDiscoveryList") => {
            typed(200, AGGREGATED, &aggregated(group))
        }
        Some("") => json(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [own]})),
        Some(rest) if rest == group => json(200, &own),
        Some(rest) if rest == format!("{group}/v1") => json(200, &resources(group)),
        _ => return openapi(group, path),
    })
}

fn aggregated(group: &str) -> Value {
    let kind = json!({"group": group, "version": "v1", "kind": "Flunder"});
    let flunders = json!({"resource": "flunders", "responseKind": kind, "scope": "Namespaced",
                          "singularResource": "flunder", "verbs": VERBS, "shortNames": ["fl"]});
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": [{"metadata": {"name": group}, "versions": [
            {"version": "v1", "resources": [flunders], "freshness": "Current"}]}],
    })
}

fn resources(group: &str) -> Value {
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{group}/v1"),
        "resources": [{"name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder",
                       "verbs": VERBS, "shortNames": ["fl"]}],
    })
}

fn openapi(group: &str, path: &str) -> Option<Response<Body>> {
    let kind = json!({"group": group, "version": "v1", "kind": "Flunder"});
    let schema = json!({
        "description": "Flunder is a thing of another server.", "type": "object",
        "properties": {"spec": {"description": "What it should be.", "type": "string"}},
        "x-kubernetes-group-version-kind": [kind],
    });
    let item = |reference: &str| {
        let operation = json!({
            "operationId": "readFlunder", "x-kubernetes-action": "get", "x-kubernetes-group-version-kind": kind,
            "produces": ["application/json"], "responses": {"200": {"description": "OK", "schema": {"$ref": reference}}},
        });
        json!({format!("/apis/{group}/v1/namespaces/{{namespace}}/flunders/{{name}}"): {"get": operation}})
    };
    let info = json!({"title": "Flunders", "version": "v1"});
    let page = format!("/openapi/v3/apis/{group}/v1");
    Some(match path {
        "/openapi/v2" => {
            let paths = item("#/definitions/example.Flunder");
            let definitions = json!({"example.Flunder": schema});
            json(200, &json!({"swagger": "2.0", "info": info, "paths": paths, "definitions": definitions}))
        }
        "/openapi/v3" => {
            let address = json!({"serverRelativeURL": format!("{page}?hash=A1")});
            json(200, &json!({"paths": {format!("apis/{group}/v1"): address}}))
        }
        path if path == page => {
            let paths = item("#/components/schemas/example.Flunder");
            let components = json!({"schemas": {"example.Flunder": schema}});
            json(200, &json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": components}))
        }
        _ => return None,
    })
}
