//! Reading of flags and files, and refusals.

use super::{Authorization, file, may_follow};
use crate::flags::FlagValues;
use pintle_server::authorizers::Mode;
use std::collections::{BTreeMap, BTreeSet};

fn read(line: &str) -> Result<Authorization, String> {
    const FLAGS: [&str; 5] = [
        "authorization-config",
        "authorization-mode",
        "authorization-policy-file",
        "authorization-webhook-config-file",
        "authorization-webhook-version",
    ];
    let mut values: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for flag in line.split_whitespace() {
        let (name, value) = flag.trim_start_matches("--").split_once('=').unwrap();
        let name = FLAGS.into_iter().find(|known| *known == name).unwrap();
        values.entry(name).or_default().push(value.into());
    }
    Authorization::read(&FlagValues::new(String::from("pintle"), values)?)
}

#[test]
fn flags_are_read_and_refused() {
    let modes = |line: &str| -> Vec<&str> {
        read(line).unwrap().authorizers.iter().map(|authorizer| authorizer.mode.name()).collect()
    };
    assert_eq!(modes(""), ["Node", "RBAC"]);
    assert_eq!(
        modes("--authorization-mode=RBAC,Webhook --authorization-webhook-config-file=/k"),
        ["RBAC", "Webhook"]
    );
    let check = |line: &str, why: &str| assert_eq!(read(line).unwrap_err(), why, "{line}");
    check("--authorization-mode=Everyone", "authorization-mode \"Everyone\" is not a valid mode");
    check(
        "--authorization-mode=RBAC,RBAC",
        "authorization-mode [\"RBAC\" \"RBAC\"] has mode specified more than once",
    );
    check("--authorization-mode=ABAC", "authorization-mode ABAC's authorization policy file not passed");
    check("--authorization-policy-file=/p", "cannot specify --authorization-policy-file without mode ABAC");
    check(
        "--authorization-mode=Webhook",
        "authorization-mode Webhook's authorization config file not passed",
    );
    check(
        "--authorization-webhook-config-file=/k",
        "cannot specify --authorization-webhook-config-file without mode Webhook",
    );
    check(
        "--authorization-mode=Webhook --authorization-webhook-config-file=/k --authorization-webhook-version=v2",
        "unsupported webhook authorizer version \"v2\", supported versions are \"v1\", \"v1beta1\"",
    );
    check(
        "--authorization-config=/c --authorization-mode=RBAC",
        "--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags \
         are defined",
    );
}

const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n";

#[test]
fn files_are_read_with_their_defaults() {
    let text = format!(
        "{HEAD}authorizers:
- type: Node
  name: node
- type: Webhook
  name: one
  webhook:
    timeout: 3s
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
    failurePolicy: Deny
    cacheUnauthorizedRequests: false
    connectionInfo: {{type: KubeConfigFile, kubeConfigFile: {}}}
",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")
    );
    let read = file::parse(&text).unwrap();
    assert_eq!(
        read.iter().map(|authorizer| authorizer.mode).collect::<Vec<_>>(),
        [Mode::Node, Mode::Webhook]
    );
    let webhook = read.last().unwrap().webhook.as_ref().unwrap();
    assert_eq!((webhook.timeout.as_secs(), webhook.settings.authorized_ttl.as_secs()), (3, 300));
    assert!(webhook.settings.denies_on_error && webhook.settings.unauthorized_ttl.is_zero());
}

#[test]
fn files_are_refused_in_upstreams_words() {
    let check = |authorizers: &str, why: &str| {
        assert_eq!(
            file::parse(&format!("{HEAD}authorizers: {authorizers}")).unwrap_err(),
            why,
            "{authorizers}"
        );
    };
    check("[]", "authorizers: Required value: at least one authorization mode must be defined");
    check("[{name: a}]", "authorizers[0].type: Required value");
    check(
        "[{type: Foo, name: foo}]",
        "authorizers[0].type: Unsupported value: \"Foo\": supported values: \"ABAC\", \"AlwaysAllow\", \"AlwaysDeny\", \
         \"Node\", \"RBAC\", \"Webhook\"",
    );
    check(
        "[{type: RBAC, name: rbac}, {type: RBAC, name: b}]",
        "authorizers[1].type: Duplicate value: \"RBAC\"",
    );
    check("[{type: RBAC, name: other}]", "expected name rbac for authorizer RBAC instead of other");
    check("[{type: Webhook, name: w}]", "authorizers[0].webhook: Required value: required when type=Webhook");
    check(
        "[{type: RBAC, name: rbac, webhook: {}}]",
        "authorizers[0].webhook: Invalid value: \"non-null\": may only be specified when type=Webhook",
    );
    check(
        "[{type: RBAC, name: rbac, foo: 1}]",
        "failed to load AuthorizationConfiguration from file: strict decoding error: unknown field \
         \"authorizers[0].foo\"",
    );
    let webhook = |fields: &str, why: &str| {
        let rest = "subjectAccessReviewVersion: v1, failurePolicy: Deny";
        check(&format!("[{{type: Webhook, name: w, webhook: {{{rest}, {fields}}}}}]"), why);
    };
    webhook(
        "timeout: 31s, connectionInfo: {type: KubeConfigFile, kubeConfigFile: k}",
        "[authorizers[0].timeout: Invalid value: \"31s\": must be > 0s and <= 30s, \
         authorizers[0].connectionInfo.kubeConfigFile: Invalid value: \"k\": must be an absolute path]",
    );
    webhook(
        "timeout: 1s, matchConditions: [{expression: request.user}], \
         connectionInfo: {type: KubeConfigFile, kubeConfigFile: /dev}",
        "[authorizers[0].matchConditionSubjectAccessReviewVersion: Required value: required if match conditions are \
         specified, authorizers[0].connectionInfo.kubeConfigFile: Invalid value: \"/dev\": must be a regular file, \
         authorizers[0].matchConditions[0].expression: Invalid value: \"request.user\": must evaluate to bool but got \
         string]",
    );
    assert_eq!(
        file::parse("apiVersion: v1\nkind: Pod\n").unwrap_err(),
        "failed to load AuthorizationConfiguration from file: no kind \"Pod\" is registered for version \"v1\""
    );
}

#[test]
fn only_webhooks_come_and_go_while_the_server_runs() {
    let check = |before: &[Mode], after: &[Mode], expected: Result<(), &str>| {
        let [before, after] = [before, after].map(|modes| modes.iter().copied().collect::<BTreeSet<_>>());
        assert_eq!(may_follow(&before, &after), expected.map_err(String::from));
    };
    check(&[Mode::Node, Mode::Rbac], &[Mode::Node, Mode::Rbac], Ok(()));
    check(&[Mode::Node, Mode::Rbac], &[], Err("missing required types: [Node RBAC]"));
    check(
        &[Mode::Rbac],
        &[Mode::Rbac, Mode::Node],
        Err("authorizer type Node is not allowed if it was not enabled at initial server startup"),
    );
}
