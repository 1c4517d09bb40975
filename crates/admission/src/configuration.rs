//! `--admission-control-config-file`: what plugins are told besides being on or off.

use crate::chain::Settings;
use crate::plugins::{
    PLUGINS, event_rate_limit, image_policy, pod_node_selector, pod_security, pod_toleration_restriction,
};
use pintle_object::Value;
use pintle_object::config_file::{Fields, Form, Kind, check_unversioned, read_unversioned};

const PLUGIN: Fields = &[("name", Form::Text), ("path", Form::Text), ("configuration", Form::Any)];
const FIELDS: Fields = &[("plugins", Form::List(PLUGIN))];
const FILE: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1"],
    name: "AdmissionConfiguration",
    fields: FIELDS,
};
/// The same, as it was called before.
const OLD_FILE: Kind = Kind { group: "apiserver.k8s.io", versions: &["v1alpha1"], ..FILE };

/// Sections that have no version, and that once were a file of their own, together.
const UNVERSIONED: Fields =
    &[("imagePolicy", Form::Struct(image_policy::FIELDS)), ("podNodeSelectorPluginConfig", Form::TextMap)];

/// What says how a plugin is set up.
enum Section {
    Versioned(&'static [Kind]),
    Unversioned,
}

fn section(plugin: &str) -> Option<Section> {
    match plugin {
        event_rate_limit::NAME => Some(Section::Versioned(&[event_rate_limit::KIND])),
        "PodSecurity" => Some(Section::Versioned(&[pod_security::KIND])),
        "PodTolerationRestriction" => Some(Section::Versioned(&[pod_toleration_restriction::KIND])),
        image_policy::NAME | "PodNodeSelector" => Some(Section::Unversioned),
        _ => None,
    }
}

impl Settings {
    /// Takes over an AdmissionConfiguration, in YAML or JSON. `read` reads a file that it refers to.
    pub fn configure(
        &mut self,
        text: &str,
        read: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        let old = OLD_FILE.read(text);
        let file = match FILE.read(text) {
            Err(_) if old.is_ok() => old?,
            Err(_) if is_unversioned(text) => {
                let sections = read_unversioned(text, UNVERSIONED)?;
                self.take(image_policy::NAME, &sections)?;
                return self.take("PodNodeSelector", &sections);
            }
            file => file?,
        };
        let plugins = file.list_at(&["plugins"]);
        for (index, plugin) in plugins.iter().enumerate() {
            let name = plugin.str_at(&["name"]);
            let earlier = plugins.get(..index).unwrap_or_default();
            if earlier.iter().any(|other| other.str_at(&["name"]) == name) {
                return Err(format!("plugins[{index}].name: Duplicate value: {name:?}"));
            }
            if let Some(section) = of_plugin(plugin, read)? {
                self.take(name, &section)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, name: &str, section: &Value) -> Result<(), String> {
        match name {
            event_rate_limit::NAME => self.event_rate = event_rate_limit::Configuration::read(section)?,
            // One of the two sections of an unversioned file may be the other plugin's.
            image_policy::NAME if section.get("imagePolicy").is_some() => {
                self.image_policy = image_policy::Configuration::read(section)?;
            }
            "PodNodeSelector" => self.pod_node_selector = pod_node_selector::Configuration::read(section),
            "PodSecurity" => self.pod_security = pod_security::Configuration::read(section)?,
            "PodTolerationRestriction" => {
                self.pod_tolerations = pod_toleration_restriction::Configuration::read(section)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// What a plugin is told, checked, from the file itself or from one that it names.
fn of_plugin(plugin: &Value, read: &dyn Fn(&str) -> Result<String, String>) -> Result<Option<Value>, String> {
    let name = plugin.str_at(&["name"]);
    let inline = plugin.get("configuration").filter(|section| !section.is_null());
    let failed = |why: String| format!("couldn't init admission plugin {name:?}: {why}");
    if !PLUGINS.iter().any(|entry| entry.name == name) {
        return Err(format!("plugin {name:?} is unknown"));
    }
    let path = plugin.str_at(&["path"]);
    if inline.is_none() && path.is_empty() {
        return Ok(None);
    }
    let Some(section) = section(name) else { return Err(failed("it takes no configuration".into())) };
    // What stands in the file itself goes before a file that it names.
    let checked = match (section, inline) {
        (Section::Versioned(kinds), Some(inline)) => {
            one_of(kinds, |kind| kind.check(inline)).map(|()| inline.clone())
        }
        (Section::Unversioned, Some(inline)) => {
            check_unversioned(inline, UNVERSIONED).map(|()| inline.clone())
        }
        (Section::Versioned(kinds), None) => {
            let text = read(path)?;
            one_of(kinds, |kind| kind.read(&text))
        }
        (Section::Unversioned, None) => read_unversioned(&read(path)?, UNVERSIONED),
    };
    checked.map(Some).map_err(failed)
}

/// What the kind that fits says; the last one's refusal when none does.
fn one_of<T>(kinds: &[Kind], decode: impl Fn(&Kind) -> Result<T, String>) -> Result<T, String> {
    let mut last = Err(String::from("no kind"));
    for kind in kinds {
        last = decode(kind);
        if last.is_ok() {
            break;
        }
    }
    last
}

/// Whether a file is one of the unversioned ones.
fn is_unversioned(text: &str) -> bool {
    let Ok(document) = pintle_object::yaml::parse(text.as_bytes()) else { return false };
    let has_type = !document.value.str_at(&["kind"]).is_empty();
    !has_type && UNVERSIONED.iter().any(|(name, _)| document.value.get(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n";
    const SECURITY: &str =
        "apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration";

    fn configure(text: &str, beside: &[(&str, &str)]) -> Result<Settings, String> {
        let mut settings = Settings::default();
        let read = |path: &str| {
            let file = beside.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| text.to_string()).ok_or_else(|| format!("{path} is not there"))
        };
        settings.configure(text, &read).map(|()| settings)
    }

    #[test]
    fn plugins_are_configured_by_name() {
        let inline = format!(
            "{HEAD}plugins: [{{name: PodSecurity, configuration: {{{SECURITY}, exemptions: {{usernames: [u]}}}}}}]"
        );
        assert_eq!(configure(&inline, &[]).unwrap().pod_security.exemptions.users, ["u"]);
        let file = format!("{HEAD}plugins: [{{name: PodSecurity, path: f}}]");
        let section = format!("{{{SECURITY}, exemptions: {{usernames: [v]}}}}");
        assert_eq!(configure(&file, &[("f", &section)]).unwrap().pod_security.exemptions.users, ["v"]);
        let old = inline.replace("apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1");
        assert!(configure(&old, &[]).is_ok());
        let unversioned = "podNodeSelectorPluginConfig: {ns: a=b}";
        assert_ne!(
            configure(unversioned, &[]).unwrap().pod_node_selector,
            pod_node_selector::Configuration::default()
        );
    }

    #[test]
    fn what_is_misspelt_anywhere_stops_the_start() {
        let check = |text: &str, why: &str| assert_eq!(configure(text, &[]).unwrap_err(), why, "{text}");
        check(
            "kind: AdmissionConfiguration",
            "Object 'apiVersion' is missing in 'kind: AdmissionConfiguration'",
        );
        let no_kind = "apiVersion: apiserver.config.k8s.io/v1";
        check(no_kind, &format!("Object 'Kind' is missing in '{no_kind}'"));
        check(
            &HEAD.replace("/v1", "/v3"),
            "no kind \"AdmissionConfiguration\" is registered for version \"apiserver.config.k8s.io/v3\"",
        );
        check(&format!("{HEAD}pluginz: []"), "strict decoding error: unknown field \"pluginz\"");
        check(
            &format!("{HEAD}plugins: []\nplugins: []"),
            "strict decoding error: yaml: unmarshal errors:\n  line 4: key \"plugins\" already set in map",
        );
        let plugin = |entry: &str, why: &str| check(&format!("{HEAD}plugins: [{{{entry}}}]"), why);
        plugin("nmae: PodSecurity", "strict decoding error: unknown field \"plugins[0].nmae\"");
        plugin("name: PodSecurty", "plugin \"PodSecurty\" is unknown");
        plugin("name: PodSecurity, path: f", "f is not there");
        plugin("name: PodSecurity}, {name: PodSecurity", "plugins[1].name: Duplicate value: \"PodSecurity\"");
        let init = "couldn't init admission plugin";
        plugin(
            "name: AlwaysDeny, configuration: {}",
            &format!("{init} \"AlwaysDeny\": it takes no configuration"),
        );
        let strict = "strict decoding error: unknown field";
        let section = |name: &str, text: &str, field: &str| {
            plugin(
                &format!("name: {name}, configuration: {{{text}}}"),
                &format!("{init} {name:?}: {strict} {field:?}"),
            );
        };
        section("PodSecurity", &format!("{SECURITY}, default: {{}}"), "default");
        section("PodSecurity", &format!("{SECURITY}, defaults: {{enfroce: x}}"), "defaults.enfroce");
        section("PodSecurity", &format!("{SECURITY}, exemptions: {{users: []}}"), "exemptions.users");
        section("ImagePolicyWebhook", "imagePolicy: {kubeconfigFile: f}", "imagePolicy.kubeconfigFile");
        section("PodNodeSelector", "podNodeSelectorPluginsConfig: {}", "podNodeSelectorPluginsConfig");
        let events = "apiVersion: eventratelimit.admission.k8s.io/v1alpha1, kind: Configuration";
        section("EventRateLimit", &format!("{events}, limits: [{{type: Server, qsp: 1}}]"), "limits[0].qsp");
        let tolerations =
            "apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1, kind: Configuration";
        section("PodTolerationRestriction", &format!("{tolerations}, whitelists: []"), "whitelists");
        section(
            "PodTolerationRestriction",
            &format!("{tolerations}, default: [{{kye: a}}]"),
            "default[0].kye",
        );
        plugin(
            "name: PodSecurity, configuration: {apiVersion: v1, kind: PodSecurityConfiguration}",
            &format!(
                "{init} \"PodSecurity\": no kind \"PodSecurityConfiguration\" is registered for version \"v1\""
            ),
        );
    }
}
