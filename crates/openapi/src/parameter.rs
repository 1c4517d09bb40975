//! Parameters of requests: their descriptions, and the operations that take them.

use crate::descriptions::Descriptions;
use crate::parts::{object, type_name};
use pintle_object::Value;
use pintle_schema::Schema;
use pintle_schema::model::{Shape, Struct};

/// Options of meta: parameters of every resource. Those without words of their own are fields of DeleteOptions.
const OPTIONS: [(&str, &str, &str); 20] = [
    (
        "allowWatchBookmarks",
        "boolean",
        "Lets a watch send events of type BOOKMARK, which tell the resource version that the watch has come \
         to. The server decides when it sends them. Without watch the parameter means nothing.",
    ),
    (
        "continue",
        "string",
        "The token of the last page of a list: asks for the next page, with the same other parameters. A \
         token that has expired is answered with 410 and with a token for going on inconsistently.",
    ),
    ("dryRun", "string", ""),
    (
        "fieldManager",
        "string",
        "The name under which the changes of the request are recorded in managed fields: up to 128 printable \
         characters. An apply must give one.",
    ),
    (
        "fieldSelector",
        "string",
        "Restricts the list of returned objects to those whose fields match; all without it.",
    ),
    (
        "fieldValidation",
        "string",
        "What happens to unknown and duplicate fields of the body: Ignore drops them, Warn (the default) \
         drops them and answers with warnings, Strict refuses the request.",
    ),
    (
        "force",
        "boolean",
        "Lets an apply take over fields that other managers own. Only an apply may give it.",
    ),
    ("gracePeriodSeconds", "integer", ""),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean", ""),
    (
        "labelSelector",
        "string",
        "Restricts the list of returned objects to those whose labels match; all without it.",
    ),
    (
        "limit",
        "integer",
        "The most items that a list may hold. When there are more, the list's metadata holds a token for the \
         parameter continue; all pages show the state at the first.",
    ),
    ("orphanDependents", "boolean", ""),
    ("pretty", "string", "Indents the answer. On without being asked for browsers, curl and wget."),
    ("propagationPolicy", "string", ""),
    (
        "resourceVersion",
        "string",
        "Which state the request wants to see: unset is the most recent, 0 is any, a version is one at least \
         as new unless resourceVersionMatch says otherwise.",
    ),
    ("resourceVersionMatch", "string", "How a list reads resourceVersion: Exact or NotOlderThan."),
    (
        "sendInitialEvents",
        "boolean",
        "Begins a watch with ADDED events for the objects there are, then a bookmark with the annotation \
         k8s.io/initial-events-end. Needs resourceVersionMatch=NotOlderThan.",
    ),
    (
        "shardSelector",
        "string",
        "Keeps the objects whose hash falls into ranges: shardRange(object.metadata.uid, '0x…', '0x…') terms \
         joined by ||. Needs the feature gate ShardedListAndWatch.",
    ),
    ("timeoutSeconds", "integer", "How long a list or watch may take."),
    ("watch", "boolean", "Watch for changes to the described resources: the answer is a stream of events."),
];

pub(super) const LIST: [&str; 11] = [
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
];
pub(super) const DELETE: [&str; 5] = [
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
];
pub(super) const WRITE: [&str; 3] = ["dryRun", "fieldManager", "fieldValidation"];

/// Makes parameters of options.
pub(super) struct Parameters<'a> {
    pub schema: &'a Schema,
    pub descriptions: &'a dyn Descriptions,
}

impl Parameters<'_> {
    pub(super) fn options(&self, names: &[&str]) -> Vec<Value> {
        let named = |name: &&str| OPTIONS.iter().find(|(have, ..)| have == name);
        let options = names.iter().filter_map(named);
        options.map(|(name, ty, words)| query(name, ty, &self.words(name, words))).collect()
    }

    fn words(&self, name: &str, words: &str) -> String {
        if !words.is_empty() {
            return words.into();
        }
        let options = type_name("k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions");
        self.descriptions.of_field(&options, name).unwrap_or(name).into()
    }

    /// The fields of a type of options: `PodLogOptions`, `PodExecOptions`.
    pub(super) fn fields_of(&self, options: &Struct, ty: &str) -> Vec<Value> {
        let mut found = Vec::new();
        for field in &options.fields {
            let shape = match self.schema.shape(field.ty) {
                Shape::List(list) => self.schema.shape(list.item),
                shape => shape,
            };
            let simple = match shape {
                Shape::Text => "string",
                Shape::Bool => "boolean",
                Shape::Int32 | Shape::Int64 => "integer",
                _ => continue,
            };
            if !matches!(field.name.as_ref(), "kind" | "apiVersion") {
                let own = self.descriptions.of_field(&type_name(ty), &field.name).map(String::from);
                found.push(query(&field.name, simple, &own.unwrap_or_else(|| spoken(&field.name))));
            }
        }
        found
    }
}

/// `sinceSeconds` as `Since seconds.`
fn spoken(name: &str) -> String {
    let mut words = String::new();
    for (index, letter) in name.chars().enumerate() {
        if index == 0 {
            words.extend(letter.to_uppercase());
        } else if letter.is_uppercase() && !words.ends_with(char::is_uppercase) {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words + "."
}

fn query(name: &str, ty: &str, description: &str) -> Value {
    object([
        ("name", name.into()),
        ("in", "query".into()),
        ("description", description.into()),
        ("schema", object([("type", ty.into()), ("uniqueItems", true.into())])),
    ])
}

/// A part of the path.
pub(super) fn part(name: &str, description: &str) -> Value {
    object([
        ("name", name.into()),
        ("in", "path".into()),
        ("description", description.into()),
        ("required", true.into()),
        ("schema", object([("type", "string".into()), ("uniqueItems", true.into())])),
    ])
}

/// In the order of documents.
pub(super) fn sorted(mut parameters: Vec<Value>) -> Vec<Value> {
    parameters.sort_by(|a, b| {
        (a.str_at(&["name"]), a.str_at(&["in"])).cmp(&(b.str_at(&["name"]), b.str_at(&["in"])))
    });
    parameters
}
