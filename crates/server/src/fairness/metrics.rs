//! Metrics of fairness in the form of the others.

use pintle_fairness::Fairness;
use pintle_fairness::integrator::Cumulative;
use pintle_fairness::metrics::{Kind, Metric, Series, Value};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Sample, MetricFamily, MetricType,
};

const PREFIX: &str = "apiserver_flowcontrol_";

/// All metrics of fairness that have series.
pub fn families(fairness: &Fairness) -> Vec<MetricFamily> {
    fairness.metrics().into_iter().filter(|metric| !metric.series.is_empty()).map(family).collect()
}

fn family(metric: Metric) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(format!("{PREFIX}{}", metric.name));
    family.set_help(metric.help.into());
    family.set_field_type(match metric.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric(metric.series.into_iter().map(|series| sample(metric.kind, series)).collect());
    family
}

fn sample(kind: Kind, series: Series) -> Sample {
    let mut sample = Sample::from_label(series.labels.into_iter().map(label).collect());
    match (series.value, kind) {
        (Value::Histogram(cumulative), _) => sample.set_histogram(histogram(&cumulative)),
        (Value::Number(value), Kind::Counter) => {
            let mut counter = Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        }
        (Value::Number(value), _) => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
    }
    sample
}

fn label((name, value): (&str, String)) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.into());
    label.set_value(value);
    label
}

fn histogram(cumulative: &Cumulative) -> Histogram {
    let bucket = |(bound, count): &(f64, u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(*count);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(cumulative.buckets.iter().map(bucket).collect());
    histogram.set_sample_count(cumulative.count);
    histogram.set_sample_sum(cumulative.sum);
    histogram
}
