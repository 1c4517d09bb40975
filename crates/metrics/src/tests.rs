//! Tests of the registry as a whole, on its text.

use crate::{MetricsOptions, Registry};
use std::collections::HashMap;

fn lines(text: &str, name: &str) -> Vec<String> {
    let is_of = |line: &&str| line.starts_with(name) || line.starts_with(&format!("# HELP {name} "));
    text.lines().filter(is_of).map(String::from).collect()
}

#[test]
fn families_are_served_when_somebody_counts() {
    let registry = Registry::default();
    assert!(lines(&registry.text(), "apiserver_audit_event_total").is_empty());
    let events = registry.counter("apiserver_audit_event_total");
    let help = "# HELP apiserver_audit_event_total [ALPHA] Counter of audit events generated and sent to the audit \
                backend.";
    assert_eq!(
        lines(&registry.text(), "apiserver_audit_event_total"),
        [help, "apiserver_audit_event_total 0"]
    );
    events.inc();
    registry.counter("apiserver_audit_event_total").add(2);
    assert_eq!(lines(&registry.text(), "apiserver_audit_event_total")[1], "apiserver_audit_event_total 3");
    let errors = registry.counters("apiserver_audit_error_total");
    assert!(lines(&registry.text(), "apiserver_audit_error_total").is_empty());
    errors.with(&["a\"b\\"]).inc();
    let shown = "apiserver_audit_error_total{plugin=\"a\\\"b\\\\\"} 1";
    assert_eq!(lines(&registry.text(), "apiserver_audit_error_total")[1], shown);
    errors.clear();
    assert!(lines(&registry.text(), "apiserver_audit_error_total").is_empty());
}

#[test]
fn histograms_count_what_is_at_most_each_bound() {
    let registry = Registry::default();
    let sizes = registry.histograms("apiserver_request_body_size_bytes");
    let one = sizes.with(&["apps", "deployments", "create"]);
    one.observe(50_000.0);
    one.observe(60_000.0);
    one.observe_many(9e9, 2);
    let text = registry.text();
    let line = |suffix: &str, le: &str, value: &str| {
        format!(
            "apiserver_request_body_size_bytes_{suffix}{{group=\"apps\",resource=\"deployments\",verb=\"create\"{le}}} \
             {value}"
        )
    };
    for expected in [
        line("bucket", ",le=\"50000\"", "1"),
        line("bucket", ",le=\"150000\"", "2"),
        line("bucket", ",le=\"1.05e+06\"", "2"),
        line("bucket", ",le=\"+Inf\"", "4"),
        line("sum", "", "1.800011e+10"),
        line("count", "", "4"),
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}");
    }
}

#[test]
fn summaries_tell_quantiles() {
    let registry = Registry::default();
    let name = "apiserver_admission_step_admission_duration_seconds_summary";
    let one = registry.summaries(name).with(&["CREATE", "false", "admit"]);
    (1..=100).for_each(|n| one.observe(f64::from(n)));
    let text = registry.text();
    let labels = "operation=\"CREATE\",rejected=\"false\",type=\"admit\"";
    for expected in [
        format!("{name}{{{labels},quantile=\"0.5\"}} 50"),
        format!("{name}{{{labels},quantile=\"0.99\"}} 99"),
        format!("{name}_sum{{{labels}}} 5050"),
        format!("{name}_count{{{labels}}} 100"),
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}");
    }
}

#[test]
fn what_is_disabled_is_not_served_and_labels_are_kept_to_what_is_allowed() {
    let label = (String::from("apiserver_audit_error_total"), String::from("plugin"));
    let allowed = HashMap::from([(label, vec![String::from("log")])]);
    let disabled = vec![String::from("apiserver_audit_event_total"), String::from("unknown")];
    let registry = Registry::new(MetricsOptions { disabled, allowed });
    registry.counter("apiserver_audit_event_total").inc();
    let errors = registry.counters("apiserver_audit_error_total");
    errors.with(&["log"]).inc();
    errors.with(&["other"]).inc();
    errors.with(&["another"]).inc();
    let text = registry.text();
    assert!(!text.contains("apiserver_audit_event_total"));
    for expected in [
        "apiserver_audit_error_total{plugin=\"log\"} 1",
        "apiserver_audit_error_total{plugin=\"unexpected\"} 2",
        "cardinality_enforcement_unexpected_categorizations_total 2",
        "disabled_metrics_total 2",
        "registered_metrics_total{deprecated_version=\"\",stability_level=\"BETA\"} 3",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
    }
}

#[test]
#[should_panic(expected = "the table has no gauge apiserver_audit_event_total")]
fn a_family_of_another_kind_is_a_mistake() {
    Registry::default().gauge("apiserver_audit_event_total");
}

#[test]
fn indicators_are_a_page_of_their_own() {
    let registry = Registry::new(MetricsOptions {
        disabled: vec!["kubernetes_healthcheck".into()],
        ..Default::default()
    });
    let indicators = registry.indicators();
    assert_eq!(indicators.text(), "");
    indicators.gauges("kubernetes_healthcheck").with(&["ping", "livez"]).set(1.0);
    indicators.gauge("process_start_time_seconds").set(1.5e9);
    registry.gauge("process_start_time_seconds").set(1.5e9);
    let described = |stability: &str| {
        let help = "Start time of the process since unix epoch in seconds.";
        let name = "process_start_time_seconds";
        format!("# HELP {name} {stability}{help}\n# TYPE {name} gauge\n{name} 1.5e+09\n")
    };
    assert_eq!(indicators.text(), described("[ALPHA] "));
    assert!(registry.text().contains(&described("")));
}

#[test]
fn totals_have_fractions() {
    let registry = Registry::default();
    registry.totals("process_cpu_seconds_total").with(&[]).set(1.25);
    assert_eq!(lines(&registry.text(), "process_cpu_seconds_total")[1], "process_cpu_seconds_total 1.25");
    assert!(registry.text().contains("# TYPE process_cpu_seconds_total counter\n"));
}
