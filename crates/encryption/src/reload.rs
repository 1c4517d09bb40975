//! A changed configuration file is taken over while the server runs (`--encryption-provider-config-automatic-reload`).

use crate::configuration::{self, file_hash};
use crate::encryption::{Encryption, Generation};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// The name of the hook that upstream starts this from, one of the checks of health.
pub const RELOAD_HOOK: &str = "poststarthook/start-encryption-provider-config-automatic-reload";

/// The time between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The waits after failures: from the first to the longest, twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(5);
const RETRY_MAX: Duration = Duration::from_secs(1000);
/// The time between two checks of new plugins before they are used, and the least time of such checks.
const HEALTH_INTERVAL: Duration = Duration::from_millis(100);
const HEALTH_MIN: Duration = Duration::from_secs(10);

impl Encryption {
    /// Follows the file for as long as it is polled. An invalid one leaves the encryption unchanged, and is tried
    /// again.
    pub async fn follow_file(&self, path: &Path, configuration: &crate::Configuration) {
        let mut applied = configuration.hash.clone();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut retry = None;
        let mut pause = RETRY_MIN;
        loop {
            let again = retry.unwrap_or_else(|| Instant::now() + LOOK_EVERY);
            tokio::select! {
                _ = looks.tick() => {}
                () = tokio::time::sleep_until(again), if retry.is_some() => {}
            }
            match self.reload(path, &applied).await {
                Ok(None) => retry = None,
                Ok(Some(hash)) => {
                    self.metrics.reloaded(true);
                    self.metrics.applied(&hash);
                    tracing::info!("reloaded the encryption configuration");
                    (applied, retry, pause) = (hash, None, RETRY_MIN);
                }
                Err(error) => {
                    self.metrics.reloaded(false);
                    tracing::error!("error processing encryption config file {}: {error}", path.display());
                    retry = Some(Instant::now() + pause);
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
    }

    /// Takes the file over when it is another than the one in use, whose digest is `applied`; the new digest.
    async fn reload(&self, path: &Path, applied: &str) -> Result<Option<String>, String> {
        if file_hash(path)? == applied {
            return Ok(None);
        }
        let configuration = configuration::read_file(path, true)?;
        if configuration.hash == applied {
            return Ok(None);
        }
        let generation = Generation::open(&configuration, &self.metrics).await?;
        check_health(&generation).await?;
        let old = self.replace(generation);
        tokio::spawn(async move {
            // Requests under way may still ask its plugins.
            tokio::time::sleep(old.grace).await;
            drop(old);
        });
        Ok(Some(configuration.hash))
    }
}

/// Waits until all plugins are well, for a while.
async fn check_health(generation: &Generation) -> Result<(), String> {
    let end = Instant::now() + generation.grace.max(HEALTH_MIN);
    loop {
        let checked = tokio::time::timeout_at(end, generation.plugins.check()).await;
        let why = match checked {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            Err(_) => String::from("context deadline exceeded"),
        };
        if Instant::now() + HEALTH_INTERVAL >= end {
            return Err(format!(
                "health check for new transformers failed, polling error timed out waiting for the condition: {why}"
            ));
        }
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
}
