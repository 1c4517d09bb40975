//! `--admission-control-config-file`: what plugins are told besides being on or off.

use crate::chain::Settings;
use crate::plugins::{
    event_rate_limit, image_policy, pod_node_selector, pod_security, pod_toleration_restriction,
};
use pintle_object::{Value, yaml};

const GROUP: &str = "apiserver.config.k8s.io/";
const KIND: &str = "AdmissionConfiguration";

impl Settings {
    /// Takes over an AdmissionConfiguration, in YAML or JSON. `read` reads a file that it refers to.
    pub fn configure(
        &mut self,
        text: &str,
        read: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        let file = parse(text)?;
        let (version, kind) = (file.str_at(&["apiVersion"]), file.str_at(&["kind"]));
        if !version.starts_with(GROUP) || kind != KIND {
            return Err(format!("{version:?}, kind {kind:?}, is no {KIND}"));
        }
        for plugin in file.list_at(&["plugins"]) {
            let name = plugin.str_at(&["name"]);
            let configuration = match plugin.str_at(&["path"]) {
                "" => plugin.get("configuration").cloned().unwrap_or_default(),
                path => parse(&read(path)?)?,
            };
            match name {
                "EventRateLimit" => self.event_rate = event_rate_limit::Configuration::read(&configuration)?,
                image_policy::NAME => {
                    self.image_policy = image_policy::Configuration::read(&configuration)?;
                }
                "PodNodeSelector" => {
                    self.pod_node_selector = pod_node_selector::Configuration::read(&configuration);
                }
                "PodSecurity" => self.pod_security = pod_security::Configuration::read(&configuration)?,
                "PodTolerationRestriction" => {
                    self.pod_tolerations = pod_toleration_restriction::Configuration::read(&configuration)?;
                }
                _ => return Err(format!("plugin {name:?} takes no configuration")),
            }
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Value, String> {
    yaml::parse(text.as_bytes()).map(|document| document.value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_configured_by_name() {
        let inline = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: \
                      PodSecurity\n  configuration:\n    apiVersion: pod-security.admission.config.k8s.io/v1\n    \
                      kind: PodSecurityConfiguration\n    exemptions: {usernames: [u]}\n";
        let mut settings = Settings::default();
        let nothing = |path: &str| Err(format!("{path} is not there"));
        settings.configure(inline, &nothing).unwrap();
        assert_eq!(settings.pod_security.exemptions.users, ["u"]);
        for bad in [
            "kind: x",
            "[",
            &inline.replace("PodSecurity\n", "Other\n"),
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins: [{name: PodSecurity, path: f}]",
        ] {
            assert!(settings.configure(bad, &nothing).is_err(), "{bad}");
        }
    }
}
