//! Values that all documents are made of.

use pintle_object::{Map, Value};

pub(crate) fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    entries.into_iter().collect::<Map>().into()
}

pub(crate) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    texts.into_iter().map(Value::text).collect::<Vec<_>>().into()
}

pub(crate) fn reference(name: &str) -> Value {
    object([("$ref", format!("#/components/schemas/{name}").into())])
}

/// The name of a type in documents: `k8s.io.api.core.v1.Pod` is `io.k8s.api.core.v1.Pod`.
pub(crate) fn type_name(name: &str) -> String {
    let rest = name.strip_prefix("k8s.io.").unwrap_or(name);
    format!("io.k8s.{}", rest.replace('_', "-"))
}

pub(crate) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}

/// `api/v1` or `apis/apps/v1`
pub(crate) fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// `core`, `apps`, `rbacAuthorization`, `myGroupExampleCom`
pub(crate) fn spoken_group(group: &str) -> String {
    if group.is_empty() {
        return String::from("core");
    }
    let is_between = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    let mut parts = group.strip_suffix(".k8s.io").unwrap_or(group).split(is_between);
    let first = String::from(parts.next().unwrap_or(""));
    parts.fold(first, |name, part| name + &capital(part))
}
