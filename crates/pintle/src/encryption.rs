//! `--encryption-provider-config`: the file with the encryption of values, opened and followed.

use crate::flags::FlagValues;
use pintle_encryption::{Configuration, Encryption, GroupResource, KeySpace, Metrics, read_file};
use pintle_engine::Engine;
use pintle_metrics::Registry;
use pintle_schema::Builtin;
use pintle_store::transformer::Transformer;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The time between two tries to decrypt values that could not be decrypted.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// The path of the configuration, and whether changes are reloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionFile {
    path: PathBuf,
    reloads: bool,
}

/// A configuration that is in use.
pub struct Opened {
    pub encryption: Arc<Encryption>,
    path: PathBuf,
    configuration: Configuration,
}

impl EncryptionFile {
    pub fn read(given: &FlagValues) -> Result<Option<EncryptionFile>, String> {
        let reloads = given.bool("encryption-provider-config-automatic-reload");
        match given.path("encryption-provider-config") {
            Some(path) => Ok(Some(EncryptionFile { path, reloads })),
            None if reloads => Err(String::from(
                "--encryption-provider-config-automatic-reload must be set with --encryption-provider-config",
            )),
            None => Ok(None),
        }
    }

    /// Opens its providers, and asks its plugins once.
    /// `identity`: the server's own, in metrics.
    pub async fn open(&self, registry: &Registry, identity: &str) -> Result<Opened, String> {
        let configuration = read_file(&self.path, self.reloads)?;
        let metrics = Metrics::new(registry, identity);
        let encryption =
            Encryption::open(&configuration, keys(&pintle_schema::known()), metrics, self.reloads).await?;
        Ok(Opened { encryption: Arc::new(encryption), path: self.path.clone(), configuration })
    }
}

impl Opened {
    /// The transformer of stored values.
    pub fn transformer(&self) -> Arc<dyn Transformer> {
        self.encryption.clone()
    }

    /// Follows the file for as long as it is polled, if reloading is on, and retries values that could not be
    /// decrypted: a plugin may answer later, and a key be added.
    pub async fn keep_fresh(self, engine: Arc<Engine>) {
        let follow = async {
            if self.encryption.reloads() {
                self.encryption.follow_file(&self.path, &self.configuration).await;
            }
        };
        let retry = async {
            loop {
                tokio::time::sleep(RETRY_EVERY).await;
                if !engine.is_readable() {
                    engine.retry_unreadable().await;
                }
            }
        };
        tokio::join!(follow, retry);
    }
}

/// The resources of keys. Of resources that share objects, as events do, configurations name the one of the core group.
fn keys(api: &Builtin) -> KeySpace {
    let stored = api.resources.all.iter().filter(|resource| !resource.key_prefix.is_empty());
    let mut keys: Vec<_> = stored
        .map(|resource| {
            let name = GroupResource::new(&resource.group, &resource.plural);
            (format!("/registry/{}/", resource.key_prefix), name)
        })
        .collect();
    keys.sort_by(|(_, one), (_, other)| other.group.cmp(&one.group));
    KeySpace::new(keys)
}
