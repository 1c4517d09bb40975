//! Reads policy files, of `audit.k8s.io/v1`, with upstream's errors. As there, unknown and repeated fields are told in
//! the log and otherwise pass.

use super::validate::validate;
use super::{AuditPolicy, AuditRule, AuditStage, GroupResources, Stages};
use crate::policy::validate::{level_of, texts};
use pintle_object::field::quote;
use pintle_object::{Value, yaml};
use std::path::Path;

const API_VERSION: &str = "audit.k8s.io/v1";
const INTERNAL: &str = "audit.k8s.io/__internal";
const KIND: &str = "Policy";
/// The other kinds of the group.
const OTHER_KINDS: [&str; 3] = ["Event", "EventList", "PolicyList"];

impl AuditPolicy {
    /// Reads and checks a policy file.
    pub fn load(path: &Path) -> Result<AuditPolicy, String> {
        let shown = path.display();
        let bytes = std::fs::read(path)
            .map_err(|error| format!("failed to read file path {}: {error}", quote(&shown.to_string())))?;
        AuditPolicy::parse(&bytes).map_err(|why| format!("{why}: from file {shown}"))
    }

    /// Reads and checks the text of a policy, in YAML or JSON.
    pub fn parse(text: &[u8]) -> Result<AuditPolicy, String> {
        let decoded = decode(text).map_err(|why| format!("failed decoding: {why}"))?;
        if !decoded.strict.is_empty() {
            let strict = decoded.strict.join(", ");
            tracing::warn!(
                "Audit policy contains errors, falling back to lenient decoding: strict decoding error: {strict}"
            );
        }
        if decoded.is_internal {
            return Err(format!("unknown group version field {INTERNAL}, Kind={KIND} in policy"));
        }
        validate(&decoded.document)?;
        let policy = policy_of(&decoded.document);
        if policy.rules.is_empty() {
            return Err(String::from("loaded illegal policy with 0 rules"));
        }
        Ok(policy)
    }
}

/// The unknown and repeated fields of a policy, as they are logged.
#[cfg(test)]
pub(super) fn strict_errors(text: &str) -> Vec<String> {
    decode(text.as_bytes()).map(|decoded| decoded.strict).unwrap_or_default()
}

struct Decoded {
    document: Value,
    /// Whether it does not say its version, and so would be of upstream's internal one, which no file may have.
    is_internal: bool,
    /// Unknown and repeated fields.
    strict: Vec<String>,
}

fn decode(text: &[u8]) -> Result<Decoded, String> {
    let parsed = yaml::parse(text).map_err(|error| error.0)?;
    let document = parsed.value;
    let api_version = type_field(&document, "apiVersion")?;
    let kind = Some(type_field(&document, "kind")?).filter(|kind| !kind.is_empty()).unwrap_or(KIND);
    if api_version.matches('/').count() > 1 {
        return Err(format!("unexpected GroupVersion string: {api_version}"));
    }
    let is_internal = api_version.is_empty() || api_version == INTERNAL;
    if api_version == API_VERSION && OTHER_KINDS.contains(&kind) {
        return Err(format!("converting (v1.{kind}) to (audit.Policy): unknown conversion"));
    }
    if !(is_internal || api_version == API_VERSION) || kind != KIND {
        let version = if is_internal { INTERNAL } else { api_version };
        return Err(format!("no kind {} is registered for version {}", quote(kind), quote(version)));
    }
    if is_internal {
        return Ok(Decoded { document, is_internal, strict: Vec::new() });
    }
    let mut strict = Vec::new();
    if !parsed.duplicates.is_empty() {
        strict.push(format!("yaml: unmarshal errors:\n  {}", parsed.duplicates.join("\n  ")));
    }
    let mut check = Check { strict, path: Vec::new() };
    check.fields(&document, &POLICY)?;
    Ok(Decoded { document, is_internal, strict: check.strict })
}

/// `apiVersion` or `kind`.
fn type_field<'a>(document: &'a Value, name: &str) -> Result<&'a str, String> {
    let failed = |what: String| {
        Err(format!("couldn't get version/kind; json parse error: json: cannot unmarshal {what}"))
    };
    let Some(map) = document.as_map() else {
        if document.is_null() {
            return Ok("");
        }
        let word = document.json_word();
        return failed(format!(
            "{word} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
             Kind string \"json:\\\"kind,omitempty\\\"\" }}"
        ));
    };
    match map.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::Text(text)) => Ok(text),
        Some(other) => failed(format!("{} into Go struct field .{name} of type string", other.json_word())),
    }
}

/// The type of a field, with its name in Go for error messages.
enum PolicyShape {
    Any,
    Bool,
    Text(&'static str),
    List(&'static str, &'static PolicyShape),
    Struct(&'static PolicyStruct),
}

/// A type with fields.
struct PolicyStruct {
    name: &'static str,
    fields: &'static [(&'static str, PolicyShape)],
}

const TEXT: PolicyShape = PolicyShape::Text("string");
const TEXTS: PolicyShape = PolicyShape::List("[]string", &TEXT);
const STAGES: PolicyShape = PolicyShape::List("[]v1.Stage", &PolicyShape::Text("v1.Stage"));

const POLICY: PolicyStruct = PolicyStruct {
    name: "Policy",
    fields: &[
        ("apiVersion", TEXT),
        ("kind", TEXT),
        ("metadata", PolicyShape::Struct(&OBJECT_META)),
        ("omitManagedFields", PolicyShape::Bool),
        ("omitStages", STAGES),
        ("rules", PolicyShape::List("[]v1.PolicyRule", &PolicyShape::Struct(&RULE))),
    ],
};
const RULE: PolicyStruct = PolicyStruct {
    name: "PolicyRule",
    fields: &[
        ("level", PolicyShape::Text("v1.Level")),
        ("namespaces", TEXTS),
        ("nonResourceURLs", TEXTS),
        ("omitManagedFields", PolicyShape::Bool),
        ("omitStages", STAGES),
        ("resources", PolicyShape::List("[]v1.GroupResources", &PolicyShape::Struct(&RESOURCES))),
        ("userGroups", TEXTS),
        ("users", TEXTS),
        ("verbs", TEXTS),
    ],
};
const RESOURCES: PolicyStruct = PolicyStruct {
    name: "GroupResources",
    fields: &[("group", TEXT), ("resourceNames", TEXTS), ("resources", TEXTS)],
};
/// Nothing in it has an effect.
const OBJECT_META: PolicyStruct = PolicyStruct {
    name: "ObjectMeta",
    fields: &[
        ("annotations", PolicyShape::Any),
        ("creationTimestamp", PolicyShape::Any),
        ("deletionGracePeriodSeconds", PolicyShape::Any),
        ("deletionTimestamp", PolicyShape::Any),
        ("finalizers", PolicyShape::Any),
        ("generateName", PolicyShape::Any),
        ("generation", PolicyShape::Any),
        ("labels", PolicyShape::Any),
        ("managedFields", PolicyShape::Any),
        ("name", PolicyShape::Any),
        ("namespace", PolicyShape::Any),
        ("ownerReferences", PolicyShape::Any),
        ("resourceVersion", PolicyShape::Any),
        ("selfLink", PolicyShape::Any),
        ("uid", PolicyShape::Any),
    ],
};

/// A walk over a document, with what was found on the way.
struct Check {
    strict: Vec<String>,
    /// Names of the fields above, and places in their lists.
    path: Vec<(&'static str, Option<usize>)>,
}

impl Check {
    fn fields(&mut self, value: &Value, of: &PolicyStruct) -> Result<(), String> {
        let Some(map) = value.as_map() else { return Ok(()) };
        for (key, value) in map.iter() {
            match of.fields.iter().find(|(name, _)| *name == key) {
                None => self.strict.push(format!("unknown field {}", quote(&self.shown(key)))),
                Some((name, shape)) => {
                    self.path.push((name, None));
                    self.shape(value, shape, of.name)?;
                    self.path.pop();
                }
            }
        }
        Ok(())
    }

    fn shape(&mut self, value: &Value, shape: &PolicyShape, owner: &str) -> Result<(), String> {
        match (shape, value) {
            (PolicyShape::Any, _) | (_, Value::Null) => Ok(()),
            (PolicyShape::Bool, Value::Bool(_)) | (PolicyShape::Text(_), Value::Text(_)) => Ok(()),
            (PolicyShape::List(_, item_shape), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.at(Some(index));
                    self.shape(item, item_shape, owner)?;
                }
                self.at(None);
                Ok(())
            }
            (PolicyShape::Struct(of), Value::Map(_)) => self.fields(value, of),
            _ => Err(self.mismatch(value, shape, owner)),
        }
    }

    fn at(&mut self, index: Option<usize>) {
        if let Some(last) = self.path.last_mut() {
            last.1 = index;
        }
    }

    /// `rules[0].level`
    fn shown(&self, key: &str) -> String {
        let mut shown = String::new();
        for (name, index) in &self.path {
            shown.push_str(name);
            if let Some(index) = index {
                shown.push_str(&format!("[{index}]"));
            }
            shown.push('.');
        }
        shown + key
    }

    fn mismatch(&self, value: &Value, shape: &PolicyShape, owner: &str) -> String {
        let names: Vec<&str> = self.path.iter().map(|(name, _)| *name).collect();
        let go = match shape {
            PolicyShape::Any => String::from("interface {}"),
            PolicyShape::Bool => String::from("bool"),
            PolicyShape::Text(go) | PolicyShape::List(go, _) => String::from(*go),
            PolicyShape::Struct(of) => format!("v1.{}", of.name),
        };
        let word = value.json_word();
        format!("json: cannot unmarshal {word} into Go struct field {owner}.{} of type {go}", names.join("."))
    }
}

/// The policy of a document that was checked.
fn policy_of(document: &Value) -> AuditPolicy {
    AuditPolicy {
        rules: document.list_at(&["rules"]).iter().map(rule_of).collect(),
        omit_stages: stages_of(document),
        omit_managed_fields: document.bool_at(&["omitManagedFields"]),
    }
}

fn rule_of(rule: &Value) -> AuditRule {
    let resources = |of: &Value| GroupResources {
        group: of.str_at(&["group"]).into(),
        resources: texts(of, "resources"),
        resource_names: texts(of, "resourceNames"),
    };
    AuditRule {
        level: level_of(rule.str_at(&["level"])).unwrap_or_default(),
        users: texts(rule, "users"),
        user_groups: texts(rule, "userGroups"),
        verbs: texts(rule, "verbs").into_iter().collect(),
        resources: rule.list_at(&["resources"]).iter().map(resources).collect(),
        namespaces: texts(rule, "namespaces"),
        non_resource_urls: texts(rule, "nonResourceURLs"),
        omit_stages: stages_of(rule),
        omit_managed_fields: rule.get("omitManagedFields").and_then(Value::as_bool),
    }
}

fn stages_of(value: &Value) -> Stages {
    let stages =
        value.list_at(&["omitStages"]).iter().filter_map(Value::as_str).filter_map(AuditStage::parse);
    stages.fold(Stages::default(), Stages::with)
}
