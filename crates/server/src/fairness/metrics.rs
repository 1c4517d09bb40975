//! Metrics of fairness, shown in the registry of all.

use pintle_fairness::Fairness;
use pintle_fairness::metrics::{Metric, MetricKind, MetricValue, Series};
use pintle_metrics::Registry;

const PREFIX: &str = "apiserver_flowcontrol_";

/// Sets all metrics of fairness; series of removed flows are removed too.
pub fn show(fairness: &Fairness, registry: &Registry) {
    fairness.metrics().into_iter().for_each(|metric| show_one(metric, registry));
}

fn show_one(metric: Metric, registry: &Registry) {
    let name = format!("{PREFIX}{}", metric.name);
    match metric.kind {
        MetricKind::Counter => {
            let counters = registry.counters(&name);
            counters.clear();
            for (labels, value) in sorted(metric.series) {
                if let MetricValue::Number(value) = value {
                    counters.with(&texts(&labels)).set(value as u64);
                }
            }
        }
        MetricKind::Gauge => {
            let gauges = registry.gauges(&name);
            gauges.clear();
            for (labels, value) in sorted(metric.series) {
                if let MetricValue::Number(value) = value {
                    gauges.with(&texts(&labels)).set(value);
                }
            }
        }
        MetricKind::Histogram => {
            let histograms = registry.histograms(&name);
            histograms.clear();
            for (labels, value) in sorted(metric.series) {
                if let MetricValue::Histogram(cumulative) = value {
                    let counts: Vec<u64> = cumulative.buckets.iter().map(|(_, count)| *count).collect();
                    histograms.with(&texts(&labels)).replace(&counts, cumulative.count, cumulative.sum);
                }
            }
        }
    }
}

/// Series with the values of their labels in the order of the labels' names, as the registry has them.
fn sorted(series: Vec<Series>) -> impl Iterator<Item = (Vec<String>, MetricValue)> {
    series.into_iter().map(|mut series| {
        series.labels.sort_by_key(|(name, _)| *name);
        (series.labels.into_iter().map(|(_, value)| value).collect(), series.value)
    })
}

fn texts(labels: &[String]) -> Vec<&str> {
    labels.iter().map(String::as_str).collect()
}
