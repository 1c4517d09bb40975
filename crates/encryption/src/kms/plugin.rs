//! A plugin as the server sees it: whether it is well, which key it has, and the seed that is used now.

use crate::aes::random;
use crate::digest::key_hash;
use crate::extended_nonce;
use crate::failure::{Failure, joined};
use crate::kms::cache::{CacheKey, Opener, cache_key};
use crate::kms::service::Service;
use crate::kms::uid::uid;
use crate::kms::validation::{check, check_key_id};
use crate::kms::wire::{EncryptRequest, EncryptedObject, SEED, StatusResponse};
use crate::metrics::Metrics;
use arc_swap::ArcSwapOption;
use pintle_object::field::quote;
use pintle_object::time::Time;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

/// The time between two status checks of a healthy plugin, and of an unhealthy one.
const POSITIVE_INTERVAL: Duration = Duration::from_secs(60);
const NEGATIVE_INTERVAL: Duration = Duration::from_secs(10);
/// The time after the last successful check for which values are still written with the current seed.
const WRITE_MAX: Duration = Duration::from_secs(180);
/// The time for which the result of a health check is reused.
const POSITIVE_TTL: Duration = Duration::from_secs(20);
const NEGATIVE_TTL: Duration = Duration::from_secs(3);

const VERSIONS: [&str; 2] = ["v2", "v2beta1"];

pub(crate) struct Plugin {
    pub name: String,
    pub service: Service,
    state: ArcSwapOption<SeedState>,
    /// Held while the plugin is called, so that simultaneous health checks share one call.
    checked: Mutex<LastCheck>,
    metrics: Arc<Metrics>,
}

/// The seed that values are encrypted with.
#[derive(Clone)]
pub(crate) struct SeedState {
    pub seed: Arc<Opener>,
    /// The envelope around values; its data is empty.
    pub object: EncryptedObject,
    pub cache_key: CacheKey,
    expires: SystemTime,
}

#[derive(Default)]
struct LastCheck {
    last: Option<(Instant, Duration, Result<(), String>)>,
    /// The version that the first answer had.
    version: String,
}

impl SeedState {
    /// Checks that values may still be written.
    pub fn check_not_expired(&self) -> Result<(), Failure> {
        let now = SystemTime::now();
        if now <= self.expires {
            return Ok(());
        }
        Err(Failure::new(format!(
            "encryptedDEKSource with keyID hash {} expired at {} (current time is {})",
            quote(&key_hash(&self.object.key_id)),
            shown(self.expires),
            shown(now)
        )))
    }
}

impl Plugin {
    pub fn new(name: &str, service: Service, metrics: Arc<Metrics>) -> Plugin {
        Plugin {
            name: name.into(),
            service,
            state: ArcSwapOption::empty(),
            checked: Mutex::default(),
            metrics,
        }
    }

    /// The seed in use. For reads it is good forever, for writes until it expires.
    pub fn state(&self) -> Result<Arc<SeedState>, Failure> {
        self.state.load_full().ok_or_else(|| Failure::new("got unexpected nil transformer"))
    }

    /// Checks the plugin once and logs its errors; a plugin may start later than the server.
    pub async fn prime(&self) -> bool {
        let result = self.check().await;
        if let Err(why) = &result {
            tracing::warn!(name = self.name, "kms plugin failed health check probe: {why}");
        }
        result.is_ok()
    }

    /// Keeps the seed usable and follows the plugin's key, for as long as it is polled.
    pub async fn keep_fresh(self: Arc<Plugin>, mut is_well: bool) {
        loop {
            tokio::time::sleep(if is_well { POSITIVE_INTERVAL } else { NEGATIVE_INTERVAL }).await;
            is_well = self.prime().await;
        }
    }

    /// Checks the plugin's health; the result is reused for a while.
    pub async fn check(&self) -> Result<(), String> {
        let mut checked = self.checked.lock().await;
        if let Some((at, ttl, result)) = &checked.last
            && at.elapsed() < *ttl
        {
            return result.clone();
        }
        let result = match self.service.status().await {
            Ok(status) => self.judge(status, &mut checked.version).await,
            Err(failure) => Err(format!(
                "failed to perform status section of the healthz check for KMS Provider {}, error: {failure}",
                self.name
            )),
        };
        let ttl = if result.is_ok() { POSITIVE_TTL } else { NEGATIVE_TTL };
        checked.last = Some((Instant::now(), ttl, result.clone()));
        result
    }

    /// Lets the next check ask the plugin.
    #[cfg(test)]
    pub async fn forget_check(&self) {
        self.checked.lock().await.last = None;
    }

    /// Judges an answer of the plugin about itself; a new key brings a new seed.
    async fn judge(&self, status: StatusResponse, version: &mut String) -> Result<(), String> {
        let mut errors = Vec::new();
        if status.healthz != "ok" {
            errors.push(format!("got unexpected healthz status: {}", status.healthz));
        }
        if !VERSIONS.contains(&status.version.as_str()) {
            errors.push(format!("expected KMSv2 API version v2, got {}", status.version));
        } else if version.is_empty() {
            *version = status.version;
        } else if *version != status.version {
            errors.push(format!(
                "KMSv2 API version should not change after the initial status response version {version}, got {}",
                status.version
            ));
        }
        match check_key_id(&status.key_id) {
            Err((label, failure)) => {
                self.metrics.key_id_invalid(&self.name, label);
                let hash = quote(&key_hash(&status.key_id));
                errors.push(format!("got invalid KMSv2 KeyID hash {hash}: {failure}"));
            }
            Ok(()) => {
                self.metrics.key_id_told(&self.name, &status.key_id);
                errors.extend(self.rotate(&status.key_id).await.err());
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        Err(format!("kmsv2 Provider {} is not healthy, error: {}", self.name, joined(errors)))
    }

    /// Goes on with the seed while the key is the same, and makes a new one when it is not. On failure the old one
    /// stays in use until it expires.
    async fn rotate(&self, key_id: &str) -> Result<(), String> {
        let state = self.state.load_full();
        // Counted from before the call, since a seed may not be used longer.
        let expires = SystemTime::now() + WRITE_MAX;
        if let Some(state) = &state
            && state.object.key_id == key_id
        {
            self.state.store(Some(Arc::new(SeedState { expires, ..SeedState::clone(state) })));
            return Ok(());
        }
        let uid = uid().map_err(|failure| failure.message)?;
        let (used, failure) = match self.new_seed(&uid).await {
            Ok((seed, object)) if object.key_id == key_id => {
                let cache_key = cache_key(&object);
                self.state.store(Some(Arc::new(SeedState { seed, object, cache_key, expires })));
                tracing::debug!(name = self.name, uid, key = key_hash(key_id), "using a new seed");
                return Ok(());
            }
            Ok((_, object)) => (object.key_id, None),
            Err(failure) => (String::new(), Some(failure)),
        };
        let or_nil = |failure: Option<String>| failure.unwrap_or_else(|| String::from("<nil>"));
        let no_state = state.is_none().then(|| String::from("got unexpected nil transformer"));
        let old = state.as_ref().map(|state| state.object.key_id.as_str()).unwrap_or_default();
        Err(format!(
            "failed to rotate DEK uid={}, useSeed=true, errState={}, errGen={}, statusKeyIDHash={}, encryptKeyIDHash={}, \
             stateKeyIDHash={}, expirationTimestamp={}",
            quote(&uid),
            or_nil(no_state),
            or_nil(failure.map(|failure| failure.message)),
            quote(&key_hash(key_id)),
            quote(&key_hash(&used)),
            quote(&key_hash(old)),
            state.as_ref().map_or_else(|| String::from("0001-01-01T00:00:00Z"), |state| shown(state.expires)),
        ))
    }

    /// A seed, and the object to store beside the values that are encrypted with it.
    async fn new_seed(&self, uid: &str) -> Result<(Arc<Opener>, EncryptedObject), Failure> {
        let began = Instant::now();
        let plain = random::<{ extended_nonce::SEED }>();
        self.metrics.seed_made(began, plain.is_ok());
        let plain = plain?;
        let seed = Arc::new(Opener::new(SEED, &plain)?);
        let ask = EncryptRequest { plaintext: plain.to_vec(), uid: uid.into() };
        let answer = self.service.encrypt(ask).await.map_err(|failure| Failure {
            message: format!("failed to encrypt DEK, error: {}", failure.message),
            ..failure
        })?;
        let object = EncryptedObject {
            encrypted_data: vec![0],
            key_id: answer.key_id,
            encrypted_dek_source: answer.ciphertext,
            annotations: answer.annotations,
            encrypted_dek_source_type: SEED,
        };
        check(&object)?;
        Ok((seed, EncryptedObject { encrypted_data: Vec::new(), ..object }))
    }
}

fn shown(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = Time { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 };
    time.to_seconds_text().to_string()
}
