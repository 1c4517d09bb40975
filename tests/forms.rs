//! Forms of answers: every kind of endpoint, asked as client-go, kubectl and the metadata client ask, and raw bytes.

use crate::custom::{definition, install};
use bytes::Bytes;
use pintle_testkit::{Client, ClientAnswer, Server};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// The Accept header of client-go's metadata client.
const METADATA: &str = "application/vnd.kubernetes.protobuf,application/json";
/// The Accept header of `kubectl get`.
const TABLES: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,\
                      application/json";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const PARTIAL_LIST: &str =
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

/// Longer than the watches that are read to their end.
const WATCHED: std::time::Duration = std::time::Duration::from_secs(10);

const WIDGETS: &str = "/apis/stable.example.com/v1/namespaces/default/widgets";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn server() -> Server {
    let server = Server::start();
    let admin = server.admin();
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "replicas": {"type": "integer"}}}, "status": {"type": "object", "properties": {
        "replicas": {"type": "integer"}}}}});
    let mut widgets = definition("widgets", "Widget", "stable.example.com", &schema);
    widgets["spec"]["versions"][0]["subresources"] = json!({"status": {}, "scale": {
        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}});
    install(&admin, &widgets);
    assert_eq!(admin.post(WIDGETS, &widget("w")).status, 201);
    assert_eq!(admin.post(MAPS, &map("m")).status, 201);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                     "spec": {"containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(admin.post("/api/v1/namespaces/default/pods", &pod).status, 201);
    server
}

fn widget(name: &str) -> Value {
    json!({"apiVersion": "stable.example.com/v1", "kind": "Widget", "metadata": {"name": name},
           "spec": {"replicas": 1}})
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn ask(admin: &Client, method: &str, path: &str, accept: &str, body: Option<Value>) -> ClientAnswer {
    let media_type = if method == "PATCH" { "application/merge-patch+json" } else { JSON };
    let headers = [("accept", accept), ("content-type", media_type)];
    let headers = if accept.is_empty() { &headers[1..] } else { &headers[..] };
    let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    admin.send(method, path, headers, body)
}

/// The code and the kind of answer: `200 yaml`, `406 json Status`, `200 protobuf PartialObjectMetadata`.
fn shown(answer: &ClientAnswer) -> String {
    let media_type = answer.header("content-type").unwrap_or("-").split(';').next().unwrap_or("");
    let text = answer.text();
    let kinds = ["PartialObjectMetadataList", "PartialObjectMetadata", "Table", "Status"];
    let is_kind = |kind: &&&str| match media_type {
        JSON => {
            let line = format!("\"kind\":\"{kind}\"");
            text.starts_with(&format!("{{{line}")) || text.starts_with(&format!("{{\n  \"kind\": \"{kind}\""))
        }
        YAML => text.contains(&format!("\nkind: {kind}\n")),
        _ => text.get(..80.min(text.len())).unwrap_or("").contains(**kind),
    };
    let kind = kinds.iter().find(is_kind).unwrap_or(&"");
    let format = media_type.rsplit(['/', '.']).next().unwrap_or("");
    format!("{} {format} {kind}", answer.status).trim_end().to_string()
}

#[test]
fn every_endpoint_answers_in_the_forms_that_it_has() {
    let server = server();
    let admin = server.admin();
    let w = format!("{WIDGETS}/w");
    let (status, scale) = (format!("{w}/status"), format!("{w}/scale"));
    let m = format!("{MAPS}/m");
    let p = "/api/v1/namespaces/default/pods/p";
    let ephemeral = format!("{p}/ephemeralcontainers");
    let log = format!("{p}/log");
    let crd_status =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.stable.example.com/status";
    let columns = ["", JSON, YAML, PROTOBUF, METADATA, TABLE, TABLES, PARTIAL, PARTIAL_LIST];
    let refused = "406 json Status";
    // Not of objects, but of a refusal there is protobuf.
    let refused_so = "406 protobuf Status";
    let built_in = |one: &'static str, list: &'static str| {
        [
            "200 json",
            "200 json",
            "200 yaml",
            "200 protobuf",
            "200 protobuf",
            "200 json Table",
            "200 json Table",
            one,
            list,
        ]
    };
    let whole = built_in("200 protobuf PartialObjectMetadata", refused);
    let custom = [
        "200 json",
        "200 json",
        "200 yaml",
        refused_so,
        "200 json",
        "200 json Table",
        "200 json Table",
        "200 protobuf PartialObjectMetadata",
        "500 json Status",
    ];
    let untabled = [
        "200 json",
        "200 json",
        "200 yaml",
        "200 protobuf",
        "200 protobuf",
        refused,
        "200 json",
        "200 protobuf PartialObjectMetadata",
        refused,
    ];
    let plain = [
        "200 json",
        "200 json",
        "200 yaml",
        "200 protobuf",
        "200 protobuf",
        refused,
        "200 json",
        refused,
        refused,
    ];
    let list = "200 protobuf PartialObjectMetadataList";
    let mut wrong: Vec<String> = Vec::new();
    for (path, expected) in [
        (m.as_str(), whole),
        (MAPS, built_in(refused, list)),
        (w.as_str(), custom),
        (status.as_str(), custom),
        (scale.as_str(), {
            let mut scale = custom;
            scale[8] = refused;
            scale
        }),
        (
            WIDGETS,
            [
                "200 json",
                "200 json",
                "200 yaml",
                refused_so,
                "200 json",
                "200 json Table",
                "200 json Table",
                refused,
                list,
            ],
        ),
        (ephemeral.as_str(), untabled),
        (crd_status, untabled),
        (
            log.as_str(),
            ["204 -", "204 -", "204 -", "204 -", "204 -", refused, "204 -", "500 json Status", refused],
        ),
        ("/api", plain),
        ("/apis", plain),
        ("/apis/apps", plain),
        ("/apis/apps/v1", plain),
        ("/apis/stable.example.com/v1", plain),
        // A refusal itself is in the form that is asked for, where there is that.
        (
            "/api/v1/namespaces/default/configmaps/none",
            [
                "404 json Status",
                "404 json Status",
                "404 yaml Status",
                "404 protobuf Status",
                "404 protobuf Status",
                "404 json Status",
                "404 json Status",
                "404 json Status",
                refused,
            ],
        ),
    ] {
        for (accept, expected) in columns.iter().zip(expected) {
            // A list that is asked for is refused before it is seen that there is nothing.
            if path.ends_with("/none") && *accept == PARTIAL_LIST {
                continue;
            }
            let found = shown(&ask(&admin, "GET", path, accept, None));
            if found != expected {
                wrong.push(format!("{path} accept={accept}: {found}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_is_done_for_who_accepts_no_answer_to_it() {
    let server = server();
    let admin = server.admin();
    let w = format!("{WIDGETS}/w");
    let changed = json!({"spec": {"replicas": 5}});
    let before = admin.get(&w).json();
    for (method, path, body) in [
        ("POST", WIDGETS, Some(widget("x"))),
        ("PATCH", w.as_str(), Some(changed)),
        (
            "PUT",
            w.as_str(),
            Some({
                let mut next = before.clone();
                next["spec"]["replicas"] = json!(7);
                next
            }),
        ),
        ("DELETE", w.as_str(), None),
        ("DELETE", WIDGETS, None),
    ] {
        let answer = ask(&admin, method, path, PROTOBUF, body.clone());
        assert_eq!(shown(&answer), "406 protobuf Status", "{method} {path}");
    }
    assert_eq!(admin.get(&w).json(), before);
    assert_eq!(admin.get(&format!("{WIDGETS}/x")).status, 404);
    // The metadata client may do all of it.
    for (method, path, body, expected) in [
        ("POST", WIDGETS, Some(widget("x")), "201 json"),
        ("PATCH", w.as_str(), Some(json!({"metadata": {"labels": {"a": "b"}}})), "200 json"),
        ("DELETE", w.as_str(), None, "200 json Status"),
        ("DELETE", WIDGETS, None, "200 json"),
    ] {
        assert_eq!(shown(&ask(&admin, method, path, METADATA, body)), expected, "{method} {path}");
    }
    let deleted = ask(&admin, "DELETE", &format!("{MAPS}/m"), METADATA, None);
    assert_eq!(shown(&deleted), "200 protobuf Status");
}

#[test]
fn reviews_have_no_tables_and_are_not_answered_in_vain() {
    let server = server();
    let admin = server.admin();
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let token = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["a"]}});
    for (path, body) in [
        ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review),
        ("/api/v1/namespaces/default/serviceaccounts/default/token", token),
    ] {
        for (accept, expected) in [
            (JSON, "201 json"),
            (TABLE, "406 json Status"),
            (TABLES, "201 json"),
            (PROTOBUF, "201 protobuf"),
            (PARTIAL, "201 protobuf PartialObjectMetadata"),
            (PARTIAL_LIST, "406 json Status"),
            ("text/html", "406 json Status"),
        ] {
            assert_eq!(
                shown(&ask(&admin, "POST", path, accept, Some(body.clone()))),
                expected,
                "{path} {accept}"
            );
        }
    }
}

#[test]
fn watches_have_frames_only_in_some_forms() {
    let server = server();
    let admin = server.admin();
    for path in [MAPS, WIDGETS] {
        let watch = format!("{path}?watch=1&timeoutSeconds=1&resourceVersion=0");
        let refused = ask(&admin, "GET", &watch, YAML, None);
        assert_eq!(shown(&refused), "406 yaml Status", "{path}");
        assert!(refused.text().contains("application/json;stream=watch"), "{path}");
        let answer = ask(&admin, "GET", &watch, METADATA, None);
        let expected = if path == MAPS { "application/vnd.kubernetes.protobuf;stream=watch" } else { JSON };
        assert_eq!(answer.header("content-type"), Some(expected), "{path}");
        assert!(answer.body.ends_with(b"}\n") == (path == WIDGETS), "{path}");
        let partial = ask(&admin, "GET", &watch, PARTIAL, None);
        assert!(partial.text().contains("PartialObjectMetadata"), "{path}");
        assert_eq!(partial.status, 200, "{path}");
    }
    let old = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";
    for (accept, version) in [(old, "meta.k8s.io/v1beta1"), (TABLE, "meta.k8s.io/v1")] {
        let lines =
            admin.watch_as(&format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=0"), accept, WATCHED);
        assert_eq!(lines[0]["object"]["apiVersion"], version);
    }
    // No object is a list.
    let watch = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=0");
    let list = ask(&admin, "GET", &watch, PARTIAL_LIST, None);
    assert_eq!((list.status, list.body.len()), (200, 0));
    let alone = ask(&admin, "GET", &format!("{WIDGETS}?watch=1&timeoutSeconds=1"), PROTOBUF, None);
    assert_eq!(shown(&alone), "406 protobuf Status");
}

#[test]
fn compact_documents_are_one_whole_line() {
    let server = server();
    let admin = server.admin();
    let discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    for (path, accept) in [
        (MAPS, JSON),
        (&format!("{MAPS}/m") as &str, JSON),
        (&format!("{MAPS}/none"), JSON),
        (WIDGETS, JSON),
        (&format!("{WIDGETS}/w"), JSON),
        (MAPS, TABLE),
        (&format!("{WIDGETS}/w"), TABLE),
        (MAPS, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"),
        ("/api", JSON),
        ("/apis", JSON),
        ("/apis", discovery),
        ("/apis/apps/v1", JSON),
    ] {
        let text = ask(&admin, "GET", path, accept, None).text();
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{path} {accept}: {text}");
        let pretty = ask(&admin, "GET", &format!("{path}?pretty=true"), accept, None).text();
        assert!(pretty.ends_with("\n}") && pretty.lines().count() > 1, "{path} {accept}: {pretty}");
    }
    let version = admin.get("/version").text();
    assert!(version.ends_with("\n}"), "{version}");
}

#[test]
fn bodies_have_the_types_that_endpoints_take() {
    let server = server();
    let admin = server.admin();
    let objects = "accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    let patches = "accepted media types include: application/json-patch+json, application/merge-patch+json, \
                   application/apply-patch+yaml";
    let m = format!("{MAPS}/m");
    let w = format!("{WIDGETS}/w");
    for (method, path, media_type, status, words) in [
        ("POST", MAPS, "text/plain", 415, objects),
        ("POST", WIDGETS, "text/plain", 415, objects),
        ("POST", MAPS, "application/json;charset", 415, objects),
        ("POST", MAPS, "Application/JSON; charset=utf-8", 422, ""),
        ("DELETE", m.as_str(), "text/plain", 415, objects),
        ("PATCH", m.as_str(), "text/plain", 415, "415: Unsupported Media Type"),
        ("PATCH", m.as_str(), "application/merge-patch+json; charset=utf-8", 200, ""),
        ("PATCH", w.as_str(), "application/strategic-merge-patch+json", 415, patches),
        ("PATCH", w.as_str(), "application/merge-patch+json", 200, ""),
        ("GET", "/version", "text/plain", 415, "415: Unsupported Media Type"),
        ("GET", "/api/v1", "text/plain", 415, "415: Unsupported Media Type"),
    ] {
        let answer = admin.send(method, path, &[("content-type", media_type)], Bytes::from_static(b"{}"));
        assert_eq!(answer.status, status, "{method} {path} {media_type}: {}", answer.text());
        assert!(answer.text().contains(words), "{method} {path} {media_type}: {}", answer.text());
    }
    let yaml = ask(&admin, "GET", "/version", YAML, None);
    assert_eq!(yaml.status, 406);
    assert!(yaml.text().contains("Available representations: application/json\n"), "{}", yaml.text());
}
