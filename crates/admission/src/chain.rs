//! `Chain`: the enabled plugins, asked in upstream's order.

use crate::claims;
use crate::counted::CountedPart;
use crate::grants;
use crate::metrics::{AdmissionMetrics, AdmissionStep, PluginSeries};
use crate::notes::Notes;
use crate::outward::Outward;
use crate::plugin::{Outcome, Plugin};
use crate::plugins::{PLUGINS, certificates};
use crate::policy::{self, Reinvocation};
use crate::request::Request;
use crate::settings::AdmissionSettings;
use crate::view::View;
use pintle_access::{Asking, Permissions};
use pintle_engine::admission::{Attributes, Operation};
use pintle_engine::{Admission, Conversions, Engine, Verdict};
use pintle_metrics::Registry;
use pintle_object::audit::Level;
use pintle_object::{Status, Value};
use std::sync::Arc;
use std::time::Instant;

pub struct Chain {
    plugins: Vec<Link>,
    permissions: Permissions,
    metrics: AdmissionMetrics,
}

/// A plugin that is on, and its series of metrics.
struct Link {
    name: &'static str,
    plugin: Box<dyn Plugin>,
    part: CountedPart,
    admitted: PluginSeries,
    judged: PluginSeries,
}

impl Chain {
    /// The plugins that are on by default, with those enabled and without those disabled.
    pub fn new(
        settings: &AdmissionSettings,
        permissions: Permissions,
        outward: &Outward,
        registry: &Registry,
    ) -> Result<Chain, String> {
        let metrics = AdmissionMetrics::new(registry);
        Ok(Chain { plugins: enabled(settings, outward)?, permissions, metrics })
    }

    /// Checks that a chain can be made of the settings.
    pub fn check(settings: &AdmissionSettings) -> Result<(), String> {
        enabled(settings, &Outward::nowhere()).map(drop)
    }

    /// The permissions for plugins where an authorizer has to be waited for: plugins that decide at once run again with
    /// each of its answers.
    fn asking(&self) -> Option<(Permissions, Arc<Asking>)> {
        let Permissions { authorizer, grants } = &self.permissions;
        if !authorizer.waits() {
            return None;
        }
        let asking = Arc::new(Asking::new(authorizer.clone()));
        Some((Permissions { authorizer: asking.clone(), grants: grants.clone() }, asking))
    }

    async fn admit_all(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        let mut reinvocation = Reinvocation::default();
        self.admit_once(request, object, &mut reinvocation).await?;
        if reinvocation.begin_again() {
            self.admit_once(request, object, &mut reinvocation).await?;
        }
        if request.attributes.operation == Operation::Connect {
            return Ok(());
        }
        // Not a plugin, so that nothing turns it off.
        request.settled(|| grants::confirm(request, object)).await
    }

    async fn admit_once(
        &self,
        request: &Request<'_>,
        object: &mut Value,
        reinvocation: &mut Reinvocation,
    ) -> Result<(), Status> {
        let mut clock = Instant::now();
        for link in self.asked(request) {
            let result = match link.plugin.admit(request, object, reinvocation) {
                Outcome::Now(result) => result,
                Outcome::Later(later) => later.await,
            };
            self.count(link, AdmissionStep::Admit, request, result.is_err(), &mut clock);
            result?;
        }
        Ok(())
    }

    /// The plugins that have a say in a request.
    fn asked<'a>(&'a self, request: &Request<'_>) -> impl Iterator<Item = &'a Link> {
        let is_connect = request.attributes.operation == Operation::Connect;
        self.plugins.iter().filter(move |link| !is_connect || link.plugin.handles_connect())
    }

    async fn judge_all(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let strategies = || {
            grants::may_create(request)?;
            claims::judge_status(request, object)?;
            certificates::judge_pod_certificate(request, object)?;
            policy::authorize::params(request, object)
        };
        if request.attributes.operation != Operation::Connect {
            request.settled(strategies).await?;
        }
        let mut clock = Instant::now();
        for link in self.asked(request) {
            let result = match link.plugin.judge(request, object) {
                Outcome::Now(result) => result,
                Outcome::Later(later) => later.await,
            };
            self.count(link, AdmissionStep::Validate, request, result.is_err(), &mut clock);
            result?;
        }
        Ok(())
    }

    /// Counts a plugin that has a part in a step, and the time since the one before it was counted: those between them
    /// did nothing.
    fn count(
        &self,
        link: &Link,
        step: AdmissionStep,
        request: &Request<'_>,
        is_rejected: bool,
        clock: &mut Instant,
    ) {
        let operation = request.attributes.operation;
        if link.part.has(step, operation) {
            let series = if step == AdmissionStep::Admit { &link.admitted } else { &link.judged };
            let now = Instant::now();
            let took = now - std::mem::replace(clock, now);
            self.metrics.plugin((link.name, series), step, operation, is_rejected, took);
        }
    }
}

/// Makes the plugins that are on.
fn enabled(settings: &AdmissionSettings, outward: &Outward) -> Result<Vec<Link>, String> {
    let is_known = |name: &&String| PLUGINS.iter().any(|entry| entry.name == name.as_str());
    let only = settings.only.as_deref().unwrap_or_default();
    for (flag, names) in [
        ("admission-control", only),
        ("enable-admission-plugins", &settings.enabled),
        ("disable-admission-plugins", &settings.disabled),
    ] {
        if let Some(name) = names.iter().find(|name| !is_known(name)) {
            return Err(format!("{flag} plugin {name:?} is unknown"));
        }
    }
    let both = settings.enabled.iter().filter(|name| settings.disabled.contains(name));
    let both: Vec<&str> = both.map(String::as_str).collect();
    if !both.is_empty() {
        let both = both.join(" ");
        return Err(format!("[{both}] in enable-admission-plugins and disable-admission-plugins overlapped"));
    }
    let on = PLUGINS.iter().filter(|entry| settings.is_on(entry.name, entry.is_default));
    let link = |name: &'static str, plugin| Link {
        name,
        plugin,
        part: CountedPart::of(name),
        admitted: PluginSeries::default(),
        judged: PluginSeries::default(),
    };
    let made = on.filter_map(|entry| {
        let made = entry.make(settings, outward).transpose()?;
        Some(made.map(|plugin| link(entry.name, plugin)))
    });
    made.collect()
}

/// Passes the warnings of plugins to the client, and their annotations to the audit.
fn hand_on(notes: Notes, attributes: Attributes<'_>, warnings: &mut Vec<String>) {
    let (told, annotations) = notes.into_lists();
    warnings.extend(told);
    let Some(audit) = attributes.audit else { return };
    for annotation in annotations {
        if !annotation.is_of_request || audit.is_at_least(Level::Request) {
            audit.annotate(annotation.key, annotation.value);
        }
    }
}

impl Admission for Chain {
    fn mutate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        object: &'a mut Value,
        warnings: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        Box::pin(async move {
            let (notes, conversions) = (Notes::default(), Conversions::default());
            let asking = self.asking();
            let request = self.request(engine, attributes, asking.as_ref(), (&notes, &conversions));
            let begin = Instant::now();
            let result = self.admit_all(&request, object).await;
            self.metrics.step(AdmissionStep::Admit, attributes.operation, result.is_err(), begin.elapsed());
            hand_on(notes, attributes, warnings);
            result
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
            let (notes, conversions) = (Notes::default(), Conversions::default());
            let asking = self.asking();
            let request = self.request(engine, attributes, asking.as_ref(), (&notes, &conversions));
            let begin = Instant::now();
            let result = self.judge_all(&request, object).await;
            self.metrics.step(
                AdmissionStep::Validate,
                attributes.operation,
                result.is_err(),
                begin.elapsed(),
            );
            hand_on(notes, attributes, warnings);
            result
        })
    }
}

impl Chain {
    fn request<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        asking: Option<&'a (Permissions, Arc<Asking>)>,
        (notes, conversions): (&'a Notes, &'a Conversions),
    ) -> Request<'a> {
        Request {
            view: View::new(engine),
            attributes,
            permissions: asking.map_or(&self.permissions, |(permissions, _)| permissions),
            waits: asking.is_some() || attributes.target.served.has_conversion_webhook(),
            asking: asking.map(|(_, asking)| asking.as_ref()),
            notes,
            conversions,
            metrics: &self.metrics,
        }
    }
}
