//! Admission webhooks: their requests, the effects of their answers, and bad answers.

use pintle_testkit::hook::{configuration, entry, patched, rule};
use pintle_testkit::{Client, Etcd, Hook, Https, Server, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

fn maps() -> Value {
    rule("", "v1", &["configmaps"])
}

fn configure(admin: &Client, path: &str, name: &str, webhooks: &[Value]) {
    let kind =
        if path == MUTATING { "MutatingWebhookConfiguration" } else { "ValidatingWebhookConfiguration" };
    let made = admin.post(path, &configuration(kind, name, webhooks));
    assert_eq!(made.status, 201, "{made:?}");
}

/// Drops the fields that a server adds of itself, which two objects may differ in.
fn without_marks(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().expect("objects have metadata");
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        metadata.remove(field);
    }
    for manager in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
        manager.as_object_mut().expect("an entry is a map").remove("time");
    }
    object
}

#[test]
fn webhooks_change_what_is_written_and_validating_ones_see_it() {
    let hook = Hook::start(|path, request| match path {
        "/first" if request["object"]["data"]["second"].is_null() => {
            patched(&json!([{"op": "add", "path": "/data/first", "value": "1"}]))
        }
        "/second" => patched(&json!([{"op": "add", "path": "/data/second", "value": "2"}])),
        "/deny" if request["object"]["data"]["bad"].is_string() => {
            json!({"allowed": false, "warnings": ["bad is bad"], "status": {"code": 418, "message": "no"}})
        }
        _ => json!({"allowed": true}),
    });
    let server = Server::start();
    let admin = server.admin();
    let mut first = hook.entry("first.example.com", "/first", &maps());
    first["reinvocationPolicy"] = json!("IfNeeded");
    configure(&admin, MUTATING, "m", &[first, hook.entry("second.example.com", "/second", &maps())]);
    configure(&admin, VALIDATING, "v", &[hook.entry("deny.example.com", "/deny", &maps())]);

    let made = admin.post(MAPS, &map("a"));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["data"], json!({"k": "v", "first": "1", "second": "2"}));
    let requests = hook.requests();
    // The first is called again, since the second has changed the object.
    assert_eq!(requests.len(), 4, "{requests:?}");
    assert_eq!(requests[0]["object"]["data"], json!({"k": "v"}));
    assert_eq!(requests[1]["object"]["data"], json!({"k": "v", "first": "1"}));
    assert_eq!(requests[3]["object"]["data"], json!({"k": "v", "first": "1", "second": "2"}));
    assert_eq!(requests[3]["object"]["metadata"]["uid"], made.json()["metadata"]["uid"]);
    assert_eq!(requests[3]["oldObject"], Value::Null);

    let mut bad = map("b");
    bad["data"]["bad"] = json!("x");
    let refused = admin.post(MAPS, &bad);
    assert_eq!(refused.status, 418, "{refused:?}");
    assert_eq!(refused.header("warning"), Some("299 - \"bad is bad\""));
    let message = "admission webhook \"deny.example.com\" denied the request: no";
    assert_eq!(refused.json()["message"], message);
    assert_eq!(admin.get(&format!("{MAPS}/b")).status, 404, "what is refused is not stored");
    // No webhook may refuse changes of admission's own configuration.
    assert_eq!(admin.delete(&format!("{VALIDATING}/v")).status, 200);
    assert_eq!(admin.post(MAPS, &bad).status, 201);
}

#[test]
fn a_webhook_without_a_patch_is_as_none() {
    let hook = Hook::open();
    let server = Server::start();
    let admin = server.admin();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "generateName": "g-"},
        "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let scaler = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "x", "annotations": {"a": "b"}}, "spec": {"maxReplicas": 3,
        "targetCPUUtilizationPercentage": 50, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
        "stringData": {"k": "v"}, "immutable": false});
    let objects = [
        (MAPS, map("x")),
        ("/api/v1/namespaces/default/pods", pod),
        ("/apis/apps/v1/namespaces/default/deployments", deployment),
        ("/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers", scaler),
        ("/api/v1/namespaces/default/secrets", secret),
    ];
    let round = |admin: &Client| -> Vec<Value> {
        let mut seen = Vec::new();
        for (path, object) in &objects {
            let made = admin.post(path, object);
            assert_eq!(made.status, 201, "{made:?}");
            let label = json!({"metadata": {"labels": {"l": "m"}}});
            let labelled = admin.patch("merge", &format!("{path}/x"), &label);
            let again = admin.put(&format!("{path}/x"), &labelled.json());
            let gone = admin.delete(&format!("{path}/x?gracePeriodSeconds=0"));
            assert_eq!((labelled.status, again.status, gone.status), (200, 200, 200), "{path}");
            seen.extend([made, labelled, again].map(|answer| without_marks(answer.json())));
        }
        seen
    };
    let alone = round(&admin);
    let every = json!({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]});
    configure(&admin, MUTATING, "m", &[hook.entry("m.example.com", "/m", &every)]);
    configure(&admin, VALIDATING, "v", &[hook.entry("v.example.com", "/v", &every)]);
    let asked = round(&admin);
    assert!(hook.requests().len() >= objects.len() * 8, "all writes are asked about");
    for (alone, asked) in alone.iter().zip(&asked) {
        assert_eq!(alone, asked);
    }
}

#[test]
fn deletions_are_asked_about_one_by_one_with_what_goes() {
    let hook = Hook::start(|_, request| match request["name"].as_str() {
        Some("kept") => json!({"allowed": false}),
        _ => json!({"allowed": true}),
    });
    let server = Server::start();
    let admin = server.admin();
    for name in ["a", "b"] {
        assert_eq!(admin.post(MAPS, &map(name)).status, 201);
    }
    let mut rule = maps();
    rule["operations"] = json!(["DELETE"]);
    configure(&admin, VALIDATING, "v", &[hook.entry("v.example.com", "/v", &rule)]);
    assert_eq!(admin.delete(&format!("{MAPS}?fieldSelector=metadata.name!%3Dkube-root-ca.crt")).status, 200);
    let requests = hook.requests();
    let names: Vec<&Value> =
        requests.iter().map(|request| &request["oldObject"]["metadata"]["name"]).collect();
    assert!(names.contains(&&json!("a")) && names.contains(&&json!("b")), "{names:?}");
    assert!(requests.iter().all(|request| request["object"].is_null() && request["operation"] == "DELETE"));
    assert_eq!(admin.post(MAPS, &map("kept")).status, 201);
    let refused = admin.delete(&format!("{MAPS}/kept"));
    assert_eq!(refused.status, 400, "{refused:?}");
    let message = "admission webhook \"v.example.com\" denied the request without explanation";
    assert_eq!(refused.json()["message"], message);
}

/// The refusal of a create by a webhook with such an answer.
fn refusal(admin: &Client, webhook: Value) -> (u16, String, Duration) {
    configure(admin, MUTATING, "bad", &[webhook]);
    let begin = Instant::now();
    let answer = admin.post(MAPS, &map("x"));
    let took = begin.elapsed();
    assert_eq!(admin.delete(&format!("{MUTATING}/bad")).status, 200);
    assert_eq!(admin.get(&format!("{MAPS}/x")).status, 404, "nothing is stored");
    (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned(), took)
}

#[test]
fn bad_answers_are_refused_in_clear_words_and_bounded_time() {
    let head = "HTTP/1.1 200 x\r\ncontent-type: application/json\r\n";
    let endless = Https::start_raw(move |_, stream| {
        write!(stream, "{head}transfer-encoding: chunked\r\n\r\n")?;
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        loop {
            stream.write_all(chunk.as_bytes())?;
        }
    });
    let slow = Https::start_raw(move |_, stream| {
        write!(stream, "{head}content-length: 100000\r\n\r\n")?;
        loop {
            stream.write_all(b" ")?;
            stream.flush()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let hook = Hook::start(|path, _| match path {
        "/uid" => json!({"allowed": true, "uid": "other"}),
        "/large" => patched(&json!([{"op": "add", "path": "/data/l", "value": "x".repeat(5 << 20)}])),
        "/metadata" => patched(&json!([{"op": "remove", "path": "/metadata"}])),
        "/whole" => patched(&json!([{"op": "replace", "path": "", "value": []}])),
        "/copies" => {
            let copy = json!({"op": "copy", "from": "/data", "path": "/data/d"});
            patched(&Value::Array(vec![copy; 60]))
        }
        _ => json!({"allowed": true}),
    });
    let server = Server::start();
    let admin = server.admin();
    let calling = "Internal error occurred: failed calling webhook \"x.example.com\": ";
    let check = |webhook: Value, words: &str| {
        let (code, message, took) = refusal(&admin, webhook);
        assert!(code >= 400 && message.contains(words), "{words}: {code} {message}");
        assert!(took < Duration::from_secs(10), "{words}: {took:?}");
    };
    let at = |https: &Https| entry("x.example.com", &https.url(), &https.pem, &maps());
    let of = |path: &str| hook.entry("x.example.com", path, &maps());
    check(at(&endless), calling);
    check(at(&slow), "context deadline exceeded");
    check(of("/uid"), "received invalid webhook response: expected response.uid=");
    check(of("/large"), "");
    check(of("/metadata"), "");
    check(of("/whole"), "cannot unmarshal array");
    check(of("/copies"), "");
    // A name that the certificate is not for.
    let named = entry("x.example.com", &format!("https://localhost:{}/", slow.port()), &slow.pem, &maps());
    check(named, "x509: certificate is ");
    assert_eq!(admin.post(MAPS, &map("after")).status, 201);
}

#[test]
fn a_webhook_has_no_more_time_than_its_request() {
    let hook = Https::start(|asked| {
        let review: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let response = json!({"uid": review["request"]["uid"], "allowed": true});
        let answer =
            json!({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response});
        (200, answer.to_string())
    });
    let server = Server::start();
    let admin = server.admin();
    let mut webhook = entry("x.example.com", &format!("{}/x", hook.url()), &hook.pem, &maps());
    webhook["timeoutSeconds"] = json!(20);
    configure(&admin, MUTATING, "m", &[webhook.clone()]);
    configure(&admin, VALIDATING, "v", &[webhook]);
    assert_eq!(admin.post(&format!("{MAPS}?timeout=7s"), &map("short")).status, 201);
    assert_eq!(admin.post(MAPS, &map("long")).status, 201);
    let paths: Vec<String> = hook.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/x?timeout=7s", "/x?timeout=7s", "/x?timeout=20s", "/x?timeout=20s"]);
}

#[test]
fn a_webhook_that_hangs_costs_nobody_else_anything() {
    let hanging = Https::start_raw(|_, _| {
        std::thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    let server = Server::start();
    let admin = server.admin();
    let mut webhook = entry("x.example.com", &hanging.url(), &hanging.pem, &maps());
    webhook["timeoutSeconds"] = json!(5);
    webhook["objectSelector"] = json!({"matchLabels": {"hang": "yes"}});
    configure(&admin, VALIDATING, "v", &[webhook]);
    std::thread::scope(|scope| {
        let mut hung = Vec::new();
        for index in 0..20 {
            let server = &server;
            hung.push(scope.spawn(move || {
                let mut map = map(&format!("h{index}"));
                map["metadata"]["labels"] = json!({"hang": "yes"});
                server.admin().post(MAPS, &map)
            }));
        }
        let begin = Instant::now();
        for index in 0..30 {
            assert_eq!(admin.post(MAPS, &map(&format!("f{index}"))).status, 201);
        }
        let took = begin.elapsed();
        assert!(hung.iter().any(|one| !one.is_finished()), "the others were written while some hung");
        assert!(took < Duration::from_secs(4), "{took:?}");
        for one in hung {
            let answer = one.join().expect("no request panics");
            assert_eq!(answer.status, 500, "{answer:?}");
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.ends_with("context deadline exceeded"), "{message}");
        }
    });
}

#[test]
fn a_configuration_holds_on_all_servers_of_one_etcd() {
    let Some(etcd) = Etcd::start() else { return };
    let flag = format!("--etcd-servers={}", etcd.url());
    let (one, other) = (Server::with_flags(&[&flag]), Server::with_flags(&[&flag]));
    let (one, other) = (one.admin(), other.admin());
    let hook = Hook::start(|_, _| json!({"allowed": false, "status": {"message": "closed"}}));
    // Each server follows the store: it knows what another wrote a moment later.
    let knows = |server: &Client, status: u16| {
        let rehearsal = || server.post(&format!("{MAPS}?dryRun=All"), &map("rehearsal")).status;
        eventually("the configuration is known", SOON, || rehearsal() == status);
    };
    for round in 0..5 {
        configure(&one, VALIDATING, "v", &[hook.entry("v.example.com", "/v", &maps())]);
        knows(&other, 400);
        let before = hook.requests().len();
        let refused = other.post(MAPS, &map(&format!("m{round}")));
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!(hook.requests().len(), before + 1, "a refused create is asked about once");
        assert_eq!(other.delete(&format!("{VALIDATING}/v")).status, 200);
        knows(&one, 201);
        assert_eq!(one.post(MAPS, &map(&format!("m{round}"))).status, 201);
    }
}
