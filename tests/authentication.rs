//! Authentication: tokens are issued, believed while what they rest on stands, and refused afterwards.

use pintle_testkit::{Client, Server};
use serde_json::{Value, json};

const SELF: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

fn token(admin: &Client, spec: &Value) -> String {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let answer = admin.post("/api/v1/namespaces/default/serviceaccounts/default/token", &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["status"]["token"].as_str().expect("a token").into()
}

fn whoami(server: &Server, token: &str) -> Result<String, u16> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = Client::new(server.port(), Some(token)).post(SELF, &body);
    match answer.status {
        201 => Ok(answer.json()["status"]["userInfo"]["username"].as_str().expect("a name").into()),
        status => Err(status),
    }
}

#[test]
fn tokens_go_with_what_they_are_bound_to() {
    let mut server = Server::start();
    let admin = server.admin();
    let account = Ok(String::from("system:serviceaccount:default:default"));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    assert_eq!(admin.post("/api/v1/namespaces/default/secrets", &secret).status, 201);
    let plain = token(&admin, &json!({}));
    let other = token(&admin, &json!({"audiences": ["other"]}));
    let bound =
        token(&admin, &json!({"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "s"}}));
    assert_eq!(whoami(&server, &plain), account);
    assert_eq!(whoami(&server, &bound), account);
    assert_eq!(whoami(&server, &other), Err(401));
    assert_eq!(whoami(&server, &format!("{}x", plain)), Err(401));
    // The key outlives the process.
    assert!(server.stop());
    server.spawn();
    let admin = server.admin();
    assert_eq!(whoami(&server, &plain), account);
    assert_eq!(admin.delete("/api/v1/namespaces/default/secrets/s").status, 200);
    assert_eq!(whoami(&server, &bound), Err(401));
    assert_eq!(admin.delete("/api/v1/namespaces/default/serviceaccounts/default").status, 200);
    assert_eq!(whoami(&server, &plain), Err(401));
}

#[test]
fn bootstrap_tokens_are_accepted_when_asked_for() {
    let server = Server::with_flags(&["--enable-bootstrap-token-auth"]);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
        },
    });
    assert_eq!(server.admin().post("/api/v1/namespaces/kube-system/secrets", &secret).status, 201);
    assert_eq!(whoami(&server, "abcdef.0123456789abcdef"), Ok("system:bootstrap:abcdef".into()));
    assert_eq!(whoami(&server, "abcdef.0123456789abcdee"), Err(401));
}
