//! PodNodeSelector: restricts the pods of a namespace to the nodes that the namespace or the configuration selects.

use crate::plugin::Plugin;
use crate::request::{Request, not_found, plain};
use crate::settings::Setup;
use pintle_object::config_file::{Fields, Form};
use pintle_object::content;
use pintle_object::field::quote;
use pintle_object::meta;
use pintle_object::{Map, Status, Value};
use std::collections::BTreeMap;

const ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";
const SELECTOR: [&str; 2] = ["spec", "nodeSelector"];
const FIELD: &str = "podNodeSelectorPluginConfig";
/// The plugin's section of an AdmissionConfiguration.
pub const SECTION: Fields = &[(FIELD, Form::TextMap)];
/// The key of the selector for namespaces without the annotation.
const DEFAULT: &str = "clusterDefaultNodeSelector";

/// Selectors as text, `key=value,key=value`: the default, and the limits of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSelectors(BTreeMap<String, String>);

impl NodeSelectors {
    pub fn read(value: &Value) -> NodeSelectors {
        let section = value.map_at(&[FIELD]).into_iter().flat_map(Map::iter);
        let texts = section.filter_map(|(name, text)| Some((name.to_string(), text.as_str()?.to_string())));
        NodeSelectors(texts.collect())
    }

    fn of(&self, name: &str) -> Result<BTreeMap<String, String>, Status> {
        parse(self.0.get(name).map_or("", String::as_str))
    }
}

pub struct PodNodeSelector(NodeSelectors);

impl PodNodeSelector {
    pub fn new(setup: &Setup<'_>) -> PodNodeSelector {
        PodNodeSelector(NodeSelectors::read(setup.section))
    }
}

impl Plugin for PodNodeSelector {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !request.creates("", "pods") {
            return Ok(());
        }
        let namespaces = self.of_namespace(request)?;
        check_conflicts(request, object, &namespaces)?;
        for (key, value) in &namespaces {
            object.set(&["spec", "nodeSelector", key], value.as_str());
        }
        self.validate(request, object)
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.creates("", "pods") {
            return Ok(());
        }
        check_conflicts(request, object, &self.of_namespace(request)?)?;
        let allowed = self.0.of(request.namespace())?;
        let own = object.map_at(&SELECTOR).into_iter().flat_map(Map::iter);
        let is_allowed =
            |(key, value): (&str, &Value)| allowed.get(key).map(String::as_str) == value.as_str();
        if allowed.is_empty() || own.into_iter().all(is_allowed) {
            return Ok(());
        }
        let why = "pod node label selector labels conflict with its namespace whitelist";
        Err(Status::forbidden(&request.resource(), meta::name(object), why))
    }
}

impl PodNodeSelector {
    /// The selector in the namespace's annotation, or else the configuration's default.
    fn of_namespace(&self, request: &Request<'_>) -> Result<BTreeMap<String, String>, Status> {
        let name = request.namespace();
        let namespace = request.view.get("", "namespaces", "", name);
        let namespace = namespace.ok_or_else(|| not_found("", "namespaces", name))?;
        match namespace.at(&["metadata", "annotations", ANNOTATION]).and_then(Value::as_str) {
            Some(text) => parse(text),
            None => self.0.of(DEFAULT),
        }
    }
}

fn check_conflicts(
    request: &Request<'_>,
    pod: &Value,
    namespaces: &BTreeMap<String, String>,
) -> Result<(), Status> {
    let mut own = pod.map_at(&SELECTOR).into_iter().flat_map(Map::iter);
    let conflicts = |(key, value): (&str, &Value)| {
        namespaces.get(key).is_some_and(|wanted| Some(wanted.as_str()) != value.as_str())
    };
    if !own.any(conflicts) {
        return Ok(());
    }
    let why = "pod node label selector conflicts with its namespace node label selector";
    Err(Status::forbidden(&request.resource(), meta::name(pod), why))
}

/// Parses `key=value,key=value`; keys and values must be valid labels.
fn parse(text: &str) -> Result<BTreeMap<String, String>, Status> {
    let mut labels = BTreeMap::new();
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let words: Vec<&str> = part.split('=').collect();
        let [key, value] = words.as_slice() else {
            return Err(plain(format!("invalid selector: [{}]", words.join(" "))));
        };
        let (key, value) = (key.trim(), value.trim());
        for (shown, wrong) in [(key, content::label_key(key)), (value, content::label_value(value))] {
            if !wrong.is_empty() {
                let wrong = wrong.join("; ");
                return Err(plain(format!("<nil>: Invalid value: {}: {wrong}", quote(shown))));
            }
        }
        labels.insert(key.into(), value.into());
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_labels() {
        let check = |text: &str, expected: Result<&[(&str, &str)], &str>| {
            let found = parse(text).map_err(|status| status.message);
            let expected = expected.map(|labels| {
                labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
            });
            assert_eq!(found, expected.map_err(String::from), "{text}");
        };
        check("", Ok(&[]));
        check("a=b, c = d", Ok(&[("a", "b"), ("c", "d")]));
        check("a", Err("invalid selector: [a]"));
        check("a=b=c", Err("invalid selector: [a b c]"));
        assert!(parse("a=b,-=x").is_err());
    }

    #[test]
    fn the_configuration_is_one_section() {
        let file = pintle_object::json::parse(
            br#"{"podNodeSelectorPluginConfig":{"clusterDefaultNodeSelector":"a=b","dev":"c=d"}}"#,
        );
        let configuration = NodeSelectors::read(&file.unwrap());
        assert_eq!(configuration.of("dev").unwrap().get("c").map(String::as_str), Some("d"));
        assert!(configuration.of("ops").unwrap().is_empty());
        assert_eq!(NodeSelectors::read(&Value::Null), NodeSelectors::default());
    }
}
