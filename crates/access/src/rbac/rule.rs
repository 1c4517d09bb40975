//! `Rule`: verbs on resources or on URLs. Rules only ever allow.

use pintle_object::field::quote;
use pintle_object::{RequestInfo, Text, Value, VerbNames};

const ALL: &str = "*";

/// One entry of a role's `rules`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    pub verbs: VerbNames,
    pub groups: Box<[Text]>,
    pub resources: Box<[Text]>,
    /// Empty for objects of any name.
    pub names: Box<[Text]>,
    pub urls: Box<[Text]>,
}

impl Rule {
    /// Reads an entry of `rules`.
    pub fn read(value: &Value) -> Rule {
        let names = |field| value.list_at(&[field]).iter().filter_map(Value::as_str);
        let texts = |field| names(field).map(Text::from).collect();
        Rule {
            verbs: names("verbs").collect(),
            groups: texts("apiGroups"),
            resources: texts("resources"),
            names: texts("resourceNames"),
            urls: texts("nonResourceURLs"),
        }
    }

    /// The rules of a role.
    pub fn read_all(role: &Value) -> Box<[Rule]> {
        role.list_at(&["rules"]).iter().map(Rule::read).collect()
    }

    /// The rules of a cluster's administrator: every verb on everything.
    pub fn everything() -> [Rule; 2] {
        let all = || Box::from([Text::from(ALL)]);
        let verbs = || [ALL].into_iter().collect();
        [
            Rule { verbs: verbs(), groups: all(), resources: all(), ..Rule::default() },
            Rule { verbs: verbs(), urls: all(), ..Rule::default() },
        ]
    }

    pub fn allows(&self, info: &RequestInfo) -> bool {
        if !self.verbs.has_star() && !self.verbs.has(&info.verb) {
            return false;
        }
        if !info.is_resource {
            return self.urls.iter().any(|url| url_covers(url, &info.path));
        }
        has_or_all(&self.groups, &info.group)
            && self.resources.iter().any(|resource| resource_matches(resource, info))
            && (self.names.is_empty() || has(&self.names, &info.name))
    }

    /// The same as rules of one verb on one resource, name or URL each.
    pub(super) fn atoms(&self) -> Vec<Rule> {
        let one = |text: &Text| Box::from([text.clone()]);
        let one_verb = |text: &Text| [text.clone()].into_iter().collect();
        let mut atoms = Vec::new();
        for group in &self.groups {
            for resource in &self.resources {
                for verb in self.verbs.names() {
                    let atom = Rule {
                        verbs: one_verb(verb),
                        groups: one(group),
                        resources: one(resource),
                        ..Rule::default()
                    };
                    if self.names.is_empty() {
                        atoms.push(atom);
                    } else {
                        atoms.extend(self.names.iter().map(|name| Rule { names: one(name), ..atom.clone() }));
                    }
                }
            }
        }
        for url in &self.urls {
            atoms.extend(self.verbs.names().iter().map(|verb| Rule {
                verbs: one_verb(verb),
                urls: one(url),
                ..Rule::default()
            }));
        }
        atoms
    }

    /// Whether this rule allows all that an atom does.
    pub(super) fn covers(&self, atom: &Rule) -> bool {
        let all_of =
            |own: &[Text], wanted: &[Text]| has(own, ALL) || wanted.iter().all(|wanted| own.contains(wanted));
        all_of(self.verbs.names(), atom.verbs.names())
            && all_of(&self.groups, &atom.groups)
            && (has(&self.resources, ALL)
                || atom.resources.iter().all(|resource| resource_covered(&self.resources, resource)))
            && (self.names.is_empty()
                || (!atom.names.is_empty() && atom.names.iter().all(|name| self.names.contains(name))))
            && atom.urls.iter().all(|url| self.urls.iter().any(|own| url_covers(own, url)))
    }

    /// As refusals show it: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`.
    pub(super) fn describe(&self) -> String {
        let fields = [
            ("APIGroups", &*self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", self.verbs.names()),
        ];
        let shown: Vec<String> = fields
            .iter()
            .filter(|(_, texts)| !texts.is_empty())
            .map(|(field, texts)| format!("{field}:{}", quoted(texts)))
            .collect();
        format!("{{{}}}", shown.join(", "))
    }
}

/// Go's `%q` of a list: `["a" "b"]`.
pub(crate) fn quoted<T: AsRef<str>>(texts: &[T]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text.as_ref())).collect();
    format!("[{}]", quoted.join(" "))
}

fn has(texts: &[Text], wanted: &str) -> bool {
    texts.iter().any(|text| text == wanted)
}

fn has_or_all(texts: &[Text], wanted: &str) -> bool {
    texts.iter().any(|text| text == wanted || text == ALL)
}

/// `*`, `pods`, `pods/log`, or `*/scale` for the subresource of every resource.
fn resource_matches(pattern: &str, info: &RequestInfo) -> bool {
    if pattern == ALL {
        return true;
    }
    if info.subresource.is_empty() {
        return pattern == info.resource;
    }
    pattern.split_once('/').is_some_and(|(resource, sub)| {
        sub == info.subresource && (resource == ALL || resource == info.resource)
    })
}

fn resource_covered(own: &[Text], wanted: &str) -> bool {
    if has(own, wanted) {
        return true;
    }
    let Some((_, sub)) = wanted.split_once('/') else { return false };
    own.iter().any(|own| own.strip_prefix("*/") == Some(sub))
}

/// A star at the end matches any rest.
fn url_covers(pattern: &str, path: &str) -> bool {
    pattern == path || (pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*')))
}
