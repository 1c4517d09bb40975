//! Feeds FlowSchemas and PriorityLevelConfigurations into fairness, and adjusts borrowed seats periodically.

use crate::runner::{self, EventSource, Place, Reconciler};
use pintle_engine::{Engine, ServedResource};
use pintle_fairness::fairness::ADJUSTMENT_INTERVAL;
use pintle_fairness::{Fairness, LevelSpec, SchemaSpec};
use pintle_object::{Status, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// The pause after objects were applied, as a multiple of the time for that: changes until then are applied together,
/// so that a flood of changes takes only a part of the server.
const REST_FACTOR: u32 = 1;
/// The time between two samples of the number of requests.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// The place of priority levels among the sources; the other source is of flow schemas.
const LEVELS: usize = 0;

/// Takes the objects over as they are, and begins to follow them until the store closes.
pub fn control(engine: &Arc<Engine>, fairness: &Arc<Fairness>) {
    tokio::spawn(adjust(Arc::downgrade(fairness)));
    let find = |plural: &str| engine.find_any(GROUP, plural);
    let (Some(schemas), Some(levels)) = (find("flowschemas"), find("prioritylevelconfigurations")) else {
        return;
    };
    let (Some(of_schemas), Some(of_levels)) = (EventSource::all(&schemas), EventSource::all(&levels)) else {
        return;
    };
    let mut consumer = FlowControl {
        engine: engine.clone(),
        fairness: fairness.clone(),
        served: [levels, schemas],
        sources: [of_levels, of_schemas],
        levels: BTreeMap::new(),
        schemas: BTreeMap::new(),
        is_changed: false,
        rests_until: Instant::now(),
    };
    consumer.read_all();
    consumer.take_over();
    tokio::spawn(runner::run(engine.clone(), consumer));
}

/// Adjusts borrowed seats, and samples the number of requests, as long as there is fairness.
async fn adjust(fairness: Weak<Fairness>) {
    let mut adjusted_at = Instant::now();
    loop {
        tokio::time::sleep(SAMPLE_INTERVAL).await;
        let Some(fairness) = fairness.upgrade() else { return };
        fairness.sample();
        if adjusted_at.elapsed() >= ADJUSTMENT_INTERVAL {
            adjusted_at = Instant::now();
            fairness.adjust();
        }
    }
}

struct FlowControl {
    engine: Arc<Engine>,
    fairness: Arc<Fairness>,
    served: [Arc<ServedResource>; 2],
    sources: [EventSource; 2],
    levels: BTreeMap<Text, LevelSpec>,
    schemas: BTreeMap<Text, SchemaSpec>,
    is_changed: bool,
    /// Nothing is taken over before this.
    rests_until: Instant,
}

impl Reconciler for FlowControl {
    const NAME: &'static str = "flow_control";

    fn sources(&self) -> Vec<EventSource> {
        self.sources.to_vec()
    }

    async fn sync(&mut self, source: usize, _: &str, name: &str) -> Result<(), Status> {
        self.read(source, name);
        self.is_changed = true;
        Ok(())
    }

    async fn woken(&mut self) -> Vec<Place> {
        if !self.is_changed {
            return std::future::pending().await;
        }
        tokio::time::sleep_until(self.rests_until).await;
        self.is_changed = false;
        self.take_over();
        Vec::new()
    }
}

impl FlowControl {
    fn read_all(&mut self) {
        for source in 0..self.sources.len() {
            for name in self.names(source) {
                self.read(source, &name);
            }
        }
    }

    /// Reads an object, which may be gone. One that cannot be read is as good as missing, and so is a level whose parts
    /// contradict each other.
    fn read(&mut self, source: usize, name: &str) {
        let (Some(served), Some(of)) = (self.served.get(source), self.sources.get(source)) else { return };
        let object = of.read(&self.engine, served, "", name).unwrap_or_else(|status| {
            tracing::warn!(name, "cannot read an object of flow control: {}", status.message);
            None
        });
        if source == LEVELS {
            let level = object.as_ref().and_then(LevelSpec::read);
            if object.is_some() && level.is_none() {
                tracing::warn!(name, "ignored a PriorityLevelConfiguration whose spec contradicts itself");
            }
            put(&mut self.levels, name, level);
        } else {
            put(&mut self.schemas, name, object.as_ref().map(SchemaSpec::read));
        }
    }

    /// Makes fairness go by the objects that there are.
    fn take_over(&mut self) {
        let began = Instant::now();
        // A new list does not contain objects that are gone.
        let (levels, schemas) = (self.names(LEVELS), self.names(LEVELS + 1));
        self.levels.retain(|name, _| levels.contains(name));
        self.schemas.retain(|name, _| schemas.contains(name));
        let all = (self.levels.values().cloned().collect(), self.schemas.values().cloned().collect());
        self.fairness.configure(all.0, all.1);
        self.rests_until = Instant::now() + began.elapsed() * REST_FACTOR;
    }

    /// The names of the objects that a source has now.
    fn names(&self, source: usize) -> BTreeSet<Text> {
        let Some(source) = self.sources.get(source) else { return BTreeSet::new() };
        let snapshot = self.engine.store.snapshot(source.collection);
        snapshot.range("", None).map(|object| object.attrs.name.clone()).collect()
    }
}

fn put<T>(all: &mut BTreeMap<Text, T>, name: &str, one: Option<T>) {
    match one {
        Some(one) => all.insert(name.into(), one),
        None => all.remove(name),
    };
}
