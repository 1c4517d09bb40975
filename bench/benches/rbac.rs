//! Decisions of RBAC among the bindings of a large cluster: 4,000 in 200 namespaces and 300 of the cluster, for 600
//! users and 100 groups, to roles of ten rules each.

use criterion::{Criterion, criterion_group, criterion_main};
use pintle_access::User;
use pintle_access::rbac::Index;
use pintle_object::{RequestInfo, Value, Verb, json};
use std::hint::black_box;

const NAMESPACES: usize = 200;
const ROLES: usize = 60;
const LOCAL_BINDINGS: usize = 4000;
const CLUSTER_BINDINGS: usize = 300;
const USERS: usize = 600;
const GROUPS: usize = 100;

fn value(text: &str) -> Value {
    json::parse(text.as_bytes()).expect("the text is JSON")
}

fn role(number: usize) -> Value {
    let rules: Vec<String> = (0..10)
        .map(|rule| {
            format!(
                r#"{{"verbs":["get","list","watch"],"apiGroups":["g{}.example.org"],"resources":["r{rule}","s{rule}"]}}"#,
                number % 20
            )
        })
        .collect();
    value(&format!(r#"{{"rules":[{}]}}"#, rules.join(",")))
}

fn binding(name: &str, namespace: &str, role: usize, user: usize, group: usize) -> Value {
    let subject = |kind: &str, name: &str| {
        format!(r#"{{"kind":"{kind}","name":"{name}","apiGroup":"rbac.authorization.k8s.io"}}"#)
    };
    let subjects = [
        subject("User", &format!("user-{user}")),
        subject("Group", &format!("group-{group}")),
        format!(r#"{{"kind":"ServiceAccount","name":"sa-{user}","namespace":"{namespace}"}}"#),
    ];
    value(&format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}"}},
            "roleRef":{{"kind":"ClusterRole","name":"role-{role}"}},"subjects":[{}]}}"#,
        subjects.join(",")
    ))
}

fn index() -> Index {
    let mut index = Index::default();
    for number in 0..ROLES {
        index.set_role("", &format!("role-{number}"), Some(&role(number)));
    }
    for number in 0..CLUSTER_BINDINGS {
        let name = format!("cluster-{number}");
        let binding = binding(&name, "", number % ROLES, number % USERS, number % GROUPS);
        index.set_binding("", &name, Some(&binding));
    }
    for number in 0..LOCAL_BINDINGS {
        let (name, namespace) = (format!("local-{number}"), format!("ns-{}", number % NAMESPACES));
        let binding = binding(&name, &namespace, number % ROLES, number % USERS, number % GROUPS);
        index.set_binding(&namespace, &name, Some(&binding));
    }
    index
}

fn rbac(criterion: &mut Criterion) {
    let index = index();
    let groups = ["group-7", "group-40", "group-77", "system:authenticated"].map(String::from).to_vec();
    let user = User { name: "user-7".into(), groups, ..User::default() };
    let asked = RequestInfo {
        verb: Verb::List,
        is_resource: true,
        group: "g7.example.org".into(),
        version: "v1".into(),
        resource: "s9".into(),
        namespace: "ns-7".into(),
        ..RequestInfo::default()
    };
    let unknown = RequestInfo { resource: "other".into(), ..asked.clone() };
    let mut group = criterion.benchmark_group("rbac");
    group.bench_function("allowed", |b| b.iter(|| index.authorize(black_box(&user), black_box(&asked))));
    group.bench_function("refused", |b| b.iter(|| index.authorize(black_box(&user), black_box(&unknown))));
    group.finish();
}

criterion_group!(benches, rbac);
criterion_main!(benches);
