//! Remote authenticators: JSON web tokens of an issuer, and a token webhook. Both are real servers with TLS,
//! certificates and keys of their own.

use pintle_access::service_account::{Jwk, SigningKey};
use pintle_testkit::{Client, Https, Server};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const SELF: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
/// The time until changes must be seen, on loaded machines.
const SEEN_MAX: Duration = Duration::from_secs(30);

/// An issuer whose keys can be changed.
struct Issuer {
    server: Https,
    key: Arc<Mutex<SigningKey>>,
}

fn new_key() -> SigningKey {
    let pem = rcgen::KeyPair::generate().expect("a key can be made").serialize_pem();
    SigningKey::from_pem(&pem).expect("a made key can sign")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Issuer {
    fn start() -> Issuer {
        let key = Arc::new(Mutex::new(new_key()));
        let (published, url) = (key.clone(), Arc::new(Mutex::new(String::new())));
        let own = url.clone();
        let server = Https::start(move |asked| match asked.path.as_str() {
            "/.well-known/openid-configuration" => {
                let url = lock(&own).clone();
                (200, json!({"issuer": url, "jwks_uri": format!("{url}/keys?of=all")}).to_string())
            }
            "/keys?of=all" => (200, jwks(&lock(&published)).to_string()),
            _ => (404, String::new()),
        });
        *lock(&url) = server.url();
        Issuer { server, key }
    }

    fn token(&self, claims: &Value) -> String {
        let mut all = json!({"iss": self.server.url(), "aud": "me", "exp": 4_000_000_000_u64, "sub": "ann"});
        for (name, value) in claims.as_object().expect("claims are an object") {
            all[name] = value.clone();
        }
        let key = lock(&self.key);
        let public = key.public();
        let header = json!({"alg": public.algorithm.name(), "kid": public.id});
        let message = format!("{}.{}", encode(header.to_string()), encode(all.to_string()));
        let signature = key.sign(message.as_bytes()).expect("the key signs");
        format!("{message}.{}", encode(signature))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn jwks(key: &SigningKey) -> Value {
    let Jwk::Ec { curve, x, y } = &key.public().jwk else { panic!("the test's keys are of curves") };
    json!({"keys": [{"kty": "EC", "crv": curve, "kid": key.public().id, "x": encode(x), "y": encode(y)}]})
}

/// Name and groups of a token's user, or the code of the refusal.
fn whoami(server: &Server, token: &str) -> Result<String, u16> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = Client::new(server.port(), Some(token)).post(SELF, &body);
    if answer.status != 201 {
        return Err(answer.status);
    }
    let info = answer.json()["status"]["userInfo"].clone();
    let groups: Vec<&str> =
        info["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Ok(format!("{} {}", info["username"].as_str().unwrap_or_default(), groups.join(",")))
}

/// Asks again until the answer is the expected one.
fn becomes(expected: &Result<String, u16>, ask: impl Fn() -> Result<String, u16>) {
    let end = Instant::now() + SEEN_MAX;
    loop {
        let found = ask();
        if found == *expected {
            return;
        }
        assert!(Instant::now() < end, "{found:?} did not become {expected:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("the directory of the test can be written to");
    path.display().to_string()
}

fn named(name: &str) -> Result<String, u16> {
    Ok(format!("{name},system:authenticated"))
}

#[test]
fn an_issuer_by_flags_is_believed_and_may_change_its_keys() {
    let (issuer, dir) = (Issuer::start(), tempfile::tempdir().unwrap());
    let (url, ca) = (issuer.server.url(), write(dir.path(), "ca.pem", &issuer.server.pem));
    let server = Server::with_flags(&[
        &format!("--oidc-issuer-url={url}"),
        "--oidc-client-id=me",
        &format!("--oidc-ca-file={ca}"),
        "--oidc-groups-claim=groups",
        "--oidc-groups-prefix=g:",
        "--oidc-required-claim=hd=x,y",
        "--oidc-signing-algs=ES256",
    ]);
    let token = issuer.token(&json!({"groups": ["a"], "hd": "x,y"}));
    becomes(&named(&format!("{url}#ann g:a")), || whoami(&server, &token));
    for bad in [
        json!({"hd": "x"}),
        json!({"hd": "x,y", "aud": "other"}),
        json!({"hd": "x,y", "exp": 1}),
        json!({"hd": "x,y", "nbf": 4_000_000_000_u64}),
        json!({"hd": "x,y", "sub": 1}),
        json!({"hd": "x,y", "iss": "https://other"}),
    ] {
        assert_eq!(whoami(&server, &issuer.token(&bad)), Err(401), "{bad}");
    }
    let (message, _) = token.rsplit_once('.').unwrap();
    assert_eq!(whoami(&server, &format!("{message}.{}", encode([0; 64]))), Err(401));
    *lock(&issuer.key) = new_key();
    let token = issuer.token(&json!({"sub": "bob", "hd": "x,y"}));
    assert_eq!(whoami(&server, &token), Ok(format!("{url}#bob system:authenticated")));
}

#[test]
fn issuers_of_a_file_change_with_it() {
    let (issuer, dir) = (Issuer::start(), tempfile::tempdir().unwrap());
    let file = |prefix: &str| {
        let jwt = json!([{
            "issuer": {
                "url": issuer.server.url(), "audiences": ["me", "you"], "audienceMatchPolicy": "MatchAny",
                "certificateAuthority": issuer.server.pem,
            },
            "claimMappings": {
                "username": {"claim": "sub", "prefix": prefix},
                "groups": {"claim": "groups", "prefix": ""},
                "uid": {"claim": "id"},
            },
        }]);
        let anonymous = json!({"enabled": true, "conditions": [{"path": "/readyz"}]});
        let kind = "AuthenticationConfiguration";
        let all = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": kind, "jwt": jwt, "anonymous": anonymous});
        write(dir.path(), "authentication.json", &all.to_string())
    };
    let path = file("old:");
    let server = Server::with_flags(&[&format!("--authentication-config={path}")]);
    let token = issuer.token(&json!({"aud": ["you"], "groups": "dev", "id": "1"}));
    becomes(&named("old:ann dev"), || whoami(&server, &token));
    assert_eq!(whoami(&server, &issuer.token(&json!({}))), Err(401), "a claim is missing");
    assert_eq!(server.anonymous().get("/readyz").status, 200);
    assert_eq!(server.anonymous().get("/livez").status, 401);
    write(dir.path(), "authentication.json", "{");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(whoami(&server, &token), named("old:ann dev"));
    file("new:");
    becomes(&named("new:ann dev"), || whoami(&server, &token));
}

/// A webhook that knows tokens `good-<name>`, and fails on others as they say.
fn webhook() -> Https {
    Https::start(|asked| {
        let review: Value = serde_json::from_str(&asked.body).expect("a review is JSON");
        let status = match review["spec"]["token"].as_str().unwrap_or("").split_once('-') {
            Some(("good", name)) => {
                let user = json!({"username": name, "uid": "7", "groups": ["hooked"], "extra": {"k": ["v"]}});
                json!({"authenticated": true, "user": user, "audiences": review["spec"]["audiences"]})
            }
            Some(("elsewhere", name)) => {
                json!({"authenticated": true, "user": {"username": name}, "audiences": ["other"]})
            }
            Some(("error", why)) => json!({"authenticated": false, "error": why}),
            Some(("outage", _)) => return (503, "no".into()),
            _ => json!({"authenticated": false}),
        };
        (
            200,
            json!({"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status}).to_string(),
        )
    })
}

#[test]
fn a_webhook_says_whose_tokens_are() {
    let (hook, dir) = (webhook(), tempfile::tempdir().unwrap());
    write(dir.path(), "ca.pem", &hook.pem);
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "hook",
        "contexts": [{"name": "hook", "context": {"cluster": "hook", "user": "server"}}],
        "clusters": [{"name": "hook", "cluster": {
            "server": format!("{}/authenticate", hook.url()), "certificate-authority": "ca.pem",
        }}],
        "users": [{"name": "server", "user": {"token": "secret"}}],
    });
    let config = write(dir.path(), "hook.kubeconfig", &config.to_string());
    let server = Server::with_flags(&[
        &format!("--authentication-token-webhook-config-file={config}"),
        "--authentication-token-webhook-version=v1",
    ]);
    for _ in 0..3 {
        assert_eq!(whoami(&server, "good-ann"), named("ann hooked"));
    }
    let asked = hook.asked();
    assert_eq!(asked.len(), 1, "an answer holds for a while");
    assert_eq!(asked[0].path, "/authenticate?timeout=30s");
    assert!(asked[0].head.contains("authorization: bearer secret"), "{}", asked[0].head);
    assert!(asked[0].body.contains("https://kubernetes.default.svc"), "{}", asked[0].body);
    for bad in ["bad-x", "elsewhere-x", "error-x", "outage-x"] {
        assert_eq!(whoami(&server, bad), Err(401), "{bad}");
    }
    assert_eq!(whoami(&server, "alice-token"), named("alice dev"));
    let review = |token: &str| {
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
        });
        server.admin().post("/apis/authentication.k8s.io/v1/tokenreviews", &body).json()["status"].clone()
    };
    assert_eq!(review("good-bob")["user"]["extra"], json!({"k": ["v"]}));
    assert_eq!(review("error-why")["error"], json!("[invalid bearer token, why]"));
}
