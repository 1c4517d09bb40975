//! Discovery: which groups, versions and resources there are, in both of upstream's forms, and the small
//! documents beside it (`/`, `/version`).

use crate::aggregation::{Aggregator, Groups, Merged, Ties};
use crate::metrics::Metrics;
use crate::negotiate::{Accept, Format};
use crate::peers::merged;
use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pintle_engine::Engine;
use pintle_engine::resource_table::Table;
use pintle_metrics::Counter;
use pintle_object::{Map, Value, Verb, json, yaml};
use pintle_proxy::peers::Peers;
use pintle_schema::{Builtin, Resource, Resources, Subresource, TypeId, encode};
use sha2::{Digest as _, Sha256, Sha512};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The media type parameters of aggregated discovery.
pub(crate) const AGGREGATED: &str = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const AGGREGATED_KIND: &str = "k8s.io.api.apidiscovery.v2.APIGroupDiscoveryList";

/// One document: its kind, and its tree.
pub(crate) struct Document {
    /// As it says; upstream leaves it out of documents of the core group.
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) value: Value,
    /// Whether the router is before it, which takes only reads.
    pub(crate) is_routed: bool,
}

/// An aggregated document, with its ETag. Clients usually ask for JSON; other formats are made on demand.
pub(crate) struct Aggregated {
    line: Bytes,
    pretty: OnceLock<Bytes>,
    yaml: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
    pub(crate) etag: String,
}

/// Discovery of the resources that are served now.
pub struct Discovery {
    server_address: String,
    has_hashes: bool,
    current: ArcSwapOption<Made>,
    of_all: ArcSwapOption<OfAll>,
}

/// The groups of all servers on the store.
pub(crate) struct OfAll {
    /// Those of this server, which it was made from, and the state of those of the others.
    made: Arc<Made>,
    changes: u64,
    /// None where all groups are this server's own.
    pub(crate) groups: Option<Aggregated>,
}

/// Every document, made once for a table of resources.
pub(crate) struct Made {
    table: Arc<Table>,
    /// The numbers of changes of aggregated APIs that these documents were made with.
    changes: (u64, u64),
    pub(crate) documents: BTreeMap<String, Document>,
    pub(crate) core: Aggregated,
    pub(crate) groups: Aggregated,
}

impl Discovery {
    /// `server_address` is the `host:port` in `/api`. `has_hashes`: whether built-in resources have
    /// `storageVersionHash` (gate StorageVersionHash).
    pub fn new(server_address: &str, has_hashes: bool) -> Discovery {
        let (current, of_all) = (ArcSwapOption::empty(), ArcSwapOption::empty());
        Discovery { server_address: server_address.into(), has_hashes, current, of_all }
    }

    /// The groups of this server and of those beside it.
    pub(crate) fn of_all(
        &self,
        api: &Builtin,
        metrics: &Metrics,
        peers: &Peers,
        made: &Arc<Made>,
    ) -> Arc<OfAll> {
        let changes = peers.changes();
        let is_of_now = |of_all: &Arc<OfAll>| of_all.changes == changes && Arc::ptr_eq(&of_all.made, made);
        if let Some(of_all) = self.of_all.load_full().filter(is_of_now) {
            metrics.discovery_hits.inc();
            return of_all;
        }
        metrics.discovery_misses.inc();
        let local = json::parse(&made.groups.line).expect("the document was written by us");
        let merged = merged(&peers.identity, local.list_at(&["items"]), &peers.found());
        let groups = merged.map(|items| Aggregated::of(api, items));
        let of_all = Arc::new(OfAll { made: made.clone(), changes, groups });
        self.of_all.store(Some(of_all.clone()));
        of_all
    }

    pub(crate) fn current(&self, engine: &Engine, aggregator: &Aggregator, count: &Counter) -> Arc<Made> {
        let (table, changes) = (engine.table(), aggregator.changes());
        match self.current.load_full() {
            Some(made) if Arc::ptr_eq(&made.table, &table) && made.changes == changes => made,
            _ => {
                let made = Arc::new(Made { changes, ..self.make(engine, aggregator, table) });
                count.inc();
                self.current.store(Some(made.clone()));
                made
            }
        }
    }

    fn make(&self, engine: &Engine, aggregator: &Aggregator, table: Arc<Table>) -> Made {
        let (api, merged) = (&engine.api, aggregator.merged(engine));
        let resources =
            &Resources { all: table.served().iter().map(|served| served.resource.clone()).collect() };
        let any = api.any;
        let mut documents = BTreeMap::new();
        documents.insert(String::from("/api"), api_versions(&self.server_address));
        let local = resources.groups();
        let groups = |ties| match &merged {
            Some(merged) => merged.groups(&local, ties),
            None => local.iter().map(owned).collect(),
        };
        let plain = groups(Ties::Api);
        documents.insert(String::from("/apis"), group_list(&plain));
        for (group, versions) in &local {
            for version in versions {
                let list = resource_list(resources, any, (group, version), self.has_hashes);
                documents.insert(path(group, version), list);
            }
        }
        for (group, versions) in plain.iter().filter(|(group, _)| !group.is_empty()) {
            let value = with_kind("APIGroup", Some("v1"), group_entry(group, versions));
            let document = Document { api_version: "v1", kind: "APIGroup", value, is_routed: false };
            documents.insert(format!("/apis/{group}"), document);
        }
        let (core, named): (Groups, Groups) =
            groups(Ties::Group).into_iter().partition(|(group, _)| group.is_empty());
        let core = aggregated(api, resources, &core, merged.as_ref());
        let groups = aggregated(api, resources, &named, merged.as_ref());
        Made { table, changes: (0, 0), documents, core, groups }
    }
}

impl Aggregated {
    /// A document of groups.
    fn of(api: &Builtin, items: Vec<Value>) -> Aggregated {
        let mut map = Map::from_iter([("metadata", Value::map()), ("items", Value::List(items))]);
        map.insert("kind", "APIGroupDiscoveryList");
        map.insert("apiVersion", "apidiscovery.k8s.io/v2");
        let value = Value::Map(map);
        let ty = api.schema.named(AGGREGATED_KIND).expect("the tables hold the kinds of discovery");
        let mut line = Vec::new();
        encode::json::encode(&api.schema, ty, &value, &mut line);
        let hash: String = Sha512::digest(&line).iter().map(|byte| format!("{byte:02X}")).collect();
        line.push(b'\n');
        Aggregated {
            line: line.into(),
            pretty: OnceLock::new(),
            yaml: OnceLock::new(),
            protobuf: OnceLock::new(),
            etag: format!("\"{hash}\""),
        }
    }

    pub(crate) fn body(&self, api: &Builtin, accept: Accept) -> Bytes {
        let tree = || json::parse(&self.line).expect("the document was written by us");
        let form = match accept.format {
            Format::Json if !accept.pretty => return self.line.clone(),
            Format::Json => self.pretty.get_or_init(|| json::pretty(&self.line).into()),
            Format::Yaml => self.yaml.get_or_init(|| yaml::to_string(&tree()).into()),
            Format::Protobuf => self.protobuf.get_or_init(|| {
                let ty = api.schema.named(AGGREGATED_KIND).expect("the tables hold the kinds of discovery");
                let (group_version, kind) = ("apidiscovery.k8s.io/v2", "APIGroupDiscoveryList");
                encode::protobuf::document(&api.schema, ty, group_version, kind, &tree()).into()
            }),
        };
        form.clone()
    }
}

/// The release of Kubernetes whose behaviour this server has.
pub const KUBERNETES: &str = "v1.36.2";

/// The parts of the version in the document `/version`.
pub fn version_parts(reported: &str) -> Vec<(&'static str, String)> {
    [
        ("major", "1"),
        ("minor", "36"),
        ("gitVersion", reported),
        ("gitCommit", option_env!("PINTLE_COMMIT").unwrap_or("unknown")),
        ("gitTreeState", "clean"),
        ("buildDate", option_env!("PINTLE_BUILD_DATE").unwrap_or("1970-01-01T00:00:00Z")),
        ("goVersion", "none"),
        ("compiler", "rustc"),
        ("platform", "linux/amd64"),
    ]
    .map(|(name, value)| (name, value.into()))
    .into()
}

fn owned((group, versions): &(&str, Vec<&str>)) -> (String, Vec<String>) {
    (group.to_string(), versions.iter().map(ToString::to_string).collect())
}

pub(crate) fn path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.into() } else { format!("{group}/{version}") }
}

fn with_kind(kind: &'static str, api_version: Option<&str>, mut map: Map) -> Value {
    map.insert("kind", kind);
    if let Some(api_version) = api_version {
        map.insert("apiVersion", api_version);
    }
    Value::Map(map)
}

fn api_versions(server_address: &str) -> Document {
    let address = Map::from_iter([("clientCIDR", "0.0.0.0/0"), ("serverAddress", server_address)]);
    let map = Map::from_iter([
        ("versions", Value::List(vec![Value::from("v1")])),
        ("serverAddressByClientCIDRs", Value::List(vec![Value::Map(address)])),
    ]);
    // Upstream's handlers of the core group leave the version of these documents out.
    let value = with_kind("APIVersions", None, map);
    Document { api_version: "", kind: "APIVersions", value, is_routed: true }
}

fn group_list(groups: &Groups) -> Document {
    let groups: Vec<Value> = groups
        .iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| Value::Map(group_entry(group, versions)))
        .collect();
    let map = Map::from_iter([("groups", groups)]);
    let value = with_kind("APIGroupList", Some("v1"), map);
    Document { api_version: "v1", kind: "APIGroupList", value, is_routed: false }
}

fn group_entry(group: &str, versions: &[String]) -> Map {
    let entry = |version: &String| {
        Value::Map(Map::from_iter([
            ("groupVersion", group_version(group, version)),
            ("version", version.clone()),
        ]))
    };
    let entries: Vec<Value> = versions.iter().map(entry).collect();
    let preferred = entries.first().cloned().unwrap_or_default();
    Map::from_iter([
        ("name", Value::from(group)),
        ("versions", Value::List(entries)),
        ("preferredVersion", preferred),
    ])
}

fn resource_list(
    resources: &Resources,
    any: TypeId,
    (group, version): (&str, &str),
    has_hashes: bool,
) -> Document {
    let own = resources.all.iter().filter(|r| r.group == group && r.version == version);
    let is_custom = own.clone().all(|resource| resource.ty == any);
    let mut entries: Vec<(String, Value)> = Vec::new();
    for resource in own {
        entries.push((resource.plural.to_string(), resource_entry(resource, any, has_hashes || is_custom)));
        for sub in &resource.subresources {
            entries.push((format!("{}/{}", resource.plural, sub.name), subresource_entry(resource, sub)));
        }
    }
    // Those of custom resources stay in the order that they are in: a status before a scale.
    if !is_custom {
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    let list: Vec<Value> = entries.into_iter().map(|(_, entry)| entry).collect();
    let map = Map::from_iter([
        ("groupVersion", Value::from(group_version(group, version))),
        ("resources", Value::List(list)),
    ]);
    let api_version = if group.is_empty() { None } else { Some("v1") };
    Document {
        api_version: api_version.unwrap_or(""),
        kind: "APIResourceList",
        value: with_kind("APIResourceList", api_version, map),
        is_routed: !is_custom,
    }
}

fn resource_entry(resource: &Resource, any: TypeId, has_hash: bool) -> Value {
    let mut map = Map::new();
    map.insert("name", resource.plural.as_ref());
    map.insert("singularName", resource.singular.as_ref());
    map.insert("namespaced", resource.namespaced);
    map.insert("kind", resource.kind.as_ref());
    map.insert("verbs", verbs(resource, any));
    if !resource.short_names.is_empty() {
        map.insert("shortNames", texts(resource.short_names.iter().map(AsRef::as_ref)));
    }
    if !resource.categories.is_empty() {
        map.insert("categories", texts(resource.categories.iter().map(AsRef::as_ref)));
    }
    if has_hash && resource.verbs.has(&Verb::Update) {
        map.insert("storageVersionHash", storage_hash(resource));
    }
    Value::Map(map)
}

fn subresource_entry(resource: &Resource, sub: &Subresource) -> Value {
    let mut map = Map::new();
    map.insert("name", format!("{}/{}", resource.plural, sub.name));
    map.insert("singularName", "");
    map.insert("namespaced", resource.namespaced);
    if sub.group != resource.group || sub.version != resource.version {
        if !sub.group.is_empty() {
            map.insert("group", sub.group.as_ref());
        }
        map.insert("version", sub.version.as_ref());
    }
    map.insert("kind", sub.kind.as_ref());
    map.insert("verbs", texts(sub.verbs.names()));
    Value::Map(map)
}

/// Names the encoding that objects are stored in: upstream's hash of group, version and kind.
fn storage_hash(resource: &Resource) -> String {
    let text = format!("{}/{}/{}", resource.storage_group, resource.storage_version, resource.kind);
    let hash = Sha256::digest(text.as_bytes());
    STANDARD.encode(hash.get(..8).unwrap_or(&[]))
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Value> {
    texts.map(Value::from).collect()
}

/// Verbs as upstream lists them: by the alphabet, but for custom resources.
fn verbs(resource: &Resource, any: TypeId) -> Vec<Value> {
    const CUSTOM: [&str; 8] =
        ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
    if resource.ty == any { texts(CUSTOM.into_iter()) } else { texts(resource.verbs.names()) }
}

fn aggregated(api: &Builtin, resources: &Resources, groups: &Groups, merged: Option<&Merged>) -> Aggregated {
    let group = |(group, versions): &(String, Vec<String>)| {
        aggregated_group(api.any, resources, (group, versions), merged)
    };
    Aggregated::of(api, groups.iter().map(group).collect())
}

fn aggregated_group(
    any: TypeId,
    resources: &Resources,
    (group, versions): (&str, &[String]),
    merged: Option<&Merged>,
) -> Value {
    let entry = |version: &String| {
        if let Some(entry) = merged.and_then(|merged| merged.version_entry(group, version)) {
            return entry;
        }
        let own = resources.all.iter().filter(|r| r.group == group && r.version == version.as_str());
        let list: Vec<Value> = own.map(|resource| aggregated_resource(resource, any)).collect();
        Value::Map(Map::from_iter([
            ("version", Value::from(version.as_str())),
            ("resources", Value::List(list)),
            ("freshness", Value::from("Current")),
        ]))
    };
    let metadata = if group.is_empty() { Map::new() } else { Map::from_iter([("name", group)]) };
    let versions: Vec<Value> = versions.iter().map(entry).collect();
    Value::Map(Map::from_iter([("metadata", Value::Map(metadata)), ("versions", Value::List(versions))]))
}

fn aggregated_resource(resource: &Resource, any: TypeId) -> Value {
    let mut map = Map::new();
    map.insert("resource", resource.plural.as_ref());
    let is_custom = resource.ty == any;
    let (group, version) =
        if is_custom { (resource.group.as_ref(), resource.version.as_ref()) } else { ("", "") };
    map.insert("responseKind", response_kind(group, version, &resource.kind));
    map.insert("scope", if resource.namespaced { "Namespaced" } else { "Cluster" });
    map.insert("singularResource", resource.singular.as_ref());
    map.insert("verbs", verbs(resource, any));
    if !resource.short_names.is_empty() {
        map.insert("shortNames", texts(resource.short_names.iter().map(AsRef::as_ref)));
    }
    if !resource.categories.is_empty() {
        map.insert("categories", texts(resource.categories.iter().map(AsRef::as_ref)));
    }
    if !resource.subresources.is_empty() {
        let subs: Vec<Value> = resource
            .subresources
            .iter()
            .map(|sub| aggregated_subresource(resource, sub, is_custom))
            .collect();
        map.insert("subresources", subs);
    }
    Value::Map(map)
}

fn aggregated_subresource(resource: &Resource, sub: &Subresource, is_custom: bool) -> Value {
    let is_own = !is_custom && sub.group == resource.group && sub.version == resource.version;
    let (group, version) = if is_own { ("", "") } else { (sub.group.as_ref(), sub.version.as_ref()) };
    Value::Map(Map::from_iter([
        ("subresource", Value::from(sub.name.as_ref())),
        ("responseKind", response_kind(group, version, &sub.kind)),
        ("verbs", Value::List(texts(sub.verbs.names()))),
    ]))
}

fn response_kind(group: &str, version: &str, kind: &str) -> Value {
    Value::Map(Map::from_iter([("group", group), ("version", version), ("kind", kind)]))
}
