//! `Registry`: the families of one server.

use crate::families::{self, Family, Kind};
use crate::series::{Allowed, Counters, Gauges, Histograms, Series, SeriesOf, Summaries};
use crate::text;
use crate::value::{Counter, Gauge, Histogram, Summary};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The settings of metrics on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsOptions {
    /// Families that are counted and not served.
    pub disabled: Vec<String>,
    /// The values that labels may have, by family and label; others become `unexpected`.
    pub allowed: HashMap<(String, String), Vec<String>>,
}

/// The families of a server. Clones are the same.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    families: BTreeMap<&'static str, (Family, OnceLock<SeriesOf>)>,
    options: MetricsOptions,
    unexpected: Counter,
    collectors: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

const DISABLED: &str = "disabled_metrics_total";
const HIDDEN: &str = "hidden_metrics_total";
const REGISTERED: &str = "registered_metrics_total";
const STARTED: &str = "process_start_time_seconds";
const UNEXPECTED: &str = "cardinality_enforcement_unexpected_categorizations_total";

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new(MetricsOptions::default())
    }
}

impl Registry {
    /// The families of `/metrics`, with those about the registry itself.
    pub fn new(options: MetricsOptions) -> Registry {
        let registry = Registry::empty(options, families::all());
        let own = registry.counters(UNEXPECTED);
        registry.counter(HIDDEN);
        let disabled = registry.counter(DISABLED);
        let names: BTreeSet<&String> = registry.0.options.disabled.iter().collect();
        disabled.add(names.len() as u64);
        let counted = registry.0.unexpected.clone();
        registry.on_scrape(move || own.with(&[]).set(counted.get()));
        registry.counters(REGISTERED);
        registry
    }

    /// The families of `/metrics/slis`, under the same options. The process' start time there is upstream's own, not
    /// that of Prometheus' collector.
    pub fn indicators(&self) -> Registry {
        let mut families = families::all();
        families
            .iter_mut()
            .filter(|family| family.name == STARTED)
            .for_each(|family| family.stability = "ALPHA");
        Registry::empty(self.0.options.clone(), families)
    }

    fn empty(options: MetricsOptions, families: Vec<Family>) -> Registry {
        let families = families.into_iter().map(|family| (family.name, (family, OnceLock::new()))).collect();
        let (unexpected, collectors) = (Counter::default(), Mutex::default());
        Registry(Arc::new(Inner { families, options, unexpected, collectors }))
    }

    /// The counter of a family without labels.
    pub fn counter(&self, name: &str) -> Counter {
        self.counters(name).with(&[])
    }

    pub fn counters(&self, name: &str) -> Counters {
        match self.served(name, Kind::Counter) {
            SeriesOf::Counters(series) => series,
            _ => unreachable!("the kind was compared"),
        }
    }

    /// The counters of a family whose numbers have fractions, and are known somewhere else.
    pub fn totals(&self, name: &str) -> Gauges {
        match self.served_as(name, Kind::Counter, Kind::Gauge) {
            SeriesOf::Gauges(series) => series,
            _ => unreachable!("nobody asked for it as another kind"),
        }
    }

    /// The gauge of a family without labels.
    pub fn gauge(&self, name: &str) -> Gauge {
        self.gauges(name).with(&[])
    }

    pub fn gauges(&self, name: &str) -> Gauges {
        match self.served(name, Kind::Gauge) {
            SeriesOf::Gauges(series) => series,
            _ => unreachable!("the kind was compared"),
        }
    }

    /// The histogram of a family without labels.
    pub fn histogram(&self, name: &str) -> Histogram {
        self.histograms(name).with(&[])
    }

    pub fn histograms(&self, name: &str) -> Histograms {
        match self.served(name, Kind::Histogram) {
            SeriesOf::Histograms(series) => series,
            _ => unreachable!("the kind was compared"),
        }
    }

    pub fn summaries(&self, name: &str) -> Summaries {
        match self.served(name, Kind::Summary) {
            SeriesOf::Summaries(series) => series,
            _ => unreachable!("the kind was compared"),
        }
    }

    /// Sets values that are known somewhere else, before each scrape. It should be quick, and may be called from
    /// several threads at once.
    pub fn on_scrape(&self, collect: impl Fn() + Send + Sync + 'static) {
        self.0.collectors.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(collect));
    }

    /// All families in the text format of Prometheus.
    pub fn text(&self) -> String {
        self.0.collectors.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|collect| collect());
        self.count_registered();
        let mut out = String::with_capacity(64 << 10);
        for (family, served) in self.0.families.values() {
            if !self.is_disabled(family.name)
                && let Some(served) = served.get()
            {
                text::write(family, served, &mut out);
            }
        }
        out
    }

    /// Whether the administrator restricts labels of a family: each observation is then judged.
    pub fn is_restricted(&self, name: &str) -> bool {
        self.0.options.allowed.keys().any(|(family, _)| family == name)
    }

    fn is_disabled(&self, name: &str) -> bool {
        self.0.options.disabled.iter().any(|disabled| disabled == name)
    }

    /// Counts the families by stability, where those counts are served.
    fn count_registered(&self) {
        if self.0.families.get(REGISTERED).is_none_or(|(_, served)| served.get().is_none()) {
            return;
        }
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let is_served = |family: &Family| !family.stability.is_empty() && !self.is_disabled(family.name);
        let all =
            self.0.families.values().filter(|(family, served)| served.get().is_some() && is_served(family));
        all.for_each(|(family, _)| *counts.entry(family.stability).or_default() += 1);
        let registered = self.counters(REGISTERED);
        counts.into_iter().for_each(|(stability, count)| registered.with(&["", stability]).set(count));
    }

    /// A family by its name. One that is not in the table, or is something else there, is a mistake of ours.
    fn served(&self, name: &str, kind: Kind) -> SeriesOf {
        self.served_as(name, kind, kind)
    }

    /// A family whose numbers are kept as those of another kind.
    fn served_as(&self, name: &str, kind: Kind, kept: Kind) -> SeriesOf {
        let found = self.0.families.get(name).filter(|(family, _)| family.kind == kind);
        let (family, served) = found.unwrap_or_else(|| panic!("the table has no {} {name}", kind.name()));
        served.get_or_init(|| self.make(family, kept)).clone()
    }

    fn make(&self, family: &Family, kept: Kind) -> SeriesOf {
        let allowed = self.allowed(family);
        let unexpected = self.0.unexpected.clone();
        match kept {
            Kind::Counter => SeriesOf::Counters(Series::new(Counter::default, allowed, unexpected)),
            Kind::Gauge => SeriesOf::Gauges(Series::new(Gauge::default, allowed, unexpected)),
            Kind::Summary => SeriesOf::Summaries(Series::new(Summary::default, allowed, unexpected)),
            Kind::Histogram => {
                let bounds = family.buckets().map(|bound| bound.parse().unwrap_or(f64::INFINITY));
                let bounds: Arc<[f64]> = bounds.collect();
                SeriesOf::Histograms(Series::new(move || Histogram::new(bounds.clone()), allowed, unexpected))
            }
        }
    }

    /// The values that each label of a family may have; empty when all of them may have any.
    fn allowed(&self, family: &Family) -> Vec<Option<Allowed>> {
        let allowed = &self.0.options.allowed;
        let of =
            |label: &str| allowed.get(&(family.name.into(), label.into())).map(|one| one.as_slice().into());
        let all: Vec<Option<Allowed>> = family.labels().map(of).collect();
        if all.iter().any(Option::is_some) { all } else { Vec::new() }
    }
}
