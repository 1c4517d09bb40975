//! APIs that are served or refused, by version, gates and `--runtime-config`.

use super::{Compatibility, gates};
use crate::flags::FlagValues;
use std::collections::BTreeMap;

fn read(line: &str) -> Result<Compatibility, String> {
    const FLAGS: [&str; 6] = [
        "emulated-version",
        "emulation-forward-compatible",
        "feature-gates",
        "min-compatibility-version",
        "runtime-config",
        "runtime-config-emulation-forward-compatible",
    ];
    let mut values: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for flag in line.split_whitespace() {
        let (name, value) = flag.trim_start_matches("--").split_once('=').unwrap_or((flag, ""));
        let name = FLAGS.into_iter().find(|known| *known == name).unwrap();
        values.entry(name).or_default().push(value.into());
    }
    Compatibility::read(&FlagValues::new(String::from("pintle"), values)?)
}

/// The number of served resources of a version.
fn served(line: &str, version: &str) -> usize {
    let known = pintle_schema::known().resources;
    let all = read(line).unwrap().served(known).unwrap().all;
    all.iter().filter(|resource| format!("{}/{}", resource.group, resource.version) == version).count()
}

#[test]
fn what_is_named_more_closely_decides_what_is_served() {
    let check = |line: &str, version: &str, count: usize| {
        assert_eq!(served(&format!("--runtime-config={line}"), version), count, "{line} {version}");
    };
    check("", "networking.k8s.io/v1beta1", 0);
    check("", "apps/v1", 5);
    check("networking.k8s.io/v1beta1=true", "networking.k8s.io/v1beta1", 2);
    check("networking.k8s.io/v1beta1", "networking.k8s.io/v1beta1", 2);
    check("networking.k8s.io/v1beta1/ipaddresses=true", "networking.k8s.io/v1beta1", 1);
    check("api/beta=true", "resource.k8s.io/v1beta1", 4);
    check("api/beta=true", "resource.k8s.io/v1alpha3", 0);
    check("api/beta=true,resource.k8s.io/v1beta1=false", "resource.k8s.io/v1beta1", 0);
    check("api/beta=false,resource.k8s.io/v1beta1=true", "resource.k8s.io/v1beta1", 4);
    check("api/all=true,api/beta=false", "storage.k8s.io/v1beta1", 0);
    check("api/all=false,api/ga=true", "apps/v1", 5);
    check("apps/v1=false,apps/v1/deployments=true", "apps/v1", 1);
    check("batch/v1/cronjobs=false", "batch/v1", 1);
    check("/v1/secrets=false", "/v1", 16);
    // Known, though nothing of it is served any more.
    check("apps/v1beta1=true", "apps/v1beta1", 0);
}

#[test]
fn gates_and_emulated_versions_decide_too() {
    let check = |line: &str, version: &str, count: usize| assert_eq!(served(line, version), count, "{line}");
    check("--runtime-config=api/all=true", "certificates.k8s.io/v1beta1", 0);
    check(
        "--runtime-config=api/all=true --feature-gates=ClusterTrustBundle=true",
        "certificates.k8s.io/v1beta1",
        1,
    );
    check("--runtime-config=api/all=true --feature-gates=AllAlpha=true", "scheduling.k8s.io/v1alpha2", 2);
    check("--feature-gates=kube:MutatingAdmissionPolicy=false", "admissionregistration.k8s.io/v1", 4);
    check("--emulated-version=1.35", "admissionregistration.k8s.io/v1", 4);
    check("--emulated-version=kube=1.33", "resource.k8s.io/v1", 0);
    check(
        "--emulated-version=1.33 --runtime-config=resource.k8s.io/v1beta1=true \
         --emulation-forward-compatible=true",
        "resource.k8s.io/v1",
        4,
    );
    check(
        "--emulated-version=1.33 --runtime-config=resource.k8s.io/v1=true \
         --runtime-config-emulation-forward-compatible=true",
        "resource.k8s.io/v1",
        4,
    );
}

#[test]
fn what_cannot_be_is_refused_in_upstreams_words() {
    let check = |line: &str, why: &str| assert_eq!(read(line).unwrap_err(), why, "{line}");
    check("--runtime-config=api/all=false", "invalid runtime-config with only api/all=false");
    check("--runtime-config=api/ga", "invalid value api/ga=");
    check("--runtime-config=v2=true", "runtime-config invalid key v2");
    check("--runtime-config=b/v1=true,a/v1=true", "unknown api groups a/v1,b/v1");
    check("--runtime-config=apps/v9=true", "group version apps/v9 that has not been registered");
    check(
        "--runtime-config=apps/v1=yes",
        "invalid value of apps/v1: yes, err: strconv.ParseBool: parsing \"yes\": invalid syntax",
    );
    check(
        "--runtime-config=apps/v1/Deployments=true",
        "invalid key apps/v1/Deployments: group/version/resource and resource is always lowercase plural, not \
         \"Deployments\"",
    );
    check("--feature-gates=NoSuch=true", "unrecognized feature gate: NoSuch");
    check("--feature-gates=AllAlpha", "missing bool value for AllAlpha");
    check(
        "--feature-gates=AllAlpha=on",
        "invalid value of AllAlpha=on, err: strconv.ParseBool: parsing \"on\": invalid syntax",
    );
    check(
        "--feature-gates=AuthorizeWithSelectors=false",
        "cannot set feature gate AuthorizeWithSelectors to false, feature is locked to true",
    );
    check(
        "--feature-gates=AtomicFIFO=true --emulated-version=1.35",
        "cannot set feature gate AtomicFIFO to true, feature is PreAlpha at emulated version 1.35, min \
         compatibility version 1.34",
    );
    check("--feature-gates=wardle:A=true", "component not registered: wardle");
    check("--emulated-version=1.32", "emulation version 1.32 is not between [1.33, 1.36.0]");
    check("--emulated-version=1.35.1", "--emulated-version: patch version not allowed, got: kube=1.35.1");
    check("--emulated-version=wardle=1.35", "--emulated-version: component not registered: wardle");
    check(
        "--emulated-version=1.35 --min-compatibility-version=1.36",
        "minCompatibilityVersion version 1.36 is not between [1.33, 1.35]",
    );
    check(
        "--emulation-forward-compatible=true",
        "ServerRunOptions.EmulationForwardCompatible cannot be set to true if the emulation version is the same \
         as the binary version",
    );
    check(
        "--emulated-version=1.33 --runtime-config=resource.k8s.io/v1=true",
        "cannot enable version resource.k8s.io/v1 in runtime-config because all the resources have been \
         introduced after the current version 1.33. Consider setting \
         --runtime-config-emulation-forward-compatible=true",
    );
}

#[test]
fn gates_without_effect_are_warned_about() {
    let check = |line: &str, count: usize| assert_eq!(read(line).unwrap().warnings.len(), count, "{line}");
    check("--feature-gates=EventedPLEG=true", 1);
    check("--feature-gates=EventedPLEG=false,ClusterTrustBundle=true", 0);
    check("--feature-gates=KMSv1=true", 2);
    check("--emulated-version=1.35", 1);
    check("--feature-gates=AllowUnsafeMalformedObjectDeletion=true", 0);
    for name in [
        "AuthorizePodWebsocketUpgradeCreatePermission",
        "ExtendWebSocketsToKubelet",
        "PortForwardWebsockets",
        "RelaxedServiceNameValidation",
        "StrictIPCIDRValidation",
        "TranslateStreamCloseWebsocketRequests",
        "UnknownVersionInteroperabilityProxy",
    ] {
        check(&format!("--feature-gates={name}=false"), 0);
    }
}

#[test]
fn the_table_of_gates_reads() {
    let mut names = gates::names();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    let help: Vec<String> = gates::help().collect();
    assert!(help.contains(&"kube:AllAlpha=true|false (ALPHA - default=false)".into()));
    assert!(help.iter().all(|line| !line.contains("AuthorizeWithSelectors")));
    let known = pintle_schema::known();
    for resource in &known.resources.all {
        assert!(resource.life.gate.is_empty() || gates::names().contains(&resource.life.gate.as_ref()));
    }
}
