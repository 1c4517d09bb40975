//! KMS v2 plugins, over a real socket.

use super::{load, open_file, store, write};
use crate::encryption::Encryption;
use crate::kms::{EncryptedObject, Plugin};
use pintle_store::transformer::Transformer;
use pintle_testkit::KmsPlugin;
use prost::Message;
use std::sync::Arc;

const A: &str = "/registry/secrets/default/a";
const PREFIX: &str = "k8s:enc:kms:v2:vault:";

async fn open(plugin: &KmsPlugin) -> Encryption {
    let dir = tempfile::tempdir().unwrap();
    let kms = format!("{{apiVersion: v2, name: vault, endpoint: '{}', timeout: 500ms}}", plugin.endpoint());
    let path = write(&dir, &format!("resources: [{{resources: [secrets], providers: [{{kms: {kms}}}]}}]"));
    open_file(&path).await.unwrap()
}

fn only(encryption: &Encryption) -> Arc<Plugin> {
    encryption.plugins().0[0].clone()
}

/// Waits until the answer before does not hold any more, and asks.
async fn check_anew(encryption: &Encryption) -> Result<(), String> {
    only(encryption).forget_check().await;
    encryption.check().await
}

#[tokio::test]
async fn one_seed_encrypts_many_values_and_stands_with_each() {
    let plugin = KmsPlugin::start();
    let encryption = open(&plugin).await;
    assert!(encryption.has_check());
    let (stored, tag) = store(&encryption, A, "plain").await;
    let (second, _) = store(&encryption, A, "plain").await;
    assert_ne!(stored, second);
    let object = EncryptedObject::decode(stored.strip_prefix(PREFIX.as_bytes()).unwrap()).unwrap();
    assert_eq!((object.key_id.as_str(), object.encrypted_dek_source_type), ("1", 1));
    assert_eq!(load(&encryption, A, &stored).await, Ok((String::from("plain"), tag)));
    assert_eq!((plugin.calls("Encrypt"), plugin.calls("Decrypt")), (1, 0));

    // Another server has another seed, and asks once for this one.
    let other = open(&plugin).await;
    for value in [&stored, &second] {
        assert_eq!(load(&other, A, value).await, Ok((String::from("plain"), tag)));
    }
    assert_eq!((plugin.calls("Encrypt"), plugin.calls("Decrypt")), (2, 1));
    assert!(!other.is_stale(A, tag));
    let moved = load(&other, "/registry/secrets/default/b", &stored).await;
    assert_eq!(moved, Err(String::from("cipher: message authentication failed")));
}

#[tokio::test]
async fn a_new_key_brings_a_new_seed_and_old_values_become_stale() {
    let plugin = KmsPlugin::start();
    let encryption = open(&plugin).await;
    let (stored, tag) = store(&encryption, A, "plain").await;
    plugin.set_key("2");
    assert_eq!(check_anew(&encryption).await, Ok(()));
    let (rotated, new_tag) = store(&encryption, A, "plain").await;
    let object = EncryptedObject::decode(rotated.strip_prefix(PREFIX.as_bytes()).unwrap()).unwrap();
    assert_eq!(object.key_id, "2");
    assert_eq!(load(&encryption, A, &stored).await, Ok((String::from("plain"), tag)));
    assert!(encryption.is_stale(A, tag));
    assert!(!encryption.is_stale(A, new_tag));
}

#[tokio::test]
async fn a_plugin_that_is_not_well_fails_the_check_and_values_are_still_written() {
    let plugin = KmsPlugin::start();
    let encryption = open(&plugin).await;
    assert_eq!(encryption.check().await, Ok(()));
    plugin.set_health("sealed");
    let why = check_anew(&encryption).await.unwrap_err();
    assert_eq!(
        why,
        "kms-provider-0: kmsv2 Provider vault is not healthy, error: got unexpected healthz status: sealed"
    );
    let (stored, _) = store(&encryption, A, "plain").await;
    plugin.set_health("ok");
    plugin.set_failing(true);
    plugin.set_key("2");
    let why = check_anew(&encryption).await.unwrap_err();
    assert!(why.contains("failed to rotate DEK uid="), "{why}");
    assert!(
        why.contains(
            "errGen=failed to encrypt DEK, error: rpc error: code = Unavailable desc = the module is locked"
        ),
        "{why}"
    );
    assert!(load(&encryption, A, &stored).await.is_ok(), "the seed is still known");

    let fresh = open(&plugin).await;
    assert_eq!(load(&fresh, A, &stored).await, Err(String::from("got unexpected nil transformer")));
    plugin.set_failing(false);
    assert_eq!(check_anew(&fresh).await, Ok(()));
    plugin.set_failing(true);
    assert_eq!(
        load(&fresh, A, &stored).await,
        Err(String::from(
            "failed to decrypt DEK, error: rpc error: code = Unavailable desc = the module is locked"
        ))
    );
}

#[tokio::test]
async fn a_plugin_may_come_later_and_one_that_hangs_is_given_up() {
    let mut plugin = KmsPlugin::absent();
    let encryption = open(&plugin).await;
    let why = check_anew(&encryption).await.unwrap_err();
    assert!(
        why.starts_with(
            "kms-provider-0: failed to perform status section of the healthz check for KMS Provider vault, error: rpc \
             error: code = DeadlineExceeded desc = latest balancer error: connection error: desc = \"transport: Error \
             while dialing: dial unix "
        ),
        "{why}"
    );
    assert!(why.ends_with("connect: no such file or directory\""), "{why}");
    plugin.appear();
    assert_eq!(check_anew(&encryption).await, Ok(()));
    let (stored, _) = store(&encryption, A, "plain").await;
    plugin.vanish();
    assert!(check_anew(&encryption).await.is_err());
    plugin.appear();
    assert_eq!(check_anew(&encryption).await, Ok(()));
    plugin.set_hanging(true);
    let why = check_anew(&encryption).await.unwrap_err();
    assert!(why.ends_with("rpc error: code = DeadlineExceeded desc = context deadline exceeded"), "{why}");
    assert!(load(&encryption, A, &stored).await.is_ok());
}

#[tokio::test]
async fn malformed_envelopes_are_refused_in_upstreams_words() {
    let plugin = KmsPlugin::start();
    let encryption = open(&plugin).await;
    let good = EncryptedObject {
        encrypted_data: vec![0; 80],
        key_id: String::from("1"),
        encrypted_dek_source: b"handle-0".to_vec(),
        annotations: Default::default(),
        encrypted_dek_source_type: 1,
    };
    let annotated = |key: &str| [(key.into(), Vec::new())].into();
    for (object, why) in [
        (
            EncryptedObject { encrypted_dek_source_type: 7, ..good.clone() },
            "unknown encryptedDEKSourceType: 7",
        ),
        (EncryptedObject { encrypted_data: Vec::new(), ..good.clone() }, "encrypted data is empty"),
        (
            EncryptedObject { encrypted_dek_source: vec![0; 1025], ..good.clone() },
            "failed to validate encrypted DEK source: encrypted DEK source is 1025 bytes, which exceeds the max size of 1024",
        ),
        (
            EncryptedObject { key_id: String::new(), ..good.clone() },
            "failed to validate key id: keyID is empty",
        ),
        (
            EncryptedObject { annotations: annotated("plain"), ..good.clone() },
            "failed to validate annotations: annotations: Invalid value: \"plain\": should be a domain with at least \
             two segments separated by dots",
        ),
        (
            good.clone(),
            "failed to decrypt DEK, error: rpc error: code = InvalidArgument desc = the annotation is missing",
        ),
    ] {
        let stored = [PREFIX.as_bytes(), &object.encode_to_vec()].concat();
        assert_eq!(load(&encryption, A, &stored).await, Err(why.into()));
    }
}
