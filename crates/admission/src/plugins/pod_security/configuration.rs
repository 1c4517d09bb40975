//! The plugin's configuration: defaults for namespaces without labels, and exemptions.

use super::policy::{PodSecurityPolicy, read_level_text, read_version_text};
use pintle_object::Value;
use pintle_object::config_file::{Fields, Form, Kind};

/// The plugin's section of an AdmissionConfiguration.
pub const KIND: Kind = Kind {
    group: "pod-security.admission.config.k8s.io",
    versions: &["v1", "v1beta1", "v1alpha1"],
    name: "PodSecurityConfiguration",
    fields: &[("defaults", Form::Struct(DEFAULTS)), ("exemptions", Form::Struct(EXEMPTIONS))],
};
const DEFAULTS: Fields = &[
    ("enforce", Form::Text),
    ("enforce-version", Form::Text),
    ("audit", Form::Text),
    ("audit-version", Form::Text),
    ("warn", Form::Text),
    ("warn-version", Form::Text),
];
const EXEMPTIONS: Fields =
    &[("usernames", Form::Texts), ("namespaces", Form::Texts), ("runtimeClasses", Form::Texts)];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSecurityConfiguration {
    pub defaults: PodSecurityPolicy,
    pub exemptions: Exemptions,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exemptions {
    pub users: Vec<String>,
    pub namespaces: Vec<String>,
    pub runtime_classes: Vec<String>,
}

impl PodSecurityConfiguration {
    pub fn read(value: &Value) -> Result<PodSecurityConfiguration, String> {
        let texts = |field: &str| -> Vec<String> {
            let list = value.list_at(&["exemptions", field]).iter();
            list.filter_map(Value::as_str).map(String::from).collect()
        };
        let exemptions = Exemptions {
            users: texts("usernames"),
            namespaces: texts("namespaces"),
            runtime_classes: texts("runtimeClasses"),
        };
        Ok(PodSecurityConfiguration { defaults: defaults(value)?, exemptions })
    }
}

fn defaults(value: &Value) -> Result<PodSecurityPolicy, String> {
    let mut policy = PodSecurityPolicy::default();
    let modes = [("enforce", &mut policy.enforce), ("audit", &mut policy.audit), ("warn", &mut policy.warn)];
    for (name, mode) in modes {
        let level = value.str_at(&["defaults", name]);
        if !level.is_empty() {
            mode.level = read_level_text(level).map_err(|why| format!("defaults.{name}: {why}"))?;
        }
        let field = format!("{name}-version");
        let version = value.str_at(&["defaults", &field]);
        if !version.is_empty() {
            mode.version = read_version_text(version).map_err(|why| format!("defaults.{field}: {why}"))?;
        }
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<PodSecurityConfiguration, String> {
        PodSecurityConfiguration::read(&pintle_object::json::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn defaults_and_exemptions_are_read() {
        let found = read(
            r#"{"apiVersion":"pod-security.admission.config.k8s.io/v1","kind":"PodSecurityConfiguration",
                "defaults":{"enforce":"baseline","enforce-version":"v1.30","warn":"restricted"},
                "exemptions":{"usernames":["u"],"namespaces":["kube-system"],"runtimeClasses":["r"]}}"#,
        )
        .unwrap();
        let PodSecurityPolicy { enforce, audit, warn } = found.defaults;
        assert_eq!(format!("{enforce} {audit} {warn}"), "baseline:v1.30 privileged:latest restricted:latest");
        assert_eq!(found.exemptions.namespaces, ["kube-system"]);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        let of = |defaults: &str| {
            format!(
                r#"{{"apiVersion":"pod-security.admission.config.k8s.io/v1","kind":"PodSecurityConfiguration",
                    "defaults":{defaults}}}"#
            )
        };
        for json in [of(r#"{"enforce":"strict"}"#), of(r#"{"warn-version":"1.30"}"#)] {
            assert!(read(&json).is_err(), "{json}");
        }
    }
}
