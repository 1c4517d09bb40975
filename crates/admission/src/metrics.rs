//! The metrics of admission: steps, plugins, webhooks, match conditions and policies, in upstream's families.

use pintle_engine::admission::Operation;
use pintle_metrics::{Counters, Histogram, Histograms, Registry, Summaries, Summary};
use std::sync::OnceLock;
use std::time::Duration;

/// The two halves of admission, as labels name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionStep {
    Admit,
    Validate,
}

impl AdmissionStep {
    pub fn as_str(self) -> &'static str {
        match self {
            AdmissionStep::Admit => "admit",
            AdmissionStep::Validate => "validate",
        }
    }

    /// The step as webhooks have it in their labels.
    fn of_webhook(self) -> &'static str {
        match self {
            AdmissionStep::Admit => "admit",
            AdmissionStep::Validate => "validating",
        }
    }
}

/// The families of admission.
pub struct AdmissionMetrics {
    steps: Histograms,
    step_summaries: Summaries,
    /// By operation, whether the step refused, and step: made when they are first counted.
    step_series: [OnceLock<(Histogram, Summary)>; 16],
    plugins: Histograms,
    webhooks: Histograms,
    requests: Counters,
    rejections: Counters,
    fail_open: Counters,
    condition_errors: Counters,
    condition_exclusions: Counters,
    condition_seconds: Histograms,
    mutations: Counters,
    mutation_seconds: Histograms,
    validations: Counters,
    validation_seconds: Histograms,
    compilations: Histogram,
    evaluations: Histogram,
}

/// Codes of webhooks above it are counted as it.
const CODE_MAX: u16 = 600;

/// The series of one plugin in one step, by operation and whether it refused: made when they are first counted.
#[derive(Default)]
pub struct PluginSeries([OnceLock<Histogram>; 8]);

/// The webhook or policy that match conditions belong to.
#[derive(Clone, Debug)]
pub struct Owner {
    /// `webhook` or `policy`.
    pub kind: &'static str,
    pub name: String,
    pub step: AdmissionStep,
}

impl AdmissionMetrics {
    pub fn new(registry: &Registry) -> AdmissionMetrics {
        let name = |rest: &str| format!("apiserver_admission_{rest}");
        let counters = |rest: &str| registry.counters(&name(rest));
        let histograms = |rest: &str| registry.histograms(&name(rest));
        AdmissionMetrics {
            steps: histograms("step_admission_duration_seconds"),
            step_summaries: registry.summaries(&name("step_admission_duration_seconds_summary")),
            step_series: Default::default(),
            plugins: histograms("controller_admission_duration_seconds"),
            webhooks: histograms("webhook_admission_duration_seconds"),
            requests: counters("webhook_request_total"),
            rejections: counters("webhook_rejection_count"),
            fail_open: counters("webhook_fail_open_count"),
            condition_errors: counters("match_condition_evaluation_errors_total"),
            condition_exclusions: counters("match_condition_exclusions_total"),
            condition_seconds: histograms("match_condition_evaluation_seconds"),
            mutations: registry.counters("apiserver_mutating_admission_policy_check_total"),
            mutation_seconds: registry
                .histograms("apiserver_mutating_admission_policy_check_duration_seconds"),
            validations: registry.counters("apiserver_validating_admission_policy_check_total"),
            validation_seconds: registry
                .histograms("apiserver_validating_admission_policy_check_duration_seconds"),
            compilations: registry.histogram("apiserver_cel_compilation_duration_seconds"),
            evaluations: registry.histogram("apiserver_cel_evaluation_duration_seconds"),
        }
    }

    /// A step is over.
    pub fn step(&self, step: AdmissionStep, operation: Operation, is_rejected: bool, took: Duration) {
        let place = place(operation, is_rejected) * 2 + usize::from(step == AdmissionStep::Validate);
        let make = || {
            let labels = [operation.as_str(), text(is_rejected), step.as_str()];
            (self.steps.with(&labels), self.step_summaries.with(&labels))
        };
        if let Some(series) = self.step_series.get(place) {
            let (histogram, summary) = series.get_or_init(make);
            histogram.observe(took.as_secs_f64());
            summary.observe(took.as_secs_f64());
        }
    }

    /// A plugin has decided.
    pub fn plugin(
        &self,
        (name, series): (&str, &PluginSeries),
        step: AdmissionStep,
        operation: Operation,
        is_rejected: bool,
        took: Duration,
    ) {
        let make = || self.plugins.with(&[name, operation.as_str(), text(is_rejected), step.as_str()]);
        if let Some(series) = series.0.get(place(operation, is_rejected)) {
            series.get_or_init(make).observe(took.as_secs_f64());
        }
    }

    /// A webhook has answered, or has not: with the code of its failure, or 200.
    pub fn webhook(
        &self,
        name: &str,
        step: AdmissionStep,
        operation: Operation,
        of: (u16, bool),
        took: Duration,
    ) {
        let (code, is_rejected) = of;
        let (step, operation, rejected) = (step.of_webhook(), operation.as_str(), text(is_rejected));
        let code = code.min(CODE_MAX).to_string();
        self.requests.with(&[&code, name, operation, rejected, step]).inc();
        self.webhooks.with(&[name, operation, rejected, step]).observe(took.as_secs_f64());
    }

    /// A webhook refused, or failed and its failure counts.
    pub fn rejection(&self, name: &str, step: AdmissionStep, operation: Operation, error: &str, code: u16) {
        let code = code.min(CODE_MAX).to_string();
        self.rejections.with(&[error, name, operation.as_str(), &code, step.of_webhook()]).inc();
    }

    /// A webhook failed, and its failure does not count.
    pub fn fail_open(&self, name: &str, step: AdmissionStep) {
        self.fail_open.with(&[name, step.of_webhook()]).inc();
    }

    /// Match conditions were evaluated, and so many of them failed.
    pub fn conditions(&self, owner: &Owner, operation: Operation, errors: usize, took: Duration) {
        let labels = [owner.kind, &owner.name, operation.as_str(), owner.step.as_str()];
        self.condition_seconds.with(&labels).observe(took.as_secs_f64());
        if errors > 0 {
            self.condition_errors.with(&labels).add(errors as u64);
        }
    }

    /// A webhook is not called for its match conditions.
    pub fn exclusion(&self, owner: &Owner, operation: Operation) {
        let labels = [owner.kind, &owner.name, operation.as_str(), owner.step.as_str()];
        self.condition_exclusions.with(&labels).inc();
    }

    /// A mutation of a policy was made, or failed.
    pub fn mutation(&self, policy: &str, binding: &str, error: &str, took: Duration) {
        let labels = [error, policy, binding];
        self.mutations.with(&labels).inc();
        self.mutation_seconds.with(&labels).observe(took.as_secs_f64());
    }

    /// The expressions of a policy were compiled.
    pub fn compiled(&self, took: Duration) {
        self.compilations.observe(took.as_secs_f64());
    }

    /// The expressions of a policy were evaluated on an object.
    pub fn evaluated(&self, took: Duration) {
        self.evaluations.observe(took.as_secs_f64());
    }

    /// A validation of a policy did not hold, with the action that is taken for it.
    pub fn validation(&self, action: &str, error: &str, policy: &str, binding: &str, took: Duration) {
        let labels = [action, error, policy, binding];
        self.validations.with(&labels).inc();
        self.validation_seconds.with(&labels).observe(took.as_secs_f64());
    }
}

/// The place of an operation and its outcome among series that are made once.
fn place(operation: Operation, is_rejected: bool) -> usize {
    operation as usize * 2 + usize::from(is_rejected)
}

fn text(is_rejected: bool) -> &'static str {
    if is_rejected { "true" } else { "false" }
}
