//! `Settings`: the settings of admission, from the command line and the configuration file.

use crate::outward::Outward;
use pintle_object::Value;
use pintle_object::config_file::{Fields, Kind};
use std::collections::BTreeMap;

/// Which plugins are on, and how they are set up.
#[derive(Clone, Debug, PartialEq)]
pub struct AdmissionSettings {
    /// Names of plugins that are on though off by default, and the other way round.
    pub enabled: Vec<String>,
    pub disabled: Vec<String>,
    /// The names of all plugins that are on, where they are listed whole (`--admission-control`).
    pub only: Option<Vec<String>>,
    /// The default tolerations of pods for nodes that are not ready, or unreachable, in seconds.
    pub not_ready_seconds: i64,
    pub unreachable_seconds: i64,
    /// The sections of the configuration file, in the forms of their plugins.
    pub sections: BTreeMap<&'static str, Value>,
}

impl Eq for AdmissionSettings {}

/// The input for making a plugin.
pub struct Setup<'a> {
    pub settings: &'a AdmissionSettings,
    /// Its section of the configuration file; null without one.
    pub section: &'a Value,
    pub outward: &'a Outward,
}

/// The form of a plugin's section.
#[derive(Clone, Copy)]
pub enum Section {
    /// The plugin takes no configuration.
    None,
    Versioned(&'static [Kind]),
    /// A struct of one field, which has no version.
    Unversioned(Fields),
}

impl AdmissionSettings {
    /// Whether a plugin is on. Disabling it goes before enabling it.
    pub(crate) fn is_on(&self, name: &str, is_default: bool) -> bool {
        let named = |list: &[String]| list.iter().any(|one| one == name);
        if let Some(only) = &self.only {
            return named(only);
        }
        (is_default || named(&self.enabled)) && !named(&self.disabled)
    }

    /// The input for making the plugin of a name.
    pub(crate) fn setup<'a>(&'a self, name: &str, outward: &'a Outward) -> Setup<'a> {
        Setup { settings: self, section: self.sections.get(name).unwrap_or(&Value::Null), outward }
    }
}

impl Default for AdmissionSettings {
    fn default() -> AdmissionSettings {
        AdmissionSettings {
            enabled: Vec::new(),
            disabled: Vec::new(),
            only: None,
            not_ready_seconds: 300,
            unreachable_seconds: 300,
            sections: BTreeMap::new(),
        }
    }
}
