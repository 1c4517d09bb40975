//! Policies: what is refused, with upstream's words, and which requests match.

use super::*;
use pintle_object::Verb;

const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

fn refused(text: &str, why: &str) {
    assert_eq!(AuditPolicy::parse(text.as_bytes()).unwrap_err(), why, "{text}");
}

#[test]
fn files_that_are_no_policies_are_refused() {
    let path = std::path::Path::new("/nowhere/policy.yaml");
    let why = AuditPolicy::load(path).unwrap_err();
    assert!(why.starts_with("failed to read file path \"/nowhere/policy.yaml\": "), "{why}");
    let unknown = "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy";
    refused("rules: [{level: None}]", unknown);
    refused("", unknown);
    refused("kind: Policy\nrules: [{level: None}]", unknown);
    refused(
        "apiVersion: audit.k8s.io/v1beta1\nkind: Policy",
        "failed decoding: no kind \"Policy\" is registered for version \"audit.k8s.io/v1beta1\"",
    );
    refused("apiVersion: v1\nkind: Pod", "failed decoding: no kind \"Pod\" is registered for version \"v1\"");
    refused(
        "apiVersion: audit.k8s.io/v1\nkind: EventList",
        "failed decoding: converting (v1.EventList) to (audit.Policy): unknown conversion",
    );
    refused("apiVersion: a/b/c", "failed decoding: unexpected GroupVersion string: a/b/c");
    refused(
        "[]",
        "failed decoding: couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of \
         type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
         \"json:\\\"kind,omitempty\\\"\" }",
    );
    refused(
        "kind: 1",
        "failed decoding: couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct \
         field .kind of type string",
    );
    refused(HEAD, "loaded illegal policy with 0 rules");
    assert!(
        AuditPolicy::parse(b"apiVersion: audit.k8s.io/v1\nrules: [{level: None}]").is_ok(),
        "the kind is known"
    );
    assert!(
        AuditPolicy::parse(b"{\"apiVersion\":\"audit.k8s.io/v1\",\"rules\":[{\"level\":\"None\"}]}").is_ok()
    );
}

#[test]
fn files_name_their_place_in_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.yaml");
    std::fs::write(&path, HEAD).unwrap();
    let why = format!("loaded illegal policy with 0 rules: from file {}", path.display());
    assert_eq!(AuditPolicy::load(&path).unwrap_err(), why);
}

#[test]
fn fields_of_other_types_are_refused() {
    let check = |fields: &str, why: &str| {
        refused(&format!("{HEAD}{fields}"), &format!("failed decoding: json: cannot unmarshal {why}"));
    };
    check("rules: x", "string into Go struct field Policy.rules of type []v1.PolicyRule");
    check("rules: [x]", "string into Go struct field Policy.rules of type v1.PolicyRule");
    check("rules: [{level: 1}]", "number into Go struct field PolicyRule.rules.level of type v1.Level");
    check("rules: [{users: [{}]}]", "object into Go struct field PolicyRule.rules.users of type string");
    check(
        "rules: [{resources: [{resources: pods}]}]",
        "string into Go struct field GroupResources.rules.resources.resources of type []string",
    );
    check("omitManagedFields: \"yes\"", "string into Go struct field Policy.omitManagedFields of type bool");
}

#[test]
fn unknown_and_repeated_fields_pass_as_upstream() {
    assert!(AuditPolicy::parse(format!("{HEAD}rules: [{{level: None, verb: [get]}}]").as_bytes()).is_ok());
    assert!(
        AuditPolicy::parse(format!("{HEAD}rules: [{{level: None}}]\nrules: [{{level: Request}}]").as_bytes())
            .is_ok()
    );
    let found = read::strict_errors(&format!(
        "{HEAD}metadata: {{nmae: x}}\nrules: [{{level: None, verb: []}}]\nx: 1"
    ));
    assert_eq!(
        found,
        ["unknown field \"metadata.nmae\"", "unknown field \"rules[0].verb\"", "unknown field \"x\""]
    );
}

#[test]
fn rules_are_validated() {
    let check = |fields: &str, why: &str| refused(&format!("{HEAD}{fields}"), why);
    let rule = |fields: &str, why: &str| check(&format!("rules: [{{{fields}}}]"), why);
    rule("users: [a]", "rules[0].level: Required value");
    rule(
        "level: Everything",
        "rules[0].level: Unsupported value: \"Everything\": supported values: \"None\", \"Metadata\", \"Request\", \
         \"RequestResponse\"",
    );
    rule(
        "level: None, nonResourceURLs: [logs, \"/a*b\", \"*\", \"/ok*\"]",
        "[rules[0].nonResourceURLs[0]: Invalid value: \"logs\": non-resource URL rules must begin with a '/' \
         character, rules[0].nonResourceURLs[1]: Invalid value: \"/a*b\": non-resource URL wildcards '*' must be the \
         final character of the rule]",
    );
    rule(
        "level: None, nonResourceURLs: [/x], namespaces: [a]",
        "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and \
         non-resource URLs",
    );
    rule(
        "level: None, resources: [{group: x, resourceNames: [a]}]",
        "rules[0].resources.resourceNames: Invalid value: [\"a\"]: using resourceNames requires at least one resource",
    );
    let why = AuditPolicy::parse(
        format!("{HEAD}rules: [{{level: None, resources: [{{group: rbac.authorization.k8s.io/v1}}]}}]")
            .as_bytes(),
    );
    let why = why.unwrap_err();
    assert!(
        why.starts_with(
            "rules[0].resources.group: Invalid value: \"rbac.authorization.k8s.io/v1\": a lowercase RFC 1123 subdomain"
        ),
        "{why}"
    );
    check(
        "omitStages: [Begin]\nrules: [{level: None, omitStages: [Panic, End]}]",
        "[omitStages[0]: Invalid value: \"Begin\": allowed stages are \
         RequestReceived,ResponseStarted,ResponseComplete,Panic, rules[0].omitStages[1]: Invalid value: \"End\": \
         allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic]",
    );
}

fn level(rule: &str, user: Option<&User>, info: &RequestInfo) -> Level {
    let text = format!("{HEAD}rules: [{{level: Metadata{rule}}}]");
    AuditPolicy::parse(text.as_bytes()).unwrap().evaluate(user, info).level
}

#[test]
fn rules_match_users_and_verbs() {
    let user = User { name: "alice".into(), groups: vec!["dev".into(), "ops".into()], ..User::default() };
    let info = RequestInfo { verb: Verb::Get, path: "/x".into(), ..RequestInfo::default() };
    let check = |rule: &str, matches: bool| {
        assert_eq!(level(rule, Some(&user), &info) == Level::Metadata, matches, "{rule}");
    };
    check("", true);
    check(", users: [bob, alice]", true);
    check(", users: [bob]", false);
    check(", userGroups: [ops]", true);
    check(", userGroups: [qa]", false);
    check(", users: [alice], userGroups: [qa]", false);
    check(", verbs: [list, get]", true);
    check(", verbs: [list]", false);
    check(", verbs: [\"*\"]", false);
    assert_eq!(level(", users: [alice]", None, &info), Level::None);
    assert_eq!(level(", userGroups: [dev]", None, &info), Level::None);
    assert_eq!(level(", verbs: [get]", None, &info), Level::Metadata);
    let other = info.with_verb(Verb::named("post"));
    assert_eq!(level(", verbs: [get, post]", None, &other), Level::Metadata);
    assert_eq!(level(", verbs: [get, put]", None, &other), Level::None);
}

#[test]
fn rules_match_resources() {
    let pods = RequestInfo {
        is_resource: true,
        resource: "pods".into(),
        namespace: "ns".into(),
        name: "p".into(),
        verb: Verb::Get,
        ..RequestInfo::default()
    };
    let logs = RequestInfo { subresource: "log".into(), ..pods.clone() };
    let check = |resources: &str, info: &RequestInfo, matches: bool| {
        let rule = format!(", resources: [{resources}]");
        assert_eq!(level(&rule, None, info) == Level::Metadata, matches, "{rule} {info:?}");
    };
    for (resources, of_pods, of_logs) in [
        ("{group: \"\"}", true, true),
        ("{group: apps}", false, false),
        ("{group: \"*\"}", true, true),
        ("{resources: [pods]}", true, false),
        ("{resources: [pods/log]}", false, true),
        ("{resources: [\"*\"]}", true, true),
        ("{resources: [\"*/log\"]}", false, true),
        ("{resources: [\"*/status\"]}", false, false),
        // Upstream's rule takes the resource itself for one of its subresources.
        ("{resources: [\"pods/*\"]}", true, true),
        ("{resources: [services, pods], resourceNames: [q, p]}", true, false),
        ("{resources: [pods, pods/log], resourceNames: [q]}", false, false),
        ("{group: apps}, {group: \"\", resources: [pods/log]}", false, true),
    ] {
        check(resources, &pods, of_pods);
        check(resources, &logs, of_logs);
    }
    let path = RequestInfo { path: "/api/v1/pods".into(), verb: Verb::Get, ..RequestInfo::default() };
    check("{group: \"\"}", &path, false);
    assert_eq!(level(", namespaces: [ns]", None, &pods), Level::Metadata);
    assert_eq!(level(", namespaces: [other]", None, &pods), Level::None);
    assert_eq!(level(", namespaces: [ns], resources: [{group: apps}]", None, &pods), Level::None);
    let cluster = RequestInfo { namespace: "".into(), ..pods.clone() };
    assert_eq!(level(", namespaces: [\"\"]", None, &cluster), Level::Metadata);
    assert_eq!(level(", namespaces: [\"\"]", None, &path), Level::None);
}

#[test]
fn rules_match_paths() {
    let check = |url: &str, path: &str, matches: bool| {
        let info = RequestInfo { path: path.into(), verb: Verb::Get, ..RequestInfo::default() };
        let rule = format!(", nonResourceURLs: [\"{url}\"]");
        assert_eq!(level(&rule, None, &info) == Level::Metadata, matches, "{url} {path}");
    };
    check("*", "/anything", true);
    check("/version", "/version", true);
    check("/version", "/version/", false);
    check("/healthz*", "/healthz/etcd", true);
    check("/healthz/*", "/healthz", false);
    let pods = RequestInfo {
        is_resource: true,
        resource: "pods".into(),
        path: "/x".into(),
        ..RequestInfo::default()
    };
    assert_eq!(level(", nonResourceURLs: [\"*\"]", None, &pods), Level::None);
}

#[test]
fn the_first_rule_counts_and_stages_are_joined() {
    let text = format!(
        "{HEAD}omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n- level: Request\n  users: [a]\n  \
         omitStages: [Panic]\n  omitManagedFields: false\n- level: Metadata\n  verbs: [get]\n- level: RequestResponse\n  \
         verbs: [get, put]\n"
    );
    let policy = AuditPolicy::parse(text.as_bytes()).unwrap();
    let user = User { name: "a".into(), ..User::default() };
    let config = |user: Option<&User>, verb: &str| {
        let found = policy.evaluate(user, &RequestInfo { verb: Verb::named(verb), ..RequestInfo::default() });
        let stages = AuditStage::ALL
            .into_iter()
            .filter(|stage| found.omit_stages.contains(*stage))
            .map(AuditStage::as_str);
        (found.level, stages.collect::<Vec<_>>().join(" "), found.omit_managed_fields)
    };
    assert_eq!(config(Some(&user), "get"), (Level::Request, "RequestReceived Panic".into(), false));
    assert_eq!(config(None, "get"), (Level::Metadata, "RequestReceived".into(), true));
    assert_eq!(config(None, "put"), (Level::RequestResponse, "RequestReceived".into(), true));
    assert_eq!(config(None, "post"), (Level::None, "RequestReceived".into(), true));
}
