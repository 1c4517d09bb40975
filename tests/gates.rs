//! Feature gates: written objects keep the fields of those that are on, and lose those of others.

use pintle_testkit::Server;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "os": {"name": "linux"},
        "resources": {"limits": {"cpu": "1"}},
        "containers": [{"name": "c", "image": "i", "lifecycle": {"stopSignal": "SIGUSR1"}}],
    }})
}

#[test]
fn fields_of_gates_that_are_off_are_dropped() {
    let server = Server::start();
    let made = server.admin().post(PODS, &pod("a")).json();
    assert_eq!(made["spec"]["resources"]["limits"]["cpu"], "1");
    assert!(made["spec"]["containers"][0].get("lifecycle").is_none(), "{made}");
}

#[test]
fn fields_of_gates_that_were_turned_on_or_off_follow() {
    let mut server =
        Server::with_flags(&["--feature-gates=ContainerStopSignals=true,PodLevelResources=false"]);
    let made = server.admin().post(PODS, &pod("a")).json();
    assert_eq!(made["spec"]["containers"][0]["lifecycle"]["stopSignal"], "SIGUSR1", "{made}");
    assert!(made["spec"].get("resources").is_none(), "{made}");
    assert!(!server.log().contains("always behaves as with"), "{}", server.log());
    // An object that used a field before keeps it.
    server.stop();
    server.set_flags(&[]);
    server.spawn();
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    let patched = server.admin().patch("merge", &format!("{PODS}/a"), &patch).json();
    assert_eq!(patched["spec"]["containers"][0]["lifecycle"]["stopSignal"], "SIGUSR1", "{patched}");
}

#[test]
fn without_watch_lists_nobody_says_how_a_watch_begins() {
    let server = Server::with_flags(&["--feature-gates=WatchList=false"]);
    let path = "/api/v1/namespaces?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let refused = server.admin().get(path);
    assert_eq!(refused.status, 422);
    assert!(refused.json()["message"].as_str().is_some_and(|message| message.ends_with(
        "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate \
         is enabled"
    )));
    let events =
        server.admin().watch_until("/api/v1/namespaces?watch=1", 1, std::time::Duration::from_secs(10));
    assert_eq!(events[0]["type"], "ADDED");
}

#[test]
fn gates_of_documents_and_impersonation_can_be_turned_off() {
    let flag = "--feature-gates=ConstrainedImpersonation=false,OpenAPIEnums=false,StorageVersionHash=false";
    let server = Server::with_flags(&[flag]);
    assert!(!server.log().contains("always behaves as with"), "{}", server.log());
    let resources = server.admin().get("/api/v1").text();
    assert!(!resources.contains("storageVersionHash"), "{resources}");
    let document = server.admin().get("/openapi/v3/api/v1").text();
    assert!(!document.contains("\"enum\":"), "values are listed");
    assert!(
        !server.admin().get("/openapi/v2").text().contains("Possible enum values"),
        "values are described"
    );
    let headers = [("impersonate-user", "bob")];
    let refused = server.alice().send("GET", PODS, &headers, Default::default()).json();
    let why = "users \"bob\" is forbidden: User \"alice\" cannot impersonate resource \"users\" in API group \"\" \
               at the cluster scope";
    assert_eq!(refused["message"], why);

    let server = Server::start();
    assert!(server.admin().get("/api/v1").text().contains("storageVersionHash"));
    assert!(server.admin().get("/openapi/v3/api/v1").text().contains("\"enum\":"));
}

#[test]
fn rules_of_addresses_and_names_of_services_follow_their_gates() {
    let create = |server: &Server, path: &str, kind: &str, name: &str, spec: &Value| {
        server.admin().post(path, &json!({"kind": kind, "metadata": {"name": name}, "spec": spec})).status
    };
    let (services, ingresses) =
        ("/api/v1/namespaces/default/services", "/apis/networking.k8s.io/v1/namespaces/default/ingresses");
    let external = json!({"ports": [{"port": 80}], "externalIPs": ["010.1.2.3"]});
    let plain = json!({"ports": [{"port": 80}]});
    let ingress = json!({"defaultBackend": {"service": {"name": "1-digit", "port": {"number": 80}}}});
    let statuses = |server: &Server| {
        [
            create(server, services, "Service", "zeros", &external),
            create(server, services, "Service", "1-digit", &plain),
            create(server, ingresses, "Ingress", "digit", &ingress),
        ]
    };
    let mut server = Server::start();
    assert_eq!(statuses(&server), [422, 201, 201]);
    server.stop();
    server.set_flags(&["--feature-gates=StrictIPCIDRValidation=false,RelaxedServiceNameValidation=false"]);
    server.spawn();
    assert!(!server.log().contains("always behaves as with"), "{}", server.log());
    assert_eq!(server.admin().delete(&format!("{services}/1-digit")).status, 200);
    // An Ingress that has such a name keeps it.
    let path = format!("{ingresses}/digit");
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(server.admin().patch("merge", &path, &labelled).status, 200);
    assert_eq!(server.admin().delete(&path).status, 200);
    assert_eq!(statuses(&server), [201, 422, 422]);
}
