//! Acceptance of a CustomResourceDefinition's names: those that no other definition of its group has taken.

use pintle_kinds::conditions::{condition, is_true, set_condition};
use pintle_kinds::custom_resource_definition::approval::{self, Approval};
use pintle_object::field::quote;
use pintle_object::time::Time;
use pintle_object::{ByValue, FieldErrors, Path, Seen, Value};
use pintle_schema::custom::definition::structural_errors;
use std::collections::HashSet;

/// Names that the other definitions of a group have taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    resources: HashSet<String>,
    kinds: HashSet<String>,
}

impl Taken {
    /// The names of one definition.
    pub fn by(definition: &Value) -> Taken {
        let name = |field: &str| definition.str_at(&["status", "acceptedNames", field]).to_string();
        let short = definition.list_at(&["status", "acceptedNames", "shortNames"]);
        let short = short.iter().filter_map(Value::as_str).map(String::from);
        let mut taken = Taken {
            resources: [name("plural"), name("singular")].into_iter().chain(short).collect(),
            kinds: HashSet::from([name("kind"), name("listKind")]),
        };
        // A name that was not accepted takes nothing.
        taken.resources.remove("");
        taken.kinds.remove("");
        taken
    }

    pub fn add_all(&mut self, other: &Taken) {
        self.resources.extend(other.resources.iter().cloned());
        self.kinds.extend(other.kinds.iter().cloned());
    }
}

/// Settles the accepted names and the conditions of a definition; true when its status is another one now.
pub(crate) fn settle(definition: &mut Value, taken: &Taken, now: Time) -> bool {
    let before = definition.get("status").cloned();
    let wanted = definition.at(&["spec", "names"]).cloned().unwrap_or_default();
    let accepted = definition.at(&["status", "acceptedNames"]).cloned().unwrap_or_default();
    if wanted == accepted && is_true(definition, "NamesAccepted") {
        judge_schemas(definition, now);
        approve(definition, now);
        establish(definition, now);
        return definition.get("status") != before.as_ref();
    }
    let (names, conflict) = accept(&wanted, accepted, taken);
    definition.set(&["status", "acceptedNames"], names);
    let (status, reason, message) = match &conflict {
        Some((reason, message)) => ("False", *reason, message.as_str()),
        None => ("True", "NoConflicts", "no conflicts found"),
    };
    set_condition(definition, "NamesAccepted", status, reason, message, now);
    if conflict.is_none() {
        // It is established when others may have seen that its names are taken.
        if !is_true(definition, "Established") {
            let message = "the initial names have been accepted";
            set_condition(definition, "Established", "False", "Installing", message, now);
        }
    } else if condition(definition, "Established").is_none() {
        set_condition(definition, "Established", "False", "NotAccepted", "not all names are accepted", now);
    }
    definition.get("status") != before.as_ref()
}

/// Sets the condition `NonStructuralSchema`: definitions from before structural schemas may still be stored.
fn judge_schemas(definition: &mut Value, now: Time) {
    const TYPE: &str = "NonStructuralSchema";
    let mut errors = FieldErrors::new();
    if definition.bool_at(&["spec", "preserveUnknownFields"]) {
        errors.invalid(&Path::root("spec.preserveUnknownFields"), &Value::Bool(true), "must be false");
    }
    let versions = Path::root("spec.versions");
    for (index, version) in definition.list_at(&["spec", "versions"]).iter().enumerate() {
        if let Some(schema) = version.at(&["schema", "openAPIV3Schema"]) {
            structural_errors(schema, &versions.index(index).child("schema.openAPIV3Schema"), &mut errors);
        }
    }
    let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
    match messages.as_slice() {
        [] => remove_condition(definition, TYPE),
        [one] => set_condition(definition, TYPE, "True", "Violations", one, now),
        many => {
            let message = format!("[{}]", many.join(", "));
            set_condition(definition, TYPE, "True", "Violations", &message, now);
        }
    }
}

fn remove_condition(definition: &mut Value, ty: &str) {
    if condition(definition, ty).is_some() {
        let mut conditions = definition.list_at(&["status", "conditions"]).to_vec();
        conditions.retain(|condition| condition.str_at(&["type"]) != ty);
        definition.set(&["status", "conditions"], conditions);
    }
}

/// Sets the condition about the API approval of a group of the Kubernetes community.
fn approve(definition: &mut Value, now: Time) {
    if !approval::is_protected(definition.str_at(&["spec", "group"])) {
        return;
    }
    let annotation = definition.str_at(&["metadata", "annotations", approval::ANNOTATION]).to_string();
    let (status, reason) = match Approval::of(&annotation) {
        Approval::Given => ("True", "ApprovedAnnotation"),
        Approval::Bypassed => ("False", "UnapprovedAnnotation"),
        Approval::Missing => ("False", "MissingAnnotation"),
        Approval::Invalid => ("False", "InvalidAnnotation"),
    };
    let message = Approval::of(&annotation).message(&annotation);
    set_condition(definition, "KubernetesAPIApprovalPolicyConformant", status, reason, &message, now);
}

fn establish(definition: &mut Value, now: Time) {
    if !is_true(definition, "Established") {
        let message = "the initial names have been accepted";
        set_condition(definition, "Established", "True", "InitialNamesAccepted", message, now);
    }
}

/// The accepted names, and the last of the conflicts.
fn accept(wanted: &Value, accepted: Value, taken: &Taken) -> (Value, Option<(&'static str, String)>) {
    let mut names = accepted.clone();
    let mut conflict = None;
    let steps = [
        ("plural", "PluralConflict", &taken.resources),
        ("singular", "SingularConflict", &taken.resources),
        ("shortNames", "ShortNamesConflict", &taken.resources),
        ("kind", "KindConflict", &taken.kinds),
        ("listKind", "ListKindConflict", &taken.kinds),
    ];
    for (field, reason, used) in steps {
        let own: Seen<ByValue<'_>> = accepted.list_at(&[field]).iter().map(ByValue).collect();
        let mut used_names: Vec<String> = Vec::new();
        match wanted.get(field) {
            Some(Value::List(list)) => {
                let new = list.iter().filter(|name| !own.contains(&ByValue(name))).filter_map(Value::as_str);
                used_names.extend(new.filter(|name| used.contains(*name)).map(String::from));
            }
            value => {
                let name = value.and_then(Value::as_str).unwrap_or("");
                let is_own = accepted.str_at(&[field]) == name;
                used_names.extend((!is_own && used.contains(name)).then(|| name.to_string()));
            }
        }
        if used_names.is_empty() {
            pintle_kinds::keep(&mut names, wanted, field);
        } else {
            conflict = Some((reason, in_use(&used_names)));
        }
    }
    pintle_kinds::keep(&mut names, wanted, "categories");
    (names, conflict)
}

fn in_use(names: &[String]) -> String {
    let messages: Vec<String> =
        names.iter().map(|name| format!("{} is already in use", quote(name))).collect();
    match messages.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    const NOW: Time = Time { seconds: 0, nanos: 0 };

    fn definition(plural: &str, kind: &str, group: &str, schema: &str) -> Value {
        let text = format!(
            r#"{{"spec":{{"group":"{group}","names":{{"plural":"{plural}","singular":"s{plural}","kind":"{kind}","listKind":"{kind}List"}},
            "versions":[{{"name":"v1","schema":{{"openAPIV3Schema":{schema}}}}}]}},"status":{{"acceptedNames":{{}}}}}}"#
        );
        json::parse(text.as_bytes()).unwrap()
    }

    /// `NamesAccepted=True Established=False(Installing)`, after settling until nothing changes.
    fn settled(definition: &mut Value, taken: &Taken) -> String {
        while settle(definition, taken, NOW) {}
        let conditions = definition.list_at(&["status", "conditions"]).iter();
        let shown = conditions.map(|one| {
            let part = |field: &str| one.str_at(&[field]);
            format!("{}={}({})", part("type"), part("status"), part("reason"))
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn free_names_are_accepted() {
        let mut widgets = definition("widgets", "Widget", "a.b", r#"{"type":"object"}"#);
        assert!(settle(&mut widgets, &Taken::default(), NOW));
        assert!(is_true(&widgets, "NamesAccepted") && !is_true(&widgets, "Established"));
        let expected = "NamesAccepted=True(NoConflicts) Established=True(InitialNamesAccepted)";
        assert_eq!(settled(&mut widgets, &Taken::default()), expected);
    }

    #[test]
    fn taken_names_are_not_and_free_ones_are() {
        let mut first = definition("widgets", "Widget", "a.b", r#"{"type":"object"}"#);
        settled(&mut first, &Taken::default());
        let taken = Taken::by(&first);
        let mut second = definition("others", "Widget", "a.b", r#"{"type":"object"}"#);
        let expected = "NamesAccepted=False(ListKindConflict) Established=False(NotAccepted)";
        assert_eq!(settled(&mut second, &taken), expected);
        assert_eq!(second.str_at(&["status", "acceptedNames", "plural"]), "others");
        assert_eq!(second.str_at(&["status", "acceptedNames", "kind"]), "");
        let expected = "NamesAccepted=True(NoConflicts) Established=True(InitialNamesAccepted)";
        assert_eq!(settled(&mut second, &Taken::default()), expected);
    }

    #[test]
    fn groups_of_the_community_and_loose_schemas_are_told() {
        let mut loose = definition("widgets", "Widget", "a.k8s.io", "{}");
        let expected = "NamesAccepted=True(NoConflicts) Established=True(InitialNamesAccepted) \
                        NonStructuralSchema=True(Violations) \
                        KubernetesAPIApprovalPolicyConformant=False(MissingAnnotation)";
        assert_eq!(settled(&mut loose, &Taken::default()), expected);
    }
}
