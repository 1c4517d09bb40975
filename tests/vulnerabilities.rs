//! Known vulnerabilities of kube-apiserver, each tried here: docs/security/cves.md lists them all.

use bytes::Bytes;
use pintle_testkit::{Client, ClientAnswer, Server};
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// Fails unless an answer has a code and its message ends in some words.
fn check(answer: &ClientAnswer, code: u16, words: &str) {
    assert_eq!(answer.status, code, "{answer:?}");
    let message = answer.json()["message"].as_str().unwrap_or_default().to_string();
    assert!(message.ends_with(words), "{message}\n{words}");
}

fn made(answer: &ClientAnswer) {
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Sends JSON as another user.
fn as_user(
    server: &Server,
    user: &str,
    groups: &[&str],
    method: &str,
    path: &str,
    body: &Value,
) -> ClientAnswer {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let mut headers = vec![("content-type", kind), ("impersonate-user", user)];
    headers.extend(groups.iter().map(|group| ("impersonate-group", *group)));
    server.admin().send(method, path, &headers, Bytes::from(body.to_string()))
}

fn as_node(server: &Server, method: &str, path: &str, body: &Value) -> ClientAnswer {
    as_user(server, "system:node:n1", &["system:nodes"], method, path, body)
}

fn pod(name: &str, spec: &Value) -> Value {
    let mut pod = json!({"metadata": {"name": name}, "spec": spec});
    if pod["spec"]["containers"].is_null() {
        pod["spec"]["containers"] = json!([{"name": "c", "image": "i:1"}]);
    }
    pod
}

fn definition(admin: &Client, plural: &str, kind: &str, scope: &str) {
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let body = json!({
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": scope, "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    });
    made(&admin.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &body));
    let path = format!("/apis/example.com/v1/{plural}");
    let is_served = (0..200).any(|_| {
        let is_served = admin.get(&path).status == 200;
        if !is_served {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        is_served
    });
    assert!(is_served, "{path}");
}

#[test]
fn cve_2018_1002105_an_upgrade_that_fails_leaves_no_way_behind() {
    let server = Server::start();
    let headers = [("upgrade", "SPDY/3.1"), ("connection", "Upgrade")];
    let answer = server.alice().send("POST", &format!("{PODS}/p/exec?command=id"), &headers, Bytes::new());
    assert_eq!(answer.status, 403, "{answer:?}");
    let answer = server.admin().send("POST", &format!("{PODS}/none/exec?command=id"), &headers, Bytes::new());
    assert_ne!(answer.status, 101);
    assert_eq!(server.alice().get("/api/v1/secrets").status, 403);
}

#[test]
fn cve_2019_11247_cluster_scoped_objects_are_not_in_namespaces() {
    let server = Server::start();
    let admin = server.admin();
    definition(&admin, "wides", "Wide", "Cluster");
    definition(&admin, "narrows", "Narrow", "Namespaced");
    made(&admin.post(
        "/apis/example.com/v1/wides",
        &json!({"metadata": {"name": "w"}, "kind": "Wide", "apiVersion": "example.com/v1"}),
    ));
    let rule = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
    let roles = format!("{RBAC}/namespaces/default/roles");
    made(&admin.post(&roles, &json!({"metadata": {"name": "all"}, "rules": [rule]})));
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "metadata": {"name": "all"}, "roleRef": {"apiGroup": group, "kind": "Role", "name": "all"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}],
    });
    made(&admin.post(&format!("{RBAC}/namespaces/default/rolebindings"), &binding));
    let alice = server.alice();
    for path in ["wides", "wides/w"] {
        assert_eq!(
            alice.get(&format!("/apis/example.com/v1/namespaces/default/{path}")).status,
            404,
            "{path}"
        );
        assert_eq!(alice.get(&format!("/apis/example.com/v1/{path}")).status, 403, "{path}");
    }
    assert_eq!(alice.delete("/apis/example.com/v1/namespaces/default/wides/w").status, 404);
    assert_eq!(admin.get("/apis/example.com/v1/wides/w").status, 200);
    assert_eq!(alice.get("/apis/example.com/v1/namespaces/default/narrows").status, 200);
    assert_eq!(admin.get("/apis/example.com/v1/narrows/n").status, 404);
}

#[test]
fn cve_2022_3162_lists_hold_their_own_resource_only() {
    let server = Server::start();
    let admin = server.admin();
    definition(&admin, "things", "Thing", "Cluster");
    definition(&admin, "thingsecrets", "ThingSecret", "Cluster");
    let secret = json!({"metadata": {"name": "s"}, "kind": "ThingSecret", "apiVersion": "example.com/v1"});
    made(&admin.post("/apis/example.com/v1/thingsecrets", &secret));
    for path in
        ["things", "things?fieldSelector=metadata.name%3Ds", "things?resourceVersion=0", "things?limit=1"]
    {
        let list = admin.get(&format!("/apis/example.com/v1/{path}"));
        assert_eq!(list.json()["items"], json!([]), "{path}: {list:?}");
    }
    for path in ["things/..%2Fthingsecrets%2Fs", "things/s", "things%2F..%2Fthingsecrets"] {
        assert_ne!(admin.get(&format!("/apis/example.com/v1/{path}")).status, 200, "{path}");
    }
}

#[test]
fn cve_2019_11253_documents_that_expand_are_refused() {
    let server = Server::start();
    let mut text = String::from(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\na0: &a0 [x,x,x,x,x,x,x,x,x]\n",
    );
    for level in 1..12 {
        let list = vec![format!("*a{}", level - 1); 9].join(",");
        text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    let headers = [("content-type", "application/yaml")];
    let path = "/api/v1/namespaces/default/configmaps";
    let answer = server.admin().send("POST", path, &headers, Bytes::from(text));
    assert!((400..500).contains(&answer.status), "{answer:?}");
}

#[test]
fn cve_2019_1002100_patches_that_grow_are_refused() {
    let server = Server::start();
    let path = "/api/v1/namespaces/default/configmaps";
    let text = "x".repeat(100_000);
    made(&server.admin().post(path, &json!({"metadata": {"name": "c"}, "data": {"a": text}})));
    let copies: Vec<Value> = (0..100)
        .map(|index| json!({"op": "copy", "from": "/data", "path": format!("/data/{index}")}))
        .collect();
    let answer = server.admin().patch("json", &format!("{path}/c"), &json!(copies));
    assert!((400..500).contains(&answer.status), "{}", answer.status);
}

#[test]
fn cve_2019_11250_and_2020_8565_tokens_are_not_logged() {
    let server = Server::start();
    assert_eq!(server.admin().get("/api").status, 200);
    let account = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let token = server.admin().post(account, &json!({"spec": {}})).json()["status"]["token"].clone();
    let token = token.as_str().expect("a token").to_string();
    let review = json!({"spec": {"token": token}});
    made(&server.admin().post("/apis/authentication.k8s.io/v1/tokenreviews", &review));
    assert_eq!(Client::new(server.port(), Some("wrong-token-of-somebody")).get("/api").status, 401);
    let log = server.log();
    for secret in ["admin-token", "wrong-token-of-somebody", token.as_str()] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn cve_2020_8554_external_addresses_can_be_denied() {
    let server = Server::with_flags(&["--enable-admission-plugins=DenyServiceExternalIPs"]);
    let path = "/api/v1/namespaces/default/services";
    let service = |addresses: &Value| json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "externalIPs": addresses}});
    check(
        &server.admin().post(path, &service(&json!(["1.2.3.4"]))),
        403,
        "Use of external IPs is denied by admission control",
    );
    made(&server.admin().post(path, &service(&json!([]))));
    let patch = json!({"spec": {"externalIPs": ["1.2.3.4"]}});
    assert_eq!(server.admin().patch("merge", &format!("{path}/s"), &patch).status, 403);
}

#[test]
fn cve_2021_25735_policies_see_a_node_as_it_is_stored() {
    let server = Server::start();
    let admin = server.admin();
    made(&admin.post("/api/v1/nodes", &json!({"metadata": {"name": "n", "labels": {"locked": "yes"}}})));
    let group = "/apis/admissionregistration.k8s.io/v1";
    let rule = json!({
        "apiGroups": [""], "apiVersions": ["v1"], "resources": ["nodes", "nodes/status"], "operations": ["UPDATE"],
    });
    let policy = json!({
        "metadata": {"name": "locked"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "object.metadata.labels['locked'] == oldObject.metadata.labels['locked']"}],
        },
    });
    made(&admin.post(&format!("{group}/validatingadmissionpolicies"), &policy));
    let binding = json!({"metadata": {"name": "locked"}, "spec": {"policyName": "locked", "validationActions": ["Deny"]}});
    made(&admin.post(&format!("{group}/validatingadmissionpolicybindings"), &binding));
    let patch = json!({"metadata": {"labels": {"locked": "no"}}});
    for path in ["/api/v1/nodes/n", "/api/v1/nodes/n/status"] {
        assert_eq!(admin.patch("merge", path, &patch).status, 422, "{path}");
    }
    let mut node = admin.get("/api/v1/nodes/n").json();
    node["metadata"]["labels"]["locked"] = json!("no");
    assert_eq!(admin.put("/api/v1/nodes/n", &node).status, 422);
    assert_eq!(admin.get("/api/v1/nodes/n").json()["metadata"]["labels"]["locked"], "yes");
}

#[test]
fn cve_2021_25737_endpoints_lead_to_no_node_of_its_own() {
    let server = Server::start();
    for address in ["127.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0"] {
        let slice = json!({
            "metadata": {"name": "s"}, "addressType": "IPv4", "ports": [], "endpoints": [{"addresses": [address]}],
        });
        let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
        assert_eq!(server.admin().post(path, &slice).status, 422, "{address}");
        let endpoints = json!({"metadata": {"name": "e"}, "subsets": [{"addresses": [{"ip": address}]}]});
        let answer = server.admin().post("/api/v1/namespaces/default/endpoints", &endpoints);
        assert_eq!(answer.status, 422, "{address}");
    }
}

#[test]
fn cve_2021_25740_editors_write_no_endpoints() {
    let server = Server::start();
    for role in ["system:aggregate-to-edit", "system:aggregate-to-admin"] {
        let rules = server.admin().get(&format!("{RBAC}/clusterroles/{role}")).json()["rules"].clone();
        for rule in rules.as_array().expect("rules") {
            let text = rule["resources"].to_string();
            let writes = rule["verbs"].to_string().contains("create");
            assert!(
                !writes || !(text.contains("\"endpoints\"") || text.contains("endpointslices")),
                "{rule}"
            );
        }
    }
}

/// An account whose pods may use one Secret.
fn limited_account(server: &Server) {
    let limits = json!({"kubernetes.io/enforce-mountable-secrets": "true"});
    let account = json!({"metadata": {"name": "lim", "annotations": limits}, "secrets": [{"name": "mine"}]});
    made(&server.admin().post("/api/v1/namespaces/default/serviceaccounts", &account));
}

#[test]
fn cve_2023_2728_and_2024_3177_mountable_secrets_hold_for_all_containers() {
    let server = Server::start();
    limited_account(&server);
    let admin = server.admin();
    let tail = "is not allowed because service account lim does not reference that secret";
    let variable = |name: &str| json!({"env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}]});
    let source = |name: &str| json!({"envFrom": [{"secretRef": {"name": name}}]});
    let container = |fields: &Value| {
        let mut container = json!({"name": "x", "image": "i:1"});
        let fields = fields.as_object().expect("fields").clone();
        container.as_object_mut().expect("an object").extend(fields);
        container
    };
    let with = |spec: Value| {
        let mut pod = pod("p", &spec);
        pod["spec"]["serviceAccountName"] = json!("lim");
        pod["spec"]["automountServiceAccountToken"] = json!(false);
        pod
    };
    let referencing = format!("referencing secret.secretName=\"theirs\" {tail}");
    for (fields, place) in [(variable("theirs"), "envVar E"), (source("theirs"), "envFrom")] {
        let one = container(&fields);
        let words = format!("container x with {place} {referencing}");
        check(&admin.post(PODS, &with(json!({"containers": [one]}))), 403, &words);
        let words = format!("init container x with {place} {referencing}");
        check(&admin.post(PODS, &with(json!({"initContainers": [one]}))), 403, &words);
    }
    made(&admin.post(PODS, &with(json!({"containers": [container(&source("mine"))]}))));
    let debug = format!("{PODS}/p/ephemeralcontainers");
    for (fields, place) in [(variable("theirs"), "envVar E"), (source("theirs"), "envFrom")] {
        let mut one = container(&fields);
        one["name"] = json!("debug");
        let patch = json!({"spec": {"ephemeralContainers": [one]}});
        let words = format!("ephemeral container debug with {place} {referencing}");
        check(&admin.patch("strategic-merge", &debug, &patch), 403, &words);
    }
    let mut one = container(&source("mine"));
    one["name"] = json!("debug");
    let patch = json!({"spec": {"ephemeralContainers": [one]}});
    assert_eq!(admin.patch("strategic-merge", &debug, &patch).status, 200);
}

/// A server with NodeRestriction, on which the node n1 has made itself; and the node's uid.
fn restricted() -> (Server, String) {
    let server = Server::with_flags(&["--enable-admission-plugins=NodeRestriction"]);
    let node = as_node(&server, "POST", "/api/v1/nodes", &json!({"metadata": {"name": "n1"}}));
    made(&node);
    let uid = node.json()["metadata"]["uid"].as_str().expect("a uid").to_string();
    (server, uid)
}

#[test]
fn cve_2025_4563_mirror_pods_refer_to_nothing_of_the_api() {
    let (server, uid) = restricted();
    let mirror = |spec: &Value| {
        let mut pod = pod("m", spec);
        pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid, "controller": true});
        pod["metadata"]["ownerReferences"] = json!([owner]);
        pod["spec"]["nodeName"] = json!("n1");
        pod
    };
    let refused = |spec: Value, what: &str| {
        let answer = as_node(&server, "POST", PODS, &mirror(&spec));
        check(&answer, 403, &format!("node \"n1\" can not create pods that reference {what}"));
    };
    let volume = |source: Value| {
        let mut volume = json!({"name": "v"});
        volume.as_object_mut().expect("an object").extend(source.as_object().expect("a source").clone());
        json!({"volumes": [volume]})
    };
    refused(json!({"resourceClaims": [{"name": "r", "resourceClaimName": "r"}]}), "resourceclaims");
    refused(json!({"resourceClaims": [{"name": "r", "resourceClaimTemplateName": "r"}]}), "resourceclaims");
    refused(volume(json!({"csi": {"driver": "d.example.com"}})), "csidrivers (via CSI volumes)");
    let template =
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let ephemeral = json!({"ephemeral": {"volumeClaimTemplate": template}});
    refused(volume(ephemeral), "persistentvolumeclaims (via ephemeral volumes)");
    let glusterfs = json!({"glusterfs": {"endpoints": "e", "path": "p"}});
    refused(volume(glusterfs), "endpoints (via glusterFS volumes)");
    let bundle = json!({"projected": {"sources": [{"clusterTrustBundle": {"name": "b", "path": "p"}}]}});
    let answer = as_node(&server, "POST", PODS, &mirror(&volume(bundle)));
    assert_eq!(answer.status, 403, "{answer:?}");
    refused(volume(json!({"configMap": {"name": "c"}})), "configmaps");
    refused(volume(json!({"persistentVolumeClaim": {"claimName": "c"}})), "persistentvolumeclaims");
    made(&as_node(&server, "POST", PODS, &mirror(&volume(json!({"emptyDir": {}})))));
}

#[test]
fn cve_2025_5187_nodes_give_themselves_no_owners() {
    let (server, _) = restricted();
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1"}]);
    let patch = json!({"metadata": {"ownerReferences": owner}});
    for path in ["/api/v1/nodes/n1", "/api/v1/nodes/n1/status"] {
        let answer = as_node(&server, "PATCH", path, &patch);
        if answer.status == 200 {
            assert!(answer.json()["metadata"]["ownerReferences"].is_null(), "{path}");
        } else {
            check(&answer, 403, "node \"n1\" is not allowed to modify ownerReferences");
        }
    }
}

/// A request for a certificate, in PEM.
fn signing_request(organization: DnValue, key: &KeyPair) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "me");
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.serialize_request(key).expect("a request").pem().expect("a text")
}

fn encoded(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn ask(server: &Server, name: &str, text: &str) -> ClientAnswer {
    let spec = json!({
        "request": encoded(text), "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"],
    });
    server.admin().post(REQUESTS, &json!({"metadata": {"name": name}, "spec": spec}))
}

#[test]
fn nobody_becomes_an_administrator_by_a_certificate_however_the_request_is_written() {
    let server = Server::start();
    let key = KeyPair::generate().expect("a key");
    let masters = "system:masters";
    let refusal =
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";
    for name in [
        DnValue::Utf8String(masters.into()),
        DnValue::BmpString(masters.try_into().expect("a text")),
        DnValue::TeletexString(masters.try_into().expect("a text")),
        DnValue::PrintableString(masters.try_into().expect("a text")),
        DnValue::Ia5String(masters.try_into().expect("a text")),
    ] {
        let text = signing_request(name, &key);
        let with_headers = text.replacen("-----\n", "-----\nA: b\n\n", 1);
        let with_decoy = format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}");
        for text in [&text, &with_headers, &with_decoy] {
            check(&ask(&server, "bad", text), 403, refusal);
        }
    }
    let good = signing_request(DnValue::Utf8String("dev".into()), &key);
    made(&ask(&server, "good", &good));
}

#[test]
fn requests_for_certificates_are_whole_and_signed() {
    let server = Server::start();
    let key = KeyPair::generate().expect("a key");
    let good = signing_request(DnValue::Utf8String("dev".into()), &key);
    let other = |text: &str, signer: &str| {
        let spec = json!({"request": encoded(text), "signerName": signer, "usages": ["client auth"]});
        server.admin().post(REQUESTS, &json!({"metadata": {"name": "r"}, "spec": spec}))
    };
    let lines: Vec<&str> = good.lines().collect();
    let body: String = lines.iter().filter(|line| !line.starts_with('-')).copied().collect();
    let bytes = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(&body).expect("base64")
    };
    let pem = |kind: &str, bytes: &[u8]| {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
    };
    let mut forged = bytes.clone();
    let at = forged.windows(2).position(|pair| pair == b"me").expect("the name");
    forged[at] = b'h';
    let kind = "CERTIFICATE REQUEST";
    for (text, why) in [
        ("garbage".to_string(), "PEM block type must be CERTIFICATE REQUEST"),
        (pem("CERTIFICATE", &bytes), "PEM block type must be CERTIFICATE REQUEST"),
        (pem(kind, b""), "asn1: syntax error: sequence truncated"),
        (pem(kind, &bytes[..30]), "asn1: syntax error: data truncated"),
        (pem(kind, &[bytes.as_slice(), b"x"].concat()), "asn1: syntax error: trailing data"),
        (pem(kind, &forged), "x509: ECDSA verification failure"),
    ] {
        check(&other(&text, "example.com/signer"), 422, why);
    }
    check(&ask(&server, "r", "garbage"), 422, "PEM block type must be CERTIFICATE REQUEST");
    made(&other(&good, "example.com/signer"));
    let status = json!({"status": {"certificate": encoded("-----BEGIN CERTIFICATE-----\nA: b\n\nAAAA\n-----END CERTIFICATE-----\n")}});
    let answer = server.admin().patch("merge", &format!("{REQUESTS}/r/status"), &status);
    check(&answer, 422, "no PEM block headers are permitted");
}

#[test]
fn the_status_of_resource_claims_is_written_by_those_who_may_bind_or_drive() {
    let server = Server::start();
    let admin = server.admin();
    let claims = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims";
    let request = json!({"name": "r", "exactly": {"deviceClassName": "c.example.com"}});
    made(
        &admin
            .post(claims, &json!({"metadata": {"name": "c"}, "spec": {"devices": {"requests": [request]}}})),
    );
    let role = |name: &str, verbs: &[&str], resource: &str| {
        let group = "rbac.authorization.k8s.io";
        let rule = json!({"verbs": verbs, "apiGroups": ["resource.k8s.io"], "resources": [resource]});
        made(
            &admin
                .post(&format!("{RBAC}/clusterroles"), &json!({"metadata": {"name": name}, "rules": [rule]})),
        );
        let binding = json!({
            "metadata": {"name": name}, "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}],
        });
        made(&admin.post(&format!("{RBAC}/clusterrolebindings"), &binding));
    };
    role("status", &["get", "update", "patch"], "resourceclaims/status");
    let path = format!("{claims}/c/status");
    let result = json!({"request": "r", "driver": "d.example.com", "pool": "p", "device": "a"});
    let allocation = json!({"status": {"allocation": {"devices": {"results": [result]}}}});
    let alice = server.alice();
    check(
        &alice.patch("merge", &path, &allocation),
        422,
        "changing status.allocation or status.reservedFor requires resource=\"resourceclaims/binding\", \
         verb=\"patch\" permission: resourceclaims.resource.k8s.io is forbidden: User \"alice\" cannot patch resource \
         \"resourceclaims/binding\" in API group \"resource.k8s.io\" at the cluster scope",
    );
    role("bind", &["patch"], "resourceclaims/binding");
    assert_eq!(alice.patch("merge", &path, &allocation).status, 200);
    let devices = json!({"status": {"devices": [{"driver": "d.example.com", "pool": "p", "device": "a"}]}});
    check(
        &alice.patch("merge", &path, &devices),
        422,
        "changing status.devices requires resource=\"resourceclaims/driver\", verb=\"[arbitrary-node:patch]\" \
         permission: resourceclaims.resource.k8s.io \"d.example.com\" is forbidden: User \"alice\" cannot \
         arbitrary-node:patch resource \"resourceclaims/driver\" in API group \"resource.k8s.io\" in the namespace \
         \"default\"",
    );
    role("drive", &["arbitrary-node:patch"], "resourceclaims/driver");
    assert_eq!(alice.patch("merge", &path, &devices).status, 200);
}

#[test]
fn limit_ranges_hold_when_pods_are_resized() {
    let server = Server::start();
    let admin = server.admin();
    let limit = json!({"type": "Container", "max": {"cpu": "1"}});
    let range = json!({"metadata": {"name": "l"}, "spec": {"limits": [limit]}});
    made(&admin.post("/api/v1/namespaces/default/limitranges", &range));
    let sized = |cpu: &str| {
        let resources = json!({"requests": {"cpu": cpu}, "limits": {"cpu": cpu}});
        json!([{"name": "c", "image": "i:1", "resources": resources}])
    };
    made(&admin.post(PODS, &pod("p", &json!({"containers": sized("500m")}))));
    let patch = |cpu: &str| {
        admin.patch(
            "strategic-merge",
            &format!("{PODS}/p/resize"),
            &json!({"spec": {"containers": sized(cpu)}}),
        )
    };
    check(&patch("2"), 403, "maximum cpu usage per Container is 1, but limit is 2");
    assert_eq!(patch("700m").status, 200);
}

#[test]
fn pod_certificates_are_asked_for_and_issued_by_those_who_may() {
    let server = Server::with_flags(&[
        "--enable-admission-plugins=NodeRestriction",
        "--feature-gates=PodCertificateRequest=true",
        "--runtime-config=certificates.k8s.io/v1beta1=true",
    ]);
    let admin = server.admin();
    let uid = |answer: ClientAnswer| answer.json()["metadata"]["uid"].as_str().expect("a uid").to_string();
    let node = uid(as_node(&server, "POST", "/api/v1/nodes", &json!({"metadata": {"name": "n1"}})));
    let running = uid(admin.post(PODS, &pod("p", &json!({"nodeName": "n1"}))));
    let account = uid(admin.get("/api/v1/namespaces/default/serviceaccounts/default"));
    let key = KeyPair::generate().expect("a key");
    let request = CertificateParams::default().serialize_request(&key).expect("a request");
    let request = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(request.der())
    };
    let path = "/apis/certificates.k8s.io/v1beta1/namespaces/default/podcertificaterequests";
    let body = |change: (&str, &str)| {
        let mut spec = json!({
            "signerName": "example.com/s", "podName": "p", "podUID": running, "serviceAccountName": "default",
            "serviceAccountUID": account, "nodeName": "n1", "nodeUID": node, "stubPKCS10Request": request,
            "maxExpirationSeconds": 86400,
        });
        spec[change.0] = json!(change.1);
        json!({"metadata": {"name": "r"}, "spec": spec})
    };
    let same = ("signerName", "example.com/s");
    let other = as_user(&server, "system:node:n2", &["system:nodes"], "POST", path, &body(same));
    check(&other, 403, "PodCertificateRequest.Spec.NodeName=\"n1\", which is not the requesting node \"n2\"");
    for (field, value, code) in [
        ("podName", "none", 500),
        ("podUID", "other", 500),
        ("serviceAccountName", "other", 403),
        ("serviceAccountUID", "other", 500),
        ("nodeUID", "other", 500),
    ] {
        assert_eq!(as_node(&server, "POST", path, &body((field, value))).status, code, "{field}");
    }
    let garbage = as_node(&server, "POST", path, &body(("stubPKCS10Request", "AAAA")));
    check(&garbage, 422, "spec.stubPKCS10Request: Invalid value: must be a valid PKCS#10 CSR");
    made(&as_node(&server, "POST", path, &body(same)));
    assert_eq!(as_node(&server, "GET", &format!("{path}/r"), &json!({})).status, 200);
    let other =
        as_user(&server, "system:node:n2", &["system:nodes"], "GET", &format!("{path}/r"), &json!({}));
    assert_eq!(other.status, 403);
    let denied = json!({"status": {"conditions": [{
        "type": "Denied", "status": "True", "reason": "No", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}});
    assert_eq!(as_node(&server, "PATCH", &format!("{path}/r/status"), &denied).status, 403);
    assert_eq!(admin.patch("merge", &format!("{path}/r/status"), &denied).status, 200);
}
