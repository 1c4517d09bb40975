//! `--admission-control-config-file`: the configuration of plugins.

use crate::plugins::PLUGINS;
use crate::settings::{AdmissionSettings, Section};
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

impl AdmissionSettings {
    /// Takes over an AdmissionConfiguration, in YAML or JSON. `read` reads a file that it refers to.
    pub fn configure(
        &mut self,
        text: &str,
        read: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        let old = OLD_FILE.read(text);
        let file = match FILE.read(text) {
            Err(_) if old.is_ok() => old?,
            Err(_) if is_unversioned(text) => return self.configure_unversioned(text),
            file => file?,
        };
        let plugins = file.list_at(&["plugins"]);
        for (index, plugin) in plugins.iter().enumerate() {
            let name = plugin.str_at(&["name"]);
            let earlier = plugins.get(..index).unwrap_or_default();
            if earlier.iter().any(|other| other.str_at(&["name"]) == name) {
                return Err(format!("plugins[{index}].name: Duplicate value: {name:?}"));
            }
            let Some(entry) = PLUGINS.iter().find(|entry| entry.name == name) else {
                return Err(format!("plugin {name:?} is unknown"));
            };
            if let Some(section) = of_plugin(plugin, entry.section, read)? {
                self.sections.insert(entry.name, section);
            }
        }
        Ok(())
    }

    /// Sections that have no version once were a file of their own, together.
    fn configure_unversioned(&mut self, text: &str) -> Result<(), String> {
        let file = read_unversioned(text, &unversioned())?;
        for entry in PLUGINS {
            let Section::Unversioned(fields) = entry.section else { continue };
            if fields.iter().any(|(name, _)| file.get(name).is_some()) {
                self.sections.insert(entry.name, file.clone());
            }
        }
        Ok(())
    }
}

/// The fields of all sections without a version.
fn unversioned() -> Vec<(&'static str, Form)> {
    let fields = PLUGINS.iter().map(|entry| match entry.section {
        Section::Unversioned(fields) => fields,
        Section::None | Section::Versioned(_) => &[],
    });
    fields.flatten().copied().collect()
}

/// A plugin's section, checked, from the file itself or from one that it names.
fn of_plugin(
    plugin: &Value,
    section: Section,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Option<Value>, String> {
    let name = plugin.str_at(&["name"]);
    let inline = plugin.get("configuration").filter(|section| !section.is_null());
    let failed = |why: String| format!("couldn't init admission plugin {name:?}: {why}");
    let path = plugin.str_at(&["path"]);
    if inline.is_none() && path.is_empty() {
        return Ok(None);
    }
    // The section in the file itself goes before a file that it names.
    let checked = match (section, inline) {
        (Section::None, _) => Err("it takes no configuration".into()),
        (Section::Versioned(kinds), Some(inline)) => {
            one_of(kinds, |kind| kind.check(inline)).map(|()| inline.clone())
        }
        (Section::Unversioned(_), Some(inline)) => {
            check_unversioned(inline, &unversioned()).map(|()| inline.clone())
        }
        (Section::Versioned(kinds), None) => {
            let text = read(path)?;
            one_of(kinds, |kind| kind.read(&text))
        }
        (Section::Unversioned(_), None) => read_unversioned(&read(path)?, &unversioned()),
    };
    checked.map(Some).map_err(failed)
}

/// The first kind that decodes; the error of the last one when none does.
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
    !has_type && unversioned().iter().any(|(name, _)| document.value.get(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n";
    const SECURITY: &str =
        "apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration";

    fn configure(text: &str, beside: &[(&str, &str)]) -> Result<AdmissionSettings, String> {
        let mut settings = AdmissionSettings::default();
        let read = |path: &str| {
            let file = beside.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| text.to_string()).ok_or_else(|| format!("{path} is not there"))
        };
        settings.configure(text, &read).map(|()| settings)
    }

    #[test]
    fn plugins_are_configured_by_name() {
        let of = |text: &str, beside: &[(&str, &str)], name: &str, path: &[&str]| {
            let settings = configure(text, beside).unwrap();
            settings.sections.get(name).and_then(|section| section.at(path)).cloned()
        };
        let users = ["exemptions", "usernames"];
        let one = |user: &str| Some(Value::List(vec![Value::from(user)]));
        let inline = format!(
            "{HEAD}plugins: [{{name: PodSecurity, configuration: {{{SECURITY}, exemptions: {{usernames: [u]}}}}}}]"
        );
        assert_eq!(of(&inline, &[], "PodSecurity", &users), one("u"));
        let file = format!("{HEAD}plugins: [{{name: PodSecurity, path: f}}]");
        let section = format!("{{{SECURITY}, exemptions: {{usernames: [v]}}}}");
        assert_eq!(of(&file, &[("f", &section)], "PodSecurity", &users), one("v"));
        let old = inline.replace("apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1");
        assert!(configure(&old, &[]).is_ok());
        let unversioned = "podNodeSelectorPluginConfig: {ns: a=b}";
        let selector = ["podNodeSelectorPluginConfig", "ns"];
        assert_eq!(of(unversioned, &[], "PodNodeSelector", &selector), Some(Value::from("a=b")));
        assert_eq!(of(unversioned, &[], "ImagePolicyWebhook", &[]), None);
    }

    #[test]
    fn sections_are_read_by_their_plugins() {
        let init = |name: &str, text: &str| {
            let mut settings =
                configure(&format!("{HEAD}plugins: [{{name: {name}, configuration: {text}}}]"), &[]).unwrap();
            settings.enabled = vec![name.to_owned()];
            crate::Chain::check(&settings)
        };
        let level = |level: &str| format!("{{{SECURITY}, defaults: {{enforce: {level}}}}}");
        assert_eq!(init("PodSecurity", &level("baseline")), Ok(()));
        let why = init("PodSecurity", &level("odd")).unwrap_err();
        assert!(
            why.starts_with("couldn't init admission plugin \"PodSecurity\": defaults.enforce: "),
            "{why}"
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
