//! Admission plugins that are off by default: each is on for a test of its own, and answers as upstream's.

use pintle_testkit::{Client, Https, Server};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";

fn with(plugins: &str) -> Server {
    Server::with_flags(&[&format!("--enable-admission-plugins={plugins}")])
}

/// With an AdmissionConfiguration that holds one plugin's section.
fn configured(plugin: &str, configuration: &Value) -> Server {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    let section = json!({"name": plugin, "configuration": configuration});
    let content = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": [section],
    });
    std::fs::write(file.path(), content.to_string()).expect("it can be written");
    Server::with_flags(&[
        &format!("--enable-admission-plugins={plugin}"),
        &format!("--admission-control-config-file={}", file.path().display()),
    ])
}

fn pod(name: &str, spec: &Value) -> Value {
    let mut pod = json!({"metadata": {"name": name}, "spec": spec});
    if pod["spec"]["containers"].is_null() {
        pod["spec"]["containers"] = json!([{"name": "c", "image": "i:1"}]);
    }
    pod
}

/// Fails unless a POST is refused with a code and a message.
fn check_refused(client: &Client, path: &str, body: &Value, code: u16, message: &str) {
    let answer = client.post(path, body);
    assert_eq!(answer.status, code, "{answer:?}");
    assert_eq!(answer.json()["message"], message);
}

#[test]
fn images_are_always_pulled() {
    let server = with("AlwaysPullImages,AlwaysAdmit,ExtendedResourceToleration");
    let resources = json!({"limits": {"example.com/gpu": 1}});
    let container =
        json!({"name": "c", "image": "i:1", "imagePullPolicy": "IfNotPresent", "resources": resources});
    let made = server.admin().post(PODS, &pod("a", &json!({"containers": [container]})));
    assert_eq!(made.json()["spec"]["containers"][0]["imagePullPolicy"], "Always", "{made:?}");
    let wanted = json!({"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"});
    let tolerations = made.json()["spec"]["tolerations"].clone();
    assert!(tolerations.as_array().expect("a list").contains(&wanted), "{tolerations}");
    // The image is not new, and its policy cannot change.
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(server.admin().patch("merge", &format!("{PODS}/a"), &labelled).status, 200);
}

#[test]
fn everything_is_denied() {
    let server = with("AlwaysDeny");
    let (admin, path) = (server.admin(), "/api/v1/namespaces/default/configmaps");
    let why = "configmaps \"a\" is forbidden: admission control is denying all modifications";
    check_refused(&admin, path, &json!({"metadata": {"name": "a"}}), 403, why);
    assert_eq!(admin.delete("/api/v1/namespaces/default/serviceaccounts/default").status, 403);
    assert_eq!(admin.get(path).status, 200);
}

#[test]
fn services_get_no_external_addresses() {
    let server = with("DenyServiceExternalIPs,LimitPodHardAntiAffinityTopology");
    let admin = server.admin();
    let path = "/api/v1/namespaces/default/services";
    let service = |ips: &[&str]| {
        let ports = json!([{"port": 80}]);
        json!({"metadata": {"name": "s"}, "spec": {"ports": ports, "externalIPs": ips}})
    };
    let why = "services \"s\" is forbidden: Use of external IPs is denied by admission control";
    check_refused(&admin, path, &service(&["192.0.2.1"]), 403, why);
    assert_eq!(admin.post(path, &service(&[])).status, 201);
    let patch = json!({"spec": {"externalIPs": ["192.0.2.1"]}});
    assert_eq!(admin.patch("merge", &format!("{path}/s"), &patch).status, 403);
    let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}});
    let affinity = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    let why = "pods \"p\" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone \
               but only key kubernetes.io/hostname is allowed";
    check_refused(&admin, PODS, &pod("p", &json!({"affinity": affinity})), 403, why);
}

#[test]
fn namespaces_are_made_when_they_are_needed() {
    let server = with("NamespaceAutoProvision,NamespaceExists");
    let admin = server.admin();
    let map = json!({"metadata": {"name": "m"}});
    assert_eq!(admin.post("/api/v1/namespaces/try/configmaps?dryRun=All", &map).status, 404);
    assert_eq!(admin.post("/api/v1/namespaces/new/configmaps", &map).status, 201);
    let namespace = admin.get("/api/v1/namespaces/new").json();
    assert_eq!(namespace["status"]["phase"], "Active");
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "new");
    assert_eq!(namespace["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(admin.get("/api/v1/namespaces/try").status, 404);
}

#[test]
fn owners_are_set_by_those_who_may_delete() {
    let server = with("OwnerReferencesPermissionEnforcement");
    let (admin, alice) = (server.admin(), server.alice());
    let allow = |name: &str, verbs: &[&str], resource: &str| {
        let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
        let rules = json!([{"verbs": verbs, "apiGroups": ["", "apps"], "resources": [resource]}]);
        admin.post(&format!("{rbac}/roles"), &json!({"metadata": {"name": name}, "rules": rules}));
        let group = "rbac.authorization.k8s.io";
        let subjects = json!([{"apiGroup": group, "kind": "User", "name": "alice"}]);
        let role = json!({"apiGroup": group, "kind": "Role", "name": name});
        let binding = json!({"metadata": {"name": name}, "roleRef": role, "subjects": subjects});
        assert_eq!(admin.post(&format!("{rbac}/rolebindings"), &binding).status, 201);
    };
    let path = "/api/v1/namespaces/default/configmaps";
    let owned = |name: &str, kind: &str, blocks: bool| {
        let owner = json!({"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "u",
            "blockOwnerDeletion": blocks});
        json!({"metadata": {"name": name, "ownerReferences": [owner]}})
    };
    allow("writes", &["create", "patch"], "configmaps");
    assert_eq!(alice.post(path, &owned("a", "Deployment", false)).status, 201);
    let without = json!({"metadata": {"ownerReferences": null}});
    let why = "configmaps \"a\" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>";
    let refused = alice.patch("merge", &format!("{path}/a"), &without);
    assert_eq!((refused.status, refused.json()["message"].as_str()), (403, Some(why)));
    allow("deletes", &["delete"], "configmaps");
    assert_eq!(alice.patch("merge", &format!("{path}/a"), &without).status, 200);
    let why = "configmaps \"b\" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a \
               resource you can't set finalizers on: , <nil>";
    check_refused(&alice, path, &owned("b", "Deployment", true), 403, why);
    let why = "configmaps \"b\" is forbidden: cannot set blockOwnerDeletion in this case because cannot find \
               RESTMapping for APIVersion apps/v1 Kind Other: no matches for kind \"Other\" in version \"apps/v1\"";
    check_refused(&alice, path, &owned("b", "Other", true), 403, why);
    allow("finalizes", &["update"], "deployments/finalizers");
    assert_eq!(alice.post(path, &owned("b", "Deployment", true)).status, 201);
}

#[test]
fn pods_go_where_their_namespace_says() {
    let selectors = json!({"clusterDefaultNodeSelector": "pool=shared", "default": "pool=shared,disk=ssd"});
    let server = configured("PodNodeSelector", &json!({"podNodeSelectorPluginConfig": selectors}));
    let admin = server.admin();
    let made = admin.post(PODS, &pod("a", &json!({"nodeSelector": {"disk": "ssd"}})));
    assert_eq!(made.json()["spec"]["nodeSelector"], json!({"pool": "shared", "disk": "ssd"}), "{made:?}");
    let why =
        "pods \"b\" is forbidden: pod node label selector conflicts with its namespace node label selector";
    check_refused(&admin, PODS, &pod("b", &json!({"nodeSelector": {"pool": "mine"}})), 403, why);
    let why = "pods \"b\" is forbidden: pod node label selector labels conflict with its namespace whitelist";
    check_refused(&admin, PODS, &pod("b", &json!({"nodeSelector": {"zone": "a"}})), 403, why);
}

#[test]
fn pods_tolerate_what_their_namespace_allows() {
    let defaults = json!([{"key": "dedicated", "operator": "Equal", "value": "x"}]);
    let server = configured(
        "PodTolerationRestriction",
        &json!({
            "apiVersion": "podtolerationrestriction.admission.k8s.io/v1alpha1", "kind": "Configuration",
            "default": defaults, "whitelist": [{"key": "dedicated", "operator": "Exists"},
                {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        }),
    );
    let admin = server.admin();
    let made = admin.post(PODS, &pod("a", &json!({})));
    assert_eq!(made.json()["spec"]["tolerations"][0], defaults[0], "{made:?}");
    let why = "pod tolerations (possibly merged with namespace default tolerations) conflict with its cluster \
               whitelist";
    let other = json!({"tolerations": [{"key": "other", "operator": "Exists"}]});
    check_refused(&admin, PODS, &pod("b", &other), 500, why);
}

#[test]
fn events_come_no_faster_than_they_may() {
    let server = configured(
        "EventRateLimit",
        &json!({
            "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1", "kind": "Configuration",
            "limits": [{"type": "Namespace", "qps": 1, "burst": 2}],
        }),
    );
    let admin = server.admin();
    let path = "/api/v1/namespaces/default/events";
    let event = |name: &str| {
        let object = json!({"kind": "Pod", "namespace": "default", "name": "p"});
        json!({"metadata": {"name": name, "namespace": "default"}, "involvedObject": object})
    };
    let answers: Vec<u16> = (0..8).map(|i| admin.post(path, &event(&format!("e{i}"))).status).collect();
    assert_eq!(answers[..2], [201, 201]);
    assert!(answers.contains(&429), "{answers:?}");
    assert_eq!(admin.post("/api/v1/namespaces/default/configmaps", &event("c")).status, 201);
}

#[test]
fn pods_grow_on_nodes_that_have_room() {
    let server = Server::start();
    let admin = server.admin();
    let resources = |cpu: &str| json!({"requests": {"cpu": cpu}, "limits": {"cpu": "8"}});
    let container = |cpu: &str| json!([{"name": "c", "image": "i", "resources": resources(cpu)}]);
    let made = admin.post(PODS, &pod("a", &json!({"nodeName": "n", "containers": container("1")})));
    assert_eq!(made.status, 201, "{made:?}");
    let resize = |cpu: &str| {
        let patch = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}});
        admin.patch("strategic-merge", &format!("{PODS}/a/resize"), &patch).json()
    };
    assert_eq!(resize("2")["message"], "pods \"a\" is forbidden: node \"n\" not found");
    let node = json!({"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "4", "memory": "1Gi"}}});
    admin.post("/api/v1/nodes", &node);
    let refused = resize("5");
    let why = "node didn't have enough allocatable resources: cpu, requested: 5000, allocatable: 4000";
    assert_eq!(refused["message"], format!("pods \"a\" is forbidden: {why}"));
    assert_eq!(refused["details"]["causes"], json!([{"reason": "NodeCapacity"}]));
    let label = |os: &str| {
        let label = json!({"metadata": {"labels": {"kubernetes.io/os": os}}});
        admin.patch("merge", "/api/v1/nodes/n", &label);
    };
    label("windows");
    let why = "pod resize is only supported on linux nodes, node \"n\" is \"windows\"";
    assert_eq!(resize("2")["message"], format!("pods \"a\" is forbidden: {why}"));
    label("linux");
    assert_eq!(resize("2")["spec"]["containers"][0]["resources"]["requests"]["cpu"], "2");
}

#[test]
fn images_are_asked_about_elsewhere() {
    let elsewhere = Https::start(|asked| {
        let review: Value = serde_json::from_str(&asked.body).expect("a review");
        let images = review["spec"]["containers"].to_string();
        let status = json!({"allowed": !images.contains("bad"), "reason": "it is bad"});
        (
            200,
            json!({"apiVersion": "imagepolicy.k8s.io/v1alpha1", "kind": "ImageReview", "status": status})
                .to_string(),
        )
    });
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (authority, kubeconfig) = (dir.path().join("ca.crt"), dir.path().join("kubeconfig"));
    std::fs::write(&authority, &elsewhere.pem).expect("it can be written");
    let cluster = json!({"server": elsewhere.url(), "certificate-authority": authority});
    let content = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
    });
    std::fs::write(&kubeconfig, content.to_string()).expect("it can be written");
    let server = configured("ImagePolicyWebhook", &json!({"imagePolicy": {"kubeConfigFile": kubeconfig}}));
    let admin = server.admin();
    let with_image =
        |name: &str, image: &str| pod(name, &json!({"containers": [{"name": "c", "image": image}]}));
    let why = "pods \"a\" is forbidden: image policy webhook backend denied one or more images: it is bad";
    check_refused(&admin, PODS, &with_image("a", "bad:1"), 403, why);
    check_refused(&admin, PODS, &with_image("a", "bad:1"), 403, why);
    assert_eq!(admin.post(PODS, &with_image("b", "good:1")).status, 201);
    let asked: Vec<Value> =
        elsewhere.asked().iter().map(|asked| serde_json::from_str(&asked.body).expect("JSON")).collect();
    assert_eq!(asked.len(), 2, "what is known is not asked again: {asked:?}");
    let expected = json!({"containers": [{"image": "bad:1"}], "namespace": "default"});
    assert_eq!(asked[0]["spec"], expected);
    // Containers that are added later are reviewed too (CVE-2023-2727).
    let debug = |image: &str| json!({"spec": {"ephemeralContainers": [{"name": "d", "image": image}]}});
    let path = format!("{PODS}/b/ephemeralcontainers");
    assert_eq!(admin.patch("strategic-merge", &path, &debug("bad:2")).status, 403);
    assert_eq!(admin.patch("strategic-merge", &path, &debug("good:2")).status, 200);
}
