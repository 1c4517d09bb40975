//! `Scope`: the names that expressions may use.

use crate::types::{Struct, Type};
use pintle_regexp::Budget;
use std::collections::BTreeMap;
use std::sync::Arc;

use Type::{Bool, Text};

/// The type of all variables of a policy together.
pub(crate) const VARIABLES_TYPE: &str = "kubernetes.variables";

/// The variables of an expression, and its messages.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub(crate) variables: Vec<(String, Type)>,
    composed: Option<Arc<Struct>>,
    /// Whether objects and patches may be written.
    pub(crate) has_objects: bool,
    pub(crate) has_bind: bool,
    /// The memory for patterns of all expressions with this scope.
    pub patterns: Budget,
}

impl Scope {
    /// Of conditions of admission.
    #[must_use]
    pub fn admission() -> Self {
        let mut scope = Self::default();
        scope.declare("object", Type::Dyn);
        scope.declare("oldObject", Type::Dyn);
        scope.declare("request", request());
        scope.declare("namespaceObject", namespace());
        scope.declare("authorizer", Type::Opaque("kubernetes.authorization.Authorizer"));
        scope.declare("authorizer.requestResource", Type::Opaque("kubernetes.authorization.ResourceCheck"));
        scope
    }

    /// Of selectors of devices.
    #[must_use]
    pub fn device() -> Self {
        let mut scope = Self { has_bind: true, ..Self::default() };
        let quantities = Type::map(Type::map(Type::Opaque("kubernetes.Quantity")));
        let fields = [
            ("driver", Text),
            ("attributes", Type::map(Type::map(Type::Unknown))),
            ("capacity", quantities),
            ("allowMultipleAllocations", Bool),
        ];
        scope.declare("device", Type::object("kubernetes.DRADevice", &fields));
        scope
    }

    pub fn declare(&mut self, name: &str, ty: Type) {
        self.variables.push((name.to_owned(), ty));
    }

    /// From now on there are variables of the policy.
    pub fn with_variables(&mut self) {
        self.composed.get_or_insert_with(no_variables);
    }

    /// The scope of message expressions, which have no authorizer.
    #[must_use]
    pub fn without_authorizer(&self) -> Self {
        let mut scope = self.clone();
        scope
            .variables
            .retain(|(name, _)| !matches!(name.as_str(), "authorizer" | "authorizer.requestResource"));
        scope
    }

    pub fn with_objects(&mut self) {
        self.has_objects = true;
    }

    /// A variable of the policy, whose type is kept as far as it is made of simple ones.
    pub fn compose(&mut self, name: &str, ty: &Type) {
        let composed = self.composed.get_or_insert_with(no_variables);
        Arc::make_mut(composed).fields.insert(name.to_owned(), simple(ty));
    }

    pub(crate) fn lookup(&self, name: &str) -> Option<Type> {
        if name == "variables" {
            return self.composed.clone().map(Type::Struct);
        }
        self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, ty)| ty.clone())
    }
}

fn no_variables() -> Arc<Struct> {
    Arc::new(Struct { name: VARIABLES_TYPE.to_owned(), fields: BTreeMap::new(), is_open: false })
}

/// The part of a type that is kept where its values are declared again.
fn simple(ty: &Type) -> Type {
    match ty {
        Type::Bool
        | Type::Bytes
        | Type::Double
        | Type::Duration
        | Type::Int
        | Type::Null
        | Text
        | Type::Timestamp
        | Type::Uint => ty.clone(),
        Type::List(ty) => Type::list(simple(ty)),
        Type::Map(key, ty) => Type::Map(Box::new(simple(key)), Box::new(simple(ty))),
        _ => Type::Dyn,
    }
}

fn request() -> Type {
    let kind = [("group", Text), ("version", Text), ("kind", Text)];
    let resource = [("group", Text), ("version", Text), ("resource", Text)];
    let (kind, resource) = (
        Type::object("kubernetes.GroupVersionKind", &kind),
        Type::object("kubernetes.GroupVersionResource", &resource),
    );
    let strings = Type::list(Text);
    let user =
        [("username", Text), ("uid", Text), ("groups", strings.clone()), ("extra", Type::map(strings))];
    Type::object(
        "kubernetes.AdmissionRequest",
        &[
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", Text),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", Text),
            ("name", Text),
            ("namespace", Text),
            ("operation", Text),
            ("userInfo", Type::object("kubernetes.UserInfo", &user)),
            ("dryRun", Bool),
            ("options", Type::Dyn),
        ],
    )
}

fn namespace() -> Type {
    let texts = Type::map(Text);
    let metadata = Type::object(
        "kubernetes.NamespaceMetadata",
        &[
            ("name", Text),
            ("generateName", Text),
            ("namespace", Text),
            ("labels", texts.clone()),
            ("annotations", texts),
            ("UID", Text),
            ("creationTimestamp", Type::Timestamp),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Timestamp),
            ("generation", Type::Int),
            ("resourceVersion", Text),
            ("finalizers", Type::list(Text)),
        ],
    );
    let condition = Type::object(
        "kubernetes.NamespaceCondition",
        &[
            ("status", Text),
            ("type", Text),
            ("lastTransitionTime", Type::Timestamp),
            ("message", Text),
            ("reason", Text),
        ],
    );
    let spec = Type::object("kubernetes.NamespaceSpec", &[("finalizers", Type::list(Text))]);
    let status = [("conditions", Type::list(condition)), ("phase", Text)];
    Type::object(
        "kubernetes.Namespace",
        &[
            ("metadata", metadata),
            ("spec", spec),
            ("status", Type::object("kubernetes.NamespaceStatus", &status)),
        ],
    )
}
