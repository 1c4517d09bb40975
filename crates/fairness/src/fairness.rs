//! `Fairness`: classifies requests, and divides the server's seats among levels, after each change of the objects and
//! every ten seconds (upstream's `util/flowcontrol/apf_controller.go`).

use crate::clock::Clock;
use crate::configuration::{
    CATCH_ALL, Distinguisher, EXEMPT, LevelSpec, SchemaSpec, mandatory_level, mandatory_schema,
};
use crate::flow_stats::FlowStats;
use crate::lending::{LendingState, LevelState};
use crate::level::{Admitted, Level};
use crate::queue_set::Arrival;
use crate::queuing::Queuing;
use crate::shuffle::flow_hash;
use crate::watch_counts::WatchCounts;
use crate::width::{Facts, estimate};
use arc_swap::ArcSwap;
use pintle_object::user::User;
use pintle_object::{RequestInfo, Text, Verb};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The time between two adjustments of what levels lend and borrow.
pub const ADJUSTMENT_INTERVAL: Duration = Duration::from_secs(10);
/// Figures of flow schemas that are kept, those of schemas that are gone among them.
const FLOWS_MAX: usize = 1024;

/// A flow schema in use.
#[derive(Debug)]
pub struct Schema {
    pub spec: SchemaSpec,
    pub level: Arc<Level>,
    pub level_uid: Text,
    pub stats: Arc<FlowStats>,
    name: Arc<str>,
    /// The number of queues that its flows are spread over.
    queues: u32,
}

/// A request's schema, and what became of it at the schema's level.
#[derive(Debug)]
pub struct Classified {
    pub schema: Arc<Schema>,
    pub admitted: Admitted,
}

#[derive(Debug)]
pub struct Fairness {
    pub(crate) clock: Arc<dyn Clock>,
    server_seats: u32,
    state: Mutex<LendingState>,
    schemas: ArcSwap<Vec<Arc<Schema>>>,
    watches: Arc<WatchCounts>,
}

impl Fairness {
    /// Begins with the mandatory levels and schemas, and some seats for all levels together.
    pub fn new(clock: Arc<dyn Clock>, server_seats: u32) -> Fairness {
        let fairness = Fairness {
            clock,
            server_seats,
            state: Mutex::default(),
            schemas: ArcSwap::default(),
            watches: Arc::default(),
        };
        fairness.configure(Vec::new(), Vec::new());
        fairness
    }

    /// Counts of watches, which writes are as wide as.
    pub fn watches(&self) -> &Arc<WatchCounts> {
        &self.watches
    }

    /// Classifies a request, and takes it to a seat or a queue of its level; `is_again` if it had a seat before.
    pub fn start(
        &self,
        user: &Arc<User>,
        info: &Arc<RequestInfo>,
        facts: &dyn Facts,
        is_again: bool,
    ) -> Option<Classified> {
        let schema = self.classify(user, info)?;
        let distinguisher = match schema.spec.distinguisher {
            Distinguisher::ByUser if schema.queues > 1 => Text::from(user.name.as_str()),
            Distinguisher::ByNamespace if schema.queues > 1 => info.namespace.clone(),
            _ => Text::default(),
        };
        let hash = if schema.queues > 1 { flow_hash(&schema.name, &distinguisher) } else { 0 };
        let estimate = estimate(info, schema.level.seats_max(), facts);
        let admitted = schema.level.start(Arrival {
            user: user.clone(),
            info: info.clone(),
            schema: schema.name.clone(),
            stats: schema.stats.clone(),
            distinguisher,
            hash,
            width: estimate.width,
            watchers: estimate.watchers,
            is_watch: info.verb == Verb::Watch,
            is_write: !info.verb.is_read(),
            is_again,
        });
        Some(Classified { schema, admitted })
    }

    /// The first schema that matches; that for everybody if none does. There always is one.
    fn classify(&self, user: &User, info: &RequestInfo) -> Option<Arc<Schema>> {
        let schemas = self.schemas.load();
        let matching =
            schemas.iter().find(|schema| schema.spec.rules.iter().any(|rule| rule.matches(user, info)));
        matching.or_else(|| schemas.iter().find(|schema| schema.spec.name == CATCH_ALL)).cloned()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, LendingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the objects as they are now. Levels that are gone stay until their requests have ended; what is
    /// mandatory is there without its object.
    pub fn configure(&self, levels: Vec<LevelSpec>, schemas: Vec<SchemaSpec>) {
        let mut state = self.state();
        let mut old = std::mem::take(&mut state.levels);
        let mut new = BTreeMap::new();
        for spec in levels {
            let kept = old.remove(&spec.name);
            new.insert(spec.name.clone(), LevelState::of(spec, kept, &self.clock));
        }
        let mut specs: Vec<SchemaSpec> =
            schemas.into_iter().filter(|schema| new.contains_key(&schema.level)).collect();
        specs.sort_by(|one, other| (one.precedence, &one.name).cmp(&(other.precedence, &other.name)));
        let is_there = |name: &str| specs.iter().any(|spec| spec.name == name);
        let (has_exempt, has_catch_all) = (is_there(EXEMPT), is_there(CATCH_ALL));
        if !has_exempt {
            specs.insert(0, mandatory_schema(EXEMPT));
        }
        if !has_catch_all {
            specs.push(mandatory_schema(CATCH_ALL));
        }
        keep_old_levels(old, &mut new);
        for name in [EXEMPT, CATCH_ALL] {
            new.entry(name.into())
                .or_insert_with(|| LevelState::of(mandatory_level(name), None, &self.clock));
        }
        state.levels = new;
        state.divide_nominal(self.server_seats);
        self.lend(&mut state);
        self.use_schemas(&mut state, specs);
    }

    /// Lends seats anew, by what each level wanted since the last time, and forgets levels that are gone and idle.
    pub fn adjust(&self) {
        let mut state = self.state();
        let before = state.levels.len();
        state.levels.retain(|_, level| !level.is_quiescing || !level.level.is_idle());
        if state.levels.len() < before {
            state.divide_nominal(self.server_seats);
        }
        self.lend(&mut state);
    }

    fn use_schemas(&self, state: &mut LendingState, specs: Vec<SchemaSpec>) {
        let schema = |spec: SchemaSpec| {
            let level = state.levels.get(&spec.level)?;
            let flow = (spec.name.clone(), spec.level.clone());
            Some(Arc::new(Schema {
                name: spec.name.as_str().into(),
                level: level.level.clone(),
                level_uid: level.spec.uid.clone(),
                stats: state.flows.entry(flow).or_default().clone(),
                queues: match level.spec.queuing {
                    Queuing::Queue { queues, .. } => queues,
                    Queuing::Exempt | Queuing::Reject => 0,
                },
                spec,
            }))
        };
        self.schemas.store(Arc::new(specs.into_iter().filter_map(schema).collect()));
        if state.flows.len() > FLOWS_MAX {
            state.flows.retain(|_, stats| Arc::strong_count(stats) > 1);
        }
    }

    fn lend(&self, state: &mut LendingState) {
        for level in state.levels.values_mut() {
            let period = level.level.with(|requests, now| requests.gauges.demand.reset(now));
            level.demand.update(period);
        }
        let current = state.lent_seats();
        for (level, seats) in state.levels.values_mut().zip(current) {
            level.current = seats;
            let denominator = if seats > 0 { seats } else { self.server_seats.div_ceil(10).max(1) };
            level.level.configure(level.spec.queuing, u64::from(seats), u64::from(denominator));
        }
    }
}

/// Keeps levels whose objects are gone: the mandatory ones as they were, others while they have requests.
fn keep_old_levels(old: BTreeMap<Text, LevelState>, new: &mut BTreeMap<Text, LevelState>) {
    for (name, mut level) in old {
        let is_mandatory = name == EXEMPT || name == CATCH_ALL;
        if !is_mandatory {
            if level.level.is_idle() {
                continue;
            }
            level.is_quiescing = true;
        }
        new.insert(name, level);
    }
}
