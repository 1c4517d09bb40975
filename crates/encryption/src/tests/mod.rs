//! Values of upstream's are read, values of ours are bound as upstream's are, and configurations are judged alike.

mod configuration;
mod plugins;
mod values;

use crate::encryption::Encryption;
use crate::group_resource::GroupResource;
use crate::metrics::Metrics;
use crate::resources::KeySpace;
use bytes::Bytes;
use pintle_metrics::Registry;
use pintle_store::transformer::{KeyTag, TransformError, Transformer, ValueContext};
use std::path::Path;
use tempfile::TempDir;

/// 16 and 32 bytes.
const KEY_16: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
const KEY_32: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n";

fn write(dir: &TempDir, resources: &str) -> std::path::PathBuf {
    let path = dir.path().join("encryption.yaml");
    std::fs::write(&path, format!("{HEAD}{resources}")).unwrap();
    path
}

/// The refusal of a file; its path is `FILE`.
fn refusal(resources: &str, reloads: bool) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir, resources);
    let error = crate::read_file(&path, reloads).err().unwrap_or_default();
    error.replace(path.to_str().unwrap(), "FILE")
}

fn keys() -> KeySpace {
    let core = ["secrets", "configmaps", "events"];
    let core = core.map(|name| (format!("/registry/{name}/"), GroupResource::new("", name)));
    let further = [
        ("/registry/services/specs/", "", "services"),
        ("/registry/services/endpoints/", "", "endpoints"),
        ("/registry/deployments/", "apps", "deployments"),
        ("/registry/leases/", "coordination.k8s.io", "leases"),
    ];
    let further = further.map(|(prefix, group, name)| (prefix.into(), GroupResource::new(group, name)));
    KeySpace::new(core.into_iter().chain(further))
}

async fn open_file(path: &Path) -> Result<Encryption, String> {
    let configuration = crate::read_file(path, false)?;
    Encryption::open(&configuration, keys(), Metrics::new(&Registry::default(), "test"), false).await
}

async fn open(resources: &str) -> Encryption {
    let dir = tempfile::tempdir().unwrap();
    open_file(&write(&dir, resources)).await.unwrap()
}

async fn store(encryption: &Encryption, key: &str, plain: &str) -> (Bytes, KeyTag) {
    let context = ValueContext { key, authenticated: key.as_bytes() };
    let stored =
        encryption.transform_to_storage(context, Bytes::copy_from_slice(plain.as_bytes())).await.unwrap();
    (stored.value, stored.tag)
}

/// The plain text and tag of a stored value, or the error.
async fn load(encryption: &Encryption, key: &str, stored: &[u8]) -> Result<(String, KeyTag), String> {
    let context = ValueContext { key, authenticated: key.as_bytes() };
    match encryption.transform_from_storage(context, Bytes::copy_from_slice(stored)).await {
        Ok(plain) => Ok((String::from_utf8(plain.value.to_vec()).unwrap(), plain.tag)),
        Err(TransformError(why)) => Err(why),
    }
}
