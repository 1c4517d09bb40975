//! `Encryption`: the providers in use, as the store and the health endpoints see them.

use crate::chain::Chain;
use crate::configuration::Configuration;
use crate::group_resource::GroupResource;
use crate::health::Plugins;
use crate::kms::Kms;
use crate::metrics::Metrics;
use crate::resources::{KeySpace, Table};
use arc_swap::ArcSwap;
use bytes::Bytes;
use pintle_store::transformer::{
    self, KeyTag, TransformError, Transformed, Transformer, Transforming, ValueContext,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The check that health endpoints have while there are plugins, or may be some day.
pub const CHECK: &str = "kms-providers";

/// Encrypts and decrypts the store's values.
pub struct Encryption {
    keys: KeySpace,
    pub(crate) metrics: Arc<Metrics>,
    current: ArcSwap<Generation>,
    /// Whether the configuration is read again while the server runs.
    reloads: bool,
}

/// Everything that one configuration opened. What follows its plugins ends with it.
pub(crate) struct Generation {
    table: Table,
    pub plugins: Plugins,
    /// Twice the time that calls to all plugins may take.
    pub grace: Duration,
    _followers: JoinSet<()>,
}

impl Generation {
    /// Opens a configuration, and asks each plugin once.
    pub async fn open(configuration: &Configuration, metrics: &Arc<Metrics>) -> Result<Generation, String> {
        let mut kms = Kms::new(metrics.clone());
        let table = Table::new(configuration, &mut kms)
            .map_err(|error| format!("error while building transformers: {error}"))?;
        let mut followers = JoinSet::new();
        for plugin in &kms.plugins {
            let is_well = plugin.prime().await;
            followers.spawn(plugin.clone().keep_fresh(is_well));
        }
        let (plugins, grace) = (Plugins(kms.plugins), kms.timeout_sum * 2);
        Ok(Generation { table, plugins, grace, _followers: followers })
    }
}

impl Encryption {
    /// Opens the providers of a configuration. `keys` maps keys to resources.
    pub async fn open(
        configuration: &Configuration,
        keys: KeySpace,
        metrics: Metrics,
        reloads: bool,
    ) -> Result<Encryption, String> {
        let metrics = Arc::new(metrics);
        let generation = Generation::open(configuration, &metrics).await?;
        metrics.applied(&configuration.hash);
        Ok(Encryption { keys, metrics, current: ArcSwap::from_pointee(generation), reloads })
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether health endpoints have the check of plugins.
    pub fn has_check(&self) -> bool {
        self.reloads || !self.current.load().plugins.0.is_empty()
    }

    /// Fails with the faults of the plugins.
    pub async fn check(&self) -> Result<(), String> {
        self.plugins().check().await
    }

    pub(crate) fn plugins(&self) -> Plugins {
        self.current.load().plugins.clone()
    }

    pub fn reloads(&self) -> bool {
        self.reloads
    }

    /// Puts another configuration in the place of the current one, which it gives back.
    pub(crate) fn replace(&self, generation: Generation) -> Arc<Generation> {
        self.current.swap(Arc::new(generation))
    }

    /// The providers of a key's resource; none where values are stored as they are.
    fn chain(&self, key: &str) -> Option<(Arc<Chain>, GroupResource)> {
        let resource = self.keys.resource(key)?;
        let chain = self.current.load().table.chain(&resource)?.clone();
        Some((chain, resource))
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption").finish_non_exhaustive()
    }
}

impl Transformer for Encryption {
    fn covers(&self, key: &str) -> bool {
        self.chain(key).is_some_and(|(chain, _)| !chain.is_identity())
    }

    fn transform_from_storage<'a>(&'a self, context: ValueContext<'a>, stored: Bytes) -> Transforming<'a> {
        Box::pin(async move {
            let Some((chain, resource)) = self.chain(context.key) else {
                return transformer::identity(stored);
            };
            let (resource, metrics) = (resource.to_string(), self.metrics.as_ref());
            chain.decrypt((&resource, metrics), context, stored).await.map_err(error)
        })
    }

    fn transform_to_storage<'a>(&'a self, context: ValueContext<'a>, plain: Bytes) -> Transforming<'a> {
        Box::pin(async move {
            let Some((chain, resource)) = self.chain(context.key) else {
                return Ok(Transformed { value: plain, tag: KeyTag::PLAIN });
            };
            let (resource, metrics) = (resource.to_string(), self.metrics.as_ref());
            chain.encrypt((&resource, metrics), context, plain).map_err(error)
        })
    }

    fn is_stale(&self, key: &str, tag: KeyTag) -> bool {
        let now = self.chain(key).map_or(Some(KeyTag::PLAIN), |(chain, _)| chain.tag());
        now.is_some_and(|now| now != tag)
    }
}

fn error(failure: crate::Failure) -> TransformError {
    TransformError(failure.message)
}
