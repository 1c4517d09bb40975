//! The matrix: every verb on every resource and subresource in discovery, custom ones too, is refused to users without
//! rights in every form of the request, and changes nothing.

use bytes::Bytes;
use pintle_testkit::{Client, ClientAnswer, Server};
use serde_json::{Value, json};

/// Resources that every authenticated user may create.
const ABOUT_SELF: [&str; 3] = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"];
/// Bits of a body that would change every kind of object, if it were let through.
const BODY: &str = r#"{"metadata":{"name":"x","labels":{"changed":"yes"}},"data":{"changed":"yes"}}"#;

/// A resource or subresource in discovery, with its path and verbs.
struct Entry {
    root: String,
    plural: String,
    subresource: String,
    is_namespaced: bool,
    verbs: Vec<String>,
}

impl Entry {
    fn collection(&self) -> String {
        let place = if self.is_namespaced { "namespaces/default/" } else { "" };
        format!("{}/{place}{}", self.root, self.plural)
    }

    /// The object `x`, or its subresource.
    fn object(&self) -> String {
        let collection = self.collection();
        let below =
            if self.subresource.is_empty() { String::new() } else { format!("/{}", self.subresource) };
        format!("{collection}/x{below}")
    }

    /// Every way of asking for a verb: method and path.
    fn requests(&self, verb: &str) -> Vec<(&'static str, String)> {
        let (object, collection) = (self.object(), self.collection());
        let everywhere = format!("{}/{}", self.root, self.plural);
        let old_watch = collection.replacen(&self.root, &format!("{}/watch", self.root), 1);
        match verb {
            "get" => vec![("GET", object.clone()), ("HEAD", object)],
            "update" => vec![("PUT", object.clone()), ("PUT", format!("{object}?dryRun=All"))],
            "patch" => vec![("PATCH", object)],
            "delete" => vec![("DELETE", object)],
            "create" if !self.subresource.is_empty() => vec![("POST", object)],
            "create" => vec![("POST", collection.clone()), ("POST", format!("{collection}?dryRun=All"))],
            "deletecollection" => vec![("DELETE", collection)],
            "watch" => vec![
                ("GET", format!("{collection}?watch=1&resourceVersion=0")),
                ("GET", format!("{everywhere}?watch=true&fieldSelector=metadata.name%3Dx")),
                ("GET", old_watch),
            ],
            "list" => vec![
                ("GET", collection.clone()),
                ("GET", everywhere),
                ("GET", format!("{collection}?fieldSelector=metadata.name%3Dx&limit=1")),
            ],
            other => panic!("discovery tells of a verb {other}"),
        }
    }
}

fn entries(admin: &Client) -> Vec<Entry> {
    let groups = admin.get("/apis").json();
    let versions = groups["groups"].as_array().expect("groups").iter().flat_map(|group| {
        let versions = group["versions"].as_array().expect("versions").iter();
        versions.map(|version| format!("/apis/{}", version["groupVersion"].as_str().expect("text")))
    });
    let mut found = Vec::new();
    for root in std::iter::once(String::from("/api/v1")).chain(versions) {
        for resource in admin.get(&root).json()["resources"].as_array().expect("resources") {
            let name = resource["name"].as_str().expect("a name");
            let (plural, subresource) = name.split_once('/').unwrap_or((name, ""));
            let verbs = resource["verbs"].as_array().expect("verbs").iter();
            found.push(Entry {
                root: root.clone(),
                plural: plural.into(),
                subresource: subresource.into(),
                is_namespaced: resource["namespaced"] == true,
                verbs: verbs.map(|verb| verb.as_str().expect("text").into()).collect(),
            });
        }
    }
    found
}

/// Two kinds of custom resources, and objects that there is something to do to.
fn fill(admin: &Client) {
    for (plural, kind, scope) in [("widgets", "Widget", "Namespaced"), ("gadgets", "Gadget", "Cluster")] {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let scale = json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"});
        let version = json!({
            "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}, "scale": scale},
        });
        let crd = json!({
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "scope": scope, "versions": [version],
                "names": {"plural": plural, "kind": kind}},
        });
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        assert_eq!(admin.post(path, &crd).status, 201);
        let is_served = |_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            admin.get(&format!("/apis/example.com/v1/{plural}")).status == 200
        };
        assert!((0..200).any(is_served), "{plural}");
    }
    let object =
        |kind: &str, version: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
    let namespace = "namespaces/default";
    for (path, object) in [
        (format!("/api/v1/{namespace}/configmaps"), object("ConfigMap", "v1")),
        (format!("/api/v1/{namespace}/secrets"), object("Secret", "v1")),
        (format!("/api/v1/{namespace}/serviceaccounts"), object("ServiceAccount", "v1")),
        (String::from("/api/v1/namespaces"), object("Namespace", "v1")),
        (String::from("/api/v1/nodes"), object("Node", "v1")),
        (format!("/apis/example.com/v1/{namespace}/widgets"), object("Widget", "example.com/v1")),
        (String::from("/apis/example.com/v1/gadgets"), object("Gadget", "example.com/v1")),
    ] {
        let made = admin.post(&path, &object);
        assert_eq!(made.status, 201, "{path}: {made:?}");
    }
    let pod = json!({"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(admin.post(&format!("/api/v1/{namespace}/pods"), &pod).status, 201);
}

fn send(client: &Client, method: &str, path: &str) -> ClientAnswer {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    client.send(method, path, &[("content-type", kind)], Bytes::from(BODY))
}

fn check_refused(who: &str, verb: &str, method: &str, path: &str, answer: &ClientAnswer) {
    assert_eq!(answer.status, 403, "{who} {method} {path}: {}", answer.text());
    if method == "HEAD" {
        return;
    }
    let status = answer.json();
    assert_eq!(status["reason"], "Forbidden", "{who} {method} {path}");
    let words = format!("User \"{who}\" cannot {verb} resource ");
    assert!(status["message"].as_str().expect("text").contains(&words), "{method} {path}: {status}");
}

#[test]
fn a_user_without_rights_gets_and_changes_nothing() {
    let server = Server::with_flags(&["--authorization-mode=Node,RBAC"]);
    let (admin, alice, nobody) = (server.admin(), server.alice(), server.anonymous());
    fill(&admin);
    let entries = entries(&admin);
    let before = state(&admin, &entries);
    let mut count = 0;
    for entry in &entries {
        for verb in &entry.verbs {
            let is_about_self = verb == "create" && ABOUT_SELF.contains(&entry.plural.as_str());
            for (method, path) in entry.requests(verb) {
                if !is_about_self {
                    check_refused("alice", verb, method, &path, &send(&alice, method, &path));
                    count += 1;
                }
            }
            // One way of asking is enough for those who nobody knows; they may not even ask about themselves.
            if let Some((method, path)) = entry.requests(verb).first() {
                check_refused("system:anonymous", verb, method, path, &send(&nobody, method, path));
            }
        }
    }
    assert!(count > 900, "only {count} requests were tried");
    let after = state(&admin, &entries);
    for object in &before {
        assert!(after.contains(object), "{object} has changed");
    }
    let is_new = |object: &&Value| object["metadata"]["labels"]["changed"] == "yes";
    assert_eq!(after.iter().find(is_new), None);
}

/// Every stored object, except those that the server itself keeps up to date: statuses, and its own leases.
fn state(admin: &Client, entries: &[Entry]) -> Vec<Value> {
    let has = |entry: &&Entry, verb: &str| entry.verbs.iter().any(|own| own == verb);
    let listed = entries.iter().filter(|entry| has(entry, "list") && has(entry, "create"));
    let mut objects = Vec::new();
    for entry in listed.filter(|entry| entry.plural != "leases") {
        let path = format!("{}/{}", entry.root, entry.plural);
        for mut item in admin.get(&path).json()["items"].as_array().expect("items").clone() {
            item.as_object_mut().expect("an object").remove("status");
            let metadata = item["metadata"].as_object_mut().expect("metadata");
            metadata.remove("resourceVersion");
            metadata.remove("managedFields");
            objects.push(item);
        }
    }
    objects
}

/// Requests below a proxy, and those with a method that is no verb, need the same rights.
#[test]
fn connections_are_refused_whatever_they_are_for() {
    let server = Server::start();
    let alice = server.alice();
    for path in [
        "/api/v1/namespaces/default/pods/x/proxy/any/path",
        "/api/v1/namespaces/default/pods/https:x:8443/proxy/",
        "/api/v1/namespaces/default/services/x/proxy/any",
        "/api/v1/nodes/x/proxy/logs/",
        "/api/v1/proxy/namespaces/default/pods/x",
        "/api/v1/namespaces/default/pods/x/exec?command=sh&stdin=true",
        "/api/v1/namespaces/default/pods/x/attach",
        "/api/v1/namespaces/default/pods/x/portforward",
        "/api/v1/namespaces/default/pods/x/log?follow=true",
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"] {
            let answer = send(&alice, method, path);
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
        }
    }
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let path = "/api/v1/namespaces/default/pods/x/exec?command=sh";
    assert_eq!(alice.send("GET", path, &upgrade, Bytes::new()).status, 403);
}

#[test]
fn nobody_acts_as_others_without_being_allowed_to() {
    let server = Server::start();
    let (alice, path) = (server.alice(), "/api/v1/namespaces/default/configmaps");
    let user = ("impersonate-user", "bob");
    for headers in [
        vec![user],
        vec![user, ("impersonate-group", "dev")],
        vec![user, ("impersonate-group", "system:masters")],
        vec![user, ("impersonate-uid", "1")],
        vec![user, ("impersonate-extra-team", "blue")],
        vec![("impersonate-user", "system:serviceaccount:kube-system:default")],
        vec![("impersonate-user", "system:node:n1"), ("impersonate-group", "system:nodes")],
    ] {
        let answer = alice.send("GET", path, &headers, Bytes::new());
        assert_eq!(answer.status, 403, "{headers:?}");
        let message = answer.json()["message"].to_string();
        assert!(
            message.contains("alice") && message.contains("cannot impersonate"),
            "{headers:?}: {message}"
        );
    }
}

/// The paths that the server tells of are open to be read as the role of discovery says, and never to be written.
#[test]
fn paths_that_are_no_resources_are_read_by_role_and_never_written() {
    const OPEN: [&str; 7] = ["/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version"];
    /// Checks of health by their names are for administrators.
    const CLOSED: [&str; 5] =
        ["/healthz/", "/livez/", "/readyz/", "/.well-known/openid-configuration", "/openid/v1/jwks"];
    let server = Server::start();
    let (admin, alice) = (server.admin(), server.alice());
    let paths = admin.get("/").json()["paths"].clone();
    let paths = paths.as_array().expect("paths").iter().map(|path| path.as_str().expect("text"));
    let paths: Vec<&str> = paths.chain(["/", "/metrics", "/debug/pprof/", "/logs/", "/no/such"]).collect();
    assert!(paths.len() > 50, "{paths:?}");
    for path in paths {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        let is_open = starts(&OPEN) && !starts(&CLOSED);
        let answer = alice.get(path);
        assert_eq!(answer.status != 403, is_open, "{path}: {}", answer.text());
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(send(&alice, method, path).status, 403, "{method} {path}");
        }
    }
}
