//! The paths of a resource and of its subresources.

use super::operation::{self, Operation, OperationBody, Style};
use super::parameter::{self, DELETE, LIST, Parameters, WRITE, part};
use super::schema::Components;
use crate::parts::{capital, object, prefix, spoken_group};
use pintle_object::{GroupVersionKind, Map, Value, Verb, Verbs};
use pintle_schema::model::{Shape, TypeId};
use pintle_schema::{Resource, Subresource};

const WATCH_MANY: &str = "deprecated: use the 'watch' parameter with a list operation instead.";
const WATCH_ONE: &str = "deprecated: use the 'watch' parameter with a list operation instead, filtered to a \
                         single item with the 'fieldSelector' parameter.";

/// Makes the paths of one group version.
pub(super) struct Operations {
    style: &'static Style,
    group: String,
    version: String,
    /// `/apis/apps/v1`
    prefix: String,
    /// `apps_v1`
    tag: String,
    /// `AppsV1`
    name: String,
}

/// A path, with all that its operations have in common.
struct PathPlace<'a> {
    resource: &'a Resource,
    /// Parameters of the path itself.
    parts: Vec<Value>,
    /// `Namespaced` or nothing.
    scope: &'static str,
    /// `Scale` for a subresource.
    suffix: String,
    /// ` scale of` and its like, as descriptions begin.
    subresource: &'a str,
    kind: GroupVersionKind,
    schema: Value,
}

impl Operations {
    pub(super) fn new(style: &'static Style, group: &str, version: &str) -> Operations {
        let spoken = spoken_group(group);
        Operations {
            style,
            group: group.into(),
            version: version.into(),
            prefix: format!("/{}", prefix(group, version)),
            tag: format!("{spoken}_{version}"),
            name: format!("{}{}", capital(&spoken), capital(version)),
        }
    }

    /// The group version's own discovery document.
    pub(super) fn root(&self, components: &mut Components<'_>) -> Map {
        let id = format!("get{}APIResources", self.name);
        let item =
            operation::discovery(&self.tag, "get available resources", &id, "APIResourceList", components);
        [(format!("{}/", self.prefix), item)].into_iter().collect()
    }

    pub(super) fn add(&mut self, resource: &Resource, paths: &mut Map, components: &mut Components<'_>) {
        let schema = components.refer(resource.ty);
        let list = resource.list_ty.map(|id| components.refer(id));
        self.add_with(resource, &schema, list.as_ref(), paths, components);
    }

    /// Adds a resource whose types are given as schemas.
    pub(super) fn add_with(
        &self,
        resource: &Resource,
        schema: &Value,
        list: Option<&Value>,
        paths: &mut Map,
        components: &mut Components<'_>,
    ) {
        let own = GroupVersionKind::new(self.group.as_str(), self.version.as_str(), resource.kind.as_ref());
        let place = PathPlace {
            resource,
            parts: Vec::new(),
            scope: if resource.namespaced { "Namespaced" } else { "" },
            suffix: String::new(),
            subresource: "",
            kind: own,
            schema: schema.clone(),
        };
        let collection = self.collection_path(resource);
        let namespace = namespace(resource);
        let on_collection = PathPlace { parts: namespace.clone(), ..place.clone() };
        insert(paths, &collection, self.collection(&on_collection, list, components));
        if resource.namespaced
            && let Some(list) = list
        {
            let everywhere = Operation {
                id: format!("list{}{}ForAllNamespaces", self.name, resource.kind),
                ..self.list(&place, list, components)
            };
            insert(paths, &format!("{}/{}", self.prefix, resource.plural), vec![everywhere]);
        }
        let item = format!("{collection}/{{name}}");
        let on_item = PathPlace { parts: self.with_name(&namespace, &resource.kind), ..place.clone() };
        insert(paths, &item, self.item(&on_item, resource.verbs, components));
        for sub in &resource.subresources {
            self.add_subresource(&on_item, sub, &item, paths, components);
        }
        if resource.verbs.has(&Verb::Watch) && !self.style.is_custom {
            self.add_watches(&place, paths, components);
        }
    }

    fn collection_path(&self, resource: &Resource) -> String {
        let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        format!("{}{scope}/{}", self.prefix, resource.plural)
    }

    fn with_name(&self, parts: &[Value], kind: &str) -> Vec<Value> {
        let mut parts = parts.to_vec();
        parts.push(part("name", &format!("name of the {kind}")));
        parts
    }

    fn collection(
        &self,
        place: &PathPlace<'_>,
        list: Option<&Value>,
        components: &mut Components<'_>,
    ) -> Vec<Operation> {
        let verbs = place.resource.verbs;
        let mut operations = Vec::new();
        if let Some(list) = list.filter(|_| verbs.has(&Verb::List)) {
            operations.push(self.list(place, list, components));
        }
        if verbs.has(&Verb::Create) {
            operations.push(self.create(place, components));
        }
        if verbs.has(&Verb::DeleteCollection) {
            operations.push(self.delete_collection(place, components));
        }
        operations
    }

    fn item(&self, place: &PathPlace<'_>, verbs: Verbs, components: &mut Components<'_>) -> Vec<Operation> {
        let mut operations = Vec::new();
        if verbs.has(&Verb::Get) {
            operations.push(self.read(place, components));
        }
        if verbs.has(&Verb::Update) {
            operations.push(self.replace(place, components));
        }
        if verbs.has(&Verb::Delete) {
            operations.push(self.delete(place, components));
        }
        if verbs.has(&Verb::Patch) {
            operations.push(self.patch(place, components));
        }
        operations
    }

    fn list(&self, place: &PathPlace<'_>, list: &Value, components: &mut Components<'_>) -> Operation {
        let kind = &place.resource.kind;
        let description = if self.style.is_custom || !place.resource.verbs.has(&Verb::List) {
            format!("list objects of kind {kind}")
        } else {
            format!("list or watch objects of kind {kind}")
        };
        Operation {
            media: self.style.stream.to_vec(),
            answer: list.clone(),
            ..self.operation(place, "get", "list", "list", description, &LIST, components)
        }
    }

    fn create(&self, place: &PathPlace<'_>, components: &mut Components<'_>) -> Operation {
        let article = article(&place.resource.kind);
        let kind = &place.resource.kind;
        let description = match place.subresource {
            "" => format!("create {article} {kind}"),
            sub => format!("create {sub} of {article} {kind}"),
        };
        Operation {
            codes: &[200, 201, 202],
            body: self.body(place.schema.clone(), true),
            ..self.operation(place, "post", "post", "create", description, &WRITE, components)
        }
    }

    fn read(&self, place: &PathPlace<'_>, components: &mut Components<'_>) -> Operation {
        let options: &[&str] = if self.style.is_custom { &["resourceVersion"] } else { &[] };
        let description = self.specified("read", place);
        self.operation(place, "get", "get", "read", description, options, components)
    }

    fn replace(&self, place: &PathPlace<'_>, components: &mut Components<'_>) -> Operation {
        Operation {
            codes: &[200, 201],
            body: self.body(place.schema.clone(), true),
            ..self.operation(
                place,
                "put",
                "put",
                "replace",
                self.specified("replace", place),
                &WRITE,
                components,
            )
        }
    }

    fn patch(&self, place: &PathPlace<'_>, components: &mut Components<'_>) -> Operation {
        let options = ["dryRun", "fieldManager", "fieldValidation", "force"];
        let description = self.specified("partially update", place);
        let schema = components.meta("Patch");
        Operation {
            codes: if self.style.is_custom { &[200] } else { &[200, 201] },
            body: Some(OperationBody { media: self.style.patches, schema, required: true }),
            ..self.operation(place, "patch", "patch", "patch", description, &options, components)
        }
    }

    fn delete(&self, place: &PathPlace<'_>, components: &mut Components<'_>) -> Operation {
        let resource = place.resource;
        let facts = &components.tables.facts;
        let answer = if facts.delete_returns_object(&self.group, &self.version, &resource.plural) {
            place.schema.clone()
        } else {
            components.meta("Status")
        };
        let options = components.meta("DeleteOptions");
        let description = format!("delete {} {}", article(&resource.kind), resource.kind);
        Operation {
            codes: &[200, 202],
            body: self.body(options, false),
            answer,
            ..self.operation(place, "delete", "delete", "delete", description, &DELETE, components)
        }
    }

    fn delete_collection(&self, place: &PathPlace<'_>, components: &mut Components<'_>) -> Operation {
        let kind = &place.resource.kind;
        let mut names: Vec<&str> = LIST.to_vec();
        let mut body = None;
        if !self.style.is_custom {
            names.retain(|name| !matches!(*name, "allowWatchBookmarks" | "watch"));
            names.extend(DELETE);
            body = self.body(components.meta("DeleteOptions"), false);
        }
        let answer = components.meta("Status");
        let description = format!("delete collection of {kind}");
        Operation {
            id: format!("delete{}Collection{}{kind}", self.name, place.scope),
            body,
            answer,
            ..self.operation(place, "delete", "deletecollection", "", description, &names, components)
        }
    }

    fn body(&self, schema: Value, required: bool) -> Option<OperationBody> {
        Some(OperationBody { media: self.style.bodies, schema, required })
    }

    /// `read scale of the specified Deployment`
    fn specified(&self, verb: &str, place: &PathPlace<'_>) -> String {
        match place.subresource {
            "" => format!("{verb} the specified {}", place.resource.kind),
            sub => format!("{verb} {sub} of the specified {}", place.resource.kind),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "every operation says each of these")]
    fn operation(
        &self,
        place: &PathPlace<'_>,
        method: &'static str,
        action: &'static str,
        id_verb: &str,
        description: String,
        options: &[&str],
        components: &mut Components<'_>,
    ) -> Operation {
        let makes = makes(components);
        let mut parameters = place.parts.clone();
        parameters.extend(makes.options(options));
        if action != "connect" {
            parameters.extend(makes.options(&["pretty"]));
        }
        let kind = &place.resource.kind;
        Operation {
            method,
            action,
            description,
            id: format!("{id_verb}{}{}{kind}{}", self.name, place.scope, place.suffix),
            tag: self.tag.clone(),
            group_version_kind: Some((
                place.kind.group.to_string(),
                place.kind.version.to_string(),
                place.kind.kind.to_string(),
            )),
            parameters,
            body: None,
            codes: &[200],
            media: self.style.media.to_vec(),
            answer: place.schema.clone(),
        }
    }

    fn add_watches(&self, place: &PathPlace<'_>, paths: &mut Map, components: &mut Components<'_>) {
        let resource = place.resource;
        let namespace = namespace(resource);
        let watch = format!("{}/watch", self.prefix);
        let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        if resource.namespaced {
            let all = format!("watch{}{}ListForAllNamespaces", self.name, resource.kind);
            let operation = self.watch(place, Vec::new(), "watchlist", all, components);
            insert(paths, &format!("{watch}/{}", resource.plural), vec![operation]);
        }
        let id = format!("watch{}{}{}List", self.name, place.scope, resource.kind);
        let operation = self.watch(place, namespace.clone(), "watchlist", id, components);
        insert(paths, &format!("{watch}{scope}/{}", resource.plural), vec![operation]);
        let id = format!("watch{}{}{}", self.name, place.scope, resource.kind);
        let parts = self.with_name(&namespace, &resource.kind);
        let operation = self.watch(place, parts, "watch", id, components);
        insert(paths, &format!("{watch}{scope}/{}/{{name}}", resource.plural), vec![operation]);
    }

    fn watch(
        &self,
        place: &PathPlace<'_>,
        parts: Vec<Value>,
        action: &'static str,
        id: String,
        components: &mut Components<'_>,
    ) -> Operation {
        let kind = &place.resource.kind;
        let description = match action {
            "watch" => format!("watch changes to an object of kind {kind}. {WATCH_ONE}"),
            _ => format!("watch individual changes to a list of {kind}. {WATCH_MANY}"),
        };
        let place = PathPlace { parts, ..place.clone() };
        Operation {
            id,
            media: self.style.stream.to_vec(),
            answer: components.meta("WatchEvent"),
            ..self.operation(&place, "get", action, "", description, &LIST, components)
        }
    }

    fn add_subresource(
        &self,
        of: &PathPlace<'_>,
        sub: &Subresource,
        item: &str,
        paths: &mut Map,
        components: &mut Components<'_>,
    ) {
        let path = format!("{item}/{}", sub.name);
        let resource = of.resource;
        let is_own_kind = sub.kind == resource.kind;
        let scale = || components.tables.api.schema.named("k8s.io.api.autoscaling.v1.Scale");
        let ty = if self.style.is_custom { scale().filter(|_| sub.name == "scale") } else { sub.ty };
        let schema = match ty.filter(|_| !is_own_kind && !is_options(sub)) {
            Some(id) => components.refer(id),
            None => of.schema.clone(),
        };
        // A custom resource's scale goes by the kind of the resource.
        let kind = match self.style.is_custom {
            true => of.kind.clone(),
            false => GroupVersionKind::new(sub.group.as_ref(), sub.version.as_ref(), sub.kind.as_ref()),
        };
        let place = PathPlace {
            parts: self.with_name(&namespace(resource), &kind.kind),
            suffix: capital(&sub.name),
            subresource: &sub.name,
            kind,
            schema,
            ..of.clone()
        };
        if is_options(sub) {
            self.add_connects(&place, sub, &path, paths, components);
        } else if let Some(options) = options_of(resource, sub, components) {
            insert(paths, &path, vec![self.read_text(&place, options, components)]);
        } else {
            let mut operations = self.item(&place, sub.verbs, components);
            if sub.verbs.has(&Verb::Create) {
                operations.push(self.create(&place, components));
            }
            insert(paths, &path, operations);
        }
    }

    /// Reading text with options: a pod's log.
    fn read_text(
        &self,
        place: &PathPlace<'_>,
        options: TypeId,
        components: &mut Components<'_>,
    ) -> Operation {
        let mut operation = self.read(place, components);
        operation.media.push("text/plain");
        operation.answer = object([("type", "string".into())]);
        operation.parameters.extend(fields_of(options, components));
        operation
    }

    /// Connections: `exec`, `proxy` and its paths.
    fn add_connects(
        &self,
        place: &PathPlace<'_>,
        sub: &Subresource,
        path: &str,
        paths: &mut Map,
        components: &mut Components<'_>,
    ) {
        let is_proxy = sub.verbs.has(&Verb::Update);
        let methods: &[&'static str] = match is_proxy {
            true => &["get", "put", "post", "delete", "options", "head", "patch"],
            false => &["get", "post"],
        };
        let options = sub.ty.map(|id| fields_of(id, components)).unwrap_or_default();
        let mut connect = |parts: Vec<Value>, end: &str| -> Vec<Operation> {
            let place = PathPlace { parts, ..place.clone() };
            let one = |method: &&'static str| {
                let kind = &place.resource.kind;
                let description =
                    format!("connect {} requests to {} of {kind}", method.to_uppercase(), sub.name);
                let mut operation =
                    self.operation(&place, method, "connect", "", description, &[], components);
                operation.id = format!(
                    "connect{}{}{}{kind}{}{end}",
                    self.name,
                    capital(method),
                    place.scope,
                    place.suffix
                );
                operation.parameters.extend(options.iter().cloned());
                operation.media = vec!["*/*"];
                operation.answer = object([("type", "string".into())]);
                operation
            };
            methods.iter().map(one).collect()
        };
        insert(paths, path, connect(place.parts.clone(), ""));
        if is_proxy {
            let mut parts = place.parts.clone();
            parts.push(part("path", "path to the resource"));
            insert(paths, &format!("{path}/{{path}}"), connect(parts, "WithPath"));
        }
    }
}

impl Clone for PathPlace<'_> {
    fn clone(&self) -> Self {
        PathPlace {
            resource: self.resource,
            parts: self.parts.clone(),
            scope: self.scope,
            suffix: self.suffix.clone(),
            subresource: self.subresource,
            kind: self.kind.clone(),
            schema: self.schema.clone(),
        }
    }
}

fn insert(paths: &mut Map, path: &str, operations: Vec<Operation>) {
    if !operations.is_empty() {
        paths.insert(path, operation::path_item(operations));
    }
}

fn namespace(resource: &Resource) -> Vec<Value> {
    match resource.namespaced {
        true => vec![part("namespace", "object name and auth scope, such as for teams and projects")],
        false => Vec::new(),
    }
}

/// The body of a connection is a type of options.
fn is_options(sub: &Subresource) -> bool {
    sub.kind.ends_with("Options")
}

/// `PodLogOptions` for `pods/log`
fn options_of(resource: &Resource, sub: &Subresource, components: &Components<'_>) -> Option<TypeId> {
    let kind = format!("{}{}Options", resource.kind, capital(&sub.name));
    let kind = GroupVersionKind::new(resource.group.as_ref(), resource.version.as_ref(), kind.as_str());
    components.tables.api.kinds.get(&kind).copied()
}

fn fields_of(options: TypeId, components: &Components<'_>) -> Vec<Value> {
    let ty = components.tables.api.schema.ty(options);
    match &ty.shape {
        Shape::Struct(structure) => makes(components).fields_of(structure, &ty.name),
        _ => Vec::new(),
    }
}

fn makes<'a>(components: &Components<'a>) -> Parameters<'a> {
    let tables = components.tables;
    parameter::Parameters { schema: &tables.api.schema, descriptions: tables.descriptions }
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
