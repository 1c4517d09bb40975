//! Refused configurations, with upstream's messages.

use super::{KEY_16, KEY_32, open_file, refusal, write};

fn check(resources: &str, why: &str) {
    let expected = if why.is_empty() { String::new() } else { format!("error while parsing file: {why}") };
    assert_eq!(refusal(resources, false), expected, "{resources}");
}

fn check_names(names: &str, why: &str) {
    check(&format!("resources: [{{resources: {names}, providers: [{{identity: {{}}}}]}}]"), why);
}

fn check_provider(provider: &str, why: &str) {
    check(&format!("resources: [{{resources: [secrets], providers: [{provider}]}}]"), why);
}

#[test]
fn files_are_read_strictly() {
    let decoding = "error decoding encryption provider configuration file \"FILE\": ";
    check("resource: []", &format!("{decoding}strict decoding error: unknown field \"resource\""));
    check(
        "resources: [{resources: [secrets], providers: [{aesgmc: {}}]}]",
        &format!("{decoding}strict decoding error: unknown field \"resources[0].providers[0].aesgmc\""),
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none");
    let why = crate::read_file(&path, false).unwrap_err();
    assert!(why.contains("error reading encryption provider configuration file"), "{why}");
    std::fs::write(&path, "").unwrap();
    assert!(crate::read_file(&path, false).unwrap_err().ends_with("is empty"));
}

#[test]
fn entries_have_resources_and_providers() {
    check("resources: []", "resources: Required value: at least one resources is required");
    check(
        "resources: [{}]",
        "[resources[0].resources: Required value: at least one resources[0].resources is required, \
         resources[0].providers: Required value: at least one resources[0].providers is required]",
    );
}

#[test]
fn names_of_resources_are_checked() {
    check_names("[secrets, configmaps.example.com]", "");
    check_names("['*.*']", "");
    check_names("['*.', '*.apps']", "");
    let first =
        |shown: &str, why: &str| format!("resources[0].resources[0]: Invalid value: {shown:?}: {why}");
    check_names("[Secrets]", &first("Secrets", "resource name should not contain capital letters"));
    check_names(
        "['*']",
        &first(
            "*",
            "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources",
        ),
    );
    check_names(
        "[serviceipallocations]",
        &first("serviceipallocations", "resources which do not have REST API/s cannot be encrypted"),
    );
    check_names(
        "[events.events.k8s.io]",
        &first(
            "events.events.k8s.io",
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the \
             config file",
        ),
    );
    check_names(
        "[deployments.extensions]",
        &first(
            "deployments.extensions",
            "'extensions' group has been removed and cannot be used for encryption",
        ),
    );
    check_names(
        "['pods.*']",
        &first("pods.*", "encrypting the same resource across groups is not supported"),
    );
    let list = |shown: &str, why: &str| format!("resources[0].resources: Invalid value: {shown}: {why}");
    let overlap = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as \
                   they will be masked";
    check_names(
        "[secrets, secrets]",
        &list("[\"secrets\",\"secrets\"]", "the same resource cannot be specified multiple times"),
    );
    check_names("['*.', secrets]", &list("[\"*.\",\"secrets\"]", overlap));
    check_names("[secrets, '*.*']", &list("[\"secrets\",\"*.*\"]", overlap));
}

#[test]
fn providers_and_keys_are_checked() {
    let at = "resources[0].providers[0]";
    check_provider(
        "{}",
        &format!(
            "{at}: Invalid value: {{\"AESGCM\":null,\"AESCBC\":null,\"Secretbox\":null,\"Identity\":null,\"KMS\":null}}: \
             provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity"
        ),
    );
    let both = format!("{{identity: {{}}, aesgcm: {{keys: [{{name: k, secret: {KEY_16}}}]}}}}");
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir, &format!("resources: [{{resources: [secrets], providers: [{both}]}}]"));
    let why = crate::read_file(&path, false).unwrap_err();
    assert!(why.ends_with(
        "more than one provider specified in a single element, should split into different list elements"
    ));
    assert!(!why.contains(KEY_16), "secrets are not shown");
    check_provider(
        "{aesgcm: {}}",
        &format!("{at}.aesgcm.keys: Required value: at least one keys is required"),
    );
    let key = |key: &str| format!("{{secretbox: {{keys: [{key}]}}}}");
    let path = format!("{at}.secretbox.keys[0]");
    check_provider(
        &key("{}"),
        &format!(
            "[{path}.name: Required value: name is a mandatory field for a key, {path}.secret: Required value: secret \
             is a mandatory field for a key]"
        ),
    );
    check_provider(
        &key("{name: k, secret: '?'}"),
        &format!("{path}.secret: Invalid value: \"REDACTED\": secrets must be base64 encoded"),
    );
    check_provider(
        &key(&format!("{{name: k, secret: {KEY_16}}}")),
        &format!(
            "{path}.secret: Invalid value: \"REDACTED\": secret is not of the expected length, got 16, expected one of \
             [32]"
        ),
    );
    check_provider(
        "{aescbc: {keys: [{name: k, secret: YQ==}]}}",
        &format!(
            "{at}.aescbc.keys[0].secret: Invalid value: \"REDACTED\": secret is not of the expected length, got 1, \
             expected one of [16 24 32]"
        ),
    );
}

#[test]
fn plugins_are_checked() {
    let at = "resources[0].providers[0].kms";
    check_provider("{kms: {apiVersion: v2, name: a, endpoint: 'unix:///a'}}", "");
    check_provider(
        "{kms: {apiVersion: v3, name: 'a:b', endpoint: 'tcp://a', timeout: 0s, cachesize: 1}}",
        &format!(
            "[{at}.name: Invalid value: \"a:b\": invalid KMS provider name a:b, must not contain ':', \
             {at}.timeout: Invalid value: \"0s\": timeout should be a positive value, \
             {at}.endpoint: Invalid value: \"tcp://a\": unsupported scheme \"tcp\" for KMS provider, only unix is \
             supported, {at}.cachesize: Invalid value: 1: cachesize is not supported in v2, \
             {at}.apiVersion: Invalid value: \"v3\": unsupported apiVersion apiVersion for KMS provider, only v1 and \
             v2 are supported]"
        ),
    );
    check_provider(
        "{kms: {apiVersion: v2}}",
        &format!(
            "[{at}.name: Required value: name is a mandatory field for a provider, \
             {at}.endpoint: Invalid value: \"\": endpoint is a mandatory field for a kms]"
        ),
    );
    let twice = "{kms: {apiVersion: v2, name: a, endpoint: 'unix:///a'}}, {kms: {apiVersion: v2, name: a, endpoint: \
                 'unix:///a'}}";
    check_provider(
        twice,
        "resources[0].providers[1].kms.name: Invalid value: \"a\": duplicate KMS provider name a, names must be unique",
    );
    let v1_twice = "{kms: {name: a, endpoint: 'unix:///a'}}, {kms: {name: a, endpoint: 'unix:///a'}}";
    check_provider(v1_twice, "");
    let reloaded = format!("resources: [{{resources: [secrets], providers: [{v1_twice}]}}]");
    assert!(refusal(&reloaded, true).ends_with("duplicate KMS provider name a, names must be unique"));
}

#[tokio::test]
async fn version_one_and_rules_without_effect_are_refused() {
    let provider = format!("providers: [{{secretbox: {{keys: [{{name: k, secret: {KEY_32}}}]}}}}]");
    for (rules, why) in [
        (
            "- {resources: [secrets], providers: [{kms: {name: a, endpoint: 'unix:///a'}}]}".into(),
            "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.",
        ),
        (
            format!("- {{resources: ['*.'], {provider}}}\n- {{resources: [secrets], {provider}}}"),
            "resource \"secrets\" is masked by earlier rule \"*.\"",
        ),
        (
            format!("- {{resources: ['*.*'], {provider}}}\n- {{resources: ['*.apps'], {provider}}}"),
            "resource \"*.apps\" is masked by earlier rule \"*.*\"",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = write(&dir, &format!("resources:\n{rules}"));
        let error = open_file(&path).await.err().unwrap();
        assert!(error.starts_with(&format!("error while building transformers: {why}")), "{error}");
    }
}
