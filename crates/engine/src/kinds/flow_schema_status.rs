//! Keeps the statuses of FlowSchemas: whether the priority level that each names is there.

use crate::admission::User;
use crate::call::Call;
use crate::engine::{Engine, Served, Target};
use crate::options::{FieldValidation, PatchKind};
use crate::patch::Patch;
use pintle_object::field::quote;
use pintle_object::time::Time;
use pintle_object::{Value, json};
use pintle_store::{CollectionId, EventKind, Interest, Step, WatchFrom};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";
const DANGLING: &str = "Dangling";

/// Begins to follow FlowSchemas and priority levels until the store closes.
pub fn control(engine: Arc<Engine>) {
    let find = |plural: &str| engine.find_any(GROUP, plural);
    let (Some(schemas), Some(levels)) = (find("flowschemas"), find("prioritylevelconfigurations")) else {
        return;
    };
    let (Some(of_schemas), Some(of_levels)) = (schemas.collection, levels.collection) else { return };
    let controller = Controller { engine, schemas, levels, of_schemas, of_levels };
    tokio::spawn(async move { controller.run().await });
}

struct Controller {
    engine: Arc<Engine>,
    schemas: Arc<Served>,
    levels: Arc<Served>,
    of_schemas: CollectionId,
    of_levels: CollectionId,
}

impl Controller {
    async fn run(&self) {
        let watch =
            |collection| self.engine.store.watch(collection, WatchFrom::InitialState, Interest::default());
        let (Ok(mut schemas), Ok(mut levels)) = (watch(self.of_schemas), watch(self.of_levels)) else {
            return;
        };
        loop {
            tokio::select! {
                step = schemas.next() => match step {
                    Step::Event(event) if event.kind == EventKind::Deleted => {}
                    Step::Event(event) => self.sync(&event.object.digest.name).await,
                    Step::InitialDone(_) => {}
                    Step::TooSlow | Step::Closed => return,
                },
                step = levels.next() => match step {
                    Step::Event(event) => self.sync_those_of(&event.object.digest.name).await,
                    Step::InitialDone(_) => {}
                    Step::TooSlow | Step::Closed => return,
                },
            }
        }
    }

    /// Looks at the schemas that name a priority level which came or went.
    async fn sync_those_of(&self, level: &str) {
        let snapshot = self.engine.store.snapshot(self.of_schemas);
        let names: Vec<String> = snapshot.range("", None).map(|one| one.digest.name.to_string()).collect();
        for name in names {
            if self.read(&name).is_some_and(|schema| level_of(&schema) == level) {
                self.sync(&name).await;
            }
        }
    }

    async fn sync(&self, name: &str) {
        let Some(schema) = self.read(name) else { return };
        let level = level_of(&schema);
        let is_there = self.engine.store.get(self.of_levels, &self.levels.key("", level)).is_some();
        let condition = dangling(level, is_there);
        if is_said(&schema, &condition) {
            return;
        }
        if let Err(status) = self.apply(name, condition).await {
            tracing::debug!(name, status.message, "the status of a flow schema was not written");
        }
    }

    fn read(&self, name: &str) -> Option<Value> {
        let object = self.engine.store.get(self.of_schemas, &self.schemas.key("", name))?;
        self.engine.storage_tree(&self.schemas, &object).ok()
    }

    async fn apply(&self, name: &str, mut condition: Value) -> Result<(), pintle_object::Status> {
        let now = now();
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
        let user = User {
            name: "system:apiserver".into(),
            groups: vec!["system:masters".into()],
            ..User::default()
        };
        let mut call = Call {
            user: &user,
            now,
            manager: MANAGER.into(),
            dry_run: false,
            warnings: Vec::new(),
            empties: Vec::new(),
        };
        let target = Target { served: &self.schemas, subresource: "status", namespace: "", name };
        self.engine.apply(target, &patch, &mut call).await.map(drop)
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

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: i64::try_from(since.as_secs()).unwrap_or(0), nanos: 0 }
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
