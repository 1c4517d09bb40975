//! Serves the stored CustomResourceDefinitions: accepts their names, installs and removes their resources, and removes
//! the objects of deleted ones.

mod names;

use crate::runner::{self, EventSource, Place, Reconciler};
use names::Taken;
use pintle_engine::UpdateSource;
use pintle_engine::custom::converter::Converter;
use pintle_engine::custom::install::{self, Versions};
use pintle_engine::options::DeleteOptions;
use pintle_engine::own::{self, now};
use pintle_engine::{Engine, ObjectRef, ServedResource};
use pintle_kinds::conditions::{is_true, set_condition};
use pintle_kinds::custom_resource_definition::CLEANUP;
use pintle_object::meta;
use pintle_object::stability::by_stability;
use pintle_object::{Status, Text, Value};
use pintle_store::Object;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The time after which objects that wait for their finalizers are looked at again.
const RETRY: Duration = Duration::from_millis(250);

/// Installs the resources of all stored definitions, and begins to follow their changes until the store closes.
pub async fn control(engine: Arc<Engine>) {
    let Some(definitions) = engine.find_any("apiextensions.k8s.io", "customresourcedefinitions") else {
        return;
    };
    let Some(source) = EventSource::all(&definitions) else { return };
    let snapshot = engine.store.snapshot(source.collection);
    let mut controller = Controller {
        engine: engine.clone(),
        definitions,
        source,
        installed: BTreeMap::new(),
        names: BTreeMap::new(),
        cleaning: BTreeMap::new(),
        writes: JoinSet::new(),
        failed: BTreeSet::new(),
    };
    let all: Vec<String> = snapshot.range("", None).map(|object| object.attrs.name.to_string()).collect();
    for name in all {
        controller.install(&name).await;
    }
    controller.publish();
    tokio::spawn(runner::run(engine, controller));
}

/// Writes of statuses that are under way at once.
const WRITES_MAX: usize = 64;

/// Objects of a deleted definition that are deleted at once, so that others do not wait long.
const ROUND_MAX: usize = 1024;

struct Controller {
    engine: Arc<Engine>,
    definitions: Arc<ServedResource>,
    source: EventSource,
    installed: BTreeMap<String, Installed>,
    /// The names that definitions have, by their groups and by the definitions.
    names: BTreeMap<String, BTreeMap<String, Taken>>,
    /// Deleted definitions with objects left, and the keys of those that finalizers hold.
    cleaning: BTreeMap<String, HashSet<String>>,
    /// Writes of statuses that are under way, each with the name of its definition when it fails.
    writes: JoinSet<Option<String>>,
    /// Definitions whose statuses were not written.
    failed: BTreeSet<String>,
}

struct Installed {
    /// The part of the definition that the resources were made of.
    identity: String,
    accepted: Value,
    versions: Versions,
    /// Converts written objects ahead of time, if a webhook converts.
    _converter: Option<Converter>,
}

impl Reconciler for Controller {
    const NAME: &'static str = "custom_resource_definitions";

    fn sources(&self) -> Vec<EventSource> {
        vec![self.source.clone()]
    }

    async fn sync(&mut self, _: usize, _: &str, name: &str) -> Result<(), Status> {
        match self.read(name)? {
            Some(definition) => self.settle(name, &definition).await,
            None => self.forget(name).await?,
        }
        Ok(())
    }

    fn known(&self) -> Vec<Place> {
        self.names.values().flat_map(|names| names.keys().map(|name| place(name))).collect()
    }

    /// Waits for the time of the next retry.
    async fn woken(&mut self) -> Vec<Place> {
        let mut retry = std::pin::pin!(tokio::time::sleep(RETRY));
        loop {
            let is_unfinished = !self.cleaning.is_empty() || !self.failed.is_empty();
            tokio::select! {
                Some(written) = self.writes.join_next() => self.failed.extend(written.ok().flatten()),
                () = &mut retry, if is_unfinished => break,
                else => std::future::pending().await,
            }
        }
        self.cleaning
            .keys()
            .cloned()
            .chain(std::mem::take(&mut self.failed))
            .map(|name| place(&name))
            .collect()
    }
}

fn place(name: &str) -> Place {
    (0, Text::default(), Text::from(name))
}

impl Controller {
    fn read(&self, name: &str) -> Result<Option<Value>, Status> {
        self.source.read(&self.engine, &self.definitions, "", name)
    }

    async fn settle(&mut self, name: &str, definition: &Value) {
        if meta::is_deleting(definition) {
            self.terminate(name);
            if meta::finalizers(definition).contains(&CLEANUP) {
                self.clean(name, definition).await;
            }
            return;
        }
        let mut settled = definition.clone();
        let taken = self.taken(name, definition.str_at(&["spec", "group"]));
        let is_new = names::settle(&mut settled, &taken, now());
        self.note_names(name, &settled);
        // It is served before anybody sees that it is established.
        if is_true(&settled, "Established") && self.install_as(name, &settled).await {
            self.publish();
        }
        if is_new {
            self.write_settled(name, taken).await;
        }
    }

    /// Writes the status of a definition, without waiting for it: the writes of many definitions share syncs.
    async fn write_settled(&mut self, name: &str, taken: Taken) {
        while self.writes.len() >= WRITES_MAX {
            let written = self.writes.join_next().await;
            self.failed.extend(written.and_then(Result::ok).flatten());
        }
        let (engine, definitions, name) = (self.engine.clone(), self.definitions.clone(), name.to_string());
        self.writes.spawn(async move {
            let settle = |current: &mut Value| {
                names::settle(current, &taken, now());
            };
            let status = write(&engine, &definitions, &name, &settle).await.err()?;
            tracing::debug!(name, status.message, "the status of a definition was not written");
            Some(name)
        });
    }

    /// Lets nothing new be created.
    fn terminate(&self, name: &str) {
        let served = self.installed.get(name).into_iter().flat_map(|installed| &installed.versions.served);
        for custom in served.filter_map(|served| served.custom.as_ref()) {
            custom.terminate();
        }
    }

    /// The names that other definitions of a group have taken.
    fn taken(&self, name: &str, group: &str) -> Taken {
        let mut taken = Taken::default();
        let others = self.names.get(group).into_iter().flatten().filter(|(other, _)| *other != name);
        others.for_each(|(_, own)| taken.add_all(own));
        taken
    }

    fn note_names(&mut self, name: &str, definition: &Value) {
        let group = self.names.entry(definition.str_at(&["spec", "group"]).into()).or_default();
        group.insert(name.into(), Taken::by(definition));
    }

    async fn install(&mut self, name: &str) {
        let Ok(Some(definition)) = self.read(name) else { return };
        self.note_names(name, &definition);
        if is_true(&definition, "Established") {
            self.install_as(name, &definition).await;
        }
    }

    /// Whether another thing is served than before.
    async fn install_as(&mut self, name: &str, definition: &Value) -> bool {
        let identity = install::identity(definition);
        let accepted = definition.at(&["status", "acceptedNames"]).cloned().unwrap_or_default();
        let is_known = |known: &Installed| known.identity == identity && known.accepted == accepted;
        if self.installed.get(name).is_some_and(is_known) {
            return false;
        }
        let Some(versions) = self.engine.versions_of(definition) else { return false };
        self.engine.reindex(&versions.stored).await;
        let _converter = Converter::begin(&self.engine, &versions.served);
        self.installed.insert(name.into(), Installed { identity, accepted, versions, _converter });
        true
    }

    async fn forget(&mut self, name: &str) -> Result<(), Status> {
        self.cleaning.remove(name);
        let Some((_, group)) = name.split_once('.') else { return Ok(()) };
        let Some(names) = self.names.get_mut(group) else { return Ok(()) };
        if names.remove(name).is_none() {
            return Ok(());
        }
        // Its names are free now.
        let others: Vec<String> = names.keys().cloned().collect();
        if self.installed.remove(name).is_some() {
            self.publish();
        }
        for other in others {
            if let Some(definition) = self.read(&other)? {
                self.settle(&other, &definition).await;
            }
        }
        Ok(())
    }

    /// Groups by name, their versions with the stablest first.
    fn publish(&self) {
        let mut all: Vec<Arc<ServedResource>> =
            self.installed.values().flat_map(|installed| installed.versions.served.iter().cloned()).collect();
        all.sort_by(|a, b| {
            let (a, b) = (&a.resource, &b.resource);
            let versions = || by_stability(&a.version, &b.version);
            a.group.cmp(&b.group).then_with(versions).then_with(|| a.plural.cmp(&b.plural))
        });
        self.engine.serve_custom(all);
    }

    /// Deletes the objects of a definition, and then its finalizer.
    async fn clean(&mut self, name: &str, definition: &Value) {
        let mut message = ("NeverEstablished", "resource was never established");
        if is_true(definition, "Established") {
            let in_progress = |current: &mut Value| {
                let message = "CustomResource deletion is in progress";
                set_condition(current, "Terminating", "True", "InstanceDeletionInProgress", message, now());
            };
            let is_first = !self.cleaning.contains_key(name);
            self.cleaning.entry(name.into()).or_default();
            if is_first && write(&self.engine, &self.definitions, name, &in_progress).await.is_err() {
                return;
            }
            if self.delete_objects(name).await > 0 {
                return;
            }
            message = ("InstanceDeletionCompleted", "removed all instances");
        }
        let done = |current: &mut Value| {
            set_condition(current, "Terminating", "False", message.0, message.1, now());
            let finalizers = meta::finalizers(current).into_iter().filter(|name| *name != CLEANUP);
            let finalizers: Vec<String> = finalizers.map(String::from).collect();
            meta::set_finalizers(current, &finalizers);
        };
        match write(&self.engine, &self.definitions, name, &done).await {
            Ok(()) => drop(self.cleaning.remove(name)),
            Err(_) => drop(self.cleaning.entry(name.into()).or_default()),
        }
    }

    /// Deletes a round of objects, and counts those that are left: held by finalizers, or for the next round. Deletions
    /// of one round run at once, so that they share syncs.
    async fn delete_objects(&mut self, name: &str) -> usize {
        let Some(stored) = self.installed.get(name).map(|installed| &installed.versions.stored) else {
            return 0;
        };
        let Some(collection) = stored.collection() else { return 0 };
        let held = self.cleaning.entry(name.into()).or_default();
        let mut round = JoinSet::new();
        let snapshot = self.engine.store.snapshot(collection);
        let rest = snapshot.range("", None).filter(|object| !held.contains(object.key.as_str()));
        for object in rest.take(ROUND_MAX) {
            let (engine, stored, object) = (self.engine.clone(), stored.clone(), object.clone());
            round.spawn(async move {
                let is_asked = delete_object(&engine, &stored, &object).await;
                is_asked.then(|| object.key.as_str().to_string())
            });
        }
        while let Some(asked) = round.join_next().await {
            held.extend(asked.ok().flatten());
        }
        let left = self.engine.store.snapshot(collection);
        held.retain(|key| left.get(key).is_some());
        left.len()
    }
}

/// Changes the status (and finalizers) of a definition, as the server itself.
async fn write(
    engine: &Engine,
    definitions: &ServedResource,
    name: &str,
    change: &(dyn Fn(&mut Value) + Sync),
) -> Result<(), Status> {
    let target = ObjectRef { served: definitions, subresource: "status", namespace: "", name };
    let next = |current: Option<&Value>, _: &mut Vec<String>| {
        let missing = || Status::not_found(&definitions.group_resource(), name);
        let mut next = current.cloned().ok_or_else(missing)?;
        change(&mut next);
        Ok(next)
    };
    let user = own::user();
    let written =
        engine.replace(target, UpdateSource::Patch(&next), false, &mut engine.own_call(&user, now())).await;
    written.map(drop)
}

/// Whether the deletion was accepted; the object may still be held by finalizers.
async fn delete_object(engine: &Engine, stored: &ServedResource, object: &Object) -> bool {
    let attrs = &object.attrs;
    let target =
        ObjectRef { served: stored, subresource: "", namespace: &attrs.namespace, name: &attrs.name };
    let user = own::user();
    let deleted = engine.delete(target, &DeleteOptions::default(), &mut engine.own_call(&user, now())).await;
    if let Err(status) = &deleted {
        let key = object.key.as_str();
        tracing::debug!(key, status.message, "an object of a deleted definition was not deleted");
    }
    deleted.is_ok()
}
