//! Objects that nodes reach through pods, claims and volumes written as JSON.

use super::*;
use crate::authorize::Decision;
use crate::rbac::Rule;
use pintle_object::user::User;
use pintle_object::{RequestInfo, Value, Verb};

fn parse(json: &str) -> Value {
    pintle_object::json::parse(json.as_bytes()).unwrap()
}

fn graph() -> Graph {
    let mut graph = Graph::default();
    let pod = parse(
        r#"{"metadata":{"name":"p"},"spec":{"nodeName":"n","serviceAccountName":"sa",
            "imagePullSecrets":[{"name":"pull"}],
            "volumes":[{"name":"s","secret":{"secretName":"mounted"}},
                {"name":"e","ephemeral":{}},{"name":"c","persistentVolumeClaim":{"claimName":"claim"}},
                {"name":"p","projected":{"sources":[{"configMap":{"name":"projected"}}]}}],
            "containers":[{"env":[{"valueFrom":{"secretKeyRef":{"name":"env"}}}],
                "envFrom":[{"configMapRef":{"name":"from"}}]}]}}"#,
    );
    graph.set_pod("ns", "p", Some(&pod));
    graph.set_pod(
        "ns",
        "q",
        Some(&parse(r#"{"spec":{"nodeName":"o","imagePullSecrets":[{"name":"pull"}]}}"#)),
    );
    graph.set_pod("ns", "unbound", Some(&parse(r#"{"spec":{"serviceAccountName":"other"}}"#)));
    let mirror = r#"{"metadata":{"annotations":{"kubernetes.io/config.mirror":"x"}},
        "spec":{"nodeName":"n","volumes":[{"secret":{"secretName":"stolen"}}]}}"#;
    graph.set_pod("ns", "mirror", Some(&parse(mirror)));
    let volume = r#"{"spec":{"claimRef":{"namespace":"ns","name":"claim"},
        "csi":{"nodeStageSecretRef":{"namespace":"vault","name":"stage"},
               "controllerPublishSecretRef":{"namespace":"vault","name":"controller"}}}}"#;
    graph.set_volume("pv", Some(&parse(volume)));
    graph.set_owner(NodeSource::Attachment, "", "va", "n");
    graph.set_owner(NodeSource::PodCertificateRequest, "ns", "own", "n");
    graph.has_pod_certificates = true;
    graph
}

#[test]
fn a_node_relates_to_what_its_pods_refer_to() {
    let graph = graph();
    let check = |node: &str, what: NodeSource, namespace: &str, name: &str, expected: bool| {
        assert_eq!(
            graph.relates(node, what, namespace, name),
            expected,
            "{node} {what:?} {namespace}/{name}"
        );
    };
    for secret in ["mounted", "env", "pull"] {
        check("n", NodeSource::Secret, "ns", secret, true);
        check("n", NodeSource::Secret, "other", secret, false);
        check("o", NodeSource::Secret, "ns", secret, secret == "pull");
    }
    check("n", NodeSource::Secret, "ns", "stolen", false);
    check("n", NodeSource::Secret, "vault", "stage", true);
    check("o", NodeSource::Secret, "vault", "stage", false);
    check("n", NodeSource::Secret, "vault", "controller", false);
    check("n", NodeSource::ConfigMap, "ns", "projected", true);
    check("n", NodeSource::ConfigMap, "ns", "from", true);
    check("n", NodeSource::Claim, "ns", "claim", true);
    check("n", NodeSource::Claim, "ns", "p-e", true);
    check("n", NodeSource::Volume, "", "pv", true);
    check("o", NodeSource::Volume, "", "pv", false);
    check("n", NodeSource::ServiceAccount, "ns", "sa", true);
    check("n", NodeSource::ServiceAccount, "ns", "other", false);
    check("n", NodeSource::Pod, "ns", "p", true);
    check("n", NodeSource::Pod, "ns", "q", false);
    check("n", NodeSource::Attachment, "", "va", true);
    check("o", NodeSource::Attachment, "", "va", false);
}

#[test]
fn what_goes_is_forgotten() {
    let mut graph = graph();
    graph.set_volume("pv", None);
    assert!(!graph.relates("n", NodeSource::Secret, "vault", "stage"));
    graph.set_pod("ns", "p", None);
    for (what, name) in
        [(NodeSource::Secret, "mounted"), (NodeSource::Claim, "claim"), (NodeSource::ServiceAccount, "sa")]
    {
        assert!(!graph.relates("n", what, "ns", name));
    }
    assert!(graph.relates("o", NodeSource::Secret, "ns", "pull"));
    graph.set_owner(NodeSource::Attachment, "", "va", "");
    assert!(!graph.relates("n", NodeSource::Attachment, "", "va"));
}

#[test]
fn nodes_do_what_nodes_may() {
    let graph = graph();
    let rules = [Rule::read(&parse(r#"{"verbs":["list"],"apiGroups":[""],"resources":["services"]}"#))];
    let check = |wanted: &str, selector: &str, expected: Result<(), &str>| {
        let parts: Vec<&str> = wanted.split(' ').collect();
        let [verb, resource, namespace, name] = parts[..] else { panic!("{wanted}") };
        let (group, resource) = resource.split_once(':').unwrap_or(("", resource));
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let dash = |text| if text == "-" { "" } else { text };
        let asked = RequestInfo {
            verb: Verb::named(verb),
            is_resource: true,
            group: group.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            namespace: dash(namespace).into(),
            name: dash(name).into(),
            field_selector: selector.into(),
            ..RequestInfo::default()
        };
        let user =
            User { name: "system:node:n".into(), groups: vec!["system:nodes".into()], ..User::default() };
        let found = match authorize(&graph, &rules, &user, &asked) {
            Decision::Allow(_) => Ok(()),
            Decision::NoOpinion(why) | Decision::Deny(why) | Decision::Error { why, .. } => Err(why),
        };
        assert_eq!(found, expected.map_err(String::from), "{wanted}");
        let outsider = User { name: "system:node:n".into(), ..User::default() };
        assert_eq!(authorize(&graph, &rules, &outsider, &asked), Decision::NoOpinion(String::new()));
    };
    let unrelated = Err("no relationship found between node 'n' and this object");
    check("get secrets ns mounted", "", Ok(()));
    check("get secrets ns free", "", unrelated);
    check("list secrets ns -", "", Err("No Object name found"));
    check("list secrets - -", "", Err("can only read namespaced object of this type"));
    check("delete secrets ns mounted", "", Err("can only read resources of this type"));
    check("get pods ns q", "", unrelated);
    check("list pods - -", "spec.nodeName=n", Ok(()));
    check(
        "list pods - -",
        "spec.nodeName=o",
        Err("can only list/watch pods with spec.nodeName field selector"),
    );
    check("delete pods ns q", "", Ok(()));
    check("deletecollection pods ns -", "", Err(""));
    check("get nodes - n", "", Ok(()));
    check("get nodes - o", "", Err("node 'n' cannot read 'o', only its own Node object"));
    check("delete nodes - n", "", Err(""));
    check("create serviceaccounts/token ns sa", "", Ok(()));
    check("create serviceaccounts/token ns other", "", unrelated);
    check("list serviceaccounts ns -", "", Err("can only create tokens for individual service accounts"));
    check("get coordination.k8s.io:leases kube-node-lease n", "", Ok(()));
    check(
        "get coordination.k8s.io:leases ns n",
        "",
        Err("can only access leases in the \"kube-node-lease\" system namespace"),
    );
    let certificates = "certificates.k8s.io:podcertificaterequests";
    check(&format!("create {certificates} ns -"), "", Ok(()));
    check(&format!("get {certificates} ns own"), "", Ok(()));
    check(&format!("get {certificates} other own"), "", unrelated);
    check(&format!("list {certificates} - -"), "spec.nodeName=n", Ok(()));
    let unselected = Err("can only list/watch podcertificaterequests with nodeName field selector");
    check(&format!("list {certificates} - -"), "", unselected);
    check(&format!("update {certificates} ns own"), "", Err("nodes may not update podcertificaterequests"));
    let status = Err("nodes may not access the status subresource of PodCertificateRequests");
    check(&format!("update {certificates}/status ns own"), "", status);
    check("list services - -", "", Ok(()));
    check("delete services ns s", "", Err(""));
}
