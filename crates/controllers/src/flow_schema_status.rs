//! Keeps the statuses of FlowSchemas: whether their priority levels exist.

use crate::runner::{self, EventSource, Reconciler};
use pintle_engine::options::{FieldValidation, PatchKind};
use pintle_engine::{Engine, ObjectRef, Patch, ServedResource, WriteContext, own};
use pintle_object::field::quote;
use pintle_object::{Status, Value, json};
use std::sync::Arc;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";
const DANGLING: &str = "Dangling";
/// The place of FlowSchemas among the sources; the other source is of priority levels.
const SCHEMAS: usize = 0;

/// Begins to follow FlowSchemas and priority levels until the store closes.
pub fn control(engine: Arc<Engine>) {
    let find = |plural: &str| engine.find_any(GROUP, plural);
    let (Some(schemas), Some(levels)) = (find("flowschemas"), find("prioritylevelconfigurations")) else {
        return;
    };
    let (Some(of_schemas), Some(of_levels)) = (EventSource::all(&schemas), EventSource::all(&levels)) else {
        return;
    };
    let controller = FlowSchemaStatus { engine: engine.clone(), schemas, levels, of_schemas, of_levels };
    tokio::spawn(runner::run(engine, controller));
}

struct FlowSchemaStatus {
    engine: Arc<Engine>,
    schemas: Arc<ServedResource>,
    levels: Arc<ServedResource>,
    of_schemas: EventSource,
    of_levels: EventSource,
}

impl Reconciler for FlowSchemaStatus {
    const NAME: &'static str = "flow_schema_status";

    fn sources(&self) -> Vec<EventSource> {
        vec![self.of_schemas.clone(), self.of_levels.clone()]
    }

    async fn sync(&mut self, source: usize, _: &str, name: &str) -> Result<(), Status> {
        if source == SCHEMAS { self.sync_schema(name).await } else { self.sync_those_of(name).await }
    }
}

impl FlowSchemaStatus {
    /// Looks at the schemas that name a priority level which came or went.
    async fn sync_those_of(&self, level: &str) -> Result<(), Status> {
        let snapshot = self.engine.store.snapshot(self.of_schemas.collection);
        let names: Vec<String> = snapshot.range("", None).map(|one| one.attrs.name.to_string()).collect();
        for name in names {
            if self.read(&name)?.is_some_and(|schema| level_of(&schema) == level) {
                self.sync_schema(&name).await?;
            }
        }
        Ok(())
    }

    async fn sync_schema(&self, name: &str) -> Result<(), Status> {
        let Some(schema) = self.read(name)? else { return Ok(()) };
        let level = level_of(&schema);
        let key = self.levels.key("", level);
        let is_there = self.engine.store.get(self.of_levels.collection, &key).is_some();
        let condition = dangling(level, is_there);
        if is_said(&schema, &condition) { Ok(()) } else { self.apply(name, condition).await }
    }

    fn read(&self, name: &str) -> Result<Option<Value>, Status> {
        self.of_schemas.read(&self.engine, &self.schemas, "", name)
    }

    async fn apply(&self, name: &str, mut condition: Value) -> Result<(), Status> {
        let now = own::now();
        condition.set(&["lastTransitionTime"], now.to_seconds_text());
        let mut config = Value::map();
        config.set(&["apiVersion"], self.schemas.api_version());
        config.set(&["kind"], "FlowSchema");
        config.set(&["metadata", "name"], name);
        config.set(&["status", "conditions"], vec![condition]);
        let text = json::to_string(&config);
        let patch = Patch {
            kind: PatchKind::Apply,
            bytes: text.as_bytes(),
            force: true,
            validation: FieldValidation::Ignore,
        };
        let user = own::user();
        let mut context = WriteContext::new(&user, now, MANAGER);
        let target = ObjectRef { served: &self.schemas, subresource: "status", namespace: "", name };
        self.engine.apply(target, &patch, &mut context).await.map(drop)
    }
}

fn level_of(schema: &Value) -> &str {
    schema.str_at(&["spec", "priorityLevelConfiguration", "name"])
}

/// The condition that says whether a schema's priority level is missing.
fn dangling(level: &str, is_there: bool) -> Value {
    let named =
        format!("This FlowSchema references the PriorityLevelConfiguration object named {}", quote(level));
    let (status, reason, what) = if is_there {
        ("False", "Found", "and it exists")
    } else {
        ("True", "NotFound", "but there is no such object")
    };
    let mut condition = Value::map();
    condition.set(&["type"], DANGLING);
    condition.set(&["status"], status);
    condition.set(&["reason"], reason);
    condition.set(&["message"], format!("{named} {what}"));
    condition
}

fn is_said(schema: &Value, condition: &Value) -> bool {
    let same = |one: &Value, field: &str| one.str_at(&[field]) == condition.str_at(&[field]);
    schema
        .list_at(&["status", "conditions"])
        .iter()
        .any(|one| ["type", "status", "reason", "message"].iter().all(|field| same(one, field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_not_said_again() {
        let mut schema = Value::map();
        assert!(!is_said(&schema, &dangling("a", true)));
        schema.set(&["status", "conditions"], vec![dangling("a", true)]);
        assert!(is_said(&schema, &dangling("a", true)));
        assert!(!is_said(&schema, &dangling("a", false)));
        assert!(!is_said(&schema, &dangling("b", true)));
    }
}
