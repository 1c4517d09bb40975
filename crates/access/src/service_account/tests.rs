//! Tokens: signed, valid, and no longer valid.

use super::*;
use crate::token::{Objects, TokenAuthenticator, Verdict};
use pintle_object::Value;
use std::sync::Arc;

const NOW: i64 = 1_700_000_000;

/// A key of this run alone.
fn key() -> Arc<SigningKey> {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use base64::Engine as _;
    let random = aws_lc_rs::rand::SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(pkcs8.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    Arc::new(SigningKey::from_pem(&pem).unwrap())
}

struct Keys(Vec<Arc<SigningKey>>);

impl KeySource for Keys {
    fn signing(&self) -> Result<Arc<SigningKey>, String> {
        self.0.first().cloned().ok_or_else(|| "none".into())
    }

    fn verifying(&self) -> Vec<Arc<VerifyingKey>> {
        self.0.iter().map(|key| Arc::new(key.public().clone())).collect()
    }
}

/// Objects by `plural/namespace/name`, each with the uid `u-name`.
struct Stored(Vec<&'static str>);

impl Objects for Stored {
    fn stored(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let path = format!("{plural}/{namespace}/{name}");
        let found = self.0.iter().find(|entry| entry.split('@').next() == Some(path.as_str()))?;
        let mut object = Value::map();
        object.set(&["metadata", "uid"], format!("u-{name}"));
        if let Some((_, deleted)) = found.split_once('@') {
            object.set(&["metadata", "deletionTimestamp"], deleted);
        }
        Some(object)
    }
}

fn grant() -> Grant {
    Grant {
        namespace: "ns".into(),
        account: Bound { name: "sa".into(), uid: "u-sa".into() },
        audiences: vec!["api".into(), "other".into()],
        issuer: "me".into(),
        id: "i1".into(),
        issued: NOW,
        not_before: NOW,
        expires: NOW + 600,
        ..Grant::default()
    }
}

fn bound(name: &str) -> Option<Bound> {
    Some(Bound { name: name.into(), uid: format!("u-{name}") })
}

fn tokens(key: &Arc<SigningKey>, objects: &[&'static str]) -> ServiceAccountTokens {
    ServiceAccountTokens {
        issuers: vec!["me".into(), "older".into()],
        api_audiences: vec!["api".into()],
        keys: Arc::new(Keys(vec![key.clone()])),
        objects: Arc::new(Stored(objects.to_vec())),
        proven: Default::default(),
        metrics: TokenMetrics::new(&pintle_metrics::Registry::default()),
    }
}

#[test]
fn a_token_has_upstreams_shape() {
    let key = key();
    let token = sign(&key, &Grant { pod: bound("p"), node: bound("n"), ..grant() }).unwrap();
    let parts: Vec<String> = token
        .split('.')
        .take(2)
        .map(|part| {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
            String::from_utf8(bytes).unwrap()
        })
        .collect();
    assert_eq!(parts[0], format!(r#"{{"alg":"ES256","kid":"{}"}}"#, key.public().id));
    assert_eq!(
        parts[1],
        r#"{"aud":["api","other"],"exp":1700000600,"iat":1700000000,"iss":"me","jti":"i1","kubernetes.io":{"namespace":"ns","node":{"name":"n","uid":"u-n"},"pod":{"name":"p","uid":"u-p"},"serviceaccount":{"name":"sa","uid":"u-sa"}},"nbf":1700000000,"sub":"system:serviceaccount:ns:sa"}"#
    );
}

#[test]
fn a_token_is_believed_as_long_as_it_stands() {
    let key = key();
    let check =
        |grant: Grant, objects: &[&'static str], now: i64, wanted: Option<&[String]>, expected: &str| {
            let token = sign(&key, &grant).unwrap();
            let found = match tokens(&key, objects).authenticate(&token, wanted, now) {
                Verdict::Known(known) => format!("{} for {}", known.user.name, known.audiences.join(",")),
                Verdict::Unknown => "unknown".into(),
                Verdict::Refused(why) => why,
            };
            assert_eq!(found, expected);
        };
    const SA: &str = "serviceaccounts/ns/sa";
    let good = "system:serviceaccount:ns:sa for api";
    let invalidated = "service account token has been invalidated";
    check(grant(), &[SA], NOW, None, good);
    check(grant(), &[SA], NOW + 650, None, good);
    check(grant(), &[SA], NOW + 661, None, "service account token has expired");
    check(grant(), &[SA], NOW - 61, None, "service account token is not valid yet");
    check(grant(), &[], NOW, None, "serviceaccounts \"sa\" not found");
    check(
        grant(),
        &["serviceaccounts/ns/sa@2000-01-01T00:00:00Z"],
        NOW,
        None,
        "service account ns/sa has been deleted",
    );
    let recreated = Grant { account: Bound { name: "sa".into(), uid: "old".into() }, ..grant() };
    check(recreated, &[SA], NOW, None, "service account UID (u-sa) does not match claim (old)");
    let of_pod = || Grant { pod: bound("p"), node: bound("n"), ..grant() };
    check(of_pod(), &[SA, "pods/ns/p"], NOW, None, good);
    check(of_pod(), &[SA], NOW, None, invalidated);
    check(of_pod(), &[SA, "pods/ns/p@2000-01-01T00:00:00Z"], NOW, None, invalidated);
    let of_node = || Grant { node: bound("n"), ..grant() };
    check(of_node(), &[SA, "nodes//n"], NOW, None, good);
    check(of_node(), &[SA], NOW, None, invalidated);
    let of_secret = || Grant { secret: bound("s"), ..grant() };
    check(of_secret(), &[SA, "secrets/ns/s"], NOW, None, good);
    check(of_secret(), &[SA], NOW, None, invalidated);
    let older = Grant { issuer: "older".into(), ..grant() };
    check(older, &[SA], NOW, None, good);
    let foreign = Grant { issuer: "else".into(), ..grant() };
    check(foreign, &[SA], NOW, None, "unknown");
    let wanted = ["third".to_string(), "other".to_string()];
    check(grant(), &[SA], NOW, Some(&wanted), "system:serviceaccount:ns:sa for other");
    check(
        grant(),
        &[SA],
        NOW,
        Some(&wanted[..1]),
        "token audiences [\"api\" \"other\"] is invalid for the target audiences [\"third\"]",
    );
}

#[test]
fn nobody_else_can_sign() {
    let (own, other) = (key(), key());
    let tokens = tokens(&own, &["serviceaccounts/ns/sa"]);
    let forged = sign(&other, &grant()).unwrap();
    let good = sign(&own, &grant()).unwrap();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIn0";
    for bad in [
        forged.clone(),
        format!("{}.{signature}", forged.rsplit_once('.').unwrap().0),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{header}.{claims}."),
    ] {
        let verdict = tokens.authenticate(&bad, None, NOW);
        assert!(matches!(verdict, Verdict::Refused(_)), "{bad} {verdict:?}");
    }
    for junk in ["", "a", "a.b", "a.b.c", "..", &format!("{header}.{header}.{signature}")] {
        assert_eq!(tokens.authenticate(junk, None, NOW), Verdict::Unknown, "{junk}");
    }
}

/// A Secret that holds a legacy token, and its account.
struct Legacy(String, bool);

impl Objects for Legacy {
    fn stored(&self, plural: &str, _: &str, name: &str) -> Option<Value> {
        use base64::Engine as _;
        let mut object = Value::map();
        object.set(&["metadata", "uid"], format!("u-{name}"));
        if plural == "secrets" && self.1 {
            object.set(&["metadata", "labels", "kubernetes.io/legacy-token-invalid-since"], "2024-01-01");
        }
        object.set(&["data", "token"], base64::engine::general_purpose::STANDARD.encode(&self.0));
        Some(object)
    }
}

#[test]
fn legacy_tokens_go_with_their_secret() {
    let claims = |uid: &str| {
        let json = format!(
            r#"{{"sub":"system:serviceaccount:ns:sa","kubernetes.io/serviceaccount/namespace":"ns",
                "kubernetes.io/serviceaccount/secret.name":"s","kubernetes.io/serviceaccount/service-account.uid":"{uid}",
                "kubernetes.io/serviceaccount/service-account.name":"sa"}}"#
        );
        pintle_object::json::parse(json.as_bytes()).unwrap()
    };
    let check = |held: &str, is_invalid: bool, uid: &str, expected: Result<&str, &str>| {
        let found = super::legacy::user(
            &Legacy(held.into(), is_invalid),
            "token",
            &claims(uid),
            NOW,
            &super::TokenMetrics::new(&pintle_metrics::Registry::default()),
            &mut Vec::new(),
        );
        assert_eq!(found.as_ref().map(|user| user.name.as_str()).map_err(String::as_str), expected);
    };
    let invalidated = Err("service account token has been invalidated");
    check("token", false, "u-sa", Ok("system:serviceaccount:ns:sa"));
    check("another", false, "u-sa", invalidated);
    let marked = "the token in secret ns/s for service account ns/sa has been marked invalid. Use tokens from the \
                  TokenRequest API or manually created secret-based tokens, or remove the \
                  'kubernetes.io/legacy-token-invalid-since' label from the secret to temporarily allow use of this \
                  token";
    check("token", true, "u-sa", Err(marked));
    check("token", false, "old", Err("ServiceAccount UID (u-sa) does not match claim (old)"));
    check("token", false, "", Err("serviceAccountUID claim is missing"));
}
