//! Audit policies: at which level and in which stages a request is recorded (package k8s.io/apiserver/pkg/audit/policy).

mod read;
mod validate;

#[cfg(test)]
mod tests;

pub use pintle_object::audit::Level;
use pintle_object::user::User;
use pintle_object::{RequestInfo, VerbNames};

/// The moment in a request's life at which an event is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditStage {
    /// Before the request is worked on.
    RequestReceived,
    /// The head of a long-running response is sent.
    ResponseStarted,
    /// The response is sent whole.
    ResponseComplete,
    /// The request panicked.
    Panic,
}

impl AuditStage {
    /// All of them, in upstream's order.
    pub const ALL: [AuditStage; 4] = [
        AuditStage::RequestReceived,
        AuditStage::ResponseStarted,
        AuditStage::ResponseComplete,
        AuditStage::Panic,
    ];

    /// The name in policies and events.
    pub fn as_str(self) -> &'static str {
        match self {
            AuditStage::RequestReceived => "RequestReceived",
            AuditStage::ResponseStarted => "ResponseStarted",
            AuditStage::ResponseComplete => "ResponseComplete",
            AuditStage::Panic => "Panic",
        }
    }

    fn parse(text: &str) -> Option<AuditStage> {
        AuditStage::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

/// A set of stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages(u8);

impl Stages {
    /// Whether the stage is one of them.
    pub fn contains(self, stage: AuditStage) -> bool {
        self.0 & (1 << stage as u8) != 0
    }

    fn with(self, stage: AuditStage) -> Stages {
        Stages(self.0 | (1 << stage as u8))
    }

    fn union(self, other: Stages) -> Stages {
        Stages(self.0 | other.0)
    }
}

/// The part of a policy that applies to one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestConfig {
    pub level: Level,
    pub omit_stages: Stages,
    pub omit_managed_fields: bool,
}

/// An ordered list of rules, the first match of which counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPolicy {
    rules: Vec<AuditRule>,
    omit_stages: Stages,
    omit_managed_fields: bool,
}

/// Which requests are recorded at a level; an empty list matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct AuditRule {
    level: Level,
    users: Vec<String>,
    user_groups: Vec<String>,
    verbs: VerbNames,
    resources: Vec<GroupResources>,
    namespaces: Vec<String>,
    non_resource_urls: Vec<String>,
    omit_stages: Stages,
    omit_managed_fields: Option<bool>,
}

/// Resources of a group, and names of their objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct GroupResources {
    group: String,
    resources: Vec<String>,
    resource_names: Vec<String>,
}

impl AuditPolicy {
    /// The level, stages and form at which a request is recorded; without a match it is not. `user` is none when nobody
    /// could be authenticated.
    pub fn evaluate(&self, user: Option<&User>, info: &RequestInfo) -> RequestConfig {
        match self.rules.iter().find(|rule| rule.matches(user, info)) {
            Some(rule) => RequestConfig {
                level: rule.level,
                omit_stages: rule.omit_stages.union(self.omit_stages),
                omit_managed_fields: rule.omit_managed_fields.unwrap_or(self.omit_managed_fields),
            },
            None => RequestConfig {
                level: Level::None,
                omit_stages: self.omit_stages,
                omit_managed_fields: self.omit_managed_fields,
            },
        }
    }
}

impl AuditRule {
    fn matches(&self, user: Option<&User>, info: &RequestInfo) -> bool {
        let is_of = |user: &User| {
            let is_named = self.users.is_empty() || self.users.contains(&user.name);
            let is_member = || user.groups.iter().any(|group| self.user_groups.contains(group));
            is_named && (self.user_groups.is_empty() || is_member())
        };
        let is_of_anybody = self.users.is_empty() && self.user_groups.is_empty();
        if !is_of_anybody && !user.is_some_and(is_of) {
            return false;
        }
        if !self.verbs.names().is_empty() && !self.verbs.has(&info.verb) {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return info.is_resource && self.matches_resource(info);
        }
        if !self.non_resource_urls.is_empty() {
            let matches = |spec: &String| path_matches(&info.path, spec);
            return !info.is_resource && self.non_resource_urls.iter().any(matches);
        }
        true
    }

    fn matches_resource(&self, info: &RequestInfo) -> bool {
        // Resources without a namespace are of the empty one.
        if !self.namespaces.is_empty() && !has(&self.namespaces, &info.namespace) {
            return false;
        }
        self.resources.is_empty() || self.resources.iter().any(|resources| resources.match_(info))
    }
}

impl GroupResources {
    fn match_(&self, info: &RequestInfo) -> bool {
        if self.group != "*" && info.group != self.group {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        if !self.resource_names.is_empty() && !has(&self.resource_names, &info.name) {
            return false;
        }
        self.resources.iter().any(|spec| resource_matches(spec, &info.resource, &info.subresource))
    }
}

/// Whether `pods`, `pods/log`, `*`, `pods/*` or `*/scale` means a resource.
fn resource_matches(spec: &str, resource: &str, subresource: &str) -> bool {
    if spec == "*" || spec.strip_suffix("/*") == Some(resource) {
        return true;
    }
    if subresource.is_empty() {
        return spec == resource;
    }
    spec.strip_prefix("*/") == Some(subresource)
        || spec.strip_prefix(resource).and_then(|rest| rest.strip_prefix('/')) == Some(subresource)
}

/// Whether `/version`, `/healthz*` or `*` means a path.
fn path_matches(path: &str, spec: &str) -> bool {
    spec == "*" || spec == path || (spec.ends_with('*') && path.starts_with(spec.trim_end_matches('*')))
}

fn has(list: &[String], text: &str) -> bool {
    list.iter().any(|item| item == text)
}
