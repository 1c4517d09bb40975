//! Values: their format, their decryption, and refusals.

use super::{KEY_16, KEY_32, load, open, store};
use crate::aes::{Cbc, Gcm};
use crate::extended_nonce::ExtendedNonceGcm;
use crate::kms::EncryptedObject;
use crate::secretbox::Secretbox;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pintle_store::transformer::{KeyTag, Transformer};
use prost::Message;

const A: &str = "/registry/secrets/default/a";

fn decrypt(provider: &str, key: &[u8], authenticated: &[u8], stored: &[u8]) -> Vec<u8> {
    match provider {
        "aesgcm" => Gcm::new(key).unwrap().decrypt(authenticated, stored),
        "aescbc" => Cbc::new(key).unwrap().decrypt(stored),
        "secretbox" => Secretbox::new(key).unwrap().decrypt(stored),
        "seed" => ExtendedNonceGcm::new(key).unwrap().decrypt(authenticated, stored),
        "kms" => {
            let object = EncryptedObject::decode(stored).unwrap();
            assert_eq!((object.key_id.as_str(), object.encrypted_dek_source_type), ("1", 1));
            assert_eq!(object.encrypted_dek_source, b"sealed seed");
            assert_eq!(object.annotations["a.example.com"], b"b");
            ExtendedNonceGcm::new(key).unwrap().decrypt(authenticated, &object.encrypted_data)
        }
        other => panic!("{other}"),
    }
    .unwrap()
}

#[test]
fn values_that_upstream_wrote_are_read() {
    let mut seen = 0;
    for line in include_str!("../../tests/upstream.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| case[field].as_str().unwrap();
        let [key, stored] = ["key", "stored"].map(|field| STANDARD.decode(text(field)).unwrap());
        let plain = decrypt(text("provider"), &key, text("authenticated").as_bytes(), &stored);
        assert_eq!(plain, text("plain").as_bytes(), "{line}");
        seen += 1;
    }
    assert_eq!(seen, 25);
}

#[tokio::test]
async fn a_value_names_its_provider_and_key_and_is_read_again() {
    for (provider, prefix) in [
        (format!("aesgcm: {{keys: [{{name: k, secret: {KEY_16}}}]}}"), "k8s:enc:aesgcm:v1:k:"),
        (format!("aescbc: {{keys: [{{name: k, secret: {KEY_32}}}]}}"), "k8s:enc:aescbc:v1:k:"),
        (format!("secretbox: {{keys: [{{name: k, secret: {KEY_32}}}]}}"), "k8s:enc:secretbox:v1:k:"),
    ] {
        let encryption =
            open(&format!("resources: [{{resources: [secrets], providers: [{{{provider}}}]}}]")).await;
        let (stored, tag) = store(&encryption, A, "plain").await;
        assert!(stored.starts_with(prefix.as_bytes()), "{stored:?}");
        assert!(!stored.windows(5).any(|part| part == b"plain"));
        assert_ne!(store(&encryption, A, "plain").await.0, stored, "no two are alike");
        assert_eq!(load(&encryption, A, &stored).await, Ok((String::from("plain"), tag)));
        assert!(!encryption.is_stale(A, tag));
        let refused = load(&encryption, A, &stored[..prefix.len() + 4]).await;
        assert_eq!(refused, Err(String::from("the stored data was shorter than the required size")));
    }
}

#[tokio::test]
async fn aes_gcm_binds_a_value_to_its_key() {
    let gcm = format!("aesgcm: {{keys: [{{name: k, secret: {KEY_16}}}]}}");
    let encryption = open(&format!("resources: [{{resources: [secrets], providers: [{{{gcm}}}]}}]")).await;
    let (stored, _) = store(&encryption, A, "plain").await;
    let moved = load(&encryption, "/registry/secrets/default/b", &stored).await;
    assert_eq!(moved, Err(String::from("cipher: message authentication failed")));
}

#[tokio::test]
async fn values_of_wrong_keys_and_damaged_ones_are_refused_in_upstreams_words() {
    let providers = format!(
        "- aescbc: {{keys: [{{name: c, secret: {KEY_32}}}]}}\n  - secretbox: {{keys: [{{name: s, secret: {KEY_32}}}]}}"
    );
    let encryption =
        open(&format!("resources:\n- resources: [secrets]\n  providers:\n  {providers}\n")).await;
    for (stored, why) in [
        ("{}", "no matching prefix found"),
        ("k8s:enc:aesgcm:v1:k:x", "no matching prefix found"),
        ("k8s:enc:aescbc:v1:other:x", "no matching key was found for the provided AES transformer"),
        ("k8s:enc:secretbox:v1:other:x", "no matching key was found for the provided Secretbox transformer"),
        ("k8s:enc:aescbc:v1:c:x", "the stored data was shorter than the required size"),
        ("k8s:enc:aescbc:v1:c:0123456789abcdef", "invalid PKCS7 data (empty or not padded)"),
        ("k8s:enc:aescbc:v1:c:0123456789abcdef0", "the stored data is not a multiple of the block size"),
        (
            "k8s:enc:secretbox:v1:s:0123456789abcdef0123456789abcdef0123456789abcdef",
            "output array was not large enough for encryption",
        ),
    ] {
        assert_eq!(load(&encryption, A, stored.as_bytes()).await, Err(why.into()), "{stored}");
    }
}

#[tokio::test]
async fn later_providers_and_keys_read_and_what_they_wrote_is_stale() {
    let rule = |providers: &str| format!("resources:\n- resources: [secrets]\n  providers:\n{providers}");
    let old = format!("  - aescbc: {{keys: [{{name: k0, secret: {KEY_32}}}]}}\n");
    let (stored, tag) = store(&open(&rule(&old)).await, A, "plain").await;

    let two_keys = format!(
        "  - aescbc: {{keys: [{{name: k1, secret: {KEY_16}}}, {{name: k0, secret: {KEY_32}}}]}}\n  - identity: {{}}\n"
    );
    let encryption = open(&rule(&two_keys)).await;
    assert_eq!(load(&encryption, A, &stored).await, Ok((String::from("plain"), tag)));
    assert!(encryption.is_stale(A, tag));
    assert_eq!(load(&encryption, A, b"{}").await, Ok((String::from("{}"), KeyTag::PLAIN)));
    assert!(encryption.is_stale(A, KeyTag::PLAIN));

    // The same name with another secret: both providers are tried.
    let rotated = format!("  - aescbc: {{keys: [{{name: k0, secret: {KEY_16}}}]}}\n{old}");
    let encryption = open(&rule(&rotated)).await;
    assert_eq!(load(&encryption, A, &stored).await, Ok((String::from("plain"), tag)));
    assert!(encryption.is_stale(A, tag));

    // The way back to plain values.
    let encryption = open(&rule(&format!("  - identity: {{}}\n{old}"))).await;
    assert_eq!(load(&encryption, A, &stored).await, Ok((String::from("plain"), tag)));
    assert_eq!(store(&encryption, A, "{}").await, ("{}".into(), KeyTag::PLAIN));
    assert!(encryption.is_stale(A, tag));
    assert!(!encryption.is_stale(A, KeyTag::PLAIN));
    assert!(encryption.covers(A));
}

#[tokio::test]
async fn the_most_special_rule_decides() {
    let provider =
        |name: &str| format!("providers: [{{aesgcm: {{keys: [{{name: {name}, secret: {KEY_16}}}]}}}}]");
    let rules = format!(
        "resources:\n- {{resources: [secrets], {}}}\n- {{resources: [services, endpoints], providers: [{{identity: {{}}}}]}}\n\
         - {{resources: ['*.apps'], {}}}\n- {{resources: ['*.'], {}}}\n- {{resources: ['*.*'], {}}}\n",
        provider("one"),
        provider("group"),
        provider("core"),
        provider("all")
    );
    let encryption = open(&rules).await;
    for (key, name) in [
        ("/registry/secrets/ns/a", "one"),
        ("/registry/configmaps/ns/a", "core"),
        ("/registry/events/ns/a", "core"),
        ("/registry/deployments/ns/a", "group"),
        ("/registry/leases/ns/a", "all"),
        ("/registry/example.com/things/ns/a", "all"),
        ("/registry/apiextensions.k8s.io/customresourcedefinitions/a", "all"),
        ("/registry/services/specs/ns/a", ""),
        ("/registry/services/endpoints/ns/a", ""),
        ("/registry/ranges/serviceips", ""),
        ("/registry/masterleases/10.0.0.1", ""),
        ("/registry/health", ""),
    ] {
        let (stored, _) = store(&encryption, key, "plain").await;
        let expected =
            if name.is_empty() { String::from("plain") } else { format!("k8s:enc:aesgcm:v1:{name}:") };
        assert!(stored.starts_with(expected.as_bytes()), "{key}: {stored:?}");
        assert_eq!(encryption.covers(key), !name.is_empty(), "{key}");
    }
}

/// Prints values for upstream's own code to read: `cargo test -p pintle-encryption -- --nocapture written`.
#[test]
fn values_are_written_as_upstream_reads_them() {
    let key = b"0123456789abcdef0123456789ABCDEF";
    let (authenticated, plain) = (A.as_bytes(), b"plain".as_slice());
    let seed = || ExtendedNonceGcm::new(key).unwrap().encrypt(authenticated, plain).unwrap();
    let kms = EncryptedObject {
        encrypted_data: seed(),
        key_id: String::from("1"),
        encrypted_dek_source: b"sealed seed".to_vec(),
        annotations: [(String::from("a.example.com"), b"b".to_vec())].into(),
        encrypted_dek_source_type: 1,
    };
    for (provider, stored) in [
        ("aesgcm", Gcm::new(key).unwrap().encrypt(authenticated, plain).unwrap()),
        ("aescbc", Cbc::new(key).unwrap().encrypt(plain).unwrap()),
        ("secretbox", Secretbox::new(key).unwrap().encrypt(plain).unwrap()),
        ("seed", seed()),
        ("kms", kms.encode_to_vec()),
    ] {
        let (key, stored) = (STANDARD.encode(key), STANDARD.encode(&stored));
        let line = serde_json::json!({"Provider": provider, "Key": key, "Aad": A, "Plain": "plain", "Stored": stored});
        println!("{line}");
        let bytes = STANDARD.decode(&stored).unwrap();
        assert_eq!(decrypt(provider, b"0123456789abcdef0123456789ABCDEF", authenticated, &bytes), plain);
    }
}
