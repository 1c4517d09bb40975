//! Authentication: tokens are issued, valid while the objects that they are bound to exist, and refused afterwards.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pintle_access::service_account::SigningKey;
use pintle_outbound::{Client as Caller, Credential, Pem, Tls, Url};
use pintle_testkit::{Client, Server};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

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

/// Asks again until the answer is the expected one, for as long as a loaded machine may need.
fn becomes<T: PartialEq + std::fmt::Debug>(expected: &T, ask: impl Fn() -> T) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let found = ask();
        if found == *expected {
            return;
        }
        assert!(Instant::now() < end, "{found:?} did not become {expected:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The label of a Secret with the day of its token's last use.
fn last_used(admin: &Client, name: &str) -> Option<String> {
    let secret = admin.get(&format!("/api/v1/namespaces/default/secrets/{name}")).json();
    secret["metadata"]["labels"]["kubernetes.io/legacy-token-last-used"].as_str().map(String::from)
}

#[test]
fn tokens_in_secrets_are_watched_over() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let path = dir.path().join("sa.key");
    let pem = KeyPair::generate().expect("a key can be made").serialize_pem();
    std::fs::write(&path, &pem).expect("the key can be written");
    let server = Server::with_flags(&[&format!("--service-account-signing-key-file={}", path.display())]);
    let admin = server.admin();
    let account = admin.get("/api/v1/namespaces/default/serviceaccounts/default").json();
    let key = SigningKey::from_pem(&pem).expect("a made key can sign");
    let claims = json!({
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:default:default",
        "kubernetes.io/serviceaccount/namespace": "default",
        "kubernetes.io/serviceaccount/secret.name": "old",
        "kubernetes.io/serviceaccount/service-account.name": "default",
        "kubernetes.io/serviceaccount/service-account.uid": account["metadata"]["uid"],
    });
    let header = json!({"alg": key.public().algorithm.name(), "kid": key.public().id});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&claims));
    let token =
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).expect("a key signs")));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "old", "annotations": {"kubernetes.io/service-account.name": "default"}},
        "data": {"token": STANDARD.encode(&token)},
    });
    assert_eq!(whoami(&server, &token), Err(401));
    assert_eq!(admin.post("/api/v1/namespaces/default/secrets", &secret).status, 201);
    assert_eq!(whoami(&server, &token), Ok("system:serviceaccount:default:default".into()));
    becomes(&Some(10), || last_used(&admin, "old").map(|day| day.len()));
    let invalid = json!({"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": "2024-01-01"}}});
    assert_eq!(admin.patch("merge", "/api/v1/namespaces/default/secrets/old", &invalid).status, 200);
    assert_eq!(whoami(&server, &token), Err(401));
}

#[test]
fn web_sockets_bring_tokens_as_protocols() {
    let server = Server::start();
    let open = |protocols: &str| {
        let headers =
            [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-protocol", protocols)];
        server.anonymous().send("GET", "/api/v1/nodes", &headers, bytes::Bytes::new()).status
    };
    let named =
        |token: &str| format!("base64url.bearer.authorization.k8s.io.{}", URL_SAFE_NO_PAD.encode(token));
    assert_eq!(open(&format!("{}, v4.channel.k8s.io", named("admin-token"))), 200);
    assert_eq!(open(&format!("{}, v4.channel.k8s.io", named("wrong"))), 401);
    assert_eq!(open(&named("admin-token")), 401, "nothing is left to agree on");
    assert_eq!(open("v4.channel.k8s.io"), 403);
}

/// An authority in a file, and how it names clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        let pem = params.self_signed(&key).map(|made| Certificate::pem(&made)).expect("a key signs");
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// The user that the server sees for a certificate of this authority.
    fn whoami(&self, server: &Server, name: &str) -> Result<String, u16> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        let made = params.signed_by(&key, &self.issuer).expect("an authority signs");
        let pem = |text: String| Pem::Inline(text.into_bytes());
        let identity = Some((pem(made.pem()), pem(key.serialize_pem())));
        let tls = Tls { is_insecure: true, identity, ..Tls::default() };
        let url = Url::parse(&server.url()).expect("the server has an address");
        let caller = Caller::new(url, tls, Credential::None).expect("the certificate can be used");
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let post =
            caller.send("POST".parse().expect("a method"), SELF, Some(body.into()), Duration::from_secs(10));
        let answer = runtime.expect("a runtime can be made").block_on(post).expect("the server answers");
        let review: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match answer.code {
            201 => Ok(review["status"]["userInfo"]["username"].as_str().expect("a name").into()),
            code => Err(code),
        }
    }
}

#[test]
fn changed_authorities_are_taken_over_and_told() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let path: PathBuf = dir.path().join("ca.crt");
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    std::fs::write(&path, &old.pem).expect("the file can be written");
    let server = Server::with_flags(&[&format!("--client-ca-file={}", path.display())]);
    assert_eq!(old.whoami(&server, "ann"), Ok("ann".into()));
    assert_eq!(new.whoami(&server, "bob"), Err(401));
    std::fs::write(&path, "nonsense").expect("the file can be written");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(old.whoami(&server, "ann"), Ok("ann".into()));
    std::fs::write(&path, &new.pem).expect("the file can be written");
    becomes(&Ok("bob".into()), || new.whoami(&server, "bob"));
    assert_eq!(old.whoami(&server, "ann"), Err(401));
    let told = || {
        let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
        let map = server.admin().get(path).json();
        map["data"]["client-ca-file"].as_str().unwrap_or_default().matches("BEGIN").count()
    };
    becomes(&2, told);
}

#[test]
fn nobody_holds_costly_connections() {
    let server = Server::start();
    assert!(server.anonymous().is_ended_after("/readyz"));
    assert!(Client::new(server.port(), Some("wrong")).is_ended_after("/readyz"));
    assert!(!server.alice().is_ended_after("/readyz"));
}
