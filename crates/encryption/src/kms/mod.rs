//! KMS v2: values are encrypted with seeds, and seeds by a plugin that is called over gRPC at a Unix socket.
//!
//! A seed is made when the plugin's key changes, encrypted by the plugin once, and used for all values until then; it
//! is stored, encrypted, with every value (`envelope`). The plugin's health and key are polled (`plugin`), never on the
//! way of a request; only a value with an unknown seed waits for the plugin.

mod cache;
mod envelope;
mod plugin;
mod service;
mod uid;
mod validation;
mod wire;

pub(crate) use envelope::Envelope;
pub(crate) use plugin::Plugin;
#[cfg(test)]
pub(crate) use wire::EncryptedObject;

use crate::configuration::KmsSettings;
use crate::metrics::Metrics;
use pintle_object::field::quote;
use service::Service;
use std::sync::Arc;
use std::time::Duration;

/// The plugins of one configuration.
pub(crate) struct Kms {
    metrics: Arc<Metrics>,
    pub plugins: Vec<Arc<Plugin>>,
    /// The time that all of them may take to answer, one after the other.
    pub timeout_sum: Duration,
}

impl Kms {
    pub fn new(metrics: Arc<Metrics>) -> Kms {
        Kms { metrics, plugins: Vec::new(), timeout_sum: Duration::ZERO }
    }

    /// Opens a plugin; it need not be there yet.
    pub fn open(&mut self, settings: &KmsSettings) -> Result<Arc<Envelope>, String> {
        if settings.api_version != "v2" {
            return Err(String::from(
                "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.",
            ));
        }
        let service = Service::new(settings, self.metrics.clone()).map_err(|error| {
            format!("could not configure KMSv2-Plugin's probe {}, error: {error}", quote(&settings.name))
        })?;
        let plugin = Arc::new(Plugin::new(&settings.name, service, self.metrics.clone()));
        self.plugins.push(plugin.clone());
        self.timeout_sum += settings.timeout;
        Ok(Arc::new(Envelope::new(plugin, self.metrics.clone())))
    }
}
