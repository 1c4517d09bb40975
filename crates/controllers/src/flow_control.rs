//! Takes FlowSchemas and PriorityLevelConfigurations over into fairness, and lends seats anew over and over.

use crate::runner::{self, Place, Reconciler, Source};
use pintle_engine::{Engine, Served};
use pintle_fairness::fairness::ADJUSTMENT_INTERVAL;
use pintle_fairness::{Fairness, LevelSpec, SchemaSpec};
use pintle_object::{Status, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// The wait after objects were taken over, in times of what that took: changes that come until then are taken over
/// together, so that no flood of changes has more than a part of the server.
const REST_FACTOR: u32 = 4;
/// How often it is looked how many requests there are.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Takes the objects over as they are, and begins to follow them until the store closes.
pub fn control(engine: &Arc<Engine>, fairness: &Arc<Fairness>) {
    tokio::spawn(adjust(fairness.clone()));
    let find = |plural: &str| engine.find_any(GROUP, plural);
    let (Some(schemas), Some(levels)) = (find("flowschemas"), find("prioritylevelconfigurations")) else {
        return;
    };
    let (Some(of_schemas), Some(of_levels)) = (Source::all(&schemas), Source::all(&levels)) else { return };
    let mut consumer = FlowControl {
        engine: engine.clone(),
        fairness: fairness.clone(),
        schemas,
        levels,
        of_schemas,
        of_levels,
        is_changed: false,
        rests_until: Instant::now(),
    };
    consumer.take_over();
    tokio::spawn(runner::run(engine.clone(), consumer));
}

/// Lends seats anew, and samples how many requests there are, for as long as there is fairness.
async fn adjust(fairness: Arc<Fairness>) {
    let fairness = {
        let weak = Arc::downgrade(&fairness);
        drop(fairness);
        weak
    };
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
    schemas: Arc<Served>,
    levels: Arc<Served>,
    of_schemas: Source,
    of_levels: Source,
    is_changed: bool,
    /// Nothing is taken over before this.
    rests_until: Instant,
}

impl Reconciler for FlowControl {
    const NAME: &'static str = "flow_control";

    fn sources(&self) -> Vec<Source> {
        vec![self.of_schemas.clone(), self.of_levels.clone()]
    }

    async fn sync(&mut self, _: usize, _: &str, _: &str) -> Result<(), Status> {
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
    fn take_over(&mut self) {
        let began = Instant::now();
        let levels = self.all(&self.of_levels, &self.levels);
        let levels = levels.iter().filter_map(|object| {
            let level = LevelSpec::read(object);
            if level.is_none() {
                let name = object.str_at(&["metadata", "name"]);
                tracing::warn!(name, "ignores a PriorityLevelConfiguration whose spec contradicts itself");
            }
            level
        });
        let schemas = self.all(&self.of_schemas, &self.schemas);
        self.fairness.configure(levels.collect(), schemas.iter().map(SchemaSpec::read).collect());
        self.rests_until = Instant::now() + began.elapsed() * REST_FACTOR;
    }

    /// All objects of a source; those that cannot be read are as good as missing.
    fn all(&self, source: &Source, served: &Served) -> Vec<Value> {
        let snapshot = self.engine.store.snapshot(source.collection);
        let read = |object| {
            let tree = self.engine.storage_tree(served, object);
            tree.inspect_err(|status| tracing::warn!("cannot be read: {}", status.message)).ok()
        };
        snapshot.range("", None).filter_map(|object| read(object)).collect()
    }
}
