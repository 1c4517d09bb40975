//! `Chain`: the enabled plugins, asked in order.

use crate::claims;
use crate::grants;
use crate::plugins::image_policy::ImagePolicyWebhook;
use crate::plugins::quota::ResourceQuota;
use crate::plugins::{
    Entry, How, PLUGINS, certificates, event_rate_limit, image_policy, namespace_auto_provision,
    pod_node_selector, pod_security, pod_toleration_restriction,
};
use crate::policy::{self, Reinvocation};
use crate::request::Request;
use pintle_access::{Asking, Permissions};
use pintle_engine::Engine;
use pintle_engine::admission::{Admission, Attributes, Verdict};
use pintle_object::{Status, Value};
use std::sync::Arc;

/// One admission plugin. A plugin implements the half that it takes part in.
pub trait Plugin: Send + Sync {
    /// Completes or refuses an object before it is validated.
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        let _ = (request, object);
        Ok(())
    }

    /// `mutate`, for plugins that have all others asked again.
    fn admit(
        &self,
        request: &Request<'_>,
        object: &mut Value,
        reinvocation: &mut Reinvocation,
    ) -> Result<(), Status> {
        let _ = reinvocation;
        self.mutate(request, object)
    }

    /// Judges an object as it would be stored; it is null on delete.
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let _ = (request, object);
        Ok(())
    }

    /// `validate` and `warnings`, for plugins that warn of what they refuse.
    fn judge(&self, request: &Request<'_>, object: &Value, warnings: &mut Vec<String>) -> Result<(), Status> {
        self.validate(request, object)?;
        warnings.extend(self.warnings(request, object));
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
    pub pod_node_selector: pod_node_selector::Configuration,
    pub pod_tolerations: pod_toleration_restriction::Configuration,
    pub event_rate: event_rate_limit::Configuration,
    pub image_policy: image_policy::Configuration,
}

impl Settings {
    /// Disabling a plugin goes before enabling it.
    fn is_on(&self, entry: &Entry) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == entry.name);
        (entry.is_default || named(&self.enabled)) && !named(&self.disabled)
    }

    fn is_on_by_name(&self, name: &str) -> bool {
        PLUGINS.iter().any(|entry| entry.name == name && self.is_on(entry))
    }

    /// The refusal of settings that no chain can be made of.
    pub fn check(&self) -> Result<(), String> {
        let is_known = |name: &&String| PLUGINS.iter().any(|entry| entry.name == name.as_str());
        for (flag, names) in
            [("enable-admission-plugins", &self.enabled), ("disable-admission-plugins", &self.disabled)]
        {
            if let Some(name) = names.iter().find(|name| !is_known(name)) {
                return Err(format!("{flag} plugin {name:?} is unknown"));
            }
        }
        let both: Vec<&str> =
            self.enabled.iter().filter(|name| self.disabled.contains(name)).map(String::as_str).collect();
        if !both.is_empty() {
            let both = both.join(" ");
            return Err(format!(
                "[{both}] in enable-admission-plugins and disable-admission-plugins overlapped"
            ));
        }
        let failed = |name: &str, why| format!("couldn't init admission plugin {name:?}: {why}");
        if self.is_on_by_name(event_rate_limit::NAME) {
            self.event_rate.check().map_err(|why| failed(event_rate_limit::NAME, why))?;
        }
        if self.is_on_by_name(image_policy::NAME) {
            self.image_policy.check().map_err(|why| failed(image_policy::NAME, why))?;
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            enabled: Vec::new(),
            disabled: Vec::new(),
            not_ready_seconds: 300,
            unreachable_seconds: 300,
            pod_security: pod_security::Configuration::default(),
            pod_node_selector: pod_node_selector::Configuration::default(),
            pod_tolerations: pod_toleration_restriction::Configuration::default(),
            event_rate: event_rate_limit::Configuration::default(),
            image_policy: image_policy::Configuration::default(),
        }
    }
}

/// The enabled plugins in upstream's order. Those that write or wait are no `Plugin`: namespaces are made first of all,
/// images are asked about when nothing else is amiss, and the quota comes last.
pub struct Chain {
    plugins: Vec<Box<dyn Plugin>>,
    quota: Option<ResourceQuota>,
    images: Option<ImagePolicyWebhook>,
    provides_namespaces: bool,
    permissions: Permissions,
}

impl Chain {
    /// The plugins that are on by default, with those enabled and without those disabled.
    pub fn new(settings: &Settings, permissions: Permissions) -> Chain {
        let made = |entry: &Entry| match entry.how {
            How::Made(make) => Some(make(settings)),
            How::Apart | How::Idle => None,
        };
        Chain {
            plugins: PLUGINS.iter().filter(|entry| settings.is_on(entry)).filter_map(made).collect(),
            quota: settings.is_on_by_name(ResourceQuota::NAME).then(ResourceQuota::default),
            images: settings
                .is_on_by_name(image_policy::NAME)
                .then(|| ImagePolicyWebhook::new(&settings.image_policy)),
            provides_namespaces: settings.is_on_by_name(namespace_auto_provision::NAME),
            permissions,
        }
    }

    /// What plugins ask where authorizers have to be waited for: they do not wait themselves, and run again with each
    /// answer.
    fn asking(&self) -> Option<(Permissions, Arc<Asking>)> {
        let Permissions { authorizer, grants } = &self.permissions;
        if !authorizer.waits() {
            return None;
        }
        let asking = Arc::new(Asking::new(authorizer.clone()));
        Some((Permissions { authorizer: asking.clone(), grants: grants.clone() }, asking))
    }

    fn mutate_with(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        let mut reinvocation = Reinvocation::default();
        self.plugins.iter().try_for_each(|plugin| plugin.admit(request, object, &mut reinvocation))?;
        if reinvocation.begin_again() {
            self.plugins.iter().try_for_each(|plugin| plugin.admit(request, object, &mut reinvocation))?;
        }
        // Not a plugin, so that nothing turns it off.
        grants::confirm(request, object)
    }

    fn judge_with(
        &self,
        request: &Request<'_>,
        object: &Value,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        grants::may_create(request)?;
        claims::judge_status(request, object)?;
        certificates::judge_pod_certificate(request, object)?;
        policy::authorize::params(request, object)?;
        self.plugins.iter().try_for_each(|plugin| plugin.judge(request, object, warnings))
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
            if self.provides_namespaces {
                namespace_auto_provision::provide(&request, object).await?;
            }
            let Some((permissions, asking)) = self.asking() else {
                return self.mutate_with(&request, object);
            };
            loop {
                let mut draft = object.clone();
                let result = self.mutate_with(&Request { permissions: &permissions, ..request }, &mut draft);
                if !asking.learns().await {
                    *object = draft;
                    return result;
                }
            }
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
            match self.asking() {
                None => self.judge_with(&request, object, warnings)?,
                Some((permissions, asking)) => {
                    let before = warnings.len();
                    loop {
                        warnings.truncate(before);
                        let request = Request { permissions: &permissions, ..request };
                        let result = self.judge_with(&request, object, warnings);
                        if !asking.learns().await {
                            break result?;
                        }
                    }
                }
            }
            if let Some(images) = &self.images {
                images.judge(&request, object).await?;
            }
            match &self.quota {
                Some(quota) => quota.charge(&request, object).await,
                None => Ok(()),
            }
        })
    }
}
