//! The resources that a server serves: one entry per (group, version, plural).

use crate::model::{Str, TypeId};
use pintle_object::{GroupVersionKind, Verb, Verbs};
use std::collections::HashMap;

/// Every served resource, in the order of discovery.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    pub all: Vec<Resource>,
}

impl Resources {
    pub fn get(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        self.all.iter().find(|r| r.plural == plural && r.version == version && r.group == group)
    }

    /// Groups in the order of discovery, each with its versions, the preferred one first.
    pub fn groups(&self) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for resource in &self.all {
            match groups.iter_mut().find(|(group, _)| *group == resource.group) {
                Some((_, versions)) if versions.contains(&resource.version.as_ref()) => {}
                Some((_, versions)) => versions.push(&resource.version),
                None => groups.push((&resource.group, vec![&resource.version])),
            }
        }
        groups
    }
}

impl Resource {
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// Whether the resource, or a subresource of it, can be shown as a table: all that is listed can.
    pub fn has_table(&self, subresource: &str) -> bool {
        match self.subresource(subresource) {
            Some(sub) => sub.has_table,
            None => self.verbs.has(&Verb::List),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Resource {
    pub group: Str,
    pub version: Str,
    /// Plural name, as in paths.
    pub plural: Str,
    pub singular: Str,
    pub kind: Str,
    /// `PodList`; empty when the resource cannot be listed.
    pub list_kind: Str,
    pub namespaced: bool,
    pub verbs: Verbs,
    pub short_names: Vec<Str>,
    pub categories: Vec<Str>,
    /// The object's type and its list's type in the built-in schema.
    pub ty: TypeId,
    pub list_ty: Option<TypeId>,
    /// The key under upstream's `/registry`: `pods`, `services/specs`, `minions`, `apps/...`.
    pub key_prefix: Str,
    /// The group and version that objects of this kind are stored in.
    pub storage_group: Str,
    pub storage_version: Str,
    pub subresources: Vec<Subresource>,
    pub columns: Vec<Column>,
    /// Field labels that selectors may use besides metadata.name and metadata.namespace.
    pub selectable: Vec<Selectable>,
    pub life: Life,
}

/// The minor versions of Kubernetes 1 in which a resource came, was deprecated and goes; zero where that is not known.
#[derive(Clone, Debug, Default)]
pub struct Life {
    pub since: u16,
    pub deprecated: u16,
    pub removed: u16,
    /// The kind to use instead: `storage.k8s.io/v1/VolumeAttributesClass`.
    pub instead: Str,
    /// The feature gate without which it is not served.
    pub gate: Str,
}

/// The maturity of a version, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Alpha,
    Beta,
    Stable,
}

impl Stage {
    /// `v1`, `v1beta2`, `v2alpha1`; none for other names.
    pub fn of(version: &str) -> Option<Stage> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let rest = version.strip_prefix('v')?;
        let (stage, parts) = match (rest.split_once("alpha"), rest.split_once("beta")) {
            (Some(parts), _) => (Stage::Alpha, parts),
            (_, Some(parts)) => (Stage::Beta, parts),
            _ => (Stage::Stable, (rest, "0")),
        };
        (is_number(parts.0) && is_number(parts.1)).then_some(stage)
    }
}

#[derive(Clone, Debug)]
pub struct Subresource {
    /// `status`, `scale`, `binding`, ...
    pub name: Str,
    /// Group, version and kind of the body.
    pub group: Str,
    pub version: Str,
    pub kind: Str,
    pub verbs: Verbs,
    pub ty: Option<TypeId>,
    /// Whether it can be shown as a table.
    pub has_table: bool,
}

/// A column of `kubectl get`; cells are computed in `engine::kinds` for built-ins.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: Str,
    /// `string`, `integer`, `date`, ...
    pub ty: Str,
    pub format: Str,
    pub priority: u8,
    /// The meaning of the column; its name where that says it.
    pub description: Str,
}

/// A field label (`spec.nodeName`) and the path that holds its value.
#[derive(Clone, Debug)]
pub struct Selectable {
    pub label: Str,
    pub path: Vec<Str>,
}

/// The texts of the tables of `api/`, without comments and empty lines.
pub(crate) struct Tables {
    pub resources: &'static str,
    pub optional: &'static str,
    pub lifecycle: &'static str,
    pub columns: &'static str,
    pub selectable: &'static str,
    pub storage: &'static str,
}

/// Reads the tables of resources; `build.rs` checked that they are complete.
pub(crate) fn read(tables: &Tables, kinds: &HashMap<GroupVersionKind, TypeId>) -> Resources {
    let mut resources = Resources { all: blocks(tables.resources, kinds) };
    blocks(tables.optional, kinds).into_iter().for_each(|resource| resources.insert(resource));
    read_columns(&mut resources, tables.columns);
    read_selectable(&mut resources, tables.selectable);
    read_storage(&mut resources, tables.storage);
    read_lifecycle(&mut resources, tables.lifecycle);
    resources
}

fn blocks(text: &'static str, kinds: &HashMap<GroupVersionKind, TypeId>) -> Vec<Resource> {
    let mut all: Vec<Resource> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or("");
        if word == "resource" {
            let (group, version) = group_version(words.next().unwrap_or(""));
            let plural = words.next().unwrap_or("");
            all.push(Resource::new(group, version, plural));
        } else if let Some(resource) = all.last_mut() {
            resource.read_line(word, &words.collect::<Vec<_>>(), kinds);
        }
    }
    all
}

impl Resource {
    fn new(group: &'static str, version: &'static str, plural: &'static str) -> Resource {
        Resource {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            singular: "".into(),
            kind: "".into(),
            list_kind: "".into(),
            namespaced: false,
            verbs: Verbs::default(),
            short_names: Vec::new(),
            categories: Vec::new(),
            ty: TypeId(0),
            list_ty: None,
            key_prefix: plural.into(),
            storage_group: group.into(),
            storage_version: version.into(),
            subresources: Vec::new(),
            columns: Vec::new(),
            selectable: Vec::new(),
            life: Life::default(),
        }
    }

    fn read_line(&mut self, word: &str, rest: &[&'static str], kinds: &HashMap<GroupVersionKind, TypeId>) {
        let first = rest.first().copied().unwrap_or("");
        match word {
            "kind" => {
                let gvk = kind(first);
                self.ty = *kinds.get(&gvk).expect("a served kind has a type");
                self.kind = first.rsplit('/').next().unwrap_or("").into();
                let list = GroupVersionKind::new(gvk.group, gvk.version, format!("{}List", self.kind));
                self.list_ty = kinds.get(&list).copied();
                self.list_kind =
                    if self.list_ty.is_some() { list.kind.to_string().into() } else { "".into() };
            }
            "singular" => self.singular = first.into(),
            "namespaced" => self.namespaced = true,
            "verbs" => self.verbs = Verbs::of_names(rest),
            "short" => self.short_names = rest.iter().map(|name| Str::Borrowed(name)).collect(),
            "categories" => self.categories = rest.iter().map(|name| Str::Borrowed(name)).collect(),
            "sub" => self.subresources.push(subresource(rest, kinds)),
            _ => unreachable!("xtask writes no such line"),
        }
    }
}

fn subresource(words: &[&'static str], kinds: &HashMap<GroupVersionKind, TypeId>) -> Subresource {
    let mut words = words.iter().copied();
    let name = words.next().unwrap_or("");
    let path = words.next().unwrap_or("");
    let (group_version_text, kind_name) = path.rsplit_once('/').unwrap_or(("", path));
    let (group, version) = group_version(group_version_text);
    Subresource {
        name: name.into(),
        group: group.into(),
        version: version.into(),
        kind: kind_name.into(),
        verbs: Verbs::of_names(&words.collect::<Vec<_>>()),
        ty: kinds.get(&kind(path)).copied(),
        has_table: true,
    }
}

/// `apps/v1/Deployment` or `v1/Pod`
fn kind(path: &str) -> GroupVersionKind {
    let (group_version_text, kind) = path.rsplit_once('/').unwrap_or(("", path));
    let (group, version) = group_version_text.split_once('/').unwrap_or(("", group_version_text));
    GroupVersionKind::new(group, version, kind)
}

fn group_version(text: &'static str) -> (&'static str, &'static str) {
    text.split_once('/').unwrap_or(("", text))
}

impl Resources {
    /// Puts a resource after those of its group, or after all.
    fn insert(&mut self, resource: Resource) {
        let last = self.all.iter().rposition(|known| known.group == resource.group);
        self.all.insert(last.map_or(self.all.len(), |last| last + 1), resource);
    }

    /// Marks a subresource of every version as one without a table: `pods/resize`, `resource.k8s.io resourceclaims/status`.
    fn take_table(&mut self, name: &str) {
        let (group, path) = name.split_once(' ').unwrap_or(("", name));
        let (plural, sub) = path.split_once('/').unwrap_or((path, ""));
        for resource in self.all.iter_mut().filter(|own| own.group == group && own.plural == plural) {
            resource
                .subresources
                .iter_mut()
                .filter(|own| own.name == sub)
                .for_each(|own| own.has_table = false);
        }
    }

    /// The resource named by a line of another table: `apps/v1 deployments`.
    fn named(&mut self, name: &'static str) -> Option<&mut Resource> {
        let (group_version_text, plural) = name.split_once(' ')?;
        let (group, version) = group_version(group_version_text);
        self.all.iter_mut().find(|r| r.plural == plural && r.version == version && r.group == group)
    }
}

fn read_columns(resources: &mut Resources, text: &'static str) {
    let mut name = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("table ") {
            name = rest;
            continue;
        }
        if let Some(rest) = line.strip_prefix("none ") {
            resources.take_table(rest);
            continue;
        }
        let mut parts = line.split('|').map(str::trim);
        let mut next = || parts.next().unwrap_or("");
        let (column, ty, format, priority) = (next(), next(), next(), next());
        let column = Column {
            name: column.into(),
            ty: ty.into(),
            format: format.into(),
            priority: priority.parse().unwrap_or(0),
            description: column.into(),
        };
        if let Some(resource) = resources.named(name) {
            resource.columns.push(column);
        }
    }
    // Versions without columns of their own have those of the first version that has some.
    for place in 0..resources.all.len() {
        let Some(resource) = resources.all.get(place).filter(|own| own.columns.is_empty()) else { continue };
        let is_same = |other: &&Resource| other.group == resource.group && other.plural == resource.plural;
        let found = resources.all.iter().filter(is_same).find(|other| !other.columns.is_empty());
        let columns = found.map_or_else(default_columns, |other| other.columns.clone());
        if let Some(resource) = resources.all.get_mut(place) {
            resource.columns = columns;
        }
    }
}

/// The columns of upstream's default table: the name and the time of creation.
fn default_columns() -> Vec<Column> {
    let column = |name: &'static str, ty: &'static str, format: &'static str| Column {
        name: name.into(),
        ty: ty.into(),
        format: format.into(),
        priority: 0,
        description: name.into(),
    };
    vec![column("Name", "string", "name"), column("Created At", "date", "")]
}

fn read_selectable(resources: &mut Resources, text: &'static str) {
    for line in text.lines() {
        let Some((name, labels)) = line.split_once(": ") else { continue };
        let Some(resource) = resources.named(name) else { continue };
        let field = |label: &'static str| Selectable {
            label: label.into(),
            path: label.split('.').map(Str::Borrowed).collect(),
        };
        resource.selectable = labels.split_whitespace().map(field).collect();
    }
}

fn read_storage(resources: &mut Resources, text: &'static str) {
    for line in text.lines() {
        let Some((name, storage)) = line.split_once(": ") else { continue };
        let Some(resource) = resources.named(name) else { continue };
        let (prefix, version) = storage.split_once(' ').unwrap_or((storage, ""));
        resource.key_prefix = prefix.into();
        if !version.is_empty() {
            let (group, version) = group_version(version);
            resource.storage_group = group.into();
            resource.storage_version = version.into();
        }
    }
}

/// `storage.k8s.io/v1beta1 volumeattributesclasses: since=31 deprecated=34`
fn read_lifecycle(resources: &mut Resources, text: &'static str) {
    for line in text.lines() {
        let Some((name, facts)) = line.split_once(": ") else { continue };
        let Some(resource) = resources.named(name) else { continue };
        let fact = |key: &str| {
            let mut facts = facts.split(' ').filter_map(|fact| fact.split_once('='));
            facts.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
        };
        let minor = |key: &str| fact(key).parse().unwrap_or(0);
        resource.life = Life {
            since: minor("since"),
            deprecated: minor("deprecated"),
            removed: minor("removed"),
            instead: fact("instead").into(),
            gate: fact("gate").into(),
        };
    }
}
