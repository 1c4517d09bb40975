//! `Chain`: the enabled plugins, asked in order.

use crate::grants;
use crate::plugins::quota::ResourceQuota;
use crate::plugins::{PLUGINS, pod_security};
use crate::request::Request;
use pintle_access::Permissions;
use pintle_engine::Engine;
use pintle_engine::admission::{Admission, Attributes, Verdict};
use pintle_object::{Status, Value};

/// One admission plugin. A plugin implements the half that it takes part in.
pub trait Plugin: Send + Sync {
    /// Completes or refuses an object before it is validated.
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        let _ = (request, object);
        Ok(())
    }

    /// Judges an object as it would be stored; it is null on delete.
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let _ = (request, object);
        Ok(())
    }

    /// What to tell the client about an object that the plugin did not refuse.
    fn warnings(&self, request: &Request<'_>, object: &Value) -> Vec<String> {
        let _ = (request, object);
        Vec::new()
    }
}

/// What the command line says of admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Names of plugins that are on though off by default, and the other way round.
    pub enabled: Vec<String>,
    pub disabled: Vec<String>,
    /// How long pods stay on nodes that are not ready, or unreachable.
    pub not_ready_seconds: i64,
    pub unreachable_seconds: i64,
    pub pod_security: pod_security::Configuration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            enabled: Vec::new(),
            disabled: Vec::new(),
            not_ready_seconds: 300,
            unreachable_seconds: 300,
            pod_security: pod_security::Configuration::default(),
        }
    }
}

/// The enabled plugins in upstream's order. The quota comes last and is no `Plugin`: it writes.
pub struct Chain {
    plugins: Vec<Box<dyn Plugin>>,
    quota: Option<ResourceQuota>,
    permissions: Permissions,
}

impl Chain {
    /// The plugins that are on by default, with those enabled and without those disabled.
    pub fn new(settings: &Settings, permissions: Permissions) -> Chain {
        let (enabled, disabled) = (&settings.enabled, &settings.disabled);
        let named = |list: &[String], name: &str| list.iter().any(|entry| entry == name);
        let is_on =
            |name: &str, by_default: bool| (by_default || named(enabled, name)) && !named(disabled, name);
        let entries = PLUGINS.iter().filter(|entry| is_on(entry.name, entry.is_default));
        Chain {
            plugins: entries.filter_map(|entry| entry.make.map(|make| make(settings))).collect(),
            quota: is_on(ResourceQuota::NAME, true).then(ResourceQuota::default),
            permissions,
        }
    }
}

impl Admission for Chain {
    fn mutate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        object: &'a mut Value,
        _: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        Box::pin(async move {
            let request = Request { engine, attributes, permissions: &self.permissions };
            self.plugins.iter().try_for_each(|plugin| plugin.mutate(&request, object))?;
            // Not a plugin, so that nothing turns it off.
            grants::confirm(&request, object)
        })
    }

    fn validate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        object: &'a Value,
        warnings: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        Box::pin(async move {
            let request = Request { engine, attributes, permissions: &self.permissions };
            grants::may_create(&request)?;
            for plugin in &self.plugins {
                plugin.validate(&request, object)?;
                warnings.extend(plugin.warnings(&request, object));
            }
            match &self.quota {
                Some(quota) => quota.charge(&request, object).await,
                None => Ok(()),
            }
        })
    }
}
