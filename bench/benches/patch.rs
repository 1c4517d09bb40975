//! Managed fields of one realistic pod: what a create, an update, a status report and an apply cost.

use criterion::{Criterion, criterion_group, criterion_main};
use pintle_object::time::Time;
use pintle_object::{GroupVersionKind, Map, Value, json};
use pintle_patch::{Filter, Tracking, apply, keep_times_of_noop, track_update};
use pintle_schema::{Builtin, TypeId, builtin, decode};
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 2026-01-02T03:04:05Z
const NOW: Time = Time { seconds: 1_767_323_045, nanos: 0 };

struct Pods {
    api: Builtin,
    ty: TypeId,
    /// As its creator left it: every field has an owner.
    created: Value,
}

impl Pods {
    fn new() -> Pods {
        let api = builtin();
        let ty = api.kind(&GroupVersionKind::new("", "v1", "Pod")).expect("Pod is built in");
        let decoded = decode::json::decode(&api.schema, ty, &pintle_bench::pod()).expect("the pod is valid");
        let mut created = decoded.value;
        created.remove(&["metadata", "managedFields"]);
        let mut pods = Pods { api, ty, created };
        let mut draft = pods.created.clone();
        track_update(&pods.tracking("kube-controller-manager", ""), None, &mut draft);
        pods.created = draft;
        pods.created = pods.reported();
        pods
    }

    fn tracking<'a>(&'a self, manager: &'a str, subresource: &'a str) -> Tracking<'a> {
        Tracking {
            schema: &self.api.schema,
            ty: self.ty,
            api_version: "v1",
            subresource,
            manager,
            filter: &Filter::All,
            versions: &(),
            now: NOW,
        }
    }

    /// The pod after a kubelet's report.
    fn reported(&self) -> Value {
        let mut pod = self.created.clone();
        pod.set(&["status", "startTime"], "2026-01-02T03:04:07Z");
        pod.set(&["status", "phase"], "Running");
        pod.set(&["status", "message"], "as it should be");
        track_update(&self.tracking("kubelet", "status"), Some(&self.created), &mut pod);
        pod
    }

    /// The configuration that a user would apply: spec and labels.
    fn configuration(&self) -> Value {
        let mut config = pintle_patch::untyped(&self.created);
        config.remove(&["status"]);
        let names = ["name", "namespace", "labels", "annotations"];
        let kept: Map =
            names.iter().filter_map(|name| Some((*name, config.at(&["metadata", name])?.clone()))).collect();
        config.set(&["metadata"], kept);
        config
    }
}

fn managers(criterion: &mut Criterion) {
    let pods = Pods::new();
    let mut group = criterion.benchmark_group("managers");
    let mut bench = |name: &str, manager: &str, subresource: &str, old: Option<&Value>, new: &Value| {
        let tracking = pods.tracking(manager, subresource);
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || new.clone(),
                |new| track_update(&tracking, black_box(old), new),
                criterion::BatchSize::SmallInput,
            );
        });
    };
    let mut bare = pods.created.clone();
    bare.remove(&["metadata", "managedFields"]);
    bench("create", "kubectl", "", None, &bare);
    let mut labelled = pods.created.clone();
    labelled.set(&["metadata", "labels", "new"], "yes");
    bench("update of a label", "kubectl", "", Some(&pods.created), &labelled);
    let mut reported = pods.created.clone();
    reported.set(&["status", "phase"], "Failed");
    reported.set(&["status", "reason"], "Evicted");
    bench("report of a status", "kubelet", "status", Some(&pods.created), &reported);
    bench("update of nothing", "kubectl", "", Some(&pods.created), &pods.created);
    let mut later = pods.created.clone();
    for entry in
        later.at_mut(&["metadata", "managedFields"]).and_then(Value::as_list_mut).into_iter().flatten()
    {
        entry.set(&["time"], "2026-01-02T03:05:00Z");
    }
    group.bench_function("times of a write without effect", |b| {
        b.iter_batched_ref(
            || later.clone(),
            |later| keep_times_of_noop(black_box(&pods.created), later),
            criterion::BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn applies(criterion: &mut Criterion) {
    let pods = Pods::new();
    let config = pods.configuration();
    println!("the configuration has {} bytes", json::to_string(&config).len());
    let tracking = pods.tracking("applier", "");
    let mut group = criterion.benchmark_group("apply");
    group.bench_function("first", |b| {
        b.iter(|| apply(&tracking, black_box(Some(&pods.created)), &config, true).expect("it is forced"));
    });
    let applied = apply(&tracking, Some(&pods.created), &config, true).expect("it is forced");
    let applied = decode::json::normalise(&pods.api.schema, pods.ty, &applied).expect("it is a pod").value;
    group.bench_function("again", |b| {
        b.iter(|| apply(&tracking, black_box(Some(&applied)), &config, false).expect("nothing changes"));
    });
    let mut changed = config.clone();
    changed.set(&["metadata", "labels", "new"], "yes");
    group.bench_function("of a new label", |b| {
        b.iter(|| apply(&tracking, black_box(Some(&applied)), &changed, false).expect("nobody owns it"));
    });
    group.finish();
}

criterion_group!(benches, managers, applies);
criterion_main!(benches);
